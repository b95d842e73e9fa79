//! What keeps a pool from being deleted. Pure.

use super::{Pool, Refusal};

/// What is in a pool and what works on it, by the books.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolHoldings {
    /// Images that are on record there.
    pub images: u64,
    /// Copies of any state, those in the trash included.
    pub files: u64,
    /// Copies that are in the trash, on their way into it or out of it.
    pub trashed: u64,
    /// Jobs that have not ended and move into the pool or out of it.
    pub jobs: u64,
}

impl PoolHoldings {
    /// Whether the pool may be deleted.
    ///
    /// # Errors
    /// The default pool, and one that is in use: with the counts and the cure.
    pub fn let_go(&self, pool: &Pool) -> Result<(), Refusal> {
        let name = &pool.name;
        if pool.is_default {
            return Err(Refusal::precondition(format!(
                "pool {name} is the default pool; make another one the default first (UpdatePool, is_default)"
            )));
        }
        let trash = format!("{} in the trash", self.trashed);
        let held = match (self.images, self.files) {
            (0, 0) => None,
            (0, files) if files == self.trashed => Some(format!("{} in the trash", count(files, "file"))),
            (images, files) if self.trashed == 0 => {
                Some(format!("{} ({})", count(images, "image"), count(files, "file")))
            }
            (images, files) => Some(format!("{} ({}, {trash})", count(images, "image"), count(files, "file"))),
        };
        let jobs = (self.jobs > 0).then(|| count(self.jobs, "open job"));
        let only_trash = self.images == 0 && self.files == self.trashed;
        let (what, cure) = match (held, jobs) {
            (None, None) => return Ok(()),
            (Some(held), Some(jobs)) => (format!("{held} and {jobs}"), "move or delete them first"),
            (Some(held), None) if only_trash => {
                (held, "they go after trash_hours, or at once where that setting is 0 (UpdateSettings)")
            }
            (Some(held), None) => (held, "move or delete them first"),
            (None, Some(jobs)) => (jobs, "let them end, or cancel them first (CancelJobs)"),
        };
        Err(Refusal::precondition(format!("pool {name} holds {what}; {cure}")))
    }
}

/// `1 image`, `3 images`.
fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use pixelfox_proto::PoolId;

    use super::*;
    use crate::catalog::{PoolUsage, StorageTier, StorageType, UnixMillis};

    fn pool(is_default: bool) -> Pool {
        Pool {
            id: PoolId::try_from(2).expect("not 0"),
            name: "img1".into(),
            node: "s01".parse().expect("a NODE_ID"),
            base_path: "/app/uploads".into(),
            identity: String::new(),
            upload_api_url: String::new(),
            public_base_url: String::new(),
            max_size: 0,
            is_active: true,
            is_default,
            priority: 10,
            storage_type: StorageType::Local,
            storage_tier: StorageTier::Hot,
            description: String::new(),
            legacy_pool_id: 0,
            legacy_node: false,
            initialize: false,
            revision: 1,
            created: UnixMillis(0),
            usage: PoolUsage::default(),
        }
    }

    #[test]
    fn what_keeps_a_pool_is_said_with_counts_and_cure() {
        for (images, files, trashed, jobs, want) in [
            (
                3,
                5,
                2,
                1,
                "pool img1 holds 3 images (5 files, 2 in the trash) and 1 open job; move or delete them first",
            ),
            (1, 1, 0, 0, "pool img1 holds 1 image (1 file); move or delete them first"),
            (0, 2, 2, 0, "pool img1 holds 2 files in the trash; they go after trash_hours"),
            (0, 1, 1, 2, "pool img1 holds 1 file in the trash and 2 open jobs; move or delete them first"),
            (0, 1, 0, 0, "pool img1 holds 0 images (1 file); move or delete them first"),
            (0, 0, 0, 4, "pool img1 holds 4 open jobs; let them end, or cancel them first"),
        ] {
            let refused = PoolHoldings { images, files, trashed, jobs }.let_go(&pool(false)).expect_err(want);
            assert!(refused.message.starts_with(want), "{want}: {refused}");
        }
        assert_eq!(PoolHoldings::default().let_go(&pool(false)), Ok(()));
        let refused = PoolHoldings::default().let_go(&pool(true)).expect_err("the default");
        assert!(refused.message.contains("is the default pool; make another one the default first"), "{refused}");
    }
}
