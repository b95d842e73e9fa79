//! Books in a file: SQLite in WAL mode, each commit durable, one process at a time.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use pixelfox_node::config;
use sqlx::{
    ConnectOptions as _,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::time::Instant;

use super::{
    StoreError,
    database::{Database, Readers},
    open::{self, READERS, migration_error},
    statement::Link,
};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");
/// The log is written back into the file each 16 MiB instead of 4: pages that many moves change, like those of the
/// counters and of the queue's indexes, are written that much more seldom.
const CHECKPOINT_PAGES: &str = "4000";
/// Memory for pages of each connection: 8 MiB, so that a long queue's indexes stay in it. (Negative: KiB.)
const CACHE_KIB: &str = "-8192";
/// How long an earlier holder of the database has to let go of it.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// Opens the file, made anew where there is none, and brings its tables up to date.
pub(super) async fn open(url: &str) -> Result<(Database, Readers), StoreError> {
    let path = path_of(url)?;
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        fs::create_dir_all(directory).map_err(|cause| place("make the directory", directory, cause))?;
    }
    let lock = lock(&path).await?;
    make_private(&path).map_err(|cause| place("make", &path, cause))?;
    let options = options(&path);
    let mut conn = options.clone().connect().await.map_err(failed("be opened"))?;
    MIGRATIONS.run_direct(None, &mut conn, false).await.map_err(|error| migration_error(url, &MIGRATIONS, error))?;
    let readers = readers(options, READERS).await?;
    Ok((Database::Sqlite { conn: Link::Sqlite(conn).into(), lock: Some(lock) }, readers))
}

/// A new file is for its owner alone, like each copy of it; SQLite's own files beside it follow it in that.
fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop)
}

/// Opens the file as it is, beside the server that has it open. Its transactions and those of the server wait for each
/// other, as the file's own locks have it.
pub(super) async fn open_beside(url: &str) -> Result<(Database, Readers), StoreError> {
    let path = path_of(url)?;
    let options = options(&path);
    require_file(&path)?;
    let mut conn = options.clone().connect().await.map_err(failed("be opened"))?;
    let applied = sqlx::query_scalar(open::APPLIED).fetch_all(&mut conn).await.unwrap_or_default();
    open::require_tables(url, &MIGRATIONS, &applied)?;
    let readers = readers(options, 1).await?;
    Ok((Database::Sqlite { conn: Link::Sqlite(conn).into(), lock: None }, readers))
}

fn failed(doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |cause| StoreError::Database { doing, cause }
}

pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("cache_size", CACHE_KIB)
        .statement_cache_capacity(256)
        .disable_statement_logging()
}

async fn readers(options: SqliteConnectOptions, count: u32) -> Result<Readers, StoreError> {
    let pool = SqlitePoolOptions::new().max_connections(count).idle_timeout(None).max_lifetime(None);
    pool.connect_with(options.read_only(true)).await.map(Readers::Sqlite).map_err(failed("be opened for reading"))
}

fn place(doing: &'static str, path: &Path, cause: io::Error) -> StoreError {
    StoreError::Place { doing, path: path.display().to_string(), cause: config::denied(path, cause) }
}

/// What is not there is told from what may not be looked at.
pub(super) fn require_file(path: &Path) -> Result<(), StoreError> {
    let look = File::open(path).and_then(|file| file.metadata());
    let cause = match look {
        Ok(about) if about.is_file() => return Ok(()),
        Ok(_) => io::Error::new(io::ErrorKind::NotFound, "it is no file"),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => io::Error::new(
            cause.kind(),
            "there is no such file. DATABASE_URL names it: give the one of the server, or start the server once",
        ),
        Err(cause) => cause,
    };
    Err(place("open the database", path, cause))
}

pub(super) fn path_of(url: &str) -> Result<PathBuf, StoreError> {
    let refuse = |why| StoreError::Url { url: open::without_password(url), why };
    let Some(rest) = url.strip_prefix("sqlite:") else {
        return Err(refuse("give a path like sqlite://data/pixelfox.db, or postgres://user@host/database"));
    };
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path.contains(":memory:") {
        return Err(refuse("needs the path of a file, like sqlite://data/pixelfox.db; nothing is kept in memory only"));
    }
    if path.contains('?') {
        return Err(refuse("takes no options after `?`; leave them out"));
    }
    Ok(path.into())
}

/// One process at a time: SQLite would let a second coordinator in, and each would hand out the other's jobs.
pub(super) async fn lock(database: &Path) -> Result<File, StoreError> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|cause| match cause.kind() {
        io::ErrorKind::NotFound => {
            let why = "its folder is not there. DATABASE_URL names it: give the one of the server";
            place("make", &path, io::Error::new(cause.kind(), why))
        }
        _ => place("make", &path, cause),
    })?;
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(fs::TryLockError::WouldBlock) => {
                let cause = io::Error::new(
                    io::ErrorKind::ResourceBusy,
                    "another server has this database open: stop that one, or give this one a DATABASE_URL of its own",
                );
                return Err(place("lock", &path, cause));
            }
            Err(fs::TryLockError::Error(cause)) => return Err(place("lock", &path, cause)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[tokio::test]
    async fn books_are_for_their_owner_alone() {
        // Names, addresses and what passwords and keys are checked against stand in them.
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("books.db");
        let _open = open(&format!("sqlite://{}", path.display())).await.expect("books");
        for name in ["books.db", "books.db-wal", "books.db-shm"] {
            let mode = fs::metadata(dir.path().join(name)).expect(name).permissions().mode();
            assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
        }
    }

    #[test]
    fn which_database_urls_are_ours() {
        for (url, want) in [
            ("sqlite://data/pixelfox.db", Ok("data/pixelfox.db")),
            ("sqlite:///var/lib/pixelfox.db", Ok("/var/lib/pixelfox.db")),
            ("sqlite:pixelfox.db", Ok("pixelfox.db")),
            ("sqlite::memory:", Err("needs the path of a file")),
            ("sqlite://", Err("needs the path of a file")),
            ("sqlite://a.db?mode=ro", Err("takes no options")),
            ("mysql://x", Err("or postgres://user@host/database")),
            ("mysql://u:geheim@h/db", Err("mysql://…@h/db: give a path")),
        ] {
            match (path_of(url), want) {
                (Ok(path), Ok(want)) => assert_eq!(path, Path::new(want)),
                (Err(error), Err(want)) => {
                    let text = error.to_string();
                    assert!(text.contains(want) && !text.contains("geheim"), "{text}");
                }
                (got, want) => panic!("{url}: {got:?} instead of {want:?}"),
            }
        }
    }
}
