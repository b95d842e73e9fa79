//! Where a copy lies, and how it gets there: written beside under a name that nobody takes for a copy, made durable,
//! then given its name, which must be free.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use pixelfox_node::{config, console};

use super::BackupError;
use crate::catalog::UnixMillis;

/// Only its owner reads it: digests of passwords are in it.
const MODE: u32 = 0o600;
const PART: &str = ".pixelfox-part";
/// What a process that was killed left is removed by a later one after this time.
const PART_LIFE: Duration = Duration::from_secs(24 * 3600);

/// Copies of one second that a folder takes.
const MOST_OF_A_SECOND: u32 = 1000;

/// Where the finished copy goes.
#[derive(Debug)]
pub(super) enum Target {
    /// There, and nowhere else.
    File(PathBuf),
    /// Into that folder, with a name after the time, and a number where another one has it.
    Folder {
        /// It.
        dir: PathBuf,
        /// The start of the name.
        stem: String,
        /// Its ending.
        ending: &'static str,
    },
}

impl Target {
    /// What `to` means.
    pub(super) fn of(to: &Path, ending: &'static str, now: UnixMillis) -> Result<Self, BackupError> {
        let target = match fs::metadata(to) {
            Ok(there) if there.is_dir() => {
                Self::Folder { dir: to.to_owned(), stem: format!("pixelfox-{}", stamp(now)), ending }
            }
            Ok(_) => return Err(taken(to)),
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(disk("look at", to, e)),
            Err(_) if to.as_os_str().as_encoded_bytes().ends_with(b"/") => return Err(no_folder(to)),
            Err(_) => Self::File(to.to_owned()),
        };
        let first = target.first();
        match fs::metadata(folder(&first)) {
            Ok(there) if there.is_dir() => {}
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => return Err(disk("look at", folder(&first), e)),
            _ => return Err(no_folder(folder(&first))),
        }
        let is_taken = matches!(target, Self::File(_)) && fs::symlink_metadata(&first).is_ok();
        if is_taken { Err(taken(&first)) } else { Ok(target) }
    }

    /// The name that it gets where that is free.
    pub(super) fn first(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Folder { dir, stem, ending } => dir.join(format!("{stem}.{ending}")),
        }
    }

    /// All names that it may get, in their order.
    fn names(&self) -> impl Iterator<Item = PathBuf> {
        let more = (2..=MOST_OF_A_SECOND).map_while(move |number| match self {
            Self::File(_) => None,
            Self::Folder { dir, stem, ending } => Some(dir.join(format!("{stem}-{number}.{ending}"))),
        });
        std::iter::once(self.first()).chain(more)
    }
}

/// `20261130T131500Z`.
pub(super) fn stamp(now: UnixMillis) -> String {
    jiff::Timestamp::from_millisecond(now.0).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// The folder that a file lies in.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn no_folder(folder: &Path) -> BackupError {
    BackupError::Refused(format!("there is no folder {}: make it first, or name another one", folder.display()))
}

fn taken(path: &Path) -> BackupError {
    BackupError::Refused(format!(
        "{} is there already and is not replaced: name another file, or a folder, in which each copy gets a name by its \
         time",
        path.display()
    ))
}

pub(super) fn disk(doing: &'static str, path: &Path, cause: io::Error) -> BackupError {
    BackupError::Disk { doing, path: path.to_owned(), cause: config::denied(path, cause) }
}

/// A file that is still being written. Removed where it does not get its name.
#[derive(Debug)]
pub(super) struct Part(PathBuf);

impl Part {
    /// An empty file in the folder of `path`, for its owner alone.
    pub(super) fn beside(path: &Path) -> Result<Self, BackupError> {
        let (folder, name) = (folder(path), path.file_name().unwrap_or_default().to_string_lossy());
        sweep(folder);
        let part = folder.join(format!(".{name}.{}{PART}", std::process::id()));
        let made = fs::File::options().write(true).create_new(true).mode(MODE).open(&part);
        made.map_err(|cause| disk("make a file in", folder, cause))?;
        Ok(Self(part))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Syncs the file, gives it a name that is free, syncs the folder. The name, and its size.
    pub(super) fn become_durable(self, target: &Target) -> Result<(PathBuf, u64), BackupError> {
        let file = fs::File::open(&self.0).map_err(|cause| disk("open", &self.0, cause))?;
        file.sync_all().map_err(|cause| disk("write", &self.0, cause))?;
        let bytes = file.metadata().map_err(|cause| disk("look at", &self.0, cause))?.len();
        for path in target.names() {
            if name_without_replacing(&self.0, &path)? {
                sync_folder(folder(&path))?;
                return Ok((path, bytes));
            }
        }
        Err(taken(&target.first()))
    }

    /// As [`Part::become_durable`], in the place of a file that has another name by now.
    pub(super) fn replace(self, path: &Path) -> Result<(), BackupError> {
        let file = fs::File::open(&self.0).map_err(|cause| disk("open", &self.0, cause))?;
        file.sync_all().map_err(|cause| disk("write", &self.0, cause))?;
        rename(&self.0, path)?;
        sync_folder(folder(path))
    }
}

/// Gives `file` to the owner of the file at `path`, or of its folder: a server that is an ordinary user's uses what root
/// has put there.
pub(super) fn belong_like(file: &Path, path: &Path) -> Result<(), BackupError> {
    let folder = folder(path);
    let like = fs::metadata(path).or_else(|_| fs::metadata(folder)).map_err(|cause| disk("look at", folder, cause))?;
    let own = fs::metadata(file).map_err(|cause| disk("look at", file, cause))?;
    if (own.uid(), own.gid()) == (like.uid(), like.gid()) {
        return Ok(());
    }
    let given = std::os::unix::fs::chown(file, Some(like.uid()), Some(like.gid()));
    given.map_err(|cause| disk("give to the owner of the database", file, cause))
}

/// Replaces what is at `to`.
#[expect(clippy::disallowed_methods, reason = "what was there has another name, and whoever asks syncs")]
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), BackupError> {
    fs::rename(from, to).map_err(|cause| disk("put in place", to, cause))
}

impl Drop for Part {
    fn drop(&mut self) {
        for ending in ["", "-wal", "-shm", "-journal"] {
            let file = format!("{}{ending}", self.0.display());
            match fs::remove_file(&file) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    console::say(format_args!("could not remove {file}: {e}"));
                }
                _ => {}
            }
        }
    }
}

/// A second name by a link, and where the file system has no links, a rename that replaces nothing. False where the name
/// is another file's.
fn name_without_replacing(part: &Path, path: &Path) -> Result<bool, BackupError> {
    let named = fs::hard_link(part, path).or_else(|e| match e.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::StorageFull => Err(e),
        _ => Ok(rustix::fs::renameat_with(
            rustix::fs::CWD,
            part,
            rustix::fs::CWD,
            path,
            rustix::fs::RenameFlags::NOREPLACE,
        )?),
    });
    match named {
        Ok(()) => Ok(true),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(cause) => Err(disk("give the finished copy its name", path, cause)),
    }
}

/// What is in a folder is durable afterwards.
pub(super) fn sync_folder(folder: &Path) -> Result<(), BackupError> {
    fs::File::open(folder).and_then(|dir| dir.sync_all()).map_err(|cause| disk("sync the folder", folder, cause))
}

/// Removes what killed processes left. What can't be removed stays for a person.
fn sweep(folder: &Path) {
    let now = pixelfox_node::clock::now();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_part = name.as_encoded_bytes().starts_with(b".") && name.as_encoded_bytes().ends_with(PART.as_bytes());
        let changed = entry.metadata().and_then(|about| about.modified());
        let is_old = changed.is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age > PART_LIFE));
        if is_part && is_old {
            drop(fs::remove_file(entry.path()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_copy_goes() {
        let dir = tempfile::tempdir().unwrap();
        let (at, now) = (dir.path(), UnixMillis(1_796_043_600_000));
        fs::write(at.join("old.db"), "x").unwrap();
        let named =
            |to: &str| Target::of(&at.join(to), "db", now).map(|to| to.first()).map_err(|refused| refused.to_string());
        assert_eq!(named("new.db"), Ok(at.join("new.db")));
        assert_eq!(named(""), Ok(at.join("pixelfox-20261130T130000Z.db")));
        for (to, want) in [
            ("old.db", "is there already and is not replaced: name another"),
            ("typo/", "make it first"),
            ("typo/new.db", "make it first"),
            ("old.db/new.db", "could not look at"),
        ] {
            assert!(named(to).is_err_and(|said| said.contains(want)), "{to}: {:?}", named(to));
        }
    }

    #[test]
    fn a_part_becomes_the_copy_or_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let names =
            || -> Vec<_> { fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect() };
        let path = dir.path().join("new.db");
        drop(Part::beside(&path).unwrap());
        assert!(names().is_empty());
        let part = Part::beside(&path).unwrap();
        fs::write(part.path(), "first").unwrap();
        assert_eq!(part.become_durable(&Target::File(path.clone())).unwrap(), (path.clone(), 5));
        let part = Part::beside(&path).unwrap();
        let refused = part.become_durable(&Target::File(path.clone())).unwrap_err().to_string();
        assert!(refused.contains("not replaced"), "{refused}");
        assert_eq!((names(), fs::read_to_string(&path).unwrap().as_str()), (vec!["new.db".into()], "first"));
        // In a folder the copies of one second have names of their own.
        let folder = dir.path().join("folder");
        fs::create_dir(&folder).unwrap();
        for name in ["pixelfox-19700101T000001Z.db", "pixelfox-19700101T000001Z-2.db", "pixelfox-19700101T000001Z-3.db"]
        {
            let target = Target::of(&folder, "db", UnixMillis(1_500)).unwrap();
            let (named, _) = Part::beside(&target.first()).unwrap().become_durable(&target).unwrap();
            assert_eq!(named, folder.join(name));
        }
        // What a killed process left goes after a day, and not before.
        let (old, new) = (dir.path().join(".a.1.pixelfox-part"), dir.path().join(".b.1.pixelfox-part"));
        for left in [&old, &new] {
            fs::write(left, "").unwrap();
        }
        let two_days_ago = pixelfox_node::clock::now() - 2 * PART_LIFE;
        fs::File::options().write(true).open(&old).unwrap().set_modified(two_days_ago).unwrap();
        drop(Part::beside(&path).unwrap());
        assert_eq!((old.try_exists().unwrap(), new.try_exists().unwrap()), (false, true));
    }
}
