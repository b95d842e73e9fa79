//! Who was not let in of late, and why: a node with another secret is nowhere else to be seen. Bounded, memory only.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use pixelfox_proto::{Fault, FaultKind};
use tokio::time::Instant;

/// A node comes again every few seconds; one that has not come for so long has given up, or was let in.
const LATELY: Duration = Duration::from_secs(30);
/// Names are only claimed, and can be any number.
const REMEMBERED: usize = 256;

/// One that was not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnedAway {
    /// Its NODE_ID as it claims; its address where it claims none.
    pub who: String,
    /// Where it dialled from, without the port.
    pub machine: String,
    /// Why.
    pub grounds: Grounds,
    /// What it was told.
    pub told: String,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grounds {
    /// Its REPLICATION_SECRET is not the server's.
    Secret,
    /// Another process with its NODE_ID is attached.
    NameTaken,
    /// Anything else: it was told.
    Other,
}

#[derive(Debug, Default)]
pub(super) struct Refused(Mutex<BTreeMap<(String, Grounds), (Instant, TurnedAway)>>);

impl Refused {
    pub(super) fn note(&self, who: &str, address: &str, fault: &Fault, now: Instant) {
        let grounds = match fault.kind() {
            FaultKind::Unauthorized => Grounds::Secret,
            FaultKind::Conflict => Grounds::NameTaken,
            _ => Grounds::Other,
        };
        let machine = address.rsplit_once(':').map_or(address, |(machine, _port)| machine).to_owned();
        let told = fault.message().to_owned();
        let away = TurnedAway { who: who.to_owned(), machine, grounds, told };
        let mut all = self.0.lock();
        let key = (away.who.clone(), grounds);
        if all.len() >= REMEMBERED && !all.contains_key(&key) {
            all.retain(|_, (at, _)| now.saturating_duration_since(*at) < LATELY);
        }
        if all.len() < REMEMBERED || all.contains_key(&key) {
            all.insert(key, (now, away));
        }
    }

    /// This node was let in from `address`: whatever was wrong with it there is put right.
    pub(super) fn forget(&self, who: &str, address: &str) {
        let machine = address.rsplit_once(':').map_or(address, |(machine, _port)| machine);
        self.0.lock().retain(|_, (_, away)| away.machine != machine || (away.who != who && away.who != machine));
    }

    /// Those that came within the last half minute, by name.
    pub(super) fn lately(&self, now: Instant) -> Vec<TurnedAway> {
        let all = self.0.lock();
        let lately = all.values().filter(|(at, _)| now.saturating_duration_since(*at) < LATELY);
        lately.map(|(_, away)| away.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_no_more_is_forgotten_and_a_flood_of_names_takes_bounded_memory() {
        let (refused, start) = (Refused::default(), Instant::now());
        let wrong = Fault::unauthorized("invalid replication secret");
        refused.note("s02", "10.0.0.7:4711", &wrong, start);
        refused.note("s02", "10.0.0.7:4712", &Fault::new(FaultKind::Conflict, "taken"), start);
        let seen = refused.lately(start + Duration::from_secs(29));
        let grounds: Vec<_> = seen.iter().map(|away| (away.machine.as_str(), away.grounds)).collect();
        assert_eq!(grounds, [("10.0.0.7", Grounds::Secret), ("10.0.0.7", Grounds::NameTaken)]);
        assert!(refused.lately(start + LATELY).is_empty());
        refused.note("s03", "10.0.0.7:4713", &wrong, start);
        refused.forget("s02", "10.0.0.8:4714");
        assert_eq!(refused.lately(start).len(), 3, "another machine with the same name was let in");
        refused.forget("s02", "10.0.0.7:4714");
        let left: Vec<_> = refused.lately(start).into_iter().map(|away| away.who).collect();
        assert_eq!(left, ["s03"], "it was let in: what it was refused for is put right");
        for name in 0..3 * REMEMBERED {
            refused.note(&name.to_string(), "10.0.0.8:1", &wrong, start);
            assert!(refused.0.lock().len() <= REMEMBERED);
        }
        refused.note("later", "10.0.0.9:1", &wrong, start + LATELY);
        assert_eq!(refused.lately(start + LATELY).len(), 1, "what is old has gone");
    }
}
