//! The one connection that writes. Intents that wait together become one transaction, each behind a savepoint of its
//! own: so a hundred small commits cost one fsync. A caller that goes away takes nothing with it.

use std::{fs::File, future::Future, pin::Pin};

use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::{StoreError, Trouble};

/// Intents that wait at most; further callers wait for room.
pub(super) const WAITING_INTENTS: usize = 1024;
/// Intents of one transaction at most.
const BATCH: usize = 256;

/// What an intent does with the connection.
pub(super) type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T, Trouble>> + Send + 'c>>;

/// An intent on its way to the writer.
pub(super) trait Errand: Send {
    /// Does it, and says what becomes of what it wrote.
    fn run<'c>(&'c mut self, conn: &'c mut SqliteConnection) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'c>>;
    /// Tells the caller, after the transaction ended.
    fn answer(self: Box<Self>, end: &End);
}

/// What becomes of an errand's statements.
pub(super) enum Outcome {
    /// They are to be committed.
    Keep,
    /// They are undone, those of others stay.
    Undo,
    /// SQLite may have rolled everything back by itself.
    Broken,
}

/// How a transaction ended.
pub(super) enum End {
    /// Durable.
    Committed,
    /// Nothing of it is there.
    Undone,
}

struct Asked<F, T> {
    doing: &'static str,
    work: Option<F>,
    result: Option<Result<T, Trouble>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Errand for Asked<F, T>
where
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> Work<'c, T> + Send,
    T: Send,
{
    fn run<'c>(&'c mut self, conn: &'c mut SqliteConnection) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'c>> {
        Box::pin(async move {
            let Some(work) = self.work.take() else { return Outcome::Undo };
            let result = work(conn).await;
            let outcome = match &result {
                Ok(_) => Outcome::Keep,
                Err(trouble) if trouble.ends_transaction() => Outcome::Broken,
                Err(_) => Outcome::Undo,
            };
            self.result = Some(result);
            outcome
        })
    }

    fn answer(self: Box<Self>, end: &End) {
        let result = match (self.result, end) {
            (Some(Ok(value)), End::Committed) => Ok(value),
            (Some(Err(trouble)), _) => Err(trouble.into_error(self.doing)),
            (Some(Ok(_)) | None, _) => Err(StoreError::Undone { doing: self.doing }),
        };
        drop(self.reply.send(result)); // a caller that left does not want it
    }
}

/// Hands an intent to the writer and waits for the end of its transaction.
pub(super) async fn ask<T, F>(
    writer: &mpsc::Sender<Box<dyn Errand>>,
    doing: &'static str,
    work: F,
) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> Work<'c, T> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    let errand = Box::new(Asked { doing, work: Some(work), result: None, reply });
    writer.send(errand).await.map_err(|_| StoreError::Closed)?;
    answer.await.map_err(|_| StoreError::Closed)?
}

/// Runs until the last sender is gone. Keeps the lock file until then.
pub(super) async fn run(mut conn: SqliteConnection, mut intents: mpsc::Receiver<Box<dyn Errand>>, lock: File) {
    let mut batch = Vec::with_capacity(BATCH);
    while intents.recv_many(&mut batch, BATCH).await > 0 {
        while !batch.is_empty() {
            transact(&mut conn, &mut batch).await;
        }
    }
    if let Err(error) = conn.close().await {
        tracing::warn!("could not close the database: {error}");
    }
    drop(lock);
}

/// One transaction over the batch. After an error that may have ended the transaction itself, the errands up to it are
/// answered as undone and the rest stays in the batch.
async fn transact(conn: &mut SqliteConnection, batch: &mut Vec<Box<dyn Errand>>) {
    let mut ran = Vec::with_capacity(batch.len());
    let mut end = run_all(conn, batch, &mut ran).await;
    if matches!(end, End::Committed)
        && let Err(error) = exec(conn, "COMMIT").await
    {
        tracing::error!("could not commit to the database: {error}");
        end = End::Undone;
    }
    if matches!(end, End::Undone) {
        drop(exec(conn, "ROLLBACK").await); // fails where SQLite has rolled back by itself
    }
    for errand in ran {
        errand.answer(&end);
    }
}

async fn run_all(conn: &mut SqliteConnection, batch: &mut Vec<Box<dyn Errand>>, ran: &mut Vec<Box<dyn Errand>>) -> End {
    if let Err(error) = exec(conn, "BEGIN IMMEDIATE").await {
        tracing::error!("could not begin a transaction: {error}");
        ran.append(batch);
        return End::Undone;
    }
    let alone = batch.len() == 1;
    let mut waiting = std::mem::take(batch).into_iter();
    while let Some(mut errand) = waiting.next() {
        let goes_on = if alone {
            Ok(matches!(errand.run(conn).await, Outcome::Keep))
        } else {
            behind_savepoint(conn, errand.as_mut()).await
        };
        ran.push(errand);
        let goes_on = goes_on.unwrap_or_else(|error| {
            tracing::error!("the database failed within a transaction: {error}");
            false
        });
        if !goes_on {
            batch.extend(waiting);
            return End::Undone;
        }
    }
    End::Committed
}

/// Whether the transaction can go on.
async fn behind_savepoint(conn: &mut SqliteConnection, errand: &mut dyn Errand) -> Result<bool, sqlx::Error> {
    exec(conn, "SAVEPOINT intent").await?;
    match errand.run(conn).await {
        Outcome::Keep => exec(conn, "RELEASE intent").await?,
        Outcome::Broken => return Ok(false),
        Outcome::Undo => {
            exec(conn, "ROLLBACK TO intent").await?;
            exec(conn, "RELEASE intent").await?;
        }
    }
    Ok(true)
}

async fn exec(conn: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(sql).execute(conn).await.map(drop)
}
