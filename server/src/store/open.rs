//! Opening and closing of the books, and the two ways in: one writer, some readers.

use std::{
    fs::{self, File},
    future::Future,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use sqlx::{
    ConnectOptions as _, Sqlite, SqliteConnection, SqlitePool,
    migrate::{MigrateError, Migrator},
    pool::PoolConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::task::TaskTracker;

use super::{
    StoreError, Trouble,
    writer::{self, Errand, WAITING_INTENTS, Work},
};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");
/// Connections that read.
const READERS: u32 = 4;
/// How long an earlier holder of the database has to let go of it.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// The books of the cluster. Cheap to clone; ends when [`Store::close`] is called or the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    writer: Mutex<Option<mpsc::Sender<Box<dyn Errand>>>>,
    readers: SqlitePool,
    tasks: TaskTracker,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("readers", &self.readers).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database of this `DATABASE_URL` (`sqlite://data/pixelfox.db`), made anew where there is none, and
    /// brings its tables up to date.
    ///
    /// # Errors
    /// A URL that is none of ours, a newer program's database, one that another process has open, a directory or file
    /// that can't be opened.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let path = path_of(url)?;
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            fs::create_dir_all(directory).map_err(|cause| place("make the directory", directory, cause))?;
        }
        let lock = lock(&path).await?;
        let database = |doing| move |cause| StoreError::Database { doing, cause };
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            .statement_cache_capacity(256)
            .disable_statement_logging();
        let mut conn = options.clone().create_if_missing(true).connect().await.map_err(database("be opened"))?;
        MIGRATIONS.run_direct(None, &mut conn, false).await.map_err(|error| migration_error(url, error))?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.read_only(true))
            .await
            .map_err(database("be opened for reading"))?;
        let (writer, intents) = mpsc::channel(WAITING_INTENTS);
        let tasks = TaskTracker::new();
        tasks.spawn(writer::run(conn, intents, lock));
        tasks.close();
        Ok(Self { inner: Arc::new(Inner { writer: Mutex::new(Some(writer)), readers, tasks }) })
    }

    /// Takes no further intents, ends those that wait, closes the database.
    pub async fn close(&self) {
        drop(self.inner.writer.lock().take());
        self.inner.tasks.wait().await;
        self.inner.readers.close().await;
    }

    /// Whether the writer answers. Each call is a (batched) empty transaction.
    ///
    /// # Errors
    /// The writer is dead or the database fails.
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.write("answer", |_| Box::pin(async { Ok(()) })).await
    }

    /// One transaction, in the writer's task.
    pub(super) async fn write<T, F>(&self, doing: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Work<'c, T> + Send + 'static,
    {
        let writer = self.inner.writer.lock().clone().ok_or(StoreError::Closed)?;
        writer::ask(&writer, doing, work).await
    }

    /// Statements of a reader, each on its own.
    pub(super) async fn read<T, F, Fut>(&self, doing: &'static str, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(PoolConnection<Sqlite>) -> Fut,
        Fut: Future<Output = Result<T, Trouble>>,
    {
        let conn = self.inner.readers.acquire().await.map_err(|cause| match cause {
            sqlx::Error::PoolClosed => StoreError::Closed,
            cause => StoreError::Database { doing, cause },
        })?;
        work(conn).await.map_err(|trouble| trouble.into_error(doing))
    }
}

fn place(doing: &'static str, path: &Path, cause: io::Error) -> StoreError {
    StoreError::Place { doing, path: path.display().to_string(), cause }
}

fn path_of(url: &str) -> Result<PathBuf, StoreError> {
    let refuse = |why| StoreError::Url { url: without_password(url), why };
    let Some(rest) = url.strip_prefix("sqlite:") else {
        return Err(refuse("only SQLite is built so far; give a path like sqlite://data/pixelfox.db"));
    };
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path.contains(":memory:") {
        return Err(refuse("needs the path of a file, like sqlite://data/pixelfox.db; nothing is kept in memory only"));
    }
    if path.contains('?') {
        return Err(refuse("takes no options after `?`; leave them out"));
    }
    Ok(path.into())
}

/// `postgres://user:secret@host/db` without what stands between scheme and `@`.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://…@{place}"),
        _ => url.to_owned(),
    }
}

/// One process at a time: SQLite would let a second coordinator in, and each would hand out the other's jobs.
async fn lock(database: &Path) -> Result<File, StoreError> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|cause| place("make", &path, cause))?;
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(fs::TryLockError::WouldBlock) => {
                let cause = io::Error::new(io::ErrorKind::ResourceBusy, "another server has this database open");
                return Err(place("lock", &path, cause));
            }
            Err(fs::TryLockError::Error(cause)) => return Err(place("lock", &path, cause)),
        }
    }
}

fn migration_error(url: &str, error: MigrateError) -> StoreError {
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    match error {
        MigrateError::VersionMissing(found) => StoreError::Newer { url: url.to_owned(), found, known },
        error => StoreError::Database { doing: "bring its tables up to date", cause: error.into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_database_urls_are_ours() {
        for (url, want) in [
            ("sqlite://data/pixelfox.db", Ok("data/pixelfox.db")),
            ("sqlite:///var/lib/pixelfox.db", Ok("/var/lib/pixelfox.db")),
            ("sqlite:pixelfox.db", Ok("pixelfox.db")),
            ("sqlite::memory:", Err("needs the path of a file")),
            ("sqlite://", Err("needs the path of a file")),
            ("sqlite://a.db?mode=ro", Err("takes no options")),
            ("mysql://x", Err("only SQLite is built so far")),
            ("postgres://u:geheim@h/db", Err("postgres://…@h/db: only SQLite")),
        ] {
            match (path_of(url), want) {
                (Ok(path), Ok(want)) => assert_eq!(path, Path::new(want)),
                (Err(error), Err(want)) => {
                    let text = error.to_string();
                    assert!(text.contains(want) && !text.contains("geheim"), "{text}");
                }
                (got, want) => panic!("{url}: {got:?} instead of {want:?}"),
            }
        }
    }
}
