//! `pixelfox.v1.Coordinator`: what nodes dial.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt as _};
use pixelfox_proto::v1::{self, coordinator_server::Coordinator};
use pixelfox_proto::{Fault, NodeId, PoolId, StoredPath, Trace, TraceId};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::auth::{self, NodesOnly};
use super::refusals::Refusals;
use super::{Rooms, attach, wire};

/// Commands between a session's writer and the connection: few, because the session's own queue waits behind them.
const WIRE_COMMANDS: usize = 8;

/// The service.
#[derive(Clone, Debug)]
pub struct CoordinatorService {
    rooms: Rooms,
    nodes_only: NodesOnly,
    refusals: Arc<Refusals>,
}

impl CoordinatorService {
    pub(super) fn new(rooms: Rooms, nodes_only: NodesOnly) -> Self {
        Self { rooms, nodes_only, refusals: Arc::default() }
    }

    /// The node that asks: the one that it says it is, else the one that has the pool.
    async fn asker(&self, claimed: Option<NodeId>, pool: u64) -> Result<NodeId, Fault> {
        match claimed {
            Some(node) => Ok(node),
            None => Ok(self.rooms.store.get_pool(PoolId::try_from(pool)?).await?.node),
        }
    }
}

/// What a question belongs to: the asker's trace, else a new one.
fn trace<T>(request: &Request<T>) -> TraceId {
    let sent = request.metadata().get("traceparent").and_then(|value| Trace::parse(value.to_str().ok()?));
    sent.unwrap_or_else(|| Trace::of_seed(fastrand::u128(..))).id()
}

#[tonic::async_trait]
impl Coordinator for CoordinatorService {
    type AttachStream = Pin<Box<dyn Stream<Item = Result<v1::NodeCommand, Status>> + Send>>;

    /// Answers with headers at once; everything else, refusals too, comes on the stream.
    async fn attach(&self, request: Request<Streaming<v1::NodeEvent>>) -> Result<Response<Self::AttachStream>, Status> {
        let address = auth::address(&request);
        self.nodes_only.check(&request).inspect_err(|fault| {
            let who = auth::claimed_node(&request).map_or_else(|| address.clone(), |node| node.to_string());
            self.rooms.sessions.turn_away(&who, &address, fault);
        })?;
        let (wire, commands) = mpsc::channel(WIRE_COMMANDS);
        let door = attach::Door { address, refusals: Arc::clone(&self.refusals) };
        self.rooms.readers.spawn(attach::serve(self.rooms.clone(), request.into_inner(), door, wire));
        Ok(Response::new(Box::pin(ReceiverStream::new(commands).map(wire::node::command))))
    }

    async fn commit_upload(
        &self,
        request: Request<v1::CommitUploadRequest>,
    ) -> Result<Response<v1::CommitUploadResponse>, Status> {
        self.nodes_only.check(&request)?;
        let (claimed, trace) = (auth::claimed_node(&request), trace(&request));
        let node = self.asker(claimed, request.get_ref().pool_id).await?;
        let upload = wire::upload::new_upload(node, request.into_inner())?;
        let decision = self.rooms.settle.commit_upload(upload, trace).await.map_err(Fault::from)?;
        Ok(Response::new(wire::upload::decided(decision)))
    }

    async fn locate(&self, request: Request<v1::LocateRequest>) -> Result<Response<v1::LocateResponse>, Status> {
        self.nodes_only.check(&request)?;
        let path = StoredPath::try_from(request.get_ref().stored_path.as_str()).map_err(Fault::from)?;
        if let (true, Some(node)) = (request.get_ref().missing_here, auth::claimed_node(&request)) {
            self.rooms.settle.look_for_missing(&path, &node, trace(&request)).await.map_err(Fault::from)?;
        }
        let located = self.rooms.settle.locate(&path).await.map_err(Fault::from)?;
        Ok(Response::new(wire::upload::located(located.map(|place| place.url))))
    }
}
