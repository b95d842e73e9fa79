//! What can become of a due job, seen from the files of its image and their copies in its two pools.

use super::{
    Trouble,
    endings::Ending,
    rows::{MoveFileRow, state},
};
use crate::catalog::{JobState, ReplicaState};

/// What can become of a due job.
pub(super) enum Fit<'a> {
    /// It goes; so many bytes are new at the target.
    Go { files: Vec<&'a MoveFileRow>, bytes: i64 },
    /// An old copy at the target is not settled yet.
    Wait,
    /// It ends here.
    Over(Ending),
}

pub(super) fn fit(files: &[MoveFileRow], job: i64) -> Result<Fit<'_>, Trouble> {
    let (mut go, mut bytes, mut original, mut unsettled) = (Vec::new(), 0, false, false);
    for file in files {
        match state(file.source_state.as_deref())? {
            Some(ReplicaState::Live) => {}
            // The target's trash may have what the source has not any more.
            Some(ReplicaState::Suspect | ReplicaState::Lost) if in_trash(file).is_some() => {}
            Some(ReplicaState::Suspect) => {
                let cause = format!("the source copy of {} does not match its checksum on record", file.stored_path);
                return Ok(Fit::Over(Ending { job, state: JobState::Failed, cause, missing: 0 }));
            }
            _ => continue,
        }
        original |= file.kind == "original";
        match state(file.target_state.as_deref())? {
            Some(ReplicaState::Live) => continue,
            Some(ReplicaState::Condemned | ReplicaState::Purging) => unsettled = true,
            Some(ReplicaState::Trashed | ReplicaState::Writing | ReplicaState::Suspect | ReplicaState::Lost) | None => {
            }
        }
        // What comes back from the trash needs no room, and an earlier attempt's reservation is this job's own.
        if in_trash(file).is_none() && file.target_state.as_deref() != Some("writing") {
            bytes += file.size;
        }
        go.push(file);
    }
    Ok(match original {
        false => {
            let cause = "the original is not there: the image stays on record where it is".to_owned();
            Fit::Over(Ending { job, state: JobState::Completed, cause, missing: 1 })
        }
        true if unsettled => Fit::Wait,
        true => Fit::Go { files: go, bytes },
    })
}

/// A move can't be taken back any more: nothing is copied for it.
pub(super) fn not_in_trash(job: i64) -> Ending {
    let cause = "an old copy is not in the trash any more; move the image instead".to_owned();
    Ending { job, state: JobState::Failed, cause, missing: 0 }
}

/// The generation of the file's copy in the target's trash.
pub(super) fn in_trash(file: &MoveFileRow) -> Option<i64> {
    match file.target_state.as_deref() {
        Some("trashed") => file.target_generation,
        Some("writing") => file.target_trash,
        _ => None,
    }
}
