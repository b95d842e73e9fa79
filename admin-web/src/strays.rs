//! What a person sees in a browser where a program would get an error as JSON: a page with the way home.

use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
    response::Response,
};
use http::{HeaderMap, HeaderName, StatusCode, header, request::Parts};

use crate::{
    frame,
    public::note,
    view::View,
    words::{Public, fill},
};

/// Addresses for programs, whoever asks.
const FOR_PROGRAMS: [&str; 4] = ["/api/", "/healthz", "/readyz", "/metrics"];

/// `routes` with a page in the place of each error in JSON, for who accepts one.
pub fn for_people<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes.layer(middleware::from_fn(answer))
}

async fn answer(request: Request, next: Next) -> Response {
    if !is_by_a_person(&request) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let response = next.run(Request::from_parts(parts.clone(), body)).await;
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || !is_json(response.headers()) {
        return response;
    }
    frame::switched(&parts).unwrap_or_else(|| page(&parts, &response))
}

fn is_by_a_person(request: &Request) -> bool {
    let path = request.uri().path();
    let accepts = request.headers().get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    !FOR_PROGRAMS.iter().any(|one| path.starts_with(one)) && accepts.into_iter().any(|line| line.contains("text/html"))
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

/// The same answer in words for people.
fn page(parts: &Parts, answer: &Response) -> Response {
    let view = View::of(parts);
    let again = answer.headers().get(header::RETRY_AFTER);
    let seconds = again.and_then(|seconds| seconds.to_str().ok()).unwrap_or("5");
    let (title, text) = said(&view.w.public, answer.status(), parts.uri.path(), seconds);
    let mut page = note(&view, answer.status(), title, &text);
    keep_said(answer.headers(), page.headers_mut());
    frame::harden(page.headers_mut());
    page
}

/// What an answer says of limits and ways stays said where a page takes its place: `of` is the answer's.
pub fn keep_said(of: &HeaderMap, page: &mut HeaderMap) {
    let kept =
        |name: &HeaderName| [header::RETRY_AFTER, header::ALLOW].contains(name) || name.as_str().starts_with("x-rate-");
    for (name, value) in of.iter().filter(|(name, _)| kept(name)) {
        page.insert(name, value.clone());
    }
}

/// Title and sentence.
fn said(w: &Public, status: StatusCode, path: &str, seconds: &str) -> (&'static str, String) {
    let (title, text) = match status.as_u16() {
        404 if path.starts_with("/uploads") => (w.gone_title, w.gone),
        404 => (w.lost_title, w.lost),
        405 => (w.refused_title, w.bad_method),
        413 => (w.refused_title, w.bad_amount),
        429 => return (w.many_title, fill(w.bad_requests, &[("n", seconds)])),
        507 => (w.troubled_title, w.bad_room),
        500.. => (w.troubled_title, w.bad_away),
        _ => (w.refused_title, w.bad_request),
    };
    (title, text.to_owned())
}
