//! What each minute of the last hour brought: a ring, written where bytes are counted.

use std::time::Duration;

use tokio::time::Instant;

/// Minutes that are kept.
pub const SHOWN: usize = 60;
const MINUTE_SECONDS: u64 = 60;

/// What came in one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minute {
    /// Bytes of uploads that became images.
    pub bytes_uploaded: u64,
    /// Such uploads.
    pub images_uploaded: u64,
    /// Bytes that went from node to node.
    pub bytes_moved: u64,
}

impl Minute {
    fn add(&mut self, other: Self) {
        self.bytes_uploaded += other.bytes_uploaded;
        self.images_uploaded += other.images_uploaded;
        self.bytes_moved += other.bytes_moved;
    }
}

#[derive(Debug)]
pub(super) struct Minutes {
    since: Option<Instant>,
    ring: [Minute; SHOWN],
    /// The minute that was written last, counted from `since`.
    latest: u64,
}

impl Default for Minutes {
    fn default() -> Self {
        Self { since: None, ring: [Minute::default(); SHOWN], latest: 0 }
    }
}

impl Minutes {
    pub(super) fn since(now: Instant) -> Self {
        Self { since: Some(now), ..Self::default() }
    }

    /// The hour before as the books have it, each minute with how long ago it was; what came since the start stays.
    pub(super) fn remember(&mut self, past: &[(Duration, Minute)], now: Instant) {
        let own = std::mem::take(self.at(now));
        let Some(since) = now.checked_sub(Duration::from_secs((SHOWN as u64 - 1) * MINUTE_SECONDS)) else {
            return *self.at(now) = own; // a clock that has not run for an hour
        };
        *self = Self { since: Some(since), latest: SHOWN as u64 - 1, ..Self::default() };
        for (ago, minute) in past.iter().copied().chain([(Duration::ZERO, own)]) {
            let Some(before) = now.saturating_duration_since(since).checked_sub(ago) else { continue };
            self.ring[slot(before.as_secs() / MINUTE_SECONDS)].add(minute);
        }
    }

    /// The minute of `now`, to be added to.
    pub(super) fn at(&mut self, now: Instant) -> &mut Minute {
        self.forward(now);
        &mut self.ring[slot(self.latest)]
    }

    /// Oldest first, each with how long ago it began.
    pub(super) fn last(&mut self, now: Instant) -> Vec<(Duration, Minute)> {
        self.forward(now);
        let Some(since) = self.since else { return Vec::new() };
        let first = self.latest.saturating_sub(SHOWN as u64 - 1);
        let begun = |minute: u64| since + Duration::from_secs(minute * MINUTE_SECONDS);
        (first..=self.latest).map(|at| (now.saturating_duration_since(begun(at)), self.ring[slot(at)])).collect()
    }

    /// Minutes in which nothing came are empty.
    fn forward(&mut self, now: Instant) {
        let since = *self.since.get_or_insert(now);
        let here = now.saturating_duration_since(since).as_secs() / MINUTE_SECONDS;
        let first = (self.latest + 1).max(here.saturating_sub(SHOWN as u64));
        for minute in first..=here {
            self.ring[slot(minute)] = Minute::default();
        }
        self.latest = self.latest.max(here);
    }
}

fn slot(minute: u64) -> usize {
    usize::try_from(minute % SHOWN as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hour_before_the_start_is_there_and_what_came_since_is_kept() {
        // Seven bytes before the books were asked; they know of five half an hour ago and of two an hour and a half ago.
        let start = Instant::now();
        let minute = |bytes_moved| Minute { bytes_moved, ..Minute::default() };
        let mut minutes = Minutes::since(start);
        minutes.at(start).bytes_moved += 7;
        let ago = |minutes: u64| Duration::from_secs(minutes * 60);
        minutes.remember(&[(ago(30), minute(5)), (ago(90), minute(2))], start);
        let last: Vec<(u64, u64)> = minutes
            .last(start)
            .iter()
            .filter(|(_, minute)| minute.bytes_moved > 0)
            .map(|(ago, minute)| (ago.as_secs() / 60, minute.bytes_moved))
            .collect();
        assert_eq!(last, [(30, 5), (0, 7)]);
        assert_eq!(minutes.last(start).len(), SHOWN);
        let later = start + ago(31);
        assert_eq!(minutes.last(later).iter().map(|(_, minute)| minute.bytes_moved).sum::<u64>(), 7);
    }

    #[test]
    fn an_hour_is_kept_and_older_minutes_are_written_over() {
        // One byte in the first minute, ten in the third; later both are gone, and silence is empty minutes.
        let start = Instant::now();
        let at = |minute: u64| start + Duration::from_secs(minute * 60 + 1);
        let mut minutes = Minutes::since(start);
        minutes.at(at(0)).bytes_moved += 1;
        minutes.at(at(2)).bytes_moved += 10;
        let moved = |minutes: &mut Minutes, now| -> Vec<u64> {
            minutes.last(now).iter().map(|(_, minute)| minute.bytes_moved).collect()
        };
        assert_eq!(moved(&mut minutes, at(3)), [1, 0, 10, 0]);
        assert_eq!(minutes.last(at(3))[0].0, Duration::from_secs(181));
        let later = moved(&mut minutes, at(60));
        assert_eq!((later.len(), later[1]), (SHOWN, 10));
        assert_eq!(moved(&mut minutes, at(500)), [0; SHOWN]);
    }
}
