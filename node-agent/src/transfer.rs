//! Pure rules of a transfer on its way in: how long a slow sender is waited for.
//!
//! Time comes in as arguments; nothing here reads a clock or waits.

use std::time::Duration;

/// The least that a sender has to do: `rate` bytes per second on average, once it has been waited for longer than
/// `grace` in all. Source: DESIGN.md, "The edge of the process".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeastRate {
    /// Waited for in any case.
    pub grace: Duration,
    /// Bytes per second of waiting. 0: any.
    pub bytes_per_second: u32,
}

impl Default for LeastRate {
    fn default() -> Self {
        Self { grace: Duration::from_secs(30), bytes_per_second: 1000 }
    }
}

/// How long one body has been waited for so far, and for how many bytes. Only waiting counts: the time in which the
/// receiver itself is busy writing is not the sender's fault.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    least: LeastRate,
    waited: Duration,
    bytes: u64,
}

impl Patience {
    /// Nothing waited, nothing received.
    #[must_use]
    pub fn new(least: LeastRate) -> Self {
        Self { least, waited: Duration::ZERO, bytes: 0 }
    }

    /// `bytes` more arrived after a wait of `waited`.
    pub fn received(&mut self, waited: Duration, bytes: usize) {
        self.waited = self.waited.saturating_add(waited);
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// How much longer the next bytes are waited for. Zero: the sender is too slow.
    #[must_use]
    pub fn left(&self) -> Duration {
        let earned = match self.least.bytes_per_second {
            0 => Duration::MAX,
            rate => Duration::from_secs(self.bytes / u64::from(rate)),
        };
        earned.max(self.least.grace).saturating_sub(self.waited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_waited_for_as_long_as_its_bytes_earn_and_never_less_than_the_grace() {
        // Each row: waits of so many seconds with so many bytes after each, and the seconds that are left then.
        for (why, waits, left) in [
            ("nothing yet", vec![], 30),
            ("twenty silent seconds", vec![(20, 0)], 10),
            ("too slow after the grace", vec![(31, 29_000)], 0),
            ("just fast enough", vec![(31, 40_000)], 9),
            ("a fast start pays for a pause", vec![(1, 100_000)], 99),
        ] {
            let mut patience = Patience::new(LeastRate::default());
            for (seconds, bytes) in waits {
                patience.received(Duration::from_secs(seconds), bytes);
            }
            assert_eq!(patience.left(), Duration::from_secs(left), "{why}");
        }
    }

    #[test]
    fn a_rate_of_zero_waits_for_ever() {
        let mut patience = Patience::new(LeastRate { grace: Duration::ZERO, bytes_per_second: 0 });
        patience.received(Duration::from_secs(1 << 40), 0);
        assert!(patience.left() > Duration::from_secs(1 << 40));
    }
}
