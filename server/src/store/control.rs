//! Jobs paused, resumed, cancelled and tried again by people. Fenced: a job's lease is void with the change, and a late
//! word about it does nothing. Children follow their parents, so many in a transaction.

use std::collections::{BTreeMap, BTreeSet};

use pixelfox_proto::Sha256;
use sqlx::FromRow;

use super::{
    Store, StoreError, Trouble,
    dialect::{int, job_id, json, uint},
    endings::{self, Ending},
    outbox, requests,
    statement::{self, Conn},
    tally::Tally,
    undo,
    which::{Batch, NAMED_UNKNOWN, meant, more_after, require_known},
};
use crate::catalog::{
    ChangeAsk, ChangeProgress, Changed, JobChange, JobFilter, JobState, Level, SettledJob, UnixMillis, WhichJobs,
};

impl Store {
    /// The next step of a change: `from` is where the last one ended. Ask until it is over. A request id that was used
    /// for the same before goes on where that stopped. What does not apply to a job's state leaves it alone.
    ///
    /// # Errors
    /// Ids that are unknown: then nothing is changed. A request id that was used for something else.
    pub async fn change_jobs(
        &self,
        ask: ChangeAsk,
        from: ChangeProgress,
        now: UnixMillis,
    ) -> Result<Changed, StoreError> {
        let found = self.look_ahead(&ask, &from).await?;
        self.write("change jobs", move |conn| Box::pin(async move { step(conn, &ask, from, &found, now).await })).await
    }
}

async fn step(
    conn: &mut Conn,
    ask: &ChangeAsk,
    from: ChangeProgress,
    found: &[i64],
    now: UnixMillis,
) -> Result<Changed, Trouble> {
    let asked = format!("{} {}", ask.change.as_str(), Sha256::of(format!("{:?}", ask.which).as_bytes()));
    if from == ChangeProgress::default() {
        if let Some(earlier) = requests::earlier::<ChangeProgress>(conn, &ask.request_id, &asked).await? {
            return Ok(Changed { progress: earlier, ..Changed::default() });
        }
        require_known(conn, &ask.which).await?;
        outbox::audit(conn, now, ask.change.as_str(), "jobs", &Detail(&ask.which).to_string()).await?;
    }
    let mut changed = Changed { progress: from, ..Changed::default() };
    let batch = match from.family {
        0 => Batch::first_of(&meant(conn, ask, found, from.after).await?),
        parent => Some(Batch::Children { parent: int(parent), after: int(from.child) }),
    };
    let Some(batch) = batch else {
        match found.last() {
            Some(last) => changed.progress.after = uint(*last), // none of them fits any more
            None => changed.progress.over = true,
        }
        requests::remember(conn, &ask.request_id, &asked, &changed.progress, now).await?;
        return Ok(changed);
    };
    let what = match ask.change {
        JobChange::Pause => pause(conn, &batch).await?,
        JobChange::Resume => resume(conn, &batch).await?,
        JobChange::Cancel => cancel(conn, &batch, now).await?,
        JobChange::Retry => retry(conn, &batch, found).await?,
    };
    outbox::put_jobs(conn, now, &what.jobs).await?;
    match what.child {
        Some(child) => (changed.progress.family, changed.progress.child) = (uint(batch.last()), uint(child)),
        None => changed.progress = ChangeProgress { after: uint(batch.last()), family: 0, child: 0, ..from },
    }
    changed.progress.changed += u64::try_from(what.count).unwrap_or(u64::MAX);
    changed.settled = what.settled;
    changed.jobs = what.jobs.into_iter().map(job_id).collect::<Result<_, _>>()?;
    requests::remember(conn, &ask.request_id, &asked, &changed.progress, now).await?;
    Ok(changed)
}

/// What the audit keeps of which jobs were meant.
struct Detail<'a>(&'a WhichJobs);

impl std::fmt::Display for Detail<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            WhichJobs::Ids(ids) if ids.len() > NAMED_UNKNOWN => {
                write!(f, "{} jobs from {} to {}", ids.len(), ids[0], ids[ids.len() - 1])
            }
            WhichJobs::Ids(ids) => {
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                write!(f, "jobs {}", ids.join(", "))
            }
            WhichJobs::Filter(JobFilter { state, kind, node, parent, image, pool, level }) => {
                let parts = [
                    state.map(|it| format!("state={}", it.as_str())),
                    kind.map(|it| format!("kind={}", it.as_str())),
                    node.as_ref().map(|it| format!("node={it}")),
                    parent.map(|it| format!("parent={it}")),
                    image.map(|it| format!("image={it}")),
                    pool.map(|it| format!("pool={it}")),
                    (*level == Level::Top).then(|| "top_level".to_owned()),
                ];
                write!(f, "every job that fits: {}", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// What became of a batch.
#[derive(Default)]
struct Done {
    /// Jobs that are something else now, parents that were opened again for a child's sake included.
    jobs: Vec<i64>,
    settled: Vec<SettledJob>,
    /// Jobs that changed because they, or their parent, were meant.
    count: usize,
    /// The last child of the step, where the parent may have more.
    child: Option<i64>,
}

pub(super) const PAUSE: &str = "
UPDATE jobs SET state = 'paused', epoch = 0, target_epoch = 0, not_before = 0,
    node_id = (SELECT p.node_id FROM pools p WHERE p.id = jobs.source_pool_id)
FROM json_each($1) AS a WHERE jobs.id = CAST(a.value AS BIGINT) AND jobs.kind = 'move_image'
    AND (jobs.state = 'pending' OR (jobs.state = 'processing' AND jobs.committed = 0))
RETURNING jobs.id";
const PAUSE_PARENT: &str =
    "UPDATE jobs SET state = 'paused' WHERE id = $1 AND state = 'processing' AND cancelling = 0 RETURNING id";
pub(super) const RESUME: &str = "
UPDATE jobs SET state = 'pending', not_before = 0
FROM json_each($1) AS a WHERE jobs.id = CAST(a.value AS BIGINT) AND jobs.kind = 'move_image' AND jobs.state = 'paused'
RETURNING jobs.id";
const RESUME_PARENT: &str = "UPDATE jobs SET state = 'processing' WHERE id = $1 AND state = 'paused' RETURNING id";

async fn pause(conn: &mut Conn, batch: &Batch) -> Result<Done, Trouble> {
    flip(conn, batch, PAUSE_PARENT, PAUSE).await
}

async fn resume(conn: &mut Conn, batch: &Batch) -> Result<Done, Trouble> {
    flip(conn, batch, RESUME_PARENT, RESUME).await
}

async fn flip(conn: &mut Conn, batch: &Batch, parent_sql: &'static str, sql: &'static str) -> Result<Done, Trouble> {
    let mut done = Done::default();
    if let Some(parent) = batch.parent() {
        done.jobs = statement::query_scalar(parent_sql).bind(parent).fetch_all(&mut *conn).await?;
    }
    let (jobs, child) = batch.open_jobs(conn).await?;
    let flipped: Vec<i64> = statement::query_scalar(sql).bind(json(&jobs)).fetch_all(&mut *conn).await?;
    done.jobs.extend(flipped);
    Ok(Done { count: done.jobs.len(), child, ..done })
}

const CALL_OFF: &str = "
UPDATE jobs SET cancelling = 1, state = 'processing',
    planned_end = CASE WHEN cursor < cursor_end THEN cursor_end ELSE planned_end END, cursor_end = cursor
WHERE id = $1 AND finished IS NULL AND cancelling = 0 RETURNING id";
pub(super) const CANCELLABLE: &str = "
SELECT j.id FROM json_each($1) AS a CROSS JOIN jobs j ON j.id = CAST(a.value AS BIGINT)
WHERE j.kind = 'move_image'
    AND (j.state IN ('pending', 'paused') OR (j.state = 'processing' AND j.committed = 0))";
/// Children that a plan counted on and that will never be made count as cancelled.
pub(super) const UNMADE: &str = "
UPDATE jobs SET children_cancelled = children_total - children_done - children_failed
    - (SELECT COUNT(*) FROM jobs c WHERE c.parent_id = $1 AND c.finished IS NULL)
WHERE id = $1 AND finished IS NULL";

/// Copies that are on their way to a target are given up, images are free, parents end with what is past its commit.
async fn cancel(conn: &mut Conn, batch: &Batch, now: UnixMillis) -> Result<Done, Trouble> {
    let mut done = Done::default();
    if let Some(parent) = batch.parent() {
        done.jobs = statement::query_scalar(CALL_OFF).bind(parent).fetch_all(&mut *conn).await?;
        // before its children, so that it ends with the last of them even if nobody calls off the others
        statement::query(UNMADE).bind(parent).execute(&mut *conn).await?;
    }
    let (jobs, child) = batch.open_jobs(conn).await?;
    done.child = child;
    let open: Vec<i64> = statement::query_scalar(CANCELLABLE).bind(json(&jobs)).fetch_all(&mut *conn).await?;
    done.count = done.jobs.len() + open.len();
    let mut tally = Tally::default();
    endings::condemn_writing(conn, &open, &mut tally, now).await?;
    tally.apply(conn).await?;
    let ending = |job: &i64| Ending { job: *job, state: JobState::Cancelled, cause: String::new(), missing: 0 };
    done.settled = endings::end_jobs(conn, open.iter().map(ending).collect(), now).await?;
    if let Some(parent) = batch.parent() {
        done.settled.extend(endings::end_parents(conn, &[parent], now).await?);
    }
    // a parent that ended at once is told of by its end
    let ended: BTreeSet<u64> = done.settled.iter().map(|job| job.job.get()).collect();
    done.jobs.retain(|job| !ended.contains(&uint(*job)));
    Ok(done)
}

#[derive(FromRow)]
struct EndedRow {
    id: i64,
    parent_id: Option<i64>,
    image_id: i64,
    state: String,
    files_missing: i64,
}

pub(super) const RETRIABLE: &str = "
SELECT j.id, j.parent_id, j.image_id, j.state, j.files_missing
FROM json_each($1) AS a
    CROSS JOIN jobs j ON j.id = CAST(a.value AS BIGINT)
    CROSS JOIN images i ON i.id = j.image_id
    JOIN pools t ON t.id = j.target_pool_id
WHERE j.kind = 'move_image' AND j.state IN ('failed', 'cancelled') AND i.job_id IS NULL AND i.deleting = 0
    AND i.pool_id = j.source_pool_id
ORDER BY j.id DESC";
pub(super) const REOPEN: &str = "
UPDATE jobs SET failures = 0, not_before = 0, finished = NULL, last_error = '', files_missing = 0,
    state = CASE WHEN EXISTS (SELECT 1 FROM jobs p WHERE p.id = jobs.parent_id AND p.state = 'paused')
        THEN 'paused' ELSE 'pending' END,
    node_id = COALESCE((SELECT p.node_id FROM pools p WHERE p.id = jobs.source_pool_id), jobs.node_id)
FROM json_each($1) AS a WHERE jobs.id = CAST(a.value ->> 1 AS BIGINT)";
pub(super) const LOCK: &str = "
UPDATE images SET job_id = CAST(a.value ->> 1 AS BIGINT)
FROM json_each($1) AS a WHERE images.id = CAST(a.value ->> 0 AS BIGINT)";
pub(super) const UNCOUNT: &str = "
UPDATE jobs SET children_failed = children_failed - CAST(c.value ->> 1 AS BIGINT),
    children_cancelled = children_cancelled - CAST(c.value ->> 2 AS BIGINT),
    files_missing = files_missing - CAST(c.value ->> 3 AS BIGINT),
    state = CASE WHEN state = 'paused' THEN 'paused' ELSE 'processing' END,
    cancelling = 0, finished = NULL, last_error = ''
FROM json_each($1) AS c WHERE jobs.id = CAST(c.value ->> 0 AS BIGINT)";

/// A parent that was called off before it had made all its children makes the others now, from where it stopped.
const GO_ON: &str = "
UPDATE jobs SET children_cancelled = children_cancelled - (children_total - made), cursor_end = planned_end,
    planned_end = 0, cancelling = 0, finished = NULL, last_error = '',
    state = CASE WHEN state = 'paused' THEN 'paused' ELSE 'processing' END
WHERE id = $1 AND planned_end > cursor
    AND EXISTS (SELECT 1 FROM pools p WHERE p.id = jobs.source_pool_id)
    AND EXISTS (SELECT 1 FROM pools p WHERE p.id = jobs.target_pool_id)
RETURNING id";

/// Ended jobs whose image is where they left it, and free, begin anew; their parents are open again. Of a parent's step
/// only that itself: its children are looked for before the next one.
async fn retry(conn: &mut Conn, batch: &Batch, found: &[i64]) -> Result<Done, Trouble> {
    let (jobs, child) = match batch {
        Batch::Jobs { jobs, .. } => (jobs.as_slice(), None),
        Batch::Parent(parent) => {
            let jobs: Vec<i64> = statement::query_scalar(GO_ON).bind(*parent).fetch_all(&mut *conn).await?;
            return Ok(Done { count: jobs.len(), jobs, child: Some(0), ..Done::default() });
        }
        Batch::Children { .. } => (found, more_after(found)),
    };
    let rows: Vec<EndedRow> = statement::query_as(RETRIABLE).bind(json(&jobs)).fetch_all(&mut *conn).await?;
    // Newest first: of an image's jobs that one.
    let mut newest: BTreeMap<i64, EndedRow> = BTreeMap::new();
    for row in rows {
        newest.entry(row.image_id).or_insert(row);
    }
    if newest.is_empty() {
        return Ok(Done { child, ..Done::default() });
    }
    let mut parents: BTreeMap<i64, (i64, i64, i64)> = BTreeMap::new();
    for row in newest.values() {
        let Some(parent) = row.parent_id else { continue };
        let (failed, cancelled, missing) = parents.entry(parent).or_default();
        *(if row.state == "failed" { failed } else { cancelled }) += 1;
        *missing += row.files_missing;
    }
    let locks: Vec<_> = newest.values().map(|row| (row.image_id, row.id)).collect();
    let locks = json(&locks);
    statement::query(REOPEN).bind(&locks).execute(&mut *conn).await?;
    statement::query(LOCK).bind(&locks).execute(&mut *conn).await?;
    let again: Vec<_> = newest.values().filter_map(|row| Some((row.parent_id?, row.image_id))).collect();
    undo::tried_again(conn, &again).await?;
    let counts: Vec<_> = parents.iter().map(|(parent, (f, c, m))| (parent, f, c, m)).collect();
    let reopened = match batch {
        Batch::Children { parent, .. } => ended(conn, *parent).await?,
        Batch::Jobs { .. } | Batch::Parent(_) => 0,
    };
    statement::query(UNCOUNT).bind(json(&counts)).execute(&mut *conn).await?;
    let count = newest.len() + reopened;
    let jobs = parents.into_keys().chain(newest.into_values().map(|row| row.id)).collect();
    Ok(Done { jobs, count, child, ..Done::default() })
}

/// 1 where this job has ended, else 0.
async fn ended(conn: &mut Conn, job: i64) -> Result<usize, Trouble> {
    const SQL: &str = "SELECT id FROM jobs WHERE id = $1 AND finished IS NOT NULL";
    let ended: Vec<i64> = statement::query_scalar(SQL).bind(job).fetch_all(conn).await?;
    Ok(ended.len())
}
