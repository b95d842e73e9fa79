//! Jobs and the queue held up, let go on, ended and tried again.

use pixelfox_proto::{Fault, v1};
use tokio::time::Instant;

use super::AdminService;
use crate::catalog::JobChange;
use crate::grpc::wire;
use crate::settle::QueueState;

impl AdminService {
    pub(super) async fn change_jobs(
        &self,
        change: JobChange,
        request: v1::ChangeJobsRequest,
    ) -> Result<v1::ChangeJobsResponse, Fault> {
        let changed = self.rooms.settle.change_jobs(wire::job::change(change, request)?).await?;
        Ok(v1::ChangeJobsResponse { changed })
    }

    pub(super) async fn set_queue(&self, state: QueueState) -> Result<v1::QueueState, Fault> {
        self.rooms.settle.set_queue(state).await?;
        Ok(v1::QueueState { paused: state == QueueState::Paused })
    }

    /// Counts a second old at most in small books, some seconds in large ones.
    pub(super) async fn queue(&self) -> Result<v1::Queue, Fault> {
        let paused = self.rooms.store.queue_paused().await?;
        let counted = self.rooms.counts.of(&self.rooms.store, &self.rooms.readers).await?;
        Ok(wire::job::queue(paused, counted.totals, counted.at, self.rooms.settle.progress().rate(Instant::now())))
    }
}
