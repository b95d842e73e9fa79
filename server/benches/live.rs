//! Pages that are open while much happens: a move of many small images, at a rate that its bandwidth sets, is watched in
//! windows of a real browser. How late each page is, how much of its main thread it takes, how often it changes; what the
//! server needs with the windows and without them. Server and nodes are processes of their own.
//! `cargo build --release --workspace --bins`, then `cargo bench -p pixelfox-server --bench live [-- IMAGES_PER_SECOND]`;
//! needs chromium and chromedriver.
#![expect(clippy::unwrap_used, reason = "a bench that can't go on ends where it stands")]

#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/browser/driver.rs"]
mod driver;
mod live_parts;
#[expect(dead_code, reason = "the bench of moves uses the rest")]
mod moves_parts;

/// What the browser's driver takes from the tests.
mod harness {
    pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
}

use std::time::Duration;

use driver::Browser;
use live_parts::{
    marks::Marks,
    tabs::{Tab, Tabs},
    usage,
};
use moves_parts::cluster::{Admin, Cluster};
use pixelfox_proto::v1;

const SIZE: usize = 10_000;
/// Changes that are told for each moved image: the image and its job. Progress of the parent and of both pools comes on
/// top.
const CHANGES: u64 = 2;
/// How long it is watched, and how long it goes on unwatched before.
const WATCHED: Duration = Duration::from_secs(30);
const UNWATCHED: Duration = Duration::from_secs(15);
/// The server's own, the first of s01, and the one that everything moves to.
const SERVER: usize = 0;
const SOURCE: u64 = 2;

fn main() {
    let rate = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(500_u64);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let folder = tempfile::tempdir_in(std::env::current_dir().unwrap()).unwrap();
        let cluster = Cluster::start(folder.path()).await;
        let mut admin = cluster.admin();
        let target = cluster.add_pool(&mut admin, &Marks::name(0), 2).await;
        set_bandwidth(&mut admin, 0).await;
        let (first, second) = (rate * UNWATCHED.as_secs(), rate * (WATCHED.as_secs() + 10));
        cluster.upload(first + second, SIZE).await;
        set_bandwidth(&mut admin, rate * SIZE as u64).await;

        println!("a move of {rate} images a second asked for: {} changes a second", rate * CHANGES);
        let job = start(&mut admin, target, first).await;
        let alone = watch(&cluster, &mut admin, job, UNWATCHED - Duration::from_secs(3)).await;
        println!("  nobody looks: {alone}");
        cluster.ended(&mut admin, job).await;

        let browser = Browser::start("de").await;
        sign_in(&browser, &cluster).await;
        let job = start(&mut admin, target, second).await;
        let mut tabs = Tabs::open(&browser, &cluster.url(SERVER), job).await;
        let mut marks = Marks::of(admin.clone(), target);
        let begin = tabs.look().await;
        let (watched, ()) = tokio::join!(watch(&cluster, &mut admin, job, WATCHED), marks.make_for(WATCHED));
        let end = tabs.look().await;
        println!("  {} windows: {watched}", begin.len());
        for (before, after) in begin.iter().zip(&end) {
            println!("  {}", Tab::between(before, after, &marks));
        }

        cluster.ended(&mut admin, job).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let begin = tabs.look().await;
        let rest = usage::of(&cluster, SERVER, Duration::from_secs(10)).await;
        println!("  {} windows, nothing happens: {rest}", begin.len());
        for (before, after) in begin.iter().zip(&tabs.look().await) {
            println!("  {}", Tab::between(before, after, &marks));
        }
        browser.close().await;
    });
}

async fn set_bandwidth(admin: &mut Admin, bytes_per_second: u64) {
    let settings = v1::Settings {
        move_bandwidth_per_node: Some(bytes_per_second),
        upload_rate_limit_per_ip: Some(0),
        upload_rate_limit_per_user: Some(0),
        ..v1::Settings::default()
    };
    admin.update_settings(v1::UpdateSettingsRequest { settings: Some(settings) }).await.unwrap();
}

async fn start(admin: &mut Admin, target: u64, limit: u64) -> u64 {
    let ask = v1::MovePoolRequest { source_pool_id: SOURCE, target_pool_id: target, limit, ..Default::default() };
    admin.move_pool(ask).await.unwrap().into_inner().job_id
}

/// What the server uses meanwhile, and how fast the job goes.
async fn watch(cluster: &Cluster, admin: &mut Admin, job: u64, time: Duration) -> String {
    let done = async |admin: &mut Admin| admin.get_job(v1::GetJobRequest { id: job }).await.unwrap().into_inner();
    let before = done(admin).await.children_done;
    let used = usage::of(cluster, SERVER, time).await;
    let after = done(admin).await;
    let moved = (after.children_done - before) as f64 / time.as_secs_f64();
    let over = if after.state == "processing" { "" } else { " (the move was over before)" };
    format!("{moved:.0} images/s, {:.0} changes/s{over}; {used}", moved * CHANGES as f64)
}

async fn sign_in(browser: &Browser, cluster: &Cluster) {
    browser.open(&format!("{}/admin", cluster.url(SERVER))).await;
    browser.fill("Benutzername", "admin").await;
    browser.fill("Passwort", moves_parts::cluster::PASSWORD).await;
    browser.press("Anmelden").await;
    browser.find("nav a[aria-current=page]").await;
}
