//! Jobs paused, resumed, cancelled and tried again by people. Fenced: a job's lease is void with the change, and a late
//! word about it does nothing. Children follow their parents within the same transaction.

use std::collections::{BTreeMap, BTreeSet};

use pixelfox_proto::{JobId, Sha256};
use sqlx::FromRow;

use super::{
    Store, StoreError, Trouble,
    dialect::{int, job_id, json, uint, word},
    endings::{self, Ending},
    jobs::narrow,
    outbox, requests,
    statement::{self, Conn},
    tally::Tally,
};
use crate::catalog::{
    ChangeAsk, ChangeProgress, Changed, JobChange, JobKind, JobState, Refusal, SettledJob, UnixMillis, WhichJobs,
};

/// Jobs of one step at most; a parent is a step of its own, with its open children, of which there are few. Those that
/// have ended take as many steps as they need.
const STEP: usize = 500;
/// Unknown ids that an error names at most.
const NAMED_UNKNOWN: usize = 10;

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
        self.write("change jobs", move |conn| Box::pin(async move { step(conn, &ask, from, now).await })).await
    }
}

async fn step(conn: &mut Conn, ask: &ChangeAsk, mut from: ChangeProgress, now: UnixMillis) -> Result<Changed, Trouble> {
    let asked = format!("{} {}", ask.change.as_str(), Sha256::of(format!("{:?}", ask.which).as_bytes()));
    if from == ChangeProgress::default() {
        if let Some(earlier) = requests::earlier::<ChangeProgress>(conn, &ask.request_id, &asked).await? {
            from = earlier;
        }
        if from == ChangeProgress::default() {
            require_known(conn, &ask.which).await?;
            outbox::audit(conn, now, ask.change.as_str(), "jobs", &format!("{:?}", Detail(&ask.which))).await?;
        }
    }
    if from.over {
        return Ok(Changed { progress: from, ..Changed::default() });
    }
    let mut changed = Changed { progress: from, ..Changed::default() };
    let next = match from.family {
        0 => Batch::first_of(&select(conn, ask, from.after).await?),
        parent => Some(Batch::Family(int(parent))),
    };
    let Some(batch) = next else {
        changed.progress.over = true;
        requests::remember(conn, &ask.request_id, &asked, &changed.progress, now).await?;
        return Ok(changed);
    };
    let what = match ask.change {
        JobChange::Pause => pause(conn, &batch).await?,
        JobChange::Resume => resume(conn, &batch).await?,
        JobChange::Cancel => cancel(conn, &batch, now).await?,
        JobChange::Retry => retry(conn, &batch, int(from.child)).await?,
    };
    outbox::put_jobs(conn, now, &what.jobs).await?;
    let goes_on = what.child.zip(batch.parent());
    match goes_on {
        Some((child, parent)) => (changed.progress.family, changed.progress.child) = (uint(parent), uint(child)),
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

impl std::fmt::Debug for Detail<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            WhichJobs::Ids(ids) if ids.len() > NAMED_UNKNOWN => {
                write!(f, "{} jobs from {} to {}", ids.len(), ids[0], ids[ids.len() - 1])
            }
            which => write!(f, "{which:?}"),
        }
    }
}

pub(super) const NAMED: &str = "
SELECT j.id, j.kind FROM json_each($1) AS a CROSS JOIN jobs j ON j.id = CAST(a.value AS BIGINT) ORDER BY j.id";

pub(super) async fn named(conn: &mut Conn, ids: &[JobId]) -> Result<Vec<(i64, String)>, Trouble> {
    let ids: Vec<u64> = ids.iter().map(|id| id.get()).collect();
    Ok(statement::query_as(NAMED).bind(json(&ids)).fetch_all(conn).await?)
}

pub(super) async fn require_known(conn: &mut Conn, which: &WhichJobs) -> Result<(), Trouble> {
    let WhichJobs::Ids(ids) = which else { return Ok(()) };
    let known: BTreeSet<u64> = named(conn, ids).await?.into_iter().map(|(id, _)| uint(id)).collect();
    let unknown: Vec<String> = ids.iter().filter(|id| !known.contains(&id.get())).map(ToString::to_string).collect();
    match unknown.len() {
        0 => Ok(()),
        count if count > NAMED_UNKNOWN => {
            let some = unknown[..NAMED_UNKNOWN].join(", ");
            Err(Refusal::not_found(format!("ids: no job {some} and {} more", count - NAMED_UNKNOWN)).into())
        }
        _ => Err(Refusal::not_found(format!("ids: no job {}", unknown.join(", "))).into()),
    }
}

/// The next jobs that are meant, in the order of their ids.
async fn select(conn: &mut Conn, ask: &ChangeAsk, after: u64) -> Result<Vec<(i64, JobKind)>, Trouble> {
    let rows: Vec<(i64, String)> = match &ask.which {
        WhichJobs::Ids(ids) => {
            let next: Vec<JobId> = ids.iter().copied().filter(|id| id.get() > after).take(STEP).collect();
            named(conn, &next).await?
        }
        WhichJobs::Filter(filter) => {
            let mut sql = statement::query_as("SELECT id, kind FROM jobs WHERE id > ");
            sql.push_bind(int(after));
            narrow(&mut sql, filter);
            sql.push(match ask.change {
                JobChange::Pause | JobChange::Resume | JobChange::Cancel => " AND finished IS NULL",
                JobChange::Retry => " AND state IN ('failed', 'cancelled')",
            });
            sql.push(" ORDER BY id LIMIT ").push_bind(i64::try_from(STEP).unwrap_or(i64::MAX));
            sql.fetch_all(conn).await?
        }
    };
    rows.into_iter().map(|(id, kind)| Ok((id, word(JobKind::parse(&kind), "jobs.kind", &kind)?))).collect()
}

/// What one step works on.
enum Batch {
    /// Jobs without children; those that can't be changed are not among `jobs`.
    Jobs { jobs: Vec<i64>, last: i64 },
    /// One parent with its children.
    Family(i64),
}

impl Batch {
    fn first_of(rows: &[(i64, JobKind)]) -> Option<Self> {
        let (first, kind) = rows.first()?;
        if kind.is_parent_of_moves() {
            return Some(Self::Family(*first));
        }
        let alone: Vec<_> = rows.iter().take_while(|(_, kind)| !kind.is_parent_of_moves()).collect();
        let jobs = alone.iter().filter(|(_, kind)| *kind == JobKind::MoveImage).map(|(id, _)| *id).collect();
        Some(Self::Jobs { jobs, last: alone.last()?.0 })
    }

    const fn last(&self) -> i64 {
        match self {
            Self::Jobs { last, .. } => *last,
            Self::Family(parent) => *parent,
        }
    }

    const fn parent(&self) -> Option<i64> {
        match self {
            Self::Jobs { .. } => None,
            Self::Family(parent) => Some(*parent),
        }
    }

    /// The jobs without children that are meant; of a parent the open children.
    async fn open_jobs(&self, conn: &mut Conn) -> Result<Vec<i64>, Trouble> {
        match self {
            Self::Jobs { jobs, .. } => Ok(jobs.clone()),
            Self::Family(parent) => Ok(statement::query_scalar(OPEN_CHILDREN).bind(*parent).fetch_all(conn).await?),
        }
    }

    /// Likewise, the next children that have ended, and the last of them where there may be more.
    async fn ended_jobs(&self, conn: &mut Conn, after: i64) -> Result<(Vec<i64>, Option<i64>), Trouble> {
        let parent = match self {
            Self::Jobs { jobs, .. } => return Ok((jobs.clone(), None)),
            Self::Family(parent) => *parent,
        };
        let most = i64::try_from(STEP).unwrap_or(i64::MAX);
        let query = statement::query_scalar(ENDED_CHILDREN).bind(parent).bind(after).bind(most);
        let jobs: Vec<i64> = query.fetch_all(conn).await?;
        let last = jobs.last().copied().filter(|_| jobs.len() == STEP);
        Ok((jobs, last))
    }
}

pub(super) const OPEN_CHILDREN: &str = "SELECT id FROM jobs WHERE parent_id = $1 AND finished IS NULL";
// The `+` keeps SQLite from walking along a million children that are well; state by state each step begins where the
// last one ended.
pub(super) const ENDED_CHILDREN: &str = "
SELECT id FROM (
    SELECT id FROM (SELECT id FROM jobs WHERE +parent_id = $1 AND state = 'failed' AND id > $2 ORDER BY id LIMIT $3) AS failed
    UNION ALL
    SELECT id FROM (SELECT id FROM jobs WHERE +parent_id = $1 AND state = 'cancelled' AND id > $2 ORDER BY id LIMIT $3)
        AS cancelled) AS few
ORDER BY id LIMIT $3";

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
UPDATE jobs SET state = 'paused', epoch = 0, target_epoch = 0, not_before = 0
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
    let jobs = batch.open_jobs(conn).await?;
    let flipped: Vec<i64> = statement::query_scalar(sql).bind(json(&jobs)).fetch_all(&mut *conn).await?;
    done.jobs.extend(flipped);
    done.count = done.jobs.len();
    Ok(done)
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
    }
    let jobs = batch.open_jobs(conn).await?;
    let open: Vec<i64> = statement::query_scalar(CANCELLABLE).bind(json(&jobs)).fetch_all(&mut *conn).await?;
    done.count = done.jobs.len() + open.len();
    let mut tally = Tally::default();
    endings::condemn_writing(conn, &open, &mut tally, now).await?;
    tally.apply(conn).await?;
    let ending = |job: &i64| Ending { job: *job, state: JobState::Cancelled, cause: String::new(), missing: 0 };
    done.settled = endings::end_jobs(conn, open.iter().map(ending).collect(), now).await?;
    if let Some(parent) = batch.parent() {
        statement::query(UNMADE).bind(parent).execute(&mut *conn).await?;
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
        THEN 'paused' ELSE 'pending' END
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

/// Ended jobs whose image is where they left it, and free, begin anew; their parents are open again.
async fn retry(conn: &mut Conn, batch: &Batch, after: i64) -> Result<Done, Trouble> {
    let parent = batch.parent().filter(|_| after == 0);
    let gone_on: Vec<i64> = match parent {
        Some(parent) => statement::query_scalar(GO_ON).bind(parent).fetch_all(&mut *conn).await?,
        None => Vec::new(),
    };
    let (jobs, child) = batch.ended_jobs(conn, after).await?;
    let rows: Vec<EndedRow> = statement::query_as(RETRIABLE).bind(json(&jobs)).fetch_all(&mut *conn).await?;
    // Newest first: of an image's jobs that one.
    let mut newest: BTreeMap<i64, EndedRow> = BTreeMap::new();
    for row in rows {
        newest.entry(row.image_id).or_insert(row);
    }
    if newest.is_empty() {
        return Ok(Done { count: gone_on.len(), jobs: gone_on, child, ..Done::default() });
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
    let counts: Vec<_> = parents.iter().map(|(parent, (f, c, m))| (parent, f, c, m)).collect();
    statement::query(UNCOUNT).bind(json(&counts)).execute(&mut *conn).await?;
    let count = newest.len() + usize::from(parent.is_some());
    let parents: BTreeSet<i64> = parents.into_keys().chain(gone_on).collect();
    let jobs = parents.into_iter().chain(newest.into_values().map(|row| row.id)).collect();
    Ok(Done { jobs, count, child, ..Done::default() })
}
