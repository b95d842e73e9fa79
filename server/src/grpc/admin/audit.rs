//! Who changed what.

use pixelfox_proto::{Fault, v1};

use super::AdminService;
use crate::grpc::wire;

impl AdminService {
    pub(super) async fn audit(&self, request: v1::ListAuditRequest) -> Result<v1::ListAuditResponse, Fault> {
        let (filter, ask) = wire::account::audit_ask(request)?;
        Ok(wire::account::audit(self.rooms.store.list_audit(filter, ask).await?))
    }
}
