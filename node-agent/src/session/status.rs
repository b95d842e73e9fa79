//! Whether this node is attached, and if not, why: for `readyz` and for the log, which says the same thing at most
//! once a minute.

use std::time::{Duration, Instant};

use pixelfox_proto::SessionEpoch;

/// The same trouble is logged again only after so long.
const SAY_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// How it stands with the coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionStatus {
    /// Not attached; the sentence says why and what to do.
    Waiting(String),
    /// Attached and welcomed.
    Attached(SessionEpoch),
}

impl SessionStatus {
    /// Why this node can't do its work; `None` while it is attached.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        match self {
            Self::Waiting(why) => Some(why),
            Self::Attached(_) => None,
        }
    }
}

/// Decides whether a sentence is worth a log line.
#[derive(Debug, Default)]
pub(super) struct Nagging {
    said: Option<(String, Instant)>,
}

impl Nagging {
    /// Whether `sentence` is new, or was said long enough ago.
    pub(super) fn is_due(&mut self, sentence: &str, now: Instant) -> bool {
        let due = match &self.said {
            Some((last, at)) => last != sentence || now.duration_since(*at) >= SAY_AGAIN_AFTER,
            None => true,
        };
        if due {
            self.said = Some((sentence.to_owned(), now));
        }
        due
    }

    /// All is well: whatever comes next is news.
    pub(super) fn reset(&mut self) {
        self.said = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_sentence_is_said_once_a_minute() {
        let start = crate::clock::monotonic();
        let mut nagging = Nagging::default();
        for (second, sentence, due) in
            [(0, "a", true), (1, "a", false), (59, "a", false), (60, "a", true), (61, "b", true), (62, "a", true)]
        {
            assert_eq!(nagging.is_due(sentence, start + Duration::from_secs(second)), due, "{sentence} at {second} s");
        }
        nagging.reset();
        assert!(nagging.is_due("a", start + Duration::from_secs(63)));
    }
}
