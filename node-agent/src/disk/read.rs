//! Reading: open a file for serving or sending, say what it is, hash it. Blocking, on the caller's thread; opening
//! costs an open, a stat and the read of the mark. Nothing here changes a name.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::time::SystemTime;

use pixelfox_proto::{Generation, PrefixHasher, Sha256, StoredPath};
use rustix::fs::{Mode, OFlags};

use super::error::{DiskError, is_blocked, is_missing};
use super::mark::Mark;
use super::publish::Shared;

/// Read at once while hashing.
const HASH_BUFFER_BYTES: usize = 256 << 10;
/// Hashed before other work of the same thread gets its turn: some 10 ms.
const HASH_TURN_BYTES: u64 = 16 << 20;

/// A stored file, open for reading. A later delete or replacement does not touch what this handle sees.
#[derive(Debug)]
pub struct Stored {
    file: File,
    size: u64,
    modified: SystemTime,
    mark: Option<Mark>,
    existing: Existing,
}

/// Which file with which content something was decided about: a file that was replaced or written to since differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Existing {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stored {
    /// In bytes, as the file system has it.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Last change of its bytes.
    #[must_use]
    pub const fn modified(&self) -> SystemTime {
        self.modified
    }

    /// What is on record about it, if anything is.
    #[must_use]
    pub const fn mark(&self) -> Option<&Mark> {
        self.mark.as_ref()
    }

    /// Whether its bytes are known not to be those on record: by its size, or by a check that has read them.
    #[must_use]
    pub fn is_suspect(&self) -> bool {
        self.mark.as_ref().is_some_and(|mark| mark.is_suspect || mark.size != self.size)
    }

    /// 0 for a file without a record.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.mark.as_ref().map_or(Generation(0), |mark| mark.generation)
    }

    /// What a later step compares, to see that the file is still this one.
    #[must_use]
    pub const fn existing(&self) -> Existing {
        self.existing
    }

    /// The open file itself, for instance for `fadvise`.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Reads from `offset`; 0 at the end of the file.
    ///
    /// # Errors
    /// What the system says.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.file.read_at(buffer, offset) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Reads `length` bytes from `offset` into fresh memory that nobody has to fill with zeros first; fewer at the end
    /// of the file.
    ///
    /// # Errors
    /// What the system says.
    pub fn read_chunk(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut chunk = Vec::with_capacity(length);
        while chunk.len() < length {
            let at = offset + chunk.len() as u64;
            match rustix::io::pread(&self.file, rustix::buffer::spare_capacity(&mut chunk), at) {
                Ok(0) => break,
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        chunk.truncate(length);
        Ok(chunk)
    }

    /// Reads and hashes all of it on the caller's thread, with a pause for others now and then.
    ///
    /// # Errors
    /// What the system says.
    pub async fn hash(&self) -> io::Result<Sha256> {
        Ok(self.hash_prefix(u64::MAX).await?.digest())
    }

    /// As [`Stored::hash`], for the first `length` bytes, or for all where there are fewer.
    ///
    /// # Errors
    /// What the system says.
    pub async fn hash_prefix(&self, length: u64) -> io::Result<PrefixHasher> {
        let mut hasher = PrefixHasher::new();
        let mut buffer = vec![0; HASH_BUFFER_BYTES];
        let mut turn = 0;
        while hasher.len() < length {
            let most = usize::try_from(length - hasher.len()).map_or(buffer.len(), |left| left.min(buffer.len()));
            let n = self.read_at(&mut buffer[..most], hasher.len())?;
            if n == 0 {
                break;
            }
            hasher.update(&buffer[..n]);
            turn += n as u64;
            if turn >= HASH_TURN_BYTES {
                turn = 0;
                tokio::task::yield_now().await;
            }
        }
        Ok(hasher)
    }
}

impl Shared {
    /// Opens the file at `path`; `None` where no regular file is. A link, a directory or a file in the middle of the
    /// path is nothing, too: only regular files are served.
    pub(crate) fn open(&self, path: &StoredPath) -> Result<Option<Stored>, DiskError> {
        self.open_place(path.as_str(), path.as_str())
    }

    /// As `open`, for a file at `path` whose mark file, if its mark is one, is for `place`.
    pub(crate) fn open_place(&self, path: &str, place: &str) -> Result<Option<Stored>, DiskError> {
        // Without NONBLOCK the open of a pipe would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let open = |flags| self.root.open_at(path, flags, Mode::empty());
        // A read that is noted in the file is written, and waits behind whoever syncs the disk: only somebody else's file
        // has to be read like that.
        let silently = open(flags | OFlags::NOATIME);
        let is_anothers = |e: &std::io::Error| e.kind() == std::io::ErrorKind::PermissionDenied;
        let file = match silently.or_else(|e| if is_anothers(&e) { open(flags) } else { Err(e) }) {
            Ok(fd) => File::from(fd),
            Err(e) if is_missing(&e) || is_blocked(&e) => return Ok(None),
            Err(e) => return Err(DiskError::new("open", path, e)),
        };
        let failed = |e| DiskError::new("look at", path, e);
        let stat = file.metadata().map_err(failed)?;
        if !stat.is_file() {
            return Ok(None);
        }
        let mark = self.marks.read(&self.root, &file, place).map_err(failed)?;
        Ok(Some(Stored {
            size: stat.len(),
            modified: stat.modified().map_err(failed)?,
            mark,
            existing: Existing::of(&stat),
            file,
        }))
    }
}

impl Existing {
    pub(crate) fn of(stat: &std::fs::Metadata) -> Self {
        Self { device: stat.dev(), inode: stat.ino(), size: stat.len(), modified: (stat.mtime(), stat.mtime_nsec()) }
    }

    /// Whether both are names of one file.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}
