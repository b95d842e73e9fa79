//! The writer's connection to either database: it begins, commits, and comes back after it was lost. And the readers.

use std::fs::File;
use std::time::Duration;

use sqlx::{ConnectOptions as _, Connection as _, PgPool, SqlitePool, postgres::PgConnectOptions};
use tokio::time::timeout;

use super::statement::{Conn, script};

/// How long a lost connection is waited for before those who want to write are told.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// The advisory lock under which transactions that write follow one another, whichever process they are of: so what
/// one reads stays true until it has written, as with SQLite.
const BEGIN: &str = "BEGIN; SELECT pg_advisory_xact_lock(7310579811841)";

/// What the writer holds.
pub(super) enum Database {
    /// The one writer of a file. The lock keeps every other process out.
    Sqlite { conn: Conn, lock: File },
    /// One of possibly several processes. `None`: the connection was lost.
    Postgres { options: Box<PgConnectOptions>, conn: Option<Conn> },
}

impl Database {
    /// Begins a transaction that no other process writes beside.
    pub(super) async fn begin(&mut self) -> Result<&mut Conn, sqlx::Error> {
        match self {
            Self::Sqlite { conn, .. } => {
                script(conn, "BEGIN IMMEDIATE").await?;
                Ok(conn)
            }
            Self::Postgres { options, conn } => {
                let mut held = match conn.take() {
                    Some(held) => held,
                    None => Conn::Postgres(connect(options).await?),
                };
                script(&mut held, BEGIN).await?; // a connection on which that fails is not used again
                Ok(conn.insert(held))
            }
        }
    }

    /// Durable from then on. After an error it is not known whether it is.
    pub(super) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        let Some(conn) = self.conn() else { return Err(sqlx::Error::WorkerCrashed) };
        let end = script(conn, "COMMIT").await;
        if end.is_err() {
            self.roll_back().await;
        }
        end
    }

    /// Undoes it. A connection on which that fails is not used again, where another can be had.
    pub(super) async fn roll_back(&mut self) {
        let Some(conn) = self.conn() else { return };
        let end = script(conn, "ROLLBACK").await; // SQLite may have rolled back by itself
        if let (Err(_), Self::Postgres { conn, .. }) = (end, self) {
            *conn = None;
        }
    }

    /// Ends the connection in order.
    pub(super) async fn close(self) {
        let (conn, lock) = match self {
            Self::Sqlite { conn, lock } => (Some(conn), Some(lock)),
            Self::Postgres { conn, .. } => (conn, None),
        };
        let end = match conn {
            Some(Conn::Sqlite(conn)) => conn.close().await,
            Some(Conn::Postgres(conn)) => conn.close().await,
            Some(Conn::SqliteReader(_) | Conn::PostgresReader(_)) | None => Ok(()),
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

/// A new connection, or why there is none in time.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<sqlx::PgConnection, sqlx::Error> {
    timeout(CONNECT_WAIT, options.connect()).await.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut))
}

/// Connections that read.
#[derive(Debug)]
pub(super) enum Readers {
    /// Of a file.
    Sqlite(SqlitePool),
    /// Of a server.
    Postgres(PgPool),
}

impl Readers {
    /// One of them.
    pub(super) async fn acquire(&self) -> Result<Box<Conn>, sqlx::Error> {
        Ok(Box::new(match self {
            Self::Sqlite(pool) => Conn::SqliteReader(pool.acquire().await?),
            Self::Postgres(pool) => Conn::PostgresReader(pool.acquire().await?),
        }))
    }

    /// Ends them.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// Whether this is about the way to the database and not about what was asked of it.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
        // 08: connection exceptions; 57P: the server ends it; 53: out of connections, memory, disk; 25P03: it idled in
        // a transaction; 55P03: it waited too long for another writer.
        sqlx::Error::Database(error) => {
            error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some_and(|error| {
                let code = error.code();
                ["08", "57P", "53", "25P03", "55P03"].iter().any(|class| code.starts_with(class))
            })
        }
        _ => false,
    }
}
