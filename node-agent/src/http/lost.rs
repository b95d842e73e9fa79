//! What is answered where no page is: JSON, or a page for a browser; and where the right URL is plain, that URL.

use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, header};
use pixelfox_proto::Fault;

use super::uploads::PREFIX;

/// Of a path, in a sentence.
const SHOWN_CHARS: usize = 200;
/// Of a host name with its port.
const HOST_BYTES: usize = 261;
/// A page of ours that carries what somebody sent: nothing in it does anything.
const INERT: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The answer for `path`, which no route has, to a request with `headers`.
pub(super) fn answer(path: &str, headers: &HeaderMap) -> Response {
    let Some(right) = right_path(path) else {
        return Fault::not_found(format!("no such page: {}", shown(path))).into_response();
    };
    let (url, wrong) = (absolute(&right, headers), shown(path));
    let message =
        format!("no such page: {wrong}; files are served under {PREFIX} whatever a pool's directory is called");
    let hint = format!("The right URL is {url} (a pool's public_base_url is host and port only, without {PREFIX})");
    let mut response = Fault::not_found(message).with_hint(hint).into_response();
    if wants_a_page(headers) {
        let page_headers = response.headers_mut();
        page_headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        page_headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(INERT));
        *response.body_mut() = page(&wrong, &right, &url).into();
    }
    response
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

fn page(wrong: &str, right: &str, url: &str) -> String {
    let (wrong, right, url) = (escaped(wrong), escaped(right), escaped(url));
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>404 - PixelFox</title><style>:root{{color-scheme:light dark}}body{{font:1rem/1.5 system-ui,sans-serif;\
         max-width:42rem;margin:3rem auto;padding:0 1rem;overflow-wrap:anywhere}}</style>\
         <h1>404</h1><p>There is nothing at <code>{wrong}</code>: that is the name of a directory on the node, and files are \
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
