//! Probe files: left in a pool for some seconds, under a path of their own, so that somebody can try whether a URL leads
//! there. No reader of stored files sees them, and none outlives its owner.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use pixelfox_proto::{Fault, FaultKind, StoredPath};

use crate::disk::{Disk, ProbeFile};

/// Where they seem to be. No upload gets such a path.
const PREFIX: &str = "original/pixelfox-probe/";
/// At once, of a node.
const MOST: usize = 64;
/// Of each.
const CONTENT_BYTES: usize = 32;

/// Those that are there now.
#[derive(Clone, Debug, Default)]
pub(super) struct LeftFiles(Arc<Mutex<HashMap<StoredPath, Arc<ProbeFile>>>>);

/// One of them: gone when it is dropped.
#[derive(Debug)]
pub struct Left {
    all: LeftFiles,
    path: StoredPath,
    content: Vec<u8>,
}

impl LeftFiles {
    pub(super) fn leave(&self, disk: &Disk) -> Result<Left, Fault> {
        if self.0.lock().len() >= MOST {
            let message = format!("{MOST} probe files are left already; again in a minute");
            return Err(Fault::new(FaultKind::TooManyRequests, message));
        }
        let content: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(CONTENT_BYTES).collect();
        let path: StoredPath = format!("{PREFIX}{:032x}", fastrand::u128(..)).parse()?;
        let file = disk.leave(&content).map_err(|error| Fault::unavailable(super::keeper::describe(&error)))?;
        self.0.lock().insert(path.clone(), Arc::new(file));
        Ok(Left { all: self.clone(), path, content })
    }

    pub(super) fn read(&self, path: &StoredPath) -> Option<Vec<u8>> {
        if !path.as_str().starts_with(PREFIX) {
            return None;
        }
        let file = self.0.lock().get(path).cloned()?;
        file.read().inspect_err(|error| tracing::warn!(%path, "could not read a probe file: {error}")).ok()
    }
}

impl Left {
    /// Where it is served, below `/uploads/`.
    #[must_use]
    pub const fn path(&self) -> &StoredPath {
        &self.path
    }

    /// What is in it.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        self.all.0.lock().remove(&self.path);
    }
}
