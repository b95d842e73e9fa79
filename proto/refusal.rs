//! Why a node refuses a file, as a word of the cluster.

use crate::v1;

/// The reason of a refusal. Source: replication.proto, `Refusal.Reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    /// No stored path.
    InvalidPath,
    /// No bytes.
    EmptyFile,
    /// The setting asks for a SHA-256 and none came.
    ChecksumRequired,
    /// Of the file, or a prefix that does not match the bytes so far.
    ChecksumMismatch,
    /// Another node has the pool, or nobody.
    PoolNotHere,
    /// Its disk fails, or the node has had no Welcome yet.
    PoolUnhealthy,
    /// No room.
    InsufficientStorage,
    /// A newer attempt, or a generation that is there already.
    StaleAttempt,
    /// The disk failed.
    IoError,
    /// Source and target are one file.
    SameFile,
    /// A gap, an overlap, a frame beyond the size, no data, no prefix.
    BadFrame,
    /// Other bytes are stored under the path.
    Conflict,
    /// The same attempt is being received on another stream.
    Busy,
}

impl RefusalReason {
    /// From the wire's number; `None` for none and for one that this version does not know.
    #[must_use]
    pub fn from_wire(number: i32) -> Option<Self> {
        use v1::refusal::Reason;
        Some(match Reason::try_from(number).ok()? {
            Reason::Unspecified => return None,
            Reason::InvalidPath => Self::InvalidPath,
            Reason::EmptyFile => Self::EmptyFile,
            Reason::ChecksumRequired => Self::ChecksumRequired,
            Reason::ChecksumMismatch => Self::ChecksumMismatch,
            Reason::PoolNotHere => Self::PoolNotHere,
            Reason::PoolUnhealthy => Self::PoolUnhealthy,
            Reason::InsufficientStorage => Self::InsufficientStorage,
            Reason::StaleAttempt => Self::StaleAttempt,
            Reason::IoError => Self::IoError,
            Reason::SameFile => Self::SameFile,
            Reason::BadFrame => Self::BadFrame,
            Reason::Conflict => Self::Conflict,
            Reason::Busy => Self::Busy,
        })
    }

    /// The wire's number.
    #[must_use]
    pub fn to_wire(self) -> i32 {
        use v1::refusal::Reason;
        let reason = match self {
            Self::InvalidPath => Reason::InvalidPath,
            Self::EmptyFile => Reason::EmptyFile,
            Self::ChecksumRequired => Reason::ChecksumRequired,
            Self::ChecksumMismatch => Reason::ChecksumMismatch,
            Self::PoolNotHere => Reason::PoolNotHere,
            Self::PoolUnhealthy => Reason::PoolUnhealthy,
            Self::InsufficientStorage => Reason::InsufficientStorage,
            Self::StaleAttempt => Reason::StaleAttempt,
            Self::IoError => Reason::IoError,
            Self::SameFile => Reason::SameFile,
            Self::BadFrame => Reason::BadFrame,
            Self::Conflict => Reason::Conflict,
            Self::Busy => Reason::Busy,
        };
        reason.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_survives_the_wire() {
        let known: Vec<i32> = (0..100).filter(|number| RefusalReason::from_wire(*number).is_some()).collect();
        assert_eq!(known, (1..=13).collect::<Vec<_>>());
        assert!(
            known.iter().all(|number| RefusalReason::from_wire(*number).map(RefusalReason::to_wire) == Some(*number))
        );
    }
}
