//! Which jobs of a lane are first in line.

use serde::Deserialize;
use sqlx::FromRow;

use super::{
    Trouble,
    dialect::int,
    gather::Gathered,
    rows::{self, MoveFileRow},
    statement::{self, Conn, Flag},
};
use crate::catalog::{LeaseOrder, UnixMillis};

#[derive(Deserialize, FromRow)]
pub(super) struct Candidate {
    pub(super) id: i64,
    pub(super) parent_id: Option<i64>,
    pub(super) attempt: i64,
    pub(super) failures: i64,
    pub(super) uuid: String,
    pub(super) share_token: String,
    pub(super) original_name: String,
    pub(super) user_id: i64,
    pub(super) created: i64,
    pub(super) undo: Flag,
}

macro_rules! candidates {
    ($when:literal) => {
        concat!(
            "SELECT j.id, j.parent_id, j.attempt, j.failures, i.uuid, i.share_token, i.original_name, i.user_id, i.created,
                j.undo
            FROM jobs j CROSS JOIN images i ON i.id = j.image_id
            WHERE j.state = 'pending' AND j.node_id = $1 AND j.kind = 'move_image' AND j.source_pool_id = $2
                AND j.target_pool_id = $3 AND ",
            $when,
            " ORDER BY j.not_before, j.id LIMIT $5"
        )
    };
}
macro_rules! candidate_columns {
    () => {
        "id, parent_id, attempt, failures, uuid, share_token, original_name, user_id, created, undo"
    };
}

/// Those that are tried again and are due, then those that were not tried yet.
pub(super) const CANDIDATES: &str = concat!(
    "SELECT ",
    candidate_columns!(),
    " FROM (",
    candidates!("j.not_before > 0 AND j.not_before <= $4"),
    ") AS again UNION ALL SELECT ",
    candidate_columns!(),
    " FROM (",
    candidates!("j.not_before = 0"),
    ") AS fresh LIMIT $5"
);

/// Of those first in line, due or not tried yet, whose bytes fit: asked for where the very first are too large. So many
/// are looked at that a line of large images holds nobody up, and no more: a look costs no more where the line is long.
pub(super) const SMALLER: &str = "
SELECT line.id, line.parent_id, line.attempt, line.failures, i.uuid, i.share_token, i.original_name, i.user_id, i.created,
    line.undo
FROM (SELECT id, parent_id, attempt, failures, undo, image_id, not_before, bytes_total FROM jobs
        WHERE state = 'pending' AND node_id = $1 AND kind = 'move_image' AND source_pool_id = $2
            AND target_pool_id = $3 AND not_before <= $4
        ORDER BY not_before, id LIMIT $6) AS line
    CROSS JOIN images i ON i.id = line.image_id
WHERE line.bytes_total <= $7 ORDER BY line.not_before, line.id LIMIT $5";
const LOOKED_AT: i64 = 4096;

impl Gathered for Candidate {
    const COLUMNS: &'static str = candidate_columns!();
}

/// Those that take a move back.
pub(super) const UNDOS: &str = "
SELECT j.id, j.parent_id, j.attempt, j.failures, i.uuid, i.share_token, i.original_name, i.user_id, i.created, j.undo
FROM jobs j CROSS JOIN images i ON i.id = j.image_id
WHERE j.state = 'pending' AND j.undo = 1 AND j.node_id = $1 AND j.source_pool_id = $2 AND j.target_pool_id = $3
    AND j.not_before <= $4
ORDER BY j.not_before, j.id LIMIT $5";

pub(super) async fn candidates(
    conn: &mut Conn,
    order: &LeaseOrder,
    now: UnixMillis,
) -> Result<Vec<Candidate>, Trouble> {
    let query = statement::query_as(if order.only_undo { UNDOS } else { CANDIDATES })
        .bind(order.node.as_str())
        .bind(int(order.source.get()));
    let query = query.bind(int(order.target.get())).bind(now.0).bind(i64::from(order.jobs));
    Ok(query.gather(conn).await?)
}

pub(super) async fn smaller(
    conn: &mut Conn,
    order: &LeaseOrder,
    room: i64,
    now: UnixMillis,
) -> Result<Vec<Candidate>, Trouble> {
    let query = statement::query_as(SMALLER).bind(order.node.as_str()).bind(int(order.source.get()));
    let query = query.bind(int(order.target.get())).bind(now.0).bind(i64::from(order.jobs));
    Ok(query.bind(LOOKED_AT).bind(room).gather(conn).await?)
}

pub(super) fn ids(jobs: &[Candidate]) -> Vec<i64> {
    jobs.iter().map(|job| job.id).collect()
}

pub(super) async fn files_of(conn: &mut Conn, jobs: &[Candidate]) -> Result<Vec<MoveFileRow>, Trouble> {
    if jobs.is_empty() { Ok(Vec::new()) } else { rows::move_files(conn, &ids(jobs)).await }
}
