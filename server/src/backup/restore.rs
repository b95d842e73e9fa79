//! A copy brought back as the database: looked through first, then put in place beside what was there, which keeps all
//! of its bytes under another name. Nobody may be using the database meanwhile; its lock says so.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use super::{
    BackupError, place,
    place::{Part, disk},
    postgres,
};
use crate::{
    catalog::UnixMillis,
    store::{Contents, Hold, Store, StoreError},
};

/// How files of either kind begin.
const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";
const DUMP_MAGIC: &[u8] = b"PGDMP";
/// What lies beside a SQLite file that was not closed in order.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// What lies beside it as long as it is in use, and stays.
const LOCK: &str = ".lock";

/// What was brought back.
#[derive(Debug)]
pub struct Restored {
    /// What is in it.
    pub contents: Contents,
    /// Where the database that was there is now.
    pub aside: Option<PathBuf>,
}

/// Makes the copy `from` the database of `url`.
///
/// # Errors
/// [`BackupError`]; the database that was there is untouched then.
pub async fn restore(url: &str, from: &Path, now: UnixMillis) -> Result<Restored, BackupError> {
    let is_server = url.starts_with("postgres");
    require_kind(from, is_server)?;
    if is_server { restore_server(url, from, now).await } else { restore_file(url, from, now).await }
}

fn require_kind(from: &Path, is_server: bool) -> Result<(), BackupError> {
    let refuse = |why: &str| Err(BackupError::Refused(format!("{} {why}", from.display())));
    let mut start = Vec::new();
    let read = fs::File::open(from).and_then(|file| file.take(16).read_to_end(&mut start));
    match read {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return refuse("is not there: name a copy that `server backup` made");
        }
        Err(e) if e.kind() == io::ErrorKind::IsADirectory => {
            return refuse("is a folder: name one of the copies in it");
        }
        Err(e) => return Err(disk("read", from, e)),
        Ok(_) => {}
    }
    match (start == SQLITE_MAGIC, start.starts_with(DUMP_MAGIC), is_server) {
        (true, _, false) | (_, true, true) => Ok(()),
        (true, _, true) => {
            refuse("is a copy of a SQLite database, DATABASE_URL is a PostgreSQL: set the one that it is of")
        }
        (_, true, false) => {
            refuse("is a copy of a PostgreSQL database, DATABASE_URL is a file: set the one that it is of")
        }
        _ => refuse("is no copy that `server backup` made: it begins otherwise"),
    }
}

async fn restore_file(url: &str, from: &Path, now: UnixMillis) -> Result<Restored, BackupError> {
    let hold = Store::hold(url).await.map_err(|refused| match refused {
        StoreError::Place { path, cause, .. } if cause.kind() == io::ErrorKind::ResourceBusy => {
            BackupError::Refused(format!("a server has the database open ({path} is locked): stop it, then try again"))
        }
        other => other.into(),
    })?;
    let path = hold.path().to_owned();
    place::belong_like(&beside(&path, LOCK), &path)?; // also where nothing is restored after all
    if fs::canonicalize(from).ok().is_some_and(|from| fs::canonicalize(&path).is_ok_and(|path| path == from)) {
        return Err(BackupError::Refused(format!("{} is the database itself: name a copy of it", from.display())));
    }
    let log = beside(from, BESIDE[0]);
    if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        return Err(BackupError::Refused(format!(
            "{} belongs to {}, which is no finished copy but a database in use, or one that was not closed: make the copy \
             with `server backup`",
            log.display(),
            from.display()
        )));
    }
    let part = Part::beside(&path)?;
    let mut source = fs::File::open(from).map_err(|cause| disk("open", from, cause))?;
    let copied = fs::File::options().write(true).open(part.path()).and_then(|mut to| io::copy(&mut source, &mut to));
    copied.map_err(|cause| disk("copy", from, cause))?;
    Store::examine(part.path()).await.map_err(|refused| named(&refused, part.path(), from))?;
    let contents = Store::make_current(part.path(), now).await?;
    place::belong_like(part.path(), &path)?;
    let aside = set_aside(&hold, now).await?;
    part.replace(&path)?;
    Ok(Restored { contents, aside })
}

/// The copy has its faults under its own name.
fn named(refused: &StoreError, part: &Path, from: &Path) -> BackupError {
    let said = std::iter::successors(Some(refused as &dyn std::error::Error), |error| error.source());
    let said = said.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    BackupError::Refused(said.replace(&part.display().to_string(), &from.display().to_string()))
}

/// A second name for the database that is there. Its log is ended first, so that the file alone is all of it; where that
/// can't be, the log goes with it, and before it: what is put in place must not meet a stranger's log.
async fn set_aside(hold: &Hold, now: UnixMillis) -> Result<Option<PathBuf>, BackupError> {
    let path = hold.path();
    if !path.is_file() {
        return Ok(None);
    }
    let aside = beside(path, &format!(".before-restore-{}", place::stamp(now)));
    if hold.settle_log().await.is_err() {
        for ending in BESIDE {
            let log = beside(path, ending);
            if log.is_file() {
                place::rename(&log, &beside(&aside, ending))?;
            }
        }
    }
    fs::hard_link(path, &aside).or_else(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => Err(disk("set the present database aside as", &aside, e)),
        _ => place::rename(path, &aside),
    })?;
    place::sync_folder(place::folder(path))?;
    Ok(Some(aside))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

async fn restore_server(url: &str, from: &Path, now: UnixMillis) -> Result<Restored, BackupError> {
    Store::require_migrations(&from.display().to_string(), &postgres::migrations(from)?)?;
    if !Store::is_empty_server(url).await? {
        return Err(BackupError::Refused(
            "the database of DATABASE_URL has tables already, and nothing is ever replaced: make an empty one (createdb \
             pixelfox_restored), set DATABASE_URL to it, and keep the old one until all is well"
                .into(),
        ));
    }
    postgres::load(url, from)?;
    let contents = Store::make_server_current(url, now).await?;
    Ok(Restored { contents, aside: None })
}
