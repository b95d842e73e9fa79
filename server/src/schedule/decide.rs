//! Which jobs are leased next. Pure: does not depend on the order of its input.

use std::collections::BTreeMap;

use pixelfox_proto::{NodeId, PoolId};

use super::{
    NodeView, PoolView, Snapshot,
    ways::{QUEUE_PAUSED, away, out_of_order, too_large, unhealthy},
};
use crate::catalog::{AtTarget, CopyLeft, Job, JobKind, JobState, Lane, LeaseOrder, Reach, UnixMillis};

/// Jobs of one command at most: one slot carries so many.
pub const JOBS_PER_COMMAND: u32 = 32;

/// Seconds after which a full target is looked at again without a signal.
pub const FULL_TARGET_WAIT_SECONDS: u32 = 30;

/// What may be leased now: the free slots of each attached node, spread over its lanes in turn; a slot carries up to
/// [`JOBS_PER_COMMAND`] jobs, so an order for 64 is two commands. Never to a node that is not attached, never for a
/// target that is away, unhealthy, not active or full, never beyond a node's slots, nothing while the queue is paused.
/// O(lanes × pools + slots).
#[must_use]
pub fn decide(snapshot: &Snapshot) -> Vec<LeaseOrder> {
    if snapshot.paused {
        return Vec::new();
    }
    let mut ways: BTreeMap<&Lane, Way<'_>> = BTreeMap::new();
    for lane in snapshot.lanes.iter().filter(|lane| lane.due > 0) {
        if let Ok(way) = open_way(lane, snapshot) {
            ways.insert(lane, way);
        }
    }
    let mut jobs: BTreeMap<&Lane, u32> = BTreeMap::new();
    for node in &snapshot.nodes {
        let lanes: Vec<&Lane> = ways.keys().copied().filter(|lane| lane.node == node.node).collect();
        spread(node.free_slots(), &in_turn(lanes, snapshot.now), &mut jobs);
    }
    for (lane, _) in ways.iter().filter(|(_, way)| way.reach == Reach::Target) {
        jobs.insert(lane, lane.due.min(JOBS_PER_COMMAND)); // a restore takes no slot
    }
    // Nothing is sent for what is taken back: it waits for no slot.
    let undone = ways.iter().filter(|(lane, way)| {
        way.reach == Reach::Both && lane.undo > 0 && !way.node.behind && !jobs.contains_key(*lane)
    });
    let undone: Vec<_> = undone.map(|(lane, _)| (*lane, lane.undo.min(JOBS_PER_COMMAND), true)).collect();
    let order = |(lane, jobs, only_undo): (&Lane, u32, bool)| {
        let way = ways.get(lane)?;
        Some(LeaseOrder {
            node: lane.node.clone(),
            epoch: way.node.epoch,
            source: lane.source,
            target: way.target.id,
            target_epoch: way.target_node.epoch,
            reach: way.reach,
            jobs,
            only_undo,
            disk_free_bytes: way.target.disk_free_bytes,
            disk_shared_with: way.target.shares_disk_with.clone(),
        })
    };
    jobs.into_iter().map(|(lane, jobs)| (lane, jobs, false)).chain(undone).filter_map(order).collect()
}

/// The same lanes from another one on at each look: slots come free one by one, and a first lane that is always the same
/// would get each of them.
fn in_turn(mut lanes: Vec<&Lane>, now: UnixMillis) -> Vec<&Lane> {
    // Fibonacci hashing: looks come at any distance, also at multiples of the number of lanes.
    let mixed = now.0.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let first = usize::try_from(mixed).unwrap_or(0) % lanes.len().max(1);
    lanes.rotate_left(first);
    lanes
}

/// Gives one slot to each lane in turn until no slot or no job is left.
fn spread<'a>(mut slots: u32, lanes: &[&'a Lane], jobs: &mut BTreeMap<&'a Lane, u32>) {
    while slots > 0 {
        let before = slots;
        for lane in lanes {
            let given = jobs.get(lane).copied().unwrap_or(0);
            if slots > 0 && given < lane.due {
                jobs.insert(lane, lane.due.min(given + JOBS_PER_COMMAND));
                slots -= 1;
            }
        }
        if slots == before {
            return;
        }
    }
}

struct Way<'a> {
    node: &'a NodeView,
    target: &'a PoolView,
    target_node: &'a NodeView,
    reach: Reach,
}

/// The way of a lane, or why it is closed.
fn open_way<'a>(lane: &Lane, snapshot: &'a Snapshot) -> Result<Way<'a>, String> {
    let target = lane.target.filter(|_| lane.kind == JobKind::MoveImage);
    let Some(target) = target else { return Err("this work is not built yet".to_owned()) };
    let pool = |id: PoolId| snapshot.pool(id).ok_or_else(|| format!("pool {id} is not there"));
    let seat = |node: &NodeId| match (snapshot.node(node), snapshot.node_elsewhere(node)) {
        (Some(here), _) => Ok((here, true)),
        (None, Some(elsewhere)) => Ok((elsewhere, false)),
        (None, None) => Err(away(node)),
    };
    let (node, has_source) = seat(&lane.node)?;
    let (source, target) = (pool(lane.source)?, pool(target)?);
    let (target_node, has_target) = seat(&target.node)?;
    if let Some(sick) = [source, target].into_iter().find(|pool| !pool.healthy) {
        return Err(unhealthy(sick));
    }
    if !target.active {
        return Err(format!("pool {} is not active", target.name));
    }
    // What comes back from the target's trash needs no room, nor does a job whose room is reserved already.
    if target.room_bytes() == 0 && target.trash_bytes == 0 && target.reserved_bytes == 0 {
        return Err(full(target));
    }
    let reach = match (has_source, has_target) {
        (true, true) => Reach::Both,
        (true, false) => Reach::Source,
        (false, true) => Reach::Target,
        (false, false) => return Err(String::new()), // theirs to run
    };
    Ok(Way { node, target, target_node, reach })
}

/// Why a copy of an image that is being deleted is still there.
fn not_deleted(snapshot: &Snapshot, left: &[CopyLeft]) -> String {
    let pools = left.iter().filter_map(|copy| snapshot.pool(copy.pool));
    if let Some(why) = pools.filter_map(|pool| out_of_order(pool, snapshot)).next() {
        return why;
    }
    let next_try = left.iter().map(|copy| copy.next_try).filter(|at| *at > snapshot.now).min();
    next_try.map_or_else(String::new, |at| in_a_while(at, snapshot.now))
}

fn in_a_while(at: UnixMillis, now: UnixMillis) -> String {
    format!("next try in {} s", at.seconds_since(now).max(1))
}

fn full(pool: &PoolView) -> String {
    format!("pool {} is full", pool.name)
}

/// When [`decide`] is worth asking again without a signal: the next retry of a lane whose way is open, or a while
/// later where one has due jobs and no room.
#[must_use]
pub fn next_wake(snapshot: &Snapshot) -> Option<UnixMillis> {
    if snapshot.paused {
        return None;
    }
    let retries = snapshot.lanes.iter().filter(|lane| open_way(lane, snapshot).is_ok()).filter_map(|lane| lane.next);
    let short_of_room = snapshot.lanes.iter().any(|lane| {
        let target = lane.target.and_then(|id| snapshot.pool(id));
        lane.due > 0 && target.is_some_and(|pool| snapshot.node(&pool.node).is_some() && pool.room_bytes() == 0)
    });
    let later = short_of_room.then(|| snapshot.now.plus_seconds(FULL_TARGET_WAIT_SECONDS));
    retries.chain(later).min()
}

/// Why a pending job does not run yet, as people read it: `queue paused`, `node s09 is not attached`,
/// `pool img1 is full`, `12.0 MB do not fit into pool img1: its limit is 10.0 MB; raise max_size`, `next try in 25 s`. Empty where it may, or where it is not pending. `at_target`: what a move
/// finds there, where it is known; `left`: what is there of an image that is being deleted.
#[must_use]
pub fn waiting_for(job: &Job, snapshot: &Snapshot, at_target: Option<AtTarget>, left: &[CopyLeft]) -> String {
    let (JobState::Pending, Some(node), Some(source)) = (job.state, job.node.clone(), job.source) else {
        return String::new();
    };
    if job.kind != JobKind::MoveImage {
        return not_deleted(snapshot, left);
    }
    if snapshot.paused {
        return QUEUE_PAUSED.to_owned();
    }
    let lane = Lane { node, kind: job.kind, source, target: job.target, due: 1, undo: 0, next: None };
    let new_bytes = at_target.map_or(job.bytes_total, |found| found.new_bytes);
    let way = match open_way(&lane, snapshot) {
        Ok(way) => way,
        Err(why) => {
            // No room that is made helps what is larger than all of it.
            let target = job.target.and_then(|id| snapshot.pool(id)).filter(|target| why == full(target));
            return target.and_then(|target| too_large(target, new_bytes)).unwrap_or(why);
        }
    };
    let Way { node, target, reach, .. } = way;
    let NodeView { slots, running, .. } = *node;
    let next_try = job.not_before.filter(|at| *at > snapshot.now);
    match () {
        () if target.room_bytes() < new_bytes => too_large(target, new_bytes).unwrap_or_else(|| full(target)),
        () if at_target.is_some_and(|found| found.is_unsettled) => {
            format!("an old copy in pool {} is still on its way to the trash", target.name)
        }
        () if at_target.is_some_and(|found| found.is_purging) => {
            format!("an old copy in pool {} is being purged", target.name)
        }
        () if at_target.is_some_and(|found| reach.is_split(found.from_trash, found.files)) => format!(
            "what the trash of pool {} has of it is purged first, as soon as the copy in use has been checked: nodes {} and \
             {} have different servers",
            target.name, lane.node, target.node
        ),
        () if let Some(at) = next_try => in_a_while(at, snapshot.now),
        () if reach == Reach::Target => String::new(), // the source's server runs it
        () if at_target.is_some_and(|found| found.is_undo) && !node.behind => String::new(), // needs no slot
        () if slots == 0 => format!("node {} takes no jobs (DISABLE_JOB_WORKERS=1)", lane.node),
        () if node.behind => format!("node {} still puts old copies into the trash", lane.node),
        () if running >= slots => format!("all {slots} slots of node {} are busy", lane.node),
        () => String::new(),
    }
}

#[cfg(test)]
mod tests;
