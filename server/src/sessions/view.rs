//! The pools as decisions see them: what the books say of each, and its node's last word. Pure but for the locks.

use std::collections::BTreeMap;

use pixelfox_proto::PoolId;

use super::{PoolHealth, Sessions};
use crate::catalog::{Pool, Settings};
use crate::schedule::PoolView;

/// Kept free on every file system where no other value is set: so many bytes, or a hundredth of it where that is less.
const RESERVE_BYTES: u64 = 1 << 30;

impl Sessions {
    /// These pools, each with what its node last said of it; O(pools²) where file systems are shared.
    pub fn pool_views(&self, pools: &[Pool], settings: &Settings) -> Vec<PoolView> {
        let health = |pool: &Pool| self.seat(&pool.node)?.pool(pool.id);
        let seen: BTreeMap<PoolId, PoolHealth> =
            pools.iter().filter_map(|pool| Some((pool.id, health(pool)?))).collect();
        pools.iter().map(|pool| view(pool, pools, &seen, settings)).collect()
    }
}

fn view(pool: &Pool, pools: &[Pool], seen: &BTreeMap<PoolId, PoolHealth>, settings: &Settings) -> PoolView {
    let health = seen.get(&pool.id);
    let disk = |id: PoolId| seen.get(&id).map(|health| health.file_system).filter(|it| *it != 0);
    let shares = |other: &&Pool| other.id != pool.id && disk(pool.id).is_some() && disk(other.id) == disk(pool.id);
    let beside: Vec<&Pool> = pools.iter().filter(shares).collect();
    PoolView {
        id: pool.id,
        name: pool.name.clone(),
        node: pool.node.clone(),
        healthy: health.is_some_and(|health| health.problem.is_none()),
        active: pool.is_active,
        limit_room_bytes: pool.room(),
        disk_free_bytes: health.map_or(0, |health| above_reserve(health, settings)),
        reserved_bytes: beside
            .iter()
            .fold(pool.usage.reserved_bytes, |sum, other| sum.saturating_add(other.usage.reserved_bytes)),
        trash_bytes: pool.usage.trash_bytes,
        wanted_bytes: health.map_or(0, |health| health.wanted_bytes),
        shares_disk_with: beside.iter().map(|other| other.id).collect(),
    }
}

/// Bytes that a file system has free above what it keeps.
#[must_use]
pub fn above_reserve(health: &PoolHealth, settings: &Settings) -> u64 {
    let reserve = settings.reserve_bytes.unwrap_or_else(|| RESERVE_BYTES.min(health.total_bytes / 100));
    health.free_bytes.saturating_sub(reserve)
}
