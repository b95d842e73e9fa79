//! One server process: the books, the embedded node and one port for both. Builds and runs rooms, decides nothing.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use axum::{Router, body::Body};
use pixelfox_node::{
    coordinator::Transport,
    grpc::add_diagnostics,
    http as node_http,
    listen::{self, Limits, Routes},
    node::{GRACE, LAST_WORD, Node, StartError},
    plane::Plane,
    secret::SecretPair,
};
use pixelfox_proto::{NodeId, PoolId};
use tokio::{
    net::TcpListener,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use tower::BoxError;
use tracing::{info, warn};

use crate::{
    accounts::{AccountError, Accounts},
    books::{Books, BooksSpec},
    catalog::{PoolDraft, SettingsPatch},
    clock,
    config::ServerConfig,
    http,
    sessions::Sessions,
    store::{AutoPools, Store, StoreError},
    upkeep::Upkeep,
    uploads::{self, Uploads},
};

/// How long commands of other nodes that are out at the stop may take, after the embedded node's own have ended.
const BOOKS_GRACE: Duration = Duration::from_secs(5);

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The books.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The embedded node.
    #[error(transparent)]
    Node(#[from] StartError),
    /// No secret for the way between the two in this process.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
    /// The first account.
    #[error("could not make the first account: {0}")]
    Account(#[from] AccountError),
    /// The writer of the books.
    #[error("{0}: this process ends")]
    Dead(String),
    /// The environment.
    #[error(transparent)]
    Config(#[from] pixelfox_node::config::Problems),
}

/// Whom the port is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doors {
    /// Everybody.
    All,
    /// Nodes, and whoever looks at their files.
    Nodes,
}

/// A running server.
pub struct App {
    address: SocketAddr,
    first_password: Option<String>,
    books: Books,
    store: Store,
    stop_node: CancellationToken,
    stop_port: CancellationToken,
    end_port: CancellationToken,
    node: JoinHandle<()>,
    port: JoinHandle<()>,
}

impl App {
    /// Opens the books, starts the embedded node, serves both on `listener`.
    ///
    /// # Errors
    /// [`AppError`]; nothing is left running.
    pub async fn start(config: ServerConfig, listener: TcpListener, plane: Plane) -> Result<Self, AppError> {
        let store = open_books(&config).await?;
        let first_password = Accounts::new(store.clone()).first(&config.first_account).await?;
        let app = Self::serve(config, listener, plane, store, Doors::All).await?;
        Ok(Self { first_password, ..app })
    }

    /// The same for nodes alone, on books that are being made again: no pages, no pool or account of its own.
    ///
    /// # Errors
    /// [`AppError`]; nothing is left running.
    pub async fn for_nodes(
        config: ServerConfig,
        listener: TcpListener,
        plane: Plane,
        store: Store,
    ) -> Result<Self, AppError> {
        Self::serve(config, listener, plane, store, Doors::Nodes).await
    }

    async fn serve(
        config: ServerConfig,
        listener: TcpListener,
        plane: Plane,
        store: Store,
        doors: Doors,
    ) -> Result<Self, AppError> {
        let address = listener.local_addr().unwrap_or(config.node.listen);
        let auto_pools = config.auto_pools && doors == Doors::All;
        let books = Books::start(BooksSpec {
            store: store.clone(),
            node: config.node.node_id.clone(),
            public_domain: config.node.public_domain.clone(),
            replication_secret: config.node.secrets.replication.clone(),
            tls_ca_file: config.node.tls_ca_file.clone(),
            admin_token: config.admin_token.clone(),
            auto_pools: if auto_pools { AutoPools::Make } else { AutoPools::ByHand },
            sweep: config.sweep,
        })
        .await?;
        let [stop_node, stop_port, end_port] = std::array::from_fn(|_| CancellationToken::new());
        let inner_secret = inner_secret()?;
        let inner = Routes::new(Router::new()).grpc(books.coordinator_in_process(inner_secret.clone()));
        let node =
            Node::build(&config.node, vec![(None, in_process(inner))], Some(inner_secret), &plane, &stop_port).await?;
        books.show(&node.meters());
        let http = match doors {
            Doors::Nodes => node.http(),
            Doors::All => node.http().merge(http::router(http::Parts {
                store: store.clone(),
                sessions: books.sessions(),
                uploads: uploads(&config, &store, &books, &node),
                admin: pixelfox_admin_web::in_process(books.admin_in_process()),
                accounts: Accounts::new(store.clone()),
                public_domain: config.node.public_domain.clone(),
            })),
        };
        let http = node_http::finish(http, config.node.proxies.clone(), node.meters(), http::for_people);
        let routes = node.grpc(Routes::new(http).grpc(books.coordinator()));
        let routes = if doors == Doors::All { routes.grpc(books.admin()) } else { routes };
        let routes = add_diagnostics(routes).map_err(StartError::reflection)?;
        info!(node = %config.node.node_id, "listening on {address}");
        let (stopped, ended) = (stop_port.clone(), end_port.clone());
        let limits = Limits::behind(&config.node.proxies);
        let serving = listen::serve_until(listener, routes, plane, stopped, ended, limits);
        #[expect(clippy::disallowed_methods, reason = "the app owns both tasks and joins them in `shutdown`")]
        let (node, port) = (tokio::spawn(node.run(stop_node.clone())), tokio::spawn(serving));
        Ok(Self { address, first_password: None, books, store, stop_node, stop_port, end_port, node, port })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where this process reaches itself.
    #[must_use]
    pub fn own_url(&self) -> String {
        let local = if self.address.is_ipv6() { IpAddr::from(Ipv6Addr::LOCALHOST) } else { Ipv4Addr::LOCALHOST.into() };
        let ip = if self.address.ip().is_unspecified() { local } else { self.address.ip() };
        format!("http://{}", SocketAddr::new(ip, self.address.port()))
    }

    /// Who is attached.
    #[must_use]
    pub fn sessions(&self) -> Arc<Sessions> {
        self.books.sessions()
    }

    /// Whether `node` is attached and reports `pool` as healthy.
    #[must_use]
    pub fn serves(&self, node: &NodeId, pool: PoolId) -> bool {
        self.books.serves(node, pool)
    }

    /// Pools were written beside the Admin service: every node is told.
    pub fn books_changed(&self) {
        self.books.books_changed();
    }

    /// The password that was generated for the first account: to be shown once, by whoever started this.
    pub const fn take_first_password(&mut self) -> Option<String> {
        self.first_password.take()
    }

    /// Returns when the process must end because its books can't be written any more, with why. Cancel safe.
    pub async fn dead(&self) -> AppError {
        AppError::Dead(Upkeep::dead(&self.store).await)
    }

    /// Returns when `node` is attached and one of its pools is healthy.
    pub async fn wait_for_pool_of(&self, node: &NodeId) {
        let mut watcher = self.books.watch();
        loop {
            let pools = self.store.list_pools().await.unwrap_or_default();
            if pools.iter().any(|pool| pool.node == *node && self.books.serves(node, pool.id)) {
                return;
            }
            watcher.next().await;
        }
    }

    /// Takes no more work, lets what runs end within the grace, says goodbye to the nodes, closes port and books.
    pub async fn shutdown(mut self) {
        let began = Instant::now();
        self.stop_node.cancel();
        join("the embedded node", self.node).await;
        self.books.shut_down(BOOKS_GRACE).await;
        self.stop_port.cancel();
        // Requests under way had all that time too.
        let left = GRACE.saturating_sub(began.elapsed()).max(LAST_WORD);
        if timeout(left, &mut self.port).await.is_err() {
            self.end_port.cancel();
            join("the port", self.port).await;
        }
        self.store.close().await;
    }
}

/// A stop takes so long at most: all that runs has the same time, nodes and open requests a last word after it.
#[must_use]
pub const fn longest_shutdown() -> Duration {
    GRACE.saturating_add(LAST_WORD).saturating_add(BOOKS_GRACE).saturating_add(LAST_WORD)
}

async fn join(what: &str, task: JoinHandle<()>) {
    if let Err(error) = task.await {
        warn!("{what} ended badly: {error}");
    }
}

/// Opens the books; at the first start with the default pool on the server's own disk and the first settings.
async fn open_books(config: &ServerConfig) -> Result<Store, AppError> {
    let writable = config.check_database_dir().and_then(|()| {
        config.database_directory().map_or(Ok(()), |dir| pixelfox_node::config::require_writable("DATABASE_URL", dir))
    });
    writable.map_err(|problem| pixelfox_node::config::Problems(vec![problem]))?;
    let store = Store::open(&config.database_url).await?;
    let node = &config.node;
    let uploads_dir = node.uploads_dir.display().to_string();
    let first = PoolDraft::first(&node.node_id, &uploads_dir, &node.node_url, &node.public_domain);
    if let Some(pool) = store.first_pool(first, clock::now()).await? {
        info!("made the default pool {} in {}", pool.name, pool.base_path);
        if holds_a_pool(&node.uploads_dir) {
            warn!(
                "the database {} is new and empty, but {uploads_dir} holds a pool already, which another database \
                 knows: is DATABASE_URL right?",
                config.database_place()
            );
        }
    }
    if store.is_rebuilding().await? {
        warn!(
            "a rebuild of these books has not ended: stop this server and run `server rebuild` again, else images are missing"
        );
    }
    let settings = SettingsPatch { public_uploads: Some(config.public_uploads), ..SettingsPatch::default() };
    store.first_settings(settings, clock::now()).await?;
    Ok(store)
}

/// Whether a pool has left its marker there.
fn holds_a_pool(dir: &Path) -> bool {
    dir.join(".pixelfox/pool.json").is_file()
}

/// The ways in for uploads, of which the embedded node is one.
fn uploads(config: &ServerConfig, store: &Store, books: &Books, node: &Node) -> Uploads {
    Uploads::new(uploads::Parts {
        store: store.clone(),
        sessions: books.sessions(),
        node_id: config.node.node_id.clone(),
        door: node.door(),
        secret: config.node.secrets.upload_token.clone(),
        tls_ca_file: config.node.tls_ca_file.clone(),
    })
}

/// The way of the embedded node to the coordinator beside it.
fn in_process(routes: Routes) -> Transport {
    Transport::new(tower::service_fn(move |request: ::http::Request<tonic::body::Body>| {
        let routes = routes.clone();
        async move {
            let answer = routes.answer(request.map(Body::new)).await;
            Ok::<_, BoxError>(answer.map(tonic::body::Body::new))
        }
    }))
}

/// A secret that no other process knows.
fn inner_secret() -> Result<SecretPair, AppError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(AppError::Random)?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(SecretPair::new(hex, None))
}
