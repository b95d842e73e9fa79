//! What the committer makes durable: the new files of a batch, the directories whose entries it has changed, each once,
//! and what follows when a sync fails.
//!
//! Each fsync makes the disk empty its cache. A batch with many files or directories does that once for all of them: it
//! waits for the bytes of each file, which also tells which of them failed, and then syncs the file system as a whole.

use std::os::fd::{AsFd as _, OwnedFd};

use super::error::{DiskError, is_missing};
use super::publish::{Committer, Placing, Shared};
use super::read::Stored;
use super::root;

/// Directories that are known to be durable, until they are all forgotten.
const KNOWN_DIRS: usize = 8192;

/// From so many files or directories on, the file system is synced as a whole: below that, what other programs have
/// written meanwhile would be waited for in vain.
const WHOLE_FROM: usize = 4;

impl Committer {
    /// Makes the bytes and marks of new files durable, and sees that none is shorter or longer on the disk than what
    /// was hashed on its way in.
    pub(super) fn sync_files(&self, fresh: &mut [(&mut Placing, &mut Option<DiskError>)]) {
        self.sync_bytes(fresh);
        for (placing, failure) in fresh.iter_mut().filter(|(_, failure)| failure.is_none()) {
            **failure = whole(placing).err();
        }
    }

    fn sync_bytes(&self, fresh: &mut [(&mut Placing, &mut Option<DiskError>)]) {
        if fresh.len() < WHOLE_FROM || !self.shared.syncs_whole {
            for (placing, failure) in fresh {
                **failure = placing.incoming.file().sync_all().map_err(|e| placing.incoming.spoiled("sync", e)).err();
            }
            return;
        }
        for (placing, failure) in fresh.iter_mut() {
            let written = crate::sys::finish_writeback(placing.incoming.file().as_fd());
            **failure = written.map_err(|e| placing.incoming.spoiled("write", e)).err();
        }
        if let Err(e) = rustix::fs::syncfs(&self.shared.incoming) {
            for (placing, failure) in fresh.iter_mut().filter(|(_, failure)| failure.is_none()) {
                **failure = Some(placing.incoming.spoiled("sync", e.into()));
            }
        }
    }

    /// A sync that failed says nothing when it is asked again: the disk is not believed any more.
    pub(crate) fn sync_stored(&self, stored: &Stored, path: &str) -> Result<(), DiskError> {
        stored.file().sync_all().map_err(|e| {
            self.distrust(path, &e);
            DiskError::Unsynced(path.to_owned())
        })
    }

    /// Opens a directory and makes what is missing; what was made is durable with this batch.
    pub(crate) fn ensure_dir(&mut self, dir: &str) -> Result<OwnedFd, DiskError> {
        let mut changed = Vec::new();
        let made = self.shared.root.ensure_dir(dir, &mut |dir| changed.push(dir.to_owned()));
        changed.iter().for_each(|dir| self.touch(dir));
        made.map_err(|e| DiskError::new("make the directory", dir, e))
    }

    /// An entry of `dir` has changed. The first time in this process its own place in its parents counts as changed
    /// too: a process that ended before its sync may have made it.
    pub(crate) fn touch(&mut self, dir: &str) {
        let mut at = dir;
        self.dirty.insert(at.to_owned());
        while !at.is_empty() && !self.known.contains(at) {
            at = root::split(at).0;
            self.dirty.insert(at.to_owned());
        }
    }

    /// Syncs what has changed. The directory that could not be synced, if there is one.
    pub(crate) fn sync_dirs(&mut self) -> Option<String> {
        let mut failed = None;
        if self.known.len() > KNOWN_DIRS {
            self.known.clear();
        }
        if self.dirty.len() >= WHOLE_FROM && self.shared.syncs_whole {
            match rustix::fs::syncfs(&self.shared.incoming) {
                Ok(()) => self.known.extend(self.dirty.drain()),
                // Perhaps of a file that is not ours: each directory is asked for itself.
                Err(e) => tracing::warn!("could not sync the whole file system: {e}; syncing each directory"),
            }
        }
        for dir in self.dirty.drain() {
            match self.shared.root.dir(&dir) {
                Ok(fd) => match rustix::fs::fsync(&fd) {
                    Ok(()) => drop(self.known.insert(dir)),
                    Err(e) => {
                        self.shared.distrust(&dir, &e.into());
                        failed = Some(dir);
                    }
                },
                // Emptied and removed in the same batch, or taken away by hand.
                Err(e) if is_missing(&e) && dir.starts_with(root::PRIVATE) => {}
                Err(e) => {
                    tracing::error!("could not open {dir} to sync it: {e}");
                    failed = Some(dir);
                }
            }
        }
        if failed.is_some() {
            self.known.clear();
        }
        failed
    }

    /// As `sync_dirs`, where the next step needs it.
    pub(super) fn sync_or_fail(&mut self) -> Result<(), DiskError> {
        self.sync_dirs().map_or(Ok(()), |dir| Err(DiskError::Unsynced(dir)))
    }

    pub(super) fn distrust(&self, what: &str, cause: &std::io::Error) {
        self.shared.distrust(what, cause);
    }
}

/// The running hash is of what was given to the system, and says nothing of what became of it.
fn whole(placing: &mut Placing) -> Result<(), DiskError> {
    let wanted = placing.mark.size;
    let stands = placing.incoming.file().metadata().map(|data| data.len());
    let wrong = match stands {
        Ok(there) if there == wanted => return Ok(()),
        Ok(there) => std::io::Error::other(format!("it has {there} bytes instead of {wanted}")),
        Err(e) => e,
    };
    Err(placing.incoming.spoiled("take over", wrong))
}

/// Whether a sync of the whole file system below `dir` is known to make everything durable that was written to it
/// before: so it is on these; on others (FUSE, network) it may do nothing.
pub(super) fn syncs_whole(dir: &OwnedFd) -> bool {
    const EXT4: u64 = 0xEF53;
    const XFS: u64 = 0x5846_5342;
    const BTRFS: u64 = 0x9123_683E;
    let kind = rustix::fs::fstatfs(dir).ok().and_then(|stat| u64::try_from(stat.f_type).ok());
    matches!(kind, Some(EXT4 | XFS | BTRFS))
}

impl Shared {
    /// Nothing of this disk is believed any more.
    pub(crate) fn distrust(&self, what: &str, cause: &std::io::Error) {
        if self.distrusted.set(format!("{what}: {cause}")).is_ok() {
            tracing::error!("could not sync {what}: {cause}. The pool takes nothing in until the node was restarted");
        }
    }

    pub(crate) fn trust(&self) -> Result<(), DiskError> {
        self.distrusted.get().map_or(Ok(()), |what| Err(DiskError::Distrusted(what.clone())))
    }
}
