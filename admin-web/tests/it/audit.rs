//! The page of who changed what.

use parking_lot::Mutex;
use pixelfox_proto::v1;
use std::sync::Arc;

use crate::{
    fake::Fake,
    reader::{get, pages},
};

#[tokio::test]
async fn the_audit_is_filtered_and_paged_by_the_service_and_says_before_and_after() {
    // The address carries filter and page; what users typed comes as text, whatever it holds.
    let fake = Fake::new();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    fake.on("list_audit", move |request: v1::ListAuditRequest| {
        noted.lock().push(request);
        let entry = v1::AuditEntry {
            id: 7,
            at: Some(prost_types::Timestamp { seconds: 1_795_000_000, nanos: 0 }),
            actor: "anna".into(),
            action: "update_pool".into(),
            subject: "2".into(),
            detail: "<b>img1</b>".into(),
            was: r#"{"priority":10}"#.into(),
            became: r#"{"priority":3}"#.into(),
        };
        Ok(v1::ListAuditResponse { entries: vec![entry], next_page_token: "next+one".into() })
    });
    let pages = pages(&fake);
    let page = get(&pages, "/admin/audit?actor=anna&subject=+2+&page=tok%2Ben", &[("accept-language", "en")]).await;
    for want in [
        "<h1>Audit log</h1>",
        "&#60;b&#62;img1&#60;/b&#62; (2)</a>",
        "<del title=\"before\">10</del> <ins title=\"now\">3</ins>",
        "href=\"/admin/audit?actor=anna&#38;subject=+2+&#38;page=next%2Bone\"",
        "value=\"anna\"",
    ] {
        assert!(page.html.contains(want), "{want}\n{}", page.html);
    }
    let request = asked.lock().remove(0);
    assert_eq!(
        (request.actor.as_str(), request.subject.as_str(), request.page_token.as_str()),
        ("anna", "2", "tok+en")
    );
    assert_eq!(fake.accounts(), [("list_audit".to_owned(), "admin".to_owned())], "asked in the reader's name");

    fake.on("list_audit", |_: v1::ListAuditRequest| Ok(v1::ListAuditResponse::default()));
    let empty = get(&pages, "/admin/audit", &[]).await;
    assert!(empty.html.contains("Dazu gibt es keine Einträge."), "{}", empty.html);
}
