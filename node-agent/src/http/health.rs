//! Who this node is and how it does. Must not do anything.

use std::sync::Arc;

use axum::{
    extract::{Query, State},
    response::{IntoResponse as _, Response},
};
use pixelfox_proto::Fault;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Parts, json::Json};

/// Longest nonce in hex digits, shortest that can't be guessed.
const NONCE_DIGITS: std::ops::RangeInclusive<usize> = 2..=128;

#[derive(Deserialize)]
pub(crate) struct Question {
    #[serde(default)]
    nonce: String,
}

#[derive(Serialize)]
pub(crate) struct Identity {
    node_id: String,
    version: &'static str,
    proof: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_proof: Option<String>,
}

/// `GET /api/internal/identity?nonce=<hex>`: who answers here, and that it has the secret, without sending it.
pub(crate) async fn identity(
    State(parts): State<Arc<Parts>>,
    question: Result<Query<Question>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Identity>, Fault> {
    let nonce = question.map(|Query(question)| question.nonce).unwrap_or_default();
    let is_hex = NONCE_DIGITS.contains(&nonce.len()) && nonce.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_hex {
        return Err(Fault::bad_request("invalid nonce: 2 to 128 hex digits"));
    }
    let secret = parts.secrets.replication.as_ref().ok_or_else(|| Fault::unauthorized("replication disabled"))?;
    let node_id = parts.node_id.to_string();
    let (proof, previous_proof) =
        (secret.identity_proof(&nonce, &node_id), secret.previous_identity_proof(&nonce, &node_id));
    Ok(Json(Identity { proof, previous_proof, version: parts.version, node_id }))
}

/// `GET /api/v1/ping`: how older nodes know a PixelFox.
pub(crate) async fn ping() -> Response {
    Json(json!({ "ping": "pong" })).into_response()
}

/// `GET /healthz`: 200 while the process lives.
pub(crate) async fn alive() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// `GET /readyz`: 200 when the node can do its work, else 503 with every reason.
pub(crate) async fn ready(State(parts): State<Arc<Parts>>) -> Response {
    let reasons = (parts.readiness)();
    if reasons.is_empty() {
        let mut answer = json!({ "status": "ready" });
        if parts.pools.all().is_empty() {
            answer["note"] = "this node has no pool yet: nothing can be stored here".into();
        }
        return Json(answer).into_response();
    }
    let mut response = Fault::unavailable(reasons.join("; ")).into_response();
    let body = json!({ "error": "service_unavailable", "message": reasons.join("; "), "reasons": reasons });
    *response.body_mut() = format!("{body}\n").into();
    response
}
