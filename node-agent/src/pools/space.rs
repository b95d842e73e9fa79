//! Room: what a pool may still take. Counted in memory; the disk's own figure is asked for each time. Pools on one file
//! system share what is free there. The decision is pure, the counting around it thin.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::clock;

/// A refusal for want of room is told of for so long.
const WANTED_FOR: Duration = Duration::from_secs(10);
/// What every file system keeps free. Source: admin.proto, `Settings.reserve_bytes`.
const RESERVE_BYTES: u64 = 1 << 30;
const RESERVE_SHARE: u64 = 100;

/// A pool's limit and what is on the coordinator's books against it, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Books {
    /// 0: no limit.
    pub(crate) limit: u64,
    pub(crate) used: u64,
    pub(crate) reserved: u64,
    /// Bytes that the file system keeps free; `None`: the default.
    pub(crate) keep_free: Option<u64>,
}

/// Whose bytes they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimant {
    /// A move, whose bytes are in the books' reservations already.
    Move,
    /// Anybody else.
    Other,
}

/// What has happened here since the books were told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Since {
    landed: u64,
    left: u64,
    in_flight: u64,
}

/// A file system, with what its pools have set aside and it does not count as used yet.
#[derive(Debug, Default)]
pub(crate) struct FileSystem {
    unwritten: Mutex<u64>,
}

impl FileSystem {
    fn unwritten(&self) -> u64 {
        *self.unwritten.lock()
    }
}

/// What a file system of `total` bytes keeps free.
fn keep_free(books: &Books, total: u64) -> u64 {
    books.keep_free.unwrap_or_else(|| RESERVE_BYTES.min(total / RESERVE_SHARE))
}

/// How many bytes fit. `free` and `total` are the file system's, `unwritten` is what all pools on it have set aside and
/// it does not count yet. Pure.
/// A move that has landed since the books were told counts twice against others until they are told again, so that
/// the error is on the careful side.
fn room(books: &Books, since: &Since, unwritten: u64, (free, total): (u64, u64), claimant: Claimant) -> u64 {
    let on_disk = free.saturating_sub(keep_free(books, total)).saturating_sub(unwritten);
    if books.limit == 0 {
        return on_disk;
    }
    let reserved = if claimant == Claimant::Move { 0 } else { books.reserved };
    let taken = books.used.saturating_add(since.landed).saturating_sub(since.left);
    let taken = taken.saturating_add(reserved).saturating_add(since.in_flight);
    on_disk.min(books.limit.saturating_sub(taken))
}

/// The counts of one pool.
#[derive(Debug, Default)]
pub(crate) struct Space {
    counts: Mutex<(Books, Since)>,
    /// What was refused last for want of room, and when.
    wanted: Mutex<Option<(u64, Instant)>>,
}

impl Space {
    /// The coordinator has told its books anew: what landed and left before is in them.
    pub(crate) fn told(&self, books: Books) {
        let mut counts = self.counts.lock();
        if counts.0 != books {
            counts.0 = books;
            (counts.1.landed, counts.1.left) = (0, 0);
        }
    }

    /// How many bytes fit.
    pub(crate) fn room(&self, on: &FileSystem, disk: (u64, u64), claimant: Claimant) -> u64 {
        let counts = self.counts.lock();
        room(&counts.0, &counts.1, on.unwritten(), disk, claimant)
    }

    /// Sets `bytes` aside; `None` where they do not fit.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        bytes: u64,
        on: &Arc<FileSystem>,
        disk: (u64, u64),
        claimant: Claimant,
    ) -> Option<Reservation> {
        let mut reservation =
            Reservation { space: Arc::clone(self), on: Arc::clone(on), claimant, bytes: 0, written: 0 };
        if !reservation.try_grow(bytes, disk) {
            reservation.refuse(bytes);
            return None;
        }
        Some(reservation)
    }

    /// Bytes that should become free: what was refused a short while ago, or what the file system lacks of its reserve.
    pub(crate) fn wanted(&self, (free, total): (u64, u64)) -> u64 {
        let refused = self.refused().unwrap_or(0);
        refused.max(keep_free(&self.counts.lock().0, total).saturating_sub(free))
    }

    /// What was refused a short while ago.
    pub(crate) fn refused(&self) -> Option<u64> {
        let recent = |at: Instant| clock::monotonic().duration_since(at) < WANTED_FOR;
        self.wanted.lock().filter(|(_, at)| recent(*at)).map(|(bytes, _)| bytes)
    }

    fn refuse(&self, bytes: u64) {
        let bytes = bytes.max(self.refused().unwrap_or(0));
        *self.wanted.lock() = Some((bytes, clock::monotonic()));
    }

    /// A file of `bytes` has left the pool.
    pub(crate) fn left(&self, bytes: u64) {
        self.counts.lock().1.left += bytes;
    }
}

/// Bytes set aside for a file on its way in, until it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    space: Arc<Space>,
    on: Arc<FileSystem>,
    claimant: Claimant,
    bytes: u64,
    written: u64,
}

impl Reservation {
    /// Sets `more` bytes aside; `false`, and nothing changes, where they do not fit.
    pub(crate) fn try_grow(&mut self, more: u64, disk: (u64, u64)) -> bool {
        let mut counts = self.space.counts.lock();
        let mut unwritten = self.on.unwritten.lock();
        if more > room(&counts.0, &counts.1, *unwritten, disk, self.claimant) {
            return false;
        }
        self.bytes += more;
        counts.1.in_flight += more;
        *unwritten += more;
        true
    }

    /// It would have had to become this large, and there was no room: that is told of.
    pub(crate) fn refuse(&self, more: u64) {
        self.space.refuse(self.bytes + more);
    }

    /// Bytes that are set aside.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes that are set aside and not written yet.
    pub(crate) const fn left(&self) -> u64 {
        self.bytes - self.written
    }

    /// `bytes` of it are on the disk now.
    pub(crate) fn wrote(&mut self, bytes: u64) {
        let bytes = bytes.min(self.left());
        self.written += bytes;
        *self.on.unwritten.lock() -= bytes;
    }

    /// The file has its name and `size` bytes.
    pub(crate) fn landed(self, size: u64) {
        self.space.counts.lock().1.landed += size;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.space.counts.lock().1.in_flight -= self.bytes;
        *self.on.unwritten.lock() -= self.left();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BIG: (u64, u64) = (1 << 40, 1 << 40);

    #[test]
    fn what_still_fits() {
        let books = Books { limit: 100, used: 40, reserved: 30, keep_free: None };
        let since = Since { landed: 5, left: 2, in_flight: 7 };
        let no_limit = Books { limit: 0, ..books };
        for (why, books, since, disk, claimant, want) in [
            (
                "limit less used, reserved, landed and in flight",
                books,
                since,
                BIG,
                Claimant::Other,
                100 - 40 - 30 - 5 + 2 - 7,
            ),
            ("a move's bytes are in the reservations", books, since, BIG, Claimant::Move, 100 - 40 - 5 + 2 - 7),
            (
                "over the limit is no room, not an underflow",
                Books { used: 200, ..books },
                since,
                BIG,
                Claimant::Other,
                0,
            ),
            ("no limit: the disk less 1 %", no_limit, Since::default(), (1000, 1000), Claimant::Other, 990),
            ("what is in flight is not on the disk yet", no_limit, since, (1000, 1000), Claimant::Other, 983),
            ("a large disk keeps 1 GiB", no_limit, Since::default(), BIG, Claimant::Other, (1 << 40) - (1 << 30)),
            (
                "what the setting keeps free",
                Books { keep_free: Some(300), ..no_limit },
                Since::default(),
                (1000, 1000),
                Claimant::Other,
                700,
            ),
            ("a full disk", no_limit, Since::default(), (5, 1000), Claimant::Other, 0),
        ] {
            assert_eq!(room(&books, &since, since.in_flight, disk, claimant), want, "{why}");
        }
    }

    #[test]
    fn pools_on_one_file_system_share_what_is_free_there() {
        // 1,000 bytes, 100 of them kept: what one pool has set aside the other does not get, until it is given back or
        // the disk counts it itself. What was refused is wanted, and what the reserve lacks.
        let on = Arc::new(FileSystem::default());
        let pool = || {
            let space = Arc::new(Space::default());
            space.told(Books { keep_free: Some(100), ..Books::default() });
            space
        };
        let (one, other) = (pool(), pool());
        let mut landing = one.reserve(600, &on, (1000, 1000), Claimant::Move).expect("room");
        assert!(other.reserve(301, &on, (1000, 1000), Claimant::Other).is_none());
        assert_eq!((one.wanted((1000, 1000)), other.wanted((1000, 1000))), (0, 301));
        assert!(other.reserve(300, &on, (1000, 1000), Claimant::Move).is_some());
        landing.wrote(200);
        assert_eq!(other.room(&on, (800, 1000), Claimant::Other), 300);
        drop(landing);
        assert_eq!((other.room(&on, (1000, 1000), Claimant::Other), one.wanted((40, 1000))), (900, 60));
    }

    proptest! {
        #[test]
        fn all_that_was_set_aside_comes_back(steps in proptest::collection::vec((0u64..50, 0u64..60, any::<bool>()), 0..30)) {
            // Whatever is reserved, written, landed or given up: the limit is never passed, and nothing stays set aside.
            let (space, on) = (Arc::new(Space::default()), Arc::new(FileSystem::default()));
            space.told(Books { limit: 300, used: 0, reserved: 0, keep_free: None });
            let (mut open, mut landed) = (Vec::new(), 0);
            for (bytes, wrote, lands) in steps {
                if let Some(mut reservation) = space.reserve(bytes, &on, BIG, Claimant::Other) {
                    reservation.wrote(wrote);
                    open.push((bytes, lands, reservation));
                }
                let flying: u64 = open.iter().map(|(bytes, ..)| bytes).sum();
                prop_assert!(flying + landed <= 300);
                if open.len() > 4 {
                    let (bytes, lands, reservation) = open.remove(0);
                    if lands {
                        reservation.landed(bytes);
                        landed += bytes;
                    }
                }
            }
            drop(open);
            prop_assert_eq!((space.room(&on, BIG, Claimant::Other), on.unwritten()), (300 - landed, 0));
        }
    }
}
