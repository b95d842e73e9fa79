//! The job engine against bare SQL on the same tables: lease 32 and complete them in batches, on SQLite with
//! `synchronous=FULL` and on PostgreSQL (where it is installed: a private server with the settings of its package).
//! `cargo bench -p pixelfox-server --bench jobs [-- JOBS] [sqlite|postgres]`; prints jobs per second and the ratio.
//!
//! Bare SQL twice. The least: one transaction that takes 32 pending jobs, two that move their copies, images and jobs
//! on, with nothing in the books of who holds what, what is reserved and used, and how far a parent has come. The same
//! books: what the engine leaves, row by row, compared at the end. Neither checks anything or tells anybody.
#![expect(clippy::unwrap_used, reason = "a bench that can't go on ends where it stands")]

mod jobs_parts;

use std::{ops::Range, path::PathBuf, time::Duration};

use jobs_parts::{bare, books, cluster::Postgres};
use pixelfox_proto::{FileMeta, ImageId, NodeId, PoolId, SessionEpoch, Sha256};
use pixelfox_server::{
    catalog::{
        FileDone, FileOutcome, Hello, LeaseOrder, LeasedJob, MoveAsk, MoveDone, NewUpload, PlanRule, PoolDraft, Reach,
        SaveRule, TrashOutcome, TrashResult, UnixMillis,
    },
    store::{AutoPools, Store},
};
use tokio::{task::JoinSet, time::Instant};

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const BATCH: u32 = 32;

const ROUNDS: usize = 5;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let jobs: u64 = words.iter().find_map(|word| word.parse().ok()).unwrap_or(20_000);
    let asked = |name: &str| {
        !["sqlite", "postgres"].into_iter().any(|other| other != name && words.iter().any(|word| word == other))
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        if asked("sqlite") {
            compare("SQLite", &Place::File(tempfile::tempdir_in(".").unwrap()), jobs).await;
        }
        match asked("postgres").then(Postgres::start) {
            Some(Some(server)) => compare("PostgreSQL", &Place::Server(server), jobs).await,
            Some(None) => println!("PostgreSQL is not installed"),
            None => {}
        }
    });
}

async fn compare(name: &str, place: &Place, jobs: u64) {
    let (mut engines, mut leasts, mut same) = (Vec::new(), Vec::new(), Vec::new());
    let order = fill(place, jobs).await;
    for _ in 0..ROUNDS {
        engines.push(rate(jobs, engine(jobs, place, &order).await));
        leasts.push(rate(jobs, least(place).await));
        same.push(rate(jobs, same_books(place, &order).await));
        place.forget("engine").await;
    }
    let each = format!("each {engines:.0?} {leasts:.0?} {same:.0?}");
    let (engine, least, same) = (median(engines), median(leasts), median(same));
    println!(
        "{name}: engine {engine:.0} jobs/s; bare SQL with the same books {same:.0} jobs/s, ratio {:.2} (goal ≥ 0.5); the \
         least {least:.0} jobs/s, ratio {:.2}; {each}",
        engine / same,
        engine / least
    );
}

fn rate(jobs: u64, took: Duration) -> f64 {
    f64::from(u32::try_from(jobs).unwrap()) / took.as_secs_f64()
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Where the books are that every run starts from.
enum Place {
    File(tempfile::TempDir),
    Server(Postgres),
}

impl Place {
    /// The address of the books called so.
    fn url(&self, name: &str) -> String {
        match self {
            Self::File(_) => format!("sqlite://{}", self.file(name).display()),
            Self::Server(server) => server.url(name),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        let Self::File(dir) = self else { unreachable!("a server's books are no file of ours") };
        dir.path().join(format!("{name}.db"))
    }

    /// A copy of the closed books: the file with what its log still holds, or a database from them as the template.
    async fn copy(&self, name: &str) {
        match self {
            Self::File(_) => {
                for end in ["", "-wal"] {
                    let from = format!("{}{end}", self.file("books").display());
                    if PathBuf::from(&from).try_exists().unwrap() {
                        std::fs::copy(from, format!("{}{end}", self.file(name).display())).unwrap();
                    }
                }
            }
            Self::Server(server) => {
                server.order(format!("CREATE DATABASE {name} TEMPLATE books")).await;
                server.order("CHECKPOINT".into()).await;
            }
        }
    }

    async fn forget(&self, name: &str) {
        match self {
            Self::File(_) => {
                for end in ["", "-wal", "-shm"] {
                    drop(std::fs::remove_file(format!("{}{end}", self.file(name).display())));
                }
            }
            Self::Server(server) => server.order(format!("DROP DATABASE {name} WITH (FORCE)")).await,
        }
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
        uploads_dir_identity: String::new(),
        process: String::new(),
        address: String::new(),
    };
    store.attach_node(hello, AutoPools::ByHand, NOW).await.unwrap().epoch
}

/// Two nodes with a pool each, `jobs` images in the first, all planned for the second. Gives the order that leases them.
async fn fill(place: &Place, jobs: u64) -> LeaseOrder {
    if let Place::Server(server) = place {
        server.order("CREATE DATABASE books".into()).await;
    }
    let store = Store::open(&place.url("books")).await.unwrap();
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
        only_undo: false,
        disk_free_bytes: 1 << 50,
        disk_shared_with: Vec::new(),
    };
    store.close().await;
    if let Place::Server(server) = place {
        server.tidy("books").await;
    }
    order
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
async fn engine(jobs: u64, place: &Place, order: &LeaseOrder) -> Duration {
    place.copy("engine").await;
    let store = Store::open(&place.url("engine")).await.unwrap();
    let start = Instant::now();
    let mut ended = 0;
    loop {
        let leased = store.lease_jobs(order.clone(), NOW).await.unwrap().jobs;
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
    took
}

async fn least(place: &Place) -> Duration {
    place.copy("bare").await;
    let took = match place {
        Place::File(_) => bare::sqlite(&place.file("bare")).await,
        Place::Server(server) => bare::postgres(&server.url("bare")).await,
    };
    place.forget("bare").await;
    took
}

async fn same_books(place: &Place, order: &LeaseOrder) -> Duration {
    let signed = |number: u64| i64::try_from(number).unwrap();
    let epochs = (signed(order.epoch.0), signed(order.target_epoch.0));
    place.copy("same").await;
    let took = match place {
        Place::File(_) => {
            let took = books::sqlite(&place.file("same"), NOW.0, epochs).await;
            books::compare(&place.file("same"), &place.file("engine")).await;
            took
        }
        Place::Server(server) => books::postgres(&server.url("same"), NOW.0, epochs).await,
    };
    place.forget("same").await;
    took
}
