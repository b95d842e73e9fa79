//! The mark of a file: what the books say of it, kept with the bytes. As the extended attribute `user.pixelfox`, or
//! as a small file below `.pixelfox/marks/` where the file system has no attributes.
//!
//! An attribute belongs to the file and moves with it. A mark file belongs to a place (`original/…`,
//! `trash/<generation>/original/…`): it is written before its file comes there and removed after its file has left,
//! so a crash leaves at most a mark without a file, which the next file to come there replaces.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;

use pixelfox_proto::{FileMeta, Generation, ImageId, Sha256, VisitorId};
use prost::Message as _;
use rustix::fs::{Mode, OFlags, XattrFlags};
use rustix::io::Errno;

use super::root::{self, Root};

const NAME: &str = "user.pixelfox";
/// Far above the largest mark: all words of a `FileMeta` are bounded.
const MAX_BYTES: usize = 4096;

/// What is on record about a stored file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// In bytes.
    pub size: u64,
    /// Of the whole file.
    pub sha256: Sha256,
    /// Which stay of the file in a pool this is; 0: a file without a record. Fences late deletes.
    pub generation: Generation,
    /// What a lost database needs.
    pub meta: FileMeta,
    /// Whether the file lay here without a record before a move found it: its clean-up never purges it.
    pub was_unowned: bool,
    /// A check of the file's bytes has found others than are on record: it is kept, and nobody is to trust it.
    pub is_suspect: bool,
    /// The visit that an upload belongs to, for as long as its first copy has not moved on: who asks the coordinator
    /// after a crash knows it from here.
    pub visitor: Option<VisitorId>,
}

/// The mark's bytes on disk. Fields are added, never changed.
#[derive(Clone, PartialEq, prost::Message)]
struct Record {
    #[prost(uint64, tag = "1")]
    size: u64,
    #[prost(bytes = "vec", tag = "2")]
    sha256: Vec<u8>,
    #[prost(uint64, tag = "3")]
    generation: u64,
    /// As 16 bytes, so that a bare mark fits into the inode itself on ext4.
    #[prost(bytes = "vec", tag = "4")]
    image: Vec<u8>,
    #[prost(string, tag = "5")]
    kind: String,
    #[prost(string, tag = "6")]
    share_token: String,
    #[prost(string, tag = "7")]
    original_name: String,
    #[prost(string, tag = "8")]
    content_type: String,
    #[prost(uint32, tag = "9")]
    width: u32,
    #[prost(uint32, tag = "10")]
    height: u32,
    #[prost(uint64, tag = "11")]
    user_id: u64,
    #[prost(int64, tag = "12")]
    created: i64,
    #[prost(bool, tag = "13")]
    was_unowned: bool,
    /// Where `image_uuid` is no UUID: kept as it came.
    #[prost(string, tag = "14")]
    image_word: String,
    #[prost(bool, tag = "15")]
    is_suspect: bool,
    /// 0: none, or a mark of a version that did not keep it.
    #[prost(uint64, tag = "16")]
    visitor: u64,
}

impl Mark {
    /// As it is kept on disk.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let meta = self.meta.clone();
        let (image, image_word) = match meta.image_uuid.parse::<ImageId>() {
            Ok(id) => (id.as_bytes().to_vec(), String::new()),
            Err(_) => (Vec::new(), meta.image_uuid),
        };
        Record {
            size: self.size,
            sha256: self.sha256.as_bytes().to_vec(),
            generation: self.generation.0,
            image,
            kind: meta.kind,
            share_token: meta.share_token,
            original_name: meta.original_name,
            content_type: meta.content_type,
            width: meta.width,
            height: meta.height,
            user_id: meta.user_id,
            created: meta.created,
            was_unowned: self.was_unowned,
            image_word,
            is_suspect: self.is_suspect,
            visitor: self.visitor.map_or(0, VisitorId::get),
        }
        .encode_to_vec()
    }

    /// `None` for bytes that are no mark of ours.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let record = Record::decode(bytes).ok()?;
        let image_uuid = match <[u8; 16]>::try_from(record.image.as_slice()) {
            Ok(bytes) => ImageId::from_bytes(bytes).to_string(),
            Err(_) => record.image_word,
        };
        Some(Self {
            size: record.size,
            sha256: Sha256::try_from(record.sha256.as_slice()).ok()?,
            generation: Generation(record.generation),
            meta: FileMeta {
                image_uuid,
                kind: record.kind,
                share_token: record.share_token,
                original_name: record.original_name,
                content_type: record.content_type,
                width: record.width,
                height: record.height,
                user_id: record.user_id,
                created: record.created,
            },
            was_unowned: record.was_unowned,
            is_suspect: record.is_suspect,
            visitor: VisitorId::new(record.visitor),
        })
    }
}

/// Where a pool's marks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// Extended attributes.
    Attributes,
    /// Files below `.pixelfox/marks/`.
    Files,
}

/// Reads and writes marks. `place` is the file's path below the pool, or below `.pixelfox` for the trash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    pub(crate) kind: MarkKind,
}

impl Marks {
    /// Finds out what the file system can, by a mark on `probe`.
    pub(crate) fn probe(probe: &File) -> io::Result<Self> {
        let kind = match rustix::fs::fsetxattr(probe, NAME, &[], XattrFlags::empty()) {
            // Read-only: it keeps its marks where such disks do.
            Ok(()) | Err(Errno::ROFS) => MarkKind::Attributes,
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM | Errno::ACCESS) => MarkKind::Files,
            Err(other) => return Err(other.into()),
        };
        Ok(Self { kind })
    }

    /// The mark of the open `file` at `place`; `None` where it has none, or one that is not ours.
    pub(crate) fn read(self, root: &Root, file: &File, place: &str) -> io::Result<Option<Mark>> {
        let mut bytes = [0; MAX_BYTES];
        let length = match self.kind {
            MarkKind::Attributes => match rustix::fs::fgetxattr(file, NAME, &mut bytes) {
                Ok(length) => length,
                Err(Errno::NODATA | Errno::RANGE | Errno::OPNOTSUPP) => return Ok(None),
                Err(other) => return Err(other.into()),
            },
            MarkKind::Files => match open_mark_file(root, place) {
                Ok(mut mark) => read_up_to(&mut mark, &mut bytes)?,
                Err(e) if super::error::is_missing(&e) => return Ok(None),
                Err(e) => return Err(e),
            },
        };
        Ok(Mark::decode(&bytes[..length]).filter(|_| length > 0))
    }

    /// Puts `mark` on the open `file` that is, or is about to be, at `place`. An attribute is durable with the
    /// file's next sync; a mark file at once, but for its directories, which `changed` hears of.
    pub(crate) fn write(
        self,
        root: &Root,
        file: &File,
        place: &str,
        mark: &Mark,
        changed: &mut dyn FnMut(&str),
    ) -> io::Result<()> {
        let bytes = mark.encode();
        if self.kind == MarkKind::Attributes {
            return Ok(rustix::fs::fsetxattr(file, NAME, &bytes, XattrFlags::empty())?);
        }
        let path = format!("{}/{place}", root::MARKS);
        let (parent, name) = root::split(&path);
        let dir = root.ensure_dir(parent, changed)?;
        // No part of a stored path begins with a dot, so this name is nobody's mark.
        let fresh = format!(".{}", name.get(..name.len().min(200)).unwrap_or("mark"));
        root::unlink(dir.as_fd(), &fresh)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(&dir, &fresh, flags, Mode::from_raw_mode(0o644))?);
        file.write_all(&bytes)?;
        file.sync_all()?;
        root::rename_over(dir.as_fd(), &fresh, dir.as_fd(), name)?;
        changed(parent);
        Ok(())
    }

    /// Removes the mark file of a place that its file has left. An attribute went with it.
    pub(crate) fn forget(self, root: &Root, place: &str) -> io::Result<()> {
        if self.kind == MarkKind::Attributes {
            return Ok(());
        }
        let path = format!("{}/{place}", root::MARKS);
        let (parent, name) = root::split(&path);
        match root.dir(parent) {
            Ok(dir) => root::unlink(dir.as_fd(), name),
            Err(e) if super::error::is_missing(&e) => Ok(()),
            Err(e) => Err(e),
        }
    }
}

fn open_mark_file(root: &Root, place: &str) -> io::Result<File> {
    let path = format!("{}/{place}", root::MARKS);
    Ok(File::from(root.open_at(&path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())?))
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    loop {
        match file.read(&mut buffer[filled..])? {
            0 => return Ok(filled),
            n => filled += n,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bare_mark_fits_into_the_inode() {
        // ext4 with inodes of 256 bytes leaves 64 bytes for the value of this one attribute.
        let meta = FileMeta { image_uuid: ImageId::from_bytes([7; 16]).to_string(), ..FileMeta::default() };
        let (sha256, generation) = (Sha256::of(b"x"), Generation(100));
        let mark =
            Mark { size: 1 << 32, sha256, generation, meta, was_unowned: false, is_suspect: false, visitor: None };
        assert!(mark.encode().len() <= 64, "{}", mark.encode().len());
    }

    #[test]
    fn other_bytes_are_no_mark() {
        for bytes in [&b""[..], b"nonsense", b"\x08\x01", &[0xff; 40]] {
            assert_eq!(Mark::decode(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn a_mark_survives_the_disk(
            size: u64, generation: u64, was_unowned: bool, image: Option<[u8; 16]>, words in "\\PC{0,80}", number: u32,
        ) {
            let image_uuid = image.map_or(words.clone(), |bytes| ImageId::from_bytes(bytes).to_string());
            let meta = FileMeta {
                image_uuid,
                kind: words.clone(),
                share_token: words.clone(),
                original_name: words.clone(),
                content_type: words,
                width: number,
                height: number ^ 1,
                user_id: size,
                created: i64::from(number) - 5,
            };
            let (sha256, generation) = (Sha256::of(&size.to_le_bytes()), Generation(generation));
            let is_suspect = number.is_multiple_of(2);
            let mark = Mark { size, sha256, generation, meta, was_unowned, is_suspect, visitor: VisitorId::new(size) };
            prop_assert!(mark.encode().len() < MAX_BYTES);
            prop_assert_eq!(Mark::decode(&mark.encode()), Some(mark));
        }
    }
}
