//! What people do with the pages, in a real browser over a whole cluster. Fields and buttons are found by the words that
//! people see.

mod answers;
mod driver;
mod keyboard;
mod live;
mod looks;
mod lost;
mod operator;
mod pictures;
mod plain;
mod pools;
mod stories;
mod uploads;
mod windows;

use driver::{Browser, View};

use self::pictures::picture;
use crate::harness::TestCluster;

/// Signs in on the page that asks for it.
async fn sign_in(browser: &Browser, cluster: &TestCluster) {
    browser.view(View::DESK).await;
    browser.open(&page(cluster, "/admin")).await;
    browser.fill("Benutzername", "admin").await;
    browser.fill("Passwort", &cluster.secret("ADMIN_PASSWORD")).await;
    browser.press("Anmelden").await;
    browser.find("nav a[aria-current=page]").await;
}

/// The address of a page.
fn page(cluster: &TestCluster, path: &str) -> String {
    format!("http://{}{path}", cluster.app())
}

/// Uploads a picture to a pool; the image's UUID.
async fn uploaded(cluster: &TestCluster, pool: u64, seed: u32) -> String {
    let answer = cluster.upload(pool, picture(seed, 240, 160)).await;
    answer["image_uuid"].as_str().unwrap().to_owned()
}
