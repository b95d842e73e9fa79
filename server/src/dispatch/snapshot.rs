//! The cluster at one moment, as the pure `schedule` wants it: books and sessions put together.

use std::sync::Arc;

use crate::catalog::{Pool, Settings};
use crate::clock;
use crate::schedule::{NodeView, PoolView, Snapshot};
use crate::sessions::{PoolHealth, Session, Sessions, Work};
use crate::store::{Store, StoreError};

/// Commands for the trash that a node has to work off before it gets more to push: commits must not outrun it.
const RENAMES_BEHIND: usize = 16;
/// Kept free on every file system where no other value is set: so many bytes, or a hundredth of it where that is less.
const RESERVE_BYTES: u64 = 1 << 30;

/// What is decided on now: all pools on record, and the snapshot made of them, the sessions and the pending work.
///
/// # Errors
/// The books can't be read.
pub async fn snapshot(store: &Store, sessions: &Sessions) -> Result<(Vec<Pool>, Snapshot), StoreError> {
    let now = clock::now();
    let (pools, settings, lanes) = (store.list_pools().await?, store.settings().await?, store.lanes(now).await?);
    let live = sessions.all();
    let nodes = live.iter().map(|session| node_view(session, &settings)).collect();
    let views = pools.iter().map(|pool| pool_view(pool, &live, &settings)).collect();
    let paused = store.queue_paused().await?;
    Ok((pools, Snapshot { now, nodes, pools: views, lanes, paused }))
}

fn node_view(session: &Session, settings: &Settings) -> NodeView {
    let slots = session.hello().about.slots.min(settings.move_slots_per_node);
    let behind = session.pending.count(Work::Rename) >= RENAMES_BEHIND;
    let running = u32::try_from(session.pending.count(Work::Push)).unwrap_or(u32::MAX);
    NodeView { node: session.node().clone(), epoch: session.epoch(), slots, running, behind }
}

fn pool_view(pool: &Pool, live: &[Arc<Session>], settings: &Settings) -> PoolView {
    let session = live.iter().find(|session| *session.node() == pool.node);
    let health = session.and_then(|session| session.pool(pool.id));
    PoolView {
        id: pool.id,
        name: pool.name.clone(),
        node: pool.node.clone(),
        healthy: health.as_ref().is_some_and(|health| health.problem.is_none()),
        active: pool.is_active,
        limit_room_bytes: pool.room(),
        disk_free_bytes: health.map_or(0, |health| above_reserve(&health, settings)),
        reserved_bytes: pool.usage.reserved_bytes,
    }
}

/// Bytes that a file system has free above what it keeps.
fn above_reserve(health: &PoolHealth, settings: &Settings) -> u64 {
    let reserve = settings.reserve_bytes.unwrap_or_else(|| RESERVE_BYTES.min(health.total_bytes / 100));
    health.free_bytes.saturating_sub(reserve)
}
