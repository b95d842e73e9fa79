//! The plan for a whole pool: a parent with a cursor, and what it covers, told from counters and small indexes. Its
//! children are made by `slices`. O(images that can't go) beside the writer, O(ranges of their entries) in it, never
//! O(images of the pool) unless there is a limit.

use pixelfox_proto::{JobId, PoolId, text};
use sqlx::FromRow;

use super::{
    Store, StoreError, Trouble, audit,
    dialect::{checked, int, job_id, json, some_job, uint},
    outbox,
    plan::target,
    requests, rows,
    statement::{self, Conn},
};
use crate::{
    catalog::{JobKind, JobState, MoveBatch, PlanRule, Pool, PoolMoveAsk, Refusal, UnixMillis},
    moves::{Blocker, PlanImage, obstacle},
};

impl Store {
    /// Plans a move of every image that is in a pool now (or of the `limit` that entered it first) and, unless it is a
    /// dry run, makes its parent job. What can't go now stays out of it, whatever becomes of it later; where nothing can go
    /// nothing is written.
    ///
    /// # Errors
    /// A pool that is unknown, the source as its own target, a target that is not active, a `request_id` that was used
    /// for something else. Nothing is written then.
    pub async fn plan_move_pool(&self, ask: PoolMoveAsk, now: UnixMillis) -> Result<MoveBatch, StoreError> {
        if ask.request_id.len() > 128 {
            return Err(Refusal::invalid(text!(
                de "request_id: höchstens 128 Bytes",
                en "request_id: at most 128 bytes"
            ))
            .into());
        }
        match ask.rule {
            PlanRule::DryRun => {
                self.read("plan a move", async |mut conn| Ok(survey(&mut conn, &ask).await?.batch(None))).await
            }
            PlanRule::Start => {
                // Beside the writer, because what can't go may be a million: what changes in between is looked at again
                // when its turn comes.
                let plan = self
                    .read("plan a move", async |mut conn| {
                        let survey = survey(&mut conn, &ask).await?;
                        let ranges = ranges(&mut conn, &survey).await?;
                        Ok((survey, ranges))
                    })
                    .await;
                // A request of before is answered as it was, whatever has become of its pools.
                let plan = match plan {
                    Err(StoreError::Refused(refusal)) => Err(refusal),
                    plan => Ok(plan?),
                };
                self.write("plan a move", move |conn| Box::pin(start(conn, ask, plan, now))).await
            }
        }
    }
}

/// What a plan covers.
struct Survey {
    source: Pool,
    target: Pool,
    /// Entry number of the last image.
    end: i64,
    images: i64,
    files: i64,
    bytes: i64,
    skipped: Vec<String>,
    skipped_total: i64,
    largest: i64,
}

impl Survey {
    fn batch(&self, job: Option<JobId>) -> MoveBatch {
        MoveBatch {
            job,
            images: uint(self.images),
            files: uint(self.files),
            bytes: uint(self.bytes),
            skipped: self.skipped.clone(),
            skipped_total: uint(self.skipped_total),
            largest: uint(self.largest),
        }
    }
}

/// Images of pool `$1` up to entry `$2` that can't go: another job works on them, or their bytes are in doubt. What is
/// being deleted is not there any more for anybody. (`state <> 'live'` names the
/// partial index, and the `+` keeps SQLite from the index over all entries.)
macro_rules! blocked {
    ($then:literal) => {
        concat!(
            "WITH blocked(id) AS (
                SELECT i.id FROM images i
                WHERE i.pool_id = $1 AND i.job_id IS NOT NULL AND i.deleting = 0 AND +i.entry <= $2
                UNION
                SELECT i.id FROM replicas r CROSS JOIN files f ON f.id = r.file_id CROSS JOIN images i ON i.id = f.image_id
                WHERE r.pool_id = $1 AND r.state IN ('suspect', 'lost') AND r.state <> 'live'
                    AND i.pool_id = $1 AND i.deleting = 0 AND i.entry <= $2
                    AND (r.state = 'suspect' OR (f.kind = 'original' AND NOT EXISTS (
                        SELECT 1 FROM files o JOIN replicas l ON l.file_id = o.id AND l.pool_id = $1 AND l.state = 'live'
                        WHERE o.image_id = f.image_id AND o.kind = 'original'))))",
            $then
        )
    };
}

pub(super) const TOTALS: &str = blocked!(
    "
SELECT COUNT(DISTINCT blocked.id), COUNT(r.file_id),
    CAST(COALESCE(SUM(CASE WHEN r.file_id IS NULL THEN 0 ELSE f.size END), 0) AS BIGINT)
FROM blocked
    LEFT JOIN files f ON f.image_id = blocked.id
    LEFT JOIN replicas r ON r.file_id = f.id AND r.pool_id = $1 AND r.state IN ('live', 'suspect')"
);
pub(super) const REASONS: &str = blocked!(
    "
SELECT i.uuid, i.job_id, EXISTS (SELECT 1 FROM files f JOIN replicas r ON r.file_id = f.id AND r.pool_id = $1
    WHERE f.image_id = i.id AND r.state = 'suspect') AS suspect,
    (SELECT k.name FROM files f JOIN replicas r ON r.file_id = f.id JOIN replicas t ON t.file_id = f.id
            JOIN pools k ON k.id = t.pool_id
        WHERE f.image_id = i.id AND r.pool_id = $1 AND r.state IN ('suspect', 'lost') AND t.state = 'trashed'
        ORDER BY k.id LIMIT 1) AS kept_in
FROM blocked CROSS JOIN images i ON i.id = blocked.id
ORDER BY i.entry LIMIT $3"
);
/// Their entries, those that follow one another together.
pub(super) const RANGES: &str = blocked!(
    "
SELECT MIN(turn.entry) AS first_entry, MAX(turn.entry) AS last_entry
FROM (SELECT i.entry, i.entry - ROW_NUMBER() OVER (ORDER BY i.entry) AS island
    FROM blocked CROSS JOIN images i ON i.id = blocked.id) AS turn
GROUP BY turn.island ORDER BY first_entry"
);
const LEAVE_OUT: &str = "
INSERT INTO left_out_ranges (job_id, first_entry, last_entry)
SELECT CAST($2 AS BIGINT), CAST(value ->> 0 AS BIGINT), CAST(value ->> 1 AS BIGINT) FROM json_each($1)";

/// The entry of the image after which a limit is used up. O(limit).
const LIMIT_AT: &str = blocked!(
    "
SELECT i.entry FROM images i
WHERE i.pool_id = $1 AND i.entry <= $2 AND i.deleting = 0 AND i.id NOT IN (SELECT blocked.id FROM blocked)
ORDER BY i.entry LIMIT 1 OFFSET $3"
);
/// What is in a pool up to an entry. O(images up to there).
const UP_TO: &str = "
SELECT COUNT(DISTINCT i.id), COUNT(r.file_id),
    CAST(COALESCE(SUM(CASE WHEN r.file_id IS NULL THEN 0 ELSE f.size END), 0) AS BIGINT)
FROM images i
    LEFT JOIN files f ON f.image_id = i.id
    LEFT JOIN replicas r ON r.file_id = f.id AND r.pool_id = $1 AND r.state IN ('live', 'suspect')
WHERE i.pool_id = $1 AND i.entry <= $2 AND i.deleting = 0";

/// The largest of a pool's images that are larger than a limit. O(images in the cluster that are, 10,000 at most).
const TOO_LARGE: &str = "
SELECT CAST(COALESCE(MAX(few.size), 0) AS BIGINT)
FROM (SELECT size, pool_id, deleting FROM images WHERE size > $2 ORDER BY size DESC LIMIT 10000) AS few
WHERE few.pool_id = $1 AND few.deleting = 0";

/// Images, files, bytes.
type Totals = (i64, i64, i64);

#[derive(FromRow)]
struct ReasonRow {
    uuid: String,
    job_id: Option<i64>,
    suspect: bool,
    kept_in: Option<String>,
}

async fn survey(conn: &mut Conn, ask: &PoolMoveAsk) -> Result<Survey, Trouble> {
    let source = rows::one_pool(conn, int(ask.source.get())).await?;
    let source = source.ok_or_else(|| unknown_source(ask.source))?;
    let target = target(conn, ask.target).await?;
    if source.id == target.id {
        let message = text!(
            de "target_pool_id: Speicherpool {} ({}) ist selbst die Quelle; einen anderen wählen",
            en "target_pool_id: pool {} ({}) is the source itself; choose another",
            target.name,
            target.id
        );
        return Err(Refusal::invalid(message).into());
    }
    let pool = int(source.id.get());
    let entered = "SELECT entered FROM pools WHERE id = $1";
    let mut end: i64 = statement::query_scalar(entered).bind(pool).fetch_one(&mut *conn).await?;
    let mut all: Totals = (int(source.usage.images), int(source.usage.used_files), int(source.usage.used_bytes));
    let mut blocked: Totals = statement::query_as(TOTALS).bind(pool).bind(end).fetch_one(&mut *conn).await?;
    if ask.limit > 0 && ask.limit < uint(all.0 - blocked.0) {
        let at = statement::query_scalar(LIMIT_AT).bind(pool).bind(end).bind(int(ask.limit - 1));
        end = at.fetch_one(&mut *conn).await?;
        all = statement::query_as(UP_TO).bind(pool).bind(end).fetch_one(&mut *conn).await?;
        blocked = statement::query_as(TOTALS).bind(pool).bind(end).fetch_one(&mut *conn).await?;
    }
    let most = i64::try_from(MoveBatch::MAX_SKIPPED).unwrap_or(i64::MAX);
    let reasons: Vec<ReasonRow> =
        statement::query_as(REASONS).bind(pool).bind(end).bind(most).fetch_all(&mut *conn).await?;
    let skipped = reasons.iter().map(|row| reason(row, &source, &target)).collect::<Result<_, _>>()?;
    let limit = int(target.max_size);
    let largest: i64 = match limit {
        0 => 0,
        _ => statement::query_scalar(TOO_LARGE).bind(pool).bind(limit).fetch_one(&mut *conn).await?,
    };
    Ok(Survey {
        largest,
        end,
        images: all.0 - blocked.0,
        files: all.1 - blocked.1,
        bytes: all.2 - blocked.2,
        skipped,
        skipped_total: blocked.0,
        source,
        target,
    })
}

fn reason(row: &ReasonRow, source: &Pool, target: &Pool) -> Result<String, Trouble> {
    let blocker = match some_job(row.job_id) {
        Some(job) => Blocker::Job(job),
        None if row.suspect => Blocker::Suspect,
        None => Blocker::Lost,
    };
    let id = checked(row.uuid.parse(), "images.uuid")?;
    let image =
        PlanImage { id, pool: source.id, files: 0, bytes: 0, blocker: Some(blocker), kept_in: row.kept_in.clone() };
    let why = obstacle(&image, target.id, &target.name).unwrap_or_default();
    Ok(format!("image {id}: {why}"))
}

const PARENT: &str = "
INSERT INTO jobs (kind, state, node_id, source_pool_id, target_pool_id, bytes_total, children_total, cursor_end,
    created, started)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) RETURNING id";

/// What stays out of a plan: entries, from first to last.
type Ranges = Vec<(i64, i64)>;

async fn ranges(conn: &mut Conn, plan: &Survey) -> Result<Ranges, Trouble> {
    if plan.images == 0 || plan.skipped_total == 0 {
        return Ok(Vec::new());
    }
    let pool = int(plan.source.id.get());
    Ok(statement::query_as(RANGES).bind(pool).bind(plan.end).fetch_all(conn).await?)
}

fn start(
    conn: &mut Conn,
    ask: PoolMoveAsk,
    plan: Result<(Survey, Ranges), Refusal>,
    now: UnixMillis,
) -> super::writer::Work<'_, MoveBatch> {
    Box::pin(async move {
        let asked = format!("move_pool {} {} {}", ask.source, ask.target, ask.limit);
        if let Some(answer) = requests::earlier(conn, &ask.request_id, &asked).await? {
            return Ok(answer);
        }
        let (plan, ranges) = plan?;
        let source = rows::one_pool(conn, int(plan.source.id.get())).await?;
        source.ok_or_else(|| unknown_source(ask.source))?;
        target(conn, ask.target).await?;
        if plan.images == 0 {
            let nothing = plan.batch(None);
            requests::remember(conn, &ask.request_id, &asked, &nothing, now).await?;
            return Ok(nothing);
        }
        let parent = make_parent(conn, &plan, now).await?;
        if !ranges.is_empty() {
            statement::query(LEAVE_OUT).bind(json(&ranges)).bind(parent).execute(&mut *conn).await?;
        }
        let batch = plan.batch(Some(job_id(parent)?));
        requests::remember(conn, &ask.request_id, &asked, &batch, now).await?;
        let (images, Survey { source, target, .. }) = (audit::images(batch.images), &plan);
        let detail =
            format!("{images} of pool {} ({}) to pool {} ({})", source.name, source.id, target.name, target.id);
        outbox::audit(conn, now, "move_pool", &parent.to_string(), &detail).await?;
        outbox::put_jobs(conn, now, &[parent]).await?;
        Ok(batch)
    })
}

async fn make_parent(conn: &mut Conn, plan: &Survey, now: UnixMillis) -> Result<i64, Trouble> {
    let parent = statement::query_scalar(PARENT)
        .bind(JobKind::MovePool.as_str())
        .bind(JobState::Processing.as_str())
        .bind(plan.source.node.as_str())
        .bind(int(plan.source.id.get()))
        .bind(int(plan.target.id.get()))
        .bind(plan.bytes)
        .bind(plan.images)
        .bind(plan.end)
        .bind(now.0);
    Ok(parent.fetch_one(conn).await?)
}

fn unknown_source(id: PoolId) -> Refusal {
    Refusal::not_found(text!(
        de "source_pool_id: es gibt keinen Speicherpool {id} in diesem Cluster",
        en "source_pool_id: no pool {id} in this cluster"
    ))
}
