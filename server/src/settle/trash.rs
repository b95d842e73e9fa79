//! Old copies, condemned or to be purged: the word to their node, and the node's word back. An order goes out after the
//! commit that made it; one that a crash or a lost session left behind goes out when the node attaches again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pixelfox_proto::{Generation, NodeId, PoolId};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Rooms;
use crate::catalog::{TrashOrder, TrashOutcome, TrashResult, TrashTask, UnixMillis};
use crate::clock;
use crate::events::{Event, Subject};
use crate::schedule;
use crate::sessions::{Awaited, Command, FileResult, Outcome, Session, SessionEnd, TrashFile, TrashFiles, Work};

/// Files of one command at most.
const FILES: usize = 256;
/// Orders that are read from the books at once; further ones when these are through.
const DUE: u32 = 512;
/// Likewise copies to be purged: what is deleted slows down what is written beside it.
const PURGES_DUE: u32 = 256;
/// Results that are noted in one transaction at most.
const BATCH: usize = 512;
/// After the books could not be written.
const BOOKS_RETRY: Duration = Duration::from_secs(1);

/// What the trash task hears.
#[derive(Debug)]
pub(super) enum Word {
    /// A commit made these; they count as sent.
    Orders(Vec<TrashOrder>),
    /// A node's word on some.
    Results(Vec<TrashResult>),
    /// A node attached, or has worked off what it was told.
    Free(NodeId),
}

/// Runs until `stop`; what was sent before is written down.
pub(super) async fn run(rooms: Arc<Rooms>, mut words: mpsc::Receiver<Word>, stop: CancellationToken) {
    let mut heard = Vec::new();
    let mut again: Option<Instant> = None;
    loop {
        tokio::select! {
            biased;
            count = words.recv_many(&mut heard, BATCH) => if count == 0 { return },
            () = stop.cancelled(), if !words.is_closed() => words.close(),
            () = async { sleep_until(again.unwrap_or_else(Instant::now)).await }, if again.is_some() => {
                again = None;
                heard.extend(rooms.sessions.all().iter().map(|session| Word::Free(session.node().clone())));
            }
        }
        if let Some(later) = work_off(&rooms, std::mem::take(&mut heard), &stop).await {
            again = Some(again.map_or(later, |earlier| earlier.min(later)));
        }
    }
}

/// A job ended without its commit: what it has at its target is due for the trash there, whichever node that is.
pub(super) async fn look(rooms: &Rooms, words: &mpsc::Sender<Word>) {
    for session in rooms.sessions.all() {
        if words.send(Word::Free(session.node().clone())).await.is_err() {
            tracing::debug!("old copies stay until their node attaches again");
        }
    }
}

/// Results first, so that what is due after them is up to date. Comes back with when to look again.
async fn work_off(rooms: &Rooms, words: Vec<Word>, stop: &CancellationToken) -> Option<Instant> {
    let (mut orders, mut results, mut free) = (Vec::new(), Vec::new(), Vec::new());
    for word in words {
        match word {
            Word::Orders(more) => orders.extend(more),
            Word::Results(more) => results.extend(more),
            Word::Free(node) if !free.contains(&node) => free.push(node),
            Word::Free(_) => {}
        }
    }
    send(rooms, orders);
    if !results.is_empty() {
        note(rooms, results, stop).await;
    }
    let mut again: Option<Instant> = None;
    for node in free {
        let later = send_due(rooms, &node).await;
        again = [again, later].into_iter().flatten().min();
    }
    again
}

/// Sends orders that count as sent. Where a session is over they are due again under the next one.
fn send(rooms: &Rooms, orders: Vec<TrashOrder>) {
    let mut by_pool: BTreeMap<(NodeId, PoolId, TrashTask), Vec<TrashOrder>> = BTreeMap::new();
    for order in orders {
        by_pool.entry((order.node.clone(), order.pool, order.task)).or_default().push(order);
    }
    for ((node, pool, task), orders) in by_pool {
        let Some(session) = rooms.sessions.of(&node) else {
            continue;
        };
        for orders in orders.chunks(FILES) {
            if let Err(end) = send_one(rooms, &session, (pool, task), orders) {
                tracing::debug!(%node, "old copies stay for now: {end}");
                break;
            }
        }
    }
}

fn send_one(
    rooms: &Rooms,
    session: &Session,
    (pool, task): (PoolId, TrashTask),
    orders: &[TrashOrder],
) -> Result<(), crate::sessions::SessionEnd> {
    let file = |order: &TrashOrder| {
        let TrashOrder { generation, origin, job, .. } = *order;
        TrashFile { path: order.path.clone(), generation, origin, job }
    };
    let files = orders.iter().map(file).collect();
    let awaited = |order: &TrashOrder| {
        let TrashOrder { task, pool, generation, failures, .. } = *order;
        (order.path.clone(), Awaited::Trashed { task, pool, generation, failures })
    };
    let command = Command::Trash(TrashFiles { task, pool, files });
    match task {
        TrashTask::Trash => crash_point!("trash_order.before_send"),
        TrashTask::Purge => crash_point!("purge_order.before_send"),
    }
    let sent = rooms.sessions.send(session, command, work(task), orders.iter().map(awaited)).map(drop);
    match task {
        TrashTask::Trash => crash_point!("trash_order.after_send"),
        TrashTask::Purge => crash_point!("purge_order.after_send"),
    }
    sent
}

const fn work(task: TrashTask) -> Work {
    match task {
        TrashTask::Trash => Work::Rename,
        TrashTask::Purge => Work::Purge,
    }
}

/// Reads what is due for a node that has nothing more to do, and sends it. Comes back with when to look again.
async fn send_due(rooms: &Rooms, node: &NodeId) -> Option<Instant> {
    let session = rooms.sessions.of(node)?;
    let (now, epoch, store) = (clock::now(), session.epoch(), &rooms.store);
    let mut has_work = false;
    for task in [TrashTask::Trash, TrashTask::Purge] {
        if session.pending.count(work(task)) > 0 {
            has_work = true;
            continue;
        }
        let due = match task {
            TrashTask::Trash => store.delete_orders_due(node.clone(), epoch, DUE, now).await,
            TrashTask::Purge => store.purge_orders_due(node.clone(), epoch, PURGES_DUE, now).await,
        };
        match due {
            Ok(due) => {
                has_work |= !due.is_empty();
                send(rooms, due);
            }
            Err(cause) => {
                if cause.may_have_happened() {
                    // They count as sent, then: under the node's next session they are due again.
                    session.finish(SessionEnd::Books("the answer about old copies was lost".into()));
                }
                return failed(node, &cause);
            }
        }
    }
    if has_work {
        return None;
    }
    match store.next_trash_order(node, epoch).await {
        Ok(next) => next.map(|at| Instant::now() + wait(at, now)),
        Err(cause) => failed(node, &cause),
    }
}

fn failed(node: &NodeId, cause: &crate::store::StoreError) -> Option<Instant> {
    tracing::error!(%node, "could not read which old copies are due for the trash: {cause:?}");
    Some(Instant::now() + BOOKS_RETRY)
}

/// From now to then, a second at least: nothing spins.
fn wait(then: UnixMillis, now: UnixMillis) -> Duration {
    Duration::from_millis(u64::try_from(then.0.saturating_sub(now.0)).unwrap_or(0)).max(BOOKS_RETRY)
}

async fn note(rooms: &Rooms, results: Vec<TrashResult>, stop: &CancellationToken) {
    loop {
        crash_point!("trash_word.before_commit");
        match rooms.store.finish_trash(results.clone(), clock::now()).await {
            Ok(settled) => {
                crash_point!("trash_word.after_commit");
                rooms.published(settled);
                purged(rooms, &results);
                rooms.sessions.usage_changed();
                rooms.wake.notify_one();
                rooms.empty_trash.notify_one();
                return;
            }
            Err(cause) => tracing::error!("could not note {} old copies, trying again: {cause:?}", results.len()),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(BOOKS_RETRY) => {}
        }
    }
}

/// The pools whose trash has become smaller.
fn purged(rooms: &Rooms, results: &[TrashResult]) {
    let mut copies: BTreeMap<PoolId, usize> = BTreeMap::new();
    for word in results.iter().filter(|word| word.task == TrashTask::Purge) {
        if matches!(word.outcome, TrashOutcome::Purged | TrashOutcome::Missing) {
            *copies.entry(word.pool).or_default() += 1;
        }
    }
    for (pool, copies) in copies {
        let message = format!("[Trash] Purged {copies} old copies of pool {pool}");
        tracing::debug!(pool_id = %pool, copies, "{message}");
        rooms.events.publish(&Event { subject: Subject::Pool(pool), message });
    }
}

/// The node's word on an old copy. A copy with another mark than the books know is for a person to look at.
pub(super) fn result(
    (task, pool, generation, failures): (TrashTask, PoolId, Generation, u32),
    result: FileResult,
    now: UnixMillis,
) -> TrashResult {
    let FileResult { path, outcome, message, .. } = result;
    let outcome = match (outcome, task) {
        (Outcome::Done | Outcome::Skipped, TrashTask::Trash) => TrashOutcome::Trashed,
        (Outcome::Done | Outcome::Skipped, TrashTask::Purge) => TrashOutcome::Purged,
        (Outcome::Missing, _) => TrashOutcome::Missing,
        (Outcome::Stale, _) => {
            tracing::error!(
                pool_id = %pool, %path, %generation,
                "the old copy of {path} in pool {pool} has another generation than {generation}: it stays, look at it \
                 with Stat ({message})"
            );
            TrashOutcome::Stale(message)
        }
        (Outcome::Mismatch | Outcome::Refused | Outcome::Retry | Outcome::Busy | Outcome::Full, _) => {
            tracing::warn!(pool_id = %pool, %path, "an old copy was not put into the trash, or out of it: {message}");
            again(failures, now)
        }
    };
    TrashResult { task, pool, path, generation, outcome }
}

/// It went wrong once more: not at once again.
pub(super) fn again(failures: u32, now: UnixMillis) -> TrashOutcome {
    TrashOutcome::Again(now.plus_seconds(schedule::after_trash_failure(failures)))
}
