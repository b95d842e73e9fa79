//! Old copies: which node still has to be told, and what became of it.

use pixelfox_proto::{NodeId, SessionEpoch};

use super::{Store, StoreError};
use crate::catalog::{SettledJob, TrashOrder, TrashResult, UnixMillis};

impl Store {
    /// Condemned copies on this node for which no word is out under this session and whose time has come: up to
    /// `limit`, taken as sent from now on. Call when a node attaches, after a commit, and when
    /// [`Store::next_trash_order`] says so. Where the word could not be sent: give them back as [`TrashResult`]s with
    /// `Again(now)`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn delete_orders_due(
        &self,
        node: NodeId,
        epoch: SessionEpoch,
        limit: u32,
        now: UnixMillis,
    ) -> Result<Vec<TrashOrder>, StoreError> {
        todo!("{node} {epoch} {limit} {now:?}")
    }

    /// When the next order of this node that is not out is due, or `None`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn next_trash_order(&self, node: &NodeId, epoch: SessionEpoch) -> Result<Option<UnixMillis>, StoreError> {
        todo!("{node} {epoch}")
    }

    /// The nodes' words on old copies: `trashed` or off the books; jobs whose last one it was are `completed`.
    /// Repeated or late ones do nothing.
    ///
    /// # Errors
    /// The database fails.
    pub async fn finish_trash(
        &self,
        results: Vec<TrashResult>,
        now: UnixMillis,
    ) -> Result<Vec<SettledJob>, StoreError> {
        todo!("{results:?} {now:?}")
    }
}
