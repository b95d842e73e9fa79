//! What a file that has arrived does about the one that has its name already. Pure. Source: docs/http.md, the rows 200
//! and 409 of `PUT /api/internal/replicate`; replication.proto, `Receipt.skipped` and `BeginFile.attempt`.

use pixelfox_proto::{Attempt, FileMeta, Generation, ImageId, Sha256, VisitorId};

use crate::disk::{Existing, Mark, Step};

/// Who a file comes from; its generation follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An upload to this node: generation 1.
    Upload {
        /// What its image will be called.
        id: ImageId,
        /// The visit that it belongs to, where it is one of somebody without a login.
        visitor: Option<VisitorId>,
    },
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
            Self::Upload { .. } => Generation(1),
            Self::Hand => Generation(0),
            Self::Move(attempt) => attempt.generation,
        }
    }

    pub(crate) const fn attempt(self) -> Option<Attempt> {
        match self {
            Self::Move(attempt) => Some(attempt),
            Self::Upload { .. } | Self::Hand => None,
        }
    }

    const fn visitor(self) -> Option<VisitorId> {
        match self {
            Self::Upload { visitor, .. } => visitor,
            Self::Hand | Self::Move(_) => None,
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
        is_suspect: false,
        visitor: arrived.origin.visitor(),
    };
    let go = |step, mark| Decision::Go(step, Box::new(mark));
    let Some(seen) = seen else { return go(Step::Give, mark) };
    let has = seen.mark.as_ref().map_or(Generation(0), |mark| mark.generation);
    if matches!(arrived.origin, Origin::Move(attempt) if attempt.generation <= has) {
        return Decision::Stale;
    }
    match (arrived.origin, &seen.mark, seen.is_same) {
        // A new UUID that has a file already is nobody's upload.
        (Origin::Upload { .. }, ..) => Decision::Conflict,
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
            go(Step::Replace(seen.existing), Mark { generation, is_suspect: false, ..old.clone() })
        }
        (_, _, false) => Decision::Conflict,
    }
}

#[cfg(test)]
mod tests {
    use pixelfox_proto::{JobId, Lease};

    use super::*;

    fn existing() -> Existing {
        let file = tempfile::tempfile().unwrap();
        Existing::of(&file.metadata().unwrap())
    }

    fn arrived(bytes: &str, origin: Origin) -> Arrived {
        let (size, sha256) = (bytes.len() as u64, Sha256::of(bytes.as_bytes()));
        Arrived { size, sha256, is_proven: true, origin, meta: FileMeta::default() }
    }

    fn marked(bytes: &str, generation: u64) -> Mark {
        let (size, sha256) = (bytes.len() as u64, Sha256::of(bytes.as_bytes()));
        let (generation, meta) = (Generation(generation), FileMeta::default());
        Mark { size, sha256, generation, meta, was_unowned: false, is_suspect: false, visitor: None }
    }

    fn by_move(generation: u64) -> Origin {
        let job = JobId::try_from(1).unwrap();
        Origin::Move(Attempt { lease: Lease(1), job, attempt: 1, generation: Generation(generation) })
    }

    /// The step's name and the generation and note of the mark, which is all that the table is about.
    fn brief(decision: &Decision) -> String {
        match decision {
            Decision::Go(step, mark) => {
                let name = match step {
                    Step::Give => "give",
                    Step::Replace(_) => "replace",
                    Step::Keep(_) => "keep",
                    Step::Raise(_) => "raise",
                };
                format!("{name} {}{}", mark.generation, if mark.was_unowned { ", was unowned" } else { "" })
            }
            Decision::Conflict => "conflict".into(),
            Decision::Stale => "stale".into(),
        }
    }

    #[test]
    fn what_becomes_of_a_file_whose_name_is_taken() {
        let upload = Origin::Upload { id: ImageId::from_bytes([1; 16]), visitor: None };
        let existing = existing();
        // What is there: its mark, and whether its bytes are those that came ("new").
        let no_mark = |is_same| Some(Seen { existing, mark: None, is_same });
        let with = |mark, is_same| Some(Seen { existing, mark: Some(mark), is_same });
        for (why, origin, seen, want) in [
            ("nothing there, by hand", Origin::Hand, None, "give 0"),
            ("nothing there, an upload", upload, None, "give 1"),
            ("nothing there, a move", by_move(4), None, "give 4"),
            ("same bytes without a mark, by hand", Origin::Hand, no_mark(true), "raise 0"),
            ("same bytes on record, by hand", Origin::Hand, with(marked("new", 2), true), "keep 2"),
            ("same bytes on record, a move", by_move(3), with(marked("new", 2), true), "raise 3"),
            ("same bytes, a move of the same generation", by_move(2), with(marked("new", 2), true), "stale"),
            ("other bytes, a move of an older generation", by_move(1), with(marked("old", 2), false), "stale"),
            ("same bytes without a mark, a move", by_move(2), no_mark(true), "raise 2, was unowned"),
            ("same bytes of nobody, a move", by_move(2), with(marked("new", 0), true), "raise 2, was unowned"),
            ("other bytes on record", Origin::Hand, with(marked("old", 1), false), "conflict"),
            ("other bytes on record, a move", by_move(2), with(marked("old", 1), false), "conflict"),
            ("other bytes without a mark, proven", Origin::Hand, no_mark(false), "replace 0"),
            ("other bytes of nobody, a move", by_move(2), with(marked("old", 0), false), "replace 2"),
            ("damaged, its own bytes come", Origin::Hand, with(marked("new", 5), false), "replace 5"),
            ("damaged, its own bytes come by a move", by_move(6), with(marked("new", 5), false), "replace 6"),
            ("an upload's name is taken", upload, with(marked("new", 0), true), "conflict"),
            ("an upload's name is taken by nobody's file", upload, no_mark(false), "conflict"),
        ] {
            let mut decision = brief(&decide(&arrived("new", origin), seen.as_ref()));
            if decision.starts_with("keep") {
                decision = "keep 2".into(); // its mark stays as it is, whatever the decision carries
            }
            assert_eq!(decision, want, "{why}");
        }
        let unproven = Arrived { is_proven: false, ..arrived("new", Origin::Hand) };
        assert_eq!(brief(&decide(&unproven, no_mark(false).as_ref())), "conflict", "nothing proves the new bytes");
    }
}
