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

/// Where a copy's bytes count in its pool. See [`PoolUsage`](super::PoolUsage).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// Not at all: no copy, or a lost one.
    None,
    /// In use.
    Used,
    /// On its way in.
    Reserved,
    /// Trash, or on its way there.
    Trash,
}

impl ReplicaState {
    /// Where a copy in this state counts. One that is being restored from the trash takes no new room: it stays
    /// counted there.
    #[must_use]
    pub const fn bucket(self, from_trash: bool) -> Bucket {
        match self {
            Self::Live | Self::Suspect => Bucket::Used,
            Self::Writing if from_trash => Bucket::Trash,
            Self::Writing => Bucket::Reserved,
            Self::Condemned | Self::Trashed | Self::Purging => Bucket::Trash,
            Self::Lost => Bucket::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_its_word() {
        for state in ["writing", "live", "condemned", "trashed", "purging", "suspect", "lost"] {
            assert_eq!(ReplicaState::parse(state).map(ReplicaState::as_str), Some(state));
        }
        assert_eq!(ReplicaState::parse("gone"), None);
    }
}
