//! The chore that empties the trash: a copy that has been there for `trash_hours`, or the oldest ones as soon as their
//! room is needed. It sleeps until the next copy is due or somebody says that something has changed. What it notes as
//! `purging` is sent by the room for old copies, as everything else that a node has to hear about them.

use std::sync::Arc;
use std::time::Duration;

use pixelfox_proto::PoolId;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Rooms;
use super::trash::Word;
use crate::catalog::{Lane, PurgeOrder, TrashView, UnixMillis};
use crate::clock;
use crate::events::{Event, Subject};
use crate::schedule::{self, FULL_TARGET_WAIT_SECONDS, JOBS_PER_COMMAND, PoolView};
use crate::store::StoreError;

/// Between two looks at least, however much happens.
const REST: Duration = Duration::from_millis(250);
/// After a turn that nobody waits for: what is deleted slows down what is written beside it.
const UNHURRIED: Duration = Duration::from_secs(1);
/// Copies are due that may not go (their live copy is not known to be right or can't be reached, a job may bring them back): without a
/// signal, look again so much later.
const BLOCKED_RETRY: Duration = Duration::from_secs(600);
/// After the books could not be read or written.
const BOOKS_RETRY: Duration = Duration::from_secs(1);

/// Runs until `stop`.
pub(super) async fn run(rooms: Arc<Rooms>, words: mpsc::Sender<Word>, stop: CancellationToken) {
    loop {
        let Turn { rest, next } = match turn(&rooms, &words).await {
            Ok(turn) => turn,
            Err(cause) => {
                tracing::error!("could not look into the trash, trying again: {cause:?}");
                Turn { rest: BOOKS_RETRY, next: Some(Instant::now()) }
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(rest) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = rooms.empty_trash.notified() => {}
            () = async { sleep_until(next.unwrap_or_else(Instant::now)).await }, if next.is_some() => {}
        }
    }
}

/// What follows a look.
struct Turn {
    /// Not before that.
    rest: Duration,
    /// Then without a signal; `None`: only by one.
    next: Option<Instant>,
}

async fn turn(rooms: &Rooms, words: &mpsc::Sender<Word>) -> Result<Turn, StoreError> {
    let mut trash = rooms.store.trash_views().await?;
    if trash.is_empty() {
        return Ok(Turn { rest: REST, next: None });
    }
    let now = clock::now();
    let (pools, settings) = (rooms.store.list_pools().await?, rooms.store.settings().await?);
    let views = rooms.sessions.pool_views(&pools, &settings);
    // The server that a node is attached to empties its pools.
    trash.retain(|view| views.iter().any(|pool| pool.id == view.pool && rooms.sessions.of(&pool.node).is_some()));
    let lanes = waiting(rooms.store.lanes(now).await?, &views, now);
    let until = now.plus_seconds(FULL_TARGET_WAIT_SECONDS);
    let waiting = rooms.store.waiting_bytes(&lanes, JOBS_PER_COMMAND, until).await?;
    let orders = schedule::purges(&views, &trash, &waiting, settings.trash_hours, now);
    // A copy that can't be read now may never be again: then the old one is the last.
    let unreachable: Vec<PoolId> = views.iter().filter(|pool| !pool.healthy).map(|pool| pool.id).collect();
    let (mut rest, mut is_blocked) = (REST, false);
    for order in orders {
        crash_point!("purging.before_commit");
        let purging = rooms.store.begin_purges(order, unreachable.clone(), now).await?;
        is_blocked |= purging.copies == 0;
        if purging.copies > 0 {
            crash_point!("purging.after_commit");
            if order.bytes.is_none() {
                rest = UNHURRIED;
            }
            begun(rooms, words, &views, order, purging.copies, purging.bytes).await;
        }
    }
    Ok(Turn { rest, next: next(&views, &trash, settings.trash_hours, now, is_blocked) })
}

/// Lanes whose next jobs wait for room at most, at targets that take something.
fn waiting(mut lanes: Vec<Lane>, views: &[PoolView], now: UnixMillis) -> Vec<Lane> {
    let soon = now.plus_seconds(FULL_TARGET_WAIT_SECONDS);
    let takes = |lane: &Lane| views.iter().any(|pool| Some(pool.id) == lane.target && pool.healthy && pool.active);
    lanes.retain(|lane| (lane.due > 0 || lane.next.is_some_and(|next| next <= soon)) && takes(lane));
    lanes
}

fn next(views: &[PoolView], trash: &[TrashView], hours: u32, now: UnixMillis, is_blocked: bool) -> Option<Instant> {
    let at = schedule::next_purge(views, trash, hours)?;
    let wait = Duration::from_millis(u64::try_from(at.0.saturating_sub(now.0)).unwrap_or(0));
    // What is under way, or can't go, is no reason to look at once again: the nodes' words are signals.
    let is_purging = trash.iter().any(|view| view.is_purging);
    let least = if is_blocked || is_purging { BLOCKED_RETRY } else { REST };
    Some(Instant::now() + wait.max(least))
}

async fn begun(
    rooms: &Rooms,
    words: &mpsc::Sender<Word>,
    views: &[PoolView],
    order: PurgeOrder,
    copies: u64,
    bytes: u64,
) {
    let Some(pool) = views.iter().find(|view| view.id == order.pool) else { return };
    let why = if order.bytes.is_some() { "their room is needed" } else { "they were kept long enough" };
    let message =
        format!("[Trash] Purging {copies} old copies ({bytes} bytes) of pool {} ({}): {why}", pool.name, pool.id);
    tracing::info!(pool_id = %pool.id, copies, bytes, "{message}");
    rooms.events.publish(&Event { subject: Subject::Pool(pool.id), message });
    if words.send(Word::Free(pool.node.clone())).await.is_err() {
        tracing::debug!("what is to be purged is due at the next Attach");
    }
}
