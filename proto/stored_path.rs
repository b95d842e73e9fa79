//! A stored path: where a file lies inside its pool, on every node the same. Must not touch a disk.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A checked relative path: `original/…` or `variants/…`, at most 512 bytes, each part
/// `[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}`. Source: docs/http.md.
///
/// No part begins with a dot, so no stored path is hidden, is `..`, or leads into `.pixelfox/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct StoredPath(Box<str>);

/// The two trees of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PathRoot {
    /// Files as they were uploaded.
    Original,
    /// Files made from originals.
    Variants,
}

/// Why a path is not a stored path. The texts are those of the HTTP contract's 400 row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// There is none.
    #[error("missing stored_path")]
    Missing,
    /// A part that is not allowed, too long, or no file name.
    #[error("invalid stored_path")]
    Invalid,
    /// Well-formed, but neither below `original/` nor below `variants/`.
    #[error("invalid path root")]
    Root,
}

impl StoredPath {
    /// Longest path in bytes.
    pub const MAX_BYTES: usize = 512;
    /// Longest part in bytes: the limit of common file systems.
    pub const MAX_PART_BYTES: usize = 255;

    /// As older nodes and scripts write it: spaces around it and leading `/` are cut, `//` and `.` parts collapse.
    ///
    /// # Errors
    /// [`PathError::Invalid`] for a `..` part, [`PathError::Root`] for a path that is empty afterwards, else as the
    /// strict form.
    pub fn lenient(raw: &str) -> Result<Self, PathError> {
        let parts: Vec<&str> = raw.trim().split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.is_empty() { Err(PathError::Root) } else { parts.join("/").parse() }
    }

    /// The whole path with `/` between its parts.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its tree.
    #[must_use]
    pub fn root(&self) -> PathRoot {
        if self.0.starts_with("original/") { PathRoot::Original } else { PathRoot::Variants }
    }

    /// The directory that holds the file: every part but the last.
    #[must_use]
    pub fn parent(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(parent, _)| parent)
    }

    /// The last part.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }
}

fn is_part(part: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let bytes = part.as_bytes();
    bytes.len() <= StoredPath::MAX_PART_BYTES
        && bytes.first().is_some_and(|b| letter(*b))
        && bytes.iter().all(|b| letter(*b) || *b == b'.')
}

impl FromStr for StoredPath {
    type Err = PathError;

    fn from_str(raw: &str) -> Result<Self, PathError> {
        if raw.is_empty() {
            return Err(PathError::Missing);
        }
        if raw.len() > Self::MAX_BYTES || !raw.split('/').all(is_part) {
            return Err(PathError::Invalid);
        }
        match raw.split_once('/') {
            Some(("original" | "variants", _)) => Ok(Self(raw.into())),
            _ => Err(PathError::Root),
        }
    }
}

impl TryFrom<&str> for StoredPath {
    type Error = PathError;

    fn try_from(raw: &str) -> Result<Self, PathError> {
        raw.parse()
    }
}

impl TryFrom<String> for StoredPath {
    type Error = PathError;

    fn try_from(raw: String) -> Result<Self, PathError> {
        raw.parse()
    }
}

impl From<StoredPath> for String {
    fn from(path: StoredPath) -> Self {
        path.0.into()
    }
}

impl fmt::Display for StoredPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_a_stored_path() {
        let long_part = format!("original/{}", "a".repeat(256));
        let long_path = format!("original/{}b", "abcdefg/".repeat(63));
        for (why, raw, want) in [
            ("as an upload names it", "original/2026/11/24/0190a6f2.jpg", Ok(())),
            ("a variant", "variants/webp/a.webp", Ok(())),
            ("dots inside a part", "original/a..b.jpg", Ok(())),
            ("empty", "", Err(PathError::Missing)),
            ("only a root", "original", Err(PathError::Root)),
            ("a root with nothing below", "original/", Err(PathError::Invalid)),
            ("another root", "uploads/a.jpg", Err(PathError::Root)),
            ("our own directory", ".pixelfox/pool.json", Err(PathError::Invalid)),
            ("parent", "original/../a.jpg", Err(PathError::Invalid)),
            ("absolute", "/original/a.jpg", Err(PathError::Invalid)),
            ("doubled slash", "original//a.jpg", Err(PathError::Invalid)),
            ("hidden", "original/.a", Err(PathError::Invalid)),
            ("NUL", "original/a\0.jpg", Err(PathError::Invalid)),
            ("backslash", "original\\a.jpg", Err(PathError::Invalid)),
            ("space", "original/a b.jpg", Err(PathError::Invalid)),
            ("umlaut", "original/ä.jpg", Err(PathError::Invalid)),
            ("a part of 256 bytes", &long_part, Err(PathError::Invalid)),
            ("513 bytes and more", &long_path, Err(PathError::Invalid)),
        ] {
            assert_eq!(raw.parse::<StoredPath>().map(drop), want, "{why}: {raw}");
        }
    }

    #[test]
    fn what_older_nodes_write() {
        for (why, raw, want) in [
            ("leading slash", "/original/a.jpg", Ok("original/a.jpg")),
            ("spaces around", "  original/a.jpg \n", Ok("original/a.jpg")),
            ("doubled slashes and dots", "./original//x/./a.jpg", Ok("original/x/a.jpg")),
            ("parent", "original/x/../a.jpg", Err(PathError::Invalid)),
            ("present but empty", "", Err(PathError::Root)),
            ("only slashes", " // ", Err(PathError::Root)),
            ("another root", "/etc/passwd", Err(PathError::Root)),
        ] {
            assert_eq!(StoredPath::lenient(raw).as_ref().map(StoredPath::as_str), want.as_ref().copied(), "{why}");
        }
    }

    #[test]
    fn parts_of_a_path() {
        let path: StoredPath = "variants/webp/2026/a.webp".parse().unwrap();
        assert_eq!(
            (path.root(), path.parent(), path.file_name()),
            (PathRoot::Variants, "variants/webp/2026", "a.webp")
        );
    }

    proptest! {
        #[test]
        fn no_input_leads_outside(raw in "\\PC{0,40}|[a-z./]{0,40}") {
            if let Ok(path) = StoredPath::lenient(&raw) {
                prop_assert!(path.as_str().split('/').all(|part| !part.starts_with('.') && !part.is_empty()));
                prop_assert!(path.as_str().starts_with("original/") || path.as_str().starts_with("variants/"));
                prop_assert_eq!(path.as_str().parse::<StoredPath>(), Ok(path.clone()));
            }
        }
    }
}
