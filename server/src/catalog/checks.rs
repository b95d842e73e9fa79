//! Copies whose bytes are read and compared with the record: who asks, what the node is told and what it says. Pure.

use pixelfox_proto::{Generation, ImageId, PoolId, Sha256, StoredPath};

use super::UnixMillis;

/// Copies that a person wants to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckAsk {
    /// Every copy of these images that is in no trash; repeated ones count once.
    Images(Vec<ImageId>),
    /// What is suspect or lost in this pool, and the live copies elsewhere that nobody has looked at and that keep old
    /// copies in its trash.
    Doubted(PoolId),
}

impl CheckAsk {
    /// Images of one request at most.
    pub const MAX_IMAGES: usize = 10_000;
    /// Copies at most that are in doubt in a pool and not asked for yet; further ones with the next request.
    pub const MAX_COPIES: usize = 10_000;
}

/// A pool with copies that are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckView {
    /// The pool.
    pub pool: PoolId,
    /// When the first of them is due; 0: a person waits for it.
    pub next: UnixMillis,
}

/// A copy that its node is to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckOrder {
    /// The pool.
    pub pool: PoolId,
    /// The file.
    pub path: StoredPath,
    /// Which copy it is: a word on another one is late.
    pub generation: Generation,
    /// Bytes on record.
    pub size: u64,
    /// Digest on record.
    pub sha256: Sha256,
    /// Times that it could not be read: for the retry ladder.
    pub failures: u32,
}

/// The node's word on a [`CheckOrder`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckResult {
    /// The pool.
    pub pool: PoolId,
    /// The file.
    pub path: StoredPath,
    /// As in the order.
    pub generation: Generation,
    /// What the node found.
    pub outcome: CheckOutcome,
}

/// What reading a copy came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckOutcome {
    /// It was read, or there is none.
    Found(Found),
    /// It could not be read; again not before this.
    Again(UnixMillis),
}

/// What is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The bytes on record.
    Right,
    /// Other bytes.
    Wrong,
    /// No such file.
    Missing,
}

/// A copy that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Its image.
    pub image: ImageId,
    /// The file.
    pub path: StoredPath,
    /// The pool.
    pub pool: PoolId,
    /// What was found.
    pub found: Found,
    /// What it was by the books.
    pub was: super::ReplicaState,
    /// What it is now; `None`: off the books.
    pub is: Option<super::ReplicaState>,
}
