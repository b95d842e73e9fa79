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
    /// Bytes of the body as sent.
    pub(crate) size: usize,
}

impl Page {
    /// The value of a header; empty where there is none.
    pub(crate) fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// The secret of a session that the fake knows.
pub(crate) const KEY: &str = "a2V5IG9mIGEgc2Vzc2lvbiBpbiB0aGUgdGVzdHMhISE";
/// Where the pages are.
pub(crate) const HOST: &str = "img.example";

/// The pages over a fake.
pub(crate) fn pages(fake: &Fake) -> Router {
    pixelfox_admin_web::pages(fake.calls())
}

/// The cookie of who is signed in.
pub(crate) fn cookie() -> String {
    format!("pixelfox_session={KEY}")
}

/// `GET` with headers `name: value`, signed in.
pub(crate) async fn get(pages: &Router, path: &str, headers: &[(&str, &str)]) -> Page {
    let mut request = Request::get(path).header("host", HOST).header("cookie", cookie());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(pages, request.body(Body::empty()).unwrap()).await
}

/// `POST` of a form, signed in, with the token of a page; its own fields as `name=value`, encoded.
pub(crate) async fn post(pages: &Router, path: &str, fields: &str) -> Page {
    let token = token_of(&get(pages, "/admin/nowhere", &[]).await);
    let request = Request::post(path).header("host", HOST).header("origin", format!("http://{HOST}"));
    let request = request.header("cookie", cookie()).header("content-type", "application/x-www-form-urlencoded");
    answer(pages, request.body(Body::from(format!("csrf_token={token}&{fields}"))).unwrap()).await
}

/// The token of the first form of a page.
pub(crate) fn token_of(page: &Page) -> String {
    let token = page.html.split("name=\"csrf_token\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    token.unwrap_or_else(|| panic!("no form: {}", page.html)).to_owned()
}

pub(crate) async fn answer(pages: &Router, request: Request<Body>) -> Page {
    let response = pages.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Page {
        status: parts.status,
        headers: parts.headers,
        size: bytes.len(),
        html: String::from_utf8_lossy(&bytes).into_owned(),
    }
}

/// The page that an action leads to, with what it says once.
pub(crate) async fn follow(pages: &axum::Router, page: &Page) -> Page {
    assert_eq!(page.status, http::StatusCode::SEE_OTHER, "{}", page.html);
    let note = page.header(http::header::SET_COOKIE).split(';').next().unwrap();
    let path = page.header(http::header::LOCATION).split('#').next().unwrap();
    get(pages, path, &[("cookie", note)]).await
}
