//! The server's own HTTP, beside what every node answers: share links, the version's word about the pages.

use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{HeaderValue, StatusCode, header};
use pixelfox_proto::{Fault, ShareToken};

use crate::{catalog::ReplicaState, store::Store};

/// The routes, to be merged with the embedded node's.
pub fn router(store: Store) -> Router {
    let api = Router::new().route("/api/v1/ping", get(ping)).route("/i/{share}", get(share)).with_state(store);
    api.merge(pixelfox_admin_web::router())
}

/// `GET /api/v1/ping`: how older nodes know each other.
async fn ping() -> axum::Json<serde_json::Value> {
    axum::Json(serde_json::json!({ "ping": "pong" }))
}

/// `GET /i/<share>`: to the picture itself, wherever it is now.
async fn share(State(store): State<Store>, Path(share): Path<String>) -> Result<Response, Fault> {
    let unknown = || Fault::not_found("no image has this link");
    let share: ShareToken = share.parse().map_err(|_| unknown())?;
    let image = store.image_by_share(&share).await?;
    let original = image.files.first().filter(|file| file.state != ReplicaState::Lost).ok_or_else(unknown)?;
    let location = HeaderValue::from_str(&original.url()).map_err(|_| unknown())?;
    let headers = [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::TEMPORARY_REDIRECT, headers).into_response())
}
