//! What happened, written in the same transaction as the thing itself and published afterwards.

use super::{Store, StoreError};
use crate::catalog::UnixMillis;

/// What a happening is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Jobs; subjects are job ids.
    Job,
    /// Pools; subjects are pool ids.
    Pool,
    /// Images; subjects are UUIDs.
    Image,
    /// Nodes; subjects are NODE_IDs.
    Node,
    /// Settings; no subjects.
    Settings,
}

/// One transaction's news on one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// Rises with each.
    pub number: u64,
    /// When.
    pub at: UnixMillis,
    /// About what.
    pub topic: Topic,
    /// Which of them.
    pub subjects: Vec<String>,
}

impl Store {
    /// News after this number, oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn happenings_after(&self, number: u64, limit: u32) -> Result<Vec<Happening>, StoreError> {
        todo!("{number} {limit}")
    }

    /// Forgets news up to this number.
    ///
    /// # Errors
    /// The database fails.
    pub async fn forget_happenings(&self, up_to: u64) -> Result<(), StoreError> {
        todo!("{up_to}")
    }
}
