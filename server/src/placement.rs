//! Which pool takes an upload. Pure.

use pixelfox_proto::PoolId;

use crate::catalog::StorageTier;

/// A pool as a place for an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceView {
    /// Its id.
    pub id: PoolId,
    /// Active, online and healthy.
    pub open: bool,
    /// Bytes that it takes.
    pub free_bytes: u64,
    /// The default pool: only where no other has room.
    pub is_last_resort: bool,
    /// The hottest first.
    pub tier: StorageTier,
    /// In a tier the lowest first.
    pub priority: i32,
}

/// The pool for an upload of `size` bytes, or `None` where no open pool has room. O(pools), pure.
/// Source: CONTRACT.md, "The pool for an upload". Last key: the id, so that equal pools never flap.
#[must_use]
pub fn choose(pools: &[PlaceView], size: u64) -> Option<PoolId> {
    let with_room = pools.iter().filter(|pool| pool.open && pool.free_bytes >= size);
    with_room.min_by_key(|pool| (pool.is_last_resort, pool.tier, pool.priority, pool.id)).map(|pool| pool.id)
}
