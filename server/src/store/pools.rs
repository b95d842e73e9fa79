//! Pools in the books: their fields, their counters, which one is the default.

use pixelfox_proto::PoolId;

use super::{Store, StoreError};
use crate::catalog::{Pool, PoolDraft, PoolPatch, PoolSaved, PoolUsage, SaveRule, UnixMillis};

impl Store {
    /// Every pool, by id.
    ///
    /// # Errors
    /// The database fails.
    pub async fn list_pools(&self) -> Result<Vec<Pool>, StoreError> {
        todo!()
    }

    /// One pool.
    ///
    /// # Errors
    /// There is none with this id, or the database fails.
    pub async fn get_pool(&self, id: PoolId) -> Result<Pool, StoreError> {
        todo!("{id}")
    }

    /// Makes a pool, or changes the one with the same name, node and base path. The first pool is the default; a new
    /// default takes over from the old one.
    ///
    /// # Errors
    /// A field that can't work (or, without `Anyway`, looks wrong), a name or directory that another pool has.
    pub async fn create_pool(
        &self,
        draft: PoolDraft,
        rule: SaveRule,
        now: UnixMillis,
    ) -> Result<PoolSaved, StoreError> {
        todo!("{draft:?} {rule:?} {now:?}")
    }

    /// The default pool of a fresh cluster: made once; `None` where a pool was ever made.
    ///
    /// # Errors
    /// As for a new pool.
    pub async fn first_pool(&self, draft: PoolDraft, now: UnixMillis) -> Result<Option<Pool>, StoreError> {
        todo!("{draft:?} {now:?}")
    }

    /// Changes fields of a pool. `expected_revision` 0: whatever it is now.
    ///
    /// # Errors
    /// No such pool, another revision, a field that can't work, the only default giving that up.
    pub async fn update_pool(
        &self,
        id: PoolId,
        patch: PoolPatch,
        expected_revision: u64,
        rule: SaveRule,
        now: UnixMillis,
    ) -> Result<Pool, StoreError> {
        todo!("{id} {patch:?} {expected_revision} {rule:?} {now:?}")
    }

    /// Notes that these pools were reported healthy: their node may not make their directory anew any more. Gives
    /// those for which that is new (each needs a new Welcome). No transaction where there is none.
    ///
    /// # Errors
    /// The database fails.
    pub async fn pools_reported_healthy(&self, pools: Vec<PoolId>) -> Result<Vec<PoolId>, StoreError> {
        todo!("{pools:?}")
    }

    /// Counts what is in each pool anew from the copies on record, and sets the counters. Gives before and after.
    ///
    /// # Errors
    /// The database fails.
    pub async fn recount_usage(&self) -> Result<Vec<(PoolId, PoolUsage, PoolUsage)>, StoreError> {
        todo!()
    }
}
