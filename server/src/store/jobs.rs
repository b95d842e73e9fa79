//! Jobs in the books: lanes, setbacks, one by one, totals. Lists of them are in [`super::job_list`].

use pixelfox_proto::{JobId, StoredPath, text};
use sqlx::FromRow;

use super::{
    Store, StoreError, Trouble,
    commit::held,
    dialect::{checked, int, json, pool_id, small, some_pool, uint, word},
    endings::{self, Ending},
    outbox,
    rows::{JobRow, job_columns},
    statement::{self, Conn, Statement},
    tally::Tally,
};
use crate::catalog::{
    Bucket, Job, JobFilter, JobKind, JobState, JobTotals, Lane, Level, Refusal, Setback, SetbackKind, SettledJob,
    SourceFault, UnixMillis,
};

impl Store {
    /// The lanes with pending jobs. O(lanes), not O(jobs).
    ///
    /// # Errors
    /// The database fails.
    pub async fn lanes(&self, now: UnixMillis) -> Result<Vec<Lane>, StoreError> {
        self.read("look for pending jobs", async |mut conn| {
            let query =
                statement::query_as(LANES).on_postgres(LANES_POSTGRES).bind(now.0).bind(i64::from(Lane::COUNTED));
            let rows: Vec<LaneRow> = query.fetch_all(&mut conn).await?;
            rows.into_iter().map(Lane::try_from).collect()
        })
        .await
    }

    /// Attempts that brought nothing to commit. Fenced like a commit; late ones do nothing.
    ///
    /// # Errors
    /// The database fails.
    pub async fn set_back(&self, setbacks: Vec<Setback>, now: UnixMillis) -> Result<Vec<SettledJob>, StoreError> {
        self.write("set jobs back", move |conn| Box::pin(async move { set_back(conn, setbacks, now).await })).await
    }

    /// One job.
    ///
    /// # Errors
    /// There is none with this id.
    pub async fn get_job(&self, id: JobId) -> Result<Job, StoreError> {
        self.read("read a job", async |mut conn| {
            const SQL: &str = concat!("SELECT ", job_columns!(), " FROM jobs j WHERE j.id = $1");
            let query = statement::query_as(SQL).bind(int(id.get()));
            let row: Option<JobRow> = query.fetch_optional(&mut conn).await?;
            row.ok_or_else(|| Refusal::not_found(text!(de "es gibt keinen Auftrag {id}", en "no job {id}")))?.try_into()
        })
        .await
    }

    /// Those of these jobs that there are.
    ///
    /// # Errors
    /// The database fails.
    pub async fn get_jobs(&self, ids: &[JobId]) -> Result<Vec<Job>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            job_columns!(),
            " FROM json_each($1) AS a CROSS JOIN jobs j ON j.id = CAST(a.value ->> 0 AS BIGINT)"
        );
        let ids: Vec<[u64; 1]> = ids.iter().map(|id| [id.get()]).collect();
        self.read("read jobs", async |mut conn| {
            let rows: Vec<JobRow> = statement::query_as(SQL).bind(json(&ids)).fetch_all(&mut conn).await?;
            rows.into_iter().map(Job::try_from).collect()
        })
        .await
    }

    /// How many jobs are in each state, of each kind, and both. Reads two whole indexes; of all kinds but the commonest
    /// the rows as well, and what is left of each state is that kind's. While jobs change meanwhile it is a little off.
    ///
    /// # Errors
    /// The database fails.
    pub async fn job_totals(&self) -> Result<JobTotals, StoreError> {
        const STATES: &str = "SELECT state, COUNT(*) FROM jobs GROUP BY state ORDER BY state";
        const OF_KIND: &str = "SELECT state, COUNT(*) FROM jobs WHERE kind = $1 GROUP BY state ORDER BY state";
        const KINDS: &str = "SELECT kind, COUNT(*) FROM jobs GROUP BY kind ORDER BY kind";
        self.read("count jobs", async |mut conn| {
            let states: Vec<(String, i64)> = statement::query_as(STATES).fetch_all(&mut conn).await?;
            let kinds: Vec<(String, i64)> = statement::query_as(KINDS).fetch_all(&mut conn).await?;
            let state =
                |(name, count): (String, i64)| Ok((word(JobState::parse(&name), "jobs.state", &name)?, uint(count)));
            let kind =
                |(name, count): (String, i64)| Ok((word(JobKind::parse(&name), "jobs.kind", &name)?, uint(count)));
            let states = states.into_iter().map(state).collect::<Result<Vec<_>, Trouble>>()?;
            let kinds = kinds.into_iter().map(kind).collect::<Result<Vec<_>, Trouble>>()?;
            let commonest = kinds.iter().max_by_key(|(_, count)| *count).map(|(kind, _)| *kind);
            let (mut left, mut both) = (states.clone(), Vec::new());
            for (kind, _) in kinds.iter().filter(|(kind, _)| Some(*kind) != commonest) {
                let rows: Vec<(String, i64)> =
                    statement::query_as(OF_KIND).bind(kind.as_str()).fetch_all(&mut conn).await?;
                for row in rows {
                    let (of, count) = state(row)?;
                    left.iter_mut()
                        .filter(|(state, _)| *state == of)
                        .for_each(|(_, left)| *left = left.saturating_sub(count));
                    both.push(((*kind, of), count));
                }
            }
            let commonest =
                commonest.into_iter().flat_map(|kind| left.iter().map(move |(state, n)| ((kind, *state), *n)));
            both.extend(commonest.filter(|(_, count)| *count > 0));
            Ok(JobTotals { states, kinds, both })
        })
        .await
    }
}

pub(super) fn narrow<T>(sql: &mut Statement<T>, filter: &JobFilter) {
    if let Some(parent) = filter.parent {
        sql.push(" AND parent_id = ").push_bind(int(parent.get()));
    }
    if let Some(state) = filter.state {
        sql.push(" AND state = ").push_bind(state.as_str());
    }
    if let Some(kind) = filter.kind {
        sql.push(" AND kind = ").push_bind(kind.as_str());
    }
    if let Some(node) = &filter.node {
        sql.push(" AND node_id = ").push_bind(node.to_string());
    }
    if let Some(image) = &filter.image {
        sql.push(" AND image_id = (SELECT i.id FROM images i WHERE i.uuid = ").push_bind(image.to_string()).push(")");
    }
    if let Some(pool) = filter.pool {
        let pool = int(pool.get());
        sql.push(" AND (source_pool_id = ").push_bind(pool).push(" OR target_pool_id = ").push_bind(pool).push(")");
    }
    if filter.level == Level::Top {
        sql.push(" AND parent_id IS NULL");
    }
}

/// Jumps along `jobs_ready` from lane to lane instead of reading every job: SQLite takes all columns of a row value
/// for its seek only against values without an affinity of their own (hence the `+`), and seeks to the first row that
/// is not below it (hence the last column, which puts it behind the lane).
pub(super) const LANES: &str = "
WITH RECURSIVE hop(id) AS (
    SELECT (SELECT n.id FROM jobs n INDEXED BY jobs_ready WHERE n.state = 'pending'
        ORDER BY n.node_id, n.kind, n.source_pool_id, n.target_pool_id, n.not_before LIMIT 1)
    UNION ALL
    SELECT (SELECT n.id FROM jobs n INDEXED BY jobs_ready WHERE n.state = 'pending'
        AND (n.node_id, n.kind, n.source_pool_id, n.target_pool_id, n.not_before)
            > (+j.node_id, +j.kind, +j.source_pool_id, +j.target_pool_id, 9223372036854775807)
        ORDER BY n.node_id, n.kind, n.source_pool_id, n.target_pool_id, n.not_before LIMIT 1)
    FROM hop JOIN jobs j ON j.id = hop.id)
SELECT j.node_id, j.kind, j.source_pool_id, j.target_pool_id,
    (SELECT COUNT(*) FROM (SELECT 1 FROM jobs d WHERE d.state = 'pending' AND d.node_id = j.node_id AND d.kind = j.kind
        AND d.source_pool_id = j.source_pool_id AND d.target_pool_id = j.target_pool_id AND d.not_before <= $1
        LIMIT $2)) AS due,
    (SELECT COUNT(*) FROM (SELECT 1 FROM jobs u INDEXED BY jobs_undo WHERE u.state = 'pending' AND u.undo = 1
        AND u.node_id = j.node_id AND u.source_pool_id = j.source_pool_id AND u.target_pool_id = j.target_pool_id
        AND u.not_before <= $1 LIMIT $2)) AS undo,
    (SELECT MIN(d.not_before) FROM jobs d WHERE d.state = 'pending' AND d.node_id = j.node_id AND d.kind = j.kind
        AND d.source_pool_id = j.source_pool_id AND d.target_pool_id = j.target_pool_id
        AND d.not_before > $1) AS next
FROM hop JOIN jobs j ON j.id = hop.id";

pub(super) const LANES_POSTGRES: &str = "
WITH RECURSIVE hop AS (
    (SELECT node_id, kind, source_pool_id, target_pool_id FROM jobs WHERE state = 'pending'
        ORDER BY node_id, kind, source_pool_id, target_pool_id LIMIT 1)
    UNION ALL
    SELECT n.* FROM hop h CROSS JOIN LATERAL (
        SELECT node_id, kind, source_pool_id, target_pool_id FROM jobs WHERE state = 'pending'
            AND (node_id, kind, source_pool_id, target_pool_id)
                > (h.node_id, h.kind, h.source_pool_id, h.target_pool_id)
        ORDER BY node_id, kind, source_pool_id, target_pool_id LIMIT 1) n)
SELECT j.node_id, j.kind, j.source_pool_id, j.target_pool_id,
    (SELECT COUNT(*) FROM (SELECT 1 FROM jobs d WHERE d.state = 'pending' AND d.node_id = j.node_id AND d.kind = j.kind
        AND d.source_pool_id = j.source_pool_id AND d.target_pool_id = j.target_pool_id AND d.not_before <= $1
        LIMIT $2) AS counted) AS due,
    (SELECT COUNT(*) FROM (SELECT 1 FROM jobs u WHERE u.state = 'pending' AND u.undo = 1
        AND u.node_id = j.node_id AND u.source_pool_id = j.source_pool_id AND u.target_pool_id = j.target_pool_id
        AND u.not_before <= $1 LIMIT $2) AS counted) AS undo,
    (SELECT MIN(d.not_before) FROM jobs d WHERE d.state = 'pending' AND d.node_id = j.node_id AND d.kind = j.kind
        AND d.source_pool_id = j.source_pool_id AND d.target_pool_id = j.target_pool_id
        AND d.not_before > $1) AS next
FROM hop j";

#[derive(FromRow)]
struct LaneRow {
    node_id: String,
    kind: String,
    source_pool_id: i64,
    target_pool_id: i64,
    due: i64,
    undo: i64,
    next: Option<i64>,
}

impl TryFrom<LaneRow> for Lane {
    type Error = Trouble;

    fn try_from(row: LaneRow) -> Result<Self, Trouble> {
        Ok(Self {
            node: checked(row.node_id.parse(), "jobs.node_id")?,
            kind: word(JobKind::parse(&row.kind), "jobs.kind", &row.kind)?,
            source: pool_id(row.source_pool_id)?,
            target: some_pool(row.target_pool_id),
            due: small(row.due),
            undo: small(row.undo),
            next: row.next.map(UnixMillis),
        })
    }
}

pub(super) const AGAIN: &str = "
UPDATE jobs SET state = 'pending', epoch = 0, target_epoch = 0, not_before = CAST(a.value ->> 1 AS BIGINT),
    node_id = (SELECT p.node_id FROM pools p WHERE p.id = jobs.source_pool_id),
    failures = failures + CAST(a.value ->> 2 AS BIGINT), last_error = a.value ->> 3
FROM json_each($1) AS a WHERE jobs.id = CAST(a.value ->> 0 AS BIGINT)";
pub(super) const FAULTY: &str = "
SELECT r.file_id, r.pool_id, f.size, (a.value ->> 2) AS fault
FROM json_each($1) AS a
    CROSS JOIN files f ON f.stored_path = (a.value ->> 1)
    CROSS JOIN replicas r ON r.file_id = f.id AND r.pool_id = CAST(a.value ->> 0 AS BIGINT)
WHERE r.state = 'live'";
const MARK: &str = "
UPDATE replicas SET state = a.value ->> 2, since = $2
FROM json_each($1) AS a WHERE replicas.file_id = CAST(a.value ->> 0 AS BIGINT) AND replicas.pool_id = CAST(a.value ->> 1 AS BIGINT)";

async fn set_back(conn: &mut Conn, setbacks: Vec<Setback>, now: UnixMillis) -> Result<Vec<SettledJob>, Trouble> {
    let words: Vec<_> = setbacks.iter().map(|word| (word.job.get(), word.lease.0, word.epoch.0)).collect();
    let mut held = held(conn, &words).await?;
    let (mut again, mut over, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for word in setbacks {
        let Some(job) = held.remove(&int(word.job.get())) else { continue };
        let fault =
            |(path, fault): &(StoredPath, SourceFault)| (job.source_pool_id, path.to_string(), fault_word(*fault));
        faults.extend(word.sources.iter().map(fault));
        let lost = word.sources.iter().filter(|(_, fault)| *fault == SourceFault::Lost).count();
        let missing = i64::try_from(lost).unwrap_or(i64::MAX);
        match word.kind {
            SetbackKind::Again { not_before, counted } => {
                again.push((job.id, not_before.0.max(0), i64::from(counted), word.cause));
            }
            SetbackKind::Failed => {
                over.push(Ending { job: job.id, state: JobState::Failed, cause: word.cause, missing });
            }
            SetbackKind::WithoutOriginal => {
                over.push(Ending {
                    job: job.id,
                    state: JobState::Completed,
                    cause: word.cause,
                    missing: missing.max(1),
                });
            }
        }
    }
    let mut tally = Tally::default();
    mark(conn, &faults, &mut tally, now).await?;
    statement::query(AGAIN).bind(json(&again)).execute(&mut *conn).await?;
    let waiting: Vec<i64> = again.iter().map(|(job, ..)| *job).collect();
    outbox::put_jobs(conn, now, &waiting).await?;
    let ended: Vec<i64> = over.iter().map(|ending| ending.job).collect();
    endings::condemn_writing(conn, &ended, &mut tally, now).await?;
    tally.apply(conn).await?;
    endings::end_jobs(conn, over, now).await
}

fn fault_word(fault: SourceFault) -> &'static str {
    match fault {
        SourceFault::Lost => "lost",
        SourceFault::Suspect => "suspect",
    }
}

/// Notes what source copies turned out to be.
async fn mark(
    conn: &mut Conn,
    faults: &[(i64, String, &'static str)],
    tally: &mut Tally,
    now: UnixMillis,
) -> Result<(), Trouble> {
    if faults.is_empty() {
        return Ok(());
    }
    let rows: Vec<(i64, i64, i64, String)> =
        statement::query_as(FAULTY).bind(json(&faults)).fetch_all(&mut *conn).await?;
    for (_, pool, size, _) in rows.iter().filter(|(.., fault)| fault == "lost") {
        tally.shift(*pool, *size, Bucket::Used, Bucket::None);
    }
    let keys: Vec<_> = rows.iter().map(|(file, pool, _, fault)| (file, pool, fault)).collect();
    statement::query(MARK).bind(json(&keys)).bind(now.0).execute(conn).await?;
    Ok(())
}
