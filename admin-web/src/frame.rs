//! The layer around all pages: the language switch, the error page, headers, compression.

use askama::Template;
use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
    response::{Html, IntoResponse as _, Redirect, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use pixelfox_proto::Language;
use tower_http::compression::CompressionLayer;

use crate::{
    trouble::Trouble,
    view::{View, cookie, language_cookie, own_path},
    visit::{Note, Site, secure},
};

/// What a page may load and do: its own files and nothing inline. `img_and_connect`: origins of the pools.
/// Source: <https://www.w3.org/TR/CSP3/>.
#[must_use]
pub fn content_security_policy(img_and_connect: &str) -> String {
    format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data: blob: {img_and_connect}; \
         connect-src 'self' {img_and_connect}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// The page of a [`Trouble`].
#[derive(Template)]
#[template(path = "trouble.html")]
struct TroublePage<'a> {
    v: &'a View,
    title: &'a str,
    message: &'a str,
    cure: &'a str,
    status: StatusCode,
}

/// `routes` with everything that all pages have in common.
pub(crate) fn around(routes: Router<Site>) -> Router<Site> {
    routes.layer(middleware::from_fn(finish)).layer(CompressionLayer::new())
}

async fn finish(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if let Some(response) = switched(&parts) {
        return response;
    }
    let secure = secure(&parts);
    let mut view = View::of(&parts);
    let is_read = parts.method.is_safe();
    let asked_without_page = parts.headers.get("sec-fetch-dest").is_some_and(|dest| dest == "empty");
    let said = !asked_without_page && cookie(&parts.headers, Note::COOKIE).is_some();
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if is_read && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response = Redirect::to(above(view.uri.path())).into_response();
    }
    let trouble = response.extensions_mut().remove::<Trouble>();
    let trouble = trouble.or_else(|| {
        let refused = response.status() == StatusCode::METHOD_NOT_ALLOWED;
        refused.then(|| Trouble { status: response.status(), message: view.w.frame.trouble_method.to_owned() })
    });
    // What a route could not read was refused in English, in plain text.
    let trouble = trouble.or_else(|| {
        let kind = response.headers().get(header::CONTENT_TYPE);
        let is_plain = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
        (response.status().is_client_error() && is_plain)
            .then(|| Trouble { status: response.status(), message: view.w.frame.trouble_unreadable.to_owned() })
    });
    view.person = response.extensions_mut().remove();
    if let Some(trouble) = trouble {
        response = trouble_page(&view, &trouble);
    }
    let is_page =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let headers = response.headers_mut();
    if said && is_page {
        forget_note(headers, secure);
    }
    harden(headers);
    response
}

/// The page that a form is on: what was shown as the answer to that form is asked for again, in another language or by a
/// reader who comes back.
fn above(path: &str) -> &str {
    path.rsplit_once('/').map_or("/admin", |(above, _)| above)
}

/// The layer around the pages for everyone.
pub(crate) async fn for_everyone(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if let Some(response) = switched(&parts) {
        return response;
    }
    let mut response = next.run(Request::from_parts(parts, body)).await;
    let is_page =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if is_page {
        harden(response.headers_mut());
    }
    response
}

fn trouble_page(view: &View, trouble: &Trouble) -> Response {
    let words = &view.w.frame;
    let (title, cure) = match trouble.status.as_u16() {
        404 | 410 => (words.trouble_not_found, ""),
        409 | 412 => (words.trouble_changed, ""),
        400..=499 => (words.trouble_refused, ""),
        503 | 504 => (words.trouble_unavailable, words.trouble_unavailable_cure),
        _ => (words.trouble_internal, words.trouble_internal_cure),
    };
    let is_empty = trouble.message.is_empty() && trouble.status == StatusCode::NOT_FOUND;
    let message = if is_empty { words.trouble_no_page } else { &trouble.message };
    let page = TroublePage { v: view, title, message, cure, status: trouble.status };
    match page.render() {
        Ok(html) => (trouble.status, Html(html)).into_response(),
        Err(_) => (trouble.status, trouble.message.clone()).into_response(),
    }
}

/// `?lang=en` on any page: the choice is kept in a cookie, and the page comes again without it. A form that is sent there
/// is no choice, and is not lost over it.
pub(crate) fn switched(parts: &Parts) -> Option<Response> {
    let (uri, secure) = (&parts.uri, secure(parts));
    if !parts.method.is_safe() {
        return None;
    }
    let query = uri.query()?;
    let language = query.split('&').find_map(|pair| Language::of_tag(pair.strip_prefix("lang=")?))?;
    let rest: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("lang=") && !pair.is_empty()).collect();
    let path = own_path(uri);
    let location = if rest.is_empty() { path.to_owned() } else { format!("{path}?{}", rest.join("&")) };
    let cookie = language_cookie(language, secure);
    let (location, cookie) = (HeaderValue::from_str(&location).ok()?, HeaderValue::from_str(&cookie).ok()?);
    let headers = [(header::LOCATION, location), (header::SET_COOKIE, cookie)];
    Some((StatusCode::SEE_OTHER, headers).into_response())
}

fn forget_note(headers: &mut HeaderMap, secure: &str) {
    let gone = format!("{}=; Path=/admin; Max-Age=0; HttpOnly; SameSite=Strict{secure}", Note::COOKIE);
    if let Ok(gone) = HeaderValue::from_str(&gone) {
        headers.append(header::SET_COOKIE, gone);
    }
}

pub(crate) fn harden(headers: &mut HeaderMap) {
    let set = |headers: &mut HeaderMap, name: header::HeaderName, value: &str| {
        if let (false, Ok(value)) = (headers.contains_key(&name), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    };
    set(headers, header::CONTENT_SECURITY_POLICY, &content_security_policy(""));
    set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, header::REFERRER_POLICY, "same-origin");
    set(headers, header::CACHE_CONTROL, "no-store");
    set(headers, header::VARY, "accept-language, cookie, accept");
}
