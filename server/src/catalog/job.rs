//! Jobs as the lists show them. Their life is in `moves::machine`. Pure.

use pixelfox_proto::{ImageId, JobId, NodeId, PoolId, SessionEpoch};

use super::UnixMillis;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Every one, in this order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in the database and on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// From that word.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|it| it.as_str() == word)
            }
        }
    };
}

words! {
    /// What a job does.
    JobKind {
        /// Parent: some images to another pool.
        MoveImages = "move_images",
        /// Parent: every image of a pool.
        MovePool = "move_pool",
        /// Parent: images for good.
        DeleteImages = "delete_images",
        /// Parent: moves taken back.
        Undo = "undo",
        /// Child: one image to another pool.
        MoveImage = "move_image",
        /// Child: one image for good.
        DeleteImage = "delete_image",
        /// Child: an image's variants.
        MakeVariants = "make_variants",
        /// Child: a copy's bytes against the books.
        Verify = "verify",
    }
}

words! {
    /// Where a job is, as people see it.
    JobState {
        /// Waits for its node, its time or its turn.
        Pending = "pending",
        /// Under way; a parent: has children that are.
        Processing = "processing",
        /// Stopped by a person.
        Paused = "paused",
        /// Ended well.
        Completed = "completed",
        /// Ended with a cause.
        Failed = "failed",
        /// Ended by a person.
        Cancelled = "cancelled",
    }
}

impl JobKind {
    /// Makes jobs of its own, which follow it.
    #[must_use]
    pub const fn is_parent_of_moves(self) -> bool {
        matches!(self, Self::MoveImages | Self::MovePool | Self::Undo)
    }
}

/// What a pending move finds at its target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AtTarget {
    /// An old copy there is on its way into the trash: the job waits for that.
    pub is_unsettled: bool,
    /// An old copy there is being purged: likewise.
    pub is_purging: bool,
    /// It takes a move back: nothing is sent.
    pub is_undo: bool,
    /// Files that come back out of its trash.
    pub from_trash: usize,
    /// Files that go there, these included.
    pub files: usize,
    /// Bytes that take new room there: not what comes back out of its trash, nor what has room reserved already.
    pub new_bytes: u64,
}

/// A copy of an image that is being deleted, whose node has not said yet that it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyLeft {
    /// Where it is.
    pub pool: PoolId,
    /// When its node is asked next, where the last time brought nothing.
    pub next_try: UnixMillis,
}

/// A job on record.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// The job that made it.
    pub parent: Option<JobId>,
    /// What it does.
    pub kind: JobKind,
    /// Where it is.
    pub state: JobState,
    /// Where it runs: the NODE_ID of the source pool. A parent of images from several nodes has none.
    pub node: Option<NodeId>,
    /// From here.
    pub source: Option<PoolId>,
    /// To there.
    pub target: Option<PoolId>,
    /// Its image; a parent has none.
    pub image: Option<ImageId>,
    /// Times that it was leased.
    pub attempt: u32,
    /// Attempts that count as failed.
    pub failures: u32,
    /// The session that holds it, where one does.
    pub epoch: Option<SessionEpoch>,
    /// Whether the new location is committed: from there on it only goes forward.
    pub committed: bool,
    /// Bytes that are over.
    pub bytes_done: u64,
    /// Bytes in all.
    pub bytes_total: u64,
    /// Children that ended well.
    pub children_done: u64,
    /// Children that failed.
    pub children_failed: u64,
    /// Children that were cancelled, or never made because their parent was.
    pub children_cancelled: u64,
    /// Of those that ended well: their image was not moved, because its original was not at the source.
    pub children_unmoved: u64,
    /// Children in all.
    pub children_total: u64,
    /// Files whose source was not there.
    pub files_missing: u64,
    /// Images of a parent's plan that were gone or blocked when their turn came. They are counted out.
    pub left_behind: u64,
    /// Why, the first of them.
    pub note: String,
    /// The last cause; empty: none.
    pub last_error: String,
    /// When it was made.
    pub created: UnixMillis,
    /// When it was first leased.
    pub started: Option<UnixMillis>,
    /// When it ended.
    pub finished: Option<UnixMillis>,
    /// Not to be leased before.
    pub not_before: Option<UnixMillis>,
}

impl Job {
    /// Images that stayed where they are because their original was not there, though the job is completed: of a parent's
    /// children, or this child's one.
    #[must_use]
    pub fn unmoved(&self) -> u64 {
        let is_one = self.kind == JobKind::MoveImage && self.state == JobState::Completed && !self.committed;
        if is_one { 1 } else { self.children_unmoved }
    }
}

/// Whether a move can be taken back, and what took it back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakenBack {
    /// Something of it can be, now.
    pub can_be: bool,
    /// The undo that did, where one did.
    pub by: Option<JobId>,
}

/// Jobs that people asked for, or all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Level {
    /// Children as well.
    #[default]
    All,
    /// Only jobs that no other job made.
    Top,
}

/// Which jobs a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Only these.
    pub state: Option<JobState>,
    /// Only these.
    pub kind: Option<JobKind>,
    /// Only those of this node.
    pub node: Option<NodeId>,
    /// Only the children of this one.
    pub parent: Option<JobId>,
    /// Only those of this image.
    pub image: Option<ImageId>,
    /// Only those from or to this pool.
    pub pool: Option<PoolId>,
    /// Which generation.
    pub level: Level,
}

/// How many jobs there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobTotals {
    /// In each state.
    pub states: Vec<(JobState, u64)>,
    /// Of each kind.
    pub kinds: Vec<(JobKind, u64)>,
    /// Of each kind in each state, where there are any.
    pub both: Vec<((JobKind, JobState), u64)>,
}
