//! The programs as an operator starts them: environment in, log lines and exit codes out.

use std::{
    collections::HashMap,
    net::TcpListener,
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use pixelfox_proto::v1::{
    CreatePoolRequest, GetImageRequest, GetJobRequest, ListNodesRequest, ListPoolsRequest, MoveImagesRequest, Pool,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{process::Command, time::timeout};

use crate::{
    harness::{Admin, PATIENCE, admin_at, http_client, png},
    programs::{ADMIN_TOKEN, Running, SECRET, TOKEN_SECRET, environment, free_ports, program},
};

pub(crate) async fn run(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(program(name));
    command.args(arguments).env_clear().envs(environment.iter().copied()).stdin(Stdio::null()).kill_on_drop(true);
    timeout(PATIENCE, command.output()).await.expect("does not end").unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) async fn upload(address: &str, token: &str, bytes: Vec<u8>) -> Value {
    let form = reqwest::multipart::Form::new().part("file", reqwest::multipart::Part::bytes(bytes).file_name("a.png"));
    let request =
        http_client().post(format!("http://{address}/api/internal/upload")).bearer_auth(token).multipart(form);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

pub(crate) async fn move_and_wait(admin: &mut Admin, uuid: &str, target: u64) {
    let request =
        MoveImagesRequest { uuids: vec![uuid.into()], target_pool_id: target, ..MoveImagesRequest::default() };
    let id = admin.move_images(request).await.unwrap().into_inner().job_id;
    let waiting = async {
        while admin.get_job(GetJobRequest { id }).await.unwrap().into_inner().state != "completed" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("the move does not end");
}

/// The addresses of app, s01 and s02 from the table that `dev` prints.
pub(crate) async fn addresses(dev: &Running) -> [String; 3] {
    dev.says(&["curl -IL"]).await;
    let printed = dev.printed();
    ["app", "s01", "s02"].map(|name| {
        let line = printed.lines().find(|line| line.trim_start().starts_with(&format!("{name} "))).unwrap();
        line.split("http://").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
    })
}

pub(crate) fn secrets(data_dir: &Path) -> HashMap<String, String> {
    let text = std::fs::read_to_string(data_dir.join("secrets.env")).unwrap();
    text.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dev_prints_its_table_moves_an_image_and_goes_on_after_a_restart() {
    // As a newcomer does it, then Ctrl-C, then kill -9: the picture is there each time. No secret is ever printed.
    let folder = TempDir::new().unwrap();
    let start =
        || Running::start("server", &["dev", "--data-dir", "data", "--ports", "0,0,0"], &HashMap::new(), folder.path());
    let dev = start();
    let [app, _, _] = addresses(&dev).await;
    let secrets = secrets(&folder.path().join("data"));
    let mut admin = admin_at(&app, &secrets["ADMIN_TOKEN"]);
    let bytes = png(1, 300_000);
    let answer = upload(&app, &secrets["UPLOAD_TOKEN"], bytes.clone()).await;
    let uuid = answer["image_uuid"].as_str().unwrap();
    let path = answer["url"].as_str().unwrap().split("/uploads/").nth(1).unwrap().to_owned();
    move_and_wait(&mut admin, uuid, 2).await;
    let stored = format!("[Replicate] Stored file (pool_id=2, path={path}, size={}) from 127.0.0.1", bytes.len());
    dev.says(&[&stored]).await;
    dev.says(&[&format!("[MoveImage] Moved image {uuid} from pool Default (1) to pool img1 (2)")]).await;
    let image = admin.get_image(GetImageRequest { uuid: uuid.into() }).await.unwrap().into_inner();
    dev.signal(rustix::process::Signal::INT);
    let printed = dev.stop_after_signal().await;
    // Two are there for a shell, and no secrets.
    let is_open = |name: &str| name.starts_with('#') || name == "ADMIN_URL" || name == "DATABASE_URL";
    for (name, secret) in secrets.iter().filter(|(name, _)| !is_open(name)) {
        assert!(!printed.contains(secret.as_str()), "{name} is in\n{printed}");
    }

    for _ in 0..2 {
        let dev = start();
        let [app, s01, _] = addresses(&dev).await;
        let mut admin = admin_at(&app, &secrets["ADMIN_TOKEN"]);
        let again = admin.get_image(GetImageRequest { uuid: uuid.into() }).await.unwrap().into_inner();
        assert_eq!((again.pool_id, &again.files[0].sha256), (2, &image.files[0].sha256));
        let served = http_client().get(format!("http://{s01}/uploads/{path}")).send().await.unwrap();
        assert_eq!((served.status().as_u16(), served.bytes().await.unwrap().as_ref()), (200, bytes.as_slice()));
        dev.kill().await;
    }
}

pub(crate) async fn wait_until_online(admin: &mut Admin, node: &str) {
    let waiting = async {
        loop {
            if let Ok(nodes) = admin.list_nodes(ListNodesRequest {}).await
                && nodes.get_ref().nodes.iter().any(|found| found.node_id == node && found.online)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{node} does not come online"));
}

pub(crate) async fn wait_until_healthy(admin: &mut Admin, pool: u64) {
    let waiting = async {
        loop {
            let pools = admin.list_pools(ListPoolsRequest {}).await.unwrap().into_inner().pools;
            if pools.iter().any(|found| found.id == pool && found.healthy) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("pool {pool} does not become healthy"));
}

fn pool_of(node: &str, name: &str, port: u16, folder: &Path) -> Pool {
    Pool {
        name: name.into(),
        node_id: node.into(),
        base_path: folder.join("uploads").join(node).display().to_string(),
        upload_api_url: format!("http://127.0.0.1:{port}/api/internal/upload"),
        public_base_url: format!("http://127.0.0.1:{port}"),
        is_active: true,
        priority: 10,
        storage_type: "local".into(),
        storage_tier: "hot".into(),
        ..Pool::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_and_a_storage_node_apart_move_an_image_and_survive_each_other() {
    // Separate processes, the node first; the pool is made by hand as the storage form would. Then the node is killed
    // in the middle of nothing, the server restarted, and the way back works.
    let folder = TempDir::new().unwrap();
    let [app_port, s01_port] = free_ports();
    let (app, s01) = (format!("127.0.0.1:{app_port}"), format!("127.0.0.1:{s01_port}"));
    let node_environment = environment("s01", s01_port, app_port, folder.path());
    let node = Running::start("node-agent", &[], &node_environment, folder.path());
    node.says(&["not attached", "the coordinator is away"]).await;
    let start_server =
        || Running::start("server", &[], &environment("local", app_port, app_port, folder.path()), folder.path());
    let server = start_server();
    let mut admin = admin_at(&app, ADMIN_TOKEN);
    wait_until_online(&mut admin, "s01").await;
    let request = CreatePoolRequest { pool: Some(pool_of("s01", "img1", s01_port, folder.path())), save_anyway: false };
    let pool = admin.create_pool(request).await.unwrap().into_inner();
    wait_until_healthy(&mut admin, pool.id).await;

    let exp = pixelfox_node::clock::unix_seconds() + 600;
    let claims = pixelfox_proto::Claims {
        user_id: 7,
        pool_id: 1,
        max_bytes: 1 << 20,
        exp,
        via: None,
        visitor: None,
        settings: None,
    };
    let bytes = png(9, 5_000);
    let answer = upload(&app, &claims.mint(TOKEN_SECRET.as_bytes()), bytes.clone()).await;
    let uuid = answer["image_uuid"].as_str().unwrap();
    move_and_wait(&mut admin, uuid, pool.id).await;

    server.kill().await;
    let url = answer["url"].as_str().unwrap();
    let path = url.split("/uploads/").nth(1).unwrap();
    let served = http_client().get(format!("http://{s01}/uploads/{path}")).send().await.unwrap();
    assert_eq!((served.status().as_u16(), served.bytes().await.unwrap().as_ref()), (200, bytes.as_slice()));
    node.kill().await;
    let node = Running::start("node-agent", &[], &node_environment, folder.path());
    node.says(&["listening on"]).await;
    let served = http_client().get(format!("http://{s01}/uploads/{path}")).send().await.unwrap();
    assert_eq!(served.status(), 200, "a node that was restarted without a coordinator serves what it has");

    let server = start_server();
    wait_until_online(&mut admin, "s01").await;
    wait_until_healthy(&mut admin, pool.id).await;
    wait_until_healthy(&mut admin, 1).await;
    move_and_wait(&mut admin, uuid, 1).await;
    let served = http_client().get(url).send().await.unwrap();
    assert_eq!((served.status().as_u16(), served.bytes().await.unwrap().as_ref()), (200, bytes.as_slice()));
    let (said_by_node, said_by_server) = (node.stop().await, server.stop().await);
    for secret in [SECRET, TOKEN_SECRET, ADMIN_TOKEN] {
        assert!(!said_by_node.contains(secret) && !said_by_server.contains(secret), "a secret is in a log");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_node_with_the_same_name_and_one_with_another_secret_are_told_what_is_wrong() {
    let folder = TempDir::new().unwrap();
    let [app_port, s01_port, twin_port, stranger_port] = free_ports();
    let _server =
        Running::start("server", &[], &environment("local", app_port, app_port, folder.path()), folder.path());
    let _node =
        Running::start("node-agent", &[], &environment("s01", s01_port, app_port, folder.path()), folder.path());
    let mut admin = admin_at(&format!("127.0.0.1:{app_port}"), ADMIN_TOKEN);
    wait_until_online(&mut admin, "s01").await;

    let elsewhere = TempDir::new().unwrap();
    let twin =
        Running::start("node-agent", &[], &environment("s01", twin_port, app_port, elsewhere.path()), elsewhere.path());
    let refused = twin.says(&["not attached", "s01"]).await;
    assert!(refused.contains("ERROR"), "{refused}");
    let mut other = environment("s02", stranger_port, app_port, elsewhere.path());
    other.insert("REPLICATION_SECRET", "another secret than the others have".into());
    let stranger = Running::start("node-agent", &[], &other, elsewhere.path());
    let refused = stranger.says(&["not attached", "REPLICATION_SECRET"]).await;
    assert!(refused.contains("ERROR") && !refused.contains("another secret"), "{refused}");
    let ready = http_client().get(format!("http://127.0.0.1:{stranger_port}/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 503);
    assert!(ready.text().await.unwrap().contains("REPLICATION_SECRET"));
    let nodes = admin.list_nodes(ListNodesRequest {}).await.unwrap().into_inner().nodes;
    assert!(nodes.iter().any(|node| node.node_id == "s01" && node.online), "the first one stays: {nodes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_at_the_start_is_one_clear_line_each_and_exit_code_1() {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let output = run("node-agent", &["check-config"], &[("APP_PORT", "x"), ("COORDINATOR_URL", "nowhere")]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    for name in ["NODE_ID", "APP_PORT", "COORDINATOR_URL"] {
        assert!(said.lines().any(|line| line.starts_with(&format!("{name}: "))), "{name} in\n{said}");
    }
    let mut used = environment("local", port, port, folder.path());
    let pairs: Vec<(&str, &str)> = used.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let output = run("server", &[], &pairs).await;
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("could not listen on 127.0.0.1:{port}")) && !said.contains("panicked"), "{said}");
    used.insert("DATABASE_URL", "mysql://user:hidden-word@host/db".into());
    let pairs: Vec<(&str, &str)> = used.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let output = run("server", &["check-config"], &pairs).await;
    let said = stderr(&output);
    assert!(
        output.status.code() == Some(1) && said.contains("DATABASE_URL") && !said.contains("hidden-word"),
        "{said}"
    );
    let file = folder.path().join("a file");
    std::fs::write(&file, "").unwrap();
    let output = run("server", &["dev", "--ports", "0,0,0", "--data-dir", file.to_str().unwrap()], &[]).await;
    let said = stderr(&output);
    assert!(output.status.code() == Some(1) && said.contains("--data-dir") && !said.contains("panicked"), "{said}");
    let output = run("server", &["dev", "--ports", "1,2"], &[]).await;
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[tokio::test]
async fn a_program_that_is_told_to_stop_while_it_starts_ends_in_order() {
    // SIGTERM as soon as the start has made anything: no signal ends it, it goes by itself with exit code 0.
    for (name, node) in [("server", "local"), ("node-agent", "s01")] {
        let folder = TempDir::new().unwrap();
        let [port, coordinator] = free_ports();
        let of_node = environment(node, port, coordinator, folder.path());
        let mut program = Running::start(name, &[], &of_node, folder.path());
        let started = async {
            while std::fs::read_dir(folder.path()).unwrap().next().is_none() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, started).await.unwrap_or_else(|_| panic!("{name} makes nothing"));
        program.signal(rustix::process::Signal::TERM);
        let status = timeout(PATIENCE, program.ended()).await.unwrap();
        assert_eq!(status.code(), Some(0), "{name}: {status}\n{}", program.rest().await);
    }
}

#[tokio::test]
async fn help_explains_every_variable() {
    for (name, variables) in [
        ("server", [pixelfox_node::config::VARIABLES, pixelfox_server::config::VARIABLES]),
        ("node-agent", [pixelfox_node::config::VARIABLES, pixelfox_node::config::AGENT_VARIABLES]),
    ] {
        let output = run(name, &["--help"], &[]).await;
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success());
        for (variable, _, meaning) in variables.concat() {
            assert!(help.contains(variable) && help.contains(meaning), "{name} --help does not explain {variable}");
        }
    }
}
