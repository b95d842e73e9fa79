//! Pools that lie on this node's disks, whoever knows them: found by their markers, for a database that is made again.

use std::path::{Path, PathBuf};

use super::{Pools, marker::Marker};
use crate::disk::{marked_below, marker_in};

/// A directory with a pool's marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPool {
    /// The directory, by the name that the coordinator has for it where it has one.
    pub base_path: PathBuf,
    /// What its marker says, or why that can't be read.
    pub marker: Result<Marker, String>,
}

/// The identity of the pool that lies in a directory; empty where none does. Blocking.
#[must_use]
pub fn identity_in(dir: &Path) -> String {
    let marker = marker_in(dir).and_then(|text| Marker::read(&text).ok());
    marker.map(|marker| marker.identity).unwrap_or_default()
}

impl Pools {
    /// Every directory with a pool's marker: of the pools that the last Welcome named, then below the storage roots.
    /// Blocking: reads up to some ten thousand directories.
    #[must_use]
    pub fn find_marked(&self) -> Vec<FoundPool> {
        let known = self.all().into_iter().map(|pool| pool.told().base_path);
        let places: Vec<PathBuf> = known.chain(self.neighbours.roots.iter().cloned()).collect();
        let found = marked_below(&places).into_iter();
        found
            .map(|(base_path, text)| FoundPool {
                base_path,
                marker: text.map_err(|e| e.to_string()).and_then(|text| Marker::read(&text)),
            })
            .collect()
    }
}
