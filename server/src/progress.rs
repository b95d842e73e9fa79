//! How far running transfers are and how fast they go: memory only, bounded by what is in flight, gone with the process.
//! Knows no database and no wire type; time comes in.

mod minutes;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use pixelfox_proto::{JobId, Lease, PoolId};
use tokio::time::Instant;

use self::minutes::Minutes;
pub use self::minutes::{Minute, SHOWN as SHOWN_MINUTES};
use crate::catalog::LeasedJob;

/// Rates are averages over about so long.
const SMOOTHED_OVER: Duration = Duration::from_secs(5);
/// Bytes are gathered for so long before they count: single frames say nothing of a rate.
const SAMPLE: Duration = Duration::from_millis(250);
/// A transfer that is silent for longer slows down in the figures.
const SILENT: Duration = Duration::from_secs(2);
/// Without a word for longer nothing flows any more.
const OVER: Duration = Duration::from_secs(12);
/// Parents, ways between pools and transfers that were broken off, of which something is kept at most.
const KEPT: usize = 1024;

/// Where the figures are. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    inner: Arc<Mutex<Inner>>,
}

/// How far something is beyond what the books say, and how fast it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Bytes that have gone since the last commit.
    pub bytes: u64,
    /// Bytes per second, smoothed; 0: nothing flows.
    pub bytes_per_second: f64,
}

#[derive(Debug, Default)]
struct Inner {
    jobs: HashMap<JobId, Flight>,
    aside: HashMap<JobId, Aside>,
    parents: HashMap<JobId, Meter>,
    ways: HashMap<(PoolId, PoolId), Meter>,
    all: Meter,
    minutes: Minutes,
}

/// What had come of a job when it was broken off: the target goes on with it.
#[derive(Debug)]
struct Aside {
    parent: Option<JobId>,
    bytes: u64,
    since: Instant,
}

/// A way between two pools on which bytes go now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flow {
    /// From where.
    pub source: PoolId,
    /// To where.
    pub target: PoolId,
    /// Smoothed.
    pub bytes_per_second: f64,
    /// Images under way.
    pub images: u32,
}

/// A job in flight.
#[derive(Debug)]
struct Flight {
    lease: Lease,
    parent: Option<JobId>,
    way: (PoolId, PoolId),
    /// Bytes that had come before it, by an attempt that was broken off.
    before: u64,
    /// Bytes up to which they count as sent, or as there.
    counted: u64,
    /// Bytes of files that are at the target.
    landed: u64,
    /// Bytes of the file whose pieces go out.
    flowing: u64,
    meter: Meter,
}

impl Progress {
    /// With a history that begins at `now`.
    #[must_use]
    pub fn started(now: Instant) -> Self {
        let inner = Inner { minutes: Minutes::since(now), ..Inner::default() };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// An upload of so many bytes became an image.
    pub fn uploaded(&self, bytes: u64, now: Instant) {
        let mut inner = self.inner.lock();
        let minute = inner.minutes.at(now);
        minute.images_uploaded += 1;
        minute.bytes_uploaded += bytes;
    }

    /// What the hour before the start brought, by the books: each minute with how long ago it was.
    pub fn remember(&self, past: &[(Duration, Minute)], now: Instant) {
        self.inner.lock().minutes.remember(past, now);
    }

    /// The minutes of the last hour as far as this process has seen them, oldest first, each with its age at its begin.
    #[must_use]
    pub fn last_hour(&self, now: Instant) -> Vec<(Duration, Minute)> {
        self.inner.lock().minutes.last(now)
    }

    /// Where bytes go now, by pool.
    #[must_use]
    pub fn flows(&self, now: Instant) -> Vec<Flow> {
        let inner = self.inner.lock();
        let mut images: HashMap<(PoolId, PoolId), u32> = HashMap::new();
        for flight in inner.jobs.values() {
            *images.entry(flight.way).or_default() += 1;
        }
        let flow = |(way, meter): (&(PoolId, PoolId), &Meter)| {
            let (images, bytes_per_second) = (images.get(way).copied().unwrap_or(0), meter.rate(now));
            let flow = Flow { source: way.0, target: way.1, bytes_per_second, images };
            (images > 0 || bytes_per_second > 0.0).then_some(flow)
        };
        let mut flows: Vec<Flow> = inner.ways.iter().filter_map(flow).collect();
        flows.sort_by_key(|flow| (flow.source, flow.target));
        flows
    }

    /// A job goes out.
    pub fn begin(&self, job: &LeasedJob, now: Instant) {
        let way = (job.source, job.target);
        let meter = Meter { since: Some(now), ..Meter::default() };
        let mut inner = self.inner.lock();
        let before = inner.aside.remove(&job.job).map_or(0, |aside| aside.bytes);
        let counted = before;
        let flight =
            Flight { lease: job.lease, parent: job.parent, way, before, counted, landed: 0, flowing: 0, meter };
        inner.jobs.insert(job.job, flight);
        inner.make_room();
    }

    /// So many bytes of the file that is under way were at the target before this attempt: they do not count as sent.
    pub fn resumed(&self, job: JobId, lease: Lease, bytes: u64) {
        let mut inner = self.inner.lock();
        if let Some(flight) = inner.jobs.get_mut(&job).filter(|flight| flight.lease == lease) {
            flight.counted = flight.counted.max(flight.landed + bytes);
        }
    }

    /// So many bytes of the file that is under way have gone. `false`: this lease is not in flight.
    pub fn flowing(&self, job: JobId, lease: Lease, bytes: u64, now: Instant) -> bool {
        self.inner.lock().change(job, lease, now, Counts::Flowed, |flight| flight.flowing = bytes)
    }

    /// A file of so many bytes is at the target: by a transfer, or because it was there.
    pub fn landed(&self, job: JobId, lease: Lease, bytes: u64, how: Counts, now: Instant) -> bool {
        self.inner.lock().change(job, lease, now, how, |flight| {
            flight.landed += bytes;
            flight.flowing = 0;
        })
    }

    /// These are at their target.
    pub fn over(&self, leases: &HashSet<Lease>) {
        self.inner.lock().jobs.retain(|_, flight| !leases.contains(&flight.lease));
    }

    /// These are broken off, and perhaps gone on with: what has come of them stays in the figures, and where nothing else
    /// flows now nothing does.
    pub fn set_aside(&self, leases: &HashSet<Lease>, now: Instant) {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let broken = |flight: &mut Flight| leases.contains(&flight.lease);
        let gone: Vec<(JobId, Flight)> = inner.jobs.extract_if(|_, flight| broken(flight)).collect();
        for (job, flight) in gone {
            if !inner.jobs.values().any(|other| other.way == flight.way) {
                inner.ways.entry(flight.way).or_default().rest();
            }
            if let Some(parent) = flight.parent
                && !inner.jobs.values().any(|other| other.parent == Some(parent))
            {
                inner.parents.entry(parent).or_default().rest();
            }
            if flight.bytes() > 0 {
                inner.aside.insert(job, Aside { parent: flight.parent, bytes: flight.bytes(), since: now });
            }
        }
        if inner.jobs.is_empty() {
            inner.all.rest();
        }
        inner.make_room();
    }

    /// These have ended, however: nothing of them is gone on with.
    pub fn ended(&self, jobs: impl IntoIterator<Item = JobId>) {
        let mut inner = self.inner.lock();
        for job in jobs {
            inner.aside.remove(&job);
        }
    }

    /// Of one job.
    #[must_use]
    pub fn of_job(&self, job: JobId, now: Instant) -> Figures {
        let inner = self.inner.lock();
        match (inner.jobs.get(&job), inner.aside.get(&job)) {
            (Some(flight), _) => Figures { bytes: flight.bytes(), bytes_per_second: flight.meter.rate(now) },
            (None, Some(aside)) => Figures { bytes: aside.bytes, ..Figures::default() },
            (None, None) => Figures::default(),
        }
    }

    /// Of all of a parent's children.
    #[must_use]
    pub fn of_parent(&self, parent: JobId, now: Instant) -> Figures {
        let inner = self.inner.lock();
        let flying = inner.jobs.values().filter(|flight| flight.parent == Some(parent)).map(Flight::bytes);
        let aside = inner.aside.values().filter(|aside| aside.parent == Some(parent)).map(|aside| aside.bytes);
        let bytes = flying.chain(aside).sum();
        Figures { bytes, bytes_per_second: inner.parents.get(&parent).map_or(0.0, |meter| meter.rate(now)) }
    }

    /// Of everything, in bytes per second.
    #[must_use]
    pub fn rate(&self, now: Instant) -> f64 {
        self.inner.lock().all.rate(now)
    }

    /// Of what these pools send, in bytes per second.
    #[must_use]
    pub fn rate_of(&self, sources: &[PoolId], now: Instant) -> f64 {
        let inner = self.inner.lock();
        let ways = inner.ways.iter().filter(|((source, _), _)| sources.contains(source));
        ways.map(|(_, meter)| meter.rate(now)).sum()
    }

    /// What went between two pools per second when something last did; 0: nothing since the start.
    #[must_use]
    pub fn known_rate(&self, source: PoolId, target: PoolId) -> f64 {
        self.inner.lock().ways.get(&(source, target)).map_or(0.0, |meter| meter.smoothed)
    }
}

/// Whether bytes count as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// They went over the wire.
    Flowed,
    /// They were there: the job is further, nothing was sent.
    There,
}

impl Inner {
    fn change(
        &mut self,
        job: JobId,
        lease: Lease,
        now: Instant,
        how: Counts,
        change: impl FnOnce(&mut Flight),
    ) -> bool {
        let Some(flight) = self.jobs.get_mut(&job).filter(|flight| flight.lease == lease) else { return false };
        change(flight);
        // What the target had already comes with the first word, and was counted when it was sent.
        let come = flight.landed + flight.flowing;
        let bytes = come.saturating_sub(flight.counted);
        flight.counted = flight.counted.max(come);
        // A rate is what flows: what came out of a trash or was there already says nothing of how fast the rest comes.
        if how == Counts::Flowed {
            flight.meter.add(bytes, now);
            if let Some(parent) = flight.parent {
                self.parents.entry(parent).or_default().add(bytes, now);
            }
            self.ways.entry(flight.way).or_default().add(bytes, now);
            self.all.add(bytes, now);
            self.minutes.at(now).bytes_moved += bytes;
        }
        true
    }

    /// What nothing was heard of for the longest time goes.
    fn make_room(&mut self) {
        while self.aside.len() > KEPT {
            let Some(job) = self.aside.iter().min_by_key(|(_, aside)| aside.since).map(|(job, _)| *job) else { return };
            self.aside.remove(&job);
        }
        fn oldest<K: Copy + Eq + std::hash::Hash>(meters: &mut HashMap<K, Meter>) {
            while meters.len() > KEPT {
                let Some(key) = meters.iter().min_by_key(|(_, meter)| meter.since).map(|(key, _)| *key) else { return };
                meters.remove(&key);
            }
        }
        oldest(&mut self.parents);
        oldest(&mut self.ways);
    }
}

impl Flight {
    /// At the target by now; before its first word what had come before.
    fn bytes(&self) -> u64 {
        match self.landed + self.flowing {
            0 => self.before,
            come => come,
        }
    }
}

/// A smoothed rate.
#[derive(Clone, Copy, Debug, Default)]
struct Meter {
    /// Since when `gathered` is gathered.
    since: Option<Instant>,
    gathered: u64,
    smoothed: f64,
    /// What it measures was stopped.
    rests: bool,
}

#[expect(clippy::cast_precision_loss, reason = "rates are far below 2^52 bytes per second")]
impl Meter {
    fn add(&mut self, bytes: u64, now: Instant) {
        // How long the first bytes took nobody knows: the rate is of those that come from here on.
        let Some(since) = self.since else {
            self.since = Some(now);
            return;
        };
        if self.rests || now.saturating_duration_since(since) > OVER {
            // A pause is no part of a rate: what was measured before it goes on.
            (self.since, self.gathered, self.rests) = (Some(now), 0, false);
            return;
        }
        self.gathered += bytes;
        let passed = now.saturating_duration_since(since);
        if passed < SAMPLE {
            return;
        }
        let sample = self.gathered as f64 / passed.as_secs_f64();
        let weight = if self.smoothed == 0.0 { 1.0 } else { 1.0 - fade(passed) };
        self.smoothed += (sample - self.smoothed) * weight;
        (self.since, self.gathered) = (Some(now), 0);
    }

    fn rest(&mut self) {
        self.rests = true;
    }

    fn rate(&self, now: Instant) -> f64 {
        let silent = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        if self.rests || silent > OVER {
            return 0.0;
        }
        let rate = self.smoothed * fade(silent.saturating_sub(SILENT));
        if rate < 1.0 { 0.0 } else { rate }
    }
}

/// What is left of a rate after so long.
fn fade(passed: Duration) -> f64 {
    (-passed.as_secs_f64() / SMOOTHED_OVER.as_secs_f64()).exp()
}

#[cfg(test)]
mod tests;
