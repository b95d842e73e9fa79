//! A large file under way between two real nodes, under a person's hand: what stops, how soon, and what is kept.

use std::{fs, path::PathBuf, time::Duration};

use pixelfox_proto::{
    Sha256,
    v1::{
        ChangeJobsRequest, GetSettingsRequest, JobBatch, PauseQueueRequest, ResumeQueueRequest, Settings,
        UpdateSettingsRequest,
    },
};
use tokio::time::{Instant, sleep, timeout};

use crate::harness::{PATIENCE, TestCluster, files_below, png};

/// Above the size from which a transfer is gone on with.
const LARGE: usize = 24 << 20;
/// Of the moves, while they are to be seen under way.
const SLOW: u64 = 4 << 20;
/// Everything that a person does takes hold within this.
const SOON: Duration = Duration::from_secs(2);
/// What is gone on with begins at a multiple of this.
const STEP: u64 = 256 << 10;

struct Scene {
    cluster: TestCluster,
    uuid: String,
    url: String,
    digest: Sha256,
    batch: JobBatch,
}

impl Scene {
    /// A large image of the app's pool on its slow way to s01, with more than `bytes` of it there.
    async fn under_way(bytes: u64) -> Self {
        let cluster = TestCluster::start().await;
        bandwidth(&cluster, SLOW).await;
        let picture = png(1, LARGE);
        let digest = Sha256::of(&picture);
        let upload = cluster.upload(1, picture).await;
        let (uuid, url) =
            (upload["image_uuid"].as_str().unwrap().to_owned(), upload["url"].as_str().unwrap().to_owned());
        let batch = cluster.move_images(&[uuid.as_str()], 2).await;
        let scene = Self { cluster, uuid, url, digest, batch };
        scene.arrived(bytes).await;
        scene
    }

    /// Bytes that have come to the target and have no name yet.
    fn there(&self) -> u64 {
        let incoming: PathBuf = self.cluster.pool_dir(2).join(".pixelfox/incoming");
        let entries = fs::read_dir(incoming).into_iter().flatten();
        entries.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len())).max().unwrap_or(0)
    }

    async fn arrived(&self, bytes: u64) {
        let look = async {
            while self.there() < bytes {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, look).await.expect("the bytes come");
    }

    /// Waits until nothing more has come for a while, which has to be soon after `since`; what is there then.
    async fn stopped(&self, since: Instant) -> u64 {
        let (mut last, mut changed) = (self.there(), Instant::now());
        while changed.elapsed() < Duration::from_millis(500) {
            sleep(Duration::from_millis(10)).await;
            let now = self.there();
            if now != last {
                (last, changed) = (now, Instant::now());
            }
            assert!(changed.duration_since(since) < SOON, "it still flows");
        }
        last
    }

    fn ask(&self) -> ChangeJobsRequest {
        ChangeJobsRequest { ids: vec![self.batch.job_id], ..ChangeJobsRequest::default() }
    }

    async fn is_whole_in(&self, pool: u64) {
        let image = self.cluster.image(&self.uuid).await;
        assert_eq!((image.pool_id, image.files[0].state.as_str()), (pool, "live"));
        let (status, _, digest) = self.cluster.follow(&self.url).await;
        assert_eq!((status, digest), (200, self.digest));
        let named =
            |pool| files_below(&self.cluster.pool_dir(pool)).iter().filter(|path| !path.starts_with('.')).count();
        assert_eq!((named(pool), named(3 - pool)), (1, 0), "one copy has its name");
    }

    async fn moved(self) {
        bandwidth(&self.cluster, 0).await;
        let ended = self.cluster.wait_for_end(self.batch.job_id).await;
        assert_eq!((ended.state.as_str(), ended.children_done), ("completed", 1), "{ended:?}");
        self.is_whole_in(2).await;
        self.cluster.shutdown().await;
    }
}

async fn bandwidth(cluster: &TestCluster, bytes_per_second: u64) {
    let settings = Settings { move_bandwidth_per_node: Some(bytes_per_second), ..Settings::default() };
    cluster.admin().update_settings(UpdateSettingsRequest { settings: Some(settings) }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_that_is_paused_stops_and_goes_on_from_there_after_a_restart() {
    // Paused with a quarter over, everything restarted: still paused, its bytes still there; resumed, not one of them
    // comes twice, and no attempt was used up.
    let mut scene = Scene::under_way(10 << 20).await;
    let said = Instant::now();
    scene.cluster.admin().pause_jobs(scene.ask()).await.unwrap();
    let kept = scene.stopped(said).await;
    assert!(kept >= 10 << 20, "what had come is thrown away: {kept} bytes are left");
    scene.is_whole_in(1).await;
    scene.cluster.restart().await;
    assert_eq!(scene.cluster.job(scene.batch.job_id).await.state, "paused");
    let child = scene.cluster.children(&scene.batch).await.remove(0);
    assert_eq!((child.state.as_str(), scene.there()), ("paused", kept));
    scene.cluster.admin().resume_jobs(scene.ask()).await.unwrap();
    let goes_on = async {
        while scene.there() <= kept + STEP {
            assert!(scene.there() >= kept / STEP * STEP, "it began anew");
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, goes_on).await.expect("it goes on");
    Box::pin(scene.moved()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_that_is_cancelled_stops_and_the_image_stays_whole_where_it_was() {
    // Cancelled in the middle of the file: nothing of it gets its name at the target. A second move brings it over.
    let mut scene = Scene::under_way(10 << 20).await;
    let said = Instant::now();
    scene.cluster.admin().cancel_jobs(scene.ask()).await.unwrap();
    scene.stopped(said).await;
    let ended = scene.cluster.wait_for_end(scene.batch.job_id).await;
    assert_eq!((ended.state.as_str(), ended.children_cancelled, ended.children_done), ("cancelled", 1, 0));
    scene.is_whole_in(1).await;
    scene.batch = scene.cluster.move_images(&[scene.uuid.as_str()], 2).await;
    Box::pin(scene.moved()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_and_the_pause_of_the_queue_reach_a_running_file_and_outlive_a_restart() {
    // A lower limit slows the file down within two seconds; the queue's pause stops it; both hold after a restart of
    // everything; resumed and without a limit it arrives.
    let mut scene = Scene::under_way(2 << 20).await;
    bandwidth(&scene.cluster, STEP).await;
    let said = Instant::now();
    let mut at = scene.there();
    let slow = async {
        loop {
            sleep(Duration::from_secs(1)).await;
            let came = scene.there() - std::mem::replace(&mut at, scene.there());
            if came <= 2 * STEP {
                return;
            }
        }
    };
    timeout(PATIENCE, slow).await.expect("it slows down");
    assert!(said.elapsed() < SOON + Duration::from_secs(1), "{:?}", said.elapsed());
    let said = Instant::now();
    scene.cluster.admin().pause_queue(PauseQueueRequest {}).await.unwrap();
    scene.stopped(said).await;
    scene.cluster.restart().await;
    let settings = scene.cluster.admin().get_settings(GetSettingsRequest {}).await.unwrap().into_inner();
    assert_eq!(settings.move_bandwidth_per_node, Some(STEP));
    let child = scene.cluster.children(&scene.batch).await.remove(0);
    assert_eq!((child.state.as_str(), child.waiting_for.as_str()), ("pending", "queue paused"));
    scene.cluster.admin().resume_queue(ResumeQueueRequest {}).await.unwrap();
    Box::pin(scene.moved()).await;
}
