//! Images: listed, shown, read on their disks, deleted.

use pixelfox_proto::{Fault, PoolId, v1};

use super::AdminService;
use crate::catalog::Pool;
use crate::grpc::wire;

impl AdminService {
    pub(super) async fn images(&self, request: v1::ListImagesRequest) -> Result<v1::ListImagesResponse, Fault> {
        let (filter, ask) = wire::image::ask(request)?;
        Ok(wire::image::page(self.rooms.store.list_images(filter, ask).await?, &self.rooms.public_domain))
    }

    pub(super) async fn image(&self, request: &v1::GetImageRequest) -> Result<v1::Image, Fault> {
        let image = self.rooms.store.get_image(wire::image::id(&request.uuid)?).await?;
        Ok(wire::image::image(image, &self.rooms.public_domain))
    }

    pub(super) async fn verify_these(
        &self,
        request: &v1::VerifyImagesRequest,
    ) -> Result<v1::VerifyImagesResponse, Fault> {
        let asked = self.rooms.settle.check_copies(wire::image::check_ask(request)?).await?;
        let pools = self.rooms.store.list_pools().await?;
        let sick = |pool: &Pool| match self.rooms.sessions.seat(&pool.node) {
            None => Some(format!("node {} is not attached", pool.node)),
            Some(seat) => match seat.pool(pool.id) {
                Some(health) => health.problem,
                None => Some(format!("node {} has said nothing of pool {} yet", pool.node, pool.name)),
            },
        };
        let sentence = |(id, copies): (&PoolId, &u64)| {
            let pool = pools.iter().find(|pool| pool.id == *id)?;
            let (why, name) = (sick(pool)?, &pool.name);
            Some(match *copies {
                1 => format!("{why}: in pool {name} 1 copy waits for it"),
                copies => format!("{why}: in pool {name} {copies} copies wait for it"),
            })
        };
        let waiting = asked.iter().filter_map(sentence).collect();
        Ok(v1::VerifyImagesResponse { copies: asked.values().sum(), waiting })
    }

    pub(super) async fn delete_these(&self, request: v1::DeleteImagesRequest) -> Result<v1::JobBatch, Fault> {
        let ask = wire::job::delete_ask(request)?;
        Ok(wire::job::batch(self.rooms.settle.delete_images(ask).await?))
    }
}
