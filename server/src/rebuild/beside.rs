//! Files taken in beside a server that runs on the books: its nodes are asked directly, and nothing but images that the
//! books lack is written.

use pixelfox_node::secret::SecretPair;

use super::{
    RebuildError, Report,
    walk::{self, Asked},
};
use crate::{
    catalog::RebuildRule,
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

/// Takes in what the pools on record have and the books have not.
pub(super) async fn add(config: &ServerConfig, secret: &SecretPair) -> Result<Report, RebuildError> {
    let store = Store::open_beside(&config.database_url).await?;
    let added = add_to(&store, config, secret).await;
    store.close().await;
    added
}

async fn add_to(store: &Store, config: &ServerConfig, secret: &SecretPair) -> Result<Report, RebuildError> {
    let (mut report, pools) = (Report::default(), store.list_pools().await?);
    let ca = config.node.tls_ca_file.as_deref();
    let mut asked = Asked::new();
    for pool in &pools {
        match Disks::at(&pool.target_url(), secret, ca) {
            Ok(disks) => drop(asked.insert(pool.id, (pool.clone(), disks))),
            Err(why) => report.missing(pool, &why),
        }
    }
    walk::every_pool(store, &mut asked, RebuildRule::Add, &mut report).await?;
    for node in store.list_nodes().await? {
        let about = About { node: node.node, node_url: node.node_url, public_base_url: String::new() };
        let found = match Disks::at(&about.node_url, secret, ca) {
            Ok(mut disks) => disks.find_pools(&about).await,
            Err(why) => Err(why),
        };
        match found {
            Ok(found) => {
                for pool in found.into_iter().flatten() {
                    let is_its = pool.draft.node_id == about.node.as_str();
                    if is_its && pools.iter().all(|known| known.identity != pool.identity) {
                        report.failed(format!(
                            "node {} has pool {} in {}, which the books do not know: stop the server and run this again",
                            about.node, pool.draft.name, pool.draft.base_path
                        ));
                    }
                }
            }
            Err(why) => report.failed(format!("node {} can't be asked for its pools: {why}", about.node)),
        }
        report.nodes.insert(about.node);
    }
    Ok(report)
}
