//! Pools: listed, made, changed, deleted, counted anew. What only the node can know is asked in `places`.

use pixelfox_proto::{Fault, FaultKind, PoolId, text, v1};
use tonic::{Response, Status, metadata::MetadataValue};

use super::AdminService;
use crate::catalog::{Pool, PoolPatch, PoolSaved};
use crate::clock;
use crate::diagnose::Extent;
use crate::events::{Event, Subject};
use crate::grpc::{trailer, wire};

impl AdminService {
    pub(super) async fn pools(&self) -> Result<v1::ListPoolsResponse, Fault> {
        let pools = self.rooms.store.list_pools().await?;
        Ok(v1::ListPoolsResponse { pools: pools.into_iter().map(|pool| self.shown(pool)).collect() })
    }

    pub(super) async fn pool(&self, request: v1::GetPoolRequest) -> Result<v1::Pool, Fault> {
        let pool = self.rooms.store.get_pool(wire::pool::id(request.id, "id")?).await?;
        Ok(self.shown(pool))
    }

    pub(super) async fn make_pool(&self, request: v1::CreatePoolRequest) -> Result<Response<v1::Pool>, Status> {
        let (draft, rule) = (wire::pool::draft(request.pool)?, wire::pool::save_rule(request.save_anyway));
        let before = self.already_there(&draft).await?;
        wire::finding::may_save(
            self.rooms.diagnose.draft(&draft, before.as_ref(), Extent::Changed).await?,
            rule,
            self.language,
        )?;
        let saved = self.rooms.store.create_pool(draft, rule, clock::now()).await.map_err(Fault::from)?;
        let updated = matches!(saved, PoolSaved::Updated(_));
        let pool = saved.into_pool();
        self.pool_changed(&pool, if updated { "updated" } else { "created" });
        let mut response = Response::new(self.shown(pool));
        if updated {
            response.metadata_mut().insert(trailer::UPDATED, MetadataValue::from_static("1"));
        }
        Ok(response)
    }

    pub(super) async fn change_pool(&self, request: v1::UpdatePoolRequest) -> Result<v1::Pool, Status> {
        let rule = wire::pool::save_rule(request.save_anyway);
        let mask = request.update_mask.map(|mask| mask.paths).unwrap_or_default();
        let id = wire::pool::id(request.pool.as_ref().map_or(0, |pool| pool.id), "pool.id")?;
        let unknown = |name: String| {
            let known = PoolPatch::FIELDS.join(", ");
            Fault::bad_request(text!(
                de "update_mask: „{}“ ist keines von {known}",
                en "update_mask: `{}` is none of {known}",
                name.escape_debug()
            ))
        };
        let draft = wire::pool::draft(request.pool)?;
        if mask.is_empty() && draft.name.is_empty() {
            let message = text!(
                de "pool.name: fehlt, und ohne update_mask werden alle Felder geändert; darin nennen, was sich ändert",
                en "pool.name: missing, and without update_mask every field is changed; name what to change in it"
            );
            return Err(Fault::bad_request(message)
                .with_hint(text!(
                    de "zum Beispiel update_mask {{\"paths\": [\"max_size\"]}}",
                    en "for instance update_mask {{\"paths\": [\"max_size\"]}}"
                ))
                .into());
        }
        let patch = PoolPatch::masked(draft, &mask).map_err(unknown)?;
        let before = self.rooms.store.get_pool(id).await.map_err(Fault::from)?;
        let after = patch.clone().apply(before.draft());
        wire::finding::may_save(
            self.rooms.diagnose.draft(&after, Some(&before), Extent::Changed).await?,
            rule,
            self.language,
        )?;
        let saved = self.rooms.store.update_pool(id, patch, request.expected_revision, rule, clock::now()).await;
        let pool = saved.map_err(Fault::from)?;
        self.pool_changed(&pool, "updated");
        Ok(self.shown(pool))
    }

    pub(super) async fn drop_pool(&self, request: v1::DeletePoolRequest) -> Result<v1::DeletePoolResponse, Fault> {
        let pool = self.rooms.store.delete_pool(wire::pool::id(request.id, "id")?, clock::now()).await?;
        self.pool_changed(&pool, "deleted; its directory stays as it is");
        Ok(v1::DeletePoolResponse {})
    }

    pub(super) async fn replace_disk(
        &self,
        request: v1::ReplacePoolDiskRequest,
    ) -> Result<v1::ReplacePoolDiskResponse, Fault> {
        let id = wire::pool::id(request.id, "id")?;
        let pool = self.shown(self.rooms.store.get_pool(id).await?);
        if pool.healthy {
            let message = text!(
                de "Speicherpool {} ({id}) ist gesund: Sein Datenträger ist da",
                en "pool {} ({id}) is healthy: its disk is there",
                pool.name
            );
            return Err(Fault::new(FaultKind::FailedPrecondition, message).with_hint(text!(
                de "seine Bilder verschieben, oder das Verzeichnis erst aushängen",
                en "move its images elsewhere, or unmount its directory first"
            )));
        }
        let pool = self.rooms.store.replace_disk(id, request.name, clock::now()).await?;
        let (files, bytes) = (pool.usage.used_files, pool.usage.used_bytes);
        self.pool_changed(&pool, &format!("begins anew on another disk: {files} files, {bytes} bytes count as lost"));
        self.rooms.sessions.usage_changed();
        self.rooms.settle.look_for_checks();
        Ok(v1::ReplacePoolDiskResponse { files, bytes })
    }

    pub(super) async fn recount(
        &self,
        request: v1::RecalculateUsageRequest,
    ) -> Result<v1::RecalculateUsageResponse, Fault> {
        let only = PoolId::try_from(request.pool_id).ok();
        let counted = self.rooms.store.recount_usage_of(only, clock::now()).await?;
        for (id, before, now) in counted.iter().filter(|(_, before, now)| before != now) {
            let (was, is) = (before.used_bytes, now.used_bytes);
            let message = format!("[Admin] Usage of pool {id} was {was} bytes on the books and is {is}");
            tracing::warn!(pool_id = %id, "{message}");
            self.rooms.events.publish(&Event { subject: Subject::Pool(*id), message });
        }
        self.rooms.sessions.usage_changed();
        Ok(wire::pool::recounted(&counted))
    }

    fn shown(&self, pool: Pool) -> v1::Pool {
        let seat = self.rooms.sessions.seat(&pool.node);
        wire::pool::pool(pool, seat.as_ref())
    }

    fn pool_changed(&self, pool: &Pool, what: &str) {
        let message = format!("[Admin] Pool {} ({}) {what}", pool.name, pool.id);
        tracing::info!(pool_id = %pool.id, "{message}");
        self.rooms.events.publish(&Event { subject: Subject::Pool(pool.id), message });
        self.rooms.sessions.books_changed();
        self.rooms.wake.notify_one();
    }
}
