//! A pool's directory as the checker reads it: every file with its digest and its mark, and what has no business there.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use prost::Message as _;
use sha2::{Digest as _, Sha256};

/// Where in a pool a file lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Under its name.
    Named,
    /// In the trash, under this generation.
    Trash(u64),
    /// Set aside.
    Quarantine,
}

/// A file of a pool.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Relative to the pool.
    pub(super) name: String,
    pub(super) place: Place,
    /// Its stored path.
    pub(super) path: String,
    pub(super) size: u64,
    /// In hex.
    pub(super) sha256: String,
    pub(super) mark: Option<Mark>,
}

/// What the checker wants of a mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) size: u64,
    pub(super) sha256: String,
    pub(super) generation: u64,
}

/// The first fields of a mark, as they are on the disk.
#[derive(Clone, PartialEq, prost::Message)]
struct Record {
    #[prost(uint64, tag = "1")]
    size: u64,
    #[prost(bytes = "vec", tag = "2")]
    sha256: Vec<u8>,
    #[prost(uint64, tag = "3")]
    generation: u64,
}

#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) found: Vec<Found>,
    pub(super) faults: Vec<String>,
}

/// Everything in the pool at `base`.
pub(super) fn walk(base: &Path) -> Walked {
    let mut walked = Walked::default();
    let mut open = vec![PathBuf::new()];
    while let Some(dir) = open.pop() {
        let Ok(entries) = fs::read_dir(base.join(&dir)) else {
            walked.faults.push(format!("{} can't be read", dir.display()));
            continue;
        };
        for entry in entries.map(Result::unwrap) {
            let name = dir.join(entry.file_name());
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                open.push(name);
            } else {
                look(base, name.to_str().unwrap(), kind.is_file(), &mut walked);
            }
        }
    }
    walked.found.sort_by(|a, b| a.name.cmp(&b.name));
    walked
}

fn look(base: &Path, name: &str, is_file: bool, walked: &mut Walked) {
    let (place, path) = match name.strip_prefix(".pixelfox/") {
        None => (Place::Named, name),
        Some("pool.json" | "lock" | "census.json") => return,
        // A mark file belongs to the file of its place; alone it means nothing.
        Some(inner) if inner.starts_with("marks/") => return,
        Some(inner) => match (inner.strip_prefix("incoming/"), trashed(inner), set_aside(inner)) {
            (Some(temp), ..) => return walked.faults.extend(left_over(base, name, temp, is_file)),
            (_, Some((generation, path)), _) => (Place::Trash(generation), path),
            (_, _, Some(path)) => (Place::Quarantine, path),
            _ => return walked.faults.push(format!("{name} has no business here")),
        },
    };
    if !is_file {
        return walked.faults.push(format!("{name} is no regular file"));
    }
    let bytes = fs::read(base.join(name)).unwrap();
    let mark = mark(base, name, &place, path);
    let (size, sha256) = (bytes.len() as u64, hex(&Sha256::digest(&bytes)));
    walked.found.push(Found { name: name.into(), place, path: path.into(), size, sha256, mark });
}

/// What a crash may leave until the sweep: a transfer that can be gone on with; never a second name of a stored file.
fn left_over(base: &Path, name: &str, temp: &str, is_file: bool) -> Option<String> {
    let is_ours = temp
        .strip_prefix("r-")
        .is_some_and(|word| word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if !is_ours || !is_file {
        return Some(format!("{name} has no business here"));
    }
    let links = fs::symlink_metadata(base.join(name)).unwrap().nlink();
    (links != 1).then(|| format!("{name} is a stored file too"))
}

/// `trash/<generation>/<path>`
fn trashed(inner: &str) -> Option<(u64, &str)> {
    let (generation, path) = inner.strip_prefix("trash/")?.split_once('/')?;
    Some((generation.parse().ok()?, path))
}

/// `quarantine/<word>/<path>`
fn set_aside(inner: &str) -> Option<&str> {
    Some(inner.strip_prefix("quarantine/")?.split_once('/')?.1)
}

fn mark(base: &Path, name: &str, place: &Place, path: &str) -> Option<Mark> {
    let mut bytes = vec![0; 8192];
    let attribute = rustix::fs::getxattr(base.join(name), "user.pixelfox", &mut bytes[..]);
    let record = match attribute {
        Ok(length) => Record::decode(&bytes[..length]).ok()?,
        Err(_) => {
            let at = match place {
                Place::Named => path.to_owned(),
                Place::Trash(generation) => format!("trash/{generation}/{path}"),
                Place::Quarantine => return None,
            };
            Record::decode(fs::read(base.join(".pixelfox/marks").join(at)).ok()?.as_slice()).ok()?
        }
    };
    Some(Mark { size: record.size, sha256: hex(&record.sha256), generation: record.generation })
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
