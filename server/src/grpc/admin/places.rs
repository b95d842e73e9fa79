//! What only a pool's node can know: does the pool work, may this directory be its? Asked of the node itself, never of
//! this machine's own disk.

use std::sync::Arc;

use pixelfox_proto::{Fault, FaultKind, NodeId, v1};

use super::AdminService;
use crate::catalog::{NodeElsewhere, Pool, PoolDraft, PoolSpec, SaveRule};
use crate::grpc::wire;
use crate::sessions::{Command, Place, Session};

impl AdminService {
    pub(super) async fn check(&self, request: v1::CheckPoolRequest) -> Result<v1::CheckPoolResponse, Fault> {
        let pool = self.rooms.store.get_pool(wire::pool::id(request.id, "id")?).await?;
        let Some(session) = self.rooms.sessions.of(&pool.node) else {
            if let Some(other) = self.rooms.sessions.elsewhere(&pool.node) {
                return Err(of_another_server("", &other));
            }
            let message = format!("node {} of pool {} is not attached, so nobody can try it", pool.node, pool.name);
            return Err(
                Fault::unavailable(message).with_hint("Start the node, or see ListNodes for when it was last seen")
            );
        };
        let begin = tokio::time::Instant::now();
        let health = self.rooms.sessions.probe(&session, Command::ProbePool(pool.id)).await?;
        Ok(wire::pool::checked(health, begin.elapsed()))
    }

    /// Whether this form is that of a pool that is there: saving it changes that one.
    pub(super) async fn is_there(&self, draft: &PoolDraft) -> Result<bool, Fault> {
        let Ok(spec) = PoolSpec::check(draft, SaveRule::Anyway) else { return Ok(false) };
        let same = |pool: &Pool| pool.name == spec.name && pool.node == spec.node && pool.base_path == spec.base_path;
        Ok(self.rooms.store.list_pools().await?.iter().any(same))
    }

    /// The node is known, and the directory is one that it allows and that is nobody else's; of a pool that has data
    /// (`before`), one where this data is. What can't be asked, or may come true later, is a doubt, which
    /// `save_anyway` saves over: then the pool is offline until it is so.
    pub(super) async fn fits_its_node(
        &self,
        draft: &PoolDraft,
        before: Option<&Pool>,
        rule: SaveRule,
    ) -> Result<(), Fault> {
        let (Ok(node), Ok(spec)) = (NodeId::try_from(draft.node_id.as_str()), PoolSpec::check(draft, SaveRule::Anyway))
        else {
            return Ok(()); // the books refuse it, naming the field
        };
        if let Some(session) = self.rooms.sessions.of(&node) {
            under_a_root(&session, &spec.base_path)?;
            let retired = self.rooms.store.retired_identities().await?;
            let place = Place {
                pool: before.map(|pool| pool.id),
                name: spec.name,
                base_path: spec.base_path,
                identity: before.map(|pool| pool.identity.clone()).unwrap_or_default(),
                initialize: before.is_none_or(|pool| pool.initialize),
                retired,
            };
            return self.may_be_at(&session, place, rule).await;
        }
        if rule == SaveRule::Anyway {
            return Ok(());
        }
        if let Some(other) = self.rooms.sessions.elsewhere(&node) {
            return Err(of_another_server("node_id: ", &other));
        }
        let Some(pool) = before.filter(|pool| !pool.initialize) else {
            let known = self.rooms.store.list_nodes().await?.iter().any(|record| record.node == node);
            return if known { Ok(()) } else { Err(unknown(&node)) };
        };
        let (name, path) = (&pool.name, &spec.base_path);
        let message =
            format!("node_id: node {node} is not attached, so nobody can see whether pool {name} is in {path}");
        let hint = "Start it, or save anyway (save_anyway): the pool is offline until its data is there";
        Err(Fault::new(FaultKind::FailedPrecondition, message).with_hint(hint))
    }

    /// Asks the node. One that is too old to know the question finds out when it opens the pool.
    async fn may_be_at(&self, session: &Arc<Session>, place: Place, rule: SaveRule) -> Result<(), Fault> {
        let has_data = !place.initialize;
        let asked = self.rooms.sessions.probe(session, Command::ProbePlace(Box::new(place))).await;
        let health = match asked {
            Ok(health) => health,
            Err(fault) if fault.kind() == FaultKind::FailedPrecondition || rule == SaveRule::Anyway => return Ok(()),
            Err(fault) => return Err(fault),
        };
        let Some(problem) = health.problem else { return Ok(()) };
        if health.impossible {
            return Err(Fault::new(FaultKind::Conflict, format!("base_path: {problem}")));
        }
        if rule == SaveRule::Anyway {
            return Ok(());
        }
        let what =
            if has_data { "the pool is offline until its data is there" } else { "the pool is offline until then" };
        Err(Fault::new(FaultKind::FailedPrecondition, format!("base_path: {problem}"))
            .with_hint(format!("Put that right, or save anyway (save_anyway): {what}")))
    }
}

/// Each server can ask its own nodes only.
fn of_another_server(field: &str, other: &NodeElsewhere) -> Fault {
    let NodeElsewhere { node, server, server_url, .. } = other;
    let message = format!("{field}node {node} is attached to another server, {server}: only that one can ask it");
    let place = if server_url.is_empty() { server } else { server_url };
    Fault::new(FaultKind::FailedPrecondition, message).with_hint(format!("Ask {place} the same"))
}

fn unknown(node: &NodeId) -> Fault {
    let hint = format!("Start it with NODE_ID={node}, or save anyway (save_anyway) and start it later");
    Fault::new(FaultKind::FailedPrecondition, format!("node_id: no node {node} has ever attached")).with_hint(hint)
}

/// The text of the path only: links are resolved by the node, which opens no pool outside.
fn under_a_root(session: &Session, base_path: &str) -> Result<(), Fault> {
    let roots = &session.hello().storage_roots;
    let path = std::path::Path::new(base_path);
    if roots.is_empty() || roots.iter().any(|root| path.starts_with(root)) {
        return Ok(());
    }
    let (node, roots) = (session.node(), roots.join(":"));
    Err(Fault::bad_request(format!("base_path: {base_path} is not under a storage root of node {node} ({roots})"))
        .with_hint(format!("Choose a directory below one of them, or add it to STORAGE_ROOTS of node {node}")))
}
