//! Directories that carry a pool's marker, wherever they lie below some places. Blocking; opens nothing for writing and
//! follows no links.

use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};

use super::root::Root;
use super::site::{Site, SiteError};

/// Levels below a place that are looked through.
const DEEPEST: usize = 8;
/// Directories that are looked into at most, the shallow ones first.
const MOST: usize = 50_000;

/// Each directory with a marker, and the marker's text: the places themselves and what lies below them, but for what lies
/// inside of a pool. The same directory under a second name is left out.
#[must_use]
pub fn marked_below(places: &[PathBuf]) -> Vec<(PathBuf, Result<String, SiteError>)> {
    let mut open: VecDeque<(PathBuf, usize)> = places.iter().map(|place| (place.clone(), 0)).collect();
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    while let Some((dir, depth)) = open.pop_front() {
        let Ok(Some(id)) = Root::id_of(&dir) else { continue };
        if seen.len() >= MOST || !seen.insert(id) {
            continue;
        }
        let resolved = dir.canonicalize().unwrap_or_else(|_| dir.clone());
        match Site::open(&resolved).and_then(|site| site.marker()) {
            Ok(Some(text)) => found.push((dir, Ok(text))),
            Ok(None) if depth < DEEPEST => open.extend(below(&dir).map(|below| (below, depth + 1))),
            Ok(None) | Err(SiteError::Missing(_)) => {}
            Err(e) if depth == 0 => found.push((dir, Err(e))),
            Err(e) => tracing::debug!("could not look for a pool in {}: {e}", dir.display()),
        }
    }
    found
}

/// The text of the marker in a directory; `None` where there is none that can be read.
#[must_use]
pub fn marker_in(dir: &Path) -> Option<String> {
    let resolved = dir.canonicalize().ok()?;
    Site::open(&resolved).and_then(|site| site.marker()).ok().flatten()
}

fn below(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let is_dir = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let is_hidden = |entry: &std::fs::DirEntry| entry.file_name().as_encoded_bytes().starts_with(b".");
    entries.filter(move |entry| is_dir(entry) && !is_hidden(entry)).map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_found_wherever_they_lie_once_each_and_not_inside_of_pools() {
        let temp = tempfile::tempdir().unwrap();
        let at = |path: &str| temp.path().join(path);
        for pool in ["a", "disks/1/pool", "a/original/inner", ".hidden/pool"] {
            std::fs::create_dir_all(at(pool).join(".pixelfox")).unwrap();
            std::fs::write(at(pool).join(".pixelfox/pool.json"), pool).unwrap();
        }
        std::fs::create_dir_all(at("empty/dir")).unwrap();
        std::os::unix::fs::symlink(at("disks"), at("link")).unwrap();
        let places = [at("link/1/pool"), temp.path().to_owned(), at("nowhere"), temp.path().to_owned()];
        let found: Vec<_> = marked_below(&places).into_iter().map(|(dir, text)| (dir, text.unwrap())).collect();
        let want = [(at("link/1/pool"), "disks/1/pool".to_owned()), (at("a"), "a".to_owned())];
        assert_eq!(found, want, "by the first name, each once");
    }
}
