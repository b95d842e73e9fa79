//! What a minute brought, as the books know it afterwards.

use super::UnixMillis;

/// Uploads that became images, and moves that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brought {
    /// When the minute began.
    pub begin: UnixMillis,
    /// Uploads.
    pub images_uploaded: u64,
    /// Their bytes.
    pub bytes_uploaded: u64,
    /// Bytes of moves that ended in it.
    pub bytes_moved: u64,
}
