//! What is answered where no page is: JSON, or a page for a browser; and where the right URL is plain, that URL.

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use pixelfox_proto::{Fault, FaultKind, NodeId};
use serde_json::json;

use super::{json::Json, uploads::PREFIX};

/// Of a path, in a sentence.
const SHOWN_CHARS: usize = 200;
/// Addresses for programs, whoever asks.
const FOR_PROGRAMS: [&str; 4] = ["/api/", "/healthz", "/readyz", "/metrics"];
/// Of a host name with its port.
const HOST_BYTES: usize = 261;
/// A page of ours that carries what somebody sent: nothing in it does anything.
const INERT: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// What there will be below an address of its own, and what does it until then. Source: docs/http.md, "Errors".
const TO_COME: [(&str, &str); 2] = [
    (
        "/api/v1/tus",
        "uploads in pieces (tus) are not built yet: send the file in one request to /api/v1/upload of a node, or to /upload \
         of the server",
    ),
    ("/api/v1/s3", "there is no S3 interface yet: send files to /api/v1/upload of a node, or to /upload of the server"),
];

/// The answer for `path`, which no route has, to a request with `headers`.
pub(super) fn answer(path: &str, headers: &HeaderMap) -> Response {
    let is_at = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if let Some((_, sentence)) = TO_COME.iter().find(|(root, _)| is_at(root)) {
        return Fault::new(FaultKind::Unimplemented, *sentence).into_response();
    }
    let Some(right) = right_path(path) else {
        return Fault::not_found(format!("no such page: {}", shown(path))).into_response();
    };
    let (url, wrong) = (absolute(&right, headers), shown(path));
    let message =
        format!("no such page: {wrong}; files are served under {PREFIX} whatever a pool's directory is called");
    let hint = format!("The right URL is {url} (a pool's public_base_url is host and port only, without {PREFIX})");
    let mut response = Fault::not_found(message).with_hint(hint).into_response();
    if wants_a_page(headers) {
        turn_into(&mut response, page(&wrong, &right, &url));
    }
    response
}

/// `GET /` of a node without pages: what it is, and the way to the pages where that is known.
pub(super) fn home(node_id: &NodeId, app: Option<&str>, headers: &HeaderMap) -> Response {
    let what = format!("this is storage node {node_id} of a PixelFox cluster; it serves pictures under {PREFIX}");
    if !wants_a_page(headers) {
        return Json(json!({ "node_id": node_id, "message": what, "app": app })).into_response();
    }
    let link = |before: &str, url: &str| format!("{before} <a href=\"{url}\">{url}</a>");
    let app = app.map(escaped);
    let [english, german] = ["The pages are at", "Die Seiten sind unter"]
        .map(|before| app.as_deref().map(|url| link(before, url)).unwrap_or_default());
    let html = format!(
        "{}<p>This is storage node <b>{node_id}</b> of a PixelFox cluster: it serves pictures. {english}</p>\
         <p lang=\"de\">Das ist der Speicherknoten <b>{node_id}</b> eines PixelFox-Clusters: Er liefert Bilder aus. \
         {german}</p></html>\n",
        titled("PixelFox")
    );
    let mut response = StatusCode::OK.into_response();
    turn_into(&mut response, html);
    response
}

/// The layer around a node's routes: an error in JSON becomes a short page where a person would see it.
pub(super) async fn for_people(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_for_files = !FOR_PROGRAMS.iter().any(|one| path.starts_with(one));
    if !is_for_files || !wants_a_page(request.headers()) {
        return next.run(request).await;
    }
    let path = shown(path);
    let mut response = next.run(request).await;
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_json = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if is_json && (status.is_client_error() || status.is_server_error()) {
        turn_into(&mut response, short_page(status, &path));
    }
    response
}

fn turn_into(response: &mut Response, html: String) {
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(INERT));
    headers.append(header::VARY, HeaderValue::from_static("accept"));
    *response.body_mut() = html.into();
}

/// The path that was meant where a directory's name was taken for a URL's (`/uploads_s01/original/…`), or `/uploads` was
/// put in twice. Pure.
fn right_path(path: &str) -> Option<String> {
    let mut rest = path.strip_prefix('/')?;
    let mut skipped = 0;
    while let Some((first, behind)) = rest.split_once('/')
        && (first == "uploads" || first.starts_with("uploads_"))
    {
        (rest, skipped) = (behind, skipped + 1);
    }
    let is_right_already = skipped == 1 && path.starts_with(PREFIX);
    let is_stored = ["original/", "variants/"].iter().any(|root| rest.len() > root.len() && rest.starts_with(root));
    (skipped > 0 && is_stored && !is_right_already).then(|| format!("{PREFIX}{rest}"))
}

/// As the browser that asks would write it.
fn absolute(path: &str, headers: &HeaderMap) -> String {
    let word = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_host = |host: &&str| {
        host.len() <= HOST_BYTES && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b))
    };
    let Some(host) = word("host").filter(is_host) else { return shown(path) };
    let scheme = if word("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    format!("{scheme}://{host}{}", shown(path))
}

fn wants_a_page(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|types| types.contains("text/html"))
}

/// What a node alone can say to a person: it knows no page to go to.
fn short_page(status: StatusCode, path: &str) -> String {
    let (path, code) = (escaped(path), status.as_u16());
    let (english, german) = match code {
        404 => ("There is no picture at", "Hier gibt es kein Bild:"),
        429 => (
            "Too many requests in a short time; please try again in a moment:",
            "Zu viele Anfragen in kurzer Zeit, bitte gleich noch einmal versuchen:",
        ),
        500.. => (
            "The picture can't be shown at the moment; please try again shortly:",
            "Das Bild kann gerade nicht gezeigt werden, bitte gleich noch einmal versuchen:",
        ),
        _ => ("Nothing can be done with this request:", "Mit dieser Anfrage lässt sich nichts anfangen:"),
    };
    let head = head(code);
    format!("{head}<p>{english} <code>{path}</code></p><p lang=\"de\">{german} <code>{path}</code></p></html>\n")
}

fn head(code: u16) -> String {
    titled(&code.to_string())
}

fn titled(title: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title} - PixelFox</title><style>:root{{color-scheme:light dark}}body{{font:1rem/1.5 system-ui,sans-serif;\
         max-width:42rem;margin:3rem auto;padding:0 1rem;overflow-wrap:anywhere}}</style><h1>{title}</h1>"
    )
}

fn page(wrong: &str, right: &str, url: &str) -> String {
    let (wrong, right, url) = (escaped(wrong), escaped(right), escaped(url));
    let head = head(404);
    format!(
        "{head}<p>There is nothing at <code>{wrong}</code>: that is the name of a directory on the node, and files are \
         served under <code>{PREFIX}</code> whatever it is called.</p>\
         <p>The right URL is <a href=\"{right}\">{url}</a></p>\
         <p lang=\"de\">Unter <code>{wrong}</code> gibt es nichts: So hei\u{df}t ein Verzeichnis auf dem Knoten. Dateien \
         stehen immer unter <code>{PREFIX}</code>, wie das Verzeichnis auch hei\u{df}t.</p></html>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The beginning of a path, for a sentence.
pub(super) fn shown(path: &str) -> String {
    path.chars().take(SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_that_was_meant() {
        for (path, want) in [
            ("/uploads_s01/original/2026/a.jpg", Some("/uploads/original/2026/a.jpg")),
            ("/uploads_s01/uploads/original/a.jpg", Some("/uploads/original/a.jpg")),
            ("/uploads/uploads/variants/a.webp", Some("/uploads/variants/a.webp")),
            ("/uploads/uploads_s01/original/a.jpg", Some("/uploads/original/a.jpg")),
            ("/uploads/original/a.jpg", None),
            ("/uploads_s01/secret", None),
            ("/uploads_s01/original/", None),
            ("/uploads_s01", None),
            ("/nothing", None),
        ] {
            assert_eq!(right_path(path).as_deref(), want, "{path}");
        }
    }

    #[test]
    fn what_a_client_sends_does_nothing_on_the_page() {
        // A host that is none is left out; markup in a path is text.
        let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("a\"><script>"))]);
        assert_eq!(absolute("/uploads/original/a", &headers), "/uploads/original/a");
        let page = page("/uploads_s01/<b>", "/uploads/original/\"x", "http://h/'&'");
        assert!(page.contains("&lt;b&gt;") && page.contains("/original/&quot;x") && !page.contains("<b>"), "{page}");
    }
}
