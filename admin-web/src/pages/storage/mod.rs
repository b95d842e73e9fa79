//! `/admin/storage`: pools, their form, what is done to one, and Move to Pool.

mod actions;
mod form;
mod list;
mod moves;
mod refused;
mod replace;
mod size;
mod typed;

use axum::{
    Router,
    extract::Path,
    routing::{get, post},
};

pub(super) use self::{actions::note_ways, size::may_be_thousands};
use crate::{
    live,
    trouble::Trouble,
    visit::{Site, Visit},
};

pub(super) fn router() -> Router<Site> {
    Router::new()
        .route(
            "/admin/storage",
            get(|visit: Visit| live::page(visit, &["pool", "node"], list::page)).post(form::create),
        )
        .route("/admin/storage/new", get(form::new))
        .route("/admin/storage/{id}", get(form::edit).post(form::save))
        .route("/admin/storage/{id}/check", post(actions::check))
        .route("/admin/storage/{id}/recount", post(actions::recount))
        .route("/admin/storage/{id}/move", get(moves::show).post(moves::start))
        .route("/admin/storage/{id}/delete", get(actions::sure).post(actions::delete))
        .route("/admin/storage/{id}/replace-disk", get(replace::sure).post(replace::begin))
}

/// A pool's id as an address has it.
fn id(Path(raw): Path<String>) -> Result<u64, Trouble> {
    raw.parse().ok().filter(|id| *id > 0).ok_or_else(Trouble::no_page)
}
