//! What the bench of whole moves is made of.

pub(crate) mod bare;
pub(crate) mod cluster;
pub(crate) mod picture;
pub(crate) mod reads;
pub(crate) mod recovery;

use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Virtual disks take some gigabyte at full speed and then a few hundred MB/s until they have rested.
pub(crate) async fn rest(bytes: u64) {
    tokio::time::sleep(Duration::from_secs(2) + Duration::from_micros(bytes / 200)).await;
}
