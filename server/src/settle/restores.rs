//! Files that a target was to bring back from its trash and did not. What the trash does not have is pushed. What it has
//! and can't give (other bytes than its mark says, or a disk that fails again and again) is purged there first, but only
//! while the copy at the source is known to be right. Everything else ends the attempt.

use std::collections::HashSet;

use pixelfox_proto::Lease;

use super::Settle;
use super::flights::Unrestored;
use super::verdict::FileEnd;
use crate::catalog::{LeasedFile, LeasedJob};
use crate::clock;
use crate::events::{Event, Subject};
use crate::schedule::Cause;
use crate::sessions::{FileResult, Outcome};
use crate::store::StoreError;

/// A disk that fails is asked again in this many attempts before its copy is given up.
const PATIENT_FAILURES: u32 = 2;

impl Settle {
    /// The node's word on a file that it was to bring back.
    pub(super) async fn restored(&self, lease: Lease, result: &FileResult) {
        let path = &result.path;
        let gives_up = |job: &LeasedJob| match result.outcome {
            Outcome::Mismatch => true,
            Outcome::Retry => job.failures >= PATIENT_FAILURES,
            _ => false,
        };
        let is_back = matches!(result.outcome, Outcome::Done | Outcome::Skipped);
        if !is_back && self.rooms.flights.is_undo(lease) {
            return self.land(lease, path, FileEnd::not_undone(result)).await;
        }
        match result.outcome {
            Outcome::Missing => self.rooms.flights.not_restored(lease, path, Unrestored::NotThere),
            _ if self.rooms.flights.job(lease).is_some_and(|job| gives_up(&job)) => {
                tracing::warn!(%path, "the copy in the trash can't be brought back, it is to be purged: {}", result.message);
                self.rooms.flights.not_restored(lease, path, Unrestored::Damaged);
            }
            Outcome::Mismatch => {}
            _ => return self.land(lease, path, FileEnd::of(result)).await,
        }
        self.rooms.wake.notify_one();
    }

    /// Files that did not come back from the trash and are to be pushed now, taking new room, each with its job. What the
    /// trash has and can't give is given up first: its job waits until it is gone, and begins anew. A copy that may be the
    /// only right one is not: its attempt ends.
    ///
    /// # Errors
    /// The books can't be read or written; the files come with the next call, then.
    pub async fn take_unrestored(&self) -> Result<Vec<(LeasedJob, LeasedFile)>, StoreError> {
        let (damaged, to_push): (Vec<_>, Vec<_>) =
            self.rooms.flights.take_unrestored().into_iter().partition(|(.., how)| *how == Unrestored::Damaged);
        let told = self.tell_books(&damaged, &to_push).await;
        if told.is_err() {
            for (job, file, how) in damaged.iter().chain(&to_push) {
                self.rooms.flights.not_restored(job.lease, &file.path, *how);
            }
        }
        let given_up = told?;
        for (job, file, _) in damaged.iter().filter(|(job, ..)| !given_up.contains(&job.lease)) {
            let why = "its copy in the trash is damaged, and the one at the source is not known to be right";
            self.unsent(job, &file.path, Cause::Passing, format!("{}: {why}", file.path)).await;
        }
        Ok(to_push.into_iter().map(|(job, file, _)| (job, file)).collect())
    }

    /// Gives the leases that are over, because a copy is to be purged first.
    async fn tell_books(&self, damaged: &[Parcel], to_push: &[Parcel]) -> Result<HashSet<Lease>, StoreError> {
        let words = |parcels: &[Parcel]| {
            let word = |(job, file, _): &Parcel| (job.job, job.lease, job.epoch, file.path.clone());
            parcels.iter().map(word).collect::<Vec<_>>()
        };
        if !to_push.is_empty() {
            self.rooms.store.not_in_trash(words(to_push)).await?;
        }
        if damaged.is_empty() {
            return Ok(HashSet::new());
        }
        crash_point!("give_up.before_commit");
        let returned = self.rooms.store.give_up_trashed(words(damaged), clock::now()).await?;
        crash_point!("give_up.after_commit");
        let leases: HashSet<Lease> = returned.iter().map(|job| job.lease).collect();
        self.rooms.stop(&leases);
        for job in returned {
            let message =
                format!("[JobQueue] Job {} waits: a damaged copy in the target's trash is purged first", job.job);
            self.rooms.events.publish(&Event { subject: Subject::Job(job.job), message });
        }
        self.look_after_old_copies().await;
        Ok(leases)
    }
}

/// A file that did not come back, with its job.
type Parcel = (LeasedJob, LeasedFile, Unrestored);
