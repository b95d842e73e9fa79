//! `GET /metrics`, and the layer that counts requests. Source: docs/metrics.md.

use std::sync::Arc;

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, Method, header};
use pixelfox_proto::Fault;

use super::{Parts, client::client_of};
use crate::{
    clock,
    metrics::{Asked, Meters},
    secret::{SecretPair, bearer},
};

/// Prometheus text.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// What a proxy adds. Its word on who asks is taken where it is trusted; a proxy on this machine that is not trusted may
/// speak for anybody, so that it needs the token.
const FORWARDED: [&str; 3] = ["x-forwarded-for", "forwarded", "via"];
/// Paths that no route has are one, so that nobody makes metrics by asking.
const NO_ROUTE: &str = "none";

/// The route's handler.
pub(crate) async fn metrics(State(parts): State<Arc<Parts>>, request: Request) -> Result<Response, Fault> {
    admit(&parts.metrics_tokens, &request)?;
    let text = parts.meters.scrape().await;
    Ok(([(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, "no-store")], text).into_response())
}

/// Lets pass a client on this machine, and whoever has one of `tokens`.
fn admit(tokens: &[SecretPair], request: &Request) -> Result<(), Fault> {
    let headers = request.headers();
    let is_here = client_of(request.extensions()).address.is_loopback() && !is_forwarded(headers);
    if is_here || tokens.iter().any(|token| token.authorizes(headers)) {
        return Ok(());
    }
    let (said, cure) = match (tokens.is_empty(), bearer(headers)) {
        (true, _) => {
            ("/metrics is closed", "set METRICS_TOKEN and restart, then ask with Authorization: Bearer <METRICS_TOKEN>")
        }
        (false, None) => ("missing token", "ask with Authorization: Bearer <METRICS_TOKEN>, or <ADMIN_TOKEN>"),
        (false, Some(_)) => ("invalid token", "ask with the METRICS_TOKEN or the ADMIN_TOKEN that this process has"),
    };
    Err(Fault::unauthorized(said).with_hint(cure))
}

fn is_forwarded(headers: &HeaderMap) -> bool {
    FORWARDED.iter().any(|name| headers.contains_key(*name))
}

/// The layer around all routes: counts each answer by its route and measures the time to its head.
pub(super) async fn count(State(meters): State<Meters>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or(NO_ROUTE, MatchedPath::as_str).into();
    let asked = Asked::Http { route, method: known(request.method()) };
    let begun = clock::monotonic();
    let response = next.run(request).await;
    let status = response.status();
    meters.answered(&asked, status.as_u16(), status.as_str(), begun.elapsed());
    response
}

/// Methods that nobody knows are one.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
