//! Moves: some images, or a whole pool.

use pixelfox_proto::{Fault, PoolId, Trace, v1};

use super::AdminService;
use crate::catalog::MoveBatch;
use crate::clock;
use crate::dispatch;
use crate::events::{Event, Subject};
use crate::grpc::wire::{self, job::seconds};
use crate::schedule::{self, PoolView};
use crate::store::StoreError;

impl AdminService {
    pub(super) async fn move_these(&self, request: v1::MoveImagesRequest) -> Result<v1::JobBatch, Fault> {
        let ask = wire::job::move_ask(request)?;
        let target = ask.target;
        self.carry_out(self.rooms.store.plan_move_images(ask, clock::now()), None, target).await
    }

    pub(super) async fn move_all(&self, request: v1::MovePoolRequest) -> Result<v1::JobBatch, Fault> {
        let ask = wire::job::pool_move_ask(request)?;
        let (source, target) = (ask.source, ask.target);
        self.carry_out(self.rooms.store.plan_move_pool(ask, clock::now()), Some(source), target).await
    }

    pub(super) async fn undo(&self, request: v1::ChangeJobsRequest) -> Result<v1::JobBatch, Fault> {
        let ask = wire::job::undo_ask(request)?;
        crash_point!("undo.before_commit");
        let batch = self.rooms.store.plan_undo(ask, clock::now()).await?;
        crash_point!("undo.after_commit");
        if let Some(job) = batch.job {
            let message = format!("[MoveImage] Planned job {job}: {} moves are taken back", batch.images);
            tracing::info!(%job, trace_id = %Trace::of_job(job).id(), images = batch.images, bytes = batch.bytes, "{message}");
            self.rooms.events.publish(&Event { subject: Subject::Job(job), message });
            self.rooms.wake.notify_one();
        }
        Ok(wire::job::batch(batch))
    }

    /// Plans, says what was planned, sets it going, and tells what is known of the way.
    async fn carry_out(
        &self,
        plan: impl Future<Output = Result<MoveBatch, StoreError>>,
        source: Option<PoolId>,
        target: PoolId,
    ) -> Result<v1::JobBatch, Fault> {
        crash_point!("plan.before_commit");
        let batch = plan.await?;
        crash_point!("plan.after_commit");
        if let Some(job) = batch.job {
            let message = format!("[MoveImage] Planned job {job}: {} images, {} bytes", batch.images, batch.bytes);
            tracing::info!(%job, trace_id = %Trace::of_job(job).id(), images = batch.images, bytes = batch.bytes, "{message}");
            self.rooms.events.publish(&Event { subject: Subject::Job(job), message });
            self.rooms.wake.notify_one();
        }
        let (_, seen) = dispatch::snapshot(&self.rooms.store, &self.rooms.sessions).await?;
        let rate = source.map_or(0.0, |source| self.rooms.settle.progress().known_rate(source, target));
        let target_view = seen.pools.iter().find(|pool| pool.id == target);
        let too_large = target_view.and_then(|pool| schedule::too_large(pool, batch.largest)).unwrap_or_default();
        let batch = wire::job::batch(batch);
        let seconds_expected = if rate > 0.0 { seconds(batch.bytes, rate) } else { 0.0 };
        let waiting_for = schedule::closed_by(source, target, &seen);
        let target_room = target_view.filter(|pool| pool.healthy).map(PoolView::room_bytes);
        Ok(v1::JobBatch { target_room, seconds_expected, waiting_for, too_large, ..batch })
    }
}
