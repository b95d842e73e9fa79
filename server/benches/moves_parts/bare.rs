//! Replicate without an engine: the same files, rooms, limits and runtimes, two streams as a node's slots keep open.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use pixelfox_node::{
    grpc,
    listen::{self, Routes},
    plane::Plane,
    pools::{NodePool, NodeSettings, Pools, Source, Welcome},
    receive::Receiver,
    secret::SecretPair,
    send::{Ears, Outgoing, Pusher, Sent, Target},
    transfer::LeastRate,
};
use pixelfox_proto::{Attempt, FileMeta, Generation, JobId, Lease, PoolId, SessionEpoch, Sha256, StoredPath};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::cluster::SECRET;

const STREAMS: usize = 2;

/// A file to send.
#[derive(Clone)]
pub(crate) struct Item {
    path: StoredPath,
    size: u64,
    sha256: Sha256,
}

/// Links every file of a pool into a folder of its own, where nobody holds the lock.
pub(crate) fn link(pool: &Path, to: &Path) -> Vec<Item> {
    let (mut items, mut open) = (Vec::new(), vec![pool.join("original")]);
    while let Some(dir) = open.pop() {
        std::fs::create_dir_all(to.join(dir.strip_prefix(pool).unwrap())).unwrap();
        for entry in std::fs::read_dir(&dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(pool).unwrap();
            std::fs::hard_link(&path, to.join(name)).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            let path = StoredPath::try_from(name.to_str().unwrap()).unwrap();
            items.push(Item { path, size: bytes.len() as u64, sha256: Sha256::of(&bytes) });
        }
    }
    items
}

/// Sends all of them from `from` into the empty folder `to`; seconds until the last receipt.
pub(crate) async fn replicate(items: &[Item], from: &Path, to: &Path) -> f64 {
    std::fs::create_dir_all(to).unwrap();
    let (out, plane) = (Plane::one_per_core().unwrap(), Plane::one_per_core().unwrap());
    let (source, target) = (pool_in(from).await, pool_in(to).await);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let parts = grpc::Parts {
        plane: plane.clone(),
        receiver: Arc::new(Receiver::new(Arc::clone(&target))),
        pools: target,
        secret: Some(SecretPair::new(SECRET, None)),
        stop: stop.clone(),
        least_rate: LeastRate::default(),
    };
    let routes = Routes::new(Router::new()).grpc(grpc::service(parts));
    let mut port = JoinSet::new();
    port.spawn(listen::serve(listener, routes, plane.clone(), stop.clone()));
    let pusher = Pusher::new(out.clone(), Some(SecretPair::new(SECRET, None)), None);
    let begin = super::now();
    let mut streams = JoinSet::new();
    for part in items.chunks(items.len().div_ceil(STREAMS)) {
        streams.spawn(push(pusher.clone(), Arc::clone(&source), part.to_vec(), url.clone()));
    }
    while let Some(pushed) = streams.join_next().await {
        pushed.unwrap();
    }
    let seconds = begin.elapsed().as_secs_f64();
    stop.cancel();
    port.shutdown().await;
    tokio::join!(out.stop(), plane.stop());
    seconds
}

async fn push(pusher: Pusher, pools: Arc<Pools>, items: Vec<Item>, url: String) {
    let (ends, mut ended) = mpsc::channel(64);
    let ears = Ears { ends, bytes: Arc::default() };
    let count = items.len();
    let files = (1..).zip(items).map(|(number, item)| outgoing(number, item)).collect();
    let source = pools.hosted(pool_id()).unwrap();
    let hear = async {
        let mut stored = 0;
        while let Some((_, sent)) = ended.recv().await {
            assert!(matches!(sent, Sent::Received { skipped: false, .. }), "{sent:?}");
            stored += 1;
        }
        stored
    };
    let (pushed, stored) = tokio::join!(pusher.push(source, Target { url, pool: pool_id() }, files, ears, ()), hear);
    pushed.unwrap();
    assert_eq!(stored, count);
}

fn outgoing(number: u64, item: Item) -> Outgoing {
    let job = JobId::try_from(number).unwrap();
    let attempt = Attempt { lease: Lease(number), job, attempt: 1, generation: Generation(2) };
    let meta = FileMeta { kind: "original".into(), content_type: "image/png".into(), ..FileMeta::default() };
    Outgoing { path: item.path, size: item.size, sha256: item.sha256, attempt: Some(attempt), meta, trace: None }
}

fn pool_id() -> PoolId {
    PoolId::try_from(1).unwrap()
}

async fn pool_in(dir: &Path) -> Arc<Pools> {
    let pools = Pools::new(vec![dir.to_owned()]);
    let pool = NodePool {
        id: pool_id(),
        name: "bare".into(),
        base_path: dir.to_owned(),
        identity: "bench".into(),
        max_size: 0,
        public_base_url: String::new(),
        initialize: true,
        used_size: 0,
        reserved_size: 0,
        is_active: true,
        legacy_pool_id: None,
        retired: Vec::new(),
        facts: Default::default(),
    };
    let welcome = Welcome {
        epoch: SessionEpoch(1),
        pools: vec![pool],
        elsewhere: Vec::new(),
        settings: NodeSettings::default(),
        lease_floor: Lease(0),
    };
    pools.apply(welcome, Source::Coordinator).await;
    pools
}
