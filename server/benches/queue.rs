//! What a long queue costs: jobs per second and the peak of memory with 1,000,000 queued against 10,000, and how long the
//! plan of a pool of 1,000,000 images takes, said (a dry run) and made.
//! `cargo bench -p pixelfox-server --bench queue [-- IMAGES]`.
//!
//! Each size runs in processes of its own over one database, in turn; a run ends the same number of jobs, behind a few
//! that warm it up, three transactions for 32 of them, SQLite with `synchronous=FULL`.
#![expect(clippy::unwrap_used, reason = "a bench that can't go on ends where it stands")]

use std::path::Path;
use std::process::Command;

use pixelfox_proto::{NodeId, PoolId, v1};
use pixelfox_server::{
    books::{Books, BooksSpec},
    catalog::{
        FileDone, FileOutcome, Hello, LeaseOrder, LeasedFile, LeasedJob, MoveDone, PoolDraft, Reach, SaveRule,
        TrashOrder, TrashOutcome, TrashResult, UnixMillis,
    },
    config::SweepTimes,
    store::{AutoPools, Store},
};
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use tokio::time::Instant;

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const FEW: u64 = 10_000;
const ROUNDS: usize = 9;
/// Jobs of one run, behind some that warm it up: all runs leave some of the short queue.
const JOBS: u64 = 1_024;
const WARM_UP: u64 = 64;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["run", database] => runtime.block_on(run(database)),
        ["plan", database] => runtime.block_on(plan(database)),
        _ => runtime.block_on(all(words.first().map_or(1_000_000, |word| word.parse().unwrap()))),
    }
}

async fn all(many: u64) {
    let dir = tempfile::tempdir_in(".").unwrap();
    let database = |name: &str| format!("sqlite://{}/{name}.db", dir.path().canonicalize().unwrap().display());
    let (few_db, many_db) = (database("few"), database("many"));
    fill(&few_db, FEW).await;
    fill(&many_db, many).await;
    // On a copy: a plan that is made takes the images.
    let plan_db = database("plan");
    let path = |url: &str| url.trim_start_matches("sqlite://").to_owned();
    std::fs::copy(path(&many_db), path(&plan_db)).unwrap();
    println!("{}", child("plan", &plan_db));
    std::fs::remove_file(path(&plan_db)).unwrap();
    queue(&few_db, FEW).await;
    queue(&many_db, many).await;
    let (mut few, mut lots) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        few.push(figures(&child("run", &few_db)));
        lots.push(figures(&child("run", &many_db)));
    }
    let middle = |runs: &[(f64, f64)], which: fn(&(f64, f64)) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(which).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let (rate_few, rate_many) = (middle(&few, |run| run.0), middle(&lots, |run| run.0));
    let (peak_few, peak_many) = (middle(&few, |run| run.1), middle(&lots, |run| run.1));
    println!(
        "{FEW} queued: {rate_few:.0} jobs/s; {many} queued: {rate_many:.0} jobs/s; cost per job {:.2} × (goal ≤ 1.2); \
         peak memory {:.1} and {:.1} MiB, {:+.1} MiB (goal ≤ +8); each {few:.0?} {lots:.0?}",
        rate_few / rate_many,
        peak_few / 1024.0,
        peak_many / 1024.0,
        (peak_many - peak_few) / 1024.0
    );
}

fn child(what: &str, database: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap()).args([what, database]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn figures(line: &str) -> (f64, f64) {
    let (rate, peak) = line.split_once(' ').unwrap();
    (rate.parse().unwrap(), peak.parse().unwrap())
}

fn node(name: &str) -> NodeId {
    name.parse().unwrap()
}

fn pool(number: u64) -> PoolId {
    PoolId::try_from(number).unwrap()
}

/// Two pools, `count` images in the first.
async fn fill(database: &str, count: u64) {
    let store = Store::open(database).await.unwrap();
    for name in ["a", "b"] {
        let draft = PoolDraft::auto(name, &node(name), "/pool", &format!("http://{name}:4000"), "http://x.local");
        store.create_pool(draft, SaveRule::Anyway, NOW).await.unwrap();
    }
    store.close().await;
    const NUMBERS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)";
    for what in [
        "INSERT INTO images (id, uuid, share_token, original_name, name_key, content_type, size, width, height, sha256,
            user_id, created, pool_id, entry)
         SELECT i, printf('00000000-0000-4000-8000-%012x', i), printf('%012d', i), 'a.jpg', 'a.jpg', 'image/jpeg',
            100000, 1, 1, zeroblob(32), 0, 0, 1, i FROM n",
        "INSERT INTO files (id, image_id, stored_path, kind, content_type, width, height, size, sha256, generation)
         SELECT i, i, printf('original/2026/11/24/00000000-0000-4000-8000-%012x.jpg', i), 'original', 'image/jpeg', 1,
            1, 100000, zeroblob(32), 1 FROM n",
        "INSERT INTO replicas (file_id, pool_id, generation, state, since) SELECT i, 1, 1, 'live', 0 FROM n",
    ] {
        execute(database, &format!("{NUMBERS} {what}"), count).await;
    }
    let counters = "UPDATE pools SET entered = $1, images = $1, used_files = $1, used_bytes = $1 * 100000 WHERE id = 1";
    execute(database, counters, count).await;
}

/// A job for each image, none begun.
async fn queue(database: &str, count: u64) {
    let parent = "INSERT INTO jobs (id, kind, state, target_pool_id, children_total, created)
        VALUES ($1 + 1, 'move_images', 'processing', 2, $1, 0)";
    execute(database, parent, count).await;
    let jobs = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
        INSERT INTO jobs (id, kind, state, parent_id, node_id, image_id, image_uuid, source_pool_id, target_pool_id,
            bytes_total, created)
        SELECT i, 'move_image', 'pending', $1 + 1, 'a', i, printf('00000000-0000-4000-8000-%012x', i), 1, 2, 100000, 0
        FROM n";
    execute(database, jobs, count).await;
    execute(database, "UPDATE images SET job_id = id WHERE id <= $1", count).await;
}

async fn execute(database: &str, sql: &str, count: u64) {
    let path = database.strip_prefix("sqlite://").unwrap();
    let options = SqliteConnectOptions::new().filename(Path::new(path)).disable_statement_logging();
    let mut conn = options.connect().await.unwrap();
    let query = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).bind(i64::try_from(count).unwrap());
    query.execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

/// Ends some jobs and says how many a second, and the peak of memory in KiB.
async fn run(database: &str) {
    let store = Store::open(database).await.unwrap();
    let (epoch, target_epoch) = (attach(&store, "a").await, attach(&store, "b").await);
    let (source, target) = (pool(1), pool(2));
    let order = LeaseOrder {
        node: node("a"),
        epoch,
        source,
        target,
        target_epoch,
        reach: Reach::Both,
        jobs: 32,
        only_undo: false,
        disk_free_bytes: 1 << 50,
        disk_shared_with: Vec::new(),
    };
    let (mut begin, mut ended) = (Instant::now(), 0);
    while ended < WARM_UP + JOBS {
        if ended == WARM_UP {
            begin = Instant::now();
        }
        // As the dispatcher does before each lease.
        store.lanes(NOW).await.unwrap();
        let leased = store.lease_jobs(order.clone(), NOW).await.unwrap().jobs;
        assert!(!leased.is_empty());
        let committed = store.commit_moves(leased.iter().map(done).collect(), NOW).await.unwrap();
        ended += committed.moved.len() as u64;
        store.finish_trash(committed.trash.into_iter().map(word).collect(), NOW).await.unwrap();
    }
    let rate = f64::from(u32::try_from(ended - WARM_UP).unwrap()) / begin.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    println!("{rate} {}", peak.split_whitespace().nth(1).unwrap());
    store.close().await;
}

async fn attach(store: &Store, name: &str) -> pixelfox_proto::SessionEpoch {
    let hello = Hello {
        node: node(name),
        instance: name.into(),
        version: "bench".into(),
        slots: 4,
        node_url: format!("http://{name}:4000"),
        public_base_url: format!("http://{name}.local"),
        uploads_dir: "/pool".into(),
        uploads_dir_identity: String::new(),
        process: String::new(),
        address: String::new(),
    };
    store.attach_node(hello, AutoPools::ByHand, NOW).await.unwrap().epoch
}

fn done(job: &LeasedJob) -> MoveDone {
    let file = |file: &LeasedFile| FileDone { path: file.path.clone(), outcome: FileOutcome::Stored(file.sha256) };
    MoveDone { job: job.job, lease: job.lease, epoch: job.epoch, files: job.files.iter().map(file).collect() }
}

fn word(order: TrashOrder) -> TrashResult {
    let outcome = TrashOutcome::Trashed;
    TrashResult { task: order.task, pool: order.pool, path: order.path, generation: order.generation, outcome }
}

/// How long a plan for the whole pool takes to be said, and then to be made.
async fn plan(database: &str) {
    let store = Store::open(database).await.unwrap();
    let spec = BooksSpec {
        public_domain: "http://pixelfox.test".into(),
        node: "local".parse().expect("a NODE_ID"),
        store: store.clone(),
        replication_secret: None,
        admin_token: None,
        tls_ca_file: None,
        auto_pools: AutoPools::ByHand,
        sweep: SweepTimes::default(),
    };
    let books = Books::start(spec).await.unwrap();
    let mut admin = v1::admin_client::AdminClient::new(books.admin_in_process());
    let mut said = Vec::new();
    let plan = |dry_run| v1::MovePoolRequest { source_pool_id: 1, target_pool_id: 2, dry_run, ..Default::default() };
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        match admin.move_pool(plan(true)).await {
            Ok(batch) => said.push((begin.elapsed().as_secs_f64(), batch.into_inner().images)),
            Err(status) => return println!("no plan of a whole pool: {}", status.message()),
        }
    }
    said.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (seconds, images) = said[said.len() / 2];
    let begin = Instant::now();
    let made = admin.move_pool(plan(false)).await.unwrap().into_inner();
    let made_seconds = begin.elapsed().as_secs_f64();
    assert_eq!(made.images, images);
    println!("plan of a pool of {images} images: said in {seconds:.3} s, made in {made_seconds:.3} s (goal < 1)");
    books.shut_down(std::time::Duration::ZERO).await;
    store.close().await;
}
