//! The one writer of the books may hang or die; then nothing that a node says would ever be written, and a process that
//! ends is better than one that only looks alive. A database that can't be reached is no such case: that passes.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::store::{Store, StoreError};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(5);

/// Comes back when the writer is dead, with why. Cancel safe.
pub(super) async fn run(store: Store) -> String {
    watch(|| store.probe(), EVERY, store.patience()).await
}

async fn watch<F, Fut>(probe: F, every: Duration, patience: Duration) -> String
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<(), StoreError>>,
{
    loop {
        match timeout(patience, probe()).await {
            Ok(Ok(()) | Err(StoreError::Unreachable { .. })) => {}
            Ok(Err(error @ StoreError::Closed)) => return error.to_string(),
            Ok(Err(error)) => tracing::warn!("the writer of the database was asked whether it lives: {error}"),
            Err(_) => return format!("the writer of the database has not answered for {} s", patience.as_secs()),
        }
        sleep(every).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::store::Commit;

    const SHORT: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn only_a_dead_writer_ends_the_process() {
        // Well, away and failing are no reasons; a writer that is gone is one, and so is one that never answers.
        let asked = AtomicU32::new(0);
        let probe = async || match asked.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(()),
            1..20 => Err(StoreError::Unreachable { why: "away".into(), commit: Commit::NotSent }),
            20 => Err(StoreError::Undone { doing: "answer" }),
            21 => Ok(()),
            _ => Err(StoreError::Closed),
        };
        assert_eq!(watch(probe, SHORT, Duration::from_secs(10)).await, "the database is closed");
        assert_eq!(asked.into_inner(), 23);
        let silent = async || std::future::pending().await;
        assert!(watch(silent, SHORT, SHORT).await.contains("has not answered"));
    }
}
