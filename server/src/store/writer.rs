//! The one connection that writes. Intents that wait together become one transaction, each behind a savepoint of its
//! own: so a hundred small commits cost one fsync. A caller that goes away takes nothing with it.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    Commit, StoreError, Trouble,
    database::{Database, answer, is_lost},
    statement::{Conn, script},
};
use crate::catalog::Actor;

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
    /// SQLite may have rolled everything back by itself, or the database is lost.
    Broken(End),
}

/// How a transaction ended.
pub(super) enum End {
    /// Durable.
    Committed,
    /// Nothing of it is there.
    Undone,
    /// The database could not be reached.
    Unreachable(String, Commit),
}

impl End {
    pub(super) fn of(error: &sqlx::Error) -> Self {
        if is_lost(error) {
            return Self::Unreachable(error.to_string(), Commit::NotSent);
        }
        tracing::error!("a transaction failed: {error}");
        Self::Undone
    }

    /// Of a commit that failed.
    fn of_commit(error: &sqlx::Error, database: &Database) -> Self {
        match Self::of(error) {
            Self::Unreachable(why, _) => Self::Unreachable(why, database.after_commit()),
            end => end,
        }
    }
}

struct Asked<F, T> {
    by: Actor,
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
            conn.work_for(self.by.clone());
            let result = work(conn).await;
            let outcome = match &result {
                Ok(_) => Outcome::Keep,
                Err(trouble) if trouble.ends_transaction() => Outcome::Broken(trouble.end()),
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
            (_, End::Unreachable(why, commit)) => Err(StoreError::Unreachable { why: why.clone(), commit: *commit }),
            (Some(Ok(_)) | None, _) => Err(StoreError::Undone { doing: self.doing }),
        };
        drop(self.reply.send(result)); // a caller that left does not want it
    }
}

/// Hands an intent to the writer and waits for the end of its transaction.
pub(super) async fn ask<T, F>(
    writer: &mpsc::Sender<Box<dyn Errand>>,
    by: Actor,
    doing: &'static str,
    work: F,
) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut Conn) -> Work<'c, T> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    let errand = Box::new(Asked { by, doing, work: Some(work), result: None, reply });
    writer.send(errand).await.map_err(|_| StoreError::Closed)?;
    answer.await.map_err(|_| StoreError::Closed)?
}

/// Whom the time of each transaction is told: nobody at first.
#[derive(Clone, Default)]
pub(super) struct Times(Arc<OnceLock<Told>>);

type Told = Box<dyn Fn(Duration) + Send + Sync>;

impl Times {
    /// The first to ask is told.
    pub(super) fn set(&self, told: impl Fn(Duration) + Send + Sync + 'static) {
        self.0.get_or_init(|| Box::new(told));
    }

    fn tell(&self, took: Duration) {
        if let Some(told) = self.0.get() {
            told(took);
        }
    }
}

/// Runs until the last sender is gone.
pub(super) async fn run(mut database: Database, mut intents: mpsc::Receiver<Box<dyn Errand>>, times: Times) {
    let (mut heard, mut batch) = (Vec::with_capacity(BATCH), VecDeque::with_capacity(BATCH));
    let mut away = false;
    while intents.recv_many(&mut heard, BATCH).await > 0 {
        batch.extend(heard.drain(..));
        while !batch.is_empty() {
            let begun = Instant::now();
            let end = transact(&mut database, &mut batch).await;
            times.tell(begun.elapsed());
            away = tell(away, &end);
        }
    }
    database.close().await;
}

/// One line when the database goes away, one when it is back.
fn tell(away: bool, end: &End) -> bool {
    match end {
        End::Unreachable(why, _) if !away => {
            tracing::error!("the database can't be used now, what is to be written waits: {why}");
            true
        }
        End::Committed if away => {
            tracing::info!("the database answers again");
            false
        }
        _ => away,
    }
}

/// One transaction over the batch. After an error that may have ended the transaction itself, the errands up to it are
/// answered as undone and the rest stays in the batch.
async fn transact(database: &mut Database, batch: &mut VecDeque<Box<dyn Errand>>) -> End {
    let mut ran = Vec::with_capacity(batch.len());
    let intent_wait = database.intent_wait();
    let end = match database.begin().await {
        Ok(conn) => match run_all(conn, batch, &mut ran, intent_wait).await {
            Ok(()) => match database.commit().await {
                Ok(()) => End::Committed,
                Err(error) => End::of_commit(&error, database),
            },
            Err(end) => {
                if matches!(end, End::Unreachable(..)) {
                    database.abandon();
                }
                database.roll_back().await;
                end
            }
        },
        Err(error) => {
            ran.extend(batch.drain(..));
            End::of(&error)
        }
    };
    for errand in ran {
        errand.answer(&end);
    }
    end
}

/// Runs the batch's errands; where one breaks the transaction, those after it stay in the batch.
async fn run_all(
    conn: &mut Conn,
    batch: &mut VecDeque<Box<dyn Errand>>,
    ran: &mut Vec<Box<dyn Errand>>,
    wait: Option<Duration>,
) -> Result<(), End> {
    let alone = batch.len() == 1;
    while let Some(errand) = batch.pop_front() {
        ran.push(errand);
        let errand = ran.last_mut().expect("pushed just now").as_mut();
        let running = async { if alone { Ok(errand.run(conn).await) } else { behind_savepoint(conn, errand).await } };
        let outcome = match wait {
            Some(wait) => answer(wait, running).await,
            None => running.await,
        };
        match outcome {
            Ok(Outcome::Keep) => {}
            Ok(Outcome::Undo) if alone => return Err(End::Undone),
            Ok(Outcome::Undo) => {}
            Ok(Outcome::Broken(end)) => return Err(end),
            Err(error) => return Err(End::of(&error)),
        }
    }
    Ok(())
}

/// What an errand does, it does or does not; those before it stay as they are.
async fn behind_savepoint(conn: &mut Conn, errand: &mut dyn Errand) -> Result<Outcome, sqlx::Error> {
    script(conn, "SAVEPOINT intent").await?;
    let outcome = errand.run(conn).await;
    match outcome {
        Outcome::Keep => script(conn, "RELEASE SAVEPOINT intent").await?,
        Outcome::Undo => script(conn, "ROLLBACK TO SAVEPOINT intent; RELEASE SAVEPOINT intent").await?,
        Outcome::Broken(_) => {}
    }
    Ok(outcome)
}
