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
