//! `pixelfox.v1.Admin`: everything that an operator can do. One file per noun; what is not built yet says so by name.

mod accounts;
mod audit;
mod control;
mod images;
mod jobs;
mod keys;
mod moves;
mod nodes;
mod places;
mod pools;
mod seats;
mod service;
mod settings;
mod watch;

use pixelfox_proto::Language;

use super::Rooms;
use super::auth::OperatorsOnly;

/// The service.
#[derive(Clone, Debug)]
#[must_use = "a method goes on with what `may` gives: else nobody stands behind what it changes"]
pub struct AdminService {
    rooms: Rooms,
    operators_only: OperatorsOnly,
    watchers: seats::Seats,
    /// Of who asks.
    language: Language,
}

impl AdminService {
    pub(super) fn new(rooms: Rooms, operators_only: OperatorsOnly) -> Self {
        Self { rooms, operators_only, watchers: seats::Seats::default(), language: Language::En }
    }
}
