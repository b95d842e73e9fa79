//! When the trash is emptied. Pure. Source: ARCHITECTURE.md, "A move": after `trash_hours`, or oldest first as soon as the
//! room is needed.

use std::collections::BTreeMap;

use pixelfox_proto::PoolId;

use super::PoolView;
use crate::catalog::{PurgeOrder, TrashView, UnixMillis};

/// Copies of one turn: what is deleted slows down what is written beside it, so it goes in small turns.
pub(super) const PURGED_AT_ONCE: u32 = 512;

/// What of each pool's trash goes now. `waiting`: bytes that the next moves would bring, by target; what a pool's node
/// wants free is in its view. Nothing of a pool that is away or ill, or whose last turn is not over.
/// O(pools² ), and there are few.
#[must_use]
pub fn purges(
    pools: &[PoolView],
    trash: &[TrashView],
    waiting: &BTreeMap<PoolId, u64>,
    hours: u32,
    now: UnixMillis,
) -> Vec<PurgeOrder> {
    let need = |pool: &PoolView| pool.wanted_bytes.max(waiting.get(&pool.id).copied().unwrap_or(0));
    let order = |view: &TrashView| {
        let pool = pools.iter().find(|pool| pool.id == view.pool && pool.healthy)?;
        let oldest = view.oldest.filter(|_| !view.is_purging)?;
        let on_disk = pools.iter().filter(|other| other.id == pool.id || other.shares_disk_with.contains(&pool.id));
        let short_on_disk = on_disk.map(|other| need(other).saturating_sub(other.disk_room_bytes())).max();
        let short_of_limit = pool.limit_room_bytes.map_or(0, |room| need(pool).saturating_sub(room));
        let short = short_of_limit.max(short_on_disk.unwrap_or(0));
        let order = PurgeOrder { pool: pool.id, until: now, bytes: Some(short), copies: PURGED_AT_ONCE };
        match () {
            () if short > 0 => Some(order),
            () if due(oldest, hours) <= now => Some(PurgeOrder { until: kept_since(now, hours), bytes: None, ..order }),
            () => None,
        }
    };
    trash.iter().filter_map(order).collect()
}

/// When the next copy is due by its age alone, of a pool that is there.
#[must_use]
pub fn next_purge(pools: &[PoolView], trash: &[TrashView], hours: u32) -> Option<UnixMillis> {
    let there = |view: &&TrashView| pools.iter().any(|pool| pool.id == view.pool && pool.healthy);
    trash.iter().filter(there).filter_map(|view| view.oldest).map(|oldest| due(oldest, hours)).min()
}

const fn due(oldest: UnixMillis, hours: u32) -> UnixMillis {
    oldest.plus_seconds(hours.saturating_mul(3600))
}

const fn kept_since(now: UnixMillis, hours: u32) -> UnixMillis {
    UnixMillis(now.0.saturating_sub(hours as i64 * 3_600_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const NOW: UnixMillis = UnixMillis(1_000 * HOUR);

    fn id(number: u64) -> PoolId {
        PoolId::try_from(number).expect("not 0")
    }

    fn pool(number: u64) -> PoolView {
        PoolView {
            id: id(number),
            name: format!("img{number}"),
            node: "s01".parse().expect("a NODE_ID"),
            healthy: true,
            active: true,
            limit_bytes: None,
            limit_room_bytes: None,
            disk_free_bytes: 100,
            reserved_bytes: 0,
            trash_bytes: 50,
            wanted_bytes: 0,
            shares_disk_with: Vec::new(),
        }
    }

    fn trash(number: u64, hours_old: i64) -> TrashView {
        TrashView { pool: id(number), oldest: Some(UnixMillis(NOW.0 - hours_old * HOUR)), is_purging: false }
    }

    fn aged(pool: u64, hours: i64) -> Option<PurgeOrder> {
        let until = UnixMillis(NOW.0 - hours * HOUR);
        Some(PurgeOrder { pool: id(pool), until, bytes: None, copies: PURGED_AT_ONCE })
    }

    fn pressed(pool: u64, bytes: u64) -> Option<PurgeOrder> {
        Some(PurgeOrder { pool: id(pool), until: NOW, bytes: Some(bytes), copies: PURGED_AT_ONCE })
    }

    #[test]
    fn what_of_a_pools_trash_goes() {
        // The pool with the trash is 1, beside it pool 2 without any; bytes that wait for a pool; and what follows.
        let busy = TrashView { is_purging: true, ..trash(1, 30) };
        let limited = |room| PoolView { limit_room_bytes: Some(room), ..pool(1) };
        let full = PoolView { disk_free_bytes: 40, reserved_bytes: 30, ..pool(1) };
        let beside = PoolView { shares_disk_with: vec![id(1)], disk_free_bytes: 40, reserved_bytes: 30, ..pool(2) };
        for (why, pools, view, waits, hours, want) in [
            ("young, and room enough", vec![pool(1)], trash(1, 23), 0, 24, None),
            ("old", vec![pool(1)], trash(1, 24), 0, 24, aged(1, 24)),
            ("none is kept", vec![pool(1)], trash(1, 0), 0, 0, aged(1, 0)),
            ("kept for ten years", vec![pool(1)], trash(1, 900), 0, 87_600, None),
            ("its node is away", vec![PoolView { healthy: false, ..pool(1) }], trash(1, 30), 90, 24, None),
            ("its last turn is not over", vec![pool(1)], busy, 90, 24, None),
            ("what waits fits", vec![pool(1)], trash(1, 1), 100, 24, None),
            ("what waits does not fit under the limit", vec![limited(60)], trash(1, 1), 70, 24, pressed(1, 10)),
            ("nor on the disk, with what is on its way in", vec![full], trash(1, 1), 30, 24, pressed(1, 20)),
            (
                "an upload was refused, or the reserve is touched",
                vec![PoolView { wanted_bytes: 30, ..limited(10) }],
                trash(1, 1),
                0,
                24,
                pressed(1, 20),
            ),
            ("room goes before age", vec![limited(0)], trash(1, 30), 5, 24, pressed(1, 5)),
        ] {
            let waiting = BTreeMap::from([(id(1), waits)]);
            let orders = purges(&pools, &[view], &waiting, hours, NOW);
            assert_eq!(orders, want.into_iter().collect::<Vec<_>>(), "{why}");
        }
        let waiting = BTreeMap::from([(id(2), 30)]);
        let orders = purges(&[pool(1), beside.clone()], &[trash(1, 1)], &waiting, 24, NOW);
        assert_eq!(orders, [pressed(1, 20).expect("one")], "a pool makes room for another on the same disk");
        let under_its_limit = PoolView { limit_room_bytes: Some(0), disk_free_bytes: 100, ..beside };
        let orders = purges(&[pool(1), under_its_limit], &[trash(1, 1)], &waiting, 24, NOW);
        assert_eq!(orders, [], "but not for that one's limit");
    }

    #[test]
    fn the_next_turn_comes_with_the_next_copy_that_is_due() {
        // Of two pools the older copy counts; one that is away does not.
        let (pools, both) = ([pool(1), pool(2)], [trash(1, 2), trash(2, 5)]);
        assert_eq!(next_purge(&pools, &both, 24), Some(UnixMillis(NOW.0 + 19 * HOUR)));
        let away = [pool(1), PoolView { healthy: false, ..pool(2) }];
        assert_eq!(next_purge(&away, &both, 24), Some(UnixMillis(NOW.0 + 22 * HOUR)));
        assert_eq!(next_purge(&pools, &[], 24), None);
    }
}
