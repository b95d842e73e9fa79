//! What a pool holds: one path, or a walk over all of them.

use std::sync::Arc;

use futures_util::{Stream, stream};
use pixelfox_proto::{
    Fault, StoredPath,
    v1::{ListFilesResponse, StatResponse},
};
use tonic::Status;

use super::{unreadable, wire};
use crate::disk::{Disk, DiskError, Listed, Mark, Walk};

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

/// What is said of each file of a walk.
#[derive(Clone, Debug)]
pub(super) enum Say {
    /// Its name, size and time.
    Names,
    /// Its mark too, read from this disk.
    Marks(Arc<Disk>),
}

impl Say {
    /// Costs an open for each file where marks are said.
    fn of(&self, page: Vec<Listed>) -> Result<Vec<(Listed, Option<Mark>)>, DiskError> {
        let Self::Marks(disk) = self else { return Ok(page.into_iter().map(|listed| (listed, None)).collect()) };
        // What is gone meanwhile is no file any more.
        let marked = page.into_iter().filter_map(|listed| match disk.open(&listed.path) {
            Ok(stored) => stored.map(|stored| Ok((listed, stored.mark().cloned()))),
            Err(e) => Some(Err(e)),
        });
        marked.collect()
    }
}

/// The walk's files in pages, `limit` at most; 0: all. Each page is read when it is asked for.
pub(super) fn list(walk: Walk, limit: u32, say: Say) -> impl Stream<Item = Result<ListFilesResponse, Status>> + Send {
    let left = if limit == 0 { usize::MAX } else { limit as usize };
    stream::unfold(Some((walk, left, say)), |state| async move {
        let (mut walk, left, say) = state?;
        match walk.next_page(left.min(PAGE)).map_err(|e: DiskError| Status::from(unreadable(e))) {
            Ok(page) if page.is_empty() => None,
            Ok(page) => {
                let left = left - page.len();
                let said = say.of(page).map(wire::listed).map_err(|e| Status::from(unreadable(e)));
                let goes_on = said.is_ok() && left > 0;
                Some((said, goes_on.then_some((walk, left, say))))
            }
            Err(status) => Some((Err(status), None)),
        }
    })
}
