//! The log lines of receiving, by the HTTP and the gRPC way alike. Source: docs/http.md, "Log lines". The same facts
//! stand in structured fields.

use std::fmt::Display;

use pixelfox_proto::{PoolId, StoredPath, TraceId};
use tracing::{info, warn};

/// The file that a line is about.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// Its pool.
    pub pool_id: PoolId,
    /// Its name there.
    pub path: &'a StoredPath,
    /// In bytes.
    pub size: u64,
    /// What it belongs to, for the sender's lines and ours alike.
    pub trace: TraceId,
}

/// A file is durable under its name.
pub fn stored(File { pool_id, path, size, trace }: File<'_>, from: &dyn Display) {
    info!(%pool_id, %path, size, %from, trace_id = %trace, "[Replicate] Stored file (pool_id={pool_id}, path={path}, size={size}) from {from}");
}

/// The same bytes were there.
pub fn skipped(File { pool_id, path, size, trace }: File<'_>, from: &dyn Display) {
    info!(%pool_id, %path, size, %from, trace_id = %trace, "[Replicate] Skip existing file (pool_id={pool_id}, path={path}, size={size}) from {from}");
}

/// Other bytes than were announced.
pub fn checksum_mismatch(File { pool_id, path, trace, .. }: File<'_>, from: &dyn Display) {
    warn!(%pool_id, %path, %from, trace_id = %trace, "[Replicate] Checksum mismatch (pool_id={pool_id}, path={path}) from {from}");
}

/// No secret, or a wrong one.
pub fn unauthorized(from: &dyn Display) {
    warn!(%from, "[Replicate] Unauthorized attempt from {from}");
}

/// The setting asks for a SHA-256 and none came.
pub fn missing_checksum(File { pool_id, path, trace, .. }: File<'_>, from: &dyn Display) {
    warn!(%pool_id, %path, %from, trace_id = %trace, "[Replicate] Missing required checksum (pool_id={pool_id}, path={path}) from {from}");
}

/// A path that is none. `raw` comes from outside: only its beginning is shown, with control characters escaped.
pub fn rejected_path(raw: &str, from: &dyn Display) {
    let path: String = raw.chars().take(128).flat_map(char::escape_debug).collect();
    warn!(path, %from, "[Replicate] Rejected traversal path from {from}: {path}");
}

/// The pool is offline, or its disk fails.
pub fn unhealthy(File { pool_id, path, trace, .. }: File<'_>, from: &dyn Display) {
    warn!(%pool_id, %path, %from, trace_id = %trace, "[Replicate] Target pool unhealthy (pool_id={pool_id}, path={path}) from {from}");
}

/// No room.
pub fn no_room(File { pool_id, path, size, trace }: File<'_>, from: &dyn Display) {
    warn!(%pool_id, %path, size, %from, trace_id = %trace, "[Replicate] Insufficient capacity (pool_id={pool_id}, path={path}, size={size}) from {from}");
}

/// The line for how a file ended; what has no line of its own is left to the caller.
pub fn landed(file: File<'_>, from: &dyn Display, outcome: Result<&super::Receipt, &super::LandingError>) {
    use super::LandingError as E;
    match outcome {
        Ok(receipt) if receipt.skipped => skipped(File { size: receipt.size, ..file }, from),
        Ok(receipt) => stored(File { size: receipt.size, ..file }, from),
        Err(E::Checksum | E::Frame(pixelfox_proto::FrameError::Prefix { .. })) => checksum_mismatch(file, from),
        Err(E::ChecksumRequired) => missing_checksum(file, from),
        Err(E::Unhealthy(_)) => unhealthy(file, from),
        Err(E::NoRoom(_) | E::Disk(crate::disk::DiskError::Full { .. })) => no_room(file, from),
        Err(_) => {}
    }
}
