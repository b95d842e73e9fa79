//! What is looked for before a person has to: does a pool work, may one be saved, what is wrong in the cluster? Nodes and
//! URLs are asked by `diagnose`.

use futures_util::{Stream, StreamExt as _};
use pixelfox_proto::{Fault, FaultKind, PoolId, text, v1};
use tonic::Status;

use super::AdminService;
use crate::catalog::{NodeElsewhere, Pool, PoolDraft, PoolSpec};
use crate::diagnose::Extent;
use crate::grpc::wire;
use crate::sessions::Command;

impl AdminService {
    pub(super) async fn check(&self, request: v1::CheckPoolRequest) -> Result<v1::CheckPoolResponse, Fault> {
        let pool = self.rooms.store.get_pool(wire::pool::id(request.id, "id")?).await?;
        let Some(session) = self.rooms.sessions.of(&pool.node) else {
            if let Some(other) = self.rooms.sessions.elsewhere(&pool.node) {
                return Err(of_another_server(&other));
            }
            let message = text!(
                de "Knoten {} von Speicherpool {} ist nicht verbunden, niemand kann es versuchen",
                en "node {} of pool {} is not attached, so nobody can try it",
                pool.node,
                pool.name
            );
            return Err(Fault::unavailable(message).with_hint(text!(
                de "Den Knoten starten, oder unter „Knoten“ nachsehen, seit wann er weg ist",
                en "Start the node, or see ListNodes for when it was last seen"
            )));
        };
        let begin = tokio::time::Instant::now();
        let health = self.rooms.sessions.probe(&session, Command::ProbePool(pool.id)).await?;
        let round_trip = begin.elapsed();
        let found = self.rooms.diagnose.pool(pool.id).await?;
        Ok(wire::pool::checked(health, round_trip, found, self.language))
    }

    pub(super) async fn check_draft(&self, request: v1::CheckPoolDraftRequest) -> Result<v1::PoolFindings, Fault> {
        let id = PoolId::try_from(request.pool.as_ref().map_or(0, |pool| pool.id)).ok();
        let draft = wire::pool::draft(request.pool)?;
        let before = match id {
            Some(id) => Some(self.rooms.store.get_pool(id).await?),
            None => self.already_there(&draft).await?,
        };
        Ok(wire::finding::findings(
            self.rooms.diagnose.draft(&draft, before.as_ref(), Extent::All).await?,
            self.language,
        ))
    }

    pub(super) async fn diagnosis(
        &self,
        request: &v1::DiagnoseRequest,
    ) -> Result<impl Stream<Item = Result<v1::Finding, Status>> + Send + use<>, Fault> {
        let only = PoolId::try_from(request.pool_id).ok();
        let lines = self.rooms.diagnose.run(only).await?;
        let language = self.language;
        Ok(lines.map(move |line| Ok(wire::finding::finding(line, language))))
    }

    /// The pool that has the name, node and directory of this form: saving the form changes that one.
    pub(super) async fn already_there(&self, draft: &PoolDraft) -> Result<Option<Pool>, Fault> {
        let (spec, _) = PoolSpec::look_at(draft);
        let same = |pool: &Pool| pool.name == spec.name && pool.node == spec.node && pool.base_path == spec.base_path;
        Ok(self.rooms.store.list_pools().await?.into_iter().find(same))
    }
}

/// Each server can ask its own nodes only.
fn of_another_server(other: &NodeElsewhere) -> Fault {
    let NodeElsewhere { node, server, server_url, .. } = other;
    let message = text!(
        de "Knoten {node} ist mit einem anderen Server verbunden, {server}: nur der kann ihn fragen",
        en "node {node} is attached to another server, {server}: only that one can ask it"
    );
    let place = if server_url.is_empty() { server } else { server_url };
    Fault::new(FaultKind::FailedPrecondition, message)
        .with_hint(text!(de "Auf {place} dasselbe tun", en "Ask {place} the same"))
}
