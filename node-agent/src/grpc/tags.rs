//! Which files are open on a Replicate stream, and what the next message may be about. Pure.
//!
//! Source: replication.proto, `Replicate`: an unknown tag, a tag that is still open, and mixed frames end the stream;
//! frames of a refused file that are under way are dropped.

use std::collections::{HashSet, VecDeque};

/// Files that may be open at once. Source: replication.proto.
pub(super) const OPEN_MOST: usize = 64;

/// The tags of one stream.
#[derive(Debug, Default)]
pub(super) struct Tags {
    open: HashSet<u32>,
    /// The file whose frames are coming: it has begun and is not complete.
    current: Option<u32>,
    /// Refused ones, the latest last. Answers arrive in order, so a client that counts a file as open that was refused
    /// here has read none of the later answers: no more than [`OPEN_MOST`] can matter.
    refused: VecDeque<u32>,
}

/// Why a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error("file_tag {0} is still open")]
    StillOpen(u32),
    #[error("file_tag {0} is not open: its begin is missing, or it has had all its frames")]
    Unknown(u32),
    #[error("a frame of file_tag {new} between those of file_tag {current}")]
    Mixed { current: u32, new: u32 },
    #[error("more than {OPEN_MOST} files are open on this stream")]
    TooMany,
}

/// What to do with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Take {
    /// It is the file's next one.
    Frame,
    /// The file was refused; the frame was under way.
    Drop,
}

impl Tags {
    /// A file begins.
    pub(super) fn begin(&mut self, tag: u32) -> Result<(), Broken> {
        if self.open.contains(&tag) {
            return Err(Broken::StillOpen(tag));
        }
        if self.open.len() >= OPEN_MOST {
            return Err(Broken::TooMany);
        }
        self.refused.retain(|refused| *refused != tag);
        self.open.insert(tag);
        Ok(())
    }

    /// A frame comes. A file that had all its frames takes no more: its landing is no longer with the stream.
    pub(super) fn frame(&mut self, tag: u32, has_landing: bool) -> Result<Take, Broken> {
        if self.refused.contains(&tag) {
            return Ok(Take::Drop);
        }
        if !has_landing || !self.open.contains(&tag) {
            return Err(Broken::Unknown(tag));
        }
        match self.current {
            Some(current) if current != tag => Err(Broken::Mixed { current, new: tag }),
            _ => {
                self.current = Some(tag);
                Ok(Take::Frame)
            }
        }
    }

    /// All frames of a file have come.
    pub(super) fn complete(&mut self, tag: u32) {
        if self.current == Some(tag) {
            self.current = None;
        }
    }

    /// A file had its receipt.
    pub(super) fn received(&mut self, tag: u32) {
        self.open.remove(&tag);
    }

    /// A file had its refusal.
    pub(super) fn refused(&mut self, tag: u32) {
        self.complete(tag);
        self.open.remove(&tag);
        self.refused.push_back(tag);
        if self.refused.len() > OPEN_MOST {
            self.refused.pop_front();
        }
    }

    /// Whether no file is open.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_follow_what() {
        let mut tags = Tags::default();
        assert_eq!(tags.frame(1, false), Err(Broken::Unknown(1)), "a frame before its begin");
        assert_eq!(tags.begin(1), Ok(()));
        assert_eq!(tags.begin(1), Err(Broken::StillOpen(1)));
        assert_eq!(tags.begin(2), Ok(()), "further files may begin early");
        assert_eq!(tags.frame(2, true), Ok(Take::Frame), "and come first");
        assert_eq!(tags.frame(1, true), Err(Broken::Mixed { current: 2, new: 1 }));
        tags.complete(2);
        assert_eq!(tags.frame(1, true), Ok(Take::Frame));
        assert_eq!(tags.frame(2, false), Err(Broken::Unknown(2)), "a frame after the last one");
        tags.received(2);
        assert_eq!(tags.begin(2), Ok(()), "a tag that has its receipt is free");
    }

    #[test]
    fn frames_of_a_refused_file_are_dropped_and_mix_with_nothing() {
        let mut tags = Tags::default();
        tags.begin(1).unwrap();
        tags.frame(1, true).unwrap();
        tags.refused(1);
        tags.begin(2).unwrap();
        assert_eq!(tags.frame(1, false), Ok(Take::Drop));
        assert_eq!(tags.frame(2, true), Ok(Take::Frame));
        assert_eq!(tags.frame(1, false), Ok(Take::Drop));
    }

    #[test]
    fn the_sixty_fifth_open_file_is_too_much() {
        let mut tags = Tags::default();
        for tag in 0..64 {
            assert_eq!(tags.begin(tag), Ok(()));
        }
        assert_eq!(tags.begin(64), Err(Broken::TooMany));
        tags.received(0);
        assert_eq!(tags.begin(64), Ok(()));
    }

    #[test]
    fn refusals_are_remembered_within_bounds() {
        let mut tags = Tags::default();
        for tag in 0..1000 {
            tags.begin(tag).unwrap();
            tags.refused(tag);
        }
        assert_eq!(tags.refused.len(), OPEN_MOST);
        assert_eq!(tags.frame(999, false), Ok(Take::Drop));
        assert_eq!(tags.frame(0, false), Err(Broken::Unknown(0)));
    }
}
