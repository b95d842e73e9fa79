//! Pages that are open beside others: what is not looked at holds nothing, and many windows leave room for the next.

use serde_json::json;

use super::{driver::Browser, page, sign_in};
use crate::harness::TestCluster;

/// Streams that the windows of one browser hold. Browsers open six connections to a server over HTTP/1.1.
const STREAMS: u64 = 4;

/// Keeps the streams that a page opens where a test finds them.
const KEEP_STREAMS: &str = "window.streams = []; \
    const Stream = window.EventSource; \
    window.EventSource = class extends Stream { constructor(address) { super(address); window.streams.push(this); } }";

/// How many streams the page of this window has open.
async fn open_streams(browser: &Browser) -> u64 {
    let open = "return window.streams.filter(stream => stream.readyState !== EventSource.CLOSED).length";
    browser.run(open).await.as_u64().unwrap()
}

/// From here on for this window.
async fn keep_streams(browser: &Browser) {
    browser.command("Page.addScriptToEvaluateOnNewDocument", json!({ "source": KEEP_STREAMS })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_nobody_looks_at_holds_no_stream_and_catches_up_when_it_is_shown_again() {
    // Its window is minimised while s01 stops.
    let mut cluster = TestCluster::start().await;
    let browser = Browser::start("de").await;
    sign_in(&browser, &cluster).await;
    keep_streams(&browser).await;
    browser.press("Knoten").await;
    browser.find("#pulse:not([hidden])").await;
    browser.mark().await;
    assert_eq!(open_streams(&browser).await, 1);
    browser.page.minimize_window().await.unwrap();
    browser.wait_until("nobody sees it", async |browser| browser.run("return document.hidden").await == true).await;
    browser.wait_until("the hidden page has let go", async |browser| open_streams(browser).await == 0).await;
    assert!(cluster.cluster().stop_storage_node("s01").await);
    assert_eq!(open_streams(&browser).await, 0);
    assert!(!browser.text().await.contains("Offline"), "nobody told it");

    browser.page.set_window_size(1440, 900).await.unwrap();
    browser.wait_for("Offline").await;
    browser.find("#pulse:not([hidden])").await;
    browser.assert_not_loaded_again().await;
    assert_eq!(open_streams(&browser).await, 1);
    browser.close().await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seven_windows_are_all_live_and_leave_room_for_the_next_page() {
    // Each page comes although the ones before it stay open, a few hold a stream at a time, and what happens is seen in all
    // of them without being loaded again.
    let mut cluster = TestCluster::start().await;
    let browser = Browser::start("de").await;
    sign_in(&browser, &cluster).await;
    let mut windows = vec![browser.page.window().await.unwrap()];
    for _ in 1..7 {
        windows.push(browser.page.new_window(false).await.unwrap().handle);
    }
    for window in &windows {
        browser.page.switch_to_window(window.clone()).await.unwrap();
        keep_streams(&browser).await;
        browser.open(&page(&cluster, "/admin/nodes")).await;
        assert_eq!(browser.run("return document.hidden").await, false, "a window of its own is seen");
        browser.find("#pulse:not([hidden]), #rests:not([hidden])").await;
        browser.mark().await;
    }
    let few_are_open = async |browser: &Browser| {
        let mut open = 0;
        for window in &windows {
            browser.page.switch_to_window(window.clone()).await.unwrap();
            open += open_streams(browser).await;
        }
        (1..=STREAMS).contains(&open)
    };
    browser.wait_until("few hold a stream", &few_are_open).await;
    assert!(cluster.cluster().stop_storage_node("s01").await);
    for window in &windows {
        browser.page.switch_to_window(window.clone()).await.unwrap();
        browser.wait_for("Offline").await;
        browser.assert_not_loaded_again().await;
    }
    browser.wait_until("few hold a stream", &few_are_open).await;
    browser.close().await;
    cluster.shutdown().await;
}
