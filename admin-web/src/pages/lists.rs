//! Addresses of the images and of the queue.

use axum::{
    Router,
    extract::Path,
    routing::{get, post},
};

use super::{image, images, job, queues, selection};
use crate::{
    live,
    trouble::Trouble,
    visit::{Site, Visit},
};

pub(crate) fn router() -> Router<Site> {
    Router::new()
        .route("/admin/images", get(|visit: Visit| live::page(visit, &["image", "pool"], images::page)))
        .route("/admin/images/selected", post(selection::selected))
        .route("/admin/images/move", post(selection::start_move))
        .route("/admin/images/delete", post(selection::delete))
        .route("/admin/images/{uuid}", get(one_image))
        .route("/admin/images/{uuid}/check", post(image::check))
        .route("/admin/queues", get(|visit: Visit| live::page(visit, &["job", "node", "settings"], queues::page)))
        .route("/admin/queues/pause", post(queues::pause))
        .route("/admin/queues/resume", post(queues::resume))
        .route("/admin/queues/change", post(queues::change))
        .route("/admin/queues/{id}", get(one_job))
}

async fn one_image(visit: Visit, Path(uuid): Path<String>) -> Result<axum::response::Response, Trouble> {
    live::page(visit, &["image", "job", "pool"], move |visit| image::page(visit, uuid.clone())).await
}

async fn one_job(visit: Visit, Path(id): Path<String>) -> Result<axum::response::Response, Trouble> {
    let id: u64 = id.parse().map_err(|_| Trouble::no_page())?;
    live::page(visit, &["job", "node", "settings"], move |visit| job::page(visit, id)).await
}
