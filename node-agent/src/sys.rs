//! The two system calls that no safe crate offers: the allocator's thresholds and early writeback of a file.
//!
//! This is the only module of the project that may be `unsafe`. It must not grow: a call that `rustix` has is made
//! there.

#![expect(unsafe_code, reason = "mallopt and sync_file_range are in neither std nor rustix; both take plain numbers")]

use std::{io, os::fd::BorrowedFd};

/// Makes glibc keep the memory of transfer buffers instead of returning it to the kernel after each one: mmap and trim
/// threshold 1 GiB, top pad 16 MiB, at most 8 arenas. Worth half of the Replicate rate (docs/PERFORMANCE.md,
/// "Figures to build on"). Call it once, first thing in `main`, before threads start. Without glibc it does nothing.
pub fn tune_allocator() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (parameter, value) in [
        (libc::M_MMAP_THRESHOLD, 1 << 30),
        (libc::M_TRIM_THRESHOLD, 1 << 30),
        (libc::M_TOP_PAD, 16 << 20),
        (libc::M_ARENA_MAX, 8),
    ] {
        // SAFETY: mallopt takes two integers and touches only the allocator's own settings, under its own lock.
        // A parameter that this glibc does not know answers 0 and changes nothing.
        let _known = unsafe { libc::mallopt(parameter, value) };
    }
}

/// Starts to write `len` dirty bytes from `offset` of `file` to the disk and does not wait for them, so that the fsync
/// at the end finds little left to do. A hint: it makes nothing durable. Other systems than Linux answer `Ok` at once.
///
/// # Errors
/// What the kernel says: an offset beyond `i64`, a file that can't be written back.
pub fn start_writeback(file: BorrowedFd<'_>, offset: u64, len: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    return sync_range(file, offset, len, libc::SYNC_FILE_RANGE_WRITE);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (file, offset, len);
        Ok(())
    }
}

/// Writes all dirty bytes of `file` to the disk and waits for them: its cache may still hold them, and the file's size
/// and place are not there yet. Tells of every write of the file that has failed, as fsync does.
///
/// # Errors
/// What the kernel says; `Unsupported` on other systems than Linux.
pub fn finish_writeback(file: BorrowedFd<'_>) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let wait = libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WRITE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
        sync_range(file, 0, 0, wait)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = file;
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(target_os = "linux")]
fn sync_range(file: BorrowedFd<'_>, offset: u64, len: u64, flags: libc::c_uint) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;
    let (Ok(offset), Ok(len)) = (offset.try_into(), len.try_into()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    // SAFETY: the descriptor is open for the whole call, as its borrow proves; the call reads no memory of ours.
    let answer = unsafe { libc::sync_file_range(file.as_raw_fd(), offset, len, flags) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, os::fd::AsFd as _};

    use super::*;

    #[test]
    fn writeback_is_started_for_a_file_and_refused_for_a_pipe() {
        // A regular file answers Ok; a pipe can't be written back and says so, which shows that the call is made.
        tune_allocator();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 4096]).unwrap();
        start_writeback(file.as_fd(), 0, 4096).unwrap();
        finish_writeback(file.as_fd()).unwrap();
        let (reader, _writer) = io::pipe().unwrap();
        assert!(start_writeback(reader.as_fd(), 0, 4096).is_err());
        assert!(finish_writeback(reader.as_fd()).is_err());
        assert!(start_writeback(file.as_fd(), u64::MAX, 1).is_err());
    }
}
