//! A directory that may become a pool: opened, but not believed yet. It reads and writes the marker and takes the
//! lock; whether the marker says the right thing is decided in `pools/identity`.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::error::is_missing;
use super::mark::{MarkKind, Marks};
use super::root::{self, DirId, Root};

const MARKER: &str = ".pixelfox/pool.json";
const LOCK: &str = ".pixelfox/lock";
/// A marker is a few hundred bytes.
const MARKER_MOST_BYTES: u64 = 64 << 10;

/// A directory on its way to become a [`super::Disk`].
#[derive(Debug)]
pub struct Site {
    pub(crate) root: Root,
    path: PathBuf,
}

/// Why a directory can't be a pool, as a person would say it.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// It is not there.
    #[error("the directory {0} is not there; is its disk mounted?")]
    Missing(PathBuf),
    /// Another process, or another pool of this one, works in it.
    #[error("{0} is in use as a pool already, by this or another process (its .pixelfox/lock is held)")]
    Locked(PathBuf),
    /// What the system refused.
    #[error("could not {doing} {path}: {cause}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's own reason.
        #[source]
        cause: io::Error,
    },
}

impl Site {
    /// Opens the directory `path`, which must be there.
    ///
    /// # Errors
    /// [`SiteError::Missing`], or what the system says.
    pub fn open(path: &Path) -> Result<Self, SiteError> {
        match Root::open(path) {
            Ok(root) => Ok(Self { root, path: path.to_owned() }),
            Err(e) if is_missing(&e) => Err(SiteError::Missing(path.to_owned())),
            Err(e) => Err(SiteError::Io { doing: "open", path: path.to_owned(), cause: e }),
        }
    }

    /// Makes the directory `path` and what is missing above it, durably, and opens it.
    ///
    /// # Errors
    /// What the system says.
    pub fn make(path: &Path) -> Result<Self, SiteError> {
        let failed = |cause| SiteError::Io { doing: "make", path: path.to_owned(), cause };
        std::fs::create_dir_all(path).map_err(failed)?;
        for above in path.ancestors().take_while(|above| !above.as_os_str().is_empty()) {
            File::open(above).and_then(|dir| dir.sync_all()).map_err(failed)?;
        }
        Self::open(path)
    }

    /// As it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory itself and those in it that hold files: a pool that shares one of them is the same place by
    /// another name.
    ///
    /// # Errors
    /// What the system says.
    pub fn ids(&self) -> Result<Vec<DirId>, SiteError> {
        ids(&self.root).map_err(|e| self.failed("look at", "", e))
    }

    /// Whether the directory `path`, by its name, is still this one: a disk may have been unmounted or mounted over.
    #[must_use]
    pub fn is_still_at(&self, path: &Path) -> bool {
        let named = Root::id_of(path).ok().flatten();
        named.is_some() && named == self.root.dir_id("").ok().flatten()
    }

    /// The marker's text; `None` where there is no marker.
    ///
    /// # Errors
    /// What the system says, or a marker that is no text.
    pub fn marker(&self) -> Result<Option<String>, SiteError> {
        read_marker(&self.root, &self.path)
    }

    /// Writes the marker, durably, where there is none. `false`: someone else was first.
    /// A crash leaves the whole marker or none.
    ///
    /// # Errors
    /// What the system says.
    pub fn write_marker(&self, text: &str) -> Result<bool, SiteError> {
        let failed = |e| self.failed("write", MARKER, e);
        let dir = self.root.ensure_dir(root::PRIVATE, &mut |_| ()).map_err(failed)?;
        let fresh = write_fresh_marker(&dir, text).map_err(failed)?;
        let named = root::rename_new(dir.as_fd(), &fresh, dir.as_fd(), "pool.json");
        match named {
            Ok(()) => {
                rustix::fs::fsync(&dir).map_err(|e| failed(e.into()))?;
                let top = self.root.dir("").map_err(failed)?;
                rustix::fs::fsync(&top).map_err(|e| failed(e.into()))?;
                Ok(true)
            }
            Err(e) => {
                root::unlink(dir.as_fd(), &fresh).map_err(failed)?;
                if e.kind() == io::ErrorKind::AlreadyExists { Ok(false) } else { Err(failed(e)) }
            }
        }
    }

    /// Whether this process may make something in it.
    ///
    /// # Errors
    /// What the system refuses.
    pub(crate) fn may_write(&self) -> Result<(), SiteError> {
        let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        let dir = self.root.dir("").map_err(|e| self.failed("open", "", e))?;
        rustix::fs::accessat(&dir, ".", access, rustix::fs::AtFlags::EACCESS)
            .map_err(|e| self.failed("write into", "", e))
    }

    /// Bytes free and in all on its file system.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn room(&self) -> Result<(u64, u64), SiteError> {
        self.root.room().map_err(|e| self.failed("look at the room of", "", e))
    }

    /// Replaces another pool's marker by `text`, where it is still `before` and nobody works in the directory.
    ///
    /// # Errors
    /// [`SiteError::Locked`], or what the system says.
    pub(crate) fn take_over(&self, before: &str, text: &str) -> Result<bool, SiteError> {
        let _alone = self.lock()?;
        if self.marker()?.as_deref() != Some(before) {
            return Ok(false);
        }
        replace_marker(&self.root, text).map(|()| true).map_err(|e| self.failed("replace", MARKER, e))
    }

    /// Takes the pool's lock, which ends with the returned file. Seen through links, mounts and by other processes
    /// of this machine; not by other machines, against which the marker stands.
    pub(crate) fn lock(&self) -> Result<File, SiteError> {
        let failed = |e: io::Error| self.failed("lock", LOCK, e);
        self.root.ensure_dir(root::PRIVATE, &mut |_| ()).map_err(failed)?;
        // Held without the right to write: a disk that has become read-only still serves, and can be made so.
        let open = || self.root.open_at(LOCK, OFlags::RDONLY, Mode::empty());
        let file = match open() {
            Err(e) if is_missing(&e) => {
                let flags = OFlags::WRONLY | OFlags::CREATE;
                drop(self.root.open_at(LOCK, flags, Mode::from_raw_mode(0o644)).map_err(failed)?);
                open()
            }
            other => other,
        };
        let file = File::from(file.map_err(failed)?);
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(file),
            Err(Errno::WOULDBLOCK) => Err(SiteError::Locked(self.path.clone())),
            Err(e) => Err(failed(e.into())),
        }
    }

    /// Makes our own directories and finds out where marks go. `force`: marks go there whatever the disk can.
    pub(crate) fn furnish(&self, force: Option<MarkKind>) -> Result<(OwnedFd, OwnedFd, Marks), SiteError> {
        let make = |dir: &str| self.root.ensure_dir(dir, &mut |_| ()).map_err(|e| self.failed("make", dir, e));
        let (incoming, pending) = (make(root::INCOMING)?, make(root::PENDING)?);
        let lock = self.root.open_at(LOCK, OFlags::RDONLY, Mode::empty()).map_err(|e| self.failed("open", LOCK, e))?;
        let marks = match force {
            Some(kind) => Marks { kind },
            None => Marks::probe(&File::from(lock)).map_err(|e| self.failed("try marks on", LOCK, e))?,
        };
        for dir in [root::PRIVATE, ""] {
            let synced = self.root.dir(dir).and_then(|fd| Ok(rustix::fs::fsync(&fd)?));
            synced.map_err(|e| self.failed("sync", dir, e))?;
        }
        Ok((incoming, pending, marks))
    }

    fn failed(&self, doing: &'static str, what: &str, cause: impl Into<io::Error>) -> SiteError {
        SiteError::Io { doing, path: self.path.join(what), cause: cause.into() }
    }
}

/// The directory itself and those in it that hold files.
pub(crate) fn ids(root: &Root) -> io::Result<Vec<DirId>> {
    Ok([root.dir_id("")?, root.dir_id("original")?, root.dir_id("variants")?].into_iter().flatten().collect())
}

/// The marker's text below `root`; `path` is how an error names the directory.
pub(crate) fn read_marker(root: &Root, path: &Path) -> Result<Option<String>, SiteError> {
    read_small(root, MARKER).map_err(|cause| SiteError::Io { doing: "read", path: path.join(MARKER), cause })
}

/// The text of a small file below `root`.
pub(crate) fn read_small(root: &Root, at: &str) -> io::Result<Option<String>> {
    let file = match root.open_at(at, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(e) if is_missing(&e) => return Ok(None),
        Err(e) => return Err(e),
    };
    let mut text = String::new();
    file.take(MARKER_MOST_BYTES).read_to_string(&mut text)?;
    Ok(Some(text))
}

/// Replaces the marker below `root` by another text of the same pool, in one step and durably.
pub(crate) fn replace_marker(root: &Root, text: &str) -> io::Result<()> {
    replace_private(root, "pool.json", text)
}

/// Replaces a small file of our own, in one step and durably.
pub(crate) fn replace_private(root: &Root, name: &str, text: &str) -> io::Result<()> {
    let dir = root.dir(root::PRIVATE)?;
    let fresh = write_fresh_marker(&dir, text)?;
    root::rename_over(dir.as_fd(), &fresh, dir.as_fd(), name)?;
    Ok(rustix::fs::fsync(&dir)?)
}

/// A whole marker on the disk under a name that means nothing; the name.
fn write_fresh_marker(dir: &OwnedFd, text: &str) -> io::Result<String> {
    let fresh = format!("pool.json.{:016x}", fastrand::u64(..));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(dir, &fresh, flags, Mode::from_raw_mode(0o644))?);
    match file.write_all(text.as_bytes()).and_then(|()| file.sync_all()) {
        Ok(()) => Ok(fresh),
        Err(e) => {
            root::unlink(dir.as_fd(), &fresh)?;
            Err(e)
        }
    }
}
