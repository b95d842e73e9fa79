//! The chore that has copies read and compared with the record: those that came back from a trash unread, and those that
//! a person asks about. One order a node at a time; it sleeps until the next copy is due or somebody says that something
//! has changed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pixelfox_proto::{Generation, NodeId, PoolId, SessionEpoch, StoredPath, TraceId};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::trash::Word;
use super::{Rooms, Settle, trash};
use crate::catalog::{CheckAsk, CheckOrder, CheckOutcome, CheckResult, Checked, Found, ReplicaState, UnixMillis};
use crate::clock;
use crate::events::{Event, Subject};
use crate::schedule::{self, FILES_PER_CHECK, NextCheck};
use crate::sessions::{Awaited, Command, FileResult, Outcome, Session, VerifyFiles, Work};
use crate::store::StoreError;

/// Results that are noted in one transaction at most.
const BATCH: usize = 16;
/// After the books could not be read or written.
const BOOKS_RETRY: Duration = Duration::from_secs(1);

impl Settle {
    /// Has copies read for a person, before all others. Gives how many, by pool; what is found is told by events.
    ///
    /// # Errors
    /// What the books say.
    pub async fn check_copies(&self, ask: CheckAsk) -> Result<std::collections::BTreeMap<PoolId, u64>, StoreError> {
        let asked = self.books().ask_checks(ask, clock::now()).await?;
        let copies: u64 = asked.values().sum();
        tracing::info!(copies, "[Verify] {copies} copies are to be read");
        self.look_for_checks();
        Ok(asked)
    }

    /// A node was asked for a file that it has on record and did not find it: that copy is read before others, and what is
    /// found is noted and told as ever. `trace`: of who asked for it.
    ///
    /// # Errors
    /// The books can't be written.
    pub async fn look_for_missing(&self, path: &StoredPath, node: &NodeId, trace: TraceId) -> Result<(), StoreError> {
        if self.rooms.store.check_missing(path.clone(), node.clone(), clock::now()).await? {
            tracing::warn!(%node, %path, trace_id = %trace, "[Verify] {node} has {path} on record and did not find it: it is looked for");
            self.look_for_checks();
        }
        Ok(())
    }

    /// Copies may be due to be read, or a node able to.
    pub(crate) fn look_for_checks(&self) {
        self.rooms.check.notify_one();
    }
}

/// Runs until `stop`; what was sent before is noted.
pub(super) async fn run(
    rooms: Arc<Rooms>,
    mut words: mpsc::Receiver<Vec<CheckResult>>,
    trash: mpsc::Sender<Word>,
    stop: CancellationToken,
) {
    let (mut heard, mut pace, mut next) = (Vec::new(), Pace::default(), None);
    loop {
        tokio::select! {
            biased;
            count = words.recv_many(&mut heard, BATCH) => if count == 0 { return },
            () = stop.cancelled(), if !words.is_closed() => words.close(),
            () = rooms.check.notified() => {}
            () = async { sleep_until(next.unwrap_or_else(Instant::now)).await }, if next.is_some() => {}
        }
        // What has been heard is noted before anything is asked for, so that nothing is asked twice.
        while let Ok(word) = words.try_recv() {
            heard.push(word);
        }
        if !heard.is_empty() {
            note(&rooms, heard.drain(..).flatten().collect(), &trash, &stop).await;
        }
        if stop.is_cancelled() {
            continue;
        }
        next = match pace.turn(&rooms).await {
            Ok(next) => next.map(|at| Instant::now() + wait(at, clock::now())),
            Err(cause) => {
                tracing::error!("could not look for copies to be read, trying again: {cause:?}");
                Some(Instant::now() + BOOKS_RETRY)
            }
        };
    }
}

/// What each node is at, so that none works on checks all the time.
#[derive(Debug, Default)]
struct Pace {
    /// The session that has an order, and since when.
    at_work: HashMap<NodeId, (SessionEpoch, UnixMillis)>,
    /// Until when the others rest.
    rested: HashMap<NodeId, UnixMillis>,
}

impl Pace {
    /// Sends each node that reads nothing now its next order. Comes back with when the next one is due.
    async fn turn(&mut self, rooms: &Rooms) -> Result<Option<UnixMillis>, StoreError> {
        let (sessions, now) = (rooms.sessions.all(), clock::now());
        let is_here = |node: &NodeId| sessions.iter().any(|session| session.node() == node);
        self.at_work.retain(|node, _| is_here(node));
        self.rested.retain(|node, _| is_here(node));
        let mut later: Option<UnixMillis> = None;
        for session in &sessions {
            let Some(rested) = self.rested(session, now) else { continue };
            let pools = session.healthy_pools();
            if pools.is_empty() {
                continue;
            }
            match schedule::next_check(&rooms.store.next_checks(&pools).await?, rested, now) {
                NextCheck::Never => {}
                NextCheck::Later(at) => later = Some(later.map_or(at, |earlier| earlier.min(at))),
                NextCheck::Now(pool) => {
                    let due = rooms.store.checks_due(pool, FILES_PER_CHECK, now).await?;
                    self.send(rooms, session, pool, schedule::one_check(due));
                }
            }
        }
        Ok(later)
    }

    /// Until when the node rests; `None` while it is at work.
    fn rested(&mut self, session: &Session, now: UnixMillis) -> Option<UnixMillis> {
        if session.pending.count(Work::Check) > 0 {
            return None;
        }
        let node = session.node();
        if let Some((epoch, since)) = self.at_work.remove(node)
            && epoch == session.epoch()
        {
            self.rested.insert(node.clone(), schedule::rested_at(since, now));
        }
        Some(self.rested.get(node).copied().unwrap_or_default())
    }

    fn send(&mut self, rooms: &Rooms, session: &Session, pool: PoolId, orders: Vec<CheckOrder>) {
        if orders.is_empty() {
            return;
        }
        let awaited = |order: &CheckOrder| {
            let CheckOrder { pool, generation, failures, .. } = *order;
            (order.path.clone(), Awaited::Checked { pool, generation, failures })
        };
        let awaited: Vec<_> = orders.iter().map(awaited).collect();
        let command = Command::Verify(VerifyFiles { pool, files: orders });
        match rooms.sessions.send(session, command, Work::Check, awaited) {
            Ok(_) => drop(self.at_work.insert(session.node().clone(), (session.epoch(), clock::now()))),
            Err(end) => tracing::debug!(node = %session.node(), "copies are read later: {end}"),
        }
    }
}

/// From now to then, never 0: nothing spins.
fn wait(then: UnixMillis, now: UnixMillis) -> Duration {
    Duration::from_millis(u64::try_from(then.0.saturating_sub(now.0)).unwrap_or(0)).max(Duration::from_millis(10))
}

async fn note(rooms: &Rooms, results: Vec<CheckResult>, trash: &mpsc::Sender<Word>, stop: &CancellationToken) {
    loop {
        crash_point!("check_word.before_commit");
        match rooms.store.note_checks(results.clone(), clock::now()).await {
            Ok(checked) => {
                crash_point!("check_word.after_commit");
                return announce(rooms, &checked, trash).await;
            }
            Err(cause) => tracing::error!("could not note {} checked copies, trying again: {cause:?}", results.len()),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(BOOKS_RETRY) => {}
        }
    }
}

async fn announce(rooms: &Rooms, checked: &[Checked], trash: &mpsc::Sender<Word>) {
    for copy in checked {
        let Checked { image, path, pool, was, .. } = copy;
        let message = format!("[Verify] {path} in pool {pool} {}", said(copy));
        match copy.is {
            Some(ReplicaState::Suspect | ReplicaState::Lost) if copy.is != Some(*was) => {
                tracing::error!(%image, pool_id = %pool, %path, "{message}");
            }
            is if is == Some(*was) => tracing::debug!(%image, pool_id = %pool, %path, "{message}"),
            _ => tracing::info!(%image, pool_id = %pool, %path, "{message}"),
        }
        rooms.events.publish(&Event { subject: Subject::Image(*image), message });
    }
    if checked.iter().any(|copy| copy.is == Some(ReplicaState::Live)) {
        rooms.empty_trash.notify_one(); // its old copies may go
    }
    if checked.iter().any(|copy| copy.is == Some(ReplicaState::Condemned)) {
        trash::look(rooms, trash).await;
    }
    if checked.iter().any(|copy| copy.is != Some(copy.was)) {
        rooms.sessions.usage_changed();
        rooms.wake.notify_one();
    }
}

/// What was found of a copy, for people.
fn said(copy: &Checked) -> &'static str {
    match (copy.found, copy.is) {
        (_, Some(ReplicaState::Condemned)) => "is not needed any more: its image is elsewhere; it goes to the trash",
        (Found::Missing, None) => "is not there, its image is elsewhere: it is off the books",
        (Found::Right, Some(ReplicaState::Lost)) => "was left behind by its image: it stays out of it",
        (Found::Right, _) => "is as it is on record",
        (Found::Wrong, _) => "does not match its checksum on record: it is suspect and is never copied as good",
        (Found::Missing, _) => "is not on its disk: it is lost",
    }
}

/// The node's word on a copy.
pub(super) fn result(
    (pool, generation, failures): (PoolId, Generation, u32),
    result: FileResult,
    now: UnixMillis,
) -> CheckResult {
    let outcome = match result.outcome {
        Outcome::Done => CheckOutcome::Found(Found::Right),
        Outcome::Mismatch => CheckOutcome::Found(Found::Wrong),
        Outcome::Missing => CheckOutcome::Found(Found::Missing),
        Outcome::Skipped | Outcome::Refused | Outcome::Retry | Outcome::Busy | Outcome::Full | Outcome::Stale => {
            tracing::warn!(pool_id = %pool, path = %result.path, "a copy could not be read: {}", result.message);
            again(failures, now)
        }
    };
    CheckResult { pool, path: result.path, generation, outcome }
}

/// It could not be read: not at once again.
pub(super) fn again(failures: u32, now: UnixMillis) -> CheckOutcome {
    CheckOutcome::Again(now.plus_seconds(schedule::after_check_failure(failures)))
}
