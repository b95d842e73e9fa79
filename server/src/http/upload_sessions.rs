//! Upload sessions: leave to send a file straight to a storage node. Source: docs/http.md, "Upload sessions".

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, header, request::Parts as Head};
use http_body_util::{BodyExt as _, Limited};
use pixelfox_proto::{Fault, FaultKind};
use serde::Deserialize;
use serde_json::json;

use super::Parts;
use crate::uploads::{Asker, Offer, Owner};

/// Longest body of a question.
const QUESTION_BYTES: usize = 16 << 10;
/// For all of it.
const QUESTION_WAIT: std::time::Duration = std::time::Duration::from_secs(10);

#[derive(Deserialize)]
struct Question {
    file_size: u64,
}

/// `POST /api/internal/upload/sessions`: for the page, where it may send to storage nodes itself.
pub(super) async fn of_the_page(State(parts): State<Parts>, request: Request) -> Result<Response, Fault> {
    let (head, size) = question(request).await;
    let owner = parts.owner(&head).await?;
    if !parts.uploads.settings().await?.direct_upload_enabled {
        return Err(Fault::new(FaultKind::Forbidden, "direct uploads are switched off")
            .with_hint("send the file to /upload, or switch direct_upload_enabled on"));
    }
    Ok(shown(&parts.uploads.offer(owner, Asker::Page, size?).await?))
}

/// `POST /api/v1/upload/sessions`: for programs with an API key, whatever the setting.
pub(super) async fn by_key(State(parts): State<Parts>, request: Request) -> Result<Response, Fault> {
    let (head, size) = question(request).await;
    let key = parts.uploads.key(&head.headers).await?;
    Ok(shown(&parts.uploads.offer(Owner::User(key.user_id), Asker::Program, size?).await?))
}

/// The head, and the size that is asked about. The body is read in any case, so that the answer is seen.
async fn question(request: Request) -> (Head, Result<u64, Fault>) {
    let (head, body) = request.into_parts();
    let refused = || Fault::bad_request("file_size must be > 0").with_hint("send JSON: {\"file_size\": 12345}");
    let body = tokio::time::timeout(QUESTION_WAIT, Limited::new(body, QUESTION_BYTES).collect()).await;
    let bytes = body.ok().and_then(Result::ok).map(http_body_util::Collected::to_bytes);
    let question = bytes.and_then(|bytes| serde_json::from_slice::<Question>(&bytes).ok());
    let size = question.map(|question| question.file_size).filter(|size| *size > 0).ok_or_else(refused);
    (head, size)
}

fn shown(offer: &Offer) -> Response {
    let body = json!({
        "upload_url": offer.upload_url,
        "token": offer.token,
        "pool_id": offer.pool_id,
        "expires_at": offer.expires_at,
        "max_bytes": offer.max_bytes,
    });
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(body)).into_response()
}
