//! Images: listed, shown, moved.

use pixelfox_proto::{Fault, v1};

use super::AdminService;
use crate::clock;
use crate::events::{Event, Subject};
use crate::grpc::wire;

impl AdminService {
    pub(super) async fn images(&self, request: v1::ListImagesRequest) -> Result<v1::ListImagesResponse, Fault> {
        let (filter, ask) = wire::image::ask(request)?;
        Ok(wire::image::page(self.rooms.store.list_images(filter, ask).await?))
    }

    pub(super) async fn image(&self, request: &v1::GetImageRequest) -> Result<v1::Image, Fault> {
        Ok(wire::image::image(self.rooms.store.get_image(wire::image::id(&request.uuid)?).await?))
    }

    pub(super) async fn move_these(&self, request: v1::MoveImagesRequest) -> Result<v1::JobBatch, Fault> {
        let ask = wire::job::move_ask(request)?;
        crash_point!("plan.before_commit");
        let batch = self.rooms.store.plan_move_images(ask, clock::now()).await?;
        crash_point!("plan.after_commit");
        if let Some(job) = batch.job {
            let message = format!("[MoveImage] Planned job {job}: {} images, {} bytes", batch.images, batch.bytes);
            tracing::info!(%job, images = batch.images, bytes = batch.bytes, "{message}");
            self.rooms.events.publish(&Event { subject: Subject::Job(job), message });
            self.rooms.wake.notify_one();
        }
        Ok(wire::job::batch(batch))
    }
}
