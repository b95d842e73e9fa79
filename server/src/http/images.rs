//! What became of an upload, an image for programs, share links. Source: docs/http.md, "The server alone".

use axum::{
    Json,
    extract::{Path, Request, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, header};
use pixelfox_admin_web::public::{self, ImagePage, Reach};
use pixelfox_node::http::{Duplicate, answer};
use pixelfox_proto::{Fault, ImageId, ShareToken};
use serde_json::{Value, json};

use super::{Parts, home::wants_page};
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

/// `GET /i/<share>`: the image's page.
pub(super) async fn share(State(parts): State<Parts>, Path(share): Path<String>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let found = match share.parse::<ShareToken>() {
        Ok(share) => there(parts.store.image_by_share(&share).await),
        Err(_) => Ok(None),
    };
    match found {
        Ok(Some(image)) if !is_lost(&image) => {
            let reach = reach(&parts, &image).await;
            shown(&parts, image, reach).answer(&head)
        }
        Ok(_) if wants_page(&head.headers) => public::no_image(&head),
        Ok(_) => Fault::not_found("no image has this link").into_response(),
        Err(_) if wants_page(&head.headers) => public::not_now(&head),
        Err(fault) => fault.into_response(),
    }
}

/// How it stands with the pool that the picture would come from.
async fn reach(parts: &Parts, image: &Image) -> Reach {
    let Some(file) = image.files.first() else { return Reach::There };
    match parts.store.locate(&file.path).await {
        Ok(Some(place)) if parts.sessions.out_of_reach(&place).is_some() => Reach::Away,
        _ => Reach::There,
    }
}

fn shown(parts: &Parts, image: Image, reach: Reach) -> ImagePage {
    ImagePage {
        url: image.url(),
        page_url: format!("{}/i/{}", parts.public_domain, image.share),
        name: image.original_name,
        content_type: image.content_type,
        size: image.size,
        width: image.width,
        height: image.height,
        created_millis: image.created.0,
        reach,
    }
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
