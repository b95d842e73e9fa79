//! The sweeper: every so often while jobs are under way, and never while none is.

use tokio_util::sync::CancellationToken;

use crate::config::SweepTimes;
use crate::settle::{Settle, Sweeper, Swept};

/// Runs until `stop`.
pub(super) async fn run(settle: Settle, times: SweepTimes, stop: CancellationToken) {
    let mut sweeper = Sweeper::new(times.stuck_after);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = settle.job_began() => {}
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(times.every) => {}
            }
            match settle.sweep(&mut sweeper).await {
                Ok(Swept::Busy) => {}
                Ok(Swept::Idle) => break,
                Err(cause) => tracing::error!("could not look for stuck jobs: {cause:?}"),
            }
        }
    }
}
