//! The trace that a request belongs to. Source: docs/http.md, "Log lines".

use http::HeaderMap;
use pixelfox_proto::Trace;

/// The sender's, where the headers have one.
#[must_use]
pub fn sent_trace(headers: &HeaderMap) -> Option<Trace> {
    Trace::parse(headers.get("traceparent")?.to_str().ok()?)
}

/// The sender's, else a new one.
#[must_use]
pub fn trace_of(headers: &HeaderMap) -> Trace {
    sent_trace(headers).unwrap_or_else(|| Trace::of_seed(fastrand::u128(..)))
}
