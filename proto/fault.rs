//! What went wrong, as the outside sees it: the one table where gRPC codes, HTTP statuses and error words meet.
//! Rooms have error enums of their own; each becomes a [`Fault`] in one place.

use axum_core::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use tonic::{Code, Status, metadata::MetadataValue};

use crate::{IdError, Language, PathError, Said, Text, TokenError};

/// Metadata of a refusal: its sentence in German. The Admin service takes it out, and says that one to who asks for it.
pub const IN_GERMAN: &str = "x-pixelfox-message-de-bin";

/// Metadata of a status: seconds after which another try makes sense, where that is known.
pub const RETRY_AFTER: &str = "retry-after";

/// A refusal or failure on its way to a client: a kind, one sentence, and for some kinds how to go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", message.en)]
pub struct Fault {
    kind: FaultKind,
    message: Said,
    hint: Option<Said>,
    retry_after_seconds: Option<u32>,
    headers: Vec<(&'static str, String)>,
}

/// One row of the contract's tables each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Malformed, or against a rule that the client can read.
    BadRequest,
    /// No valid secret or token.
    Unauthorized,
    /// Known who asks, but that is switched off or not theirs.
    Forbidden,
    /// Nothing has this name.
    NotFound,
    /// Something else has this name, or the state forbids it.
    Conflict,
    /// Somebody else changed it first, or a condition of the request does not hold.
    FailedPrecondition,
    /// HTTP only: the route exists, the method does not.
    MethodNotAllowed,
    /// Took longer than its limit.
    TimedOut,
    /// Larger than the limit.
    PayloadTooLarge,
    /// HTTP only: the range begins behind the end.
    RangeNotSatisfiable,
    /// Not one of the picture formats.
    UnsupportedMediaType,
    /// The bytes are not what was announced.
    ChecksumMismatch,
    /// Asked of a node that does not have it.
    Misdirected,
    /// Too many at once, or too often.
    TooManyRequests,
    /// Not now; again later.
    Unavailable,
    /// No room.
    InsufficientStorage,
    /// This version does not have it.
    Unimplemented,
    /// Our own failure. Logged where it becomes an answer; the client sees no inner cause.
    Internal,
}

impl FaultKind {
    /// gRPC code, HTTP status, `error` of the JSON body. The only place where these meet.
    #[must_use]
    pub const fn row(self) -> (Code, u16, &'static str) {
        match self {
            Self::BadRequest => (Code::InvalidArgument, 400, "bad_request"),
            Self::Unauthorized => (Code::Unauthenticated, 401, "unauthorized"),
            Self::Forbidden => (Code::PermissionDenied, 403, "forbidden"),
            Self::NotFound => (Code::NotFound, 404, "not_found"),
            Self::MethodNotAllowed => (Code::Unimplemented, 405, "method_not_allowed"),
            Self::TimedOut => (Code::DeadlineExceeded, 408, "request_timeout"),
            Self::Conflict => (Code::AlreadyExists, 409, "conflict"),
            Self::FailedPrecondition => (Code::FailedPrecondition, 412, "precondition_failed"),
            Self::PayloadTooLarge => (Code::OutOfRange, 413, "payload_too_large"),
            Self::UnsupportedMediaType => (Code::InvalidArgument, 415, "unsupported_media_type"),
            Self::RangeNotSatisfiable => (Code::OutOfRange, 416, "range_not_satisfiable"),
            Self::Misdirected => (Code::FailedPrecondition, 421, "misdirected_request"),
            Self::ChecksumMismatch => (Code::DataLoss, 422, "unprocessable_entity"),
            Self::TooManyRequests => (Code::ResourceExhausted, 429, "too_many_requests"),
            Self::Internal => (Code::Internal, 500, "internal_server_error"),
            Self::Unimplemented => (Code::Unimplemented, 501, "not_implemented"),
            Self::Unavailable => (Code::Unavailable, 503, "service_unavailable"),
            Self::InsufficientStorage => (Code::ResourceExhausted, 507, "insufficient_storage"),
        }
    }

    /// Every kind, for tables and tests.
    pub const ALL: [Self; 18] = [
        Self::BadRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::TimedOut,
        Self::Conflict,
        Self::FailedPrecondition,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::RangeNotSatisfiable,
        Self::Misdirected,
        Self::ChecksumMismatch,
        Self::TooManyRequests,
        Self::Internal,
        Self::Unimplemented,
        Self::Unavailable,
        Self::InsufficientStorage,
    ];
}

impl Fault {
    /// A fault of `kind` whose message is one sentence that names the thing.
    pub fn new(kind: FaultKind, message: impl Into<Said>) -> Self {
        Self { kind, message: message.into(), hint: None, retry_after_seconds: None, headers: Vec::new() }
    }

    /// Shorthand for the most frequent kind.
    pub fn bad_request(message: impl Into<Said>) -> Self {
        Self::new(FaultKind::BadRequest, message)
    }

    /// Nothing has this name.
    pub fn not_found(message: impl Into<Said>) -> Self {
        Self::new(FaultKind::NotFound, message)
    }

    /// No valid secret or token.
    pub fn unauthorized(message: impl Into<Said>) -> Self {
        Self::new(FaultKind::Unauthorized, message)
    }

    /// Not now; again later.
    pub fn unavailable(message: impl Into<Said>) -> Self {
        Self::new(FaultKind::Unavailable, message)
    }

    /// Our own failure. `what` was tried; the cause goes to the log, with its whole chain, and not to the client.
    pub fn internal(what: &str, cause: &(dyn std::error::Error + 'static)) -> Self {
        let chain = std::iter::successors(Some(cause), |error| error.source());
        let causes: Vec<String> = chain.map(ToString::to_string).collect();
        tracing::error!("{what}: {}", causes.join(": "));
        Self::new(FaultKind::Internal, format!("{what}: internal error, its cause is in this node's log"))
    }

    /// With its sentence in German, for a fault that was made with an English one.
    #[must_use]
    pub fn in_german(mut self, message: impl Into<String>) -> Self {
        self.message.de = Some(message.into().into());
        self
    }

    /// With a further sentence on what to change: the key `hint` of the JSON body, a further sentence in gRPC.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Said>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With the seconds after which another try makes sense: `Retry-After`.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// With a header of its own, for what a client's program reads.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> FaultKind {
        self.kind
    }

    /// Its sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message.en
    }

    /// Its sentence, in both languages as far as there are two.
    #[must_use]
    pub fn text(&self) -> Text {
        Text::new(self.message.to(Language::De).to_owned(), self.message.en.clone())
    }

    /// Its sentence and what to change, for a person; in English where there is no other.
    #[must_use]
    pub fn told(&self, language: Language) -> String {
        let message = self.message.to(language);
        match &self.hint {
            Some(hint) => format!("{message}. {}", hint.to(language)),
            None => message.to_owned(),
        }
    }

    /// Seconds after which another try makes sense, where that is known.
    #[must_use]
    pub const fn retry_after_seconds(&self) -> Option<u32> {
        self.retry_after_seconds
    }

    /// What to change, where it is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_ref().map(|hint| hint.en.as_str())
    }
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        let (code, _, _) = fault.kind.row();
        let mut status = Self::new(code, fault.told(Language::En));
        if let Some(seconds) = fault.retry_after_seconds {
            status.metadata_mut().insert(RETRY_AFTER, seconds.into());
        }
        if fault.message.de.is_some() {
            let german = MetadataValue::from_bytes(fault.told(Language::De).as_bytes());
            status.metadata_mut().insert_bin(IN_GERMAN, german);
        }
        status
    }
}

impl IntoResponse for Fault {
    /// `{"error":"<code>","message":"<sentence>"}`, and `hint` where there is one. Source: docs/http.md, "Errors".
    fn into_response(self) -> Response {
        let (_, status, word) = self.kind.row();
        let mut body = serde_json::json!({ "error": word, "message": self.message.en });
        if let Some(hint) = self.hint {
            body["hint"] = hint.en.into();
        }
        // With a line's end, so that a shell's prompt begins on a line of its own.
        let mut response = Response::new(format!("{body}\n").into());
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

impl From<IdError> for Fault {
    fn from(error: IdError) -> Self {
        Self::bad_request(error.text())
    }
}

impl From<PathError> for Fault {
    fn from(error: PathError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<TokenError> for Fault {
    fn from(error: TokenError) -> Self {
        Self::unauthorized(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_kind_has_a_status_and_a_word_of_its_own() {
        let statuses: HashSet<u16> = FaultKind::ALL.iter().map(|kind| kind.row().1).collect();
        let words: HashSet<&str> = FaultKind::ALL.iter().map(|kind| kind.row().2).collect();
        assert_eq!((statuses.len(), words.len()), (FaultKind::ALL.len(), FaultKind::ALL.len()));
        assert!(statuses.iter().all(|status| StatusCode::from_u16(*status).is_ok()));
    }

    #[test]
    fn a_fault_becomes_an_answer_and_a_status() {
        let fault = Fault::bad_request("checksum required").with_hint("add it").retry_after(3);
        let response = fault.clone().into_response();
        assert_eq!(
            (response.status(), &response.headers()[header::RETRY_AFTER]),
            (StatusCode::BAD_REQUEST, &HeaderValue::from(3))
        );
        let status = Status::from(fault);
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "checksum required. add it"));
        assert_eq!(status.metadata().get(RETRY_AFTER).unwrap(), "3");
    }

    #[test]
    fn an_internal_fault_keeps_its_cause_from_the_client() {
        let fault = Fault::internal("could not store the file", &std::io::Error::other("/secret/place"));
        assert!(!fault.message().contains("/secret/place"), "{fault}");
    }
}
