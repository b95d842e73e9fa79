//! The cluster at one moment, as the pure `schedule` wants it: books and sessions put together.

use crate::catalog::{NodeElsewhere, Pool, Settings};
use crate::clock;
use crate::schedule::{NodeView, Snapshot};
use crate::sessions::{Session, Sessions, Work};
use crate::store::{Store, StoreError};

/// Commands for the trash that a node has to work off before it gets more to push: commits must not outrun it.
pub(super) const RENAMES_BEHIND: usize = 16;

/// What is decided on now: all pools on record, and the snapshot made of them, the sessions and the pending work.
///
/// # Errors
/// The books can't be read.
pub async fn snapshot(store: &Store, sessions: &Sessions) -> Result<(Vec<Pool>, Snapshot), StoreError> {
    let now = clock::now();
    let (pools, settings, lanes) = (store.list_pools().await?, store.settings().await?, store.lanes(now).await?);
    let live = sessions.all();
    let nodes = live.iter().map(|session| node_view(session, &settings)).collect();
    let elsewhere = sessions.others().iter().map(|other| node_elsewhere(other)).collect();
    let views = sessions.pool_views(&pools, &settings);
    let paused = store.queue_paused().await?;
    Ok((pools, Snapshot { now, nodes, elsewhere, pools: views, lanes, paused }))
}

fn node_view(session: &Session, settings: &Settings) -> NodeView {
    let slots = session.hello().about.slots.min(settings.move_slots_per_node);
    let behind = session.pending.count(Work::Rename) >= RENAMES_BEHIND;
    let running = u32::try_from(session.pending.count(Work::Push)).unwrap_or(u32::MAX);
    NodeView { node: session.node().clone(), epoch: session.epoch(), slots, running, behind }
}

/// Its slots are its own server's to fill.
fn node_elsewhere(other: &NodeElsewhere) -> NodeView {
    NodeView { node: other.node.clone(), epoch: other.epoch, slots: 0, running: 0, behind: false }
}
