//! What the committer makes durable: the directories whose entries a batch has changed, each once, and what follows
//! when a sync fails.

use std::os::fd::OwnedFd;

use super::error::{DiskError, is_missing};
use super::publish::{Committer, Shared};
use super::read::Stored;
use super::root;

/// Directories that are known to be durable, until they are all forgotten.
const KNOWN_DIRS: usize = 8192;

impl Committer {
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
