//! Counts of jobs for everybody who looks. Counting reads two whole indexes, so it takes a fiftieth of the time at most:
//! small books are counted once a second, those with millions of jobs every few seconds, and nobody waits for that longer
//! than a moment: then it is what was counted last.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use crate::catalog::{JobTotals, UnixMillis};
use crate::clock;
use crate::store::{Store, StoreError};

/// Counts are good for so many times as long as counting took,
const WORTH: u32 = 50;
/// and for so long at least.
const FRESH: Duration = Duration::from_secs(1);
/// How long one waits for new ones.
const PATIENCE: Duration = Duration::from_millis(30);

/// What was counted, and when.
#[derive(Clone, Debug)]
pub struct Counted {
    /// The counts.
    pub totals: JobTotals,
    /// Their time.
    pub at: UnixMillis,
    until: Instant,
}

/// The last counts.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    last: Arc<Mutex<Option<Counted>>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Counts {
    /// The counts: new ones where they are due and soon there, else the last.
    ///
    /// # Errors
    /// The database fails.
    pub async fn of(&self, store: &Store, tasks: &TaskTracker) -> Result<Counted, StoreError> {
        let Some(last) = self.last() else {
            let _turn = self.turn.lock().await;
            return match self.last() {
                Some(last) => Ok(last),
                None => self.count(store).await,
            };
        };
        if Instant::now() < last.until {
            return Ok(last);
        }
        let Ok(turn) = self.turn.clone().try_lock_owned() else { return Ok(last) };
        let (this, store) = (self.clone(), store.clone());
        let counting = tasks.spawn(async move {
            let _turn = turn;
            this.count(&store).await
        });
        match timeout(PATIENCE, counting).await {
            Ok(Ok(counted)) => counted,
            _ => Ok(last),
        }
    }

    async fn count(&self, store: &Store) -> Result<Counted, StoreError> {
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
