//! Why a file did not land, and what the outside hears of it: one table for HTTP, the same sentences for gRPC.

use pixelfox_proto::{Fault, FaultKind, FrameError, PoolId, StoredPath};

use crate::disk::DiskError;

/// Why a file did not land.
#[derive(Debug, thiserror::Error)]
pub enum LandingError {
    /// The pool is offline, or its disk fails.
    #[error("target pool unhealthy")]
    Unhealthy(PoolId),
    /// The pool's limit, the disk, or the pool is not active.
    #[error("insufficient capacity: {0}")]
    NoRoom(String),
    /// Without a byte.
    #[error("empty file")]
    Empty,
    /// The setting asks for a SHA-256 and none came.
    #[error("checksum required")]
    ChecksumRequired,
    /// Another size than was announced.
    #[error("size mismatch")]
    Size {
        /// In bytes.
        announced: u64,
        /// In bytes.
        received: u64,
    },
    /// Other bytes than were announced.
    #[error("checksum mismatch")]
    Checksum,
    /// A frame that does not fit.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Other bytes are stored under this path.
    #[error("other bytes are stored under {0}")]
    Conflict(StoredPath),
    /// Under this path stands something that no file can replace; the pool's owner has to look.
    #[error("{what} stands where {path} must be, put there by hand: remove it")]
    InTheWay {
        /// The path.
        path: StoredPath,
        /// What it is, in a word.
        what: &'static str,
    },
    /// The attempt was given up, overtaken, or leased before this process knew of any.
    #[error("a newer state of {0} is known here")]
    Stale(StoredPath),
    /// The same attempt is being received on another stream.
    #[error("{0} is being received on another stream")]
    Busy(StoredPath),
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl LandingError {
    /// Its row in the contract's table.
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        match self {
            Self::Disk(error) if error.is_read_only() => FaultKind::Unavailable,
            Self::Unhealthy(_) => FaultKind::Unavailable,
            Self::NoRoom(_) | Self::Disk(DiskError::Full { .. }) => FaultKind::InsufficientStorage,
            Self::Empty | Self::ChecksumRequired | Self::Size { .. } | Self::Frame(_) => FaultKind::BadRequest,
            Self::Checksum => FaultKind::ChecksumMismatch,
            Self::Conflict(_) | Self::InTheWay { .. } | Self::Disk(DiskError::Blocked { .. }) => FaultKind::Conflict,
            Self::Stale(_) => FaultKind::FailedPrecondition,
            Self::Busy(_) => FaultKind::Unavailable,
            Self::Disk(DiskError::Closed | DiskError::Distrusted(_)) => FaultKind::Unavailable,
            Self::Disk(DiskError::Io { .. } | DiskError::Unsynced(_)) => FaultKind::Internal,
        }
    }

    /// Whether it lies with this node, and not with what was sent or when.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        let is_ours = matches!(self.kind(), FaultKind::Internal | FaultKind::Unavailable);
        is_ours && !matches!(self, Self::Busy(_))
    }
}

impl From<LandingError> for Fault {
    fn from(error: LandingError) -> Self {
        match error.kind() {
            FaultKind::Internal => Self::internal("could not store the file", &error),
            FaultKind::InsufficientStorage => {
                let fault = Self::new(FaultKind::InsufficientStorage, "insufficient capacity");
                match error {
                    LandingError::NoRoom(why) => fault.with_hint(why),
                    _ => fault,
                }
            }
            FaultKind::Unavailable if matches!(error, LandingError::Disk(_)) => {
                Self::unavailable("target pool unhealthy").with_hint(error.to_string())
            }
            FaultKind::BadRequest if matches!(error, LandingError::ChecksumRequired) => {
                Self::bad_request("checksum required").with_hint(
                    "add -F \"sha256=$(sha256sum FILE | cut -d' ' -f1)\", or switch off the setting \
                     „Checksum bei Replikation erzwingen“ (replication_require_checksum)",
                )
            }
            kind => Self::new(kind, error.to_string()),
        }
    }
}
