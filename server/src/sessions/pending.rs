//! Commands that a session's node works on: which of their files have not been reported yet.
//! Each file counts once; a second report of it, or one of a command that ended, is dropped here.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;
use pixelfox_proto::{Attempt, Generation, JobId, Lease, PoolId, StoredPath};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::news::{CommandId, FileResult, Probed};
use crate::catalog::TrashTask;

/// Whose file a result is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// A file of a move, in this attempt.
    Pushed(Attempt),
    /// A file of a move that the target may have in its trash, in this attempt.
    Restored(Attempt),
    /// A copy that goes to the trash, or out of it for good.
    Trashed {
        /// Which of both.
        task: TrashTask,
        /// The pool that it is in.
        pool: PoolId,
        /// The generation that was ordered away.
        generation: Generation,
        /// Times that it went wrong before.
        failures: u32,
    },
    /// A copy that is read.
    Checked {
        /// The pool that it is in.
        pool: PoolId,
        /// Which copy it is.
        generation: Generation,
        /// Times that it could not be read before.
        failures: u32,
    },
}

impl Awaited {
    /// The lease of the attempt, where it is one.
    fn lease(&self) -> Option<Lease> {
        match self {
            Self::Pushed(attempt) | Self::Restored(attempt) => Some(attempt.lease),
            Self::Trashed { .. } | Self::Checked { .. } => None,
        }
    }
}

/// What a command is, as far as its slot is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Bytes flow: takes one of the node's slots.
    Push,
    /// Renames only, into the trash or out of it: takes none.
    Rename,
    /// Files of the trash go for good: takes none.
    Purge,
    /// Files are read and nothing is changed: takes none.
    Check,
}

#[derive(Debug)]
struct Command {
    work: Work,
    bytes_done: u64,
    /// When it was sent, or bytes or files of it were last heard of.
    news: Instant,
    unreported: HashMap<StoredPath, Awaited>,
}

/// The open commands of one session.
#[derive(Debug, Default)]
pub struct Pending {
    commands: Mutex<HashMap<CommandId, Command>>,
    probes: Mutex<HashMap<CommandId, oneshot::Sender<Probed>>>,
}

impl Pending {
    /// Notes a command before it is sent.
    pub fn put(&self, id: CommandId, work: Work, files: impl IntoIterator<Item = (StoredPath, Awaited)>) {
        let unreported = files.into_iter().collect();
        self.commands.lock().insert(id, Command { work, bytes_done: 0, news: Instant::now(), unreported });
    }

    /// Notes a probe before it is sent; its answer comes out of the receiver.
    pub fn put_probe(&self, id: CommandId) -> oneshot::Receiver<Probed> {
        let (tell, told) = oneshot::channel();
        self.probes.lock().insert(id, tell);
        told
    }

    /// Gives the answer to whoever waits for it. An answer that nobody waits for any more is dropped.
    pub fn answer(&self, id: CommandId, found: Probed) {
        if let Some(waiting) = self.probes.lock().remove(&id) {
            drop(waiting.send(found));
        }
    }

    /// Nobody waits for this probe any more.
    pub fn forget_probe(&self, id: CommandId) {
        self.probes.lock().remove(&id);
    }

    /// Pairs results with what they are about. What was not asked for, or was reported before, is left out.
    pub fn report(&self, id: CommandId, results: Vec<FileResult>) -> Vec<(Awaited, FileResult)> {
        let mut commands = self.commands.lock();
        let Some(command) = commands.get_mut(&id) else {
            return Vec::new();
        };
        let known = |result: FileResult| Some((command.unreported.remove(&result.path)?, result));
        let heard: Vec<_> = results.into_iter().filter_map(known).collect();
        if !heard.is_empty() {
            command.news = Instant::now();
        }
        heard
    }

    /// What a file of a command is, where it has not ended yet.
    pub fn awaited(&self, id: CommandId, path: &StoredPath) -> Option<Awaited> {
        self.commands.lock().get(&id)?.unreported.get(path).cloned()
    }

    /// Bytes that a command has sent so far.
    pub fn flowed(&self, id: CommandId, bytes_done: u64) {
        if let Some(command) = self.commands.lock().get_mut(&id).filter(|command| command.bytes_done < bytes_done) {
            (command.bytes_done, command.news) = (bytes_done, Instant::now());
        }
    }

    /// Ends a command: its slot is free, and the files that were never reported come back.
    pub fn end(&self, id: CommandId) -> Vec<(StoredPath, Awaited)> {
        let ended = self.commands.lock().remove(&id);
        ended.map(|command| command.unreported.into_iter().collect()).unwrap_or_default()
    }

    /// Forgets the files of these leases: whatever the node still says about them is dropped.
    /// The commands that have such files come back, with the jobs to cancel there.
    pub fn forget(&self, leases: &HashSet<Lease>) -> Vec<(CommandId, Vec<JobId>)> {
        let mut cancelled = Vec::new();
        for (id, command) in self.commands.lock().iter_mut() {
            let mut jobs = HashSet::new();
            command.unreported.retain(|_, awaited| match awaited {
                Awaited::Pushed(attempt) | Awaited::Restored(attempt) if leases.contains(&attempt.lease) => {
                    jobs.insert(attempt.job);
                    false
                }
                Awaited::Pushed(_) | Awaited::Restored(_) | Awaited::Trashed { .. } | Awaited::Checked { .. } => true,
            });
            if !jobs.is_empty() {
                cancelled.push((*id, jobs.into_iter().collect()));
            }
        }
        cancelled
    }

    /// The leases whose files are not all reported, each with the last news of its command.
    pub fn progress(&self) -> Vec<(Lease, Instant)> {
        let commands = self.commands.lock();
        let of = |command: &Command| {
            let news = command.news;
            command.unreported.values().filter_map(Awaited::lease).map(move |lease| (lease, news)).collect::<Vec<_>>()
        };
        commands.values().flat_map(of).collect()
    }

    /// The leases of the newest commands of this kind, all but the `kept` oldest: these have come the furthest.
    pub fn surplus(&self, work: Work, kept: usize) -> Vec<Lease> {
        let commands = self.commands.lock();
        let mut open: Vec<_> = commands.iter().filter(|(_, command)| command.work == work).collect();
        open.sort_unstable_by_key(|(id, _)| **id);
        let leases = |(_, command): &(&CommandId, &Command)| -> Vec<Lease> {
            command.unreported.values().filter_map(Awaited::lease).collect()
        };
        let mut surplus: Vec<Lease> = open.iter().skip(kept).flat_map(leases).collect();
        surplus.sort_unstable();
        surplus.dedup();
        surplus
    }

    /// Open commands of this kind.
    pub fn count(&self, work: Work) -> usize {
        self.commands.lock().values().filter(|command| command.work == work).count()
    }
}

#[cfg(test)]
mod tests {
    use super::super::news::Outcome;
    use super::*;

    fn path(name: &str) -> StoredPath {
        StoredPath::try_from(format!("original/{name}").as_str()).expect("a path")
    }

    fn result(name: &str) -> FileResult {
        FileResult { path: path(name), outcome: Outcome::Done, size: 1, sha256: None, message: String::new() }
    }

    fn trashed(number: u64) -> Awaited {
        let pool = PoolId::try_from(1).expect("not 0");
        Awaited::Trashed { task: TrashTask::Trash, pool, generation: Generation(number), failures: 0 }
    }

    #[test]
    fn each_file_of_a_command_is_reported_once() {
        // The second report of a.jpg and a file that was never asked for are dropped; b.jpg comes back at the end.
        let (pending, id) = (Pending::default(), CommandId(7));
        pending.put(id, Work::Push, [(path("a.jpg"), trashed(1)), (path("b.jpg"), trashed(2))]);
        assert_eq!(pending.report(id, vec![result("a.jpg"), result("x.jpg")]), [(trashed(1), result("a.jpg"))]);
        assert_eq!(pending.report(id, vec![result("a.jpg")]), []);
        assert_eq!(pending.count(Work::Push), 1);
        assert_eq!(pending.end(id), [(path("b.jpg"), trashed(2))]);
        assert_eq!(pending.report(id, vec![result("b.jpg")]), []);
        assert_eq!((pending.count(Work::Push), pending.end(id)), (0, vec![]));
    }

    fn pushed(job: u64) -> Awaited {
        let job = JobId::try_from(job).expect("not 0");
        Awaited::Pushed(Attempt { lease: Lease(job.get()), job, attempt: 1, generation: Generation(2) })
    }

    #[test]
    fn a_trash_order_takes_no_slot() {
        // Only pushes are counted against the node's slots.
        let pending = Pending::default();
        pending.put(CommandId(1), Work::Rename, [(path("a.jpg"), trashed(1))]);
        pending.put(CommandId(2), Work::Push, [(path("b.jpg"), pushed(1))]);
        assert_eq!((pending.count(Work::Push), pending.count(Work::Rename)), (1, 1));
    }

    #[test]
    fn the_newest_commands_are_above_the_slots() {
        // Three pushes and an order for the trash; with one slot kept, the jobs of the two newer pushes.
        let pending = Pending::default();
        pending.put(CommandId(3), Work::Push, [(path("c.jpg"), pushed(3)), (path("d.jpg"), pushed(3))]);
        pending.put(CommandId(1), Work::Push, [(path("a.jpg"), pushed(1))]);
        pending.put(CommandId(2), Work::Push, [(path("b.jpg"), pushed(2))]);
        pending.put(CommandId(4), Work::Rename, [(path("e.jpg"), trashed(1))]);
        assert_eq!(pending.surplus(Work::Push, 1), [Lease(2), Lease(3)]);
        assert_eq!(pending.surplus(Work::Push, 3), []);
    }

    #[test]
    fn a_forgotten_lease_is_cancelled_where_it_runs_and_heard_of_no_more() {
        // Two jobs in one command: the first is forgotten, the second goes on.
        let (pending, id) = (Pending::default(), CommandId(1));
        pending.put(id, Work::Push, [(path("a.jpg"), pushed(1)), (path("b.jpg"), pushed(2))]);
        let first = JobId::try_from(1).expect("not 0");
        assert_eq!(pending.forget(&HashSet::from([Lease(1)])), [(id, vec![first])]);
        assert_eq!(pending.forget(&HashSet::from([Lease(1)])), []);
        assert_eq!(pending.report(id, vec![result("a.jpg"), result("b.jpg")]), [(pushed(2), result("b.jpg"))]);
    }
}
