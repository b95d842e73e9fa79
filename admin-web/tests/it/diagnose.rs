//! The page of the diagnosis: what is to be done first, then tables and the matrix of who reaches whom.

use pixelfox_proto::v1::{self, finding::Status};

use crate::{
    fake::Fake,
    reader::{get, pages},
};

fn finding(subject: &str, check: &str, status: Status, message: &str, advice: &str) -> v1::Finding {
    let (subject, check) = (subject.to_owned(), check.to_owned());
    let (message, advice) = (message.to_owned(), advice.to_owned());
    v1::Finding { subject, check, status: status.into(), message, advice, ..v1::Finding::default() }
}

#[tokio::test]
async fn what_is_red_comes_first_with_its_cure_and_the_matrix_says_who_reaches_whom() {
    // A failure after a warning, texts with markup; one way that works, one that does not, none from a node to itself.
    let fake = Fake::new();
    fake.on("diagnose", |_: v1::DiagnoseRequest| {
        Ok(vec![
            finding("node s01", "attached", Status::Ok, "attached", ""),
            finding("node s01", "version", Status::Warning, "it has version 0.0.9", "Finish the update"),
            finding("pool img1", "public_base_url", Status::Failed, "leads to <b>s02</b>", "Set it to http://s01"),
            finding("local -> s01", "upload_api_url", Status::Ok, "leads to node s01", ""),
            finding("local -> s01", "secret", Status::Failed, "another secret", "Set the secret of node s01"),
            finding("s01 -> local", "upload_api_url", Status::Ok, "leads to node local", ""),
        ])
    });
    let pages = pages(&fake);
    let page = get(&pages, "/admin/diagnose?start=1", &[]).await;
    let html = &page.html;
    for want in [
        "<h1>Diagnose</h1>",
        "2 Fehler, 1 Hinweis",
        "leads to &#60;b&#62;s02&#60;/b&#62;",
        "<strong>Set it to http://s01</strong>",
        "<th scope=\"col\">→ local</th><th scope=\"col\">→ s01</th>",
        "<th scope=\"col\">Public Base URL</th>",
    ] {
        assert!(html.contains(want), "{want}\n{html}");
    }
    let (failure, warning) =
        (html.find("Set the secret of node s01").unwrap(), html.find("Finish the update").unwrap());
    assert!(failure < warning, "what is red comes first");
    let row = html.split("<tr><th scope=\"row\">local</th>").nth(1).unwrap().split("</tr>").next().unwrap();
    assert!(row.contains("<span class=\"muted\">-</span>") && row.contains("state bad"), "{row}");
}

#[tokio::test]
async fn where_all_is_well_the_page_says_so_and_a_broken_answer_is_no_well() {
    let fake = Fake::new();
    fake.on("diagnose", |_: v1::DiagnoseRequest| Ok(vec![finding("node s01", "attached", Status::Ok, "attached", "")]));
    let served = pages(&fake);
    let page = get(&served, "/admin/diagnose?start=1", &[("accept-language", "en")]).await;
    assert!(page.html.contains("Everything is fine"), "{}", page.html);
    let refused = Fake::new();
    refused.on("diagnose", |_: v1::DiagnoseRequest| {
        Err::<Vec<v1::Finding>, _>(tonic::Status::not_found("there is no pool 9"))
    });
    let page = get(&pages(&refused), "/admin/diagnose?pool=9", &[]).await;
    assert_eq!(page.status, 404);
    assert!(page.html.contains("there is no pool 9") && !page.html.contains("Alles in Ordnung"), "{}", page.html);
}

#[tokio::test]
async fn a_diagnosis_begins_by_its_button_and_comes_bit_by_bit_to_a_script() {
    // It writes test files: the page alone asks nothing. A script has the page at once and the lines as events.
    let fake = Fake::new();
    fake.on("diagnose", |_: v1::DiagnoseRequest| {
        Ok(vec![
            finding("node s01", "attached", Status::Ok, "attached", ""),
            finding("node s02", "attached", Status::Failed, "not attached", "Start it"),
        ])
    });
    let pages = pages(&fake);
    let page = get(&pages, "/admin/diagnose", &[]).await;
    assert!(page.html.contains("Diagnose starten") && page.html.contains("Testdatei"), "{}", page.html);
    let page = get(&pages, "/admin/diagnose?start=1&live=1", &[]).await;
    assert!(page.html.contains("data-live") && page.html.contains("<noscript>"), "{}", page.html);
    assert_eq!(fake.accounts(), [], "nobody was asked yet");
    let events = get(&pages, "/admin/diagnose?start=1&live=1", &[("accept", "text/event-stream")]).await;
    let at = |text: &str| events.html.find(text).unwrap_or_else(|| panic!("{text}: {}", events.html));
    assert!(at("event: hello") < at("event: patch") && at("not attached") < at("event: done"), "{}", events.html);
    assert!(events.html.contains("1 in Ordnung"), "{}", events.html);
}
