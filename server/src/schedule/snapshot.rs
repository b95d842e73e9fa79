//! All that a decision looks at. Pure.

use pixelfox_proto::{NodeId, PoolId, SessionEpoch};

use crate::catalog::{Lane, UnixMillis};

/// The cluster at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Now.
    pub now: UnixMillis,
    /// Nodes that are attached to this server.
    pub nodes: Vec<NodeView>,
    /// Nodes that are attached to other servers.
    pub elsewhere: Vec<NodeView>,
    /// All pools.
    pub pools: Vec<PoolView>,
    /// Pending work.
    pub lanes: Vec<Lane>,
    /// A person holds the whole queue up.
    pub paused: bool,
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
    /// Old copies that it still has to put into the trash are more than it may be behind: it gets no push until then.
    pub behind: bool,
}

impl NodeView {
    /// Slots that a push may take now.
    #[must_use]
    pub const fn free_slots(&self) -> u32 {
        if self.behind { 0 } else { self.slots.saturating_sub(self.running) }
    }
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
    /// Its own limit, where it has one.
    pub limit_bytes: Option<u64>,
    /// Bytes under its own limit that the books leave free, see [`Pool::room`](crate::catalog::Pool::room).
    pub limit_room_bytes: Option<u64>,
    /// Bytes that its file system has free above the reserve, as last reported.
    pub disk_free_bytes: u64,
    /// Bytes that are on their way in to it and to the pools that share its file system.
    pub reserved_bytes: u64,
    /// Bytes in its trash: room that can be made.
    pub trash_bytes: u64,
    /// Bytes that its node wants free: an upload was refused, or the file system's reserve is touched.
    pub wanted_bytes: u64,
    /// Other pools on its file system.
    pub shares_disk_with: Vec<PoolId>,
}

impl PoolView {
    /// Bytes that it still takes.
    #[must_use]
    pub fn room_bytes(&self) -> u64 {
        let disk = self.disk_room_bytes();
        self.limit_room_bytes.map_or(disk, |limit| limit.min(disk))
    }

    /// Bytes that its file system still takes, whatever the pool's own limit.
    #[must_use]
    pub const fn disk_room_bytes(&self) -> u64 {
        self.disk_free_bytes.saturating_sub(self.reserved_bytes)
    }
}

impl Snapshot {
    pub(super) fn node(&self, id: &NodeId) -> Option<&NodeView> {
        self.nodes.iter().find(|node| node.node == *id)
    }

    pub(super) fn node_elsewhere(&self, id: &NodeId) -> Option<&NodeView> {
        self.elsewhere.iter().find(|node| node.node == *id)
    }

    pub(super) fn pool(&self, id: PoolId) -> Option<&PoolView> {
        self.pools.iter().find(|pool| pool.id == id)
    }
}
