//! `secret`: has every node the same REPLICATION_SECRET, and the same UPLOAD_TOKEN_SECRET? Names the node that differs.

use std::collections::BTreeMap;

use pixelfox_node::whois::{Found as Who, SecretMatch};
use pixelfox_proto::{NodeId, text};

use crate::diagnose::finding::{Check, Finding};
use crate::diagnose::seen::Cluster;
use crate::sessions::{Grounds, TargetFound};

/// Nodes that the server does not let in for their REPLICATION_SECRET, and nodes whose UPLOAD_TOKEN_SECRET differs.
#[must_use]
pub(crate) fn judge(cluster: &Cluster) -> Vec<Finding> {
    let refused = cluster.turned_away.iter().filter(|away| away.grounds == Grounds::Secret);
    let mut found: Vec<Finding> = refused
        .map(|away| {
            let (who, machine) = (&away.who, &away.machine);
            if away.told == "replication disabled" {
                let message = text!(
                    de "er meldet sich von {machine}, aber dieser Server hat kein REPLICATION_SECRET",
                    en "it dials from {machine}, but this server has no REPLICATION_SECRET"
                );
                let advice = text!(
                    de "Dasselbe REPLICATION_SECRET in der Umgebung des Servers und jedes Knotens setzen und den Server neu \
                        starten",
                    en "Set the same REPLICATION_SECRET in the environment of the server and of every node, and \
                        restart the server"
                );
                return Finding::failed(format!("node {who}"), Check::Secret, message, advice);
            }
            let message = text!(
                de "er meldet sich von {machine} und wird abgelehnt: sein REPLICATION_SECRET ist nicht das des Servers",
                en "it dials from {machine} and is refused: its REPLICATION_SECRET is not the server's"
            );
            let advice = text!(
                de "Das REPLICATION_SECRET des Servers in der Umgebung von Knoten {who} setzen (.env auf {machine}) und ihn neu \
                    starten",
                en "Set the server's REPLICATION_SECRET in the environment of node {who} (.env of {machine}) and restart it"
            );
            Finding::failed(format!("node {who}"), Check::Secret, message, advice)
        })
        .collect();
    found.extend(upload_tokens(cluster));
    found
}

/// The secret that most nodes have is taken for the right one; where as many have another, the one of the first by name.
fn upload_tokens(cluster: &Cluster) -> Vec<Finding> {
    let mut holders: BTreeMap<&[u8], Vec<&NodeId>> = BTreeMap::new();
    for (node, about) in cluster.nodes.iter().filter_map(|seen| Some((&seen.node, seen.about()?))) {
        holders.entry(&about.upload_secret_tag).or_default().push(node);
    }
    let set = holders.iter().filter(|(tag, _)| !tag.is_empty());
    let Some((right, most)) = set.min_by_key(|(_, nodes)| (usize::MAX - nodes.len(), nodes.first().copied())) else {
        return Vec::new();
    };
    let most: Vec<&str> = most.iter().map(|node| node.as_str()).collect();
    let others = holders.iter().filter(|(tag, _)| *tag != right);
    let differs = |(tag, nodes): (&&[u8], &Vec<&NodeId>)| {
        let most = most.join(", ");
        let message = if tag.is_empty() {
            text!(
                de "er hat kein UPLOAD_TOKEN_SECRET, anders als {most}: Uploads dorthin antworten mit 401",
                en "it has no UPLOAD_TOKEN_SECRET, unlike {most}: uploads to it answer 401"
            )
        } else {
            text!(
                de "er hat ein anderes UPLOAD_TOKEN_SECRET als {most}: Uploads dorthin antworten mit 401",
                en "it has another UPLOAD_TOKEN_SECRET, unlike {most}: uploads to it answer 401"
            )
        };
        let finding = |node: &&NodeId| {
            let advice = text!(
                de "Deren Wert in der Umgebung von Knoten {node} setzen und ihn neu starten",
                en "Set theirs in the environment of node {node} and restart it"
            );
            Finding::failed(format!("node {node}"), Check::Secret, message.clone(), advice)
        };
        nodes.iter().map(finding).collect::<Vec<_>>()
    };
    others.flat_map(differs).collect()
}

/// What `from` has seen at `to`'s URL. `None` where no node of ours answered: that is the URL's matter.
#[must_use]
pub(crate) fn between(from: &NodeId, to: &NodeId, found: &TargetFound) -> Option<Finding> {
    let Who::Node { node_id, secret, .. } = &found.who else { return None };
    if *secret != SecretMatch::NotSet && node_id != to.as_str() {
        return None;
    }
    let subject = format!("{from} -> {to}");
    let restart = |node: &NodeId, other: &NodeId| {
        text!(
            de "Das REPLICATION_SECRET von Knoten {other} in der Umgebung von Knoten {node} setzen und ihn neu starten",
            en "Set the REPLICATION_SECRET of node {other} in the environment of node {node} and restart it"
        )
    };
    let finding = match secret {
        SecretMatch::Equal => {
            let message = text!(
                de "beide haben dasselbe REPLICATION_SECRET",
                en "both have the same REPLICATION_SECRET"
            );
            Finding::ok(subject, Check::Secret, message)
        }
        SecretMatch::AcceptedAsPrevious => {
            let message = text!(
                de "{to} hat ein neueres REPLICATION_SECRET und nimmt das von {from} noch an",
                en "{to} has a newer REPLICATION_SECRET and still accepts that of {from}"
            );
            let advice = text!(
                de "Den Wechsel zu Ende bringen: das neue Secret auch auf Knoten {from} setzen und ihn neu starten",
                en "Finish the change: set the new secret on node {from} too and restart it"
            );
            Finding::warning(subject, Check::Secret, message, advice)
        }
        SecretMatch::NotChangedYet => {
            let message = text!(
                de "{from} hat ein neueres REPLICATION_SECRET, das {to} mit 401 ablehnt",
                en "{from} has a newer REPLICATION_SECRET, which {to} refuses with 401"
            );
            Finding::failed(subject, Check::Secret, message, restart(to, from))
        }
        SecretMatch::Different => {
            let message = text!(
                de "{to} hat ein anderes REPLICATION_SECRET als {from}: jeder lehnt den anderen mit 401 ab",
                en "{to} has another REPLICATION_SECRET than {from}: each refuses the other with 401"
            );
            Finding::failed(subject, Check::Secret, message, restart(to, from))
        }
        SecretMatch::NotSet => {
            let message = text!(
                de "{to} hat kein REPLICATION_SECRET: er antwortet mit 401 „replication disabled“",
                en "{to} has no REPLICATION_SECRET: it answers 401 `replication disabled`"
            );
            Finding::failed(subject, Check::Secret, message, restart(to, from))
        }
    };
    Some(finding.about("").after(found.took))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::diagnose::checks::tests::{assert_stands, away, cluster, here, id, refused, saying};
    use crate::diagnose::finding::Status;

    #[test]
    fn the_node_with_another_secret_is_named() {
        let mut all = cluster(vec![here("s01"), away("s02")], Vec::new());
        assert!(judge(&all).is_empty());
        for (told, words) in [
            ("invalid replication secret", &["10.0.0.9", "environment of node s02"][..]),
            ("replication disabled", &["this server has no REPLICATION_SECRET"]),
        ] {
            all.turned_away = vec![refused("s02", Grounds::Secret, told)];
            let [finding] = &judge(&all)[..] else { panic!("one finding") };
            assert_stands(finding, Status::Failed, words, told);
            assert_eq!(finding.subject, "node s02");
        }
    }

    #[test]
    fn the_one_that_differs_from_the_most_is_named() {
        let with = |node: &str, tag: &[u8]| saying(node, |about| about.upload_secret_tag = tag.to_vec());
        for (why, nodes, want) in [
            ("none has one", vec![with("a", b""), with("b", b"")], &[][..]),
            ("all the same", vec![with("a", b"x"), with("b", b"x")], &[]),
            ("one of three", vec![with("a", b"x"), with("b", b"y"), with("c", b"y")], &["node a"]),
            ("one has none", vec![with("a", b""), with("b", b"y")], &["node a"]),
            ("two have two: the first by name is right", vec![with("a", b"y"), with("b", b"x")], &["node b"]),
        ] {
            let found = judge(&cluster(nodes, Vec::new()));
            let subjects: Vec<&str> = found.iter().map(|finding| finding.subject.as_str()).collect();
            assert_eq!(subjects, want, "{why}");
            for finding in &found {
                assert_stands(finding, Status::Failed, &["UPLOAD_TOKEN_SECRET", "401"], why);
            }
        }
    }

    #[test]
    fn what_one_node_sees_of_anothers_secret() {
        use SecretMatch::{AcceptedAsPrevious, Different, Equal, NotChangedYet, NotSet};
        for (secret, status, word) in [
            (Equal, Status::Ok, "same"),
            (AcceptedAsPrevious, Status::Warning, "set the new secret on node s01"),
            (NotChangedYet, Status::Failed, "environment of node s02"),
            (Different, Status::Failed, "environment of node s02"),
            (NotSet, Status::Failed, "has no REPLICATION_SECRET"),
        ] {
            let node_id = if secret == NotSet { String::new() } else { "s02".into() };
            let who = Who::Node { node_id, version: String::new(), secret };
            let found = TargetFound { who, without_grpc: None, took: Duration::from_millis(3) };
            let finding = between(&id("s01"), &id("s02"), &found).expect("a finding");
            assert_stands(&finding, status, &[word], word);
            assert_eq!((finding.subject.as_str(), finding.took), ("s01 -> s02", found.took));
        }
        let who = Who::Node { node_id: "s03".into(), version: String::new(), secret: Different };
        let other = TargetFound { who, without_grpc: None, took: Duration::ZERO };
        assert_eq!(between(&id("s01"), &id("s02"), &other), None, "another node: not this line's matter");
    }
}
