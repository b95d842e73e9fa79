//! What lies in a pool while its node works: other hands make and remove files during the look.

use std::{collections::BTreeMap, fs, io, path::Path};

/// Everything below `top` with its content: a folder's name ends with a slash, a link's content is where it leads.
/// What goes during the look was not there.
pub(crate) fn look_through(top: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    collect(top, top, &mut found);
    found
}

fn collect(top: &Path, dir: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in still_there(fs::read_dir(dir)).into_iter().flatten() {
        let Some(path) = still_there(entry).map(|entry| entry.path()) else { continue };
        let Some(kind) = still_there(fs::symlink_metadata(&path)).map(|data| data.file_type()) else { continue };
        let name = path.strip_prefix(top).unwrap().to_string_lossy().into_owned();
        if kind.is_dir() {
            found.insert(name + "/", Vec::new());
            collect(top, &path, found);
            continue;
        }
        let content = if kind.is_symlink() {
            still_there(fs::read_link(&path)).map(|target| target.into_os_string().into_encoded_bytes())
        } else if kind.is_file() {
            still_there(fs::read(&path))
        } else {
            Some(Vec::new()) // reading a pipe would wait for a writer
        };
        found.extend(content.map(|content| (name, content)));
    }
}

/// `None` where the file has gone. Any other error fails the test.
fn still_there<T>(looked: io::Result<T>) -> Option<T> {
    match looked {
        Ok(found) => Some(found),
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => None,
        Err(cause) => panic!("could not look through a pool: {cause}"),
    }
}

/// Another thread makes and removes files and folders meanwhile; each look ends, and sees what stays.
#[test]
fn a_look_through_a_pool_in_use_sees_what_stays() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("stays"), b"here").unwrap();
    let folder = dir.path().join("folder");
    std::thread::scope(|threads| {
        let busy = threads.spawn(|| {
            for _ in 0..2_000 {
                fs::create_dir_all(folder.join("in")).unwrap();
                fs::write(folder.join("in/temp"), b"goes").unwrap();
                fs::remove_dir_all(&folder).unwrap();
            }
        });
        while !busy.is_finished() {
            assert_eq!(look_through(dir.path()).get("stays").map(Vec::as_slice), Some(&b"here"[..]));
        }
    });
}
