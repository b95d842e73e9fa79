//! The gate: who comes in, whose forms are taken, what is kept over it.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body};
use futures_util::StreamExt as _;
use http::{Request, StatusCode, header};
use parking_lot::Mutex;
use pixelfox_proto::{Fault, FaultKind, v1};
use tonic::Status;
use tower::ServiceExt as _;

use crate::{
    fake::Fake,
    reader::{HOST, KEY, Page, answer, cookie, get, pages, post, token_of},
};

const NEW_KEY: &str = "YW5vdGhlciBrZXkgb2YgYSBzZXNzaW9uIG9mIHRlc3Q";
const FORM: &str = "application/x-www-form-urlencoded";

/// A service with one account, `admin` with the password `right`.
fn with_account() -> Fake {
    let fake = Fake::empty_cluster();
    fake.on("get_overview", |_: v1::GetOverviewRequest| Ok(v1::Overview::default()));
    fake.on("sign_in", |asked: v1::SignInRequest| match (asked.name.as_str(), asked.password.as_str()) {
        ("admin", "right") => Ok(v1::SignInResponse {
            secret: NEW_KEY.into(),
            session: Some(v1::Session { account: "admin".into(), expires: None }),
        }),
        ("slow", _) => {
            let slower = Fault::new(FaultKind::TooManyRequests, "too many tries to sign in: try again in 4 s");
            Err(slower.retry_after(4).into())
        }
        ("away", _) => Err(Status::unavailable("no books")),
        _ => Err(Status::unauthenticated("invalid name or password")),
    });
    fake.on("sign_out", |_: v1::SignOutRequest| Ok(v1::SignOutResponse {}));
    fake
}

/// A request with these headers, nothing of its own.
async fn send(pages: &Router, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Page {
    let mut request = Request::builder().method(method).uri(path).header("host", HOST);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(pages, request.body(Body::from(body.to_owned())).unwrap()).await
}

fn cookies(page: &Page) -> Vec<&str> {
    page.headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect()
}

/// The sign-in page as a browser gets it: its cookie and its token.
async fn door(pages: &Router) -> (String, String) {
    let page = send(pages, "GET", "/admin/login", &[], "").await;
    assert_eq!(page.status, StatusCode::OK);
    let cookie = cookies(&page)[0].split(';').next().unwrap().to_owned();
    (cookie, token_of(&page))
}

async fn sign_in(pages: &Router, origin: &str, more: &str) -> Page {
    let (cookie, token) = door(pages).await;
    let headers = [("cookie", cookie.as_str()), ("origin", origin), ("content-type", FORM)];
    send(pages, "POST", "/admin/login", &headers, &format!("csrf_token={token}&{more}")).await
}

#[tokio::test]
async fn who_is_not_signed_in_is_led_to_the_door_and_back() {
    // No cookie, one that is over, one that can't be ours: the address is kept, nothing of the page is shown.
    let pages = pages(&with_account());
    let over = format!("pixelfox_session={NEW_KEY}");
    for cookie in ["", over.as_str(), "pixelfox_session=x", "a=b"] {
        let page = send(&pages, "GET", "/admin/audit?actor=a%20b", &[("cookie", cookie)], "").await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{cookie}");
        assert_eq!(page.header(header::LOCATION), "/admin/login?next=%2Fadmin%2Faudit%3Factor%3Da%2520b");
        assert!(page.html.is_empty());
    }
    let nowhere = send(&pages, "GET", "/admin/any/thing", &[], "").await;
    assert_eq!(nowhere.status, StatusCode::SEE_OTHER, "what there is, is nobody's business");
    let page =
        sign_in(&pages, "http://img.example", "username=admin&password=right&next=/admin/audit%3Factor%3Da").await;
    assert_eq!((page.status, page.header(header::LOCATION)), (StatusCode::SEE_OTHER, "/admin/audit?actor=a"));
    let away = sign_in(&pages, "http://img.example", "username=admin&password=right&next=//evil.example").await;
    assert_eq!(away.header(header::LOCATION), "/admin");
}

#[tokio::test]
async fn the_sessions_cookie_is_out_of_reach_and_over_tls_bound_to_it() {
    let pages = pages(&with_account());
    let plain = sign_in(&pages, "http://img.example", "username=admin&password=right").await;
    let want = format!("pixelfox_session={NEW_KEY}; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict");
    assert_eq!(cookies(&plain)[0], want);
    assert!(cookies(&plain)[1].starts_with("pixelfox_door=; Path=/; Max-Age=0"));
    let tls = sign_in(&pages, "https://img.example", "username=admin&password=right").await;
    assert_eq!(cookies(&tls)[0], format!("__Host-{want}; Secure"));
    let inside = send(&pages, "GET", "/admin", &[("cookie", &format!("__Host-pixelfox_session={KEY}"))], "").await;
    assert_eq!(inside.status, StatusCode::OK);
    assert_eq!(inside.header(header::CACHE_CONTROL), "no-store");
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_look_the_same_and_the_name_is_kept() {
    let pages = pages(&with_account());
    let html = async |fields: &str| {
        let page = sign_in(&pages, "http://img.example", fields).await;
        assert_eq!((page.status, cookies(&page).len()), (StatusCode::UNAUTHORIZED, 0));
        page.html.replace(&token_of(&page), "TOKEN")
    };
    let wrong_name = html("username=admix&password=right").await;
    let wrong_password = html("username=admin&password=wrong").await;
    assert_eq!(wrong_name.replace("admix", "admin"), wrong_password);
    assert!(wrong_password.contains("value=\"admin\"") && !wrong_password.contains("wrong"), "{wrong_password}");
    assert!(wrong_password.contains("Benutzername oder Passwort ist falsch."), "{wrong_password}");
    let slow = sign_in(&pages, "http://img.example", "username=slow&password=x").await;
    assert_eq!(slow.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(slow.html.contains("Zu viele Versuche. In 4 s noch einmal"), "{}", slow.html);
    assert_eq!(slow.header(header::RETRY_AFTER), "4");
    let away = sign_in(&pages, "http://img.example", "username=away&password=x").await;
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_sign_in_needs_the_token_of_its_own_page() {
    // Without cookie, with another browser's, without token, from elsewhere: the password is not even looked at.
    let fake = with_account();
    let tried = Arc::new(Mutex::new(0));
    let noted = Arc::clone(&tried);
    fake.on("sign_in", move |_: v1::SignInRequest| {
        *noted.lock() += 1;
        Err::<v1::SignInResponse, _>(Status::unauthenticated("no"))
    });
    let pages = pages(&fake);
    let (mine, token) = door(&pages).await;
    let (others, _) = door(&pages).await;
    let own = "http://img.example";
    for (cookie, token, origin, want) in [
        ("", token.as_str(), own, StatusCode::FORBIDDEN),
        (&others, &token, own, StatusCode::FORBIDDEN),
        (&mine, "", own, StatusCode::FORBIDDEN),
        (&mine, &token, "http://evil.example", StatusCode::FORBIDDEN),
        (&mine, &token, "null", StatusCode::FORBIDDEN),
        (&mine, &token, own, StatusCode::UNAUTHORIZED),
    ] {
        let headers = [("cookie", cookie), ("origin", origin), ("content-type", FORM)];
        let body = format!("csrf_token={token}&username=admin&password=right");
        let page = send(&pages, "POST", "/admin/login", &headers, &body).await;
        assert_eq!(page.status, want, "{cookie} {token} {origin}");
    }
    assert_eq!(*tried.lock(), 1);
}

#[tokio::test]
async fn a_form_is_taken_only_from_our_own_page_and_before_anything_else() {
    // Signing out stands for every action: it happens once, for the one form that is right.
    let fake = with_account();
    let out = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&out);
    fake.on("sign_out", move |asked: v1::SignOutRequest| {
        noted.lock().push(asked.secret);
        Ok(v1::SignOutResponse {})
    });
    let pages = pages(&fake);
    let token = token_of(&get(&pages, "/admin", &[]).await);
    let (_, doors) = door(&pages).await;
    let both = format!("csrf_token={token}&csrf_token={token}");
    let (right, wrong) = (format!("csrf_token={token}"), format!("csrf_token={doors}"));
    let cookie = cookie();
    for (why, origin, kind, body, want) in [
        ("another host", "http://evil.example", FORM, right.as_str(), StatusCode::FORBIDDEN),
        ("hidden", "null", FORM, &right, StatusCode::FORBIDDEN),
        ("no token", "http://img.example", FORM, "", StatusCode::CONFLICT),
        ("another page's token", "http://img.example", FORM, &wrong, StatusCode::CONFLICT),
        ("two of them", "http://img.example", FORM, &both, StatusCode::CONFLICT),
        ("no form", "http://img.example", "text/plain", &right, StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("all right", "http://img.example", FORM, &right, StatusCode::SEE_OTHER),
    ] {
        assert!(out.lock().is_empty(), "{why}");
        let headers = [("cookie", cookie.as_str()), ("origin", origin), ("content-type", kind)];
        let page = send(&pages, "POST", "/admin/logout", &headers, body).await;
        assert_eq!(page.status, want, "{why}: {}", page.html);
    }
    assert_eq!(*out.lock(), [KEY]);
    let silent = [("cookie", cookie.as_str()), ("content-type", FORM)];
    assert_eq!(
        send(&pages, "POST", "/admin/logout", &silent, &right).await.status,
        StatusCode::SEE_OTHER,
        "no browser"
    );
    assert_eq!(send(&pages, "POST", "/admin/logout", &silent, "x=y").await.status, StatusCode::FORBIDDEN);
    let site = [("cookie", cookie.as_str()), ("content-type", FORM), ("sec-fetch-site", "same-site")];
    assert_eq!(send(&pages, "POST", "/admin/logout", &site, &right).await.status, StatusCode::FORBIDDEN);
    let large = "x".repeat((1 << 20) + 1);
    let own = [("cookie", cookie.as_str()), ("origin", "http://img.example"), ("content-type", FORM)];
    assert_eq!(send(&pages, "POST", "/admin/logout", &own, &large).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let many = "a=&".repeat(20_000);
    assert_eq!(send(&pages, "POST", "/admin/logout", &own, &many).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let signed_out = post(&pages, "/admin/logout", "").await;
    assert!(cookies(&signed_out)[0].starts_with("pixelfox_session=; Path=/; Max-Age=0"));
}

#[tokio::test]
async fn what_was_typed_outlives_an_old_token_and_an_old_session() {
    // Shown once more with a fresh token, to be sent again; markup in it stays text; nothing is done meanwhile.
    let pages = pages(&with_account());
    let own = "http://img.example";
    let typed = "csrf_token=old&name=%3Cb%3Eimg1&note=a%26b&uuid=1&uuid=2";
    let cookie = cookie();
    let headers = [("cookie", cookie.as_str()), ("origin", own), ("content-type", FORM)];
    let stale = send(&pages, "POST", "/admin/storage/2?x=1", &headers, typed).await;
    assert_eq!(stale.status, StatusCode::CONFLICT);
    let field = |name: &str, value: &str| format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">");
    let kept = [field("name", "&#60;b&#62;img1"), field("note", "a&#38;b"), field("uuid", "1"), field("uuid", "2")];
    for want in kept.iter().chain([&"action=\"/admin/storage/2?x=1\"".to_owned()]) {
        assert!(stale.html.contains(want), "{want}\n{}", stale.html);
    }
    assert!(!stale.html.contains("value=\"old\""));

    // the same without a session: the sign-in page carries it, and after it the form is there again
    let over = send(&pages, "POST", "/admin/storage/2?x=1", &[("origin", own), ("content-type", FORM)], typed).await;
    assert_eq!(over.status, StatusCode::UNAUTHORIZED);
    assert!(over.html.contains("value=\"name=%3Cb%3Eimg1&#38;note=a%26b&#38;uuid=1&#38;uuid=2\""), "{}", over.html);
    let mine = cookies(&over)[0].split(';').next().unwrap();
    let body = format!(
        "csrf_token={}&username=admin&password=right&next=%2Fadmin%2Fstorage%2F2%3Fx%3D1\
         &kept=name%3D%253Cb%253Eimg1%26note%3Da%2526b%26uuid%3D1%26uuid%3D2",
        token_of(&over)
    );
    let headers = [("cookie", mine), ("origin", own), ("content-type", FORM)];
    let again = send(&pages, "POST", "/admin/login", &headers, &body).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    for want in kept.iter().chain([&"action=\"/admin/storage/2?x=1\"".to_owned()]) {
        assert!(again.html.contains(want), "{want}\n{}", again.html);
    }
    assert!(cookies(&again)[0].starts_with(&format!("pixelfox_session={NEW_KEY};")));
}

#[tokio::test]
async fn the_language_switch_of_an_answer_keeps_what_was_sent_and_sends_nothing() {
    // A refused form has it as a form; pressed, the fields are shown in that language, and the action is not done again.
    let fake = with_account();
    let pages = pages(&fake);
    let refused = post(&pages, "/admin/storage?x=1", "name=&description=a%26b").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let switch = refused.html.split("<form class=\"languages\"").nth(1).unwrap().split("</form>").next().unwrap();
    for want in
        ["action=\"/admin/storage?x=1\" method=\"post\"", "name=\"description\" value=\"a&#38;b\"", "value=\"en\" lang"]
    {
        assert!(switch.contains(want), "{want}\n{switch}");
    }
    fake.on("pause_queue", |_: v1::PauseQueueRequest| -> Result<v1::QueueState, Status> { panic!("nobody asked") });
    let switched = post(&pages, "/admin/queues/pause", "a=1&switch_language=en").await;
    assert_eq!(switched.status, StatusCode::OK);
    assert!(cookies(&switched).iter().any(|cookie| cookie.starts_with("pixelfox_lang=en;")));
    for want in ["Send again?", "action=\"/admin/queues/pause\"", "name=\"a\" value=\"1\""] {
        assert!(switched.html.contains(want), "{want}\n{}", switched.html);
    }
    assert!(!switched.html.contains("<input type=\"hidden\" name=\"switch_language\""), "{}", switched.html);
}

#[tokio::test(start_paused = true)]
async fn an_open_page_ends_with_its_session() {
    // Signed out elsewhere, or another password: the stream says so within seconds and ends. Who comes without a session
    // at all hears the same at once.
    let fake = with_account();
    let pages = pages(&fake);
    let open = async |cookie: &str| {
        let request = Request::get("/admin").header("accept", "text/event-stream").header("cookie", cookie);
        pages.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().into_body().into_data_stream()
    };
    let mut events = open(&cookie()).await;
    assert!(events.next().await.unwrap().unwrap().starts_with(b"event: hello"));
    fake.on("get_session", |_: v1::GetSessionRequest| Err::<v1::Session, _>(Status::unavailable("no books")));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(events.next().await.is_some(), "a service that is away says nothing about the session");
    fake.on("get_session", |_: v1::GetSessionRequest| Err::<v1::Session, _>(Status::unauthenticated("over")));
    let mut last = Vec::new();
    let rest = async {
        while let Some(event) = events.next().await {
            last = event.unwrap().to_vec();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), rest).await.expect("it ends");
    assert_eq!(last, b"event: trouble\ndata: 401\n\n");
    let mut none = open("").await;
    assert_eq!(&*none.next().await.unwrap().unwrap(), b"event: trouble\ndata: 401\n\n");
}

#[tokio::test]
async fn pages_may_load_pictures_of_the_pools_and_nothing_else() {
    let fake = with_account();
    fake.on("list_pools", |_: v1::ListPoolsRequest| {
        let pool = |url: &str| v1::Pool { public_base_url: url.into(), ..v1::Pool::default() };
        Ok(v1::ListPoolsResponse { pools: vec![pool("https://s01.example:8443/"), pool("https://x;script-src *")] })
    });
    let page = get(&pages(&fake), "/admin", &[]).await;
    assert_eq!(
        page.header(header::CONTENT_SECURITY_POLICY),
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data: blob: https://s01.example:8443; \
         connect-src 'self' https://s01.example:8443; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
}

#[tokio::test]
async fn a_link_from_elsewhere_finds_who_is_signed_in() {
    // A browser keeps a strict cookie back on the way from another site: the page asks once more from here.
    let pages = pages(&with_account());
    let headers = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
    let page = send(&pages, "GET", "/admin/audit?x=1&y=2", &headers, "").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.html.contains("content=\"0;url=/admin/audit?x=1&#38;y=2\""), "{}", page.html);
    // A diagnosis writes files: no link from elsewhere begins one.
    let page = send(&pages, "GET", "/admin/diagnose?start=1", &headers, "").await;
    assert!(page.html.contains("content=\"0;url=/admin/diagnose\""), "{}", page.html);
}

#[tokio::test]
async fn an_earlier_session_of_the_browser_ends_when_another_begins() {
    let fake = with_account();
    let out = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&out);
    fake.on("sign_out", move |asked: v1::SignOutRequest| {
        noted.lock().push(asked.secret);
        Ok(v1::SignOutResponse {})
    });
    let pages = pages(&fake);
    let (door, token) = door(&pages).await;
    let both = format!("{door}; {}", cookie());
    let headers = [("cookie", both.as_str()), ("origin", "http://img.example"), ("content-type", FORM)];
    let body = format!("csrf_token={token}&username=admin&password=right");
    assert_eq!(send(&pages, "POST", "/admin/login", &headers, &body).await.status, StatusCode::SEE_OTHER);
    assert_eq!(*out.lock(), [KEY]);
    let there = get(&pages, "/admin/login?next=/admin/audit", &[]).await;
    assert_eq!(there.header(header::LOCATION), "/admin/audit", "who is signed in needs no door");
}

#[tokio::test]
async fn strangers_who_send_large_forms_slowly_hold_nobody_up() {
    // Sixteen forms that stop in the middle. A further large one hears so at once; who signs in does not notice.
    let pages = pages(&with_account());
    let (cookie, _) = door(&pages).await;
    let large = || {
        let first = futures_util::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from(vec![b'x'; 20_000]))]);
        let request = Request::post("/admin/login").header("host", HOST).header("origin", "http://img.example");
        let request = request.header("cookie", &cookie).header("content-type", FORM);
        let request = request.body(Body::from_stream(first.chain(futures_util::stream::pending()))).unwrap();
        let pages = pages.clone();
        Box::pin(async move { answer(&pages, request).await })
    };
    let mut held: Vec<_> = (0..16).map(|_| large()).collect();
    for one in &mut held {
        assert!(futures_util::poll!(one.as_mut()).is_pending());
    }
    let refused = large().await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.html.contains("Too many large forms") || refused.html.contains("zu viele"), "{}", refused.html);
    let entered = sign_in(&pages, "http://img.example", "username=admin&password=right").await;
    assert_eq!(entered.status, StatusCode::SEE_OTHER, "{}", entered.html);
    let inside = post(&pages, "/admin/nowhere", &format!("kept={}", "x".repeat(100_000))).await;
    assert_eq!(inside.status, StatusCode::NOT_FOUND, "who is signed in needs no seat");
    held.pop();
    assert!(futures_util::poll!(large().as_mut()).is_pending(), "a seat that was left is free");
}

#[tokio::test]
async fn over_tls_every_cookie_goes_over_tls_alone_and_a_form_outlives_the_language_switch() {
    let pages = pages(&with_account());
    let headers = [("origin", "https://img.example")];
    let switched = send(&pages, "GET", "/admin/login?lang=de", &headers, "").await;
    assert_eq!((switched.status, switched.header(header::LOCATION)), (StatusCode::SEE_OTHER, "/admin/login"));
    let (cookie, token) = door(&pages).await;
    let headers = [("cookie", cookie.as_str()), ("origin", "https://img.example"), ("content-type", FORM)];
    let form = format!("csrf_token={token}&username=admin&password=right");
    let entered = send(&pages, "POST", "/admin/login?lang=de", &headers, &form).await;
    assert_eq!((entered.status, entered.header(header::LOCATION)), (StatusCode::SEE_OTHER, "/admin"), "let in");
    for page in [&switched, &entered] {
        assert!(!cookies(page).is_empty());
        for cookie in cookies(page) {
            assert!(cookie.ends_with("; Secure"), "{cookie}");
        }
    }
}
