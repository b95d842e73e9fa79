//! Files come back from the trash. On the committer's thread; what is to be done is decided by a pure plan.
//!
//! The order on disk: the mark raised in the trash and synced; the file linked to its name and that synced; the trash
//! entry removed. A crash after the first step leaves a trash entry with the new generation, after the second a file
//! with both names: a repeat goes on from either, also that of the job's next attempt, with a higher generation. An
//! entry that comes back because its removal was not synced has a higher generation than its place says, and no purge
//! touches it.

use std::os::fd::AsFd as _;

use pixelfox_proto::{Generation, StoredPath};

use super::error::DiskError;
use super::mark::{Mark, MarkKind};
use super::publish::Committer;
use super::read::{Existing, Stored};
use super::remove::trash_place;
use super::root;

/// A file that shall come back from the trash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Restore {
    /// Its name.
    pub(crate) path: StoredPath,
    /// Under which generation it is in the trash.
    pub(crate) generation: Generation,
    /// What its mark has afterwards; higher.
    pub(crate) new_generation: Generation,
    /// The files whose bytes were hashed for this order and matched their marks; empty: marks and sizes are enough.
    pub(crate) checked: Option<Vec<Existing>>,
}

/// What became of a file that should come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restored {
    /// It is under its name, durably, with the new generation.
    Restored(Box<Mark>),
    /// Neither under its name nor in the trash.
    Missing,
    /// Another generation is there already, or the copy has one that this order does not know.
    Stale(Generation),
    /// Its bytes or its size are not what its mark says.
    Mismatch,
    /// Other bytes are under its name.
    Conflict,
    /// What was hashed is no longer what is there: look again.
    Changed,
}

impl Committer {
    pub(crate) fn restore(&mut self, restore: &Restore) -> Result<Restored, DiskError> {
        let Restore { path, generation, new_generation, .. } = restore;
        // Given up in the meantime: a delete of what this would bring back has been here already.
        if let Some(deleted) = self.shared.fences.lock().deleted(path).filter(|deleted| deleted >= new_generation) {
            return Ok(Restored::Stale(deleted));
        }
        let (trash, place) = trash_place(path, *generation);
        let named = self.shared.open(path)?;
        let trashed = self.shared.open_place(&trash, &place)?;
        let plan = plan_restore(restore, named.as_ref().map(Candidate::of), trashed.as_ref().map(Candidate::of));
        match plan {
            Plan::Answer(answer) => Ok(answer),
            Plan::RaiseNamed => match named {
                Some(named) => self.raise_named(restore, &named, trashed.as_ref()),
                None => Ok(Restored::Missing),
            },
            Plan::LinkTrashed => match trashed {
                Some(trashed) => self.link_trashed(restore, &trashed),
                None => Ok(Restored::Missing),
            },
        }
    }

    /// Finishes what an earlier order has begun, or raises a file that came back by another way.
    fn raise_named(
        &mut self,
        restore: &Restore,
        named: &Stored,
        trashed: Option<&Stored>,
    ) -> Result<Restored, DiskError> {
        let Restore { path, generation, .. } = restore;
        let Some(mark) = self.raise(named, path.as_str(), restore)? else { return Ok(Restored::Mismatch) };
        self.touch(path.parent());
        if trashed.is_some_and(|trashed| trashed.existing().is_same_file(&named.existing())) {
            // Durable first, so that the entry is never the only name and gone.
            self.sync_or_fail()?;
            let (trash, place) = trash_place(path, *generation);
            self.unlink_trash(&trash, &place)?;
        }
        Ok(Restored::Restored(Box::new(mark)))
    }

    fn link_trashed(&mut self, restore: &Restore, trashed: &Stored) -> Result<Restored, DiskError> {
        let Restore { path, generation, .. } = restore;
        let (trash, place) = trash_place(path, *generation);
        crash_point!("restore.before_mark");
        let Some(mark) = self.raise(trashed, &place, restore)? else { return Ok(Restored::Mismatch) };
        crash_point!("restore.after_mark_sync");
        if self.shared.marks.kind == MarkKind::Files {
            self.write_mark(trashed.file(), path.as_str(), &mark)?;
            self.sync_or_fail()?;
        }
        let failed = |e| DiskError::new("restore", path.as_str(), e);
        let into = self.ensure_dir(path.parent())?;
        let (trash_dir, name) = root::split(&trash);
        let from = self.shared.root.dir(trash_dir).map_err(failed)?;
        match root::link(from.as_fd(), name, into.as_fd(), path.file_name()) {
            Ok(()) => crash_point!("restore.after_name"),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => return Ok(Restored::Conflict),
            Err(e) => return Err(failed(e)),
        }
        self.touch(path.parent());
        self.sync_or_fail()?;
        crash_point!("restore.before_delete");
        self.unlink_trash(&trash, &place)?;
        crash_point!("restore.after_delete");
        Ok(Restored::Restored(Box::new(mark)))
    }

    /// Gives a file's mark its new generation, durably; bytes that were read for this order and are right are in doubt no
    /// more. `None`: it has no mark.
    fn raise(&mut self, stored: &Stored, place: &str, restore: &Restore) -> Result<Option<Mark>, DiskError> {
        let Some(mark) = stored.mark() else { return Ok(None) };
        let is_suspect = mark.is_suspect && restore.checked.is_none();
        let raised = Mark { generation: restore.new_generation, is_suspect, ..mark.clone() };
        if raised != *mark {
            self.write_mark(stored.file(), place, &raised)?;
            crash_point!("raise.after_mark");
        }
        self.sync_stored(stored, place)?;
        Ok(Some(raised))
    }
}

/// What the plan needs to know of a copy.
#[derive(Clone, Debug)]
struct Candidate {
    existing: Existing,
    size: u64,
    mark: Option<Mark>,
}

impl Candidate {
    fn of(stored: &Stored) -> Self {
        Self { existing: stored.existing(), size: stored.size(), mark: stored.mark().cloned() }
    }

    fn generation(&self) -> Generation {
        self.mark.as_ref().map_or(Generation(0), |mark| mark.generation)
    }

    fn has_its_size(&self) -> bool {
        self.mark.as_ref().is_some_and(|mark| mark.size == self.size)
    }

    /// A check has found other bytes than its mark says, and nothing has shown the contrary since.
    fn is_suspect(&self) -> bool {
        self.mark.as_ref().is_some_and(|mark| mark.is_suspect)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Plan {
    Answer(Restored),
    /// The file has its name already: only the mark and the rest of an earlier try are left.
    RaiseNamed,
    LinkTrashed,
}

/// What a restore does about the file under the name and the one in the trash. Pure.
fn plan_restore(restore: &Restore, named: Option<Candidate>, trashed: Option<Candidate>) -> Plan {
    let (old, new) = (restore.generation, restore.new_generation);
    let checked = |copy: &Candidate| match &restore.checked {
        None => true,
        Some(checked) => checked.contains(&copy.existing),
    };
    let fit = |copy: &Candidate, go: Plan| match () {
        () if !copy.has_its_size() => Plan::Answer(Restored::Mismatch),
        () if copy.is_suspect() && restore.checked.is_none() => Plan::Answer(Restored::Mismatch),
        () if !checked(copy) => Plan::Answer(Restored::Changed),
        () => go,
    };
    // In between: raised by an attempt that a crash cut short, and whose job has been leased again since.
    let trashed = trashed.filter(|trashed| (old..=new).contains(&trashed.generation()));
    match (named, trashed) {
        (None, None) => Plan::Answer(Restored::Missing),
        (None, Some(trashed)) => fit(&trashed, Plan::LinkTrashed),
        (Some(named), _) if named.generation() > new => Plan::Answer(Restored::Stale(named.generation())),
        (Some(named), Some(trashed))
            if named.mark.as_ref().map(|m| m.sha256) != trashed.mark.as_ref().map(|m| m.sha256) =>
        {
            Plan::Answer(Restored::Conflict)
        }
        (Some(named), _) if named.mark.is_none() => Plan::Answer(Restored::Conflict),
        (Some(named), _) => fit(&named, Plan::RaiseNamed),
    }
}

#[cfg(test)]
mod tests {
    use pixelfox_proto::{FileMeta, Sha256};

    use super::*;

    fn candidate(bytes: &str, generation: u64) -> Candidate {
        let file = tempfile::tempfile().unwrap();
        let (size, sha256) = (bytes.len() as u64, Sha256::of(bytes.as_bytes()));
        let generation = Generation(generation);
        let mark = Mark {
            size,
            sha256,
            generation,
            meta: FileMeta::default(),
            was_unowned: false,
            is_suspect: false,
            visitor: None,
        };
        Candidate { existing: Existing::of(&file.metadata().unwrap()), size, mark: Some(mark) }
    }

    #[test]
    fn what_a_restore_from_generation_2_to_5_does() {
        // What has the name, what is in the trash, and what follows.
        let copy = candidate;
        let short = Candidate { size: 1, ..copy("bytes", 2) };
        let rotten = copy("bytes", 2).mark.map(|mark| Mark { is_suspect: true, ..mark });
        let rotten = Candidate { mark: rotten, ..copy("bytes", 2) };
        let bare = Candidate { mark: None, ..copy("bytes", 0) };
        let order = Restore {
            path: "original/a".parse().unwrap(),
            generation: Generation(2),
            new_generation: Generation(5),
            checked: None,
        };
        for (why, named, trashed, want) in [
            ("nothing anywhere", None, None, Plan::Answer(Restored::Missing)),
            ("as it was trashed", None, Some(copy("bytes", 2)), Plan::LinkTrashed),
            ("its mark raised before a crash", None, Some(copy("bytes", 5)), Plan::LinkTrashed),
            ("its mark raised by an attempt before this one", None, Some(copy("bytes", 3)), Plan::LinkTrashed),
            ("a later order's copy", None, Some(copy("bytes", 6)), Plan::Answer(Restored::Missing)),
            ("cut short", None, Some(short), Plan::Answer(Restored::Mismatch)),
            ("known to be rotten", None, Some(rotten), Plan::Answer(Restored::Mismatch)),
            ("linked before a crash", Some(copy("bytes", 5)), Some(copy("bytes", 5)), Plan::RaiseNamed),
            ("done before", Some(copy("bytes", 5)), None, Plan::RaiseNamed),
            ("come back by a copy", Some(copy("bytes", 3)), Some(copy("bytes", 2)), Plan::RaiseNamed),
            ("newer", Some(copy("bytes", 6)), None, Plan::Answer(Restored::Stale(Generation(6)))),
            ("other bytes", Some(copy("other", 1)), Some(copy("bytes", 2)), Plan::Answer(Restored::Conflict)),
            ("a file without a mark", Some(bare), None, Plan::Answer(Restored::Conflict)),
        ] {
            assert_eq!(plan_restore(&order, named, trashed), want, "{why}");
        }
        let checked = Restore { checked: Some(Vec::new()), ..order };
        let unchecked = plan_restore(&checked, None, Some(copy("bytes", 2)));
        assert_eq!(unchecked, Plan::Answer(Restored::Changed), "only what was hashed comes back");
    }
}
