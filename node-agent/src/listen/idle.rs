//! When an HTTP/2 connection is of no use to anybody: it has had no open stream for some time. A PING that is answered
//! is a sign of life, and no use. Must not end anything.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

/// The streams of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    open: AtomicU64,
    /// One waits: the connection.
    changed: Notify,
}

/// A stream that is open for as long as this lives.
#[derive(Debug)]
pub(super) struct Open(Streams);

impl Streams {
    pub(super) fn open(&self) -> Open {
        self.shared.open.fetch_add(1, Ordering::AcqRel);
        self.shared.changed.notify_one();
        Open(self.clone())
    }

    /// Returns once no stream has been open for `limit`.
    pub(super) async fn idle_for(&self, limit: Duration) {
        loop {
            // A change in between leaves its word with `changed`, so that none is missed.
            let changed = self.shared.changed.notified();
            if self.shared.open.load(Ordering::Acquire) > 0 {
                changed.await;
            } else if tokio::time::timeout(limit, changed).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Self(streams) = self;
        streams.shared.open.fetch_sub(1, Ordering::AcqRel);
        streams.shared.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn only_time_without_any_stream_counts() {
        // Two streams that overlap, a pause, and a third one that is open for an hour: time is the test's own.
        let (streams, began) = (Streams::default(), Instant::now());
        let used = async {
            sleep(Duration::from_secs(29)).await;
            let first = streams.open();
            sleep(Duration::from_secs(100)).await;
            let second = streams.open();
            drop(first);
            sleep(Duration::from_secs(100)).await;
            drop(second);
            sleep(Duration::from_secs(29)).await;
            let third = streams.open();
            sleep(Duration::from_secs(3600)).await;
            drop(third);
            began.elapsed()
        };
        let ((), last_use) = tokio::join!(streams.idle_for(LIMIT), used);
        assert_eq!(began.elapsed(), last_use + LIMIT);
        streams.idle_for(LIMIT).await;
        assert_eq!(began.elapsed(), last_use + 2 * LIMIT, "a connection that never had one is idle too");
    }
}
