//! What can go wrong between us and a pool's disk, sorted by what it means for whoever asked.

use std::io;

/// Why something on a pool's disk could not be done: what was tried, on what, and the system's own reason.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The disk, the quota or the file system is full.
    #[error("no space left to {doing} {path}")]
    Full {
        /// What was tried.
        doing: &'static str,
        /// On what, relative to the pool.
        path: String,
        /// The system's own reason.
        #[source]
        cause: io::Error,
    },
    /// A file or a link stands where a directory must be, or a directory or a link where a file must be.
    #[error("could not {doing} {path}: a part of it is already something else")]
    Blocked {
        /// What was tried.
        doing: &'static str,
        /// On what, relative to the pool.
        path: String,
        /// The system's own reason.
        #[source]
        cause: io::Error,
    },
    /// Anything else that the system refused.
    #[error("could not {doing} {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what, relative to the pool.
        path: String,
        /// The system's own reason.
        #[source]
        cause: io::Error,
    },
    /// A sync of this disk failed earlier: what it says since can't be believed.
    #[error("a sync of the disk failed ({0}); nothing is stored there until the node was started again")]
    Distrusted(String),
    /// The names of this directory may be lost with the power: nothing of the batch counts as stored.
    #[error("could not sync {0}")]
    Unsynced(String),
    /// The pool was closed while the work was waiting.
    #[error("the pool is being closed")]
    Closed,
}

impl DiskError {
    /// Sorts `cause`, the outcome of `doing` to `path`.
    pub(crate) fn new(doing: &'static str, path: impl Into<String>, cause: impl Into<io::Error>) -> Self {
        let (path, cause) = (path.into(), cause.into());
        match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::Full { doing, path, cause }
            }
            _ if is_blocked(&cause) => Self::Blocked { doing, path, cause },
            _ => Self::Io { doing, path, cause },
        }
    }

    /// Whether the disk takes nothing because its file system is mounted read-only, as one with errors is in the end.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        matches!(self, Self::Io { cause, .. } if cause.kind() == io::ErrorKind::ReadOnlyFilesystem)
    }
}

/// Something of another kind than expected is in the way.
pub(crate) fn is_blocked(cause: &io::Error) -> bool {
    use rustix::io::Errno;
    let blocking = [Errno::NOTDIR, Errno::LOOP, Errno::XDEV, Errno::ISDIR, Errno::NXIO];
    cause.raw_os_error().is_some_and(|raw| blocking.iter().any(|errno| errno.raw_os_error() == raw))
}

/// Nothing is there.
pub(crate) fn is_missing(cause: &io::Error) -> bool {
    cause.kind() == io::ErrorKind::NotFound
}
