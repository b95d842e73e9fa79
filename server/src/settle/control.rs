//! What people do to the queue while it runs: the books first, then whoever works on what is no longer theirs is
//! stopped. Who that is, the books say, so that it is right after a lost answer and for another server's change too.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pixelfox_proto::{JobId, Lease};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Rooms, Settle, trash};
use crate::catalog::{ChangeAsk, ChangeProgress, Changed, LostSession, Settings};
use crate::clock;
use crate::events::{Event, Subject};
use crate::sessions::{CommandId, Session, Work};
use crate::store::StoreError;

/// While a change goes on, who works on what is changed already is stopped so often.
const HEED_EVERY: Duration = Duration::from_millis(500);
/// Leases that the books are asked about at once.
const ASKED: usize = 2048;
/// Tries to read the books after a change.
const TRIES: u32 = 30;
/// Between them.
const BOOKS_RETRY: Duration = Duration::from_secs(1);

/// Whether the queue runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueState {
    /// Jobs are handed out.
    Runs,
    /// None is.
    Paused,
}

impl Settle {
    /// Changes jobs as a person asked for, and stops what must not go on. Gives how many changed. A caller who is gone
    /// stops nothing of it.
    ///
    /// # Errors
    /// What the books say; what was changed before a failure of the database stays changed, and the same request id
    /// goes on from there.
    pub async fn change_jobs(&self, ask: ChangeAsk) -> Result<u64, StoreError> {
        let this = self.clone();
        self.owned(async move { this.change_all(ask).await }).await
    }

    async fn change_all(&self, ask: ChangeAsk) -> Result<u64, StoreError> {
        let mut progress = ChangeProgress::default();
        let (mut ended, mut heeded) = (false, Instant::now());
        let outcome = loop {
            crash_point!("change.before_commit");
            match self.books().change_jobs(ask.clone(), progress, clock::now()).await {
                Ok(changed) => {
                    crash_point!("change.after_commit");
                    progress = changed.progress;
                    ended |= !changed.settled.is_empty();
                    self.announce(&ask, changed);
                }
                Err(error) => break Err(error),
            }
            if progress.over {
                break Ok(progress.changed);
            }
            // A change of a million jobs takes its time: what is changed already must not run on.
            if heeded.elapsed() >= HEED_EVERY {
                self.heed_changes().await;
                heeded = Instant::now();
            }
        };
        if matches!(outcome, Err(StoreError::Refused(_))) {
            return outcome;
        }
        self.heed_changes().await;
        if ended {
            trash::look(&self.rooms, &self.trash).await;
        }
        if progress.changed > 0 {
            tracing::info!("[JobQueue] {} jobs {}", progress.changed, ask.change.done());
        }
        outcome
    }

    fn announce(&self, ask: &ChangeAsk, changed: Changed) {
        for job in changed.jobs {
            let message = format!("[JobQueue] Job {job} {}", ask.change.done());
            self.rooms.events.publish(&Event { subject: Subject::Job(job), message });
        }
        self.rooms.published(changed.settled);
    }

    /// Holds the whole queue up, or lets it go on: durably, and at once.
    ///
    /// # Errors
    /// The books can't be written.
    pub async fn set_queue(&self, state: QueueState) -> Result<(), StoreError> {
        let this = self.clone();
        self.owned(async move { this.set_queue_now(state).await }).await
    }

    async fn set_queue_now(&self, state: QueueState) -> Result<(), StoreError> {
        crash_point!("queue.before_commit");
        let (outcome, message) = match state {
            QueueState::Paused => {
                let returned = self.books().pause_queue(clock::now()).await;
                for job in returned.iter().flatten() {
                    let message = format!("[JobQueue] Job {} waits: queue paused", job.job);
                    self.rooms.events.publish(&Event { subject: Subject::Job(job.job), message });
                }
                (returned.map(drop), "[JobQueue] Queue paused")
            }
            QueueState::Runs => (self.books().resume_queue(clock::now()).await, "[JobQueue] Queue resumed"),
        };
        crash_point!("queue.after_commit");
        self.heed_changes().await;
        if outcome.is_ok() {
            tracing::info!("{message}");
            self.rooms.events.publish(&Event { subject: Subject::Settings, message: message.to_owned() });
        }
        outcome
    }

    /// Settings have changed: where a node has fewer slots now, what is above them is pending again, not counted.
    ///
    /// # Errors
    /// The books can't be written.
    pub async fn heed_settings(&self, settings: &Settings) -> Result<(), StoreError> {
        let before = self.rooms.slots.swap(settings.move_slots_per_node, Ordering::AcqRel);
        if settings.move_slots_per_node >= before {
            return Ok(());
        }
        self.rooms.changes.fetch_add(1, Ordering::AcqRel);
        self.fit_slots().await
    }

    /// Gives back what is above the slots that the settings last left.
    async fn fit_slots(&self) -> Result<(), StoreError> {
        let most = self.rooms.slots.load(Ordering::Acquire);
        let mut surplus = Vec::new();
        for session in self.rooms.sessions.all() {
            let slots = usize::try_from(session.hello().about.slots.min(most)).unwrap_or(usize::MAX);
            surplus.extend(session.pending.surplus(Work::Push, slots));
        }
        if most == u32::MAX || surplus.is_empty() {
            return Ok(());
        }
        let this = self.clone();
        let give_back = async move {
            let returned = this.rooms.store.return_lost(LostSession::Leases(surplus), clock::now()).await;
            for job in returned.iter().flatten() {
                let message = format!("[JobQueue] Job {} waits: node {} has fewer slots", job.job, job.node);
                this.rooms.events.publish(&Event { subject: Subject::Job(job.job), message });
            }
            this.heed_changes().await;
            returned.map(drop)
        };
        self.owned(give_back).await
    }

    /// Jobs may have been taken away from whoever works on them, here or by another server: stops those who do, and
    /// wakes whoever hands out work.
    pub async fn heed_changes(&self) {
        self.rooms.changes.fetch_add(1, Ordering::AcqRel);
        self.rooms.stop_released().await;
        self.rooms.sessions.usage_changed();
        self.rooms.wake.notify_one();
    }

    /// Other servers did something: what they took away is stopped, what they left is looked after.
    pub async fn heed_others(&self) {
        self.heed_changes().await;
        self.look_for_checks();
        trash::look(&self.rooms, &self.trash).await;
    }

    /// Jobs were leased and sent: a change since `before` (see [`Settle::changes`]) may have found nothing to stop yet.
    ///
    /// # Errors
    /// The books can't be written.
    pub async fn sent_since(&self, before: u64) -> Result<(), StoreError> {
        if self.changes() == before {
            return Ok(());
        }
        self.heed_changes().await;
        self.fit_slots().await
    }

    /// A number that rises with every change: to be read before a lease, for [`Settle::sent_since`] after it.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.rooms.changes.load(Ordering::Acquire)
    }

    /// Runs `work` in a task that no vanished caller cancels.
    pub(super) async fn owned<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (tell, told) = oneshot::channel();
        self.tasks.spawn(async move {
            // who is gone needs no answer
            drop(tell.send(work.await));
        });
        told.await.unwrap_or(Err(StoreError::Closed))
    }
}

impl Rooms {
    /// Asks the books about everything in flight, and stops what they have given to nobody or to another lease.
    async fn stop_released(self: &Arc<Self>) {
        let flights = self.flights.all();
        for asked in flights.chunks(ASKED) {
            for _ in 0..TRIES {
                match self.store.released_leases(asked).await {
                    Ok(leases) => {
                        self.stop(&leases);
                        break;
                    }
                    Err(StoreError::Closed) => return,
                    Err(cause) => tracing::error!("could not read which jobs were taken away: {cause:?}"),
                }
                tokio::time::sleep(BOOKS_RETRY).await;
            }
        }
    }

    /// Nobody works on these any more, and nothing is heard of them.
    pub(super) fn stop(&self, leases: &HashSet<Lease>) {
        if leases.is_empty() {
            return;
        }
        self.flights.forget(leases);
        self.progress.set_aside(leases, Instant::now());
        for session in self.sessions.all() {
            for (command, jobs) in session.pending.forget(leases) {
                self.cancel(&session, command, jobs);
            }
        }
    }

    fn cancel(&self, session: &Session, command: CommandId, jobs: Vec<JobId>) {
        if let Err(end) = self.sessions.cancel(session, command, jobs) {
            tracing::debug!(node = %session.node(), "nothing to cancel: {end}");
        }
    }
}
