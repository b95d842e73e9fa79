//! Files leave: into the trash, and from there for good. All of it on the committer's thread.
//!
//! - **Trash** is one rename into `trash/<generation>/<stored path>`. After a crash the file is at one of the two
//!   places, and the command, repeated, finds it there.
//! - **Purge** unlinks. An entry that comes back after a power cut is purged by the next word for it.
//! - What an attempt that was **given up** has left is whatever lies at the path with a generation of its own or of an
//!   attempt before it: a higher one is another's, and generation 0 is nobody's to delete. It goes to the trash under
//!   the generation of the order, so that the purge of that generation finds it. What of it was still on its way in is
//!   removed, so that its room is free at once.
//! - An upload that was refused is unlinked, and only by the mark that this very upload gave it.

use std::os::fd::AsFd as _;

use pixelfox_proto::{Generation, ImageId, Lease, StoredPath};

use super::error::{DiskError, is_missing};
use super::mark::Mark;
use super::publish::Committer;
use super::read::Stored;
use super::root;

/// A file that shall go, named by its path and by the generation that its mark must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Where it is.
    pub path: StoredPath,
    /// Any other generation stays.
    pub generation: Generation,
    /// The newest lease that must not land there any more, where the command says it.
    pub lease: Option<Lease>,
    /// Why it goes.
    pub reason: Reason,
}

impl Removal {
    /// Whether `found` is of an attempt before the one that is given up.
    fn covers(&self, found: Generation) -> bool {
        self.reason == Reason::GivenUp && found > Generation(0) && found < self.generation
    }
}

/// Why a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It has moved on, or its image was deleted.
    Settled,
    /// The attempt that brought it was given up: a file that lay here without a record before goes back to
    /// generation 0, is never purged, and no later word finds it. Of a purge: the restore that has raised its mark was.
    GivenUp,
}

/// What became of a file that should go to the trash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trashed {
    /// It is in the trash, now or since an earlier word for it.
    Trashed {
        /// In bytes.
        size: u64,
        /// Whether it got there by this very order.
        moved: Moved,
    },
    /// It lay here without a record before, and is without one again: kept in the trash as nobody's, no copy of ours.
    GivenBack,
    /// There was nothing; a fence is left.
    Missing,
    /// The file there has another generation: nothing was touched.
    Stale(Generation),
}

/// Whether an order found its work done already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// This order did it.
    Now,
    /// An earlier one did.
    Before,
}

/// What became of a trash entry that should go for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purged {
    /// Gone.
    Purged {
        /// In bytes.
        size: u64,
    },
    /// There was nothing.
    Missing,
    /// It has another generation, or never had a record: nothing was touched.
    Stale(Generation),
}

/// What became of an upload's file that the coordinator refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// Gone.
    Dropped,
    /// There was nothing.
    Missing,
    /// The file there is not this upload's.
    NotOurs,
}

/// Where `path` lies in the trash, as a path below the pool and as the place of its mark.
pub(crate) fn trash_place(path: &StoredPath, generation: Generation) -> (String, String) {
    (format!("{}/{generation}/{path}", root::TRASH), format!("trash/{generation}/{path}"))
}

impl Committer {
    pub(crate) fn trash(&mut self, removal: &Removal) -> Result<Trashed, DiskError> {
        let Removal { path, generation, lease, .. } = removal;
        if removal.reason == Reason::GivenUp {
            self.shared.forget_incoming(path)?;
        }
        let Some(there) = self.shared.open(path)? else {
            self.shared.fences.lock().set(path, *generation, *lease);
            return self.trashed_before(removal);
        };
        let found = there.generation();
        if found != *generation && !removal.covers(found) {
            // The deleted generation must not come back, whatever is there now.
            self.shared.fences.lock().set(path, *generation, *lease);
            // A file without a record is nobody's: the attempt that is given up never came so far.
            return match (removal.reason, found) {
                (Reason::GivenUp, Generation(0)) => self.trashed_before(removal),
                _ => Ok(Trashed::Stale(found)),
            };
        }
        let was_unowned = there.mark().is_some_and(|mark| mark.was_unowned);
        let to = if removal.reason == Reason::GivenUp && was_unowned { Generation(0) } else { *generation };
        if removal.reason == Reason::GivenUp {
            self.drop_twin_in_trash(removal, &there)?;
        }
        self.move_to_trash(path, &there, to)?;
        self.shared.fences.lock().set(path, *generation, *lease);
        Ok(if to == *generation {
            Trashed::Trashed { size: there.size(), moved: Moved::Now }
        } else {
            Trashed::GivenBack
        })
    }

    fn trashed_before(&mut self, removal: &Removal) -> Result<Trashed, DiskError> {
        let (path, place) = trash_place(&removal.path, removal.generation);
        match self.shared.open_place(&path, &place)? {
            Some(there) => Ok(Trashed::Trashed { size: there.size(), moved: Moved::Before }),
            None => self.take_back_half_restored(removal),
        }
    }

    /// A restore that was cut short after its first step has left its copy in the trash under the old generation's
    /// place, with the mark raised to its own. Given up now, by this attempt or by a later one that never came so far,
    /// it goes where the purge of this generation will look for it.
    fn take_back_half_restored(&mut self, removal: &Removal) -> Result<Trashed, DiskError> {
        let Removal { path, generation, .. } = removal;
        for older in self.trashed_generations()?.into_iter().filter(|older| older < generation) {
            let (trash, place) = trash_place(path, older);
            let Some(there) = self.shared.open_place(&trash, &place)? else { continue };
            let found = there.generation();
            if found != *generation && !(removal.covers(found) && found > older) {
                continue;
            }
            let (into, into_place) = trash_place(path, *generation);
            let failed = |e| DiskError::new("put into the trash", path.as_str(), e);
            let (from_dir, into_dir) = (root::split(&trash).0, root::split(&into).0);
            let to = self.ensure_dir(into_dir)?;
            if let Some(mark) = there.mark() {
                self.write_mark(there.file(), &into_place, &Mark { generation: *generation, ..mark.clone() })?;
                self.sync_stored(&there, path.as_str())?;
            }
            let from = self.shared.root.dir(from_dir).map_err(failed)?;
            crash_point!("half_restored.before_name");
            root::rename_new(from.as_fd(), path.file_name(), to.as_fd(), path.file_name()).map_err(failed)?;
            crash_point!("half_restored.after_name");
            self.shared.marks.forget(&self.shared.root, &place).map_err(failed)?;
            self.touch(from_dir);
            self.touch(into_dir);
            self.sync_or_fail()?;
            self.prune(&trash, from_dir)?;
            return Ok(Trashed::Trashed { size: there.size(), moved: Moved::Before });
        }
        Ok(Trashed::Missing)
    }

    /// A restore that was cut short before its last step has left the file that it named in the trash as well, under the
    /// old generation's place, where nothing would ever look for it again.
    fn drop_twin_in_trash(&mut self, removal: &Removal, named: &Stored) -> Result<(), DiskError> {
        let Removal { path, generation, .. } = removal;
        for older in self.trashed_generations()?.into_iter().filter(|older| older < generation) {
            let (trash, place) = trash_place(path, older);
            let Some(twin) = self.shared.open_place(&trash, &place)? else { continue };
            if twin.existing().is_same_file(&named.existing()) {
                // Durable first, so that the entry is never the only name and gone.
                self.touch(path.parent());
                self.sync_or_fail()?;
                crash_point!("twin.before_delete");
                self.unlink_trash(&trash, &place)?;
                crash_point!("twin.after_delete");
            }
        }
        Ok(())
    }

    /// The generations that anything in the trash was put there with.
    fn trashed_generations(&self) -> Result<Vec<Generation>, DiskError> {
        let failed = |e: std::io::Error| DiskError::new("list", root::TRASH, e);
        let trash = match self.shared.root.dir(root::TRASH) {
            Err(e) if is_missing(&e) => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        let mut generations = Vec::new();
        for entry in rustix::fs::Dir::read_from(&trash).map_err(|e| failed(e.into()))? {
            let entry = entry.map_err(|e| failed(e.into()))?;
            generations.extend(entry.file_name().to_str().ok().and_then(|name| name.parse().ok()).map(Generation));
        }
        Ok(generations)
    }

    fn move_to_trash(&mut self, path: &StoredPath, there: &Stored, to: Generation) -> Result<(), DiskError> {
        let (trash, place) = trash_place(path, to);
        let (trash_dir, name) = root::split(&trash);
        let into = self.ensure_dir(trash_dir)?;
        if let Some(mark) = there.mark() {
            let is_attribute = self.shared.marks.kind == super::mark::MarkKind::Attributes;
            if mark.generation != to || !is_attribute {
                self.write_mark(there.file(), &place, &Mark { generation: to, ..mark.clone() })?;
                self.sync_stored(there, path.as_str())?;
            }
        }
        let failed = |e| DiskError::new("put into the trash", path.as_str(), e);
        let from = self.shared.root.dir(path.parent()).map_err(failed)?;
        crash_point!("trash.before_name");
        match root::rename_new(from.as_fd(), path.file_name(), into.as_fd(), name) {
            Ok(()) => crash_point!("trash.after_name"),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                self.settle_double(path, there, (&trash, &place))?;
                return Ok(());
            }
            Err(e) => return Err(failed(e)),
        }
        self.touch(path.parent());
        self.touch(trash_dir);
        self.shared.marks.forget(&self.shared.root, path.as_str()).map_err(failed)
    }

    /// The trash has an entry of this path and generation already: the same file by a second name (a crash inside a
    /// restore), whose name goes; or another one, which is set aside for a person before ours takes its place.
    fn settle_double(&mut self, path: &StoredPath, there: &Stored, trash: (&str, &str)) -> Result<(), DiskError> {
        let failed = |e| DiskError::new("put into the trash", path.as_str(), e);
        let (trash_dir, name) = root::split(trash.0);
        let into = self.ensure_dir(trash_dir)?;
        let from = self.shared.root.dir(path.parent()).map_err(failed)?;
        let double = self.shared.open_place(trash.0, trash.1)?;
        if double.is_some_and(|double| double.existing().is_same_file(&there.existing())) {
            root::unlink(from.as_fd(), path.file_name()).map_err(failed)?;
        } else {
            let aside = format!("{}/{:016x}/{}", root::QUARANTINE, fastrand::u64(..), path.parent());
            let quarantine = self.ensure_dir(&aside)?;
            crash_point!("double.before_aside");
            root::rename_new(into.as_fd(), name, quarantine.as_fd(), path.file_name()).map_err(failed)?;
            crash_point!("double.after_aside");
            root::rename_new(from.as_fd(), path.file_name(), into.as_fd(), name).map_err(failed)?;
            crash_point!("double.after_name");
            self.touch(&aside);
        }
        self.touch(path.parent());
        self.touch(trash_dir);
        self.shared.marks.forget(&self.shared.root, path.as_str()).map_err(failed)
    }

    pub(crate) fn purge(&mut self, removal: &Removal) -> Result<Purged, DiskError> {
        let Removal { path, generation, .. } = removal;
        if *generation == Generation(0) {
            return Ok(Purged::Stale(Generation(0)));
        }
        let (trash, place) = trash_place(path, *generation);
        let Some(there) = self.shared.open_place(&trash, &place)? else { return Ok(Purged::Missing) };
        let found = there.generation();
        // A restore has raised it: only who gave that restore up may take what may be the only copy.
        let is_left_over = removal.reason == Reason::GivenUp && found > *generation;
        if found != *generation && !is_left_over {
            return Ok(Purged::Stale(found));
        }
        crash_point!("purge.before_delete");
        self.unlink_trash(&trash, &place)?;
        crash_point!("purge.after_delete");
        Ok(Purged::Purged { size: there.size() })
    }

    /// Removes a trash entry and the directories that it leaves empty. Not synced: who finds it again, removes it.
    pub(super) fn unlink_trash(&self, trash: &str, place: &str) -> Result<(), DiskError> {
        let failed = |e| DiskError::new("purge", trash, e);
        let (dir, name) = root::split(trash);
        let root = &self.shared.root;
        root::unlink(root.dir(dir).map_err(failed)?.as_fd(), name).map_err(failed)?;
        self.shared.marks.forget(root, place).map_err(failed)?;
        self.prune(trash, dir)
    }

    /// Removes the directories of the trash, from `dir` upward, that are empty.
    fn prune(&self, what: &str, mut dir: &str) -> Result<(), DiskError> {
        let failed = |e| DiskError::new("purge", what, e);
        while dir.len() > root::TRASH.len() {
            let (above, empty) = root::split(dir);
            let parent = self.shared.root.dir(above).map_err(failed)?;
            if !root::remove_empty_dir(parent.as_fd(), empty).map_err(failed)? {
                break;
            }
            dir = above;
        }
        Ok(())
    }

    pub(crate) fn drop_upload(&mut self, path: &StoredPath, upload: ImageId) -> Result<Dropped, DiskError> {
        let outcome = match self.shared.open(path)? {
            None => Dropped::Missing,
            Some(there) => {
                let is_ours = there
                    .mark()
                    .is_some_and(|mark| mark.generation == Generation(1) && mark.meta.image_uuid == upload.to_string());
                if is_ours { Dropped::Dropped } else { Dropped::NotOurs }
            }
        };
        if outcome == Dropped::Dropped {
            let failed = |e| DiskError::new("drop", path.as_str(), e);
            let dir = self.shared.root.dir(path.parent()).map_err(failed)?;
            crash_point!("drop.before_delete");
            root::unlink(dir.as_fd(), path.file_name()).map_err(failed)?;
            crash_point!("drop.after_delete");
            self.shared.marks.forget(&self.shared.root, path.as_str()).map_err(failed)?;
            self.touch(path.parent());
            // The entry may only go after the file has gone durably, else a crash would leave a file nobody asks for.
            self.sync_or_fail()?;
            crash_point!("drop.after_names_sync");
        }
        self.shared.forget_pending(upload)?;
        crash_point!("drop.after_forget");
        Ok(outcome)
    }
}
