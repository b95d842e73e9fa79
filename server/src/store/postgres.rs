//! Books in a PostgreSQL server, which several coordinators may share.

use std::time::Duration;

use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{
    Commit, StoreError,
    database::{Database, Readers, ServerReaders, Way},
    open::{APPLIED, READERS, migration_error, require_tables, without_password},
    statement::Link,
};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");
/// How long a reader is waited for.
const ACQUIRE_WAIT: Duration = Duration::from_secs(5);
/// A process that hangs within a transaction holds up the others no longer than this; waiting for it ends a little
/// later.
const SESSION: [(&str, &str); 7] = [
    ("client_connection_check_interval", "2s"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("lock_timeout", "15s"),
    ("client_min_messages", "warning"),
    ("random_page_cost", "1.1"),
    ("jit", "off"),
    ("synchronous_commit", "on"),
];
/// The writer's statements are made for indexes: each is planned once, and never, because statistics are old or a table
/// is small yet, so that it reads a whole table later.
const WRITER: [(&str, &str); 4] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
];

/// How a process of several speaks to the others.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) options: PgConnectOptions,
    /// What its own news carry.
    pub(super) tag: String,
}

/// Connects and brings the tables up to date; one process at a time does that, by the migrator's own lock.
pub(super) async fn open(url: &str) -> Result<(Database, Readers, Shared), StoreError> {
    open_with(url, Tables::BringUpToDate).await
}

/// Connects to a database whose tables are this program's.
pub(super) async fn open_beside(url: &str) -> Result<(Database, Readers, Shared), StoreError> {
    open_with(url, Tables::LeaveAlone).await
}

/// What becomes of the tables.
#[derive(Clone, Copy, PartialEq)]
enum Tables {
    BringUpToDate,
    LeaveAlone,
}

async fn open_with(url: &str, tables: Tables) -> Result<(Database, Readers, Shared), StoreError> {
    let options = options(url)?;
    let tag = uuid::Uuid::new_v4().simple().to_string();
    let process = ("pixelfox.process", tag.as_str());
    let writes = Way { options: options.clone(), session: settings(SESSION.iter().chain(&WRITER).chain([&process])) };
    let reads = Way { options: options.clone(), session: settings(SESSION.iter()) };
    let shared = Shared { options, tag };
    let mut conn = writes.connect().await.map_err(|cause| refused(url, cause))?;
    if tables == Tables::LeaveAlone {
        let applied = sqlx::query_scalar(APPLIED).fetch_all(&mut conn).await.unwrap_or_default();
        require_tables(url, &MIGRATIONS, &applied)?;
    } else {
        check(&mut conn).await?;
        MIGRATIONS
            .run_direct(None, &mut conn, false)
            .await
            .map_err(|error| migration_error(url, &MIGRATIONS, error))?;
    }
    let pool = PgPoolOptions::new().max_connections(READERS).acquire_timeout(ACQUIRE_WAIT);
    let readers = ServerReaders::new(pool, reads);
    let database = Database::Postgres { way: Box::new(writes), conn: Some(Link::Postgres(conn).into()) };
    Ok((database, Readers::Postgres(Box::new(readers)), shared))
}

fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let options: PgConnectOptions = url.parse().map_err(|_| StoreError::Url {
        url: without_password(url),
        why: "is not understood; give one like postgres://user:password@host:5432/database",
    })?;
    let options = options.application_name("pixelfox").statement_cache_capacity(256).disable_statement_logging();
    Ok(options.extra_float_digits(None))
}

pub(super) fn is_url(url: &str) -> bool {
    url.starts_with("postgres:") || url.starts_with("postgresql:")
}

/// Whether somebody is there.
///
/// # Errors
/// Nobody who can be spoken to now: as the connection tells it.
pub(super) async fn knock(url: &str) -> Result<(), String> {
    let Ok(options) = options(url) else { return Ok(()) };
    match options.connect().await {
        Ok(conn) => {
            drop(conn.close().await);
            Ok(())
        }
        Err(cause) if is_away(&cause) => Err(cause.to_string()),
        Err(_) => Ok(()),
    }
}

/// Nobody there, or a server that starts, stops or is crowded. Source: PostgreSQL, "Error Codes".
fn is_away(cause: &sqlx::Error) -> bool {
    match cause {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(said) => {
            matches!(said.code().as_deref(), Some("57P01" | "57P02" | "57P03" | "53300"))
        }
        _ => false,
    }
}

/// What the server has against it, with what to do.
fn refused(url: &str, cause: sqlx::Error) -> StoreError {
    let code = cause.as_database_error().and_then(|said| said.code()).map(|code| code.into_owned());
    let why = match code.as_deref() {
        Some("28P01" | "28000") => {
            "is refused: correct its user and password, or let the server take them (pg_hba.conf)"
        }
        Some("3D000") => "names a database that is not there: make it with createdb, or correct the name",
        _ => return lost(cause),
    };
    StoreError::Url { url: without_password(url), why }
}

#[expect(clippy::needless_pass_by_value, reason = "given to map_err")]
fn lost(cause: sqlx::Error) -> StoreError {
    StoreError::Unreachable { why: cause.to_string(), commit: Commit::NotSent }
}

/// A connection that reads, to a server whatever is in it.
pub(super) async fn connect(url: &str) -> Result<PgConnection, StoreError> {
    Way { options: options(url)?, session: settings(SESSION.iter()) }.connect().await.map_err(lost)
}

/// As SQL. The values are this program's own.
fn settings<'a>(all: impl Iterator<Item = &'a (&'a str, &'a str)>) -> String {
    all.map(|(name, value)| format!("SET {name} = '{value}';")).collect()
}

/// Commits must be durable: a delete may follow each. What the server does with them is its operator's to decide.
async fn check(conn: &mut sqlx::PgConnection) -> Result<(), StoreError> {
    let cause = |cause| StoreError::Database { doing: "say how durable its commits are", cause };
    let fsync: String = sqlx::query_scalar("SHOW fsync").fetch_one(&mut *conn).await.map_err(cause)?;
    if fsync != "on" {
        tracing::warn!(
            "the database server runs with fsync = {fsync}: a power cut can take back what was acknowledged, and files \
             may be lost with it; set fsync = on in postgresql.conf"
        );
    }
    Ok(())
}
