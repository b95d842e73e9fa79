//! Pools that people change while work is under way, and what must hold of a lease then.

use pixelfox_server::catalog::{LeasedJob, Pool, PoolPatch, SaveRule};
use proptest::prelude::*;

use super::World;
use crate::store_books::{SIZE, at, pool};

/// What a person does to a pool.
#[derive(Clone, Copy, Debug)]
pub(super) enum PoolChange {
    Active(bool),
    /// Room for so many images; 0: no limit.
    Limit(u64),
    /// The same data is mounted elsewhere by now.
    BasePath,
}

pub(super) fn any_pool_change() -> impl Strategy<Value = PoolChange> {
    prop_oneof![
        2 => any::<bool>().prop_map(PoolChange::Active),
        2 => (0_u64..6).prop_map(PoolChange::Limit),
        1 => Just(PoolChange::BasePath),
    ]
}

impl World {
    /// Nothing but that field changes, above all not what is in the pool and whose data it is.
    pub(super) async fn change_pool(&self, number: u64, how: PoolChange) {
        let before = self.books.pool(number).await;
        let (mut want, mut patch) = (before.clone(), PoolPatch::default());
        match how {
            PoolChange::Active(is_active) => (want.is_active, patch.is_active) = (is_active, Some(is_active)),
            PoolChange::Limit(images) => (want.max_size, patch.max_size) = (images * SIZE, Some(images * SIZE)),
            PoolChange::BasePath => {
                let path = format!("/srv/moved{}", self.now);
                (want.base_path, patch.base_path) = (path.clone(), Some(path));
            }
        }
        let changed = self.books.store.update_pool(pool(number), patch, 0, SaveRule::Checked, at(self.now)).await;
        want.revision += u64::from(want != before);
        assert_eq!(changed.unwrap(), want);
        assert_eq!(self.books.pool(number).await, want);
    }

    /// Nothing goes to a pool that is not active, and nothing beyond its limit: a limit below what is there lets only
    /// come back what lies in the trash already.
    pub(super) async fn assert_heeds(&self, before: &Pool, leased: &[LeasedJob]) {
        let after = self.books.pool(before.id.get()).await;
        assert!(leased.is_empty() || before.is_active, "{before:?}: {leased:?}");
        let taken = |pool: &Pool| pool.usage.used_bytes + pool.usage.trash_bytes + pool.usage.reserved_bytes;
        let most = if before.max_size == 0 { u64::MAX } else { before.max_size.max(taken(before)) };
        assert!(taken(&after) <= most, "{before:?} became {after:?}");
    }

    /// Every pool takes what comes, so that all work can end.
    pub(super) async fn open_pools(&self) {
        for number in [1, self.second] {
            self.change_pool(number, PoolChange::Active(true)).await;
            self.change_pool(number, PoolChange::Limit(0)).await;
        }
    }
}
