//! `server rebuild`: the books made again from the pools. It listens as the server does, so that nodes attach; asks each
//! which pools lie on its disks, and each pool which files with which marks; and lets the books' own room decide what
//! becomes of them. Killed in the middle and run again it ends the same.

mod beside;
mod report;
mod walk;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use pixelfox_node::{config::Problems, plane::Plane, secret::SecretPair};
use pixelfox_proto::NodeId;
use tokio::{
    net::TcpListener,
    time::{Instant, timeout},
};
use tracing::{info, warn};

pub use report::Report;
use walk::Asked;

use crate::{
    app::{App, AppError},
    catalog::{Adopted, FoundPool, Hello, Pool, PoolDraft, RebuildRule},
    clock,
    config::ServerConfig,
    grpc::{About, Disks},
    store::{Store, StoreError},
};

/// How long pools may take to be healthy once their node knows of them.
const HEALTHY_WITHIN: Duration = Duration::from_secs(30);
/// Between two looks at who has come, where nothing is told.
const LOOK: Duration = Duration::from_millis(200);

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Who is waited for; empty: whoever comes within the time.
    pub nodes: BTreeSet<NodeId>,
    /// For so long.
    pub wait: Duration,
    /// Of an empty database, or beside what is there.
    pub rule: RebuildRule,
}

/// Why nothing was rebuilt, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The server, or its books.
    #[error(transparent)]
    App(#[from] AppError),
    /// The environment lacks something.
    #[error("{0}")]
    Refused(String),
    /// What came is in the books; not everything came.
    #[error("not everything was found: {0}")]
    Incomplete(String),
}

impl From<StoreError> for RebuildError {
    fn from(error: StoreError) -> Self {
        Self::App(error.into())
    }
}

/// Makes the books again, or adds to them what they lack. Beside a server that runs on them where one does.
///
/// # Errors
/// [`RebuildError`]. What was taken in until then is in the books.
pub async fn run(
    mut config: ServerConfig,
    ask: Ask,
    listener: impl AsyncFnOnce() -> Result<TcpListener, AppError>,
    plane: Plane,
) -> Result<Report, RebuildError> {
    let dir = config.check_database_dir().map_err(|problem| AppError::Config(Problems(vec![problem])));
    dir?;
    let secret = match config.node.secrets.replication.clone() {
        Some(secret) => secret,
        None => {
            warn!("REPLICATION_SECRET is not set: no node can attach, only this server's own pools are looked through");
            let own = SecretPair::new(format!("{:032x}{:032x}", fastrand::u128(..), fastrand::u128(..)), None);
            config.node.secrets.replication.insert(own).clone()
        }
    };
    if ask.rule == RebuildRule::Add && beside::is_running(&config.database_url).await? {
        return beside::add(&config, &secret, &ask).await;
    }
    let store = Store::open(&config.database_url).await?;
    store.begin_rebuild(ask.rule, clock::now()).await?;
    let (own, tls_ca_file) = (config.node.node_id.clone(), config.node.tls_ca_file.clone());
    let app = App::for_nodes(config, listener().await?, plane, store.clone()).await?;
    let (report, others) = (Report::of(&ask), BTreeMap::new());
    let mut search = Search { app: &app, store, secret, tls_ca_file, own, ask, report, others };
    let ended = search.all().await;
    let report = search.report;
    app.shutdown().await;
    ended.map(|()| report)
}

/// A rebuild under way.
struct Search<'a> {
    app: &'a App,
    store: Store,
    secret: SecretPair,
    tls_ca_file: Option<PathBuf>,
    own: NodeId,
    ask: Ask,
    report: Report,
    /// Pools of other nodes on the same machine, by their identity.
    others: BTreeMap<String, FoundPool>,
}

impl Search<'_> {
    async fn all(&mut self) -> Result<(), RebuildError> {
        let came = self.gather().await?;
        let (mut asked, pools) = (Asked::new(), self.store.list_pools().await?);
        for (identity, pool) in &self.others {
            if pools.iter().all(|known| known.identity != *identity) && !self.store.is_retired(identity).await? {
                let PoolDraft { name, node_id, base_path, .. } = &pool.draft;
                let what = format!("pool {name} in {base_path}: its node {node_id} did not come");
                self.report.missing_of(&node_id.parse().unwrap_or_else(|_| self.own.clone()), what);
            }
        }
        let mut ids = Vec::new();
        for pool in pools {
            let Some(url) = came.get(&pool.node) else {
                self.report.missing(&pool, "its node did not come");
                if let Ok(disks) = self.disks(&pool.target_url()) {
                    asked.insert(pool.id, (pool, disks)); // whether an image is still there
                }
                continue;
            };
            if let Err(why) = self.healthy(&pool).await {
                self.report.missing(&pool, &why);
                continue;
            }
            match self.disks(url) {
                Ok(disks) => {
                    ids.push(pool.id);
                    asked.insert(pool.id, (pool, disks));
                }
                Err(why) => self.report.missing(&pool, &why),
            }
        }
        walk::pools(&self.store, &mut asked, ids, self.ask.rule, &mut self.report).await?;
        Ok(self.store.end_rebuild().await?)
    }

    /// Waits for nodes, and has their pools in the books as they come. Each with where it is asked.
    async fn gather(&mut self) -> Result<BTreeMap<NodeId, String>, RebuildError> {
        let (until, sessions) = (Instant::now() + self.ask.wait, self.app.sessions());
        let mut came = BTreeMap::new();
        let mut awaited = self.ask.nodes.clone();
        awaited.insert(self.own.clone());
        loop {
            for session in sessions.all() {
                if !came.contains_key(session.node()) {
                    let about = about(&session.hello().about);
                    let url = if about.node == self.own { self.app.own_url() } else { about.node_url.clone() };
                    self.pools_of(&about, &url).await?;
                    came.insert(about.node, url);
                }
            }
            let all_there = awaited.iter().all(|node| came.contains_key(node)) && !self.ask.nodes.is_empty();
            if all_there || Instant::now() >= until {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        self.report.absent = awaited.into_iter().filter(|node| !came.contains_key(node)).collect();
        self.report.nodes = came.keys().cloned().collect();
        Ok(came)
    }

    fn disks(&self, url: &str) -> Result<Disks, String> {
        Disks::at(url, &self.secret, self.tls_ca_file.as_deref())
    }

    async fn pools_of(&mut self, about: &About, url: &str) -> Result<(), RebuildError> {
        let found = match self.disks(url) {
            Ok(mut disks) => disks.find_pools(about).await,
            Err(why) => Err(why),
        };
        let found = match found {
            Ok(found) => found,
            Err(why) => {
                let what = format!("node {} at {url} can't be asked for its pools: {why}", about.node);
                self.report.missing_of(&about.node, what);
                return Ok(());
            }
        };
        info!(node = %about.node, "node {} has {} pools on its disks", about.node, found.len());
        for pool in found {
            match pool {
                Ok(pool) if pool.draft.node_id == about.node.as_str() => self.adopt(about, pool).await?,
                Ok(pool) => drop(self.others.insert(pool.identity.clone(), pool)),
                Err(why) => self.report.missing_of(&about.node, format!("node {}: {why}", about.node)),
            }
        }
        self.app.books_changed();
        Ok(())
    }

    async fn adopt(&mut self, about: &About, pool: FoundPool) -> Result<(), RebuildError> {
        let name = format!("pool {} in {} of node {}", pool.draft.name, pool.draft.base_path, about.node);
        match self.store.adopt_pool(pool, clock::now()).await {
            Ok(Adopted::New(_)) => self.report.new_pools += 1,
            Ok(Adopted::Known(_)) => {}
            Ok(Adopted::Deleted) => self.report.note(format!("{name} was deleted and stays away")),
            Err(StoreError::Refused(why)) => self.report.missing_of(&about.node, format!("{name}: {why}")),
            Err(other) => return Err(other.into()),
        }
        Ok(())
    }

    /// Waits until the node says that the pool's disk is there.
    async fn healthy(&self, pool: &Pool) -> Result<(), String> {
        let healthy = async {
            while !self.app.serves(&pool.node, pool.id) {
                tokio::time::sleep(LOOK).await;
            }
        };
        let seen = timeout(HEALTHY_WITHIN, healthy).await;
        seen.map_err(|_| {
            let session = self.app.sessions().of(&pool.node);
            let problem = session.and_then(|session| session.pool(pool.id)).and_then(|health| health.problem);
            problem.unwrap_or_else(|| "its node does not say that it is healthy".to_owned())
        })
    }
}

fn about(hello: &Hello) -> About {
    let Hello { node, node_url, public_base_url, .. } = hello.clone();
    About { node, node_url, public_base_url }
}
