//! What time the books note. Nothing safe depends on it: it orders retries and is shown to people.

use std::time::UNIX_EPOCH;

use crate::catalog::UnixMillis;

/// Now, by the wall clock of this process; 0 for a clock before 1970.
#[must_use]
pub fn now() -> UnixMillis {
    let since = pixelfox_node::clock::now().duration_since(UNIX_EPOCH);
    UnixMillis(since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
}
