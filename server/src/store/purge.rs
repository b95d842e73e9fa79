//! The trash is emptied: which copies go, noted before their node hears of it.

use std::collections::BTreeSet;

use pixelfox_proto::{JobId, Lease, PoolId, SessionEpoch, StoredPath};

use super::{
    Store, StoreError, Trouble,
    commit::held,
    dialect::{int, json, pool_id, uint},
    lease,
    statement::{self, Conn},
    tally::Tally,
};
use crate::catalog::{Bucket, PurgeOrder, Purging, ReturnedJob, TrashView, UnixMillis};

impl Store {
    /// What each pool has in its trash. O(pools).
    ///
    /// # Errors
    /// The database fails.
    pub async fn trash_views(&self) -> Result<Vec<TrashView>, StoreError> {
        self.read("look into the trash", async |mut conn| {
            let rows: Vec<(i64, Option<i64>, bool)> = statement::query_as(VIEWS).fetch_all(&mut conn).await?;
            let view = |(pool, oldest, is_purging): (i64, Option<i64>, bool)| {
                Ok(TrashView { pool: pool_id(pool)?, oldest: oldest.map(UnixMillis), is_purging })
            };
            rows.into_iter().map(view).collect()
        })
        .await
    }

    /// Notes the oldest copies of a pool's trash as `purging`: there is no way back from here. Left alone: a copy whose
    /// file has no live copy elsewhere that is known to be right, one whose live copies are all in `unreachable` pools, and
    /// one that an open job may bring back.
    ///
    /// # Errors
    /// The database fails.
    pub async fn begin_purges(
        &self,
        order: PurgeOrder,
        unreachable: Vec<PoolId>,
        now: UnixMillis,
    ) -> Result<Purging, StoreError> {
        self.write("purge old copies", move |conn| Box::pin(async move { begin(conn, order, &unreachable, now).await }))
            .await
    }

    /// Files whose copies in the target's trash can't come back, of jobs that this lease and session hold. Where the
    /// source's copy is known to be right the one in the trash is noted as `purging`, and its job is pending, not counted,
    /// until it is gone. Gives those jobs.
    ///
    /// # Errors
    /// The database fails.
    pub async fn give_up_trashed(
        &self,
        files: Vec<(JobId, Lease, SessionEpoch, StoredPath)>,
        now: UnixMillis,
    ) -> Result<Vec<ReturnedJob>, StoreError> {
        self.write("give up copies in a trash", move |conn| Box::pin(async move { give_up(conn, &files, now).await }))
            .await
    }

    /// The target's trash does not have this file (any more): its copy comes in anew and takes room. Fenced like a
    /// commit.
    ///
    /// # Errors
    /// The database fails.
    pub async fn not_in_trash(&self, files: Vec<(JobId, Lease, SessionEpoch, StoredPath)>) -> Result<(), StoreError> {
        self.write("note what the trash does not have", move |conn| {
            Box::pin(async move { not_in_trash(conn, &files).await })
        })
        .await
    }
}

// `state <> 'live'` names the partial index.
pub(super) const VIEWS: &str = "
SELECT p.id,
    (SELECT MIN(r.not_before) FROM replicas r WHERE r.pool_id = p.id AND r.state = 'trashed' AND r.state <> 'live'),
    EXISTS (SELECT 1 FROM replicas r WHERE r.pool_id = p.id AND r.state = 'purging' AND r.state <> 'live'
        AND r.failures = 0)
FROM pools p WHERE p.trash_files > 0";
/// A file of the same image with the same bytes proves as much as the file itself. Looked for copy by copy, because
/// there are a million of them and few are taken.
pub(super) const OLDEST: &str = "
SELECT r.file_id, f.size FROM replicas r CROSS JOIN files f ON f.id = r.file_id
WHERE r.pool_id = $1 AND r.state = 'trashed' AND r.state <> 'live' AND r.not_before <= $2
    AND (SELECT 1 FROM files s JOIN replicas l ON l.file_id = s.id
        WHERE s.image_id = f.image_id AND s.sha256 = f.sha256 AND l.state = 'live' AND l.verified > 0
            AND l.pool_id NOT IN (SELECT CAST(a.value AS BIGINT) FROM json_each($4) AS a) LIMIT 1) IS NOT NULL
    AND (SELECT 1 FROM images i JOIN jobs j ON j.id = i.job_id
        WHERE i.id = f.image_id AND j.target_pool_id = r.pool_id LIMIT 1) IS NULL
ORDER BY r.not_before, r.file_id LIMIT $3";
pub(super) const PURGE: &str = "
UPDATE replicas SET state = 'purging', since = $2, ordered_epoch = 0, not_before = 0, failures = 0
FROM json_each($1) AS a WHERE replicas.file_id = CAST(a.value ->> 0 AS BIGINT) AND replicas.pool_id = CAST(a.value ->> 1 AS BIGINT)";

async fn begin(
    conn: &mut Conn,
    order: PurgeOrder,
    unreachable: &[PoolId],
    now: UnixMillis,
) -> Result<Purging, Trouble> {
    let pool = int(order.pool.get());
    let query = statement::query_as(OLDEST).bind(pool).bind(order.until.0).bind(i64::from(order.copies));
    let query = query.bind(json(&unreachable));
    let rows: Vec<(i64, i64)> = query.fetch_all(&mut *conn).await?;
    let (mut purging, mut keys) = (Purging::default(), Vec::new());
    for (file, size) in rows {
        if order.bytes.is_some_and(|enough| purging.bytes >= enough) {
            break;
        }
        purging.copies += 1;
        purging.bytes += uint(size);
        keys.push((file, pool));
    }
    if !keys.is_empty() {
        statement::query(PURGE).bind(json(&keys)).bind(now.0).execute(conn).await?;
    }
    Ok(purging)
}

pub(super) const SOUND: &str = "
SELECT t.file_id, t.pool_id, j.lease FROM json_each($1) AS a
    CROSS JOIN jobs j ON j.id = CAST(a.value ->> 0 AS BIGINT)
    CROSS JOIN files f ON f.stored_path = (a.value ->> 1)
    CROSS JOIN replicas r ON r.file_id = f.id AND r.pool_id = j.source_pool_id
    CROSS JOIN replicas t ON t.file_id = f.id AND t.pool_id = j.target_pool_id
WHERE r.state = 'live' AND r.verified > 0 AND j.state = 'processing' AND j.committed = 0
    AND j.lease = CAST(a.value ->> 2 AS BIGINT) AND j.epoch = CAST(a.value ->> 3 AS BIGINT)
    AND t.state = 'writing' AND t.job_id = j.id AND t.trash_generation IS NOT NULL";
/// The copy keeps its job: what the restoring made of its mark is that lease's doing, and only who gave it up may purge it.
pub(super) const GIVEN_UP: &str = "
UPDATE replicas SET state = 'purging', generation = trash_generation, trash_generation = NULL, since = $2,
    ordered_epoch = 0, not_before = 0, failures = 0
FROM json_each($1) AS a WHERE replicas.file_id = CAST(a.value ->> 0 AS BIGINT) AND replicas.pool_id = CAST(a.value ->> 1 AS BIGINT)";

async fn give_up(
    conn: &mut Conn,
    files: &[(JobId, Lease, SessionEpoch, StoredPath)],
    now: UnixMillis,
) -> Result<Vec<ReturnedJob>, Trouble> {
    let word = |(job, lease, epoch, path): &(JobId, Lease, SessionEpoch, StoredPath)| {
        (job.get(), path.to_string(), lease.0, epoch.0)
    };
    let words: Vec<_> = files.iter().map(word).collect();
    let rows: Vec<(i64, i64, i64)> = statement::query_as(SOUND).bind(json(&words)).fetch_all(&mut *conn).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    statement::query(GIVEN_UP).bind(json(&rows)).bind(now.0).execute(&mut *conn).await?;
    let leases: BTreeSet<i64> = rows.into_iter().map(|(.., lease)| lease).collect();
    lease::return_leases(conn, &leases, now).await
}

pub(super) const FROM_TRASH: &str = "
SELECT r.file_id, r.pool_id, f.size FROM json_each($1) AS a
    CROSS JOIN files f ON f.stored_path = (a.value ->> 1)
    CROSS JOIN jobs j ON j.id = CAST(a.value ->> 0 AS BIGINT)
    CROSS JOIN replicas r ON r.file_id = f.id AND r.pool_id = j.target_pool_id
WHERE r.state = 'writing' AND r.job_id = j.id AND r.trash_generation IS NOT NULL";
const ANEW: &str = "
UPDATE replicas SET trash_generation = NULL
FROM json_each($1) AS a WHERE replicas.file_id = CAST(a.value ->> 0 AS BIGINT) AND replicas.pool_id = CAST(a.value ->> 1 AS BIGINT)";

async fn not_in_trash(conn: &mut Conn, files: &[(JobId, Lease, SessionEpoch, StoredPath)]) -> Result<(), Trouble> {
    let words: Vec<_> = files.iter().map(|(job, lease, epoch, _)| (job.get(), lease.0, epoch.0)).collect();
    let held = held(conn, &words).await?;
    let still = files.iter().filter(|(job, ..)| held.contains_key(&int(job.get())));
    let words: Vec<_> = still.map(|(job, _, _, path)| (job.get(), path.as_str())).collect();
    let rows: Vec<(i64, i64, i64)> = statement::query_as(FROM_TRASH).bind(json(&words)).fetch_all(&mut *conn).await?;
    let mut tally = Tally::default();
    for (_, pool, size) in &rows {
        tally.shift(*pool, *size, Bucket::Trash, Bucket::Reserved);
    }
    statement::query(ANEW).bind(json(&rows)).execute(&mut *conn).await?;
    tally.apply(conn).await
}
