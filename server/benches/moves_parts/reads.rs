//! What a browser notices of a move: how long reads from the source take.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;

const READERS: usize = 4;

/// Reads these links one after the other in a few tasks until stopped.
pub(crate) struct Readers {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Vec<f64>>,
}

impl Readers {
    pub(crate) fn start(urls: &[String]) -> Self {
        let (stop, mut tasks) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        for reader in 0..READERS {
            let (stop, http) = (Arc::clone(&stop), reqwest::Client::new());
            let urls: Vec<String> = urls.iter().skip(reader).step_by(READERS).cloned().collect();
            tasks.spawn(async move {
                let mut took = Vec::new();
                for url in urls.iter().cycle() {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let begin = super::now();
                    let answer = http.get(url).send().await.unwrap();
                    assert!(answer.status().is_success(), "{url}: {}", answer.status());
                    answer.bytes().await.unwrap();
                    took.push(begin.elapsed().as_secs_f64() * 1000.0);
                    // A reader that never pauses would measure only who gets the cores.
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
                took
            });
        }
        Self { stop, tasks }
    }

    /// Reads so far, and the 50th and 99th of a hundred in milliseconds.
    pub(crate) async fn end(self) -> (usize, f64, f64) {
        self.stop.store(true, Ordering::Relaxed);
        let mut all: Vec<f64> = self.tasks.join_all().await.into_iter().flatten().collect();
        all.sort_by(f64::total_cmp);
        (all.len(), all[all.len() / 2], all[all.len() * 99 / 100])
    }
}
