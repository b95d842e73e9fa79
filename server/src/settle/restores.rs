//! Files that a target was to bring back from its trash and did not. What the trash does not have is pushed. What it has
//! and can't give (other bytes than its mark says, or a disk that fails again and again) is purged there first, but only
//! while the copy at the source is known to be right. Everything else ends the attempt.

use pixelfox_proto::Lease;

use super::Settle;
use super::flights::Unrestored;
use super::verdict::FileEnd;
use crate::catalog::{LeasedFile, LeasedJob};
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

    /// The node's word on a copy in its trash that was given up: gone, the file is pushed.
    pub(super) async fn emptied(&self, lease: Lease, result: &FileResult) {
        if !matches!(result.outcome, Outcome::Done | Outcome::Skipped | Outcome::Missing) {
            let why = format!("{}: its damaged copy in the trash could not be purged: {}", result.path, result.message);
            return self.land(lease, &result.path, FileEnd::Failed(Cause::Passing, why)).await;
        }
        self.rooms.flights.not_restored(lease, &result.path, Unrestored::NotThere);
        self.rooms.wake.notify_one();
    }

    /// Files that did not come back from the trash: those that are to be purged there, then those that are to be pushed
    /// and take new room from now on, each with its job. A copy that may be the only right one is not purged: its
    /// attempt ends.
    ///
    /// # Errors
    /// The books can't be read or written.
    pub async fn take_unrestored(&self) -> Result<Unrestorable, StoreError> {
        let (damaged, to_push): (Vec<_>, Vec<_>) =
            self.rooms.flights.take_unrestored().into_iter().partition(|(.., how)| *how == Unrestored::Damaged);
        let mut taken = Unrestorable::default();
        if !to_push.is_empty() {
            let key = |(job, file, _): &(LeasedJob, LeasedFile, Unrestored)| {
                (job.job, job.lease, job.epoch, file.path.clone())
            };
            self.rooms.store.not_in_trash(to_push.iter().map(key).collect()).await?;
            taken.to_push = to_push.into_iter().map(|(job, file, _)| (job, file)).collect();
        }
        if !damaged.is_empty() {
            let key = |(job, file, _): &(LeasedJob, LeasedFile, Unrestored)| {
                (job.job, job.lease, job.epoch, file.path.clone())
            };
            let sound = self.rooms.store.sound_sources(&damaged.iter().map(key).collect::<Vec<_>>()).await?;
            for (job, file, _) in damaged {
                if sound.contains(&(job.job, file.path.clone())) {
                    taken.to_purge.push((job, file));
                } else {
                    let why = "its copy in the trash is damaged, and the one at the source is not known to be right";
                    self.unsent(&job, &file.path, Cause::Passing, format!("{}: {why}", file.path)).await;
                }
            }
        }
        Ok(taken)
    }
}

/// What is to be done about files that did not come back from the trash.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unrestorable {
    /// Purged first.
    pub to_purge: Vec<(LeasedJob, LeasedFile)>,
    /// Pushed now.
    pub to_push: Vec<(LeasedJob, LeasedFile)>,
}
