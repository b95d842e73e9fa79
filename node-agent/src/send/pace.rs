//! How fast this node sends: one limit over all transfers, changeable while they run.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

/// Seconds of the limit that may go out at once after a rest.
const BURST: Duration = Duration::from_millis(100);

/// The limit that all transfers of a node share.
#[derive(Debug)]
pub struct Pace {
    bucket: Mutex<Bucket>,
    changed: Notify,
}

/// A token bucket whose tokens are bytes. Pure: time comes in.
#[derive(Debug)]
struct Bucket {
    /// Bytes per second; 0: no limit.
    rate: u64,
    /// Below 0 while what has gone out is not paid for yet.
    tokens: f64,
    filled: Instant,
}

impl Default for Pace {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Pace {
    /// `rate` bytes per second; 0: no limit.
    #[must_use]
    pub fn new(rate: u64) -> Self {
        Self { bucket: Mutex::new(Bucket { rate, tokens: 0.0, filled: Instant::now() }), changed: Notify::new() }
    }

    /// Sets another limit, at once for who waits by the old one too.
    pub fn set(&self, rate: u64) {
        let mut bucket = self.bucket.lock();
        if bucket.rate != rate {
            bucket.fill(Instant::now());
            bucket.rate = rate;
            drop(bucket);
            self.changed.notify_waiters();
        }
    }

    /// Returns when `bytes` may go out. Dropped before that, nothing is taken.
    pub async fn take(&self, bytes: usize) {
        loop {
            let changed = self.changed.notified(); // before the look, so that no change is missed
            let Err(wait) = self.bucket.lock().take(Instant::now(), bytes) else { return };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = changed => {}
            }
        }
    }
}

impl Bucket {
    #[expect(clippy::cast_precision_loss, reason = "a rate is far below 2^52 bytes per second")]
    fn fill(&mut self, now: Instant) {
        let rate = self.rate as f64;
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        self.tokens = (self.tokens + elapsed * rate).min(rate * BURST.as_secs_f64());
    }

    /// Takes `bytes` as soon as what went out before is paid for; else says how long that takes.
    #[expect(clippy::cast_precision_loss, reason = "frames and rates are far below 2^52")]
    fn take(&mut self, now: Instant, bytes: usize) -> Result<(), Duration> {
        if self.rate == 0 {
            (self.tokens, self.filled) = (0.0, now);
            return Ok(());
        }
        self.fill(now);
        if self.tokens < 0.0 {
            // never zero, so that a wait always ends later than it began
            return Err(Duration::from_secs_f64((-self.tokens / self.rate as f64).max(0.001)));
        }
        self.tokens -= bytes as f64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_out_keeps_to_the_rate() {
        // Frames of 250 kB at 1 MB/s for ten seconds of made-up time: about ten megabytes, however it is asked.
        let start = Instant::now();
        let mut bucket = Bucket { rate: 1_000_000, tokens: 0.0, filled: start };
        let (mut now, mut sent) = (start, 0_u64);
        while now - start < Duration::from_secs(10) {
            match bucket.take(now, 250_000) {
                Ok(()) => sent += 250_000,
                Err(wait) => now += wait,
            }
        }
        assert!((9_900_000..=10_400_000).contains(&sent), "{sent}");
    }

    #[test]
    fn a_rest_saves_up_no_more_than_a_moment() {
        let start = Instant::now();
        let mut bucket = Bucket { rate: 1_000_000, tokens: 0.0, filled: start };
        let later = start + Duration::from_secs(3600);
        assert_eq!(bucket.take(later, 1_000_000), Ok(()));
        let wait = bucket.take(later, 1).unwrap_err();
        assert!(wait > Duration::from_millis(800), "{wait:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_limit_reaches_who_waits_by_the_old_one() {
        // A megabyte at one byte per second waits for days; with the limit gone it goes at once.
        let pace = Pace::new(1);
        pace.take(1 << 20).await;
        let started = Instant::now();
        tokio::join!(pace.take(1), async { pace.set(0) });
        assert!(started.elapsed() < Duration::from_secs(2));
    }
}
