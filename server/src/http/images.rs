//! What became of an upload, an image for programs, share links. Source: docs/http.md, "The server alone".

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use pixelfox_node::http::{Duplicate, answer};
use pixelfox_proto::{Fault, ImageId, ShareToken};
use serde_json::{Value, json};

use super::Parts;
use crate::{
    catalog::{Image, RefusalKind, ReplicaState},
    store::{Store, StoreError},
};

/// `GET …/images/<uuid>/status`. An unknown one is not complete yet: its upload may still be under way.
pub(super) async fn status(State(parts): State<Parts>, Path(uuid): Path<String>) -> Result<Response, Fault> {
    let (complete, failed, view_url) = match find(&parts.store, &uuid).await? {
        Some(image) if is_lost(&image) => (false, true, Value::Null),
        Some(image) => (true, false, format!("/i/{}", image.share).into()),
        None => (false, false, Value::Null),
    };
    let body = json!({ "complete": complete, "failed": failed, "view_url": view_url });
    Ok(([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(body)).into_response())
}

/// `GET /api/v1/images/<uuid>`: the upload's answer once more, with an API key.
pub(super) async fn image(
    State(parts): State<Parts>,
    Path(uuid): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Fault> {
    parts.uploads.key(&headers).await?;
    let image = find(&parts.store, &uuid).await?.ok_or_else(|| Fault::not_found("no such image"))?;
    Ok(Json(answer(image.id, &image.share, &image.url(), Duplicate::No)))
}

/// `GET /i/<share>`: to the picture itself, wherever it is now.
pub(super) async fn share(State(parts): State<Parts>, Path(share): Path<String>) -> Result<Response, Fault> {
    let unknown = || Fault::not_found("no image has this link");
    let share: ShareToken = share.parse().map_err(|_| unknown())?;
    let image = there(parts.store.image_by_share(&share).await)?.filter(|image| !is_lost(image)).ok_or_else(unknown)?;
    let location = HeaderValue::from_str(&image.url()).map_err(|_| unknown())?;
    let headers = [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::TEMPORARY_REDIRECT, headers).into_response())
}

async fn find(store: &Store, uuid: &str) -> Result<Option<Image>, Fault> {
    match uuid.to_ascii_lowercase().parse::<ImageId>() {
        Ok(id) => there(store.get_image(id).await),
        Err(_) => Ok(None),
    }
}

fn there(found: Result<Image, StoreError>) -> Result<Option<Image>, Fault> {
    match found {
        Ok(image) => Ok(Some(image)),
        Err(StoreError::Refused(refusal)) if refusal.kind == RefusalKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Nobody has its original any more.
fn is_lost(image: &Image) -> bool {
    image.files.first().is_none_or(|file| file.state == ReplicaState::Lost)
}
