//! One try of a coordinator's move, as it fences late streams and late deletes.

use crate::{Generation, IdError, JobId, Lease, v1};

/// One lease of one job: a newer one ends an older one's stream for the same pool and path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// Rises with every lease in the cluster: the order of attempts.
    pub lease: Lease,
    /// The job that was leased.
    pub job: JobId,
    /// The job's own count of leases, from 1.
    pub attempt: u32,
    /// What the new replica's mark gets.
    pub generation: Generation,
}

impl TryFrom<v1::MoveAttempt> for Attempt {
    type Error = IdError;

    fn try_from(wire: v1::MoveAttempt) -> Result<Self, IdError> {
        Ok(Self {
            lease: Lease(wire.lease),
            job: JobId::try_from(wire.job_id)?,
            attempt: wire.attempt,
            generation: Generation(wire.generation),
        })
    }
}

impl From<Attempt> for v1::MoveAttempt {
    fn from(attempt: Attempt) -> Self {
        Self {
            lease: attempt.lease.0,
            job_id: attempt.job.get(),
            attempt: attempt.attempt,
            generation: attempt.generation.0,
        }
    }
}
