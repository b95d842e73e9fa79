//! What commonly goes wrong between nodes, pools, URLs and secrets: looked for, and for each thing a line with what was
//! seen and what to change, where. `checks` judge, pure; here and in `asking` nodes and URLs are asked. Changes nothing.
//!
//! A line is red where its own cause is: what only follows from another line is a warning that names that one.

mod asking;
mod checks;
mod draft;
mod finding;
mod rounds;
mod seen;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::{Stream, StreamExt as _, stream};
use pixelfox_node::whois::Whois;
use pixelfox_proto::{Fault, FaultKind, NodeId, PoolId, text};
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub use self::draft::Extent;
pub use self::finding::{Check, Finding, Status};

use self::rounds::{ALL_WITHIN, rounds};
use self::seen::{About, Cluster, NodeSeen, Presence, pool_subject};
use crate::catalog::{NodeRecord, Pool, Settings, UnixMillis};
use crate::clock;
use crate::sessions::{Seat, Sessions};
use crate::store::Store;

/// Diagnoses under way at once: each asks every node about everything.
const RUNS: usize = 4;

/// Who looks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Diagnose {
    store: Store,
    sessions: Arc<Sessions>,
    whois: Whois,
    /// This server's NODE_ID.
    name: NodeId,
    runs: Arc<Semaphore>,
}

/// What a node is asked, or what is asked about it.
#[derive(Clone, Debug)]
enum Question {
    /// About one of its pools.
    Pool(Pool),
    /// From this node to a pool of another.
    Way(NodeId, Pool),
}

impl Diagnose {
    /// Looks into the books, asks attached nodes, and with `whois` what browsers would ask.
    #[must_use]
    pub fn new(store: Store, sessions: Arc<Sessions>, whois: Whois, name: NodeId) -> Self {
        Self { store, sessions, whois, name, runs: Arc::new(Semaphore::new(RUNS)) }
    }

    /// All checks, or those that concern one pool: first what nobody has to be asked for, then each line as soon as it is
    /// known, in no order, so that a node or disk that hangs holds up only its own. Dropped, it asks no further.
    ///
    /// # Errors
    /// The books can't be read, there is no such pool, or as many diagnoses as there may be are under way.
    pub async fn run(&self, only: Option<PoolId>) -> Result<impl Stream<Item = Finding> + Send + use<>, Fault> {
        let seat = Arc::clone(&self.runs).try_acquire_owned().map_err(|_| too_many())?;
        let settings = self.store.settings().await?;
        let mut cluster = self.look().await?;
        if let Some(id) = only {
            let pool = self.store.get_pool(id).await?;
            cluster.nodes.retain(|seen| seen.node == pool.node || seen.about().is_some());
            cluster.pools = vec![pool];
        }
        let concerned: Option<BTreeSet<NodeId>> =
            only.map(|_| cluster.pools.iter().map(|pool| pool.node.clone()).collect());
        let of_nodes = of_nodes(&cluster, concerned.as_ref());
        let (this, now) = (self.clone(), cluster.now);
        let of_nodes = of_nodes.into_iter().map(move |line| this.signed(line, now));
        let all = stream::iter(of_nodes).chain(self.clone().ask_all(cluster, settings));
        Ok(all.map(move |line| {
            let _held = &seat;
            line
        }))
    }

    /// What concerns one pool itself: its directory, its room, its URLs.
    ///
    /// # Errors
    /// As [`Diagnose::run`].
    pub async fn pool(&self, id: PoolId) -> Result<Vec<Finding>, Fault> {
        let settings = self.store.settings().await?;
        let mut cluster = self.look().await?;
        cluster.pools = vec![self.store.get_pool(id).await?];
        let mut lines: Vec<Finding> = self.clone().ask_all(cluster, settings).collect().await;
        lines.sort_by_key(|line| (line.subject.contains(" -> "), line.check, line.subject.clone()));
        Ok(lines)
    }

    /// A line that no node has measured is this server's.
    fn signed(&self, line: Finding, now: UnixMillis) -> Finding {
        if line.by.is_empty() { line.measured(format!("server {}", self.name), now) } else { line }
    }

    /// What the books and the sessions say.
    async fn look(&self) -> Result<Cluster, Fault> {
        let (records, pools) = (self.store.list_nodes().await?, self.store.list_pools().await?);
        let names = |node: &NodeId| pools.iter().filter(|p| p.node == *node).map(|p| p.name.clone()).collect();
        let mut nodes: Vec<NodeSeen> = records
            .into_iter()
            .map(|record| {
                let (pools, presence) = (names(&record.node), presence(&record, self.sessions.seat(&record.node)));
                NodeSeen { node: record.node, presence, pools }
            })
            .collect();
        for pool in &pools {
            if nodes.iter().all(|seen| seen.node != pool.node) {
                let (node, pools) = (pool.node.clone(), names(&pool.node));
                nodes.push(NodeSeen { node, presence: Presence::Never, pools });
            }
        }
        nodes.sort_by(|a, b| a.node.cmp(&b.node));
        let (turned_away, version) = (self.sessions.turned_away(), env!("CARGO_PKG_VERSION").to_owned());
        let page = self.sessions.of(&self.name).map(|session| session.hello().about.public_base_url.clone());
        Ok(Cluster { nodes, pools, turned_away, version, page, now: clock::now() })
    }

    /// Every question about these pools, each node's own.
    fn ask_all(self, cluster: Cluster, settings: Settings) -> impl Stream<Item = Finding> + Send + use<> {
        let (queues, cluster) = (queues(&cluster), Arc::new(cluster));
        let this = self.clone();
        let ask = move |question: Question| {
            let (diagnose, cluster, settings) = (this.clone(), Arc::clone(&cluster), settings.clone());
            async move {
                let lines = match &question {
                    Question::Pool(pool) => diagnose.ask_about(&cluster, pool, &settings).await,
                    Question::Way(from, pool) => diagnose.ask_way(&cluster, from, pool).await,
                };
                lines.into_iter().map(|line| diagnose.signed(line, clock::now())).collect::<Vec<_>>()
            }
        };
        let late = move |question: Question| vec![self.signed(too_late(&question), clock::now())];
        rounds(queues, Instant::now() + ALL_WITHIN, ask, late).map(stream::iter).flatten()
    }
}

/// For each node its pools, and apart from them its ways to every other node's, each URL once: a disk that hangs holds up no
/// way. Each node begins elsewhere, so that no node is asked by all others at once. Where no node is to be, none is asked
/// for.
fn queues(cluster: &Cluster) -> Vec<Vec<Question>> {
    let is_known = |node| cluster.node(node).is_some_and(|seen| seen.presence != Presence::Never);
    let mut queues = Vec::new();
    for (at, seen) in cluster.nodes.iter().enumerate() {
        let own = cluster.pools.iter().filter(|pool| pool.node == seen.node);
        queues.push(own.cloned().map(Question::Pool).collect());
        if seen.about().is_none() {
            continue;
        }
        let mut urls = BTreeSet::new();
        let others = cluster.pools.iter().filter(|pool| pool.node != seen.node && is_known(&pool.node));
        let mut ways: Vec<Question> = others
            .filter(|pool| urls.insert((pool.node.clone(), pool.upload_api_url.clone())))
            .map(|pool| Question::Way(seen.node.clone(), pool.clone()))
            .collect();
        let middle = at % ways.len().max(1);
        ways.rotate_left(middle);
        queues.push(ways);
    }
    queues
}

/// The bound of all came before the answer.
fn too_late(question: &Question) -> Finding {
    let seconds = ALL_WITHIN.as_secs();
    let why = text!(
        de "nach {seconds} s für alle Prüfungen war noch keine Antwort da",
        en "after {seconds} s for all checks there was no answer yet"
    );
    match question {
        Question::Pool(pool) => checks::base_path::not_tried(pool, &why),
        Question::Way(from, pool) => checks::upload_api_url::not_tried(from, &pool.node, &why).of_pool(pool.id),
    }
}

fn too_many() -> Fault {
    let seconds = ALL_WITHIN.as_secs();
    let message = text!(
        de "es laufen schon {RUNS} Diagnosen; spätestens in {seconds} s ist eine davon zu Ende, dann noch einmal starten",
        en "{RUNS} diagnoses run already; one of them ends in {seconds} s at the latest, then start it again"
    );
    Fault::new(FaultKind::TooManyRequests, message)
}

/// What nobody has to be asked for. `concerned`: these nodes only.
fn of_nodes(cluster: &Cluster, concerned: Option<&BTreeSet<NodeId>>) -> Vec<Finding> {
    let is_concerned = |node: &NodeId| concerned.is_none_or(|nodes| nodes.contains(node));
    let mut found = Vec::new();
    for seen in cluster.nodes.iter().filter(|seen| is_concerned(&seen.node)) {
        found.extend(checks::attached::judge(cluster, seen));
        found.extend(checks::clock::judge(seen));
        found.extend(checks::version::judge(cluster, seen));
        found.extend(checks::environment::judge(seen));
    }
    found.extend(checks::mixed_content::judge(cluster));
    let subjects: Option<BTreeSet<String>> = concerned.map(|nodes| {
        let of_nodes = nodes.iter().map(|node| format!("node {node}"));
        of_nodes.chain(cluster.pools.iter().map(pool_subject)).collect()
    });
    let of_all = checks::node_id::judge(cluster).into_iter().chain(checks::secret::judge(cluster));
    found.extend(of_all.filter(|finding| subjects.as_ref().is_none_or(|of| of.contains(&finding.subject))));
    found
}

fn presence(record: &NodeRecord, seat: Option<Seat>) -> Presence {
    match seat {
        Some(Seat::Here(session)) => {
            let hello = session.hello();
            Presence::Here(About {
                version: hello.about.version.clone(),
                address: hello.about.address.clone(),
                public_domain: hello.about.public_base_url.clone(),
                node_url: hello.about.node_url.clone(),
                clock_offset_ms: session.clock_offset_ms(),
                warnings: hello.warnings.clone(),
                upload_secret_tag: hello.upload_secret_tag.clone(),
            })
        }
        Some(Seat::Elsewhere(other)) => Presence::Elsewhere {
            version: record.version.clone(),
            server: other.server.clone(),
            url: other.server_url.clone(),
        },
        None => Presence::Away { last_seen: record.last_seen, address: record.address.clone() },
    }
}
