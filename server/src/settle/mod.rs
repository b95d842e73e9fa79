//! A node's word becomes a fact: results are gathered per job, decided by pure functions, committed many at once,
//! and only then logged, published and followed by orders for the trash.

mod checks;
mod control;
mod deletes;
mod flights;
mod moves;
mod purge;
mod restores;
mod sessions;
mod sweep;
mod trash;
mod uploads;
mod verdict;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};

use parking_lot::Mutex;
use pixelfox_proto::{JobId, Lease, StoredPath, Trace};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::control::QueueState;
use self::flights::Flights;
pub(crate) use self::sessions::Loss;
pub use self::sweep::{Sweeper, Swept};
use self::verdict::{FileEnd, Verdict};
use crate::catalog::{Actor, CheckResult, JobState, LeasedJob, LostSession, SettledJob, TrashResult};
use crate::clock;
use crate::events::{Event, Events, Subject};
use crate::progress::{Counts, Progress};
use crate::schedule::Cause;
use crate::sessions::{Awaited, CommandId, FileResult, News, Outcome, Session, Sessions};
use crate::store::Store;

/// Words that wait for their task at most; then the reader that brings the next one waits too.
const QUEUED_WORDS: usize = 1024;

/// What every settling task works with.
#[derive(Debug)]
struct Rooms {
    store: Store,
    sessions: Arc<Sessions>,
    events: Events,
    /// Wakes the dispatcher: a slot, a job or a pool may be free.
    wake: Arc<Notify>,
    /// Wakes who empties the trash: a copy may be due, or room may be needed.
    empty_trash: Arc<Notify>,
    /// Wakes who has copies read: one may be due, or a node able to.
    check: Notify,
    flights: Flights,
    progress: Progress,
    /// Rises with every change that may have taken jobs away from whoever works on them.
    changes: AtomicU64,
    /// Slots of each node as the settings last said.
    slots: AtomicU32,
    /// Notified when a job begins.
    began: Notify,
    /// Sessions whose jobs could not be returned when they ended.
    owed: Mutex<Vec<LostSession>>,
}

/// The way from a node's word into the books. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Settle {
    rooms: Arc<Rooms>,
    /// Whose changes those of this handle are.
    by: Actor,
    moves: mpsc::Sender<Verdict>,
    trash: mpsc::Sender<trash::Word>,
    checks: mpsc::Sender<Vec<CheckResult>>,
    uploads: mpsc::Sender<uploads::Asked>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Settle {
    /// Starts the tasks that write: moves, old copies, the emptying of the trash, the reading of copies, and uploads. `wake` is
    /// notified whenever work may have become possible.
    #[must_use]
    pub fn start(store: Store, sessions: Arc<Sessions>, events: Events, wake: Arc<Notify>) -> Self {
        let rooms = Arc::new(Rooms {
            store,
            sessions,
            events,
            wake,
            empty_trash: Arc::new(Notify::new()),
            check: Notify::new(),
            flights: Flights::default(),
            progress: Progress::started(Instant::now()),
            changes: AtomicU64::new(0),
            slots: AtomicU32::new(u32::MAX),
            began: Notify::new(),
            owed: Mutex::default(),
        });
        let (moves, verdicts) = mpsc::channel(QUEUED_WORDS);
        let (trash, words) = mpsc::channel(QUEUED_WORDS);
        let (checks, checked) = mpsc::channel(QUEUED_WORDS);
        let (uploads, asked) = mpsc::channel(QUEUED_WORDS);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(moves::run(Arc::clone(&rooms), verdicts, trash.clone(), stop.clone()));
        tasks.spawn(trash::run(Arc::clone(&rooms), words, stop.clone()));
        tasks.spawn(purge::run(Arc::clone(&rooms), trash.clone(), stop.clone()));
        tasks.spawn(checks::run(Arc::clone(&rooms), checked, trash.clone(), stop.clone()));
        tasks.spawn(uploads::run(Arc::clone(&rooms), asked, stop.clone()));
        Self { rooms, by: Actor::Server, moves, trash, checks, uploads, tasks, stop }
    }

    /// The same; what a person changes through this handle is this one's doing.
    #[must_use]
    pub fn by(&self, actor: Actor) -> Self {
        Self { by: actor, ..self.clone() }
    }

    /// The books, for a person's change.
    fn books(&self) -> Store {
        self.rooms.store.by(self.by.clone())
    }

    /// Writes down what has been heard so far, then ends. What can't be written is done again after the next start.
    pub async fn shut_down(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Jobs that ended without being sent.
    pub async fn ended_unsent(&self, settled: Vec<SettledJob>) {
        if !settled.is_empty() {
            self.rooms.published(settled);
            trash::look(&self.rooms, &self.trash).await;
        }
    }

    /// Orders for old copies are due: those of nodes that are attached here go out.
    pub async fn look_after_old_copies(&self) {
        trash::look(&self.rooms, &self.trash).await;
    }

    /// Jobs, settings or pools may have changed: the trash is looked at anew.
    pub fn look_into_trash(&self) {
        self.rooms.empty_trash.notify_one();
    }

    /// A leased job is about to be sent. Call it before the first command that has a file of it.
    pub fn begin(&self, job: LeasedJob) {
        self.rooms.progress.begin(&job, Instant::now());
        self.rooms.got_on(job.job, job.parent);
        self.rooms.flights.begin(job);
        self.rooms.began.notify_one();
    }

    /// How far running transfers are.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.rooms.progress
    }

    /// The command for this file of a leased job could not be sent.
    pub async fn unsent(&self, job: &LeasedJob, path: &StoredPath, cause: Cause, why: String) {
        self.land(job.lease, path, FileEnd::Failed(cause, why)).await;
    }

    /// Takes in what a node says.
    pub async fn hear(&self, session: &Session, news: News) {
        match news {
            News::Heartbeat(beat) => self.heartbeat(session, beat).await,
            News::Progress { command, bytes_done, files, flowing } => {
                session.pending.flowed(command, bytes_done);
                if let Some((path, bytes, resumed_from)) = flowing
                    && let Some(Awaited::Pushed(attempt)) = session.pending.awaited(command, &path)
                {
                    self.rooms.progress.resumed(attempt.job, attempt.lease, resumed_from);
                    self.rooms.progress.flowing(attempt.job, attempt.lease, bytes, Instant::now());
                    self.rooms.got_on(attempt.job, self.rooms.flights.parent(attempt.lease));
                }
                self.results(session, command, files).await;
            }
            News::Ended { command, files, error } => {
                self.results(session, command, files).await;
                self.ended(session, command, error).await;
            }
            News::Probed { command, found } => session.pending.answer(command, Ok(found)),
            News::Leaving => {} // whoever reads the stream ends the session
        }
    }

    async fn results(&self, session: &Session, command: CommandId, files: Vec<FileResult>) {
        if !files.is_empty() {
            crash_point!("settle.after_word");
        }
        let (mut trashed, mut checked) = (Vec::new(), Vec::new());
        for (awaited, result) in session.pending.report(command, files) {
            self.rooms.count(&awaited, &result);
            match awaited {
                Awaited::Pushed(attempt) => self.land(attempt.lease, &result.path, FileEnd::of(&result)).await,
                Awaited::Restored(attempt) => self.restored(attempt.lease, &result).await,
                Awaited::Trashed { task, pool, generation, failures } => {
                    trashed.push(trash::result((task, pool, generation, failures), result, clock::now()));
                }
                Awaited::Checked { pool, generation, failures } => {
                    checked.push(checks::result((pool, generation, failures), result, clock::now()));
                }
            }
        }
        self.noted(trashed, checked).await;
    }

    /// The command is over: its slot is free, and what it never reported is to be tried again.
    async fn ended(&self, session: &Session, command: CommandId, error: Option<String>) {
        if let Some(why) = &error {
            // Where it was a probe: an older node does not know it.
            session.pending.answer(command, Err(why.clone()));
        }
        let why = error.unwrap_or_else(|| format!("node {} ended the command without a word on it", session.node()));
        let (mut trashed, mut checked) = (Vec::new(), Vec::new());
        for (path, awaited) in session.pending.end(command) {
            match awaited {
                Awaited::Pushed(attempt) | Awaited::Restored(attempt) => {
                    self.land(attempt.lease, &path, FileEnd::Failed(Cause::Passing, why.clone())).await;
                }
                Awaited::Trashed { task, pool, generation, failures } => {
                    tracing::warn!(pool_id = %pool, %path, "an old copy was not put into the trash, or out of it: {why}");
                    let outcome = trash::again(failures, clock::now());
                    trashed.push(TrashResult { task, pool, path, generation, outcome });
                }
                Awaited::Checked { pool, generation, failures } => {
                    tracing::warn!(pool_id = %pool, %path, "a copy could not be read: {why}");
                    let outcome = checks::again(failures, clock::now());
                    checked.push(CheckResult { pool, path, generation, outcome });
                }
            }
        }
        self.noted(trashed, checked).await;
        self.rooms.check.notify_one();
        self.say(trash::Word::Free(session.node().clone())).await;
        self.rooms.wake.notify_one();
    }

    async fn land(&self, lease: Lease, path: &StoredPath, end: FileEnd) {
        let Some((job, ends)) = self.rooms.flights.land(lease, path, end) else {
            return;
        };
        let verdict = verdict::decide(&job, &ends, clock::now());
        if self.moves.send(verdict).await.is_err() {
            let trace = Trace::of_job(job.job).id();
            tracing::debug!(job = %job.job, trace_id = %trace, "a result came after the end; the job starts over");
        }
    }

    /// Words that go to the tasks that write them down.
    async fn noted(&self, trashed: Vec<TrashResult>, checked: Vec<CheckResult>) {
        if !trashed.is_empty() {
            self.say(trash::Word::Results(trashed)).await;
        }
        if !checked.is_empty() && self.checks.send(checked).await.is_err() {
            tracing::debug!("a word on copies came after the end; they are read again");
        }
    }

    async fn say(&self, word: trash::Word) {
        if self.trash.send(word).await.is_err() {
            tracing::debug!("a word on old copies came after the end; their node is asked again");
        }
    }
}

impl Rooms {
    /// A job is further than before, and its parent with it. Told at most once a second.
    fn got_on(&self, job: JobId, parent: Option<JobId>) {
        self.events.progressed(Subject::Job(job));
        if let Some(parent) = parent {
            self.events.progressed(Subject::Job(parent));
        }
    }

    /// A file that is at its target counts.
    fn count(&self, awaited: &Awaited, result: &FileResult) {
        let (Awaited::Pushed(attempt) | Awaited::Restored(attempt)) = awaited else { return };
        let how = match (awaited, result.outcome) {
            (Awaited::Pushed(_), Outcome::Done) => Counts::Flowed,
            (_, Outcome::Done | Outcome::Skipped) => Counts::There,
            _ => return,
        };
        self.progress.landed(attempt.job, attempt.lease, result.size, how, Instant::now());
    }

    /// Jobs that ended without a line of their own.
    fn published(&self, settled: Vec<SettledJob>) {
        self.progress.ended(settled.iter().map(|job| job.job));
        for job in settled {
            let cause = if job.cause.is_empty() { String::new() } else { format!(": {}", job.cause) };
            let message = format!("[JobQueue] Job {} {}{cause}", job.job, job.state.as_str());
            let trace = Trace::of_job(job.job).id();
            if job.state == JobState::Failed {
                tracing::warn!(job = %job.job, trace_id = %trace, "{message}");
            } else {
                tracing::debug!(job = %job.job, trace_id = %trace, "{message}");
            }
            self.events.publish(&Event { subject: Subject::Job(job.job), message });
            if let Some(parent) = job.parent {
                self.events.progressed(Subject::Job(parent));
            }
        }
    }
}
