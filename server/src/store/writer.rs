//! The one connection that writes. Intents that wait together become one transaction, each behind a savepoint of its
//! own: so a hundred small commits cost one fsync. A caller that goes away takes nothing with it.

use std::{future::Future, pin::Pin};

use tokio::sync::{mpsc, oneshot};

use super::{
    StoreError, Trouble,
    database::{Database, is_lost},
    statement::{Conn, script},
};

/// Intents that wait at most; further callers wait for room.
pub(super) const WAITING_INTENTS: usize = 1024;
/// Intents of one transaction at most.
const BATCH: usize = 256;

/// What an intent does with the connection.
pub(super) type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T, Trouble>> + Send + 'c>>;

/// An intent on its way to the writer.
pub(super) trait Errand: Send {
    /// Does it, and says what becomes of what it wrote.
    fn run<'c>(&'c mut self, conn: &'c mut Conn) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'c>>;
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
    /// Nothing of it is there (or, where the commit's own answer was lost, nobody knows).
    Undone,
    /// Likewise, because the database could not be reached.
    Unreachable(String),
}

impl End {
    fn of(error: &sqlx::Error) -> Self {
        if is_lost(error) { Self::Unreachable(error.to_string()) } else { Self::Undone }
    }
}

struct Asked<F, T> {
    doing: &'static str,
    work: Option<F>,
    result: Option<Result<T, Trouble>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Errand for Asked<F, T>
where
    F: for<'c> FnOnce(&'c mut Conn) -> Work<'c, T> + Send,
    T: Send,
{
    fn run<'c>(&'c mut self, conn: &'c mut Conn) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'c>> {
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
            (_, End::Unreachable(why)) => Err(StoreError::Unreachable { why: why.clone() }),
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
    F: for<'c> FnOnce(&'c mut Conn) -> Work<'c, T> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    let errand = Box::new(Asked { doing, work: Some(work), result: None, reply });
    writer.send(errand).await.map_err(|_| StoreError::Closed)?;
    answer.await.map_err(|_| StoreError::Closed)?
}

/// Runs until the last sender is gone.
pub(super) async fn run(mut database: Database, mut intents: mpsc::Receiver<Box<dyn Errand>>) {
    let mut batch = Vec::with_capacity(BATCH);
    while intents.recv_many(&mut batch, BATCH).await > 0 {
        while !batch.is_empty() {
            transact(&mut database, &mut batch).await;
        }
    }
    database.close().await;
}

/// One transaction over the batch. After an error that may have ended the transaction itself, the errands up to it are
/// answered as undone and the rest stays in the batch.
async fn transact(database: &mut Database, batch: &mut Vec<Box<dyn Errand>>) {
    let mut ran = Vec::with_capacity(batch.len());
    let end = match database.begin().await {
        Ok(conn) => match run_all(conn, batch, &mut ran).await {
            Ok(()) => match commit(database).await {
                Ok(()) => End::Committed,
                Err(error) => {
                    tracing::error!("could not commit to the database: {error}");
                    End::of(&error)
                }
            },
            Err(end) => {
                database.roll_back().await;
                end
            }
        },
        Err(error) => {
            tracing::error!("could not begin a transaction: {error}");
            ran.append(batch);
            End::of(&error)
        }
    };
    for errand in ran {
        errand.answer(&end);
    }
}

async fn commit(database: &mut Database) -> Result<(), sqlx::Error> {
    crash_point!("books.before_commit");
    let committed = database.commit().await;
    crash_point!("books.after_commit");
    committed
}

/// Runs the batch's errands; where one breaks the transaction, those after it stay in the batch.
async fn run_all(conn: &mut Conn, batch: &mut Vec<Box<dyn Errand>>, ran: &mut Vec<Box<dyn Errand>>) -> Result<(), End> {
    let alone = batch.len() == 1;
    let mut waiting = std::mem::take(batch).into_iter();
    while let Some(mut errand) = waiting.next() {
        let goes_on = if alone {
            Ok(matches!(errand.run(conn).await, Outcome::Keep))
        } else {
            behind_savepoint(conn, errand.as_mut()).await
        };
        ran.push(errand);
        let end = match goes_on {
            Ok(true) => continue,
            Ok(false) => End::Undone,
            Err(error) => {
                tracing::error!("the database failed within a transaction: {error}");
                End::of(&error)
            }
        };
        batch.extend(waiting);
        return Err(end);
    }
    Ok(())
}

/// Whether the transaction can go on.
async fn behind_savepoint(conn: &mut Conn, errand: &mut dyn Errand) -> Result<bool, sqlx::Error> {
    script(conn, "SAVEPOINT intent").await?;
    match errand.run(conn).await {
        Outcome::Keep => script(conn, "RELEASE SAVEPOINT intent").await?,
        Outcome::Broken => return Ok(false),
        Outcome::Undo => {
            script(conn, "ROLLBACK TO SAVEPOINT intent; RELEASE SAVEPOINT intent").await?;
        }
    }
    Ok(true)
}
