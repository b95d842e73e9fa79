//! `clock`: do the clocks agree? Upload tokens and dates in paths depend on them, moves don't.

use pixelfox_proto::text;

use crate::diagnose::finding::{Check, Finding};
use crate::diagnose::seen::{NodeSeen, so_long};

/// Apart by more than this is wrong. Source: docs/deployment.md, "Diagnose".
const APART_MS: u64 = 30_000;

/// `None` where the node has not said what time it is.
#[must_use]
pub(crate) fn judge(seen: &NodeSeen) -> Option<Finding> {
    let offset_ms = seen.about()?.clock_offset_ms?;
    let (apart_ms, node) = (offset_ms.unsigned_abs(), &seen.node);
    if apart_ms <= APART_MS {
        let message = text!(
            de "seine Uhr weicht weniger als {} s von der dieses Servers ab",
            en "its clock is less than {} s off this server's",
            apart_ms / 1000 + 1
        );
        return Some(Finding::ok(seen.subject(), Check::Clock, message));
    }
    let apart = so_long(apart_ms / 1000);
    let message = if offset_ms > 0 {
        text!(de "seine Uhr geht um {apart} vor", en "its clock is {apart} ahead of this server's", with apart)
    } else {
        text!(de "seine Uhr geht um {apart} nach", en "its clock is {apart} behind this server's", with apart)
    };
    let advice = text!(
        de "Die Uhren von Knoten {node} und diesem Server durch chrony oder systemd-timesyncd stellen lassen: sonst enden \
         Upload-Token zu früh oder zu spät",
        en "Have chrony or systemd-timesyncd set the clocks of node {node} and of this server: upload tokens end too early \
         or too late otherwise"
    );
    Some(Finding::failed(seen.subject(), Check::Clock, message, advice))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::checks::tests::{assert_stands, away, saying};
    use crate::diagnose::finding::Status;

    #[test]
    fn thirty_seconds_are_the_limit() {
        for (offset, status, word) in [
            (0, Status::Ok, "less than 1 s"),
            (30_000, Status::Ok, "less than"),
            (30_001, Status::Failed, "30 s ahead of"),
            (-600_000, Status::Failed, "10 min behind"),
            (i64::MIN, Status::Failed, "behind"),
        ] {
            let node = saying("s01", |about| about.clock_offset_ms = Some(offset));
            assert_stands(&judge(&node).expect("a finding"), status, &[word], word);
        }
        assert_eq!(judge(&away("s01")), None);
    }
}
