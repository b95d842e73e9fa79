//! What a pool holds by the books: counted anew, and the end of a pool that holds nothing.

use pixelfox_proto::PoolId;
use sqlx::FromRow;

use super::{
    Store, StoreError, Topic, Trouble,
    audit::{self, Change},
    dialect::{int, json, pool_id, uint},
    outbox,
    pools::{self, existing},
    statement::{self, Conn},
    tally,
};
use crate::catalog::{Pool, PoolHoldings, PoolUsage, UnixMillis};

/// Identities of deleted pools that new pools are told of at most: the latest.
const RETIRED_MOST: i64 = 1000;

impl Store {
    /// Deletes a pool that holds nothing: no image, no copy but lost ones of images that are elsewhere, no open job. Its
    /// directory stays as it is; a later pool may take it over. Gives what it was. O(copies + open jobs).
    ///
    /// # Errors
    /// No such pool, the default pool, one that is in use (with counts).
    pub async fn delete_pool(&self, id: PoolId, now: UnixMillis) -> Result<Pool, StoreError> {
        // Counted beside the writer first: only what looks empty is counted again where nothing can come in between.
        self.read("look what a pool holds", async |mut conn| may_go(&mut conn, id).await.map(drop)).await?;
        self.write("delete a pool", move |conn| Box::pin(async move { delete(conn, id, now).await })).await
    }

    /// Counts what is in one pool, or in each (`None`), anew from the copies on record, and corrects the counters. Gives
    /// before and after. O(copies), beside the writer: what is written meanwhile counts as ever, since only the
    /// difference of one instant is added.
    ///
    /// # Errors
    /// No such pool, or the database fails.
    pub async fn recount_usage_of(
        &self,
        only: Option<PoolId>,
        now: UnixMillis,
    ) -> Result<Vec<(PoolId, PoolUsage, PoolUsage)>, StoreError> {
        loop {
            let counted =
                self.read("count what is in the pools", async |mut conn| counted(&mut conn, only).await).await?;
            let pools = counted.iter().map(CountedRow::pair).collect::<Result<_, _>>();
            let is_done = self.write("correct the pools' counters", move |conn| {
                Box::pin(async move { correct(conn, &counted, now).await })
            });
            // Else another count has come between, and its correction would be made twice.
            if is_done.await? {
                return pools.map_err(|trouble: Trouble| trouble.into_error("count what is in the pools"));
            }
        }
    }

    /// As [`Store::recount_usage_of`], for every pool.
    ///
    /// # Errors
    /// The database fails.
    pub async fn recount_usage(&self, now: UnixMillis) -> Result<Vec<(PoolId, PoolUsage, PoolUsage)>, StoreError> {
        self.recount_usage_of(None, now).await
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
    let pool = may_go(&mut *conn, id).await?;
    let row = int(id.get());
    pools::retire(conn, &pool, now).await?;
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

/// What the counters of a pool say, and what is on record, at one instant.
#[derive(FromRow)]
struct CountedRow {
    id: i64,
    name: String,
    recounts: i64,
    used_bytes: i64,
    used_files: i64,
    reserved_bytes: i64,
    trash_bytes: i64,
    trash_files: i64,
    images: i64,
    now_used_bytes: i64,
    now_used_files: i64,
    now_reserved_bytes: i64,
    now_trash_bytes: i64,
    now_trash_files: i64,
    now_images: i64,
}

impl CountedRow {
    fn pair(&self) -> Result<(PoolId, PoolUsage, PoolUsage), Trouble> {
        let before = PoolUsage {
            used_bytes: uint(self.used_bytes),
            used_files: uint(self.used_files),
            reserved_bytes: uint(self.reserved_bytes),
            trash_bytes: uint(self.trash_bytes),
            trash_files: uint(self.trash_files),
            images: uint(self.images),
        };
        let now = PoolUsage {
            used_bytes: uint(self.now_used_bytes),
            used_files: uint(self.now_used_files),
            reserved_bytes: uint(self.now_reserved_bytes),
            trash_bytes: uint(self.now_trash_bytes),
            trash_files: uint(self.now_trash_files),
            images: uint(self.now_images),
        };
        Ok((pool_id(self.id)?, before, now))
    }

    /// pool, then what to add to its counters in the order of [`tally::APPLY`].
    const fn difference(&self) -> [i64; 7] {
        [
            self.id,
            self.now_used_bytes - self.used_bytes,
            self.now_used_files - self.used_files,
            self.now_reserved_bytes - self.reserved_bytes,
            self.now_trash_bytes - self.trash_bytes,
            self.now_trash_files - self.trash_files,
            self.now_images - self.images,
        ]
    }
}

async fn counted(conn: &mut Conn, only: Option<PoolId>) -> Result<Vec<CountedRow>, Trouble> {
    if let Some(id) = only {
        existing(conn, id).await?;
    }
    let only = only.map_or(0, |id| int(id.get()));
    Ok(statement::query_as(COUNTED).bind(only).fetch_all(conn).await?)
}

/// Adds the differences, unless another count has been made since.
async fn correct(conn: &mut Conn, counted: &[CountedRow], now: UnixMillis) -> Result<bool, Trouble> {
    let Some(first) = counted.first() else { return Ok(true) };
    let turn: Option<(i64,)> = statement::query_as(TURN).bind(first.recounts).fetch_optional(&mut *conn).await?;
    if turn.is_none() {
        return Ok(false);
    }
    let rows: Vec<[i64; 7]> = counted.iter().map(CountedRow::difference).collect();
    statement::query(tally::APPLY).bind(json(&rows)).execute(&mut *conn).await?;
    for row in counted {
        let (pool, was, became) = row.pair()?;
        let (was, became) = audit::difference(Some(&was), Some(&became));
        if was != became {
            let (action, subject) = ("recalculate_usage", &pool.to_string());
            audit::change(conn, now, Change { action, subject, was: &was, became: &became, detail: &row.name }).await?;
        }
    }
    Ok(true)
}

/// The number of counts so far goes up, where it is still the one that was seen.
const TURN: &str = "
INSERT INTO counters (name, value) VALUES ('recount', 1)
ON CONFLICT (name) DO UPDATE SET value = counters.value + 1 WHERE counters.value = $1 RETURNING value";
/// One statement, so that counters and copies are those of one instant.
const COUNTED: &str = "
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
SELECT p.id, p.name, COALESCE((SELECT c.value FROM counters c WHERE c.name = 'recount'), 0) AS recounts,
    p.used_bytes, p.used_files, p.reserved_bytes, p.trash_bytes, p.trash_files, p.images,
    COALESCE(s.used_bytes, 0) AS now_used_bytes, COALESCE(s.used_files, 0) AS now_used_files,
    COALESCE(s.reserved_bytes, 0) AS now_reserved_bytes, COALESCE(s.trash_bytes, 0) AS now_trash_bytes,
    COALESCE(s.trash_files, 0) AS now_trash_files,
    (SELECT COUNT(*) FROM images i WHERE i.pool_id = p.id AND i.deleting = 0) AS now_images
FROM pools p LEFT JOIN sums s ON s.pool_id = p.id WHERE $1 IN (0, p.id) ORDER BY p.id";
