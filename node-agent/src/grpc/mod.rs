//! The Replication service: the data plane of the cluster as other nodes, scripts and `grpcurl` see it.
//!
//! It translates, asks `receive` or a pool's disk, and answers; it decides nothing about files. Everything that reads
//! or writes a file runs on a data worker. Source of every rule: replication.proto.

mod diagnostics;
mod fetch;
mod on_plane;
mod replicate;
mod stat;
mod tags;
mod wire;

use std::sync::Arc;

use pixelfox_proto::{
    Fault, FaultKind, PoolId, StoredPath,
    v1::{
        FetchRequest, FetchResponse, FindPoolsRequest, FindPoolsResponse, ListFilesRequest, ListFilesResponse,
        ReplicateRequest, ReplicateResponse, StatRequest, StatResponse,
        replication_server::{Replication, ReplicationServer},
    },
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

pub use self::diagnostics::add_diagnostics;
use self::on_plane::Answers;
use crate::{
    disk::{Disk, DiskError},
    peer::Sender,
    plane::Plane,
    pools::Pools,
    receive::{Receiver, log},
    secret::SecretPair,
    transfer::LeastRate,
};

/// Largest message that is taken in: a frame of 4 MiB and what stands beside it.
const MESSAGE_BYTES: usize = 5 << 20;

/// What the service works with.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Where files are read and written.
    pub plane: Plane,
    /// The pools of this node.
    pub pools: Arc<Pools>,
    /// Takes files in.
    pub receiver: Arc<Receiver>,
    /// Who may call. `None`: nobody.
    pub secret: Option<SecretPair>,
    /// Ends streams once the files that are under way have ended.
    pub stop: CancellationToken,
    /// How slow the sender of a file may be.
    pub least_rate: LeastRate,
}

/// The service, to be mounted by [`crate::listen::Routes::grpc`].
#[must_use]
pub fn service(parts: Parts) -> ReplicationServer<impl Replication> {
    ReplicationServer::new(Service { parts: Arc::new(parts) })
        .max_decoding_message_size(MESSAGE_BYTES)
        .max_encoding_message_size(MESSAGE_BYTES)
}

struct Service {
    parts: Arc<Parts>,
}

impl Service {
    /// Lets pass who knows the secret.
    fn admit<T>(&self, request: &Request<T>) -> Result<Sender, Status> {
        let sender = Sender::of(request.extensions());
        let refused = match &self.parts.secret {
            None => "replication disabled",
            Some(secret) if secret.authorizes(request.metadata().as_ref()) => return Ok(sender),
            Some(_) => "invalid replication secret",
        };
        log::unauthorized(&sender);
        Err(Fault::unauthorized(refused).into())
    }
}

#[tonic::async_trait]
impl Replication for Service {
    type ReplicateStream = Answers<ReplicateResponse>;
    type FetchStream = Answers<FetchResponse>;
    type ListFilesStream = Answers<ListFilesResponse>;

    async fn replicate(
        &self,
        request: Request<Streaming<ReplicateRequest>>,
    ) -> Result<Response<Self::ReplicateStream>, Status> {
        let sender = self.admit(&request)?;
        let answers = replicate::answers(Arc::clone(&self.parts), sender, request.into_inner());
        Ok(Response::new(on_plane::stream(&self.parts.plane, answers)))
    }

    async fn stat(&self, request: Request<StatRequest>) -> Result<Response<StatResponse>, Status> {
        self.admit(&request)?;
        let StatRequest { pool_id, stored_path, verify } = request.into_inner();
        let (disk, path) = self.parts.named(pool_id, &stored_path)?;
        let check = if verify { stat::Check::Bytes } else { stat::Check::Size };
        Ok(Response::new(self.parts.plane.run(stat::stat(disk, path, check)).await?))
    }

    async fn fetch(&self, request: Request<FetchRequest>) -> Result<Response<Self::FetchStream>, Status> {
        self.admit(&request)?;
        let FetchRequest { pool_id, stored_path, offset } = request.into_inner();
        let (disk, path) = self.parts.named(pool_id, &stored_path)?;
        let frames = self.parts.plane.run(fetch::open(disk, path, offset)).await?;
        Ok(Response::new(on_plane::stream(&self.parts.plane, frames)))
    }

    async fn list_files(&self, request: Request<ListFilesRequest>) -> Result<Response<Self::ListFilesStream>, Status> {
        self.admit(&request)?;
        let ListFilesRequest { pool_id, prefix, after, limit, with_marks } = request.into_inner();
        let disk = self.parts.disk(pool_id)?;
        let walk = disk.walk(&prefix, &after);
        let say = if with_marks { stat::Say::Marks(disk) } else { stat::Say::Names };
        Ok(Response::new(on_plane::stream(&self.parts.plane, stat::list(walk, limit, say))))
    }

    async fn find_pools(&self, request: Request<FindPoolsRequest>) -> Result<Response<FindPoolsResponse>, Status> {
        self.admit(&request)?;
        let pools = Arc::clone(&self.parts.pools);
        let looked = tokio::task::spawn_blocking(move || pools.find_marked()).await;
        let found = looked.map_err(|e| Fault::internal("could not look for pools", &e))?;
        Ok(Response::new(wire::found(found)))
    }
}

impl Parts {
    fn disk(&self, pool_id: u64) -> Result<Arc<Disk>, Fault> {
        let pool = self.pools.hosted(PoolId::try_from(pool_id)?)?;
        pool.disk().ok_or_else(|| Fault::unavailable(format!("pool {pool_id} is unhealthy")))
    }

    fn named(&self, pool_id: u64, path: &str) -> Result<(Arc<Disk>, StoredPath), Fault> {
        let disk = self.disk(pool_id)?;
        Ok((disk, StoredPath::try_from(path)?))
    }
}

/// A disk's refusal where a file is only read.
fn unreadable(error: DiskError) -> Fault {
    match error {
        DiskError::Closed | DiskError::Distrusted(_) => Fault::unavailable(error.to_string()),
        error => Fault::internal("could not read the pool's disk", &error),
    }
}

/// Nothing is there.
fn not_here(path: &StoredPath) -> Fault {
    Fault::new(FaultKind::NotFound, format!("{path} is not in this pool"))
}
