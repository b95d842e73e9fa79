//! Pure rules of a transfer: how large its frames are, how long a slow sender is waited for.
//!
//! Time comes in as arguments; nothing here reads a clock or waits.

use std::time::Duration;

/// Bytes of a file in one frame. Source: docs/PERFORMANCE.md, "Figures to build on".
pub const FRAME_BYTES: usize = 256 << 10;

/// What a node that ends says of the streams to it. Nobody's fault, so that no attempt of a move is used up.
pub const SHUTTING_DOWN: &str = "this node is shutting down";

/// The least that a sender has to do: it is waited for `grace` at most, and each byte that comes earns some of that
/// back, so that a sender of `bytes_per_second` may go on for ever. Source: docs/http.md, "Limits of a connection".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeastRate {
    /// Waited for at most, whatever came before.
    pub grace: Duration,
    /// Bytes that earn a second of waiting. 0: the first one earns all of it.
    pub bytes_per_second: u32,
}

impl Default for LeastRate {
    fn default() -> Self {
        Self { grace: Duration::from_secs(30), bytes_per_second: 1000 }
    }
}

/// How much longer a sender is waited for. Only waiting counts: the time in which the receiver itself is busy writing
/// is not the sender's fault.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    least: LeastRate,
    left: Duration,
}

impl Patience {
    /// Nothing waited, nothing received.
    #[must_use]
    pub const fn new(least: LeastRate) -> Self {
        Self { least, left: least.grace }
    }

    /// `bytes` more arrived after a wait of `waited`.
    pub fn received(&mut self, waited: Duration, bytes: usize) {
        let nanos = (bytes as u64).saturating_mul(1_000_000_000) / u64::from(self.least.bytes_per_second.max(1));
        let left = self.left.saturating_sub(waited).saturating_add(Duration::from_nanos(nanos));
        self.left = left.min(self.least.grace);
    }

    /// How much longer the next bytes are waited for. Zero: the sender is too slow.
    #[must_use]
    pub const fn left(&self) -> Duration {
        self.left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_waited_for_as_long_as_its_bytes_earn_and_never_longer_than_the_grace() {
        // Each row: waits of so many seconds with so many bytes after each, and the seconds that are left then.
        for (why, waits, left) in [
            ("nothing yet", vec![], 30),
            ("twenty silent seconds", vec![(20, 0)], 10),
            ("too slow", vec![(20, 1000), (20, 1000)], 1),
            ("just fast enough, for ever", vec![(20, 20_000), (20, 20_000), (20, 20_000)], 30),
            ("a fast start pays for no pause", vec![(1, 1 << 30)], 30),
        ] {
            let mut patience = Patience::new(LeastRate::default());
            for (seconds, bytes) in waits {
                patience.received(Duration::from_secs(seconds), bytes);
            }
            assert_eq!(patience.left(), Duration::from_secs(left), "{why}");
        }
    }
}
