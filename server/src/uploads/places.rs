//! The pools that could take an upload now, with the way to each.

use std::collections::HashMap;

use pixelfox_proto::{Fault, FaultKind, NodeId, PoolId};

use super::Parts;
use crate::{
    catalog::{Pool, Settings},
    placement::{PlaceView, rank},
    schedule::PoolView,
};

/// A pool that could take an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) pool: PoolId,
    pub(super) name: String,
    pub(super) node: NodeId,
    pub(super) upload_api_url: String,
    pub(super) public_base_url: String,
}

/// Pools with room for `size` bytes, or that can make it, best first. An older PixelFox takes no uploads: it keeps no record with us.
///
/// # Errors
/// 503 where no pool is open, 507 where none of the open ones has room.
pub(super) async fn best_first(parts: &Parts, settings: &Settings, size: u64) -> Result<Vec<Place>, Fault> {
    let pools = parts.store.list_pools().await?;
    let seen: HashMap<PoolId, PoolView> =
        parts.sessions.pool_views(&pools, settings).into_iter().map(|view| (view.id, view)).collect();
    let views: Vec<PlaceView> = pools.iter().filter_map(|pool| Some(view(pool, seen.get(&pool.id)?))).collect();
    let ranked = rank(&views, size);
    if ranked.is_empty() {
        return Err(match views.iter().any(|view| view.open) {
            true => Fault::new(FaultKind::InsufficientStorage, "no pool has room for this file"),
            false => Fault::unavailable("no pool takes uploads now").retry_after(super::through::AGAIN_SECONDS),
        });
    }
    Ok(ranked.into_iter().filter_map(|id| pools.iter().find(|pool| pool.id == id)).map(place).collect())
}

fn view(pool: &Pool, seen: &PoolView) -> PlaceView {
    PlaceView {
        id: pool.id,
        open: seen.healthy && seen.active && !pool.legacy_node,
        free_bytes: seen.room_bytes(),
        trash_bytes: seen.trash_bytes,
        is_last_resort: pool.is_default,
        tier: pool.storage_tier,
        priority: pool.priority,
    }
}

fn place(pool: &Pool) -> Place {
    Place {
        pool: pool.id,
        name: pool.name.clone(),
        node: pool.node.clone(),
        upload_api_url: pool.upload_api_url.clone(),
        public_base_url: pool.public_base_url.clone(),
    }
}
