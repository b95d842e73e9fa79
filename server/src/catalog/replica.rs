//! A file's copy in one pool. Pure.

/// What a copy is at this moment. A file has at most one copy in each pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReplicaState {
    /// On its way in: stays until the target node's word, its bytes are reserved.
    Writing,
    /// Durable, and what is served.
    Live,
    /// A word to its node is out or due: into the trash with it.
    Condemned,
    /// In its pool's trash.
    Trashed,
    /// Being removed from the trash: no way back from here.
    Purging,
    /// Its bytes are not what the books say. Kept, served with `no-store`, never copied as good.
    Suspect,
    /// On record, not on disk.
    Lost,
}

impl ReplicaState {
    /// The word in the database and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Writing => "writing",
            Self::Live => "live",
            Self::Condemned => "condemned",
            Self::Trashed => "trashed",
            Self::Purging => "purging",
            Self::Suspect => "suspect",
            Self::Lost => "lost",
        }
    }

    /// From that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Writing, Self::Live, Self::Condemned, Self::Trashed, Self::Purging, Self::Suspect, Self::Lost]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}
