//! What the HTTP benches share: a node with one pool and a coordinator that keeps everything, as a process of its own,
//! so that its memory and its processor time are its own.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::Arc,
};

use pixelfox_node::{
    clock,
    coordinator::{Coordinator, Transport},
    http,
    intake::Intake,
    listen::{self, Routes},
    metrics::Meters,
    plane::Plane,
    pools::{NodePool, NodeSettings, Pools, Source, Welcome},
    receive::Receiver,
    secret::{SecretPair, Secrets},
    sys,
};
use pixelfox_proto::{Claims, Lease, PoolId, SessionEpoch, v1};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use v1::coordinator_server::CoordinatorServer;

const SECRET: &str = "the secret of this bench";
const PNG: &[u8] = include_bytes!("../../tests/fixtures/photo.png");

/// The node's process. Ends when this is dropped.
pub(crate) struct Node {
    process: Child,
    _life: ChildStdin,
    address: SocketAddr,
}

impl Node {
    /// Starts this very program again, as a node with its pool in `dir`.
    pub(crate) fn start(dir: &Path) -> Self {
        let program = std::env::current_exe().expect("a program knows where it is");
        let mut process = Command::new(program)
            .arg("node")
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts again");
        let life = process.stdin.take().expect("piped");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("the node says where it is");
        Self { process, _life: life, address: line.trim().parse().expect("an address") }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A line of its `/proc/…/status`, in KiB.
    pub(crate) fn memory_kib(&self, line: &str) -> u64 {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(path).expect("the node lives");
        let value = status.lines().find_map(|l| l.strip_prefix(line)).and_then(|rest| rest.split_whitespace().nth(1));
        value.and_then(|kib| kib.parse().ok()).expect("Linux says it")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Gone already is as good.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Where benches keep their files: on a disk, not in memory.
pub(crate) fn ground() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder below the target directory")
}

/// The head of a picture that is taken; noise may follow it.
pub(crate) fn picture_head() -> &'static [u8] {
    PNG
}

pub(crate) fn token() -> String {
    let exp = clock::unix_seconds() + 3600;
    Claims {
        user_id: 1,
        pool_id: 1,
        max_bytes: 1 << 30,
        exp,
        via: Some(pixelfox_proto::Via::App),
        visitor: None,
        settings: None,
    }
    .mint(SECRET.as_bytes())
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime")
}

/// In the started process: serves until the other one is gone.
pub(crate) fn serve(dir: &str) {
    sys::tune_allocator();
    runtime().block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let plane = Plane::one_per_core().expect("threads");
        let (stop, routes) = (CancellationToken::new(), routes(&plane, Path::new(dir), address).await);
        let stopped = stop.clone();
        let watch = std::thread::spawn(move || {
            // Ends with the pipe.
            drop(std::io::stdin().read_to_end(&mut Vec::new()));
            stopped.cancel();
        });
        println!("{address}");
        std::io::stdout().flush().expect("the other process listens");
        listen::serve(listener, routes, plane, stop).await;
        watch.join().expect("it only reads");
    });
}

async fn routes(plane: &Plane, dir: &Path, address: SocketAddr) -> Routes {
    let pools = Pools::new(vec![dir.to_owned()]);
    let pool = NodePool {
        id: PoolId::try_from(1).expect("not 0"),
        name: "bench".into(),
        base_path: dir.join("pool"),
        identity: "bench".into(),
        max_size: 0,
        public_base_url: format!("http://{address}"),
        initialize: true,
        used_size: 0,
        reserved_size: 0,
        is_active: true,
        legacy_pool_id: None,
        retired: Vec::new(),
        facts: Default::default(),
    };
    let settings = NodeSettings { upload_max_bytes: 1 << 30, ..NodeSettings::default() };
    let welcome =
        Welcome { epoch: SessionEpoch(1), pools: vec![pool], elsewhere: vec![], settings, lease_floor: Lease(0) };
    pools.apply(welcome, Source::Coordinator).await;
    let receiver = Arc::new(Receiver::new(Arc::clone(&pools)));
    let coordinator = Coordinator::new(vec![keeps_everything()], Some(SECRET));
    let intake = Intake::new(plane.clone(), Arc::clone(&pools), Arc::clone(&receiver), coordinator.clone());
    let secret = || Some(SecretPair::new(SECRET, None));
    let meters = Meters::new(&"bench".parse().expect("a word"), "0");
    Routes::new(http::router(
        http::Parts {
            node_id: "bench".parse().expect("a word"),
            version: "0",
            public_domain: format!("http://{address}"),
            secrets: Secrets { replication: secret(), upload_token: secret() },
            plane: plane.clone(),
            pools,
            receiver,
            intake,
            coordinator,
            limiter: Arc::default(),
            readiness: Arc::new(Vec::new),
            uploads: meters.uploads(),
            meters,
            metrics_tokens: Vec::new(),
        },
        pixelfox_node::proxies::Proxies::default(),
    ))
}

fn keeps_everything() -> Transport {
    let service = CoordinatorServer::new(Keeper);
    Transport::new(tower::service_fn(move |request: ::http::Request<tonic::body::Body>| {
        let answer = service.clone().oneshot(request);
        async move { answer.await.map_err(|never| match never {}) }
    }))
}

struct Keeper;

#[tonic::async_trait]
impl v1::coordinator_server::Coordinator for Keeper {
    type AttachStream = tokio_stream::Empty<Result<v1::NodeCommand, tonic::Status>>;

    async fn attach(
        &self,
        _: tonic::Request<tonic::Streaming<v1::NodeEvent>>,
    ) -> Result<tonic::Response<Self::AttachStream>, tonic::Status> {
        Err(tonic::Status::unimplemented("no sessions here"))
    }

    async fn commit_upload(
        &self,
        request: tonic::Request<v1::CommitUploadRequest>,
    ) -> Result<tonic::Response<v1::CommitUploadResponse>, tonic::Status> {
        let asked = request.into_inner();
        Ok(tonic::Response::new(v1::CommitUploadResponse {
            decision: v1::commit_upload_response::Decision::Keep.into(),
            image_uuid: asked.upload_id,
            share_token: asked.meta.unwrap_or_default().share_token,
            url: format!("/uploads/{}", asked.stored_path),
        }))
    }

    async fn locate(
        &self,
        _: tonic::Request<v1::LocateRequest>,
    ) -> Result<tonic::Response<v1::LocateResponse>, tonic::Status> {
        Ok(tonic::Response::new(v1::LocateResponse::default()))
    }
}
