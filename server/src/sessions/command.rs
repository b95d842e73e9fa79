//! What the coordinator tells a node, as its own values. Pure.

use pixelfox_proto::{Attempt, FileMeta, Generation, JobId, NodeId, PoolId, Sha256, StoredPath, Trace};

use super::news::CommandId;
use super::welcome::Welcome;
use crate::catalog::{CheckOrder, TrashOrigin, TrashTask};

/// One order to a node. It dies with the session that it was sent on.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Pools and settings, the first time and at every change.
    Welcome(Box<Welcome>),
    /// Push files to another node over one Replicate stream.
    Push(PushFiles),
    /// Move files into the pool's trash, or out of it for good.
    Trash(TrashFiles),
    /// Bring files back from the pool's trash, hashed before the answer.
    Restore(RestoreFiles),
    /// Read files and say what they are.
    Verify(VerifyFiles),
    /// Try a pool: write, sync, read back, remove. Answered with [`Probed`](super::Probed).
    ProbePool(PoolId),
    /// The same, and leave a file there under /uploads for some seconds, or until the command is called off.
    ProbeAndLeave {
        /// The pool.
        pool: PoolId,
        /// At most.
        seconds: u32,
    },
    /// Ask who is at a pool's upload_api_url. Answered likewise.
    ProbeTarget {
        /// That URL.
        url: String,
        /// Who should be there.
        expected: NodeId,
    },
    /// Look whether a directory may serve as a pool; nothing is written. Answered likewise.
    ProbePlace(Box<Place>),
    /// End a command, or the given jobs of it.
    Cancel {
        /// Which command.
        command: CommandId,
        /// Empty: all of its jobs.
        jobs: Vec<JobId>,
    },
}

/// A pool as it would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `None`: yet to be made.
    pub pool: Option<PoolId>,
    /// As people call it.
    pub name: String,
    /// Its directory on the node.
    pub base_path: String,
    /// What the marker there must say; empty of a pool that is yet to be made.
    pub identity: String,
    /// Whether directory and marker may be made.
    pub initialize: bool,
    /// Identities of deleted pools, whose directories it may take over while it may be made.
    pub retired: Vec<String>,
}

/// Files of one source pool for one target pool.
#[derive(Clone, Debug, PartialEq)]
pub struct PushFiles {
    /// Where the files are.
    pub source: PoolId,
    /// Where they go.
    pub target: PoolId,
    /// Origin of the target's node, `http://app_s01:4000`.
    pub target_url: String,
    /// What goes.
    pub files: Vec<PushFile>,
}

/// One file to push.
#[derive(Clone, Debug, PartialEq)]
pub struct PushFile {
    /// Its path in both pools.
    pub path: StoredPath,
    /// Bytes.
    pub size: u64,
    /// Digest on record.
    pub sha256: Sha256,
    /// For which job, in which attempt, with which generation at the target.
    pub attempt: Attempt,
    /// What goes into the mark.
    pub meta: FileMeta,
    /// Of its move.
    pub trace: Trace,
}

/// Files of one pool for its trash, or out of it.
#[derive(Clone, Debug, PartialEq)]
pub struct TrashFiles {
    /// Which of both.
    pub task: TrashTask,
    /// The pool.
    pub pool: PoolId,
    /// What goes.
    pub files: Vec<TrashFile>,
}

/// One old copy.
#[derive(Clone, Debug, PartialEq)]
pub struct TrashFile {
    /// Its path.
    pub path: StoredPath,
    /// The generation that its mark must have.
    pub generation: Generation,
    /// Whose copy it is.
    pub origin: TrashOrigin,
    /// The job that left it.
    pub job: Option<JobId>,
}

/// Files of one pool to bring back from its trash.
#[derive(Clone, Debug, PartialEq)]
pub struct RestoreFiles {
    /// The pool.
    pub pool: PoolId,
    /// Whether the bytes are hashed before the answer; otherwise mark and size are enough.
    pub hashed: bool,
    /// What comes back.
    pub files: Vec<RestoreFile>,
}

/// Files of one pool to read.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifyFiles {
    /// The pool.
    pub pool: PoolId,
    /// What is read.
    pub files: Vec<CheckOrder>,
}

/// One file to bring back.
#[derive(Clone, Debug, PartialEq)]
pub struct RestoreFile {
    /// Its path.
    pub path: StoredPath,
    /// The generation that its mark in the trash must have.
    pub trashed: Generation,
    /// The generation that it has afterwards.
    pub restored: Generation,
    /// For which job.
    pub job: JobId,
}
