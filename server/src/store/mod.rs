//! The books: the only room with SQL. Methods are named after intents; each is one transaction that a vanished caller
//! can't cancel. Decides nothing that a pure room can decide, and reads no clock: `now` is an argument.

use pixelfox_proto::{Fault, FaultKind, text};

use crate::catalog::{Refusal, RefusalKind};

mod accounts;
mod arrival;
mod audit;
mod checks;
mod commit;
mod control;
mod copy;
mod database;
mod deletes;
mod dialect;
mod endings;
mod fit;
mod gather;
mod held;
mod holdings;
mod hour;
mod image_list;
mod image_walk;
mod images;
mod job_list;
mod jobs;
mod keys;
mod lease;
mod line;
mod listen;
mod load;
mod newcomers;
mod nodes;
mod open;
mod outbox;
mod plan;
mod plan_pool;
mod pools;
mod postgres;
mod purge;
mod queue;
mod rebuild;
mod replace;
mod requests;
mod room;
mod rows;
mod servers;
mod settings;
mod slices;
mod split;
mod sqlite;
mod statement;
mod taken_back;
mod tally;
mod trash;
mod undo;
mod uploaders;
mod uploads;
mod value;
mod which;
mod writer;

#[cfg(test)]
mod list_plans;
#[cfg(test)]
mod list_tests;
#[cfg(test)]
mod tests;

pub use copy::{Contents, Hold};
pub use listen::{Listener, Rumour};
pub use load::{Load, QueueAges};
pub use nodes::AutoPools;
pub use open::Store;
pub use outbox::{Happening, Topic};
pub use uploads::Decided;

/// Why an intent did not happen. Nothing of it is in the books then, except where the database failed at the commit
/// itself: there it is not known, and the intent is to be asked again.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The books don't take it: the caller's to change.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database is of a newer program.
    #[error(
        "the database {url} is of a newer program (it has migration {found}, this program knows up to {known}): \
         start that program, or restore a backup of this one"
    )]
    Newer {
        /// Which database.
        url: String,
        /// A migration of it that we don't know.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A copy, or a database, that can't be relied on.
    #[error("{what} is no whole database of PixelFox: {why}")]
    NotBooks {
        /// Where it is.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// `DATABASE_URL` is none that this program can open.
    #[error("DATABASE_URL {url}: {why}")]
    Url {
        /// As given.
        url: String,
        /// What is wrong and what to do.
        why: &'static str,
    },
    /// The database's place can't be used.
    #[error("could not {doing} {path}")]
    Place {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: String,
        /// Why not.
        #[source]
        cause: std::io::Error,
    },
    /// The database failed.
    #[error("the database could not {doing}")]
    Database {
        /// What was tried.
        doing: &'static str,
        /// Why not.
        #[source]
        cause: sqlx::Error,
    },
    /// The database does not answer, or not any more, or its disk is full: what is in it stays, the intent is to be asked
    /// again. Where only the answer to its commit was lost, it may have happened.
    #[error("the database can't be used now: {why}")]
    Unreachable {
        /// As the connection tells it.
        why: String,
        /// How far it came.
        commit: Commit,
    },
    /// It was part of a transaction that failed for another's sake, or whose commit failed.
    #[error("the database could not {doing}: its transaction failed")]
    Undone {
        /// What was tried.
        doing: &'static str,
    },
    /// The database has something that no program of ours writes.
    #[error("the database has {what}, which this program does not understand")]
    Garbled {
        /// What, and where.
        what: String,
    },
    /// The store was closed, or its writer is dead.
    #[error("the database is closed")]
    Closed,
}

/// How far an intent came before the database was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// Its commit was not sent: it did not happen.
    NotSent,
    /// Its commit was sent and the answer lost: nobody knows.
    Unanswered,
}

impl StoreError {
    /// Whether the intent may be in the books all the same.
    #[must_use]
    pub const fn may_have_happened(&self) -> bool {
        matches!(self, Self::Unreachable { commit: Commit::Unanswered, .. } | Self::Closed)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(refusal) => {
                let kind = match refusal.kind {
                    RefusalKind::Invalid => FaultKind::BadRequest,
                    RefusalKind::NotFound => FaultKind::NotFound,
                    RefusalKind::Exists => FaultKind::Conflict,
                    RefusalKind::Precondition | RefusalKind::Changed => FaultKind::FailedPrecondition,
                };
                Self::new(kind, refusal.message)
            }
            StoreError::Closed => Self::unavailable(text!(de "die Datenbank ist geschlossen", en "{error}")),
            StoreError::Unreachable { ref why, .. } => {
                Self::unavailable(text!(de "die Datenbank ist gerade nicht erreichbar: {why}", en "{error}"))
            }
            other => Self::internal("could not use the database", &other).in_german(
                "die Datenbank ließ sich nicht benutzen: interner Fehler, die Ursache steht im Log dieses Servers",
            ),
        }
    }
}

/// What stops the inside of a transaction, before it is known what was being done.
#[derive(Debug)]
enum Trouble {
    Refused(Refusal),
    Garbled(String),
    Sql(sqlx::Error),
}

impl Trouble {
    fn into_error(self, doing: &'static str) -> StoreError {
        match self {
            Self::Refused(refusal) => StoreError::Refused(refusal),
            Self::Garbled(what) => StoreError::Garbled { what },
            Self::Sql(sqlx::Error::PoolClosed) => StoreError::Closed,
            Self::Sql(cause) if database::is_lost(&cause) => {
                StoreError::Unreachable { why: cause.to_string(), commit: Commit::NotSent }
            }
            Self::Sql(cause) => StoreError::Database { doing, cause },
        }
    }

    /// What becomes of the transaction that it ends.
    fn end(&self) -> writer::End {
        match self {
            Self::Refused(_) | Self::Garbled(_) => writer::End::Undone,
            Self::Sql(error) => writer::End::of(error),
        }
    }

    /// Whether the database may have rolled the whole transaction back by itself. A constraint undoes one statement only.
    fn ends_transaction(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Garbled(_) => false,
            Self::Sql(sqlx::Error::Database(error)) => error.kind() == sqlx::error::ErrorKind::Other,
            Self::Sql(_) => true,
        }
    }
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
