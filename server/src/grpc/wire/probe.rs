//! Probes on the wire: what a node is asked, what it has found.

use std::time::Duration;

use pixelfox_node::whois::{Found as Who, SecretMatch, Silence};
use pixelfox_proto::{PoolId, v1};
use v1::{pool_report, target_report::Answer, target_report::Secret};

use super::node::short;
use crate::sessions::{Found, LeftFile, Place, PoolHealth, TargetFound, Trouble};

/// Of a probe file at most.
const CONTENT_BYTES: usize = 1024;
/// No question to a URL takes so long.
const MOST_SECONDS: f64 = 3600.0;

/// A pool to be tried; `leave_seconds` 0: nothing is left there.
pub(super) fn pool(pool: PoolId, leave_seconds: u32) -> v1::ProbePool {
    v1::ProbePool { pool_id: pool.get(), leave_seconds, place: None }
}

/// A directory to be looked at.
pub(super) fn place(place: Place) -> v1::ProbePool {
    let place = v1::NodePool {
        pool_id: place.pool.map_or(0, PoolId::get),
        name: place.name,
        base_path: place.base_path,
        identity: place.identity,
        initialize: place.initialize,
        retired: place.retired,
        ..v1::NodePool::default()
    };
    v1::ProbePool { place: Some(place), ..v1::ProbePool::default() }
}

/// The answer to a probe, where it is one.
pub(super) fn found(result: &mut v1::CommandResult) -> Option<Found> {
    if let Some(report) = result.target.take() {
        return Some(Found::Target(target(report)));
    }
    let health = health(result.pool.take()?);
    let left = result.left.take().filter(|left| left.content.len() <= CONTENT_BYTES);
    let left = left.and_then(|left| Some(LeftFile { path: left.stored_path.parse().ok()?, content: left.content }));
    Some(Found::Pool(health, left))
}

/// A node's word on a pool.
pub(super) fn health(report: v1::PoolReport) -> PoolHealth {
    let trouble = trouble(report.trouble());
    let problem = match (report.healthy, report.problem.is_empty()) {
        (true, _) => None,
        (false, true) => Some("unhealthy, its node gives no cause".to_owned()),
        (false, false) => Some(short(report.problem)),
    };
    PoolHealth {
        trouble: trouble.filter(|_| problem.is_some()),
        problem,
        free_bytes: report.filesystem_free,
        total_bytes: report.filesystem_total,
        unowned_bytes: report.unowned_bytes,
        impossible: report.impossible,
        file_system: report.filesystem_id,
        wanted_bytes: report.wanted_bytes,
        would_make: report.would_make,
    }
}

const fn trouble(wire: pool_report::Trouble) -> Option<Trouble> {
    use pool_report::Trouble as Wire;
    match wire {
        Wire::Unspecified => None,
        Wire::NoDirectory => Some(Trouble::NoDirectory),
        Wire::OutsideRoots => Some(Trouble::OutsideRoots),
        Wire::NoMarker => Some(Trouble::NoMarker),
        Wire::OtherPool => Some(Trouble::OtherPool),
        Wire::NotWritable => Some(Trouble::NotWritable),
        Wire::DiskFull => Some(Trouble::Full),
    }
}

fn target(report: v1::TargetReport) -> TargetFound {
    let seconds = if report.seconds.is_finite() { report.seconds.clamp(0.0, MOST_SECONDS) } else { 0.0 };
    let (answer, secret, problem) = (report.answer(), secret(report.secret()), short(report.problem));
    let (node_id, version) = (short(report.node_id), short(report.version));
    let (who, without_grpc) = match answer {
        Answer::Node => (Who::Node { node_id, version, secret }, None),
        Answer::NodeWithoutGrpc => (Who::Node { node_id, version, secret }, Some(problem)),
        Answer::OlderPixelfox => (Who::Older, None),
        Answer::Stranger => (Who::Stranger(problem), None),
        Answer::NoSuchName => (Who::Nobody(Silence::NoSuchName, problem), None),
        Answer::Nobody | Answer::Unspecified => (Who::Nobody(Silence::NoAnswer, problem), None),
    };
    TargetFound { who, without_grpc, took: Duration::from_secs_f64(seconds) }
}

const fn secret(wire: Secret) -> SecretMatch {
    match wire {
        Secret::Equal => SecretMatch::Equal,
        Secret::AcceptedAsPrevious => SecretMatch::AcceptedAsPrevious,
        Secret::NotChangedYet => SecretMatch::NotChangedYet,
        Secret::NotSet => SecretMatch::NotSet,
        Secret::Unspecified | Secret::Different => SecretMatch::Different,
    }
}
