//! The small state of a process in its `STATE_DIR`: who it is, and what it was last told. No pool file lies here.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::config::Problem;

const INSTANCE_ID: &str = "instance-id";
const LAST_WELCOME: &str = "last-welcome";
const LOCK: &str = "lock";

/// An open and locked `STATE_DIR`. A second process on the same directory is refused while this value lives.
#[derive(Debug)]
pub struct State {
    dir: PathBuf,
    instance_id: String,
    _lock: File,
}

impl State {
    /// Opens `dir`, makes it where it is missing, and gives this node an instance id at its first start.
    ///
    /// # Errors
    /// A [`Problem`] with `STATE_DIR`: it can't be written, or another process has it.
    pub fn open(dir: &Path) -> Result<Self, Problem> {
        let problem = |what: &str, error: &dyn std::fmt::Display| Problem {
            variable: "STATE_DIR".into(),
            message: format!("could not {what} {}: {error}", dir.display()),
        };
        crate::config::require_writable("STATE_DIR", dir)?;
        let lock = File::create(dir.join(LOCK)).map_err(|error| problem("lock", &error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let cure = "another process runs with it: end that one, or give this one a STATE_DIR of its own";
                return Err(problem("lock", &cure));
            }
            Err(TryLockError::Error(error)) => return Err(problem("lock", &error)),
        }
        let instance_id = instance_id(dir).map_err(|error| problem("keep the instance id in", &error))?;
        Ok(Self { dir: dir.to_owned(), instance_id, _lock: lock })
    }

    /// Tells a restart of this node from a second node with the same NODE_ID.
    #[must_use]
    pub fn instance_id(&self) -> &str {
        &self.instance_id
    }

    /// Keeps what the coordinator said last, so that a restart without it still serves.
    ///
    /// # Errors
    /// Of the file system; the Welcome before stays then.
    pub fn keep_welcome(&self, encoded: &[u8]) -> io::Result<()> {
        write_whole(&self.dir, LAST_WELCOME, encoded)
    }

    /// What [`State::keep_welcome`] kept.
    ///
    /// # Errors
    /// Of the file system; `None` where nothing was kept yet.
    pub fn last_welcome(&self) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.dir.join(LAST_WELCOME)) {
            Ok(encoded) => Ok(Some(encoded)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn instance_id(dir: &Path) -> io::Result<String> {
    match fs::read_to_string(dir.join(INSTANCE_ID)) {
        Ok(id) if !id.trim().is_empty() => Ok(id.trim().to_owned()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(_) | Err(_) => {
            let id = uuid::Uuid::new_v4().to_string();
            write_whole(dir, INSTANCE_ID, format!("{id}\n").as_bytes())?;
            Ok(id)
        }
    }
}

/// The whole file or the one before, also through a power cut.
#[expect(clippy::disallowed_methods, reason = "this file replaces its own predecessor, in no pool")]
fn write_whole(dir: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let beside = dir.join(format!("{name}.new"));
    let mut file = File::create(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&beside, dir.join(name))?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_is_the_same_instance_and_knows_what_it_was_told() {
        let dir = tempfile::tempdir().unwrap();
        let first = State::open(dir.path()).unwrap();
        let id = first.instance_id().to_owned();
        assert_eq!(first.last_welcome().unwrap(), None);
        first.keep_welcome(b"welcome").unwrap();
        drop(first);
        let second = State::open(dir.path()).unwrap();
        assert_eq!((second.instance_id(), second.last_welcome().unwrap()), (id.as_str(), Some(b"welcome".to_vec())));
    }

    #[test]
    fn two_processes_do_not_share_a_state_directory() {
        let dir = tempfile::tempdir().unwrap();
        let _first = State::open(dir.path()).unwrap();
        let refused = State::open(dir.path()).unwrap_err();
        assert!(refused.to_string().contains("another process runs with it"), "{refused}");
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = State::open(&file.path().join("below")).unwrap_err();
        assert!(refused.to_string().starts_with("STATE_DIR: could not make"), "{refused}");
    }
}
