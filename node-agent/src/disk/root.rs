//! A pool's directory as a handle that nothing can leave: every other file of this room reaches the disk through
//! it. Paths are resolved by the kernel beneath the handle, without links (`openat2`); where that call is missing
//! or forbidden, part by part without following links. It knows directories and names, not what files mean.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use pixelfox_proto::Sha256;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;

/// What we keep beside the files of a pool.
pub(crate) const PRIVATE: &str = ".pixelfox";
/// Files that are on their way in.
pub(crate) const INCOMING: &str = ".pixelfox/incoming";
/// Uploads that have no answer from the coordinator yet.
pub(crate) const PENDING: &str = ".pixelfox/pending";
/// Marks, where the file system has no extended attributes.
pub(crate) const MARKS: &str = ".pixelfox/marks";
/// Old copies: `<generation>/<stored path>`.
pub(crate) const TRASH: &str = ".pixelfox/trash";
/// Files that others had to replace, set aside for a person.
pub(crate) const QUARANTINE: &str = ".pixelfox/quarantine";

/// Random, new with each start of the machine, the same in all its containers.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

const RESOLVE: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const DIR_MODE: Mode = Mode::from_raw_mode(0o755);

/// Which directory this is to the kernel, whatever name or mount it was reached by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DirId {
    device: u64,
    inode: u64,
}

impl DirId {
    /// The file system that it is on, as this machine counts them.
    #[must_use]
    pub(crate) const fn device(self) -> u64 {
        self.device
    }

    /// What tells its file system from every other, those of other machines too: the device is a number of this
    /// machine's. Never 0.
    #[must_use]
    pub(crate) fn file_system(self) -> u64 {
        static MACHINE: OnceLock<String> = OnceLock::new();
        let machine = MACHINE.get_or_init(|| std::fs::read_to_string(BOOT_ID).unwrap_or_default());
        let digest = Sha256::of(format!("{machine}\0{}", self.device).as_bytes());
        let first = digest.as_bytes().first_chunk().copied().unwrap_or_default();
        u64::from_le_bytes(first).max(1)
    }
}

/// An open directory; all paths given to it are relative, with `/` between the parts.
#[derive(Debug)]
pub(crate) struct Root {
    fd: OwnedFd,
    beneath: bool,
}

impl Root {
    /// Opens `path` itself by its ambient name; the only place that does. Links in `path` are followed.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let fd = rustix::fs::open(path, DIRECTORY, Mode::empty())?;
        let beneath = match rustix::fs::openat2(&fd, ".", DIRECTORY, Mode::empty(), RESOLVE) {
            Ok(_) => true,
            // An old kernel, or a container whose seccomp profile does not know the call.
            Err(Errno::NOSYS | Errno::PERM) => false,
            Err(other) => return Err(other.into()),
        };
        Ok(Self { fd, beneath })
    }

    /// Which directory `path` is now; `None` where nothing is.
    pub(crate) fn id_of(path: &Path) -> io::Result<Option<DirId>> {
        match rustix::fs::stat(path) {
            Ok(stat) => Ok(Some(DirId { device: stat.st_dev, inode: stat.st_ino })),
            Err(Errno::NOENT) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// Opens what `path` names, beneath this directory and through no link.
    pub(crate) fn open_at(&self, path: &str, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let path = if path.is_empty() { "." } else { path };
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        if self.beneath {
            return Ok(rustix::fs::openat2(&self.fd, path, flags, mode, RESOLVE)?);
        }
        open_by_parts(self.fd.as_fd(), path, flags, mode)
    }

    /// Opens the directory `path`; empty is this one.
    pub(crate) fn dir(&self, path: &str) -> io::Result<OwnedFd> {
        self.open_at(path, DIRECTORY, Mode::empty())
    }

    /// Opens the directory `path` and makes what is missing on the way. `changed` hears the path of each directory
    /// that got a new entry, so that it can be synced.
    pub(crate) fn ensure_dir(&self, path: &str, changed: &mut dyn FnMut(&str)) -> io::Result<OwnedFd> {
        match self.dir(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound && !path.is_empty() => {}
            other => return other,
        }
        let (parent, name) = split(path);
        let above = self.ensure_dir(parent, changed)?;
        match rustix::fs::mkdirat(&above, name, DIR_MODE) {
            Ok(()) => changed(parent),
            // Made by someone else meanwhile: theirs to sync, and ours, because they may not have come to it.
            Err(Errno::EXIST) => changed(parent),
            Err(other) => return Err(other.into()),
        }
        self.dir(path)
    }

    /// Which directory `path` is; `None` where there is none.
    pub(crate) fn dir_id(&self, path: &str) -> io::Result<Option<DirId>> {
        let fd = match self.dir(path) {
            Ok(fd) => fd,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let stat = rustix::fs::fstat(&fd)?;
        Ok(Some(DirId { device: stat.st_dev, inode: stat.st_ino }))
    }

    /// An error where the file system is mounted read-only.
    pub(crate) fn writable(&self) -> io::Result<()> {
        let vfs = rustix::fs::fstatvfs(&self.fd)?;
        if vfs.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) { Err(Errno::ROFS.into()) } else { Ok(()) }
    }

    /// Bytes free for us and bytes in all, of the file system that this directory is on.
    pub(crate) fn room(&self) -> io::Result<(u64, u64)> {
        let vfs = rustix::fs::fstatvfs(&self.fd)?;
        Ok((vfs.f_bavail.saturating_mul(vfs.f_frsize), vfs.f_blocks.saturating_mul(vfs.f_frsize)))
    }
}

/// The way down without `openat2`: each part is opened as a directory that is no link. `..` never gets here, since
/// names are checked before, and is refused all the same.
fn open_by_parts(top: BorrowedFd<'_>, path: &str, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    let (parents, name) = split(path);
    if path.split('/').any(|part| part == ".." || part.is_empty()) {
        return Err(Errno::XDEV.into());
    }
    let mut below: Option<OwnedFd> = None;
    for part in parents.split('/').filter(|part| !part.is_empty()) {
        let at = below.as_ref().map_or(top, AsFd::as_fd);
        below = Some(rustix::fs::openat(at, part, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?);
    }
    Ok(rustix::fs::openat(below.as_ref().map_or(top, AsFd::as_fd), name, flags, mode)?)
}

/// `a/b/c` as `a/b` and `c`; the first is empty where there is no `/`.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Moves a name and never replaces one: an existing `to` is `AlreadyExists`. Where the file system can't rename so
/// (NFS), it is linked and unlinked: a crash in between leaves both names on one file, which is harmless.
pub(crate) fn rename_new(from: BorrowedFd<'_>, old: &str, to: BorrowedFd<'_>, new: &str) -> io::Result<()> {
    match rustix::fs::renameat_with(from, old, to, new, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            rustix::fs::linkat(from, old, to, new, AtFlags::empty())?;
            Ok(rustix::fs::unlinkat(from, old, AtFlags::empty())?)
        }
        Err(other) => Err(other.into()),
    }
}

/// Moves a name onto another in one step: readers see the old file or the new one.
pub(crate) fn rename_over(from: BorrowedFd<'_>, old: &str, to: BorrowedFd<'_>, new: &str) -> io::Result<()> {
    Ok(rustix::fs::renameat(from, old, to, new)?)
}

/// Gives a file a second name; an existing one is `AlreadyExists`.
pub(crate) fn link(from: BorrowedFd<'_>, old: &str, to: BorrowedFd<'_>, new: &str) -> io::Result<()> {
    Ok(rustix::fs::linkat(from, old, to, new, AtFlags::empty())?)
}

/// Removes a name that may be gone already.
pub(crate) fn unlink(dir: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(other) => Err(other.into()),
    }
}

/// Removes an empty directory; one that is not empty stays, and that is no error.
pub(crate) fn remove_empty_dir(dir: BorrowedFd<'_>, name: &str) -> io::Result<bool> {
    match rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST | Errno::BUSY) => Ok(false),
        Err(other) => Err(other.into()),
    }
}

/// True for a regular file.
pub(crate) fn is_regular(mode: u32) -> bool {
    FileType::from_raw_mode(mode) == FileType::RegularFile
}

/// What it is in a word, where it is no regular file.
pub(crate) fn kind_if_no_file(mode: u32) -> Option<&'static str> {
    use rustix::fs::FileType as Kind;
    match Kind::from_raw_mode(mode) {
        Kind::RegularFile => None,
        Kind::Directory => Some("a directory"),
        Kind::Symlink => Some("a symbolic link"),
        Kind::Fifo => Some("a pipe"),
        Kind::Socket => Some("a socket"),
        _ => Some("a device"),
    }
}

/// A file's time as the system gives it. Before 1970 counts as 1970.
pub(crate) fn time(seconds: i64, nanos: impl TryInto<u32>) -> SystemTime {
    let since = Duration::new(seconds.try_into().unwrap_or(0), nanos.try_into().unwrap_or(0));
    SystemTime::UNIX_EPOCH + since
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_leads_outside_with_and_without_openat2() {
        // The same table for the kernel's way and for the way part by part.
        let temp = tempfile::tempdir().unwrap();
        let top = temp.path().join("top");
        std::fs::create_dir_all(top.join("a/b")).unwrap();
        std::fs::write(top.join("a/b/file"), b"x").unwrap();
        std::fs::write(temp.path().join("outside"), b"x").unwrap();
        symlink(temp.path(), top.join("out")).unwrap();
        symlink("a", top.join("in")).unwrap();
        symlink("b/file", top.join("a/link")).unwrap();
        for beneath in [true, false] {
            let root = Root { beneath, ..Root::open(&top).unwrap() };
            for (path, opens) in [
                ("a/b/file", true),
                ("a/b", true),
                ("a/none", false),
                ("out/outside", false),
                ("in/b/file", false),
                ("a/link", false),
                ("../outside", false),
                ("a/../../outside", false),
                ("/etc/passwd", false),
                ("a//b", beneath),
            ] {
                assert_eq!(root.open_at(path, OFlags::RDONLY, Mode::empty()).is_ok(), opens, "{path} {beneath}");
            }
        }
    }

    #[test]
    fn a_name_is_never_taken_from_another_file() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join("old"), b"old").unwrap();
        std::fs::write(temp.path().join("new"), b"new").unwrap();
        let root = Root::open(temp.path()).unwrap();
        let dir = root.dir("").unwrap();
        let taken = rename_new(dir.as_fd(), "new", dir.as_fd(), "old").unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(temp.path().join("old")).unwrap(), b"old");
    }
}
