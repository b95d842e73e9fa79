//! Moves taken back: the old copies come out of the trash, nothing is copied. A parent and a child per image at once.

use std::collections::BTreeSet;

use pixelfox_proto::{ImageId, Sha256, text};
use sqlx::FromRow;

use super::{
    Store, StoreError, Trouble, audit,
    dialect::{checked, int, job_id, json, pool_id, some_job, uint, word},
    jobs::narrow,
    outbox,
    plan::{Child, PARENT, make_children, only},
    requests, rows,
    statement::{self, Conn, Flag},
    which::{named, require_known},
};
use crate::{
    catalog::{
        JobFilter, JobKind, JobState, MoveAsk, MoveBatch, Refusal, ReplicaState, UndoAsk, UnixMillis, WhichJobs,
    },
    moves::{ImageNow, PastMove, cannot_undo, comes_back},
};

impl Store {
    /// Plans to take moves back and makes the jobs for it; where one parent with more than [`MoveAsk::MAX_IMAGES`] is
    /// meant, in slices as they are needed. Of other jobs up to that many, those first that were not taken back before.
    ///
    /// # Errors
    /// Ids that are unknown, no move among what is meant, a `request_id` that was used for something else. Nothing is
    /// written then.
    pub async fn plan_undo(&self, ask: UndoAsk, now: UnixMillis) -> Result<MoveBatch, StoreError> {
        self.write("plan to take moves back", move |conn| Box::pin(async move { start(conn, &ask, now).await })).await
    }
}

/// Jobs of one plan at most.
const MOST: i64 = 10_000;

async fn start(conn: &mut Conn, ask: &UndoAsk, now: UnixMillis) -> Result<MoveBatch, Trouble> {
    let asked = format!("undo {}", Sha256::of(format!("{:?}", ask.which).as_bytes()));
    if let Some(answer) = requests::earlier(conn, &ask.request_id, &asked).await? {
        return Ok(answer);
    }
    if let Some(batch) = start_sliced(conn, &ask.which, now).await? {
        requests::remember(conn, &ask.request_id, &asked, &batch, now).await?;
        return Ok(batch);
    }
    let (jobs, more) = meant(conn, &ask.which).await?;
    let moves = look(conn, &jobs).await?;
    if moves.is_empty() {
        return Err(Refusal::not_found(text!(
            de "ids: darunter ist kein Verschieben eines Bildes; die Warteschlange nennt die Nummern",
            en "ids: there is no move of an image among them; ListJobs has the ids"
        ))
        .into());
    }
    let (mut go, mut stay): (Vec<&Found>, Vec<String>) = (Vec::new(), Vec::new());
    for found in &moves {
        match cannot_undo(&found.past) {
            None => go.push(found),
            Some(why) => stay.push(why),
        }
    }
    if go.is_empty() {
        let (count, first) = (stay.len(), stay.first().cloned().unwrap_or_default());
        return Err(Refusal::precondition(text!(
            de "davon lässt sich nichts rückgängig machen (angesehen: {count}): schon rückgängig gemacht, seither wieder \
                verschoben, nicht abgeschlossen, oder die alte Kopie liegt nicht mehr im Papierkorb",
            en "nothing of it can be taken back (looked at: {count}): {first}"
        ))
        .into());
    }
    if more {
        stay.push(format!("more moves are meant than {} at once: ask again for the others", MoveAsk::MAX_IMAGES));
    }
    let parent = make(conn, &go, now).await?;
    let batch = MoveBatch {
        job: Some(job_id(parent)?),
        images: u64::try_from(go.len()).unwrap_or(u64::MAX),
        files: go.iter().map(|found| found.files).sum(),
        bytes: go.iter().map(|found| found.bytes).sum(),
        skipped_total: u64::try_from(stay.len()).unwrap_or(u64::MAX),
        skipped: stay.into_iter().take(MoveBatch::MAX_SKIPPED).collect(),
        largest: 0,
    };
    requests::remember(conn, &ask.request_id, &asked, &batch, now).await?;
    outbox::audit(conn, now, "undo_moves", &parent.to_string(), &audit::images(batch.images)).await?;
    outbox::put_jobs(conn, now, &[parent]).await?;
    Ok(batch)
}

/// A parent with more moves than are taken back at once.
#[derive(FromRow)]
struct LargeRow {
    source_pool_id: i64,
    target_pool_id: i64,
    node_id: String,
    children_done: i64,
    bytes_done: i64,
    newest: i64,
}

const LARGE: &str = "
SELECT j.source_pool_id, j.target_pool_id, p.node_id, j.children_done, j.bytes_done,
    (SELECT MAX(c.id) FROM jobs c WHERE c.parent_id = j.id) AS newest
FROM jobs j CROSS JOIN pools p ON p.id = j.target_pool_id
WHERE j.id = $1 AND j.kind IN ('move_pool', 'move_images', 'undo') AND j.source_pool_id > 0 AND j.children_done > $2";
const SLICED: &str = "
INSERT INTO jobs (kind, state, node_id, source_pool_id, target_pool_id, bytes_total, children_total, cursor_end, undo_of,
    created, started)
VALUES ('undo', 'processing', $1, $2, $3, $4, $5, $6, $7, $8, $8) RETURNING id";

/// A move that has not ended when its undo is planned is not taken back by it, whenever it ends.
const STILL_OPEN: &str = "
INSERT INTO left_out (job_id, image_id)
SELECT CAST($2 AS BIGINT), image_id FROM jobs WHERE parent_id = $1 AND finished IS NULL AND image_id IS NOT NULL
ON CONFLICT DO NOTHING";

const UNDOS: &str = "
SELECT u.id, u.undo_of FROM json_each($1) AS a
    CROSS JOIN jobs u ON u.kind = 'undo' AND u.undo_of = CAST(a.value AS BIGINT)
WHERE u.cursor < u.cursor_end OR u.planned_end > u.cursor";
const LEAVE_OUT: &str = "
INSERT INTO left_out (job_id, image_id)
SELECT CAST(value ->> 0 AS BIGINT), CAST(value ->> 1 AS BIGINT) FROM json_each($1) WHERE true
ON CONFLICT DO NOTHING";

/// Moves (parent, image) that are tried again have not ended before the undo of their parent was planned.
pub(super) async fn tried_again(conn: &mut Conn, moves: &[(i64, i64)]) -> Result<(), Trouble> {
    let parents: BTreeSet<i64> = moves.iter().map(|(parent, _)| *parent).collect();
    let undos: Vec<(i64, i64)> = statement::query_as(UNDOS).bind(json(&parents)).fetch_all(&mut *conn).await?;
    if undos.is_empty() {
        return Ok(());
    }
    let of = |undo: i64, of: i64| {
        moves.iter().filter(move |(parent, _)| *parent == of).map(move |(_, image)| (undo, *image))
    };
    let rows: Vec<(i64, i64)> = undos.into_iter().flat_map(|(undo, parent)| of(undo, parent)).collect();
    statement::query(LEAVE_OUT).bind(json(&rows)).execute(conn).await?;
    Ok(())
}

/// Where all the moves of one large parent are meant: a parent with a cursor over them, whose children are made as they
/// are needed. O(open moves of it).
async fn start_sliced(conn: &mut Conn, which: &WhichJobs, now: UnixMillis) -> Result<Option<MoveBatch>, Trouble> {
    let Some(of) = which.one_parent() else { return Ok(None) };
    let of = int(of.get());
    let large: Option<LargeRow> = statement::query_as(LARGE).bind(of).bind(MOST).fetch_optional(&mut *conn).await?;
    let Some(large) = large else { return Ok(None) };
    let parent: i64 = statement::query_scalar(SLICED)
        .bind(&large.node_id)
        .bind(large.target_pool_id)
        .bind(large.source_pool_id)
        .bind(large.bytes_done)
        .bind(large.children_done)
        .bind(large.newest)
        .bind(of)
        .bind(now.0)
        .fetch_one(&mut *conn)
        .await?;
    statement::query(STILL_OPEN).bind(of).bind(parent).execute(&mut *conn).await?;
    let (images, bytes) = (uint(large.children_done), uint(large.bytes_done));
    outbox::audit(conn, now, "undo_moves", &parent.to_string(), &audit::images(images)).await?;
    outbox::put_jobs(conn, now, &[parent]).await?;
    Ok(Some(MoveBatch { job: Some(job_id(parent)?), images, bytes, ..MoveBatch::default() }))
}

const CHILDREN: &str = "
SELECT j.id FROM json_each($1) AS a CROSS JOIN jobs j ON j.parent_id = CAST(a.value AS BIGINT)
WHERE j.kind = 'move_image' ORDER BY j.id LIMIT $2";
/// Those whose image has not moved since.
const LATEST_CHILDREN: &str = "
SELECT j.id FROM json_each($1) AS a
    CROSS JOIN jobs j ON j.parent_id = CAST(a.value AS BIGINT)
    CROSS JOIN images i ON i.id = j.image_id
WHERE j.kind = 'move_image' AND i.moved_by = j.id AND i.job_id IS NULL ORDER BY j.id LIMIT $2";

/// Jobs that move one image each, and whether there are more of them than are taken at once.
async fn meant(conn: &mut Conn, which: &WhichJobs) -> Result<(Vec<i64>, bool), Trouble> {
    let mut jobs = match which {
        WhichJobs::Ids(ids) => {
            require_known(conn, which).await?;
            let kinds = named(conn, ids).await?;
            let (mut moves, mut parents) = (Vec::new(), Vec::new());
            for (id, kind) in kinds {
                match word(JobKind::parse(&kind), "jobs.kind", &kind)? {
                    JobKind::MoveImage => moves.push(id),
                    kind if kind.is_parent_of_moves() => parents.push(id),
                    _ => {}
                }
            }
            moves.extend(children(conn, &parents).await?);
            moves
        }
        WhichJobs::Filter(filter) if filter.kind.is_some_and(JobKind::is_parent_of_moves) => {
            let mut sql = statement::query_as::<(i64,)>("SELECT id FROM jobs WHERE true");
            narrow(&mut sql, filter);
            sql.push(" ORDER BY id DESC LIMIT ").push_bind(MOST);
            let parents: Vec<i64> = sql.fetch_all(&mut *conn).await?.into_iter().map(|(id,)| id).collect();
            children(conn, &parents).await?
        }
        WhichJobs::Filter(filter) => {
            let filter = JobFilter { kind: Some(JobKind::MoveImage), ..filter.clone() };
            let filter = JobFilter { state: Some(filter.state.unwrap_or(JobState::Completed)), ..filter };
            let mut sql = statement::query_as::<(i64,)>("SELECT id FROM jobs WHERE true");
            narrow(&mut sql, &filter);
            sql.push(" ORDER BY id DESC LIMIT ").push_bind(MOST + 1);
            sql.fetch_all(&mut *conn).await?.into_iter().map(|(id,)| id).collect()
        }
    };
    let most = usize::try_from(MOST).unwrap_or(usize::MAX);
    let more = jobs.len() > most;
    jobs.truncate(most);
    Ok((jobs, more))
}

async fn children(conn: &mut Conn, parents: &[i64]) -> Result<Vec<i64>, Trouble> {
    if parents.is_empty() {
        return Ok(Vec::new());
    }
    let all: Vec<i64> =
        statement::query_scalar(CHILDREN).bind(json(&parents)).bind(MOST + 1).fetch_all(&mut *conn).await?;
    if i64::try_from(all.len()).unwrap_or(i64::MAX) <= MOST {
        return Ok(all);
    }
    Ok(statement::query_scalar(LATEST_CHILDREN).bind(json(&parents)).bind(MOST + 1).fetch_all(conn).await?)
}

/// A file of a move's image with its copies in both pools.
#[derive(FromRow)]
struct CopyRow {
    id: i64,
    state: String,
    committed: Flag,
    image_uuid: String,
    source_pool_id: i64,
    target_pool_id: i64,
    node_id: String,
    image_id: Option<i64>,
    image_job: Option<i64>,
    pool_id: Option<i64>,
    moved_by: Option<i64>,
    size: Option<i64>,
    here: Option<String>,
    old: Option<String>,
}

pub(super) const COPIES: &str = "
SELECT j.id, j.state, j.committed, j.image_uuid, j.source_pool_id, j.target_pool_id, p.node_id,
    i.id AS image_id, i.job_id AS image_job, i.pool_id, i.moved_by, f.size, n.state AS here, o.state AS old
FROM json_each($1) AS a
    CROSS JOIN jobs j ON j.id = CAST(a.value AS BIGINT)
    CROSS JOIN pools p ON p.id = j.target_pool_id
    LEFT JOIN images i ON i.id = j.image_id AND i.deleting = 0
    LEFT JOIN files f ON f.image_id = i.id
    LEFT JOIN replicas n ON n.file_id = f.id AND n.pool_id = j.target_pool_id
    LEFT JOIN replicas o ON o.file_id = f.id AND o.pool_id = j.source_pool_id
ORDER BY j.id";

pub(super) struct Found {
    pub(super) past: PastMove,
    image: Option<i64>,
    node: String,
    back_to: pixelfox_proto::PoolId,
    files: u64,
    pub(super) bytes: u64,
}

impl Found {
    pub(super) fn child(&self) -> Option<Child<'_>> {
        let past = &self.past;
        Some(Child(self.image?, past.image, &self.node, past.target, self.bytes, self.back_to, 1))
    }
}

/// Moves with what is there of them now.
pub(super) async fn look(conn: &mut Conn, jobs: &[i64]) -> Result<Vec<Found>, Trouble> {
    let rows: Vec<CopyRow> = statement::query_as(COPIES).bind(json(&jobs)).fetch_all(conn).await?;
    rows.chunk_by(|a, b| a.id == b.id).map(found).collect()
}

fn found(copies: &[CopyRow]) -> Result<Found, Trouble> {
    let first = &copies[0];
    let states = |copy: &CopyRow| Ok((rows::state(copy.here.as_deref())?, rows::state(copy.old.as_deref())?));
    let states: Vec<(Option<ReplicaState>, Option<ReplicaState>)> =
        copies.iter().map(states).collect::<Result<_, Trouble>>()?;
    let back = || copies.iter().zip(&states).filter(|(_, (here, old))| comes_back(*here, *old)).map(|(copy, _)| copy);
    let (files, bytes) = (back().count(), back().filter_map(|copy| copy.size).map(uint).sum());
    let now = match first.pool_id {
        None => None,
        Some(pool) => {
            Some(ImageNow { pool: pool_id(pool)?, moved_by: some_job(first.moved_by), job: some_job(first.image_job) })
        }
    };
    let image: ImageId = checked(first.image_uuid.parse(), "jobs.image_uuid")?;
    Ok(Found {
        past: PastMove {
            job: job_id(first.id)?,
            state: word(JobState::parse(&first.state), "jobs.state", &first.state)?,
            committed: first.committed.0,
            image,
            now,
            target: pool_id(first.target_pool_id)?,
            copies: states,
        },
        image: first.image_id,
        node: first.node_id.clone(),
        back_to: pool_id(first.source_pool_id)?,
        files: u64::try_from(files).unwrap_or(u64::MAX),
        bytes,
    })
}

async fn make(conn: &mut Conn, go: &[&Found], now: UnixMillis) -> Result<i64, Trouble> {
    let from: BTreeSet<u64> = go.iter().map(|found| found.past.target.get()).collect();
    let to: BTreeSet<u64> = go.iter().map(|found| found.back_to.get()).collect();
    let nodes: BTreeSet<&str> = go.iter().map(|found| found.node.as_str()).collect();
    let parent: i64 = statement::query_scalar(PARENT)
        .bind(JobKind::Undo.as_str())
        .bind(JobState::Processing.as_str())
        .bind(only(&nodes).copied().unwrap_or_default())
        .bind(only(&from).map_or(0, |pool| int(*pool)))
        .bind(only(&to).map_or(0, |pool| int(*pool)))
        .bind(int(go.iter().map(|found| found.bytes).sum()))
        .bind(i64::try_from(go.len()).unwrap_or(i64::MAX))
        .bind(now.0)
        .fetch_one(&mut *conn)
        .await?;
    let children: Vec<_> = go.iter().filter_map(|found| found.child()).collect();
    make_children(conn, parent, parent, &children, now).await?;
    Ok(parent)
}
