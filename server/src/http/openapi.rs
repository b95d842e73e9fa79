//! `GET /api/openapi.json`: the HTTP half as OpenAPI 3.1. Written by hand beside the routes and not derived from them:
//! most of them stream forms and files, which no type describes. `server/tests/it/openapi.rs` holds it to the routes.

use axum::response::{IntoResponse as _, Response};
use http::header;

const DOCUMENT: &str = include_str!("openapi.json");

/// The route's handler.
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], DOCUMENT).into_response()
}
