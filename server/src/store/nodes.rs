//! Nodes in the books: their sessions' numbers and what they said of themselves.

use pixelfox_proto::{Lease, NodeId, SessionEpoch};

use super::{Store, StoreError};
use crate::catalog::{Attached, Hello, NodeRecord, UnixMillis};

/// Whether a node without a pool gets one. Source: CONTRACT.md, `AUTO_POOLS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoPools {
    /// A node that attaches and has never had a pool gets one.
    Make,
    /// Pools are made by hand.
    ByHand,
}

impl Store {
    /// A node's new session: its number, the lease floor, its jobs of earlier sessions returned, and its first pool
    /// where it never had one and `auto` says so. That a second live node with the same name is refused is the
    /// registry's work, before this.
    ///
    /// # Errors
    /// The database fails. A pool that could not be made (directory taken, URL unusable) does not refuse the node.
    pub async fn attach_node(&self, hello: Hello, auto: AutoPools, now: UnixMillis) -> Result<Attached, StoreError> {
        todo!("{hello:?} {auto:?} {now:?}")
    }

    /// Signs of life, for what the pages say of nodes that are gone. Of an older session: ignored.
    ///
    /// # Errors
    /// The database fails.
    pub async fn nodes_seen(&self, seen: Vec<(NodeId, SessionEpoch)>, now: UnixMillis) -> Result<(), StoreError> {
        todo!("{seen:?} {now:?}")
    }

    /// Every node that ever attached, by name.
    ///
    /// # Errors
    /// The database fails.
    pub async fn list_nodes(&self) -> Result<Vec<NodeRecord>, StoreError> {
        todo!()
    }

    /// The highest lease so far.
    ///
    /// # Errors
    /// The database fails.
    pub async fn last_lease(&self) -> Result<Lease, StoreError> {
        todo!()
    }
}
