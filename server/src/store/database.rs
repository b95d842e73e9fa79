//! The writer's connection to either database: it begins, commits, and comes back after it was lost. And the readers.

use std::{fs::File, io, time::Duration};

use parking_lot::Mutex;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, PgPool, SqlitePool,
    postgres::{PgConnectOptions, PgDatabaseError, PgPoolOptions},
};
use tokio::time::timeout;

use super::{
    Commit, Trouble,
    statement::{Conn, Link, script},
};

/// How long a lost connection is waited for before those who want to write are told.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// How long a server may take to let a transaction begin (other writers go first) and to make it durable. A way to the
/// server that swallows everything is noticed by this alone.
const BEGIN_WAIT: Duration = Duration::from_secs(20);
const COMMIT_WAIT: Duration = Duration::from_secs(30);
/// How long one intent may take in it.
const INTENT_WAIT: Duration = Duration::from_secs(60);
/// A writer that has no word for longer than all of its deadlines is dead.
const FILE_PATIENCE: Duration = Duration::from_secs(30);
const SERVER_PATIENCE: Duration = Duration::from_secs(150);
/// The advisory lock under which transactions that write follow one another, whichever process they are of: so what
/// one reads stays true until it has written, as with SQLite.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(7310579811841)";

/// What the writer holds.
pub(super) enum Database {
    /// The one writer of a file. The lock keeps every other process out.
    /// Without a lock beside such a process, for one intent of a person.
    Sqlite { conn: Conn, lock: Option<File> },
    /// One of possibly several processes. `None`: the connection was lost.
    Postgres { way: Box<Way>, conn: Option<Conn> },
}

/// Waits for a server's answer, as long as `patience` allows.
pub(super) async fn answer<T>(
    patience: Duration,
    doing: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    timeout(patience, doing).await.unwrap_or_else(|_| {
        let why = format!("no answer for {} s", patience.as_secs());
        Err(sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, why)))
    })
}

impl Database {
    /// Begins a transaction that no other process writes beside.
    pub(super) async fn begin(&mut self) -> Result<&mut Conn, sqlx::Error> {
        match self {
            Self::Sqlite { conn, .. } => {
                script(conn, "BEGIN IMMEDIATE").await?;
                Ok(conn)
            }
            Self::Postgres { way, conn } => {
                let begun = match conn.take() {
                    Some(held) => begin(held).await,
                    None => begin(Link::Postgres(way.connect().await?).into()).await,
                };
                Ok(conn.insert(begun?))
            }
        }
    }

    /// Durable from then on. After an error it is not known whether it is.
    pub(super) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        let Some(conn) = self.conn() else { return Err(sqlx::Error::WorkerCrashed) };
        let end = match conn.link {
            Link::Postgres(_) => answer(COMMIT_WAIT, script(conn, "COMMIT")).await,
            _ => script(conn, "COMMIT").await,
        };
        if end.is_err() {
            self.roll_back().await;
        }
        end
    }

    /// What a failed commit leaves. A file's is rolled back here; what a server made of it nobody knows.
    pub(super) const fn after_commit(&self) -> Commit {
        match self {
            Self::Sqlite { .. } => Commit::NotSent,
            Self::Postgres { .. } => Commit::Unanswered,
        }
    }

    /// Whether the connection is to a server, which may be away, and how long an intent may take there.
    pub(super) const fn intent_wait(&self) -> Option<Duration> {
        match self {
            Self::Sqlite { .. } => None,
            Self::Postgres { .. } => Some(INTENT_WAIT),
        }
    }

    /// After so long without a word the writer is dead, whatever the state of a server.
    pub(super) const fn patience(&self) -> Duration {
        match self {
            Self::Sqlite { .. } => FILE_PATIENCE,
            Self::Postgres { .. } => SERVER_PATIENCE,
        }
    }

    /// The connection is not used again: what was under way on it is undone by the server.
    pub(super) fn abandon(&mut self) {
        if let Self::Postgres { conn, .. } = self {
            *conn = None;
        }
    }

    /// Undoes it. A connection on which that fails is not used again, where another can be had.
    pub(super) async fn roll_back(&mut self) {
        let Some(conn) = self.conn() else { return };
        let end = match conn.link {
            Link::Postgres(_) => answer(CONNECT_WAIT, script(conn, "ROLLBACK")).await,
            _ => script(conn, "ROLLBACK").await, // SQLite may have rolled back by itself
        };
        if end.is_err() {
            self.abandon();
        }
    }

    /// Ends the connection in order.
    pub(super) async fn close(self) {
        let (conn, lock) = match self {
            Self::Sqlite { conn, lock } => (Some(conn), lock),
            Self::Postgres { conn, .. } => (conn, None),
        };
        let end = match conn.map(|conn| conn.link) {
            Some(Link::Sqlite(conn)) => conn.close().await,
            Some(Link::Postgres(conn)) => conn.close().await,
            Some(Link::SqliteReader(_) | Link::PostgresReader(_)) | None => Ok(()),
        };
        if let Err(error) = end {
            tracing::warn!("could not close the database: {error}");
        }
        drop(lock);
    }

    fn conn(&mut self) -> Option<&mut Conn> {
        match self {
            Self::Sqlite { conn, .. } => Some(conn),
            Self::Postgres { conn, .. } => conn.as_mut(),
        }
    }
}

/// A connection on which that fails is not used again.
async fn begin(mut conn: Conn) -> Result<Conn, sqlx::Error> {
    answer(BEGIN_WAIT, script(&mut conn, BEGIN)).await?;
    Ok(conn)
}

/// How a connection to a server is had.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) options: PgConnectOptions,
    /// What is set on each, in SQL: a pooler between passes that on, and no parameters of the start.
    pub(super) session: String,
}

impl Way {
    /// A new connection, or why there is none in time.
    pub(super) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let connecting = async {
            let mut conn = self.options.connect().await?;
            self.set_up(&mut conn).await?;
            Ok(conn)
        };
        answer(CONNECT_WAIT, connecting).await
    }

    async fn set_up(&self, conn: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(self.session.clone())).execute(conn).await.map(drop)
    }

    /// Connections of this kind, made when one is needed.
    fn pool(&self, settings: PgPoolOptions) -> PgPool {
        let way = self.clone();
        let settings = settings.after_connect(move |conn, _| {
            let way = way.clone();
            Box::pin(async move { way.set_up(conn).await })
        });
        settings.connect_lazy_with(self.options.clone())
    }
}

/// Connections that read.
#[derive(Debug)]
pub(super) enum Readers {
    /// Of a file.
    Sqlite(SqlitePool),
    /// Of a server.
    Postgres(Box<ServerReaders>),
}

/// Connections to a server: when one of them gives no answer, all of them are given up for new ones.
#[derive(Debug)]
pub(super) struct ServerReaders {
    pool: Mutex<PgPool>,
    settings: PgPoolOptions,
    way: Way,
}

impl ServerReaders {
    pub(super) fn new(settings: PgPoolOptions, way: Way) -> Self {
        Self { pool: Mutex::new(way.pool(settings.clone())), settings, way }
    }

    pub(super) fn pool(&self) -> PgPool {
        self.pool.lock().clone()
    }

    fn renew(&self, silent: &PgPool) {
        let mut pool = self.pool.lock();
        if std::ptr::eq(pool.options(), silent.options()) {
            *pool = self.way.pool(self.settings.clone());
        }
    }
}

impl Readers {
    /// Does something with one of them.
    pub(super) async fn read<T, F, Fut>(&self, work: F) -> Result<T, Trouble>
    where
        F: FnOnce(Box<Conn>) -> Fut,
        Fut: Future<Output = Result<T, Trouble>>,
    {
        match self {
            Self::Sqlite(pool) => work(Box::new(Link::SqliteReader(pool.acquire().await?).into())).await,
            Self::Postgres(readers) => {
                let pool = readers.pool();
                let conn = Box::new(Link::PostgresReader(pool.acquire().await?).into());
                let done = answer(INTENT_WAIT, async { Ok(work(conn).await) }).await;
                done.unwrap_or_else(|silence| {
                    readers.renew(&pool);
                    Err(silence.into())
                })
            }
        }
    }

    /// How many there are, and how many of them nobody uses.
    pub(super) fn connections(&self) -> (u64, u64) {
        match self {
            Self::Sqlite(pool) => (pool.size().into(), pool.num_idle() as u64),
            Self::Postgres(readers) => {
                let pool = readers.pool();
                (pool.size().into(), pool.num_idle() as u64)
            }
        }
    }

    /// Ends them.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(readers) => readers.pool().close().await,
        }
    }
}

/// Whether this is about the database being there, or having room, and not about what was asked of it: the same may
/// be asked again.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => {
            if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
                let code = error.code();
                return LOST.iter().any(|class| code.starts_with(class));
            }
            let code: Option<u32> = error.code().and_then(|code| code.parse().ok());
            code.is_some_and(|code| SQLITE_LOST.contains(&(code & 0xff)))
        }
        _ => false,
    }
}

/// 08: connection exceptions; 57P: the server ends it; 53: out of connections, memory, disk; 25P03: it idled in a
/// transaction; 55P03: it waited too long for another writer; 58: its disk fails.
const LOST: [&str; 6] = ["08", "57P", "53", "25P03", "55P03", "58"];
/// SQLITE_BUSY (another program), SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN, with whatever is in the higher bytes.
const SQLITE_LOST: [u32; 4] = [5, 10, 13, 14];
