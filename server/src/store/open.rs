//! Opening and closing of the books, and the two ways in: one writer, some readers.

use std::{
    future::Future,
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use parking_lot::Mutex;
use sqlx::migrate::{MigrateError, Migrator};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::{
    Load, StoreError, Trouble,
    database::{Database, Readers},
    postgres::{self, Shared},
    sqlite,
    statement::Conn,
    writer::{self, Errand, Times, WAITING_INTENTS, Work},
};
use crate::catalog::Actor;

/// Connections that read.
pub(super) const READERS: u32 = 4;

/// The books of the cluster. Cheap to clone; ends when [`Store::close`] is called or the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
    /// Whose intents those of this handle are.
    by: Actor,
    pub(super) shared: Option<Shared>,
}

struct Inner {
    /// This process's number among those that share the books; 0 until it takes part.
    life: AtomicI64,
    patience: Duration,
    writer: Mutex<Option<mpsc::Sender<Box<dyn Errand>>>>,
    readers: Readers,
    tasks: TaskTracker,
    times: Times,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("readers", &self.readers).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database of this `DATABASE_URL` (`sqlite://data/pixelfox.db`, made anew where there is none, or
    /// `postgres://user@host/database`), and brings its tables up to date.
    ///
    /// # Errors
    /// A URL that is none of ours, a newer program's database, one that another process has open, a directory or file
    /// that can't be opened.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let (database, readers, shared) = if postgres::is_url(url) {
            let (database, readers, shared) = postgres::open(url).await?;
            (database, readers, Some(shared))
        } else {
            let (database, readers) = sqlite::open(url).await?;
            (database, readers, None)
        };
        Ok(Self::of(database, readers, shared))
    }

    /// Opens the database as it is, beside the server that may be running on it: for one intent of a person at the
    /// console. Makes nothing and changes no tables.
    ///
    /// # Errors
    /// There is none, or its tables are those of another program.
    pub async fn open_beside(url: &str) -> Result<Self, StoreError> {
        let store = if postgres::is_url(url) {
            let (database, readers, shared) = postgres::open_beside(url).await?;
            Self::of(database, readers, Some(shared))
        } else {
            let (database, readers) = sqlite::open_beside(url).await?;
            Self::of(database, readers, None)
        };
        Ok(store)
    }

    fn of(database: Database, readers: Readers, shared: Option<Shared>) -> Self {
        let (writer, intents) = mpsc::channel(WAITING_INTENTS);
        let (tasks, patience) = (TaskTracker::new(), database.patience());
        let times = Times::default();
        tasks.spawn(writer::run(database, intents, times.clone()));
        tasks.close();
        let (life, writer) = (AtomicI64::new(0), Mutex::new(Some(writer)));
        let inner = Inner { life, patience, writer, readers, tasks, times };
        Self { inner: Arc::new(inner), by: Actor::Server, shared }
    }

    /// The same books; what is changed through this handle is this one's doing.
    #[must_use]
    pub fn by(&self, actor: Actor) -> Self {
        Self { by: actor, ..self.clone() }
    }

    /// Whose intents those of this handle are.
    pub(crate) const fn actor(&self) -> &Actor {
        &self.by
    }

    pub(super) fn life(&self) -> &AtomicI64 {
        &self.inner.life
    }

    /// From now on the time of each transaction that writes is told.
    pub fn measure(&self, told: impl Fn(Duration) + Send + Sync + 'static) {
        self.inner.times.set(told);
    }

    /// How busy it is.
    #[must_use]
    pub fn load(&self) -> Load {
        let (open, idle) = self.inner.readers.connections();
        let waiting = self.inner.writer.lock().as_ref().map_or(0, |writer| writer.max_capacity() - writer.capacity());
        Load { open, idle, waiting: waiting as u64 }
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

    /// How long [`Store::probe`] may take at most. After that, or where it says `Closed` before the store was closed, the
    /// writer is dead: nothing will ever be written again by this process.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.inner.patience
    }

    /// One transaction, in the writer's task.
    pub(super) async fn write<T, F>(&self, doing: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> Work<'c, T> + Send + 'static,
    {
        let writer = self.inner.writer.lock().clone().ok_or(StoreError::Closed)?;
        writer::ask(&writer, self.by.clone(), doing, work).await
    }

    /// Statements of a reader, each on its own.
    pub(super) async fn read<T, F, Fut>(&self, doing: &'static str, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(Box<Conn>) -> Fut,
        Fut: Future<Output = Result<T, Trouble>>,
    {
        self.inner.readers.read(work).await.map_err(|trouble| trouble.into_error(doing))
    }
}

/// `postgres://user:secret@host/db?password=secret` without what stands between scheme and `@` or behind `?`.
pub(super) fn without_password(url: &str) -> String {
    let url = url.split_once('?').map_or(url, |(place, _)| place);
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://…@{place}"),
        _ => url.to_owned(),
    }
}

/// Whether a database's tables are this program's: `applied` are the migrations that it has had.
///
/// # Errors
/// It is of a newer program, or of an older one and no server of this program has been started on it yet.
pub(super) fn require_tables(url: &str, migrations: &Migrator, applied: &[i64]) -> Result<(), StoreError> {
    let known: Vec<i64> = migrations.iter().map(|migration| migration.version).collect();
    let newest = known.iter().copied().max().unwrap_or(0);
    if let Some(found) = applied.iter().copied().find(|version| !known.contains(version)) {
        return Err(StoreError::Newer { url: without_password(url), found, known: newest });
    }
    if known.iter().all(|version| applied.contains(version)) {
        return Ok(());
    }
    let why = "is of an older program, or empty: start the server of this version on it once, then try again";
    Err(StoreError::Url { url: without_password(url), why })
}

/// Which migrations it has had.
pub(super) const APPLIED: &str = "SELECT version FROM _sqlx_migrations WHERE success ORDER BY version";

/// What a failed migration means.
pub(super) fn migration_error(url: &str, migrations: &Migrator, error: MigrateError) -> StoreError {
    let known = migrations.iter().map(|migration| migration.version).max().unwrap_or(0);
    match error {
        MigrateError::VersionMissing(found) => StoreError::Newer { url: without_password(url), found, known },
        error => StoreError::Database { doing: "bring its tables up to date", cause: error.into() },
    }
}
