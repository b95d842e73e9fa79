//! News of the other servers as they happen: each transaction that writes to the outbox notifies with it.

use sqlx::postgres::{PgListener, PgPoolOptions};

use super::{Commit, Store, StoreError, outbox, postgres::Shared};

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rumour {
    /// Another server wrote to the outbox.
    News,
    /// The line was cut for a while: anything may have happened.
    Gap,
}

/// A line to the database on which other servers' news come.
#[derive(Debug)]
pub struct Listener {
    line: PgListener,
    shared: Shared,
}

impl Store {
    /// Listens to other servers; `None` where there are none.
    ///
    /// # Errors
    /// The database can't be reached.
    pub async fn listen(&self) -> Result<Option<Listener>, StoreError> {
        let Some(shared) = self.shared.clone() else { return Ok(None) };
        let lost = |cause: sqlx::Error| StoreError::Unreachable { why: cause.to_string(), commit: Commit::NotSent };
        let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(shared.options.clone());
        let mut line = PgListener::connect_with(&pool).await.map_err(lost)?;
        line.listen(outbox::CHANNEL).await.map_err(lost)?;
        Ok(Some(Listener { line, shared }))
    }
}

impl Listener {
    /// Waits for the next news that are not this process's own. Cancel safe.
    ///
    /// # Errors
    /// The line is cut and can't be had again: listen anew.
    pub async fn next(&mut self) -> Result<Rumour, StoreError> {
        loop {
            match self.line.try_recv().await {
                Ok(Some(heard)) if heard.payload() == self.shared.tag => {}
                Ok(Some(_)) => return Ok(Rumour::News),
                Ok(None) => return Ok(Rumour::Gap),
                Err(cause) => return Err(StoreError::Unreachable { why: cause.to_string(), commit: Commit::NotSent }),
            }
        }
    }
}
