//! A coordinator on a real port, and fake nodes made from the generated client: for tests of what both say.

mod answers;

use std::time::Duration;

use pixelfox_node::listen::{self, Routes};
use pixelfox_node::plane::Plane;
use pixelfox_node::secret::SecretPair;
use pixelfox_proto::v1::{
    self, admin_client::AdminClient, coordinator_client::CoordinatorClient, file_result::Outcome, node_command,
    node_event,
};
use pixelfox_proto::{FileMeta, Sha256};
use pixelfox_server::books::{Books, BooksSpec};
use pixelfox_server::config::SweepTimes;
use pixelfox_server::events::{Heard, Watcher};
use pixelfox_server::store::{AutoPools, Store};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Request, Status};

use self::answers::{Manners, pool_is_well, read};
pub(crate) use self::answers::{Web, answered_at_once};

pub(crate) const SECRET: &str = "a secret of the tests";
pub(crate) const TOKEN: &str = "a token of the tests";
/// No wait of a test is longer; what it waits for comes in milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) async fn within<T>(what: &str, it: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, it).await.unwrap_or_else(|_| panic!("{what} did not come"))
}

/// A coordinator with its port and its database in a folder of its own.
pub(crate) struct Office {
    pub(crate) books: Books,
    pub(crate) store: Store,
    pub(crate) dir: tempfile::TempDir,
    url: String,
    stop: CancellationToken,
    port: JoinSet<()>,
}

impl Office {
    pub(crate) async fn open() -> Self {
        Self::open_in(tempfile::tempdir().unwrap(), Some(SECRET), Some(TOKEN)).await
    }

    pub(crate) async fn open_in(dir: tempfile::TempDir, secret: Option<&str>, token: Option<&str>) -> Self {
        Self::open_with(dir, secret, token, SweepTimes::default()).await
    }

    /// With a sweeper that looks at other times.
    pub(crate) async fn open_with(
        dir: tempfile::TempDir,
        secret: Option<&str>,
        token: Option<&str>,
        sweep: SweepTimes,
    ) -> Self {
        let url = format!("sqlite://{}", dir.path().join("pixelfox.db").display());
        Self::open_on((&url, "local"), dir, [secret, token], sweep).await
    }

    /// One of several on a database that they share, by its name to the others.
    pub(crate) async fn open_one_of(name: &str, database: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::open_on((database, name), dir, [Some(SECRET), Some(TOKEN)], SweepTimes::default()).await
    }

    async fn open_on(at: (&str, &str), dir: tempfile::TempDir, words: [Option<&str>; 2], sweep: SweepTimes) -> Self {
        let ((database, name), [secret, token]) = (at, words);
        let store = Store::open(database).await.unwrap();
        let pair = |word: &str| SecretPair::new(word, None);
        let spec = BooksSpec {
            store: store.clone(),
            public_domain: "http://pixelfox.test".into(),
            node: name.parse().unwrap(),
            replication_secret: secret.map(pair),
            admin_token: token.map(pair),
            tls_ca_file: None,
            auto_pools: AutoPools::Make,
            sweep,
        };
        let books = Books::start(spec).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Routes::new(axum::Router::new()).grpc(books.coordinator()).grpc(books.admin());
        let (stop, mut port) = (CancellationToken::new(), JoinSet::new());
        port.spawn(listen::serve(listener, routes, Plane::start(std::num::NonZeroUsize::MIN).unwrap(), stop.clone()));
        Self { books, store, dir, url, stop, port }
    }

    /// Stops it as the server does, and gives its folder back for the next start.
    pub(crate) async fn close(mut self) -> tempfile::TempDir {
        within("the end of the books", self.books.shut_down(Duration::ZERO)).await;
        self.stop.cancel();
        within("the end of the port", self.port.join_next()).await;
        self.store.close().await;
        self.dir
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) async fn channel(&self) -> Channel {
        Channel::from_shared(self.url.clone()).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn coordinator(&self) -> CoordinatorClient<Channel> {
        CoordinatorClient::new(self.channel().await)
    }

    pub(crate) async fn admin(&self) -> AdminClient<Channel> {
        AdminClient::new(self.channel().await).max_decoding_message_size(8 << 20)
    }

    /// An image that `node` has stored in its pool, by CommitUpload. `number` makes its bytes its own.
    pub(crate) async fn upload(&self, node: &FakeNode, number: u32) -> Upload {
        let mut client = self.coordinator().await;
        let upload = Upload::new(number, node.pool());
        let answer = client.commit_upload(signed(upload.request.clone())).await.unwrap().into_inner();
        assert_eq!(answer.decision(), v1::commit_upload_response::Decision::Keep);
        upload
    }

    pub(crate) async fn move_to(&self, uploads: &[&Upload], target: u64) -> v1::JobBatch {
        let uuids = uploads.iter().map(|upload| upload.uuid.clone()).collect();
        let ask = v1::MoveImagesRequest { uuids, target_pool_id: target, ..Default::default() };
        self.admin().await.move_images(admins(ask)).await.unwrap().into_inner()
    }

    /// The one child of a batch with one image.
    pub(crate) async fn only_child(&self, batch: &v1::JobBatch) -> v1::Job {
        let ask = v1::ListJobsRequest { parent_id: batch.job_id, ..Default::default() };
        let jobs = self.admin().await.list_jobs(admins(ask)).await.unwrap().into_inner().jobs;
        assert_eq!(jobs.len(), 1);
        jobs.into_iter().next().unwrap()
    }

    pub(crate) async fn job(&self, id: u64) -> v1::Job {
        self.admin().await.get_job(admins(v1::GetJobRequest { id })).await.unwrap().into_inner()
    }

    /// Waits until a job fits. Looks at each event, so that no wait is longer than it has to be.
    pub(crate) async fn job_where(&self, watcher: &mut Watcher, id: u64, fits: impl Fn(&v1::Job) -> bool) -> v1::Job {
        let found = async {
            loop {
                let job = self.job(id).await;
                if fits(&job) {
                    return job;
                }
                let _event: Heard = watcher.next().await;
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(job) => job,
            Err(_) => panic!("the job never got there: {:?}", self.job(id).await),
        }
    }
}

pub(crate) fn signed<T>(message: T) -> Request<T> {
    with_bearer(message, SECRET)
}

pub(crate) fn admins<T>(message: T) -> Request<T> {
    with_bearer(message, TOKEN)
}

pub(crate) fn with_bearer<T>(message: T, word: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {word}").parse().unwrap());
    request
}

/// What a node asks a record for.
pub(crate) struct Upload {
    pub(crate) uuid: String,
    pub(crate) path: String,
    pub(crate) request: v1::CommitUploadRequest,
}

impl Upload {
    pub(crate) fn new(number: u32, pool: u64) -> Self {
        let uuid = format!("0190a6f2-3b5c-4d7e-8f90-{number:012x}");
        let path = format!("original/2026/11/24/{uuid}.png");
        let meta = FileMeta {
            image_uuid: uuid.clone(),
            kind: "original".into(),
            share_token: format!("share{number:07}"),
            original_name: format!("picture {number}.png"),
            content_type: "image/png".into(),
            width: 3,
            height: 2,
            user_id: 0,
            created: 1_764_000_000,
        };
        let request = v1::CommitUploadRequest {
            upload_id: uuid.clone(),
            visitor: 0,
            pool_id: pool,
            stored_path: path.clone(),
            size: 1000,
            sha256: Sha256::of(uuid.as_bytes()).as_bytes().to_vec(),
            meta: Some(meta.into()),
        };
        Self { uuid, path, request }
    }

    /// The word of a node that did with this file as it was told.
    pub(crate) fn result(&self, outcome: Outcome) -> v1::FileResult {
        v1::FileResult {
            stored_path: self.path.clone(),
            outcome: outcome.into(),
            size: self.request.size,
            sha256: self.request.sha256.clone(),
            message: format!("the test says {outcome:?}"),
            refusal: 0,
        }
    }
}

pub(crate) fn hello(node: &str) -> v1::Hello {
    v1::Hello {
        node_id: node.into(),
        instance_id: format!("instance of {node}"),
        process_id: "1".into(),
        version: "0.1.0".into(),
        storage_roots: vec!["/srv".into()],
        slots: 4,
        protocol: 1,
        warnings: Vec::new(),
        upload_secret_tag: Vec::new(),
        node_url: format!("http://{node}:4000"),
        public_base_url: format!("http://{node}.local:8080"),
        uploads_dir: format!("/srv/{node}"),
        uploads_dir_identity: String::new(),
    }
}

/// A node that says what the test wants.
#[derive(Debug)]
pub(crate) struct FakeNode {
    say: mpsc::Sender<v1::NodeEvent>,
    commands: mpsc::Receiver<Result<v1::NodeCommand, Status>>,
    /// Reads the stream; ends with the node.
    _reader: JoinSet<()>,
    pub(crate) welcome: v1::Welcome,
}

impl FakeNode {
    /// Attached, its pools reported healthy.
    pub(crate) async fn attach(office: &Office, node: &str) -> Self {
        let node = Self::try_attach(office, hello(node)).await.unwrap();
        node.heartbeat(true).await;
        node
    }

    /// Attached, its Welcome read, nothing said but Hello.
    pub(crate) async fn try_attach(office: &Office, hello: v1::Hello) -> Result<Self, Status> {
        let mut node = Self::dial(office, node_event::Event::Hello(hello)).await?;
        node.welcome = match node.any().await? {
            node_command::Command::Welcome(welcome) => welcome,
            other => panic!("not the Welcome first: {other:?}"),
        };
        Ok(node)
    }

    /// Attached and well, with manners of its own.
    pub(crate) async fn attach_with(office: &Office, hello: v1::Hello, manners: Manners) -> Self {
        let mut node = Self::dial_with(office, node_event::Event::Hello(hello), manners).await.unwrap();
        node.welcome_where(|welcome| !welcome.pools.is_empty()).await;
        node.heartbeat(true).await;
        node
    }

    /// A stream whose first word is this.
    pub(crate) async fn dial(office: &Office, first: node_event::Event) -> Result<Self, Status> {
        Self::dial_with(office, first, answered_at_once).await
    }

    async fn dial_with(office: &Office, first: node_event::Event, manners: Manners) -> Result<Self, Status> {
        let (say, events) = mpsc::channel(64);
        say.send(v1::NodeEvent { event: Some(first) }).await.unwrap();
        let mut client = office.coordinator().await;
        let attach = client.attach(signed(ReceiverStream::new(events)));
        let incoming = within("the head of Attach", attach).await?.into_inner();
        let (heard, commands) = mpsc::channel(16);
        let mut reader = JoinSet::new();
        reader.spawn(read(incoming, heard, say.downgrade(), manners));
        Ok(Self { say, commands, _reader: reader, welcome: v1::Welcome::default() })
    }

    /// Its only pool.
    pub(crate) fn pool(&self) -> u64 {
        self.welcome.pools.first().expect("a pool").pool_id
    }

    pub(crate) async fn say(&self, event: node_event::Event) {
        self.say.send(v1::NodeEvent { event: Some(event) }).await.expect("the stream is open");
    }

    /// About all pools of its last Welcome.
    pub(crate) async fn heartbeat(&self, healthy: bool) {
        let mut beat = self.well();
        for report in beat.pools.iter_mut().filter(|_| !healthy) {
            (report.healthy, report.problem) = (false, "the disk is not mounted".into());
        }
        self.say(node_event::Event::Heartbeat(beat)).await;
    }

    /// That all pools of its last Welcome are well.
    pub(crate) fn well(&self) -> v1::Heartbeat {
        let pools = self.welcome.pools.iter().map(|pool| v1::PoolReport { pool_id: pool.pool_id, ..pool_is_well() });
        v1::Heartbeat { pools: pools.collect(), running: 0, now: None }
    }

    async fn command(&mut self) -> Result<v1::NodeCommand, Status> {
        match within("a command", self.commands.recv()).await {
            Some(command) => command,
            None => Err(Status::ok("the stream ended")),
        }
    }

    async fn any(&mut self) -> Result<node_command::Command, Status> {
        Ok(self.command().await?.command.expect("a command"))
    }

    /// The next command that is no Welcome; these are remembered.
    pub(crate) async fn next(&mut self) -> (u64, node_command::Command) {
        loop {
            let command = self.command().await.expect("a command");
            match command.command.expect("a command") {
                node_command::Command::Welcome(welcome) => self.welcome = welcome,
                other => return (command.command_id, other),
            }
        }
    }

    pub(crate) async fn push(&mut self) -> (u64, v1::PushFiles) {
        match self.next().await {
            (id, node_command::Command::Push(push)) => (id, push),
            other => panic!("not a push: {other:?}"),
        }
    }

    pub(crate) async fn delete(&mut self) -> (u64, v1::DeleteFiles) {
        match self.next().await {
            (id, node_command::Command::Delete(delete)) => (id, delete),
            other => panic!("not an order for the trash: {other:?}"),
        }
    }

    /// Waits for a Welcome that fits.
    pub(crate) async fn welcome_where(&mut self, fits: impl Fn(&v1::Welcome) -> bool) {
        self.try_welcome_where(fits).await.expect("a Welcome");
    }

    /// The same; the session may end before.
    pub(crate) async fn try_welcome_where(&mut self, fits: impl Fn(&v1::Welcome) -> bool) -> Result<(), Status> {
        while !fits(&self.welcome) {
            match self.any().await? {
                node_command::Command::Welcome(welcome) => self.welcome = welcome,
                other => panic!("not a Welcome: {other:?}"),
            }
        }
        Ok(())
    }

    /// The end of a command, with these files.
    pub(crate) async fn end(&self, command_id: u64, files: Vec<v1::FileResult>) {
        let result = v1::CommandResult { command_id, files, ..v1::CommandResult::default() };
        self.say(node_event::Event::Result(result)).await;
    }

    /// Whatever comes next, however long it takes.
    pub(crate) async fn quiet(&mut self) -> Result<v1::NodeCommand, Status> {
        self.commands.recv().await.unwrap_or_else(|| Err(Status::ok("the stream ended")))
    }

    /// Reads on until the stream is over.
    pub(crate) async fn over(&mut self) -> Status {
        loop {
            if let Err(end) = self.command().await {
                return end;
            }
        }
    }
}
