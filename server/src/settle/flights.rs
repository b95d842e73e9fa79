//! Jobs whose files are on their way: what became of each file, until the last one has ended. Memory only: a lost
//! flight costs another attempt and nothing else. Pure but for its lock.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;
use pixelfox_proto::{JobId, Lease, StoredPath};
use tokio::time::Instant;

use super::verdict::FileEnd;
use crate::catalog::{LeasedFile, LeasedJob};

#[derive(Debug)]
struct Flight {
    job: LeasedJob,
    begun: Instant,
    ended: HashMap<StoredPath, FileEnd>,
}

/// Every job in flight, by its lease. At most slots × files of a command for each node.
#[derive(Debug, Default)]
pub(super) struct Flights {
    by_lease: Mutex<HashMap<Lease, Flight>>,
    unrestored: Mutex<Vec<(Lease, StoredPath, Unrestored)>>,
}

/// Why a file did not come back from the trash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unrestored {
    /// The trash has it not, or not any more.
    NotThere,
    /// What the trash has is given up.
    Damaged,
}

impl Flights {
    /// A job takes off. Before its first command is sent, so that no result comes too early.
    pub(super) fn begin(&self, job: LeasedJob) {
        self.by_lease.lock().insert(job.lease, Flight { job, begun: Instant::now(), ended: HashMap::new() });
    }

    /// A file has ended. With the last one the job comes back, and its files' ends in the job's order.
    /// `None` also for what is not in flight: late news.
    pub(super) fn land(&self, lease: Lease, path: &StoredPath, end: FileEnd) -> Option<(LeasedJob, Vec<FileEnd>)> {
        let mut flights = self.by_lease.lock();
        let flight = flights.get_mut(&lease)?;
        if !flight.job.files.iter().any(|file| file.path == *path) {
            return None;
        }
        flight.ended.insert(path.clone(), end);
        if flight.ended.len() < flight.job.files.len() {
            return None;
        }
        let Flight { job, mut ended, .. } = flights.remove(&lease)?;
        let ends = job.files.iter().filter_map(|file| ended.remove(&file.path)).collect();
        Some((job, ends))
    }

    /// Whether a job in flight takes a move back.
    pub(super) fn is_undo(&self, lease: Lease) -> bool {
        self.by_lease.lock().get(&lease).is_some_and(|flight| flight.job.undo)
    }

    /// The parent of a job in flight.
    pub(super) fn parent(&self, lease: Lease) -> Option<JobId> {
        self.by_lease.lock().get(&lease)?.job.parent
    }

    /// The job of a flight, without its files.
    pub(super) fn job(&self, lease: Lease) -> Option<LeasedJob> {
        self.by_lease.lock().get(&lease).map(|flight| LeasedJob { files: Vec::new(), ..flight.job.clone() })
    }

    /// The target could not bring this file back from its trash.
    pub(super) fn not_restored(&self, lease: Lease, path: &StoredPath, how: Unrestored) {
        self.unrestored.lock().push((lease, path.clone(), how));
    }

    /// Those files, each with its job without the other files. What is not in flight any more is left out.
    pub(super) fn take_unrestored(&self) -> Vec<(LeasedJob, LeasedFile, Unrestored)> {
        let waiting = std::mem::take(&mut *self.unrestored.lock());
        let flights = self.by_lease.lock();
        let find = |(lease, path, how): (Lease, StoredPath, Unrestored)| {
            let job = &flights.get(&lease)?.job;
            let file = job.files.iter().find(|file| file.path == path)?.clone();
            Some((LeasedJob { files: Vec::new(), ..job.clone() }, file, how))
        };
        waiting.into_iter().filter_map(find).collect()
    }

    /// What is in flight.
    pub(super) fn all(&self) -> Vec<(JobId, Lease)> {
        self.by_lease.lock().iter().map(|(lease, flight)| (flight.job.job, *lease)).collect()
    }

    /// When each took off.
    pub(super) fn begun(&self) -> Vec<(Lease, Instant)> {
        self.by_lease.lock().iter().map(|(lease, flight)| (*lease, flight.begun)).collect()
    }

    /// Nothing more is heard of these.
    pub(super) fn forget(&self, leases: &HashSet<Lease>) {
        self.by_lease.lock().retain(|lease, _| !leases.contains(lease));
    }
}

#[cfg(test)]
mod tests {
    use pixelfox_proto::{FileMeta, Generation, ImageId, PoolId, SessionEpoch, Sha256};

    use super::*;

    fn path(name: &str) -> StoredPath {
        StoredPath::try_from(format!("original/{name}").as_str()).expect("a path")
    }

    fn job(lease: u64, names: &[&str]) -> LeasedJob {
        let file = |name: &&str| LeasedFile {
            path: path(name),
            size: 1,
            sha256: Sha256::of(name.as_bytes()),
            generation: Generation(2),
            meta: FileMeta::default(),
            in_trash: None,
        };
        let pool = |id| PoolId::try_from(id).expect("not 0");
        LeasedJob {
            job: JobId::try_from(lease).expect("not 0"),
            parent: None,
            image: ImageId::from_bytes([1; 16]),
            lease: Lease(lease),
            attempt: 1,
            failures: 0,
            source: pool(1),
            target: pool(2),
            epoch: SessionEpoch(1),
            undo: false,
            files: names.iter().map(file).collect(),
        }
    }

    #[test]
    fn a_job_lands_with_its_last_file_and_in_its_own_order() {
        // The second file ends first; a file of another job, a forgotten lease and late news land nothing.
        let flights = Flights::default();
        flights.begin(job(1, &["a", "b"]));
        flights.begin(job(2, &["c"]));
        assert!(flights.land(Lease(1), &path("b"), FileEnd::Missing).is_none());
        assert!(flights.land(Lease(1), &path("c"), FileEnd::Missing).is_none());
        let stored = FileEnd::Stored(Sha256::of(b"a"));
        let (landed, ends) = flights.land(Lease(1), &path("a"), stored.clone()).expect("the last file");
        assert_eq!((landed.lease, ends), (Lease(1), vec![stored.clone(), FileEnd::Missing]));
        assert!(flights.land(Lease(1), &path("a"), stored.clone()).is_none());
        flights.forget(&HashSet::from([Lease(2)]));
        assert!(flights.land(Lease(2), &path("c"), stored).is_none());
    }

    #[test]
    fn what_the_trash_did_not_have_is_pushed_once() {
        // Taken once; what is not in flight any more is left out.
        let flights = Flights::default();
        flights.begin(job(1, &["a", "b"]));
        flights.not_restored(Lease(1), &path("b"), Unrestored::NotThere);
        flights.not_restored(Lease(9), &path("x"), Unrestored::Damaged);
        let taken = flights.take_unrestored();
        assert_eq!(
            taken.iter().map(|(job, file, how)| (job.lease, file.path.clone(), *how)).collect::<Vec<_>>(),
            [(Lease(1), path("b"), Unrestored::NotThere)]
        );
        assert!(flights.take_unrestored().is_empty());
    }
}
