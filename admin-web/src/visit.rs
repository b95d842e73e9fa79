//! One request on its way through a page: the view, the Admin client, what a form sent, where it goes back to.

use axum::{
    extract::FromRequestParts,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderValue, StatusCode, header, request::Parts};
use pixelfox_proto::Language;
use serde::{Deserialize, Serialize};

use crate::{
    admin::{self, Admin, Calls},
    checks::Checks,
    gate::{Sources, Strangers, is_over_tls},
    trouble::Trouble,
    view::View,
};

/// What all pages share.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    calls: Calls,
    sources: Sources,
    checks: Checks,
    strangers: Strangers,
}

impl Site {
    pub(crate) fn new(calls: Calls) -> Self {
        Self { calls, sources: Sources::default(), checks: Checks::default(), strangers: Strangers::default() }
    }

    /// The Admin service in the name of this account, or in that of nobody; it speaks in this language.
    pub(crate) fn admin(&self, account: Option<&str>, language: Language) -> Admin {
        admin::client(&self.calls, account, language)
    }

    /// Seats for forms of those who are not signed in.
    pub(crate) const fn strangers(&self) -> &Strangers {
        &self.strangers
    }

    /// Where pictures may come from.
    pub(crate) const fn sources(&self) -> &Sources {
        &self.sources
    }
}

/// A request for a page or an action. The first argument of every handler.
#[derive(Clone, Debug)]
pub struct Visit {
    /// For templates.
    pub view: View,
    site: Site,
    wants_events: bool,
    secure: &'static str,
}

impl FromRequestParts<Site> for Visit {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Self::Rejection> {
        let accept = parts.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let wants_events = accept.contains("text/event-stream");
        Ok(Self { view: View::of(parts), site: site.clone(), wants_events, secure: secure(parts) })
    }
}

impl Visit {
    /// The Admin service, in the name of who is logged in.
    #[must_use]
    pub fn admin(&self) -> Admin {
        self.site.admin(self.view.person.as_ref().map(|person| person.name.as_str()), self.view.language)
    }

    /// What the last check of each pool found.
    pub(crate) const fn checks(&self) -> &Checks {
        &self.site.checks
    }

    /// Whether the script of an open page asks for what changes.
    pub(crate) const fn wants_events(&self) -> bool {
        self.wants_events
    }

    /// The same visit now.
    pub(crate) fn again(&self) -> Self {
        Self { view: self.view.again(), ..self.clone() }
    }

    /// The end of an action: to `path` (with `#element`), where `note` is shown once.
    #[must_use]
    pub fn back(&self, path: &str, note: &Note) -> Response {
        let (name, note, secure) = (Note::COOKIE, note.written(), self.secure);
        let cookie = format!("{name}={note}; Path=/admin; Max-Age=60; HttpOnly; SameSite=Strict{secure}");
        let (Ok(location), Ok(cookie)) = (HeaderValue::from_str(path), HeaderValue::from_str(&cookie)) else {
            return Trouble { status: StatusCode::BAD_REQUEST, message: String::new() }.into_response();
        };
        (StatusCode::SEE_OTHER, [(header::LOCATION, location), (header::SET_COOKIE, cookie)]).into_response()
    }
}

/// What a cookie's attributes end with: over TLS it goes over TLS alone.
pub(crate) fn secure(parts: &Parts) -> &'static str {
    if is_over_tls(parts) { "; Secure" } else { "" }
}

/// How an action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// As asked.
    Done,
    /// As asked, but look.
    Look,
    /// Not.
    Refused,
}

/// What is said once about an action, where it was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Id of the element on the page.
    pub at: String,
    /// How it ended.
    pub outcome: Outcome,
    /// One or two sentences: what happened, and where it failed the cause and the cure.
    pub text: String,
}

impl Note {
    pub(crate) const COOKIE: &str = "pixelfox_note";
    /// Characters of a text.
    const MAX: usize = 800;
    /// Bytes of the cookie's value: browsers keep none above 4,096 with its name and its attributes.
    const MAX_COOKIE: usize = 3800;

    /// About the element with the id `at`.
    pub fn new(at: impl Into<String>, outcome: Outcome, text: impl Into<String>) -> Self {
        Self { at: at.into(), outcome, text: text.into().chars().take(Self::MAX).collect() }
    }

    pub(crate) fn read(cookie: &str) -> Option<Self> {
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(cookie).ok()?).ok()
    }

    fn written(&self) -> String {
        let mut note = self.clone();
        loop {
            let written = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&note).unwrap_or_default());
            let characters = note.text.chars().count();
            if written.len() <= Self::MAX_COOKIE || characters == 0 {
                return written;
            }
            note.text = note.text.chars().take(characters / 4 * 3).collect();
        }
    }

    /// The word of the stylesheet.
    #[must_use]
    pub const fn class(&self) -> &'static str {
        match self.outcome {
            Outcome::Done => "good",
            Outcome::Look => "warn",
            Outcome::Refused => "bad",
        }
    }
}

/// The fields of a form, in order, as they were typed, without its token: the gate has checked that, and where the form
/// was sent from, before this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Fields {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Trouble> {
        let taken = parts.extensions.remove::<Self>();
        taken.ok_or(Trouble { status: StatusCode::FORBIDDEN, message: String::new() })
    }
}

impl Fields {
    /// The first value of a field without the space around it; empty where there is none.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        let field = self.0.iter().find(|(key, _)| key == name);
        field.map(|(_, value)| value.as_str()).unwrap_or_default().trim()
    }

    /// Every value of a field.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a box is ticked or a button of this name was pressed.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_fits_a_cookie_whatever_is_in_it() {
        // Signs that take four bytes, and those that JSON writes with six.
        for text in ["x", "🦊", "\u{1}", "\""] {
            let note = Note::new("pool-1", Outcome::Refused, text.repeat(100_000));
            let written = note.written();
            assert!(written.len() <= Note::MAX_COOKIE, "{text}: {}", written.len());
            let read = Note::read(&written).unwrap();
            assert!(read.text.starts_with(text) && read.text.len() > 300, "{text}: {read:?}");
        }
    }
}
