//! Bare SQL: the same three transactions for 32 jobs, with the least that they can be. No checks, no counters, no news.

use std::{path::Path, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, SqliteConnection,
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};
use tokio::time::Instant;

const TAKE: &str = "UPDATE jobs SET state = 'processing', attempt = attempt + 1 WHERE id IN
    (SELECT id FROM jobs WHERE state = 'pending' AND node_id = 'a' AND kind = 'move_image' AND source_pool_id = 1
        AND target_pool_id = 2 AND not_before = 0 ORDER BY not_before, id LIMIT 32) RETURNING id, image_id";

const WRITE: &str = "INSERT INTO replicas (file_id, pool_id, generation, state, since)
    SELECT f.id, 2, 2, 'writing', 0 FROM json_each($1) a CROSS JOIN files f ON f.image_id = a.value";
const SWAP: [&str; 3] = [
    "UPDATE replicas SET state = 'live' WHERE pool_id = 2 AND file_id IN
        (SELECT f.id FROM json_each($1) a CROSS JOIN files f ON f.image_id = a.value)",
    "UPDATE replicas SET state = 'condemned' WHERE pool_id = 1 AND file_id IN
        (SELECT f.id FROM json_each($1) a CROSS JOIN files f ON f.image_id = a.value)",
    "UPDATE images SET pool_id = 2, job_id = NULL WHERE id IN (SELECT value FROM json_each($1))",
];
const TRASH: &str = "UPDATE replicas SET state = 'trashed' WHERE pool_id = 1 AND file_id IN
        (SELECT f.id FROM json_each($1) a CROSS JOIN files f ON f.image_id = a.value)";
const END: &str = "UPDATE jobs SET state = 'completed' WHERE id IN (SELECT value FROM json_each($1))";

/// As the store opens it.
pub(super) fn options(file: &Path) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new().filename(file);
    let options = options.synchronous(SqliteSynchronous::Full).disable_statement_logging();
    options.pragma("wal_autocheckpoint", "4000").pragma("cache_size", "-8192")
}

/// Until nothing is pending, in a file.
pub(crate) async fn sqlite(copy: &Path) -> Duration {
    let mut conn = options(copy).connect().await.unwrap();
    let start = Instant::now();
    loop {
        on_sqlite(&mut conn, "BEGIN IMMEDIATE", "").await;
        let taken: Vec<(i64, i64)> = sqlx::query_as(TAKE).fetch_all(&mut conn).await.unwrap();
        let ids = serde_json::to_string(&taken.iter().map(|(job, _)| job).collect::<Vec<_>>()).unwrap();
        let images = serde_json::to_string(&taken.iter().map(|(_, image)| image).collect::<Vec<_>>()).unwrap();
        on_sqlite(&mut conn, WRITE, &images).await;
        on_sqlite(&mut conn, "COMMIT", "").await;
        if taken.is_empty() {
            break;
        }
        on_sqlite(&mut conn, "BEGIN IMMEDIATE", "").await;
        for sql in SWAP {
            on_sqlite(&mut conn, sql, &images).await;
        }
        on_sqlite(&mut conn, "COMMIT", "").await;
        on_sqlite(&mut conn, "BEGIN IMMEDIATE", "").await;
        on_sqlite(&mut conn, TRASH, &images).await;
        on_sqlite(&mut conn, END, &ids).await;
        on_sqlite(&mut conn, "COMMIT", "").await;
    }
    let took = start.elapsed();
    conn.close().await.unwrap();
    took
}

async fn on_sqlite(conn: &mut SqliteConnection, sql: &'static str, batch: &str) {
    let query = sqlx::query(sql);
    let query = if batch.is_empty() { query } else { query.bind(batch.to_owned()) };
    query.execute(conn).await.unwrap();
}

const PG_WRITE: &str = "INSERT INTO replicas (file_id, pool_id, generation, state, since)
    SELECT f.id, 2, 2, 'writing', 0 FROM files f WHERE f.image_id = ANY ($1)";
const PG_SWAP: [&str; 3] = [
    "UPDATE replicas SET state = 'live' WHERE pool_id = 2 AND file_id IN
        (SELECT f.id FROM files f WHERE f.image_id = ANY ($1))",
    "UPDATE replicas SET state = 'condemned' WHERE pool_id = 1 AND file_id IN
        (SELECT f.id FROM files f WHERE f.image_id = ANY ($1))",
    "UPDATE images SET pool_id = 2, job_id = NULL WHERE id = ANY ($1)",
];
const PG_TRASH: &str = "UPDATE replicas SET state = 'trashed' WHERE pool_id = 1 AND file_id IN
        (SELECT f.id FROM files f WHERE f.image_id = ANY ($1))";
const PG_END: &str = "UPDATE jobs SET state = 'completed' WHERE id = ANY ($1)";
/// As the store's writer has it: each statement is planned once, and by indexes.
pub(super) const PG_SESSION: &str =
    "SET jit = off; SET random_page_cost = 1.1; SET plan_cache_mode = force_generic_plan;
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off";

/// Until nothing is pending, in a server's database.
pub(crate) async fn postgres(url: &str) -> Duration {
    let options: PgConnectOptions = url.parse().unwrap();
    let mut conn = options.disable_statement_logging().connect().await.unwrap();
    order(&mut conn, PG_SESSION).await;
    let start = Instant::now();
    loop {
        order(&mut conn, "BEGIN").await;
        let taken: Vec<(i64, i64)> = sqlx::query_as(TAKE).fetch_all(&mut conn).await.unwrap();
        let (ids, images): (Vec<i64>, Vec<i64>) = taken.into_iter().unzip();
        on_postgres(&mut conn, PG_WRITE, &images).await;
        order(&mut conn, "COMMIT").await;
        if ids.is_empty() {
            break;
        }
        order(&mut conn, "BEGIN").await;
        for sql in PG_SWAP {
            on_postgres(&mut conn, sql, &images).await;
        }
        order(&mut conn, "COMMIT").await;
        order(&mut conn, "BEGIN").await;
        on_postgres(&mut conn, PG_TRASH, &images).await;
        on_postgres(&mut conn, PG_END, &ids).await;
        order(&mut conn, "COMMIT").await;
    }
    let took = start.elapsed();
    conn.close().await.unwrap();
    took
}

async fn order(conn: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(conn).await.unwrap();
}

async fn on_postgres(conn: &mut PgConnection, sql: &'static str, batch: &[i64]) {
    sqlx::query(sql).bind(batch).execute(conn).await.unwrap();
}
