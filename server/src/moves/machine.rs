//! The life of one `move_image` job. Pure: the rows of the books are this enum, spread over columns.

use pixelfox_proto::{Lease, SessionEpoch};

/// Where a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoveJob {
    /// Pending.
    Waiting {
        /// Attempts that counted.
        failures: u32,
    },
    /// Leased: bytes may flow.
    Copying {
        /// Who holds it.
        lease: Lease,
        /// On which session.
        epoch: SessionEpoch,
        /// Attempts that counted.
        failures: u32,
    },
    /// At its target for good; old copies still to be put into the trash.
    Committed,
    /// Over.
    Ended(End),
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Moved, or found without its original.
    Completed,
    /// With a cause.
    Failed(String),
    /// By a person.
    Cancelled,
}

/// What a job hears of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Taken by a session.
    Leased {
        /// The new lease.
        lease: Lease,
        /// The session.
        epoch: SessionEpoch,
    },
    /// All files durable at the target (or missing variants).
    Landed {
        /// Whose word it is.
        lease: Lease,
        /// On which session.
        epoch: SessionEpoch,
    },
    /// The attempt brought nothing.
    SetBack {
        /// Whose word it is.
        lease: Lease,
        /// On which session.
        epoch: SessionEpoch,
        /// What the ladder made of it.
        then: After,
    },
    /// A session is gone: source's or target's.
    SessionLost,
    /// No old copy is left to be put into the trash.
    TrashDone,
    /// A person wants it to end.
    Cancel,
}

/// What follows a setback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum After {
    /// Again, counted.
    Counted,
    /// Again, not counted.
    NotCounted,
    /// Never again.
    Failed(String),
    /// Over without its original.
    WithoutOriginal,
}

/// What news make of a job.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is this now.
    Becomes(MoveJob),
    /// Late or out of place: nothing changes.
    Stale,
}

impl MoveJob {
    /// The next state.
    pub fn turn(self, news: News) -> Turn {
        use {MoveJob::*, News::*, Turn::*};
        match (self, news) {
            (Waiting { failures }, Leased { lease, epoch }) => Becomes(Copying { lease, epoch, failures }),
            (Copying { lease: held, epoch: session, .. }, Landed { lease, epoch })
                if (held, session) == (lease, epoch) =>
            {
                Becomes(Committed)
            }
            (Copying { lease: held, epoch: session, failures }, SetBack { lease, epoch, then })
                if (held, session) == (lease, epoch) =>
            {
                Becomes(match then {
                    After::Counted => Waiting { failures: failures + 1 },
                    After::NotCounted => Waiting { failures },
                    After::Failed(cause) => Ended(End::Failed(cause)),
                    After::WithoutOriginal => Ended(End::Completed),
                })
            }
            (Copying { failures, .. }, SessionLost) => Becomes(Waiting { failures }),
            (Committed, TrashDone) => Becomes(Ended(End::Completed)),
            (Waiting { .. } | Copying { .. }, Cancel) => Becomes(Ended(End::Cancelled)),
            (
                Waiting { .. } | Copying { .. } | Committed | Ended(_),
                Leased { .. } | Landed { .. } | SetBack { .. } | SessionLost | TrashDone | Cancel,
            ) => Stale,
        }
    }
}
