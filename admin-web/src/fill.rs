//! How full a pool is: against its own limit where it has one, else against the disk that it is on. Pure.

use pixelfox_proto::v1;

use crate::show::permille;

/// From here on (thousandths) a pool is worth a look.
const TIGHT: u64 = 900;
/// From here on nothing will fit soon.
const FULL: u64 = 975;
/// Of the disk, left free: below it the disk is worth a look.
const DISK_TIGHT: u64 = 50;

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
        match permille(self.used, self.capacity) {
            FULL.. => Level::Full,
            TIGHT.. => Level::Tight,
            _ => Level::Roomy,
        }
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

/// Whether the disk of a pool has less free than is good for it.
pub(crate) fn disk_is_tight(pool: &v1::Pool) -> bool {
    pool.filesystem_total > 0 && permille(pool.filesystem_free, pool.filesystem_total) < DISK_TIGHT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_full_a_pool_is() {
        for (why, used, max, free, capacity, level) in [
            ("a limit counts", 90, 100, 1_000, 100, Level::Tight),
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
    fn a_bar_never_leaves_its_frame_and_shows_the_smallest_part() {
        let fill = Fill { used: 1, trash: 999_999, unowned: 500_000, capacity: 1_000_000 };
        assert_eq!(fill.parts(200), [(0, 1), (1, 199), (200, 0)]);
        assert_eq!(Fill { used: 5, trash: 0, unowned: 0, capacity: 0 }.parts(200), [(0, 0); 3]);
    }
}
