//! Files without a record: found by a slow walk in the background, marked with generation 0, counted for the heartbeat.
//! The walk goes on after a restart where it stood, and begins anew a day after its end: what comes and goes in between
//! is counted as far as it passes through this node. Never deletes anything.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use pixelfox_proto::StoredPath;
use serde::{Deserialize, Serialize};

use super::welcome::Unowned;
use super::{Pool, Pools};
use crate::clock;
use crate::disk::{Disk, DiskError, Listed};
use crate::plane::Plane;

/// How fast the walk may be, and how often.
#[derive(Clone, Copy, Debug)]
pub struct CensusPace {
    /// Files of one step.
    pub files: usize,
    /// Bytes that one step hashes, and what the file that passes this has more.
    pub hashed_bytes: u64,
    /// Between two steps, and before the first.
    pub pause: Duration,
    /// A file that was written to within this time may not be whole: it is counted and marked later.
    pub settled: Duration,
    /// From the end of a walk to the next.
    pub every: Duration,
}

impl Default for CensusPace {
    /// A few hundred files, or some tens of megabytes, a second: less than a hundredth of a core for the counting.
    fn default() -> Self {
        Self {
            files: 512,
            hashed_bytes: 32 << 20,
            pause: Duration::from_secs(2),
            settled: Duration::from_secs(3600),
            every: Duration::from_secs(24 * 3600),
        }
    }
}

/// Between two looks whether a walk is due, where none was.
const IDLE: Duration = Duration::from_secs(60);
/// Files between two turns of the others on the same thread.
const TURN: usize = 32;

/// How far the count of one pool is.
#[derive(Debug, Default)]
pub(super) struct Census(Mutex<Option<Count>>);

/// As it is kept in the pool's own directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Count {
    /// The walk has come to this path; empty: none is under way.
    after: String,
    bytes: u64,
    files: u64,
    /// What the last whole walk counted, with what has changed since.
    last: Option<(u64, u64)>,
    /// When it ended, in Unix seconds.
    ended: i64,
}

impl Count {
    fn shown(&self) -> Unowned {
        let (bytes, files) = self.last.unwrap_or((self.bytes, self.files));
        Unowned { bytes, files }
    }

    /// Whether a walk is under way or due. A clock that was turned back makes one due.
    fn is_due(&self, now: i64, every: Duration) -> bool {
        let every = i64::try_from(every.as_secs()).unwrap_or(i64::MAX);
        !self.after.is_empty() || self.last.is_none() || now < self.ended || now >= self.ended.saturating_add(every)
    }

    fn add(&mut self, path: &str, size: u64) {
        if path <= self.after.as_str() || self.last.is_none() {
            self.bytes = self.bytes.saturating_add(size);
            self.files = self.files.saturating_add(1);
        }
        if let Some((bytes, files)) = &mut self.last {
            (*bytes, *files) = (bytes.saturating_add(size), files.saturating_add(1));
        }
    }
}

impl Census {
    pub(super) fn shown(&self) -> Unowned {
        self.0.lock().as_ref().map(Count::shown).unwrap_or_default()
    }

    /// A file without a record has come to `path` just now.
    pub(super) fn landed(&self, path: &StoredPath, size: u64) {
        if let Some(count) = self.0.lock().as_mut() {
            count.add(path.as_str(), size);
        }
    }

    /// A new walk starts from nothing.
    fn begin(&self) {
        if let Some(count) = self.0.lock().as_mut() {
            (count.bytes, count.files) = (0, 0);
        }
    }

    /// The walk has come on from `before` by `bytes` and `files`, to `after`, or to its end.
    fn came_on(&self, before: &Count, found: (u64, u64), after: Option<String>, now: i64) -> Count {
        let mut state = self.0.lock();
        // What has landed meanwhile is in it already.
        let count = state.get_or_insert_with(|| before.clone());
        (count.bytes, count.files) = (count.bytes.saturating_add(found.0), count.files.saturating_add(found.1));
        match after {
            Some(after) => count.after = after,
            None => {
                count.after.clear();
                (count.last, count.ended) = (Some((count.bytes, count.files)), now);
            }
        }
        count.clone()
    }

    fn load(&self, disk: &Disk) -> Result<Count, DiskError> {
        if let Some(count) = self.0.lock().clone() {
            return Ok(count);
        }
        let kept = disk.census()?.and_then(|text| serde_json::from_str(&text).ok());
        Ok(self.0.lock().get_or_insert(kept.unwrap_or_default()).clone())
    }
}

/// Counts in every pool of the node, for ever.
pub async fn count_unowned(pools: Arc<Pools>, plane: Plane, pace: CensusPace) {
    loop {
        tokio::time::sleep(pace.pause).await;
        let mut has_worked = false;
        for pool in pools.all() {
            let (id, here) = (pool.id(), Arc::clone(&pool));
            match plane.run(async move { step(&here, pace).await }).await {
                Ok(worked) => has_worked |= worked,
                Err(e) => tracing::debug!(pool_id = %id, "could not look for files without a record: {e}"),
            }
        }
        if !has_worked {
            // A disk that opens late, or comes back, is not kept waiting for its walk.
            drop(tokio::time::timeout(IDLE.min(pace.every), pools.opened()).await);
        }
    }
}

/// The next files of a pool's walk. `false`: none is due, or its disk is not there.
async fn step(pool: &Pool, pace: CensusPace) -> Result<bool, DiskError> {
    let Some(disk) = pool.disk() else { return Ok(false) };
    let (count, now) = (pool.census().load(&disk)?, clock::unix_seconds());
    if !count.is_due(now, pace.every) {
        return Ok(false);
    }
    if count.after.is_empty() {
        pool.census().begin();
    }
    let page = disk.walk("", &count.after).next_page(pace.files)?;
    let mut is_whole = page.len() < pace.files;
    let (mut found, mut hashed, mut after) = ((0, 0), 0, count.after.clone());
    for (n, listed) in page.into_iter().enumerate() {
        if n % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
        if hashed >= pace.hashed_bytes {
            is_whole = false;
            break;
        }
        let (is_unowned, read) = meet(&disk, &listed, pace.settled).await?;
        hashed += read;
        if is_unowned {
            found = (found.0 + listed.size, found.1 + 1);
        }
        after = listed.path.into();
    }
    let count = pool.census().came_on(&count, found, (!is_whole).then_some(after), now);
    disk.keep_census(&serde_json::to_string(&count).expect("numbers and words are always JSON"))?;
    Ok(true)
}

/// Whether a file has no record, and how many bytes of it were read: one without a mark gets one.
async fn meet(disk: &Disk, listed: &Listed, settled: Duration) -> Result<(bool, u64), DiskError> {
    let Some(there) = disk.open(&listed.path)? else { return Ok((false, 0)) };
    match there.mark() {
        Some(mark) => Ok((mark.generation.0 == 0, 0)),
        None if clock::now().duration_since(listed.modified).is_ok_and(|age| age >= settled) => {
            drop(there);
            // One that can't be marked now is marked by a later walk.
            if let Err(e) = disk.adopt(&listed.path).await {
                tracing::debug!("could not mark {}: {e}", listed.path);
            }
            Ok((true, listed.size))
        }
        None => Ok((true, 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_is_due_at_first_while_it_is_under_way_and_a_day_after_its_end() {
        let day = Duration::from_secs(86_400);
        let ended = Count { last: Some((1, 1)), ended: 1_000_000, ..Count::default() };
        for (why, count, now, want) in [
            ("never walked", Count::default(), 0, true),
            ("just ended", ended.clone(), 1_000_001, false),
            ("a day later", ended.clone(), 1_086_400, true),
            ("under way", Count { after: "original/a".into(), ..ended.clone() }, 1_000_001, true),
            ("the clock was turned back", ended, 5, true),
        ] {
            assert_eq!(count.is_due(now, day), want, "{why}");
        }
    }

    #[test]
    fn what_lands_during_a_walk_is_counted_once() {
        // Behind the walk it counts in the sum so far, before it the walk will come to it; in the last sum it counts.
        let mut count = Count { after: "original/m".into(), last: Some((100, 1)), ..Count::default() };
        count.add("original/a", 5);
        count.add("original/z", 7);
        assert_eq!((count.bytes, count.files, count.shown()), (5, 1, Unowned { bytes: 112, files: 3 }));
    }
}
