//! `Admin.Diagnose` over a real cluster: each thing that commonly goes wrong is staged, and exactly its line turns red
//! and says what to change, where.

use std::{collections::BTreeSet, ffi::OsString, sync::Arc, time::Duration};

use parking_lot::Mutex;
use pixelfox_node::{
    config::{Env, NodeConfig},
    node::Agent,
    plane::Plane,
};
use pixelfox_proto::v1::{self, finding::Status};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::harness::{Admin, PATIENCE, TestCluster};
use crate::office::{FakeNode, Office, Web, admins, hello};

/// Every line.
pub(crate) async fn lines(admin: &mut Admin, pool_id: u64) -> Vec<v1::Finding> {
    let mut stream = admin.diagnose(v1::DiagnoseRequest { pool_id }).await.unwrap().into_inner();
    let mut lines = Vec::new();
    while let Some(line) = stream.message().await.unwrap() {
        lines.push(line);
    }
    lines
}

pub(crate) fn with(lines: &[v1::Finding], status: Status) -> Vec<(&str, &str)> {
    let these = lines.iter().filter(|line| line.status() == status);
    these.map(|line| (line.subject.as_str(), line.check.as_str())).collect()
}

/// Sorted: lines come in no order.
fn sorted<'a>(mut these: Vec<(&'a str, &'a str)>) -> Vec<(&'a str, &'a str)> {
    these.sort_unstable();
    these
}

/// Waits until the red lines are these; then all lines, each of which that is not well says what to change.
pub(crate) async fn red(admin: &mut Admin, want: &[(&str, &str)]) -> Vec<v1::Finding> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let lines = lines(admin, 0).await;
        if sorted(with(&lines, Status::Failed)) == sorted(want.to_vec()) {
            for line in &lines {
                assert!(
                    !line.message.is_empty() && (line.status() == Status::Ok) == line.advice.is_empty(),
                    "{line:?}"
                );
            }
            return lines;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{:#?}",
            lines.iter().filter(|line| line.status() != Status::Ok).collect::<Vec<_>>()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// That a line is there whose message and advice have these words.
#[track_caller]
pub(crate) fn says(lines: &[v1::Finding], subject: &str, check: &str, words: &[&str]) {
    let line = lines.iter().filter(|line| line.subject == subject && line.check == check);
    let texts: Vec<String> = line.map(|line| format!("{} | {}", line.message, line.advice)).collect();
    assert!(texts.iter().any(|text| words.iter().all(|word| text.contains(word))), "{words:?}: {texts:#?}");
}

/// A storage node beside the cluster's own, with an environment of the test's.
struct Guest {
    agent: Agent,
    plane: Plane,
}

impl Guest {
    async fn start(cluster: &TestCluster, name: &str, changes: &[(&'static str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let folder = cluster.pool_dir(1).parent().unwrap().to_owned();
        let dir = |kind: &str| folder.join(kind).join(format!("guest-{name}")).display().to_string();
        let mut variables = vec![
            ("NODE_ID", name.to_owned()),
            ("NODE_URL", url.clone()),
            ("PUBLIC_DOMAIN", url),
            ("UPLOADS_DIR", dir("guests")),
            ("STORAGE_ROOTS", folder.display().to_string()),
            ("STATE_DIR", dir("state")),
            ("REPLICATION_SECRET", cluster.secret("REPLICATION_SECRET")),
            ("UPLOAD_TOKEN_SECRET", cluster.secret("UPLOAD_TOKEN_SECRET")),
        ];
        for (name, value) in changes {
            variables.retain(|(known, _)| known != name);
            variables.push((name, (*value).to_owned()));
        }
        let look = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, v)| OsString::from(v));
        let mut env = Env::new(look);
        let config = NodeConfig::read(&mut env, None);
        let config = env.finish(config).unwrap();
        let plane = Plane::start(std::num::NonZeroUsize::MIN).unwrap();
        let coordinator = [format!("http://{}", cluster.app())];
        let agent = Agent::start(config, &coordinator, listener, plane.clone()).await.unwrap();
        Self { agent, plane }
    }

    async fn stop(self) {
        self.agent.shutdown().await;
        self.plane.stop().await;
    }
}

/// A port that leads somewhere, and later somewhere else: as a name or a proxy whose target was changed.
struct Door {
    url: String,
    leads_to: Arc<Mutex<String>>,
    _carrying: JoinSet<()>,
}

impl Door {
    async fn to(address: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let leads_to = Arc::new(Mutex::new(address));
        let (target, mut carrying) = (Arc::clone(&leads_to), JoinSet::new());
        carrying.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let address = target.lock().clone();
                connections.spawn(async move {
                    let Ok(mut far) = TcpStream::connect(address).await else { return };
                    let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Self { url, leads_to, _carrying: carrying }
    }

    fn now_to(&self, address: String) {
        *self.leads_to.lock() = address;
    }
}

pub(crate) async fn update(admin: &mut Admin, pool: v1::Pool, field: &str) {
    let update_mask = Some(prost_types::FieldMask { paths: field.split(' ').map(str::to_owned).collect() });
    let request = v1::UpdatePoolRequest { pool: Some(pool), save_anyway: true, update_mask, expected_revision: 0 };
    admin.update_pool(request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_all_is_well_every_line_says_so() {
    // Nodes, pools, and from each node to each other node; for one pool only what concerns it. Each line says who saw it.
    // Nothing is left of the files that were put under /uploads for it.
    let cluster = TestCluster::start().await;
    let mut admin = cluster.admin();
    let all = red(&mut admin, &[]).await;
    assert_eq!(with(&all, Status::Warning), []);
    let subjects: BTreeSet<&str> = all.iter().map(|line| line.subject.as_str()).collect();
    let ways = ["s01 -> local", "s02 -> local", "local -> s01", "s02 -> s01", "local -> s02", "s01 -> s02"];
    let mut want = BTreeSet::from(["node local", "node s01", "node s02", "pool Default", "pool img1", "pool img2"]);
    want.extend(ways);
    assert_eq!(subjects, want);
    for line in &all {
        let by = match (line.subject.as_str(), line.check.as_str()) {
            (subject, _) if subject.starts_with("node ") => "server local".to_owned(),
            (_, "public_base_url") => "server local".to_owned(),
            ("pool Default", _) => "node local".to_owned(),
            ("pool img1", _) => "node s01".to_owned(),
            ("pool img2", _) => "node s02".to_owned(),
            (way, _) => format!("node {}", way.split(' ').next().unwrap()),
        };
        assert!(line.measured_by == by && line.measured_at.is_some(), "{by}: {line:?}");
    }
    for check in ["attached", "clock", "version", "base_path", "same_directory", "write", "space", "public_base_url"] {
        assert_eq!(all.iter().filter(|line| line.check == check).count(), 3, "{check}");
    }
    for check in ["upload_api_url", "secret"] {
        assert_eq!(all.iter().filter(|line| line.check == check).count(), 6, "{check}");
    }
    let of_img1 = lines(&mut admin, 2).await;
    let is_about_s01 = |subject: &str| subject == "pool img1" || subject.ends_with("s01");
    assert!(of_img1.len() == 12 && of_img1.iter().all(|line| is_about_s01(&line.subject)), "{of_img1:#?}");
    let checked = admin.check_pool(v1::CheckPoolRequest { id: 2 }).await.unwrap().into_inner();
    assert!(checked.healthy && checked.findings.len() == 9, "{checked:#?}");
    let nowhere = admin.diagnose(v1::DiagnoseRequest { pool_id: 99 }).await.unwrap_err();
    assert_eq!(nowhere.code(), tonic::Code::NotFound);
    for pool in 1..=3 {
        let files = crate::harness::files_below(&cluster.pool_dir(pool));
        assert!(files.iter().all(|file| !file.contains("probe") && !file.contains("incoming/")), "{files:?}");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_with_another_secret_is_named() {
    // A new node with another REPLICATION_SECRET, and one whose uploads would be refused: each is the one red line.
    let cluster = TestCluster::start().await;
    let mut admin = cluster.admin();
    let guest = Guest::start(&cluster, "s07", &[("REPLICATION_SECRET", "another secret, long enough")]).await;
    let seen = red(&mut admin, &[("node s07", "secret")]).await;
    says(
        &seen,
        "node s07",
        "secret",
        &["dials from 127.0.0.1", "REPLICATION_SECRET is not the server's", "of node s07"],
    );
    guest.stop().await;
    cluster.shutdown().await;

    let cluster = TestCluster::start().await;
    let mut admin = cluster.admin();
    let guest = Guest::start(&cluster, "s08", &[("UPLOAD_TOKEN_SECRET", "too short")]).await;
    let seen = red(&mut admin, &[("node s08", "secret")]).await;
    says(&seen, "node s08", "secret", &["another UPLOAD_TOKEN_SECRET", "local, s01, s02", "of node s08"]);
    says(&seen, "node s08", "secret", &["UPLOAD_TOKEN_SECRET: has fewer than 16"]);
    assert_eq!(with(&seen, Status::Warning), [("node s08", "secret")]);
    guest.stop().await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_node_that_comes_back_with_another_secret_is_red_wherever_it_shows() {
    // s02 returns on a port of its own to which its pool's URLs lead, with another secret: its own line, and what the other
    // nodes see there; that it is not attached only points at it.
    let mut cluster = TestCluster::start().await;
    let mut admin = cluster.admin();
    let door = Door::to(cluster.storage_node("s02")).await;
    let url = format!("{}/api/internal/upload", door.url);
    update(&mut admin, v1::Pool { id: 3, upload_api_url: url, ..v1::Pool::default() }, "upload_api_url").await;
    red(&mut admin, &[]).await;
    cluster.cluster().stop_storage_node("s02").await;
    let guest = Guest::start(&cluster, "s02", &[("REPLICATION_SECRET", "another secret, long enough")]).await;
    door.now_to(guest.agent.address().to_string());
    let want = [("node s02", "secret"), ("local -> s02", "secret"), ("s01 -> s02", "secret")];
    let seen = red(&mut admin, &want).await;
    says(
        &seen,
        "local -> s02",
        "secret",
        &["s02 has another REPLICATION_SECRET than local", "environment of node s02"],
    );
    says(&seen, "node s02", "attached", &["dials from 127.0.0.1", "`secret`"]);
    let follows = [("node s02", "attached"), ("pool img2", "base_path")];
    assert_eq!(sorted(with(&seen, Status::Warning)), follows);
    guest.stop().await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn urls_that_lead_elsewhere_or_nowhere_are_red_with_the_right_ones() {
    // A public URL whose name leads to another node by now; then an upload URL that leads to another node, and one where
    // nobody listens.
    let cluster = TestCluster::start().await;
    let mut admin = cluster.admin();
    let door = Door::to(cluster.storage_node("s01")).await;
    let at_door = |path: &str| format!("{}{path}", door.url);
    let change = v1::Pool { id: 2, public_base_url: at_door(""), ..v1::Pool::default() };
    update(&mut admin, change, "public_base_url").await;
    red(&mut admin, &[]).await;
    door.now_to(cluster.storage_node("s02"));
    let seen = red(&mut admin, &[("pool img1", "public_base_url")]).await;
    let right = format!("http://{}", cluster.storage_node("s01"));
    says(&seen, "pool img1", "public_base_url", &["leads to node s02, not to node s01", &format!("Set it to {right}")]);
    door.now_to(cluster.storage_node("s01"));

    let change = v1::Pool { id: 2, upload_api_url: at_door("/api/internal/upload"), ..v1::Pool::default() };
    update(&mut admin, change.clone(), "upload_api_url").await;
    door.now_to(cluster.storage_node("s02"));
    let ways = [("local -> s01", "upload_api_url"), ("s02 -> s01", "upload_api_url")];
    let seen = lines(&mut admin, 2).await;
    let all = [&[("pool img1", "public_base_url")], &ways[..]].concat();
    assert_eq!(sorted(with(&seen, Status::Failed)), sorted(all));
    says(&seen, "local -> s01", "upload_api_url", &["leads to node s02, not", &format!("{right}/api/internal/upload")]);
    door.now_to(cluster.storage_node("s01"));

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let upload_api_url = format!("http://{closed}/api/internal/upload");
    update(&mut admin, v1::Pool { upload_api_url, ..change }, "upload_api_url").await;
    let seen = red(&mut admin, &ways).await;
    says(&seen, "s02 -> s01", "upload_api_url", &["node s02 can't reach", &closed.to_string(), "NODE_URL", "firewall"]);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_is_anothers_or_gone_or_full_is_one_red_line() {
    // img2's marker becomes img1's, as where both nodes mount one disk; then the marker is gone, as where the disk is not
    // mounted; then every file system keeps more free than it has.
    let cluster = TestCluster::start().await;
    let mut admin = cluster.admin();
    let marker = |pool| cluster.pool_dir(pool).join(".pixelfox/pool.json");
    let own = std::fs::read(marker(3)).unwrap();
    std::fs::copy(marker(2), marker(3)).unwrap();
    let seen = red(&mut admin, &[("pool img2", "same_directory")]).await;
    says(&seen, "pool img2", "same_directory", &["img1 (2)", "directory of its own"]);
    std::fs::remove_file(marker(3)).unwrap();
    let seen = red(&mut admin, &[("pool img2", "base_path")]).await;
    says(&seen, "pool img2", "base_path", &["is missing in", "Mount the pool's disk", "node s02"]);
    std::fs::write(marker(3), own).unwrap();
    red(&mut admin, &[]).await;

    let reserve = |bytes| v1::UpdateSettingsRequest {
        settings: Some(v1::Settings { reserve_bytes: Some(bytes), ..v1::Settings::default() }),
    };
    admin.update_settings(reserve(1 << 50)).await.unwrap();
    let full = ["pool Default", "pool img1", "pool img2"].map(|pool| (pool, "space"));
    let seen = red(&mut admin, &full).await;
    says(&seen, "pool img1", "space", &["full", "reserve_bytes", "Make room on the disk", "node s01"]);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_node_id_is_one_red_line() {
    // A pool that names a node that never was, while its own has no pool now; then a second process with the NODE_ID of one
    // that is attached.
    let cluster = TestCluster::start().await;
    let mut admin = cluster.admin();
    let before = admin.get_pool(v1::GetPoolRequest { id: 2 }).await.unwrap().into_inner();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let wrong = v1::Pool {
        node_id: "so1".into(),
        upload_api_url: format!("http://{closed}/api/internal/upload"),
        public_base_url: format!("http://{closed}"),
        ..before.clone()
    };
    update(&mut admin, wrong, "node_id upload_api_url public_base_url").await;
    let seen = red(&mut admin, &[("pool img1", "node_id")]).await;
    says(&seen, "pool img1", "node_id", &["no node so1 has ever attached", "attached without a pool: s01"]);
    assert_eq!(with(&seen, Status::Warning), [("pool img1", "base_path")]);
    update(&mut admin, before, "node_id upload_api_url public_base_url").await;
    red(&mut admin, &[]).await;

    let guest = Guest::start(&cluster, "s01", &[]).await;
    let seen = red(&mut admin, &[("node s01", "node_id")]).await;
    says(&seen, "node s01", "node_id", &["a second process on 127.0.0.1", "NODE_ID and a STATE_DIR of its own"]);
    guest.stop().await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_down_is_red_and_what_follows_from_it_is_not() {
    let mut cluster = TestCluster::start().await;
    let mut admin = cluster.admin();
    cluster.cluster().stop_storage_node("s02").await;
    let seen = red(&mut admin, &[("node s02", "attached")]).await;
    says(&seen, "node s02", "attached", &["last seen", "COORDINATOR_URL", "pool img2"]);
    let follows = [("local -> s02", "upload_api_url"), ("pool img2", "base_path"), ("s01 -> s02", "upload_api_url")];
    assert_eq!(sorted(with(&seen, Status::Warning)), follows);
    cluster.shutdown().await;
}

#[tokio::test]
async fn clocks_and_versions_that_differ_are_told_with_the_node() {
    // Nodes that say what the test wants: one with another version, one whose clock is a minute behind.
    let office = Office::open().await;
    let (one, two) = (Web::of("s01").await, Web::of("s02").await);
    let at = |node: &str, web: &Web| v1::Hello { public_base_url: web.url.clone(), ..hello(node) };
    let old = v1::Hello { version: "0.0.9".into(), ..at("s01", &one) };
    let old = FakeNode::try_attach(&office, old).await.unwrap();
    let late = FakeNode::try_attach(&office, at("s02", &two)).await.unwrap();
    let now = pixelfox_node::clock::unix_seconds() - 60;
    for (node, seconds) in [(&old, now + 60), (&late, now)] {
        let beat = v1::Heartbeat { now: Some(prost_types::Timestamp { seconds, nanos: 0 }), ..node.well() };
        node.say(v1::node_event::Event::Heartbeat(beat)).await;
    }
    let mut admin = office.admin().await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let seen = loop {
        let mut stream = admin.diagnose(admins(v1::DiagnoseRequest::default())).await.unwrap().into_inner();
        let mut lines = Vec::new();
        while let Some(line) = stream.message().await.unwrap() {
            lines.push(line);
        }
        if with(&lines, Status::Failed) == [("node s02", "clock")] {
            break lines;
        }
        assert!(tokio::time::Instant::now() < deadline, "{lines:#?}");
    };
    says(&seen, "node s02", "clock", &["behind this server's", "node s02", "chrony"]);
    says(&seen, "node s01", "version", &["it has version 0.0.9", "Finish the update", "node s01"]);
    office.close().await;
}
