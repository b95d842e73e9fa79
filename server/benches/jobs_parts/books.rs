//! Bare SQL that leaves the books as the engine does: the same three transactions for 32 jobs with the numbers, times,
//! reservations, counters and parents that belong to them. What it does without: checks, fences, news. At the end its
//! tables and the engine's are compared.

use std::{path::Path, time::Duration};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Sqlite, SqliteConnection,
    postgres::PgConnectOptions, query::Query,
};
use tokio::time::Instant;

use super::bare::{PG_SESSION, options};

/// `$1`: rows of job, image, lease, entry; `$2`: now, `$3` and `$4`: the sessions.
const FIRST: &str = "SELECT id, image_id FROM jobs WHERE state = 'pending' AND node_id = 'a' AND kind = 'move_image'
    AND source_pool_id = 1 AND target_pool_id = 2 AND not_before = 0 ORDER BY not_before, id LIMIT 32";
const LEASE: [&str; 5] = [
    "UPDATE jobs SET state = 'processing', attempt = attempt + 1, lease = CAST(a.value ->> 2 AS BIGINT), epoch = $3,
        target_epoch = $4, leased = $2, started = COALESCE(started, $2)
    FROM {rows} WHERE jobs.id = CAST(a.value ->> 0 AS BIGINT)",
    "UPDATE counters SET value = value + (SELECT COUNT(*) FROM {rows}) WHERE name = 'lease'",
    "UPDATE files SET generation = generation + 1 FROM {rows} WHERE image_id = CAST(a.value ->> 1 AS BIGINT)",
    "INSERT INTO replicas (file_id, pool_id, generation, job_id, state, since)
        SELECT f.id, 2, f.generation, CAST(a.value ->> 0 AS BIGINT), 'writing', $2
        FROM {rows} CROSS JOIN files f WHERE f.image_id = CAST(a.value ->> 1 AS BIGINT)",
    "UPDATE pools SET reserved_bytes = reserved_bytes + (SELECT CAST(SUM(f.size) AS BIGINT)
        FROM {rows} CROSS JOIN files f WHERE f.image_id = CAST(a.value ->> 1 AS BIGINT)) WHERE id = 2",
];
const COMMIT: [&str; 7] = [
    "UPDATE replicas SET state = 'live', job_id = NULL, since = $2, verified = $2
    FROM {rows} CROSS JOIN files f WHERE f.image_id = CAST(a.value ->> 1 AS BIGINT)
        AND replicas.file_id = f.id AND replicas.pool_id = 2",
    "UPDATE replicas SET state = 'condemned', job_id = CAST(a.value ->> 0 AS BIGINT), ordered_epoch = $3, since = $2
    FROM {rows} CROSS JOIN files f WHERE f.image_id = CAST(a.value ->> 1 AS BIGINT)
        AND replicas.file_id = f.id AND replicas.pool_id = 1",
    "UPDATE images SET pool_id = 2, entry = CAST(a.value ->> 3 AS BIGINT), moved_by = job_id
    FROM {rows} WHERE images.id = CAST(a.value ->> 1 AS BIGINT)",
    "UPDATE jobs SET committed = 1, bytes_done = bytes_total FROM {rows} WHERE jobs.id = CAST(a.value ->> 0 AS BIGINT)",
    "UPDATE jobs SET bytes_done = jobs.bytes_done + s.bytes FROM
        (SELECT j.parent_id, CAST(SUM(j.bytes_done) AS BIGINT) AS bytes
            FROM {rows} CROSS JOIN jobs j WHERE j.id = CAST(a.value ->> 0 AS BIGINT) GROUP BY j.parent_id) AS s
    WHERE jobs.id = s.parent_id",
    "UPDATE pools SET used_bytes = used_bytes - s.bytes, used_files = used_files - s.files,
        trash_bytes = trash_bytes + s.bytes, trash_files = trash_files + s.files, images = images - s.files
    FROM (SELECT CAST(SUM(j.bytes_done) AS BIGINT) AS bytes, COUNT(*) AS files
        FROM {rows} CROSS JOIN jobs j WHERE j.id = CAST(a.value ->> 0 AS BIGINT)) AS s WHERE id = 1",
    "UPDATE pools SET reserved_bytes = reserved_bytes - s.bytes, used_bytes = used_bytes + s.bytes,
        used_files = used_files + s.files, images = images + s.files, entered = entered + s.files
    FROM (SELECT CAST(SUM(j.bytes_done) AS BIGINT) AS bytes, COUNT(*) AS files
        FROM {rows} CROSS JOIN jobs j WHERE j.id = CAST(a.value ->> 0 AS BIGINT)) AS s WHERE id = 2",
];
const TRASH: [&str; 5] = [
    "UPDATE replicas SET state = 'trashed', job_id = NULL, since = $2, not_before = $2
    FROM {rows} CROSS JOIN files f WHERE f.image_id = CAST(a.value ->> 1 AS BIGINT)
        AND replicas.file_id = f.id AND replicas.pool_id = 1",
    "UPDATE jobs SET state = 'completed', finished = $2, epoch = 0, target_epoch = 0
    FROM {rows} WHERE jobs.id = CAST(a.value ->> 0 AS BIGINT)",
    "UPDATE images SET job_id = NULL FROM {rows} WHERE images.id = CAST(a.value ->> 1 AS BIGINT)",
    "UPDATE jobs SET children_done = jobs.children_done + s.done FROM
        (SELECT j.parent_id, COUNT(*) AS done
            FROM {rows} CROSS JOIN jobs j WHERE j.id = CAST(a.value ->> 0 AS BIGINT) GROUP BY j.parent_id) AS s
    WHERE jobs.id = s.parent_id",
    "UPDATE jobs SET state = 'completed', finished = $2 WHERE children_done = children_total AND state = 'processing'
        AND id IN (SELECT j.parent_id FROM {rows} CROSS JOIN jobs j WHERE j.id = CAST(a.value ->> 0 AS BIGINT))",
];

/// The values that every statement of a batch gets.
struct Batch {
    rows: String,
    now: i64,
    epochs: (i64, i64),
}

impl Batch {
    /// The n-th batch of `jobs`, leased after `leased` others.
    fn new(jobs: &[(i64, i64)], leased: i64, now: i64, epochs: (i64, i64)) -> Self {
        // Both pools' numbers begin at 1: the n-th job has the n-th lease and is the n-th image to enter.
        let rows: Vec<_> =
            (leased + 1..).zip(jobs).map(|(number, (job, image))| (job, image, number, number)).collect();
        Self { rows: serde_json::to_string(&rows).unwrap(), now, epochs }
    }
}

/// Until nothing is pending, in a file.
pub(crate) async fn sqlite(copy: &Path, now: i64, epochs: (i64, i64)) -> Duration {
    let mut conn = options(copy).connect().await.unwrap();
    let start = Instant::now();
    let mut leased = 0;
    loop {
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut conn).await.unwrap();
        let jobs: Vec<(i64, i64)> = sqlx::query_as(FIRST).fetch_all(&mut conn).await.unwrap();
        if jobs.is_empty() {
            sqlx::raw_sql("ROLLBACK").execute(&mut conn).await.unwrap();
            break;
        }
        let batch = Batch::new(&jobs, leased, now, epochs);
        leased += i64::try_from(jobs.len()).unwrap();
        on_sqlite(&mut conn, &LEASE, &batch).await;
        for transaction in [&COMMIT[..], &TRASH] {
            sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut conn).await.unwrap();
            on_sqlite(&mut conn, transaction, &batch).await;
        }
    }
    let took = start.elapsed();
    conn.close().await.unwrap();
    took
}

/// All of a transaction at once, as SQLite takes it, and its end.
async fn on_sqlite(conn: &mut SqliteConnection, transaction: &[&str], batch: &Batch) {
    let text: Vec<String> = transaction.iter().map(|sql| sql.replace("{rows}", "json_each($1) AS a")).collect();
    let text = text.join(";") + ";COMMIT";
    let query: Query<'_, Sqlite, _> = sqlx::query(AssertSqlSafe(text));
    let query = query.bind(&batch.rows).bind(batch.now).bind(batch.epochs.0).bind(batch.epochs.1);
    query.execute(conn).await.unwrap();
}

/// Until nothing is pending, in a server's database.
pub(crate) async fn postgres(url: &str, now: i64, epochs: (i64, i64)) -> Duration {
    let options: PgConnectOptions = url.parse().unwrap();
    let mut conn = options.disable_statement_logging().connect().await.unwrap();
    sqlx::raw_sql(PG_SESSION).execute(&mut conn).await.unwrap();
    let start = Instant::now();
    let mut leased = 0;
    loop {
        sqlx::raw_sql("BEGIN").execute(&mut conn).await.unwrap();
        let jobs: Vec<(i64, i64)> = sqlx::query_as(FIRST).fetch_all(&mut conn).await.unwrap();
        if jobs.is_empty() {
            break;
        }
        let batch = Batch::new(&jobs, leased, now, epochs);
        leased += i64::try_from(jobs.len()).unwrap();
        on_postgres(&mut conn, &LEASE, &batch).await;
        for transaction in [&COMMIT[..], &TRASH] {
            sqlx::raw_sql("BEGIN").execute(&mut conn).await.unwrap();
            on_postgres(&mut conn, transaction, &batch).await;
        }
    }
    let took = start.elapsed();
    conn.close().await.unwrap();
    took
}

async fn on_postgres(conn: &mut PgConnection, transaction: &[&'static str], batch: &Batch) {
    for sql in transaction {
        let text = sql.replace("{rows}", "jsonb_array_elements(CAST($1 AS jsonb)) AS a(value)");
        // A value that a statement has no use for is none to PostgreSQL.
        let values = (2..=4).filter(|n| text.contains(&format!("${n}"))).collect::<Vec<_>>();
        let mut numbered = text;
        for (at, n) in values.iter().enumerate() {
            numbered = numbered.replace(&format!("${n}"), &format!("CAST(${} AS BIGINT)", at + 2));
        }
        let mut query = sqlx::query(AssertSqlSafe(numbered)).bind(&batch.rows);
        for n in values {
            query = query.bind([batch.now, batch.epochs.0, batch.epochs.1][n - 2]);
        }
        query.execute(&mut *conn).await.unwrap();
    }
    sqlx::raw_sql("COMMIT").execute(conn).await.unwrap();
}

/// What both left has to be the same, row by row.
pub(crate) async fn compare(ours: &Path, theirs: &Path) {
    let mut conn = options(ours).connect().await.unwrap();
    sqlx::query("ATTACH $1 AS other").bind(theirs.display().to_string()).execute(&mut conn).await.unwrap();
    for table in ["jobs", "images", "files", "replicas", "pools", "counters"] {
        let differs = format!(
            "SELECT (SELECT COUNT(*) FROM main.{table}), (SELECT COUNT(*) FROM
                (SELECT * FROM main.{table} EXCEPT SELECT * FROM other.{table}))
                + (SELECT COUNT(*) FROM (SELECT * FROM other.{table} EXCEPT SELECT * FROM main.{table}))"
        );
        let (rows, others): (i64, i64) = sqlx::query_as(AssertSqlSafe(differs)).fetch_one(&mut conn).await.unwrap();
        assert!(rows > 0 && others == 0, "{table}: of {rows} rows {others} are others");
    }
    conn.close().await.unwrap();
}
