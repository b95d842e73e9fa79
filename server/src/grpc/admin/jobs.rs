//! Jobs: listed and shown, each with why it waits.

use pixelfox_proto::{Fault, v1};

use super::AdminService;
use crate::catalog::{Job, JobState};
use crate::dispatch;
use crate::grpc::wire;
use crate::schedule::{self, MAX_ATTEMPTS, Snapshot};

impl AdminService {
    pub(super) async fn jobs(&self, request: v1::ListJobsRequest) -> Result<v1::ListJobsResponse, Fault> {
        let (filter, ask) = wire::job::ask(request)?;
        let page = self.rooms.store.list_jobs(filter, ask).await?;
        let seen = self.seen(&page.items).await?;
        Ok(v1::ListJobsResponse {
            jobs: page.items.into_iter().map(|job| shown(job, seen.as_ref())).collect(),
            next_page_token: page.next_page_token,
            total: page.total,
        })
    }

    pub(super) async fn job(&self, request: v1::GetJobRequest) -> Result<v1::Job, Fault> {
        let job = self.rooms.store.get_job(wire::job::id(request.id)?).await?;
        let seen = self.seen(std::slice::from_ref(&job)).await?;
        Ok(shown(job, seen.as_ref()))
    }

    /// The cluster as it is now, where one of the jobs waits.
    async fn seen(&self, jobs: &[Job]) -> Result<Option<Snapshot>, Fault> {
        if !jobs.iter().any(|job| job.state == JobState::Pending) {
            return Ok(None);
        }
        let (_, seen) = dispatch::snapshot(&self.rooms.store, &self.rooms.sessions).await?;
        Ok(Some(seen))
    }
}

fn shown(job: Job, seen: Option<&Snapshot>) -> v1::Job {
    let waiting_for = match seen {
        Some(seen) if job.state == JobState::Pending => schedule::waiting_for(&job, seen),
        Some(_) | None => String::new(),
    };
    wire::job::job(job, waiting_for, MAX_ATTEMPTS)
}
