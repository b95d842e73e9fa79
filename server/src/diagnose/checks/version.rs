//! `version`: do the programs have one version?

use pixelfox_proto::text;

use crate::diagnose::finding::{Check, Finding};
use crate::diagnose::seen::{Cluster, NodeSeen, Presence};

/// `None` of a node that is not attached.
#[must_use]
pub(crate) fn judge(cluster: &Cluster, seen: &NodeSeen) -> Option<Finding> {
    let version = match &seen.presence {
        Presence::Here(about) => &about.version,
        Presence::Elsewhere { version, .. } => version,
        Presence::Away { .. } | Presence::Never => return None,
    };
    let ours = &cluster.version;
    if version == ours {
        return Some(Finding::ok(
            seen.subject(),
            Check::Version,
            text!(
                de "Version {version}, wie dieser Server",
                en "version {version}, as this server"
            ),
        ));
    }
    let message = text!(
        de "er hat Version {version}, dieser Server {ours}",
        en "it has version {version}, this server {ours}"
    );
    let advice = text!(
        de "Das Update zu Ende bringen: {ours} auf Knoten {} installieren, oder seine Version hier",
        en "Finish the update: install {ours} on node {} or its version here",
        seen.node
    );
    Some(Finding::warning(seen.subject(), Check::Version, message, advice))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::checks::tests::{assert_stands, away, cluster, here, saying};
    use crate::diagnose::finding::Status;

    #[test]
    fn another_version_is_told() {
        let other = saying("s01", |about| about.version = "0.9.0".into());
        let all = cluster(vec![here("local"), other, away("s02")], Vec::new());
        assert_stands(&judge(&all, &all.nodes[0]).expect("a finding"), Status::Ok, &["1.0.0"], "the same");
        let finding = judge(&all, &all.nodes[1]).expect("a finding");
        assert_stands(&finding, Status::Warning, &["0.9.0", "1.0.0", "node s01"], "another");
        assert_eq!(judge(&all, &all.nodes[2]), None);
    }
}
