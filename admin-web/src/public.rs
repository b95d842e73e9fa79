//! The pages for everyone: upload, an image's own page, and what is said where there is none. Plain values in, an answer
//! with its headers out. They ask nobody: who mounts them has asked.

use askama::Template;
use axum::{
    Router, middleware,
    response::{Html, IntoResponse as _, Response},
};
use http::{HeaderValue, StatusCode, header, request::Parts};
use jiff::Timestamp;
use tower_http::compression::CompressionLayer;

use crate::{
    frame, gate,
    show::{Exact, Show},
    view::View,
    words::{Public, fill},
};

/// When it is worth a try to ask again for what is away.
const BACK_SECONDS: &str = "30";

/// What the upload page says before a choice is made, and after one that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadPage {
    /// Whether this visitor may upload.
    pub open: bool,
    /// Largest picture in bytes.
    pub max_bytes: u64,
    /// Pictures a minute; 0: no limit.
    pub per_minute: u32,
    /// The browser sends to the storage nodes itself, and to the server where they can't be reached.
    pub direct: bool,
    /// Public addresses of the pools: pictures come from there, and go there.
    pub pools: Vec<String>,
    /// What a form without a script came back with.
    pub refused: Option<Refused>,
}

/// Why an upload by a plain form was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// HTTP status.
    pub status: u16,
    /// The service's own sentence.
    pub message: String,
    /// Seconds after which another try makes sense.
    pub again_seconds: Option<u32>,
}

/// An image with its facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePage {
    /// As its owner calls it.
    pub name: String,
    /// Sniffed type, `image/png`.
    pub content_type: String,
    /// Bytes.
    pub size: u64,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Unix milliseconds.
    pub created_millis: i64,
    /// Where the picture is now, absolute.
    pub url: String,
    /// This page, absolute.
    pub page_url: String,
    /// Whether the picture can be had from there now.
    pub reach: Reach,
}

/// How it stands with the storage that has a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Nothing is known against it.
    #[default]
    There,
    /// Its node or its disk is away.
    Away,
}

#[derive(Template)]
#[template(path = "public/upload.html")]
struct UploadTemplate<'a> {
    v: &'a View,
    w: &'static Public,
    page: &'a UploadPage,
    limit: String,
    up_to: String,
    per_minute: String,
    refused: Option<String>,
    /// Key of the script and label.
    more_links: [(&'static str, &'static str); 4],
    words: String,
}

#[derive(Template)]
#[template(path = "public/image.html")]
struct ImageTemplate<'a> {
    v: &'a View,
    w: &'static Public,
    page: &'a ImagePage,
    links: Vec<(&'static str, &'static str, String)>,
    pixels: String,
    size: Exact,
    kind: &'a str,
    created: Option<Exact>,
}

#[derive(Template)]
#[template(path = "public/note.html")]
struct NoteTemplate<'a> {
    v: &'a View,
    w: &'static Public,
    code: u16,
    title: &'static str,
    text: &'a str,
}

/// `routes` for everyone, with the language switch, headers and compression.
pub fn around<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes.layer(middleware::from_fn(frame::for_everyone)).layer(CompressionLayer::new())
}

impl UploadPage {
    /// The answer to `request`: the page, with the status of what was refused.
    #[must_use]
    pub fn answer(&self, request: &Parts) -> Response {
        let view = View::of(request);
        let words = &view.w.public;
        let limit = view.show.limit(self.max_bytes).short;
        let status = self.refused.as_ref().map_or(200, |refused| refused.status);
        let page = UploadTemplate {
            w: words,
            page: self,
            up_to: fill(words.up_to, &[("size", &limit)]),
            limit,
            per_minute: fill(words.per_minute, &[("n", &view.show.count(u64::from(self.per_minute)))]),
            refused: self.refused.as_ref().map(|refused| refused.sentence(words, view.show, self.max_bytes)),
            more_links: [
                ("direct", words.direct),
                ("html", words.html),
                ("bbcode", words.bbcode),
                ("markdown", words.markdown),
            ],
            words: script_words(words),
            v: &view,
        };
        let pools: &[String] = if self.direct { &self.pools } else { &[] };
        shown(page.render(), status, pools)
    }
}

impl Refused {
    /// What a person can do about it, in their language.
    fn sentence(&self, words: &Public, show: Show, max_bytes: u64) -> String {
        let seconds = self.again_seconds.unwrap_or(5).to_string();
        match (self.status, self.message.as_str()) {
            (400, "file missing") => words.bad_none.to_owned(),
            (400, "empty file") => words.bad_empty.to_owned(),
            (400 | 408, _) => words.bad_form.to_owned(),
            (401 | 403, _) => words.bad_key.to_owned(),
            (415, message) if message.contains("is cut short") => words.bad_cut.to_owned(),
            (413, _) => fill(words.bad_size, &[("size", &show.limit(max_bytes).short)]),
            (415, _) => words.bad_type.to_owned(),
            (429, _) => fill(words.bad_many, &[("n", &seconds)]),
            (507, _) => words.bad_room.to_owned(),
            (500.., _) => words.bad_away.to_owned(),
            _ => format!("{} {}", words.bad_other, self.message),
        }
    }
}

impl ImagePage {
    /// The page itself.
    #[must_use]
    pub fn answer(&self, request: &Parts) -> Response {
        let view = View::of(request);
        let words = &view.w.public;
        let number = |pixels: u32| view.show.count(u64::from(pixels));
        let created = Timestamp::from_millisecond(self.created_millis).ok();
        let page = ImageTemplate {
            w: words,
            page: self,
            links: links(words, self),
            pixels: fill(words.pixels, &[("width", &number(self.width)), ("height", &number(self.height))]),
            size: view.show.bytes(self.size),
            kind: kind(&self.content_type),
            created: created.map(|at| view.show.when(at)),
            v: &view,
        };
        let status = if self.reach == Reach::Away { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        let mut response = shown(page.render(), status.as_u16(), std::slice::from_ref(&self.url));
        if self.reach == Reach::Away {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(BACK_SECONDS));
        }
        response
    }
}

/// Nothing is under this link.
#[must_use]
pub fn no_image(request: &Parts) -> Response {
    let view = View::of(request);
    note(&view, StatusCode::NOT_FOUND, view.w.public.gone_title, view.w.public.gone)
}

/// It is not known now: the books can't be asked.
#[must_use]
pub fn not_now(request: &Parts) -> Response {
    let view = View::of(request);
    let mut page = note(&view, StatusCode::SERVICE_UNAVAILABLE, view.w.public.troubled_title, view.w.public.bad_away);
    page.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(BACK_SECONDS));
    page
}

/// A page that says only this, with the way home.
pub(crate) fn note(view: &View, status: StatusCode, title: &'static str, text: &str) -> Response {
    let page = NoteTemplate { v: view, w: &view.w.public, code: status.as_u16(), title, text };
    shown(page.render(), status.as_u16(), &[])
}

fn shown(html: askama::Result<String>, status: u16, from: &[String]) -> Response {
    let html = match html {
        Ok(html) => html,
        Err(error) => {
            tracing::error!("a page could not be rendered: {error}");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Html(html)).into_response();
    let policy = frame::content_security_policy(&gate::origins(from.iter().map(String::as_str)));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Links to copy: id, label, text.
fn links(words: &Public, page: &ImagePage) -> Vec<(&'static str, &'static str, String)> {
    let (url, view) = (&page.url, &page.page_url);
    let plain: String = page.name.chars().filter(|c| !turns_text(*c)).collect();
    let name = escape_html(&plain);
    vec![
        ("link-direct", words.direct, url.clone()),
        ("link-html", words.html, format!("<a href=\"{view}\"><img src=\"{url}\" alt=\"{name}\"></a>")),
        ("link-bbcode", words.bbcode, format!("[url={view}][img]{url}[/img][/url]")),
        ("link-markdown", words.markdown, format!("[![{}]({url})]({view})", escape_markdown(&plain))),
    ]
}

/// Whether a character turns what is behind it round, on somebody else's page as well. Source: UAX #9, 2.
const fn turns_text(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A name within an attribute of somebody else's page.
fn escape_html(name: &str) -> String {
    let escaped = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#39;".to_owned(),
        other => other.to_string(),
    };
    name.chars().map(escaped).collect()
}

fn escape_markdown(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii_punctuation() && !matches!(c, '.' | '-' | ',' | ' ') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// `image/jpeg` as people say it.
fn kind(content_type: &str) -> &str {
    match content_type.strip_prefix("image/").unwrap_or(content_type) {
        "jpeg" => "JPEG",
        "png" => "PNG",
        "gif" => "GIF",
        "webp" => "WebP",
        "avif" => "AVIF",
        "bmp" => "BMP",
        other => other,
    }
}

/// Words for the script, as JSON for an attribute.
fn script_words(w: &Public) -> String {
    serde_json::json!({
        "waiting": w.waiting, "sending": w.sending, "storing": w.storing, "done": w.done, "duplicate": w.duplicate,
        "failed": w.failed, "cancelled": w.cancelled, "retryIn": w.retry_in, "summary": w.summary, "leave": w.leave,
        "badType": w.bad_type, "badCut": w.bad_cut, "badSize": w.bad_size, "badEmpty": w.bad_empty, "badForm": w.bad_form,
        "badKey": w.bad_key, "badRoom": w.bad_room, "badAway": w.bad_away, "badOffline": w.bad_offline,
        "badOther": w.bad_other, "dropNow": w.drop_now, "orDrop": w.or_drop,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pixelfox_proto::Language;

    fn page(name: &str) -> ImagePage {
        ImagePage {
            name: name.into(),
            content_type: "image/png".into(),
            size: 1,
            width: 1,
            height: 1,
            created_millis: 0,
            url: "http://s01/uploads/a.png".into(),
            page_url: "http://app/i/abc".into(),
            reach: Reach::There,
        }
    }

    #[test]
    fn links_carry_a_name_as_text_and_never_as_markup() {
        let words = &crate::words::of(Language::De).public;
        let of = |name: &str| links(words, &page(name)).into_iter().map(|(.., text)| text).collect::<Vec<_>>();
        let plain = of("cat.png");
        assert_eq!(plain[0], "http://s01/uploads/a.png");
        assert_eq!(plain[1], "<a href=\"http://app/i/abc\"><img src=\"http://s01/uploads/a.png\" alt=\"cat.png\"></a>");
        assert_eq!(plain[2], "[url=http://app/i/abc][img]http://s01/uploads/a.png[/img][/url]");
        assert_eq!(plain[3], "[![cat.png](http://s01/uploads/a.png)](http://app/i/abc)");
        let turned = of("cat\u{202e}gnp.exe");
        assert!(turned[1].contains("alt=\"catgnp.exe\"") && turned[3].starts_with("[![catgnp.exe]("), "{turned:?}");
        let nasty = of("\"><script>](x)[b].png");
        assert!(nasty[1].contains("alt=\"&quot;&gt;&lt;script&gt;](x)[b].png\""), "{}", nasty[1]);
        assert!(nasty[3].starts_with("[![\\\"\\>\\<script\\>\\]\\(x\\)\\[b\\].png]("), "{}", nasty[3]);
    }

    #[test]
    fn a_picture_whose_storage_is_away_is_not_shown_as_an_empty_frame() {
        // The page says so with its status too, and keeps the links; a picture that can be had is shown.
        let (request, ()) = http::Request::new(()).into_parts();
        let there = page("cat.png").answer(&request);
        let away = ImagePage { reach: Reach::Away, ..page("cat.png") }.answer(&request);
        assert_eq!((there.status().as_u16(), there.headers().get("retry-after")), (200, None));
        assert_eq!((away.status().as_u16(), away.headers()["retry-after"].as_bytes()), (503, &b"30"[..]));
        let template = |reach| {
            let (page, view) = (ImagePage { reach, ..page("cat.png") }, View::of(&request));
            let w = &view.w.public;
            let (links, size) = (links(w, &page), view.show.bytes(1_u64));
            let (pixels, created) = (String::new(), None);
            let template = ImageTemplate { v: &view, w, page: &page, links, pixels, size, kind: "PNG", created };
            (template.render().unwrap(), w.away)
        };
        let ((shown, words), (instead, _)) = (template(Reach::There), template(Reach::Away));
        let frame = "<img src=\"http://s01/uploads/a.png\"";
        assert!(shown.contains(frame) && !shown.contains(words), "{shown}");
        assert!(!instead.contains(frame) && instead.contains(words) && instead.contains("link-direct"), "{instead}");
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let words = &crate::words::of(Language::En).public;
        let show = Show::new(Language::En, Timestamp::UNIX_EPOCH);
        for (status, message, want) in [
            (400, "file missing", words.bad_none),
            (400, "empty file", words.bad_empty),
            (400, "invalid multipart form", words.bad_form),
            (401, "x", words.bad_key),
            (413, "x", "The image is too large: 512\u{a0}MiB are allowed."),
            (415, "x", words.bad_type),
            (415, "this png is cut short: its end is missing. Send it again, whole", words.bad_cut),
            (429, "x", "Too many images in a short time. It goes on in 42 seconds."),
            (503, "x", words.bad_away),
            (507, "x", words.bad_room),
            (409, "It was deleted.", "That did not work. It was deleted."),
        ] {
            let refused = Refused { status, message: message.into(), again_seconds: Some(42) };
            assert_eq!(refused.sentence(words, show, 512 << 20), want, "{status} {message}");
        }
    }
}
