//! Why the books don't take something: one sentence for a person. Pure.

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
    pub message: String,
}

impl Refusal {
    /// The request can't work as it is.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Invalid, message: message.into() }
    }

    /// What it names is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { kind: RefusalKind::NotFound, message: message.into() }
    }

    /// What it makes is there already.
    pub fn exists(message: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Exists, message: message.into() }
    }

    /// It could work, but not in the present state.
    pub fn precondition(message: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Precondition, message: message.into() }
    }

    /// Somebody else was first.
    pub fn changed(message: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Changed, message: message.into() }
    }
}
