//! Files taken in beside a server that runs on the books: its nodes are asked directly, and nothing but images that the
//! books lack is written.

use pixelfox_node::secret::SecretPair;
use pixelfox_proto::NodeId;
use tokio::time::Instant;

use super::{
    Ask, LOOK, RebuildError, Report,
    walk::{self, Asked},
};
use crate::{
    catalog::{FoundPool, NodeRecord, Pool, RebuildRule},
    config::ServerConfig,
    grpc::{About, Disks},
    store::{Store, StoreError},
};

/// Whether a server has the books. Those of a database server may always be shared.
pub(super) async fn is_running(url: &str) -> Result<bool, StoreError> {
    if url.starts_with("postgres") {
        return Ok(true);
    }
    match Store::hold(url).await {
        Ok(_) => Ok(false),
        Err(StoreError::Place { cause, .. }) if cause.kind() == std::io::ErrorKind::ResourceBusy => Ok(true),
        Err(other) => Err(other),
    }
}

/// Takes in what the pools on record have and the books have not. It waits for nodes that were named, and for no others.
pub(super) async fn add(config: &ServerConfig, secret: &SecretPair, ask: &Ask) -> Result<Report, RebuildError> {
    let store = Store::open_beside(&config.database_url).await?;
    let beside = Beside { store: &store, config, secret, ask };
    let added = beside.add().await;
    store.close().await;
    added
}

struct Beside<'a> {
    store: &'a Store,
    config: &'a ServerConfig,
    secret: &'a SecretPair,
    ask: &'a Ask,
}

impl Beside<'_> {
    async fn add(&self) -> Result<Report, RebuildError> {
        let (mut report, mut others) = (Report::of(self.ask), Vec::new());
        let (answers, pools) = (self.nodes().await?, self.store.list_pools().await?);
        for (node, found) in answers {
            match found {
                Ok(found) => {
                    others.extend(found.into_iter().filter(|pool| pool.draft.node_id == node.as_str()));
                    report.nodes.insert(node);
                }
                Err(why) => {
                    let what = format!("node {node} can't be asked for its pools: {why}");
                    if self.ask.nodes.contains(&node) || pools.iter().any(|pool| pool.node == node) {
                        report.missing_of(&node, what);
                    } else {
                        report.note(format!("{what}. It has none on record"));
                    }
                }
            }
        }
        report.absent = self.ask.nodes.difference(&report.nodes).cloned().collect();
        let (mut asked, mut ids) = (Asked::new(), Vec::new());
        for pool in &pools {
            match self.disks(&pool.target_url()) {
                Ok(disks) => {
                    ids.push(pool.id);
                    asked.insert(pool.id, (pool.clone(), disks));
                }
                Err(why) => report.missing(pool, &why),
            }
        }
        walk::pools(self.store, &mut asked, ids, RebuildRule::Add, &mut report).await?;
        for other in others {
            self.not_on_record(&other, &pools, &mut report).await?;
        }
        Ok(report)
    }

    async fn not_on_record(&self, found: &FoundPool, pools: &[Pool], report: &mut Report) -> Result<(), StoreError> {
        if pools.iter().any(|known| known.identity == found.identity) {
            return Ok(());
        }
        let what = format!("pool {} in {} of node {}", found.draft.name, found.draft.base_path, found.draft.node_id);
        if self.store.is_retired(&found.identity).await? {
            report.note(format!("{what} was deleted and stays away"));
        } else {
            let node = found.draft.node_id.parse().unwrap_or_else(|_| self.config.node.node_id.clone());
            report.missing_of(&node, format!("{what}: the books do not know it: stop the server and run this again"));
        }
        Ok(())
    }

    /// Each node on record with the pools on its disks, or why it can't tell. Those that were named have time for it.
    async fn nodes(&self) -> Result<Vec<(NodeId, Result<Vec<FoundPool>, String>)>, StoreError> {
        let until = Instant::now() + self.ask.wait;
        loop {
            let nodes = self.store.list_nodes().await?;
            let mut answers = Vec::new();
            for node in nodes {
                let found = self.pools_of(&node).await;
                answers.push((node.node, found));
            }
            let has_come = |node: &NodeId| answers.iter().any(|(known, found)| known == node && found.is_ok());
            if self.ask.nodes.iter().all(has_come) || Instant::now() >= until {
                return Ok(answers);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What a marker says that can't be read is nobody's here: a rebuild with the server stopped names it.
    async fn pools_of(&self, node: &NodeRecord) -> Result<Vec<FoundPool>, String> {
        let (node, node_url) = (node.node.clone(), node.node_url.clone());
        let about = About { node, node_url, public_base_url: String::new() };
        let found = self.disks(&about.node_url)?.find_pools(&about).await?;
        Ok(found.into_iter().flatten().collect())
    }

    fn disks(&self, url: &str) -> Result<Disks, String> {
        Disks::at(url, self.secret, self.config.node.tls_ca_file.as_deref())
    }
}
