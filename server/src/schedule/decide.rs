//! Which jobs are leased next. Pure: does not depend on the order of its input.

use crate::catalog::{Job, LeaseOrder, UnixMillis};

use super::Snapshot;

/// Jobs of one command at most: one slot carries so many.
pub const JOBS_PER_COMMAND: u32 = 32;

/// What may be leased now: one order per free slot of a node, spread over its lanes in turn. Never to a node that is
/// not attached, never for a target that is away, unhealthy, not active or full, never beyond a node's slots.
/// O(lanes + slots).
#[must_use]
pub fn decide(snapshot: &Snapshot) -> Vec<LeaseOrder> {
    todo!("{snapshot:?}")
}

/// When [`decide`] is worth asking again without a signal: the next retry of a lane whose nodes are attached.
#[must_use]
pub fn next_wake(snapshot: &Snapshot) -> Option<UnixMillis> {
    todo!("{snapshot:?}")
}

/// Why a pending job does not run yet, as people read it: `node s09 is not attached`, `pool img1 is full`,
/// `next try in 25 s`. Empty where it may.
#[must_use]
pub fn waiting_for(job: &Job, snapshot: &Snapshot) -> String {
    todo!("{job:?} {snapshot:?}")
}
