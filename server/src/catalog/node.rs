//! Nodes on record. Who is attached now is memory of `sessions`. Pure.

use pixelfox_proto::{Lease, NodeId, PoolId, SessionEpoch};

use super::{Pool, ReturnedJob, UnixMillis};

/// What a node says of itself when it attaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Its name in the cluster.
    pub node: NodeId,
    /// Kept on its disk: tells its restart from a second node with the same name.
    pub instance: String,
    /// Of the process: tells it from a second one with a copy of that disk. Empty where it does not say.
    pub process: String,
    /// Version of its program.
    pub version: String,
    /// Commands that it works on at once.
    pub slots: u32,
    /// Itself as other nodes see it.
    pub node_url: String,
    /// Itself as browsers see it.
    pub public_base_url: String,
    /// Base path of its first pool.
    pub uploads_dir: String,
    /// Of the pool that lies there already; empty: none does.
    pub uploads_dir_identity: String,
    /// Where it dialled from.
    pub address: String,
}

/// What an Attach leads to.
#[derive(Clone, Debug, PartialEq)]
pub struct Attached {
    /// Number of the new session: above every earlier one in the cluster.
    pub epoch: SessionEpoch,
    /// No attempt up to this lease may land in the node's process; later leases are above it.
    pub lease_floor: Lease,
    /// The pool that AUTO_POOLS made just now.
    pub auto_pool: Option<Pool>,
    /// Why AUTO_POOLS made none for a node that has never had one.
    pub no_auto_pool: Option<String>,
    /// Jobs that an earlier session of this node had and that are pending again.
    pub returned: Vec<ReturnedJob>,
}

/// What a node said of one of its pools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolReport {
    /// Which pool.
    pub pool: PoolId,
    /// What is wrong with it, where something is.
    pub problem: Option<String>,
    /// Bytes free on its file system.
    pub free_bytes: u64,
    /// Bytes of its file system.
    pub total_bytes: u64,
    /// Bytes of files without a record.
    pub unowned_bytes: u64,
    /// Which file system it is on; 0 where not known.
    pub file_system: u64,
    /// Bytes that it was asked for and had no room for.
    pub wanted_bytes: u64,
}

/// A node whose session another server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeElsewhere {
    /// Its name.
    pub node: NodeId,
    /// Its session.
    pub epoch: SessionEpoch,
    /// Since when.
    pub since: UnixMillis,
    /// The NODE_ID of that server.
    pub server: String,
    /// Where that server is reached, as its own node says; empty where it has not attached yet.
    pub server_url: String,
    /// What it said of its pools, as far as it is on record.
    pub pools: Vec<PoolReport>,
}

/// What a server learns when it notes that it lives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pulse {
    /// Nodes that are this server's, each with its session.
    pub here: Vec<(NodeId, SessionEpoch)>,
    /// Nodes of the other servers.
    pub elsewhere: Vec<NodeElsewhere>,
    /// Jobs of servers that were silent for too long: pending again.
    pub returned: Vec<ReturnedJob>,
    /// This server could give no sign for a while: what others did meanwhile may be gone from the outbox.
    pub was_cut_off: bool,
}

/// A node on record.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeRecord {
    /// Its name.
    pub node: NodeId,
    /// Kept on its disk.
    pub instance: String,
    /// Its last session.
    pub epoch: SessionEpoch,
    /// Version of its program.
    pub version: String,
    /// Commands that it works on at once.
    pub slots: u32,
    /// Where it dialled from.
    pub address: String,
    /// Itself as other nodes see it.
    pub node_url: String,
    /// Start of its last session.
    pub attached: UnixMillis,
    /// Last sign of life on record.
    pub last_seen: UnixMillis,
}
