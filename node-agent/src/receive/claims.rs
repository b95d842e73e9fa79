//! One writer per pool and path. A newer attempt takes the place of an older one at once, even where the older one's
//! stream waits for bytes that never come; the same attempt twice is told that it is busy.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use pixelfox_proto::{Attempt, PoolId, StoredPath};
use tokio_util::sync::CancellationToken;

use crate::disk::Incoming;

/// How long a newer attempt waits for an older one that is being made durable.
const HANDOVER: Duration = Duration::from_secs(10);

type Key = (PoolId, StoredPath);

/// Who writes where, on this node.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    held: Arc<Mutex<HashMap<Key, Arc<Held>>>>,
}

/// A file on its way in, where a newer attempt can take it away.
#[derive(Debug)]
pub(crate) struct Held {
    attempt: Option<Attempt>,
    file: Mutex<Place>,
    is_overtaken: AtomicBool,
    /// Ends when nobody works on the file any more.
    released: CancellationToken,
}

#[derive(Debug)]
enum Place {
    /// It waits for bytes.
    Here(Incoming),
    /// It is being hashed again or made durable.
    Away,
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
        loop {
            let older = {
                let mut held = self.held.lock();
                if let Some(older) = held.get(&key) {
                    standing(older.attempt.as_ref(), attempt.as_ref())?;
                    if older.is_working() { Some(Arc::clone(older)) } else { None }
                } else {
                    None
                }
                .map_or_else(
                    || {
                        let mine = Arc::new(Held::new(attempt, Place::Away));
                        if let Some(older) = held.insert(key.clone(), Arc::clone(&mine)) {
                            older.overtake();
                        }
                        Err(mine)
                    },
                    Ok,
                )
            };
            match older {
                Err(mine) => return Ok(Claim { all: Some((Arc::clone(&self.held), key)), held: mine }),
                Ok(older) => {
                    older.is_overtaken.store(true, Ordering::Release);
                    if tokio::time::timeout(HANDOVER, older.released.cancelled()).await.is_err() {
                        return Err(Refused::Busy);
                    }
                }
            }
        }
    }
}

impl Held {
    fn new(attempt: Option<Attempt>, place: Place) -> Self {
        Self {
            attempt,
            file: Mutex::new(place),
            is_overtaken: AtomicBool::new(false),
            released: CancellationToken::new(),
        }
    }

    fn is_working(&self) -> bool {
        matches!(*self.file.lock(), Place::Away) && !self.released.is_cancelled()
    }

    /// Takes the file away from whoever waits for its bytes. What is on disk of it stays for the next one.
    fn overtake(&self) {
        let was = std::mem::replace(&mut *self.file.lock(), Place::Overtaken);
        drop(was);
    }
}

/// The right to write a file, until it is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    /// Where it is known to others; `None` for a file whose path is not known yet.
    all: Option<(Arc<Mutex<HashMap<Key, Arc<Held>>>>, Key)>,
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
        match &mut *self.held.file.lock() {
            Place::Here(file) => Ok(work(file)),
            Place::Away | Place::Overtaken => Err(Overtaken),
        }
    }

    /// Takes the file out for work that waits; a newer attempt waits until it is back or the claim is dropped.
    pub(crate) fn take(&self) -> Result<Incoming, Overtaken> {
        let mut place = self.held.file.lock();
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
        if self.held.is_overtaken.load(Ordering::Acquire) {
            return Err(Overtaken);
        }
        *self.held.file.lock() = Place::Here(file);
        Ok(())
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
