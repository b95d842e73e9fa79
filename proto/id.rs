//! Identifiers, each a type of its own and checked at the door. Must not know what they identify.

use std::{fmt, num::NonZeroU64, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Text;

/// Why a word is not an identifier. One sentence that names the word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Zero, where 0 means "none" on the wire.
    #[error("{0} must be a number above 0")]
    Zero(&'static str),
    /// Not a NODE_ID.
    #[error("{}it has 1 to 63 letters, digits, `.`, `_` or `-`, and starts with a letter or digit", no_node(.0))]
    Node(String),
    /// Not an image's UUID.
    #[error("`{0}` is no image UUID: it has 32 hex digits in lower case with hyphens, 8-4-4-4-12")]
    Image(String),
    /// Not a share token.
    #[error("`{0}` is no share token: it has 12 letters and digits")]
    Share(String),
}

impl IdError {
    /// In both languages.
    #[must_use]
    pub fn text(&self) -> Text {
        let de = match self {
            Self::Zero(what) => format!("{what} muss eine Zahl größer als 0 sein"),
            Self::Node(word) if word.is_empty() => {
                "die NODE_ID fehlt: sie hat 1 bis 63 Buchstaben, Ziffern, „.“, „_“ oder „-“".to_owned()
            }
            Self::Node(word) => format!(
                "„{word}“ ist keine NODE_ID: sie hat 1 bis 63 Buchstaben, Ziffern, „.“, „_“ oder „-“ und beginnt mit einem \
                 Buchstaben oder einer Ziffer"
            ),
            Self::Image(word) => {
                format!("„{word}“ ist keine Bild-UUID: sie hat 32 kleine Hex-Ziffern mit Bindestrichen, 8-4-4-4-12")
            }
            Self::Share(word) => format!("„{word}“ ist kein Freigabe-Token: es hat 12 Buchstaben und Ziffern"),
        };
        Text::new(de, self.to_string())
    }
}

fn no_node(word: &str) -> String {
    if word.is_empty() { "the NODE_ID is missing: ".to_owned() } else { format!("`{word}` is no NODE_ID: ") }
}

/// First characters of a rejected word, so that an error stays one readable line.
fn excerpt(word: &str) -> String {
    word.chars().take(64).flat_map(char::escape_debug).collect()
}

macro_rules! numeric_id {
    ($(#[$doc:meta])* $name:ident, $label:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(NonZeroU64);

        impl $name {
            /// The number, never 0.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0.get()
            }
        }

        impl TryFrom<u64> for $name {
            type Error = IdError;

            fn try_from(raw: u64) -> Result<Self, IdError> {
                NonZeroU64::new(raw).map(Self).ok_or(IdError::Zero($label))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

numeric_id!(
    /// A storage pool. Never 0: on the wire 0 means "none".
    PoolId,
    "a pool id"
);
numeric_id!(
    /// A job, parent or child. Never 0: on the wire 0 means "none".
    JobId,
    "a job id"
);

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

counter!(
    /// How often a file's place has changed: an upload has 1, each move one more. 0: a file without a record.
    Generation
);
counter!(
    /// A node's session with the coordinator. Rises with every Attach of the node.
    SessionEpoch
);
counter!(
    /// Rises with every lease of a job in the cluster.
    Lease
);

/// The NODE_ID of a process: whose pools and jobs are its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct NodeId(Box<str>);

impl NodeId {
    /// Longest NODE_ID in bytes: one label of a host name.
    pub const MAX_BYTES: usize = 63;

    /// The word itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeId {
    type Err = IdError;

    fn from_str(word: &str) -> Result<Self, IdError> {
        let inner = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let bytes = word.as_bytes();
        let well_formed = bytes.len() <= Self::MAX_BYTES
            && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.iter().all(inner);
        if well_formed { Ok(Self(word.into())) } else { Err(IdError::Node(excerpt(word))) }
    }
}

/// An image's UUID, also the id of its upload: lower case with hyphens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ImageId([u8; 16]);

impl ImageId {
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];

    /// From its 16 bytes, for instance of a UUID version 4.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ImageId {
    type Err = IdError;

    fn from_str(word: &str) -> Result<Self, IdError> {
        let parse = || {
            let mut nibbles = Vec::with_capacity(32);
            if word.len() != 36 {
                return None;
            }
            for (i, b) in word.bytes().enumerate() {
                match (Self::HYPHENS.contains(&i), b) {
                    (true, b'-') => {}
                    (false, b'0'..=b'9') => nibbles.push(b - b'0'),
                    (false, b'a'..=b'f') => nibbles.push(b - b'a' + 10),
                    _ => return None,
                }
            }
            let mut bytes = [0; 16];
            for (byte, pair) in bytes.iter_mut().zip(nibbles.chunks_exact(2)) {
                *byte = pair[0] << 4 | pair[1];
            }
            Some(Self(bytes))
        };
        parse().ok_or_else(|| IdError::Image(excerpt(word)))
    }
}

/// What stands in a share link: 12 letters and digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ShareToken(Box<str>);

impl ShareToken {
    /// Characters of a share token.
    pub const CHARS: usize = 12;
    const ALPHABET: &'static [u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    /// From random bytes: one byte a character, rejected ones (248 to 255, which would favour some letters) skipped.
    /// `None` where fewer than 12 usable bytes came: ask again with others.
    pub fn from_random(bytes: impl IntoIterator<Item = u8>) -> Option<Self> {
        let usable = bytes.into_iter().filter(|b| *b < 248).take(Self::CHARS);
        let word: String = usable.map(|b| char::from(Self::ALPHABET[usize::from(b % 62)])).collect();
        (word.len() == Self::CHARS).then(|| Self(word.into()))
    }

    /// The word itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ShareToken {
    type Err = IdError;

    fn from_str(word: &str) -> Result<Self, IdError> {
        if word.len() == Self::CHARS && word.bytes().all(|b| b.is_ascii_alphanumeric()) {
            Ok(Self(word.into()))
        } else {
            Err(IdError::Share(excerpt(word)))
        }
    }
}

macro_rules! word_conversions {
    ($name:ident) => {
        impl TryFrom<&str> for $name {
            type Error = IdError;

            fn try_from(word: &str) -> Result<Self, IdError> {
                word.parse()
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(word: String) -> Result<Self, IdError> {
                word.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}
word_conversions!(NodeId);
word_conversions!(ImageId);
word_conversions!(ShareToken);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ShareToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_node_id_is_one_label() {
        for (word, good) in [
            ("local", true),
            ("s01", true),
            ("a.b_c-d", true),
            ("", false),
            ("-a", false),
            ("a/b", false),
            ("ä", false),
        ] {
            assert_eq!(word.parse::<NodeId>().is_ok(), good, "{word}");
        }
        assert!("a".repeat(63).parse::<NodeId>().is_ok());
        assert!("a".repeat(64).parse::<NodeId>().is_err());
    }

    #[test]
    fn zero_is_no_pool() {
        assert_eq!(PoolId::try_from(0), Err(IdError::Zero("a pool id")));
        assert_eq!(PoolId::try_from(7).unwrap().to_string(), "7");
    }

    #[test]
    fn an_image_id_is_lower_case_with_hyphens() {
        let word = "0190a6f2-3b5c-4d7e-8f90-a1b2c3d4e5f6";
        assert_eq!(word.parse::<ImageId>().unwrap().to_string(), word);
        for bad in ["", "0190A6F2-3b5c-4d7e-8f90-a1b2c3d4e5f6", "0190a6f23b5c4d7e8f90a1b2c3d4e5f6", &format!("{word}0")]
        {
            assert!(bad.parse::<ImageId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_rejected_word_stays_one_short_line() {
        let error = "\n\u{1b}[31m".repeat(5_000).parse::<NodeId>().unwrap_err().to_string();
        assert!(!error.contains(['\n', '\u{1b}']) && error.len() < 900, "{error}");
    }

    proptest! {
        #[test]
        fn image_ids_survive_their_text(bytes: [u8; 16]) {
            let id = ImageId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse::<ImageId>().unwrap(), id);
        }

        #[test]
        fn random_bytes_make_share_tokens(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let usable = bytes.iter().filter(|b| **b < 248).count();
            let token = ShareToken::from_random(bytes);
            prop_assert_eq!(token.is_some(), usable >= ShareToken::CHARS);
            if let Some(token) = token {
                prop_assert_eq!(token.to_string().parse::<ShareToken>().unwrap(), token);
            }
        }
    }
}
