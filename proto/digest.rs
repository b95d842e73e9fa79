//! SHA-256 as a value, and as a running state that gives the digest of every prefix.

use std::{fmt, str::FromStr};

use sha2::Digest as _;

/// A SHA-256 value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

/// Why something is not a SHA-256 value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Not 64 hex digits.
    #[error("invalid sha256")]
    Hex,
    /// Not 32 bytes.
    #[error("a SHA-256 has 32 bytes, this one has {0}")]
    Length(usize),
}

impl Sha256 {
    /// From its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Of a whole in memory.
    #[must_use]
    pub fn of(data: &[u8]) -> Self {
        Self(sha2::Sha256::digest(data).into())
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sha256 {
    type Err = DigestError;

    fn from_str(hex: &str) -> Result<Self, DigestError> {
        let digits: Vec<u32> = hex.chars().map_while(|c| c.to_digit(16)).collect();
        if digits.len() != 64 || hex.len() != 64 {
            return Err(DigestError::Hex);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::try_from(pair[0] << 4 | pair[1]).map_err(|_| DigestError::Hex)?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<&[u8]> for Sha256 {
    type Error = DigestError;

    fn try_from(bytes: &[u8]) -> Result<Self, DigestError> {
        <[u8; 32]>::try_from(bytes).map(Self).map_err(|_| DigestError::Length(bytes.len()))
    }
}

/// A SHA-256 under way. [`PrefixHasher::digest`] may be asked at any byte and leaves the state as it is, which costs
/// one compression of the copied state.
#[derive(Clone, Debug, Default)]
pub struct PrefixHasher {
    state: sha2::Sha256,
    len: u64,
}

impl PrefixHasher {
    /// Of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        self.state.update(data);
        self.len += data.len() as u64;
    }

    /// Of everything so far.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        Sha256(self.state.clone().finalize().into())
    }

    /// Bytes taken so far.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was taken yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hex_in_any_case_and_nothing_else() {
        // FIPS 180-4's value for "abc".
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Sha256::of(b"abc").to_string(), abc);
        assert_eq!(abc.to_uppercase().parse(), Ok(Sha256::of(b"abc")));
        for bad in ["", &abc[1..], &format!("{abc}0"), &abc.replace('b', "g"), &format!("{}é", &abc[..62])] {
            assert_eq!(bad.parse::<Sha256>(), Err(DigestError::Hex), "{bad}");
        }
        assert_eq!(Sha256::try_from(&[0u8; 31][..]), Err(DigestError::Length(31)));
    }

    proptest! {
        #[test]
        fn every_prefix_has_its_own_digest(data in proptest::collection::vec(any::<u8>(), 0..600), cut in 0usize..600) {
            let cut = cut.min(data.len());
            let mut hasher = PrefixHasher::new();
            hasher.update(&data[..cut]);
            prop_assert_eq!(hasher.digest(), Sha256::of(&data[..cut]));
            hasher.update(&data[cut..]);
            prop_assert_eq!((hasher.digest(), hasher.len()), (Sha256::of(&data), data.len() as u64));
        }
    }
}
