//! Files come in: one landing for all doors (upload, Replicate by gRPC and by HTTP). It admits, writes and hashes,
//! decides about what is there already, and answers with a receipt once the file is durable. It knows no protocol.

mod claims;
mod decide;
mod error;
mod landing;
pub mod log;

use std::{fmt::Display, sync::Arc};

use pixelfox_proto::{Attempt, FileMeta, PathRoot, PoolId, Sha256, StoredPath, TraceId, Verifier};

pub use decide::Origin;
pub use error::LandingError;
pub use landing::{Landing, Offer, Receipt};

use crate::metrics::{Direction, Ended, Replicated};
use crate::pools::{Claimant, Pool, Pools, Shut};
use claims::{Claim, Claims, Refused};
use landing::{Hashing, Parts};

/// What an upload or a body of unknown size has set aside at first, and again each time it has filled that.
pub(crate) const STEP_BYTES: u64 = 8 << 20;

/// Takes files in for every pool of this node.
#[derive(Debug)]
pub struct Receiver {
    pools: Arc<Pools>,
    claims: Claims,
    counts: Replicated,
}

/// A file of which everything is known before its first byte: the gRPC way.
#[derive(Clone, Debug)]
pub struct Begin {
    /// Its name.
    pub path: StoredPath,
    /// In bytes; 0 is refused.
    pub size: u64,
    /// What it must have.
    pub sha256: Option<Sha256>,
    /// The move that it belongs to, if it does.
    pub attempt: Option<Attempt>,
    /// What its mark keeps besides.
    pub meta: FileMeta,
    /// Whether an earlier, interrupted transfer may be gone on with.
    pub start: Start,
}

/// Where a transfer starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the first byte.
    Afresh,
    /// Where [`Landing::offer`] says.
    WhereItEnded,
}

/// What is said of a file when all its bytes are there: the way of the HTTP doors.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Its name.
    pub path: StoredPath,
    /// What it must have, in bytes, where it was announced.
    pub size: Option<u64>,
    /// What it must have, where it was announced.
    pub sha256: Option<Sha256>,
    /// Who it comes from.
    pub origin: Origin,
    /// What its mark keeps besides.
    pub meta: FileMeta,
}

impl Receiver {
    /// For the pools of this node.
    #[must_use]
    pub fn new(pools: Arc<Pools>) -> Self {
        Self { pools, claims: Claims::default(), counts: Replicated::default() }
    }

    /// Counts what ends.
    #[must_use]
    pub fn counting(self, counts: Replicated) -> Self {
        Self { counts, ..self }
    }

    /// A file from another node has ended: the log line for it, and its count. `size` in bytes, as announced.
    pub(crate) fn landed(
        &self,
        pool_id: PoolId,
        path: &StoredPath,
        size: u64,
        from: &dyn Display,
        trace: TraceId,
        outcome: Result<&Receipt, &LandingError>,
    ) {
        log::landed(log::File { pool_id, path, size, trace }, from, outcome);
        let (ended, size) = match outcome {
            Ok(receipt) => (if receipt.skipped { Ended::Skipped } else { Ended::Stored }, receipt.size),
            Err(error) if error.is_ours() => (Ended::Failed, size),
            Err(_) => (Ended::Refused, size),
        };
        self.counts.ended(Direction::In, ended, size);
    }

    /// Starts to take in a file whose name comes later. `size`: as announced, in bytes. Blocking, on a data worker.
    ///
    /// # Errors
    /// Where the pool is unhealthy, has no room for `size`, or the disk refuses.
    pub fn open(&self, pool: &Arc<Pool>, size: Option<u64>) -> Result<Landing, LandingError> {
        // Where the size is unknown, room is set aside as the bytes come.
        let (disk, reservation) = pool.admit(size.unwrap_or(1), Claimant::Other).map_err(|shut| refusal(pool, shut))?;
        let mut incoming = disk.incoming()?;
        if let Some(size) = size {
            incoming.expect_size(size)?;
        }
        let requires_checksum = self.pools.settings().require_checksum;
        Ok(Landing::new(Parts {
            pool: Arc::clone(pool),
            disk,
            claim: Claim::unnamed(incoming),
            reservation,
            hashing: Hashing::plain(),
            begin: None,
            requires_checksum,
        }))
    }

    /// Starts to take in a file by its name: the one writer of it, after an older attempt has let go. On a data worker.
    ///
    /// # Errors
    /// Every refusal that needs no byte of the file.
    pub async fn begin(&self, pool: &Arc<Pool>, begin: Begin) -> Result<Landing, LandingError> {
        let Begin { path, size, sha256, attempt, start, .. } = &begin;
        if *size == 0 {
            return Err(LandingError::Empty);
        }
        if sha256.is_none() && self.pools.settings().require_checksum {
            return Err(LandingError::ChecksumRequired);
        }
        let claimant = if attempt.is_some() { Claimant::Move } else { Claimant::Other };
        let (disk, reservation) = pool.admit(*size, claimant).map_err(|shut| refusal(pool, shut))?;
        if let Some(attempt) = attempt {
            let has = disk.open(path)?.map_or(pixelfox_proto::Generation(0), |there| there.generation());
            if disk.refuses(path, attempt) || attempt.generation <= has {
                return Err(LandingError::Stale(path.clone()));
            }
        }
        let claim = self.claims.claim(pool.id(), path, *attempt).await.map_err(|refused| match refused {
            Refused::Busy => LandingError::Busy(path.clone()),
            Refused::Stale => LandingError::Stale(path.clone()),
        })?;
        let mut incoming = match sha256 {
            Some(sha256) => disk.resume(path, *size, sha256)?,
            None => disk.incoming()?,
        };
        if *start == Start::Afresh {
            incoming.cut(0)?;
        }
        incoming.expect_size(*size)?;
        claim.put(incoming).map_err(|_| LandingError::Stale(path.clone()))?;
        Ok(Landing::new(Parts {
            pool: Arc::clone(pool),
            disk,
            claim,
            reservation,
            hashing: Hashing::Framed(Verifier::new(*size)),
            begin: Some(begin),
            requires_checksum: false,
        }))
    }

    /// Goes on with `landing` in another pool: its bytes are copied there and hashed again. On a data worker.
    ///
    /// # Errors
    /// As [`Receiver::open`], or where either disk fails.
    pub async fn rehome(&self, landing: Landing, pool: &Arc<Pool>) -> Result<Landing, LandingError> {
        let mut there = self.open(pool, Some(landing.received()))?;
        landing.copy_to(&mut there).await?;
        Ok(there)
    }
}

fn refusal(pool: &Pool, shut: Shut) -> LandingError {
    match shut {
        Shut::Unhealthy => LandingError::Unhealthy(pool.id()),
        Shut::NoRoom(why) => LandingError::NoRoom(why),
    }
}

/// Whether a file without a byte is stored all the same: the older sender of an empty variant has given up its
/// original by then. Source: docs/http.md, "PUT /api/internal/replicate".
fn may_be_empty(publish: &Publish) -> bool {
    matches!(publish.origin, Origin::Hand)
        && matches!(publish.path.root(), PathRoot::Variants)
        && publish.sha256.is_some()
}
