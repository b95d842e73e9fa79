//! Books in a PostgreSQL server, which several coordinators may share.

use std::time::Duration;

use sqlx::{
    ConnectOptions as _, Executor as _,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{
    StoreError,
    database::{Database, Readers, connect},
    open::{READERS, migration_error, without_password},
    statement::Conn,
};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");
/// How long a reader is waited for.
const ACQUIRE_WAIT: Duration = Duration::from_secs(5);
/// A process that hangs within a transaction holds up the others no longer than this; waiting for it ends a little
/// later.
const SESSION: [(&str, &str); 3] =
    [("idle_in_transaction_session_timeout", "10s"), ("lock_timeout", "15s"), ("client_min_messages", "warning")];

/// Connects and brings the tables up to date; one process at a time does that, by the migrator's own lock.
pub(super) async fn open(url: &str) -> Result<(Database, Readers), StoreError> {
    let options: PgConnectOptions = url.parse().map_err(|_| StoreError::Url {
        url: without_password(url),
        why: "is not understood; give one like postgres://user:password@host:5432/database",
    })?;
    let options = options.application_name("pixelfox").statement_cache_capacity(256).disable_statement_logging();
    let options = options.options(SESSION);
    let lost = |cause: sqlx::Error| StoreError::Unreachable { why: cause.to_string() };
    let mut conn = connect(&options).await.map_err(lost)?;
    check(&mut conn).await?;
    MIGRATIONS.run_direct(None, &mut conn, false).await.map_err(|error| migration_error(url, &MIGRATIONS, error))?;
    let readers = PgPoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(ACQUIRE_WAIT)
        .connect_with(options.clone())
        .await
        .map_err(lost)?;
    let database = Database::Postgres { options: Box::new(options), conn: Some(Conn::Postgres(conn)) };
    Ok((database, Readers::Postgres(readers)))
}

/// Commits must be durable: a delete may follow each.
async fn check(conn: &mut sqlx::PgConnection) -> Result<(), StoreError> {
    let cause = |cause| StoreError::Database { doing: "say how durable its commits are", cause };
    let commits: String = sqlx::query_scalar("SHOW synchronous_commit").fetch_one(&mut *conn).await.map_err(cause)?;
    if commits == "off" {
        conn.execute("SET synchronous_commit = on").await.map_err(cause)?;
    }
    Ok(())
}
