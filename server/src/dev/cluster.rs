//! Three nodes in one process: the server, s01 and s02, each with a port, a state directory and a pool of its own.

use std::{
    ffi::OsString,
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use pixelfox_node::{
    clock,
    config::{Env, NodeConfig, Problem, Problems},
    node::{Agent, StartError},
    plane::Plane,
    telemetry,
};
use pixelfox_proto::{Claims, NodeId};
use tokio::{net::TcpListener, time::timeout};

use super::{DevSecrets, ports};
use crate::{
    app::{App, AppError},
    config::{LaterStarts, ServerConfig},
};

/// How long a node may take to attach and to show its pool.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// How long the upload token in `secrets.env` is valid.
const TOKEN_SECONDS: i64 = 24 * 3600;
/// The storage nodes beside the app, each with the name of its pool.
const STORAGE_NODES: [(&str, &str); 2] = [("s01", "img1"), ("s02", "img2")];

/// What a dev cluster is started with.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Everything that it keeps lies below this directory.
    pub data_dir: PathBuf,
    /// Of the app, s01 and s02; 0 takes a free one.
    pub ports: [u16; 3],
}

/// Why a dev cluster did not start.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// The environment or the data directory.
    #[error(transparent)]
    Config(#[from] Problems),
    /// A port that can't be had.
    #[error("could not listen on 127.0.0.1:{port}: {cause}. End what uses it, or choose others with --ports")]
    Port {
        /// Which one.
        port: u16,
        /// Why not.
        cause: io::Error,
    },
    /// The generated secrets.
    #[error("could not keep the secrets in {file}: {cause}. Choose a directory that this user may write to")]
    Secrets {
        /// Where.
        file: String,
        /// Why not.
        cause: io::Error,
    },
    /// The coordinator.
    #[error("the coordinator did not start")]
    App(#[from] AppError),
    /// A storage node.
    #[error("storage node {0} did not start")]
    Node(&'static str, #[source] StartError),
    /// A storage node that started but did not get its pool.
    #[error("storage node {0} did not attach within {READY_WITHIN:?}; its log lines say why")]
    NotReady(&'static str),
}

/// A running dev cluster.
pub struct Cluster {
    app: App,
    agents: Vec<(&'static str, Agent)>,
    secrets: DevSecrets,
    database_url: String,
    plane: Plane,
}

impl Cluster {
    /// Starts the app, then s01, then s02, and returns when each has its pool. What `env` sets of secrets counts.
    ///
    /// # Errors
    /// [`DevError`]; what had started is ended again.
    pub async fn start(spec: &Spec, env: &mut Env<'_>, plane: Plane) -> Result<Self, DevError> {
        let data_dir = absolute(&spec.data_dir)?;
        let mut listeners = Vec::new();
        for port in spec.ports {
            listeners.push(listen(port).await?);
        }
        let secrets = DevSecrets::open(env, &data_dir)?;
        let names = std::iter::once("local").chain(STORAGE_NODES.map(|(name, _)| name));
        let addresses: Vec<_> = names.zip(listeners.iter().map(|(_, address)| *address)).collect();
        let url = database_url(&data_dir);
        Box::pin(ports::follow(&data_dir, &url, &addresses)).await.map_err(AppError::from)?;
        let mut listeners = listeners.into_iter();
        let mut next = || listeners.next().expect("as many listeners as nodes");

        let (app_listener, app_address) = next();
        let config = server_config(&data_dir, app_address, &secrets)?;
        telemetry::warn_of(&config.node.warnings);
        let app = App::start(config, app_listener, plane.clone()).await?;
        let mut cluster = Self { app, agents: Vec::new(), secrets, database_url: database_url(&data_dir), plane };
        // Not before: until here another cluster may be running by what the file says.
        if let Err(cause) = cluster.keep_secrets() {
            let file = cluster.secrets.file().display().to_string();
            cluster.shutdown().await;
            return Err(DevError::Secrets { file, cause });
        }
        for (name, _) in STORAGE_NODES {
            let (listener, address) = next();
            if let Err(error) = cluster.add_storage_node(name, &data_dir, listener, address).await {
                cluster.shutdown().await;
                return Err(error);
            }
        }
        Ok(cluster)
    }

    async fn add_storage_node(
        &mut self,
        name: &'static str,
        data_dir: &Path,
        listener: TcpListener,
        address: SocketAddr,
    ) -> Result<(), DevError> {
        let config = node_config(name, data_dir, address, &self.secrets)?;
        let coordinator = vec![format!("http://{}", self.app.address())];
        let agent = Agent::start(config, &coordinator, listener, self.plane.clone());
        let agent = agent.await.map_err(|error| DevError::Node(name, error))?;
        self.agents.push((name, agent));
        let node: NodeId = name.parse().expect("a well-formed NODE_ID");
        let ready = self.app.wait_for_pool_of(&node);
        timeout(READY_WITHIN, ready).await.map_err(|_| DevError::NotReady(name))
    }

    /// The secrets, a token for the default pool for the curl command of the table, and where `server ctl` finds the app
    /// and the other commands the books.
    fn keep_secrets(&self) -> io::Result<()> {
        let claims = Claims {
            user_id: 0,
            pool_id: 1,
            max_bytes: 512 << 20,
            exp: clock::unix_seconds() + TOKEN_SECONDS,
            via: None,
            visitor: None,
            settings: None,
        };
        let token = claims.mint(self.secrets.get("UPLOAD_TOKEN_SECRET").as_bytes());
        let url = format!("http://{}", self.app_address());
        let database = shell_word(&self.database_url);
        self.secrets.keep(&[("UPLOAD_TOKEN", &token), ("ADMIN_URL", &url), ("DATABASE_URL", &database)])
    }

    /// Where the app listens.
    #[must_use]
    pub fn app_address(&self) -> SocketAddr {
        self.app.address()
    }

    /// NODE_ID, address and pool of each storage node that runs; no name of a pool where it came later.
    pub fn storage_nodes(&self) -> impl Iterator<Item = (&'static str, SocketAddr, &'static str)> {
        let pool_of = |node| STORAGE_NODES.iter().find(|(name, _)| *name == node).map_or("", |(_, pool)| *pool);
        self.agents.iter().map(move |(name, agent)| (*name, agent.address(), pool_of(*name)))
    }

    /// Its secrets.
    #[must_use]
    pub fn secrets(&self) -> &DevSecrets {
        &self.secrets
    }

    /// Starts a storage node on `port`, one that was ended or one more, and returns when it has its pool.
    ///
    /// # Errors
    /// [`DevError`]
    pub async fn start_storage_node(&mut self, name: &'static str, spec: &Spec, port: u16) -> Result<(), DevError> {
        let (listener, address) = listen(port).await?;
        self.add_storage_node(name, &absolute(&spec.data_dir)?, listener, address).await
    }

    /// Ends one storage node as SIGTERM would; false where it is not running.
    pub async fn stop_storage_node(&mut self, name: &str) -> bool {
        let Some(at) = self.agents.iter().position(|(running, _)| *running == name) else { return false };
        let (_, agent) = self.agents.remove(at);
        agent.shutdown().await;
        true
    }

    /// Ends all of it: the storage nodes first, so that what they are doing can still be told, then the app.
    pub async fn shutdown(self) {
        let ends = self.agents.into_iter().map(|(_, agent)| agent.shutdown());
        futures_util::future::join_all(ends).await;
        self.app.shutdown().await;
    }
}

fn absolute(dir: &Path) -> Result<PathBuf, Problems> {
    let problem = |error: &dyn std::fmt::Display| {
        Problems(vec![Problem { variable: "--data-dir".into(), message: format!("{}: {error}", dir.display()) }])
    };
    pixelfox_node::config::require_writable("--data-dir", dir).map_err(|problem| Problems(vec![problem]))?;
    let real = dir.canonicalize().map_err(|error| problem(&error))?;
    if real.to_str().is_none() {
        return Err(problem(&"its name is not UTF-8"));
    }
    Ok(real)
}

async fn listen(port: u16) -> Result<(TcpListener, SocketAddr), DevError> {
    let bound = async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bound.await.map_err(|cause| DevError::Port { port, cause })
}

fn database_url(data_dir: &Path) -> String {
    format!("sqlite://{}", data_dir.join("pixelfox.db").display())
}

/// As one word of a shell.
fn shell_word(word: &str) -> String {
    let is_plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "/:._-".contains(c));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// The environment that compose would give one node, with everything below `data_dir`.
fn variables(name: &str, data_dir: &Path, address: SocketAddr, secrets: &DevSecrets) -> Vec<(&'static str, OsString)> {
    let url = format!("http://{address}");
    let uploads = if name == "local" { data_dir.join("uploads") } else { data_dir.join(format!("uploads_{name}")) };
    vec![
        ("NODE_ID", name.into()),
        ("APP_HOST", address.ip().to_string().into()),
        ("APP_PORT", address.port().to_string().into()),
        ("PUBLIC_DOMAIN", url.clone().into()),
        ("NODE_URL", url.into()),
        ("UPLOADS_DIR", uploads.into()),
        ("STORAGE_ROOTS", data_dir.into()),
        ("STATE_DIR", data_dir.join("state").join(name).into()),
        ("REPLICATION_SECRET", secrets.get("REPLICATION_SECRET").into()),
        ("UPLOAD_TOKEN_SECRET", secrets.get("UPLOAD_TOKEN_SECRET").into()),
        ("ADMIN_TOKEN", secrets.get("ADMIN_TOKEN").into()),
        ("ADMIN_PASSWORD", secrets.get("ADMIN_PASSWORD").into()),
        ("DATABASE_URL", database_url(data_dir).into()),
        ("PUBLIC_UPLOADS", "1".into()),
        ("AUTO_POOLS", "1".into()),
    ]
}

fn lookup(variables: &[(&'static str, OsString)], name: &str) -> Option<OsString> {
    variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
}

fn server_config(data_dir: &Path, address: SocketAddr, secrets: &DevSecrets) -> Result<ServerConfig, Problems> {
    let variables = variables("local", data_dir, address, secrets);
    let mut env = Env::new(|name| lookup(&variables, name));
    let mut config = ServerConfig::read(&mut env);
    config.first_account.later = LaterStarts::SetAgain;
    env.finish(config)
}

fn node_config(name: &str, data_dir: &Path, address: SocketAddr, secrets: &DevSecrets) -> Result<NodeConfig, Problems> {
    let variables = variables(name, data_dir, address, secrets);
    let mut env = Env::new(|name| lookup(&variables, name));
    let mut config = NodeConfig::read(&mut env, None);
    config.metrics_tokens.extend(pixelfox_node::config::admin_token(&mut env));
    env.finish(config)
}
