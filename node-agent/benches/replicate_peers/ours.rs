//! Our own two sides, as a node has them: the same rooms, limits and runtimes.

use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

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
use pixelfox_proto::{Attempt, FileMeta, Generation, JobId, Lease, PoolId, SessionEpoch};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    sync::{Barrier, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    Run,
    child::{self, Side, text},
    ground::{Item, Origin, read_manifest},
    now,
};

const SECRET: &str = "the secret of this bench";

/// Copies a set into `fresh` and says what it took.
pub(crate) fn run(origin: &Origin, fresh: &Path) -> Run {
    let mut receiver = Side::start(&["ours-receiver", text(fresh)]);
    let address = receiver.hear();
    let streams = origin.set.streams.to_string();
    let mut sender = Side::start(&["ours-sender", text(&origin.dir), text(origin.manifest()), &address, &streams]);
    sender.hear();
    let before = receiver.cpu_seconds() + sender.cpu_seconds();
    sender.go();
    let seconds = sender.hear().parse().expect("a number");
    Run { seconds, cpu_seconds: receiver.cpu_seconds() + sender.cpu_seconds() - before }
}

/// As a child: a node that takes in, until the parent is gone.
pub(crate) fn receive(dir: &Path) -> ! {
    let _runtime = runtime().spawn(serve(dir.to_owned()));
    child::live()
}

fn runtime() -> &'static Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    Box::leak(Box::new(runtime))
}

async fn serve(dir: PathBuf) {
    let plane = Plane::one_per_core().expect("threads");
    let pools = pool_in(&dir).await;
    let parts = grpc::Parts {
        plane: plane.clone(),
        receiver: Arc::new(Receiver::new(Arc::clone(&pools))),
        pools,
        secret: Some(SecretPair::new(SECRET, None)),
        stop: CancellationToken::new(),
        least_rate: LeastRate::default(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    child::say(&listener.local_addr().expect("bound").to_string());
    let routes = Routes::new(Router::new()).grpc(grpc::service(parts));
    listen::serve(listener, routes, plane, CancellationToken::new()).await;
}

/// As a child: sends a list of files over `streams` streams, each all of them under a name of its own.
pub(crate) fn send(dir: &Path, manifest: &Path, address: &str, streams: usize) {
    let address: SocketAddr = address.parse().expect("an address");
    runtime().block_on(async {
        let pusher = Pusher::new(Plane::one_per_core().expect("threads"), Some(SecretPair::new(SECRET, None)), None);
        let pools = pool_in(dir).await;
        let items = read_manifest(manifest);
        child::say("ready");
        child::wait();
        let start = now();
        let all = Arc::new(Barrier::new(streams));
        let mut tasks = JoinSet::new();
        let per_stream = items.len().div_ceil(streams);
        for part in items.chunks(per_stream) {
            let (pusher, pools, part, all) = (pusher.clone(), Arc::clone(&pools), part.to_vec(), Arc::clone(&all));
            tasks.spawn(async move {
                all.wait().await;
                push(&pusher, &pools, &part, address).await;
            });
        }
        while let Some(pushed) = tasks.join_next().await {
            pushed.expect("the push does not panic");
        }
        child::say(&start.elapsed().as_secs_f64().to_string());
        child::wait(); // so that the parent can still ask for time and memory
    });
}

async fn push(pusher: &Pusher, pools: &Pools, items: &[Item], address: SocketAddr) {
    let (ends, mut ended) = mpsc::channel(64);
    let ears = Ears { ends, bytes: Arc::default() };
    let files = items.iter().enumerate().map(|(index, item)| outgoing(index, item)).collect();
    let target = Target { url: format!("http://{address}"), pool: pool_id() };
    let source = pools.hosted(pool_id()).expect("welcomed");
    let hear = async {
        let mut stored = 0;
        while let Some((_, sent)) = ended.recv().await {
            assert!(matches!(sent, Sent::Received { skipped: false, resumed_from: 0 }), "{sent:?}");
            stored += 1;
        }
        stored
    };
    let (pushed, stored) = tokio::join!(pusher.push(source, target, files, ears, ()), hear);
    pushed.expect("the stream lives");
    assert_eq!(stored, items.len());
}

fn outgoing(index: usize, item: &Item) -> Outgoing {
    let number = u64::try_from(index).expect("small") + 1;
    let attempt = Attempt {
        lease: Lease(number),
        job: JobId::try_from(number).expect("above 0"),
        attempt: 1,
        generation: Generation(2),
    };
    let meta = FileMeta {
        image_uuid: format!("00000000-0000-4000-8000-{index:012x}"),
        kind: "original".into(),
        share_token: "abcdefghijkl".into(),
        original_name: "holiday.jpg".into(),
        content_type: "image/jpeg".into(),
        width: 1920,
        height: 1080,
        user_id: 7,
        created: 1_700_000_000,
    };
    Outgoing {
        path: item.path.clone(),
        size: item.size,
        sha256: item.sha256,
        attempt: Some(attempt),
        meta,
        trace: None,
    }
}

fn pool_id() -> PoolId {
    PoolId::try_from(NonZeroUsize::MIN.get() as u64).expect("above 0")
}

async fn pool_in(dir: &Path) -> Arc<Pools> {
    let pools = Pools::new(vec![dir.to_owned()]);
    let pool = NodePool {
        id: pool_id(),
        name: "img1".into(),
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
