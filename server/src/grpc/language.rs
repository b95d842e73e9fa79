//! In which language the Admin service speaks: that of the metadata `accept-language`, else English. A refusal carries its
//! sentence in German beside the English one; around the whole service the one that is not wanted is taken out.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::Map;
use http::{HeaderMap, Request, Response, header};
use pixelfox_proto::{IN_GERMAN, Language};
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

/// The language that a request asks for.
pub(super) fn wanted(headers: &HeaderMap) -> Language {
    let asked = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    asked.and_then(Language::accepted).unwrap_or(Language::En)
}

/// A service whose refusals are in the language of who asks.
#[derive(Clone, Debug)]
pub struct Translated<S>(pub(super) S);

impl<S: NamedService> NamedService for Translated<S> {
    const NAME: &'static str = S::NAME;
}

type Answer = Result<Response<Body>, Infallible>;

impl<S, B> Service<Request<B>> for Translated<S>
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
        let told: fn(Answer) -> Answer = match wanted(request.headers()) {
            Language::De => in_german,
            Language::En => in_english,
        };
        self.0.call(request).map(told)
    }
}

fn in_english(answer: Answer) -> Answer {
    answer.map(|mut response| {
        response.headers_mut().remove(IN_GERMAN);
        response
    })
}

fn in_german(answer: Answer) -> Answer {
    answer.map(|mut response| {
        let headers = response.headers_mut();
        let german = Status::from_header_map(headers).and_then(|english| {
            let german = english.metadata().get_bin(IN_GERMAN)?.to_bytes().ok()?;
            let message = String::from_utf8(german.to_vec()).ok()?;
            Some(Status::with_details(english.code(), message, english.details().to_vec().into()))
        });
        headers.remove(IN_GERMAN);
        if let Some(german) = german
            && german.add_header(headers).is_err()
        {
            tracing::debug!("a refusal could not be put into German");
        }
        response
    })
}
