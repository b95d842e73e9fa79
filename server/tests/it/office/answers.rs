//! What a fake node answers at once: a directory is as its path says, all else is well.

use std::collections::HashMap;

use axum::extract::Query;
use futures_util::StreamExt as _;
use pixelfox_node::secret::SecretPair;
use pixelfox_proto::v1::{self, node_command, node_event};
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};
use tonic::{Status, Streaming};

/// What a fake node answers at once, and to what: most do as the directory's path says, else that all is well.
pub(crate) type Manners = fn(&v1::NodeCommand) -> Option<v1::CommandResult>;

/// Hands a node's commands on, but for those that it answers at once.
pub(super) async fn read(
    mut incoming: Streaming<v1::NodeCommand>,
    heard: mpsc::Sender<Result<v1::NodeCommand, Status>>,
    say: mpsc::WeakSender<v1::NodeEvent>,
    manners: Manners,
) {
    while let Some(command) = incoming.next().await {
        match (command.as_ref().ok().and_then(manners), say.upgrade()) {
            (Some(result), Some(say)) => {
                drop(say.send(v1::NodeEvent { event: Some(node_event::Event::Result(result)) }).await);
            }
            _ => {
                if heard.send(command).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// As most do.
pub(crate) fn answered_at_once(command: &v1::NodeCommand) -> Option<v1::CommandResult> {
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
        let node = node.to_owned();
        let identity = move |Query(asked): Query<HashMap<String, String>>| {
            let proof = SecretPair::new(super::SECRET, None).identity_proof(&asked["nonce"], &node);
            std::future::ready(format!(r#"{{"node_id":"{node}","version":"0.1.0","proof":"{proof}"}}"#))
        };
        let router = axum::Router::new().route("/api/internal/identity", axum::routing::get(identity));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, _serving: serving }
    }
}
