//! Who holds what: jobs under way before their commit, leases that are void, what jobs find at their targets.

use std::collections::{HashMap, HashSet};

use pixelfox_proto::{JobId, Lease, SessionEpoch};
use sqlx::FromRow;

use super::{
    Store, StoreError, Trouble,
    dialect::{checked, job_id, json, pool_id, small, uint, word},
    rows::{JobRow, job_columns},
    statement,
};
use crate::catalog::{AtTarget, CopyLeft, HeldJob, Job, JobKind, UnixMillis};

pub(super) const HELD: &str = "
SELECT id, kind, node_id, lease, epoch, CASE WHEN by_target = 1 THEN target_epoch ELSE epoch END, failures FROM jobs
WHERE state = 'processing' AND committed = 0 AND lease > 0 ORDER BY id";
pub(super) const RELEASED: &str = "
SELECT CAST(a.value ->> 1 AS BIGINT) AS lease
FROM json_each($1) AS a
    LEFT JOIN jobs j ON j.id = CAST(a.value ->> 0 AS BIGINT) AND j.state = 'processing'
        AND j.lease = CAST(a.value ->> 1 AS BIGINT)
WHERE j.id IS NULL";
pub(super) const AT_TARGET: &str = "
SELECT j.id, CAST(MAX(CASE WHEN t.state = 'condemned' THEN 1 ELSE 0 END) AS BIGINT) AS unsettled,
    CAST(MAX(CASE WHEN t.state = 'purging' THEN 1 ELSE 0 END) AS BIGINT) AS purging,
    CAST(MAX(j.undo) AS BIGINT) AS undo,
    CAST(SUM(CASE WHEN t.state = 'trashed' OR t.trash_generation IS NOT NULL THEN 1 ELSE 0 END) AS BIGINT) AS from_trash,
    CAST(SUM(CASE WHEN t.state = 'trashed' OR t.trash_generation IS NOT NULL
        OR (s.state = 'live' AND COALESCE(t.state, '') <> 'live') THEN 1 ELSE 0 END) AS BIGINT) AS files,
    CAST(SUM(CASE WHEN s.state = 'live' AND COALESCE(t.state, '') NOT IN ('live', 'trashed', 'writing') THEN f.size ELSE 0 END)
        AS BIGINT) AS new_bytes
FROM json_each($1) AS a
    CROSS JOIN jobs j ON j.id = CAST(a.value AS BIGINT)
    CROSS JOIN files f ON f.image_id = j.image_id
    LEFT JOIN replicas s ON s.file_id = f.id AND s.pool_id = j.source_pool_id
    LEFT JOIN replicas t ON t.file_id = f.id AND t.pool_id = j.target_pool_id
GROUP BY j.id";

/// Of each of these parents the first child that waits, where none of the first open ones is under way.
pub(super) const WAITING_CHILDREN: &str = "
SELECT (SELECT MIN(few.id) FROM (SELECT o.id, o.state FROM jobs o
        WHERE o.parent_id = CAST(a.value AS BIGINT) AND o.finished IS NULL ORDER BY o.id LIMIT 256) AS few
    WHERE few.state = 'pending') AS waiting
FROM json_each($1) AS a
WHERE NOT EXISTS (SELECT 1 FROM (SELECT o.state FROM jobs o
        WHERE o.parent_id = CAST(a.value AS BIGINT) AND o.finished IS NULL ORDER BY o.id LIMIT 256) AS few
    WHERE few.state = 'processing')";
const JOBS: &str =
    concat!("SELECT ", job_columns!(), " FROM json_each($1) AS a CROSS JOIN jobs j ON j.id = CAST(a.value AS BIGINT)");
pub(super) const LEFT: &str = "
SELECT j.id, r.pool_id, MIN(r.not_before)
FROM json_each($1) AS a
    CROSS JOIN jobs j ON j.id = CAST(a.value AS BIGINT)
    CROSS JOIN files f ON f.image_id = j.image_id
    CROSS JOIN replicas r ON r.file_id = f.id
GROUP BY j.id, r.pool_id ORDER BY j.id, r.pool_id";

#[derive(FromRow)]
struct AtTargetRow {
    id: i64,
    unsettled: i64,
    purging: i64,
    undo: i64,
    from_trash: i64,
    files: i64,
    new_bytes: i64,
}

impl AtTargetRow {
    fn found(self) -> Result<(JobId, AtTarget), Trouble> {
        let count = |files: i64| usize::try_from(files).unwrap_or_default();
        let found = AtTarget {
            is_unsettled: self.unsettled > 0,
            is_purging: self.purging > 0,
            is_undo: self.undo > 0,
            from_trash: count(self.from_trash),
            files: count(self.files),
            new_bytes: uint(self.new_bytes),
        };
        Ok((job_id(self.id)?, found))
    }
}

type HeldRow = (i64, String, String, i64, i64, i64, i64);

impl Store {
    /// Jobs that a session holds, before their commit.
    ///
    /// # Errors
    /// The database fails.
    pub async fn held_jobs(&self) -> Result<Vec<HeldJob>, StoreError> {
        self.read("look for jobs under way", async |mut conn| {
            let rows: Vec<HeldRow> = statement::query_as(HELD).fetch_all(&mut conn).await?;
            let job = |(id, kind, node, lease, epoch, holder, failures): HeldRow| {
                Ok(HeldJob {
                    job: job_id(id)?,
                    kind: word(JobKind::parse(&kind), "jobs.kind", &kind)?,
                    node: checked(node.parse(), "jobs.node_id")?,
                    lease: Lease(uint(lease)),
                    epoch: SessionEpoch(uint(epoch)),
                    holder: SessionEpoch(uint(holder)),
                    failures: small(failures),
                })
            };
            rows.into_iter().map(job).collect()
        })
        .await
    }

    /// Those of these leases that don't hold their job any more.
    ///
    /// # Errors
    /// The database fails.
    pub async fn released_leases(&self, leases: &[(JobId, Lease)]) -> Result<HashSet<Lease>, StoreError> {
        let words: Vec<_> = leases.iter().map(|(job, lease)| (job.get(), lease.0)).collect();
        self.read("look for leases that are void", async |mut conn| {
            let rows: Vec<i64> = statement::query_scalar(RELEASED).bind(json(&words)).fetch_all(&mut conn).await?;
            Ok(rows.into_iter().map(|lease| Lease(uint(lease))).collect())
        })
        .await
    }

    /// What each of these parents waits for, where nothing of it is under way: the first of its children that wait.
    ///
    /// # Errors
    /// The database fails.
    pub async fn waiting_children(&self, parents: &[JobId]) -> Result<HashMap<JobId, Job>, StoreError> {
        if parents.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<u64> = parents.iter().map(|job| job.get()).collect();
        self.read("look for what parents wait for", async |mut conn| {
            let first: Vec<(Option<i64>,)> =
                statement::query_as(WAITING_CHILDREN).bind(json(&ids)).fetch_all(&mut conn).await?;
            let first: Vec<i64> = first.into_iter().filter_map(|(id,)| id).collect();
            let rows: Vec<JobRow> = statement::query_as(JOBS).bind(json(&first)).fetch_all(&mut conn).await?;
            let jobs = rows.into_iter().map(Job::try_from);
            jobs.filter_map(|job| job.map(|job| Some((job.parent?, job))).transpose()).collect()
        })
        .await
    }

    /// What these jobs find at their targets.
    ///
    /// # Errors
    /// The database fails.
    pub async fn at_targets(&self, jobs: &[JobId]) -> Result<HashMap<JobId, AtTarget>, StoreError> {
        let ids: Vec<u64> = jobs.iter().map(|job| job.get()).collect();
        self.read("look for what is at targets", async |mut conn| {
            let rows: Vec<AtTargetRow> = statement::query_as(AT_TARGET).bind(json(&ids)).fetch_all(&mut conn).await?;
            rows.into_iter().map(AtTargetRow::found).collect()
        })
        .await
    }

    /// What is left of the images that these jobs delete.
    ///
    /// # Errors
    /// The database fails.
    pub async fn copies_left(&self, jobs: &[JobId]) -> Result<HashMap<JobId, Vec<CopyLeft>>, StoreError> {
        if jobs.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<u64> = jobs.iter().map(|job| job.get()).collect();
        self.read("look for what is left", async |mut conn| {
            let rows: Vec<(i64, i64, i64)> = statement::query_as(LEFT).bind(json(&ids)).fetch_all(&mut conn).await?;
            let mut left: HashMap<JobId, Vec<CopyLeft>> = HashMap::new();
            for (job, pool, next_try) in rows {
                let copy = CopyLeft { pool: pool_id(pool)?, next_try: UnixMillis(next_try) };
                left.entry(job_id(job)?).or_default().push(copy);
            }
            Ok(left)
        })
        .await
    }
}
