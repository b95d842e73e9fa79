//! Condemned copies: the word to their node, and the node's word back. An order goes out after the commit that made
//! it; one that a crash or a lost session left behind goes out when the node attaches again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pixelfox_proto::{NodeId, PoolId};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::Rooms;
use crate::catalog::{TrashOrder, TrashResult, UnixMillis};
use crate::sessions::{Awaited, Command, Session, TrashFiles, Work};

/// Files of one command at most.
const FILES: usize = 256;
/// Orders that are read from the books at once; further ones when these are through.
const DUE: u32 = 512;
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

/// Runs until every sender is gone.
pub(super) async fn run(rooms: Arc<Rooms>, mut words: mpsc::Receiver<Word>) {
    let mut heard = Vec::new();
    let mut again: Option<Instant> = None;
    loop {
        tokio::select! {
            count = words.recv_many(&mut heard, BATCH) => if count == 0 { return },
            () = async { sleep_until(again.unwrap_or_else(Instant::now)).await }, if again.is_some() => {
                again = None;
                heard.extend(rooms.sessions.all().iter().map(|session| Word::Free(session.node().clone())));
            }
        }
        if let Some(later) = work_off(&rooms, std::mem::take(&mut heard)).await {
            again = Some(again.map_or(later, |earlier| earlier.min(later)));
        }
    }
}

/// Results first, so that what is due after them is up to date. Comes back with when to look again.
async fn work_off(rooms: &Rooms, words: Vec<Word>) -> Option<Instant> {
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
    let mut again = None;
    if !results.is_empty() {
        again = note(rooms, results).await;
    }
    for node in free {
        let later = send_due(rooms, &node).await;
        again = [again, later].into_iter().flatten().min();
    }
    again
}
