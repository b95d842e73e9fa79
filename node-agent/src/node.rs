//! Builds a node's rooms and runs them: alone as [`Agent`], or inside the server.

use std::{
    io::{self, IsTerminal as _},
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use axum::Router;
use pixelfox_proto::v1;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tracing::{info, warn};

use crate::{
    config::{NodeConfig, Problem, Problems, Workers, require_writable},
    coordinator::{Coordinator, Transport},
    grpc,
    http::{self, Readiness},
    intake::{Intake, Recovered},
    listen::{self, Routes},
    plane::Plane,
    pools::Pools,
    receive::Receiver,
    secret::SecretPair,
    session::{About, Session, SessionStatus},
    state::State,
    transfer::LeastRate,
    work::Work,
};

/// Orders that a node works on at once.
const SLOTS: u32 = 16;
/// How long running transfers may go on after the stop. Source: CONTRACT.md, "Programs".
pub const GRACE: Duration = Duration::from_secs(20);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Shared secrets that stand in this project's public files.
const PUBLIC_SECRETS: [&str; 2] = ["dev_replication_secret_change_me", "dev_upload_token_secret_change_me"];

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The environment, or a directory that it names.
    #[error(transparent)]
    Config(#[from] Problems),
    /// The certificates of `TLS_CA_FILE`, or a URL that is none.
    #[error("could not prepare the way to {url}")]
    Transport {
        /// Where to.
        url: String,
        /// Why not.
        #[source]
        cause: tonic::transport::Error,
    },
    /// Reflection or the port.
    #[error("could not {doing}")]
    Io {
        /// What was tried.
        doing: String,
        /// Why not.
        #[source]
        cause: io::Error,
    },
}

/// The rooms of one node. [`Node::http`] and [`Node::grpc`] go onto a port, [`Node::run`] lives until the stop.
pub struct Node {
    http: Router,
    replication: grpc::Parts,
    session: Option<Session>,
    status: watch::Receiver<SessionStatus>,
    intake: Intake,
}

impl Node {
    /// Builds a node that reaches its coordinator by one of `ways` with `bearer`. `stop` ends its long streams. Without
    /// a bearer it does not attach.
    ///
    /// # Errors
    /// [`StartError`]: a `STATE_DIR` that can't be used.
    pub async fn build(
        config: &NodeConfig,
        ways: Vec<Transport>,
        bearer: Option<SecretPair>,
        plane: &Plane,
        stop: &CancellationToken,
    ) -> Result<Self, StartError> {
        let state = Arc::new(State::open(&config.state_dir).map_err(|problem| Problems(vec![problem]))?);
        warn_of_weak_secrets(config);
        let secret = config.secrets.replication.as_ref();
        let coordinator = Coordinator::new(ways, bearer.as_ref().map(SecretPair::reveal));
        let pools = Pools::new(config.storage_roots.clone());
        let receiver = Arc::new(Receiver::new(Arc::clone(&pools)));
        let intake = Intake::new(plane.clone(), Arc::clone(&pools), Arc::clone(&receiver), coordinator.clone());
        let (work, reports) = Work::new(Arc::clone(&pools), plane.clone());
        let (status_sender, status) = watch::channel(SessionStatus::Waiting("this node is starting".into()));
        let session = Session {
            about: about(config, &state),
            coordinator: coordinator.clone(),
            pools: Arc::clone(&pools),
            work,
            reports,
            state,
            status: status_sender,
            grace: GRACE,
        };
        session.recall().await;
        let replication = grpc::Parts {
            plane: plane.clone(),
            pools: Arc::clone(&pools),
            receiver: Arc::clone(&receiver),
            secret: secret.cloned(),
            stop: stop.clone(),
            least_rate: LeastRate::default(),
        };
        let http = http::routes(http::Parts {
            node_id: config.node_id.clone(),
            version: env!("CARGO_PKG_VERSION"),
            public_domain: config.public_domain.clone(),
            secrets: config.secrets.clone(),
            plane: plane.clone(),
            pools,
            receiver,
            intake: intake.clone(),
            coordinator,
            readiness: readiness(status.clone(), bearer.is_some()),
        });
        let session = bearer.is_some().then_some(session);
        Ok(Self { http, replication, session, status, intake })
    }

    /// Its HTTP routes, without fallbacks: merge others, then [`http::finish`].
    #[must_use]
    pub fn http(&self) -> Router {
        self.http.clone()
    }

    /// Adds its gRPC service.
    #[must_use]
    pub fn grpc(&self, routes: Routes) -> Routes {
        routes.grpc(grpc::service(self.replication.clone()))
    }

    /// How it stands with the coordinator.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<SessionStatus> {
        self.status.clone()
    }

    /// Attaches and works until `stop`, then lets running transfers end, [`GRACE`] at most.
    pub async fn run(self, stop: CancellationToken) {
        let Some(session) = self.session else {
            warn!(
                "REPLICATION_SECRET is not set: this node serves what it has and does not attach; set the coordinator's"
            );
            return stop.cancelled().await;
        };
        let recovering = AbortOnDropHandle::new(spawn(recover_uploads(self.status, self.intake.clone())));
        session.run(stop).await;
        drop(recovering);
        self.intake.stop(GRACE).await;
    }
}

/// Asks again about uploads that nobody answered for, each time that the node has attached.
async fn recover_uploads(mut status: watch::Receiver<SessionStatus>, intake: Intake) {
    while status.wait_for(|status| status.problem().is_none()).await.is_ok() {
        let recovered = intake.recover().await;
        if recovered != Recovered::default() {
            info!("asked again about uploads of an earlier life: {recovered:?}");
        }
        if status.wait_for(|status| status.problem().is_some()).await.is_err() {
            break;
        }
    }
}

/// A task whose owner keeps the handle.
#[expect(clippy::disallowed_methods, reason = "every caller keeps the handle and joins or aborts it")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(task)
}

fn about(config: &NodeConfig, state: &State) -> About {
    About {
        node_id: config.node_id.clone(),
        instance_id: state.instance_id().to_owned(),
        storage_roots: config.storage_roots.iter().map(|root| root.display().to_string()).collect(),
        slots: if config.workers == Workers::Enabled { SLOTS } else { 0 },
        node_url: config.node_url.clone(),
        public_base_url: config.public_domain.clone(),
        uploads_dir: config.uploads_dir.display().to_string(),
    }
}

fn readiness(status: watch::Receiver<SessionStatus>, has_secret: bool) -> Readiness {
    Arc::new(move || {
        let mut reasons = Vec::new();
        if !has_secret {
            reasons.push("REPLICATION_SECRET is not set: set the one that the coordinator has".to_owned());
        } else if let Some(why) = status.borrow().problem() {
            reasons.push(format!("not attached: {why}"));
        }
        reasons
    })
}

/// Short secrets can be guessed, those of `.env.dev` are known to everybody.
fn warn_of_weak_secrets(config: &NodeConfig) {
    let host = config.public_domain.split("://").nth(1).unwrap_or_default();
    let host = host.split(['/', ':']).next().unwrap_or_default();
    let own_machine = host == "localhost" || host.ends_with(".local") || host.starts_with("127.") || host == "[";
    let secrets =
        [("REPLICATION_SECRET", &config.secrets.replication), ("UPLOAD_TOKEN_SECRET", &config.secrets.upload_token)];
    for (name, secret) in secrets {
        let Some(secret) = secret else { continue };
        if secret.is_short() {
            warn!("{name} has fewer than 16 characters and can be guessed: set a longer one on all nodes");
        }
        if !own_machine && PUBLIC_SECRETS.iter().any(|public| secret.matches(public)) {
            warn!("{name} is the one of .env.dev, which everybody knows: set one of your own on all nodes");
        }
    }
}

/// Reflection and health, open to everybody.
///
/// # Errors
/// [`StartError::Io`] where the descriptors that were built in can't be read.
pub fn add_diagnostics(routes: Routes) -> Result<Routes, StartError> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(v1::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let failed = |cause: tonic_reflection::server::Error| StartError::Io {
        doing: "set up gRPC reflection".into(),
        cause: io::Error::other(cause),
    };
    let (_, health) = tonic_health::server::health_reporter();
    let routes = routes.grpc(reflection().build_v1().map_err(failed)?);
    Ok(routes.grpc(reflection().build_v1alpha().map_err(failed)?).grpc(health))
}

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
        let ways = coordinators.iter().map(|url| way_to(url, &config)).collect::<Result<_, _>>()?;
        let bearer = config.secrets.replication.clone();
        let node = Node::build(&config, ways, bearer, &plane, &stop).await?;
        let routes = add_diagnostics(node.grpc(Routes::new(http::finish(node.http()))))?;
        let address =
            listener.local_addr().map_err(|cause| StartError::Io { doing: "ask for the port".into(), cause })?;
        info!(node = %config.node_id, "listening on {address}");
        let stopped = stop.clone();
        let life = spawn(node.run(stopped.clone()));
        let port = spawn(listen::serve(listener, routes, plane, stopped));
        Ok(Self { address, stop, life, port })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more work, lets running transfers and requests end within [`GRACE`], and returns when all is quiet.
    pub async fn shutdown(self) {
        self.stop.cancel();
        for ended in [self.life.await, self.port.await] {
            if let Err(error) = ended {
                warn!("the node ended badly: {error}");
            }
        }
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
        endpoint = endpoint.tls_config(tls(config)?).map_err(failed)?;
    }
    let channel = endpoint.connect_lazy();
    Ok(Transport::new(tower::ServiceExt::map_err(channel, Into::into)))
}

fn tls(config: &NodeConfig) -> Result<ClientTlsConfig, StartError> {
    let Some(file) = &config.tls_ca_file else { return Ok(ClientTlsConfig::new().with_native_roots()) };
    let pem = crate::config::read_certificates(file).map_err(|problem| Problems(vec![problem]))?;
    Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
}

/// `node-agent` from its environment until SIGTERM or SIGINT.
#[must_use]
pub fn run_agent(config: NodeConfig, coordinators: &[String]) -> ExitCode {
    run_process(async move |plane| {
        let listener = bind(config.listen).await?;
        let agent = Agent::start(config, coordinators, listener, plane).await?;
        wait_for_signal().await;
        agent.shutdown().await;
        Ok::<_, StartError>(())
    })
}

/// Says what is wrong with the directories that the environment names; the environment itself was right.
#[must_use]
pub fn check(config: &NodeConfig) -> ExitCode {
    let problems: Vec<Problem> = [("STATE_DIR", &config.state_dir), ("UPLOADS_DIR", &config.uploads_dir)]
        .into_iter()
        .filter_map(|(name, dir)| require_writable(name, dir).err())
        .collect();
    if problems.is_empty() {
        println!("the environment is fine");
        return ExitCode::SUCCESS;
    }
    eprintln!("{}", Problems(problems));
    ExitCode::FAILURE
}

/// Listens, or says which port and how to change it.
///
/// # Errors
/// [`Problems`] with `APP_PORT`.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Problems> {
    TcpListener::bind(address).await.map_err(|error| {
        let message = format!("could not listen on {address}: {error}. End what uses it, or choose another port");
        Problems(vec![Problem { variable: "APP_PORT".into(), message }])
    })
}

/// Runs `life` on a control runtime with a data plane beside it. An error is one line on stderr with its causes, and
/// exit code 1.
pub fn run_process<E: std::error::Error + 'static>(life: impl AsyncFnOnce(Plane) -> Result<(), E>) -> ExitCode {
    let start = || -> io::Result<_> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        Ok((runtime, Plane::one_per_core()?))
    };
    let (runtime, plane) = match start() {
        Ok(started) => started,
        Err(error) => {
            eprintln!("could not start the threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(async {
        let ended = life(plane.clone()).await;
        plane.stop().await;
        ended
    });
    runtime.shutdown_background(); // a disk that hangs keeps no process alive
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let causes: Vec<String> =
                std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
                    .map(ToString::to_string)
                    .collect();
            eprintln!("{}", causes.join(": "));
            ExitCode::FAILURE
        }
    }
}

/// Returns at SIGTERM or SIGINT.
pub async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        warn!("could not listen for signals: this process ends only by SIGKILL");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    if io::stderr().is_terminal() {
        eprintln!();
    }
    info!("stopping: running transfers have {} s to end", GRACE.as_secs());
}
