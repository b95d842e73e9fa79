//! Copies of the books: taken beside the server that is using them, looked through before anybody relies on one.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::{
    Store, StoreError,
    open::without_password,
    postgres,
    sqlite::{self, options, path_of},
};
use crate::catalog::UnixMillis;

/// What some books hold, for whoever saves them or brings them back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// How many.
    pub images: u64,
    /// How many.
    pub pools: u64,
    /// The newest migration that they have had.
    pub migration: i64,
}

/// A row of the migrator's own table.
pub(super) type Applied = (i64, Vec<u8>);

/// Which migrations there were. The same for both databases.
pub(super) const APPLIED: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";
const COUNTS: &str = "SELECT (SELECT COUNT(*) FROM images), (SELECT COUNT(*) FROM pools)";
/// How many faults of a damaged file are told.
const FAULTS: &str = "PRAGMA integrity_check(3)";
/// What the check says of a file that is whole.
const WHOLE: &str = "ok";

impl Store {
    /// Writes the books of a file, as they are at this moment, into the empty file `into`. The server that may be
    /// using them goes on meanwhile. The copy is one file, without a log beside it; it is the caller's to make durable.
    ///
    /// # Errors
    /// There are no books, those of a newer program, or the copy can't be written.
    pub async fn copy_into(url: &str, into: &Path) -> Result<(), StoreError> {
        let path = path_of(url)?;
        sqlite::require_file(&path)?;
        let mut conn = options(&path).connect().await.map_err(failed("be opened"))?;
        require_ours(&path.display().to_string(), &sqlite::MIGRATIONS, &applied(&mut conn).await?)?;
        let into = into.to_str().ok_or_else(|| place("write", into, "its name is not UTF-8"))?;
        let copied = sqlx::query("VACUUM INTO $1").bind(into).execute(&mut conn).await;
        copied.map_err(|cause| unwritten(into, cause))?;
        conn.close().await.map_err(failed("be closed"))
    }

    /// Reads a file of books to its end: whether it is whole and ours, and what is in it. Changes nothing, also
    /// beside the file; nobody may be writing to it.
    ///
    /// # Errors
    /// It is no database, a damaged one, another program's or a newer one's.
    pub async fn examine(path: &Path) -> Result<Contents, StoreError> {
        if !path.is_file() {
            return Err(place("open the database", path, "there is no such file"));
        }
        let name = path.display().to_string();
        let not_ours = |why: &str| StoreError::NotBooks { what: name.clone(), why: why.to_owned() };
        let options =
            SqliteConnectOptions::new().filename(path).read_only(true).immutable(true).disable_statement_logging();
        let mut conn = options.connect().await.map_err(|cause| not_ours(&cause.to_string()))?;
        let checked = sqlx::query_scalar(FAULTS).fetch_all(&mut conn).await;
        let faults: Vec<String> = checked.map_err(|cause| not_ours(&cause.to_string()))?;
        if faults != [WHOLE] {
            return Err(not_ours(&format!("it is damaged: {}", faults.join("; "))));
        }
        let applied = applied(&mut conn).await?;
        let migration = require_ours(&name, &sqlite::MIGRATIONS, &applied)?;
        let counts = sqlx::query_as(COUNTS).fetch_one(&mut conn).await.map_err(failed("be counted"))?;
        conn.close().await.map_err(failed("be closed"))?;
        Ok(contents(counts, migration))
    }

    /// What is in the books of a server, as they are.
    ///
    /// # Errors
    /// It does not answer, has no books, or those of a newer program.
    pub async fn examine_server(url: &str) -> Result<Contents, StoreError> {
        let mut conn = postgres::connect(url).await?;
        let applied: Vec<Applied> = sqlx::query_as(APPLIED).fetch_all(&mut conn).await.unwrap_or_default();
        let migration = require_ours(&without_password(url), &postgres::MIGRATIONS, &applied)?;
        let counts = sqlx::query_as(COUNTS).fetch_one(&mut conn).await.map_err(failed("be counted"))?;
        conn.close().await.map_err(failed("be closed"))?;
        Ok(contents(counts, migration))
    }
}

/// Where there is no room for the copy it is the copy's place that is at fault. Source: SQLite, "Result Codes".
fn unwritten(into: &str, cause: sqlx::Error) -> StoreError {
    const FULL: &str = "13";
    const WRITE_FAILED: &str = "778";
    let why = match cause.as_database_error().and_then(|said| said.code()).as_deref() {
        Some(FULL) => "the disk is full: make room, or name a file on another one",
        Some(WRITE_FAILED) => "the disk does not take it: look at it, or name a file on another one",
        _ => return failed("be copied")(cause),
    };
    place("write the copy", Path::new(into), why)
}

/// A database that is kept from every server for as long as this lives.
#[derive(Debug)]
pub struct Hold {
    path: PathBuf,
    _lock: File,
}

impl Hold {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ends the log beside the file, so that the file alone is all of the books.
    ///
    /// # Errors
    /// It is damaged.
    pub async fn settle_log(&self) -> Result<(), StoreError> {
        write_to(&self.path).await?.close().await.map_err(failed("be closed"))
    }
}

/// A connection that leaves no log beside the file.
async fn write_to(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new().filename(path).journal_mode(SqliteJournalMode::Delete);
    let options = options.synchronous(SqliteSynchronous::Full).disable_statement_logging();
    options.connect().await.map_err(failed("be opened"))
}

/// Nodes remember leases that the books of an earlier day, or new ones, have not given yet, and refuse those as old: the
/// next ones are above whatever was given since. The value is the time in microseconds, far ahead of any count.
pub(super) const GO_ON: &str = "UPDATE counters SET value = CASE WHEN value < $1 THEN $1 ELSE value END
    WHERE name IN ('epoch', 'lease')";

impl Store {
    /// Keeps every server from the file of `url`, which need not be there.
    ///
    /// # Errors
    /// A server has it open.
    pub async fn hold(url: &str) -> Result<Hold, StoreError> {
        let path = path_of(url)?;
        let lock = sqlite::lock(&path).await?;
        Ok(Hold { path, _lock: lock })
    }

    /// Makes a copy in a file ready to be the books again. What is in it.
    ///
    /// # Errors
    /// It can't be written.
    pub async fn make_current(path: &Path, now: UnixMillis) -> Result<Contents, StoreError> {
        let mut conn = write_to(path).await?;
        sqlx::query(GO_ON).bind(beyond(now)).execute(&mut conn).await.map_err(failed("be made ready"))?;
        conn.close().await.map_err(failed("be closed"))?;
        Self::examine(path).await
    }

    /// The same for a server's database.
    ///
    /// # Errors
    /// It can't be written.
    pub async fn make_server_current(url: &str, now: UnixMillis) -> Result<Contents, StoreError> {
        let mut conn = postgres::connect(url).await?;
        sqlx::query(GO_ON).bind(beyond(now)).execute(&mut conn).await.map_err(failed("be made ready"))?;
        conn.close().await.map_err(failed("be closed"))?;
        Self::examine_server(url).await
    }

    /// Whether a server's database has no tables, of whomever.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn is_empty_server(url: &str) -> Result<bool, StoreError> {
        const TABLES: &str = "SELECT COUNT(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'";
        let mut conn = postgres::connect(url).await?;
        let tables: i64 = sqlx::query_scalar(TABLES).fetch_one(&mut conn).await.map_err(failed("be counted"))?;
        conn.close().await.map_err(failed("be closed"))?;
        Ok(tables == 0)
    }

    /// Whether books of a server with these migrations are this program's or an older one's.
    ///
    /// # Errors
    /// They are another program's, or of a newer one.
    pub fn require_migrations(what: &str, applied: &[(i64, Vec<u8>)]) -> Result<(), StoreError> {
        require_ours(what, &postgres::MIGRATIONS, applied).map(drop)
    }
}

/// More than any lease that was given until then.
pub(super) const fn beyond(now: UnixMillis) -> i64 {
    now.0.saturating_mul(1000)
}

fn contents((images, pools): (i64, i64), migration: i64) -> Contents {
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    Contents { images: count(images), pools: count(pools), migration }
}

/// Of a file that has no such table: none.
async fn applied(conn: &mut SqliteConnection) -> Result<Vec<Applied>, StoreError> {
    let tables = "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";
    let not_ours = failed("say which tables it has");
    let count: i64 = sqlx::query_scalar(tables).fetch_one(&mut *conn).await.map_err(not_ours)?;
    if count == 0 {
        return Ok(Vec::new());
    }
    sqlx::query_as(APPLIED).fetch_all(conn).await.map_err(failed("say which tables it has"))
}

/// Whether these are migrations of this program, or of an older one: the newest of them.
pub(super) fn require_ours(what: &str, ours: &Migrator, applied: &[Applied]) -> Result<i64, StoreError> {
    let not_ours = |why: &str| StoreError::NotBooks { what: what.to_owned(), why: why.to_owned() };
    let known = ours.iter().map(|migration| migration.version).max().unwrap_or(0);
    for (version, checksum) in applied {
        match ours.iter().find(|migration| migration.version == *version) {
            Some(migration) if migration.checksum.as_ref() == checksum.as_slice() => {}
            None if *version > known => {
                return Err(StoreError::Newer { url: what.to_owned(), found: *version, known });
            }
            Some(_) | None => return Err(not_ours("its tables were made by another program")),
        }
    }
    let newest = applied.iter().map(|(version, _)| *version).max();
    newest.ok_or_else(|| not_ours("it has no tables of ours; was a server ever started on it?"))
}

pub(super) fn failed(doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |cause| StoreError::Database { doing, cause }
}

fn place(doing: &'static str, path: &Path, why: &'static str) -> StoreError {
    StoreError::Place { doing, path: path.display().to_string(), cause: io::Error::other(why) }
}
