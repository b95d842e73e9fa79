//! The receiver's half: no byte counts before its frame's prefix was checked.

use crate::{MAX_FRAME_BYTES, PrefixHasher, Sha256};

/// Why a frame is refused. It ends its file, not the stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A gap or an overlap.
    #[error("frame at offset {got}, expected {expected}")]
    Offset {
        /// Where the frame claims to start.
        got: u64,
        /// Where the next frame must start.
        expected: u64,
    },
    /// More bytes than the file has.
    #[error("frame ends at {end}, the file has {size} bytes")]
    BeyondSize {
        /// Where the frame would end.
        end: u64,
        /// The file's announced size.
        size: u64,
    },
    /// No bytes.
    #[error("frame without data")]
    Empty,
    /// More than [`MAX_FRAME_BYTES`].
    #[error("frame of {0} bytes, at most {MAX_FRAME_BYTES} are allowed")]
    TooLarge(usize),
    /// The prefix is no SHA-256.
    #[error("prefix_sha256 of {0} bytes, it has 32")]
    PrefixLength(usize),
    /// The bytes so far are not those that the sender hashed.
    #[error("the bytes up to {end} do not have the prefix_sha256 of their frame")]
    Prefix {
        /// End of the frame whose prefix differs.
        end: u64,
    },
}

/// Checks frames of one file in order and keeps the digest of what was accepted.
#[derive(Clone, Debug)]
pub struct Verifier {
    size: u64,
    taken: PrefixHasher,
}

impl Verifier {
    /// For a file of `size` bytes from its first byte.
    #[must_use]
    pub fn new(size: u64) -> Self {
        Self::resume(size, PrefixHasher::new())
    }

    /// For a file of `size` bytes of which `taken` has been accepted already.
    #[must_use]
    pub const fn resume(size: u64, taken: PrefixHasher) -> Self {
        Self { size, taken }
    }

    /// Takes a frame.
    ///
    /// # Errors
    /// [`FrameError`]; what was accepted before stays as it was. After [`FrameError::Prefix`] nothing more may be
    /// accepted, because the wrong bytes have been hashed: the file is refused.
    pub fn accept(&mut self, offset: u64, data: &[u8], prefix_sha256: &[u8]) -> Result<(), FrameError> {
        let expected = self.taken.len();
        if offset != expected {
            return Err(FrameError::Offset { got: offset, expected });
        }
        if data.is_empty() {
            return Err(FrameError::Empty);
        }
        if data.len() > MAX_FRAME_BYTES {
            return Err(FrameError::TooLarge(data.len()));
        }
        let end = expected.saturating_add(data.len() as u64);
        if end > self.size {
            return Err(FrameError::BeyondSize { end, size: self.size });
        }
        let prefix = Sha256::try_from(prefix_sha256).map_err(|_| FrameError::PrefixLength(prefix_sha256.len()))?;
        self.taken.update(data);
        if self.taken.digest() == prefix { Ok(()) } else { Err(FrameError::Prefix { end }) }
    }

    /// Bytes accepted so far: where the next frame starts.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.taken.len()
    }

    /// The file's announced size in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Whether every byte was accepted.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.taken.len() == self.size
    }

    /// Of what was accepted so far.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        self.taken.digest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_frame_must_be() {
        let prefix = *Sha256::of(b"abc").as_bytes();
        let large = vec![0; MAX_FRAME_BYTES + 1];
        for (why, offset, data, sha, want) in [
            ("a gap", 1, &b"abc"[..], &prefix[..], FrameError::Offset { got: 1, expected: 0 }),
            ("no data", 0, &b""[..], &prefix[..], FrameError::Empty),
            ("too large", 0, &large[..], &prefix[..], FrameError::TooLarge(MAX_FRAME_BYTES + 1)),
            ("beyond the size", 0, &b"abcdef"[..], &prefix[..], FrameError::BeyondSize { end: 6, size: 5 }),
            ("no prefix", 0, &b"abc"[..], &b""[..], FrameError::PrefixLength(0)),
            ("another prefix", 0, &b"abd"[..], &prefix[..], FrameError::Prefix { end: 3 }),
        ] {
            assert_eq!(Verifier::new(5).accept(offset, data, sha), Err(want), "{why}");
        }
        let mut verifier = Verifier::new(5);
        assert_eq!(verifier.accept(0, b"abc", &prefix), Ok(()));
        let overlap = verifier.accept(2, b"cde", Sha256::of(b"abcde").as_bytes());
        assert_eq!(overlap, Err(FrameError::Offset { got: 2, expected: 3 }));
        assert_eq!(verifier.accept(3, b"de", Sha256::of(b"abcde").as_bytes()), Ok(()));
        assert!(verifier.is_complete());
    }
}
