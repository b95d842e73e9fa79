//! The database saved and brought back. A copy gets its name only when it is whole, checked and durable, and no file
//! that is there already is ever replaced by one. Knows no tables: those are the books' own room's to read.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    catalog::UnixMillis,
    store::{Contents, Store, StoreError},
};

mod place;
mod postgres;
mod restore;

pub use restore::{Restored, restore};

/// What files of this program end in, by the kind of database.
const SQLITE_ENDING: &str = "db";
const POSTGRES_ENDING: &str = "dump";

/// Why nothing was saved or brought back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database, or the copy of one.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A place that can't be used so, with what to do.
    #[error("{0}")]
    Refused(String),
    /// The system.
    #[error("could not {doing} {path}")]
    Disk {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// A program of PostgreSQL's.
    #[error("{0}")]
    Tool(String),
}

/// What was saved, and where.
#[derive(Debug)]
pub struct Saved {
    /// The copy.
    pub path: PathBuf,
    /// Of the copy.
    pub bytes: u64,
    /// What the database held: of a file the copy itself was looked through.
    pub contents: Contents,
}

/// Saves the database of `url`, as it is at one moment, as the file `to`, or with a name of its own in the folder `to`.
/// A server that uses it goes on meanwhile.
///
/// # Errors
/// [`BackupError`]; nothing is under the copy's name then.
pub async fn save(url: &str, to: &Path, now: UnixMillis) -> Result<Saved, BackupError> {
    let is_server = url.starts_with("postgres");
    let target = place::Target::of(to, if is_server { POSTGRES_ENDING } else { SQLITE_ENDING }, now)?;
    let part = place::Part::beside(&target.first())?;
    let contents = if is_server {
        let contents = Store::examine_server(url).await?;
        postgres::dump(url, part.path())?;
        contents
    } else {
        Store::copy_into(url, part.path()).await?;
        Store::examine(part.path()).await?
    };
    let (path, bytes) = part.become_durable(&target)?;
    Ok(Saved { path, bytes, contents })
}
