//! What passes between the books and whoever carries a move out: leases, results, orders for the trash. Pure.

use pixelfox_proto::{FileMeta, Generation, ImageId, JobId, Lease, NodeId, PoolId, SessionEpoch, Sha256, StoredPath};

use super::{JobKind, JobState, Reach, TrashOrder, UnixMillis};

/// Images to another pool, as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveAsk {
    /// Which; repeated ones count once.
    pub images: Vec<ImageId>,
    /// Where to.
    pub target: PoolId,
    /// Whether anything is written.
    pub rule: PlanRule,
    /// Chosen by the client; empty: none. The same one again does nothing new and answers the same.
    pub request_id: String,
}

impl MoveAsk {
    /// Images of one request at most.
    pub const MAX_IMAGES: usize = 10_000;
}

/// Whether a plan is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanRule {
    /// Only say what would happen.
    DryRun,
    /// Make the jobs.
    Start,
}

/// What a request became.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MoveBatch {
    /// The parent; `None` for a dry run.
    pub job: Option<JobId>,
    /// Images that go.
    pub images: u64,
    /// Their files.
    pub files: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// A sentence for each image that stays, the first [`MoveBatch::MAX_SKIPPED`].
    pub skipped: Vec<String>,
    /// How many stay.
    pub skipped_total: u64,
    /// Bytes of the largest image that goes; 0 where nobody has looked.
    #[serde(default)]
    pub largest: u64,
}

impl MoveBatch {
    /// Sentences of one answer at most.
    pub const MAX_SKIPPED: usize = 1_000;
}

/// Pending jobs that go the same way. The dispatcher sees lanes, never single jobs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lane {
    /// The node that does the work.
    pub node: NodeId,
    /// What work.
    pub kind: JobKind,
    /// From here.
    pub source: PoolId,
    /// To there; jobs of one pool have none.
    pub target: Option<PoolId>,
    /// Jobs that may run now, counted up to [`Lane::COUNTED`].
    pub due: u32,
    /// Those of them that take a move back, likewise.
    pub undo: u32,
    /// When the next one that may not yet run may.
    pub next: Option<UnixMillis>,
}

impl Lane {
    /// Due jobs are counted up to this many.
    pub const COUNTED: u32 = 1_024;
}

/// Leave to take jobs of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseOrder {
    /// The node that does the work.
    pub node: NodeId,
    /// Its session.
    pub epoch: SessionEpoch,
    /// From here.
    pub source: PoolId,
    /// To there.
    pub target: PoolId,
    /// Session of the target's node: when that ends, the jobs are returned too.
    pub target_epoch: SessionEpoch,
    /// Which jobs of it.
    pub reach: Reach,
    /// Jobs at most.
    pub jobs: u32,
    /// Only such that take a move back: they take no slot.
    pub only_undo: bool,
    /// Bytes that the target's file system has free above the reserve. The books take off what is reserved, and check
    /// the pool's own limit.
    pub disk_free_bytes: u64,
    /// Other pools on that file system: what is reserved in them is taken off as well.
    pub disk_shared_with: Vec<PoolId>,
}

impl LeaseOrder {
    /// Whose session carries the jobs out, where the target is on `target_node`: with its end they are pending again.
    #[must_use]
    pub const fn holder<'a>(&'a self, target_node: &'a NodeId) -> (&'a NodeId, SessionEpoch) {
        match self.reach {
            Reach::Both | Reach::Source => (&self.node, self.epoch),
            Reach::Target => (target_node, self.target_epoch),
        }
    }
}

/// What a lease brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Leased {
    /// Jobs that are `processing` now, to be carried out.
    pub jobs: Vec<LeasedJob>,
    /// Jobs that ended instead: their source is on record as lost or suspect.
    pub settled: Vec<SettledJob>,
    /// Due jobs stayed behind because the target has no room for them.
    pub full: bool,
    /// Old copies at the target have to go first: orders for them are due.
    pub makes_way: bool,
}

/// One image to push.
#[derive(Clone, Debug, PartialEq)]
pub struct LeasedJob {
    /// The job.
    pub job: JobId,
    /// Its parent.
    pub parent: Option<JobId>,
    /// Its image.
    pub image: ImageId,
    /// Number of this lease: what every later word about it must carry.
    pub lease: Lease,
    /// Which attempt it is, from 1.
    pub attempt: u32,
    /// Attempts that counted as failed before it: for the retry ladder.
    pub failures: u32,
    /// From here.
    pub source: PoolId,
    /// To there.
    pub target: PoolId,
    /// Session that holds it.
    pub epoch: SessionEpoch,
    /// Whether it takes a move back: out of the target's trash, by mark and size, and never by a copy.
    pub undo: bool,
    /// What to move, the original first.
    pub files: Vec<LeasedFile>,
}

/// One file of it.
#[derive(Clone, Debug, PartialEq)]
pub struct LeasedFile {
    /// Its path in both pools.
    pub path: StoredPath,
    /// Bytes.
    pub size: u64,
    /// Digest on record.
    pub sha256: Sha256,
    /// The generation that the copy at the target gets.
    pub generation: Generation,
    /// What its mark says besides.
    pub meta: FileMeta,
    /// The target's trash has the file with this generation: restore it from there (to `generation`, verified)
    /// instead of pushing. Where that fails because it is not there, push.
    pub in_trash: Option<Generation>,
}

/// All files of a job are at the target, or were found missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveDone {
    /// The job.
    pub job: JobId,
    /// Its lease.
    pub lease: Lease,
    /// The session that held it.
    pub epoch: SessionEpoch,
    /// Each file once.
    pub files: Vec<FileDone>,
}

/// What became of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDone {
    /// Which.
    pub path: StoredPath,
    /// What.
    pub outcome: FileOutcome,
}

/// How a pushed file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileOutcome {
    /// Durable at the target, with this digest.
    Stored(Sha256),
    /// The source has no such file. Only a variant may be missing in a [`MoveDone`].
    Missing,
}

/// What a commit led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Images that are in their new pool, in the order of the batch.
    pub moved: Vec<MovedJob>,
    /// Jobs that the given lease and session don't hold any more, or whose files don't fit the books: untouched.
    pub stale: Vec<JobId>,
    /// Old copies for the trash; the word to the node is taken as sent under its session.
    pub trash: Vec<TrashOrder>,
    /// Copies whose bytes are to be read, because nobody has looked at them.
    pub unread: u64,
    /// Jobs that ended with it because nothing of theirs has to go to the trash, and parents.
    pub settled: Vec<SettledJob>,
}

/// One committed move, with what its log line needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedJob {
    /// The job.
    pub job: JobId,
    /// Its parent.
    pub parent: Option<JobId>,
    /// Its image.
    pub image: ImageId,
    /// From here.
    pub source: PoolId,
    /// That pool's name.
    pub source_name: String,
    /// To there.
    pub target: PoolId,
    /// That pool's name.
    pub target_name: String,
    /// Files that were left behind because the source had none.
    pub missing: Vec<StoredPath>,
    /// Bytes that are at the target.
    pub bytes: u64,
}

/// An attempt that brought nothing to commit, with what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setback {
    /// The job.
    pub job: JobId,
    /// Its lease.
    pub lease: Lease,
    /// The session that held it.
    pub epoch: SessionEpoch,
    /// What follows.
    pub kind: SetbackKind,
    /// The cause, for people.
    pub cause: String,
    /// Files of the source that turned out not to be what the books say.
    pub sources: Vec<(StoredPath, SourceFault)>,
}

/// What follows from a setback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetbackKind {
    /// Pending again. Not before; and whether it counts as an attempt.
    Again {
        /// When it may run again.
        not_before: UnixMillis,
        /// Whether it used up one of its attempts.
        counted: bool,
    },
    /// Failed for good.
    Failed,
    /// Completed without its original: the image stays where it is, marked lost.
    WithoutOriginal,
}

/// What is wrong with a source copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceFault {
    /// Not there.
    Lost,
    /// Other bytes than on record.
    Suspect,
}

/// A job that changed its state with nothing more to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledJob {
    /// The job, child or parent.
    pub job: JobId,
    /// The parent of a child.
    pub parent: Option<JobId>,
    /// Its image; a parent has none.
    pub image: Option<ImageId>,
    /// What it is now.
    pub state: JobState,
    /// Why, where there is something to say.
    pub cause: String,
}

/// Whose jobs are to be returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LostSession {
    /// This session of this node, whether it was source or target.
    Of {
        /// The node.
        node: NodeId,
        /// Its session.
        epoch: SessionEpoch,
    },
    /// All: the coordinator starts, no session is there.
    Every,
    /// These leases, whoever holds them: more than their node may work on.
    Leases(Vec<Lease>),
}

/// A job that is pending again because its session is gone. Not counted as an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnedJob {
    /// The job.
    pub job: JobId,
    /// What it does.
    pub kind: JobKind,
    /// Where it runs.
    pub node: NodeId,
    /// From here.
    pub source: PoolId,
    /// To there.
    pub target: Option<PoolId>,
    /// The lease that is void now.
    pub lease: Lease,
    /// When it was leased.
    pub leased: UnixMillis,
}

/// Where a path is served from now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The pool.
    pub pool: PoolId,
    /// Its node.
    pub node: NodeId,
    /// That is an older PixelFox, which is never attached.
    pub legacy_node: bool,
    /// Absolute, ready for a Location header.
    pub url: String,
}
