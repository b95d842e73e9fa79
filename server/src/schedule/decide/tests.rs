//! Tables and properties of the choice of the next jobs.

use pixelfox_proto::{NodeId, SessionEpoch};
use proptest::prelude::*;

use super::*;

fn node_id(number: u64) -> NodeId {
    format!("s{number}").parse().unwrap()
}

fn pool_id(number: u64) -> PoolId {
    PoolId::try_from(number).unwrap()
}

fn node(number: u64) -> NodeView {
    NodeView { node: node_id(number), epoch: SessionEpoch(100 + number), slots: 4, running: 0, behind: false }
}

const TOO_LARGE: &str = "901 bytes do not fit into pool img2: its limit is 900 bytes; raise max_size";

/// A job of `size` bytes into a pool of 900 at most with `room`.
fn limited(s: &mut Snapshot, job: &mut Job, room: u64, size: u64) {
    (s.pools[1].limit_bytes, s.pools[1].limit_room_bytes, job.bytes_total) = (Some(900), Some(room), size);
}

/// Pool N is on node N.
fn pool(number: u64) -> PoolView {
    PoolView {
        id: pool_id(number),
        name: format!("img{number}"),
        node: node_id(number),
        healthy: true,
        active: true,
        limit_bytes: None,
        limit_room_bytes: None,
        disk_free_bytes: 1000,
        trash_bytes: 0,
        wanted_bytes: 0,
        shares_disk_with: Vec::new(),
        reserved_bytes: 0,
    }
}

fn lane(source: u64, target: u64, due: u32) -> Lane {
    let (kind, target) = (JobKind::MoveImage, Some(pool_id(target)));
    Lane { node: node_id(source), kind, source: pool_id(source), target, due, undo: 0, next: None }
}

fn snapshot() -> Snapshot {
    let nodes = vec![node(1), node(2), node(3)];
    let pools = vec![pool(1), pool(2), pool(3)];
    Snapshot {
        now: UnixMillis(1_000_000),
        nodes,
        elsewhere: Vec::new(),
        pools,
        lanes: vec![lane(1, 2, 500)],
        paused: false,
    }
}

fn to_elsewhere(snapshot: &mut Snapshot) {
    snapshot.elsewhere.push(snapshot.nodes.remove(0));
}

fn jobs(snapshot: &Snapshot) -> Vec<(u64, u64, u32)> {
    decide(snapshot).iter().map(|order| (order.source.get(), order.target.get(), order.jobs)).collect()
}

#[test]
fn which_jobs_are_leased_next() {
    type Change = fn(&mut Snapshot);
    type Row<'a> = (&'a str, Change, &'a [(u64, u64, u32)]);
    let rows: &[Row<'_>] = &[
        ("all slots of the source's node", |_| (), &[(1, 2, 128)]),
        ("only what is due", |s| s.lanes[0].due = 40, &[(1, 2, 40)]),
        ("nothing due", |s| s.lanes[0].due = 0, &[]),
        ("slots that are taken are not given twice", |s| s.nodes[0].running = 3, &[(1, 2, 32)]),
        ("more running than slots", |s| s.nodes[0].running = 9, &[]),
        ("who is behind with its trash gets nothing", |s| s.nodes[0].behind = true, &[]),
        ("the queue is paused", |s| s.paused = true, &[]),
        ("the source's node is away", |s| drop(s.nodes.remove(0)), &[]),
        ("the target's node is another server's", |s| s.elsewhere.push(s.nodes.remove(1)), &[(1, 2, 128)]),
        ("the source's node is another server's: what comes from the trash", to_elsewhere, &[(1, 2, 32)]),
        ("both are another server's", |s| s.elsewhere.append(&mut s.nodes), &[]),
        ("the target's node is away", |s| drop(s.nodes.remove(1)), &[]),
        ("the source is not healthy", |s| s.pools[0].healthy = false, &[]),
        ("the target is not healthy", |s| s.pools[1].healthy = false, &[]),
        ("the target is not active", |s| s.pools[1].active = false, &[]),
        ("a source that is not active can be moved away from", |s| s.pools[0].active = false, &[(1, 2, 128)]),
        ("the target's limit is reached", |s| s.pools[1].limit_room_bytes = Some(0), &[]),
        ("the target's disk is full", |s| s.pools[1].disk_free_bytes = 0, &[]),
        ("those to whom it is promised come again", |s| s.pools[1].reserved_bytes = 1000, &[(1, 2, 128)]),
        ("lanes take turns", |s| s.lanes.push(lane(1, 3, 500)), &[(1, 2, 64), (1, 3, 64)]),
        ("a short lane leaves its turn to others", |s| s.lanes.push(lane(1, 3, 5)), &[(1, 2, 96), (1, 3, 5)]),
        (
            "a closed lane leaves its turn to others",
            |s| {
                s.lanes.push(lane(1, 3, 500));
                s.pools[2].active = false;
            },
            &[(1, 2, 128)],
        ),
        ("nodes don't share slots", |s| s.lanes.push(lane(2, 1, 500)), &[(1, 2, 128), (2, 1, 128)]),
        ("work that is not built yet", |s| s.lanes[0].target = None, &[]),
    ];
    for (why, change, want) in rows {
        let mut snapshot = snapshot();
        change(&mut snapshot);
        assert_eq!(jobs(&snapshot), *want, "{why}");
    }
}

#[test]
fn slots_that_come_free_one_by_one_go_to_every_lane() {
    // One slot at each of many looks: no lane waits until another one is done.
    let mut snapshot = snapshot();
    snapshot.lanes.extend([lane(1, 3, 500), lane(1, 1, 500)]);
    snapshot.nodes[0].running = 3;
    let mut given = std::collections::BTreeMap::new();
    for look in 0..300 {
        snapshot.now = UnixMillis(1_000_000 + look * 3);
        for (_, target, _) in jobs(&snapshot) {
            *given.entry(target).or_insert(0) += 1;
        }
    }
    assert!(given.len() == 3 && given.values().all(|times| *times > 50), "{given:?}");
}

#[test]
fn the_next_look_without_a_signal() {
    // A retry of an open lane wakes; one of a closed lane does not, its signal will; a full target is looked at again.
    let at = |seconds| Some(UnixMillis(1_000_000).plus_seconds(seconds));
    let mut snapshot = snapshot();
    assert_eq!(next_wake(&snapshot), None);
    snapshot.lanes[0].next = at(25);
    assert_eq!(next_wake(&snapshot), at(25));
    snapshot.pools[1].disk_free_bytes = 0;
    assert_eq!(next_wake(&snapshot), at(FULL_TARGET_WAIT_SECONDS));
    snapshot.nodes.remove(1);
    assert_eq!(next_wake(&snapshot), None);
}

fn job() -> Job {
    Job {
        id: pixelfox_proto::JobId::try_from(1).unwrap(),
        parent: None,
        kind: JobKind::MoveImage,
        state: JobState::Pending,
        node: Some(node_id(1)),
        source: Some(pool_id(1)),
        target: Some(pool_id(2)),
        image: None,
        attempt: 0,
        failures: 0,
        epoch: None,
        committed: false,
        bytes_done: 0,
        bytes_total: 10,
        children_done: 0,
        children_failed: 0,
        children_cancelled: 0,
        children_unmoved: 0,
        children_total: 0,
        left_behind: 0,
        note: String::new(),
        files_missing: 0,
        last_error: String::new(),
        created: UnixMillis(0),
        started: None,
        finished: None,
        not_before: None,
    }
}

#[test]
fn what_is_taken_back_waits_for_no_slot() {
    // Every slot busy, or none there at all: undone moves go out all the same, and nothing else does. With a slot free
    // they are in line with the others.
    type Change = fn(&mut Snapshot);
    type Row = (&'static str, Change, Vec<(u32, bool)>);
    let rows: &[Row] = &[
        ("a slot is free", |s| s.nodes[0].running = 3, vec![(32, false)]),
        ("all are busy", |s| s.nodes[0].running = 4, vec![(7, true)]),
        ("it takes no jobs", |s| s.nodes[0].slots = 0, vec![(7, true)]),
        ("more than one command's", |s| (s.nodes[0].slots, s.lanes[0].undo) = (0, 100), vec![(32, true)]),
        ("nothing is taken back", |s| (s.nodes[0].slots, s.lanes[0].undo) = (0, 0), vec![]),
        ("it still works on renames", |s| s.nodes[0].behind = true, vec![]),
        ("the queue is paused", |s| (s.nodes[0].slots, s.paused) = (0, true), vec![]),
        ("the target is away", |s| drop((s.nodes.remove(1), s.nodes[0].slots = 0)), vec![]),
    ];
    for (why, change, want) in rows {
        let mut snapshot = Snapshot { lanes: vec![Lane { undo: 7, ..lane(1, 2, 500) }], ..snapshot() };
        change(&mut snapshot);
        let orders: Vec<(u32, bool)> = decide(&snapshot).iter().map(|it| (it.jobs, it.only_undo)).collect();
        assert_eq!(orders, *want, "{why}");
    }
}

#[test]
fn why_a_job_waits() {
    assert_waits(&[
        (|_, _, _| (), ""),
        (|_, j, _| j.state = JobState::Processing, ""),
        (|_, j, _| j.state = JobState::Paused, ""),
        (|s, _, _| s.paused = true, "queue paused"),
        (
            |s, _, _| {
                s.paused = true;
                s.nodes.clear();
            },
            "queue paused",
        ),
        (|s, _, _| drop(s.nodes.remove(0)), "node s1 is not attached"),
        (|s, _, _| drop(s.nodes.remove(1)), "node s2 is not attached"),
        (|s, _, _| s.pools[0].healthy = false, "pool img1 is not healthy"),
        (|s, _, _| s.pools[1].healthy = false, "pool img2 is not healthy"),
        (|s, _, _| s.pools[1].active = false, "pool img2 is not active"),
        (|s, _, _| s.pools[0].active = false, ""),
        (|s, _, _| s.pools[1].limit_room_bytes = Some(0), "pool img2 is full"),
        (|_, j, _| j.bytes_total = 1001, "pool img2 is full"),
        // what is larger than the limit finds no room however long it waits
        (|s, j, _| limited(s, j, 800, 901), TOO_LARGE),
        (|s, j, _| limited(s, j, 0, 901), TOO_LARGE),
        (|s, j, _| limited(s, j, 800, 900), "pool img2 is full"),
        (
            |_, _, found| *found = Some(AtTarget { is_unsettled: true, ..AtTarget::default() }),
            "an old copy in pool img2 is still on its way to the trash",
        ),
        (
            |_, _, found| *found = Some(AtTarget { is_purging: true, ..AtTarget::default() }),
            "an old copy in pool img2 is being purged",
        ),
        // some of it is in the target's trash, which one server sees to, some is pushed by another
        (
            |s, j, found| {
                s.elsewhere.push(s.nodes.remove(1));
                j.not_before = Some(UnixMillis(1_025_000));
                *found = Some(AtTarget { from_trash: 1, files: 2, ..AtTarget::default() });
            },
            "what the trash of pool img2 has of it is purged first, as soon as the copy in use has been checked: nodes s1 \
             and s2 have different servers",
        ),
        (
            |s, _, found| {
                to_elsewhere(s);
                *found = Some(AtTarget { from_trash: 2, files: 2, ..AtTarget::default() });
            },
            "",
        ),
        (
            |_, j, found| (j.bytes_total, *found) = (1001, Some(AtTarget { new_bytes: 1001, ..AtTarget::default() })),
            "pool img2 is full",
        ),
        // what comes out of the target's trash takes no room
        (|_, j, found| (j.bytes_total, *found) = (1001, Some(AtTarget::default())), ""),
    ]);
}

#[test]
fn why_a_job_waits_that_has_its_way() {
    assert_waits(&[
        (|_, j, _| j.not_before = Some(UnixMillis(1_025_000)), "next try in 25 s"),
        (|_, j, _| j.not_before = Some(UnixMillis(1_000_001)), "next try in 1 s"),
        (|_, j, _| j.not_before = Some(UnixMillis(999_999)), ""),
        (|s, _, _| s.nodes[0].slots = 0, "node s1 takes no jobs (DISABLE_JOB_WORKERS=1)"),
        (|s, _, _| s.nodes[0].behind = true, "node s1 still puts old copies into the trash"),
        (|s, _, _| s.nodes[0].running = 4, "all 4 slots of node s1 are busy"),
        (
            |s, _, found| {
                s.nodes[0].slots = 0;
                *found = Some(AtTarget { is_undo: true, ..AtTarget::default() });
            },
            "",
        ),
        // both nodes are another server's, which says nothing of its slots; of the pools the books know
        (both_elsewhere, ""),
        (
            |s, j, found| {
                both_elsewhere(s, j, found);
                s.pools[1].healthy = false;
            },
            "pool img2 is not healthy",
        ),
    ]);
}

type Change = fn(&mut Snapshot, &mut Job, &mut Option<AtTarget>);

fn assert_waits(rows: &[(Change, &str)]) {
    for (change, want) in rows {
        let (mut snapshot, mut job, mut found) = (snapshot(), job(), None);
        change(&mut snapshot, &mut job, &mut found);
        assert_eq!(waiting_for(&job, &snapshot, found, &[]), *want);
    }
}

fn both_elsewhere(snapshot: &mut Snapshot, _: &mut Job, _: &mut Option<AtTarget>) {
    snapshot.elsewhere.append(&mut snapshot.nodes);
}

#[test]
fn why_an_image_is_not_deleted_yet() {
    let copy = |number, next_try| CopyLeft { pool: pool_id(number), next_try: UnixMillis(next_try) };
    type Row<'a> = (fn(&mut Snapshot), &'a [CopyLeft], &'static str);
    let rows: &[Row<'_>] = &[
        (|_| (), &[], ""),
        (|_| (), &[copy(1, 0), copy(2, 0)], ""),
        // nothing that holds moves up holds these up
        (|s| s.paused = true, &[copy(1, 0)], ""),
        (|s| s.pools[0].active = false, &[copy(1, 0)], ""),
        (|s| drop(s.nodes.remove(1)), &[copy(1, 0), copy(2, 0)], "node s2 is not attached"),
        (|s| s.pools[1].healthy = false, &[copy(1, 0), copy(2, 0)], "pool img2 is not healthy"),
        (to_elsewhere, &[copy(1, 0)], ""),
        (|_| (), &[copy(1, 1_040_000), copy(2, 1_025_000), copy(3, 0)], "next try in 25 s"),
        (|s| s.pools[0].healthy = false, &[copy(1, 1_040_000)], "pool img1 is not healthy"),
    ];
    for (change, left, want) in rows {
        let (mut snapshot, job) = (snapshot(), Job { kind: JobKind::DeleteImage, target: None, ..job() });
        change(&mut snapshot);
        assert_eq!(waiting_for(&job, &snapshot, None, left), *want, "{left:?}");
    }
}

fn any_snapshot() -> impl Strategy<Value = Snapshot> {
    let nodes = proptest::sample::subsequence((1..6_u64).collect::<Vec<_>>(), 0..=5)
        .prop_flat_map(|ids| {
            let slots = proptest::collection::vec((0_u32..6, 0_u32..6), ids.len());
            (Just(ids), slots)
        })
        .prop_map(|(ids, slots)| {
            let with = |(id, (slots, running))| NodeView { slots, running, ..node(id) };
            ids.into_iter().zip(slots).map(with).collect::<Vec<_>>()
        });
    let state = (any::<bool>(), any::<bool>(), 0_u64..3, 0_u64..3);
    let pools = proptest::collection::vec(state, 5).prop_map(|states| {
        let with = |(id, (healthy, active, disk_free_bytes, reserved_bytes))| PoolView {
            healthy,
            active,
            disk_free_bytes,
            reserved_bytes,
            ..pool(id)
        };
        (1..).zip(states).map(with).collect::<Vec<_>>()
    });
    let lanes = proptest::collection::btree_map((1..6_u64, 1..6_u64), 0_u32..200, 0..12)
        .prop_map(|all| all.into_iter().map(|((from, to), due)| lane(from, to, due)).collect::<Vec<_>>());
    (nodes, pools, lanes).prop_map(|(nodes, pools, lanes)| Snapshot {
        now: UnixMillis(0),
        nodes,
        elsewhere: Vec::new(),
        pools,
        lanes,
        paused: false,
    })
}

proptest! {
    #[test]
    fn decide_keeps_to_slots_and_to_those_who_are_there(snapshot in any_snapshot()) {
        let orders = decide(&snapshot);
        for node in &snapshot.nodes {
            let commands: u32 = orders.iter().filter(|o| o.node == node.node).map(|o| o.jobs.div_ceil(JOBS_PER_COMMAND)).sum();
            prop_assert!(commands <= node.slots.saturating_sub(node.running));
        }
        for order in &orders {
            let target = snapshot.pool(order.target).unwrap();
            let (node, at) = (snapshot.node(&order.node), snapshot.node(&target.node));
            prop_assert_eq!(node.map(|n| n.epoch), Some(order.epoch));
            prop_assert_eq!(at.map(|n| n.epoch), Some(order.target_epoch));
            prop_assert!(target.healthy && target.active);
            prop_assert!(target.room_bytes() > 0 || target.reserved_bytes > 0);
            let lane = snapshot.lanes.iter().find(|l| l.source == order.source && l.target == Some(order.target));
            prop_assert!(order.jobs > 0 && order.jobs <= lane.unwrap().due);
        }
    }

    #[test]
    fn decide_does_not_depend_on_the_order_of_its_input(snapshot in any_snapshot(), seed: u64) {
        let mut other = snapshot.clone();
        let turn = usize::try_from(seed % 7).unwrap();
        other.lanes.reverse();
        other.lanes.rotate_left(turn.min(snapshot.lanes.len()));
        other.nodes.reverse();
        other.pools.rotate_left(turn.min(snapshot.pools.len()));
        prop_assert_eq!(decide(&snapshot), decide(&other));
    }

    #[test]
    fn no_slot_is_idle_while_a_way_is_open(snapshot in any_snapshot()) {
        let orders = decide(&snapshot);
        for node in &snapshot.nodes {
            let mine = |lane: &&Lane| lane.node == node.node && lane.due > 0 && open_way(lane, &snapshot).is_ok();
            let due: u32 = snapshot.lanes.iter().filter(mine).map(|l| l.due.div_ceil(JOBS_PER_COMMAND)).sum();
            let given: u32 = orders.iter().filter(|o| o.node == node.node).map(|o| o.jobs.div_ceil(JOBS_PER_COMMAND)).sum();
            prop_assert_eq!(given, due.min(node.slots.saturating_sub(node.running)));
        }
    }
}
