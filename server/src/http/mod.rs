//! The server's own HTTP, beside what every node answers: uploads through the app, upload sessions, what became of an
//! image, and the pages for everyone. Handlers translate, ask one room and answer.

mod home;
mod images;
mod openapi;
mod upload;
mod upload_sessions;

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    middleware,
    routing::{get, post},
};
use http::{HeaderMap, header, request::Parts as Head};
use pixelfox_admin_web::Caller;
use pixelfox_node::proxies::Client;
use pixelfox_proto::{Fault, FaultKind};

use crate::{
    access,
    accounts::{Accounts, SessionSecret},
    catalog::AccountName,
    sessions::Sessions,
    store::Store,
    uploads::{Owner, Uploads},
};

/// What the routes work with.
#[derive(Clone)]
pub struct Parts {
    /// The books.
    pub store: Store,
    /// Which nodes are there.
    pub sessions: Arc<Sessions>,
    /// The ways in for uploads.
    pub uploads: Uploads,
    /// The way of the operator's pages to the Admin service.
    pub admin: pixelfox_admin_web::Calls,
    /// Whose a session is.
    pub accounts: Accounts,
    /// `PUBLIC_DOMAIN`, for links to this server's own pages.
    pub public_domain: String,
}

impl Parts {
    /// The account whose session the request's cookie names. The cookie is not sent by other sites.
    async fn signed_in(&self, headers: &HeaderMap) -> Result<Option<AccountName>, Fault> {
        match pixelfox_admin_web::session_secret(headers).and_then(SessionSecret::parse) {
            Some(secret) => Ok(self.accounts.session(&secret).await?.map(|session| session.account)),
            None => Ok(None),
        }
    }

    /// Whose an upload is. A cookie of ours counts only from a page of ours: a browser sends it along whoever asks it to.
    async fn owner(&self, head: &Head) -> Result<Owner, Fault> {
        let headers = &head.headers;
        let by_cookie = pixelfox_admin_web::session_secret(headers).is_some() || access::visitor_of(headers).is_some();
        if by_cookie
            && !Uploads::is_by_key(headers)
            && pixelfox_admin_web::is_foreign(head)
            && !self.is_own_domain(headers)
        {
            return Err(Fault::new(FaultKind::Forbidden, "this was not sent by a page of this server").with_hint(
                "a proxy in between must pass on the browser's Host header; programs send an API key as X-API-Key",
            ));
        }
        self.uploads.owner(headers, self.signed_in(headers).await?).await
    }

    /// Whether the browser says `PUBLIC_DOMAIN`, whatever a proxy made of the host.
    fn is_own_domain(&self, headers: &HeaderMap) -> bool {
        let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
        origin == Some(self.public_domain.trim_end_matches('/'))
    }
}

/// The routes, to be merged with the embedded node's.
pub fn router(parts: Parts) -> Router {
    let pages = pixelfox_admin_web::pages(parts.admin.clone()).layer(middleware::map_request(say_who));
    let for_everyone = Router::new().route("/", get(home::home)).route("/i/{share}", get(images::share));
    pixelfox_admin_web::public::around(for_everyone)
        .layer(middleware::map_request(say_who))
        .route("/upload", post(upload::upload))
        .route("/api/openapi.json", get(openapi::openapi))
        .route("/api/internal/upload/sessions", post(upload_sessions::of_the_page))
        .route("/api/v1/upload/sessions", post(upload_sessions::by_key))
        .route("/api/internal/images/{uuid}/status", get(images::status))
        .route("/api/v1/images/{uuid}/status", get(images::status))
        .route("/api/v1/images/{uuid}", get(images::image))
        .layer(DefaultBodyLimit::disable()) // bodies have limits of their own
        .with_state(parts)
        .merge(pages)
}

/// The layer around all routes, the node's as well: a person gets a page where a program gets JSON.
pub fn for_people(routes: Router) -> Router {
    pixelfox_admin_web::for_people(routes).layer(middleware::map_request(say_who))
}

/// Tells the pages whose request it is: the client's, where a trusted proxy says so.
async fn say_who(mut request: Request) -> Request {
    if let Some(Client { address, secure }) = request.extensions().get::<Client>().copied() {
        request.extensions_mut().insert(Caller { address, secure });
    }
    request
}
