//! The pages by HTTP from a cluster whose 50 nodes are attached, each with its port and its pool: for what nodes that are
//! away don't show. Its books have the rows of the large cluster; the queue is paused, for there are no files to move.

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use pixelfox_node::{config::Env, plane::Plane};
use pixelfox_proto::v1::{PauseQueueRequest, admin_client::AdminClient};
use pixelfox_server::{
    accounts::Accounts,
    dev::{Cluster, Spec},
    store::Store,
};

use super::{
    POOLS, fill,
    site::{self, Site},
};

/// Started by every dev cluster: the app, s01 and s02.
const FIRST: usize = 3;

pub(crate) async fn measure(count: i64) {
    println!("{POOLS} attached nodes, SQLite: {count} images and {count} jobs");
    let dir = tempfile::tempdir_in(".").unwrap();
    let plane = Plane::one_per_core().unwrap();
    // The first start makes the pools, the second has the rows; a pool's URLs keep their ports.
    let (cluster, ports) = start(dir.path(), &[0; FIRST], &plane).await;
    pause(&cluster).await;
    let password = cluster.secrets().get("ADMIN_PASSWORD").to_owned();
    cluster.shutdown().await;
    let url = format!("sqlite://{}", dir.path().canonicalize().unwrap().join("pixelfox.db").display());
    fill::rows(&url, count).await;
    let store = Store::open(&url).await.unwrap();
    let (secret, _) = Accounts::new(store.clone()).sign_in("admin", password, None).await.unwrap();
    store.close().await;
    let (cluster, _) = start(dir.path(), &ports, &plane).await;
    let site = Site::at(format!("http://{}", cluster.app_address()), secret.reveal());
    site::measure(&site, count).await;
    cluster.shutdown().await;
    plane.stop().await;
}

/// All nodes, on these ports; those that are not named are free ones.
async fn start(dir: &Path, ports: &[u16], plane: &Plane) -> (Cluster, Vec<u16>) {
    let spec = Spec { data_dir: PathBuf::from(dir), ports: ports[..FIRST].try_into().unwrap() };
    let mut cluster = Cluster::start(&spec, &mut Env::new(no_environment), plane.clone()).await.unwrap();
    for number in FIRST..usize::try_from(POOLS).unwrap() {
        let name: &'static str = format!("s{number:02}").leak();
        let port = ports.get(number).copied().unwrap_or(0);
        cluster.start_storage_node(name, &spec, port).await.unwrap();
    }
    let mut all = vec![cluster.app_address()];
    all.extend(cluster.storage_nodes().map(|(_, address, _)| address));
    let ports = all.iter().map(SocketAddr::port).collect();
    (cluster, ports)
}

async fn pause(cluster: &Cluster) {
    let mut request = tonic::Request::new(PauseQueueRequest {});
    let bearer = format!("Bearer {}", cluster.secrets().get("ADMIN_TOKEN"));
    request.metadata_mut().insert("authorization", bearer.parse().unwrap());
    let mut admin = AdminClient::connect(format!("http://{}", cluster.app_address())).await.unwrap();
    admin.pause_queue(request).await.unwrap();
}

fn no_environment(_: &str) -> Option<OsString> {
    None
}
