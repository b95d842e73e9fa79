//! The server's own HTTP, beside what every node answers: share links, the version's word about the pages.

use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
    routing::{any, get},
};
use http::{HeaderValue, StatusCode, header};
use pixelfox_proto::{Fault, FaultKind, ShareToken};

use crate::{catalog::ReplicaState, store::Store};

/// Routes of the contract that this version does not have, and what to use meanwhile.
const NOT_BUILT: [(&str, &str); 9] = [
    ("/", "upload with a token: POST /api/internal/upload"),
    ("/upload", "upload with a token: POST /api/internal/upload"),
    ("/api/internal/upload/sessions", "upload tokens are made by whoever has UPLOAD_TOKEN_SECRET"),
    ("/api/v1/upload/sessions", "upload tokens are made by whoever has UPLOAD_TOKEN_SECRET"),
    ("/api/internal/images/{uuid}/status", "ask the Admin service: GetImage"),
    ("/api/v1/images/{uuid}/status", "ask the Admin service: GetImage"),
    ("/api/v1/images/{uuid}", "ask the Admin service: GetImage"),
    ("/api/openapi.json", "the gRPC half describes itself by reflection"),
    ("/metrics", "ask the Admin service: GetOverview"),
];

/// The routes, to be merged with the embedded node's.
pub fn router(store: Store) -> Router {
    let api = Router::new().route("/i/{share}", get(share)).with_state(store);
    let not_built = |routes: Router, (path, meanwhile): (&'static str, &'static str)| {
        let answer = move || async move {
            Fault::new(FaultKind::Unimplemented, format!("{path} is not in this version")).with_hint(meanwhile)
        };
        routes.route(path, any(answer))
    };
    NOT_BUILT.into_iter().fold(api.merge(pixelfox_admin_web::router()), not_built)
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
