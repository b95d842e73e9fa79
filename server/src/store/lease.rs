//! Leases: jobs go out to a session and come back when it is gone.

use std::collections::{BTreeSet, HashMap};

use pixelfox_proto::{FileMeta, Generation, Lease, NodeId};
use sqlx::FromRow;

use super::{
    Store, StoreError, Trouble,
    dialect::{checked, int, job_id, json, pool_id, sha256, small, some_job, some_pool, uint, word},
    endings::{self, Ending},
    fit::{Fit, fit, in_trash, not_in_trash},
    line::{self, Candidate},
    outbox,
    rows::{MoveFileRow, bucket, state},
    split::{self, Split},
    statement::{self, Conn, Together},
    tally::Tally,
};
use crate::catalog::{
    JobKind, LeaseOrder, Leased, LeasedFile, LeasedJob, LostSession, Reach, ReplicaState, ReturnedJob, Share,
    UnixMillis,
};

/// Seconds until a job is tried again whose target has an old copy on its way into or out of the trash.
pub(super) const UNSETTLED_WAIT_SECONDS: u32 = 5;

impl Store {
    /// Leases jobs of a lane: `processing`, attempt + 1, copies at the target `writing` with the next generation, bytes
    /// reserved. Nothing where one of the order's sessions is not its node's last one, the target is not active or the
    /// queue is paused.
    ///
    /// # Errors
    /// The database fails.
    pub async fn lease_jobs(&self, order: LeaseOrder, now: UnixMillis) -> Result<Leased, StoreError> {
        self.write("lease jobs", move |conn| Box::pin(async move { lease(conn, &order, now).await })).await
    }

    /// Jobs of sessions that are gone, before their commit: `pending` again at once, not counted.
    ///
    /// # Errors
    /// The database fails.
    pub async fn return_lost(&self, session: LostSession, now: UnixMillis) -> Result<Vec<ReturnedJob>, StoreError> {
        self.write("return jobs", move |conn| {
            Box::pin(async move {
                match session {
                    LostSession::Of { node, epoch } => return_node(conn, &node, int(epoch.0), now).await,
                    LostSession::Every => return_every(conn, now).await,
                    LostSession::Leases(leases) => {
                        let leases = leases.iter().map(|lease| int(lease.0)).collect();
                        return_leases(conn, &leases, now).await
                    }
                }
            })
        })
        .await
    }
}

async fn lease(conn: &mut Conn, order: &LeaseOrder, now: UnixMillis) -> Result<Leased, Trouble> {
    let Some((on_target, last)) = room(conn, order).await? else { return Ok(Leased::default()) };
    let first = line::candidates(conn, order, now).await?;
    let files = line::files_of(conn, &first).await?;
    let mut taken = Taken { room: on_target, ..Taken::default() };
    let (seen, window) = (line::ids(&first), first.len());
    taken.take(order, first, &files)?;
    let mut others = Vec::new();
    let is_longer = i64::try_from(window).is_ok_and(|window| window >= i64::from(order.jobs));
    if taken.full && is_longer && !order.only_undo {
        others = line::smaller(conn, order, taken.room, now).await?;
        others.retain(|job| !seen.contains(&job.id));
        others.truncate(window - taken.jobs.len());
    }
    let files = line::files_of(conn, &others).await?;
    taken.take(order, others, &files)?;
    taken.write(conn, order, last, now).await
}

pub(super) const MAY: &str = "
SELECT t.max_size, t.used_bytes + t.trash_bytes + t.reserved_bytes,
    (SELECT CAST(COALESCE(SUM(p.reserved_bytes), 0) AS BIGINT)
        FROM json_each($5) AS a CROSS JOIN pools p ON p.id = CAST(a.value AS BIGINT)),
    (SELECT c.value FROM counters c WHERE c.name = 'lease')
FROM pools t
WHERE t.id = $1 AND t.is_active = 1
    AND EXISTS (SELECT 1 FROM nodes n WHERE n.node_id = t.node_id AND n.epoch = $2)
    AND EXISTS (SELECT 1 FROM nodes n WHERE n.node_id = $3 AND n.epoch = $4)
    AND NOT EXISTS (SELECT 1 FROM settings s WHERE s.name = 'queue_paused' AND s.value <> 0)";

/// Bytes that may go to the target by its own limit and its disk, less what is on its way in there and to the pools that
/// share its file system, and the last lease. `None`: it is not active, one of the sessions is not its node's last one,
/// or the queue is paused.
async fn room(conn: &mut Conn, order: &LeaseOrder) -> Result<Option<(i64, i64)>, Trouble> {
    let pools: Vec<u64> = order.disk_shared_with.iter().chain([&order.target]).map(|pool| pool.get()).collect();
    let query = statement::query_as(MAY).bind(int(order.target.get())).bind(int(order.target_epoch.0));
    let query = query.bind(order.node.as_str()).bind(int(order.epoch.0)).bind(json(&pools));
    let Some((limit, taken, reserved, last)): Option<(i64, i64, i64, i64)> = query.fetch_optional(conn).await? else {
        return Ok(None);
    };
    let on_disk = int(order.disk_free_bytes.saturating_sub(uint(reserved)));
    let room = if limit == 0 { on_disk } else { on_disk.min(limit.saturating_sub(taken).max(0)) };
    Ok(Some((room, last)))
}

#[derive(Default)]
struct Taken<'a> {
    /// Bytes that the target still takes.
    room: i64,
    jobs: Vec<(Candidate, Vec<&'a MoveFileRow>)>,
    unsettled: Vec<i64>,
    split: Vec<Split<'a>>,
    over: Vec<Ending>,
    full: bool,
}

const PUT_OFF: &str = "UPDATE jobs SET not_before = $2 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each($1))";
pub(super) const LAST_LEASE: &str = "UPDATE counters SET value = $1 WHERE name = 'lease'";
pub(super) const LEASE: &str = "
UPDATE jobs SET state = 'processing', attempt = attempt + 1, lease = CAST(a.value ->> 1 AS BIGINT), epoch = $2, target_epoch = $3,
    by_target = $5, leased = $4, started = COALESCE(started, $4), not_before = 0
FROM json_each($1) AS a WHERE jobs.id = CAST(a.value ->> 0 AS BIGINT)";
pub(super) const GENERATION: &str = "
UPDATE files SET generation = CAST(a.value ->> 1 AS BIGINT) FROM json_each($1) AS a WHERE files.id = CAST(a.value ->> 0 AS BIGINT)";
pub(super) const WRITING: &str = "
INSERT INTO replicas (file_id, generation, job_id, trash_generation, pool_id, state, since)
SELECT CAST(value ->> 0 AS BIGINT), CAST(value ->> 1 AS BIGINT), CAST(value ->> 2 AS BIGINT), CAST(value ->> 3 AS BIGINT), $2, 'writing', $3 FROM json_each($1) WHERE true
ON CONFLICT (file_id, pool_id) DO UPDATE SET generation = excluded.generation, job_id = excluded.job_id,
    trash_generation = excluded.trash_generation, state = 'writing', since = excluded.since,
    ordered_epoch = 0, not_before = 0, failures = 0";

impl<'a> Taken<'a> {
    /// Looks what becomes of each of these jobs, with all their files.
    fn take(&mut self, order: &LeaseOrder, jobs: Vec<Candidate>, files: &'a [MoveFileRow]) -> Result<(), Trouble> {
        let by_job: HashMap<i64, &'a [MoveFileRow]> =
            files.chunk_by(|a, b| a.job == b.job).map(|files| (files[0].job, files)).collect();
        for job in jobs {
            match fit(by_job.get(&job.id).copied().unwrap_or_default(), job.id)? {
                Fit::Go { files, .. } if job.undo.0 && files.iter().any(|file| in_trash(file).is_none()) => {
                    self.over.push(not_in_trash(job.id));
                }
                Fit::Go { files, bytes } => {
                    let from_trash = files.iter().filter(|file| in_trash(file).is_some()).count();
                    match order.reach.share(from_trash, files.len()) {
                        Share::Theirs => {}
                        Share::MakeWay => self.split.push(Split { job: job.id, files }),
                        Share::Ours if bytes > self.room => self.full = true,
                        Share::Ours => {
                            self.room -= bytes;
                            self.jobs.push((job, files));
                        }
                    }
                }
                Fit::Wait => self.unsettled.push(job.id),
                Fit::Over(ending) => self.over.push(ending),
            }
        }
        Ok(())
    }

    async fn write(self, conn: &mut Conn, order: &LeaseOrder, last: i64, now: UnixMillis) -> Result<Leased, Trouble> {
        let mut leased = Leased { full: self.full, ..Leased::default() };
        put_off(conn, &self.unsettled, now.plus_seconds(UNSETTLED_WAIT_SECONDS)).await?;
        let mut tally = Tally::default();
        leased.makes_way = split::make_way(conn, order.target, &self.split, &mut tally, now).await?;
        let over: Vec<i64> = self.over.iter().map(|ending| ending.job).collect();
        endings::condemn_writing(conn, &over, &mut tally, now).await?;
        leased.settled = endings::end_jobs(conn, self.over, now).await?;
        let mut together = Together::default();
        if !self.jobs.is_empty() {
            leased.jobs = take(order, &self.jobs, last, &mut tally, &mut together, now)?;
        }
        together.add(tally.statement());
        together.execute(conn).await?;
        Ok(leased)
    }
}

/// These are not due before then.
pub(super) async fn put_off(conn: &mut Conn, jobs: &[i64], until: UnixMillis) -> Result<(), Trouble> {
    if !jobs.is_empty() {
        statement::query(PUT_OFF).bind(json(&jobs)).bind(until.0).execute(conn).await?;
    }
    Ok(())
}

fn take(
    order: &LeaseOrder,
    taken: &[(Candidate, Vec<&MoveFileRow>)],
    last: i64,
    tally: &mut Tally,
    together: &mut Together,
    now: UnixMillis,
) -> Result<Vec<LeasedJob>, Trouble> {
    let target = int(order.target.get());
    let (mut jobs, mut leases, mut copies) = (Vec::new(), Vec::new(), Vec::new());
    for (lease, (job, files)) in (last + 1..).zip(taken) {
        leases.push((job.id, lease));
        for file in files {
            let before = state(file.target_state.as_deref())?;
            let from = bucket(before, file.target_trash.is_some());
            tally.shift(target, file.size, from, ReplicaState::Writing.bucket(in_trash(file).is_some()));
            copies.push((file.file, file.generation + 1, job.id, in_trash(file)));
        }
        jobs.push(leased_job(order, job, files, lease)?);
    }
    let epochs = (int(order.epoch.0), int(order.target_epoch.0));
    let lease = statement::query(LEASE).bind(json(&leases)).bind(epochs.0).bind(epochs.1).bind(now.0);
    let lease = lease.bind(i64::from(order.reach == Reach::Target));
    let copies = json(&copies);
    let last = leases.last().map_or(last, |(_, lease)| *lease);
    together.add(statement::query(LAST_LEASE).bind(last)).add(lease).add(statement::query(GENERATION).bind(&copies));
    together.add(statement::query(WRITING).bind(copies).bind(target).bind(now.0));
    let ids: Vec<i64> = leases.iter().map(|(job, _)| *job).collect();
    together.add(outbox::news_of_jobs(now, &ids));
    Ok(jobs)
}

fn leased_job(order: &LeaseOrder, job: &Candidate, files: &[&MoveFileRow], lease: i64) -> Result<LeasedJob, Trouble> {
    let file = |file: &&MoveFileRow| {
        Ok(LeasedFile {
            path: checked(file.stored_path.parse(), "files.stored_path")?,
            size: uint(file.size),
            sha256: sha256(&file.sha256)?,
            generation: Generation(uint(file.generation + 1)),
            meta: FileMeta {
                image_uuid: job.uuid.clone(),
                kind: file.kind.clone(),
                share_token: job.share_token.clone(),
                original_name: job.original_name.clone(),
                content_type: file.content_type.clone(),
                width: small(file.width),
                height: small(file.height),
                user_id: uint(job.user_id),
                created: job.created / 1000,
            },
            in_trash: in_trash(file).map(|generation| Generation(uint(generation))),
        })
    };
    Ok(LeasedJob {
        job: job_id(job.id)?,
        parent: some_job(job.parent_id),
        image: checked(job.uuid.parse(), "images.uuid")?,
        lease: Lease(uint(lease)),
        attempt: small(job.attempt + 1),
        failures: small(job.failures),
        source: order.source,
        target: order.target,
        epoch: order.epoch,
        undo: job.undo.0,
        files: files.iter().map(file).collect::<Result<_, Trouble>>()?,
    })
}

#[derive(FromRow)]
struct ReturnedRow {
    id: i64,
    kind: String,
    node_id: String,
    source_pool_id: i64,
    target_pool_id: i64,
    lease: i64,
    leased: i64,
}

macro_rules! give_back {
    ($whose:literal) => {
        concat!(
            "UPDATE jobs SET state = 'pending', epoch = 0, target_epoch = 0, not_before = 0,
                node_id = (SELECT p.node_id FROM pools p WHERE p.id = jobs.source_pool_id)
            WHERE state = 'processing' AND committed = 0 AND lease > 0 AND ",
            $whose,
            " RETURNING id, kind, node_id, source_pool_id, target_pool_id, lease, leased"
        )
    };
}
pub(super) const OF_NODE: &str = give_back!(
    "((node_id = $1 AND epoch <= $2)
        OR (target_epoch <= $2 AND target_pool_id IN (SELECT p.id FROM pools p WHERE p.node_id = $1)))"
);
pub(super) const EVERY: &str = give_back!("lease > 0");
pub(super) const OF_LEASES: &str = give_back!("lease IN (SELECT CAST(value AS BIGINT) FROM json_each($1))");

/// Returns what sessions of this node up to `epoch` hold, as source or as target.
pub(super) async fn return_node(
    conn: &mut Conn,
    node: &NodeId,
    epoch: i64,
    now: UnixMillis,
) -> Result<Vec<ReturnedJob>, Trouble> {
    const NOWHERE: &str = "UPDATE nodes SET server = 0 WHERE node_id = $1 AND epoch <= $2 AND server <> 0";
    statement::query(NOWHERE).bind(node.as_str()).bind(epoch).execute(&mut *conn).await?;
    let rows: Vec<ReturnedRow> =
        statement::query_as(OF_NODE).bind(node.as_str()).bind(epoch).fetch_all(&mut *conn).await?;
    returned(conn, rows, now).await
}

/// Returns what any session holds.
pub(super) async fn return_every(conn: &mut Conn, now: UnixMillis) -> Result<Vec<ReturnedJob>, Trouble> {
    let rows: Vec<ReturnedRow> = statement::query_as(EVERY).fetch_all(&mut *conn).await?;
    returned(conn, rows, now).await
}

/// Returns what these leases hold.
pub(super) async fn return_leases(
    conn: &mut Conn,
    leases: &BTreeSet<i64>,
    now: UnixMillis,
) -> Result<Vec<ReturnedJob>, Trouble> {
    let rows: Vec<ReturnedRow> = statement::query_as(OF_LEASES).bind(json(leases)).fetch_all(&mut *conn).await?;
    returned(conn, rows, now).await
}

async fn returned(conn: &mut Conn, rows: Vec<ReturnedRow>, now: UnixMillis) -> Result<Vec<ReturnedJob>, Trouble> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    outbox::put_jobs(conn, now, &ids).await?;
    let job = |row: ReturnedRow| {
        Ok(ReturnedJob {
            job: job_id(row.id)?,
            kind: word(JobKind::parse(&row.kind), "jobs.kind", &row.kind)?,
            node: checked(row.node_id.parse(), "jobs.node_id")?,
            source: pool_id(row.source_pool_id)?,
            target: some_pool(row.target_pool_id),
            lease: Lease(uint(row.lease)),
            leased: UnixMillis(row.leased),
        })
    };
    rows.into_iter().map(job).collect()
}
