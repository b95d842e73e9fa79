//! Uploads that the coordinator has not answered for yet: `.pixelfox/pending/<upload_id>`, a link whose text is the
//! stored path. It is only ever read as text, never followed; a link is made in one step and needs no file of its own.
//!
//! The entry is durable before its file has its name, and goes after the coordinator's answer. So a crash leaves an
//! entry without a file (removed at the next start), or both (the coordinator is asked again), and never an upload
//! that nobody remembers. An entry that comes back because its removal was not synced is asked about once more.

use std::io;
use std::os::fd::AsFd as _;

use pixelfox_proto::{ImageId, StoredPath};
use rustix::io::Errno;

use super::error::DiskError;
use super::publish::Shared;
use super::root;

/// An upload that was under way when the last process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingUpload {
    /// The image's UUID, which is the upload's id.
    pub id: ImageId,
    /// Where its file is, if it got there.
    pub path: StoredPath,
}

impl Shared {
    /// Makes the entry. Durable after a sync of the directory.
    pub(crate) fn note_pending(&self, id: ImageId, path: &StoredPath) -> Result<(), DiskError> {
        match rustix::fs::symlinkat(path.as_str(), &self.pending, id.to_string()) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(e) => Err(DiskError::new("note", format!("{}/{id}", root::PENDING), e)),
        }
    }

    /// Removes the entry, which may be gone already.
    pub(crate) fn forget_pending(&self, id: ImageId) -> Result<(), DiskError> {
        root::unlink(self.pending.as_fd(), &id.to_string())
            .map_err(|e| DiskError::new("forget", format!("{}/{id}", root::PENDING), e))
    }

    /// Every entry, in no order. What is none of ours is left alone.
    pub(crate) fn pending(&self) -> Result<Vec<PendingUpload>, DiskError> {
        let failed = |e: io::Error| DiskError::new("list", root::PENDING, e);
        let mut found = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.pending).map_err(|e| failed(e.into()))? {
            let entry = entry.map_err(|e| failed(e.into()))?;
            let Some(id) = entry.file_name().to_str().ok().and_then(|name| name.parse::<ImageId>().ok()) else {
                continue;
            };
            let Ok(text) = rustix::fs::readlinkat(&self.pending, id.to_string(), Vec::new()) else { continue };
            if let Some(path) = text.to_str().ok().and_then(|text| text.parse().ok()) {
                found.push(PendingUpload { id, path });
            }
        }
        Ok(found)
    }
}
