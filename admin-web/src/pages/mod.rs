//! The pages, one file each: reads by `visit.admin()`, renders a template.

mod audit;
mod dashboard;

use axum::{Router, routing::get};

use crate::{
    live,
    visit::{Site, Visit},
};

pub(crate) fn router() -> Router<Site> {
    Router::new()
        .route("/admin", get(|visit: Visit| live::page(visit, &["job", "node", "pool", "image"], dashboard::page)))
        .route("/admin/audit", get(audit::page))
}
