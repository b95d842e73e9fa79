//! The only room that opens a pool's files. One `Disk` is one pool's directory on this machine, held open by a
//! handle that nothing can leave; it reads, takes in, publishes, trashes and lists files, and knows neither nodes nor
//! the coordinator.
//!
//! All names of a pool change on one thread, its committer (`publish`): what a decision looked at is looked at
//! again there, so two of them can't cross. Reading and the writing of temp files happen wherever the caller is.
//!
//! What a crash leaves behind, step by step, stands beside the steps: `publish` for storing, `remove` and `restore` for
//! the trash, `pending` for uploads, `incoming` for temp files.

mod error;
mod fences;
mod finding;
mod incoming;
mod judge;
mod mark;
mod notes;
mod pending;
mod publish;
mod read;
mod remove;
mod restore;
mod root;
mod site;
mod sync;
mod walk;

pub use error::DiskError;
pub use fences::Fences;
pub use finding::{marked_below, marker_in};
pub use incoming::{Incoming, ProbeFile};
pub use judge::Verdict;
pub use mark::{Mark, MarkKind};
pub use pending::PendingUpload;
pub use publish::{Placed, Placing, Step};
pub use read::{Existing, Stored};
pub use remove::{Dropped, Moved, Purged, Reason, Removal, Trashed};
pub use restore::Restored;
pub use root::DirId;
pub use site::{Site, SiteError};
pub use walk::{Listed, Walk};

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use pixelfox_proto::{Attempt, FileMeta, Generation, ImageId, Lease, Sha256, StoredPath};
use tokio::sync::{mpsc, oneshot};

use publish::{Committer, Order, Shared};
use restore::Restore;

/// One pool's directory, open and locked. Reading and writing block the caller's thread; what changes names is
/// awaited from the committer.
#[derive(Debug)]
pub struct Disk {
    shared: Arc<Shared>,
    orders: mpsc::Sender<Order>,
    /// Not joined when the disk is dropped: one that hangs must not hang its owner. It ends after its last order.
    committer: Option<JoinHandle<()>>,
}

impl Disk {
    /// Takes the lock of `site` and starts the committer.
    ///
    /// # Errors
    /// [`SiteError::Locked`] where someone works in it already, or what the system says.
    pub fn start(site: Site, floor: Lease) -> Result<Self, SiteError> {
        Self::start_with(site, floor, None)
    }

    /// As [`Disk::start`], with the marks where `marks` says instead of where the file system can keep them.
    ///
    /// # Errors
    /// As [`Disk::start`].
    pub fn start_with(site: Site, floor: Lease, marks: Option<MarkKind>) -> Result<Self, SiteError> {
        let lock = site.lock()?;
        let (incoming, pending, marks) = site.furnish(marks)?;
        let path = site.path().to_owned();
        let fences = Mutex::new(Fences::new(floor, Fences::MOST));
        let distrusted = OnceLock::new();
        let syncs_whole = sync::syncs_whole(&incoming);
        let shared = Shared { root: site.root, incoming, pending, marks, fences, distrusted, syncs_whole, _lock: lock };
        let shared = Arc::new(shared);
        match shared.clear_unnamed() {
            Ok(0) => {}
            Ok(left) => tracing::info!("removed {left} temp files of uploads that ended with an earlier process"),
            // The pool serves all the same, and the sweep comes by later.
            Err(e) => tracing::warn!("could not remove what uploads have left: {e}"),
        }
        let (orders, waiting) = mpsc::channel(publish::QUEUE);
        let committer = Committer::new(Arc::clone(&shared));
        let thread = std::thread::Builder::new()
            .name("committer".into())
            .spawn(move || committer.run(waiting))
            .map_err(|cause| SiteError::Io { doing: "start the committer of", path, cause })?;
        Ok(Self { shared, orders, committer: Some(thread) })
    }

    /// Opens the file at `path`; `None` where no regular file is. Blocking.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(&self, path: &StoredPath) -> Result<Option<Stored>, DiskError> {
        self.shared.open(path)
    }

    /// What stands at `path` that is no file and can't be replaced by one, in a word; `None`: nothing does. Blocking.
    #[must_use]
    pub fn in_the_way(&self, path: &StoredPath) -> Option<&'static str> {
        let dir = self.shared.root.dir(path.parent()).ok()?;
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        let stat = rustix::fs::statat(&dir, path.file_name(), flags).ok()?;
        root::kind_if_no_file(stat.st_mode)
    }

    /// Opens the copy of `path` that is in the trash with `generation`. Blocking.
    ///
    /// # Errors
    /// What the system says.
    pub fn open_trashed(&self, path: &StoredPath, generation: Generation) -> Result<Option<Stored>, DiskError> {
        let (path, place) = remove::trash_place(path, generation);
        self.shared.open_place(&path, &place)
    }

    /// Files whose path begins with `prefix`, in ascending order, behind `after`.
    #[must_use]
    pub fn walk(&self, prefix: &str, after: &str) -> Walk {
        Walk::new(&self.shared, prefix, after)
    }

    /// A new file on its way in. Blocking.
    ///
    /// # Errors
    /// What the system says.
    pub fn incoming(&self) -> Result<Incoming, DiskError> {
        self.shared.trust()?;
        Incoming::create(&self.shared)
    }

    /// The file on its way to `path` that an interrupted transfer has left, or a new one. The name comes from what
    /// the file will be, so that only the same file is gone on with. Blocking.
    ///
    /// # Errors
    /// What the system says.
    pub fn resume(&self, path: &StoredPath, size: u64, sha256: &Sha256) -> Result<Incoming, DiskError> {
        self.shared.trust()?;
        Incoming::resume(&self.shared, incoming::name_to_go_on(path, size, sha256))
    }

    /// Hands a whole file to the committer. `answer` hears the outcome on the committer's thread and must not wait;
    /// where the pool is being closed it is dropped unheard.
    pub async fn place(&self, placing: Placing, answer: impl FnOnce(Result<Placed, DiskError>) + Send + 'static) {
        // A committer that is gone drops the order, and the answer with it.
        drop(self.orders.send(Order::Place(Box::new(placing), Box::new(answer))).await);
    }

    /// Puts a file into the trash, and leaves a fence against its late return.
    ///
    /// # Errors
    /// What the system says.
    pub async fn trash(&self, removal: Removal) -> Result<Trashed, DiskError> {
        self.ask(|answer| Order::Trash(removal, answer)).await
    }

    /// Removes a file from the trash for good.
    ///
    /// # Errors
    /// What the system says.
    pub async fn purge(&self, removal: Removal) -> Result<Purged, DiskError> {
        self.ask(|answer| Order::Purge(removal, answer)).await
    }

    /// Brings a file back from the trash under `new_generation`; with [`Check::Bytes`] its bytes are hashed first,
    /// on the caller's thread.
    ///
    /// # Errors
    /// What the system says.
    pub async fn restore(
        &self,
        path: &StoredPath,
        (generation, new_generation): (Generation, Generation),
        check: Check,
    ) -> Result<Restored, DiskError> {
        for _ in 0..LOOKS {
            let mut checked = None;
            if check == Check::Bytes {
                let copies = [self.open(path)?, self.open_trashed(path, generation)?];
                let mut sound = Vec::new();
                for copy in copies.into_iter().flatten() {
                    let sha256 = copy.hash().await.map_err(|e| DiskError::new("hash", path.as_str(), e))?;
                    if copy.mark().is_some_and(|mark| mark.sha256 == sha256) {
                        sound.push(copy.existing());
                    } else {
                        return Ok(Restored::Mismatch);
                    }
                }
                checked = Some(sound);
            }
            let restore = Restore { path: path.clone(), generation, new_generation, checked };
            let restored = self.ask(|answer| Order::Restore(restore, answer)).await?;
            if restored != Restored::Changed {
                return Ok(restored);
            }
        }
        Ok(Restored::Changed)
    }

    /// Hashes a file that has no mark and gives it one of generation 0. `false`: there is none, or it has one.
    ///
    /// # Errors
    /// What the system says.
    pub async fn adopt(&self, path: &StoredPath) -> Result<bool, DiskError> {
        let Some(there) = self.open(path)?.filter(|there| there.mark().is_none()) else { return Ok(false) };
        let sha256 = there.hash().await.map_err(|e| DiskError::new("hash", path.as_str(), e))?;
        let meta = FileMeta::default();
        let (size, generation) = (there.size(), Generation(0));
        let mark = Mark { size, sha256, generation, meta, was_unowned: false, is_suspect: false, visitor: None };
        let existing = there.existing();
        let adopted = self.ask(|answer| Order::Adopt(path.clone(), existing, mark, answer)).await?;
        Ok(matches!(adopted, Placed::Durable))
    }

    /// Keeps with a file what a check of its bytes came to, durably; a file that has changed since is left alone.
    ///
    /// # Errors
    /// What the system says.
    pub async fn judge(&self, path: &StoredPath, seen: &Stored, verdict: Verdict) -> Result<(), DiskError> {
        if verdict.is_known_of(seen) {
            return Ok(());
        }
        let existing = seen.existing();
        self.ask(|answer| Order::Judge(path.clone(), existing, verdict, answer)).await
    }

    /// Removes the file of an upload that the coordinator has refused, where the file there is this upload's, and
    /// the pending entry after it.
    ///
    /// # Errors
    /// What the system says; the entry stays then.
    pub async fn drop_upload(&self, path: &StoredPath, upload: ImageId) -> Result<Dropped, DiskError> {
        self.ask(|answer| Order::Drop(path.clone(), upload, answer)).await
    }

    /// Uploads that have no answer yet. Blocking.
    ///
    /// # Errors
    /// What the system says.
    pub fn pending_uploads(&self) -> Result<Vec<PendingUpload>, DiskError> {
        self.shared.pending()
    }

    /// The coordinator has answered for this upload: its entry goes soon, and nobody waits for it. Here on this thread it
    /// would wait for the committer's syncs, which change the same directory.
    pub async fn forget_upload(&self, id: ImageId) {
        // A committer that is gone leaves the entry to the next start.
        drop(self.orders.send(Order::Forget(id)).await);
    }

    /// Removes temp files that nobody has written to for `age`. Blocking.
    ///
    /// # Errors
    /// What the system says.
    pub fn sweep(&self, now: SystemTime, age: Duration) -> Result<usize, DiskError> {
        self.shared.sweep_incoming(now, age)
    }

    /// Whether `attempt` was given up, or leased before this process knew of any.
    #[must_use]
    pub fn refuses(&self, path: &StoredPath, attempt: &Attempt) -> bool {
        let mut fences = self.shared.fences.lock();
        fences.saw(attempt.lease);
        fences.refuses(path, attempt)
    }

    /// Bytes free and in all on its file system. Blocking, but short.
    ///
    /// # Errors
    /// What the system says.
    pub fn room(&self) -> Result<(u64, u64), DiskError> {
        self.shared.root.room().map_err(|e| DiskError::new("look at the room of", "the pool", e))
    }

    /// Whether the file system is mounted for writing. Cheap: no file is touched.
    ///
    /// # Errors
    /// [`DiskError::is_read_only`], or what the system says.
    pub fn writable(&self) -> Result<(), DiskError> {
        self.shared.root.writable().map_err(|e| DiskError::new("write to", "the pool", e))
    }

    /// Whether the disk still takes files and can still be believed, tried with a file that is written, synced, read
    /// back and removed. Blocking.
    ///
    /// # Errors
    /// What went wrong.
    pub fn probe(&self) -> Result<(), DiskError> {
        self.shared.trust()?;
        incoming::probe(&self.shared)
    }

    /// Makes a small file that is there until it is dropped. Blocking.
    ///
    /// # Errors
    /// Where the disk does not take it.
    pub fn leave(&self, content: &[u8]) -> Result<ProbeFile, DiskError> {
        self.shared.trust()?;
        ProbeFile::make(&self.shared, content)
    }

    /// What is wrong for good until this process starts again, if anything is.
    #[must_use]
    pub fn distrusted(&self) -> Option<&str> {
        self.shared.distrusted.get().map(String::as_str)
    }

    /// Whether the directory that `path` names now is the one that is open here.
    #[must_use]
    pub fn is_still_at(&self, path: &Path) -> bool {
        let named = root::Root::id_of(path).ok().flatten();
        named.is_some() && named == self.shared.root.dir_id("").ok().flatten()
    }

    /// The directory itself and those in it that hold files, as [`Site::ids`].
    ///
    /// # Errors
    /// What the system says.
    pub fn ids(&self) -> Result<Vec<DirId>, DiskError> {
        site::ids(&self.shared.root).map_err(|e| DiskError::new("look at", "the pool", e))
    }

    /// Whether its committer is gone, which only a defect can do: it has to be opened again.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.committer.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Lets the committer finish what is waiting and gives the lock back, where nobody else uses the disk any more.
    /// Blocking.
    pub fn close(mut self) {
        let (closed, _) = mpsc::channel(1);
        self.orders = closed;
        if let Some(thread) = self.committer.take()
            && thread.join().is_err()
        {
            tracing::error!("a committer has panicked");
        }
    }

    /// Where its marks are.
    #[must_use]
    pub fn mark_kind(&self) -> MarkKind {
        self.shared.marks.kind
    }

    /// Refuses attempts leased at `lease` or before, from now on.
    pub fn raise_floor(&self, lease: Lease) {
        self.shared.fences.lock().raise_floor(lease);
    }

    /// The marker's text as it is on the disk now; `None` where there is none. Blocking.
    ///
    /// # Errors
    /// What the system says.
    pub fn marker(&self) -> Result<Option<String>, SiteError> {
        site::read_marker(&self.shared.root, Path::new(""))
    }

    /// Replaces the marker's text, in one step and durably. Blocking.
    ///
    /// # Errors
    /// What the system says; the old marker stays then.
    pub fn replace_marker(&self, text: &str) -> Result<(), DiskError> {
        site::replace_marker(&self.shared.root, text).map_err(|e| DiskError::new("replace", "the marker", e))
    }

    async fn ask<T: Send + 'static>(&self, order: impl FnOnce(publish::Answer<T>) -> Order) -> Result<T, DiskError> {
        let (tell, told) = oneshot::channel();
        // Who no longer waits for the outcome does not need it.
        let order = order(Box::new(move |outcome| drop(tell.send(outcome))));
        self.orders.send(order).await.map_err(|_| DiskError::Closed)?;
        told.await.map_err(|_| DiskError::Closed)?
    }
}

/// How often something is looked at again that has changed under a decision.
const LOOKS: usize = 3;

/// What a restore looks at before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Mark and size.
    Mark,
    /// Every byte.
    Bytes,
}
