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
/// Parents, and ways between pools, that rates are kept of at most.
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
    parents: HashMap<JobId, Meter>,
    ways: HashMap<(PoolId, PoolId), Meter>,
    all: Meter,
    minutes: Minutes,
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
        let flight = Flight { lease: job.lease, parent: job.parent, way, landed: 0, flowing: 0, meter };
        let mut inner = self.inner.lock();
        inner.jobs.insert(job.job, flight);
        inner.make_room();
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

    /// These are over, or are not in flight any more.
    pub fn forget(&self, leases: &HashSet<Lease>) {
        self.inner.lock().jobs.retain(|_, flight| !leases.contains(&flight.lease));
    }

    /// Of one job.
    #[must_use]
    pub fn of_job(&self, job: JobId, now: Instant) -> Figures {
        let inner = self.inner.lock();
        inner.jobs.get(&job).map_or(Figures::default(), |flight| flight.figures(now))
    }

    /// Of all of a parent's children.
    #[must_use]
    pub fn of_parent(&self, parent: JobId, now: Instant) -> Figures {
        let inner = self.inner.lock();
        let children = inner.jobs.values().filter(|flight| flight.parent == Some(parent));
        let bytes = children.map(|flight| flight.landed + flight.flowing).sum();
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
        let before = flight.landed + flight.flowing;
        change(flight);
        let bytes = (flight.landed + flight.flowing).saturating_sub(before);
        flight.meter.add(bytes, now);
        if let Some(parent) = flight.parent {
            self.parents.entry(parent).or_default().add(bytes, now);
        }
        if how == Counts::Flowed {
            self.ways.entry(flight.way).or_default().add(bytes, now);
            self.all.add(bytes, now);
            self.minutes.at(now).bytes_moved += bytes;
        }
        true
    }

    /// Parents and ways that nothing was heard of for the longest time go.
    fn make_room(&mut self) {
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
    fn figures(&self, now: Instant) -> Figures {
        Figures { bytes: self.landed + self.flowing, bytes_per_second: self.meter.rate(now) }
    }
}

/// A smoothed rate.
#[derive(Clone, Copy, Debug, Default)]
struct Meter {
    /// Since when `gathered` is gathered.
    since: Option<Instant>,
    gathered: u64,
    smoothed: f64,
}

#[expect(clippy::cast_precision_loss, reason = "rates are far below 2^52 bytes per second")]
impl Meter {
    fn add(&mut self, bytes: u64, now: Instant) {
        let Some(since) = self.since else {
            (self.since, self.gathered) = (Some(now), bytes);
            return;
        };
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

    fn rate(&self, now: Instant) -> f64 {
        let silent = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let rate = self.smoothed * fade(silent.saturating_sub(SILENT));
        if rate < 1.0 { 0.0 } else { rate }
    }
}

/// What is left of a rate after so long.
fn fade(passed: Duration) -> f64 {
    (-passed.as_secs_f64() / SMOOTHED_OVER.as_secs_f64()).exp()
}

#[cfg(test)]
mod tests {
    use pixelfox_proto::{ImageId, SessionEpoch};

    use super::*;

    fn id(number: u64) -> JobId {
        JobId::try_from(number).expect("not 0")
    }

    fn pool(number: u64) -> PoolId {
        PoolId::try_from(number).expect("not 0")
    }

    fn job(number: u64) -> LeasedJob {
        LeasedJob {
            job: id(number),
            parent: Some(id(100)),
            image: ImageId::from_bytes([1; 16]),
            lease: Lease(number),
            attempt: 1,
            failures: 0,
            source: pool(1),
            target: pool(2),
            epoch: SessionEpoch(1),
            undo: false,
            files: Vec::new(),
        }
    }

    #[test]
    fn a_steady_transfer_shows_its_bytes_and_its_rate() {
        // Two jobs of one parent at 1 MB/s each for ten seconds of made-up time, then silence.
        let (progress, start) = (Progress::default(), Instant::now());
        progress.begin(&job(1), start);
        progress.begin(&job(2), start);
        let mut now = start;
        for step in 1..=20_u64 {
            now = start + Duration::from_millis(step * 500);
            assert!(progress.flowing(id(1), Lease(1), step * 500_000, now));
            assert!(progress.flowing(id(2), Lease(2), step * 500_000, now));
        }
        let (one, parent) = (progress.of_job(id(1), now), progress.of_parent(id(100), now));
        assert_eq!((one.bytes, parent.bytes), (10_000_000, 20_000_000));
        for (rate, want) in [
            (one.bytes_per_second, 1e6),
            (parent.bytes_per_second, 2e6),
            (progress.rate(now), 2e6),
            (progress.rate_of(&[pool(3), pool(1)], now), 2e6),
            (progress.known_rate(pool(1), pool(2)), 2e6),
        ] {
            assert!((rate - want).abs() < want * 0.1, "{rate} instead of {want}");
        }
        let later = now + Duration::from_secs(120);
        assert!(progress.rate_of(&[pool(2)], now) < 1e-9, "what comes in is the other's rate");
        assert!(progress.rate(later) < 1e-9 && progress.known_rate(pool(1), pool(2)) > 1e6);
    }

    #[test]
    fn what_was_there_is_progress_but_no_traffic_and_late_words_are_nothing() {
        // A file that lands ends what flowed of it; an older lease says nothing; what is over is forgotten.
        let (progress, now) = (Progress::default(), Instant::now());
        progress.begin(&job(1), now);
        progress.flowing(id(1), Lease(1), 700, now);
        progress.landed(id(1), Lease(1), 1_000, Counts::Flowed, now);
        progress.landed(id(1), Lease(1), 50, Counts::There, now);
        assert!(!progress.flowing(id(1), Lease(9), 5_000, now));
        assert_eq!(progress.of_job(id(1), now).bytes, 1_050);
        progress.forget(&HashSet::from([Lease(1)]));
        assert_eq!((progress.of_job(id(1), now), progress.of_parent(id(100), now).bytes), (Figures::default(), 0));
    }

    #[test]
    fn rates_of_parents_that_are_long_over_are_forgotten() {
        let (progress, start) = (Progress::default(), Instant::now());
        for number in 1..=3_000 {
            let now = start + Duration::from_millis(number);
            progress.begin(&LeasedJob { parent: Some(id(number)), ..job(number) }, now);
            progress.flowing(id(number), Lease(number), 10, now);
            progress.forget(&HashSet::from([Lease(number)]));
        }
        let inner = progress.inner.lock();
        assert!(inner.jobs.is_empty() && inner.parents.len() <= KEPT + 1, "{}", inner.parents.len());
    }
}
