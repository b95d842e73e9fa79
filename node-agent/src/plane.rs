//! The data plane: threads of their own on which files are read, hashed and written.
//!
//! Each worker is a `current_thread` runtime on its own thread. Work that touches pool files runs there, inline with
//! `std::fs`: no hop per frame, and a disk that stalls holds up its worker and nothing else; commands, pages and gRPC
//! control calls live on the control runtime. The plane knows nothing of files or connections: it only runs futures.
//!
//! There are workers in front, for whoever waits at a browser, and as many behind, which the system lets run when those
//! have nothing to do: what nodes do among themselves goes there, so that a move is not felt by those who read.

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

/// What the workers behind add to their nice value (nice(7)): about a ninth of a core against one that wants all of it.
const BEHIND: i32 = 10;
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
    behind: bool,
}

#[derive(Debug)]
struct Workers {
    front: Turns,
    behind: Turns,
    stop: CancellationToken,
}

/// Workers that take turns.
#[derive(Debug)]
struct Turns {
    runtimes: Vec<Worker>,
    next: AtomicUsize,
}

impl Turns {
    fn start(workers: NonZeroUsize, behind: bool, stop: &CancellationToken) -> io::Result<Self> {
        let start = |index| Worker::start(index, behind, stop.clone());
        Ok(Self { runtimes: (0..workers.get()).map(start).collect::<io::Result<_>>()?, next: AtomicUsize::new(0) })
    }

    fn next(&self) -> &runtime::Handle {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        &self.runtimes[turn % self.runtimes.len()].handle
    }
}

#[derive(Debug)]
struct Worker {
    handle: runtime::Handle,
    ended: CancellationToken,
}

impl Plane {
    /// Starts `workers` threads in front and as many behind. The handle is of those in front.
    ///
    /// # Errors
    /// When the system gives no further thread or no runtime.
    pub fn start(workers: NonZeroUsize) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let guard = stop.clone().drop_guard();
        let (front, behind) = (Turns::start(workers, false, &stop)?, Turns::start(workers, true, &stop)?);
        guard.disarm();
        Ok(Self { workers: Arc::new(Workers { front, behind, stop }), behind: false })
    }

    /// A handle on the workers behind.
    #[must_use]
    pub fn behind(&self) -> Self {
        Self { workers: Arc::clone(&self.workers), behind: true }
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

    /// Runs `work` on a worker and gives back what it answers: inline when the caller is on any already, else on the
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
        if self.behind { self.workers.behind.next() } else { self.workers.front.next() }
    }

    /// Ends every task of the plane at its next await and the workers with them; a worker that is inside a file
    /// operation is waited for, for ten seconds at most. Call it last: after the listener and the session have ended.
    pub async fn stop(&self) {
        self.workers.stop.cancel();
        let all = async {
            for worker in self.workers.front.runtimes.iter().chain(&self.workers.behind.runtimes) {
                worker.ended.cancelled().await;
            }
        };
        if tokio::time::timeout(STOP_WAIT, all).await.is_err() {
            tracing::warn!("the data plane ends with a file operation still hanging");
        }
    }
}

impl Worker {
    fn start(index: usize, behind: bool, stop: CancellationToken) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let ended = CancellationToken::new();
        let at_end = ended.clone().drop_guard();
        let name = if behind { format!("behind-{index}") } else { format!("data-{index}") };
        std::thread::Builder::new().name(name).spawn(move || {
            if behind {
                // Of this thread alone (nice(2)).
                match rustix::process::nice(BEHIND) {
                    Err(error) if index == 0 => tracing::warn!(
                        "moves don't give way to readers here: setpriority is refused ({error}); allow it where the service is closed"
                    ),
                    _ => {}
                }
            }
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
    async fn the_workers_behind_are_others_and_give_way() {
        let plane = plane(1);
        let on = async |plane: Plane| {
            plane.run(async { (std::thread::current().id(), rustix::process::nice(0).unwrap()) }).await
        };
        let (front, behind) = (on(plane.clone()).await, on(plane.behind()).await);
        assert_ne!(front.0, behind.0);
        assert_eq!(behind.1 - front.1, BEHIND);
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
