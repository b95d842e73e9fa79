//! Nodes that are attached to other servers, as the books last said.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use pixelfox_proto::{NodeId, PoolId, SessionEpoch};

use super::link::Session;
use super::news::PoolHealth;
use crate::catalog::{NodeElsewhere, PoolReport, UnixMillis};

/// Where a node is attached.
#[derive(Clone, Debug)]
pub enum Seat {
    /// To this server.
    Here(Arc<Session>),
    /// To another one.
    Elsewhere(Arc<NodeElsewhere>),
}

impl Seat {
    /// Its session.
    #[must_use]
    pub fn epoch(&self) -> SessionEpoch {
        match self {
            Self::Here(session) => session.epoch(),
            Self::Elsewhere(node) => node.epoch,
        }
    }

    /// Since when.
    #[must_use]
    pub fn since(&self) -> UnixMillis {
        match self {
            Self::Here(session) => session.since(),
            Self::Elsewhere(node) => node.since,
        }
    }

    /// Commands under way at the node, as far as this server knows.
    #[must_use]
    pub fn running(&self) -> u32 {
        match self {
            Self::Here(session) => session.running(),
            Self::Elsewhere(_) => 0,
        }
    }

    /// How far the node's clock is ahead, in milliseconds, where this server has heard it.
    #[must_use]
    pub fn clock_offset_ms(&self) -> Option<i64> {
        match self {
            Self::Here(session) => session.clock_offset_ms(),
            Self::Elsewhere(_) => None,
        }
    }

    /// The node's word on one of its pools.
    #[must_use]
    pub fn pool(&self, pool: PoolId) -> Option<PoolHealth> {
        match self {
            Self::Here(session) => session.pool(pool),
            Self::Elsewhere(node) => node.pools.iter().find(|report| report.pool == pool).map(health),
        }
    }
}

fn health(report: &PoolReport) -> PoolHealth {
    PoolHealth {
        problem: report.problem.clone(),
        free_bytes: report.free_bytes,
        total_bytes: report.total_bytes,
        unowned_bytes: report.unowned_bytes,
        file_system: report.file_system,
        wanted_bytes: report.wanted_bytes,
        ..PoolHealth::default()
    }
}

/// What goes on record of a node's pools for the other servers.
pub(super) fn reports(pools: &BTreeMap<PoolId, PoolHealth>) -> Vec<PoolReport> {
    let report = |(pool, health): (&PoolId, &PoolHealth)| PoolReport {
        pool: *pool,
        problem: health.problem.clone(),
        free_bytes: health.free_bytes,
        total_bytes: health.total_bytes,
        unowned_bytes: health.unowned_bytes,
        file_system: health.file_system,
        wanted_bytes: health.wanted_bytes,
    };
    pools.iter().map(report).collect()
}

/// The others' nodes.
#[derive(Debug, Default)]
pub(super) struct Others(RwLock<Arc<[Arc<NodeElsewhere>]>>);

impl Others {
    pub(super) fn set(&self, nodes: Vec<NodeElsewhere>) -> bool {
        let new: Arc<[Arc<NodeElsewhere>]> = nodes.into_iter().map(Arc::new).collect();
        let mut others = self.0.write();
        let changed = *others != new;
        *others = new;
        changed
    }

    pub(super) fn all(&self) -> Arc<[Arc<NodeElsewhere>]> {
        Arc::clone(&self.0.read())
    }

    pub(super) fn of(&self, node: &NodeId) -> Option<Arc<NodeElsewhere>> {
        self.0.read().iter().find(|other| other.node == *node).cloned()
    }
}
