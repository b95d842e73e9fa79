//! The operator's pages: a client of the Admin service and of nothing else of the server.
//!
//! This version has no pages yet. What they will do is open by gRPC, and every path below `/admin` says so.

use axum::{Router, routing::any};
use pixelfox_proto::{Fault, FaultKind};

/// Answers `/admin` and everything below it.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/admin", any(not_yet)).route("/admin/{*page}", any(not_yet))
}

async fn not_yet() -> Fault {
    Fault::new(FaultKind::Unimplemented, "the admin pages are not in this version")
        .with_hint("use the Admin service: grpcurl -plaintext -H \"authorization: Bearer $ADMIN_TOKEN\" HOST:PORT describe pixelfox.v1.Admin")
}
