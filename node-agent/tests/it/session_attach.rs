//! A node's session against a coordinator that the test plays, over real ports.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    pin::Pin,
    time::Duration,
};

use axum::Router;
use pixelfox_node::{
    config::{Env, NodeConfig},
    listen::{self, Routes},
    node::Agent,
    plane::Plane,
};
use pixelfox_proto::v1::{
    self, NodeCommand, NodeEvent,
    coordinator_server::{Coordinator, CoordinatorServer},
    node_command::Command,
    node_event::Event,
};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc},
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};

use crate::tls::Tls;

const PATIENCE: Duration = Duration::from_secs(20);
const SECRET: &str = "a replication secret of the tests";

/// One Attach as the coordinator sees it.
struct Session {
    metadata: MetadataMap,
    events: Streaming<NodeEvent>,
    commands: mpsc::Sender<Result<NodeCommand, Status>>,
}

impl Session {
    /// The next event that `pick` wants.
    async fn event<T>(&mut self, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let event = self.events.message().await.unwrap().expect("the session ended").event.unwrap();
                if let Some(found) = pick(event) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, waiting).await.expect("the node does not say it")
    }

    async fn hello(&mut self) -> v1::Hello {
        self.event(|event| if let Event::Hello(hello) = event { Some(hello) } else { None }).await
    }

    async fn healthy_pool(&mut self) -> v1::PoolReport {
        self.event(|event| match event {
            Event::Heartbeat(beat) => beat.pools.into_iter().find(|pool| pool.healthy),
            _ => None,
        })
        .await
    }

    /// How the order ended, with all its files: some may have been told of while it ran.
    async fn result(&mut self, command_id: u64) -> v1::CommandResult {
        let mut told = Vec::new();
        self.event(|event| match event {
            Event::Progress(progress) if progress.command_id == command_id => {
                told.extend(progress.files);
                None
            }
            Event::Result(mut result) if result.command_id == command_id => {
                told.append(&mut result.files);
                Some(v1::CommandResult { files: std::mem::take(&mut told), ..result })
            }
            _ => None,
        })
        .await
    }

    async fn send(&self, command_id: u64, command: Command) {
        let message = NodeCommand { command_id, command: Some(command), ..NodeCommand::default() };
        self.commands.send(Ok(message)).await.unwrap();
    }

    async fn end(self, status: Status) {
        self.commands.send(Err(status)).await.unwrap();
    }
}

struct Played {
    sessions: mpsc::Sender<Session>,
    refusal: Mutex<Option<Status>>,
}

#[tonic::async_trait]
impl Coordinator for Played {
    type AttachStream = Pin<Box<dyn Stream<Item = Result<NodeCommand, Status>> + Send>>;

    async fn attach(&self, request: Request<Streaming<NodeEvent>>) -> Result<Response<Self::AttachStream>, Status> {
        if let Some(refusal) = self.refusal.lock().await.take() {
            return Err(refusal);
        }
        let (commands, stream) = mpsc::channel(16);
        let (metadata, _, events) = request.into_parts();
        self.sessions.send(Session { metadata, events, commands }).await.unwrap();
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn commit_upload(
        &self,
        _: Request<v1::CommitUploadRequest>,
    ) -> Result<Response<v1::CommitUploadResponse>, Status> {
        Err(Status::unavailable("not played"))
    }

    async fn locate(&self, _: Request<v1::LocateRequest>) -> Result<Response<v1::LocateResponse>, Status> {
        Ok(Response::new(v1::LocateResponse::default()))
    }
}

/// A node and the coordinator that the test plays.
struct Stage {
    agent: Agent,
    sessions: mpsc::Receiver<Session>,
    folder: TempDir,
    plane: Plane,
    stop: CancellationToken,
    port: JoinHandle<()>,
    _proxy: JoinSet<()>,
}

impl Stage {
    async fn open(refusal: Option<Status>) -> Self {
        Self::open_behind(refusal, None).await
    }

    /// With the coordinator behind a proxy that ends TLS.
    async fn open_behind(refusal: Option<Status>, tls: Option<&Tls>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plane = Plane::one_per_core().unwrap();
        let stop = CancellationToken::new();
        let (sender, sessions) = mpsc::channel(4);
        let played = CoordinatorServer::new(Played { sessions: sender, refusal: Mutex::new(refusal) });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (url, proxy) = match tls {
            Some(tls) => tls.in_front_of(address).await,
            None => (format!("http://{address}"), JoinSet::new()),
        };
        let routes = Routes::new(Router::new()).grpc(played);
        #[expect(clippy::disallowed_methods, reason = "joined in `close`")]
        let port = tokio::spawn(listen::serve(listener, routes, plane.clone(), stop.clone()));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let agent =
            Agent::start(config(folder.path(), tls.map(Tls::ca_file)), &[url], listener, plane.clone()).await.unwrap();
        Self { agent, sessions, folder, plane, stop, port, _proxy: proxy }
    }

    async fn session(&mut self) -> Session {
        timeout(PATIENCE, self.sessions.recv()).await.expect("the node does not attach").unwrap()
    }

    fn welcome(&self, epoch: u64) -> Command {
        let pool = v1::NodePool {
            pool_id: 2,
            name: "img1".into(),
            base_path: self.folder.path().join("pool").display().to_string(),
            identity: "the identity of pool 2".into(),
            public_base_url: "http://127.0.0.1:1".into(),
            initialize: true,
            is_active: true,
            ..v1::NodePool::default()
        };
        let settings = v1::NodeSettings { upload_max_bytes: 1 << 20, move_slots: 4, ..v1::NodeSettings::default() };
        Command::Welcome(v1::Welcome {
            session_epoch: epoch,
            pools: vec![pool],
            settings: Some(settings),
            ..v1::Welcome::default()
        })
    }

    async fn ready(&self) -> (u16, String) {
        let answer = reqwest::get(format!("http://{}/readyz", self.agent.address())).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// An order to push a file of its pool to whoever listens there.
    fn push_to(&self, target: SocketAddr) -> v1::PushFiles {
        let path = "original/2026/11/24/a.png";
        let on_disk = self.folder.path().join("pool").join(path);
        std::fs::create_dir_all(on_disk.parent().unwrap()).unwrap();
        std::fs::write(&on_disk, b"bytes").unwrap();
        v1::PushFiles {
            source_pool_id: 2,
            target_pool_id: 3,
            target_url: format!("http://{target}"),
            files: vec![v1::PushFile {
                stored_path: path.into(),
                size: 5,
                sha256: pixelfox_proto::Sha256::of(b"bytes").as_bytes().to_vec(),
                attempt: Some(v1::MoveAttempt { lease: 1, job_id: 1, attempt: 1, generation: 2 }),
                meta: None,
                traceparent: String::new(),
            }],
            ..v1::PushFiles::default()
        }
    }

    async fn close(self) {
        self.agent.shutdown().await;
        self.stop.cancel();
        self.port.await.unwrap();
        self.plane.stop().await;
    }
}

fn config(folder: &Path, ca_file: Option<&Path>) -> NodeConfig {
    let folder = folder.display().to_string();
    let mut env = Env::new(|name| {
        Some(match name {
            "NODE_ID" => "s01".into(),
            "REPLICATION_SECRET" => SECRET.into(),
            "STORAGE_ROOTS" => folder.clone().into(),
            "STATE_DIR" => format!("{folder}/state").into(),
            "UPLOADS_DIR" => format!("{folder}/pool").into(),
            "NODE_URL" => "http://s01:4000".into(),
            "TLS_CA_FILE" => ca_file?.into(),
            _ => return None,
        })
    });
    let config = NodeConfig::read(&mut env, None);
    env.finish(config).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_says_who_it_is_and_is_ready_when_it_was_welcomed() {
    let mut stage = Stage::open(None).await;
    let mut session = stage.session().await;
    let hello = session.hello().await;
    assert_eq!((hello.node_id.as_str(), hello.node_url.as_str(), hello.protocol), ("s01", "http://s01:4000", 1));
    assert!(!hello.instance_id.is_empty() && hello.slots > 0, "{hello:?}");
    assert_eq!(session.metadata.get("x-node-id").unwrap(), "s01");
    assert_eq!(session.metadata.get("authorization").unwrap(), &format!("Bearer {SECRET}"));
    assert_eq!(stage.ready().await.0, 503, "not yet");
    session.send(1, stage.welcome(1)).await;
    let report = session.healthy_pool().await;
    assert!(report.pool_id == 2 && report.filesystem_total > 0, "{report:?}");
    assert_eq!(stage.ready().await.0, 200);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_attaches_again_and_again() {
    // Ended in every way that a coordinator can: with an error, silently, before and after the Welcome.
    let mut stage = Stage::open(None).await;
    let mut instance = None;
    for round in 0..4 {
        let mut session = stage.session().await;
        let hello = session.hello().await;
        assert_eq!(*instance.get_or_insert(hello.instance_id.clone()), hello.instance_id, "one instance for its life");
        if round % 2 == 0 {
            session.send(1, stage.welcome(round)).await;
            session.healthy_pool().await;
        }
        if round < 2 { session.end(Status::unavailable("restarting")).await } else { drop(session) }
    }
    stage.session().await.hello().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_node_says_why_and_goes_on_trying() {
    let refusal = Status::already_exists("NODE_ID s01 is attached already, from 10.0.0.9");
    let mut stage = Stage::open(Some(refusal)).await;
    let mut session = stage.session().await;
    let (status, reasons) = stage.ready().await;
    assert!(status == 503 && reasons.contains("attached already, from 10.0.0.9"), "{status} {reasons}");
    session.hello().await;
    session.send(1, stage.welcome(1)).await;
    session.healthy_pool().await;
    assert_eq!(stage.ready().await.0, 200);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_that_make_no_sense_are_answered_and_the_session_goes_on() {
    let mut stage = Stage::open(None).await;
    let mut session = stage.session().await;
    session.send(1, stage.welcome(1)).await;
    session.healthy_pool().await;
    let file = |path: &str| v1::DeleteFile { stored_path: path.into(), generation: 1, ..v1::DeleteFile::default() };
    let orders = [
        Command::Delete(v1::DeleteFiles { pool_id: 2, files: vec![file("../etc/passwd")] }),
        Command::Delete(v1::DeleteFiles { pool_id: 0, files: vec![] }),
        Command::Push(v1::PushFiles {
            source_pool_id: 2,
            target_pool_id: 3,
            files: vec![v1::PushFile::default()],
            ..v1::PushFiles::default()
        }),
        Command::Variants(v1::MakeVariants::default()),
        Command::Welcome(v1::Welcome::default()),
    ];
    for (id, order) in (10..).zip(orders) {
        session.send(id, order.clone()).await;
        let result = session.result(id).await;
        assert!(!result.error.is_empty(), "{order:?} was taken");
    }
    session.send(20, Command::Delete(v1::DeleteFiles { pool_id: 2, files: vec![file("original/nothing.png")] })).await;
    let result = session.result(20).await;
    assert_eq!((result.error.as_str(), result.files.len()), ("", 1), "{result:?}");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_die_with_their_session() {
    // A push to a port that takes the connection and never answers; the session ends, and the next one hears nothing
    // of it, and starts without waiting for that port.
    let mut stage = Stage::open(None).await;
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut session = stage.session().await;
    session.send(1, stage.welcome(1)).await;
    session.healthy_pool().await;
    let push = stage.push_to(silent.local_addr().unwrap());
    session.send(7, Command::Push(push)).await;
    let _connection = timeout(PATIENCE, silent.accept()).await.expect("the node does not dial the target").unwrap();
    session.end(Status::unavailable("restarting")).await;
    let mut next = stage.session().await;
    next.hello().await;
    next.send(1, stage.welcome(2)).await;
    let about_the_old_one = next.event(|event| match event {
        Event::Result(result) if result.command_id == 7 => Some(true),
        Event::Progress(progress) if progress.command_id == 7 => Some(true),
        Event::Heartbeat(beat) if beat.pools.iter().any(|pool| pool.healthy) => Some(false),
        _ => None,
    });
    assert!(!about_the_old_one.await);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stops_goes_on_beating_while_its_transfers_end_and_hears_who_calls_them_off() {
    // Without a beat it would be taken for lost after 15 s, its transfers given to others and spoken of as stuck.
    let mut stage = Stage::open(None).await;
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut session = stage.session().await;
    session.send(1, stage.welcome(1)).await;
    session.healthy_pool().await;
    let push = stage.push_to(silent.local_addr().unwrap());
    session.send(7, Command::Push(push)).await;
    let _connection = timeout(PATIENCE, silent.accept()).await.expect("the node does not dial the target").unwrap();
    let coordinator = async move {
        // One may have been on its way already, one comes at once.
        for _ in 0..3 {
            let at_work = |event| matches!(event, Event::Heartbeat(beat) if beat.running > 0).then_some(());
            session.event(at_work).await;
        }
        session.send(8, Command::Cancel(v1::CancelCommand { command_id: 7, ..v1::CancelCommand::default() })).await;
        session.result(7).await;
        while let Ok(Some(_)) = session.events.message().await {}
    };
    tokio::join!(coordinator, stage.close());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_attaches_over_tls_to_a_coordinator_that_its_certificates_vouch_for() {
    let tls = Tls::new();
    let mut stage = Stage::open_behind(None, Some(&tls)).await;
    let mut session = stage.session().await;
    assert_eq!(session.hello().await.node_id, "s01");
    session.send(0, stage.welcome(1)).await;
    assert_eq!(session.healthy_pool().await.pool_id, 2);
    assert_eq!(stage.ready().await.0, 200);
    drop(session);
    stage.close().await;
}
