//! How full a pool is: against its own limit where it has one, else against the disk that it is on. Pure.

use pixelfox_proto::v1;

use crate::{show::permille, words::Units};

/// From here on (thousandths) a pool or a disk is worth a look.
const TIGHT: u64 = 900;
/// From here on nothing will fit soon.
const FULL: u64 = 950;
/// A file system keeps at least that free where the reserve is not set, or a hundredth of itself.
const RESERVE: u64 = 1 << 30;

/// Parts of a pool's room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fill {
    /// Bytes of the live copies.
    pub(crate) used: u64,
    /// Bytes in the trash.
    pub(crate) trash: u64,
    /// Bytes of files without a record.
    pub(crate) unowned: u64,
    /// All of its room; 0: not known.
    pub(crate) capacity: u64,
}

/// How it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Roomy,
    Tight,
    Full,
}

impl Level {
    /// Of `used` bytes out of `capacity`.
    pub(crate) fn of(used: u64, capacity: u64) -> Self {
        match permille(used, capacity) {
            FULL.. => Self::Full,
            TIGHT.. => Self::Tight,
            _ => Self::Roomy,
        }
    }

    /// The icon's and the stylesheet's word; none where all is well.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Roomy => "",
            Self::Tight => "warn",
            Self::Full => "bad",
        }
    }

    /// Of a bar.
    pub(crate) const fn bar(self) -> &'static str {
        match self {
            Self::Roomy => "roomy",
            Self::Tight => "tight",
            Self::Full => "full",
        }
    }

    /// Said beside the colour.
    pub(crate) const fn word(self, units: &Units) -> &'static str {
        match self {
            Self::Roomy => "",
            Self::Tight => units.tight,
            Self::Full => units.full,
        }
    }
}

impl Fill {
    pub(crate) const fn of(pool: &v1::Pool) -> Self {
        let (used, trash, unowned) = (pool.used_size, pool.trash_size, pool.unowned_size);
        let capacity = match (pool.max_size, pool.filesystem_free) {
            (0, 0) => 0,
            (0, free) => used.saturating_add(trash).saturating_add(unowned).saturating_add(free),
            (limit, _) => limit,
        };
        Self { used, trash, unowned, capacity }
    }

    /// What can't be emptied at need: the trash makes room by itself.
    pub(crate) fn level(&self) -> Level {
        Level::of(self.used, self.capacity)
    }

    /// Left edge and width of each part of a bar that is `width` long: used, trash, unowned.
    pub(crate) fn parts(&self, width: u64) -> [(u64, u64); 3] {
        let mut parts = [(0, 0); 3];
        let mut left = 0;
        for (part, bytes) in parts.iter_mut().zip([self.used, self.trash, self.unowned]) {
            let share = permille(bytes, self.capacity) * width / 1000;
            // What is there is seen.
            let share = if bytes > 0 && self.capacity > 0 { share.max(1) } else { share };
            let share = share.min(width - left);
            *part = (left, share);
            left += share;
        }
        parts
    }
}

/// Whether something can still be put into it, as far as can be told from here.
pub(crate) fn has_room(pool: &v1::Pool) -> bool {
    let reserve = RESERVE.min(pool.filesystem_total / 100);
    let disk_has = pool.filesystem_total == 0 || pool.filesystem_free > reserve;
    disk_has && (pool.max_size == 0 || pool.used_size < pool.max_size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_full_a_pool_is() {
        for (why, used, max, free, capacity, level) in [
            ("a limit counts", 899, 1_000, 9_000, 1_000, Level::Roomy),
            ("from 90 % on it gets tight", 900, 1_000, 9_000, 1_000, Level::Tight),
            ("at 93 % it is not calm", 930, 1_000, 9_000, 1_000, Level::Tight),
            ("from 95 % on it is as good as full", 950, 1_000, 9_000, 1_000, Level::Full),
            ("without one the disk does", 10, 0, 90, 100, Level::Roomy),
            ("beyond its limit it is full", 150, 100, 1_000, 100, Level::Full),
            ("a node that is away says nothing", 10, 0, 0, 0, Level::Roomy),
        ] {
            let pool = v1::Pool { used_size: used, max_size: max, filesystem_free: free, ..v1::Pool::default() };
            let fill = Fill::of(&pool);
            assert_eq!((fill.capacity, fill.level()), (capacity, level), "{why}");
        }
    }

    #[test]
    fn a_pool_takes_until_its_limit_or_its_disk_is_reached() {
        for (why, used, max, free, total, want) in [
            ("at 99 % of its limit it still takes", 99, 100, 500, 1_000, true),
            ("at its limit it takes nothing", 100, 100, 500, 1_000, false),
            ("the last hundredth of the disk is kept free", 1, 0, 10, 1_000, false),
            ("a node that is away says nothing", 1, 0, 0, 0, true),
        ] {
            let pool = v1::Pool { used_size: used, max_size: max, filesystem_free: free, ..v1::Pool::default() };
            assert_eq!(has_room(&v1::Pool { filesystem_total: total, ..pool }), want, "{why}");
        }
    }

    #[test]
    fn a_bar_never_leaves_its_frame_and_shows_the_smallest_part() {
        let fill = Fill { used: 1, trash: 999_999, unowned: 500_000, capacity: 1_000_000 };
        assert_eq!(fill.parts(200), [(0, 1), (1, 199), (200, 0)]);
        assert_eq!(Fill { used: 5, trash: 0, unowned: 0, capacity: 0 }.parts(200), [(0, 0); 3]);
    }
}
