//! Nodes on record and attached, and the overview.

use std::collections::HashMap;

use pixelfox_proto::{Fault, v1};
use tokio::time::Instant;

use super::AdminService;
use crate::grpc::wire;

impl AdminService {
    pub(super) async fn nodes(&self) -> Result<v1::ListNodesResponse, Fault> {
        let (records, pools) = (self.rooms.store.list_nodes().await?, self.rooms.store.list_pools().await?);
        let node = |record: crate::catalog::NodeRecord| {
            let seat = self.rooms.sessions.seat(&record.node);
            wire::node::node(record, seat.as_ref(), &pools)
        };
        Ok(v1::ListNodesResponse { nodes: records.into_iter().map(node).collect() })
    }

    pub(super) async fn overview(&self) -> Result<v1::Overview, Fault> {
        let store = &self.rooms.store;
        let (totals, jobs, nodes) =
            (store.image_totals().await?, self.counts.of(store).await?, store.list_nodes().await?);
        let jobs_by_state: HashMap<String, u64> =
            jobs.totals.states.into_iter().map(|(state, count)| (state.as_str().to_owned(), count)).collect();
        let online = self.rooms.sessions.all().len() + self.rooms.sessions.others().len();
        Ok(v1::Overview {
            images: totals.images,
            files: totals.files,
            bytes: totals.bytes,
            nodes_online: u32::try_from(online).unwrap_or(u32::MAX),
            nodes_known: u32::try_from(nodes.len()).unwrap_or(u32::MAX),
            jobs_by_state,
            bytes_per_second: self.rooms.settle.progress().rate(Instant::now()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }
}
