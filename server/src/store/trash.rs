//! Old copies: which node still has to be told (into the trash, or out of it for good), and what became of it.

use std::collections::{BTreeMap, BTreeSet};

use pixelfox_proto::{Generation, Lease, NodeId, SessionEpoch};
use serde::Deserialize;
use sqlx::FromRow;

use super::{
    Store, StoreError, Trouble, deletes,
    dialect::{checked, int, json, pool_id, small, some_job, uint},
    endings,
    gather::Gathered,
    nodes::holds,
    outbox,
    statement::{self, Conn, Flag, Together},
    tally::Tally,
};
use crate::catalog::{
    Bucket, ReplicaState, SettledJob, TrashOrder, TrashOrigin, TrashOutcome, TrashResult, TrashTask, UnixMillis,
};

impl Store {
    /// Condemned copies on this node for which no word is out under this session and whose time has come: up to
    /// `limit`, taken as sent from now on. Call when a node attaches, after a commit, and when
    /// [`Store::next_trash_order`] says so. Where the word could not be sent: give them back as [`TrashResult`]s with
    /// `Again(now)`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn delete_orders_due(
        &self,
        node: NodeId,
        epoch: SessionEpoch,
        limit: u32,
        now: UnixMillis,
    ) -> Result<Vec<TrashOrder>, StoreError> {
        self.write("look for old copies", move |conn| {
            Box::pin(async move { due(conn, &node, epoch, limit, TrashTask::Trash, now).await })
        })
        .await
    }

    /// As [`Store::delete_orders_due`], for copies that are noted as `purging`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn purge_orders_due(
        &self,
        node: NodeId,
        epoch: SessionEpoch,
        limit: u32,
        now: UnixMillis,
    ) -> Result<Vec<TrashOrder>, StoreError> {
        self.write("look for copies to purge", move |conn| {
            Box::pin(async move { due(conn, &node, epoch, limit, TrashTask::Purge, now).await })
        })
        .await
    }

    /// When the next order of this node that is not out is due, or `None`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn next_trash_order(&self, node: &NodeId, epoch: SessionEpoch) -> Result<Option<UnixMillis>, StoreError> {
        self.read("look for old copies", async |mut conn| {
            let query = statement::query_scalar(NEXT).bind(node.as_str()).bind(int(epoch.0));
            let next: Option<i64> = query.fetch_one(&mut conn).await?;
            Ok(next.map(UnixMillis))
        })
        .await
    }

    /// The nodes' words on old copies: `trashed`, `purging` where their image is being deleted, or off the books; jobs
    /// whose last one it was are `completed`, images that were being deleted and have no copy left are gone. Repeated or
    /// late ones do nothing.
    ///
    /// # Errors
    /// The database fails.
    pub async fn finish_trash(
        &self,
        results: Vec<TrashResult>,
        now: UnixMillis,
    ) -> Result<Vec<SettledJob>, StoreError> {
        self.write("settle old copies", move |conn| Box::pin(async move { finish(conn, &results, now).await })).await
    }
}

#[derive(FromRow)]
struct OrderRow {
    file_id: i64,
    pool_id: i64,
    generation: i64,
    job_id: Option<i64>,
    failures: i64,
    stored_path: String,
    size: i64,
    given_up_lease: Option<i64>,
    is_kept: bool,
}

async fn due(
    conn: &mut Conn,
    node: &NodeId,
    epoch: SessionEpoch,
    limit: u32,
    task: TrashTask,
    now: UnixMillis,
) -> Result<Vec<TrashOrder>, Trouble> {
    if !holds(conn, node, epoch).await? {
        return Ok(Vec::new());
    }
    let query = statement::query_as(DUE).bind(node.as_str()).bind(int(epoch.0)).bind(now.0).bind(i64::from(limit));
    let rows: Vec<OrderRow> = query.bind(state_for(task)).fetch_all(&mut *conn).await?;
    let (kept, rows): (Vec<OrderRow>, Vec<OrderRow>) = rows.into_iter().partition(|row| row.is_kept);
    if !kept.is_empty() {
        let keys: Vec<_> = kept.iter().map(|row| (row.file_id, row.pool_id)).collect();
        statement::query(TRASHED).bind(json(&keys)).bind(now.0).execute(&mut *conn).await?;
    }
    let keys: Vec<_> = rows.iter().map(|row| (row.file_id, row.pool_id)).collect();
    statement::query(SENT).bind(json(&keys)).bind(int(epoch.0)).execute(conn).await?;
    rows.into_iter().map(|row| row.order(node, task)).collect()
}

/// What a copy is while the word on this task is awaited.
const fn state_for(task: TrashTask) -> &'static str {
    match task {
        TrashTask::Trash => ReplicaState::Condemned.as_str(),
        TrashTask::Purge => ReplicaState::Purging.as_str(),
    }
}

impl OrderRow {
    fn order(self, node: &NodeId, task: TrashTask) -> Result<TrashOrder, Trouble> {
        Ok(TrashOrder {
            task,
            job: some_job(self.job_id),
            node: node.clone(),
            pool: pool_id(self.pool_id)?,
            path: checked(self.stored_path.parse(), "files.stored_path")?,
            generation: Generation(uint(self.generation)),
            size: uint(self.size),
            failures: small(self.failures),
            origin: match self.given_up_lease {
                Some(lease) => TrashOrigin::GivenUp(Lease(uint(lease))),
                None => TrashOrigin::Moved,
            },
        })
    }
}

// `state <> 'live'` names the partial index. A copy whose purge was noted while its node was away is kept where the live
// one is not known to be right any more: it may be the only good one.
pub(super) const DUE: &str = "
SELECT r.file_id, r.pool_id, r.generation, r.job_id, r.failures, f.stored_path, f.size, j.lease AS given_up_lease,
    r.state = 'purging' AND i.deleting = 0 AND (SELECT 1 FROM files s JOIN replicas l ON l.file_id = s.id
        WHERE s.image_id = f.image_id AND s.sha256 = f.sha256 AND l.state = 'live' AND l.verified > 0 LIMIT 1) IS NULL
        AS is_kept
FROM pools p
    CROSS JOIN replicas r ON r.pool_id = p.id
    CROSS JOIN files f ON f.id = r.file_id
    CROSS JOIN images i ON i.id = f.image_id
    LEFT JOIN jobs j ON j.id = r.job_id AND j.committed = 0
WHERE p.node_id = $1 AND r.state = $5 AND r.state <> 'live' AND r.not_before <= $3 AND r.ordered_epoch <> $2
ORDER BY r.not_before, r.pool_id, r.file_id LIMIT $4";
pub(super) const NEXT: &str = "
SELECT MIN(r.not_before) FROM pools p CROSS JOIN replicas r ON r.pool_id = p.id
WHERE p.node_id = $1 AND r.state IN ('condemned', 'purging') AND r.state <> 'live' AND r.ordered_epoch <> $2";
pub(super) const SENT: &str = "
UPDATE replicas SET ordered_epoch = $2
FROM json_each($1) AS a WHERE replicas.file_id = CAST(a.value ->> 0 AS BIGINT) AND replicas.pool_id = CAST(a.value ->> 1 AS BIGINT)";

/// An old copy that a word is about.
#[derive(Deserialize, FromRow)]
struct CondemnedRow {
    word: i64,
    file_id: i64,
    pool_id: i64,
    job_id: Option<i64>,
    trash_generation: Option<i64>,
    size: i64,
    deleting: Flag,
}

impl Gathered for CondemnedRow {
    const COLUMNS: &'static str = "word, file_id, pool_id, job_id, trash_generation, size, deleting";
}

pub(super) const CONDEMNED: &str = "
SELECT CAST(a.value ->> 0 AS BIGINT) AS word, r.file_id, r.pool_id, r.job_id, r.trash_generation, f.size, i.deleting
FROM json_each($1) AS a
    CROSS JOIN files f ON f.stored_path = (a.value ->> 2)
    CROSS JOIN replicas r ON r.file_id = f.id AND r.pool_id = CAST(a.value ->> 1 AS BIGINT)
    CROSS JOIN images i ON i.id = f.image_id
WHERE r.state = (a.value ->> 4) AND r.generation = CAST(a.value ->> 3 AS BIGINT)";
pub(super) const TRASHED: &str = "
UPDATE replicas SET state = 'trashed', job_id = NULL, trash_generation = NULL, since = $2, not_before = $2
FROM json_each($1) AS a WHERE replicas.file_id = CAST(a.value ->> 0 AS BIGINT) AND replicas.pool_id = CAST(a.value ->> 1 AS BIGINT)";
const STILL_TRASHED: &str = "
UPDATE replicas SET state = 'trashed', job_id = NULL, generation = trash_generation, trash_generation = NULL, since = $2,
    not_before = $2
FROM json_each($1) AS a WHERE replicas.file_id = CAST(a.value ->> 0 AS BIGINT) AND replicas.pool_id = CAST(a.value ->> 1 AS BIGINT)";
/// Orders for the copies of these pools that went wrong before need not wait any longer.
const DUE_AT_ONCE: &str = "
UPDATE replicas SET not_before = 0, failures = 0 WHERE pool_id IN (SELECT CAST(value AS BIGINT) FROM json_each($1))
    AND state <> 'live' AND state IN ('condemned', 'purging') AND failures > 0";
const AGAIN: &str = "
UPDATE replicas SET ordered_epoch = 0, not_before = CAST(a.value ->> 2 AS BIGINT), failures = failures + 1
FROM json_each($1) AS a WHERE replicas.file_id = CAST(a.value ->> 0 AS BIGINT) AND replicas.pool_id = CAST(a.value ->> 1 AS BIGINT) AND $2 = $2";
pub(super) const OFF: &str = "
DELETE FROM replicas WHERE (file_id, pool_id) IN (SELECT CAST(value ->> 0 AS BIGINT), CAST(value ->> 1 AS BIGINT) FROM json_each($1)) AND $2 = $2";
/// A job that waited until its file's copy in the trash was gone.
pub(super) const DUE_NOW: &str = "
UPDATE jobs SET not_before = 0 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each($1)) AND state = 'pending'";

/// These pools, or their node, are well again: what failed because of them is tried at once.
pub(super) async fn due_at_once(conn: &mut Conn, pools: &[i64]) -> Result<(), Trouble> {
    Ok(statement::query(DUE_AT_ONCE).bind(json(&pools)).execute(conn).await?)
}

type Key = (i64, i64);

#[derive(Default)]
struct Settling {
    trashed: Vec<Key>,
    still_trashed: Vec<Key>,
    off: Vec<Key>,
    again: Vec<(i64, i64, i64)>,
    jobs: BTreeSet<i64>,
    /// Jobs whose target has a copy less in the way.
    freed: BTreeSet<i64>,
    alarms: BTreeMap<i64, String>,
    /// file → what a person must look at
    alarmed: BTreeMap<i64, String>,
    /// Files of images that are being deleted.
    deleting: Vec<i64>,
    tally: Tally,
}

async fn finish(conn: &mut Conn, results: &[TrashResult], now: UnixMillis) -> Result<Vec<SettledJob>, Trouble> {
    let word = |(n, word): (usize, &TrashResult)| {
        (n, word.pool, word.path.to_string(), word.generation.0, state_for(word.task))
    };
    let words: Vec<_> = results.iter().enumerate().map(word).collect();
    let rows: Vec<CondemnedRow> = statement::query_as(CONDEMNED).bind(json(&words)).gather(conn).await?;
    let (mut settling, mut seen) = (Settling::default(), BTreeSet::new());
    for row in rows {
        let word = usize::try_from(row.word).ok().and_then(|index| results.get(index));
        if let Some(word) = word.filter(|_| seen.insert((row.file_id, row.pool_id))) {
            settling.take(conn, &row, word, now).await?;
        }
    }
    let mut together = Together::default();
    for (sql, keys) in [(TRASHED, &settling.trashed), (STILL_TRASHED, &settling.still_trashed), (OFF, &settling.off)] {
        if !keys.is_empty() {
            together.add(statement::query(sql).bind(json(keys)).bind(now.0));
        }
    }
    if !settling.again.is_empty() {
        together.add(statement::query(AGAIN).bind(json(&settling.again)).bind(now.0));
    }
    if !settling.freed.is_empty() {
        together.add(statement::query(DUE_NOW).bind(json(&settling.freed)));
    }
    together.add(settling.tally.statement());
    let jobs: Vec<i64> = settling.jobs.into_iter().collect();
    let mut settled = endings::end_settled(conn, together, &jobs, &settling.alarms, now).await?;
    if !settling.deleting.is_empty() {
        settled.extend(deletes::go_on(conn, &settling.deleting, &settling.alarmed, now).await?);
    }
    Ok(settled)
}

impl Settling {
    async fn take(
        &mut self,
        conn: &mut Conn,
        row: &CondemnedRow,
        word: &TrashResult,
        now: UnixMillis,
    ) -> Result<(), Trouble> {
        let key = (row.file_id, row.pool_id);
        if row.deleting.0 {
            self.deleting.push(row.file_id);
        }
        match &word.outcome {
            TrashOutcome::Again(at) => {
                self.again.push((row.file_id, row.pool_id, at.0));
                return Ok(());
            }
            TrashOutcome::Trashed if word.task == TrashTask::Trash => self.trashed.push(key),
            // Its restoring never began: what was in the trash is there still.
            TrashOutcome::Missing if row.trash_generation.is_some() => self.still_trashed.push(key),
            TrashOutcome::Missing | TrashOutcome::Trashed | TrashOutcome::Purged => {
                self.off.push(key);
                self.freed.extend(row.job_id.filter(|_| word.task == TrashTask::Purge));
                self.tally.shift(row.pool_id, row.size, Bucket::Trash, Bucket::None);
            }
            TrashOutcome::Stale(what) => {
                // Another file has the name; what was to come back from the trash lies there still, and counts there.
                if row.trash_generation.is_some() {
                    self.still_trashed.push(key);
                } else {
                    self.off.push(key);
                    self.tally.shift(row.pool_id, row.size, Bucket::Trash, Bucket::None);
                }
                let alarm = format!("pool {} keeps another file at {}: {what}", row.pool_id, word.path);
                outbox::audit(conn, now, "stale_copy", word.path.as_str(), &alarm).await?;
                self.alarmed.insert(row.file_id, alarm.clone());
                if let Some(job) = row.job_id {
                    self.alarms.insert(job, alarm);
                }
            }
        }
        self.jobs.extend(row.job_id);
        Ok(())
    }
}
