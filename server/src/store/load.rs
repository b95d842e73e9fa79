//! How busy the books are, and how long the queue has waited: for those who watch over it. Each question is answered
//! from memory or by one step in an index, however many jobs there are.

use super::{Store, StoreError, statement};
use crate::catalog::UnixMillis;

/// Connections and waiting intents, now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Connections that read.
    pub open: u64,
    /// Those of them that nobody uses.
    pub idle: u64,
    /// Intents that wait for the writer.
    pub waiting: u64,
}

/// Since when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueAges {
    /// The oldest pending job was made.
    pub waiting_since: Option<UnixMillis>,
    /// The oldest lease of a job under way was given.
    pub leased_since: Option<UnixMillis>,
}

/// Jobs are numbered in the order in which they are made.
/// Under way are as many as nodes have slots, and a parent is never leased.
const AGES: &str = "
SELECT (SELECT j.created FROM jobs j WHERE j.state = 'pending' ORDER BY j.id LIMIT 1),
    (SELECT MIN(j.leased) FROM jobs j WHERE j.state = 'processing' AND j.leased > 0)";

impl Store {
    /// How long the queue has waited.
    ///
    /// # Errors
    /// The database fails.
    pub async fn queue_ages(&self) -> Result<QueueAges, StoreError> {
        self.read("read how old the queue is", async |mut conn| {
            let (waiting, leased): (Option<i64>, Option<i64>) = statement::query_as(AGES).fetch_one(&mut conn).await?;
            Ok(QueueAges { waiting_since: waiting.map(UnixMillis), leased_since: leased.map(UnixMillis) })
        })
        .await
    }
}
