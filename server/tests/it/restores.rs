//! Files that do not come back from a trash while the database fails.

use std::io::{Error, Write};

use pixelfox_proto::v1::file_result::Outcome;
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::dispatch::two_nodes;
use crate::office::within;
use crate::trash::{move_over, purge, restore};

/// Nothing becomes `purging`, and nothing that was to come from the trash is pushed.
const FAILING: [&str; 2] = [
    "CREATE TRIGGER no_purge BEFORE UPDATE ON replicas WHEN NEW.state = 'purging'
    BEGIN SELECT RAISE(ABORT, 'a test'); END",
    "CREATE TRIGGER no_push BEFORE UPDATE ON replicas
    WHEN OLD.state = 'writing' AND NEW.state = 'writing' AND OLD.trash_generation IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'a test'); END",
];
const WELL_AGAIN: [&str; 2] = ["DROP TRIGGER no_purge", "DROP TRIGGER no_push"];

/// What is logged on this thread.
#[derive(Clone)]
struct Lines(Sender<String>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        self.0.try_send(String::from_utf8_lossy(bytes).into_owned()).map_err(Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

async fn said(lines: &mut Receiver<String>, words: &str) {
    let line = async { while !lines.recv().await.unwrap().contains(words) {} };
    within(words, line).await;
}

async fn all(books: &mut SqliteConnection, statements: [&'static str; 2]) {
    for statement in statements {
        sqlx::query(statement).execute(&mut *books).await.unwrap();
    }
}

#[tokio::test]
async fn a_database_that_fails_after_a_failed_restore_delays_what_follows_and_loses_nothing() {
    // Of two images that come back one is damaged in the trash, the other is not there. The books take neither word, twice;
    // once they do, one is purged, the other is pushed under the lease that it has, and both arrive.
    let (lines, mut heard) = mpsc::channel(4096);
    let lines = Lines(lines);
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || lines.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (office, mut s01, mut s02, damaged) = two_nodes().await;
    let absent = office.upload(&s01, 2).await;
    for upload in [&damaged, &absent] {
        move_over(&office, &mut s01, upload, s02.pool()).await;
    }
    let url = format!("sqlite://{}", office.dir.path().join("pixelfox.db").display());
    let mut books = SqliteConnection::connect(&url).await.unwrap();
    all(&mut books, FAILING).await;
    let mut watcher = office.books.watch();
    let batch = office.move_to(&[&damaged, &absent], s01.pool()).await;
    let (id, order) = restore(&mut s01).await;
    assert_eq!(order.files.len(), 2);
    s01.end(id, vec![damaged.result(Outcome::Mismatch), absent.result(Outcome::Missing)]).await;
    for _ in 0..2 {
        said(&mut heard, "could not hand out jobs").await;
    }
    all(&mut books, WELL_AGAIN).await;

    let (push, pushed) = s02.push().await;
    assert_eq!((pushed.files.len(), pushed.files[0].stored_path.as_str()), (1, absent.path.as_str()));
    assert_eq!(pushed.files[0].attempt.unwrap().attempt, 1);
    let (id, purged) = purge(&mut s01).await;
    assert_eq!((purged.files.len(), purged.files[0].stored_path.as_str()), (1, damaged.path.as_str()));
    s02.end(push, vec![absent.result(Outcome::Done)]).await;
    let (trashed, _) = s02.delete().await;
    s02.end(trashed, vec![absent.result(Outcome::Done)]).await;
    s01.end(id, vec![damaged.result(Outcome::Done)]).await;
    let (push, pushed) = s02.push().await;
    assert_eq!((pushed.files.len(), pushed.files[0].stored_path.as_str()), (1, damaged.path.as_str()));
    s02.end(push, vec![damaged.result(Outcome::Done)]).await;
    let (trashed, _) = s02.delete().await;
    s02.end(trashed, vec![damaged.result(Outcome::Done)]).await;
    office.job_where(&mut watcher, batch.job_id, |job| job.state == "completed" && job.children_done == 2).await;
    office.close().await;
}
