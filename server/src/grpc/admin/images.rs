//! Images: listed and shown.

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
}
