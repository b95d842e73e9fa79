//! The pages by keyboard alone: from the sign-in to a move that was started.

use fantoccini::key::Key;

use super::{driver::Browser, page, uploaded};
use crate::harness::TestCluster;

/// More stops than any page has on the way to what is wanted.
const STOPS: usize = 120;

/// Goes on with Tab until what has the focus is called `name`; every stop on the way shows that it has it.
async fn tab_to(browser: &Browser, name: &str) {
    let focused = "const e = document.activeElement, s = getComputedStyle(e); \
        const label = e.getAttribute('aria-label') || (e.labels && e.labels[0] ? e.labels[0].innerText : e.innerText) || ''; \
        const seen = e === document.body || s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 1; \
        return [label.trim().replace(/\\s+/g, ' '), seen, e.outerHTML.slice(0, 120)]";
    let mut stops = Vec::new();
    for _ in 0..STOPS {
        browser.key(Key::Tab).await;
        let stop = browser.run(focused).await;
        assert_eq!(stop[1], true, "the focus is not seen at {}", stop[2]);
        if stop[0] == name {
            return;
        }
        stops.push(stop[0].to_string());
    }
    panic!("Tab does not lead to {name:?}, but to {stops:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_is_moved_with_tab_space_and_enter_alone() {
    let cluster = TestCluster::start().await;
    let uuid = uploaded(&cluster, 1, 1).await;
    let browser = Browser::start("de").await;
    browser.open(&page(&cluster, "/admin")).await;
    // the name's field has the focus from the start
    browser.keys("admin").await;
    tab_to(&browser, "Passwort").await;
    browser.keys(&cluster.secret("ADMIN_PASSWORD")).await;
    browser.key(Key::Enter).await;
    browser.find("nav a[aria-current=page]").await;
    tab_to(&browser, "Zum Inhalt").await;
    tab_to(&browser, "Bilder").await;
    browser.key(Key::Enter).await;
    browser.find("[data-selection]").await;
    tab_to(&browser, "picture.png auswählen").await;
    browser.keys(" ").await;
    browser.wait_for("1 ausgewählt").await;
    // the buttons stand above the list: back to the top of the page and down again
    browser.run("document.activeElement.blur(); document.querySelector('#main').focus()").await;
    tab_to(&browser, "Move to Pool").await;
    browser.key(Key::Enter).await;
    browser.find("#target").await;
    tab_to(&browser, "Ziel-Pool").await;
    browser.keys("img1").await;
    tab_to(&browser, "Vorschau").await;
    browser.key(Key::Enter).await;
    browser.wait_for("Verschieben starten").await;
    tab_to(&browser, "Verschieben starten").await;
    browser.key(Key::Enter).await;
    browser.wait_for("Abgeschlossen").await;
    assert_eq!(cluster.image(&uuid).await.pool_id, 2);
    browser.close().await;
    cluster.shutdown().await;
}
