//! Nodes come, live and go: what that means for jobs and pools.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use pixelfox_proto::{Lease, NodeId, PoolId, Trace};
use tokio::time::Instant;

use super::{Settle, trash};
use crate::catalog::{Attached, Brought, LostSession, ReturnedJob, UnixMillis};
use crate::clock;
use crate::events::{Event, Subject};
use crate::progress::Minute;
use crate::sessions::{Heartbeat, Session, SessionEnd};

/// How a session came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// It was lost.
    Real,
    /// One of its sides stopped and said so.
    InOrder,
}

/// Tries to return the jobs of a lost session before the sweeper has to.
const TRIES: u32 = 30;
/// Between them.
const BOOKS_RETRY: Duration = Duration::from_secs(1);

impl Settle {
    /// A node is attached: its returned jobs may run again, its old copies are due.
    pub async fn attached(&self, session: &Session, attached: Attached) {
        let about = &session.hello().about;
        let (node, address) = (&about.node, &about.address);
        let message = format!("[Coordinator] Node {node} attached from {address} (version {})", about.version);
        tracing::info!(%node, epoch = %session.epoch(), client = %address, "{message}");
        self.rooms.events.publish(&Event { subject: Subject::Node(node.clone()), message });
        if let Some(pool) = attached.auto_pool {
            let message = format!("[Coordinator] Made pool {} ({}) for node {node}", pool.name, pool.id);
            tracing::info!(%node, pool_id = %pool.id, "{message}");
            self.rooms.events.publish(&Event { subject: Subject::Pool(pool.id), message });
        }
        self.returned(attached.returned, Loss::Real);
        self.say(trash::Word::Free(node.clone())).await;
        self.rooms.empty_trash.notify_one();
        self.rooms.check.notify_one();
        self.rooms.wake.notify_one();
    }

    /// A sign of life. A pool that is healthy for the first time may not be made anew from then on; any change of
    /// health may let work begin, or stop it.
    pub(super) async fn heartbeat(&self, session: &Session, beat: Heartbeat) {
        let wants_room = beat.pools.values().any(|pool| pool.wanted_bytes > 0);
        let unseen: Vec<PoolId> = beat.pools.keys().copied().filter(|pool| session.pool(*pool).is_none()).collect();
        let changed = self.rooms.sessions.hear(session, beat).await;
        if wants_room || !changed.is_empty() {
            self.rooms.empty_trash.notify_one();
        }
        if changed.is_empty() {
            return;
        }
        let mut healthy = Vec::new();
        for (pool, health) in changed {
            let node = session.node();
            let message = match health.problem {
                None => {
                    healthy.push(pool);
                    format!("[Coordinator] Pool {pool} of node {node} is healthy")
                }
                Some(problem) => format!("[Coordinator] Pool {pool} of node {node} is unhealthy: {problem}"),
            };
            if !unseen.contains(&pool) || !healthy.contains(&pool) {
                tracing::info!(%node, pool_id = %pool, "{message}");
            } else {
                tracing::debug!(%node, pool_id = %pool, "{message}"); // nothing is new: it has just attached
            }
            self.rooms.events.publish(&Event { subject: Subject::Pool(pool), message });
        }
        let well_again = !healthy.is_empty();
        match self.rooms.store.pools_reported_healthy(healthy).await {
            Ok(initialized) if initialized.is_empty() => {}
            Ok(_) => self.rooms.sessions.books_changed(),
            Err(cause) => {
                tracing::error!("could not note that pools are healthy: {cause:?}");
                session.hear_pools_anew();
            }
        }
        if well_again {
            self.say(trash::Word::Free(session.node().clone())).await;
        }
        self.rooms.check.notify_one();
        self.rooms.wake.notify_one();
    }

    /// A session is over: its jobs, as source or target, are pending again at once, and other nodes stop working
    /// on them.
    pub async fn left(&self, session: &Arc<Session>, end: &SessionEnd) {
        self.rooms.sessions.leave(session);
        let node = session.node();
        let message = format!("[Coordinator] Node {node} left: {end}");
        tracing::info!(%node, epoch = %session.epoch(), "{message}");
        self.rooms.events.publish(&Event { subject: Subject::Node(node.clone()), message });
        if let Err(cause) = self.rooms.store.nodes_seen(vec![(node.clone(), session.epoch())], clock::now()).await {
            tracing::warn!(%node, "could not note when a node left: {cause}");
        }
        let lost = LostSession::Of { node: node.clone(), epoch: session.epoch() };
        let mut is_owed = true;
        for _ in 0..TRIES {
            crash_point!("return.before_commit");
            match self.rooms.store.return_lost(lost.clone(), clock::now()).await {
                Ok(jobs) => {
                    crash_point!("return.after_commit");
                    self.returned(jobs, if end.is_in_order() { Loss::InOrder } else { Loss::Real });
                    is_owed = false;
                    break;
                }
                Err(cause) => tracing::error!(%node, "could not return the jobs of a lost session: {cause:?}"),
            }
            tokio::time::sleep(BOOKS_RETRY).await;
        }
        if is_owed {
            self.rooms.owed.lock().push(lost);
            self.rooms.began.notify_one();
        }
        self.rooms.wake.notify_one();
    }

    /// At the start of the process no session is there: whatever was under way is pending again, but for what other
    /// servers on the same database have under way.
    ///
    /// # Errors
    /// The books can't be written.
    pub async fn nobody_is_attached(&self, server: &NodeId) -> Result<(), crate::store::StoreError> {
        let jobs = self.rooms.store.enter(server.clone(), clock::now()).await?;
        self.returned(jobs, Loss::Real);
        Ok(())
    }

    /// What the hour before this start brought, so that a restart empties no picture of it.
    ///
    /// # Errors
    /// The books can't be read.
    pub async fn remember_last_hour(&self) -> Result<(), crate::store::StoreError> {
        const HOUR_MILLIS: i64 = 3_600_000;
        let now = clock::now();
        let past = self.rooms.store.brought_since(UnixMillis(now.0 - HOUR_MILLIS)).await?;
        let minute = |brought: &Brought| Minute {
            bytes_uploaded: brought.bytes_uploaded,
            images_uploaded: brought.images_uploaded,
            bytes_moved: brought.bytes_moved,
        };
        let ago = |brought: &Brought| Duration::from_secs(now.seconds_since(brought.begin));
        let past: Vec<(Duration, Minute)> = past.iter().map(|brought| (ago(brought), minute(brought))).collect();
        self.rooms.progress.remember(&past, Instant::now());
        Ok(())
    }

    /// Logs them, and stops whoever still works on them.
    pub(crate) fn returned(&self, jobs: Vec<ReturnedJob>, loss: Loss) {
        let leases: HashSet<Lease> = jobs.iter().map(|job| job.lease).collect();
        if leases.is_empty() {
            return;
        }
        self.rooms.stop(&leases);
        for job in jobs {
            let (kind, node, trace) = (job.kind.as_str(), &job.node, Trace::of_job(job.job).id());
            let message = match loss {
                Loss::Real => {
                    format!("[JobQueue] Recovering stuck job {} (kind={kind}, node={node}, session lost)", job.job)
                }
                Loss::InOrder => format!("[JobQueue] Job {} waits again: its session ended in order", job.job),
            };
            match loss {
                Loss::Real => tracing::warn!(job = %job.job, trace_id = %trace, kind, %node, "{message}"),
                Loss::InOrder => tracing::info!(job = %job.job, trace_id = %trace, kind, %node, "{message}"),
            }
            self.rooms.events.publish(&Event { subject: Subject::Job(job.job), message });
        }
        self.rooms.sessions.usage_changed();
    }
}
