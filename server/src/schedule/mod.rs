//! When what runs: which jobs are leased next, and what a failed attempt leads to. Pure.

mod checks;
mod decide;
mod purge;
mod retry;
mod silence;
mod snapshot;
mod sweep;
mod ways;

pub use checks::{FILES_PER_CHECK, NextCheck, next_check, one_check, rested_at};
pub use decide::{FULL_TARGET_WAIT_SECONDS, JOBS_PER_COMMAND, decide, next_wake, waiting_for};
pub use purge::{next_purge, purges};
pub use retry::{Cause, MAX_ATTEMPTS, Verdict, after_check_failure, after_trash_failure, verdict};
pub use silence::{Presence, SIGN_EVERY_MILLIS};
pub use snapshot::{NodeView, PoolView, Snapshot};
pub use sweep::Standstill;
pub use ways::{closed_by, too_large};
