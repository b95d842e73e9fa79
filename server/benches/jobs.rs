//! The job engine against bare SQL on the same tables: lease 32 and complete them in batches, SQLite with
//! `synchronous=FULL`. `cargo bench -p pixelfox-server --bench jobs [-- JOBS]`; prints jobs per second and the ratio.
//!
//! Bare SQL does the least that any engine must for the same outcome: one transaction that takes 32 pending jobs, one
//! that moves their copies, images and jobs on. No checks, no counters, no news.
#![expect(clippy::unwrap_used, reason = "a bench that can't go on ends where it stands")]

use std::{ops::Range, time::Duration};

use pixelfox_proto::{FileMeta, ImageId, NodeId, PoolId, SessionEpoch, Sha256};
use pixelfox_server::{
    catalog::{
        FileDone, FileOutcome, Hello, LeaseOrder, LeasedJob, MoveAsk, MoveDone, NewUpload, PlanRule, PoolDraft, Reach,
        SaveRule, TrashOutcome, TrashResult, UnixMillis,
    },
    store::{AutoPools, Store},
};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::{task::JoinSet, time::Instant};

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const BATCH: u32 = 32;

fn main() {
    let asked = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let jobs: u64 = asked.unwrap_or(20_000);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut engines, mut bares) = (Vec::new(), Vec::new());
        let template = cluster(jobs).await;
        for _ in 0..5 {
            engines.push(rate(jobs, engine(jobs, &template).await));
            bares.push(rate(jobs, bare(&template).await));
        }
        let (engine, bare) = (median(engines), median(bares));
        println!("engine {engine:.0} jobs/s, bare SQL {bare:.0} jobs/s, ratio {:.2}", engine / bare);
    });
}

fn rate(jobs: u64, took: Duration) -> f64 {
    f64::from(u32::try_from(jobs).unwrap()) / took.as_secs_f64()
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Books that every run starts from.
struct Cluster {
    dir: tempfile::TempDir,
    order: LeaseOrder,
}

impl Cluster {
    /// A copy of the closed database, with what its log still holds.
    fn copy(&self, name: &str) -> std::path::PathBuf {
        let copy = self.dir.path().join(format!("{name}.db"));
        for end in ["", "-wal"] {
            let from = self.dir.path().join(format!("jobs.db{end}"));
            if from.try_exists().unwrap() {
                std::fs::copy(from, format!("{}{end}", copy.display())).unwrap();
            }
        }
        copy
    }
}

fn node(name: &str) -> NodeId {
    name.parse().unwrap()
}

fn pool(number: u64) -> PoolId {
    PoolId::try_from(number).unwrap()
}

fn image(number: u64) -> ImageId {
    ImageId::from_bytes(u128::from(number).to_be_bytes())
}

async fn attach(store: &Store, name: &str) -> SessionEpoch {
    let hello = Hello {
        node: node(name),
        instance: name.into(),
        version: "bench".into(),
        slots: 4,
        node_url: format!("http://{name}:4000"),
        public_base_url: format!("http://{name}.local"),
        uploads_dir: "/pool".into(),
        process: String::new(),
        address: String::new(),
    };
    store.attach_node(hello, AutoPools::ByHand, NOW).await.unwrap().epoch
}

fn forget(copy: &std::path::Path) {
    for end in ["", "-wal", "-shm"] {
        drop(std::fs::remove_file(format!("{}{end}", copy.display())));
    }
}

/// Two nodes with a pool each, `jobs` images in the first, all planned for the second.
async fn cluster(jobs: u64) -> Cluster {
    let dir = tempfile::tempdir_in(".").unwrap();
    let store = Store::open(&format!("sqlite://{}/jobs.db", dir.path().display())).await.unwrap();
    for name in ["a", "b"] {
        let draft = PoolDraft::auto(name, &node(name), "/pool", &format!("http://{name}:4000"), "http://x.local");
        store.create_pool(draft, SaveRule::Anyway, NOW).await.unwrap();
    }
    let (epoch, target_epoch) = (attach(&store, "a").await, attach(&store, "b").await);
    for first in (0..jobs).step_by(5000) {
        let numbers = first..jobs.min(first + 5000);
        uploads(&store, numbers.clone()).await;
        let images = numbers.map(image).collect();
        let ask = MoveAsk { images, target: pool(2), rule: PlanRule::Start, request_id: String::new() };
        store.plan_move_images(ask, NOW).await.unwrap();
    }
    let (source, target) = (pool(1), pool(2));
    let order = LeaseOrder {
        node: node("a"),
        epoch,
        source,
        target,
        target_epoch,
        reach: Reach::Both,
        jobs: BATCH,
        disk_free_bytes: 1 << 50,
        disk_shared_with: Vec::new(),
    };
    store.close().await;
    Cluster { dir, order }
}

async fn uploads(store: &Store, numbers: Range<u64>) {
    let mut callers = JoinSet::new();
    for number in numbers {
        let store = store.clone();
        let meta = FileMeta { share_token: format!("{number:012}"), ..FileMeta::default() };
        let upload = NewUpload {
            id: image(number),
            node: node("a"),
            visitor: None,
            pool: pool(1),
            path: format!("original/{}.jpg", image(number)).parse().unwrap(),
            size: 100_000,
            sha256: Sha256::of(&number.to_be_bytes()),
            meta,
        };
        callers.spawn(async move { store.commit_upload(upload, NOW).await.map(drop) });
    }
    for outcome in callers.join_all().await {
        outcome.unwrap();
    }
}

fn done(job: &LeasedJob) -> MoveDone {
    let file = |file: &pixelfox_server::catalog::LeasedFile| FileDone {
        path: file.path.clone(),
        outcome: FileOutcome::Stored(file.sha256),
    };
    MoveDone { job: job.job, lease: job.lease, epoch: job.epoch, files: job.files.iter().map(file).collect() }
}

/// Lease, commit, trash, until nothing is left. Three transactions for 32 jobs.
async fn engine(jobs: u64, cluster: &Cluster) -> Duration {
    let copy = cluster.copy("engine");
    let store = Store::open(&format!("sqlite://{}", copy.display())).await.unwrap();
    let start = Instant::now();
    let mut ended = 0;
    loop {
        let leased = store.lease_jobs(cluster.order.clone(), NOW).await.unwrap().jobs;
        if leased.is_empty() {
            break;
        }
        let committed = store.commit_moves(leased.iter().map(done).collect(), NOW).await.unwrap();
        let word = |order: pixelfox_server::catalog::TrashOrder| TrashResult {
            task: order.task,
            pool: order.pool,
            path: order.path,
            generation: order.generation,
            outcome: TrashOutcome::Trashed,
        };
        ended += committed.moved.len();
        store.finish_trash(committed.trash.into_iter().map(word).collect(), NOW).await.unwrap();
    }
    let took = start.elapsed();
    assert_eq!(ended as u64, jobs);
    store.close().await;
    forget(&copy);
    took
}

const TAKE: &str = "UPDATE jobs SET state = 'processing', attempt = attempt + 1 WHERE id IN
    (SELECT id FROM jobs WHERE state = 'pending' AND node_id = 'a' AND kind = 'move_image' LIMIT 32) RETURNING id, image_id";
const WRITE: &str = "INSERT INTO replicas (file_id, pool_id, generation, state, since)
    SELECT f.id, 2, 2, 'writing', 0 FROM json_each($1) a CROSS JOIN files f ON f.image_id = a.value";
const SWAP: [&str; 3] = [
    "UPDATE replicas SET state = 'live' WHERE pool_id = 2 AND file_id IN
        (SELECT f.id FROM json_each($1) a CROSS JOIN files f ON f.image_id = a.value)",
    "UPDATE replicas SET state = 'condemned' WHERE pool_id = 1 AND file_id IN
        (SELECT f.id FROM json_each($1) a CROSS JOIN files f ON f.image_id = a.value)",
    "UPDATE images SET pool_id = 2, job_id = NULL WHERE id IN (SELECT value FROM json_each($1))",
];
const TRASH: &str = "UPDATE replicas SET state = 'trashed' WHERE pool_id = 1 AND file_id IN
        (SELECT f.id FROM json_each($1) a CROSS JOIN files f ON f.image_id = a.value)";
const END: &str = "UPDATE jobs SET state = 'completed' WHERE id IN (SELECT value FROM json_each($1))";

/// The same three transactions for 32 jobs, with the least that they can be.
async fn bare(cluster: &Cluster) -> Duration {
    let copy = cluster.copy("bare");
    let options = SqliteConnectOptions::new().filename(&copy);
    let options = options.synchronous(sqlx::sqlite::SqliteSynchronous::Full).disable_statement_logging();
    // As the store has it.
    let options = options.pragma("wal_autocheckpoint", "4000").pragma("cache_size", "-8192");
    let mut conn = options.connect().await.unwrap();
    let start = Instant::now();
    loop {
        run(&mut conn, "BEGIN IMMEDIATE", "").await;
        let taken: Vec<(i64, i64)> = sqlx::query_as(TAKE).fetch_all(&mut conn).await.unwrap();
        let ids = serde_json::to_string(&taken.iter().map(|(job, _)| job).collect::<Vec<_>>()).unwrap();
        let images = serde_json::to_string(&taken.iter().map(|(_, image)| image).collect::<Vec<_>>()).unwrap();
        run(&mut conn, WRITE, &images).await;
        run(&mut conn, "COMMIT", "").await;
        if taken.is_empty() {
            break;
        }
        run(&mut conn, "BEGIN IMMEDIATE", "").await;
        for sql in SWAP {
            run(&mut conn, sql, &images).await;
        }
        run(&mut conn, "COMMIT", "").await;
        run(&mut conn, "BEGIN IMMEDIATE", "").await;
        run(&mut conn, TRASH, &images).await;
        run(&mut conn, END, &ids).await;
        run(&mut conn, "COMMIT", "").await;
    }
    let took = start.elapsed();
    conn.close().await.unwrap();
    forget(&copy);
    took
}

async fn run(conn: &mut SqliteConnection, sql: &'static str, batch: &str) {
    let query = sqlx::query(sql);
    let query = if batch.is_empty() { query } else { query.bind(batch.to_owned()) };
    query.execute(conn).await.unwrap();
}
