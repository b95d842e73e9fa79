//! The outbox holds news for other servers and for slow watchers until they have had time to read it. Without this
//! chore it would grow with every commit.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::events::Events;
use crate::store::{Store, StoreError};

/// News stay at least this long after something happened.
const KEEP: Duration = Duration::from_secs(60);
/// Read at once.
const SLICE: u32 = 1_000;

/// Forgets news that are older than [`KEEP`], a while after something happened.
pub(super) async fn run(store: Store, events: Events, stop: CancellationToken) {
    let mut seen = 0;
    loop {
        // watches from before the look, so that nothing falls between; and not while it pauses
        let mut next = events.watch();
        match newest(&store, seen).await {
            Ok(newest) => seen = forget(&store, seen, newest).await,
            Err(cause) => tracing::warn!("could not look through the outbox: {cause}"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            _heard = next.next() => drop(next),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(KEEP) => {}
        }
    }
}

/// What was there at the last look goes; what came since stays until the next one.
async fn forget(store: &Store, seen: u64, newest: u64) -> u64 {
    if seen == 0 || seen == newest {
        return newest;
    }
    match store.forget_happenings(seen).await {
        Ok(()) => newest,
        Err(cause) => {
            tracing::warn!("could not empty the outbox: {cause}");
            seen
        }
    }
}

/// The number of the newest happening, `after` where there is none since.
async fn newest(store: &Store, after: u64) -> Result<u64, StoreError> {
    let mut newest = after;
    loop {
        let slice = store.happenings_after(newest, SLICE).await?;
        match slice.last() {
            Some(last) => newest = last.number,
            None => return Ok(newest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{SettingsPatch, UnixMillis};

    #[tokio::test]
    async fn news_stay_for_one_look_and_then_go() {
        // Two changes: the first look keeps both, the second forgets what the first saw.
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(&format!("sqlite://{}", dir.path().join("books.db").display())).await.expect("a store");
        let change = async |rate: u32| {
            let patch = SettingsPatch { upload_rate_limit_per_ip: Some(rate), ..SettingsPatch::default() };
            store.update_settings(patch, UnixMillis(1)).await.expect("a change");
        };
        change(1).await;
        let first = newest(&store, 0).await.expect("a number");
        let seen = forget(&store, 0, first).await;
        change(2).await;
        assert_eq!(store.happenings_after(0, 10).await.expect("news").len(), 2);
        let second = newest(&store, seen).await.expect("a number");
        assert!(second > first);
        assert_eq!(forget(&store, seen, second).await, second);
        let left: Vec<u64> = store.happenings_after(0, 10).await.expect("news").iter().map(|it| it.number).collect();
        assert_eq!(left, [second]);
        store.close().await;
    }
}
