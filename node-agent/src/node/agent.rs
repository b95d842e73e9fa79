//! A storage node with its own port, and its ways to the coordinators.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};

use ::http::{Request, Response};
use axum::body::Body;
use pixelfox_proto::NodeId;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::{Status, server::NamedService, transport::Endpoint};
use tracing::{info, warn};

use super::{Node, StartError, spawn};
use crate::{
    config::{NodeConfig, Problems},
    coordinator::Transport,
    grpc::add_diagnostics,
    http,
    listen::{self, Limits, Routes},
    plane::Plane,
    tls,
};

const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// A storage node with its own port.
pub struct Agent {
    address: SocketAddr,
    stop: CancellationToken,
    life: JoinHandle<()>,
    port: JoinHandle<()>,
}

impl Agent {
    /// Starts a node that serves on `listener` and attaches to one of `coordinators`, for ever.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        config: NodeConfig,
        coordinators: &[String],
        listener: TcpListener,
        plane: Plane,
    ) -> Result<Self, StartError> {
        let stop = CancellationToken::new();
        let way = |url: &String| Ok::<_, StartError>((Some(url.clone()), way_to(url, &config)?));
        let ways = coordinators.iter().map(way).collect::<Result<_, _>>()?;
        let bearer = config.secrets.replication.clone();
        let node = Node::build(&config, ways, bearer, &plane, &stop).await?;
        let alone = node.http().merge(http::home(config.node_id.clone(), node.door().pools));
        let routes = Routes::new(http::finish(alone, config.proxies.clone(), node.meters(), http::short_pages))
            .grpc(NotHere(config.node_id.clone()));
        let routes = add_diagnostics(node.grpc(routes)).map_err(StartError::reflection)?;
        let address =
            listener.local_addr().map_err(|cause| StartError::Io { doing: "ask for the port".into(), cause })?;
        info!(node = %config.node_id, "listening on {address}");
        let stopped = stop.clone();
        let life = spawn(node.run(stopped.clone()));
        let port = spawn(listen::serve_with(listener, routes, plane, stopped, Limits::behind(&config.proxies)));
        Ok(Self { address, stop, life, port })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more work, lets running transfers and requests end within [`super::GRACE`], and returns when all is quiet.
    pub async fn shutdown(self) {
        self.stop.cancel();
        for ended in [self.life.await, self.port.await] {
            if let Err(error) = ended {
                warn!("the node ended badly: {error}");
            }
        }
    }
}

/// Tells a node that takes this one for the coordinator.
#[derive(Clone)]
struct NotHere(NodeId);

impl NamedService for NotHere {
    const NAME: &'static str = "pixelfox.v1.Coordinator";
}

impl tower::Service<Request<Body>> for NotHere {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let why = format!("this is node {}, not the coordinator; COORDINATOR_URL must be the URL of `server`", self.0);
        ready(Ok(Status::unimplemented(why).into_http()))
    }
}

/// A lazy connection to a coordinator, for control alone: transfers have connections of their own.
fn way_to(url: &str, config: &NodeConfig) -> Result<Transport, StartError> {
    let failed = |cause| StartError::Transport { url: url.to_owned(), cause };
    let mut endpoint = Endpoint::from_shared(url.to_owned())
        .map_err(failed)?
        .connect_timeout(CONNECT_WITHIN)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true);
    if url.starts_with("https://") {
        let tls = tls::client(config.tls_ca_file.as_deref()).map_err(|problem| Problems(vec![problem]))?;
        endpoint = endpoint.tls_config(tls).map_err(failed)?;
    }
    let channel = endpoint.connect_lazy();
    Ok(Transport::new(tower::ServiceExt::map_err(channel, Into::into)))
}
