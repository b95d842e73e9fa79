//! Carries out the coordinator's orders, each as a task with an owner, and reports on every file once. Knows no wire
//! and decides nothing about a move: it does and tells.
//!
//! Orders die with their session: [`Work::abort_all`] returns when the last of them has ended.

mod command;
mod files;
mod probe;
mod push;
mod report;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use pixelfox_proto::JobId;
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::command::{
    Check, Command, CommandId, FileAt, FileEnd, Outcome, PoolFiles, Probe, Probed, PushFile, PushFiles, Reason, Report,
    RestoreFile, RestoreFiles, VerifyFiles,
};
pub(crate) use self::report::Reporter;
use crate::{
    coordinator::Coordinator,
    plane::Plane,
    pools::{NodeSettings, Pools},
    send::Pusher,
    whois::Whois,
};

/// Words on their way to the session.
const REPORTS: usize = 256;
/// Orders that are kept at once; the coordinator sends fewer.
const MOST_ORDERS: usize = 256;
/// How long file operations of a session that ended are waited for.
const ABORT_WAIT: Duration = Duration::from_secs(10);

/// The node's worker. Cheap to clone.
#[derive(Clone)]
pub struct Work {
    shared: Arc<Shared>,
}

struct Shared {
    pools: Arc<Pools>,
    plane: Plane,
    send: Pusher,
    whois: Whois,
    /// Told when a file leaves this node.
    coordinator: Coordinator,
    reports: mpsc::Sender<Report>,
    running: Mutex<HashMap<CommandId, Cancel>>,
    /// How many are running: for those who wait until none is.
    count: watch::Sender<usize>,
    /// The orders of this session; replaced with each session.
    session: Mutex<CancellationToken>,
    tasks: TaskTracker,
    /// This node stops: no further order.
    draining: CancellationToken,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("running", &self.running()).finish_non_exhaustive()
    }
}

/// What of an order is called off.
#[derive(Clone, Debug)]
pub(crate) struct Cancel {
    session: CancellationToken,
    whole: CancellationToken,
    jobs: watch::Sender<Arc<HashSet<JobId>>>,
}

impl Cancel {
    fn new(session: &CancellationToken) -> Self {
        Self { session: session.clone(), whole: session.child_token(), jobs: watch::Sender::default() }
    }

    /// Whether the order as a whole is called off, or its session has ended.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole.is_cancelled()
    }

    /// Returns when the order as a whole is called off.
    pub(crate) async fn whole(&self) {
        self.whole.cancelled().await;
    }

    /// Returns when the session of the order has ended.
    pub(crate) async fn session_ended(&self) {
        self.session.cancelled().await;
    }

    /// Jobs that are called off, as they become more.
    pub(crate) fn jobs(&self) -> watch::Receiver<Arc<HashSet<JobId>>> {
        self.jobs.subscribe()
    }

    /// Returns when the order as a whole is called off, or this job of it.
    pub(crate) async fn of(&self, job: Option<JobId>) {
        let mut jobs = self.jobs();
        let this_job = async {
            match job {
                // The sender lives in `self`, so the wait can't fail.
                Some(job) => drop(jobs.wait_for(|jobs| jobs.contains(&job)).await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.whole() => {}
            () = this_job => {}
        }
    }

    fn call_off(&self, jobs: &[JobId]) {
        if jobs.is_empty() {
            return self.whole.cancel();
        }
        self.jobs.send_modify(|called_off| Arc::make_mut(called_off).extend(jobs));
    }
}

impl Work {
    /// Works in `pools`, pushes by `send` and asks by `whois`. What is to be told about the orders comes out of the receiver.
    #[must_use]
    pub fn new(
        pools: Arc<Pools>,
        plane: Plane,
        send: Pusher,
        whois: Whois,
        coordinator: Coordinator,
    ) -> (Self, mpsc::Receiver<Report>) {
        let (reports, told) = mpsc::channel(REPORTS);
        let shared = Shared {
            pools,
            plane,
            send,
            whois,
            coordinator,
            reports,
            running: Mutex::default(),
            count: watch::Sender::new(0),
            session: Mutex::default(),
            tasks: TaskTracker::new(),
            draining: CancellationToken::new(),
        };
        (Self { shared: Arc::new(shared) }, told)
    }

    /// Takes the settings that concern it; they hold for what is under way too.
    pub fn tune(&self, settings: &NodeSettings) {
        self.shared.send.pace().set(settings.move_bandwidth);
    }

    /// Begins an order. One that is already under way, too many, or any while the node stops, is answered with the
    /// reason and costs nothing.
    pub fn start(&self, id: CommandId, command: Command) {
        let cancel = Cancel::new(&self.shared.session.lock());
        let refusal = {
            let mut running = self.shared.running.lock();
            if self.shared.draining.is_cancelled() {
                Some("this node is stopping")
            } else if running.contains_key(&id) {
                Some("this order is under way already")
            } else if running.len() >= MOST_ORDERS {
                Some("too many orders at once")
            } else {
                running.insert(id, cancel.clone());
                self.shared.count.send_replace(running.len());
                None
            }
        };
        let reporter = Reporter::new(id, self.shared.reports.clone(), cancel.clone());
        let shared = Arc::clone(&self.shared);
        match refusal {
            Some(why) => drop(self.shared.tasks.spawn(reporter.end(Some(why.to_owned())))),
            None => drop(self.shared.tasks.spawn(async move {
                shared.carry_out(command, reporter, &cancel).await;
                let mut running = shared.running.lock();
                running.remove(&id);
                shared.count.send_replace(running.len());
            })),
        }
    }

    /// Calls an order off, or the given jobs of it. What is durable already stays and is reported.
    pub fn cancel(&self, id: CommandId, jobs: &[JobId]) {
        if let Some(cancel) = self.shared.running.lock().get(&id) {
            cancel.call_off(jobs);
        }
    }

    /// Orders under way.
    #[must_use]
    pub fn running(&self) -> u32 {
        u32::try_from(self.shared.running.lock().len()).unwrap_or(u32::MAX)
    }

    /// Takes no further order and returns when those under way have ended.
    pub async fn drain(&self) {
        self.shared.draining.cancel();
        self.nothing_runs().await;
    }

    /// Ends every order of the session and returns when the last file operation has ended, or after ten seconds
    /// where a disk hangs: its pool is unhealthy then and gets no order.
    pub async fn abort_all(&self) {
        std::mem::take(&mut *self.shared.session.lock()).cancel();
        if tokio::time::timeout(ABORT_WAIT, self.nothing_runs()).await.is_err() {
            tracing::warn!("orders of the last session hang in a disk; going on without them");
            self.shared.running.lock().clear();
            self.shared.count.send_replace(0);
        }
    }

    async fn nothing_runs(&self) {
        // The sender lives in `self`, so the wait can't fail.
        drop(self.shared.count.subscribe().wait_for(|count| *count == 0).await);
    }
}

impl Shared {
    async fn carry_out(&self, command: Command, reporter: Reporter, cancel: &Cancel) {
        match command {
            Command::Push(order) => Box::pin(self.push(order, reporter, cancel)).await,
            Command::Trash(order) => self.trash(order, reporter, cancel).await,
            Command::Purge(order) => self.purge(order, reporter, cancel).await,
            Command::Restore(order) => self.restore(order, reporter, cancel).await,
            Command::Verify(order) => self.verify(order, reporter, cancel).await,
            Command::Probe(probe) => self.probe(probe, reporter, cancel).await,
        }
    }
}
