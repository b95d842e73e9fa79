//! Probes on the wire: what is to be tried, what was found.

use std::time::Duration;

use pixelfox_proto::{PoolId, v1};
use v1::{pool_report, target_report::Answer, target_report::Secret};

use crate::{
    pools::{Place, Trouble},
    whois::{Found, SecretMatch, Silence},
    work::{CommandId, Probe, Probed},
};

/// A probe file is left for so long at most.
const MOST_LEAVE_SECONDS: u32 = 60;

pub(super) fn pool(wire: v1::ProbePool) -> Result<Probe, String> {
    let Some(place) = wire.place else {
        let id = super::pool_id(wire.pool_id)?;
        return Ok(match wire.leave_seconds {
            0 => Probe::Pool(id),
            seconds => Probe::Leave(id, Duration::from_secs(seconds.min(MOST_LEAVE_SECONDS).into())),
        });
    };
    Ok(Probe::Place(Place {
        id: PoolId::try_from(place.pool_id).ok(),
        name: place.name,
        base_path: place.base_path.into(),
        identity: place.identity,
        initialize: place.initialize,
        retired: place.retired,
    }))
}

/// Who it should be is for the coordinator to judge.
pub(super) fn target(wire: v1::ProbeTarget) -> Probe {
    Probe::Target { url: wire.target_url }
}

pub(super) fn result(command: CommandId, found: Probed) -> v1::CommandResult {
    let result = v1::CommandResult { command_id: command.0, ..v1::CommandResult::default() };
    match found {
        Probed::Pool { report, left } => v1::CommandResult {
            pool: Some(super::pool_report(report)),
            left: left.map(|(path, content)| v1::LeftFile { stored_path: path.into(), content }),
            ..result
        },
        Probed::Target { found, without_grpc, took } => {
            v1::CommandResult { target: Some(target_report(found, without_grpc, took)), ..result }
        }
    }
}

fn target_report(found: Found, without_grpc: Option<String>, took: Duration) -> v1::TargetReport {
    let mut report = v1::TargetReport { seconds: took.as_secs_f64(), ..v1::TargetReport::default() };
    match found {
        Found::Node { node_id, version, secret } => {
            report.set_answer(if without_grpc.is_some() { Answer::NodeWithoutGrpc } else { Answer::Node });
            report.set_secret(match secret {
                SecretMatch::Equal => Secret::Equal,
                SecretMatch::AcceptedAsPrevious => Secret::AcceptedAsPrevious,
                SecretMatch::NotChangedYet => Secret::NotChangedYet,
                SecretMatch::Different => Secret::Different,
                SecretMatch::NotSet => Secret::NotSet,
            });
            (report.node_id, report.version, report.problem) = (node_id, version, without_grpc.unwrap_or_default());
        }
        Found::Older => report.set_answer(Answer::OlderPixelfox),
        Found::Stranger(what) => {
            report.set_answer(Answer::Stranger);
            report.problem = what;
        }
        Found::Nobody(silence, why) => {
            report.set_answer(match silence {
                Silence::NoSuchName => Answer::NoSuchName,
                Silence::NoAnswer => Answer::Nobody,
            });
            report.problem = why;
        }
    }
    report
}

pub(super) fn trouble(trouble: Option<Trouble>) -> pool_report::Trouble {
    use pool_report::Trouble as Wire;
    match trouble {
        None => Wire::Unspecified,
        Some(Trouble::NoDirectory) => Wire::NoDirectory,
        Some(Trouble::OutsideRoots) => Wire::OutsideRoots,
        Some(Trouble::NoMarker) => Wire::NoMarker,
        Some(Trouble::OtherPool) => Wire::OtherPool,
        Some(Trouble::NotWritable) => Wire::NotWritable,
        Some(Trouble::Full) => Wire::DiskFull,
    }
}
