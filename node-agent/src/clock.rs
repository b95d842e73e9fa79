//! The one place that reads a clock. Safety never depends on [`now`]: leases end with their session or by
//! [`monotonic`] time.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Wall-clock time, for people, tokens and dates in paths.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// Unix seconds of [`now`]; 0 for a clock before 1970.
#[must_use]
pub fn unix_seconds() -> i64 {
    now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Time that only goes forward, for waits and rates.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn monotonic() -> Instant {
    Instant::now()
}
