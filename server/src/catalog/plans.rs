//! Plans for more than can be named: a whole pool. Pure.

use pixelfox_proto::{JobId, PoolId};

use super::{PlanRule, SettledJob, WhichJobs};

/// Every image of a pool to another one, as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolMoveAsk {
    /// From here.
    pub source: PoolId,
    /// To there.
    pub target: PoolId,
    /// Images at most, those that entered the pool first; 0: all.
    pub limit: u64,
    /// Whether anything is written.
    pub rule: PlanRule,
    /// Chosen by the client; empty: none. The same one again does nothing new and answers the same.
    pub request_id: String,
}

/// Finished moves to be taken back, as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndoAsk {
    /// Which; a parent stands for its children.
    pub which: WhichJobs,
    /// Chosen by the client; empty: none. The same one again does nothing new and answers the same.
    pub request_id: String,
}

/// What one slice of a parent came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The parent.
    pub parent: JobId,
    /// Children that it made.
    pub made: u64,
    /// The parent, where it ended with it.
    pub settled: Vec<SettledJob>,
}

impl Slice {
    /// Images of one slice at most.
    pub const IMAGES: u32 = 500;
    /// A slice is due when its lane has fewer jobs than this that may run now.
    pub const DUE_BELOW: u32 = 256;
    /// No slice is made while so many children are open, whatever they wait for.
    pub const OPEN_MOST: u32 = 10_000;
}
