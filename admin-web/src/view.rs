//! What every template knows: words, how to show values, where the reader is and who that is.

use std::sync::Arc;

use askama::filters::Safe;
use http::{HeaderMap, Uri, header, request::Parts};
use jiff::Timestamp;
use pixelfox_proto::Language;

use crate::{
    assets,
    show::Show,
    visit::{Fields, Note},
    words::{self, Words, fill},
};

/// Cookie with the chosen language.
pub(crate) const LANGUAGE_COOKIE: &str = "pixelfox_lang";

/// Who is logged in. The gate puts it into the request's extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// As it is shown.
    pub name: String,
    /// For the hidden field `csrf_token` of every form.
    pub csrf_token: String,
}

/// One request as templates see it.
#[derive(Clone, Debug)]
pub struct View {
    /// The reader's.
    pub language: Language,
    pub(crate) w: &'static Words,
    /// Values as people read them.
    pub show: Show,
    /// Path and query of the page.
    pub uri: Uri,
    /// `None` on pages for everyone.
    pub person: Option<Person>,
    /// What was sent to this page, where it is the answer to a form: the language switch keeps it.
    pub(crate) posted: Option<Arc<Fields>>,
    pub(crate) note: Option<Note>,
}

impl View {
    /// Of a request: the language by query, cookie and header, in this order.
    #[must_use]
    pub fn of(parts: &Parts) -> Self {
        let accepted = || Language::accepted(parts.headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?);
        let chosen = cookie(&parts.headers, LANGUAGE_COOKIE).and_then(Language::of_tag);
        let language = chosen.or_else(accepted).unwrap_or_default();
        let note = cookie(&parts.headers, Note::COOKIE).and_then(Note::read);
        let person = parts.extensions.get::<Person>().cloned();
        let posted = parts.extensions.get::<Arc<Fields>>().cloned();
        let uri = parts.extensions.get::<axum::extract::OriginalUri>().map_or(&parts.uri, |original| &original.0);
        Self {
            language,
            w: words::of(language),
            show: Show::new(language, Timestamp::now()),
            uri: uri.clone(),
            person,
            posted,
            note,
        }
    }

    /// The same in this language.
    pub(crate) fn spoken(self, language: Language) -> Self {
        Self { language, w: words::of(language), show: Show::new(language, Timestamp::now()), ..self }
    }

    /// The same at the present moment, for a page that is rendered again. What was to be said once is not said again.
    #[must_use]
    pub fn again(&self) -> Self {
        Self { show: Show::new(self.language, Timestamp::now()), note: None, ..self.clone() }
    }

    /// The address of an asset.
    #[must_use]
    pub fn asset(&self, name: &str) -> &'static str {
        assets::address(name)
    }

    /// The icon `name` of `assets/icons.svg`, for the eye only.
    #[must_use]
    pub fn icon(&self, name: &str) -> Safe<String> {
        let sprite = assets::address("icons.svg");
        Safe(format!("<svg class=\"icon\" aria-hidden=\"true\"><use href=\"{sprite}#{name}\"></use></svg>"))
    }

    /// A word with its `{n}` filled in.
    #[must_use]
    pub fn fill(&self, text: &str, n: impl std::fmt::Display) -> String {
        fill(text, &[("n", &n.to_string())])
    }

    /// A word with its `{name}` filled in, for where askama escapes it.
    #[must_use]
    pub fn named(&self, text: &str, name: &str) -> String {
        fill(text, &[("name", name)])
    }

    /// A word with a value in it that is HTML itself.
    #[must_use]
    pub fn fill_html(&self, text: &str, name: &str, value: &crate::show::Exact) -> Safe<String> {
        Safe(fill(text, &[(name, &value.to_string())]))
    }

    /// The hidden field that every form has.
    #[must_use]
    pub fn csrf(&self) -> Safe<String> {
        let token = self.person.as_ref().map_or("", |person| person.csrf_token.as_str());
        let token: String =
            token.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=')).collect();
        Safe(format!("<input type=\"hidden\" name=\"csrf_token\" value=\"{token}\">"))
    }

    /// Whether the page is `path` or below it; the dashboard is only itself.
    #[must_use]
    pub fn is_at(&self, path: &str) -> bool {
        let here = self.uri.path().trim_end_matches('/');
        here == path || path != "/admin" && here.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Whether this is the language of the page.
    #[must_use]
    pub fn is_in(&self, tag: &str) -> bool {
        self.language.tag() == tag
    }

    /// Path and query of this page.
    #[must_use]
    pub fn here(&self) -> String {
        let query = self.uri.query().map(|query| format!("?{query}"));
        own_path(&self.uri) + &query.unwrap_or_default()
    }

    /// This page in another language.
    #[must_use]
    pub fn in_language(&self, tag: &str) -> String {
        let path = own_path(&self.uri);
        match self.uri.query() {
            Some(query) => format!("{path}?{query}&lang={tag}"),
            None => format!("{path}?lang={tag}"),
        }
    }

    /// What is to be said at the element `id`.
    #[must_use]
    pub fn note_at(&self, id: &str) -> Option<&Note> {
        self.note.as_ref().filter(|note| note.at == id)
    }
}

/// Keeps the choice of a language for a year.
pub(crate) fn language_cookie(language: Language, secure: &str) -> String {
    format!("{LANGUAGE_COOKIE}={}; Path=/; Max-Age=31536000; SameSite=Lax{secure}", language.tag())
}

/// The path of a page as a link to it has it. What begins with two slashes would be another server's address, and a
/// browser takes `\\` for one.
pub(crate) fn own_path(uri: &Uri) -> String {
    format!("/{}", uri.path().trim_start_matches(['/', '\\']))
}

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(';')).find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}
