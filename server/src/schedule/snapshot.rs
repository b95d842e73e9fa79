//! All that a decision looks at. Pure.

use pixelfox_proto::{NodeId, PoolId, SessionEpoch};

use crate::catalog::{Lane, UnixMillis};

/// The cluster at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Now.
    pub now: UnixMillis,
    /// Nodes that are attached, and no others.
    pub nodes: Vec<NodeView>,
    /// All pools.
    pub pools: Vec<PoolView>,
    /// Pending work.
    pub lanes: Vec<Lane>,
}

/// An attached node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// Its name.
    pub node: NodeId,
    /// Its session.
    pub epoch: SessionEpoch,
    /// Pushes that it works on at once: the lesser of its own slots and the setting.
    pub slots: u32,
    /// Pushes that are out to it.
    pub running: u32,
}

/// A pool as a source or target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolView {
    /// Its id.
    pub id: PoolId,
    /// Its name.
    pub name: String,
    /// Its node.
    pub node: NodeId,
    /// Reported healthy on the node's present session.
    pub healthy: bool,
    /// Takes moves.
    pub active: bool,
    /// Bytes that it takes: the lesser of its limit's rest and its file system's rest above the reserve.
    pub room_bytes: u64,
}
