//! The log lines of receiving, by the HTTP and the gRPC way alike. Source: docs/http.md, "Log lines". The same facts
//! stand in structured fields.

use std::fmt::Display;

use pixelfox_proto::{PoolId, StoredPath};
use tracing::{info, warn};

/// A file is durable under its name.
pub fn stored(pool_id: PoolId, path: &StoredPath, size: u64, from: &dyn Display) {
    info!(%pool_id, %path, size, %from, "[Replicate] Stored file (pool_id={pool_id}, path={path}, size={size}) from {from}");
}

/// The same bytes were there.
pub fn skipped(pool_id: PoolId, path: &StoredPath, size: u64, from: &dyn Display) {
    info!(%pool_id, %path, size, %from, "[Replicate] Skip existing file (pool_id={pool_id}, path={path}, size={size}) from {from}");
}

/// Other bytes than were announced.
pub fn checksum_mismatch(pool_id: PoolId, path: &StoredPath, from: &dyn Display) {
    warn!(%pool_id, %path, %from, "[Replicate] Checksum mismatch (pool_id={pool_id}, path={path}) from {from}");
}

/// No secret, or a wrong one.
pub fn unauthorized(from: &dyn Display) {
    warn!(%from, "[Replicate] Unauthorized attempt from {from}");
}

/// The setting asks for a SHA-256 and none came.
pub fn missing_checksum(pool_id: PoolId, path: &StoredPath, from: &dyn Display) {
    warn!(%pool_id, %path, %from, "[Replicate] Missing required checksum (pool_id={pool_id}, path={path}) from {from}");
}

/// A path that is none. `raw` comes from outside: only its beginning is shown, with control characters escaped.
pub fn rejected_path(raw: &str, from: &dyn Display) {
    let path: String = raw.chars().take(128).flat_map(char::escape_debug).collect();
    warn!(path, %from, "[Replicate] Rejected traversal path from {from}: {path}");
}

/// The pool is offline, or its disk fails.
pub fn unhealthy(pool_id: PoolId, path: &StoredPath, from: &dyn Display) {
    warn!(%pool_id, %path, %from, "[Replicate] Target pool unhealthy (pool_id={pool_id}, path={path}) from {from}");
}

/// No room.
pub fn no_room(pool_id: PoolId, path: &StoredPath, size: u64, from: &dyn Display) {
    warn!(%pool_id, %path, size, %from, "[Replicate] Insufficient capacity (pool_id={pool_id}, path={path}, size={size}) from {from}");
}

/// The line for how a file ended; what has no line of its own is left to the caller.
pub fn landed(
    pool_id: PoolId,
    path: &StoredPath,
    size: u64,
    from: &dyn Display,
    outcome: Result<&super::Receipt, &super::LandingError>,
) {
    use super::LandingError as E;
    match outcome {
        Ok(receipt) if receipt.skipped => skipped(pool_id, path, receipt.size, from),
        Ok(receipt) => stored(pool_id, path, receipt.size, from),
        Err(E::Checksum | E::Frame(pixelfox_proto::FrameError::Prefix { .. })) => {
            checksum_mismatch(pool_id, path, from)
        }
        Err(E::ChecksumRequired) => missing_checksum(pool_id, path, from),
        Err(E::Unhealthy(_)) => unhealthy(pool_id, path, from),
        Err(E::NoRoom(_) | E::Disk(crate::disk::DiskError::Full { .. })) => no_room(pool_id, path, size, from),
        Err(_) => {}
    }
}
