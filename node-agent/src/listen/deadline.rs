//! `grpc-timeout` honoured for gRPC outside of tonic's own server, and a limit for calls that name none.
//!
//! It covers the way to the response's head: that is all of a unary call, and for a stream the time to its start.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use http::{Request, Response};
use tonic::Status;
use tower::{Layer, Service};

/// Limits of a call. Longest: what a client may ask for; default: where it asks for nothing.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// Where the call names none.
    pub unasked: Duration,
    /// The most that a call may name.
    pub most: Duration,
}

impl Default for Deadline {
    fn default() -> Self {
        Self { unasked: Duration::from_secs(30), most: Duration::from_secs(600) }
    }
}

impl Deadline {
    /// The limit of one call, from its `grpc-timeout`. An unreadable one counts as none.
    fn of(self, request: &Request<Body>) -> Duration {
        let asked = request.headers().get("grpc-timeout").and_then(|value| parse(value.to_str().ok()?));
        asked.map_or(self.unasked, |asked| asked.min(self.most))
    }
}

impl<S> Layer<S> for Deadline {
    type Service = WithDeadline<S>;

    fn layer(&self, inner: S) -> WithDeadline<S> {
        WithDeadline { inner, deadline: *self }
    }
}

/// A gRPC service whose calls end with DEADLINE_EXCEEDED in time.
#[derive(Clone, Debug)]
pub struct WithDeadline<S> {
    inner: S,
    deadline: Deadline,
}

impl<S> Service<Request<Body>> for WithDeadline<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let limit = self.deadline.of(&request);
        let answer = tokio::time::timeout(limit, self.inner.call(request));
        Box::pin(async move {
            answer.await.unwrap_or_else(|_elapsed| {
                Ok(Status::deadline_exceeded("the call took longer than its deadline").into_http())
            })
        })
    }
}

/// `100m` is 100 ms. Source: the gRPC protocol over HTTP/2: at most 8 digits and one letter.
fn parse(value: &str) -> Option<Duration> {
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_read_as_grpc_writes_it() {
        for (value, want) in [
            ("100m", Some(Duration::from_millis(100))),
            ("2S", Some(Duration::from_secs(2))),
            ("1H", Some(Duration::from_secs(3600))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("123456789n", None),
            ("+1S", None),
            ("S", None),
            ("", None),
            ("1", None),
            ("1ü", None),
        ] {
            assert_eq!(parse(value), want, "{value}");
        }
    }

    #[test]
    fn a_call_gets_what_it_asks_for_within_the_limits() {
        let limits = Deadline { unasked: Duration::from_secs(30), most: Duration::from_secs(60) };
        for (asked, want) in [(None, 30), (Some("5S"), 5), (Some("45S"), 45), (Some("1H"), 60), (Some("soon"), 30)] {
            let mut request = Request::new(Body::empty());
            if let Some(asked) = asked {
                request.headers_mut().insert("grpc-timeout", asked.parse().unwrap());
            }
            assert_eq!(limits.of(&request), Duration::from_secs(want), "{asked:?}");
        }
    }
}
