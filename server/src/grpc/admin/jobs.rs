//! Jobs: listed and shown, each with why it waits.

use pixelfox_proto::{Fault, JobId, text, v1};
use tokio::time::Instant;

use super::AdminService;
use crate::catalog::{Job, JobKind, JobState};
use crate::dispatch;
use crate::grpc::wire;
use crate::progress::Figures;
use crate::schedule::{self, MAX_ATTEMPTS};

impl AdminService {
    pub(super) async fn jobs(&self, request: v1::ListJobsRequest) -> Result<v1::ListJobsResponse, Fault> {
        let (filter, ask) = wire::job::ask(request)?;
        let page = self.rooms.store.list_jobs(filter, ask).await?;
        Ok(v1::ListJobsResponse {
            jobs: self.shown_jobs(page.items).await?,
            next_page_token: page.next_page_token,
            total: page.total.count(),
            total_is_at_least: page.total.is_at_least(),
        })
    }

    pub(super) async fn job(&self, request: v1::GetJobRequest) -> Result<v1::Job, Fault> {
        let job = self.rooms.store.get_job(wire::job::id(request.id)?).await?;
        let mut shown = self.shown_jobs(vec![job]).await?;
        shown.pop().ok_or_else(|| {
            Fault::unavailable(text!(
                de "der Auftrag konnte nicht gezeigt werden",
                en "the job could not be shown"
            ))
        })
    }

    /// Jobs as they are shown everywhere, each pending one with what it waits for, each parent with what all of its
    /// children wait for.
    pub(super) async fn shown_jobs(&self, jobs: Vec<Job>) -> Result<Vec<v1::Job>, Fault> {
        let taken_back = self.rooms.store.taken_back(&jobs).await?;
        let mut shown = self.with_reasons(jobs).await?;
        for job in &mut shown {
            let seen = JobId::try_from(job.id).ok().and_then(|id| taken_back.get(&id)).copied().unwrap_or_default();
            (job.can_undo, job.taken_back_by) = (seen.can_be, seen.by.map_or(0, JobId::get));
        }
        Ok(shown)
    }

    async fn with_reasons(&self, jobs: Vec<Job>) -> Result<Vec<v1::Job>, Fault> {
        let is_open_parent =
            |job: &&Job| job.image.is_none() && matches!(job.state, JobState::Pending | JobState::Processing);
        let parents: Vec<JobId> = jobs.iter().filter(is_open_parent).map(|job| job.id).collect();
        let heads = self.rooms.store.waiting_children(&parents).await?;
        let waiting = || heads.values().chain(jobs.iter().filter(|job| job.state == JobState::Pending));
        let pending: Vec<JobId> = waiting().map(|job| job.id).collect();
        if pending.is_empty() {
            return Ok(jobs.into_iter().map(|job| self.with_progress(job, String::new())).collect());
        }
        let (_, seen) = dispatch::snapshot(&self.rooms.store, &self.rooms.sessions).await?;
        let at_targets = self.rooms.store.at_targets(&pending).await?;
        let deletes: Vec<JobId> = waiting().filter(|job| job.kind == JobKind::DeleteImage).map(|job| job.id).collect();
        let left = self.rooms.store.copies_left(&deletes).await?;
        let shown = |job: Job| {
            let waits = heads.get(&job.id).unwrap_or(&job);
            let left = left.get(&waits.id).map_or(&[][..], Vec::as_slice);
            let waiting_for = schedule::waiting_for(waits, &seen, at_targets.get(&waits.id).copied(), left);
            self.with_progress(job, waiting_for)
        };
        Ok(jobs.into_iter().map(shown).collect())
    }

    /// What is known of a job's transfer beyond the books.
    fn with_progress(&self, job: Job, waiting_for: String) -> v1::Job {
        let (progress, now) = (self.rooms.settle.progress(), Instant::now());
        let live = match (job.finished, job.committed) {
            (None, false) if job.image.is_none() => progress.of_parent(job.id, now),
            (None, false) => progress.of_job(job.id, now),
            _ => Figures::default(),
        };
        wire::job::job(job, waiting_for, MAX_ATTEMPTS, live)
    }
}
