//! The data plane: threads of their own on which files are read, hashed and written.
//!
//! Each worker is a `current_thread` runtime on its own thread. Work that touches pool files runs there, inline with
//! `std::fs`: no hop per frame, and a disk that stalls holds up its worker and nothing else; commands, pages and gRPC
//! control calls live on the control runtime. The plane knows nothing of files or connections: it only runs futures.

use std::{
    cell::Cell,
    future::Future,
    io,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{runtime, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// How long [`Plane::stop`] waits for a worker that is inside a file operation.
const STOP_WAIT: Duration = Duration::from_secs(10);

thread_local! {
    static ON_WORKER: Cell<bool> = const { Cell::new(false) };
}

/// A handle on the workers. Cheap to clone; when the last one is dropped the workers end.
/// Several nodes in one process may share one.
#[derive(Clone, Debug)]
pub struct Plane {
    workers: Arc<Workers>,
}

#[derive(Debug)]
struct Workers {
    runtimes: Vec<Worker>,
    next: AtomicUsize,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Worker {
    handle: runtime::Handle,
    ended: CancellationToken,
}

impl Plane {
    /// Starts `workers` threads.
    ///
    /// # Errors
    /// When the system gives no further thread or no runtime.
    pub fn start(workers: NonZeroUsize) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let guard = stop.clone().drop_guard();
        let runtimes = (0..workers.get()).map(|index| Worker::start(index, stop.clone())).collect::<io::Result<_>>()?;
        guard.disarm();
        Ok(Self { workers: Arc::new(Workers { runtimes, next: AtomicUsize::new(0), stop }) })
    }

    /// One worker per core of this machine.
    ///
    /// # Errors
    /// As [`Plane::start`].
    pub fn one_per_core() -> io::Result<Self> {
        Self::start(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
    }

    /// Whether the caller runs on a worker, so that it may touch pool files inline.
    #[must_use]
    pub fn is_worker() -> bool {
        ON_WORKER.get()
    }

    /// Runs `work` on a worker and gives back what it answers: inline when the caller is on one already, else on the
    /// next one. A caller that is dropped takes `work` with it; a panic in `work` goes on in the caller. After
    /// [`Plane::stop`] it never answers, so that nothing runs on without its plane: who calls it is ended by its owner.
    pub async fn run<F>(&self, work: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if Self::is_worker() {
            return work.await;
        }
        match AbortOnDropHandle::new(self.place(work)).await {
            Ok(answer) => answer,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_stopped) => std::future::pending().await,
            },
        }
    }

    /// Starts `work` as a task on the next worker, in turn. The caller owns the task: it joins or aborts it.
    pub fn place<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.next_worker().spawn(work)
    }

    /// The runtime of the next worker, in turn: for owners that keep their tasks in a `JoinSet`.
    #[must_use]
    pub fn next_worker(&self) -> &runtime::Handle {
        let turn = self.workers.next.fetch_add(1, Ordering::Relaxed);
        &self.workers.runtimes[turn % self.workers.runtimes.len()].handle
    }

    /// Ends every task of the plane at its next await and the workers with them; a worker that is inside a file
    /// operation is waited for, for ten seconds at most. Call it last: after the listener and the session have ended.
    pub async fn stop(&self) {
        self.workers.stop.cancel();
        let all = async {
            for worker in &self.workers.runtimes {
                worker.ended.cancelled().await;
            }
        };
        if tokio::time::timeout(STOP_WAIT, all).await.is_err() {
            tracing::warn!("the data plane ends with a file operation still hanging");
        }
    }
}

impl Worker {
    fn start(index: usize, stop: CancellationToken) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let ended = CancellationToken::new();
        let at_end = ended.clone().drop_guard();
        std::thread::Builder::new().name(format!("data-{index}")).spawn(move || {
            ON_WORKER.set(true);
            runtime.block_on(stop.cancelled_owned());
            runtime.shutdown_background(); // drops the tasks here, on their own thread
            drop(at_end);
        })?;
        Ok(Self { handle, ended })
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop.cancel(); // never joined here: the last handle may be dropped on a worker itself
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn plane(workers: usize) -> Plane {
        Plane::start(NonZeroUsize::new(workers).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn work_runs_on_a_worker_and_stays_there() {
        // The caller is no worker; what it runs is one, and what that runs in turn stays on the same thread.
        let plane = plane(2);
        assert!(!Plane::is_worker());
        let inner = plane.clone();
        let (outer, nested) = plane
            .run(async move {
                assert!(Plane::is_worker());
                (std::thread::current().id(), inner.run(async { std::thread::current().id() }).await)
            })
            .await;
        assert_eq!(outer, nested);
        assert_ne!(outer, std::thread::current().id());
    }

    #[tokio::test]
    async fn workers_take_turns() {
        let plane = plane(2);
        let on = async || plane.run(async { std::thread::current().id() }).await;
        let (a, b, c) = (on().await, on().await, on().await);
        assert_ne!(a, b);
        assert_eq!(a, c);
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_takes_its_work_with_it() {
        // The work holds a sender; when the caller is dropped the work is dropped too, and the receiver hears of it.
        let plane = plane(1);
        let (held, dropped) = oneshot::channel::<()>();
        let mut run = Box::pin(plane.run(async move {
            let _held = held;
            std::future::pending::<()>().await;
        }));
        assert!(futures_util::poll!(run.as_mut()).is_pending());
        drop(run);
        let heard = tokio::time::timeout(Duration::from_secs(5), dropped).await.unwrap();
        assert!(heard.is_err());
    }

    #[tokio::test]
    async fn a_panic_goes_on_in_the_caller() {
        let plane = plane(1);
        let caller = plane.clone();
        let outcome =
            tokio::task::JoinSet::from_iter([async move { caller.run(async { panic!("on purpose") }).await }])
                .join_next()
                .await;
        assert!(outcome.unwrap().unwrap_err().is_panic());
        assert_eq!(plane.run(async { 7 }).await, 7, "the worker goes on");
    }

    #[tokio::test]
    async fn stop_ends_the_tasks() {
        let plane = plane(2);
        let task = plane.place(std::future::pending::<()>());
        plane.stop().await;
        assert!(task.await.unwrap_err().is_cancelled());
    }
}
