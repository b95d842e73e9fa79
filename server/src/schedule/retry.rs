//! What a failed attempt leads to. Pure. Source: ARCHITECTURE.md, "A move".

/// Attempts of a job in all.
pub const MAX_ATTEMPTS: u32 = 12;

/// Why an attempt brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A node is away, or its session ended.
    NodeAway,
    /// The same attempt is being received elsewhere, the target is shutting down, or its pool is away.
    Busy,
    /// A newer attempt or session has taken over.
    Stale,
    /// The target has no room.
    TargetFull,
    /// The queue or the job is paused.
    Paused,
    /// Worth another attempt: connection lost, an I/O error, a target that restarts.
    Passing,
    /// No further attempt will help: invalid, conflict, same directory.
    Refused,
    /// The source's bytes are not what the books say.
    SuspectSource,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Again after so many seconds; and whether it used up an attempt.
    Again {
        /// Seconds to wait.
        wait_seconds: u32,
        /// Whether it counts.
        counted: bool,
    },
    /// The end, with its cause.
    Failed,
}

/// What an attempt that ended by `cause` leads to, when `failures` counted ones came before it.
#[must_use]
pub const fn verdict(failures: u32, cause: Cause) -> Verdict {
    use {Cause::*, Verdict::*};
    match cause {
        Refused | SuspectSource => Failed,
        NodeAway | Paused => Again { wait_seconds: 0, counted: false },
        // a mark that is ahead of the books stays so: without a wait such a job would spin
        Busy | Stale => Again { wait_seconds: 5, counted: false },
        TargetFull => Again { wait_seconds: 30, counted: false },
        Passing if failures.saturating_add(1) >= MAX_ATTEMPTS => Failed,
        Passing => Again { wait_seconds: ladder(failures), counted: true },
    }
}

/// Seconds until the trash order of an old copy is worth sending again, after so many failures. It never gives up:
/// a committed move only goes forward.
#[must_use]
pub const fn after_trash_failure(failures: u32) -> u32 {
    ladder(failures)
}

/// Seconds until a copy that could not be read is worth trying again, after so many failures. It never gives up: what
/// was not looked at keeps the old copy in the trash.
#[must_use]
pub const fn after_check_failure(failures: u32) -> u32 {
    ladder(failures)
}

const fn ladder(failures: u32) -> u32 {
    match failures {
        0 => 5,
        1 => 30,
        2 => 120,
        3 => 600,
        _ => 1800,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn counted(wait_seconds: u32) -> Verdict {
        Verdict::Again { wait_seconds, counted: true }
    }

    #[test]
    fn the_ladder_of_a_passing_failure() {
        // 5 s, 30 s, 2 min, 10 min, then every 30 min; the twelfth attempt is the last one.
        for (failures, want) in
            [(0, counted(5)), (1, counted(30)), (2, counted(120)), (3, counted(600)), (4, counted(1800))]
        {
            assert_eq!(verdict(failures, Cause::Passing), want);
        }
        assert_eq!(verdict(10, Cause::Passing), counted(1800));
        assert_eq!(verdict(11, Cause::Passing), Verdict::Failed);
        assert_eq!(verdict(u32::MAX, Cause::Passing), Verdict::Failed);
    }

    #[test]
    fn what_does_not_count_never_ends_a_job_and_what_is_final_ends_it_at_once() {
        for cause in [Cause::NodeAway, Cause::Busy, Cause::Stale, Cause::TargetFull, Cause::Paused] {
            let verdict = verdict(u32::MAX, cause);
            assert!(matches!(verdict, Verdict::Again { counted: false, .. }), "{cause:?}: {verdict:?}");
        }
        for cause in [Cause::Refused, Cause::SuspectSource] {
            assert_eq!(verdict(0, cause), Verdict::Failed, "{cause:?}");
        }
    }
}
