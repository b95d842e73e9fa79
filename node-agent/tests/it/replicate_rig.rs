//! A node's gRPC data plane on a real port, and a client of the generated kind that says what a test wants it to say,
//! right or wrong.

use std::{collections::BTreeMap, fs, net::SocketAddr, num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use axum::Router;
use pixelfox_node::{
    disk::Mark,
    grpc,
    listen::{self, Limits, Routes},
    plane::Plane,
    pools::{NodePool, NodeSettings, PoolHome, Pools, Source, Welcome},
    receive::Receiver,
    secret::SecretPair,
    transfer::LeastRate,
};
use pixelfox_proto::{
    Cutter, Lease, SessionEpoch, Sha256,
    v1::{
        BeginFile, Frame, MoveAttempt, Offer, Receipt, Refusal, ReplicateRequest, ReplicateResponse, refusal::Reason,
        replicate_request::Step, replicate_response::Outcome, replication_client::ReplicationClient,
    },
};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status, Streaming, transport::Channel};

use crate::{
    edge_rig::{self, pool_id},
    walk::look_through,
};

pub(crate) const SECRET: &str = "replication secret of the test";
pub(crate) const WITHIN: Duration = Duration::from_secs(20);
/// Attempts with this lease or a lower one are of an earlier life.
pub(crate) const LEASE_FLOOR: u64 = 10;
/// Bytes of a frame that the tests cut.
pub(crate) const PIECE: usize = 64 << 10;

/// How a data plane of a test differs from the usual one.
pub(crate) struct Spec {
    pub(crate) secret: Option<&'static str>,
    pub(crate) settings: NodeSettings,
    /// `None`: it has not heard from a coordinator yet.
    pub(crate) source: Option<Source>,
    pub(crate) tell: fn(&mut NodePool),
    /// Where the folder with its pools is; `None`: a temporary one of its own.
    pub(crate) folder: Option<PathBuf>,
    /// What a sender has to do at least.
    pub(crate) least_rate: LeastRate,
    /// How long a stream goes on after the node was told to stop.
    pub(crate) grace: Duration,
}

impl Default for Spec {
    fn default() -> Self {
        let settings = NodeSettings { reserve_bytes: Some(0), ..NodeSettings::default() };
        Self {
            secret: Some(SECRET),
            settings,
            source: Some(Source::Coordinator),
            tell: |_| (),
            folder: None,
            least_rate: LeastRate::default(),
            grace: Limits::default().grace,
        }
    }
}

/// A node with pool 1; pool 9 is on node s09.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) pools: Arc<Pools>,
    pub(crate) plane: Plane,
    folder: PathBuf,
    spec: Spec,
    stop: CancellationToken,
    serving: JoinSet<()>,
    _temp: TempDir,
}

impl Target {
    pub(crate) async fn start() -> Self {
        Self::with(Spec::default()).await
    }

    pub(crate) async fn with(spec: Spec) -> Self {
        edge_rig::listen_to_log();
        let temp = tempfile::tempdir().unwrap();
        let folder = spec.folder.clone().unwrap_or_else(|| temp.path().canonicalize().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let plane = Plane::start(NonZeroUsize::new(2).unwrap()).unwrap();
        let pools = Pools::new(vec![folder.clone()]);
        let stop = CancellationToken::new();
        let service = grpc::service(grpc::Parts {
            plane: plane.clone(),
            pools: Arc::clone(&pools),
            receiver: Arc::new(Receiver::new(Arc::clone(&pools))),
            secret: spec.secret.map(|secret| SecretPair::new(secret, None)),
            stop: stop.clone(),
            least_rate: spec.least_rate,
        });
        let mut serving = JoinSet::new();
        let routes = Routes::new(Router::new()).grpc(service);
        let limits = Limits { grace: spec.grace, ..Limits::default() };
        serving.spawn(listen::serve_with(listener, routes, plane.clone(), stop.clone(), limits));
        let target = Self { address, pools, plane, folder, spec, stop, serving, _temp: temp };
        if let Some(source) = target.spec.source {
            target.welcome(source, target.spec.tell).await;
        }
        target
    }

    /// Says the Welcome, with what `change` makes of pool 1.
    pub(crate) async fn welcome(&self, source: Source, change: impl FnOnce(&mut NodePool)) {
        let mut told = NodePool {
            id: pool_id(1),
            name: "img1".into(),
            base_path: self.folder.join("pool1"),
            identity: format!("identity of pool 1 at {}", self.address),
            max_size: 0,
            public_base_url: format!("http://{}", self.address),
            initialize: true,
            used_size: 0,
            reserved_size: 0,
            is_active: true,
            legacy_pool_id: None,
            retired: Vec::new(),
            facts: Default::default(),
        };
        change(&mut told);
        let home = |id: u64| PoolHome {
            id: pool_id(id),
            name: format!("img{id}"),
            node_id: format!("s{id:02}").parse().unwrap(),
            public_base_url: format!("http://s{id:02}.local"),
        };
        let welcome = Welcome {
            epoch: SessionEpoch(1),
            pools: vec![told],
            elsewhere: vec![home(9)],
            settings: self.spec.settings.clone(),
            lease_floor: Lease(LEASE_FLOOR),
        };
        self.pools.apply(welcome, source).await;
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) async fn channel(&self) -> Channel {
        Channel::from_shared(self.url()).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn client(&self) -> ReplicationClient<Channel> {
        ReplicationClient::new(self.channel().await).max_encoding_message_size(64 << 20)
    }

    /// A Replicate stream on a connection of its own.
    pub(crate) async fn talk(&self) -> Talk {
        let (out, requests) = mpsc::channel(1024);
        let request = authorized(ReceiverStream::new(requests));
        let answers = self.client().await.replicate(request).await.unwrap().into_inner();
        Talk { out, answers }
    }

    /// A file by hand, on a stream of its own.
    pub(crate) async fn put(&self, path: &str, bytes: &[u8]) -> Receipt {
        let mut talk = self.talk().await;
        talk.file(1, begin(path, bytes), bytes).await;
        talk.receipt(1).await
    }

    pub(crate) fn pool_dir(&self) -> PathBuf {
        self.folder.join("pool1")
    }

    pub(crate) fn read(&self, path: &str) -> Option<Vec<u8>> {
        fs::read(self.pool_dir().join(path)).ok()
    }

    pub(crate) fn mark(&self, path: &str) -> Option<Mark> {
        let disk = self.pools.hosted(pool_id(1)).unwrap().disk().unwrap();
        disk.open(&path.parse().unwrap()).unwrap().and_then(|there| there.mark().cloned())
    }

    pub(crate) fn generation(&self, path: &str) -> Option<u64> {
        self.mark(path).map(|mark| mark.generation.0)
    }

    /// Everything in the pool, folders too, but for what has not ended to come in.
    pub(crate) fn tree(&self) -> BTreeMap<String, Vec<u8>> {
        let mut found = look_through(&self.pool_dir());
        found.retain(|name, _| !name.starts_with(".pixelfox/incoming/"));
        found
    }

    /// Names of what is on its way in.
    pub(crate) fn incoming(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.pool_dir().join(".pixelfox/incoming")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Tells it to stop and does not wait for it.
    pub(crate) fn begin_to_stop(&self) {
        self.stop.cancel();
    }

    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        timeout(WITHIN, self.serving.join_next()).await.unwrap().unwrap().unwrap();
        self.plane.stop().await;
    }
}

/// One Replicate stream from the client's side.
pub(crate) struct Talk {
    out: mpsc::Sender<ReplicateRequest>,
    answers: Streaming<ReplicateResponse>,
}

impl Talk {
    /// Says it; a node that has ended the stream does not hear it any more.
    pub(crate) async fn say(&self, file_tag: u32, step: Option<Step>) {
        drop(timeout(WITHIN, self.out.send(ReplicateRequest { file_tag, step })).await.expect("the node reads on"));
    }

    pub(crate) async fn begin(&self, tag: u32, begin: BeginFile) {
        self.say(tag, Some(Step::Begin(begin))).await;
    }

    pub(crate) async fn frame(&self, tag: u32, frame: Frame) {
        self.say(tag, Some(Step::Frame(frame))).await;
    }

    /// A file's begin and all its frames.
    pub(crate) async fn file(&self, tag: u32, begin: BeginFile, bytes: &[u8]) {
        self.begin(tag, begin).await;
        for frame in frames(bytes) {
            self.frame(tag, frame).await;
        }
    }

    /// The next answer, or the status that ended the stream.
    pub(crate) async fn answer(&mut self) -> Result<Option<(u32, Outcome)>, Status> {
        let answer = timeout(WITHIN, self.answers.message()).await.expect("the node does not answer")?;
        Ok(answer.map(|answer| (answer.file_tag, answer.outcome.unwrap())))
    }

    pub(crate) async fn offer(&mut self, tag: u32) -> Offer {
        match self.answer().await {
            Ok(Some((of, Outcome::Offer(offer)))) if of == tag => offer,
            other => panic!("no offer for {tag}: {other:?}"),
        }
    }

    pub(crate) async fn receipt(&mut self, tag: u32) -> Receipt {
        match self.answer().await {
            Ok(Some((of, Outcome::Receipt(receipt)))) if of == tag => receipt,
            other => panic!("no receipt for {tag}: {other:?}"),
        }
    }

    pub(crate) async fn refusal(&mut self, tag: u32) -> (Reason, String) {
        match self.answer().await {
            Ok(Some((of, Outcome::Refusal(Refusal { reason, message })))) if of == tag => {
                (Reason::try_from(reason).unwrap(), message)
            }
            other => panic!("no refusal for {tag}: {other:?}"),
        }
    }

    /// The status that ends the stream; answers before it are passed over.
    pub(crate) async fn broken(&mut self) -> Status {
        loop {
            match self.answer().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ended in order"),
                Err(status) => return status,
            }
        }
    }

    /// Says no more; the answers that come then.
    pub(crate) async fn end(self) -> Result<Vec<(u32, Outcome)>, Status> {
        let Self { out, mut answers } = self;
        drop(out);
        let mut heard = Vec::new();
        while let Some(answer) = timeout(WITHIN, answers.message()).await.expect("the stream does not end")? {
            heard.push((answer.file_tag, answer.outcome.unwrap()));
        }
        Ok(heard)
    }
}

pub(crate) fn authorized<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {SECRET}").parse().unwrap());
    request
}

/// By hand, with the digest that the bytes have.
pub(crate) fn begin(path: &str, bytes: &[u8]) -> BeginFile {
    BeginFile {
        pool_id: 1,
        stored_path: path.into(),
        size: bytes.len() as u64,
        sha256: Sha256::of(bytes).as_bytes().to_vec(),
        ..BeginFile::default()
    }
}

/// By a move.
pub(crate) fn moved(path: &str, bytes: &[u8], attempt: MoveAttempt) -> BeginFile {
    BeginFile { attempt: Some(attempt), ..begin(path, bytes) }
}

pub(crate) const fn attempt(lease: u64, generation: u64) -> MoveAttempt {
    MoveAttempt { lease, job_id: 1, attempt: 1, generation }
}

/// The bytes in frames of [`PIECE`].
pub(crate) fn frames(bytes: &[u8]) -> Vec<Frame> {
    let mut cutter = Cutter::new();
    let frame = |data: &[u8]| {
        let cut = cutter.cut(data);
        let prefix_sha256 = cut.prefix.as_bytes().to_vec();
        Frame { offset: cut.offset, data: data.to_vec().into(), prefix_sha256 }
    };
    bytes.chunks(PIECE).map(frame).collect()
}

/// Bytes that differ by their seed.
pub(crate) fn bytes(seed: u8, length: usize) -> Vec<u8> {
    (0..length).map(|i| u8::try_from((i * 31 + i / 251) % 256).unwrap() ^ seed).collect()
}

/// Waits until `is_so`, which nothing tells of.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(WITHIN, waiting).await.is_ok(), "{what}");
}
