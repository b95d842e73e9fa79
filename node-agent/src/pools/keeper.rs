//! The thread that looks after one pool: opens its disk, sees whether it can still be believed, tries it now and then,
//! sweeps old temp files. Tells [`Pool`] what it found; a disk that hangs holds up nothing but this thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::identity;
use super::pool::Pool;
use super::welcome::{NodePool, Trouble};
use crate::clock;
use crate::disk::{DirId, Disk, DiskError};

/// How often a pool is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often a file is written to see whether that still works.
const PROBE_EVERY: Duration = Duration::from_secs(60);
/// How often, and how old, temp files are swept.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);
const SWEEP_AGE: Duration = Duration::from_secs(24 * 3600);

/// The pool's own thread. It ends when the pool is gone.
pub(super) struct Keeper {
    pool: std::sync::Weak<Pool>,
    probed: Option<Instant>,
    swept: Option<Instant>,
}

impl Keeper {
    pub(super) fn of(pool: &Arc<Pool>) -> Self {
        Self { pool: Arc::downgrade(pool), probed: None, swept: None }
    }

    #[expect(clippy::needless_pass_by_value, reason = "the thread owns its end of the channel")]
    pub(super) fn run(mut self, nudged: Receiver<()>) {
        loop {
            let Some(pool) = self.pool.upgrade() else { return };
            self.look(&pool);
            drop(pool);
            match nudged.recv_timeout(LOOK_EVERY) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn look(&mut self, pool: &Pool) {
        let mut told = pool.told();
        told.initialize &= !pool.was_open.load(Ordering::Acquire);
        if pool.trial_due.swap(false, Ordering::AcqRel) {
            self.probed = None;
        }
        let disk = match pool.disk().filter(|disk| !disk.has_ended()) {
            Some(disk) => identity::still_ours(&told, &disk).map(|()| disk),
            None => self.open(pool, &told),
        };
        match disk {
            Ok(disk) => {
                let room = disk.room().unwrap_or((0, 0));
                // `original` may have been made since.
                pool.take_directories(disk.ids().unwrap_or_default());
                let problem = self.check(pool, &disk).err().map(|e| (Trouble::NotWritable, describe(&e)));
                self.sweep(&disk);
                pool.set(Some(disk), problem, room);
            }
            Err(e) => {
                self.probed = None;
                pool.give_back_directories();
                pool.set(None, Some((e.trouble(), e.to_string())), (0, 0));
            }
        }
    }

    fn open(&mut self, pool: &Pool, told: &NodePool) -> Result<Arc<Disk>, identity::IdentityError> {
        let neighbours = &pool.neighbours;
        let floor = *neighbours.floor.lock();
        let taken = |ids: &[DirId]| neighbours.other_holder(ids, Some(pool.id()));
        let (disk, ids) = identity::open(told, &neighbours.roots, floor, taken)?;
        pool.take_directories(ids);
        pool.was_open.store(true, Ordering::Release);
        self.probed = None;
        Ok(Arc::new(disk))
    }

    /// Writes a file now and then; at once again after a failure, so that a pool is back as soon as its disk is.
    fn check(&mut self, pool: &Pool, disk: &Disk) -> Result<(), DiskError> {
        if let Err(e) = disk.writable() {
            self.probed = None;
            return Err(e);
        }
        let now = clock::monotonic();
        if self.probed.is_none_or(|probed| now.duration_since(probed) >= PROBE_EVERY) {
            self.probed = None;
            let full = match disk.probe() {
                Ok(()) => None,
                // Full is not broken: it still serves, and what needs room is told so.
                Err(e @ DiskError::Full { .. }) => Some(describe(&e)),
                Err(e) => return Err(e),
            };
            pool.set_full(full);
            self.probed = Some(now);
        }
        disk.distrusted().map_or(Ok(()), |what| Err(DiskError::Distrusted(what.to_owned())))
    }

    fn sweep(&mut self, disk: &Disk) {
        let now = clock::monotonic();
        if self.swept.is_none_or(|swept| now.duration_since(swept) >= SWEEP_EVERY) {
            self.swept = Some(now);
            match disk.sweep(clock::now(), SWEEP_AGE) {
                Ok(0) => {}
                Ok(swept) => tracing::info!("removed {swept} temp files that nobody has gone on with for a day"),
                Err(e) => tracing::warn!("{}", describe(&e)),
            }
        }
    }
}

/// The sentence with its cause and the cure, for a person.
pub(super) fn describe(error: &DiskError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let sentence = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    if error.is_read_only() {
        return "the file system is read-only; mount it writable, and look into the system's log why it is not".into();
    }
    let cause = match error {
        DiskError::Full { .. } => return format!("{sentence}; make room on the disk, or move images away"),
        DiskError::Blocked { .. } => return format!("{sentence}; move away what stands there"),
        DiskError::Io { cause, .. } => cause,
        DiskError::Distrusted(_) | DiskError::Unsynced(_) | DiskError::Closed => return sentence,
    };
    match cause.kind() {
        std::io::ErrorKind::PermissionDenied => {
            format!("{sentence}; give the user that this node runs as the right to write there (chown -R)")
        }
        _ => sentence,
    }
}
