//! The files of a pool in ascending order of their whole paths, from any point on, in bounded memory. Blocking, a
//! page at a time. What is no stored path or no regular file is passed over.

use std::collections::BinaryHeap;

use pixelfox_proto::StoredPath;
use rustix::fs::{AtFlags, FileType};
use std::sync::Arc;
use std::time::SystemTime;

use super::error::{DiskError, is_blocked, is_missing};
use super::publish::Shared;
use super::root;

/// Names of one directory that are kept at once; a larger directory is read several times.
const NAMES_AT_ONCE: usize = 65_536;

/// A file that a walk has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where it is.
    pub path: StoredPath,
    /// In bytes.
    pub size: u64,
    /// Last change of its bytes.
    pub modified: SystemTime,
}

/// A walk under way. What comes or goes while it runs may or may not be seen; the order holds all the same.
#[derive(Debug)]
pub struct Walk {
    shared: Arc<Shared>,
    prefix: String,
    after: String,
    /// The way down to where the walk is, outermost first; `None` before its start.
    levels: Option<Vec<Level>>,
    names_at_once: usize,
}

/// A directory that the walk is inside of.
#[derive(Debug)]
struct Level {
    /// Empty for the pool itself, else with a `/` at its end.
    dir: String,
    /// What comes next, in descending order: names with a `/` at the end of directories, which is how whole paths
    /// compare (`a-b` is before `a/b`).
    names: Vec<String>,
    /// Whether the directory has names beyond these.
    more_after: Option<String>,
}

impl Walk {
    pub(crate) fn new(shared: &Arc<Shared>, prefix: &str, after: &str) -> Self {
        let (shared, prefix, after) = (Arc::clone(shared), prefix.to_owned(), after.to_owned());
        Self { shared, prefix, after, levels: None, names_at_once: NAMES_AT_ONCE }
    }

    /// The next files, `most` at most; empty at the end.
    ///
    /// # Errors
    /// Where a directory can't be read.
    pub fn next_page(&mut self, most: usize) -> Result<Vec<Listed>, DiskError> {
        let mut page = Vec::new();
        let mut levels = match self.levels.take() {
            Some(levels) => levels,
            None => self.level("", None)?.into_iter().collect(),
        };
        while page.len() < most {
            let Some(level) = levels.last_mut() else { break };
            match level.names.pop() {
                Some(name) if name.ends_with('/') => {
                    let dir = format!("{}{name}", level.dir);
                    levels.extend(self.level(&dir, None)?);
                }
                Some(name) => page.extend(self.listed(&format!("{}{name}", level.dir))?),
                None => match (level.more_after.take(), std::mem::take(&mut level.dir)) {
                    (Some(after), dir) => {
                        levels.pop();
                        levels.extend(self.level(&dir, Some(&after))?);
                    }
                    (None, _) => drop(levels.pop()),
                },
            }
        }
        self.levels = Some(levels);
        Ok(page)
    }

    /// Reads the smallest names of `dir` that are behind `after` and can lead to what is asked for.
    fn level(&self, dir: &str, after: Option<&str>) -> Result<Option<Level>, DiskError> {
        let failed = |e: std::io::Error| DiskError::new("list", dir, e);
        let fd = match self.shared.root.dir(dir.trim_end_matches('/')) {
            Ok(fd) => fd,
            Err(e) if is_missing(&e) || is_blocked(&e) => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        let mut smallest = BinaryHeap::new();
        let mut is_cut = false;
        for entry in rustix::fs::Dir::read_from(&fd).map_err(|e| failed(e.into()))? {
            let entry = entry.map_err(|e| failed(e.into()))?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let Some(name) = self.wanted(&fd, dir, name, entry.file_type()) else { continue };
            if after.is_some_and(|after| name.as_str() <= after) {
                continue;
            }
            smallest.push(name);
            if smallest.len() > self.names_at_once {
                smallest.pop();
                is_cut = true;
            }
        }
        let mut names = smallest.into_sorted_vec();
        let more_after = names.last().filter(|_| is_cut).cloned();
        names.reverse();
        Ok(Some(Level { dir: dir.to_owned(), names, more_after }))
    }

    /// The name as the walk keeps it, if it can lead to a file that is asked for.
    fn wanted(&self, fd: &impl std::os::fd::AsFd, dir: &str, name: &str, kind: FileType) -> Option<String> {
        if name.starts_with('.') || (dir.is_empty() && !matches!(name, "original" | "variants")) {
            return None;
        }
        let kind = match kind {
            FileType::Unknown => {
                let stat = rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
                FileType::from_raw_mode(stat.st_mode)
            }
            kind => kind,
        };
        let (name, whole) = match kind {
            FileType::Directory => (format!("{name}/"), format!("{dir}{name}/")),
            FileType::RegularFile => (name.to_owned(), format!("{dir}{name}")),
            _ => return None,
        };
        let may_lead_there = if name.ends_with('/') {
            let within_prefix = whole.starts_with(&self.prefix) || self.prefix.starts_with(&whole);
            within_prefix && (whole.as_str() > self.after.as_str() || self.after.starts_with(&whole))
        } else {
            whole.starts_with(&self.prefix) && whole.as_str() > self.after.as_str()
        };
        may_lead_there.then_some(name)
    }

    /// `None`: gone meanwhile, or no stored path.
    fn listed(&self, path: &str) -> Result<Option<Listed>, DiskError> {
        let failed = |e: std::io::Error| DiskError::new("look at", path, e);
        let Ok(path) = path.parse::<StoredPath>() else { return Ok(None) };
        let dir = match self.shared.root.dir(path.parent()) {
            Ok(dir) => dir,
            Err(e) if is_missing(&e) || is_blocked(&e) => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        let stat = match rustix::fs::statat(&dir, path.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(e) => return Err(failed(e.into())),
        };
        if !root::is_regular(stat.st_mode) {
            return Ok(None);
        }
        let modified = root::time(stat.st_mtime, stat.st_mtime_nsec);
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        Ok(Some(Listed { path, size, modified }))
    }
}

#[cfg(test)]
mod tests {
    use pixelfox_proto::Lease;
    use proptest::prelude::*;

    use super::super::{Disk, Site};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_walk_is_the_sorted_list_from_any_point_in_any_pages(
            paths in proptest::collection::btree_set("(original|variants)(/[ab-]{1,2}){1,3}", 0..25),
            prefix in "(original(/[ab]?)?|variants/a|)", after in "(original(/[ab-]{1,2}){1,2}|)",
            page in 1usize..5, names_at_once in 1usize..4,
        ) {
            // Whatever tree, prefix, start, page and memory: the walk gives what sorting all paths gives.
            let temp = tempfile::tempdir().unwrap();
            let mut there = Vec::new();
            for path in paths {
                let file = temp.path().join(&path);
                // Where a file stands in the way of a folder, or the other way round, there is no such path.
                if std::fs::create_dir_all(file.parent().unwrap()).is_ok() && std::fs::write(&file, b"x").is_ok() {
                    there.push(path);
                }
            }
            there.retain(|path| path.starts_with(&prefix) && *path > after);
            let disk = Disk::start(Site::open(temp.path()).unwrap(), Lease(0)).unwrap();
            let mut walk = disk.walk(&prefix, &after);
            walk.names_at_once = names_at_once;
            let mut seen = Vec::new();
            loop {
                let files = walk.next_page(page).unwrap();
                prop_assert!(files.len() <= page);
                if files.is_empty() {
                    break;
                }
                seen.extend(files.into_iter().map(|file| file.path.as_str().to_owned()));
            }
            prop_assert_eq!(seen, there);
        }
    }
}
