//! Trailers of a unary answer: tonic can only set headers, the contract wants a trailer. Around a whole service.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::Map;
use http::{HeaderMap, HeaderName, Request, Response};
use http_body_util::BodyExt as _;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

/// Set to 1 by CreatePool where it changed a pool that was there. Source: admin.proto, CreatePool.
pub(super) const UPDATED: &str = "x-pixelfox-updated";

/// A service whose `x-pixelfox-updated` header goes out as a trailer.
#[derive(Clone, Debug)]
pub struct Trailing<S>(pub(super) S);

impl<S: NamedService> NamedService for Trailing<S> {
    const NAME: &'static str = S::NAME;
}

type Answer = Result<Response<Body>, Infallible>;

impl<S, B> Service<Request<B>> for Trailing<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Map<S::Future, fn(Answer) -> Answer>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.0.call(request).map(move_to_trailers)
    }
}

fn move_to_trailers(answer: Answer) -> Answer {
    answer.map(|mut response| match response.headers_mut().remove(UPDATED) {
        None => response,
        Some(value) => response.map(|body| {
            let trailers = HeaderMap::from_iter([(HeaderName::from_static(UPDATED), value)]);
            Body::new(body.with_trailers(std::future::ready(Some(Ok(trailers)))))
        }),
    })
}
