//! Why the books don't take something: one sentence for a person. Pure.

use pixelfox_proto::{Text, text};

/// Unknown ids that are named at most.
const NAMED: usize = 10;

/// What sort of no it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// The request can't work as it is.
    Invalid,
    /// What it names is not there.
    NotFound,
    /// What it makes is there already.
    Exists,
    /// It could work, but not in the present state.
    Precondition,
    /// Somebody else was first: look again and repeat.
    Changed,
}

/// A no, with the field and the cure where there are some.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What sort.
    pub kind: RefusalKind,
    /// One sentence.
    pub message: Text,
}

impl Refusal {
    /// The request can't work as it is.
    pub fn invalid(message: Text) -> Self {
        Self { kind: RefusalKind::Invalid, message }
    }

    /// What it names is not there.
    pub fn not_found(message: Text) -> Self {
        Self { kind: RefusalKind::NotFound, message }
    }

    /// There are no images with these ids; of many the first ones are named.
    pub fn no_images(unknown: &[&str]) -> Self {
        let named = unknown[..unknown.len().min(NAMED)].join(", ");
        let more = match unknown.len().saturating_sub(NAMED) {
            0 => Text::default(),
            more => text!(de " und {more} weitere", en " and {more} more"),
        };
        let none = text!(de "uuids: es gibt kein Bild {named}", en "uuids: no image {named}");
        Self::not_found(Text::join(&[none, more], ""))
    }

    /// What it makes is there already.
    pub fn exists(message: Text) -> Self {
        Self { kind: RefusalKind::Exists, message }
    }

    /// It could work, but not in the present state.
    pub fn precondition(message: Text) -> Self {
        Self { kind: RefusalKind::Precondition, message }
    }

    /// Somebody else was first.
    pub fn changed(message: Text) -> Self {
        Self { kind: RefusalKind::Changed, message }
    }
}
