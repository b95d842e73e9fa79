//! Why a way between pools is closed, in the words of a job that waits. Pure.

use pixelfox_node::config::show_size;
use pixelfox_proto::{NodeId, PoolId};

use super::{PoolView, Snapshot};

pub(super) const QUEUE_PAUSED: &str = "queue paused";

pub(super) fn away(node: &NodeId) -> String {
    format!("node {node} is not attached")
}

pub(super) fn unhealthy(pool: &PoolView) -> String {
    format!("pool {} is not healthy", pool.name)
}

/// Why nothing can be done in a pool, by any server: `node s09 is not attached`, `pool img1 is not healthy`.
pub(super) fn out_of_order(pool: &PoolView, snapshot: &Snapshot) -> Option<String> {
    if snapshot.node(&pool.node).or_else(|| snapshot.node_elsewhere(&pool.node)).is_none() {
        return Some(away(&pool.node));
    }
    (!pool.healthy).then(|| unhealthy(pool))
}

/// Why `bytes` never fit into a pool, however empty it gets; `None` where they may.
#[must_use]
pub fn too_large(pool: &PoolView, bytes: u64) -> Option<String> {
    let limit = pool.limit_bytes.filter(|limit| bytes > *limit)?;
    let (bytes, limit) = (show_size(bytes), show_size(limit));
    Some(format!("{bytes} do not fit into pool {}: its limit is {limit}; raise max_size", pool.name))
}

/// Why nothing goes to `target` now, and out of `source` where there is one; empty where it may go.
#[must_use]
pub fn closed_by(source: Option<PoolId>, target: PoolId, snapshot: &Snapshot) -> String {
    if snapshot.paused {
        return QUEUE_PAUSED.to_owned();
    }
    let why = |id: PoolId| out_of_order(snapshot.pool(id)?, snapshot);
    source.into_iter().chain([target]).find_map(why).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use pixelfox_proto::SessionEpoch;

    use super::*;
    use crate::schedule::NodeView;

    fn pool(number: u64, healthy: bool) -> PoolView {
        PoolView {
            id: PoolId::try_from(number).expect("not 0"),
            name: format!("img{number}"),
            node: format!("s0{number}").parse().expect("a name"),
            healthy,
            active: true,
            limit_bytes: None,
            limit_room_bytes: None,
            disk_free_bytes: 1000,
            reserved_bytes: 0,
            trash_bytes: 0,
            wanted_bytes: 0,
            shares_disk_with: Vec::new(),
        }
    }

    fn node(name: &str) -> NodeView {
        let node: NodeId = name.parse().expect("a name");
        NodeView { node, epoch: SessionEpoch(1), slots: 1, running: 0, behind: false }
    }

    #[test]
    fn what_keeps_a_planned_move() {
        let all = || vec![node("s01"), node("s02")];
        for (why, nodes, well, paused, want) in [
            ("nothing", all(), [true, true], false, ""),
            ("a person", all(), [false, true], true, "queue paused"),
            ("the target's disk, and not its node", all(), [true, false], false, "pool img2 is not healthy"),
            ("the source's disk", all(), [false, false], false, "pool img1 is not healthy"),
            ("the target's node", vec![node("s01")], [true, false], false, "node s02 is not attached"),
        ] {
            let pools = vec![pool(1, well[0]), pool(2, well[1])];
            let [source, target] = [pools[0].id, pools[1].id];
            let seen = Snapshot { nodes, pools, paused, ..Snapshot::default() };
            assert_eq!(closed_by(Some(source), target, &seen), want, "{why}");
        }
    }
}
