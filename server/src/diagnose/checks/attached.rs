//! `attached`: does the node have a session?

use pixelfox_proto::{Text, text};

use crate::diagnose::finding::{Check, Finding};
use crate::diagnose::seen::{Cluster, NodeSeen, Presence, so_long};
use crate::sessions::Grounds;

/// `None` of a node that has never attached: that is a matter of `node_id`.
#[must_use]
pub(crate) fn judge(cluster: &Cluster, seen: &NodeSeen) -> Option<Finding> {
    let (subject, node) = (seen.subject(), &seen.node);
    let (last_seen, address) = match &seen.presence {
        Presence::Never => return None,
        Presence::Here(about) => {
            let message = match about.address.as_str() {
                "this process" => text!(de "verbunden, in diesem Prozess", en "attached, from this process"),
                address => text!(de "verbunden, von {address} aus", en "attached, from {address}"),
            };
            return Some(Finding::ok(subject, Check::Attached, message));
        }
        Presence::Elsewhere { server, url, .. } => {
            let message = text!(
                de "gehört zu Server {server}: was er sieht, ist hier nicht geprüft",
                en "attached to server {server}: what it sees was not tried here"
            );
            let place = if url.is_empty() { server } else { url };
            let advice = text!(
                de "Auch auf {place} die Diagnose starten",
                en "Start the diagnosis at {place} too"
            );
            return Some(Finding::warning(subject, Check::Attached, message, advice));
        }
        Presence::Away { last_seen, address } => (*last_seen, address),
    };
    let refused =
        |grounds| cluster.turned_away.iter().find(|away| away.who == node.as_str() && away.grounds == grounds);
    if let Some(away) = refused(Grounds::Secret) {
        let message = text!(
            de "nicht verbunden: er meldet sich von {} und wird nicht eingelassen",
            en "not attached: it dials from {} and is not let in",
            away.machine
        );
        return Some(Finding::warning(
            subject,
            Check::Attached,
            message,
            text!(de "Siehe seine Zeile „Secrets“", en "See its line `secret`"),
        ));
    }
    if let Some(away) = refused(Grounds::Other) {
        let message = text!(
            de "nicht verbunden: er meldet sich von {} und wird abgelehnt: {}",
            en "not attached: it dials from {} and is refused: {}",
            away.machine,
            away.told
        );
        let advice = text!(
            de "Das auf Knoten {node} in Ordnung bringen und ihn neu starten",
            en "Put that right on node {node} and start it again"
        );
        return Some(Finding::failed(subject, Check::Attached, message, advice));
    }
    let gone = so_long(cluster.now.seconds_since(last_seen));
    let message = text!(
        de "nicht verbunden; zuletzt vor {gone} gesehen, von {address} aus",
        en "not attached; last seen {gone} ago, from {address}",
        with gone
    );
    if seen.pools.is_empty() {
        let advice = text!(
            de "Er hat keinen Speicherpool: es fehlt nichts. Neu starten, oder lassen",
            en "It has no pool: nothing is missing. Start it again, or let it be"
        );
        return Some(Finding::warning(subject, Check::Attached, message, advice));
    }
    Some(Finding::failed(subject, Check::Attached, message, start_it(seen)))
}

/// What brings back a node with pools.
fn start_it(seen: &NodeSeen) -> Text {
    let (node, pools) = (&seen.node, pools(&seen.pools));
    text!(
        de "Dort node-agent starten (docker-compose up -d app_{node}); läuft er, sagen sein Log und GET /readyz, warum er \
         nicht verbunden ist: COORDINATOR_URL muss zu diesem Server führen. Bis dahin: {pools} nicht erreichbar, Aufträge \
         warten",
        en "Start node-agent there (docker-compose up -d app_{node}); if it runs, its log and GET /readyz say why it is \
         not attached: COORDINATOR_URL must lead to this server. Until then {pools} can't be reached and jobs wait",
        with pools
    )
}

fn pools(names: &[String]) -> Text {
    let all = names.join(", ");
    match names {
        [_] => text!(de "Speicherpool {all}", en "pool {all}"),
        _ => text!(de "Speicherpools {all}", en "pools {all}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::checks::tests::{assert_stands, away, cluster, here, never, refused};
    use crate::diagnose::finding::Status;

    #[test]
    fn where_a_node_is() {
        let lost = NodeSeen { pools: Vec::new(), ..away("s01") };
        let presence = Presence::Elsewhere { version: "1.0.0".into(), server: "b".into(), url: "http://b".into() };
        for (why, node, status, words) in [
            ("attached", here("s01"), Status::Ok, &["10.0.0.1"][..]),
            ("another server's", NodeSeen { presence, ..here("s01") }, Status::Warning, &["server b", "at http://b"]),
            ("gone with its pools", away("s01"), Status::Failed, &["60 s ago", "COORDINATOR_URL", "pool of s01"]),
            ("gone, and nothing is missing", lost, Status::Warning, &["no pool"]),
        ] {
            let cluster = cluster(vec![node.clone()], Vec::new());
            assert_stands(&judge(&cluster, &node).expect(why), status, words, why);
        }
        assert_eq!(judge(&cluster(Vec::new(), Vec::new()), &never("s01")), None);
    }

    #[test]
    fn a_node_that_dials_and_is_refused_is_told_from_one_that_is_gone() {
        // Its other secret is one line's matter, not two's.
        let mut cluster = cluster(vec![away("s01")], Vec::new());
        cluster.turned_away = vec![refused("s01", Grounds::Secret, "invalid replication secret")];
        let finding = judge(&cluster, &cluster.nodes[0]).expect("a finding");
        assert_stands(&finding, Status::Warning, &["10.0.0.9", "`secret`"], "another secret");
        cluster.turned_away = vec![refused("s01", Grounds::Other, "speaks protocol 9")];
        let finding = judge(&cluster, &cluster.nodes[0]).expect("a finding");
        assert_stands(&finding, Status::Failed, &["protocol 9"], "another protocol");
    }
}
