//! Pools on the wire.

use pixelfox_proto::{Fault, Language, PoolId, text, v1};

use crate::catalog::{Pool, PoolDraft, PoolUsage, SaveRule};
use crate::diagnose::Finding;
use crate::sessions::{PoolHealth, Seat};

/// A pool as somebody wrote it; output-only fields are ignored.
///
/// # Errors
/// A message without a pool.
pub(crate) fn draft(pool: Option<v1::Pool>) -> Result<PoolDraft, Fault> {
    let pool = pool.ok_or_else(|| Fault::bad_request(text!(de "pool: fehlt", en "pool: missing")))?;
    Ok(PoolDraft {
        name: pool.name,
        node_id: pool.node_id,
        base_path: pool.base_path,
        upload_api_url: pool.upload_api_url,
        public_base_url: pool.public_base_url,
        max_size: pool.max_size,
        is_active: pool.is_active,
        is_default: pool.is_default,
        priority: pool.priority,
        storage_type: pool.storage_type,
        storage_tier: pool.storage_tier,
        description: pool.description,
        legacy_pool_id: pool.legacy_pool_id,
        legacy_node: pool.legacy_node,
    })
}

/// A pool id from a request.
///
/// # Errors
/// 0, with the field's name.
pub(crate) fn id(raw: u64, field: &str) -> Result<PoolId, Fault> {
    PoolId::try_from(raw).map_err(|_| Fault::bad_request(text!(de "{field}: fehlt; die Speicherverwaltung nennt die Nummern", en "{field}: missing; ListPools has the ids")))
}

/// `save_anyway` of a request.
pub(crate) fn save_rule(save_anyway: bool) -> SaveRule {
    if save_anyway { SaveRule::Anyway } else { SaveRule::Checked }
}

/// A pool as it is shown: the books' fields, and what its node says where it is attached.
pub(crate) fn pool(pool: Pool, seat: Option<&Seat>) -> v1::Pool {
    let health = seat.and_then(|seat| seat.pool(pool.id));
    let problem = match (seat, &health) {
        (None, _) => format!("node {} is not attached", pool.node),
        (Some(_), None) => format!("node {} has not reported on it yet", pool.node),
        (Some(_), Some(health)) => health.problem.clone().unwrap_or_default(),
    };
    v1::Pool {
        id: pool.id.get(),
        online: seat.is_some(),
        healthy: problem.is_empty(),
        problem,
        filesystem_free: health.as_ref().map_or(0, |health| health.free_bytes),
        filesystem_total: health.as_ref().map_or(0, |health| health.total_bytes),
        filesystem_id: health.as_ref().map_or(0, |health| health.file_system),
        images: pool.usage.images,
        reserved_size: pool.usage.reserved_bytes,
        used_size: pool.usage.used_bytes,
        files: pool.usage.used_files,
        trash_size: pool.usage.trash_bytes,
        revision: pool.revision,
        unowned_size: health.map_or(0, |health| health.unowned_bytes),
        name: pool.name,
        node_id: pool.node.into(),
        base_path: pool.base_path,
        upload_api_url: pool.upload_api_url,
        public_base_url: pool.public_base_url,
        max_size: pool.max_size,
        is_active: pool.is_active,
        is_default: pool.is_default,
        priority: pool.priority,
        storage_type: pool.storage_type.as_str().to_owned(),
        storage_tier: pool.storage_tier.as_str().to_owned(),
        description: pool.description,
        legacy_pool_id: pool.legacy_pool_id,
        legacy_node: pool.legacy_node,
    }
}

/// What its node keeps of a pool beside the files.
pub(super) fn facts(pool: &Pool) -> v1::PoolFacts {
    v1::PoolFacts {
        upload_api_url: pool.upload_api_url.clone(),
        priority: pool.priority,
        storage_type: pool.storage_type.as_str().to_owned(),
        storage_tier: pool.storage_tier.as_str().to_owned(),
        description: pool.description.clone(),
        is_default: pool.is_default,
        legacy_node: pool.legacy_node,
        node_id: pool.node.to_string(),
    }
}

/// What a probe has found, and how long it took.
pub(crate) fn checked(
    health: PoolHealth,
    round_trip: std::time::Duration,
    found: Vec<Finding>,
    language: Language,
) -> v1::CheckPoolResponse {
    v1::CheckPoolResponse {
        healthy: health.problem.is_none(),
        problem: health.problem.unwrap_or_default(),
        filesystem_free: health.free_bytes,
        filesystem_total: health.total_bytes,
        round_trip_seconds: round_trip.as_secs_f64(),
        findings: found.into_iter().map(|it| super::finding::finding(it, language)).collect(),
    }
}

/// What a recount has found.
pub(crate) fn recounted(pools: &[(PoolId, PoolUsage, PoolUsage)]) -> v1::RecalculateUsageResponse {
    let usage = |(pool, before, now): &(PoolId, PoolUsage, PoolUsage)| v1::PoolUsage {
        pool_id: pool.get(),
        used_before: before.used_bytes,
        used_now: now.used_bytes,
    };
    v1::RecalculateUsageResponse { pools: pools.iter().map(usage).collect() }
}
