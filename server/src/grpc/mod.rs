//! The coordinator's gRPC services. A handler translates, asks one room, answers; what it answers is checked there.

mod admin;
mod attach;
mod auth;
mod coordinator;
mod language;
mod refusals;
mod replication;
mod trailer;
mod wire;

use std::sync::Arc;

use pixelfox_node::secret::SecretPair;
use pixelfox_proto::v1::{admin_server::AdminServer, coordinator_server::CoordinatorServer};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

pub use self::admin::AdminService;
pub use self::coordinator::CoordinatorService;
pub use self::language::Translated;
pub use self::replication::{About, Disks, Files};
pub use self::trailer::Trailing;

use self::auth::{NodesOnly, OperatorsOnly};
use crate::accounts::Accounts;
use crate::counts::Counts;
use crate::diagnose::Diagnose;
use crate::events::Events;
use crate::sessions::Sessions;
use crate::settle::Settle;
use crate::store::Store;

/// Bytes of a message of the control plane at most, in either direction.
pub const CONTROL_BYTES: usize = 1 << 20;
/// Bytes of a message of the Admin service at most, in either direction.
pub const ADMIN_BYTES: usize = 8 << 20;

/// The service that nodes dial, for a port or in process.
pub type CoordinatorServing = CoordinatorServer<CoordinatorService>;
/// The service for operators, for a port or in process.
pub type AdminServing = Translated<Trailing<AdminServer<AdminService>>>;

/// The rooms that the services ask.
#[derive(Clone, Debug)]
pub struct Rooms {
    /// The books.
    pub store: Store,
    /// Who may use the pages.
    pub accounts: Accounts,
    /// Who is attached.
    pub sessions: Arc<Sessions>,
    /// The way of a node's word into the books.
    pub settle: Settle,
    /// Where what happens is published.
    pub events: Events,
    /// Looks for what commonly goes wrong.
    pub diagnose: Diagnose,
    /// How many jobs there are.
    pub counts: Counts,
    /// Wakes the dispatcher.
    pub wake: Arc<Notify>,
    /// Owns the readers of the sessions.
    pub readers: TaskTracker,
    /// PUBLIC_DOMAIN, for links to this server's own pages.
    pub public_domain: Arc<str>,
}

/// The service that nodes dial. `secret`: `REPLICATION_SECRET`; without one everybody is refused.
pub fn coordinator(rooms: Rooms, secret: Option<SecretPair>) -> CoordinatorServing {
    CoordinatorServer::new(CoordinatorService::new(rooms, NodesOnly(secret)))
        .max_decoding_message_size(CONTROL_BYTES)
        .max_encoding_message_size(CONTROL_BYTES)
}

/// The service for operators. `token`: `ADMIN_TOKEN`; without one everybody is refused.
pub fn admin(rooms: Rooms, token: Option<SecretPair>) -> AdminServing {
    admin_server(AdminService::new(rooms, OperatorsOnly::ByToken(token)))
}

/// The same for the pages of this process, which have checked who asks. Never mount it on a port.
pub fn admin_in_process(rooms: Rooms) -> AdminServing {
    admin_server(AdminService::new(rooms, OperatorsOnly::InProcess))
}

fn admin_server(service: AdminService) -> AdminServing {
    let server = AdminServer::new(service);
    Translated(Trailing(server.max_decoding_message_size(ADMIN_BYTES).max_encoding_message_size(ADMIN_BYTES)))
}
