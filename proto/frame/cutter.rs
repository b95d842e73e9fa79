//! The sender's half: what stands beside each piece of a file.

use crate::{PrefixHasher, Sha256};

/// Gives each piece of a file its offset and the digest of everything up to its end.
#[derive(Clone, Debug, Default)]
pub struct Cutter {
    sent: PrefixHasher,
}

/// The two fields of a frame besides its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Where the piece starts in the file, in bytes.
    pub offset: u64,
    /// SHA-256 of the file from byte 0 to the end of the piece.
    pub prefix: Sha256,
}

impl Cutter {
    /// From the file's first byte.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on behind what `sent` has hashed.
    #[must_use]
    pub const fn resume(sent: PrefixHasher) -> Self {
        Self { sent }
    }

    /// The next piece, in the file's order and without gaps.
    pub fn cut(&mut self, data: &[u8]) -> Cut {
        let offset = self.sent.len();
        self.sent.update(data);
        Cut { offset, prefix: self.sent.digest() }
    }

    /// Bytes cut so far, with those before the resume.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.sent.len()
    }

    /// Of everything cut so far.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        self.sent.digest()
    }
}
