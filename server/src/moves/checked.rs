//! What a copy is after its bytes were read. Pure.

use crate::catalog::{Found, ReplicaState};

/// Where the image of a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// In the copy's pool.
    Here,
    /// In another pool, which has a copy of this file that is known to be right.
    Elsewhere,
    /// In another pool, which has none: this copy was left behind.
    ElsewhereWithoutIt,
}

/// What becomes of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterCheck {
    /// This.
    Is(ReplicaState),
    /// It goes to the trash: nothing is to be served from it any more.
    Trash,
    /// It leaves the books: there is nothing.
    Forget,
}

/// What `found` makes of a copy. One that its image has moved away from only stands in the way: it goes, whatever its
/// bytes are. One that was left behind as lost is no copy of its image even where it turns up again.
#[must_use]
pub const fn after_check(was: ReplicaState, place: Whereabouts, found: Found) -> AfterCheck {
    match (place, found) {
        (Whereabouts::Elsewhere, Found::Missing) => AfterCheck::Forget,
        (Whereabouts::Elsewhere, Found::Right | Found::Wrong) => AfterCheck::Trash,
        (Whereabouts::ElsewhereWithoutIt, Found::Right) if matches!(was, ReplicaState::Lost) => {
            AfterCheck::Is(ReplicaState::Lost)
        }
        (_, Found::Right) => AfterCheck::Is(ReplicaState::Live),
        (_, Found::Wrong) => AfterCheck::Is(ReplicaState::Suspect),
        (_, Found::Missing) => AfterCheck::Is(ReplicaState::Lost),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_copy_is_after_its_bytes_were_read() {
        use ReplicaState::{Live, Lost, Suspect};
        use Whereabouts::{Elsewhere, ElsewhereWithoutIt, Here};
        use {AfterCheck::*, Found::*};
        for (why, was, place, found, want) in [
            ("as it should be", Live, Here, Right, Is(Live)),
            ("rotten", Live, Here, Wrong, Is(Suspect)),
            ("gone", Live, Here, Missing, Is(Lost)),
            ("put right in place", Suspect, Here, Right, Is(Live)),
            ("still rotten", Suspect, Here, Wrong, Is(Suspect)),
            ("brought back", Lost, Here, Right, Is(Live)),
            ("brought back, but something else", Lost, Here, Wrong, Is(Suspect)),
            ("its image has moved on with it", Suspect, Elsewhere, Wrong, Trash),
            ("likewise, and healed", Suspect, Elsewhere, Right, Trash),
            ("likewise, and gone", Lost, Elsewhere, Missing, Forget),
            ("a variant left behind", Lost, ElsewhereWithoutIt, Missing, Is(Lost)),
            ("that turned up too late", Lost, ElsewhereWithoutIt, Right, Is(Lost)),
            ("the only copy that there is", Suspect, ElsewhereWithoutIt, Right, Is(Live)),
        ] {
            assert_eq!(after_check(was, place, found), want, "{why}");
        }
    }
}
