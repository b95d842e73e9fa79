//! Parents that make their children in slices, from a cursor in their own row: one transaction a slice, so that a crash
//! repeats nothing and forgets nothing, and a pool of a million images costs what one of a thousand does.

use pixelfox_proto::JobId;
use sqlx::FromRow;

use super::{
    Store, StoreError, Trouble,
    dialect::{int, job_id, pool_id, uint},
    endings, outbox,
    plan::{Child, CopyRow, Found, gather, make_children},
    rows,
    statement::{self, Conn},
    undo,
};
use crate::{
    catalog::{Slice, UnixMillis},
    moves::{cannot_undo, obstacle},
};

/// Reasons that a parent's note has at most.
const NOTED: i64 = 5;

impl Store {
    /// Parents whose next slice is due: their lane is short of jobs that may run, and not too many of their children
    /// are open. Costs nothing where there is none.
    ///
    /// # Errors
    /// The database fails.
    pub async fn slices_due(&self, now: UnixMillis) -> Result<Vec<JobId>, StoreError> {
        self.read("look for parents without children to run", async |mut conn| {
            let due = statement::query_scalar(DUE).bind(now.0).bind(i64::from(Slice::DUE_BELOW));
            let due: Vec<i64> = due.bind(i64::from(Slice::OPEN_MOST)).fetch_all(&mut conn).await?;
            due.into_iter().map(job_id).collect()
        })
        .await
    }

    /// Makes the next slice of a parent, up to [`Slice::IMAGES`] children. `None` where it makes none any more: paused,
    /// cancelled, through.
    ///
    /// # Errors
    /// The database fails.
    pub async fn make_slice(&self, parent: JobId, now: UnixMillis) -> Result<Option<Slice>, StoreError> {
        self.write("make jobs", move |conn| Box::pin(async move { make(conn, parent, now).await })).await
    }
}

// COALESCE keeps SQLite from the index over all states.
pub(super) const DUE: &str = "
SELECT s.id FROM jobs s CROSS JOIN pools p ON p.id = s.source_pool_id
WHERE s.cursor < s.cursor_end AND COALESCE(s.state, '') = 'processing' AND s.made - s.children_done - s.children_failed - s.children_cancelled < $3
    AND (SELECT COUNT(*) FROM (SELECT 1 FROM jobs d WHERE d.state = 'pending' AND d.node_id = p.node_id
        AND d.kind = 'move_image' AND d.source_pool_id = s.source_pool_id AND d.target_pool_id = s.target_pool_id
        AND d.not_before <= $1 LIMIT $2) AS waiting) < $2
ORDER BY s.id";

/// A parent that still has children to make.
#[derive(FromRow)]
struct ParentRow {
    source_pool_id: i64,
    target_pool_id: i64,
    cursor: i64,
    cursor_end: i64,
    undo_of: i64,
    newest: i64,
}

const PARENT: &str = "
SELECT source_pool_id, target_pool_id, cursor, cursor_end, undo_of, (SELECT MAX(id) FROM jobs) AS newest FROM jobs
WHERE id = $1 AND cursor < cursor_end AND state = 'processing'";

/// An image whose turn has come, file by file.
#[derive(FromRow)]
struct TurnRow {
    entry: i64,
    left_out: bool,
    #[sqlx(flatten)]
    copy: CopyRow,
}

pub(super) const IMAGES: &str = "
SELECT turn.entry, turn.id, turn.uuid, turn.pool_id, p.node_id, turn.job_id, turn.deleting, f.kind, f.size, r.state,
    1 = 0 AS in_trash, CAST(NULL AS TEXT) AS kept_in,
    EXISTS (SELECT 1 FROM left_out o WHERE o.job_id = $1 AND o.image_id = turn.id)
        OR COALESCE((SELECT o.last_entry FROM left_out_ranges o WHERE o.job_id = $1 AND o.first_entry <= turn.entry
            ORDER BY o.first_entry DESC LIMIT 1), 0) >= turn.entry AS left_out
FROM (SELECT id, uuid, pool_id, job_id, deleting, entry FROM images
        WHERE pool_id = $2 AND entry > $3 AND entry <= $4 ORDER BY entry LIMIT $5) AS turn
    CROSS JOIN pools p ON p.id = turn.pool_id
    CROSS JOIN files f ON f.image_id = turn.id
    LEFT JOIN replicas r ON r.file_id = f.id AND r.pool_id = turn.pool_id
ORDER BY turn.entry";

/// Where a range of what is left out ends that begins with or before an entry.
pub(super) const RANGE: &str = "
SELECT last_entry FROM left_out_ranges WHERE job_id = $1 AND first_entry <= $2 ORDER BY first_entry DESC LIMIT 1";

/// A move whose turn to be taken back has come.
#[derive(FromRow)]
struct PastRow {
    id: i64,
    is_meant: bool,
}

/// The next children of a parent, and whether they had ended when its undo was planned: so many the undo counts on.
pub(super) const PAST: &str = "
SELECT turn.id, COALESCE(turn.state, '') = 'completed'
    AND NOT EXISTS (SELECT 1 FROM left_out o WHERE o.job_id = $4 AND o.image_id = turn.image_id) AS is_meant
FROM (SELECT id, state, image_id FROM jobs WHERE parent_id = $1 AND id > $2 AND id <= $3 ORDER BY id LIMIT $5) AS turn
ORDER BY turn.id";

/// A parent moves on: its cursor, what it made, what it left behind and why.
pub(super) const ADVANCE: &str = "
UPDATE jobs SET cursor = $2, made = made + $3, made_bytes = made_bytes + $4, left_behind = left_behind + $5,
    children_total = children_total - $5, bytes_total = bytes_total - $6,
    note = CASE WHEN $7 = '' THEN note WHEN note = '' THEN $7 ELSE note || '; ' || $7 END
WHERE id = $1";
/// The last slice: what the plan counted and nobody found any more is counted out.
const THROUGH: &str = "
UPDATE jobs SET left_behind = left_behind + CASE WHEN children_total > made THEN children_total - made ELSE 0 END,
    children_total = made, bytes_total = made_bytes
WHERE id = $1";
pub(super) const FORGET: &str = "DELETE FROM left_out WHERE job_id = $1";
pub(super) const FORGET_RANGES: &str = "DELETE FROM left_out_ranges WHERE job_id = $1";

async fn make(conn: &mut Conn, parent: JobId, now: UnixMillis) -> Result<Option<Slice>, Trouble> {
    let id = int(parent.get());
    let row: Option<ParentRow> = statement::query_as(PARENT).bind(id).fetch_optional(&mut *conn).await?;
    let Some(row) = row else { return Ok(None) };
    let turn = if row.undo_of == 0 { turn(conn, id, &row, now).await? } else { turn_back(conn, id, &row, now).await? };
    statement::query(ADVANCE)
        .bind(id)
        .bind(turn.cursor)
        .bind(turn.made)
        .bind(turn.made_bytes)
        .bind(turn.stayed)
        .bind(turn.stayed_bytes)
        .bind(turn.reasons.join("; "))
        .execute(&mut *conn)
        .await?;
    let mut slice = Slice { parent, made: uint(turn.made), settled: Vec::new() };
    if turn.cursor >= row.cursor_end {
        statement::query(THROUGH).bind(id).execute(&mut *conn).await?;
        statement::query(FORGET).bind(id).execute(&mut *conn).await?;
        statement::query(FORGET_RANGES).bind(id).execute(&mut *conn).await?;
        slice.settled = endings::end_parents(conn, &[id], now).await?;
    }
    outbox::put_jobs(conn, now, &[id]).await?;
    Ok(Some(slice))
}

/// What the next images of a plan came to.
#[derive(Default)]
struct Turn {
    made: i64,
    made_bytes: i64,
    stayed: i64,
    stayed_bytes: i64,
    reasons: Vec<String>,
    cursor: i64,
}

/// The next images of a pool.
async fn turn(conn: &mut Conn, parent: i64, row: &ParentRow, now: UnixMillis) -> Result<Turn, Trouble> {
    let target = pool_id(row.target_pool_id)?;
    let target_name = rows::one_pool(conn, row.target_pool_id).await?.map(|pool| pool.name).unwrap_or_default();
    let mut turn = Turn { cursor: row.cursor_end, ..Turn::default() };
    let mut go: Vec<Found> = Vec::new();
    let range = statement::query_scalar(RANGE).bind(parent).bind(row.cursor + 1);
    let left_out: i64 = range.fetch_all(&mut *conn).await?.first().copied().unwrap_or(0);
    let begin = row.cursor.max(left_out); // a million that stay cost nothing
    let images = statement::query_as(IMAGES).bind(parent).bind(row.source_pool_id).bind(begin);
    let images: Vec<TurnRow> = images.bind(row.cursor_end).bind(i64::from(Slice::IMAGES)).fetch_all(&mut *conn).await?;
    let (mut seen, mut copies) = (0, Vec::new());
    for files in images.chunk_by(|a, b| a.entry == b.entry) {
        seen += 1;
        if seen == Slice::IMAGES {
            turn.cursor = files[0].entry;
        }
        if !files[0].left_out {
            copies.extend(files.iter().map(|file| file.copy.clone()));
        }
    }
    for found in gather(&copies)? {
        match obstacle(&found.image, target, &target_name) {
            None => go.push(found),
            Some(why) => turn.stays(found.image.bytes, format!("image {}: {why}", found.image.id)),
        }
    }
    let children: Vec<_> = go.iter().map(|found| Child::moving(found, target)).collect();
    turn.makes(conn, (parent, row.newest), &children, now).await?;
    Ok(turn)
}

/// The next moves of another parent, taken back.
async fn turn_back(conn: &mut Conn, parent: i64, row: &ParentRow, now: UnixMillis) -> Result<Turn, Trouble> {
    let past = statement::query_as(PAST).bind(row.undo_of).bind(row.cursor).bind(row.cursor_end).bind(parent);
    let past: Vec<PastRow> = past.bind(i64::from(Slice::IMAGES)).fetch_all(&mut *conn).await?;
    let is_full = past.len() == usize::try_from(Slice::IMAGES).unwrap_or(usize::MAX);
    let cursor = past.last().map(|past| past.id).filter(|_| is_full).unwrap_or(row.cursor_end);
    let mut turn = Turn { cursor, ..Turn::default() };
    let past: Vec<i64> = past.into_iter().filter(|past| past.is_meant).map(|past| past.id).collect();
    let moves = undo::look(conn, &past).await?;
    let mut go = Vec::new();
    for found in &moves {
        match cannot_undo(&found.past) {
            None => go.extend(found.child()),
            Some(why) => turn.stays(found.bytes, why),
        }
    }
    turn.makes(conn, (parent, row.newest), &go, now).await?;
    Ok(turn)
}

impl Turn {
    fn stays(&mut self, bytes: u64, why: String) {
        self.stayed += 1;
        self.stayed_bytes += int(bytes);
        self.reasons.push(why);
    }

    /// Makes the children. No job of this parent is newer than `newest`; of the reasons as many are kept as its note has
    /// room for.
    async fn makes(
        &mut self,
        conn: &mut Conn,
        (parent, newest): (i64, i64),
        children: &[Child<'_>],
        now: UnixMillis,
    ) -> Result<(), Trouble> {
        make_children(conn, parent, newest, children, now).await?;
        self.made = i64::try_from(children.len()).unwrap_or(i64::MAX);
        self.made_bytes = int(children.iter().map(|child| child.4).sum());
        let noted = "SELECT left_behind FROM jobs WHERE id = $1";
        let noted: i64 = statement::query_scalar(noted).bind(parent).fetch_one(conn).await?;
        self.reasons.truncate(usize::try_from(NOTED - noted).unwrap_or(0));
        Ok(())
    }
}
