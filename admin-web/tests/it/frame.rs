//! What all pages have in common: languages, assets, errors, headers.

use axum::{Router, body::Body, routing::any};
use http::{Request, StatusCode, header};
use pixelfox_proto::{Fault, FaultKind, v1};
use tonic::Status;

use crate::{
    fake::Fake,
    reader::{answer, get, pages},
};

fn with_overview() -> Fake {
    let fake = Fake::empty_cluster();
    fake.on("get_overview", |_: v1::GetOverviewRequest| Ok(v1::Overview { images: 1234, ..v1::Overview::default() }));
    fake
}

#[tokio::test]
async fn a_page_speaks_the_language_that_was_chosen_or_else_that_of_the_browser() {
    // By header, by default, by the switch's cookie; the switch sets it and comes back to the same page.
    let pages = pages(&with_overview());
    let english = get(&pages, "/admin", &[("accept-language", "en-GB,de;q=0.5")]).await;
    assert!(english.html.contains("<html lang=\"en\">") && english.html.contains("1,234"), "{}", english.html);
    let german = get(&pages, "/admin", &[]).await;
    assert!(german.html.contains("Speicherverwaltung") && german.html.contains("1.234"), "{}", german.html);
    let chosen = get(&pages, "/admin", &[("accept-language", "de"), ("cookie", "a=b; pixelfox_lang=en")]).await;
    assert!(chosen.html.contains("<html lang=\"en\">"));
    let switched = get(&pages, "/admin?pool=2&lang=en", &[]).await;
    assert_eq!((switched.status, switched.header(header::LOCATION)), (StatusCode::SEE_OTHER, "/admin?pool=2"));
    assert!(switched.header(header::SET_COOKIE).starts_with("pixelfox_lang=en; Path=/"));
}

#[tokio::test]
async fn the_switch_of_language_leads_to_no_other_server() {
    // Two slashes before a name are an address, and so they are with backslashes for a browser: in the answer of the
    // switch, and in the links that lead to it.
    let lost = || async { Fault::not_found("nothing") };
    let routes = pixelfox_admin_web::for_people(Router::new().fallback(lost));
    for path in ["//evil.example/", "/\\evil.example/", "///evil.example/", "/\\/evil.example/"] {
        let ask = |path: &str| Request::get(path).header("accept", "text/html").body(Body::empty()).unwrap();
        let switched = answer(&routes, ask(&format!("{path}?lang=en"))).await;
        assert_eq!((switched.status, switched.header(header::LOCATION)), (StatusCode::SEE_OTHER, "/evil.example/"));
        let page = answer(&routes, ask(path)).await;
        assert!(page.html.contains("href=\"/evil.example/?lang="), "{path}: {}", page.html);
    }
}

#[tokio::test]
async fn assets_have_names_that_change_with_them_and_are_kept_for_good() {
    // Every address of an asset on the page answers; an older one does not, so no page mixes versions.
    let pages = pages(&with_overview());
    let page = get(&pages, "/admin", &[]).await;
    let addresses: Vec<&str> = page
        .html
        .split('"')
        .filter(|text| text.starts_with("/assets/"))
        .map(|text| text.split('#').next().unwrap())
        .collect();
    assert!(addresses.len() >= 4, "{addresses:?}");
    for address in addresses {
        let asset = get(&pages, address, &[]).await;
        assert_eq!(asset.status, StatusCode::OK, "{address}");
        assert!(asset.header(header::CACHE_CONTROL).contains("immutable"), "{address}");
    }
    assert_eq!(get(&pages, "/assets/app.AAAAAAAAAAAA.css", &[]).await.status, StatusCode::NOT_FOUND);
    let small = get(&pages, "/admin", &[("accept-encoding", "gzip, br")]).await;
    assert_eq!(small.header(header::CONTENT_ENCODING), "br");
}

#[tokio::test]
async fn a_failure_is_a_page_in_the_readers_language_with_the_status_and_the_services_sentence() {
    // The service is away, refuses with markup in its sentence; an address that is none; a method that is none.
    let fake = Fake::empty_cluster();
    fake.on("get_overview", |_: v1::GetOverviewRequest| Err::<v1::Overview, _>(Status::unavailable("no <books>")));
    let pages = pages(&fake);
    let away = get(&pages, "/admin", &[]).await;
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(away.html.contains("Gerade nicht erreichbar") && away.html.contains("No &#60;books&#62;"), "{}", away.html);
    let nowhere = get(&pages, "/admin/nowhere/at/all", &[("accept-language", "en")]).await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
    assert!(nowhere.html.contains("There is no page at this address."), "{}", nowhere.html);
}

#[tokio::test]
async fn nothing_inline_and_nothing_foreign_runs_in_a_page() {
    // The policy says so, and the page itself has nothing that it would forbid.
    let page = get(&pages(&with_overview()), "/admin", &[]).await;
    let policy = page.header(header::CONTENT_SECURITY_POLICY);
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    for inline in [" style=\"", " onclick", "<style", "javascript:", "http://", "https://"] {
        assert!(!page.html.contains(inline), "{inline}");
    }
}

#[tokio::test]
async fn the_icon_is_there_for_who_asks_without_having_read_a_page() {
    let icon = get(&pages(&Fake::empty_cluster()), "/favicon.ico", &[]).await;
    assert_eq!((icon.status, icon.header(header::CONTENT_TYPE)), (StatusCode::OK, "image/svg+xml"));
    assert!(icon.html.starts_with("<svg"), "{}", icon.html);
}

#[tokio::test]
async fn every_refusal_of_the_server_is_a_page_for_people_and_json_for_programs() {
    // Each kind of fault there is, as a browser and as a program get it: the status stays, and how long to wait.
    for kind in FaultKind::ALL {
        let fault = move || async move {
            Fault::new(kind, "no <b>xyzzy</b>").retry_after(42).with_header("x-rate-limit-scope", &"ip")
        };
        let routes = pixelfox_admin_web::for_people(Router::new().route("/x", any(fault)));
        let ask = |accept: &str| Request::get("/x").header("accept", accept).header("accept-language", "de");
        let page = answer(&routes, ask("text/html,*/*;q=0.8").body(Body::empty()).unwrap()).await;
        let (_, status, word) = kind.row();
        assert_eq!((page.status.as_u16(), page.header(header::RETRY_AFTER)), (status, "42"), "{word}");
        assert_eq!(page.headers["x-rate-limit-scope"], "ip", "{word}");
        assert!(page.header(header::CONTENT_TYPE).starts_with("text/html"), "{word}: {}", page.html);
        for part in ["<html lang=\"de\">", "<a class=\"button\" href=\"/\">Startseite</a>", &format!(">{status}<")] {
            assert!(page.html.contains(part), "{word}: no {part} in {}", page.html);
        }
        assert!(!page.html.contains("xyzzy") && !page.html.contains(word), "{word}: {}", page.html);
        let json = answer(&routes, ask("*/*").body(Body::empty()).unwrap()).await;
        assert!(
            json.status.as_u16() == status && json.html.contains(&format!("\"error\":\"{word}\"")),
            "{}",
            json.html
        );
    }
}
