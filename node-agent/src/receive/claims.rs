//! One writer per pool and path. A newer attempt takes the place of an older one at once, even where the older one's
//! stream waits for bytes that never come; the same attempt twice is told that it is busy.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use pixelfox_proto::{Attempt, PoolId, StoredPath};
use tokio_util::sync::CancellationToken;

use crate::disk::Incoming;

/// How long a newer attempt waits for an older one that is being made durable.
const HANDOVER: Duration = Duration::from_secs(10);

type Key = (PoolId, StoredPath);
type Table = Arc<Mutex<HashMap<Key, Arc<Held>>>>;

/// Who writes where, on this node.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    held: Table,
}

/// A file on its way in, where a newer attempt can take it away.
#[derive(Debug)]
pub(crate) struct Held {
    attempt: Option<Attempt>,
    place: Mutex<Place>,
    /// Ends when nobody works on the file any more.
    released: CancellationToken,
}

#[derive(Debug)]
enum Place {
    /// It waits for bytes.
    Here(Incoming),
    /// It is being hashed again or made durable.
    Away,
    /// As `Away`, and a newer attempt waits for the end of it.
    AwayAndAwaited,
    /// A newer attempt has the name now.
    Overtaken,
}

/// Why a claim was not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The same attempt is being received on another stream, or a newer one waits in vain for an older one.
    Busy,
    /// A newer attempt is being received.
    Stale,
}

/// How a new attempt stands to the one that writes already. Pure: leases order attempts, and a coordinator's goes
/// before one by hand.
fn standing(held: Option<&Attempt>, new: Option<&Attempt>) -> Result<(), Refused> {
    match (held.map(|held| held.lease), new.map(|new| new.lease)) {
        (None, Some(_)) => Ok(()),
        (_, None) => Err(Refused::Busy),
        (Some(held), Some(new)) if new > held => Ok(()),
        (Some(held), Some(new)) if new == held => Err(Refused::Busy),
        (Some(_), Some(_)) => Err(Refused::Stale),
    }
}

impl Claims {
    /// Becomes the one writer of `path`, after an older one has let go.
    pub(crate) async fn claim(
        &self,
        pool: PoolId,
        path: &StoredPath,
        attempt: Option<Attempt>,
    ) -> Result<Claim, Refused> {
        let key = (pool, path.clone());
        let deadline = tokio::time::Instant::now() + HANDOVER;
        loop {
            let mine = Arc::new(Held::new(attempt, Place::Away));
            let older = match self.enter(&key, &mine, None)? {
                Entered::First => return Ok(self.given(key, mine)),
                Entered::After(older) => older,
            };
            // Not under the lock of the table: the older one may be inside a write to a disk that hangs.
            if older.overtake() {
                if matches!(self.enter(&key, &mine, Some(&older))?, Entered::First) {
                    return Ok(self.given(key, mine));
                }
            } else if tokio::time::timeout_at(deadline, older.released.cancelled()).await.is_err() {
                return Err(Refused::Busy);
            }
        }
    }

    /// Enters `mine` where nobody is, or where only `overtaken` is.
    fn enter(&self, key: &Key, mine: &Arc<Held>, overtaken: Option<&Arc<Held>>) -> Result<Entered, Refused> {
        let mut all = self.held.lock();
        if let Some(older) = all.get(key).filter(|older| !overtaken.is_some_and(|gone| Arc::ptr_eq(gone, older))) {
            standing(older.attempt.as_ref(), mine.attempt.as_ref())?;
            return Ok(Entered::After(Arc::clone(older)));
        }
        all.insert(key.clone(), Arc::clone(mine));
        Ok(Entered::First)
    }

    fn given(&self, key: Key, held: Arc<Held>) -> Claim {
        Claim { all: Some((Arc::clone(&self.held), key)), held }
    }
}

enum Entered {
    First,
    After(Arc<Held>),
}

impl Held {
    fn new(attempt: Option<Attempt>, place: Place) -> Self {
        Self { attempt, place: Mutex::new(place), released: CancellationToken::new() }
    }

    /// Takes the file away from whoever waits for its bytes; what is on disk of it stays for the next one. `false`:
    /// it is being worked on, and its end has to be waited for.
    fn overtake(&self) -> bool {
        let mut place = self.place.lock();
        match *place {
            Place::Here(_) | Place::Overtaken => {
                *place = Place::Overtaken;
                true
            }
            Place::Away | Place::AwayAndAwaited => {
                *place = Place::AwayAndAwaited;
                self.released.is_cancelled()
            }
        }
    }
}

/// The right to write a file, until it is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    /// Where it is known to others; `None` for a file whose path is not known yet.
    all: Option<(Table, Key)>,
    held: Arc<Held>,
}

/// A newer attempt has the name now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overtaken;

impl Claim {
    /// For a file whose path is not known yet: nobody overtakes it.
    pub(crate) fn unnamed(file: Incoming) -> Self {
        Self { all: None, held: Arc::new(Held::new(None, Place::Here(file))) }
    }

    /// Works on the file where it is. The lock is never contended but by an attempt that overtakes.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Incoming) -> T) -> Result<T, Overtaken> {
        match &mut *self.held.place.lock() {
            Place::Here(file) => Ok(work(file)),
            Place::Away | Place::AwayAndAwaited | Place::Overtaken => Err(Overtaken),
        }
    }

    /// Takes the file out for work that waits; a newer attempt waits until it is back or the claim is dropped.
    pub(crate) fn take(&self) -> Result<Incoming, Overtaken> {
        let mut place = self.held.place.lock();
        match std::mem::replace(&mut *place, Place::Away) {
            Place::Here(file) => Ok(file),
            other => {
                *place = other;
                Err(Overtaken)
            }
        }
    }

    /// Puts the file back, unless a newer attempt waits for it.
    pub(crate) fn put(&self, file: Incoming) -> Result<(), Overtaken> {
        let mut place = self.held.place.lock();
        match *place {
            Place::Away => {
                *place = Place::Here(file);
                Ok(())
            }
            Place::Here(_) | Place::AwayAndAwaited | Place::Overtaken => Err(Overtaken),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some((all, key)) = &self.all {
            let mut all = all.lock();
            if all.get(key).is_some_and(|held| Arc::ptr_eq(held, &self.held)) {
                all.remove(key);
            }
        }
        self.held.released.cancel();
    }
}

#[cfg(test)]
mod tests {
    use pixelfox_proto::{Generation, JobId, Lease};

    use super::*;

    fn attempt(lease: u64) -> Option<Attempt> {
        let job = JobId::try_from(1).unwrap();
        Some(Attempt { lease: Lease(lease), job, attempt: 1, generation: Generation(2) })
    }

    #[test]
    fn who_may_take_a_name_from_whom() {
        for (why, held, new, want) in [
            ("a newer lease", attempt(1), attempt(2), Ok(())),
            ("the same attempt twice", attempt(2), attempt(2), Err(Refused::Busy)),
            ("an older lease", attempt(2), attempt(1), Err(Refused::Stale)),
            ("a move goes before a hand", None, attempt(1), Ok(())),
            ("a hand waits for a move", attempt(1), None, Err(Refused::Busy)),
            ("two hands", None, None, Err(Refused::Busy)),
        ] {
            assert_eq!(standing(held.as_ref(), new.as_ref()), want, "{why}");
        }
    }

    #[tokio::test]
    async fn a_newer_attempt_waits_for_one_that_is_being_made_durable() {
        // The older one is away from its start on: the newer one gets the name when the older one is dropped.
        let claims = Arc::new(Claims::default());
        let (pool, path) = (PoolId::try_from(1).unwrap(), "original/a".parse::<StoredPath>().unwrap());
        let older = claims.claim(pool, &path, attempt(1)).await.unwrap();
        let newer = claims.claim(pool, &path, attempt(2));
        tokio::pin!(newer);
        tokio::select! {
            biased;
            _ = &mut newer => panic!("got the name too early"),
            () = tokio::task::yield_now() => drop(older),
        }
        let newer = newer.await.unwrap();
        assert_eq!(claims.claim(pool, &path, attempt(2)).await.unwrap_err(), Refused::Busy);
        drop(newer);
        assert!(claims.held.lock().is_empty(), "nothing is left of a claim that is dropped");
    }
}
