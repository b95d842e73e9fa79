//! After a kill: how soon jobs are leased again, nodes attached and jobs moving, with many queued.

use pixelfox_proto::v1;
use pixelfox_proto::{FileMeta, ImageId, PoolId, Sha256};
use pixelfox_server::catalog::{MoveAsk, NewUpload, PlanRule, UnixMillis};
use pixelfox_server::store::Store;
use tokio::task::JoinSet;

use super::cluster::{Admin, Cluster};

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const SLICE: u64 = 10_000;
const BYTES: usize = 20_000;

/// Files in s01's pool with their records, all planned for s02's pool, while the coordinator is away.
pub(crate) async fn stock(cluster: &mut Cluster, count: u64) {
    cluster.kill(0).await;
    let store = Store::open(&cluster.database()).await.unwrap();
    let dir = cluster.pool_dir("s01");
    for first in (0..count).step_by(usize::try_from(SLICE).unwrap()) {
        let mut commits = JoinSet::new();
        let numbers = first..count.min(first + SLICE);
        for number in numbers.clone() {
            let path = format!("original/2026/{:03}/{number:08}.jpg", number / 1000);
            let mut bytes = number.to_be_bytes().to_vec();
            bytes.resize(BYTES, 1);
            std::fs::create_dir_all(dir.join(&path).parent().unwrap()).unwrap();
            std::fs::write(dir.join(&path), &bytes).unwrap();
            let upload = NewUpload {
                id: image(number),
                node: "s01".parse().unwrap(),
                visitor: None,
                pool: pool(2),
                path: path.parse().unwrap(),
                size: bytes.len() as u64,
                sha256: Sha256::of(&bytes),
                meta: FileMeta { share_token: format!("{number:012}"), ..FileMeta::default() },
            };
            let store = store.clone();
            commits.spawn(async move { drop(store.commit_upload(upload, NOW).await.unwrap()) });
        }
        commits.join_all().await;
        let ask = MoveAsk {
            images: numbers.map(image).collect(),
            target: pool(3),
            rule: PlanRule::Start,
            request_id: String::new(),
        };
        store.plan_move_images(ask, NOW).await.unwrap();
    }
    store.close().await;
}

fn image(number: u64) -> ImageId {
    ImageId::from_bytes(u128::from(number + 1).to_be_bytes())
}

fn pool(number: u64) -> PoolId {
    PoolId::try_from(number).unwrap()
}

/// What took how long, in seconds.
pub(crate) struct Recovered {
    /// From the coordinator's start until both nodes were attached.
    pub(crate) attached: f64,
    /// From its start until a job had moved its image.
    pub(crate) moving: f64,
    /// From the kill of the source's node, which is started again at once, until jobs of it were leased again.
    pub(crate) leased_again: f64,
}

/// The coordinator comes back to its nodes and a long queue; then the source's node is killed and started.
pub(crate) async fn recover(cluster: &mut Cluster) -> Recovered {
    let mut admin = cluster.admin();
    let begin = super::now();
    cluster.run(0);
    until(async || online(&mut admin).await >= 3).await;
    let attached = begin.elapsed().as_secs_f64();
    let mut admin = cluster.admin();
    until(async || files(&mut admin, 3).await > 0).await;
    let moving = begin.elapsed().as_secs_f64();
    until(async || files(&mut admin, 3).await > 1000).await;
    let begin = super::now();
    cluster.kill(1).await;
    cluster.run(1);
    until(async || leased_again(&mut admin).await).await;
    Recovered { attached, moving, leased_again: begin.elapsed().as_secs_f64() }
}

async fn until(mut so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !so().await {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), waiting).await.expect("it never comes so far");
}

async fn online(admin: &mut Admin) -> u32 {
    let seen = admin.get_overview(v1::GetOverviewRequest {}).await;
    seen.map_or(0, |overview| overview.into_inner().nodes_online)
}

async fn files(admin: &mut Admin, pool: u64) -> u64 {
    admin.get_pool(v1::GetPoolRequest { id: pool }).await.unwrap().into_inner().files
}

/// Whether a job is under way that was under way before.
async fn leased_again(admin: &mut Admin) -> bool {
    let state = "processing".to_owned();
    let ask = v1::ListJobsRequest { state, kind: "move_image".into(), page_size: 1000, ..Default::default() };
    admin.list_jobs(ask).await.unwrap().into_inner().jobs.iter().any(|job| job.attempt > 1)
}
