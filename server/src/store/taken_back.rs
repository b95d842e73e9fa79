//! Which moves can still be taken back, and which were: lists offer nothing that would be refused, and say what became of a
//! move. Of a parent some of its newest children are looked at, so that a list costs the same however large its jobs are.

use std::collections::HashMap;

use pixelfox_proto::JobId;

use super::{
    Store, StoreError, Trouble,
    dialect::{int, job_id, json, some_job},
    statement::{self, Conn},
};
use crate::catalog::{Job, JobState, TakenBack};

/// Children of a parent that are looked at, and those among which they are sought.
const LOOKED_AT: i64 = 32;
const AMONG: i64 = 256;

/// By the image's last move, its place and its original's old copy; and the job that followed, where that took it back.
macro_rules! looked {
    ($asked:literal, $jobs:literal) => {
        concat!(
            "SELECT ",
            $asked,
            ", CAST(CASE WHEN i.moved_by = j.id AND i.pool_id = j.target_pool_id AND i.job_id IS NULL AND i.deleting = 0
        AND EXISTS (SELECT 1 FROM files f JOIN replicas o ON o.file_id = f.id AND o.pool_id = j.source_pool_id
            WHERE f.image_id = i.id AND o.state = 'trashed') THEN 1 ELSE 0 END AS BIGINT),
    (SELECT u.parent_id FROM jobs u WHERE u.undo = 1 AND u.state = 'completed' AND u.id = (SELECT MIN(n.id) FROM jobs n
        WHERE n.image_id = j.image_id AND n.id > j.id AND n.committed = 1))
FROM json_each($1) AS a ",
            $jobs,
            " LEFT JOIN images i ON i.id = j.image_id WHERE j.kind = 'move_image' AND j.state = 'completed' AND j.committed = 1"
        )
    };
}

const CHILDREN: &str = looked!("j.id", "CROSS JOIN jobs j ON j.id = CAST(a.value AS BIGINT)");
const OF_PARENTS: &str = looked!(
    "CAST(a.value AS BIGINT)",
    "CROSS JOIN jobs j ON j.id IN (SELECT few.id FROM (
        SELECT c.id, c.committed FROM jobs c WHERE c.parent_id = CAST(a.value AS BIGINT) ORDER BY c.id DESC LIMIT $3) AS few
    WHERE few.committed = 1 LIMIT $2)"
);

type Row = (i64, i64, Option<i64>);

impl Store {
    /// What of these jobs can be taken back, and what took them back. O(jobs).
    ///
    /// # Errors
    /// The database fails.
    pub async fn taken_back(&self, jobs: &[Job]) -> Result<HashMap<JobId, TakenBack>, StoreError> {
        let ids = |jobs: Vec<&Job>| jobs.into_iter().map(|job| int(job.id.get())).collect::<Vec<_>>();
        let moved = |job: &&Job| job.image.is_some() && job.state == JobState::Completed && job.committed;
        let over = |job: &&Job| {
            job.kind.is_parent_of_moves() && job.finished.is_some() && job.children_done > job.children_unmoved
        };
        let (children, parents) = (ids(jobs.iter().filter(moved).collect()), ids(jobs.iter().filter(over).collect()));
        if children.is_empty() && parents.is_empty() {
            return Ok(HashMap::new());
        }
        self.read("look what can be taken back", async |mut conn| look(&mut conn, &children, &parents).await).await
    }
}

async fn look(conn: &mut Conn, children: &[i64], parents: &[i64]) -> Result<HashMap<JobId, TakenBack>, Trouble> {
    let mut rows: Vec<Row> = Vec::new();
    if !children.is_empty() {
        rows.extend(statement::query_as::<Row>(CHILDREN).bind(json(&children)).fetch_all(&mut *conn).await?);
    }
    if !parents.is_empty() {
        let of = statement::query_as::<Row>(OF_PARENTS).bind(json(&parents)).bind(LOOKED_AT).bind(AMONG);
        rows.extend(of.fetch_all(conn).await?);
    }
    let mut found: HashMap<JobId, TakenBack> = HashMap::new();
    for (job, can, by) in rows {
        let seen = found.entry(job_id(job)?).or_default();
        seen.can_be |= can == 1;
        seen.by = seen.by.max(some_job(by));
    }
    Ok(found)
}
