//! File systems of a test's own, where it may mount: small ones, read-only ones, and disks whose power can be cut.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted file system; unmounted when it is dropped.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// A file system of `size`; `None`, said aloud, where this process may not mount.
    pub(crate) fn tmpfs(at: &Path, size: &str) -> Option<Self> {
        Self::by(&["-t", "tmpfs", "-o", &format!("size={size},mode=755"), "tmpfs"], at)
    }

    /// A second name for a directory.
    pub(crate) fn bind(from: &Path, at: &Path) -> Option<Self> {
        Self::by(&["--bind", from.to_str().unwrap()], at)
    }

    /// The ext4 file system in a file. It writes back nothing unasked for longer than any test runs.
    pub(crate) fn image(image: &Path, at: &Path) -> Option<Self> {
        Self::by(&["-t", "ext4", "-o", "loop,commit=900", image.to_str().unwrap()], at)
    }

    fn by(what: &[&str], at: &Path) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let arguments: Vec<&str> = what.iter().copied().chain([at.to_str().unwrap()]).collect();
        if run("mount", &arguments) {
            return Some(Self(at.to_owned()));
        }
        eprintln!("skipped: this process may not mount {what:?}");
        None
    }

    pub(crate) fn read_only(&self) {
        assert!(run("mount", &["-o", "remount,ro", self.0.to_str().unwrap()]));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run("umount", &["-l", self.0.to_str().unwrap()]);
    }
}

/// Whether a program could be run and succeeded.
pub(crate) fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|out| out.status.success())
}
