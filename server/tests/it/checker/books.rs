//! The books as the checker reads them, from SQLite or PostgreSQL, every column as text.

use std::collections::BTreeMap;

use sqlx::{Connection as _, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};

use super::Excuses;

/// A pool and its counters.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub(crate) id: i64,
    pub(crate) base_path: String,
    pub(crate) used_bytes: u64,
    pub(crate) used_files: u64,
    pub(crate) reserved_bytes: u64,
    pub(crate) trash_bytes: u64,
    pub(crate) trash_files: u64,
    pub(crate) images: u64,
}

/// A file in a pool.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    pub(crate) image: String,
    pub(crate) path: String,
    pub(crate) size: u64,
    /// In hex.
    pub(crate) sha256: String,
    pub(crate) pool: i64,
    pub(crate) generation: u64,
    pub(crate) state: String,
    pub(crate) trash_generation: Option<u64>,
}

/// What is on record.
#[derive(Clone, Debug)]
pub(crate) struct Books {
    pub(crate) pools: Vec<Pool>,
    pub(crate) copies: Vec<Copy>,
    /// uuid → pool
    pub(crate) images: BTreeMap<String, i64>,
    /// What is wrong within the books themselves.
    inner: Vec<String>,
    failed: Vec<String>,
}

const POOLS: &str = "SELECT CAST(id AS TEXT), base_path, CAST(used_bytes AS TEXT), CAST(used_files AS TEXT),
    CAST(reserved_bytes AS TEXT), CAST(trash_bytes AS TEXT), CAST(trash_files AS TEXT), CAST(images AS TEXT)
    FROM pools ORDER BY id";
const COPIES: &str = "SELECT i.uuid, f.stored_path, CAST(f.size AS TEXT), {hex}, CAST(r.pool_id AS TEXT),
    CAST(r.generation AS TEXT), r.state, CAST(COALESCE(r.trash_generation, -1) AS TEXT)
    FROM replicas r JOIN files f ON f.id = r.file_id JOIN images i ON i.id = f.image_id ORDER BY f.id, r.pool_id";
const IMAGES: &str = "SELECT uuid, CAST(pool_id AS TEXT) FROM images WHERE deleting = 0";

/// Sentences of what must not be, each a query that finds nothing.
const NEVER: &[(&str, &str)] = &[
    (
        "job {} is still {} ({})",
        "SELECT CAST(id AS TEXT), state, last_error FROM jobs WHERE state NOT IN ('completed', 'failed', 'cancelled')",
    ),
    ("image {} is still locked by job {}", "SELECT uuid, CAST(job_id AS TEXT) FROM images WHERE job_id IS NOT NULL"),
    ("image {} is still being deleted", "SELECT uuid FROM images WHERE deleting <> 0"),
    (
        "image {} has no file",
        "SELECT uuid FROM images i WHERE NOT EXISTS (SELECT 1 FROM files f WHERE f.image_id = i.id)",
    ),
    (
        "job {} counts {} children that are done, {} failed and {} cancelled, and has {}, {}, {}; {} were never made",
        "SELECT CAST(id AS TEXT), CAST(children_done AS TEXT), CAST(children_failed AS TEXT),
            CAST(children_cancelled AS TEXT), CAST(done AS TEXT), CAST(failed AS TEXT), CAST(cancelled AS TEXT),
            CAST(unmade AS TEXT)
        FROM (SELECT p.id, p.children_done, p.children_failed, p.children_cancelled,
                CASE WHEN p.kind = 'delete_images' THEN 0 ELSE p.children_total - p.made END AS unmade,
                (SELECT COUNT(*) FROM jobs c WHERE c.parent_id = p.id AND c.state = 'completed') AS done,
                (SELECT COUNT(*) FROM jobs c WHERE c.parent_id = p.id AND c.state = 'failed') AS failed,
                (SELECT COUNT(*) FROM jobs c WHERE c.parent_id = p.id AND c.state = 'cancelled') AS cancelled
            FROM jobs p WHERE p.kind IN ('move_pool', 'move_images', 'delete_images', 'undo')) AS parents
        WHERE children_done <> done OR children_failed <> failed OR children_cancelled <> cancelled + unmade",
    ),
    (
        "job {} ended without its end's time",
        "SELECT CAST(id AS TEXT) FROM jobs WHERE state IN ('completed', 'failed', 'cancelled') AND finished IS NULL",
    ),
    (
        "copy of file {} in pool {} has generation {}, above its file's",
        "SELECT CAST(f.id AS TEXT), CAST(r.pool_id AS TEXT), CAST(r.generation AS TEXT)
        FROM replicas r JOIN files f ON f.id = r.file_id WHERE r.generation > f.generation",
    ),
];
const FAILED: &str = "SELECT CAST(id AS TEXT), last_error FROM jobs WHERE state = 'failed'";
/// Work that is under way: jobs that have not ended, copies that are neither here nor there.
const OPEN: &str = "SELECT 'job ' || CAST(id AS TEXT), state, last_error FROM jobs
        WHERE state NOT IN ('completed', 'failed', 'cancelled')
    UNION ALL SELECT 'a copy in pool ' || CAST(pool_id AS TEXT), state, '' FROM replicas
        WHERE state IN ('writing', 'condemned', 'purging')
    UNION ALL SELECT 'image ' || uuid, 'deleting', '' FROM images WHERE deleting <> 0";

enum Database {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Database {
    async fn open(url: &str) -> Self {
        if url.starts_with("postgres") {
            return Self::Postgres(PgConnection::connect(url).await.unwrap());
        }
        // Not read-only: a stopped writer has left a journal behind, which the first reader has to take in.
        let options = url.parse::<SqliteConnectOptions>().unwrap().busy_timeout(std::time::Duration::from_secs(10));
        Self::Sqlite(SqliteConnection::connect_with(&options).await.unwrap())
    }

    async fn rows(&mut self, sql: &str) -> Vec<Vec<String>> {
        use sqlx::{AssertSqlSafe, Row as _};
        macro_rules! read {
            ($conn:expr, $hex:literal) => {{
                let sql = sql.replace("{hex}", $hex);
                let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all($conn).await.unwrap();
                rows.iter().map(|row| (0..row.len()).map(|n| row.get(n)).collect()).collect()
            }};
        }
        match self {
            Self::Sqlite(conn) => read!(conn, "lower(hex(f.sha256))"),
            Self::Postgres(conn) => read!(conn, "encode(f.sha256, 'hex')"),
        }
    }

    async fn close(self) {
        match self {
            Self::Sqlite(conn) => conn.close().await.unwrap(),
            Self::Postgres(conn) => conn.close().await.unwrap(),
        }
    }
}

impl Books {
    /// As they are now.
    pub(crate) async fn read(url: &str) -> Self {
        let mut database = Database::open(url).await;
        let mut inner = Vec::new();
        for (sentence, sql) in NEVER {
            inner.extend(database.rows(sql).await.iter().map(|row| said(sentence, row)));
        }
        let failed = database.rows(FAILED).await;
        let pools = database.rows(POOLS).await;
        let copies = database.rows(COPIES).await;
        let images = database.rows(IMAGES).await;
        database.close().await;
        Self {
            pools: pools.iter().map(|row| pool(row)).collect(),
            copies: copies.iter().map(|row| copy(row)).collect(),
            images: images.into_iter().map(|row| (row[0].clone(), row[1].parse().unwrap())).collect(),
            inner,
            failed: failed.iter().map(|row| said("job {} failed: {}", row)).collect(),
        }
    }

    pub(super) fn copy(&self, pool: i64, path: &str) -> Option<&Copy> {
        self.copies.iter().find(|copy| copy.pool == pool && copy.path == path)
    }

    pub(super) fn faults(&self, excuses: &Excuses) -> Vec<String> {
        let failed = if excuses.failed_jobs { &[][..] } else { &self.failed };
        self.inner.iter().chain(failed).cloned().collect()
    }
}

/// What is still under way, one sentence each.
pub(crate) async fn open_work(url: &str) -> Vec<String> {
    let mut database = Database::open(url).await;
    let rows = database.rows(OPEN).await;
    database.close().await;
    rows.iter().map(|row| said("{} is {} {}", row)).collect()
}

fn said(sentence: &str, row: &[String]) -> String {
    row.iter().fold(sentence.to_owned(), |sentence, word| sentence.replacen("{}", word, 1))
}

fn pool(row: &[String]) -> Pool {
    let number = |n: usize| row[n].parse().unwrap();
    Pool {
        id: row[0].parse().unwrap(),
        base_path: row[1].clone(),
        used_bytes: number(2),
        used_files: number(3),
        reserved_bytes: number(4),
        trash_bytes: number(5),
        trash_files: number(6),
        images: number(7),
    }
}

fn copy(row: &[String]) -> Copy {
    Copy {
        image: row[0].clone(),
        path: row[1].clone(),
        size: row[2].parse().unwrap(),
        sha256: row[3].clone(),
        pool: row[4].parse().unwrap(),
        generation: row[5].parse().unwrap(),
        state: row[6].clone(),
        trash_generation: row[7].parse().ok(),
    }
}
