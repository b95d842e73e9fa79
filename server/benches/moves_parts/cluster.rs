//! A coordinator and two storage nodes, each a process of its own, and what an operator does with them.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pixelfox_proto::Claims;
use pixelfox_proto::v1::{self, admin_client::AdminClient};
use tokio::process::{Child, Command};
use tonic::service::{Interceptor, interceptor::InterceptedService};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

pub(crate) const SECRET: &str = "the replication secret of this bench";
const UPLOADS: &str = "the upload secret of this bench";
const TOKEN: &str = "the admin token of this bench";
/// Of `admin`, on the pages.
pub(crate) const PASSWORD: &str = "the password of this bench";
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(5);

#[derive(Clone)]
pub(crate) struct Bearer;

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
        Ok(request)
    }
}

pub(crate) type Admin = AdminClient<InterceptedService<Channel, Bearer>>;

/// Processes with their directories below one folder.
pub(crate) struct Cluster {
    pub(crate) folder: PathBuf,
    ports: [u16; 3],
    processes: [Option<Child>; 3],
}

const NAMES: [&str; 3] = ["local", "s01", "s02"];

impl Cluster {
    /// Started and attached: pools Default (1), img1 (2) on s01, img2 (3) on s02.
    pub(crate) async fn start(folder: &Path) -> Self {
        let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = listeners.map(|listener| listener.local_addr().unwrap().port());
        let mut cluster = Self { folder: folder.canonicalize().unwrap(), ports, processes: [None, None, None] };
        let mut admin = cluster.admin();
        for (index, pool) in (0..3).zip(1..) {
            // One after the other, so that each pool has its id.
            cluster.run(index);
            cluster.healthy(&mut admin, pool).await;
        }
        cluster
    }

    pub(crate) fn run(&mut self, index: usize) {
        let (name, port, app) = (NAMES[index], self.ports[index], self.ports[0]);
        let server = PathBuf::from(env!("CARGO_BIN_EXE_server"));
        let program = if index == 0 { server } else { server.with_file_name("node-agent") };
        assert!(program.try_exists().unwrap(), "{} is missing: cargo build --release --bins", program.display());
        let (own, url) = (self.folder.join(name), format!("http://127.0.0.1:{port}"));
        std::fs::create_dir_all(&own).unwrap();
        let mut command = Command::new(program);
        command.env_clear().current_dir(&own).kill_on_drop(true);
        command.env("NODE_ID", name).env("APP_HOST", "127.0.0.1").env("APP_PORT", port.to_string());
        command.env("NODE_URL", &url).env("PUBLIC_DOMAIN", &url).env("AUTO_POOLS", "1");
        command.env("COORDINATOR_URL", format!("http://127.0.0.1:{app}")).env("RUST_LOG", "off");
        command.env("REPLICATION_SECRET", SECRET).env("UPLOAD_TOKEN_SECRET", UPLOADS).env("ADMIN_TOKEN", TOKEN);
        command.env("UPLOADS_DIR", self.pool_dir(name)).env("STORAGE_ROOTS", &self.folder);
        command.env("ADMIN_PASSWORD", PASSWORD);
        command.env("STATE_DIR", own.join("state")).env("DATABASE_URL", self.database());
        command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        self.processes[index] = Some(command.spawn().unwrap());
    }

    /// As `kill -9`.
    pub(crate) async fn kill(&mut self, index: usize) {
        self.processes[index].take().unwrap().kill().await.unwrap();
    }

    pub(crate) fn database(&self) -> String {
        format!("sqlite://{}/local/pixelfox.db", self.folder.display())
    }

    pub(crate) fn pool_dir(&self, name: &str) -> PathBuf {
        self.folder.join(format!("pool-{name}"))
    }

    /// A lazy client: it connects again after the coordinator was away.
    pub(crate) fn admin(&self) -> Admin {
        let channel = Endpoint::from_shared(format!("http://127.0.0.1:{}", self.ports[0])).unwrap().connect_lazy();
        AdminClient::with_interceptor(channel, Bearer).max_decoding_message_size(8 << 20)
    }

    /// Where a process is.
    pub(crate) fn url(&self, index: usize) -> String {
        format!("http://127.0.0.1:{}", self.ports[index])
    }

    /// Leave to upload into a pool for an hour, that no limit counts.
    pub(crate) fn token(&self, pool_id: u64) -> String {
        let exp = pixelfox_node::clock::unix_seconds() + 3600;
        let via = Some(pixelfox_proto::Via::App);
        Claims { user_id: 0, pool_id, max_bytes: 1 << 31, exp, via, visitor: None, settings: None }
            .mint(UPLOADS.as_bytes())
    }

    /// Peak of the coordinator's resident memory, in KiB.
    pub(crate) fn coordinator_peak(&self) -> u64 {
        self.peak(0)
    }

    /// Peak of a process's resident memory, in KiB.
    pub(crate) fn peak(&self, index: usize) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id(index))).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Of a process that runs.
    pub(crate) fn id(&self, index: usize) -> u32 {
        self.processes[index].as_ref().unwrap().id().unwrap()
    }

    pub(crate) async fn healthy(&self, admin: &mut Admin, id: u64) {
        let healthy = async {
            loop {
                let pool = admin.get_pool(v1::GetPoolRequest { id }).await;
                if pool.is_ok_and(|pool| pool.get_ref().healthy) {
                    return;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(PATIENCE, healthy).await.expect("the pool is never healthy");
    }

    /// A further pool on s01 (1) or s02 (2); its id.
    pub(crate) async fn add_pool(&self, admin: &mut Admin, name: &str, index: usize) -> u64 {
        let url = format!("http://127.0.0.1:{}", self.ports[index]);
        let pool = v1::Pool {
            name: name.into(),
            node_id: NAMES[index].into(),
            base_path: self.pool_dir(name).to_str().unwrap().into(),
            upload_api_url: format!("{url}/api/internal/upload"),
            public_base_url: url,
            is_active: true,
            ..v1::Pool::default()
        };
        let made = admin.create_pool(v1::CreatePoolRequest { pool: Some(pool), save_anyway: true }).await.unwrap();
        let id = made.into_inner().id;
        self.healthy(admin, id).await;
        id
    }

    /// `count` pictures of `size` bytes by upload to s01's pool; their UUIDs and URLs.
    pub(crate) async fn upload(&self, count: u64, size: usize) -> Vec<(String, String)> {
        use futures_util::StreamExt as _;
        let token = self.token(2);
        let (http, url) = (reqwest::Client::new(), format!("{}/api/internal/upload", self.url(1)));
        let one = async |number: u64| {
            let part = reqwest::multipart::Part::bytes(super::picture::png(number, size)).file_name("a.png");
            let form = reqwest::multipart::Form::new().part("file", part);
            let answer = http.post(&url).bearer_auth(&token).multipart(form).send().await.unwrap();
            let body = answer.text().await.unwrap();
            let answer: serde_json::Value = serde_json::from_str(&body).expect("an answer in JSON");
            let word = |name: &str| answer[name].as_str().unwrap_or_else(|| panic!("{body}")).to_owned();
            (word("image_uuid"), word("url"))
        };
        let seed = u64::try_from(size).unwrap() << 32;
        futures_util::stream::iter(seed..seed + count).map(one).buffer_unordered(32).collect().await
    }

    /// Waits for the end of a job.
    pub(crate) async fn ended(&self, admin: &mut Admin, id: u64) -> v1::Job {
        let ended = async {
            loop {
                let job = admin.get_job(v1::GetJobRequest { id }).await.unwrap().into_inner();
                if !matches!(job.state.as_str(), "pending" | "processing") {
                    return job;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.expect("the job never ends")
    }
}
