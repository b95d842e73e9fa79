//! JSON answers. They end with a line's end, so that in a terminal the prompt begins on a line of its own.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use pixelfox_proto::Fault;
use serde::Serialize;

/// An answer with status 200.
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let mut text = match serde_json::to_string(&self.0) {
            Ok(text) => text,
            Err(error) => return Fault::internal("could not write the answer as JSON", &error).into_response(),
        };
        text.push('\n');
        let mut response = text.into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn an_answer_and_a_fault_end_their_line() {
        let fault = Fault::bad_request("no").into_response();
        for response in [Json(serde_json::json!({ "status": "ok" })).into_response(), fault] {
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
            let body = to_bytes(response.into_body(), 1000).await.unwrap();
            assert!(body.ends_with(b"}\n") && !body.ends_with(b"\n\n"), "{body:?}");
        }
    }
}
