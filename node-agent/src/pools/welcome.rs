//! What the coordinator tells a node of pools and settings, as domain values. `session/wire` makes them from the
//! wire.

use std::path::PathBuf;

use pixelfox_proto::{Lease, NodeId, PoolFacts, PoolId, SessionEpoch};

/// The first answer to a Hello, and again whenever pools or settings change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// This session's number.
    pub epoch: SessionEpoch,
    /// The pools of this node.
    pub pools: Vec<NodePool>,
    /// Every other pool of the cluster.
    pub elsewhere: Vec<PoolHome>,
    /// What holds for every pool of this node.
    pub settings: NodeSettings,
    /// Attempts with this lease or a lower one were leased before this Welcome.
    pub lease_floor: Lease,
}

/// A pool that this node shall host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePool {
    /// Its id in this cluster.
    pub id: PoolId,
    /// As people call it.
    pub name: String,
    /// Its directory; must lie under one of the storage roots.
    pub base_path: PathBuf,
    /// What the marker in its directory must say.
    pub identity: String,
    /// In bytes; 0: no limit.
    pub max_size: u64,
    /// What its files' URLs begin with.
    pub public_base_url: String,
    /// Only then may the node make the directory and its marker.
    pub initialize: bool,
    /// Bytes of live files on the coordinator's books.
    pub used_size: u64,
    /// Bytes on their way into the pool on the coordinator's books.
    pub reserved_size: u64,
    /// Not active: takes nothing in, serves and can be moved away from.
    pub is_active: bool,
    /// Its id in an older PixelFox's database, where it has one.
    pub legacy_pool_id: Option<u64>,
    /// With `initialize`: identities of deleted pools, whose directories it may take over.
    pub retired: Vec<String>,
    /// Kept in its marker.
    pub facts: PoolFacts,
}

/// A pool of another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolHome {
    /// Its id in this cluster.
    pub id: PoolId,
    /// As people call it; empty where the coordinator does not say it.
    pub name: String,
    /// Who hosts it.
    pub node_id: NodeId,
    /// What its files' URLs begin with.
    pub public_base_url: String,
}

/// The cluster's settings, as far as a node needs them. The default holds until the first Welcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSettings {
    /// Files from other nodes and scripts must come with a SHA-256.
    pub require_checksum: bool,
    /// Largest upload in bytes.
    pub upload_max_bytes: u64,
    /// Uploads per minute without a user; 0: no limit.
    pub rate_limit_per_ip: u32,
    /// Uploads per minute and user; 0: no limit.
    pub rate_limit_per_user: u32,
    /// Bytes per second that this node sends for moves; 0: no limit.
    pub move_bandwidth: u64,
    /// Transfers at once.
    pub move_slots: u32,
    /// Whether the page uploads straight to the nodes.
    pub direct_upload: bool,
    /// Whether visitors may upload.
    pub public_uploads: bool,
    /// Counts changes of the settings.
    pub revision: u64,
    /// Whether position data is removed from new originals.
    pub strip_location: bool,
    /// Bytes that every file system keeps free; `None`: 1 GiB or 1 %, whichever is less.
    pub reserve_bytes: Option<u64>,
}

impl Default for NodeSettings {
    /// Source: admin.proto, `Settings`.
    fn default() -> Self {
        Self {
            require_checksum: true,
            upload_max_bytes: 512 << 20,
            rate_limit_per_ip: 60,
            rate_limit_per_user: 60,
            move_bandwidth: 0,
            move_slots: 4,
            direct_upload: false,
            public_uploads: false,
            revision: 0,
            strip_location: false,
            reserve_bytes: None,
        }
    }
}

/// What the heartbeat says of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolReport {
    /// Which one; `None` of a place for one that is yet to be made.
    pub id: Option<PoolId>,
    /// Whether it takes files in and serves them.
    pub healthy: bool,
    /// Empty where healthy; else what is wrong, as a person would say it.
    pub problem: String,
    /// Bytes free on its file system.
    pub free: u64,
    /// Bytes of its file system.
    pub total: u64,
    /// Bytes that should become free: refused a short while ago, or lacking of the reserve.
    pub wanted: u64,
    /// Equal for pools on one file system; 0 where it was not opened yet.
    pub file_system: u64,
    /// Files without a record, as far as they are counted.
    pub unowned: Unowned,
    /// Of a place: its problem is one that waiting or mounting does not cure.
    pub impossible: bool,
    /// What sort of problem it is, where there is one.
    pub trouble: Option<Trouble>,
    /// Of a place: the topmost directory that is not there and would be made for it; empty: none.
    pub would_make: String,
}

/// What is wrong with a pool, by what there is to do. Source: coordinator.proto, `PoolReport.Trouble`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The directory is not there.
    NoDirectory,
    /// It lies outside of the storage roots.
    OutsideRoots,
    /// It is there, but not the pool's own marker.
    NoMarker,
    /// It is another pool's, or in use by another process.
    OtherPool,
    /// It can't be written, or what it was given not be made durable.
    NotWritable,
    /// The disk or its quota is full.
    Full,
}

/// Files without a record in a pool: without a mark, or with generation 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unowned {
    /// In bytes.
    pub bytes: u64,
    /// How many.
    pub files: u64,
}
