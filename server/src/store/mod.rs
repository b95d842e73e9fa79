//! The books: the only room with SQL. Methods are named after intents; each is one transaction that a vanished caller
//! can't cancel. Decides nothing that a pure room can decide, and reads no clock: `now` is an argument.

use pixelfox_proto::{Fault, FaultKind};

use crate::catalog::{Refusal, RefusalKind};

mod images;
mod jobs;
mod nodes;
mod open;
mod outbox;
mod pools;
mod settings;
mod trash;

pub use nodes::AutoPools;
pub use open::Store;
pub use outbox::{Happening, Topic};

/// Why an intent did not happen. Nothing of it is in the books then.
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
        /// Its newest migration.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// `DATABASE_URL` is none that this program can open.
    #[error("DATABASE_URL {url}: {why}")]
    Url {
        /// As given.
        url: String,
        /// What is wrong and what to do.
        why: &'static str,
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
            StoreError::Closed => Self::unavailable(error.to_string()),
            other => Self::internal("could not use the database", &other),
        }
    }
}
