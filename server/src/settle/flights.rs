//! Jobs whose files are on their way: what became of each file, until the last one has ended. Memory only: a lost
//! flight costs another attempt and nothing else. Pure but for its lock.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;
use pixelfox_proto::{Lease, StoredPath};

use super::verdict::FileEnd;
use crate::catalog::{LeasedFile, LeasedJob};

#[derive(Debug)]
struct Flight {
    job: LeasedJob,
    ended: HashMap<StoredPath, FileEnd>,
}

/// Every job in flight, by its lease. At most slots × files of a command for each node.
#[derive(Debug, Default)]
pub(super) struct Flights {
    by_lease: Mutex<HashMap<Lease, Flight>>,
}

impl Flights {
    /// A job takes off. Before its first command is sent, so that no result comes too early.
    pub(super) fn begin(&self, job: LeasedJob) {
        self.by_lease.lock().insert(job.lease, Flight { job, ended: HashMap::new() });
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
        let Flight { job, mut ended } = flights.remove(&lease)?;
        let ends = job.files.iter().filter_map(|file| ended.remove(&file.path)).collect();
        Some((job, ends))
    }

    /// One file of a job in flight, and the job without its other files.
    pub(super) fn file(&self, lease: Lease, path: &StoredPath) -> Option<(LeasedJob, LeasedFile)> {
        let flights = self.by_lease.lock();
        let job = &flights.get(&lease)?.job;
        let file = job.files.iter().find(|file| file.path == *path)?;
        Some((LeasedJob { files: Vec::new(), ..job.clone() }, file.clone()))
    }

    /// Nothing more is heard of these.
    pub(super) fn forget(&self, leases: &HashSet<Lease>) {
        self.by_lease.lock().retain(|lease, _| !leases.contains(lease));
    }
}
