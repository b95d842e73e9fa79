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
    assert!(page.html.contains("There is no pool 9") && !page.html.contains("Alles in Ordnung"), "{}", page.html);
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

#[tokio::test]
async fn lines_stand_in_one_order_however_they_come_with_who_saw_them() {
    // They come as each is known: a way before a pool before a node. The page has nodes, pools, ways, each by name.
    let fake = Fake::new();
    fake.on("diagnose", |_: v1::DiagnoseRequest| {
        let at = Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 });
        let seen = |by: &str, line| v1::Finding { measured_at: at, measured_by: by.to_owned(), ..line };
        Ok(vec![
            seen("node s01", finding("s01 -> s02", "upload_api_url", Status::Failed, "can't reach", "fifth")),
            seen("node s02", finding("pool img2", "write", Status::Failed, "not writable", "fourth")),
            seen("node s01", finding("pool img1", "write", Status::Failed, "not writable", "third")),
            seen("server <a>", finding("node s02", "clock", Status::Failed, "behind", "second")),
            seen("server <a>", finding("node s01", "clock", Status::Failed, "behind", "first")),
        ])
    });
    let page = get(&pages(&fake), "/admin/diagnose?start=1", &[]).await;
    let places: Vec<_> = ["first", "second", "third", "fourth", "fifth"]
        .map(|advice| page.html.find(&format!("<strong>{advice}</strong>")).unwrap())
        .to_vec();
    assert!(places.is_sorted(), "{}", page.html);
    for want in
        ["Gesehen von: Knoten s02, <time datetime=\"2023-11-14T22:13:20Z\"", "Gesehen von: Server &#60;a&#62;, <time"]
    {
        assert!(page.html.contains(want), "{want}: {}", page.html);
    }
}

#[tokio::test]
async fn what_a_diagnosis_saw_of_upload_urls_is_in_the_table_of_pools() {
    // Before it nobody has tried, and the table says how to; afterwards the worst that any node saw of each pool's URL.
    let fake = Fake::empty_cluster();
    fake.on("list_pools", |_: v1::ListPoolsRequest| {
        let pool =
            |id, name: &str| v1::Pool { id, name: name.to_owned(), healthy: true, online: true, ..v1::Pool::default() };
        Ok(v1::ListPoolsResponse { pools: vec![pool(1, "Default"), pool(2, "img1")] })
    });
    fake.on("diagnose", |_: v1::DiagnoseRequest| {
        let way = |subject: &str, pool_id, status, message: &str| v1::Finding {
            pool_id,
            ..finding(subject, "upload_api_url", status, message, "")
        };
        Ok(vec![
            way("s01 -> local", 1, Status::Ok, "leads to local"),
            way("local -> s01", 2, Status::Failed, "nobody is there"),
            way("s02 -> s01", 2, Status::Ok, "leads to s01"),
        ])
    });
    let pages = pages(&fake);
    let before = get(&pages, "/admin/storage", &[]).await;
    assert_eq!(before.html.matches("API nicht geprüft").count(), 2, "{}", before.html);
    assert!(before.html.contains("oder die Diagnose lässt die anderen Knoten"), "{}", before.html);
    get(&pages, "/admin/diagnose?start=1", &[]).await;
    let after = get(&pages, "/admin/storage", &[]).await;
    let counts = ["API nicht geprüft", "API OK", "API Fehler"].map(|word| after.html.matches(word).count());
    assert_eq!(counts, [0, 1, 1], "{}", after.html);
    assert!(after.html.contains("Nobody is there"), "{}", after.html);
}
