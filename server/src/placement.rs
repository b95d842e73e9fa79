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
    /// Bytes in its trash: room that is made as soon as its node asks for it.
    pub trash_bytes: u64,
    /// The default pool: only where no other has room.
    pub is_last_resort: bool,
    /// The hottest first.
    pub tier: StorageTier,
    /// In a tier the lowest first.
    pub priority: i32,
}

/// The pools for an upload of `size` bytes, best first; empty where no open pool has room or can make it. Those whose
/// trash has to go first come last: their node may refuse until it has. O(pools log pools), pure.
/// Source: docs/configuration.md, "The pool for an upload". Last key: the id, so that equal pools never flap.
#[must_use]
pub fn rank(pools: &[PlaceView], size: u64) -> Vec<PoolId> {
    let can_have_room = |pool: &&PlaceView| pool.open && pool.free_bytes.saturating_add(pool.trash_bytes) >= size;
    let mut places: Vec<&PlaceView> = pools.iter().filter(can_have_room).collect();
    let key = |pool: &&PlaceView| (pool.free_bytes < size, pool.is_last_resort, pool.tier, pool.priority, pool.id);
    places.sort_by_key(key);
    places.into_iter().map(|pool| pool.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(id: u64) -> PlaceView {
        let id = PoolId::try_from(id).unwrap();
        let tier = StorageTier::Hot;
        PlaceView { id, open: true, free_bytes: 100, trash_bytes: 0, is_last_resort: false, tier, priority: 10 }
    }

    #[test]
    fn the_pool_for_an_upload() {
        let warm = |pool| PlaceView { tier: StorageTier::Warm, ..pool };
        let cold = |pool| PlaceView { tier: StorageTier::Cold, ..pool };
        let first = |pool| PlaceView { priority: 1, ..pool };
        let full = |pool| PlaceView { free_bytes: 9, ..pool };
        let to_empty = |pool| PlaceView { trash_bytes: 1, ..full(pool) };
        let default = |pool| PlaceView { is_last_resort: true, ..pool };
        let closed = |pool| PlaceView { open: false, ..pool };
        for (why, pools, want) in [
            ("a hotter tier goes before priority", vec![first(warm(pool(1))), pool(2)], Some(2)),
            ("warm goes before the others", vec![first(cold(pool(1))), warm(pool(2))], Some(2)),
            ("in a tier the lowest priority", vec![pool(1), first(pool(2))], Some(2)),
            ("then the lowest id", vec![pool(3), pool(2)], Some(2)),
            ("a full pool is passed over", vec![full(pool(1)), pool(2)], Some(2)),
            ("a closed pool is passed over", vec![closed(pool(1)), pool(2)], Some(2)),
            ("the default pool comes last", vec![default(first(pool(1))), cold(pool(2))], Some(2)),
            ("but it takes what no other has room for", vec![default(pool(1)), full(pool(2))], Some(1)),
            (
                "one whose trash has to go first comes after the default pool",
                vec![to_empty(pool(1)), default(pool(2))],
                Some(2),
            ),
            ("but it takes what no other has room for", vec![to_empty(pool(1)), full(pool(2))], Some(1)),
            ("no room anywhere", vec![full(pool(1)), closed(pool(2))], None),
            ("no pool at all", vec![], None),
        ] {
            assert_eq!(rank(&pools, 10).first().map(|id| id.get()), want, "{why}");
        }
    }

    #[test]
    fn the_next_best_follow_in_order() {
        let of = |id, priority, is_last_resort| PlaceView { priority, is_last_resort, ..pool(id) };
        let pools = [of(1, 99, true), of(2, 10, false), of(3, 5, false), of(4, 10, false)];
        assert_eq!(rank(&pools, 10).iter().map(|id| id.get()).collect::<Vec<_>>(), [3, 2, 4, 1]);
    }
}
