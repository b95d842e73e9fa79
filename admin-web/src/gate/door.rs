//! Signing in and out, and what is shown to those who are not signed in.

use askama::Template;
use axum::{
    body::Body,
    extract::{Extension, Request, State},
    response::{Html, IntoResponse as _, Response},
};
use http::{HeaderValue, StatusCode, header, request::Parts};
use pixelfox_proto::{Language, RETRY_AFTER, v1};
use tonic::Code;

use super::{
    Caller, Key, cookies,
    form::{self, Refused, Sender},
    is_over_tls, own_path, session, stream, tokens,
};
use crate::{
    query,
    trouble::Trouble,
    view::{Person, View},
    visit::{Fields, Site},
    words::fill,
};

/// How long a session's cookie is kept; the session itself ends by the service's word.
const SESSION_SECONDS: i64 = 12 * 3600;
/// How long a sign-in page stays good.
const DOOR_SECONDS: i64 = 24 * 3600;
/// Fields that are shown before they are sent again; all are sent.
const SHOWN: usize = 40;
/// Bytes of an address to come back to.
const MAX_NEXT: usize = 2000;
/// Seconds to wait where the service does not say how many.
const AGAIN_SECONDS: u32 = 5;

#[derive(Template)]
#[template(path = "login.html")]
struct Login<'a> {
    v: &'a View,
    message: Option<&'a str>,
    username: &'a str,
    next: &'a str,
    kept: &'a str,
}

#[derive(Template)]
#[template(path = "again.html")]
struct Again<'a> {
    v: &'a View,
    why: &'a str,
    action: &'a str,
    shown: &'a [(String, String)],
    more: Option<String>,
    fields: &'a [(String, String)],
}

#[derive(Template)]
#[template(path = "refresh.html")]
struct Refresh<'a> {
    v: &'a View,
    next: &'a str,
}

/// What the sign-in page says and keeps.
#[derive(Clone, Copy, Default)]
struct Said<'a> {
    message: Option<&'a str>,
    username: &'a str,
    next: &'a str,
    kept: &'a str,
}

/// `GET /admin/login`
pub(super) async fn show(State(site): State<Site>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let asked = query::fields(&parts.uri);
    let next = below_admin(asked.text("next"));
    if let Some(key) = cookies::read(&parts.headers, cookies::SESSION)
        && matches!(session(&site, key, Language::En).await, Ok(Some(_)))
    {
        return to(next);
    }
    login(&parts, StatusCode::OK, Said { next, ..Said::default() })
}

/// `POST /admin/login`
pub(super) async fn enter(State(site): State<Site>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let words = &View::of(&parts).w.gate;
    let secret = cookies::read(&parts.headers, cookies::DOOR);
    let taken = form::take(&parts, body, secret, Sender::Stranger(site.strangers())).await;
    let (fields, fresh) = match taken {
        Ok(fields) => (fields, true),
        Err(Refused::Stale(fields)) => (fields, false),
        Err(Refused::Trouble(trouble)) => return trouble.into_response(),
    };
    let said = Said {
        message: Some(words.old_door),
        username: fields.text("username"),
        next: below_admin(fields.text("next")),
        kept: fields.text("kept"),
    };
    if !fresh {
        return login(&parts, StatusCode::FORBIDDEN, said);
    }
    let address = parts.extensions.get::<Caller>().map(|caller| caller.address.to_string()).unwrap_or_default();
    let password = fields.all("password").next().unwrap_or_default().to_owned();
    let ask = v1::SignInRequest { name: said.username.to_owned(), password, client_address: address };
    match site.admin(None, Language::En).sign_in(ask).await {
        Ok(answer) => entered(&site, &parts, answer.into_inner(), said).await,
        Err(status) => {
            let seconds = status.metadata().get(RETRY_AFTER).and_then(|seconds| seconds.to_str().ok()?.parse().ok());
            let seconds: u32 = seconds.unwrap_or(AGAIN_SECONDS);
            let slower = fill(words.slower, &[("n", &seconds.to_string())]);
            let (code, message) = match status.code() {
                Code::Unauthenticated => (StatusCode::UNAUTHORIZED, words.wrong),
                Code::ResourceExhausted => (StatusCode::TOO_MANY_REQUESTS, slower.as_str()),
                _ => (StatusCode::SERVICE_UNAVAILABLE, words.away),
            };
            let mut page = login(&parts, code, Said { message: Some(message), ..said });
            if code != StatusCode::UNAUTHORIZED {
                page.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            page
        }
    }
}

/// An earlier session of this browser is over, its new one begins.
async fn entered(site: &Site, parts: &Parts, answer: v1::SignInResponse, said: Said<'_>) -> Response {
    if let Some(old) = cookies::read(&parts.headers, cookies::SESSION) {
        // It may be over already, and ends by itself in any case.
        drop(site.admin(None, Language::En).sign_out(v1::SignOutRequest { secret: old.to_owned() }).await);
    }
    let kept = form::parsed(said.kept.as_bytes()).filter(|fields| !fields.0.is_empty());
    let mut response = match kept {
        None => to(said.next),
        Some(fields) => {
            let name = answer.session.map(|session| session.account).unwrap_or_default();
            let person = Some(Person { name, csrf_token: tokens::mint(&answer.secret) });
            let view = View { person, ..View::of(parts) };
            again(&view, view.w.gate.again, said.next, &fields)
        }
    };
    let over_tls = is_over_tls(parts);
    let headers = response.headers_mut();
    headers.append(header::SET_COOKIE, cookies::set(cookies::SESSION, &answer.secret, SESSION_SECONDS, over_tls));
    headers.append(header::SET_COOKIE, cookies::set(cookies::DOOR, "", 0, over_tls));
    response
}

/// `POST /admin/logout`
pub(super) async fn leave(State(site): State<Site>, Extension(Key(key)): Extension<Key>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let over_tls = is_over_tls(&parts);
    if let Err(status) = site.admin(None, View::of(&parts).language).sign_out(v1::SignOutRequest { secret: key }).await
    {
        return Trouble::from(status).into_response();
    }
    let mut response = to("/admin/login");
    response.headers_mut().append(header::SET_COOKIE, cookies::set(cookies::SESSION, "", 0, over_tls));
    response
}

/// Whoever is not signed in: to the door, and back after it. What was filled in is kept over it.
pub(super) async fn closed(site: &Site, parts: &Parts, body: Body) -> Response {
    let wants = |name: &str, value: &str| parts.headers.get(name).is_some_and(|it| it.as_bytes() == value.as_bytes());
    if !parts.method.is_safe() {
        return match form::take(parts, body, None, Sender::Stranger(site.strangers())).await {
            Ok(fields) | Err(Refused::Stale(fields)) => {
                let (words, kept) = (&View::of(parts).w.gate, form::written(&fields));
                let next = below_admin(own_path(parts));
                let said = Said { message: Some(words.over), next, kept: &kept, ..Said::default() };
                login(parts, StatusCode::UNAUTHORIZED, said)
            }
            Err(Refused::Trouble(trouble)) => trouble.into_response(),
        };
    }
    if wants("accept", "text/event-stream") {
        let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
        return (headers, stream::GONE).into_response();
    }
    let next = below_admin(own_path(parts));
    if wants("sec-fetch-site", "cross-site") && wants("sec-fetch-mode", "navigate") {
        // A link from elsewhere comes without the cookie; what this page asks for comes with it. It begins nothing.
        let next = if next.starts_with("/admin/diagnose?") { "/admin/diagnose" } else { next };
        return Refresh { v: &View::of(parts), next }
            .render()
            .map_or_else(|_| to(next), |html| Html(html).into_response());
    }
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
    to(&if next == "/admin" { "/admin/login".to_owned() } else { format!("/admin/login?{query}") })
}

/// A form that is not taken as it is, to be looked at and sent again.
pub(super) fn again(view: &View, why: &str, action: &str, fields: &Fields) -> Response {
    let shown = &fields.0[..fields.0.len().min(SHOWN)];
    let more = fields.0.len() - shown.len();
    let more =
        (more > 0).then(|| fill(view.w.gate.again_more, &[("count", &view.show.count(more as u64).to_string())]));
    let page = Again { v: view, why, action: below_admin(action), shown, more, fields: &fields.0 };
    match page.render() {
        Ok(html) => (StatusCode::CONFLICT, Html(html)).into_response(),
        Err(error) => Trouble::from(error).into_response(),
    }
}

/// The sign-in page, for this browser alone.
fn login(parts: &Parts, status: StatusCode, said: Said<'_>) -> Response {
    let known = cookies::read(&parts.headers, cookies::DOOR);
    let secret = known.map_or_else(tokens::secret, str::to_owned);
    let mut view = View::of(parts);
    if !parts.method.is_safe() || parts.uri.path() != "/admin/login" {
        // The switch of language asks for the page, not for what was sent to it.
        view.uri = http::Uri::from_static("/admin/login");
    }
    view.person = Some(Person { name: String::new(), csrf_token: tokens::mint(&secret) });
    let Said { message, username, next, kept } = said;
    let mut response = match (Login { v: &view, message, username, next, kept }).render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => return Trouble::from(error).into_response(),
    };
    if known.is_none() {
        let cookie = cookies::set(cookies::DOOR, &secret, DOOR_SECONDS, is_over_tls(parts));
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// A path of the pages, or the first one: nothing leads away from here, nor to the door itself.
fn below_admin(path: &str) -> &str {
    let rest = path.strip_prefix("/admin").filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    let fits = rest.is_some_and(|rest| !rest.starts_with("/login") && !rest.starts_with("/logout"))
        && path.len() <= MAX_NEXT
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'#');
    if fits { path } else { "/admin" }
}

fn to(path: &str) -> Response {
    let location = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/admin"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

#[cfg(test)]
mod tests {
    use super::below_admin;

    #[test]
    fn nothing_leads_away_from_the_pages() {
        for (asked, want) in [
            ("/admin/storage?page=2", "/admin/storage?page=2"),
            ("/admin?x=1", "/admin?x=1"),
            ("/admin", "/admin"),
            ("", "/admin"),
            ("//evil.example", "/admin"),
            ("https://evil.example/admin", "/admin"),
            ("/administrator", "/admin"),
            ("/admin/\\evil", "/admin"),
            ("/admin/a\r\nset-cookie: x", "/admin"),
            ("/admin/login?next=/admin", "/admin"),
            ("/admin/logout", "/admin"),
        ] {
            assert_eq!(below_admin(asked), want, "{asked}");
        }
    }
}
