//! `POST /upload`: a picture through the app. Source: docs/http.md, "POST /upload".

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use pixelfox_node::{
    http::{RequestBody, client_of},
    metrics::Taken,
};
use pixelfox_proto::Fault;
use serde_json::Value;

use super::{Parts, home};

/// The route's handler.
pub(super) async fn upload(State(parts): State<Parts>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = RequestBody::new(body, &head.headers);
    let address = client_of(&head.extensions).address;
    let taken = async {
        let owner = parts.owner(&head).await?;
        parts.uploads.through(owner, &head.headers, address, &body).await
    };
    let taken = taken.await;
    let duplicate = |answer: &Value| answer["duplicate"] == true;
    parts.uploads.count(Taken::of(taken.as_ref().map(duplicate)));
    match taken {
        Ok(answer) if wants_json(&head.headers) => Json(answer).into_response(),
        Ok(answer) => to_the_image(&answer),
        Err(fault) => {
            body.drain().await;
            match home::wants_page(&head.headers) {
                true => home::page(&parts, &head, Some(fault)).await,
                false => fault.into_response(),
            }
        }
    }
}

/// Whether the client's program reads the answer, and not a person.
fn wants_json(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types = accepts.flat_map(|line| line.split(',')).map(|word| word.split(';').next().unwrap_or_default());
    types.any(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn to_the_image(answer: &Value) -> Response {
    let location = answer["view_url"].as_str().and_then(|url| HeaderValue::from_str(url).ok());
    match location {
        Some(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        None => Fault::unavailable("the answer has no link").into_response(),
    }
}
