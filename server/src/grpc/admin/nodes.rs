//! Nodes on record and attached, and the overview.

use std::collections::HashMap;

use pixelfox_proto::{Fault, v1};
use tokio::time::Instant;

use super::AdminService;
use crate::clock;
use crate::grpc::wire;

/// Jobs of a node that wait, counted at most.
const COUNTED: u32 = 10_000;

impl AdminService {
    pub(super) async fn nodes(&self) -> Result<v1::ListNodesResponse, Fault> {
        let store = &self.rooms.store;
        let (records, pools) = (store.list_nodes().await?, store.list_pools().await?);
        let (waiting, now) = (store.jobs_waiting(COUNTED).await?, Instant::now());
        let node = |record: crate::catalog::NodeRecord| {
            let seat = self.rooms.sessions.seat(&record.node);
            let mine: Vec<_> = pools.iter().filter(|pool| pool.node == record.node).map(|pool| pool.id).collect();
            let work = wire::node::Work {
                bytes_per_second: self.rooms.settle.progress().rate_of(&mine, now),
                jobs_waiting: waiting.get(&record.node).copied().unwrap_or(0),
            };
            wire::node::node(record, seat.as_ref(), mine, &work)
        };
        Ok(v1::ListNodesResponse { nodes: records.into_iter().map(node).collect() })
    }

    pub(super) async fn overview(&self) -> Result<v1::Overview, Fault> {
        let store = &self.rooms.store;
        let (totals, jobs, nodes) = (
            store.image_totals().await?,
            self.rooms.counts.of(store, &self.rooms.readers).await?,
            store.list_nodes().await?,
        );
        let jobs_by_state: HashMap<String, u64> =
            jobs.totals.states.into_iter().map(|(state, count)| (state.as_str().to_owned(), count)).collect();
        let (progress, now, clock) = (self.rooms.settle.progress(), Instant::now(), clock::now());
        let troubled = store.troubled_files().await?;
        let online = self.rooms.sessions.all().len() + self.rooms.sessions.others().len();
        Ok(v1::Overview {
            images: totals.images,
            files: totals.files,
            bytes: totals.bytes,
            nodes_online: u32::try_from(online).unwrap_or(u32::MAX),
            nodes_known: u32::try_from(nodes.len()).unwrap_or(u32::MAX),
            jobs_by_state,
            bytes_per_second: progress.rate(now),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            flows: progress.flows(now).into_iter().map(wire::overview::flow).collect(),
            last_hour: progress
                .last_hour(now)
                .into_iter()
                .map(|minute| wire::overview::minute(minute, clock))
                .collect(),
            queue_paused: store.queue_paused().await?,
            files_lost: troubled.lost,
            files_suspect: troubled.suspect,
        })
    }
}
