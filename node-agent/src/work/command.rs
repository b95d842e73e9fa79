//! Orders of the coordinator and the node's words about them, as domain values. `session/wire` converts.

use std::time::Duration;

use pixelfox_proto::{Attempt, FileMeta, Generation, JobId, Lease, PoolId, RefusalReason, Sha256, StoredPath, Trace};

pub use crate::disk::{Check, Reason};
use crate::{
    pools::{Place, PoolReport},
    whois::Found,
};

/// Names an order on its session; repeated in every word about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// An order. It dies with the session that it came on.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Push files to one other node over one Replicate stream.
    Push(PushFiles),
    /// Files into the pool's trash.
    Trash(PoolFiles),
    /// Files out of the trash, for good.
    Purge(PoolFiles),
    /// Files back from the trash.
    Restore(RestoreFiles),
    /// Hash files and compare with the record.
    Verify(VerifyFiles),
    /// Try a pool, or look at a directory.
    Probe(Probe),
}

/// What is to be tried.
#[derive(Clone, Debug, PartialEq)]
pub enum Probe {
    /// A pool of this node: written, synced, read back, removed.
    Pool(PoolId),
    /// The same, and then a file is left there, so that the pool's public URL can be tried.
    Leave(PoolId, Duration),
    /// Whether a directory may serve as a pool. Nothing is written.
    Place(Place),
    /// Who is at a pool's upload_api_url.
    Target {
        /// The URL.
        url: String,
    },
}

/// Files of one pool for another node's pool.
#[derive(Clone, Debug, PartialEq)]
pub struct PushFiles {
    /// Where they are.
    pub source: PoolId,
    /// Where they go.
    pub target: PoolId,
    /// Base URL of the target's node.
    pub target_url: String,
    /// In this order.
    pub files: Vec<PushFile>,
}

/// One file of a move, as the books have it.
#[derive(Clone, Debug, PartialEq)]
pub struct PushFile {
    /// In both pools.
    pub path: StoredPath,
    /// In bytes.
    pub size: u64,
    /// Of the whole file.
    pub sha256: Sha256,
    /// For which lease of which job.
    pub attempt: Attempt,
    /// Goes into the target's mark.
    pub meta: FileMeta,
    /// Of its move, where the coordinator said it.
    pub trace: Option<Trace>,
}

/// A file that must have this generation, or is left alone.
#[derive(Clone, Debug, PartialEq)]
pub struct FileAt {
    /// In the pool.
    pub path: StoredPath,
    /// Of the mark on disk.
    pub generation: Generation,
    /// The newest lease that must not land there any more, where it is known.
    pub lease: Option<Lease>,
    /// Why it goes.
    pub reason: Reason,
    /// Of the move that left it, or that it is brought back for, where the coordinator said it.
    pub trace: Option<Trace>,
}

/// Files of one pool.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolFiles {
    /// The pool.
    pub pool: PoolId,
    /// In this order.
    pub files: Vec<FileAt>,
}

/// Files to bring back from the trash.
#[derive(Clone, Debug, PartialEq)]
pub struct RestoreFiles {
    /// The pool.
    pub pool: PoolId,
    /// In this order.
    pub files: Vec<RestoreFile>,
    /// Hash the bytes before the answer; otherwise mark and size are enough.
    pub check: Check,
}

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub struct RestoreFile {
    /// As it is in the trash.
    pub file: FileAt,
    /// The generation that it has afterwards.
    pub restored: Generation,
    /// For which job, where that is said.
    pub job: Option<JobId>,
}

/// Files to hash.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifyFiles {
    /// The pool.
    pub pool: PoolId,
    /// Path, size in bytes and digest on record.
    pub files: Vec<(StoredPath, u64, Sha256)>,
}

/// A word about an order.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// At least every second while bytes flow, and at once when files end.
    Progress {
        /// Which order.
        command: CommandId,
        /// Bytes so far.
        bytes_done: u64,
        /// Files ended so far.
        files_done: u32,
        /// Files that ended since the last word.
        files: Vec<FileEnd>,
        /// The file whose pieces go out, and how many of its bytes have.
        flowing: Option<(StoredPath, u64, u64)>,
    },
    /// The order is done with: the last word about it.
    Ended {
        /// Which order.
        command: CommandId,
        /// Files that ended since the last word.
        files: Vec<FileEnd>,
        /// Where the order failed as a whole.
        error: Option<String>,
    },
    /// The probe is done with: the only word about it.
    Probed {
        /// Which order.
        command: CommandId,
        /// What was found.
        found: Probed,
    },
}

/// What a probe has found.
#[derive(Clone, Debug, PartialEq)]
pub enum Probed {
    /// Of a pool or a place.
    Pool {
        /// How it does.
        report: PoolReport,
        /// Path and content of the file that was left, where one was.
        left: Option<(StoredPath, Vec<u8>)>,
    },
    /// Of a URL.
    Target {
        /// Who is there.
        found: Found,
        /// Why gRPC does not get through to a node that is there.
        without_grpc: Option<String>,
        /// Until the last answer.
        took: Duration,
    },
}

/// What became of one file of an order.
#[derive(Clone, Debug, PartialEq)]
pub struct FileEnd {
    /// Which file.
    pub path: StoredPath,
    /// What became of it.
    pub outcome: Outcome,
    /// In bytes, where it is known.
    pub size: u64,
    /// Of what is durable at the target, or of the source's bytes where these are wrong.
    pub sha256: Option<Sha256>,
    /// A sentence for a person; empty where all went well.
    pub message: String,
    /// What the target refused it for, where it did.
    pub refusal: Option<RefusalReason>,
}

/// Source: coordinator.proto, `FileResult.Outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As ordered.
    Done,
    /// The same bytes were there already.
    Skipped,
    /// The source file is not there.
    Missing,
    /// The source's own bytes are not what the books say.
    Mismatch,
    /// For good: another attempt would end the same way.
    Refused,
    /// Worth another attempt.
    Retry,
    /// The file on disk has another generation than the order: nothing was touched.
    Stale,
}
