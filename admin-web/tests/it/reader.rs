//! Somebody who reads the pages without JavaScript: asks, follows, looks at text.

use axum::{Router, body::Body};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use crate::fake::Fake;

/// What came back.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) html: String,
}

impl Page {
    /// The value of a header; empty where there is none.
    pub(crate) fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// The pages over a fake.
pub(crate) fn pages(fake: &Fake) -> Router {
    pixelfox_admin_web::pages(fake.client())
}

/// `GET` with headers `name: value`.
pub(crate) async fn get(pages: &Router, path: &str, headers: &[(&str, &str)]) -> Page {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(pages, request.body(Body::empty()).unwrap()).await
}

async fn answer(pages: &Router, request: Request<Body>) -> Page {
    let response = pages.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Page { status: parts.status, headers: parts.headers, html: String::from_utf8_lossy(&bytes).into_owned() }
}
