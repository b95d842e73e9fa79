//! Generated messages and domain values of the Replication service, both ways; and what the world hears of a file that
//! did not land.

use pixelfox_proto::{
    Attempt, Fault, FaultKind, FrameError, PoolId, Sha256, StoredPath, Trace, VisitorId,
    v1::{
        self, BeginFile, ListFilesResponse, ReplicateResponse, StatResponse, StoredFile, refusal::Reason,
        replicate_response::Outcome,
    },
};
use prost_types::Timestamp;

use crate::{
    disk::{DiskError, Listed, Mark, Stored},
    pools::FoundPool,
    receive::{Begin, LandingError, Offer, Receipt, Start},
};

/// Of a path that is none, so much is repeated in the answer.
const SHOWN_CHARS: usize = 128;

/// Why a file was refused, in the protocol's words.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) reason: Reason,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// A file's begin, with its path as it came for the log.
pub(super) fn begin(wire: BeginFile) -> Result<(PoolId, Begin, Trace), Refusal> {
    let named = || wire.stored_path.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect::<String>();
    let pool = PoolId::try_from(wire.pool_id)
        .map_err(|_| Refusal::new(Reason::PoolNotHere, format!("{}: pool_id is missing", named())))?;
    let path = StoredPath::try_from(wire.stored_path.as_str())
        .map_err(|e| Refusal::new(Reason::InvalidPath, format!("{} (pool {pool}): {e}", named())))?;
    let sha256 = match wire.sha256.len() {
        0 => None,
        _ => Some(Sha256::try_from(&*wire.sha256).map_err(|e| {
            Refusal::new(Reason::ChecksumMismatch, format!("sha256 of {path} (pool {pool}) can't match: {e}"))
        })?),
    };
    let attempt = wire.attempt.map(Attempt::try_from).transpose();
    let attempt = attempt.map_err(|e| Refusal::new(Reason::StaleAttempt, format!("the attempt of {path}: {e}")))?;
    let start = if wire.wait_for_offer { Start::WhereItEnded } else { Start::Afresh };
    let meta = wire.meta.map(Into::into).unwrap_or_default();
    let trace = Trace::parse(&wire.traceparent).unwrap_or_else(|| Trace::of_seed(fastrand::u128(..)));
    Ok((pool, Begin { path, size: wire.size, sha256, attempt, meta, start }, trace))
}

/// A pool that can't be asked, by the fault that says why.
pub(super) fn no_pool(fault: &Fault, path: &StoredPath) -> Refusal {
    let reason = match fault.kind() {
        FaultKind::Unavailable => Reason::PoolUnhealthy,
        _ => Reason::PoolNotHere,
    };
    Refusal::new(reason, format!("{path}: {}", fault.message()))
}

/// The one place where a landing that failed becomes a word of the protocol. A failure of our own is logged here.
pub(super) fn refusal(error: LandingError, pool: PoolId, path: &StoredPath) -> Refusal {
    use LandingError as E;
    let reason = match &error {
        E::Disk(error) if error.is_read_only() => Reason::PoolUnhealthy,
        E::Unhealthy(_) | E::Disk(DiskError::Closed | DiskError::Distrusted(_)) => Reason::PoolUnhealthy,
        E::NoRoom(_) | E::Disk(DiskError::Full { .. }) => Reason::InsufficientStorage,
        E::Empty => Reason::EmptyFile,
        E::ChecksumRequired => Reason::ChecksumRequired,
        E::Checksum | E::Frame(FrameError::Prefix { .. }) => Reason::ChecksumMismatch,
        E::Size { .. } | E::Frame(_) => Reason::BadFrame,
        E::Conflict(_) | E::InTheWay { .. } | E::Disk(DiskError::Blocked { .. }) => Reason::Conflict,
        E::Stale(_) => Reason::StaleAttempt,
        E::Busy(_) => Reason::Busy,
        E::Disk(DiskError::Io { .. } | DiskError::Unsynced(_)) => Reason::IoError,
    };
    let message = match reason {
        Reason::IoError => Fault::from(error).message().to_owned(),
        _ => error.to_string(),
    };
    Refusal::new(reason, format!("{path} (pool {pool}): {message}"))
}

/// A file is durable.
pub(super) fn receipt(file_tag: u32, receipt: Receipt) -> ReplicateResponse {
    let Receipt { size, sha256, skipped, resumed_from } = receipt;
    let sha256 = sha256.as_bytes().to_vec();
    let receipt = pixelfox_proto::v1::Receipt { size, sha256, skipped, resumed_from };
    ReplicateResponse { file_tag, outcome: Some(Outcome::Receipt(receipt)) }
}

/// A file is not taken.
pub(super) fn refused(file_tag: u32, refusal: Refusal) -> ReplicateResponse {
    let refusal = pixelfox_proto::v1::Refusal { reason: refusal.reason.into(), message: refusal.message };
    ReplicateResponse { file_tag, outcome: Some(Outcome::Refusal(refusal)) }
}

/// How much of a file is here.
pub(super) fn offer(file_tag: u32, offer: Offer) -> ReplicateResponse {
    let prefix_sha256 = offer.prefix.as_bytes().to_vec();
    let offer = pixelfox_proto::v1::Offer { resume_offset: offer.offset, prefix_sha256 };
    ReplicateResponse { file_tag, outcome: Some(Outcome::Offer(offer)) }
}

/// What is stored, with its digest where it was hashed.
pub(super) fn stat(stored: &Stored, sha256: Option<Sha256>) -> StatResponse {
    StatResponse {
        exists: true,
        size: stored.size(),
        modified: Some(Timestamp::from(stored.modified())),
        sha256: sha256.map(|sha256| sha256.as_bytes().to_vec()).unwrap_or_default(),
    }
}

/// A page of a walk, each file with its mark where that was asked for.
pub(super) fn listed(page: Vec<(Listed, Option<Mark>)>) -> ListFilesResponse {
    let file = |(listed, mark): (Listed, Option<Mark>)| StoredFile {
        stored_path: listed.path.to_string(),
        size: listed.size,
        modified: Some(Timestamp::from(listed.modified)),
        mark: mark.map(file_mark),
    };
    ListFilesResponse { files: page.into_iter().map(file).collect() }
}

fn file_mark(mark: Mark) -> v1::FileMark {
    v1::FileMark {
        size: mark.size,
        sha256: mark.sha256.as_bytes().to_vec(),
        generation: mark.generation.0,
        meta: Some(mark.meta.into()),
        suspect: mark.is_suspect,
        visitor: mark.visitor.map_or(0, VisitorId::get),
    }
}

/// What the markers of this node's disks say.
pub(super) fn found(pools: Vec<FoundPool>) -> v1::FindPoolsResponse {
    let pool = |found: FoundPool| {
        let base_path = found.base_path.to_string_lossy().into_owned();
        match found.marker {
            Err(problem) => v1::FoundPool { base_path, problem, ..v1::FoundPool::default() },
            Ok(marker) => v1::FoundPool {
                base_path,
                problem: String::new(),
                pool_id: marker.pool_id,
                name: marker.name,
                identity: marker.identity,
                max_size: marker.max_size,
                public_base_url: marker.public_base_url,
                is_active: marker.is_active,
                legacy_pool_id: marker.legacy_pool_id,
                facts: Some(marker.facts.into()),
            },
        }
    };
    v1::FindPoolsResponse { pools: pools.into_iter().map(pool).collect() }
}
