//! `node_id`: is each NODE_ID one process's, and is there a node for each that a pool names?

use pixelfox_proto::{Text, text};

use crate::diagnose::finding::{Check, Finding};
use crate::diagnose::seen::{Cluster, Presence, pool_subject};
use crate::sessions::Grounds;

/// Nothing where all is well.
#[must_use]
pub(crate) fn judge(cluster: &Cluster) -> Vec<Finding> {
    let mut found: Vec<Finding> = cluster
        .turned_away
        .iter()
        .filter(|away| away.grounds == Grounds::NameTaken)
        .map(|away| {
            let (node, machine, told) = (&away.who, &away.machine, &away.told);
            let message = text!(
                de "ein zweiter Prozess auf {machine} hat auch die NODE_ID {node} und wird abgelehnt: der erste ist schon verbunden",
                en "a second process on {machine} has NODE_ID {node} too and is refused: {told}"
            );
            let advice = text!(
                de "Dem Prozess auf {machine} eine eigene NODE_ID und ein eigenes STATE_DIR geben, oder ihn anhalten",
                en "Give the process on {machine} a NODE_ID and a STATE_DIR of its own, or stop it"
            );
            Finding::failed(format!("node {node}"), Check::NodeId, message, advice)
        })
        .collect();
    let idle: Vec<&str> = cluster
        .nodes
        .iter()
        .filter(|seen| seen.pools.is_empty() && matches!(seen.presence, Presence::Here(_)))
        .map(|seen| seen.node.as_str())
        .collect();
    let is_unknown = |node| cluster.node(node).is_none_or(|seen| seen.presence == Presence::Never);
    let lonely: Vec<_> = cluster.pools.iter().filter(|pool| is_unknown(&pool.node)).collect();
    for pool in &lonely {
        let message = text!(
            de "seine Node ID ist {0}, und ein Knoten {0} war noch nie verbunden",
            en "its node_id is {0}, and no node {0} has ever attached",
            pool.node
        );
        let candidates = match idle.as_slice() {
            [] => Text::default(),
            nodes => text!(
                de " (verbunden ohne Speicherpool: {})",
                en " (attached without a pool: {})",
                nodes.join(", ")
            ),
        };
        let node = &pool.node;
        let advice = text!(
            de "Seinen Knoten mit NODE_ID={node} starten, oder die Node ID des Speicherpools auf die seines Knotens \
                richtigstellen{candidates}",
            en "Start its node with NODE_ID={node}, or correct the pool's node_id to that of its node{candidates}",
            with candidates
        );
        found.push(Finding::failed(pool_subject(pool), Check::NodeId, message, advice).about("node_id"));
    }
    if lonely.is_empty() {
        found.extend(idle.iter().map(|node| {
            let advice = text!(
                de "Einen Speicherpool mit Node ID {node} anlegen, oder ihn anhalten",
                en "Make a pool with node_id {node}, or stop it"
            );
            let message = text!(
                de "er hat keinen Speicherpool: dort wird nichts gespeichert",
                en "it has no pool: nothing is stored there"
            );
            Finding::warning(format!("node {node}"), Check::NodeId, message, advice)
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::checks::tests::{assert_stands, cluster, here, never, pool, refused};
    use crate::diagnose::finding::Status;
    use crate::diagnose::seen::NodeSeen;

    #[test]
    fn a_pool_that_names_a_node_that_never_was_says_which_one_was_meant() {
        // The pool says so1, the node that is there s01: one line, on the pool, that names both.
        let mut idle = here("s01");
        idle.pools.clear();
        let cluster = cluster(vec![never("so1"), idle], vec![pool("img1", "so1")]);
        let [finding] = &judge(&cluster)[..] else { panic!("one finding") };
        assert_stands(
            finding,
            Status::Failed,
            &["no node so1 has ever", "NODE_ID=so1", "a pool: s01"],
            "a typing error",
        );
        assert_eq!((finding.subject.as_str(), finding.field), ("pool img1", "node_id"));
    }

    #[test]
    fn two_processes_with_one_name_and_a_node_without_a_pool() {
        let mut all = cluster(vec![here("s01")], vec![pool("img1", "s01")]);
        assert!(judge(&all).is_empty());
        all.turned_away = vec![refused("s01", Grounds::NameTaken, "NODE_ID s01 is attached already")];
        let [finding] = &judge(&all)[..] else { panic!("one finding") };
        assert_stands(finding, Status::Failed, &["10.0.0.9", "STATE_DIR"], "a second s01");
        let idle = cluster(vec![NodeSeen { pools: Vec::new(), ..here("s02") }], Vec::new());
        let [finding] = &judge(&idle)[..] else { panic!("one finding") };
        assert_stands(finding, Status::Warning, &["no pool"], "an idle node");
    }
}
