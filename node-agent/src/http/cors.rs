//! Which pages of other origins may call us: any may upload, because the token decides and no cookie does.
//! Source: docs/http.md, "Other origins".

use axum::{extract::Request, middleware::Next, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

const COVERED: [&str; 3] = ["/api/internal/", "/api/v1/upload", "/api/v1/tus"];
const METHODS: &str = "POST, PUT, PATCH, DELETE, HEAD, OPTIONS";
const HEADERS: &str = "Authorization, Content-Type, X-API-Key, Tus-Resumable, Upload-Length, Upload-Offset, \
    Upload-Metadata, Upload-Checksum";
const EXPOSED: &str = "Location, Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm, \
    Upload-Length, Upload-Offset, Upload-Metadata, Upload-Expires, Retry-After, X-Rate-Limit-Scope, X-Rate-Limit, \
    X-Rate-Count, X-Rate-TTL";
const MAX_AGE_SECONDS: &str = "600";

/// A layer: answers OPTIONS of the covered paths and marks every other answer of theirs, errors too.
pub(crate) async fn allow(request: Request, next: Next) -> Response {
    if !covers(request.uri().path()) {
        return next.run(request).await;
    }
    let mut response = if request.method() == Method::OPTIONS { no_content() } else { next.run(request).await };
    mark(response.headers_mut());
    response
}

fn covers(path: &str) -> bool {
    COVERED.iter().any(|prefix| path.strip_prefix(prefix).is_some_and(|rest| prefix.ends_with('/') || ends_word(rest)))
}

fn ends_word(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

fn no_content() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    let preflight: [(HeaderName, &str); 3] = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS),
    ];
    response.headers_mut().extend(preflight.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

fn mark(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_paths_are_covered() {
        for (path, want) in [
            ("/api/internal/upload", true),
            ("/api/internal/nothing/here", true),
            ("/api/v1/upload", true),
            ("/api/v1/upload/sessions", true),
            ("/api/v1/tus/abc", true),
            ("/api/v1/uploads", false),
            ("/api/v1/ping", false),
            ("/uploads/original/a.jpg", false),
            ("/", false),
        ] {
            assert_eq!(covers(path), want, "{path}");
        }
    }
}
