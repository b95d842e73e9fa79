//! Every page as it looks: pictures of it in `target/screenshots/`, and what can be told by rules. Nothing is wider than a
//! phone, and axe-core finds no serious fault, by day and by night.

use std::fmt::Write as _;

use pixelfox_proto::v1;

use super::{
    driver::{Browser, View},
    page, picture, sign_in, uploaded,
};
use crate::harness::TestCluster;

/// Where it is looked from: width and colours.
const EYES: [(u32, &str); 4] = [(1440, "light"), (1440, "dark"), (360, "light"), (360, "dark")];
/// A window of middle width.
const MIDDLE: u32 = 1200;
pub(super) const LANGUAGES: [&str; 2] = ["de", "en"];
/// Between a page's name and the status that it shows instead of itself.
const TROUBLE: &str = ": trouble: ";

/// Looks at pages, `name` and path of each, in both languages; what is wrong with them as lines for people.
async fn look_at(browser: &Browser, cluster: &TestCluster, of: &str, pages: &[(&str, String)]) -> String {
    let mut wrong = String::new();
    for language in LANGUAGES {
        for (name, path) in pages {
            let (width, scheme) = EYES[0];
            browser.view(View { width, scheme, language }).await;
            browser.open(&page(cluster, path)).await;
            let found = look(browser, &format!("{of}{name}"), language).await;
            let is_trouble = |line: &str| ["nowhere", "share-gone"].contains(name) && line.contains(TROUBLE);
            wrong.extend(found.split_inclusive('\n').filter(|line| !is_trouble(line)));
        }
    }
    wrong
}

/// Looks at the page that is shown, which is in this language, with every pair of eyes.
pub(super) async fn look(browser: &Browser, name: &str, language: &'static str) -> String {
    let mut wrong = String::new();
    let trouble = browser.run("return document.querySelector('.trouble .code')?.innerText").await;
    if !trouble.is_null() {
        writeln!(wrong, "{name}{TROUBLE}{trouble}").unwrap();
    }
    for hidden in unseen_pictures(browser).await {
        writeln!(wrong, "{name}: no picture: {hidden}").unwrap();
    }
    for (width, scheme) in EYES {
        browser.view(View { width, scheme, language }).await;
        let shot = format!("{name}-{language}-{width}-{scheme}");
        browser.screenshot(&shot).await;
        let widths = browser.run("return [document.documentElement.scrollWidth, innerWidth]").await;
        if widths[0].as_u64() > widths[1].as_u64() {
            writeln!(wrong, "{shot}: is {} wide", widths[0]).unwrap();
        }
        // the words of the other language change no colour and no structure, nor do light and dark both on a phone
        if language == "de" && (width, scheme) != EYES[2] {
            for fault in browser.serious_faults().await {
                writeln!(wrong, "{shot}: {fault}").unwrap();
            }
        }
    }
    if language == "de" {
        wrong += &beside_the_menu(browser, name).await;
    }
    wrong
}

/// In a window of middle width, where the menu leaves the least room: no table is cut, but for the matrix of many nodes.
async fn beside_the_menu(browser: &Browser, name: &str) -> String {
    browser.view(View { width: MIDDLE, scheme: "light", language: "de" }).await;
    browser.screenshot(&format!("{name}-de-{MIDDLE}-light")).await;
    let cut = "return [...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth) \
        .map(box => box.innerText.slice(0, 60))";
    let cut = browser.run(cut).await;
    let cut = cut.as_array().unwrap().iter().filter(|_| !name.ends_with("diagnose"));
    cut.map(|table| format!("{name}: cut at {MIDDLE}: {table}\n")).collect()
}

/// Waits for the pictures of the page, also for those further down; the addresses of those that did not come.
async fn unseen_pictures(browser: &Browser) -> Vec<String> {
    // a page that is live makes them what they were
    let all_ended = "return [...document.images].map(image => { image.loading = 'eager'; return image.complete }) \
        .every(complete => complete)";
    browser.wait_until("its pictures are there", async |browser| browser.run(all_ended).await == true).await;
    let unseen = "return [...document.images].filter(i => !i.naturalWidth && i.getAttribute('src')).map(i => i.src)";
    let unseen = browser.run(unseen).await;
    unseen.as_array().unwrap().iter().map(ToString::to_string).collect()
}

fn paths(of: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    of.iter().map(|(name, path)| (*name, (*path).to_owned())).collect()
}

const EVERY_PAGE: [(&str, &str); 11] = [
    ("upload", "/"),
    ("dashboard", "/admin"),
    ("images", "/admin/images"),
    ("storage", "/admin/storage"),
    ("pool-new", "/admin/storage/new"),
    ("nodes", "/admin/nodes"),
    ("queues", "/admin/queues"),
    ("settings", "/admin/settings"),
    ("diagnose", "/admin/diagnose?start=1"),
    ("audit", "/admin/audit"),
    ("nowhere", "/admin/nowhere"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_looks_right_and_is_open_to_all() {
    let cluster = TestCluster::start().await;
    let (mut moved, mut share) = (Vec::new(), String::new());
    for seed in 0..9 {
        let answer = cluster.upload(1 + u64::from(seed) % 3, picture(seed, 320, 200 + seed * 20)).await;
        moved.push(answer["image_uuid"].as_str().unwrap().to_owned());
        answer["view_url"].as_str().unwrap().clone_into(&mut share);
    }
    let batch = cluster.move_images(&moved.iter().take(4).map(String::as_str).collect::<Vec<_>>(), 3).await;
    cluster.wait_for_end(batch.job_id).await;
    let ask = v1::CreateApiKeyRequest { name: "Blog".into() };
    let key = cluster.admin().create_api_key(ask).await.unwrap().into_inner();
    let browser = Browser::start("de").await;
    let mut wrong = look_at(&browser, &cluster, "", &paths(&[("login", "/admin/login")])).await;
    sign_in(&browser, &cluster).await;
    let mut pages = paths(&EVERY_PAGE);
    pages.extend([
        ("image-public", format!("/i/{}", share.rsplit('/').next().unwrap())),
        ("images-table", "/admin/images?view=table".into()),
        ("image", format!("/admin/images/{}", moved[0])),
        ("job", format!("/admin/queues/{}", batch.job_id)),
        ("pool-edit", "/admin/storage/2".into()),
        ("pool-move", "/admin/storage/1/move".into()),
        ("pool-move-preview", "/admin/storage/1/move?target=2".into()),
        ("pool-delete", "/admin/storage/2/delete".into()),
        ("pool-replace", "/admin/storage/2/replace-disk".into()),
        ("share-gone", "/i/AAAAAAAAAAAA".into()),
        ("key-revoke", format!("/admin/settings/keys/{}/revoke", key.id)),
    ]);
    wrong += &look_at(&browser, &cluster, "", &pages).await;
    assert_eq!(wrong, "");
    browser.close().await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_cluster_says_what_to_do() {
    let cluster = TestCluster::start().await;
    let browser = Browser::start("de").await;
    sign_in(&browser, &cluster).await;
    let pages = paths(&EVERY_PAGE[..7]);
    assert_eq!(look_at(&browser, &cluster, "empty-", &pages).await, "");
    browser.close().await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_is_seen_on_every_page_that_it_is_about() {
    // s01 has stopped with a job for it, and the directory of the pool on s02 is gone.
    let mut cluster = TestCluster::start().await;
    let (first, second) = (uploaded(&cluster, 1, 1).await, uploaded(&cluster, 3, 2).await);
    assert!(cluster.cluster().stop_storage_node("s01").await);
    cluster.move_images(&[&first], 2).await;
    std::fs::remove_dir_all(cluster.pool_dir(3)).unwrap();
    cluster.move_images(&[&second], 1).await;
    let browser = Browser::start("de").await;
    sign_in(&browser, &cluster).await;
    let pages = paths(&[
        ("dashboard", "/admin"),
        ("storage", "/admin/storage"),
        ("nodes", "/admin/nodes"),
        ("queues", "/admin/queues"),
        ("diagnose", "/admin/diagnose?start=1"),
    ]);
    let wrong = look_at(&browser, &cluster, "fault-", &pages).await;
    // the picture of the pool that is gone can't be there
    let other: Vec<_> = wrong.lines().filter(|line| !line.contains("no picture")).collect();
    assert!(other.is_empty(), "{other:#?}");
    browser.close().await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_nodes_are_shown_at_once() {
    let mut cluster = TestCluster::start().await;
    for name in (3..50).map(|number| format!("s{number:02}")) {
        cluster.start_storage_node(name.leak()).await;
    }
    for seed in 0..12 {
        uploaded(&cluster, 1 + u64::from(seed) % 3, seed).await;
    }
    let browser = Browser::start("de").await;
    sign_in(&browser, &cluster).await;
    let pages = paths(&[
        ("dashboard", "/admin"),
        ("storage", "/admin/storage"),
        ("nodes", "/admin/nodes"),
        ("diagnose", "/admin/diagnose?start=1"),
        ("images", "/admin/images"),
    ]);
    assert_eq!(look_at(&browser, &cluster, "fifty-", &pages).await, "");
    browser.close().await;
    cluster.shutdown().await;
}
