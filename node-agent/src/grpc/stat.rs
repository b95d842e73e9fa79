//! What a pool holds: one path, or a walk over all of them.

use std::sync::Arc;

use futures_util::{Stream, stream};
use pixelfox_proto::{
    Fault, StoredPath,
    v1::{ListFilesResponse, StatResponse},
};
use tonic::Status;

use super::{unreadable, wire};
use crate::disk::{Disk, DiskError, Walk};

/// Files in one answer of a walk.
const PAGE: usize = 500;

/// How closely a file is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// Its size, as the file system has it.
    Size,
    /// Its bytes are read and hashed.
    Bytes,
}

/// On a data worker.
pub(super) async fn stat(disk: Arc<Disk>, path: StoredPath, check: Check) -> Result<StatResponse, Fault> {
    let Some(stored) = disk.open(&path).map_err(unreadable)? else { return Ok(StatResponse::default()) };
    let sha256 = match check {
        Check::Size => None,
        Check::Bytes => {
            let failed = |e| Fault::internal("could not read the file", &e);
            Some(stored.hash().await.map_err(failed)?)
        }
    };
    Ok(wire::stat(&stored, sha256))
}

/// The walk's files in pages, `limit` at most; 0: all. Each page is read when it is asked for.
pub(super) fn list(walk: Walk, limit: u32) -> impl Stream<Item = Result<ListFilesResponse, Status>> + Send {
    let left = if limit == 0 { usize::MAX } else { limit as usize };
    stream::unfold(Some((walk, left)), |state| async move {
        let (mut walk, left) = state?;
        match walk.next_page(left.min(PAGE)).map_err(|e: DiskError| Status::from(unreadable(e))) {
            Ok(page) if page.is_empty() => None,
            Ok(page) => {
                let left = left - page.len();
                Some((Ok(wire::listed(page)), (left > 0).then_some((walk, left))))
            }
            Err(status) => Some((Err(status), None)),
        }
    })
}
