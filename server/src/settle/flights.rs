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
    unrestored: Mutex<Vec<(Lease, StoredPath)>>,
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

    /// The target could not bring this file back from its trash: it has to be pushed.
    pub(super) fn not_restored(&self, lease: Lease, path: &StoredPath) {
        self.unrestored.lock().push((lease, path.clone()));
    }

    /// Those files, each with its job without the other files. What is not in flight any more is left out.
    pub(super) fn take_unrestored(&self) -> Vec<(LeasedJob, LeasedFile)> {
        let waiting = std::mem::take(&mut *self.unrestored.lock());
        let flights = self.by_lease.lock();
        let find = |(lease, path): (Lease, StoredPath)| {
            let job = &flights.get(&lease)?.job;
            let file = job.files.iter().find(|file| file.path == path)?.clone();
            Some((LeasedJob { files: Vec::new(), ..job.clone() }, file))
        };
        waiting.into_iter().filter_map(find).collect()
    }

    /// Nothing more is heard of these.
    pub(super) fn forget(&self, leases: &HashSet<Lease>) {
        self.by_lease.lock().retain(|lease, _| !leases.contains(lease));
    }
}
