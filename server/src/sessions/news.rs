//! What a node says on its session, as the coordinator's own values. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use pixelfox_node::whois::Found as Who;
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
    /// What its environment deserves a word for, each with its variable in front.
    pub warnings: Vec<String>,
    /// Tells its UPLOAD_TOKEN_SECRET from those of others; empty: it has none.
    pub upload_secret_tag: Vec<u8>,
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
    /// What sort of problem it is, where its node says so.
    pub trouble: Option<Trouble>,
    /// Of a place that was asked about: the topmost directory that would be made for it; empty: none.
    pub would_make: String,
}

/// What is wrong with a pool, by what there is to do. Source: coordinator.proto, `PoolReport.Trouble`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The directory is not there.
    NoDirectory,
    /// It lies outside of the node's storage roots.
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

/// A sign of life, every 5 s and at each change of a pool's state.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Heartbeat {
    /// The node's pools.
    pub pools: BTreeMap<PoolId, PoolHealth>,
    /// Commands under way there.
    pub running: u32,
    /// How far its clock is ahead of this process's, in milliseconds; `None`: it does not say.
    pub clock_offset_ms: Option<i64>,
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
        flowing: Option<(StoredPath, u64, u64)>,
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
        /// What was found.
        found: Found,
    },
    /// The node stops: its last word.
    Leaving,
}

/// What a probe has found, or why the node could not try.
pub type Probed = Result<Found, String>;

/// What a probe has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Of a pool or a place, and the file that was left there, where one was.
    Pool(PoolHealth, Option<LeftFile>),
    /// Of a URL.
    Target(TargetFound),
}

/// A file that is served until its probe ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftFile {
    /// Below `/uploads/`.
    pub path: StoredPath,
    /// What is in it.
    pub content: Vec<u8>,
}

/// Who a node has found at a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetFound {
    /// Who is there.
    pub who: Who,
    /// Why gRPC does not get through to a node that is there.
    pub without_grpc: Option<String>,
    /// Until the last answer.
    pub took: Duration,
}
