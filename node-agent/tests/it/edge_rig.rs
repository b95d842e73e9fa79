//! A node with its HTTP routes on a real port, real pools in a temporary folder, and a coordinator that answers as a
//! test tells it to.

mod coordinator;
mod log;

use std::{collections::BTreeMap, net::SocketAddr, num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use pixelfox_node::{
    coordinator::Coordinator,
    disk::{Mark, Placing, Step},
    http,
    intake::Intake,
    listen::{self, Routes},
    metrics::Meters,
    plane::Plane,
    pools::{NodePool, NodeSettings, PoolHome, Pools, Source, Welcome},
    proxies::Proxies,
    receive::Receiver,
    secret::{SecretPair, Secrets},
};
use pixelfox_proto::{Claims, FileMeta, Generation, Lease, PoolId, SessionEpoch, Sha256, Via};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::walk::look_through;

pub(crate) use self::{
    coordinator::{FakeCoordinator, Verdict},
    log::{lines_about, listen as listen_to_log},
};

pub(crate) const SECRET: &str = "replication secret of the test";
pub(crate) const TOKEN_SECRET: &str = "upload token secret of the test";
pub(crate) const WITHIN: Duration = Duration::from_secs(20);

pub(crate) const PHOTO: &[u8] = include_bytes!("../fixtures/photo.jpg");
pub(crate) const PNG: &[u8] = include_bytes!("../fixtures/photo.png");

/// A picture of `size` bytes: a PNG's head and noise behind it, other noise for each `seed`.
pub(crate) fn large_png(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_685_821_657_736_338_717) | 1;
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    let mut bytes = PNG.to_vec();
    bytes.extend(noise.flatten().take(size - PNG.len()));
    bytes
}

/// How a node of a test differs from the usual one.
pub(crate) struct Spec {
    pub(crate) pools: Vec<u64>,
    pub(crate) elsewhere: Vec<u64>,
    pub(crate) secrets: Secrets,
    pub(crate) settings: NodeSettings,
    pub(crate) proxies: Proxies,
    pub(crate) metrics_tokens: Vec<SecretPair>,
    pub(crate) source: Option<Source>,
    pub(crate) tell: fn(&mut NodePool),
    /// How long a client waits for the coordinator.
    pub(crate) answer_wait: Duration,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            pools: vec![1],
            elsewhere: vec![9],
            secrets: Secrets {
                replication: Some(SecretPair::new(SECRET, None)),
                upload_token: Some(SecretPair::new(TOKEN_SECRET, None)),
            },
            settings: NodeSettings::default(),
            proxies: Proxies::default(),
            metrics_tokens: Vec::new(),
            source: Some(Source::Coordinator),
            tell: |_| (),
            answer_wait: Duration::from_secs(15),
        }
    }
}

pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    pub(crate) coordinator: FakeCoordinator,
    pub(crate) pools: Arc<Pools>,
    pub(crate) intake: Intake,
    pub(crate) client: reqwest::Client,
    spec: Spec,
    dir: TempDir,
    stop: CancellationToken,
    serving: JoinSet<()>,
}

impl Node {
    pub(crate) async fn start() -> Self {
        Self::with(Spec::default()).await
    }

    pub(crate) async fn with(spec: Spec) -> Self {
        log::listen();
        let dir = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let plane = Plane::start(NonZeroUsize::new(2).unwrap()).unwrap();
        let pools = Pools::new(vec![dir.path().to_owned()]);
        let meters = Meters::new(&"s01".parse().unwrap(), "0.0.0-test");
        let receiver = Arc::new(Receiver::new(Arc::clone(&pools)).counting(meters.replicated()));
        let fake = FakeCoordinator::default();
        let coordinator = Coordinator::new(vec![fake.transport()], Some(SECRET));
        let (of_intake, to_ask) = (Arc::clone(&receiver), coordinator.clone());
        let intake = Intake::answered_within(spec.answer_wait, plane.clone(), Arc::clone(&pools), of_intake, to_ask);
        let router = http::router(
            http::Parts {
                node_id: "s01".parse().unwrap(),
                version: "0.0.0-test",
                public_domain: format!("http://{address}"),
                secrets: spec.secrets.clone(),
                plane: plane.clone(),
                pools: Arc::clone(&pools),
                receiver,
                intake: intake.clone(),
                coordinator,
                limiter: Arc::default(),
                readiness: Arc::new(|| vec!["not attached".to_owned(), "pool 1 is offline".to_owned()]),
                uploads: meters.uploads(),
                meters,
                metrics_tokens: spec.metrics_tokens.clone(),
            },
            spec.proxies.clone(),
        );
        let stop = CancellationToken::new();
        let mut serving = JoinSet::new();
        serving.spawn(listen::serve(listener, Routes::new(router), plane, stop.clone()));
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let node = Self { address, coordinator: fake, pools, intake, client, spec, dir, stop, serving };
        if let Some(source) = node.spec.source {
            node.welcome(source).await;
        }
        node
    }

    /// Says the Welcome again, as the specification has it now.
    pub(crate) async fn welcome(&self, source: Source) {
        let pools = self.spec.pools.iter().map(|id| self.told(*id)).collect();
        let elsewhere = self.spec.elsewhere.iter().map(|id| PoolHome {
            id: pool_id(*id),
            name: format!("img{id}"),
            node_id: format!("s{id:02}").parse().unwrap(),
            public_base_url: format!("http://s{id:02}.local"),
        });
        let welcome = Welcome {
            epoch: SessionEpoch(1),
            pools,
            elsewhere: elsewhere.collect(),
            settings: self.spec.settings.clone(),
            lease_floor: Lease(0),
        };
        self.pools.apply(welcome, source).await;
    }

    fn told(&self, id: u64) -> NodePool {
        let mut told = NodePool {
            id: pool_id(id),
            name: format!("pool {id}"),
            base_path: self.pool_dir(id),
            identity: format!("identity of pool {id}"),
            max_size: 0,
            public_base_url: format!("http://{}", self.address),
            initialize: true,
            used_size: 0,
            reserved_size: 0,
            is_active: true,
            legacy_pool_id: Some(id + 100),
            retired: Vec::new(),
            facts: Default::default(),
        };
        (self.spec.tell)(&mut told);
        told
    }

    /// Holds everything up that the pool's disk shall make durable, until what is returned is dropped.
    pub(crate) async fn hold_disk(&self, pool: u64) -> std::sync::mpsc::SyncSender<()> {
        let disk = self.pools.hosted(pool_id(pool)).unwrap().disk().unwrap();
        let incoming = disk.incoming().unwrap();
        let (sha256, generation, meta) = (Sha256::of(b""), Generation(0), FileMeta::default());
        let mark = Mark { size: 0, sha256, generation, meta, was_unowned: false, is_suspect: false, visitor: None };
        let path = "variants/held".parse().unwrap();
        let placing = Placing { incoming, path, mark, step: Step::Give, attempt: None, pending: None };
        let (hold, held) = std::sync::mpsc::sync_channel(1);
        // The answer is heard on the very thread that makes durable.
        disk.place(placing, move |_| assert!(held.recv().is_err(), "nobody sends")).await;
        hold
    }

    pub(crate) fn pool_dir(&self, id: u64) -> PathBuf {
        self.dir.path().join(format!("pool{id}"))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    /// A token for one of this node's pools, good for an hour.
    pub(crate) fn token(pool_id: u64, max_bytes: u64) -> String {
        let exp = pixelfox_node::clock::unix_seconds() + 3600;
        Claims { user_id: 7, pool_id, max_bytes, exp, via: Some(Via::App), visitor: None, settings: None }
            .mint(TOKEN_SECRET.as_bytes())
    }

    pub(crate) async fn upload(&self, token: &str, name: &str, bytes: Vec<u8>) -> (u16, Value) {
        let file = reqwest::multipart::Part::bytes(bytes).file_name(name.to_owned());
        let form = reqwest::multipart::Form::new().part("file", file);
        let request = self.client.post(self.url("/api/internal/upload")).bearer_auth(token).multipart(form);
        answer(request.send().await.unwrap()).await
    }

    pub(crate) async fn replicate(&self, form: reqwest::multipart::Form) -> (u16, Value) {
        let request = self.client.put(self.url("/api/internal/replicate")).bearer_auth(SECRET).multipart(form);
        answer(request.send().await.unwrap()).await
    }

    /// Sends `bytes` as they are and reads until the node closes the connection.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        read_to_end(&mut stream).await
    }

    /// As `raw`, but ends the sending side after `bytes`.
    pub(crate) async fn raw_and_no_more(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        read_to_end(&mut stream).await
    }

    /// Every file below the pool with its content, but for what is the pool's own from the start.
    pub(crate) fn files(&self, pool: u64) -> BTreeMap<String, Vec<u8>> {
        let mut files = look_through(&self.pool_dir(pool));
        files.retain(|name, _| {
            !name.ends_with('/') && !matches!(name.as_str(), ".pixelfox/pool.json" | ".pixelfox/lock")
        });
        files
    }

    /// Waits until the pool has the wanted number of files, pending and temp files included.
    pub(crate) async fn settles_at(&self, pool: u64, count: usize) {
        let settled = async {
            while self.files(pool).len() != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(timeout(WITHIN, settled).await.is_ok(), "{:?}", self.files(pool).keys());
    }

    pub(crate) async fn stop(mut self) {
        self.intake.stop(Duration::ZERO).await;
        self.stop.cancel();
        timeout(WITHIN, self.serving.join_next()).await.unwrap().unwrap().unwrap();
    }
}

pub(crate) fn pool_id(id: u64) -> PoolId {
    PoolId::try_from(id).unwrap()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    Sha256::of(bytes).to_string()
}

pub(crate) async fn answer(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is no matter.
    drop(timeout(WITHIN, stream.read_to_end(&mut answer)).await.expect("the node closes the connection"));
    String::from_utf8_lossy(&answer).into_owned()
}
