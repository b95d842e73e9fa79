//! Books of a small cluster for the store's suite: `local` with pool 1 (`Default`), `s01` with pool 2 (`img1`).
//! A suite is a list of functions over [`Books`], so that each database runs the same one.

use pixelfox_proto::{FileMeta, ImageId, NodeId, PoolId, SessionEpoch, Sha256, StoredPath};
use pixelfox_server::{
    catalog::{
        FileDone, FileOutcome, Hello, LeaseOrder, Leased, LeasedJob, MoveAsk, MoveBatch, MoveDone, NewUpload, PlanRule,
        Pool, PoolDraft, Reach, SaveRule, TrashOrder, TrashOutcome, TrashResult, UnixMillis, UploadDecision,
    },
    store::{AutoPools, Store},
};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Executor as _, postgres::PgConnectOptions, sqlite::SqliteConnectOptions,
};
use tempfile::TempDir;

use crate::postgres;

/// Bytes of every image here.
pub(crate) const SIZE: u64 = 1000;

pub(crate) struct Books {
    pub(crate) store: Store,
    pub(crate) home: Home,
    /// Sessions of `local` and `s01`.
    pub(crate) local: SessionEpoch,
    pub(crate) s01: SessionEpoch,
}

/// Where the books are.
pub(crate) enum Home {
    Sqlite(TempDir),
    Postgres(String),
}

impl Home {
    /// Its `DATABASE_URL`.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(dir) => format!("sqlite://{}/books.db", dir.path().display()),
            Self::Postgres(url) => url.clone(),
        }
    }

    /// Does something to the database that no program of ours does.
    pub(crate) async fn execute(&self, sql: &str) {
        match self {
            Self::Sqlite(_) => {
                let options: SqliteConnectOptions = self.url().parse().unwrap();
                options.connect().await.unwrap().execute(AssertSqlSafe(sql)).await.unwrap();
            }
            Self::Postgres(url) => {
                let options: PgConnectOptions = url.parse().unwrap();
                options.connect().await.unwrap().execute(AssertSqlSafe(sql)).await.unwrap();
            }
        }
    }
}

/// Makes two modules that run each function of a suite, one on SQLite, one on PostgreSQL.
macro_rules! suite {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            use crate::store_books::Books;

            $(#[tokio::test]
            async fn $name() {
                super::$name(Books::sqlite().await).await;
            })+
        }

        mod postgres {
            use crate::store_books::Books;

            $(#[tokio::test]
            async fn $name() {
                super::$name(Books::postgres().await).await;
            })+
        }
    };
}
pub(crate) use suite;

pub(crate) fn at(seconds: i64) -> UnixMillis {
    UnixMillis(1_800_000_000_000 + seconds * 1000)
}

pub(crate) fn pool(number: u64) -> PoolId {
    PoolId::try_from(number).unwrap()
}

pub(crate) fn node(name: &str) -> NodeId {
    name.parse().unwrap()
}

pub(crate) fn image(number: u64) -> ImageId {
    ImageId::from_bytes(u128::from(number).to_be_bytes())
}

pub(crate) fn path(number: u64) -> StoredPath {
    format!("original/2026/11/24/{}.jpg", image(number)).parse().unwrap()
}

pub(crate) fn digest(number: u64) -> Sha256 {
    Sha256::of(&number.to_be_bytes())
}

pub(crate) fn hello(name: &str) -> Hello {
    Hello {
        node: node(name),
        instance: format!("instance of {name}"),
        version: "0.1.0".into(),
        slots: 4,
        node_url: format!("http://{name}:4000"),
        public_base_url: format!("http://{name}.local:8080"),
        uploads_dir: format!("/app/uploads_{name}"),
        uploads_dir_identity: String::new(),
        process: "1".into(),
        address: "127.0.0.1".into(),
    }
}

pub(crate) fn draft(name: &str, node_name: &str) -> PoolDraft {
    let (url, public) = (format!("http://{node_name}:4000"), format!("http://{node_name}.local:8080"));
    PoolDraft::auto(name, &node(node_name), &format!("/app/uploads_{node_name}"), &url, &public)
}

/// Image `number` as `local` uploaded it to pool 1, of no user.
pub(crate) fn upload(number: u64) -> NewUpload {
    NewUpload {
        id: image(number),
        node: node("local"),
        visitor: None,
        pool: pool(1),
        path: path(number),
        size: SIZE,
        sha256: digest(number),
        meta: FileMeta {
            image_uuid: image(number).to_string(),
            kind: "original".into(),
            share_token: format!("{number:012}"),
            original_name: format!("Bild {number}.jpg"),
            content_type: "image/jpeg".into(),
            width: 40,
            height: 30,
            user_id: 0,
            created: 0,
        },
    }
}

/// What a node that stored everything says.
pub(crate) fn done(job: &LeasedJob) -> MoveDone {
    let file = |file: &pixelfox_server::catalog::LeasedFile| FileDone {
        path: file.path.clone(),
        outcome: FileOutcome::Stored(file.sha256),
    };
    MoveDone { job: job.job, lease: job.lease, epoch: job.epoch, files: job.files.iter().map(file).collect() }
}

/// What a node says of an order for the trash.
pub(crate) fn result(order: &TrashOrder, outcome: TrashOutcome) -> TrashResult {
    TrashResult { task: order.task, pool: order.pool, path: order.path.clone(), generation: order.generation, outcome }
}

impl Books {
    pub(crate) async fn sqlite() -> Self {
        Self::open(Home::Sqlite(tempfile::tempdir().unwrap())).await
    }

    pub(crate) async fn postgres() -> Self {
        Self::open(Home::Postgres(postgres::database().await)).await
    }

    pub(crate) async fn open(home: Home) -> Self {
        let store = Store::open(&home.url()).await.unwrap();
        let first = PoolDraft::first(&node("local"), "/app/uploads", "http://local:4000", "http://local.local:8080");
        store.first_pool(first, at(0)).await.unwrap().unwrap();
        store.create_pool(draft("img1", "s01"), SaveRule::Checked, at(0)).await.unwrap();
        let mut books = Self { store, home, local: SessionEpoch(0), s01: SessionEpoch(0) };
        books.attach().await;
        books
    }

    /// Both nodes come (again).
    pub(crate) async fn attach(&mut self) {
        self.local = self.store.attach_node(hello("local"), AutoPools::ByHand, at(0)).await.unwrap().epoch;
        self.s01 = self.store.attach_node(hello("s01"), AutoPools::ByHand, at(0)).await.unwrap().epoch;
    }

    /// As after a crash: nothing is closed or said good-bye to.
    pub(crate) async fn reopen(self) -> Self {
        let Self { store, home, local, s01 } = self;
        drop(store);
        let store = Store::open(&home.url()).await.unwrap();
        Self { store, home, local, s01 }
    }

    pub(crate) async fn uploaded(&self, numbers: std::ops::Range<u64>) {
        self.uploaded_of(numbers, SIZE).await;
    }

    /// Each of so many bytes.
    pub(crate) async fn uploaded_of(&self, numbers: std::ops::Range<u64>, size: u64) {
        for number in numbers {
            let upload = NewUpload { size, ..upload(number) };
            let decision = self.store.commit_upload(upload, at(0)).await.unwrap();
            assert!(matches!(decision, UploadDecision::Keep(_)), "{decision:?}");
        }
    }

    pub(crate) async fn plan(&self, numbers: std::ops::Range<u64>, target: u64) -> MoveBatch {
        self.store.plan_move_images(ask(numbers, target), at(1)).await.unwrap()
    }

    /// An order from pool to pool for the sessions of now.
    pub(crate) fn order(&self, source: u64, target: u64) -> LeaseOrder {
        let of = |number| match number {
            1 => (node("local"), self.local),
            _ => (node("s01"), self.s01),
        };
        let (node, epoch) = of(source);
        let target_epoch = of(target).1;
        let (source, target) = (pool(source), pool(target));
        LeaseOrder {
            node,
            epoch,
            source,
            target,
            target_epoch,
            reach: Reach::Both,
            jobs: 100,
            only_undo: false,
            disk_free_bytes: 1 << 40,
            disk_shared_with: Vec::new(),
        }
    }

    pub(crate) async fn lease(&self, source: u64, target: u64) -> Leased {
        self.store.lease_jobs(self.order(source, target), at(2)).await.unwrap()
    }

    /// Moves images from pool to pool to the very end.
    pub(crate) async fn moved(&self, numbers: std::ops::Range<u64>, source: u64, target: u64) {
        let count = numbers.clone().count();
        self.plan(numbers, target).await;
        let leased = self.lease(source, target).await;
        assert_eq!(leased.jobs.len(), count);
        let committed = self.store.commit_moves(leased.jobs.iter().map(done).collect(), at(3)).await.unwrap();
        assert_eq!(committed.moved.len(), count);
        let words = committed.trash.iter().map(|order| result(order, TrashOutcome::Trashed)).collect();
        self.store.finish_trash(words, at(4)).await.unwrap();
    }

    pub(crate) async fn pool(&self, number: u64) -> Pool {
        self.store.get_pool(pool(number)).await.unwrap()
    }

    /// The counters are what a recount gives.
    pub(crate) async fn assert_counted(&self) {
        for (pool, kept, counted) in self.store.recount_usage(at(9)).await.unwrap() {
            assert_eq!(kept, counted, "counters of pool {pool} against a recount");
        }
    }
}

pub(crate) fn ask(numbers: std::ops::Range<u64>, target: u64) -> MoveAsk {
    let images = numbers.map(image).collect();
    MoveAsk { images, target: pool(target), rule: PlanRule::Start, request_id: String::new() }
}
