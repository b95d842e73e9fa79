//! Pools: listed, made, changed. What only the node can know is checked against its Hello.

use pixelfox_proto::{Fault, FaultKind, NodeId, v1};
use tonic::{Response, metadata::MetadataValue};

use super::AdminService;
use crate::catalog::{Pool, PoolDraft, PoolPatch, PoolSaved, SaveRule};
use crate::clock;
use crate::events::{Event, Subject};
use crate::grpc::{trailer, wire};
use crate::sessions::Session;

impl AdminService {
    pub(super) async fn pools(&self) -> Result<v1::ListPoolsResponse, Fault> {
        let pools = self.rooms.store.list_pools().await?;
        Ok(v1::ListPoolsResponse { pools: pools.into_iter().map(|pool| self.shown(pool)).collect() })
    }

    pub(super) async fn pool(&self, request: v1::GetPoolRequest) -> Result<v1::Pool, Fault> {
        let pool = self.rooms.store.get_pool(wire::pool::id(request.id, "id")?).await?;
        Ok(self.shown(pool))
    }

    pub(super) async fn make_pool(&self, request: v1::CreatePoolRequest) -> Result<Response<v1::Pool>, Fault> {
        let (draft, rule) = (wire::pool::draft(request.pool)?, wire::pool::save_rule(request.save_anyway));
        self.fits_its_node(&draft, rule).await?;
        let saved = self.rooms.store.create_pool(draft, rule, clock::now()).await?;
        let updated = matches!(saved, PoolSaved::Updated(_));
        let pool = saved.into_pool();
        self.pool_changed(&pool, if updated { "updated" } else { "created" });
        let mut response = Response::new(self.shown(pool));
        if updated {
            response.metadata_mut().insert(trailer::UPDATED, MetadataValue::from_static("1"));
        }
        Ok(response)
    }

    pub(super) async fn change_pool(&self, request: v1::UpdatePoolRequest) -> Result<v1::Pool, Fault> {
        let rule = wire::pool::save_rule(request.save_anyway);
        let mask = request.update_mask.map(|mask| mask.paths).unwrap_or_default();
        let id = wire::pool::id(request.pool.as_ref().map_or(0, |pool| pool.id), "pool.id")?;
        let unknown = |name: String| {
            let known = PoolPatch::FIELDS.join(", ");
            Fault::bad_request(format!("update_mask: `{}` is none of {known}", name.escape_debug()))
        };
        let patch = PoolPatch::masked(wire::pool::draft(request.pool)?, &mask).map_err(unknown)?;
        let before = self.rooms.store.get_pool(id).await?;
        if patch.node_id.is_some() || patch.base_path.is_some() {
            let after = patch.clone().apply(before.draft());
            if (after.node_id.as_str(), &after.base_path) != (before.node.as_str(), &before.base_path) {
                self.fits_its_node(&after, rule).await?;
            }
        }
        let pool = self.rooms.store.update_pool(id, patch, request.expected_revision, rule, clock::now()).await?;
        self.pool_changed(&pool, "updated");
        Ok(self.shown(pool))
    }

    fn shown(&self, pool: Pool) -> v1::Pool {
        let session = self.rooms.sessions.of(&pool.node);
        wire::pool::pool(pool, session.as_deref())
    }

    fn pool_changed(&self, pool: &Pool, what: &str) {
        let message = format!("[Admin] Pool {} ({}) {what}", pool.name, pool.id);
        tracing::info!(pool_id = %pool.id, "{message}");
        self.rooms.events.publish(&Event { subject: Subject::Pool(pool.id), message });
        self.rooms.sessions.books_changed();
        self.rooms.wake.notify_one();
    }

    /// The node is known, and its directory is one that the node allows. A node that was never seen, or is away, can't
    /// be asked: that is a doubt, which `save_anyway` saves over.
    async fn fits_its_node(&self, draft: &PoolDraft, rule: SaveRule) -> Result<(), Fault> {
        let Ok(node) = NodeId::try_from(draft.node_id.as_str()) else {
            return Ok(()); // the books refuse it, naming the field
        };
        if let Some(session) = self.rooms.sessions.of(&node) {
            return under_a_root(&session, draft);
        }
        let known = self.rooms.store.list_nodes().await?.iter().any(|record| record.node == node);
        if known || rule == SaveRule::Anyway {
            return Ok(());
        }
        let hint = format!("Start it with NODE_ID={node}, or save anyway (save_anyway) and start it later");
        Err(Fault::new(FaultKind::FailedPrecondition, format!("node_id: no node {node} has ever attached"))
            .with_hint(hint))
    }
}

/// The text of the path only: links are resolved by the node, which opens no pool outside.
fn under_a_root(session: &Session, draft: &PoolDraft) -> Result<(), Fault> {
    let roots = &session.hello().storage_roots;
    let path = std::path::Path::new(&draft.base_path);
    if roots.is_empty() || roots.iter().any(|root| path.starts_with(root)) {
        return Ok(());
    }
    let (node, roots) = (session.node(), roots.join(":"));
    Err(Fault::bad_request(format!(
        "base_path: {} is not under a storage root of node {node} ({roots})",
        draft.base_path
    ))
    .with_hint(format!("Choose a directory below one of them, or add it to STORAGE_ROOTS of node {node}")))
}
