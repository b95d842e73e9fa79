//! Stories of the upload page: dialog, drop and form, straight to the node and through the app.

use std::path::Path;

use pixelfox_proto::v1::{ListImagesRequest, Pool, Settings, UpdateSettingsRequest};
use serde_json::json;

use super::{driver::Browser, page, pictures};
use crate::{app_uploads::change_pool, harness::TestCluster};

const NAMES: [&str; 3] = ["Hafen im Nebel.png", "größe & maße.png", "katze_am_fenster.png"];

async fn straight_to_the_node(cluster: &TestCluster) {
    let settings = Settings { direct_upload_enabled: Some(true), ..Settings::default() };
    cluster.admin().update_settings(UpdateSettingsRequest { settings: Some(settings) }).await.unwrap();
}

/// Waits until so many files of the list are done, and looks at each one's links.
async fn all_done(browser: &Browser, cluster: &TestCluster, count: usize) {
    browser
        .wait_until("all are done", async |browser| {
            browser.run("return document.querySelectorAll('#files .state.good').length").await == count
        })
        .await;
    let links = "return [...document.querySelectorAll('#files [data-link=direct]')].map(input => input.value)";
    for link in browser.run(links).await.as_array().unwrap() {
        assert_eq!(cluster.follow(link.as_str().unwrap()).await.0, 200, "{link}");
    }
    let request = ListImagesRequest { page_size: 100, ..ListImagesRequest::default() };
    let images = cluster.admin().list_images(request).await.unwrap().into_inner().images;
    let mut names: Vec<_> = images.iter().map(|image| image.original_name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, NAMES, "with the names that they have here");
}

/// Where the browser sent files to, in order.
async fn sent_to(browser: &Browser) -> Vec<String> {
    let script = "return performance.getEntriesByType('resource').filter(e => e.initiatorType === 'xmlhttprequest').map(e => e.name)";
    browser.run(script).await.as_array().unwrap().iter().map(|url| url.as_str().unwrap().to_owned()).collect()
}

/// Chooses the files in the dialog.
async fn choose(browser: &Browser, files: &[std::path::PathBuf]) {
    let paths: Vec<_> = files.iter().map(|path| path.to_str().unwrap()).collect();
    browser.find("input[type=file]").await.send_keys(&paths.join("\n")).await.unwrap();
}

/// Drags the files over the page and lets go, as the desktop does.
async fn drop_files(browser: &Browser, files: &[std::path::PathBuf]) {
    let at = browser
        .run("const r = document.querySelector('.drop').getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]")
        .await;
    let paths: Vec<_> = files.iter().map(|path| path.to_str().unwrap()).collect();
    let data = json!({"items": [], "files": paths, "dragOperationsMask": 1});
    for kind in ["dragEnter", "dragOver", "drop"] {
        let event = json!({"type": kind, "x": at[0], "y": at[1], "data": data});
        browser.command("Input.dispatchDragEvent", event).await;
    }
}

async fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    pictures::files(dir, &NAMES)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_files_of_the_dialog_go_through_the_app_and_their_links_are_copied() {
    // A bar each, then the links, of which one is copied by its button; the same file once more is „Bereits vorhanden“.
    let (cluster, dir) = (TestCluster::start().await, tempfile::tempdir().unwrap());
    let browser = Browser::start("de").await;
    let files = files(dir.path()).await;
    browser.open(&page(&cluster, "/")).await;
    browser.wait_for("Bild hochladen").await;
    choose(&browser, &files).await;
    all_done(&browser, &cluster, 3).await;
    let sent = sent_to(&browser).await;
    assert!(sent.len() == 3 && sent.iter().all(|url| *url == page(&cluster, "/upload")), "{sent:?}");

    let permissions = json!({"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]});
    browser.command("Browser.grantPermissions", permissions).await;
    browser.press("Weitere Links").await;
    for (name, kind) in [("direct", "http"), ("html", "<a href="), ("bbcode", "[url="), ("markdown", "[![")] {
        let line = format!("#files > li [data-link={name}]");
        browser.click(&format!("{line} + button")).await;
        let copied = browser.page.execute_async(
            "const done = arguments[arguments.length - 1]; navigator.clipboard.readText().then(done, e => done('' + e))",
            Vec::new(),
        );
        let copied = copied.await.unwrap();
        assert_eq!(copied, browser.run(&format!("return document.querySelector('{line}').value")).await);
        assert!(copied.as_str().unwrap().starts_with(kind), "{copied}");
    }
    browser.wait_for("Kopiert").await;

    choose(&browser, &files[..1]).await;
    browser.wait_for("Bereits vorhanden").await;
    browser.close().await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_dropped_files_go_straight_to_the_node() {
    // Across origins, with leave of the node; the app sees none of the bytes.
    let (cluster, dir) = (TestCluster::start().await, tempfile::tempdir().unwrap());
    straight_to_the_node(&cluster).await;
    let browser = Browser::start("de").await;
    let files = files(dir.path()).await;
    browser.open(&page(&cluster, "/")).await;
    drop_files(&browser, &files).await;
    all_done(&browser, &cluster, 3).await;
    let (sent, node) = (sent_to(&browser).await, cluster.storage_node("s01"));
    assert!(sent.len() == 3 && sent.iter().all(|url| url.starts_with(&format!("http://{node}/"))), "{sent:?}");
    browser.close().await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_go_through_the_app_where_the_browser_can_not_reach_the_node() {
    // The best pool's public address leads nowhere: what the browser began there it sends to the app, by itself.
    let (cluster, dir) = (TestCluster::start().await, tempfile::tempdir().unwrap());
    straight_to_the_node(&cluster).await;
    let nowhere = Pool { id: 2, public_base_url: "http://127.0.0.1:1".into(), ..Pool::default() };
    change_pool(&cluster, nowhere, "public_base_url").await;
    let browser = Browser::start("de").await;
    let files = files(dir.path()).await;
    browser.open(&page(&cluster, "/")).await;
    drop_files(&browser, &files).await;
    browser
        .wait_until("all are done", async |browser| {
            browser.run("return document.querySelectorAll('#files .state.good').length").await == 3
        })
        .await;
    let sent = sent_to(&browser).await;
    assert!(sent.iter().any(|url| url.starts_with("http://127.0.0.1:1/")), "it was tried: {sent:?}");
    assert_eq!(sent.iter().filter(|url| **url == page(&cluster, "/upload")).count(), 3, "{sent:?}");
    browser.close().await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_javascript_the_form_uploads_and_leads_to_the_image() {
    // A plain form of one file; then the image's own page with its links.
    let (cluster, dir) = (TestCluster::start().await, tempfile::tempdir().unwrap());
    let browser = Browser::start("de").await;
    browser.without_scripts().await;
    browser.open(&page(&cluster, "/")).await;
    choose(&browser, &files(dir.path()).await[..1]).await;
    browser.press("Hochladen").await;
    browser.wait_for("Direktlink").await;
    assert!(browser.path().await.starts_with("/i/"));
    let link = browser.field("Direktlink").await.attr("value").await.unwrap().unwrap();
    assert_eq!(cluster.follow(&link).await.0, 200);
    browser.wait_for(NAMES[0]).await;

    // the language by its link, too
    browser.open(&page(&cluster, "/")).await;
    browser.press("EN").await;
    browser.wait_for("Upload an image").await;
    browser.close().await;
    cluster.shutdown().await;
}
