//! The gate before every page: who is signed in, and whether a form came from a page that was made for that browser. No
//! page can be mounted before it, and none has to remember it: [`crate::pages`] puts it around all of them.
//!
//! ```text
//! GET   session cookie → Admin.GetSession → the page, with the person's name and a fresh token for its forms
//!       none, or over  → /admin/login?next=…; an open page's stream ends within seconds
//! POST  Origin is this host, token is of this session: then the action, which takes `Fields`
//!       foreign Origin → 403; an old token → the fields once more, to be sent again; no session → the same after signing in
//! ```
//!
//! Own code instead of a session crate: the books keep a digest only, whoever is not signed in has no row and no state
//! here, and the pages stay a client of the Admin service.

mod cookies;
mod door;
mod form;
mod origin;
mod sources;
mod stream;
mod tokens;

use std::{net::IpAddr, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{any, get, post},
};
use http::{HeaderValue, Method, StatusCode, header, request::Parts};
use pixelfox_proto::{Language, v1};
use tonic::Code;

pub(crate) use self::form::Strangers;
pub(crate) use self::sources::{Sources, origins};

/// The secret of the session that a request's cookie names, for pages that are not behind the gate.
#[must_use]
pub fn session_secret(headers: &http::HeaderMap) -> Option<&str> {
    cookies::read(headers, cookies::SESSION)
}

/// Whether a request was sent by a page of another site, or by one that hides, for what is not behind the gate.
#[must_use]
pub fn is_foreign(parts: &Parts) -> bool {
    Origin::of(parts) == Origin::Foreign
}

use self::{
    form::{Refused, Sender},
    origin::Origin,
};
use crate::{
    frame::content_security_policy,
    trouble::Trouble,
    view::{Person, View, language_cookie},
    visit::{Fields, Site},
};

/// The field of a language switch that carries a form.
pub(crate) const SWITCH: &str = "switch_language";

/// The browser, as the server that mounts the pages knows it: in the extensions of each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its address. Tries to sign in are counted by it.
    pub address: IpAddr,
    /// Whether a proxy that is trusted says that it came over TLS.
    pub secure: bool,
}

/// The secret of the session that a request came with.
#[derive(Clone)]
struct Key(String);

/// `routes` behind the gate, and the gate's own pages.
pub(crate) fn before(routes: Router<Site>, site: &Site) -> Router<Site> {
    let nowhere = || async { Trouble::no_page() };
    let inside = routes.route("/admin/logout", post(door::leave)).route("/admin/{*nowhere}", any(nowhere));
    let inside = inside.layer(middleware::from_fn_with_state(site.clone(), guard));
    inside.merge(Router::new().route("/admin/login", get(door::show).post(door::enter)))
}

async fn guard(State(site): State<Site>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let key = cookies::read(&parts.headers, cookies::SESSION).map(str::to_owned);
    let session = match &key {
        Some(key) => match session(&site, key, View::of(&parts).language).await {
            Ok(session) => session,
            Err(trouble) => return trouble.into_response(),
        },
        None => None,
    };
    let (Some(key), Some(session)) = (key, session) else { return door::closed(&site, &parts, body).await };
    let person = Person { name: session.account, csrf_token: tokens::mint(&key) };
    parts.extensions.insert(person.clone());
    parts.extensions.insert(Key(key.clone()));
    let mut response = inside(&site, key, parts, body, next).await;
    // The error page is made further out.
    response.extensions_mut().insert(person);
    response
}

/// A request of who is signed in.
async fn inside(site: &Site, key: String, mut parts: Parts, body: Body, next: Next) -> Response {
    let body = if parts.method.is_safe() {
        body
    } else {
        match form::take(&parts, body, Some(&key), Sender::Known).await {
            Ok(fields) => {
                if let Some(response) = switched(&parts, &fields) {
                    return response;
                }
                if let Some(posted) = small(&fields) {
                    parts.extensions.insert(posted);
                }
                parts.extensions.insert(fields)
            }
            Err(Refused::Trouble(trouble)) => return trouble.into_response(),
            Err(Refused::Stale(mut fields)) => {
                fields.0.retain(|(name, _)| name != SWITCH);
                let view = with_posted(View::of(&parts), &fields);
                return door::again(&view, view.w.gate.again, own_path(&parts), &fields);
            }
        };
        Body::empty()
    };
    let is_get = parts.method == Method::GET;
    let response = next.run(Request::from_parts(parts, body)).await;
    let response = with_policy(site, response).await;
    if is_get { stream::until_over(site.clone(), key, response) } else { response }
}

/// What was sent, where the language switch of its answer can carry it.
fn small(fields: &Fields) -> Option<Arc<Fields>> {
    const MOST: usize = 200;
    const BYTES: usize = 32 << 10;
    let bytes = fields.0.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    (fields.0.len() <= MOST && bytes <= BYTES).then(|| Arc::new(fields.clone()))
}

fn with_posted(view: View, fields: &Fields) -> View {
    View { posted: small(fields), ..view }
}

/// The language switch of a page that was the answer to a form: what was sent is shown in the other language, to be sent
/// again. Nothing is done for it: what was refused before may go through now.
fn switched(parts: &Parts, fields: &Fields) -> Option<Response> {
    let language = Language::of_tag(fields.text(SWITCH))?;
    let mut kept = fields.clone();
    kept.0.retain(|(name, _)| name != SWITCH);
    let view = with_posted(View::of(parts).spoken(language), &kept);
    let mut response = door::again(&view, view.w.gate.switched, own_path(parts), &kept);
    *response.status_mut() = StatusCode::OK;
    let secure = if is_over_tls(parts) { "; Secure" } else { "" };
    if let Ok(cookie) = HeaderValue::from_str(&language_cookie(language, secure)) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Some(response)
}

/// Whose session it is; `None`: nobody's any more.
async fn session(site: &Site, key: &str, language: Language) -> Result<Option<v1::Session>, Trouble> {
    match site.admin(None, language).get_session(v1::GetSessionRequest { secret: key.to_owned() }).await {
        Ok(session) => Ok(Some(session.into_inner())),
        Err(status) if status.code() == Code::Unauthenticated => Ok(None),
        Err(status) => Err(status.into()),
    }
}

/// Whether the browser came over TLS: it says so itself in the origin of a form, or a trusted proxy does.
pub(crate) fn is_over_tls(parts: &Parts) -> bool {
    Origin::of(parts).is_https() || parts.extensions.get::<Caller>().is_some_and(|caller| caller.secure)
}

/// Path and query of a request.
fn own_path(parts: &Parts) -> &str {
    parts.uri.path_and_query().map_or("/admin", |path| path.as_str())
}

/// A page may show pictures of the pools, and ask their nodes.
async fn with_policy(site: &Site, mut response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) {
        let policy = content_security_policy(&site.sources().of_pools(&site.admin(None, Language::En)).await);
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        }
    }
    response
}
