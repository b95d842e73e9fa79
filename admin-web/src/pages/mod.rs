//! The pages, one file each: reads by `visit.admin()`, renders a template.

mod audit;
mod dashboard;
mod diagnose;
mod image;
mod image_shown;
mod images;
mod job;
mod jobs_shown;
mod lists;
mod nodes;
mod queues;
mod selection;
mod settings;
mod storage;

use axum::{Router, routing::get};

use crate::{
    live,
    visit::{Site, Visit},
};

/// What happens, of whatever kind: it may be in the audit.
const EVERYTHING: [&str; 6] = ["job", "node", "pool", "image", "settings", "audit"];

pub(crate) fn router() -> Router<Site> {
    Router::new()
        .route("/admin", get(|visit: Visit| live::page(visit, &["job", "node", "pool", "image"], dashboard::page)))
        .route("/admin/audit", get(|visit: Visit| live::page(visit, &EVERYTHING, audit::page)))
        .route("/admin/diagnose", get(diagnose::page))
        .route("/admin/nodes", get(|visit: Visit| live::page(visit, &["node", "pool", "job"], nodes::page)))
        .merge(settings::router())
        .merge(lists::router())
        .merge(storage::router())
}
