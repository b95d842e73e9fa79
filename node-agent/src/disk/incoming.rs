//! Files on their way in: written under `.pixelfox/incoming/` with no name of their own yet.
//!
//! After a crash such a file is nothing: no reader looks there. One that was made for a file known by path and digest
//! is gone on with when that file is offered again; it goes when the attempt is given up, and is swept when it has not
//! been written to for a day. One without such a name, an upload's, is nobody's once its process has ended: the next
//! one removes it when it opens the pool. A
//! write or sync that failed makes the file worthless, because the next sync may say that all is well: it is removed.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pixelfox_proto::{PrefixHasher, Sha256, StoredPath};
use rustix::fs::{FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use super::error::{DiskError, is_missing};
use super::publish::Shared;
use super::root;

/// Written back while the next bytes come in, and from this size on space is set aside at the start.
const STRIDE_BYTES: u64 = 8 << 20;
/// How the names of files begin that nobody can go on with.
const UNNAMED: &str = "u-";
/// Read at once when a kept file is hashed again.
const REHASH_BUFFER_BYTES: usize = 256 << 10;
/// Hashed before other work of the same thread gets its turn.
const REHASH_TURN_BYTES: u64 = 16 << 20;

/// A file on its way in; one owner. Dropped, it is removed, or kept for a later offer where that was asked for.
#[derive(Debug)]
pub struct Incoming {
    shared: Arc<Shared>,
    file: File,
    name: String,
    length: u64,
    written_back: u64,
    at_drop: AtDrop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AtDrop {
    Remove,
    Keep,
    /// It has its name: nothing is left to do.
    Nothing,
}

impl Incoming {
    /// A new one with a name that nobody guesses.
    pub(crate) fn create(shared: &Arc<Shared>) -> Result<Self, DiskError> {
        let name = format!("{UNNAMED}{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let file = shared.create_incoming(&name)?;
        Ok(Self { shared: Arc::clone(shared), file, name, length: 0, written_back: 0, at_drop: AtDrop::Remove })
    }

    /// The one that an earlier transfer has left under `name`, or a new one. Dropped, it is kept.
    /// The caller sees to it that nobody else has the same name open.
    pub(crate) fn resume(shared: &Arc<Shared>, name: String) -> Result<Self, DiskError> {
        let found = shared.find_incoming(&name)?;
        let (file, length) = match found {
            Some(found) => found,
            None => (shared.create_incoming(&name)?, 0),
        };
        let shared = Arc::clone(shared);
        Ok(Self { shared, file, name, length, written_back: length, at_drop: AtDrop::Keep })
    }

    /// Bytes in it.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Sets space aside for a file of `size` bytes where that pays.
    ///
    /// # Errors
    /// [`DiskError::Full`] where the disk does not have it.
    pub fn expect_size(&mut self, size: u64) -> Result<(), DiskError> {
        if size < STRIDE_BYTES {
            return Ok(());
        }
        match rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, size) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(e) => Err(self.spoiled("set space aside for", e.into())),
        }
    }

    /// Writes `data` at the end, and has the kernel start on what has come together.
    ///
    /// # Errors
    /// Where the disk does not take it; the file is worthless then.
    pub fn append(&mut self, data: &[u8]) -> Result<(), DiskError> {
        if let Err(e) = self.file.write_all_at(data, self.length) {
            return Err(self.spoiled("write", e));
        }
        self.length += data.len() as u64;
        if self.length - self.written_back >= STRIDE_BYTES {
            self.start_writeback()?;
        }
        Ok(())
    }

    /// Has the kernel start to write what has not been written yet, and does not wait for it.
    pub(crate) fn start_writeback(&mut self) -> Result<(), DiskError> {
        let (from, length) = (self.written_back, self.length - self.written_back);
        match crate::sys::start_writeback(self.file.as_fd(), from, length) {
            Ok(()) => self.written_back = self.length,
            // Only a hint, which some file systems do not know.
            Err(e) if matches!(e.raw_os_error(), Some(libc::EINVAL | libc::ESPIPE | libc::ENOSYS)) => {}
            Err(e) => return Err(self.spoiled("write back", e)),
        }
        Ok(())
    }

    /// Hashes its first `length` bytes, with pauses for others. The file is cut behind them.
    ///
    /// # Errors
    /// Where it can't be read or cut; it is worthless then.
    pub async fn rehash(&mut self, length: u64) -> Result<PrefixHasher, DiskError> {
        self.cut(length)?;
        let mut hasher = PrefixHasher::new();
        let mut buffer = vec![0; REHASH_BUFFER_BYTES];
        let mut turn = 0;
        loop {
            match self.file.read_at(&mut buffer, hasher.len()) {
                Ok(0) => break,
                Ok(n) => {
                    hasher.update(&buffer[..n]);
                    turn += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.spoiled("read again", e)),
            }
            if turn >= REHASH_TURN_BYTES {
                turn = 0;
                tokio::task::yield_now().await;
            }
        }
        self.cut(hasher.len())?;
        Ok(hasher)
    }

    /// Forgets everything behind the first `length` bytes.
    ///
    /// # Errors
    /// Where the disk does not do it; the file is worthless then.
    pub fn cut(&mut self, length: u64) -> Result<(), DiskError> {
        if length < self.length {
            if let Err(e) = self.file.set_len(length) {
                return Err(self.spoiled("cut", e));
            }
            self.length = length;
            self.written_back = self.written_back.min(length);
        }
        Ok(())
    }

    /// Copies its bytes to the end of another one, which may be in another pool, with pauses for others.
    ///
    /// # Errors
    /// Where either disk fails; `hear` gets every byte that was copied, in order.
    pub async fn copy_to(&mut self, other: &mut Self, mut hear: impl FnMut(&[u8])) -> Result<(), DiskError> {
        let mut buffer = vec![0; REHASH_BUFFER_BYTES];
        let mut at = 0;
        while at < self.length {
            match self.file.read_at(&mut buffer, at) {
                Ok(0) => return Err(self.spoiled("read again", io::ErrorKind::UnexpectedEof.into())),
                Ok(n) => {
                    hear(&buffer[..n]);
                    other.append(&buffer[..n])?;
                    at += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.spoiled("read again", e)),
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Removes it when it is dropped, even where it would have been kept.
    pub fn remove_at_drop(&mut self) {
        self.at_drop = AtDrop::Remove;
    }

    pub(crate) const fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// It has its name now.
    pub(crate) fn published(&mut self) {
        self.at_drop = AtDrop::Nothing;
    }

    /// A write, read or sync of it has failed: nothing of it is believed any more.
    pub(crate) fn spoiled(&mut self, doing: &'static str, cause: io::Error) -> DiskError {
        self.at_drop = AtDrop::Remove;
        DiskError::new(doing, format!("{}/{}", root::INCOMING, self.name), cause)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if self.at_drop == AtDrop::Remove
            && let Err(e) = root::unlink(self.shared.incoming.as_fd(), &self.name)
        {
            tracing::warn!("could not remove {}/{}: {e}; the sweep will", root::INCOMING, self.name);
        }
    }
}

/// How the names of files on their way to `path` begin that can be gone on with.
fn to_path(path: &StoredPath) -> String {
    format!("r-{:.16}", Sha256::of(path.as_str().as_bytes()).to_string())
}

/// The name of a file on its way that can be gone on with, told from what it will be.
pub(crate) fn name_to_go_on(path: &StoredPath, size: u64, sha256: &Sha256) -> String {
    let what = Sha256::of(format!("{size}\0{sha256}").as_bytes()).to_string();
    format!("{}{what:.16}", to_path(path))
}

impl Shared {
    fn create_incoming(&self, name: &str) -> Result<File, DiskError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.incoming, name, flags, Mode::from_raw_mode(0o644)) {
            Ok(fd) => Ok(File::from(fd)),
            Err(e) => Err(DiskError::new("create", format!("{}/{name}", root::INCOMING), e)),
        }
    }

    /// What was left under `name`, open, and its length. Whatever is no plain file with this one name is removed:
    /// a second name would mean that these bytes are published.
    fn find_incoming(&self, name: &str) -> Result<Option<(File, u64)>, DiskError> {
        let failed = |e: io::Error| DiskError::new("open", format!("{}/{name}", root::INCOMING), e);
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        match rustix::fs::openat(&self.incoming, name, flags, Mode::empty()) {
            Ok(fd) => {
                let file = File::from(fd);
                let stat = file.metadata().map_err(failed)?;
                if stat.is_file() && stat.nlink() == 1 {
                    return Ok(Some((file, stat.len())));
                }
            }
            Err(e) if is_missing(&e.into()) => return Ok(None),
            Err(Errno::LOOP | Errno::NXIO | Errno::ISDIR) => {}
            Err(e) => return Err(failed(e.into())),
        }
        root::unlink(self.incoming.as_fd(), name).map_err(failed)?;
        Ok(None)
    }

    /// Removes what has lain there unwritten for longer than `age`. The number removed.
    pub(crate) fn sweep_incoming(&self, now: SystemTime, age: Duration) -> Result<usize, DiskError> {
        self.remove_incoming(|name| {
            let stat = rustix::fs::statat(&self.incoming, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
            stat.is_ok_and(|stat| {
                let modified = root::time(stat.st_mtime, stat.st_mtime_nsec);
                now.duration_since(modified).is_ok_and(|lain| lain > age)
            })
        })
    }

    /// Removes what an earlier process has left and nobody can go on with: only for who has just taken the lock.
    /// The number removed.
    pub(crate) fn clear_unnamed(&self) -> Result<usize, DiskError> {
        self.remove_incoming(|name| name.starts_with(UNNAMED))
    }

    /// Removes what was on its way to `path`: nobody goes on with it. Who writes to it still finds it without a name.
    pub(crate) fn forget_incoming(&self, path: &StoredPath) -> Result<usize, DiskError> {
        let begin = to_path(path);
        self.remove_incoming(|name| name.starts_with(&begin))
    }

    fn remove_incoming(&self, goes: impl Fn(&str) -> bool) -> Result<usize, DiskError> {
        let failed = |e: io::Error| DiskError::new("sweep", root::INCOMING, e);
        let mut removed = 0;
        let entries = rustix::fs::Dir::read_from(&self.incoming).map_err(|e| failed(e.into()))?;
        for entry in entries {
            let entry = entry.map_err(|e| failed(e.into()))?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if !matches!(name, "." | "..") && goes(name) && root::unlink(self.incoming.as_fd(), name).is_ok() {
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// A small file that is there until it is dropped, and after a crash until its pool is opened again. No reader but its
/// owner looks there.
#[derive(Debug)]
pub struct ProbeFile(Incoming);

impl ProbeFile {
    pub(crate) fn make(shared: &Arc<Shared>, content: &[u8]) -> Result<Self, DiskError> {
        let mut file = Incoming::create(shared)?;
        file.append(content)?;
        Ok(Self(file))
    }

    /// What is in it, read from the disk. Blocking.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let length = usize::try_from(self.0.length).map_err(io::Error::other)?;
        let mut content = vec![0; length];
        self.0.file.read_exact_at(&mut content, 0)?;
        Ok(content)
    }
}

/// Writes, syncs, reads back and removes a small file, and looks whether files may get their names.
pub(crate) fn probe(shared: &Arc<Shared>) -> Result<(), DiskError> {
    for dir in ["original", "variants"] {
        let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        match shared.root.dir(dir) {
            Ok(there) => rustix::fs::accessat(&there, ".", access, rustix::fs::AtFlags::EACCESS)
                .map_err(|e| DiskError::new("write into", dir, e))?,
            Err(e) if super::error::is_missing(&e) => {}
            Err(e) => return Err(DiskError::new("open", dir, e)),
        }
    }
    let mut file = Incoming::create(shared)?;
    let word = fastrand::u64(..).to_le_bytes();
    file.append(&word)?;
    let mut back = [0; 8];
    let read = file.file.sync_all().and_then(|()| file.file.read_exact_at(&mut back, 0));
    match read {
        Ok(()) if back == word => Ok(()),
        Ok(()) => Err(file.spoiled("read back", io::ErrorKind::InvalidData.into())),
        Err(e) => Err(file.spoiled("try", e)),
    }
}
