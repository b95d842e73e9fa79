//! What a pool holds by the books: counted anew, and the end of a pool that holds nothing.

use std::collections::BTreeMap;

use pixelfox_proto::PoolId;

use super::{
    Store, StoreError, Topic, Trouble,
    dialect::{int, uint},
    outbox,
    pools::{self, existing},
    rows,
    statement::{self, Conn},
};
use crate::catalog::{Pool, PoolHoldings, PoolUsage, UnixMillis};

/// Identities of deleted pools that new pools are told of at most: the latest.
const RETIRED_MOST: i64 = 1000;

impl Store {
    /// Deletes a pool that holds nothing: no image, no copy but lost ones of images that are elsewhere, no open job. Its directory stays as it is; a
    /// later pool may take it over. Gives what it was. O(copies + open jobs).
    ///
    /// # Errors
    /// No such pool, the default pool, one that is in use (with counts).
    pub async fn delete_pool(&self, id: PoolId, now: UnixMillis) -> Result<Pool, StoreError> {
        // Counted beside the writer first: only what looks empty is counted again where nothing can come in between.
        self.read("look what a pool holds", async |mut conn| may_go(&mut conn, id).await.map(drop)).await?;
        self.write("delete a pool", move |conn| Box::pin(async move { delete(conn, id, now).await })).await
    }

    /// Counts what is in one pool, or in each (`None`), anew from the copies on record, and sets the counters. Gives
    /// before and after. O(copies).
    ///
    /// # Errors
    /// No such pool, or the database fails.
    pub async fn recount_usage_of(
        &self,
        only: Option<PoolId>,
    ) -> Result<Vec<(PoolId, PoolUsage, PoolUsage)>, StoreError> {
        self.write("count what is in the pools", move |conn| Box::pin(async move { recount(conn, only).await })).await
    }

    /// As [`Store::recount_usage_of`], for every pool.
    ///
    /// # Errors
    /// The database fails.
    pub async fn recount_usage(&self) -> Result<Vec<(PoolId, PoolUsage, PoolUsage)>, StoreError> {
        self.recount_usage_of(None).await
    }

    /// Identities of deleted pools, the latest first: what a directory's marker may name that a new pool takes over.
    ///
    /// # Errors
    /// The database fails.
    pub async fn retired_identities(&self) -> Result<Vec<String>, StoreError> {
        const SQL: &str = "SELECT identity FROM retired_pools ORDER BY pool_id DESC LIMIT $1";
        self.read("read which pools were deleted", async |mut conn| {
            Ok(statement::query_scalar(SQL).bind(RETIRED_MOST).fetch_all(&mut conn).await?)
        })
        .await
    }
}

/// The pool, where it may be deleted.
async fn may_go(conn: &mut Conn, id: PoolId) -> Result<Pool, Trouble> {
    let pool = existing(conn, id).await?;
    holdings(conn, int(id.get())).await?.let_go(&pool)?;
    Ok(pool)
}

async fn holdings(conn: &mut Conn, id: i64) -> Result<PoolHoldings, Trouble> {
    const IMAGES: &str = "SELECT COUNT(*) FROM images WHERE pool_id = $1";
    const COPIES: &str = "SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN state IN ('condemned', 'trashed', 'purging')
            OR (state = 'writing' AND trash_generation IS NOT NULL) THEN 1 ELSE 0 END), 0) AS BIGINT)
        FROM replicas WHERE pool_id = $1 AND state <> 'lost'";
    const SUSPECT: &str = "SELECT COUNT(*) FROM replicas WHERE pool_id = $1 AND state = 'suspect' AND state <> 'live'";
    const JOBS: &str = "SELECT COUNT(*) FROM jobs WHERE state IN ('pending', 'processing', 'paused')
        AND (source_pool_id = $1 OR target_pool_id = $1)";
    let images: i64 = statement::query_scalar(IMAGES).bind(id).fetch_one(&mut *conn).await?;
    let (files, trashed): (i64, i64) = statement::query_as(COPIES).bind(id).fetch_one(&mut *conn).await?;
    let jobs: i64 = statement::query_scalar(JOBS).bind(id).fetch_one(&mut *conn).await?;
    // Only where the trash is all that is left it matters what keeps it.
    let kept: i64 = match (images, trashed) {
        (0, 1..) => statement::query_scalar(KEPT).bind(id).fetch_one(&mut *conn).await?,
        _ => 0,
    };
    let suspect: i64 = statement::query_scalar(SUSPECT).bind(id).fetch_one(conn).await?;
    Ok(PoolHoldings {
        images: uint(images),
        files: uint(files),
        suspect: uint(suspect),
        trashed: uint(trashed),
        kept: uint(kept),
        jobs: uint(jobs),
    })
}

/// Old copies that no purge takes, because no live copy of their bytes is known to be right.
const KEPT: &str = "
SELECT COUNT(*) FROM replicas r CROSS JOIN files f ON f.id = r.file_id
WHERE r.pool_id = $1 AND r.state = 'trashed' AND r.state <> 'live'
    AND NOT EXISTS (SELECT 1 FROM files s JOIN replicas l ON l.file_id = s.id
        WHERE s.image_id = f.image_id AND s.sha256 = f.sha256 AND l.state = 'live' AND l.verified > 0)";

async fn delete(conn: &mut Conn, id: PoolId, now: UnixMillis) -> Result<Pool, Trouble> {
    const RETIRE: &str = "INSERT INTO retired_pools (identity, pool_id, name, at) VALUES ($1, $2, $3, $4)";
    let pool = may_go(&mut *conn, id).await?;
    let row = int(id.get());
    let retire = statement::query(RETIRE).bind(&pool.identity).bind(row).bind(&pool.name).bind(now.0);
    retire.execute(&mut *conn).await?;
    // What images left behind that are elsewhere: on no disk, and without a word to say when the pool is gone.
    statement::query("DELETE FROM replicas WHERE pool_id = $1 AND state = 'lost'")
        .bind(row)
        .execute(&mut *conn)
        .await?;
    statement::query("DELETE FROM pools WHERE id = $1").bind(row).execute(conn).await?;
    pools::changed(conn, now, "delete_pool", Some(&pool), None).await?;
    outbox::put(conn, now, Topic::Pool, &[id.to_string()]).await?;
    Ok(pool)
}

async fn recount(conn: &mut Conn, only: Option<PoolId>) -> Result<Vec<(PoolId, PoolUsage, PoolUsage)>, Trouble> {
    let before = match only {
        Some(id) => vec![existing(conn, id).await?],
        None => rows::all_pools(conn).await?,
    };
    let only = only.map_or(0, |id| int(id.get()));
    statement::query(EMPTY).bind(only).execute(conn).await?;
    statement::query(COUNT).bind(only).execute(conn).await?;
    let after: BTreeMap<PoolId, PoolUsage> =
        rows::all_pools(conn).await?.into_iter().map(|pool| (pool.id, pool.usage)).collect();
    let pair = |pool: Pool| Some((pool.id, pool.usage, *after.get(&pool.id)?));
    Ok(before.into_iter().filter_map(pair).collect())
}

/// Every counter of the pool, or of all (0), as if it held no copy.
const EMPTY: &str = "UPDATE pools SET used_bytes = 0, used_files = 0, reserved_bytes = 0, trash_bytes = 0,
    trash_files = 0, images = (SELECT COUNT(*) FROM images i WHERE i.pool_id = pools.id AND i.deleting = 0)
    WHERE $1 IN (0, pools.id)";

const COUNT: &str = "
WITH counted AS (
    SELECT r.pool_id, f.size, CASE
        WHEN r.state IN ('live', 'suspect') THEN 'used'
        WHEN r.state = 'writing' AND r.trash_generation IS NULL THEN 'reserved'
        WHEN r.state = 'lost' THEN 'none' ELSE 'trash' END AS bucket
    FROM replicas r JOIN files f ON f.id = r.file_id WHERE $1 IN (0, r.pool_id)),
sums AS (
    SELECT pool_id,
        CAST(SUM(CASE WHEN bucket = 'used' THEN size ELSE 0 END) AS BIGINT) AS used_bytes,
        CAST(SUM(CASE WHEN bucket = 'used' THEN 1 ELSE 0 END) AS BIGINT) AS used_files,
        CAST(SUM(CASE WHEN bucket = 'reserved' THEN size ELSE 0 END) AS BIGINT) AS reserved_bytes,
        CAST(SUM(CASE WHEN bucket = 'trash' THEN size ELSE 0 END) AS BIGINT) AS trash_bytes,
        CAST(SUM(CASE WHEN bucket = 'trash' THEN 1 ELSE 0 END) AS BIGINT) AS trash_files
    FROM counted GROUP BY pool_id)
UPDATE pools SET used_bytes = sums.used_bytes, used_files = sums.used_files, reserved_bytes = sums.reserved_bytes,
    trash_bytes = sums.trash_bytes, trash_files = sums.trash_files
FROM sums WHERE sums.pool_id = pools.id";
