//! When what runs: which jobs are leased next, and what a failed attempt leads to. Pure.

mod decide;
mod purge;
mod retry;
mod silence;
mod snapshot;
mod sweep;

pub use decide::{FULL_TARGET_WAIT_SECONDS, JOBS_PER_COMMAND, decide, next_wake, waiting_for};
pub use purge::{next_purge, purges};
pub use retry::{Cause, MAX_ATTEMPTS, Verdict, after_trash_failure, verdict};
pub use silence::{Presence, SIGN_EVERY_MILLIS};
pub use snapshot::{NodeView, PoolView, Snapshot};
pub use sweep::Standstill;
