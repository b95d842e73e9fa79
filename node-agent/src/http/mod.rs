//! The HTTP routes of every node: replicate, uploads in and out, identity and health. Handlers translate, ask one room
//! and answer; they must not open files and must not decide what a room decides.
//!
//! Who has further routes merges them with [`routes`] and hands the whole to [`finish`]; a node alone takes
//! [`router`].

mod auth;
mod body;
mod client;
mod cors;
mod health;
mod json;
mod lost;
mod metrics;
mod multipart;
mod replicate;
mod trace;
mod upload;
mod uploads;

pub use body::RequestBody;
pub use client::client_of;
pub use multipart::{Form, FormError, Limit, Part, file_missing};
pub use trace::{sent_trace, trace_of};
pub use upload::{Duplicate, FORM_BYTES, answer};

use std::{fmt, sync::Arc};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    middleware,
    response::{IntoResponse as _, Response},
    routing::{get, post, put},
};
use http::{HeaderMap, HeaderValue, header};
use pixelfox_proto::{Fault, FaultKind, NodeId};

use crate::{
    coordinator::Coordinator,
    intake::Intake,
    metrics::{Meters, Uploads},
    plane::Plane,
    pools::Pools,
    proxies::Proxies,
    rate::Limiter,
    receive::Receiver,
    secret::{SecretPair, Secrets},
};

/// Why a node can't do its work, as a person would say it; empty when it can. Asked at each `GET /readyz`.
pub type Readiness = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// What the routes work with.
pub struct Parts {
    /// Who answers.
    pub node_id: NodeId,
    /// The program's version, for `identity`.
    pub version: &'static str,
    /// This process as browsers see it: a redirect there would lead back.
    pub public_domain: String,
    /// What opens replicate and upload.
    pub secrets: Secrets,
    /// Where files are read and written.
    pub plane: Plane,
    /// The pools of this node.
    pub pools: Arc<Pools>,
    /// The way in for replicated files.
    pub receiver: Arc<Receiver>,
    /// The way in for uploads.
    pub intake: Intake,
    /// Who knows where a file is that is not here.
    pub coordinator: Coordinator,
    /// Counts uploads against the limits of the settings.
    pub limiter: Arc<Limiter>,
    /// Asked by `readyz`.
    pub readiness: Readiness,
    /// Counts uploads.
    pub uploads: Uploads,
    /// What is counted, for `/metrics`.
    pub meters: Meters,
    /// What opens `/metrics` to others than this machine.
    pub metrics_tokens: Vec<SecretPair>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("node_id", &self.node_id).finish_non_exhaustive()
    }
}

/// All routes of a node, complete with fallbacks and CORS.
pub fn router(parts: Parts, proxies: Proxies) -> Router {
    let meters = parts.meters.clone();
    let home = home(parts.node_id.clone(), Arc::clone(&parts.pools));
    finish(routes(parts).merge(home), proxies, meters, short_pages)
}

/// What stands at the root of a node that has no pages.
pub fn home(node_id: NodeId, pools: Arc<Pools>) -> Router {
    let home = move |headers: HeaderMap| std::future::ready(lost::home(&node_id, pools.app_url().as_deref(), &headers));
    Router::new().route("/", get(home))
}

/// A browser takes each answer for what its `Content-Type` says, and for nothing else.
async fn no_sniffing(mut answer: Response) -> Response {
    answer.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// The routes of a node alone, to be merged with others and then given to [`finish`].
pub fn routes(parts: Parts) -> Router {
    let upload = || post(upload::upload).head(upload::present);
    Router::new()
        .route("/api/internal/replicate", put(replicate::replicate))
        .route("/api/internal/upload", upload())
        .route("/api/v1/upload", upload())
        .route("/api/internal/identity", get(health::identity))
        .route("/api/v1/ping", get(health::ping))
        .route("/uploads/{*path}", get(uploads::serve))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::metrics))
        .layer(DefaultBodyLimit::disable()) // bodies have limits of their own
        .with_state(Arc::new(parts))
}

/// Adds what holds for every route: JSON for unknown paths and methods, what `people` makes of it in a browser, CORS where
/// the contract wants it, who the client is behind `proxies`, and what `meters` count of it.
pub fn finish<S: Clone + Send + Sync + 'static>(
    router: Router<S>,
    proxies: Proxies,
    meters: Meters,
    people: impl FnOnce(Router<S>) -> Router<S>,
) -> Router<S> {
    let router = people(router.fallback(unknown_path).method_not_allowed_fallback(wrong_method));
    let router = router.layer(middleware::from_fn(cors::allow));
    let router = router.layer(middleware::map_response(no_sniffing));
    let router = router.layer(middleware::from_fn_with_state(proxies, client::note));
    router.layer(middleware::from_fn_with_state(meters, metrics::count))
}

/// What a node alone shows people: a sentence where programs get JSON.
pub fn short_pages<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router.layer(middleware::from_fn(lost::for_people))
}

async fn unknown_path(request: Request) -> Response {
    let (path, headers) = (request.uri().path().to_owned(), request.headers().clone());
    drain(request).await;
    lost::answer(&path, &headers)
}

async fn wrong_method(request: Request) -> Response {
    let message = format!("{} is not for {}", lost::shown(request.uri().path()), request.method());
    drain(request).await;
    Fault::new(FaultKind::MethodNotAllowed, message).into_response()
}

/// So that whoever sends a body sees the answer.
async fn drain(request: Request) {
    let (head, body) = request.into_parts();
    body::RequestBody::new(body, &head.headers).drain().await;
}
