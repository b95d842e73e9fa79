//! Whose directory is it? A pool's marker (`.pixelfox/pool.json`) is written while the coordinator says `initialize`,
//! and never otherwise: so a disk that is not mounted is not taken for a new one, and a second pool over the same
//! directory, by whatever name, from whatever node, is found by the first one's marker. Judging is pure; opening
//! blocks.

use std::path::{Path, PathBuf};

use pixelfox_proto::Lease;
use serde::{Deserialize, Serialize};

use super::welcome::NodePool;
use crate::disk::{DirId, Disk, Site, SiteError};

const FORMAT: u32 = 1;

/// What the marker says, enough to find the pool's place again in a lost database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Marker {
    format: u32,
    identity: String,
    pool_id: u64,
    name: String,
    #[serde(default)]
    max_size: u64,
    #[serde(default)]
    public_base_url: String,
    #[serde(default)]
    legacy_pool_id: u64,
}

impl Marker {
    fn of(told: &NodePool) -> Self {
        Self {
            format: FORMAT,
            identity: told.identity.clone(),
            pool_id: told.id.get(),
            name: told.name.clone(),
            max_size: told.max_size,
            public_base_url: told.public_base_url.clone(),
            legacy_pool_id: told.legacy_pool_id.unwrap_or(0),
        }
    }

    fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("words and numbers are always JSON")
    }
}

/// What is to be done with a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is this pool's.
    Ours,
    /// It is nobody's and may become this pool's.
    New,
    /// It is not to be touched.
    Refused(String),
}

/// Whether a directory with this marker's text may serve as the pool. Pure.
fn judge(told: &NodePool, marker: Option<&str>) -> Verdict {
    let path = told.base_path.display();
    let Some(text) = marker else {
        return if told.initialize {
            Verdict::New
        } else {
            Verdict::Refused(format!(
                "the marker .pixelfox/pool.json is missing in {path}; is the pool's disk mounted?"
            ))
        };
    };
    match serde_json::from_str::<Marker>(text) {
        Ok(marker) if marker.format > FORMAT => {
            Verdict::Refused(format!("the marker in {path} was written by a newer version ({})", marker.format))
        }
        Ok(marker) if marker.identity == told.identity => Verdict::Ours,
        Ok(marker) => Verdict::Refused(format!(
            "{path} belongs to another pool: its marker names `{}` (id {}, identity {})",
            marker.name, marker.pool_id, marker.identity
        )),
        Err(e) => Verdict::Refused(format!("the marker .pixelfox/pool.json in {path} can't be read: {e}")),
    }
}

/// Why a pool is offline, as a person would say it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Site(#[from] SiteError),
}

/// Opens a pool's directory, makes it where that is allowed, and checks that it is the pool's own. `taken` tells
/// which other pool of this node has one of these directories.
pub(crate) fn open(
    told: &NodePool,
    roots: &[PathBuf],
    floor: Lease,
    taken: impl Fn(&[DirId]) -> Option<String>,
) -> Result<(Disk, Vec<DirId>), IdentityError> {
    let resolved = resolve(&told.base_path).map_err(|cause| SiteError::Io {
        doing: "resolve",
        path: told.base_path.clone(),
        cause,
    })?;
    if !roots.iter().any(|root| resolved.starts_with(resolve(root).unwrap_or_else(|_| root.clone()))) {
        return refused(format!("{} does not lie under STORAGE_ROOTS", resolved.display()));
    }
    if let Some(outer) = pool_around(&resolved) {
        return refused(format!("{} lies inside the pool at {}", resolved.display(), outer.display()));
    }
    let site = match Site::open(&resolved) {
        Err(SiteError::Missing(_)) if told.initialize => Site::make(&resolved)?,
        other => other?,
    };
    let ids = site.ids()?;
    if let Some(other) = taken(&ids) {
        return refused(format!("{} is the same directory as that of {other}", resolved.display()));
    }
    match judge(told, site.marker()?.as_deref()) {
        Verdict::Ours => {}
        Verdict::Refused(why) => return refused(why),
        Verdict::New => {
            let text = Marker::of(told).text();
            // Where another node was first, its marker decides.
            if !site.write_marker(&text)? && judge(told, site.marker()?.as_deref()) != Verdict::Ours {
                return refused(format!("{} has just become another pool's", resolved.display()));
            }
        }
    }
    Ok((Disk::start(site, floor)?, ids))
}

/// Whether the directory at `told`'s path is still `disk`, and still says so.
pub(crate) fn still_ours(told: &NodePool, disk: &Disk) -> Result<(), IdentityError> {
    let path = told.base_path.display();
    if !disk.is_still_at(&told.base_path) {
        return refused(format!("{path} is no longer the directory that was opened; was its disk unmounted?"));
    }
    let marker = disk.marker()?;
    // Only at the start may it be written.
    match judge(&NodePool { initialize: false, ..told.clone() }, marker.as_deref()) {
        Verdict::Ours => {
            refresh(told, disk, marker.as_deref());
            Ok(())
        }
        Verdict::New => refused(format!("the marker .pixelfox/pool.json is missing in {path}")),
        Verdict::Refused(why) => refused(why),
    }
}

/// Brings what the marker says of the pool up to date, for a database that has to be made again from the disks.
fn refresh(told: &NodePool, disk: &Disk, marker: Option<&str>) {
    let is_current =
        marker.is_some_and(|text| serde_json::from_str(text).is_ok_and(|old: Marker| old == Marker::of(told)));
    if !is_current && let Err(e) = disk.replace_marker(&Marker::of(told).text()) {
        tracing::warn!("{e}; it still names the pool");
    }
}

fn refused<T>(why: String) -> Result<T, IdentityError> {
    Err(IdentityError::Refused(why))
}

/// `path` without links; what is not there yet is added to its deepest parent that is.
fn resolve(path: &Path) -> std::io::Result<PathBuf> {
    match path.canonicalize() {
        Ok(resolved) => Ok(resolved),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) if !parent.as_os_str().is_empty() => Ok(resolve(parent)?.join(name)),
            _ => Err(e),
        },
        Err(e) => Err(e),
    }
}

/// The pool that a directory lies inside of, if it does.
fn pool_around(path: &Path) -> Option<&Path> {
    path.ancestors().skip(1).find(|above| above.join(".pixelfox/pool.json").is_file())
}

#[cfg(test)]
mod tests {
    use pixelfox_proto::PoolId;

    use super::*;

    fn told(initialize: bool) -> NodePool {
        NodePool {
            id: PoolId::try_from(7).unwrap(),
            name: "img1".into(),
            base_path: "/app/uploads".into(),
            identity: "mine".into(),
            max_size: 0,
            public_base_url: String::new(),
            initialize,
            used_size: 0,
            reserved_size: 0,
            is_active: true,
            legacy_pool_id: None,
        }
    }

    #[test]
    fn whose_directory_it_is() {
        let ours = serde_json::to_string(&Marker::of(&told(true))).unwrap();
        let theirs = ours.replace("mine", "theirs");
        let newer = ours.replace("\"format\":1", "\"format\":2");
        for (why, initialize, marker, want) in [
            ("its own", false, Some(&ours), Ok(Verdict::Ours)),
            ("its own, made before a crash", true, Some(&ours), Ok(Verdict::Ours)),
            ("a new one while that is allowed", true, None, Ok(Verdict::New)),
            ("an empty mount point is not a new pool", false, None, Err("is the pool's disk mounted")),
            ("another pool's", false, Some(&theirs), Err("another pool: its marker names `img1` (id 7")),
            ("another pool's while making is allowed", true, Some(&theirs), Err("belongs to another pool")),
            ("damaged", true, Some(&"{".to_owned()), Err("can't be read")),
            ("a newer program's", false, Some(&newer), Err("newer version (2)")),
        ] {
            match (judge(&told(initialize), marker.map(String::as_str)), want) {
                (verdict, Ok(want)) => assert_eq!(verdict, want, "{why}"),
                (Verdict::Refused(text), Err(want)) => assert!(text.contains(want), "{why}: {text}"),
                (verdict, Err(want)) => panic!("{why}: {verdict:?} instead of a refusal with `{want}`"),
            }
        }
    }
}
