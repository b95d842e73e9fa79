//! Builds a node's rooms and runs them: alone as [`Agent`], or inside the server.

mod agent;
mod process;

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use tokio::{sync::watch, task::JoinHandle, time::Instant};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{info, warn};

pub use self::{
    agent::Agent,
    process::{Process, Signals, bind, check, run_agent},
};
use crate::{
    config::{NodeConfig, Problems, Workers},
    coordinator::{Coordinator, Transport},
    grpc,
    http::{self, Readiness},
    intake::{Intake, Recovered},
    listen::Routes,
    metrics::{self, Meters, Uploads},
    plane::Plane,
    pools::{CensusPace, Pools, count_unowned, identity_in},
    rate::Limiter,
    receive::Receiver,
    secret::SecretPair,
    send::Pusher,
    session::{About, Session, SessionStatus},
    state::State,
    transfer::LeastRate,
    whois::Whois,
    work::Work,
};

/// Orders that a node works on at once.
const SLOTS: u32 = 16;
/// What tells upload token secrets apart without showing them. Source: coordinator.proto, `Hello.upload_secret_tag`.
const UPLOAD_SECRET_TAG: &str = "pixelfox upload tokens";
/// How long running transfers may go on after the stop. Source: docs/deployment.md, "Stopping".
pub const GRACE: Duration = Duration::from_secs(20);
/// What has ended by then may still be answered for.
pub const LAST_WORD: Duration = Duration::from_secs(2);

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

impl StartError {
    /// Descriptors that were built in can't be read.
    pub fn reflection(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Io { doing: "set up gRPC reflection".into(), cause: io::Error::other(cause) }
    }
}

/// The rooms of one node. [`Node::http`] and [`Node::grpc`] go onto a port, [`Node::run`] lives until the stop.
pub struct Node {
    http: Router,
    replication: grpc::Parts,
    session: Option<Session>,
    status: watch::Receiver<SessionStatus>,
    intake: Intake,
    pools: Arc<Pools>,
    plane: Plane,
    limiter: Arc<Limiter>,
    meters: Meters,
}

/// The way in for uploads that do not come over this node's own routes.
#[derive(Clone)]
pub struct Door {
    /// Where files are written.
    pub plane: Plane,
    /// The node's pools.
    pub pools: Arc<Pools>,
    /// From the first byte to the image record.
    pub intake: Intake,
    /// What limits uploads.
    pub limiter: Arc<Limiter>,
    /// What counts them.
    pub uploads: Uploads,
}

impl Node {
    /// Builds a node that reaches its coordinator by one of `ways`, each with its URL where it has one, with `bearer`. `stop` ends its long streams. Without
    /// a bearer it does not attach.
    ///
    /// # Errors
    /// [`StartError`]: a `STATE_DIR` that can't be used.
    pub async fn build(
        config: &NodeConfig,
        ways: Vec<(Option<String>, Transport)>,
        bearer: Option<SecretPair>,
        plane: &Plane,
        stop: &CancellationToken,
    ) -> Result<Self, StartError> {
        let state = Arc::new(State::open(&config.state_dir).map_err(|problem| Problems(vec![problem]))?);
        let secret = config.secrets.replication.as_ref();
        let (urls, ways): (Vec<_>, Vec<_>) = ways.into_iter().unzip();
        let coordinator = Coordinator::new(ways, bearer.as_ref().map(SecretPair::reveal)).of_node(&config.node_id);
        let coordinator = coordinator.at(urls.into_iter().flatten().collect());
        let pools = Pools::new(config.storage_roots.clone());
        let meters = Meters::new(&config.node_id, env!("CARGO_PKG_VERSION"));
        let receiver = Arc::new(Receiver::new(Arc::clone(&pools)).counting(meters.replicated()));
        let intake = Intake::new(plane.clone(), Arc::clone(&pools), Arc::clone(&receiver), coordinator.clone());
        let pusher = Pusher::counting(plane.behind(), secret.cloned(), config.tls_ca_file.clone(), meters.replicated());
        let whois = Whois::new(secret.cloned(), config.tls_ca_file.clone());
        let (work, reports) = Work::new(Arc::clone(&pools), plane.behind(), pusher, whois, coordinator.clone());
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
            attaches: meters.attaches(),
        };
        session.recall().await;
        warn_of_other_directory(config, &pools);
        let replication = grpc::Parts {
            plane: plane.behind(),
            pools: Arc::clone(&pools),
            receiver: Arc::clone(&receiver),
            secret: secret.cloned(),
            stop: stop.clone(),
            least_rate: LeastRate::default(),
        };
        let limiter = Arc::<Limiter>::default();
        let http = http::routes(http::Parts {
            node_id: config.node_id.clone(),
            version: env!("CARGO_PKG_VERSION"),
            public_domain: config.public_domain.clone(),
            secrets: config.secrets.clone(),
            plane: plane.clone(),
            pools: Arc::clone(&pools),
            receiver,
            intake: intake.clone(),
            coordinator,
            limiter: Arc::clone(&limiter),
            readiness: readiness(status.clone(), bearer.is_some(), Arc::clone(&pools)),
            uploads: meters.uploads(),
            meters: meters.clone(),
            metrics_tokens: config.metrics_tokens.clone(),
        });
        on_scrape(&meters, status.clone(), Arc::clone(&pools));
        let session = bearer.is_some().then_some(session);
        Ok(Self { http, replication, session, status, intake, pools, plane: plane.clone(), limiter, meters })
    }

    /// Its HTTP routes, without fallbacks: merge others, then [`http::finish`].
    pub fn http(&self) -> Router {
        self.http.clone()
    }

    /// The way in for uploads, for whoever takes them from elsewhere.
    #[must_use]
    pub fn door(&self) -> Door {
        Door {
            plane: self.plane.clone(),
            pools: Arc::clone(&self.pools),
            intake: self.intake.clone(),
            limiter: Arc::clone(&self.limiter),
            uploads: self.meters.uploads(),
        }
    }

    /// What this node counts, for whoever has more to show.
    #[must_use]
    pub fn meters(&self) -> Meters {
        self.meters.clone()
    }

    /// Adds its gRPC service.
    #[must_use]
    pub fn grpc(&self, routes: Routes) -> Routes {
        routes.metered(self.meters.clone()).grpc(grpc::service(self.replication.clone()))
    }

    /// How it stands with the coordinator.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<SessionStatus> {
        self.status.clone()
    }

    /// Attaches and works until `stop`, then lets running transfers end, [`GRACE`] at most.
    pub async fn run(self, stop: CancellationToken) {
        let _keeping = AbortOnDropHandle::new(spawn(self.meters.keep()));
        let Some(session) = self.session else {
            // The start has warned of it, and `readyz` says it.
            return stop.cancelled().await;
        };
        let _counting =
            AbortOnDropHandle::new(spawn(count_unowned(self.pools, self.plane.behind(), CensusPace::default())));
        let recovering = AbortOnDropHandle::new(spawn(recover_uploads(self.status, self.intake.clone())));
        let heard = async {
            stop.cancelled().await;
            Instant::now()
        };
        let ((), heard) = tokio::join!(session.run(stop.clone()), heard);
        drop(recovering);
        // Uploads had the same time.
        self.intake.stop(GRACE.saturating_sub(heard.elapsed()).max(LAST_WORD)).await;
    }
}

/// What a scrape reads of the node's rooms.
fn on_scrape(meters: &Meters, status: watch::Receiver<SessionStatus>, pools: Arc<Pools>) {
    meters.on_scrape(move |to| {
        let is_up = status.borrow().problem().is_none();
        to.gauge(&metrics::SESSION_UP, &[]).set(f64::from(u8::from(is_up)));
        for pool in pools.all() {
            let (name, id, report) = (pool.name(), pool.id().to_string(), pool.report());
            let labels = [("pool", name.as_str()), ("pool_id", id.as_str())];
            for (metric, value) in [
                (&metrics::POOL_HEALTHY, u64::from(report.healthy)),
                (&metrics::POOL_DISK_FREE, report.free),
                (&metrics::POOL_DISK_SIZE, report.total),
                (&metrics::POOL_ROOM, pool.room()),
            ] {
                to.gauge(metric, &labels).set(metrics::shown(value));
            }
        }
        Box::pin(std::future::ready(()))
    });
}

/// Asks again about uploads that nobody answered for, each time that the node has attached.
async fn recover_uploads(mut status: watch::Receiver<SessionStatus>, intake: Intake) {
    while status.wait_for(|status| status.problem().is_none()).await.is_ok() {
        let recovered = intake.recover().await;
        if recovered != Recovered::default() {
            info!("asked again about uploads of an earlier life: {recovered}");
        }
        if status.wait_for(|status| status.problem().is_some()).await.is_err() {
            break;
        }
    }
}

/// `UPLOADS_DIR` is for a node's first pool; what is on record keeps its directory.
fn warn_of_other_directory(config: &NodeConfig, pools: &Pools) {
    let pools = pools.all();
    let is_one = pools.iter().any(|pool| pool.told().base_path == config.uploads_dir);
    if let (false, Some(first)) = (is_one, pools.first()) {
        let (name, dir) = (first.name(), first.told().base_path);
        warn!(
            "UPLOADS_DIR is {}, but pool {name} keeps its base_path {}: it is changed by UpdatePool",
            config.uploads_dir.display(),
            dir.display()
        );
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
        process_id: format!("{:032x}", fastrand::u128(..)),
        storage_roots: config.storage_roots.iter().map(|root| root.display().to_string()).collect(),
        slots: if config.workers == Workers::Enabled { SLOTS } else { 0 },
        node_url: config.node_url.clone(),
        public_base_url: config.public_domain.clone(),
        uploads_dir: config.uploads_dir.display().to_string(),
        uploads_dir_identity: identity_in(&config.uploads_dir),
        warnings: config.warnings.iter().map(ToString::to_string).collect(),
        upload_secret_tag: config.secrets.upload_token.as_ref().map(|secret| secret.tag(UPLOAD_SECRET_TAG)),
    }
}

fn readiness(status: watch::Receiver<SessionStatus>, has_secret: bool, pools: Arc<Pools>) -> Readiness {
    Arc::new(move || {
        let mut reasons = Vec::new();
        if !has_secret {
            reasons.push("REPLICATION_SECRET is not set: set the one that the coordinator has".to_owned());
        } else if let Some(why) = status.borrow().problem() {
            reasons.push(format!("not attached: {why}"));
        }
        for pool in pools.all() {
            let problem = pool.problem().map(|problem| format!("pool {} ({}): {problem}", pool.name(), pool.id()));
            reasons.extend(problem);
        }
        reasons
    })
}
