//! What people do with the pages, in a real browser over a whole cluster.

mod driver;

use driver::{Browser, Scripts, View};

use crate::harness::TestCluster;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn try_it() {
    let cluster = TestCluster::start().await;
    let browser = Browser::start("de").await;
    for view in [View::DESK, View::PHONE] {
        browser.view(view).await;
        browser.scripts(Scripts::On).await;
        browser.open(&format!("http://{}/healthz", cluster.app())).await;
        let seen = browser.run("return [innerWidth, matchMedia('(prefers-color-scheme: dark)').matches, navigator.language]").await;
        println!("{seen} {}", browser.text().await);
        println!("{:?}", browser.serious_faults().await);
        browser.screenshot(&format!("try-{}", view.width)).await;
    }
    browser.wait_for("\"").await;
    browser.find("body").await;
    browser.close().await;
    cluster.shutdown().await;
}
