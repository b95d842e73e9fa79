//! Who holds what: jobs under way before their commit, leases that are void, jobs that an old copy keeps waiting.

use std::collections::HashSet;

use pixelfox_proto::{JobId, Lease, SessionEpoch};

use super::{
    Store, StoreError,
    dialect::{checked, job_id, json, small, uint, word},
    statement,
};
use crate::catalog::{HeldJob, JobKind};

pub(super) const HELD: &str = "
SELECT id, kind, node_id, lease, epoch, CASE WHEN by_target = 1 THEN target_epoch ELSE epoch END, failures FROM jobs
WHERE state = 'processing' AND committed = 0 AND lease > 0 ORDER BY id";
pub(super) const RELEASED: &str = "
SELECT CAST(a.value ->> 1 AS BIGINT) AS lease
FROM json_each($1) AS a
    LEFT JOIN jobs j ON j.id = CAST(a.value ->> 0 AS BIGINT) AND j.state = 'processing'
        AND j.lease = CAST(a.value ->> 1 AS BIGINT)
WHERE j.id IS NULL";
pub(super) const UNSETTLED: &str = "
SELECT DISTINCT j.id
FROM json_each($1) AS a
    CROSS JOIN jobs j ON j.id = CAST(a.value AS BIGINT)
    CROSS JOIN files f ON f.image_id = j.image_id
    CROSS JOIN replicas r ON r.file_id = f.id AND r.pool_id = j.target_pool_id
WHERE r.state IN ('condemned', 'purging')";

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

    /// Those of these jobs whose target has an old copy on its way into the trash or out of it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn unsettled_jobs(&self, jobs: &[JobId]) -> Result<HashSet<JobId>, StoreError> {
        let ids: Vec<u64> = jobs.iter().map(|job| job.get()).collect();
        self.read("look for old copies at targets", async |mut conn| {
            let rows: Vec<i64> = statement::query_scalar(UNSETTLED).bind(json(&ids)).fetch_all(&mut conn).await?;
            rows.into_iter().map(job_id).collect()
        })
        .await
    }
}
