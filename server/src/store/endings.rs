//! How jobs end in the books: the child, its image's lock, its parent's counters, and the parent with its last child.

use std::collections::BTreeMap;

use serde::Deserialize;
use sqlx::FromRow;

use super::{
    Trouble,
    dialect::{checked, job_id, json, some_job, word},
    gather::Gathered,
    outbox,
    statement::{self, Conn, Statement, Together},
    tally::Tally,
};
use crate::catalog::{JobState, ReplicaState, SettledJob, UnixMillis};

/// A job that is over.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) job: i64,
    pub(super) state: JobState,
    pub(super) cause: String,
    /// Files that were found missing, where no commit has counted them.
    pub(super) missing: i64,
}

#[derive(Deserialize, FromRow)]
struct EndedRow {
    id: i64,
    parent_id: Option<i64>,
    image_id: Option<i64>,
    image_uuid: Option<String>,
    state: String,
    last_error: String,
}

impl Gathered for EndedRow {
    const COLUMNS: &'static str = "id, parent_id, image_id, image_uuid, state, last_error";
}

pub(super) const END: &str = "
UPDATE jobs SET state = e.value ->> 1, last_error = e.value ->> 2, files_missing = files_missing + CAST(e.value ->> 3 AS BIGINT),
    finished = $2, epoch = 0, target_epoch = 0, not_before = 0
FROM json_each($1) AS e WHERE jobs.id = CAST(e.value ->> 0 AS BIGINT)
RETURNING jobs.id, jobs.parent_id, jobs.image_id, jobs.image_uuid, jobs.state, jobs.last_error";
pub(super) const UNLOCK: &str = "
UPDATE images SET job_id = NULL FROM json_each($1) AS e WHERE images.id = CAST(e.value ->> 0 AS BIGINT) AND images.job_id = CAST(e.value ->> 1 AS BIGINT)";
pub(super) const COUNT: &str = "
UPDATE jobs SET children_done = children_done + CAST(c.value ->> 1 AS BIGINT), children_failed = children_failed + CAST(c.value ->> 2 AS BIGINT),
    files_missing = files_missing + CAST(c.value ->> 3 AS BIGINT),
    children_cancelled = children_cancelled + CAST(c.value ->> 4 AS BIGINT),
    children_unmoved = children_unmoved + CAST(c.value ->> 5 AS BIGINT)
FROM json_each($1) AS c WHERE jobs.id = CAST(c.value ->> 0 AS BIGINT)";
pub(super) const END_PARENTS: &str = "
UPDATE jobs SET finished = $2,
    state = CASE WHEN cancelling = 1 THEN 'cancelled' WHEN children_failed > 0 THEN 'failed'
        WHEN children_cancelled > 0 AND children_done = 0 THEN 'cancelled' ELSE 'completed' END,
    last_error = CASE WHEN children_failed > 0 THEN children_failed || ' of ' || children_total || ' failed'
        WHEN children_cancelled > 0 AND children_done > 0 AND cancelling = 0
            THEN children_cancelled || ' of ' || children_total || ' were cancelled'
        ELSE '' END
WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each($1)) AND state IN ('processing', 'paused')
    AND cursor >= cursor_end AND children_done + children_failed + children_cancelled >= children_total
RETURNING id, parent_id, image_id, image_uuid, state, last_error";

/// What a parent's counters grow by.
#[derive(Clone, Copy, Default)]
struct Count {
    done: i64,
    failed: i64,
    missing: i64,
    cancelled: i64,
    unmoved: i64,
}

/// Ends jobs. Gives them, and parents that ended with them.
pub(super) async fn end_jobs(
    conn: &mut Conn,
    endings: Vec<Ending>,
    now: UnixMillis,
) -> Result<Vec<SettledJob>, Trouble> {
    if endings.is_empty() {
        return Ok(Vec::new());
    }
    let missing: BTreeMap<i64, i64> = endings.iter().map(|ending| (ending.job, ending.missing)).collect();
    let row = |e: &Ending| (e.job, e.state.as_str(), e.cause.clone(), e.missing);
    let rows: Vec<_> = endings.iter().map(row).collect();
    let ended: Vec<EndedRow> = statement::query_as(END).bind(json(&rows)).bind(now.0).fetch_all(&mut *conn).await?;
    count(conn, Together::default(), ended, &missing, now).await
}

/// These end, by what is still to be written: their images are free, their parents count them, and who watches hears of
/// it.
async fn count(
    conn: &mut Conn,
    mut together: Together,
    ended: Vec<EndedRow>,
    missing: &BTreeMap<i64, i64>,
    now: UnixMillis,
) -> Result<Vec<SettledJob>, Trouble> {
    if ended.is_empty() {
        return Ok(Vec::new());
    }
    let locks: Vec<_> = ended.iter().filter_map(|row| Some((row.image_id?, row.id))).collect();
    let mut parents: BTreeMap<i64, Count> = BTreeMap::new();
    for row in &ended {
        let Some(parent) = row.parent_id else { continue };
        let count = parents.entry(parent).or_default();
        match row.state.as_str() {
            "failed" => count.failed += 1,
            "cancelled" => count.cancelled += 1,
            _ => count.done += 1,
        }
        let missing = missing.get(&row.id).copied().unwrap_or(0);
        count.missing += missing;
        count.unmoved += i64::from(row.state == "completed" && missing > 0);
    }
    let count = |(parent, c): (&i64, &Count)| (*parent, c.done, c.failed, c.missing, c.cancelled, c.unmoved);
    let counts: Vec<_> = parents.iter().map(count).collect();
    let jobs: Vec<i64> = ended.iter().map(|row| row.id).collect();
    together.add(statement::query(UNLOCK).bind(json(&locks))).add(outbox::news_of_jobs(now, &jobs));
    if !counts.is_empty() {
        together.add(statement::query(COUNT).bind(json(&counts)));
    }
    let parents: Vec<i64> = parents.into_keys().collect();
    let mut over = Vec::new();
    if parents.is_empty() {
        together.execute(conn).await?;
    } else {
        over = together.and_fetch(ending_parents(&parents, now), conn).await?;
    }
    let mut settled = ended.into_iter().map(SettledJob::try_from).collect::<Result<Vec<_>, _>>()?;
    settled.extend(told(conn, over, now).await?);
    Ok(settled)
}

fn ending_parents(parents: &[i64], now: UnixMillis) -> Statement<EndedRow> {
    statement::query_as(END_PARENTS).bind(json(&parents)).bind(now.0)
}

/// Who watches hears of parents that ended.
async fn told(conn: &mut Conn, over: Vec<EndedRow>, now: UnixMillis) -> Result<Vec<SettledJob>, Trouble> {
    let ids: Vec<i64> = over.iter().map(|row| row.id).collect();
    outbox::put_jobs(conn, now, &ids).await?;
    over.into_iter().map(SettledJob::try_from).collect()
}

/// Ends those of these parents whose children are all over.
pub(super) async fn end_parents(conn: &mut Conn, parents: &[i64], now: UnixMillis) -> Result<Vec<SettledJob>, Trouble> {
    if parents.is_empty() {
        return Ok(Vec::new());
    }
    let over = ending_parents(parents, now).fetch_all(&mut *conn).await?;
    told(conn, over, now).await
}

impl TryFrom<EndedRow> for SettledJob {
    type Error = Trouble;

    fn try_from(row: EndedRow) -> Result<Self, Trouble> {
        Ok(Self {
            job: job_id(row.id)?,
            parent: some_job(row.parent_id),
            image: row.image_uuid.map(|uuid| checked(uuid.parse(), "jobs.image_uuid")).transpose()?,
            state: word(JobState::parse(&row.state), "jobs.state", &row.state)?,
            cause: row.last_error,
        })
    }
}

pub(super) const SETTLED: &str = "
SELECT j.id, j.parent_id, j.image_id, j.image_uuid, 'completed' AS state, (e.value ->> 1) AS last_error
FROM json_each($1) AS e CROSS JOIN jobs j ON j.id = CAST(e.value ->> 0 AS BIGINT)
WHERE j.state = 'processing' AND j.committed = 1
    AND NOT EXISTS (SELECT 1 FROM replicas r WHERE r.job_id = j.id AND r.state = 'condemned')";
pub(super) const END_SETTLED: &str = "
UPDATE jobs SET state = 'completed', last_error = e.value ->> 1, finished = $2, epoch = 0, target_epoch = 0, not_before = 0
FROM json_each($1) AS e WHERE jobs.id = CAST(e.value ->> 0 AS BIGINT)";

/// Ends those of these committed jobs that have no old copy left to be put into the trash, after what is still to be
/// written.
pub(super) async fn end_settled(
    conn: &mut Conn,
    before: Together,
    jobs: &[i64],
    causes: &BTreeMap<i64, String>,
    now: UnixMillis,
) -> Result<Vec<SettledJob>, Trouble> {
    if jobs.is_empty() {
        before.execute(conn).await?;
        return Ok(Vec::new());
    }
    let rows: Vec<_> = jobs.iter().map(|job| (job, causes.get(job).map_or("", String::as_str))).collect();
    let ended: Vec<EndedRow> = before.and_gather(statement::query_as(SETTLED).bind(json(&rows)), conn).await?;
    let rows: Vec<_> = ended.iter().map(|row| (row.id, &row.last_error)).collect();
    let mut together = Together::default();
    together.add(statement::query(END_SETTLED).bind(json(&rows)).bind(now.0));
    count(conn, together, ended, &BTreeMap::new(), now).await
}

pub(super) const WRITING: &str = "
SELECT r.file_id, r.pool_id, f.size, r.trash_generation IS NOT NULL
FROM json_each($1) AS a
    CROSS JOIN replicas r ON r.job_id = CAST(a.value AS BIGINT) AND r.state = 'writing'
    CROSS JOIN files f ON f.id = r.file_id";
pub(super) const CONDEMN: &str = "
UPDATE replicas SET state = 'condemned', since = $2, ordered_epoch = 0, not_before = 0, failures = 0
FROM json_each($1) AS a WHERE replicas.file_id = CAST(a.value ->> 0 AS BIGINT) AND replicas.pool_id = CAST(a.value ->> 1 AS BIGINT)";

/// What jobs have at their targets without a commit goes to the trash there.
pub(super) async fn condemn_writing(
    conn: &mut Conn,
    jobs: &[i64],
    tally: &mut Tally,
    now: UnixMillis,
) -> Result<(), Trouble> {
    if jobs.is_empty() {
        return Ok(());
    }
    let rows: Vec<(i64, i64, i64, bool)> = statement::query_as(WRITING).bind(json(&jobs)).fetch_all(&mut *conn).await?;
    for (_, pool, size, from_trash) in &rows {
        let (from, to) = (ReplicaState::Writing.bucket(*from_trash), ReplicaState::Condemned.bucket(false));
        tally.shift(*pool, *size, from, to);
    }
    let keys: Vec<_> = rows.iter().map(|(file, pool, _, _)| (file, pool)).collect();
    statement::query(CONDEMN).bind(json(&keys)).bind(now.0).execute(conn).await?;
    Ok(())
}
