//! The pools as decisions see them: what the books say of each, and its node's last word. Pure but for the locks.

use std::collections::BTreeMap;
use std::time::Duration;

use pixelfox_proto::PoolId;

use super::{PoolHealth, Sessions, Trouble};
use crate::catalog::{Located, Pool, PoolReport, Settings};
use crate::schedule::PoolView;

/// Kept free on every file system where no other value is set: so many bytes, or a hundredth of it where that is less.
const RESERVE_BYTES: u64 = 1 << 30;

/// By then every node that is well has attached to a server that has started.
const ALL_ATTACHED: Duration = Duration::from_secs(30);

impl Sessions {
    /// Pools whose node is attached, here or elsewhere, and does not say that their files are out of its reach. O(pools).
    #[must_use]
    pub fn readable_pools(&self) -> Vec<PoolId> {
        let here = self.all().into_iter().flat_map(|session| session.pools());
        let here = here.filter(|(_, health)| can_be_read(health)).map(|(pool, _)| pool);
        let others = self.others();
        let is_well = |report: &&PoolReport| report.problem.is_none();
        let elsewhere = others.iter().flat_map(|node| node.pools.iter().filter(is_well).map(|report| report.pool));
        here.chain(elsewhere).collect()
    }

    /// Why nobody can get a file from there now, where that is known. Of a node that this server has not seen yet it is not
    /// soon after the start: all of them attach then.
    #[must_use]
    pub fn out_of_reach(&self, place: &Located) -> Option<String> {
        let node = &place.node;
        let was_here = || self.attaches.lock().contains_key(node) || self.since.elapsed() >= ALL_ATTACHED;
        match self.seat(node) {
            _ if place.legacy_node => None,
            None => was_here().then(|| format!("storage node {node} is offline")),
            Some(seat) => {
                let is_away = seat.pool(place.pool).is_some_and(|health| !can_be_read(&health));
                is_away.then(|| format!("a storage pool of node {node} can't be read"))
            }
        }
    }

    /// These pools, each with what its node last said of it; O(pools²) where file systems are shared.
    pub fn pool_views(&self, pools: &[Pool], settings: &Settings) -> Vec<PoolView> {
        let health = |pool: &Pool| self.seat(&pool.node)?.pool(pool.id);
        let seen: BTreeMap<PoolId, PoolHealth> =
            pools.iter().filter_map(|pool| Some((pool.id, health(pool)?))).collect();
        pools.iter().map(|pool| view(pool, pools, &seen, settings)).collect()
    }
}

/// A full disk, or one that can't be written, can still be read.
fn can_be_read(health: &PoolHealth) -> bool {
    health.problem.is_none() || matches!(health.trouble, Some(Trouble::Full | Trouble::NotWritable))
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
        limit_bytes: (pool.max_size > 0).then_some(pool.max_size),
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
