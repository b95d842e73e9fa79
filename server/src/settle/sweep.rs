//! The sweeper's net: jobs under way without progress are returned, whatever became of them, and so are those of a lost
//! session that could not be returned at its end.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use pixelfox_proto::{Lease, SessionEpoch, Trace};
use tokio::time::Instant;

use super::{Loss, Settle, trash};
use crate::catalog::{HeldJob, Setback, SetbackKind};
use crate::clock;
use crate::events::{Event, Subject};
use crate::schedule::{self, Cause, Standstill};
use crate::store::StoreError;

/// Whether there is something to look after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swept {
    /// Jobs are under way.
    Busy,
    /// None is: nothing to look at until one begins.
    Idle,
}

/// One sweeper: what it remembers, and its clock.
#[derive(Debug)]
pub struct Sweeper {
    standstill: Standstill,
    begun: Instant,
    after: Duration,
}

impl Sweeper {
    /// `after`: without progress for so long a job is stuck.
    #[must_use]
    pub fn new(after: Duration) -> Self {
        Self { standstill: Standstill::default(), begun: Instant::now(), after }
    }
}

impl Settle {
    /// Returns when a job has begun since the last call.
    pub async fn job_began(&self) {
        self.rooms.began.notified().await;
    }

    /// Looks once. Progress is the lease, or the last news of bytes or files of its command.
    ///
    /// # Errors
    /// The books can't be read or written.
    pub async fn sweep(&self, sweeper: &mut Sweeper) -> Result<Swept, StoreError> {
        self.return_owed().await?;
        let sessions = self.rooms.sessions.all();
        let epochs: HashSet<SessionEpoch> = sessions.iter().map(|session| session.epoch()).collect();
        let mut held = self.rooms.store.held_jobs().await?;
        // others are another server's, or are returned with their session
        held.retain(|job| epochs.contains(&job.holder));
        let since = |at: Instant| at.saturating_duration_since(sweeper.begun);
        let mut progress: HashMap<Lease, Duration> = HashMap::new();
        let news = sessions.iter().flat_map(|session| session.pending.progress());
        for (lease, at) in self.rooms.flights.begun().into_iter().chain(news) {
            let latest = progress.entry(lease).or_default();
            *latest = (*latest).max(since(at));
        }
        let leases: Vec<Lease> = held.iter().map(|job| job.lease).collect();
        let stuck = sweeper.standstill.stuck(&leases, &progress, since(Instant::now()), sweeper.after);
        let ages: HashMap<Lease, Duration> = stuck.into_iter().collect();
        let is_idle = held.is_empty();
        held.retain(|job| ages.contains_key(&job.lease));
        if !held.is_empty() {
            self.recover(&held, &ages).await?;
        }
        Ok(if is_idle { Swept::Idle } else { Swept::Busy })
    }

    async fn recover(&self, stuck: &[HeldJob], ages: &HashMap<Lease, Duration>) -> Result<(), StoreError> {
        let now = clock::now();
        let age = |job: &HeldJob| ages.get(&job.lease).map_or(0, Duration::as_secs);
        let setback = |job: &HeldJob| Setback {
            job: job.job,
            lease: job.lease,
            epoch: job.epoch,
            kind: match schedule::verdict(job.failures, Cause::Passing) {
                schedule::Verdict::Again { wait_seconds, counted } => {
                    SetbackKind::Again { not_before: now.plus_seconds(wait_seconds), counted }
                }
                schedule::Verdict::Failed => SetbackKind::Failed,
            },
            cause: format!("no progress for {} s at node {}", age(job), job.node),
            sources: Vec::new(),
        };
        crash_point!("recover.before_commit");
        let settled = self.rooms.store.set_back(stuck.iter().map(setback).collect(), now).await?;
        crash_point!("recover.after_commit");
        for job in stuck {
            let (id, kind, node, age) = (job.job, job.kind.as_str(), &job.node, age(job));
            let message = format!("[JobQueue] Recovering stuck job {id} (kind={kind}, node={node}, age={age}s)");
            let trace = Trace::of_job(id).id();
            tracing::warn!(job = %id, trace_id = %trace, kind, %node, age, "{message}");
            self.rooms.events.publish(&Event { subject: Subject::Job(id), message });
        }
        let has_ended = !settled.is_empty();
        self.rooms.published(settled);
        self.heed_changes().await;
        if has_ended {
            trash::look(&self.rooms, &self.trash).await;
        }
        Ok(())
    }

    /// Sessions that ended while the books could not be written.
    async fn return_owed(&self) -> Result<(), StoreError> {
        loop {
            let Some(session) = self.rooms.owed.lock().last().cloned() else { return Ok(()) };
            let jobs = self.rooms.store.return_lost(session.clone(), clock::now()).await?;
            self.rooms.owed.lock().retain(|owed| *owed != session);
            self.returned(jobs, Loss::Real);
            self.rooms.wake.notify_one();
        }
    }
}
