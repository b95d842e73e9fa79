//! Images: listed, shown, deleted.

use pixelfox_proto::{Fault, v1};

use super::AdminService;
use crate::grpc::wire;

impl AdminService {
    pub(super) async fn images(&self, request: v1::ListImagesRequest) -> Result<v1::ListImagesResponse, Fault> {
        let (filter, ask) = wire::image::ask(request)?;
        Ok(wire::image::page(self.rooms.store.list_images(filter, ask).await?))
    }

    pub(super) async fn image(&self, request: &v1::GetImageRequest) -> Result<v1::Image, Fault> {
        Ok(wire::image::image(self.rooms.store.get_image(wire::image::id(&request.uuid)?).await?))
    }

    pub(super) async fn delete_these(&self, request: v1::DeleteImagesRequest) -> Result<v1::JobBatch, Fault> {
        let ask = wire::job::delete_ask(request)?;
        Ok(wire::job::batch(self.rooms.settle.delete_images(ask).await?))
    }
}
