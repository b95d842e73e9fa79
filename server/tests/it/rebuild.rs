//! `server rebuild`: the database is gone, the pools are there. Stories with the programs themselves.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::Path,
};

use pixelfox_proto::{
    Sha256,
    v1::{
        CreateApiKeyRequest, DeleteImagesRequest, GetImageRequest, GetJobRequest, ListJobsRequest, ListPoolsRequest,
        MoveImagesRequest, Pool, UpdatePoolRequest,
    },
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::{
    backup::{names_in, ready},
    checker::{Acknowledged, Excuses, check},
    harness::{Admin, PATIENCE, admin_at, http_client, png},
    processes::upload,
    programs::{ADMIN_TOKEN, Running, TOKEN_SECRET, environment, free_ports},
};

/// A server with the nodes s01 and s02, each a process, in one folder.
pub(crate) struct Story {
    pub(crate) folder: TempDir,
    ports: [u16; 3],
    images: Vec<Uploaded>,
}

/// An image as whoever uploaded it knows it.
struct Uploaded {
    uuid: String,
    path: String,
    page: String,
    bytes: Vec<u8>,
}

const NODES: [&str; 3] = ["local", "s01", "s02"];

impl Story {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), ports: free_ports(), images: Vec::new() }
    }

    pub(crate) fn environment(&self, node: usize) -> HashMap<&'static str, String> {
        let mut variables = environment(NODES[node], self.ports[node], self.ports[0], self.folder.path());
        variables.insert("AUTO_POOLS", "1".into());
        variables.insert("PUBLIC_UPLOADS", "1".into());
        variables
    }

    pub(crate) fn start(&self, node: usize) -> Running {
        let program = if node == 0 { "server" } else { "node-agent" };
        Running::start(program, &[], &self.environment(node), self.folder.path())
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Running {
        Running::start("server", arguments, &self.environment(0), self.folder.path())
    }

    /// `server rebuild …`, to its end: whether it says that all is well, and what it printed.
    pub(crate) async fn rebuild(&self, arguments: &[&str]) -> (bool, String) {
        let mut program = self.run(&[&["rebuild"], arguments].concat());
        let ended = timeout(2 * PATIENCE, program.ended()).await.expect("the rebuild does not end");
        (ended.success(), program.rest().await)
    }

    pub(crate) fn address(&self, node: usize) -> String {
        format!("127.0.0.1:{}", self.ports[node])
    }

    pub(crate) fn admin(&self) -> Admin {
        admin_at(&self.address(0), ADMIN_TOKEN)
    }

    pub(crate) fn lose_the_database(&self) {
        let lost = names_in(self.folder.path()).into_iter().filter(|name| name.starts_with("books.db"));
        for name in lost {
            fs::remove_file(self.folder.path().join(name)).unwrap();
        }
    }

    async fn pools(&self) -> Vec<Pool> {
        self.admin().list_pools(ListPoolsRequest {}).await.unwrap().into_inner().pools
    }

    pub(crate) async fn healthy(&self, count: usize) -> Vec<Pool> {
        let waiting = async {
            loop {
                let pools = self.admin().list_pools(ListPoolsRequest {}).await.map(tonic::Response::into_inner);
                let pools = pools.map(|answer| answer.pools).unwrap_or_default(); // not up yet
                if pools.iter().filter(|pool| pool.healthy).count() == count {
                    return pools;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, waiting).await.expect("the pools do not become healthy")
    }

    fn keep(&mut self, answer: &Value, bytes: Vec<u8>) {
        let word = |name: &str| answer[name].as_str().unwrap().to_owned();
        let path = word("url").split("/uploads/").nth(1).unwrap().to_owned();
        self.images.push(Uploaded { uuid: word("image_uuid"), path, page: word("view_url"), bytes });
    }

    /// Uploads a picture with a token for a pool of that node.
    pub(crate) async fn upload(&mut self, node: usize, pool: u64, user_id: u64) {
        let exp = pixelfox_node::clock::unix_seconds() + 600;
        let (via, pool_id, max_bytes) = (Some(pixelfox_proto::Via::App), pool, 1 << 20);
        let (visitor, settings) = (None, None);
        let claims = pixelfox_proto::Claims { user_id, pool_id, max_bytes, exp, via, visitor, settings };
        let bytes = png(u32::try_from(self.images.len()).unwrap(), 2_000);
        let answer = upload(&self.address(node), &claims.mint(TOKEN_SECRET.as_bytes()), bytes.clone()).await;
        self.keep(&answer, bytes);
    }

    /// Uploads one through the app, with a key or as a visitor.
    async fn upload_through_the_app(&mut self, key: Option<&str>) {
        let bytes = png(u32::try_from(self.images.len()).unwrap(), 2_000);
        let part = reqwest::multipart::Part::bytes(bytes.clone()).file_name("Möwe.png");
        let form = reqwest::multipart::Form::new().part("file", part);
        let request = http_client().post(format!("http://{}/upload", self.address(0))).multipart(form);
        let request = key.into_iter().fold(request, |request, key| request.header("x-api-key", key));
        let answer = request.header("accept", "application/json").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        self.keep(&answer.json().await.unwrap(), bytes);
    }

    pub(crate) async fn move_to(&self, image: usize, pool: u64) {
        let mut admin = self.admin();
        let request = MoveImagesRequest {
            uuids: vec![self.images[image].uuid.clone()],
            target_pool_id: pool,
            ..MoveImagesRequest::default()
        };
        let id = admin.move_images(request).await.unwrap().into_inner().job_id;
        self.completed(id).await;
    }

    pub(crate) async fn completed(&self, id: u64) {
        let mut admin = self.admin();
        let waiting = async {
            while admin.get_job(GetJobRequest { id }).await.unwrap().into_inner().state != "completed" {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        let ended = timeout(PATIENCE, waiting).await;
        if ended.is_err() {
            let jobs = admin.list_jobs(ListJobsRequest::default()).await.unwrap().into_inner().jobs;
            panic!("job {id} does not end: {jobs:#?}");
        }
    }

    /// Each image's file under the address of the server, wherever it leads, and its page: what is not as at the upload.
    pub(crate) async fn broken_links(&self) -> Vec<String> {
        let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        let mut broken = Vec::new();
        for image in &self.images {
            let file = client.get(format!("http://{}/uploads/{}", self.address(0), image.path)).send().await.unwrap();
            let status = file.status();
            if status != 200 || file.bytes().await.unwrap().as_ref() != image.bytes {
                broken.push(format!("/uploads/{} {status}", image.path));
            }
            let page = client.get(format!("http://{}{}", self.address(0), image.page)).send().await.unwrap();
            if page.status() != 200 {
                broken.push(format!("{} {}", image.page, page.status()));
            }
        }
        broken
    }

    fn acknowledged(&self) -> Vec<Acknowledged> {
        let known =
            |image: &Uploaded| Acknowledged { uuid: image.uuid.clone(), sha256: Sha256::of(&image.bytes).to_string() };
        self.images.iter().map(known).collect()
    }

    /// `trash`: what lay in the trash of pools when the database was lost stays there, and no book knows of it.
    pub(crate) async fn assert_true(&self, deleted: &BTreeSet<String>, trash: Trash) {
        let url = format!("sqlite://{}", self.folder.path().join("books.db").display());
        let mut faults = check(&url, &self.acknowledged(), deleted, &Excuses::default()).await;
        if trash == Trash::Forgotten {
            faults.retain(|fault| !fault.contains(".pixelfox/trash/") && !fault.contains(" in the trash, "));
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

/// Whether the books know what lies in the trash.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Trash {
    Known,
    Forgotten,
}

/// What of a pool a person has set.
fn as_set(pools: &[Pool]) -> BTreeMap<u64, Pool> {
    let set = |pool: &Pool| Pool {
        id: pool.id,
        name: pool.name.clone(),
        node_id: pool.node_id.clone(),
        base_path: pool.base_path.clone(),
        upload_api_url: pool.upload_api_url.clone(),
        public_base_url: pool.public_base_url.clone(),
        max_size: pool.max_size,
        is_active: pool.is_active,
        is_default: pool.is_default,
        priority: pool.priority,
        storage_type: pool.storage_type.clone(),
        storage_tier: pool.storage_tier.clone(),
        description: pool.description.clone(),
        used_size: pool.used_size,
        images: pool.images,
        ..Pool::default()
    };
    pools.iter().map(|pool| (pool.id, set(pool))).collect()
}

/// Bytes of the files below a pool's directory that have their names.
fn on_disk(base_path: &str) -> u64 {
    let names = crate::harness::files_below(Path::new(base_path));
    let named = names.into_iter().filter(|name| name.starts_with("original/"));
    named.map(|name| fs::metadata(Path::new(base_path).join(name)).unwrap().len()).sum()
}

/// The marker of a pool says what was set last.
async fn marker_says(pool: &Pool, word: &str) {
    let marker = Path::new(&pool.base_path).join(".pixelfox/pool.json");
    let waiting = async {
        while !fs::read_to_string(&marker).unwrap().contains(word) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("the marker does not follow");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_database_is_made_again_and_every_link_works() {
    // Uploads of a user, a visitor and a key; one moved, whose old copy lies in the trash; one deleted. Then the database
    // is gone. After the rebuild pools are as they were set, usage is what lies on the disks, the deleted one stays away,
    // and moves and uploads go on: nodes that remember the lost database's leases take those of the new one.
    let mut story = Story::new();
    let (server, s01_program, s02_program) = (story.start(0), story.start(1), story.start(2));
    let pools = story.healthy(3).await;
    let mut admin = story.admin();
    let key = admin.create_api_key(CreateApiKeyRequest { name: "Blog".into() }).await.unwrap().into_inner();
    let pool_of = |node: &str| pools.iter().find(|pool| pool.node_id == node).unwrap().clone();
    let (local, s01, s02) = (pool_of("local"), pool_of("s01"), pool_of("s02"));
    story.upload(0, local.id, 70).await;
    story.upload(1, s01.id, 70).await;
    story.upload(2, s02.id, 71).await;
    story.upload_through_the_app(Some(&key.key)).await;
    story.upload_through_the_app(None).await;
    for _ in 0..5 {
        story.move_to(0, s01.id).await;
        story.move_to(0, local.id).await;
    }
    story.move_to(0, s01.id).await;
    s01_program.kill().await;
    s02_program.kill().await;
    let (_s01, _s02) = (story.start(1), story.start(2)); // from now on they refuse leases of before
    for node in [1, 2] {
        ready(&story.address(node)).await;
    }
    story.healthy(3).await;
    story.upload(1, s01.id, 70).await;
    let gone = story.images.pop().unwrap();
    let request = DeleteImagesRequest { uuids: vec![gone.uuid.clone()], ..DeleteImagesRequest::default() };
    let job = admin.delete_images(request).await.unwrap().into_inner().job_id;
    story.completed(job).await;
    let set = Pool { description: "the fast one".into(), max_size: 5 << 30, ..s02.clone() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["description".into(), "max_size".into()] });
    let request = UpdatePoolRequest { pool: Some(set), update_mask, ..UpdatePoolRequest::default() };
    admin.update_pool(request).await.unwrap();
    marker_says(&s02, "the fast one").await;
    let before = story.pools().await;
    let image = admin.get_image(GetImageRequest { uuid: story.images[3].uuid.clone() }).await.unwrap().into_inner();
    server.kill().await;
    story.lose_the_database();

    let (is_well, said) = story.rebuild(&["--nodes", "s01,s02"]).await;
    assert!(is_well, "{said}");
    for piece in ["Nodes: local, s01, s02.", "Found: 5 images, ", "in 3 new pools", "All of it was looked through."] {
        assert!(said.contains(piece), "{piece} in\n{said}");
    }
    assert!(!said.contains("Left as they are") && !said.contains("Missing"), "{said}");

    let server = story.start(0);
    ready(&story.address(0)).await;
    let after = story.healthy(3).await;
    assert_eq!(as_set(&after), as_set(&before));
    for pool in &after {
        assert_eq!(pool.used_size, on_disk(&pool.base_path), "{}", pool.name);
    }
    assert_eq!(story.broken_links().await, Vec::<String>::new());
    let again = admin.get_image(GetImageRequest { uuid: image.uuid.clone() }).await.unwrap().into_inner();
    assert_eq!(
        (&again.original_name, &again.content_type, again.width, again.created, again.sha256, again.share_token),
        (&image.original_name, &image.content_type, image.width, image.created, image.sha256, image.share_token)
    );
    let missing = admin.get_image(GetImageRequest { uuid: gone.uuid.clone() }).await.unwrap_err();
    assert_eq!(missing.code(), tonic::Code::NotFound);
    story.move_to(0, s02.id).await;
    story.move_to(1, local.id).await;
    story.upload_through_the_app(None).await;
    let key = admin.create_api_key(CreateApiKeyRequest { name: "Shop".into() }).await.unwrap().into_inner();
    assert!(key.user_id > 71, "no upload of before becomes a new key's");
    assert_eq!(story.broken_links().await, Vec::<String>::new());
    server.stop().await;
    story.assert_true(&BTreeSet::from([gone.uuid]), Trash::Forgotten).await;

    // What holds images is never made anew.
    let (is_well, said) = story.rebuild(&["--nodes", "s01,s02"]).await;
    assert!(!is_well && said.contains("DATABASE_URL") && said.contains("--add"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_is_killed_goes_on_and_what_comes_later_is_added() {
    // An accidental start on an empty database first, which makes pools of its own. The rebuild is killed while it waits
    // for a node that never comes; run again it ends, says that s02 is missing, and s02 is added once it is back.
    let mut story = Story::new();
    let (server, s01, s02) = (story.start(0), story.start(1), story.start(2));
    let pools = story.healthy(3).await;
    for (node, name) in NODES.iter().enumerate() {
        let pool = pools.iter().find(|pool| pool.node_id == *name).unwrap().id;
        story.upload(node, pool, 7).await;
    }
    server.kill().await;
    s02.kill().await;
    story.lose_the_database();
    let server = story.start(0);
    server.says(&["new and empty", "holds a pool already"]).await;
    server.kill().await;

    let rebuild = story.run(&["rebuild", "--nodes", "s01,s99"]);
    rebuild.says(&["node s01 has ", " pools on its disks"]).await;
    rebuild.kill().await;
    let server = story.start(0);
    server.says(&["has not ended", "run `server rebuild` again"]).await;
    server.kill().await;
    let (is_well, said) = story.rebuild(&["--nodes", "s01,s02", "--wait", "3s"]).await;
    assert!(!is_well, "{said}");
    for piece in ["Found: 2 images", "Did not come: s02.", "server rebuild --add"] {
        assert!(said.contains(piece), "{piece} in\n{said}");
    }
    let server = story.start(0);
    ready(&story.address(0)).await;
    assert_eq!(story.broken_links().await.len(), 2, "both links of the one in s02");
    let s02 = story.start(2);
    server.says(&["s02"]).await;
    server.stop().await;
    let (is_well, said) = story.rebuild(&["--add", "--nodes", "s01,s02"]).await;
    assert!(is_well && said.contains("Found: 1 images") && said.contains("in 1 new pools"), "{said}");
    let (is_well, said) = story.rebuild(&["--add", "--nodes", "s01,s02"]).await;
    assert!(is_well && said.contains("Found: 0 images") && said.contains("in 0 new pools"), "{said}");
    let server = story.start(0);
    story.healthy(3).await;
    assert_eq!(story.broken_links().await, Vec::<String>::new());
    server.stop().await;
    s01.stop().await;
    s02.stop().await;
    story.assert_true(&BTreeSet::new(), Trash::Known).await;
}
