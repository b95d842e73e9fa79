//! How often the log hears that a node is not let in: a node that is turned away comes again every few seconds, and a
//! line each time would hide the others. The node itself is told every time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pixelfox_proto::{Fault, FaultKind};

/// One line for each node and cause in this time.
const EVERY: Duration = Duration::from_secs(60);
/// Nodes and causes that are remembered at most: names are only claimed, and can be any number.
const REMEMBERED: usize = 1024;

/// What the log has heard of late.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    lately: Mutex<HashMap<(String, FaultKind), Lately>>,
}

#[derive(Debug)]
struct Lately {
    said: Instant,
    unsaid: u64,
}

impl Refusals {
    /// Logs that `who` was refused at `now`, unless the same was said less than a minute ago.
    pub(super) fn log(&self, who: &str, fault: &Fault, now: Instant) {
        match self.note(who, fault.kind(), now) {
            None => {}
            Some(0) => tracing::warn!(node = who, "[Coordinator] Attach refused: {fault}"),
            Some(more) => {
                tracing::warn!(node = who, more, "[Coordinator] Attach refused: {fault} ({more} times more meanwhile)");
            }
        }
    }

    /// Whether it is to be said now, and how many times it was not said since the last line.
    fn note(&self, who: &str, kind: FaultKind, now: Instant) -> Option<u64> {
        let mut lately = self.lately.lock();
        let key = (who.to_owned(), kind);
        if let Some(known) = lately.get_mut(&key) {
            if now.saturating_duration_since(known.said) < EVERY {
                known.unsaid += 1;
                return None;
            }
            known.said = now;
            return Some(std::mem::take(&mut known.unsaid));
        }
        if lately.len() >= REMEMBERED {
            lately.retain(|_, known| now.saturating_duration_since(known.said) < EVERY);
        }
        // Still full: a flood of made-up names. It is said, and forgotten.
        if lately.len() < REMEMBERED {
            lately.insert(key, Lately { said: now, unsaid: 0 });
        }
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_said_once_a_minute_for_each_node_and_cause() {
        let (refusals, start) = (Refusals::default(), pixelfox_node::clock::monotonic());
        let (taken, bad) = (FaultKind::Conflict, FaultKind::BadRequest);
        for (why, second, who, kind, want) in [
            ("the first", 0, "s01", taken, Some(0)),
            ("the same again", 5, "s01", taken, None),
            ("another cause", 5, "s01", bad, Some(0)),
            ("another node", 5, "s02", taken, Some(0)),
            ("still the same", 59, "s01", taken, None),
            ("a minute after it was said", 60, "s01", taken, Some(2)),
            ("again", 61, "s01", taken, None),
            ("the other cause, a minute after", 65, "s01", bad, Some(0)),
            ("a minute after its second line", 120, "s01", taken, Some(1)),
        ] {
            assert_eq!(refusals.note(who, kind, start + Duration::from_secs(second)), want, "{why}");
        }
    }

    #[test]
    fn any_number_of_names_takes_bounded_memory() {
        let (refusals, start) = (Refusals::default(), pixelfox_node::clock::monotonic());
        for name in 0..3 * REMEMBERED {
            assert_eq!(refusals.note(&name.to_string(), FaultKind::Conflict, start), Some(0));
            assert!(refusals.lately.lock().len() <= REMEMBERED);
        }
        assert_eq!(refusals.note("later", FaultKind::Conflict, start + EVERY), Some(0));
        assert_eq!(refusals.lately.lock().len(), 1, "what is old has gone");
    }
}
