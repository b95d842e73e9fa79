//! Many questions to many nodes: a few at a time to each, none behind another node's, and all of them within one bound.

use std::time::Duration;

use futures_util::{FutureExt as _, Stream, StreamExt as _, stream};
use tokio::time::{Instant, timeout_at};

/// Questions of one queue under way at once: few enough that no node has many to answer, so many that the ones that
/// nobody answers leave room for the others.
pub(super) const AT_ONCE: usize = 8;
/// A whole diagnosis takes no longer: what has not been answered by then is said to be open.
pub(super) const ALL_WITHIN: Duration = Duration::from_secs(60);

/// The answers of all queues, each as soon as it is there, in no order. `late` says what a question comes to that has no
/// answer at `until`; one that was not asked by then is asked no more.
pub(super) fn rounds<Q, A, F>(
    queues: Vec<Vec<Q>>,
    until: Instant,
    ask: impl Fn(Q) -> F + Clone + Send + 'static,
    late: impl Fn(Q) -> A + Clone + Send + 'static,
) -> impl Stream<Item = A> + Send
where
    Q: Clone + Send + 'static,
    A: Send + 'static,
    F: Future<Output = A> + Send + 'static,
{
    let of_one = queues.into_iter().map(move |queue| {
        let (ask, late) = (ask.clone(), late.clone());
        let one = move |question: Q| {
            let (ask, late) = (ask.clone(), late.clone());
            async move {
                if Instant::now() >= until {
                    return late(question);
                }
                timeout_at(until, ask(question.clone())).await.unwrap_or_else(|_| late(question))
            }
            .boxed()
        };
        stream::iter(queue).map(one).buffer_unordered(AT_ONCE).boxed()
    });
    stream::select_all(of_one)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counts {
        now: AtomicUsize,
        most: AtomicUsize,
        asked: AtomicUsize,
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_hangs_holds_up_nobody_and_all_ends_in_time() {
        // 50 nodes with 50 questions each; one node never answers. All other answers come before any time has passed, the
        // silent one has a few questions to answer and no more, and at the bound the rest is said to be open.
        const NODES: usize = 50;
        const SILENT: usize = 7;
        let queues = (0..NODES).map(|from| (0..NODES).map(|to| (from, to)).collect()).collect();
        let counts = Arc::new(Counts::default());
        let counted = Arc::clone(&counts);
        let ask = move |(from, _): (usize, usize)| {
            let counts = Arc::clone(&counted);
            async move {
                if from == SILENT {
                    counts.asked.fetch_add(1, Ordering::Relaxed);
                    std::future::pending::<()>().await;
                }
                let now = counts.now.fetch_add(1, Ordering::Relaxed) + 1;
                counts.most.fetch_max(now, Ordering::Relaxed);
                tokio::task::yield_now().await;
                counts.now.fetch_sub(1, Ordering::Relaxed);
                (from, true)
            }
        };
        let begin = Instant::now();
        let mut answers = rounds(queues, begin + ALL_WITHIN, ask, |(from, _)| (from, false)).boxed();
        for _ in 0..(NODES - 1) * NODES {
            let (from, answered) = answers.next().await.expect("an answer");
            assert!(answered && from != SILENT && Instant::now() == begin, "held up by node {from}");
        }
        let most = counts.most.load(Ordering::Relaxed);
        assert!((1..=NODES * AT_ONCE).contains(&most), "{most} at once");
        let open: Vec<(usize, bool)> = answers.collect().await;
        assert_eq!(open, [(SILENT, false); NODES]);
        assert_eq!(Instant::now() - begin, ALL_WITHIN);
        assert_eq!(counts.asked.load(Ordering::Relaxed), AT_ONCE);
    }
}
