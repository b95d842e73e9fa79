//! What a file that has arrived does about the one that has its name already. Pure. Source: CONTRACT.md, the rows 200
//! and 409 of `PUT /api/internal/replicate`; replication.proto, `Receipt.skipped` and `BeginFile.attempt`.

use pixelfox_proto::{Attempt, FileMeta, Generation, ImageId, Sha256};

use crate::disk::{Existing, Mark, Step};

/// Who a file comes from; its generation follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An upload to this node, by the id that its image will have: generation 1.
    Upload(ImageId),
    /// Somebody who replicates by hand, or an older node: a file without a record, generation 0.
    Hand,
    /// A coordinator's move: the attempt's generation.
    Move(Attempt),
}

impl Origin {
    /// What the file's mark gets.
    #[must_use]
    pub const fn generation(self) -> Generation {
        match self {
            Self::Upload(_) => Generation(1),
            Self::Hand => Generation(0),
            Self::Move(attempt) => attempt.generation,
        }
    }

    pub(crate) const fn attempt(self) -> Option<Attempt> {
        match self {
            Self::Move(attempt) => Some(attempt),
            Self::Upload(_) | Self::Hand => None,
        }
    }
}

/// A file that has arrived, whole.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) size: u64,
    pub(crate) sha256: Sha256,
    /// Whether the sender named the digest beforehand.
    pub(crate) is_proven: bool,
    pub(crate) origin: Origin,
    pub(crate) meta: FileMeta,
}

/// The file that has the name.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) existing: Existing,
    pub(crate) mark: Option<Mark>,
    /// Whether its bytes, read again, are those that have arrived.
    pub(crate) is_same: bool,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// This, with this mark.
    Go(Step, Box<Mark>),
    /// Other bytes are on record here; they stay.
    Conflict,
    /// The name had this generation or a later one already.
    Stale,
}

pub(crate) fn decide(arrived: &Arrived, seen: Option<&Seen>) -> Decision {
    let mark = Mark {
        size: arrived.size,
        sha256: arrived.sha256,
        generation: arrived.origin.generation(),
        meta: arrived.meta.clone(),
        was_unowned: false,
    };
    let go = |step, mark| Decision::Go(step, Box::new(mark));
    let Some(seen) = seen else { return go(Step::Give, mark) };
    let has = seen.mark.as_ref().map_or(Generation(0), |mark| mark.generation);
    if matches!(arrived.origin, Origin::Move(attempt) if attempt.generation <= has) {
        return Decision::Stale;
    }
    match (arrived.origin, &seen.mark, seen.is_same) {
        // A new UUID that has a file already is nobody's upload.
        (Origin::Upload(_), ..) => Decision::Conflict,
        (Origin::Move(_), old, true) => {
            let was_unowned = has == Generation(0) || old.as_ref().is_some_and(|old| old.was_unowned);
            go(Step::Raise(seen.existing), Mark { was_unowned, ..mark })
        }
        (Origin::Hand, None, true) => go(Step::Raise(seen.existing), mark),
        (Origin::Hand, Some(_), true) => go(Step::Keep(seen.existing), mark),
        (_, _, false) if has == Generation(0) && arrived.is_proven => go(Step::Replace(seen.existing), mark),
        // The file is no longer what it was: these bytes are. It keeps its generation, which never falls.
        (_, Some(old), false) if has > Generation(0) && old.sha256 == arrived.sha256 => {
            let generation = has.max(mark.generation);
            go(Step::Replace(seen.existing), Mark { generation, ..old.clone() })
        }
        (_, _, false) => Decision::Conflict,
    }
}
