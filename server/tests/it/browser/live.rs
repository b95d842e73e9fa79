//! What happens is seen on every page that shows it, and it comes by the page's stream: told when it happens, neither
//! loaded again nor found at the next look.

use std::time::Duration;

use pixelfox_proto::v1::{
    ChangeJobsRequest, CreateApiKeyRequest, GetPoolRequest, ListImagesRequest, MovePoolRequest, Pool, SignInRequest,
};
use serde_json::json;
use tokio::time::Instant;

use super::{driver::Browser, page, sign_in, uploaded};
use crate::{app_uploads::change_pool, harness::TestCluster};

/// An open page is rendered anew after so long although nothing was told: what is seen earlier was told.
const BY_ITSELF: Duration = Duration::from_secs(10);
/// Of a machine that was busy for so long nothing can be said: it is tried again.
const TRIES: u32 = 6;

/// Counts what came by the stream of a page.
const COUNT_PATCHES: &str = "window.patches = 0; \
    const listen = EventSource.prototype.addEventListener; \
    EventSource.prototype.addEventListener = function (kind, hear) { \
      listen.call(this, kind, event => { hear(event); if (kind === 'patch') window.patches++; }); }";

/// What can happen.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Upload,
    Move,
    Job,
    PoolMove,
    Pause,
    Pool,
    Key,
    SignIn,
    Node,
}

/// Each page that shows state, what happens, and where on the page it is seen.
const PAGES: [(&str, Happening, &str); 15] = [
    ("/admin", Happening::Upload, "#newest"),
    ("/admin", Happening::Pool, "#cluster"),
    ("/admin/images", Happening::Upload, "#total"),
    ("/admin/images", Happening::Move, "#at-{image}"),
    ("/admin/images/{image}", Happening::Move, "#pool"),
    ("/admin/storage", Happening::Pool, "#pools"),
    ("/admin/storage/3/move", Happening::PoolMove, "#moves"),
    ("/admin/nodes", Happening::Pool, "#nodes"),
    ("/admin/queues", Happening::Job, "#list"),
    ("/admin/queues/{job}", Happening::Pause, "#now"),
    ("/admin/settings", Happening::Key, "#key-list"),
    ("/admin/audit", Happening::Key, "#entries"),
    ("/admin/audit", Happening::SignIn, "#entries"),
    ("/admin/storage", Happening::Node, "#pools"),
    ("/admin/nodes", Happening::Node, "#nodes"),
];

/// A cluster with an image, and a job that waits for s01.
struct Stage {
    cluster: TestCluster,
    image: String,
    job: u64,
    s01_is_there: bool,
    number: u32,
}

impl Stage {
    async fn set() -> Self {
        let mut cluster = TestCluster::start().await;
        let (image, other) = (uploaded(&cluster, 1, 0).await, uploaded(&cluster, 1, 1).await);
        assert!(cluster.cluster().stop_storage_node("s01").await);
        let job = cluster.move_images(&[&other], 2).await.job_id;
        Self { cluster, image, job, s01_is_there: false, number: 1 }
    }

    /// Lets it happen; what of it is on the page afterwards, as a script that says so of `seen`, an element.
    async fn happen(&mut self, what: Happening) -> String {
        self.number += 1;
        let (cluster, number) = (&mut self.cluster, self.number);
        let mut admin = cluster.admin();
        match what {
            Happening::Upload => {
                let image = uploaded(cluster, 1, number).await;
                let all = admin.list_images(ListImagesRequest::default()).await.unwrap().into_inner().total;
                format!("seen.innerHTML.includes('{image}') || /^{all}\\s/.test(seen.innerText)")
            }
            Happening::Move => {
                let target = if cluster.image(&self.image).await.pool_id == 1 { 3 } else { 1 };
                let batch = cluster.move_images(&[&self.image], target).await;
                assert_eq!(cluster.wait_for_end(batch.job_id).await.state, "completed");
                let name = admin.get_pool(GetPoolRequest { id: target }).await.unwrap().into_inner().name;
                format!("seen.innerText.trim() === '{name}'")
            }
            Happening::Job => {
                let image = uploaded(cluster, 1, number).await;
                let job = cluster.move_images(&[&image], 2).await.job_id;
                format!("seen.querySelector('a[href=\"/admin/queues/{job}\"]') !== null")
            }
            Happening::PoolMove => {
                uploaded(cluster, 3, number).await;
                let all = MovePoolRequest { source_pool_id: 3, target_pool_id: 2, ..MovePoolRequest::default() };
                let job = admin.move_pool(all).await.unwrap().into_inner().job_id;
                format!("seen.querySelector('a[href=\"/admin/queues/{job}\"]') !== null")
            }
            Happening::Pause => {
                let these = ChangeJobsRequest { ids: vec![self.job], ..ChangeJobsRequest::default() };
                let pauses = cluster.job(self.job).await.state != "paused";
                let changed = if pauses { admin.pause_jobs(these).await } else { admin.resume_jobs(these).await };
                assert!(changed.unwrap().into_inner().changed > 0, "the job, and what it consists of");
                format!("seen.innerText.includes('Pausiert') === {pauses}")
            }
            Happening::Pool => {
                let name = format!("Regal {number}");
                change_pool(cluster, Pool { id: 3, name: name.clone(), ..Pool::default() }, "name").await;
                format!("seen.textContent.includes('{name}')")
            }
            Happening::Key => {
                let name = format!("Blog {number}");
                admin.create_api_key(CreateApiKeyRequest { name: name.clone() }).await.unwrap();
                format!("seen.innerText.includes('{name}')")
            }
            Happening::SignIn => {
                let (name, password) = ("admin".to_owned(), cluster.secret("ADMIN_PASSWORD"));
                let client_address = format!("192.0.2.{number}");
                let row = format!("seen.innerText.includes('{client_address}')");
                admin.sign_in(SignInRequest { name, password, client_address }).await.unwrap();
                row
            }
            Happening::Node => {
                if self.s01_is_there {
                    assert!(cluster.cluster().stop_storage_node("s01").await);
                } else {
                    cluster.start_storage_node("s01").await;
                }
                self.s01_is_there = !self.s01_is_there;
                format!("seen.innerText.includes('Offline') === {}", !self.s01_is_there)
            }
        }
    }
}

/// Opens a page, lets something happen, and waits until it is seen there. How long all of it took.
async fn is_seen(browser: &Browser, stage: &mut Stage, (path, what, place): (&str, Happening, &str)) -> Duration {
    let begin = Instant::now();
    browser.open(&page(&stage.cluster, path)).await;
    let first = async |browser: &Browser| browser.run("return window.patches > 0").await == true;
    browser.wait_until("the stream's first word", first).await;
    browser.mark().await;
    let seen = stage.happen(what).await;
    let seen = format!("const seen = document.querySelector('{place}'); return seen !== null && ({seen})");
    let words = format!("{what:?} on {path}");
    browser.wait_until(&words, async |browser| browser.run(&seen).await == true).await;
    let took = begin.elapsed();
    browser.assert_not_loaded_again().await;
    assert_eq!(browser.run("return window.patches > 1").await, true, "{words} did not come by the stream");
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_is_told_to_every_page_that_shows_it() {
    let mut stage = Stage::set().await;
    let browser = Browser::start("de").await;
    sign_in(&browser, &stage.cluster).await;
    browser.command("Page.addScriptToEvaluateOnNewDocument", json!({ "source": COUNT_PATCHES })).await;
    for (path, what, place) in PAGES {
        let filled = |text: &str| text.replace("{image}", &stage.image).replace("{job}", &stage.job.to_string());
        let (path, place) = (filled(path), filled(place));
        let mut was_told = false;
        for _ in 0..TRIES {
            was_told = is_seen(&browser, &mut stage, (&path, what, &place)).await < BY_ITSELF;
            if was_told {
                break;
            }
        }
        assert!(was_told, "{what:?} was never seen on {path} before the page looked by itself");
    }
    browser.close().await;
    stage.cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_of_an_action_stays_while_the_page_is_live() {
    // It is said once, by the page; what comes by the stream afterwards does not have it, and takes neither it nor the focus.
    let cluster = TestCluster::start().await;
    let browser = Browser::start("de").await;
    sign_in(&browser, &cluster).await;
    browser.command("Page.addScriptToEvaluateOnNewDocument", json!({ "source": COUNT_PATCHES })).await;
    browser.press("Speicherverwaltung").await;
    browser.press("Zustand prüfen").await;
    browser.wait_for("Gesund: geschrieben").await;
    browser.run("document.querySelector('#pool-2 .actions a').focus()").await;
    let name = "Regal eins";
    change_pool(&cluster, Pool { id: 3, name: name.to_owned(), ..Pool::default() }, "name").await;
    browser.wait_for(name).await;
    assert!(browser.text().await.contains("Gesund: geschrieben"), "{}", browser.text().await);
    assert_eq!(browser.run("return document.activeElement.closest('tr')?.id").await, "pool-2");
    browser.close().await;
    cluster.shutdown().await;
}
