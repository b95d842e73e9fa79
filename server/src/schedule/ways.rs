//! What keeps a move that is only planned from beginning at once. Pure.

use pixelfox_proto::PoolId;

use super::Snapshot;

/// Why nothing goes to `target` now, and out of `source` where there is one, in the words of a job that waits; empty where
/// it may go. `pool img1 is not healthy`.
#[must_use]
pub fn closed_by(source: Option<PoolId>, target: PoolId, snapshot: &Snapshot) -> String {
    if snapshot.paused {
        return "queue paused".to_owned();
    }
    let trouble = |id: PoolId| {
        let pool = snapshot.pool(id)?;
        let is_away = snapshot.node(&pool.node).is_none() && snapshot.node_elsewhere(&pool.node).is_none();
        match pool.healthy {
            _ if is_away => Some(format!("node {} is not attached", pool.node)),
            false => Some(format!("pool {} is not healthy", pool.name)),
            true => None,
        }
    };
    source.into_iter().chain([target]).find_map(trouble).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use pixelfox_proto::{NodeId, SessionEpoch};

    use super::*;
    use crate::schedule::{NodeView, PoolView};

    fn pool(number: u64, healthy: bool) -> PoolView {
        PoolView {
            id: PoolId::try_from(number).expect("not 0"),
            name: format!("img{number}"),
            node: format!("s0{number}").parse().expect("a name"),
            healthy,
            active: true,
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
