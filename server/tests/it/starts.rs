//! What the programs say and leave on disk when they start or refuse to: as somebody sees it who sets one up.

use std::{collections::HashMap, path::Path};

use pixelfox_proto::v1::{GetOverviewRequest, Minute};
use tempfile::TempDir;

use crate::{
    harness::{TestCluster, png},
    processes::{addresses, run, secrets, stderr, upload},
    programs::{Running, environment, free_ports},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_dev_that_can_not_start_leaves_the_running_ones_secrets_alone() {
    // Once the ports are taken, once only the books are; the shell of the second one has other secrets.
    let folder = TempDir::new().unwrap();
    let dev =
        Running::start("server", &["dev", "--data-dir", "data", "--ports", "0,0,0"], &HashMap::new(), folder.path());
    let at = addresses(&dev).await;
    let data = folder.path().join("data");
    let before = std::fs::read_to_string(data.join("secrets.env")).unwrap();
    let ports: Vec<&str> = at.iter().map(|address| address.rsplit(':').next().unwrap()).collect();
    let environment =
        [("ADMIN_TOKEN", "another token, of the second shell"), ("UPLOAD_TOKEN_SECRET", "another secret")];
    for ports in [ports.join(","), "0,0,0".into()] {
        let arguments = ["dev", "--data-dir", data.to_str().unwrap(), "--ports", &ports];
        let output = run("server", &arguments, &environment).await;
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert_eq!(std::fs::read_to_string(data.join("secrets.env")).unwrap(), before, "ports {ports}");
    }
    let token = &secrets(&data)["UPLOAD_TOKEN"];
    upload(&at[0], token, png(1, 100)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_from_the_command_line_opens_its_pool() {
    let folder = TempDir::new().unwrap();
    let dev =
        Running::start("server", &["dev", "--data-dir", "data", "--ports", "0,0,0"], &HashMap::new(), folder.path());
    let [_, s01, _] = addresses(&dev).await;
    let secrets = secrets(&folder.path().join("data"));
    let environment = [("UPLOAD_TOKEN_SECRET", secrets["UPLOAD_TOKEN_SECRET"].as_str())];
    let output = run("server", &["upload-token", "--pool", "2", "--max-bytes", "1MiB"], &environment).await;
    assert!(output.status.success(), "{}", stderr(&output));
    let token = String::from_utf8(output.stdout).unwrap();
    upload(&s01, token.trim(), png(2, 100)).await;
    let output = run("server", &["upload-token", "--pool", "2"], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with("UPLOAD_TOKEN_SECRET: "), "{}", stderr(&output));
}

/// What `program` says with these variables, and that it has made nothing in `folder`.
async fn check_config(program: &str, folder: &TempDir, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = run(program, &["check-config"], variables).await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "check-config made something");
    (output.status.code(), stderr(&output))
}

#[tokio::test]
async fn check_config_names_what_a_start_would_refuse_and_makes_nothing() {
    // One variable wrong at a time, each with what the line about it says. Nothing is found or left in the folder.
    let folder = TempDir::new().unwrap();
    let root = folder.path().to_str().unwrap();
    let below = |name: &str| format!("{root}/{name}");
    let (uploads, state, database) = (below("uploads"), below("state"), format!("sqlite://{}", below("books.db")));
    let good = [
        ("NODE_ID", "s01"),
        ("STORAGE_ROOTS", root),
        ("UPLOADS_DIR", &uploads),
        ("STATE_DIR", &state),
        ("DATABASE_URL", &database),
    ];
    for program in ["server", "node-agent"] {
        let (code, said) = check_config(program, &folder, &good).await;
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("warning: REPLICATION_SECRET: is not set"), "{said}");
        assert_eq!(said.contains("warning: ADMIN_TOKEN: is not set"), program == "server", "{said}");
    }
    let nowhere = format!("sqlite://{}", below("typo/books.db"));
    let empty = tempfile::NamedTempFile::new().unwrap();
    let below_a_file = format!("{}/state", empty.path().display());
    for (program, variable, value, want) in [
        ("server", "UPLOADS_DIR", "uploads", "UPLOADS_DIR: `uploads` is not absolute"),
        ("server", "UPLOADS_DIR", "/elsewhere/uploads", "UPLOADS_DIR: /elsewhere/uploads does not lie under"),
        ("node-agent", "PUBLIC_DOMAIN", "http://s01/uploads", "PUBLIC_DOMAIN: must be host and port only"),
        ("node-agent", "TLS_CA_FILE", "/nonexistent", "TLS_CA_FILE: could not read"),
        ("node-agent", "TLS_CA_FILE", empty.path().to_str().unwrap(), "has no certificate"),
        ("node-agent", "COORDINATOR_URL", "http://app:4000/x", "COORDINATOR_URL: `http://app:4000/x` must be host"),
        ("node-agent", "STATE_DIR", &below_a_file, "is no directory. Choose"),
        ("server", "DATABASE_URL", &nowhere, "DATABASE_URL: the directory"),
        ("server", "AUTO_POOLS", "perhaps", "AUTO_POOLS: `perhaps` is neither 0 nor 1"),
        ("server", "RUST_LOG", "a=b=c", "RUST_LOG: "),
    ] {
        let mut variables: Vec<_> = good.iter().filter(|(name, _)| *name != variable).copied().collect();
        variables.push((variable, value));
        let (code, said) = check_config(program, &folder, &variables).await;
        assert_eq!(code, Some(1), "{variable}={value}: {said}");
        assert!(said.contains(want), "{variable}={value} says\n{said}");
    }
    for (variable, value, want) in [
        ("APP_PORTT", "4001", "warning: APP_PORTT: unknown variable; did you mean APP_PORT?"),
        ("REPLICATION_SECRT", "x", "warning: REPLICATION_SECRT: unknown variable; did you mean REPLICATION_SECRET?"),
        ("RUST_LOG", "verbose", "warning: RUST_LOG: `verbose` shows no line of ours"),
        ("ADMIN_TOKEN", "short", "warning: ADMIN_TOKEN: has fewer than 16 characters"),
    ] {
        let (code, said) = check_config("server", &folder, &[&good[..], &[(variable, value)]].concat()).await;
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains(want), "{variable}={value} says\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_warns_of_what_is_missing_and_of_a_new_database_beside_an_old_pool() {
    // No secrets at all: each is named with what is closed. Then the same pool with another, new database.
    let folder = TempDir::new().unwrap();
    let [port] = free_ports();
    let mut variables = environment("local", port, port, folder.path());
    for name in ["REPLICATION_SECRET", "UPLOAD_TOKEN_SECRET", "ADMIN_TOKEN"] {
        variables.remove(name);
    }
    let server = Running::start("server", &[], &variables, folder.path());
    for name in ["REPLICATION_SECRET", "UPLOAD_TOKEN_SECRET", "ADMIN_TOKEN"] {
        server.says(&["WARN", &format!("{name}: is not set")]).await;
    }
    server.says(&["pool 1 is healthy"]).await;
    server.stop().await;
    // A pool keeps its directory, whatever UPLOADS_DIR says later.
    let mut elsewhere = variables.clone();
    elsewhere.insert("UPLOADS_DIR", folder.path().join("elsewhere").display().to_string());
    let server = Running::start("server", &[], &elsewhere, folder.path());
    server.says(&["WARN", "UPLOADS_DIR is", "elsewhere, but pool Default keeps its base_path", "uploads/local"]).await;
    server.says(&["pool 1 is healthy"]).await;
    server.stop().await;
    variables.insert("DATABASE_URL", format!("sqlite://{}", folder.path().join("typo.db").display()));
    let server = Running::start("server", &[], &variables, folder.path());
    server.says(&["WARN", "typo.db is new and empty", "holds a pool already"]).await;
    server.says(&["pool 1 is unhealthy", "has the marker of an earlier disk", "another cluster's pool"]).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_does_not_find_the_coordinator_names_the_url_and_the_cure() {
    // One dials where nobody listens, another one dials the first.
    let folder = TempDir::new().unwrap();
    let [first, second, nobody] = free_ports();
    let lost = Running::start("node-agent", &[], &environment("s01", first, nobody, folder.path()), folder.path());
    let at = format!("http://127.0.0.1:{nobody}");
    lost.says(&["not attached: the coordinator is away", &at, "correct COORDINATOR_URL"]).await;
    let wrong = Running::start("node-agent", &[], &environment("s02", second, first, folder.path()), folder.path());
    let at = format!("http://127.0.0.1:{first} says: this is node s01, not the coordinator");
    wrong.says(&["ERROR", "not attached", &at, "COORDINATOR_URL must be"]).await;
    lost.stop().await;
    wrong.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_set_of_env_dev_runs_a_server_and_a_node_on_one_machine() {
    // As docs/deployment.md says, but for the ports: the directories are set, the node gets what differs.
    let folder = TempDir::new().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = std::fs::read_to_string(root.join(".env.dev")).unwrap();
    let [app_port, s01_port] = free_ports();
    let data = folder.path().join("data");
    let text = text.replace("8080", &app_port.to_string());
    let mut variables: HashMap<&str, String> =
        text.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name, value.to_owned())).collect();
    variables.insert("STORAGE_ROOTS", data.display().to_string());
    variables.insert("UPLOADS_DIR", data.join("uploads").display().to_string());
    let server = Running::start("server", &[], &variables, folder.path());
    let url = format!("http://localhost:{s01_port}");
    variables.extend([
        ("NODE_ID", "s01".to_owned()),
        ("APP_PORT", s01_port.to_string()),
        ("NODE_URL", url.clone()),
        ("PUBLIC_DOMAIN", url),
        ("UPLOADS_DIR", data.join("uploads_s01").display().to_string()),
        ("STATE_DIR", "data/s01".to_owned()),
    ]);
    let node = Running::start("node-agent", &[], &variables, folder.path());
    node.says(&["pool 2 is healthy"]).await;
    let printed = node.stop().await + &server.stop().await;
    assert!(!printed.contains("ERROR"), "{printed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_last_hour_brought_is_known_after_a_restart() {
    // Two uploads, and a move of one: the figures of the dashboard's hour are those of before.
    let mut cluster = TestCluster::start().await;
    let first = cluster.upload(1, png(1, 1000)).await["image_uuid"].as_str().unwrap().to_owned();
    cluster.upload(2, png(2, 500)).await;
    let batch = cluster.move_images(&[&first], 2).await;
    assert_eq!(cluster.wait_for_end(batch.job_id).await.state, "completed");
    let brought = async |cluster: &TestCluster| {
        let hour = cluster.admin().get_overview(GetOverviewRequest {}).await.unwrap().into_inner().last_hour;
        let sum = |of: fn(&Minute) -> u64| hour.iter().map(of).sum::<u64>();
        (sum(|it| it.images_uploaded), sum(|it| it.bytes_uploaded), sum(|it| it.bytes_moved))
    };
    let before = brought(&cluster).await;
    assert!(before.0 == 2 && before.1 > before.2 && before.2 > 0, "{before:?}");
    cluster.restart().await;
    assert_eq!(brought(&cluster).await, before);
    cluster.shutdown().await;
}
