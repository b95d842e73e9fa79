//! What a port answers: HTTP by an axum router, gRPC by services mounted under their names.
//!
//! The content type decides between the two, so that neither's answer for an unknown path reaches the other's clients.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    body::Body,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, Request, header::CONTENT_TYPE};
use tonic::{Code, Status, server::NamedService};
use tower::{Layer as _, Service, ServiceExt as _};

use super::Deadline;
use crate::{
    clock,
    metrics::{Asked, Meters},
};

/// The routes of one port. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Routes {
    http: Router,
    grpc: Router,
    deadline: Deadline,
    meters: Option<Meters>,
}

impl Routes {
    /// Answers HTTP by `http`, its fallback included; every gRPC call is UNIMPLEMENTED until [`Routes::grpc`].
    #[must_use]
    pub fn new(http: Router) -> Self {
        Self { http, grpc: Router::new().fallback(unknown_service), deadline: Deadline::default(), meters: None }
    }

    /// Other deadlines than the default for the services that are added after this.
    #[must_use]
    pub fn deadline(mut self, deadline: Deadline) -> Self {
        self.deadline = deadline;
        self
    }

    /// Counts gRPC calls. HTTP requests are counted by their routes' own layer.
    #[must_use]
    pub fn metered(mut self, meters: Meters) -> Self {
        self.meters = Some(meters);
        self
    }

    /// Adds a generated gRPC service under its own name, with deadlines. Message limits are set on the service.
    /// The service's `poll_ready` has to be always ready, as tonic's is.
    #[must_use]
    pub fn grpc<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Response = http::Response<tonic::body::Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        let service = service.map_response(|response| response.map(Body::new));
        self.grpc = self.grpc.route_service(&format!("/{}/{{*method}}", S::NAME), self.deadline.layer(service));
        self
    }

    /// Answers one request. Also the way in for clients in the same process, without a socket.
    pub async fn answer(&self, request: Request<Body>) -> Response {
        let is_grpc = is_grpc(request.headers());
        let router = if is_grpc { self.grpc.clone() } else { self.http.clone() };
        let meters = self.meters.as_ref().filter(|_| is_grpc);
        let counted = meters.map(|meters| (meters, request.uri().path().to_owned(), clock::monotonic()));
        let answer = match router.oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        if let Some((meters, path, begun)) = counted {
            let code = Status::from_header_map(answer.headers()).map_or(Code::Ok, |status| status.code());
            meters.answered(&Asked::Grpc { method: method(&path, code) }, code as u16, word(code), begun.elapsed());
        }
        answer
    }
}

/// The method as metrics have it. Those that nobody has are one, so that nobody makes metrics by asking.
fn method(path: &str, code: Code) -> Arc<str> {
    if code == Code::Unimplemented { "none".into() } else { path.trim_start_matches('/').into() }
}

/// The code's name as gRPC writes it.
const fn word(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// Whether a request is gRPC, by its content type: `application/grpc`, alone or with `+proto` or parameters.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(rest) = headers.get(CONTENT_TYPE).and_then(|v| v.as_bytes().strip_prefix(b"application/grpc")) else {
        return false;
    };
    matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

async fn unknown_service(request: Request<Body>) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    let service = path.split('/').next().unwrap_or_default();
    Status::unimplemented(format!("this process has no service {service}")).into_http::<Body>().into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_is_told_by_its_content_type() {
        for (value, want) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc; charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]);
            assert_eq!(is_grpc(&headers), want, "{value}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn an_unknown_service_is_unimplemented_and_an_unknown_page_is_the_routers_own_answer() {
        let routes = Routes::new(Router::new().fallback(|| async { (http::StatusCode::NOT_FOUND, "no page") }));
        let grpc = Request::post("/pixelfox.v1.Nothing/Do").header(CONTENT_TYPE, "application/grpc");
        let answer = routes.answer(grpc.body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status().as_u16(), answer.headers()["grpc-status"].to_str().unwrap()), (200, "12"));
        let page = routes.answer(Request::get("/pixelfox.v1.Nothing/Do").body(Body::empty()).unwrap()).await;
        assert_eq!(page.status().as_u16(), 404);
    }
}
