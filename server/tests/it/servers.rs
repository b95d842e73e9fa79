//! Two `server` processes and two storage nodes on one PostgreSQL: nodes and jobs are shared, and one server can be
//! killed at any time.

use std::{collections::HashMap, time::Duration};

use pixelfox_proto::v1::{
    ListJobsRequest, ListNodesRequest, ListPoolsRequest, MoveImagesRequest, UpdateSettingsRequest,
};
use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};
use tonic::Code;

use crate::{
    harness::{Admin, admin_at, http_client, png},
    postgres::{self, Cluster, Fsync},
    processes::upload,
    programs::{ADMIN_TOKEN, Running, TOKEN_SECRET, environment, free_ports},
    store_lost::Proxy,
};

/// Silence of a server is noticed after 30 s.
const LONG: Duration = Duration::from_secs(90);

/// Servers `a` and `b`, node `s01` that dials `a` first, node `s02` that dials `b` first.
struct Shared {
    folder: TempDir,
    ports: [u16; 4],
    database: String,
    running: HashMap<&'static str, Running>,
}

const NAMES: [&str; 4] = ["a", "b", "s01", "s02"];

impl Shared {
    async fn start() -> Self {
        let (folder, ports) = (TempDir::new().unwrap(), free_ports());
        let mut shared = Self { folder, ports, database: postgres::database().await, running: HashMap::new() };
        for name in NAMES {
            shared.run(name);
        }
        for name in ["a", "b"] {
            shared.wait_for_all(name).await;
        }
        shared
    }

    fn port(&self, name: &str) -> u16 {
        self.ports[NAMES.iter().position(|other| *other == name).unwrap()]
    }

    fn run(&mut self, name: &'static str) {
        let (a, b) = (self.port("a"), self.port("b"));
        let mut environment = environment(name, self.port(name), a, self.folder.path());
        environment.insert("DATABASE_URL", self.database.clone());
        environment.insert("AUTO_POOLS", "1".into());
        let in_turn = |first, second| format!("http://127.0.0.1:{first},http://127.0.0.1:{second}");
        environment.insert("COORDINATOR_URL", if name == "s01" { in_turn(a, b) } else { in_turn(b, a) });
        let program = if name.starts_with('s') { "node-agent" } else { "server" };
        self.running.insert(name, Running::start(program, &[], &environment, self.folder.path()));
    }

    fn admin(&self, server: &str) -> Admin {
        admin_at(&format!("127.0.0.1:{}", self.port(server)), ADMIN_TOKEN)
    }

    /// Until this server knows every node as attached and its pool as healthy.
    async fn wait_for_all(&self, server: &str) {
        let mut admin = self.admin(server);
        let waiting = async {
            loop {
                if let (Ok(nodes), Ok(pools)) =
                    (admin.list_nodes(ListNodesRequest {}).await, admin.list_pools(ListPoolsRequest {}).await)
                {
                    let online = nodes.get_ref().nodes.iter().filter(|node| node.online).count();
                    let healthy = pools.get_ref().pools.iter().filter(|pool| pool.healthy).count();
                    if (online, healthy) == (4, 4) {
                        return;
                    }
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(LONG, waiting)
            .await
            .unwrap_or_else(|_| panic!("not all are there:\n{}", self.running[server].printed()));
    }

    async fn pool_of(&self, node: &str) -> u64 {
        let pools = self.admin("b").list_pools(ListPoolsRequest {}).await.unwrap().into_inner().pools;
        pools.iter().find(|pool| pool.node_id == node).unwrap().id
    }

    /// UUIDs, paths and bytes of so many new images in a node's pool.
    async fn images(&self, node: &str, count: u32) -> Vec<(String, String, Vec<u8>)> {
        let pool_id = self.pool_of(node).await;
        let exp = pixelfox_node::clock::unix_seconds() + 600;
        let claims = pixelfox_proto::Claims {
            user_id: 0,
            pool_id,
            max_bytes: 1 << 20,
            exp,
            via: None,
            visitor: None,
            settings: None,
        };
        let token = claims.mint(TOKEN_SECRET.as_bytes());
        let mut images = Vec::new();
        for number in 0..count {
            let bytes = png(number, 20_000);
            let answer = upload(&format!("127.0.0.1:{}", self.port(node)), &token, bytes.clone()).await;
            let path = answer["url"].as_str().unwrap().split("/uploads/").nth(1).unwrap().to_owned();
            images.push((answer["image_uuid"].as_str().unwrap().to_owned(), path, bytes));
        }
        images
    }

    async fn plan(&self, server: &str, images: &[(String, String, Vec<u8>)], target: &str) -> u64 {
        let uuids = images.iter().map(|(uuid, ..)| uuid.clone()).collect();
        let request =
            MoveImagesRequest { uuids, target_pool_id: self.pool_of(target).await, ..MoveImagesRequest::default() };
        self.admin(server).move_images(request).await.unwrap().into_inner().job_id
    }

    /// Until nothing is open any more; gives the states that the jobs ended in.
    async fn wait_for_the_end(&self, server: &str) -> Vec<String> {
        let mut admin = self.admin(server);
        let deadline = Instant::now() + LONG;
        loop {
            let request = ListJobsRequest { page_size: 1000, ..ListJobsRequest::default() };
            let jobs = admin.list_jobs(request).await.unwrap().into_inner().jobs;
            let open: Vec<_> = jobs.iter().filter(|job| ["pending", "processing"].contains(&&*job.state)).collect();
            if open.is_empty() {
                return jobs.into_iter().map(|job| job.state).collect();
            }
            assert!(
                Instant::now() < deadline,
                "{} are open, the first waits for `{}`:\n{}",
                open.len(),
                open[0].waiting_for,
                self.running[server].printed()
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Every image is whole, served by this node itself, and by nobody else.
    async fn assert_at(&self, node: &str, images: &[(String, String, Vec<u8>)]) {
        for (uuid, path, bytes) in images {
            let mut served_by = Vec::new();
            for name in NAMES.into_iter().filter(|name| self.running.contains_key(name)) {
                let url = format!("http://127.0.0.1:{}/uploads/{path}", self.port(name));
                let answer = http_client().get(url).send().await.unwrap();
                if answer.url().port() == Some(self.port(name)) && answer.status() == 200 {
                    assert_eq!(answer.bytes().await.unwrap(), bytes.as_slice(), "image {uuid} at {name}");
                    served_by.push(name);
                }
            }
            assert_eq!(served_by, [node], "image {uuid}");
        }
    }

    async fn sql<T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>>(
        &self,
        sql: &'static str,
    ) -> Vec<T> {
        let options: PgConnectOptions = self.database.parse().unwrap();
        sqlx::query_scalar(sql).fetch_all(&mut options.connect().await.unwrap()).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_different_servers_move_images_to_each_other_and_back() {
    // s01 is attached to a, s02 to b. A move from s01 to s02 is a's work, whoever was asked; the way back out of the
    // trash of s01 is a's too, because only a reaches that trash.
    let shared = Shared::start().await;
    let seats: Vec<i64> = shared.sql("SELECT DISTINCT server FROM nodes WHERE node_id IN ('s01', 's02')").await;
    assert_eq!(seats.len(), 2, "each has a server of its own");
    let images = shared.images("s01", 12).await;
    shared.plan("b", &images, "s02").await;
    assert!(shared.wait_for_the_end("b").await.iter().all(|state| state == "completed"));
    shared.assert_at("s02", &images).await;
    assert!(shared.running["a"].printed().contains("[MoveImage] Moved image"), "a has the source");
    shared.plan("a", &images, "s01").await;
    assert!(shared.wait_for_the_end("a").await.iter().all(|state| state == "completed"));
    shared.assert_at("s01", &images).await;
    let left: Vec<i64> = shared.sql("SELECT COUNT(*) FROM replicas WHERE state NOT IN ('live', 'trashed')").await;
    assert_eq!(left, [0], "every old copy came to its trash");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_in_the_middle_of_a_move_is_replaced_by_the_other() {
    // The move is slowed so that the kill comes while files are on their way. s01 attaches to b, its jobs go on there,
    // and in the end every image is whole in one place. The killed server comes back and has its place again.
    let mut shared = Shared::start().await;
    let images = shared.images("s01", 60).await;
    let slow = pixelfox_proto::v1::Settings { move_bandwidth_per_node: Some(400_000), ..Default::default() };
    let request = UpdateSettingsRequest { settings: Some(slow) };
    shared.admin("b").update_settings(request).await.unwrap();
    shared.plan("b", &images, "s02").await;
    let deadline = Instant::now() + LONG;
    while shared.sql::<i64>("SELECT COUNT(*) FROM jobs WHERE state = 'completed'").await == [0] {
        assert!(Instant::now() < deadline, "nothing moves");
        sleep(Duration::from_millis(10)).await;
    }
    shared.running.remove("a").unwrap().kill().await;
    let open: Vec<i64> = shared.sql("SELECT COUNT(*) FROM jobs WHERE kind = 'move_image' AND finished IS NULL").await;
    assert!(open[0] > 0, "it was killed in the middle");
    let states = shared.wait_for_the_end("b").await;
    assert!(states.iter().all(|state| state == "completed"), "{states:?}");
    shared.assert_at("s02", &images).await;
    shared.run("a");
    shared.wait_for_all("b").await;
    shared.wait_for_all("a").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_database_a_server_says_why_at_every_door_and_goes_on_when_it_is_back() {
    // The way to the database is cut: a share link is answered 503, Admin and Coordinator calls UNAVAILABLE, each with the
    // reason. Then it is there again.
    let cluster = Cluster::start(Fsync::Off);
    let (database, mut proxy) = (cluster.database().await, Proxy::to(&cluster).await);
    let (folder, [port]) = (TempDir::new().unwrap(), free_ports());
    let mut environment = environment("a", port, port, folder.path());
    environment.insert("DATABASE_URL", proxy.url(&database));
    let server = Running::start("server", &[], &environment, folder.path());
    server.says(&["attached"]).await;
    let mut admin = admin_at(&format!("127.0.0.1:{port}"), ADMIN_TOKEN);
    let share = format!("http://127.0.0.1:{port}/i/000000000001");
    assert_eq!(http_client().get(&share).send().await.unwrap().status(), 404);
    proxy.cut().await;
    let answer = http_client().get(&share).send().await.unwrap();
    let (status, body) = (answer.status(), answer.text().await.unwrap());
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("the database can't be used now: "), "{body}");
    let pools = admin.list_pools(ListPoolsRequest {}).await.unwrap_err();
    let settings =
        admin.update_settings(UpdateSettingsRequest { settings: Some(Default::default()) }).await.unwrap_err();
    for refused in [pools, settings] {
        assert_eq!(refused.code(), Code::Unavailable, "{refused}");
        assert!(refused.message().starts_with("the database can't be used now: "), "{refused}");
    }
    proxy.mend().await;
    let deadline = Instant::now() + LONG;
    while http_client().get(&share).send().await.unwrap().status() != 404 {
        assert!(Instant::now() < deadline, "it does not go on:\n{}", server.printed());
        sleep(Duration::from_millis(50)).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_id_that_is_attached_to_another_server_is_refused() {
    // A second s01 with another STATE_DIR dials b, while the first is a's.
    let shared = Shared::start().await;
    let elsewhere = TempDir::new().unwrap();
    let [port] = free_ports();
    let twin = environment("s01", port, shared.port("b"), elsewhere.path());
    let twin = Running::start("node-agent", &[], &twin, elsewhere.path());
    let refused = twin.says(&["not attached", "attached to another server"]).await;
    assert!(refused.contains("s01"), "{refused}");
    shared.wait_for_all("a").await;
}
