//! Counts of jobs for everybody who looks. Counting reads two whole indexes, so it takes a fiftieth of the time at most:
//! small books are counted once a second, those with millions of jobs every few seconds, and in between everybody gets
//! what was counted last.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::catalog::{JobTotals, UnixMillis};
use crate::clock;
use crate::store::{Store, StoreError};

/// Counts are good for so many times as long as counting took,
const WORTH: u32 = 50;
/// and for so long at least.
const FRESH: Duration = Duration::from_secs(1);

/// What was counted, and when.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    /// The counts.
    pub(super) totals: JobTotals,
    /// Their time.
    pub(super) at: UnixMillis,
    until: Instant,
}

/// The last counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    last: Arc<Mutex<Option<Counted>>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Counts {
    /// The counts, new where that is due and nobody else is at it.
    pub(super) async fn of(&self, store: &Store) -> Result<Counted, StoreError> {
        let last = self.last();
        if let Some(last) = last.as_ref().filter(|last| Instant::now() < last.until) {
            return Ok(last.clone());
        }
        let _turn = match (self.turn.try_lock(), last) {
            (Ok(turn), _) => turn,
            (Err(_), Some(last)) => return Ok(last),
            (Err(_), None) => self.turn.lock().await,
        };
        if let Some(last) = self.last().filter(|last| Instant::now() < last.until) {
            return Ok(last);
        }
        let (begun, at) = (Instant::now(), clock::now());
        let totals = store.job_totals().await?;
        let until = begun + FRESH.max(begun.elapsed() * WORTH);
        let counted = Counted { totals, at, until };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(counted.clone());
        Ok(counted)
    }

    fn last(&self) -> Option<Counted> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
