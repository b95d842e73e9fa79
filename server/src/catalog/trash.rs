//! Old copies on their way into the trash and out of it for good. Pure.

use pixelfox_proto::{Generation, JobId, Lease, NodeId, PoolId, StoredPath};

use super::UnixMillis;

/// An old copy that its node has a word to hear about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrashOrder {
    /// What the node does.
    pub task: TrashTask,
    /// The job that it belongs to.
    pub job: Option<JobId>,
    /// The node.
    pub node: NodeId,
    /// The pool.
    pub pool: PoolId,
    /// The file.
    pub path: StoredPath,
    /// What its mark must have.
    pub generation: Generation,
    /// Bytes.
    pub size: u64,
    /// Times that it went wrong: for the retry ladder.
    pub failures: u32,
    /// Whose copy it is.
    pub origin: TrashOrigin,
}

/// What a node does with an old copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrashTask {
    /// A condemned copy: into the trash.
    Trash,
    /// One that is noted as `purging`: out of the trash, for good.
    Purge,
}

/// Whose copy goes to the trash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrashOrigin {
    /// A copy that was live before its image moved on.
    Moved,
    /// What an attempt brought that was given up, with its lease. A file that lay there without a record before must
    /// not be lost by it.
    GivenUp(Lease),
}

/// The node's word on a [`TrashOrder`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrashResult {
    /// As in the order.
    pub task: TrashTask,
    /// The pool.
    pub pool: PoolId,
    /// The file.
    pub path: StoredPath,
    /// As in the order.
    pub generation: Generation,
    /// What happened.
    pub outcome: TrashOutcome,
}

/// What happened to an old copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrashOutcome {
    /// It is in the trash.
    Trashed,
    /// It is gone from the trash.
    Purged,
    /// There was none: it leaves the books. Of a file for the trash a fence is up.
    Missing,
    /// The file there has another mark: nothing was touched, a person must look. The copy leaves the books.
    Stale(String),
    /// It went wrong; again not before this.
    Again(UnixMillis),
}

/// Copies of a pool's trash that are to go, the oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PurgeOrder {
    /// The pool.
    pub pool: PoolId,
    /// Those that have been in the trash since this time or longer.
    pub until: UnixMillis,
    /// Enough is purged with so many bytes; `None`: all of them go.
    pub bytes: Option<u64>,
    /// Copies at most.
    pub copies: u32,
}

/// Copies that are noted as `purging`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purging {
    /// How many.
    pub copies: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A pool's trash, by the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrashView {
    /// The pool.
    pub pool: PoolId,
    /// Since when its oldest copy is there.
    pub oldest: Option<UnixMillis>,
    /// Whether copies are on their way out.
    pub is_purging: bool,
}
