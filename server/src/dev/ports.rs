//! The pools of a dev cluster on other ports than before: they answer where their nodes listen now.

use std::{net::SocketAddr, path::Path};

use crate::{
    catalog::{Pool, PoolPatch, SaveRule},
    clock,
    store::{Store, StoreError},
};

/// Gives the pools that `server dev` has made the addresses of their nodes, before anybody is told of them. Books that
/// are not there yet are not made.
pub(super) async fn follow(
    data_dir: &Path,
    database_url: &str,
    addresses: &[(&str, SocketAddr)],
) -> Result<(), StoreError> {
    if !database_url.strip_prefix("sqlite://").is_some_and(|path| Path::new(path).is_file()) {
        return Ok(());
    }
    let store = Store::open(database_url).await?;
    let followed = follow_in(&store, data_dir, addresses).await;
    store.close().await;
    followed
}

async fn follow_in(store: &Store, data_dir: &Path, addresses: &[(&str, SocketAddr)]) -> Result<(), StoreError> {
    for pool in store.list_pools().await? {
        let address = addresses.iter().find(|(node, _)| pool.node.as_str() == *node);
        let Some(patch) = address.and_then(|(_, address)| patch(&pool, data_dir, *address)) else { continue };
        store.update_pool(pool.id, patch, 0, SaveRule::Anyway, clock::now()).await?;
    }
    Ok(())
}

/// What changes of a pool whose node is at `address` now. `None`: nothing, or not ours to change: only a pool below our
/// own directory whose files and uploads are at one port of this machine is of our making.
fn patch(pool: &Pool, data_dir: &Path, address: SocketAddr) -> Option<PoolPatch> {
    let (before, now) = (pool.target_url(), format!("http://{address}"));
    let is_ours = Path::new(&pool.base_path).starts_with(data_dir)
        && before.starts_with("http://127.0.0.1:")
        && pool.public_base_url.trim_end_matches('/') == before;
    let upload = pool.upload_api_url.strip_prefix(&before).filter(|_| is_ours && before != now)?;
    let upload_api_url = Some(format!("{now}{upload}"));
    Some(PoolPatch { upload_api_url, public_base_url: Some(now), ..PoolPatch::default() })
}
