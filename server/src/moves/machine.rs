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
    /// Held up by a person.
    Paused {
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
    /// A person holds it up.
    Pause,
    /// A person lets it go on.
    Resume,
    /// A person wants it to end.
    Cancel,
    /// A person wants it to begin anew.
    Retry,
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
            (Waiting { failures } | Copying { failures, .. }, Pause) => Becomes(Paused { failures }),
            (Paused { failures }, Resume) => Becomes(Waiting { failures }),
            (Waiting { .. } | Paused { .. } | Copying { .. }, Cancel) => Becomes(Ended(End::Cancelled)),
            (Ended(End::Failed(_) | End::Cancelled), Retry) => Becomes(Waiting { failures: 0 }),
            (
                Waiting { .. } | Paused { .. } | Copying { .. } | Committed | Ended(_),
                Leased { .. }
                | Landed { .. }
                | SetBack { .. }
                | SessionLost
                | TrashDone
                | Pause
                | Resume
                | Cancel
                | Retry,
            ) => Stale,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HELD: (Lease, SessionEpoch) = (Lease(5), SessionEpoch(2));

    fn copying() -> MoveJob {
        MoveJob::Copying { lease: HELD.0, epoch: HELD.1, failures: 3 }
    }

    fn landed(lease: u64, epoch: u64) -> News {
        News::Landed { lease: Lease(lease), epoch: SessionEpoch(epoch) }
    }

    fn leased(lease: u64, epoch: u64) -> News {
        News::Leased { lease: Lease(lease), epoch: SessionEpoch(epoch) }
    }

    fn set_back(then: After) -> News {
        News::SetBack { lease: HELD.0, epoch: HELD.1, then }
    }

    #[test]
    fn what_news_make_of_a_job() {
        let waiting = |failures| Turn::Becomes(MoveJob::Waiting { failures });
        let ended = |end| Turn::Becomes(MoveJob::Ended(end));
        for (why, job, news, want) in [
            ("its own receipt commits it", copying(), landed(5, 2), Turn::Becomes(MoveJob::Committed)),
            ("an older lease's receipt is late", copying(), landed(4, 2), Turn::Stale),
            ("another session's receipt is late", copying(), landed(5, 1), Turn::Stale),
            (
                "a receipt after the job was returned is late",
                MoveJob::Waiting { failures: 0 },
                landed(5, 2),
                Turn::Stale,
            ),
            ("a receipt is taken once", MoveJob::Committed, landed(5, 2), Turn::Stale),
            ("a lost session costs no attempt", copying(), News::SessionLost, waiting(3)),
            ("what is committed does not go back", MoveJob::Committed, News::SessionLost, Turn::Stale),
            ("a failure counts", copying(), set_back(After::Counted), waiting(4)),
            ("a full target does not", copying(), set_back(After::NotCounted), waiting(3)),
            (
                "the last failure ends it",
                copying(),
                set_back(After::Failed("x".into())),
                ended(End::Failed("x".into())),
            ),
            ("without its original it is over", copying(), set_back(After::WithoutOriginal), ended(End::Completed)),
            ("the trash ends it", MoveJob::Committed, News::TrashDone, ended(End::Completed)),
            ("until the commit it can be cancelled", copying(), News::Cancel, ended(End::Cancelled)),
            ("after it no more", MoveJob::Committed, News::Cancel, Turn::Stale),
            ("a pause costs no attempt", copying(), News::Pause, Turn::Becomes(MoveJob::Paused { failures: 3 })),
            ("what is committed goes on through a pause", MoveJob::Committed, News::Pause, Turn::Stale),
            ("a receipt after the pause is late", MoveJob::Paused { failures: 3 }, landed(5, 2), Turn::Stale),
            ("a receipt after the cancel is late", MoveJob::Ended(End::Cancelled), landed(5, 2), Turn::Stale),
            ("a paused job is not leased", MoveJob::Paused { failures: 3 }, leased(6, 2), Turn::Stale),
            ("resumed it has its attempts left", MoveJob::Paused { failures: 3 }, News::Resume, waiting(3)),
            ("a paused job can be cancelled", MoveJob::Paused { failures: 3 }, News::Cancel, ended(End::Cancelled)),
            ("tried again it has all its attempts", MoveJob::Ended(End::Failed("x".into())), News::Retry, waiting(0)),
            ("a cancelled one as well", MoveJob::Ended(End::Cancelled), News::Retry, waiting(0)),
            ("what is done is not done twice", MoveJob::Ended(End::Completed), News::Retry, Turn::Stale),
        ] {
            assert_eq!(job.turn(news), want, "{why}");
        }
    }

    fn any_news() -> impl Strategy<Value = News> {
        let lease = || (0_u64..4).prop_map(Lease);
        let epoch = || (0_u64..2).prop_map(SessionEpoch);
        prop_oneof![
            (lease(), epoch()).prop_map(|(lease, epoch)| News::Leased { lease, epoch }),
            (lease(), epoch()).prop_map(|(lease, epoch)| News::Landed { lease, epoch }),
            (lease(), epoch()).prop_map(|(lease, epoch)| News::SetBack { lease, epoch, then: After::Counted }),
            Just(News::SessionLost),
            Just(News::TrashDone),
            Just(News::Pause),
            Just(News::Resume),
            Just(News::Cancel),
            Just(News::Retry),
        ]
    }

    proptest! {
        #[test]
        fn what_is_committed_only_goes_forward(all in proptest::collection::vec(any_news(), 0..40)) {
            // Any news in any order: after the commit a job is committed or completed and nothing else.
            let mut job = MoveJob::Waiting { failures: 0 };
            let mut committed = false;
            for news in all {
                if let Turn::Becomes(next) = job.clone().turn(news) {
                    job = next;
                }
                committed |= job == MoveJob::Committed;
                if committed {
                    prop_assert!(matches!(job, MoveJob::Committed | MoveJob::Ended(End::Completed)), "{:?}", job);
                }
            }
        }
    }
}
