//! Which moves can be taken back, and why others can't. Pure.

use pixelfox_proto::{ImageId, JobId, PoolId};

use crate::catalog::{JobState, ReplicaState};

/// A move as an undo looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastMove {
    /// The job.
    pub job: JobId,
    /// Where it is.
    pub state: JobState,
    /// Whether it moved its image.
    pub committed: bool,
    /// Its image.
    pub image: ImageId,
    /// The image as it is now; `None`: deleted, or being deleted.
    pub now: Option<ImageNow>,
    /// To where it moved.
    pub target: PoolId,
    /// Each file's copy at the target and at the source.
    pub copies: Vec<(Option<ReplicaState>, Option<ReplicaState>)>,
}

/// An image as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageNow {
    /// In this pool.
    pub pool: PoolId,
    /// The job that moved it last.
    pub moved_by: Option<JobId>,
    /// The open job that works on it.
    pub job: Option<JobId>,
}

/// Why a move can't be taken back; `None`: it can, by renaming alone.
#[must_use]
pub fn cannot_undo(past: &PastMove) -> Option<String> {
    let PastMove { job, image, .. } = past;
    let because = |why: &str| Some(format!("job {job}, image {image}: {why}"));
    if past.state != JobState::Completed {
        return because(&format!("the job is {}; only a completed move is taken back", past.state.as_str()));
    }
    if !past.committed {
        return because("the job moved nothing");
    }
    let Some(now) = past.now else { return because("the image is deleted") };
    if let Some(other) = now.job {
        return because(&format!("job {other} is working on it; wait for that or cancel it"));
    }
    if now.moved_by != Some(*job) || now.pool != past.target {
        return because("it has moved again since");
    }
    for copies in &past.copies {
        match copies {
            // What is lost or damaged here is there as it was.
            (Some(ReplicaState::Live | ReplicaState::Suspect | ReplicaState::Lost), Some(ReplicaState::Trashed)) => {}
            (Some(ReplicaState::Live), Some(ReplicaState::Purging)) => return because("its old copy is being purged"),
            (Some(ReplicaState::Live), Some(ReplicaState::Condemned | ReplicaState::Writing)) => {
                return because("its old copy is still on its way");
            }
            (Some(ReplicaState::Live), _) => return because("its old copy is not in the trash any more"),
            (Some(ReplicaState::Suspect), _) => {
                return because(
                    "a file of it does not match its checksum on record, and its old copy is not in the trash any more",
                );
            }
            _ => {} // what is not there now is left behind
        }
    }
    match past.copies.iter().any(|(here, old)| comes_back(*here, *old)) {
        true => None,
        false => because("none of its files is there"),
    }
}

/// Whether a file comes back out of the trash: the copy here is live, or should be, and the old one is there.
#[must_use]
pub fn comes_back(here: Option<ReplicaState>, old: Option<ReplicaState>) -> bool {
    let is_ours = matches!(here, Some(ReplicaState::Live | ReplicaState::Suspect | ReplicaState::Lost));
    is_ours && old == Some(ReplicaState::Trashed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(number: u64) -> JobId {
        JobId::try_from(number).unwrap()
    }

    fn pool(number: u64) -> PoolId {
        PoolId::try_from(number).unwrap()
    }

    fn past() -> PastMove {
        PastMove {
            job: job(7),
            state: JobState::Completed,
            committed: true,
            image: ImageId::from_bytes([7; 16]),
            now: Some(ImageNow { pool: pool(2), moved_by: Some(job(7)), job: None }),
            target: pool(2),
            copies: vec![(Some(ReplicaState::Live), Some(ReplicaState::Trashed))],
        }
    }

    #[test]
    fn which_moves_can_be_taken_back() {
        use ReplicaState::{Live, Lost, Purging, Suspect, Trashed};
        let now = |change: fn(&mut ImageNow)| {
            let mut past = past();
            past.now.as_mut().into_iter().for_each(change);
            past
        };
        let with =
            |copies: &[(Option<ReplicaState>, Option<ReplicaState>)]| PastMove { copies: copies.to_vec(), ..past() };
        for (past, want) in [
            (past(), None),
            (PastMove { state: JobState::Processing, ..past() }, Some("only a completed move")),
            (PastMove { state: JobState::Failed, ..past() }, Some("the job is failed")),
            (PastMove { committed: false, ..past() }, Some("moved nothing")),
            (PastMove { now: None, ..past() }, Some("is deleted")),
            (now(|now| now.job = Some(job(9))), Some("job 9 is working on it")),
            (now(|now| now.moved_by = Some(job(8))), Some("moved again since")),
            (now(|now| now.pool = pool(3)), Some("moved again since")),
            (with(&[(Some(Live), Some(Trashed)), (Some(Live), Some(Purging))]), Some("is being purged")),
            (with(&[(Some(Live), None)]), Some("not in the trash any more")),
            (with(&[(Some(Suspect), None)]), Some("does not match")),
            (with(&[(Some(Suspect), Some(Trashed))]), None),
            (with(&[(Some(Lost), Some(Trashed))]), None),
            (with(&[(Some(Lost), None)]), Some("none of its files")),
            (with(&[]), Some("none of its files")),
            (with(&[(Some(Live), Some(Trashed)), (None, Some(Trashed))]), None),
        ] {
            match (cannot_undo(&past), want) {
                (None, None) => {}
                (Some(why), Some(want)) => assert!(why.contains(want), "{why}"),
                (got, want) => panic!("{got:?} instead of {want:?}"),
            }
        }
    }
}
