//! What a server can do where several share the work: each has the sessions of some of the nodes. Pure.

/// Which jobs of a lane a server can carry out: a push needs the source's session, a restore the target's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Both nodes are attached to this server.
    Both,
    /// The source's node is; the target's is attached to another server: jobs of which nothing comes from the trash.
    Source,
    /// The target's node is; the source's is attached to another server: jobs of which all comes from the trash.
    Target,
}

/// Whose a job of a lane is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// This server's to carry out.
    Ours,
    /// Another server's.
    Theirs,
    /// No server can carry it out as it is, because none has both nodes: old copies in the target's trash go first, then
    /// everything is pushed. This server has the target's node and sees to that.
    MakeWay,
}

impl Reach {
    /// Whose a job is of whose `files` so many come back from the target's trash.
    #[must_use]
    pub const fn share(self, from_trash: usize, files: usize) -> Share {
        match self {
            Self::Both => Share::Ours,
            Self::Source if from_trash == 0 => Share::Ours,
            Self::Target if from_trash == files => Share::Ours,
            Self::Target if from_trash > 0 => Share::MakeWay,
            Self::Source | Self::Target => Share::Theirs,
        }
    }
}

impl Reach {
    /// Whether no server can carry out a job of whose `files` so many come back from the target's trash.
    #[must_use]
    pub fn is_split(self, from_trash: usize, files: usize) -> bool {
        self != Self::Both && from_trash > 0 && from_trash < files
    }
}

#[cfg(test)]
mod tests {
    use super::{Reach, Share};

    #[test]
    fn each_job_is_exactly_one_servers_to_carry_on() {
        use Reach::{Both, Source, Target};
        for (why, reach, from_trash, want) in [
            ("everything is pushed", Both, 0, Share::Ours),
            ("pushed and restored", Both, 2, Share::Ours),
            ("a push needs the source", Source, 0, Share::Ours),
            ("and not the target", Target, 0, Share::Theirs),
            ("a restore needs the target", Target, 3, Share::Ours),
            ("and not the source", Source, 3, Share::Theirs),
            ("some of each: whoever has the trash makes way", Target, 2, Share::MakeWay),
            ("for the other one's push", Source, 2, Share::Theirs),
        ] {
            assert_eq!(reach.share(from_trash, 3), want, "{why}");
        }
    }
}
