//! What a fake node answers at once: a directory is as its path says, all else is well.

use pixelfox_proto::v1::{self, node_command};
use tokio::{net::TcpListener, task::JoinSet};

pub(super) fn answered_at_once(command: &v1::NodeCommand) -> Option<v1::CommandResult> {
    let result = v1::CommandResult { command_id: command.command_id, ..v1::CommandResult::default() };
    match command.command.as_ref()? {
        node_command::Command::ProbePool(v1::ProbePool { place: Some(place), .. }) => {
            Some(v1::CommandResult { pool: Some(seen_at(place)), ..result })
        }
        node_command::Command::ProbePool(probe) if probe.leave_seconds > 0 => {
            Some(v1::CommandResult { pool: Some(pool_is_well()), ..result })
        }
        node_command::Command::ProbeTarget(probe) => {
            let mut target = v1::TargetReport { node_id: probe.expected_node_id.clone(), ..Default::default() };
            target.set_answer(v1::target_report::Answer::Node);
            target.set_secret(v1::target_report::Secret::Equal);
            Some(v1::CommandResult { target: Some(target), ..result })
        }
        _ => None,
    }
}

pub(super) fn pool_is_well() -> v1::PoolReport {
    v1::PoolReport { healthy: true, filesystem_free: 1 << 40, filesystem_total: 2 << 40, ..v1::PoolReport::default() }
}

/// `/srv/taken…` is another pool's, `/srv/empty…` has no marker.
fn seen_at(place: &v1::NodePool) -> v1::PoolReport {
    let (problem, impossible) = match place.base_path.as_str() {
        path if path.starts_with("/srv/taken") => ("it is the directory of another pool", true),
        path if path.starts_with("/srv/empty") && !place.initialize => ("the marker is missing", false),
        _ => ("", false),
    };
    v1::PoolReport { healthy: problem.is_empty(), problem: problem.into(), impossible, ..v1::PoolReport::default() }
}

/// The web side of a fake node: it says who it is. Ends when it is dropped.
pub(crate) struct Web {
    /// As a pool's public_base_url.
    pub(crate) url: String,
    _serving: JoinSet<()>,
}

impl Web {
    pub(crate) async fn of(node: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let body = format!(r#"{{"node_id":"{node}","version":"0.1.0","proof":""}}"#);
        let identity = move || std::future::ready(body.clone());
        let router = axum::Router::new().route("/api/internal/identity", axum::routing::get(identity));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, _serving: serving }
    }
}
