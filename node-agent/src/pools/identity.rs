//! Whose directory is it? A pool's marker (`.pixelfox/pool.json`) is written while the coordinator says `initialize`,
//! and never otherwise: so a disk that is not mounted is not taken for a new one, and a second pool over the same
//! directory, by whatever name, from whatever node, is found by the first one's marker. Judging is pure; opening
//! blocks.

use std::path::{Path, PathBuf};

use pixelfox_proto::{Lease, PoolId};

use super::marker::{FORMAT, Marker};
use super::welcome::{NodePool, Trouble};
use crate::disk::{DirId, Disk, Site, SiteError};

/// A pool as it is, or as it would be, in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `None`: yet to be made.
    pub id: Option<PoolId>,
    /// As people call it.
    pub name: String,
    /// The directory.
    pub base_path: PathBuf,
    /// What the marker in it must say.
    pub identity: String,
    /// Whether the directory and its marker may be made.
    pub initialize: bool,
    /// Identities of deleted pools, whose directories it may take over while it may be made.
    pub retired: Vec<String>,
}

impl Place {
    fn of(told: &NodePool) -> Self {
        Self {
            id: Some(told.id),
            name: told.name.clone(),
            base_path: told.base_path.clone(),
            identity: told.identity.clone(),
            initialize: told.initialize,
            retired: told.retired.clone(),
        }
    }

    /// As a sentence names it.
    fn pool(&self) -> String {
        named(&self.name, self.id)
    }
}

/// `pool img1 (2)`.
pub(super) fn named(name: &str, id: Option<PoolId>) -> String {
    id.map_or_else(|| format!("pool {name}"), |id| format!("pool {name} ({id})"))
}

/// What is to be done with a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is this pool's.
    Ours,
    /// It is nobody's and may become this pool's.
    New,
    /// It was a deleted pool's and may become this pool's.
    Inherited,
    /// It is another pool's.
    Taken(String),
    /// It is not to be touched.
    Refused(String),
}

/// What is said of a marker that has the pool's number and not its identity: the server tells the cure by it.
pub const EARLIER_DISK: &str = "has the marker of an earlier disk of";

/// Whether a directory with this marker's text may serve as the pool. Pure.
fn judge(place: &Place, marker: Option<&str>) -> Verdict {
    let (path, pool) = (place.base_path.display(), place.pool());
    let Some(text) = marker else {
        return if place.initialize {
            Verdict::New
        } else {
            Verdict::Refused(format!(
                "the marker .pixelfox/pool.json of {pool} is missing in {path}; is the pool's disk mounted, is all of \
                 its data there?"
            ))
        };
    };
    match serde_json::from_str::<Marker>(text) {
        Ok(marker) if marker.format > FORMAT => {
            Verdict::Refused(format!("the marker in {path} was written by a newer version ({})", marker.format))
        }
        Ok(marker) if marker.identity == place.identity => Verdict::Ours,
        Ok(marker) if place.initialize && place.retired.contains(&marker.identity) => Verdict::Inherited,
        Ok(marker) if place.id.is_some_and(|id| id.get() == marker.pool_id) => Verdict::Taken(format!(
            "{path} {EARLIER_DISK} {pool}, of a copy of one, or of another cluster's pool; give {pool} \
             a directory of its own, or, if it is an earlier disk, say that it is replaced once more (ReplacePoolDisk)"
        )),
        Ok(marker) => Verdict::Taken(format!(
            "{path} belongs to another pool than {pool}: its marker .pixelfox/pool.json names pool {} ({}), or this is \
             a copy of that pool's disk; give {pool} a directory of its own",
            marker.name, marker.pool_id
        )),
        Err(e) => Verdict::Refused(format!("the marker .pixelfox/pool.json in {path} can't be read: {e}")),
    }
}

/// Why a pool is offline, as a person would say it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    /// Not as it is: a disk may have to be mounted, data to be brought.
    #[error("{0}")]
    Refused(String),
    /// Never: it is another pool's.
    #[error("{0}")]
    Taken(String),
    /// Never: it lies where no pool may be.
    #[error("{0}")]
    Outside(String),
    #[error(transparent)]
    Site(#[from] SiteError),
}

impl IdentityError {
    /// What there is to do.
    pub(crate) const fn trouble(&self) -> Trouble {
        match self {
            Self::Refused(_) => Trouble::NoMarker,
            Self::Taken(_) | Self::Site(SiteError::Locked(_)) => Trouble::OtherPool,
            Self::Outside(_) => Trouble::OutsideRoots,
            Self::Site(SiteError::Missing(_)) => Trouble::NoDirectory,
            Self::Site(SiteError::Io { .. }) => Trouble::NotWritable,
        }
    }

    /// Whether neither waiting nor mounting cures it.
    pub(crate) const fn is_for_good(&self) -> bool {
        matches!(self, Self::Taken(_) | Self::Outside(_))
    }
}

/// A directory that was looked at and not touched.
struct Found {
    /// `None`: it is not there, and may be made at this path.
    site: Option<Site>,
    resolved: PathBuf,
    ids: Vec<DirId>,
    marker: Option<String>,
    verdict: Verdict,
}

/// Looks whether the directory may serve. `taken` tells which other pool of this node has one of these directories.
fn find(place: &Place, roots: &[PathBuf], taken: impl Fn(&[DirId]) -> Option<String>) -> Result<Found, IdentityError> {
    let path = &place.base_path;
    let resolved = resolve(path).map_err(|cause| SiteError::Io { doing: "resolve", path: path.clone(), cause })?;
    if !roots.iter().any(|root| resolved.starts_with(resolve(root).unwrap_or_else(|_| root.clone()))) {
        let why = format!("{} does not lie under STORAGE_ROOTS of this node", resolved.display());
        return Err(IdentityError::Outside(why));
    }
    if let Some(outer) = pool_around(&resolved) {
        let (path, pool) = (resolved.display(), place.pool());
        return Err(IdentityError::Taken(format!(
            "{path} lies inside the directory of {outer}; give {pool} a directory of its own"
        )));
    }
    let site = match Site::open(&resolved) {
        Err(SiteError::Missing(_)) if place.initialize => {
            return Ok(Found { site: None, resolved, ids: Vec::new(), marker: None, verdict: Verdict::New });
        }
        other => other?,
    };
    let ids = site.ids()?;
    if let Some(other) = taken(&ids) {
        let (pool, path) = (place.pool(), path.display());
        return Err(IdentityError::Taken(format!(
            "{path} is the same directory as that of {other}, by a link, a mount or its name; give {pool} a directory \
             of its own"
        )));
    }
    let marker = site.marker()?;
    let verdict = judge(place, marker.as_deref());
    Ok(Found { site: Some(site), resolved, ids, marker, verdict })
}

/// What there is where a pool is to be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Looked {
    /// Of its file system, bytes free and in all, where it is there.
    pub(crate) room: (u64, u64),
    /// Where it is not there: the topmost directory that would be made.
    pub(crate) would_make: Option<PathBuf>,
}

/// Whether a directory may serve as a pool; nothing is written. Blocking.
pub(crate) fn look(
    place: &Place,
    roots: &[PathBuf],
    taken: impl Fn(&[DirId]) -> Option<String>,
) -> Result<Looked, IdentityError> {
    let found = find(place, roots, taken)?;
    match found.verdict {
        Verdict::Refused(why) => return refused(why),
        Verdict::Taken(why) => return Err(IdentityError::Taken(why)),
        Verdict::Ours | Verdict::New | Verdict::Inherited => {}
    }
    let Some(site) = found.site else {
        return Ok(Looked { would_make: topmost_missing(&found.resolved), ..Looked::default() });
    };
    site.may_write()?;
    Ok(Looked { room: site.room()?, would_make: None })
}

fn topmost_missing(path: &Path) -> Option<PathBuf> {
    let is_missing = |above: &&Path| above.symlink_metadata().is_err();
    path.ancestors().take_while(is_missing).last().map(Path::to_owned)
}

/// Opens a pool's directory, makes it where that is allowed, and checks that it is the pool's own. `taken` tells
/// which other pool of this node has one of these directories.
pub(crate) fn open(
    told: &NodePool,
    roots: &[PathBuf],
    floor: Lease,
    taken: impl Fn(&[DirId]) -> Option<String>,
) -> Result<(Disk, Vec<DirId>), IdentityError> {
    let place = Place::of(told);
    let found = find(&place, roots, taken)?;
    let site = match found.site {
        Some(site) => site,
        None => Site::make(&found.resolved)?,
    };
    let ids = if found.ids.is_empty() { site.ids()? } else { found.ids };
    let text = Marker::of(told).text();
    let is_ours = match found.verdict {
        Verdict::Ours => true,
        Verdict::Refused(why) => return refused(why),
        Verdict::Taken(why) => return Err(IdentityError::Taken(why)),
        // Where another node was first, its marker decides.
        Verdict::New => site.write_marker(&text)? || judge(&place, site.marker()?.as_deref()) == Verdict::Ours,
        Verdict::Inherited => site.take_over(found.marker.as_deref().unwrap_or_default(), &text)?,
    };
    if !is_ours {
        return refused(format!("{} has just become another pool's", found.resolved.display()));
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
    match judge(&Place { initialize: false, ..Place::of(told) }, marker.as_deref()) {
        Verdict::Ours => {
            refresh(told, disk, marker.as_deref());
            Ok(())
        }
        Verdict::New | Verdict::Inherited => refused(format!("the marker .pixelfox/pool.json is missing in {path}")),
        Verdict::Refused(why) => refused(why),
        Verdict::Taken(why) => Err(IdentityError::Taken(why)),
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

/// The pool that a directory lies inside of, if it does, as a sentence names it.
fn pool_around(path: &Path) -> Option<String> {
    path.ancestors().skip(1).find_map(|above| {
        let text = Site::open(above).ok()?.marker().ok()??;
        let name = serde_json::from_str::<Marker>(&text)
            .map_or_else(|_| "a pool".to_owned(), |marker| format!("pool {} ({})", marker.name, marker.pool_id));
        Some(format!("{name} at {}", above.display()))
    })
}

#[cfg(test)]
mod tests {
    use pixelfox_proto::PoolId;

    use super::*;

    fn place(initialize: bool) -> Place {
        Place {
            id: Some(PoolId::try_from(7).unwrap()),
            name: "img1".into(),
            base_path: "/app/uploads".into(),
            identity: "mine".into(),
            initialize,
            retired: vec!["gone".into()],
        }
    }

    #[test]
    fn whose_directory_it_is() {
        let ours = r#"{"format":1,"identity":"mine","pool_id":7,"name":"img1"}"#.to_owned();
        let theirs = ours.replace("mine", "theirs").replace("img1", "img2").replace("7", "8");
        let gone = ours.replace("mine", "gone");
        let newer = ours.replace("\"format\":1", "\"format\":2");
        for (why, initialize, marker, want) in [
            ("its own", false, Some(&ours), Ok(Verdict::Ours)),
            ("its own, made before a crash", true, Some(&ours), Ok(Verdict::Ours)),
            ("a new one while that is allowed", true, None, Ok(Verdict::New)),
            ("an empty mount point is not a new pool", false, None, Err("is the pool's disk mounted")),
            (
                "another pool's",
                false,
                Some(&theirs),
                Err("than pool img1 (7): its marker .pixelfox/pool.json names pool img2 (8)"),
            ),
            ("a deleted pool's, for a new one", true, Some(&gone), Ok(Verdict::Inherited)),
            (
                "a deleted pool's, for one that has its data elsewhere",
                false,
                Some(&gone.replace("7", "5")),
                Err("belongs to another pool"),
            ),
            (
                "an earlier disk of its own",
                false,
                Some(&gone.replace("img1", "img0")),
                Err("has the marker of an earlier disk of pool img1 (7)"),
            ),
            ("another pool's while making is allowed", true, Some(&theirs), Err("belongs to another pool")),
            ("damaged", true, Some(&"{".to_owned()), Err("can't be read")),
            ("a newer program's", false, Some(&newer), Err("newer version (2)")),
        ] {
            match (judge(&place(initialize), marker.map(String::as_str)), want) {
                (verdict, Ok(want)) => assert_eq!(verdict, want, "{why}"),
                (Verdict::Refused(text) | Verdict::Taken(text), Err(want)) => {
                    assert!(text.contains(want), "{why}: {text}")
                }
                (verdict, Err(want)) => panic!("{why}: {verdict:?} instead of a refusal with `{want}`"),
            }
        }
    }
}
