//! Whether a pool's upload URL was reached when somebody last had the pool checked: memory of this process, for the
//! table of pools.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use parking_lot::Mutex;

/// Pools that are remembered at most.
const KEPT: usize = 1000;

/// What a check said of a pool's upload URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiCheck {
    pub(crate) at: Timestamp,
    /// The URL that was tried: another one has not been.
    pub(crate) url: String,
    /// What is wrong with it; empty: nothing.
    pub(crate) problem: String,
}

/// By pool.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checks(Arc<Mutex<HashMap<u64, ApiCheck>>>);

impl Checks {
    pub(crate) fn note(&self, pool: u64, check: ApiCheck) {
        let mut kept = self.0.lock();
        kept.insert(pool, check);
        if kept.len() > KEPT {
            let oldest = kept.iter().min_by_key(|(_, check)| check.at).map(|(pool, _)| *pool);
            oldest.and_then(|pool| kept.remove(&pool));
        }
    }

    /// Of this URL of this pool.
    pub(crate) fn of(&self, pool: u64, url: &str) -> Option<ApiCheck> {
        self.0.lock().get(&pool).filter(|check| check.url == url).cloned()
    }
}
