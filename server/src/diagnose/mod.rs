//! What commonly goes wrong between nodes, pools, URLs and secrets: looked for, and for each thing a line with what was
//! seen and what to change, where. `checks` judge, pure; here and in `asking` nodes and URLs are asked. Changes nothing.
//!
//! A line is red where its own cause is: what only follows from another line is a warning that names that one.

mod asking;
mod checks;
mod draft;
mod finding;
mod seen;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::{Stream, StreamExt as _, stream};
use pixelfox_node::whois::Whois;
use pixelfox_proto::{Fault, NodeId, PoolId};

pub use self::finding::{Check, Finding, Status};

use self::seen::{About, Cluster, NodeSeen, Presence, pool_subject};
use crate::catalog::{NodeRecord, Pool, Settings};
use crate::clock;
use crate::sessions::{Seat, Sessions};
use crate::store::Store;

/// Questions under way at once: few enough that no node has many to answer.
const AT_ONCE: usize = 32;

/// Who looks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Diagnose {
    store: Store,
    sessions: Arc<Sessions>,
    whois: Whois,
}

impl Diagnose {
    /// Looks into the books, asks attached nodes, and with `whois` what browsers would ask.
    #[must_use]
    pub fn new(store: Store, sessions: Arc<Sessions>, whois: Whois) -> Self {
        Self { store, sessions, whois }
    }

    /// All checks, or those that concern one pool: nodes first, then pools, then from node to node, in the same order
    /// each time; each line comes as soon as it and those before it are known. Dropped, it asks no further.
    ///
    /// # Errors
    /// The books can't be read, or there is no such pool.
    pub async fn run(&self, only: Option<PoolId>) -> Result<impl Stream<Item = Finding> + Send + use<>, Fault> {
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
        let cluster = Arc::new(cluster);
        let pools = self.clone().of_pools(Arc::clone(&cluster), settings);
        let ways = self.clone().of_ways(cluster);
        Ok(stream::iter(of_nodes).chain(pools).chain(ways))
    }

    /// What concerns one pool itself: its directory, its room, its URLs.
    ///
    /// # Errors
    /// As [`Diagnose::run`].
    pub async fn pool(&self, id: PoolId) -> Result<Vec<Finding>, Fault> {
        let settings = self.store.settings().await?;
        let mut cluster = self.look().await?;
        cluster.pools = vec![self.store.get_pool(id).await?];
        let cluster = Arc::new(cluster);
        let pools = self.clone().of_pools(Arc::clone(&cluster), settings);
        Ok(pools.chain(self.clone().of_ways(cluster)).collect().await)
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
        Ok(Cluster { nodes, pools, turned_away, version, now: clock::now() })
    }

    fn of_pools(self, cluster: Arc<Cluster>, settings: Settings) -> impl Stream<Item = Finding> + Send {
        let pools = cluster.pools.clone();
        let one = move |pool: Pool| {
            let (diagnose, cluster, settings) = (self.clone(), Arc::clone(&cluster), settings.clone());
            async move { stream::iter(diagnose.ask_about(&cluster, &pool, &settings).await) }
        };
        stream::iter(pools).map(one).buffered(AT_ONCE).flatten()
    }

    /// From each attached node to every other node's pools, each URL once. Where no node is to be, none is asked for.
    fn of_ways(self, cluster: Arc<Cluster>) -> impl Stream<Item = Finding> + Send {
        let mut known = BTreeSet::new();
        let mut ways = Vec::new();
        let is_known = |node| cluster.node(node).is_some_and(|seen| seen.presence != Presence::Never);
        for pool in cluster.pools.iter().filter(|pool| is_known(&pool.node)) {
            for from in cluster.nodes.iter().filter(|seen| seen.about().is_some() && seen.node != pool.node) {
                let way = (from.node.clone(), pool.node.clone(), pool.upload_api_url.clone());
                if known.insert(way) {
                    ways.push((from.node.clone(), pool.clone()));
                }
            }
        }
        let one = move |(from, pool): (NodeId, Pool)| {
            let (diagnose, cluster) = (self.clone(), Arc::clone(&cluster));
            async move { stream::iter(diagnose.ask_way(&cluster, &from, &pool).await) }
        };
        stream::iter(ways).map(one).buffered(AT_ONCE).flatten()
    }
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
