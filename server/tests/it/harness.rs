//! A whole cluster for a test: the code of `server dev` on free ports in a temp folder, and what a user would do with it.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use pixelfox_node::{config::Env, plane::Plane};
use pixelfox_proto::{
    Claims, Sha256,
    v1::{
        GetImageRequest, GetJobRequest, Image, Job, JobBatch, ListJobsRequest, MoveImagesRequest,
        admin_client::AdminClient,
    },
};
use pixelfox_server::dev::{Cluster, Spec};
use serde_json::Value;
use tempfile::TempDir;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

/// A test that waits longer than this has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Puts the admin token on every call.
#[derive(Clone)]
pub(crate) struct Token(MetadataValue<Ascii>);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

pub(crate) type Admin = AdminClient<InterceptedService<Channel, Token>>;

/// A client of the Admin service at `address`.
pub(crate) fn admin_at(address: &str, token: &str) -> Admin {
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    AdminClient::with_interceptor(channel, Token(format!("Bearer {token}").parse().unwrap()))
}

/// A cluster in a folder of its own.
pub(crate) struct TestCluster {
    cluster: Option<Cluster>,
    folder: TempDir,
    spec: Spec,
    plane: Plane,
    http: reqwest::Client,
}

impl TestCluster {
    /// Starts the app, s01 and s02 with the pools Default (1), img1 (2) and img2 (3).
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let spec = Spec { data_dir: folder.path().to_owned(), ports: [0; 3] };
        let plane = Plane::one_per_core().unwrap();
        let cluster = Cluster::start(&spec, &mut Env::new(no_environment), plane.clone()).await.unwrap();
        let mut ports = vec![cluster.app_address().port()];
        ports.extend(cluster.storage_nodes().map(|(_, address, _)| address.port()));
        let spec = Spec { ports: ports.try_into().unwrap(), ..spec };
        Self { cluster: Some(cluster), folder, spec, plane, http: http_client() }
    }

    /// Ends everything and starts it again on the same ports and disks.
    pub(crate) async fn restart(&mut self) {
        let cluster = self.cluster.take().unwrap();
        cluster.shutdown().await;
        let started = Cluster::start(&self.spec, &mut Env::new(no_environment), self.plane.clone()).await;
        self.cluster = Some(started.unwrap());
    }

    pub(crate) async fn shutdown(mut self) {
        self.cluster.take().unwrap().shutdown().await;
        self.plane.stop().await;
    }

    pub(crate) fn cluster(&mut self) -> &mut Cluster {
        self.cluster.as_mut().unwrap()
    }

    /// Starts a storage node: s01 or s02 on its port, any other on a free one, with a pool of its own.
    pub(crate) async fn start_storage_node(&mut self, name: &'static str) {
        let port = ["", "s01", "s02"].iter().position(|known| *known == name).map_or(0, |at| self.spec.ports[at]);
        self.cluster.as_mut().unwrap().start_storage_node(name, &self.spec, port).await.unwrap();
    }

    fn running(&self) -> &Cluster {
        self.cluster.as_ref().unwrap()
    }

    pub(crate) fn app(&self) -> String {
        self.running().app_address().to_string()
    }

    pub(crate) fn storage_node(&self, name: &str) -> String {
        let found = self.running().storage_nodes().find(|(node, _, _)| *node == name);
        found.unwrap().1.to_string()
    }

    pub(crate) fn admin(&self) -> Admin {
        admin_at(&self.app(), self.running().secrets().get("ADMIN_TOKEN"))
    }

    /// What the shell of a reader of our pages has set.
    pub(crate) fn shell_variables(&self) -> Vec<(&'static str, String)> {
        let secrets = self.running().secrets();
        vec![
            ("APP", self.app()),
            ("S01", self.storage_node("s01")),
            ("S01_POOL", self.pool_dir(2).display().to_string()),
            ("ADMIN_TOKEN", secrets.get("ADMIN_TOKEN").to_owned()),
            ("ADMIN_PASSWORD", secrets.get("ADMIN_PASSWORD").to_owned()),
            ("REPLICATION_SECRET", secrets.get("REPLICATION_SECRET").to_owned()),
            ("UPLOAD_TOKEN", self.upload_token(1)),
        ]
    }

    /// One of its secrets, by its variable.
    pub(crate) fn secret(&self, name: &str) -> String {
        self.running().secrets().get(name).to_owned()
    }

    pub(crate) fn upload_token(&self, pool: u64) -> String {
        let exp = pixelfox_node::clock::unix_seconds() + 600;
        let claims = Claims {
            user_id: 0,
            pool_id: pool,
            max_bytes: 1 << 30,
            exp,
            via: Some(pixelfox_proto::Via::App),
            visitor: None,
            settings: None,
        };
        claims.mint(self.running().secrets().get("UPLOAD_TOKEN_SECRET").as_bytes())
    }

    /// The directory of a pool.
    pub(crate) fn pool_dir(&self, pool: u64) -> PathBuf {
        self.folder.path().join(["uploads", "uploads_s01", "uploads_s02"][usize::try_from(pool).unwrap() - 1])
    }

    /// Uploads to the pool's node; the answer's JSON.
    pub(crate) async fn upload(&self, pool: u64, bytes: Vec<u8>) -> Value {
        let answer = self.send(pool, bytes).await;
        let (status, body) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Uploads to the pool's node; the answer's status.
    pub(crate) async fn try_upload(&self, pool: u64, bytes: Vec<u8>) -> u16 {
        self.send(pool, bytes).await.status().as_u16()
    }

    async fn send(&self, pool: u64, bytes: Vec<u8>) -> reqwest::Response {
        let node = ["", "s01", "s02"][usize::try_from(pool).unwrap() - 1];
        let address = if node.is_empty() { self.app() } else { self.storage_node(node) };
        let part = reqwest::multipart::Part::bytes(bytes).file_name("picture.png");
        let request = self.http.post(format!("http://{address}/api/internal/upload"));
        let request = request.bearer_auth(self.upload_token(pool));
        request.multipart(reqwest::multipart::Form::new().part("file", part)).send().await.unwrap()
    }

    pub(crate) async fn move_images(&self, uuids: &[&str], target: u64) -> JobBatch {
        let request = MoveImagesRequest {
            uuids: uuids.iter().map(ToString::to_string).collect(),
            target_pool_id: target,
            ..MoveImagesRequest::default()
        };
        self.admin().move_images(request).await.unwrap().into_inner()
    }

    pub(crate) async fn image(&self, uuid: &str) -> Image {
        self.admin().get_image(GetImageRequest { uuid: uuid.into() }).await.unwrap().into_inner()
    }

    /// The image of `/i/<share>`.
    pub(crate) async fn image_by_share(&self, link: &str) -> Image {
        let query = link.trim_start_matches("/i/").to_owned();
        let request = pixelfox_proto::v1::ListImagesRequest { query, ..Default::default() };
        self.admin().list_images(request).await.unwrap().into_inner().images.remove(0)
    }

    pub(crate) async fn job(&self, id: u64) -> Job {
        self.admin().get_job(GetJobRequest { id }).await.unwrap().into_inner()
    }

    /// The children of a batch.
    pub(crate) async fn children(&self, batch: &JobBatch) -> Vec<Job> {
        let request = ListJobsRequest { parent_id: batch.job_id, page_size: 1000, ..ListJobsRequest::default() };
        self.admin().list_jobs(request).await.unwrap().into_inner().jobs
    }

    /// Waits until `done` says so of the job.
    pub(crate) async fn wait_for_job(&self, id: u64, done: impl Fn(&Job) -> bool) -> Job {
        let mut last = None;
        let waiting = async {
            loop {
                let job = self.job(id).await;
                if done(&job) {
                    return job;
                }
                last = Some(job);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(job) => job,
            Err(_) => panic!("job {id} is still {last:?}"),
        }
    }

    /// Waits until the job has ended.
    pub(crate) async fn wait_for_end(&self, id: u64) -> Job {
        self.wait_for_job(id, |job| matches!(job.state.as_str(), "completed" | "failed" | "cancelled")).await
    }

    /// Status, number of redirects and digest of the body of a link.
    pub(crate) async fn follow(&self, url: &str) -> (u16, usize, Sha256) {
        let mut url = url.to_owned();
        for redirects in 0..5 {
            let answer = self.http.get(&url).send().await.unwrap();
            let status = answer.status().as_u16();
            if status != 307 {
                return (status, redirects, Sha256::of(&answer.bytes().await.unwrap()));
            }
            answer.headers()["location"].to_str().unwrap().clone_into(&mut url);
        }
        panic!("{url} redirects for ever");
    }
}

/// Looks until there is something, for as long as anybody has patience.
pub(crate) async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

/// A client that shows redirects instead of following them.
pub(crate) fn http_client() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(PATIENCE).build().unwrap()
}

fn no_environment(_: &str) -> Option<OsString> {
    None
}

/// A valid PNG of one pixel with `seed` in a comment, so that each is another file; `padding` more bytes of it.
pub(crate) fn png(seed: u32, padding: usize) -> Vec<u8> {
    let mut bytes = vec![0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        bytes.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend(kind);
        bytes.extend(data);
        bytes.extend(crc(kind, data).to_be_bytes());
    };
    chunk(b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, 6, 0, 0, 0]);
    let mut text = format!("Comment\0{seed:08}").into_bytes();
    text.resize(text.len() + padding, b'x');
    chunk(b"tEXt", &text);
    // One transparent pixel, zlib-compressed.
    chunk(b"IDAT", &[0x78, 0x9c, 0x63, 0x60, 0x00, 0x02, 0x00, 0x00, 0x05, 0x00, 0x01]);
    chunk(b"IEND", &[]);
    bytes
}

/// CRC-32 of the PNG specification, annex D.
pub(crate) fn crc(kind: &[u8], data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in kind.iter().chain(data) {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

/// Every regular file below `dir`, relative to it, sorted.
pub(crate) fn files_below(dir: &Path) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(next) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&next) else { continue };
        for entry in entries.map(Result::unwrap) {
            let path = entry.path();
            // What a node removes during the look was not there.
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}
