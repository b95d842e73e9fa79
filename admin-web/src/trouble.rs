//! Why a page could not be shown or an action not be done. The layer around the pages makes the error page of it.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use pixelfox_proto::FaultKind;
use tonic::{Code, Status};

/// A refusal or failure: what it is to HTTP, and the service's sentence about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Trouble {
    /// Of the answer.
    pub status: StatusCode,
    /// One sentence, with the cure where there is one. Empty: the error page's own words for the status do.
    pub message: String,
}

impl Trouble {
    /// Nothing is at this address.
    #[must_use]
    pub const fn no_page() -> Self {
        Self { status: StatusCode::NOT_FOUND, message: String::new() }
    }
}

/// What the service says, as a sentence: without the name that the field has on the wire.
pub(crate) fn sentence(status: &Status) -> String {
    let message = status.message();
    let is_field = |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    capital(message.split_once(": ").filter(|(word, _)| is_field(word)).map_or(message, |(_, text)| text))
}

/// With a capital letter at its begin; an address stays as it is.
pub(crate) fn capital(text: &str) -> String {
    if text.split(' ').next().is_some_and(|word| word.contains("://")) {
        return text.to_owned();
    }
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}

impl From<Status> for Trouble {
    fn from(status: Status) -> Self {
        let row = FaultKind::ALL.iter().map(|kind| kind.row()).find(|(code, _, _)| *code == status.code());
        let number = match (status.code(), row) {
            // The first row of this code speaks of HTTP methods alone.
            (Code::Unimplemented, _) => 501,
            (_, Some((_, number, _))) => number,
            (Code::Cancelled, None) => 503,
            (_, None) => 500,
        };
        let number = StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status: number, message: sentence(&status) }
    }
}

impl From<askama::Error> for Trouble {
    fn from(error: askama::Error) -> Self {
        tracing::error!("a page could not be rendered: {error}");
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, message: String::new() }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
