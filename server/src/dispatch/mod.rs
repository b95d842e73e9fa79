//! Hands pending jobs to their nodes: snapshot → decide → lease → send. One task, woken by a signal (a job was made, a
//! node attached, a result came, a pool is healthy, a setting changed) or by the next retry; idle it costs nothing.

mod carry_out;
mod snapshot;

use std::sync::Arc;
use std::time::Duration;

use pixelfox_proto::PoolId;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::snapshot::snapshot;

use crate::catalog::{LeaseOrder, Pool};
use crate::clock;
use crate::schedule;
use crate::sessions::{SessionEnd, Sessions, Work};
use crate::settle::Settle;
use crate::store::{Store, StoreError};

/// After the books could not be read or written.
const BOOKS_RETRY: Duration = Duration::from_secs(1);
/// Jobs are due but could not be leased, for instance because they don't fit: without a signal, look again so much
/// later.
const BLOCKED_RETRY: Duration = Duration::from_secs(30);

/// Slices of each parent between two looks at what can be leased.
const SLICES_AT_ONCE: u32 = 8;

/// The dispatcher's task.
#[derive(Debug)]
pub struct Dispatch {
    tasks: TaskTracker,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Round {
    store: Store,
    sessions: Arc<Sessions>,
    settle: Settle,
    stop: CancellationToken,
}

impl Dispatch {
    /// Starts it. `wake` is what everyone notifies who may have made work possible.
    #[must_use]
    pub fn start(store: Store, sessions: Arc<Sessions>, settle: Settle, wake: Arc<Notify>) -> Self {
        let dispatch = Self { tasks: TaskTracker::new(), stop: CancellationToken::new() };
        let round = Round { store, sessions, settle, stop: dispatch.stop.clone() };
        dispatch.tasks.spawn(round.run(wake));
        dispatch
    }

    /// Leases nothing more. What is out goes on.
    pub async fn shut_down(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Round {
    async fn run(self, wake: Arc<Notify>) {
        loop {
            let pause = match self.carry_on().await {
                Ok(pause) => pause,
                Err(cause) => {
                    tracing::error!("could not hand out jobs, trying again: {cause:?}");
                    Some(BOOKS_RETRY)
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = wake.notified() => {}
                () = async { tokio::time::sleep(pause.unwrap_or_default()).await }, if pause.is_some() => {}
            }
        }
    }

    /// Leases and sends until nothing more may run. Comes back with how long to sleep unless woken; `None`: for ever.
    async fn carry_on(&self) -> Result<Option<Duration>, StoreError> {
        self.settle.look_into_trash();
        self.push_unrestored().await?;
        let mut fruitless = None;
        while !self.stop.is_cancelled() {
            let more_slices = self.make_slices().await?;
            let (pools, seen) = snapshot(&self.store, &self.sessions).await?;
            let orders = schedule::decide(&seen);
            let next = schedule::next_wake(&seen).map(|at| pause(at.0.saturating_sub(seen.now.0)));
            if orders.is_empty() && !more_slices {
                return Ok(next);
            }
            if fruitless.as_ref() == Some(&seen.lanes) && !more_slices {
                return Ok(Some(next.map_or(BLOCKED_RETRY, |next| next.min(BLOCKED_RETRY))));
            }
            let mut got_on = false;
            for order in orders {
                got_on |= self.lease(order, &pools).await?;
            }
            fruitless = (!got_on).then_some(seen.lanes);
        }
        Ok(None)
    }

    /// Makes further children of parents whose lanes run short, until none does or others have waited for long enough:
    /// a parent whose images have all gone elsewhere takes many slices until it is through. Comes back with whether there
    /// are more.
    async fn make_slices(&self) -> Result<bool, StoreError> {
        for _ in 0..SLICES_AT_ONCE {
            let due = self.store.slices_due(clock::now()).await?;
            if due.is_empty() || self.stop.is_cancelled() {
                return Ok(false);
            }
            for parent in due {
                crash_point!("slice.before_commit");
                let Some(slice) = self.store.make_slice(parent, clock::now()).await? else { continue };
                crash_point!("slice.after_commit");
                tracing::debug!(job = %parent, jobs = slice.made, "made jobs of parent {parent}");
                self.settle.ended_unsent(slice.settled).await;
            }
        }
        Ok(true)
    }

    /// Commands for renames that the target has to work off before more images come back out of its trash.
    fn is_behind(&self, order: &LeaseOrder, pools: &[Pool]) -> bool {
        let node = pools.iter().find(|pool| pool.id == order.target).map(|pool| &pool.node);
        let session = node.and_then(|node| self.sessions.of(node));
        session.is_some_and(|session| session.pending.count(Work::Rename) >= snapshot::RENAMES_BEHIND)
    }

    /// Whether any job went out or ended.
    async fn lease(&self, order: LeaseOrder, pools: &[Pool]) -> Result<bool, StoreError> {
        let changes = self.settle.changes();
        crash_point!("lease.before_commit");
        if self.is_behind(&order, pools) {
            return Ok(false);
        }
        let leased = self
            .store
            .lease_jobs(order.clone(), clock::now())
            .await
            .inspect_err(|cause| self.doubt(&order, pools, cause))?;
        if !leased.jobs.is_empty() {
            crash_point!("lease.after_commit");
        }
        let got_on = !leased.jobs.is_empty() || !leased.settled.is_empty();
        self.settle.ended_unsent(leased.settled).await;
        if leased.makes_way {
            self.settle.look_after_old_copies().await;
        }
        if leased.jobs.is_empty() {
            return Ok(got_on);
        }
        self.sessions.usage_changed();
        self.send(&order, leased.jobs, pools).await;
        self.settle.sent_since(changes).await?;
        Ok(got_on)
    }

    /// A lease whose answer was lost may have happened, and nobody would carry its jobs out: the end of the session that
    /// was to do so returns them.
    fn doubt(&self, order: &LeaseOrder, pools: &[Pool], cause: &StoreError) {
        let Some(target) = pools.iter().find(|pool| pool.id == order.target) else { return };
        let (node, epoch) = order.holder(&target.node);
        let session = self.sessions.of(node).filter(|session| session.epoch() == epoch);
        if let Some(session) = session.filter(|_| cause.may_have_happened()) {
            session.finish(SessionEnd::Books("a lease's answer was lost".into()));
        }
    }
}

/// Milliseconds from now, never 0: nothing spins.
fn pause(milliseconds: i64) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0)).max(Duration::from_millis(10))
}

fn target_url(pools: &[Pool], target: PoolId) -> Option<String> {
    pools.iter().find(|pool| pool.id == target).map(Pool::target_url).filter(|url| !url.is_empty())
}
