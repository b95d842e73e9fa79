//! What a node says on its session, as the coordinator's own values. Pure.

use std::collections::BTreeMap;

use pixelfox_proto::{PoolId, Sha256, StoredPath};

use crate::catalog;

/// Number of a command, unique for the life of this process; repeated by the node in progress and result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

impl std::fmt::Display for CommandId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// First on every session: who attaches, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// What goes on record.
    pub about: catalog::Hello,
    /// Number of the protocol that the node speaks; 0 counts as 1.
    pub protocol: u32,
    /// Directories that its pools may lie under.
    pub storage_roots: Vec<String>,
}

/// State of one pool as its node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PoolHealth {
    /// Empty where healthy, else what is wrong, as a person would say it.
    pub problem: Option<String>,
    /// Bytes free on its file system.
    pub free_bytes: u64,
    /// Bytes of its file system.
    pub total_bytes: u64,
    /// Of a place that was asked about: its problem is one that waiting or mounting does not cure.
    pub impossible: bool,
    /// Bytes of files without a record, as far as the node has counted them.
    pub unowned_bytes: u64,
    /// Tells file systems apart, of all nodes on one machine; 0: not said.
    pub file_system: u64,
    /// Bytes that it should get free as soon as something in its trash can go.
    pub wanted_bytes: u64,
}

/// A sign of life, every 5 s and at each change of a pool's state.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Heartbeat {
    /// The node's pools.
    pub pools: BTreeMap<PoolId, PoolHealth>,
    /// Commands under way there.
    pub running: u32,
}

/// What became of one file of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done as told.
    Done,
    /// The same bytes were there already.
    Skipped,
    /// The source file is not there.
    Missing,
    /// The source's bytes are not what the books say.
    Mismatch,
    /// No further attempt will help.
    Refused,
    /// Worth another attempt.
    Retry,
    /// The same attempt is being received on another stream.
    Busy,
    /// The target has no room now.
    Full,
    /// The file on disk has another generation than the command; nothing was touched.
    Stale,
}

/// The node's word on one file of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileResult {
    /// Which file.
    pub path: StoredPath,
    /// What became of it.
    pub outcome: Outcome,
    /// Bytes, of what was stored or found.
    pub size: u64,
    /// Digest of what was stored or found.
    pub sha256: Option<Sha256>,
    /// The cause, where there is one.
    pub message: String,
}

/// Everything that a node says after its [`Hello`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A sign of life.
    Heartbeat(Heartbeat),
    /// Files of a command ended, or bytes flowed.
    Progress {
        /// Which command.
        command: CommandId,
        /// Bytes sent so far.
        bytes_done: u64,
        /// Files that ended since the last report.
        files: Vec<FileResult>,
        /// The file whose pieces go out now, and how many of its bytes have.
        flowing: Option<(StoredPath, u64)>,
    },
    /// A command ended.
    Ended {
        /// Which command.
        command: CommandId,
        /// Files that ended since the last report.
        files: Vec<FileResult>,
        /// Why it failed as a whole.
        error: Option<String>,
    },
    /// A probe is done with.
    Probed {
        /// Which command.
        command: CommandId,
        /// What was found, or why nothing was.
        found: Probed,
    },
    /// The node stops: its last word.
    Leaving,
}

/// What a probe has found, or why the node could not try.
pub type Probed = Result<PoolHealth, String>;
