//! A large cluster's books, made by SQL: what the store would need an hour for.

use std::path::Path;

use pixelfox_server::{
    catalog::{PoolDraft, SaveRule, UnixMillis},
    store::Store,
};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, postgres::PgConnectOptions,
    sqlite::SqliteConnectOptions,
};

use super::POOLS;

/// Of the newest image and job.
const NOW: i64 = 1_790_000_000_000;

/// New books with 50 pools on 50 nodes that are away, and all of the rest.
pub(crate) async fn books(url: &str, count: i64) {
    let store = Store::open(url).await.unwrap();
    for number in 1..=POOLS {
        let node = format!("s{number:02}");
        let draft = PoolDraft::auto(
            &format!("pool {number}"),
            &node.parse().unwrap(),
            "/pool",
            &format!("http://{node}:4000"),
            &format!("http://{node}.example"),
        );
        store.create_pool(draft, SaveRule::Anyway, UnixMillis(NOW)).await.unwrap();
    }
    store.close().await;
    execute(url, NODES).await;
    rows(url, count).await;
}

/// Images, jobs and audit for pools 1 to 50 that are there.
pub(crate) async fn rows(url: &str, count: i64) {
    let numbers = "(WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n)";
    for sql in FILL {
        let sql = sql.replace("{numbers}", &format!("{numbers} AS numbers"));
        execute(url, &sql.replace("{count}", &count.to_string()).replace("{now}", &NOW.to_string())).await;
    }
}

/// They were here yesterday.
const NODES: &str = "
INSERT INTO nodes (node_id, instance_id, epoch, version, slots, address, node_url, attached, last_seen)
SELECT node_id, 'instance of ' || node_id, 1, '0.1.0', 4, '10.0.0.' || id, upload_api_url, 0, 1789913600000 FROM pools";

/// Two fifths of the images in the first pool, one pool empty; every hundredth copy of pool 3 lost. Jobs: ten large moves,
/// most of them over, a third waiting, some failed or cancelled, 64 running.
const FILL: &[&str] = &[
    "INSERT INTO images (uuid, share_token, original_name, name_key, content_type, size, width, height, sha256, user_id,
        created, pool_id, entry)
     SELECT '00000000-0000-4000-8000-' || substr(CAST(1000000000000 + i AS TEXT), 2),
        substr(CAST(1000000000000 + i AS TEXT), 2), word || ' Nr' || i || '.jpg', lower(word) || ' nr' || i || '.jpg',
        'image/jpeg', i * 7919 % 8000000 + 1000, 4000, 3000, {digest}, 0, {now} - ({count} - i) * 20000 - i * 31 % 977 * 1000,
        CASE WHEN i % 5 < 2 THEN 1 ELSE 2 + i * 7919 % 48 END, i
     FROM (SELECT i, CASE i % 4 WHEN 0 THEN 'IMG' WHEN 1 THEN 'Ferien am Meer' WHEN 2 THEN 'DSC' ELSE 'Screenshot' END
        AS word FROM {numbers}) AS named",
    "INSERT INTO files (image_id, stored_path, kind, content_type, width, height, size, sha256, generation)
     SELECT id, 'original/2026/11/24/' || uuid || '.jpg', 'original', content_type, width, height, size, sha256, 1
     FROM images",
    "INSERT INTO replicas (file_id, pool_id, generation, state, since)
     SELECT f.id, i.pool_id, 1, CASE WHEN i.pool_id = 3 AND i.id % 100 = 0 THEN 'lost' ELSE 'live' END, {now}
     FROM images i JOIN files f ON f.image_id = i.id",
    "UPDATE pools SET entered = {count}, images = (SELECT COUNT(*) FROM images i WHERE i.pool_id = pools.id),
        used_files = (SELECT COUNT(*) FROM images i WHERE i.pool_id = pools.id),
        used_bytes = (SELECT COALESCE(SUM(i.size), 0) FROM images i WHERE i.pool_id = pools.id)",
    "INSERT INTO jobs (kind, state, target_pool_id, source_pool_id, children_total, children_done, made, bytes_total, created,
        started)
     SELECT 'move_pool', CASE WHEN i > 6 THEN 'processing' ELSE 'completed' END, i + 1, i, {count} / 10,
        CASE WHEN i > 6 THEN 0 ELSE {count} / 10 END, {count} / 10, CAST(4000000 AS BIGINT) * {count} / 10, {now}, {now}
     FROM {numbers} WHERE i <= 10",
    "INSERT INTO jobs (kind, state, parent_id, node_id, image_id, image_uuid, source_pool_id, target_pool_id, bytes_total,
        bytes_done, attempt, last_error, created, started, finished)
     SELECT 'move_image', state, parent, 's' || substr(CAST(101 + parent AS TEXT), 2), i,
        '00000000-0000-4000-8000-' || substr(CAST(1000000000000 + i AS TEXT), 2), parent, parent + 1, 4000000,
        CASE WHEN state = 'completed' THEN 4000000 ELSE 0 END, 1,
        CASE WHEN state = 'failed' THEN 'pool img9: the disk says: input/output error' ELSE '' END, {now}, {now},
        CASE WHEN state IN ('pending', 'processing') THEN NULL ELSE {now} END
     FROM (SELECT i, 1 + (i - 1) * 10 / {count} AS parent, CASE WHEN i % 100 = 7 THEN 'failed' WHEN i % 1000 = 8 THEN 'cancelled'
        WHEN i * 10 / {count} < 6 THEN 'completed' WHEN i > {count} - 64 THEN 'processing' ELSE 'pending' END AS state
        FROM {numbers}) AS child",
    "INSERT INTO audit (at, action, subject, detail, actor, was, became)
     SELECT {now} - ({count} - i) * 1000, CASE i % 4 WHEN 0 THEN 'move_images' WHEN 1 THEN 'update_pool' WHEN 2 THEN 'sign_in'
            ELSE 'update_settings' END,
        CAST(i % 50 AS TEXT), 'row ' || i, 'person' || i % 20, '{\"priority\":10,\"description\":\"before\"}',
        '{\"priority\":20,\"description\":\"after\"}'
     FROM {numbers} WHERE i <= {count} / 5",
];

async fn execute(url: &str, sql: &str) {
    if let Some(path) = url.strip_prefix("sqlite://") {
        let sql = sql.replace("{digest}", "zeroblob(32)");
        let options = SqliteConnectOptions::new().filename(Path::new(path)).disable_statement_logging();
        let options = options.pragma("cache_size", "-500000").pragma("synchronous", "OFF");
        let mut conn = options.connect().await.unwrap();
        conn.execute(AssertSqlSafe(sql)).await.unwrap();
        conn.close().await.unwrap();
    } else {
        let sql = sql.replace("{digest}", "decode(repeat('00', 32), 'hex')");
        let options: PgConnectOptions = url.parse().unwrap();
        let mut conn = options.disable_statement_logging().connect().await.unwrap();
        conn.execute(AssertSqlSafe(sql)).await.unwrap();
        conn.execute("VACUUM ANALYZE").await.unwrap();
        conn.close().await.unwrap();
    }
}
