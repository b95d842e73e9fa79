//! The least that a durable store does: files written, synced, renamed, their directory synced, one commit per batch.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::super::moves_parts::now;

/// Files whose records are one commit: as many as there are clients.
const BATCH: usize = 32;

/// How often the directory is synced.
#[derive(Clone, Copy)]
pub(crate) enum Directory {
    /// After each file, before the next one is begun.
    EachFile,
    /// Once for a batch, after all of it was written, synced and renamed.
    EachBatch,
}

/// Stores all of them below the new folder `to`; seconds until the last commit.
pub(crate) async fn store(pictures: &[Bytes], to: &Path, directory: Directory) -> f64 {
    let dir = to.join("original");
    fs::create_dir_all(&dir).unwrap();
    let mut books = open(to).await;
    let start = now();
    for (number, batch) in pictures.chunks(BATCH).enumerate() {
        let (books_dir, pieces) = (dir.clone(), batch.to_vec());
        let names = tokio::task::spawn_blocking(move || write(&books_dir, number, &pieces, directory)).await.unwrap();
        let mut transaction = books.begin_with("BEGIN IMMEDIATE").await.unwrap();
        for (name, picture) in names.iter().zip(batch) {
            let insert = sqlx::query("INSERT INTO files (name, size) VALUES ($1, $2)");
            let size = i64::try_from(picture.len()).unwrap();
            insert.bind(name).bind(size).execute(&mut *transaction).await.unwrap();
        }
        transaction.commit().await.unwrap();
    }
    start.elapsed().as_secs_f64()
}

async fn open(dir: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(dir.join("books.db"))
        .create_if_missing(true)
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
        .synchronous(sqlx::sqlite::SqliteSynchronous::Full);
    let mut books = options.connect().await.unwrap();
    sqlx::query("CREATE TABLE files (name TEXT PRIMARY KEY, size INTEGER)").execute(&mut books).await.unwrap();
    books
}

fn write(dir: &PathBuf, batch: usize, pictures: &[Bytes], directory: Directory) -> Vec<String> {
    let write = |(number, picture): (usize, &Bytes)| {
        let name = format!("{batch:06}-{number:02}.png");
        let mut file = File::create_new(dir.join(format!("{name}.part"))).unwrap();
        file.write_all(picture).unwrap();
        (name, file)
    };
    let publish = |(name, file): (String, File)| {
        file.sync_all().unwrap();
        #[expect(clippy::disallowed_methods, reason = "the bare loop is what the disk room is measured against")]
        fs::rename(dir.join(format!("{name}.part")), dir.join(&name)).unwrap();
        name
    };
    let sync = || File::open(dir).unwrap().sync_all().unwrap();
    let files = pictures.iter().enumerate();
    match directory {
        Directory::EachFile => files.map(write).map(publish).inspect(|_| sync()).collect(),
        Directory::EachBatch => {
            let written: Vec<_> = files.map(write).collect();
            let names = written.into_iter().map(publish).collect();
            sync();
            names
        }
    }
}
