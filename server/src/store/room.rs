//! Room that waiting work needs at its target, so that the trash there can make it.

use std::collections::{BTreeMap, HashMap};

use pixelfox_proto::{PoolId, SessionEpoch};

use super::{
    Store, StoreError,
    fit::{Fit, fit},
    line,
    rows::{self, MoveFileRow},
};
use crate::catalog::{Lane, LeaseOrder, Reach, UnixMillis};

impl Store {
    /// Bytes that the next `jobs` moves of each of these lanes would bring to their targets, by target. What comes back
    /// from a target's trash needs none.
    ///
    /// # Errors
    /// The database fails.
    pub async fn waiting_bytes(
        &self,
        lanes: &[Lane],
        jobs: u32,
        until: UnixMillis,
    ) -> Result<BTreeMap<PoolId, u64>, StoreError> {
        let none = SessionEpoch(0);
        let order = |lane: &Lane| {
            let (node, source, target) = (lane.node.clone(), lane.source, lane.target?);
            let order = LeaseOrder {
                node,
                epoch: none,
                source,
                target,
                target_epoch: none,
                reach: Reach::Both,
                jobs,
                only_undo: false,
                disk_free_bytes: 0,
                disk_shared_with: Vec::new(),
            };
            Some(order)
        };
        let orders: Vec<LeaseOrder> = lanes.iter().filter_map(order).collect();
        self.read("look what waits for room", async |mut conn| {
            let mut bytes: BTreeMap<PoolId, u64> = BTreeMap::new();
            for order in &orders {
                let ids: Vec<i64> = line::ids(&line::candidates(&mut conn, order, until).await?);
                let files = rows::move_files(&mut conn, &ids).await?;
                let by_job: HashMap<i64, &[MoveFileRow]> =
                    files.chunk_by(|a, b| a.job == b.job).map(|files| (files[0].job, files)).collect();
                for (job, files) in by_job {
                    if let Fit::Go { bytes: more, .. } = fit(files, job)? {
                        *bytes.entry(order.target).or_default() += super::dialect::uint(more);
                    }
                }
            }
            Ok(bytes)
        })
        .await
    }
}
