//! The committer: the one thread on which names of a pool change. It takes all that is waiting at once, so that many
//! files share the syncs: data of all started and synced, then the names, then one sync per directory, then the
//! answers.
//!
//! Storing a file, and what a crash after each step leaves:
//! 1. bytes in `incoming/`: no name, nobody sees them; resumed or swept.
//! 2. mark on them, then data synced: the same.
//! 3. pending entry synced (uploads): an entry without a file, removed at the next start.
//! 4. name given, never replacing another file: the file is whole, marked and synced, only its name may be lost with
//!    the power; the sender has no receipt yet and sends again. A file that has to be replaced (contract, 409 row)
//!    gets a second name in `quarantine/` first, durably, and is replaced in one step.
//! 5. directory synced, and every parent that this process has not seen synced before: durable, the receipt follows.
//!
//! When the sync of a directory fails, nothing that this disk says can be believed until the process starts again:
//! the pool takes nothing more in.

use std::collections::HashSet;
use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use pixelfox_proto::{Attempt, Generation, ImageId, StoredPath};
use tokio::sync::mpsc;

use super::error::DiskError;
use super::fences::Fences;
use super::incoming::Incoming;
use super::mark::{Mark, MarkKind, Marks};
use super::read::{Existing, Stored};
use super::root::{self, Root};

/// Files that share their syncs at most. Source: docs/PERFORMANCE.md, "Figures to build on".
const BATCH: usize = 256;
/// Orders that may wait; who comes later waits with its file.
pub(super) const QUEUE: usize = 1024;

/// What the committer, the readers and the writers of one pool share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) root: Root,
    pub(crate) incoming: OwnedFd,
    pub(crate) pending: OwnedFd,
    pub(crate) marks: Marks,
    pub(crate) fences: Mutex<Fences>,
    /// Which sync failed, once one has.
    pub(crate) distrusted: OnceLock<String>,
    /// Whether many files may be made durable at once by a sync of the whole file system.
    pub(crate) syncs_whole: bool,
    /// Held for as long as the pool is open: another process that opens the same directory is refused.
    pub(crate) _lock: File,
}

/// A file that is whole and shall get its name.
#[derive(Debug)]
pub struct Placing {
    /// Its bytes.
    pub incoming: Incoming,
    /// Its name.
    pub path: StoredPath,
    /// What is on record about it from now on.
    pub mark: Mark,
    /// What to do, decided about what was seen under the name.
    pub step: Step,
    /// The move that it belongs to, if it does.
    pub attempt: Option<Attempt>,
    /// The upload that it belongs to, if it does: gets a pending entry first.
    pub pending: Option<ImageId>,
}

/// What is to be done with the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing is there: give it.
    Give,
    /// This file is there and has to go: set it aside and take its name in one step.
    Replace(Existing),
    /// This file is there and has the same bytes: drop ours, and make theirs durable.
    Keep(Existing),
    /// As `Keep`, and put the mark on the file that is there.
    Raise(Existing),
}

/// What became of it.
#[derive(Debug)]
pub enum Placed {
    /// Durable under its name, by our bytes or by those that were there.
    Durable,
    /// Something else is there than was seen: look and decide again.
    Changed(Incoming),
    /// The attempt was given up or overtaken in the meantime.
    Stale,
}

/// Gets the outcome on the committer's thread; must not wait.
pub(crate) type Answer<T> = Box<dyn FnOnce(Result<T, DiskError>) + Send>;

/// One change of names.
pub(crate) enum Order {
    Place(Box<Placing>, Answer<Placed>),
    Trash(super::remove::Removal, Answer<super::remove::Trashed>),
    Restore(super::restore::Restore, Answer<super::restore::Restored>),
    Purge(super::remove::Removal, Answer<super::remove::Purged>),
    Drop(StoredPath, ImageId, Answer<super::remove::Dropped>),
    Forget(ImageId),
    Adopt(StoredPath, Existing, Mark, Answer<Placed>),
    Judge(StoredPath, Existing, super::judge::Verdict, Answer<()>),
}

type Settle = Box<dyn FnOnce(Option<DiskError>) + Send>;

/// The thread's own state.
pub(crate) struct Committer {
    pub(crate) shared: Arc<Shared>,
    /// Directories whose own entries in their parents were synced by this process.
    pub(super) known: HashSet<String>,
    /// Directories that have to be synced before this batch is answered.
    pub(super) dirty: HashSet<String>,
    settles: Vec<Settle>,
}

impl Committer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, known: HashSet::new(), dirty: HashSet::new(), settles: Vec::new() }
    }

    /// Works until every sender is gone.
    pub(crate) fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut batch = Vec::with_capacity(BATCH);
        while orders.blocking_recv_many(&mut batch, BATCH) > 0 {
            self.commit(std::mem::take(&mut batch));
        }
    }

    fn commit(&mut self, mut batch: Vec<Order>) {
        let unsynced = self.sync_data(&mut batch);
        let mut failures = unsynced.into_iter();
        for order in batch {
            let failure = failures.next().flatten();
            self.carry_out(order, failure);
        }
        crash_point!("disk.before_names_sync");
        let failure = self.sync_dirs();
        for settle in self.settles.drain(..) {
            crash_point!("disk.after_names_sync");
            settle(failure.as_ref().map(|dir| DiskError::Unsynced(dir.clone())));
        }
    }

    /// Marks, data and pending entries of all new files, durable; what failed, by the order's position.
    fn sync_data(&self, batch: &mut [Order]) -> Vec<Option<DiskError>> {
        let mut failures: Vec<Option<DiskError>> = batch.iter().map(|_| None).collect();
        for (order, failure) in batch.iter_mut().zip(&mut failures) {
            if let Some(placing) = new_bytes(order) {
                crash_point!("store.before_mark");
                *failure = self.prepare(placing).err();
                crash_point!("store.after_mark");
            }
        }
        let mut fresh: Vec<(&mut Placing, &mut Option<DiskError>)> = batch
            .iter_mut()
            .zip(&mut failures)
            .filter_map(|(order, failure)| Some((new_bytes(order)?, failure)))
            .filter(|(_, failure)| failure.is_none())
            .collect();
        self.sync_files(&mut fresh);
        if !fresh.is_empty() {
            crash_point!("store.after_data_sync");
        }
        let mut has_pending = false;
        for (placing, failure) in fresh.into_iter().filter(|(_, failure)| failure.is_none()) {
            if let Some(id) = placing.pending {
                crash_point!("upload.before_pending");
                *failure = self.shared.note_pending(id, &placing.path).err();
                crash_point!("upload.after_pending");
                has_pending = true;
            }
        }
        if has_pending && let Err(e) = rustix::fs::fsync(&self.shared.pending) {
            self.distrust(root::PENDING, &e.into());
        }
        if has_pending {
            crash_point!("upload.after_pending_sync");
        }
        failures
    }

    fn prepare(&self, placing: &mut Placing) -> Result<(), DiskError> {
        if self.shared.marks.kind == MarkKind::Attributes {
            let (shared, file) = (&self.shared, placing.incoming.file());
            // An attribute's directories do not change.
            let marked = shared.marks.write(&shared.root, file, placing.path.as_str(), &placing.mark, &mut |_| ());
            marked.map_err(|e| placing.incoming.spoiled("mark", e))?;
        }
        placing.incoming.start_writeback()
    }

    fn carry_out(&mut self, order: Order, failure: Option<DiskError>) {
        let trusted = self.shared.trust().and_then(|()| failure.map_or(Ok(()), Err));
        match order {
            Order::Place(placing, answer) => {
                let pending = placing.pending;
                let outcome = trusted.and_then(|()| self.place(*placing));
                if !matches!(outcome, Ok(Placed::Durable)) {
                    self.withdraw_pending(pending);
                }
                self.settle_later(outcome, answer);
            }
            Order::Trash(removal, answer) => {
                let outcome = trusted.and_then(|()| self.trash(&removal));
                self.settle_later(outcome, answer);
            }
            Order::Restore(restore, answer) => {
                let outcome = trusted.and_then(|()| self.restore(&restore));
                self.settle_later(outcome, answer);
            }
            Order::Purge(removal, answer) => {
                let outcome = trusted.and_then(|()| self.purge(&removal));
                self.settle_later(outcome, answer);
            }
            Order::Drop(path, upload, answer) => {
                let outcome = trusted.and_then(|()| self.drop_upload(&path, upload));
                self.settle_later(outcome, answer);
            }
            Order::Forget(upload) => {
                self.withdraw_pending(Some(upload));
                crash_point!("upload.after_forget");
            }
            Order::Judge(path, existing, verdict, answer) => {
                let outcome = trusted.and_then(|()| self.judge(&path, existing, verdict));
                self.settle_later(outcome, answer);
            }
            Order::Adopt(path, existing, mark, answer) => {
                let outcome = trusted.and_then(|()| self.adopt(&path, existing, &mark));
                self.settle_later(outcome, answer);
            }
        }
    }

    fn settle_later<T: Send + 'static>(&mut self, outcome: Result<T, DiskError>, answer: Answer<T>) {
        self.settles.push(Box::new(move |failure| {
            answer(match failure {
                Some(failure) if outcome.is_ok() => Err(failure),
                _ => outcome,
            });
        }));
    }

    /// Nobody has to ask about the upload: it did not come to its file, or was answered for.
    fn withdraw_pending(&self, pending: Option<ImageId>) {
        if let Some(Err(e)) = pending.map(|id| self.shared.forget_pending(id)) {
            tracing::warn!("{e}; the next start will");
        }
    }

    fn place(&mut self, mut placing: Placing) -> Result<Placed, DiskError> {
        if let Some(attempt) = &placing.attempt
            && self.shared.fences.lock().refuses(&placing.path, attempt)
        {
            placing.incoming.remove_at_drop();
            return Ok(Placed::Stale);
        }
        let done = match placing.step {
            Step::Give => self.give(&mut placing),
            Step::Replace(seen) => self.replace(&mut placing, seen),
            Step::Keep(seen) => self.keep(&placing, seen, None),
            Step::Raise(seen) => self.keep(&placing, seen, Some(&placing.mark)),
        };
        match done.inspect_err(|_| placing.incoming.remove_at_drop())? {
            Name::Taken => Ok(Placed::Changed(placing.incoming)),
            Name::Newer => {
                placing.incoming.remove_at_drop();
                Ok(Placed::Stale)
            }
            Name::Given => {
                placing.incoming.published();
                Ok(Placed::Durable)
            }
            Name::Kept => {
                placing.incoming.remove_at_drop();
                Ok(Placed::Durable)
            }
        }
    }

    fn give(&mut self, placing: &mut Placing) -> Result<Name, DiskError> {
        let path = &placing.path;
        let dir = self.ensure_dir(path.parent())?;
        if self.shared.marks.kind == MarkKind::Files {
            // The mark belongs to the place: not touched while another file is there.
            if self.shared.open(path)?.is_some() {
                return Ok(Name::Taken);
            }
            self.write_mark(placing.incoming.file(), path.as_str(), &placing.mark)?;
        }
        let shared = Arc::clone(&self.shared);
        crash_point!("store.before_name");
        match root::rename_new(shared.incoming.as_fd(), placing.incoming.name(), dir.as_fd(), path.file_name()) {
            Ok(()) => {
                crash_point!("store.after_name");
                self.touch(path.parent());
                Ok(Name::Given)
            }
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(Name::Taken),
            Err(e) => Err(DiskError::new("give its name to", path.as_str(), e)),
        }
    }

    fn replace(&mut self, placing: &mut Placing, seen: Existing) -> Result<Name, DiskError> {
        let path = &placing.path;
        let Some(there) = self.still_there(path, seen)? else { return Ok(Name::Taken) };
        if there.generation() > placing.mark.generation {
            return Ok(Name::Newer);
        }
        let dir = self.ensure_dir(path.parent())?;
        let aside = format!("{}/{:016x}/{}", root::QUARANTINE, fastrand::u64(..), path.parent());
        let quarantine = self.ensure_dir(&aside)?;
        let failed = |e| DiskError::new("replace", path.as_str(), e);
        crash_point!("replace.before_aside");
        root::link(dir.as_fd(), path.file_name(), quarantine.as_fd(), path.file_name()).map_err(failed)?;
        crash_point!("replace.after_aside");
        self.touch(&aside);
        // The old bytes are safe before their name goes; rare enough for a sync of its own.
        self.sync_or_fail()?;
        if self.shared.marks.kind == MarkKind::Files {
            self.write_mark(placing.incoming.file(), path.as_str(), &placing.mark)?;
        }
        let from = self.shared.incoming.as_fd();
        crash_point!("replace.before_name");
        root::rename_over(from, placing.incoming.name(), dir.as_fd(), path.file_name()).map_err(failed)?;
        crash_point!("replace.after_name");
        tracing::warn!("{path} was replaced; the old file is in {aside}");
        self.touch(path.parent());
        Ok(Name::Given)
    }

    fn keep(&mut self, placing: &Placing, seen: Existing, raise: Option<&Mark>) -> Result<Name, DiskError> {
        let Some(there) = self.still_there(&placing.path, seen)? else { return Ok(Name::Taken) };
        if let Some(attempt) = &placing.attempt
            && there.generation() >= attempt.generation
        {
            return Ok(Name::Newer);
        }
        if let Some(mark) = raise {
            if there.generation() > mark.generation {
                return Ok(Name::Newer);
            }
            crash_point!("keep.before_mark");
            self.write_mark(there.file(), placing.path.as_str(), mark)?;
            crash_point!("keep.after_mark");
        }
        // Someone else may have put it there, or our own receipt for it may have been lost before the sync.
        self.sync_stored(&there, placing.path.as_str())?;
        crash_point!("keep.after_mark_sync");
        self.touch(placing.path.parent());
        Ok(Name::Kept)
    }

    /// Marks a file that had none, if it is still the one that was hashed.
    fn adopt(&mut self, path: &StoredPath, seen: Existing, mark: &Mark) -> Result<Placed, DiskError> {
        match self.still_there(path, seen)? {
            Some(there) if there.mark().is_none() && mark.generation == Generation(0) => {
                self.write_mark(there.file(), path.as_str(), mark)?;
                self.sync_stored(&there, path.as_str())?;
                Ok(Placed::Durable)
            }
            _ => Ok(Placed::Stale),
        }
    }

    /// The file under the name, if it is still the one that was decided about.
    pub(super) fn still_there(&self, path: &StoredPath, seen: Existing) -> Result<Option<Stored>, DiskError> {
        Ok(self.shared.open(path)?.filter(|there| there.existing() == seen))
    }

    /// Puts a mark on a file that is at, or is about to come to, `place`.
    pub(crate) fn write_mark(&mut self, file: &File, place: &str, mark: &Mark) -> Result<(), DiskError> {
        let mut changed = Vec::new();
        let (marks, root) = (self.shared.marks, &self.shared.root);
        let written = marks.write(root, file, place, mark, &mut |dir| changed.push(dir.to_owned()));
        changed.iter().for_each(|dir| self.touch(dir));
        written.map_err(|e| DiskError::new("mark", place, e))
    }
}

/// What a placing's step came to.
enum Name {
    Given,
    Kept,
    Taken,
    Newer,
}

fn new_bytes(order: &mut Order) -> Option<&mut Placing> {
    match order {
        Order::Place(placing, _) if matches!(placing.step, Step::Give | Step::Replace(_)) => Some(placing),
        _ => None,
    }
}
