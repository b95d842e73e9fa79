//! Jobs in the books: planned, leased, committed, set back, returned.

use pixelfox_proto::JobId;

use super::{Store, StoreError};
use crate::catalog::{
    Committed, Job, JobFilter, JobState, Lane, LeaseOrder, Leased, LostSession, MoveAsk, MoveBatch, MoveDone, Page,
    PageAsk, ReturnedJob, Setback, SettledJob, UnixMillis,
};

impl Store {
    /// Plans a move of images and, unless it is a dry run, makes its jobs: a parent and a child per image, all at
    /// once. Where every image is skipped the parent is completed at once.
    ///
    /// # Errors
    /// No image or too many, none of them known, a target that is unknown or not active, a `request_id` that was used
    /// for something else. Nothing is written then.
    pub async fn plan_move_images(&self, ask: MoveAsk, now: UnixMillis) -> Result<MoveBatch, StoreError> {
        todo!("{ask:?} {now:?}")
    }

    /// The lanes with pending jobs. O(lanes), not O(jobs).
    ///
    /// # Errors
    /// The database fails.
    pub async fn lanes(&self, now: UnixMillis) -> Result<Vec<Lane>, StoreError> {
        todo!("{now:?}")
    }

    /// Leases jobs of a lane: `processing`, attempt + 1, copies at the target `writing` with the next generation, bytes
    /// reserved. Nothing where the order's session is not the node's last one.
    ///
    /// # Errors
    /// The database fails.
    pub async fn lease_jobs(&self, order: LeaseOrder, now: UnixMillis) -> Result<Leased, StoreError> {
        todo!("{order:?} {now:?}")
    }

    /// Commits moves: copies at the target `live`, old ones `condemned`, images, counters and the event with them.
    /// Fenced by lease and session: what does not hold its job any more is `stale` and untouched. Repeated: stale.
    ///
    /// # Errors
    /// The database fails. It is not known then whether the commit happened: ask again with the same values.
    pub async fn commit_moves(&self, done: Vec<MoveDone>, now: UnixMillis) -> Result<Committed, StoreError> {
        todo!("{done:?} {now:?}")
    }

    /// Attempts that brought nothing to commit. Fenced like a commit; late ones do nothing.
    ///
    /// # Errors
    /// The database fails.
    pub async fn set_back(&self, setbacks: Vec<Setback>, now: UnixMillis) -> Result<Vec<SettledJob>, StoreError> {
        todo!("{setbacks:?} {now:?}")
    }

    /// Jobs of sessions that are gone, before their commit: `pending` again at once, not counted.
    ///
    /// # Errors
    /// The database fails.
    pub async fn return_lost(&self, session: LostSession, now: UnixMillis) -> Result<Vec<ReturnedJob>, StoreError> {
        todo!("{session:?} {now:?}")
    }

    /// A page of jobs, newest first.
    ///
    /// # Errors
    /// A page token of another list.
    pub async fn list_jobs(&self, filter: JobFilter, ask: PageAsk) -> Result<Page<Job>, StoreError> {
        todo!("{filter:?} {ask:?}")
    }

    /// One job.
    ///
    /// # Errors
    /// There is none with this id.
    pub async fn get_job(&self, id: JobId) -> Result<Job, StoreError> {
        todo!("{id}")
    }

    /// How many jobs are in each state.
    ///
    /// # Errors
    /// The database fails.
    pub async fn job_totals(&self) -> Result<Vec<(JobState, u64)>, StoreError> {
        todo!()
    }
}
