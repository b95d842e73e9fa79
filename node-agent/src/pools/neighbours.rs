//! What the pools of one node share, and who has which directory.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use pixelfox_proto::{Lease, PoolId};
use tokio::sync::Notify;

use super::identity;
use super::space::FileSystem;
use crate::disk::DirId;

/// What all pools of a node share.
#[derive(Debug)]
pub(crate) struct Neighbours {
    pub(crate) roots: Vec<PathBuf>,
    /// Which pool has which directory.
    pub(crate) taken: Mutex<HashMap<DirId, Holder>>,
    /// Leases up to this one are refused on disks that open from now on.
    pub(crate) floor: Mutex<Lease>,
    /// Bytes that every file system keeps free; `None`: the default.
    pub(crate) keep_free: Mutex<Option<u64>>,
    /// By device: what its pools have set aside.
    pub(crate) file_systems: Mutex<HashMap<u64, Arc<FileSystem>>>,
    /// Told when a pool's health changes, or its room in a way that the coordinator waits for.
    pub(crate) changed: Notify,
    /// Told when a pool's disk has opened: what is done there in the background may be due.
    pub(crate) opened: Notify,
}

impl Neighbours {
    /// The pool other than `pool` that has one of these directories, as a sentence names it.
    pub(super) fn other_holder(&self, ids: &[DirId], pool: Option<PoolId>) -> Option<String> {
        let taken = self.taken.lock();
        let other = ids.iter().find_map(|id| taken.get(id).filter(|other| Some(other.pool) != pool))?;
        Some(identity::named(&other.name, Some(other.pool)))
    }
}

/// Who has a directory: a pool, and which opening of it, since an old one may live on until its last file has landed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(super) pool: PoolId,
    pub(super) name: Arc<str>,
    /// When it was opened.
    pub(super) opening: u64,
}
