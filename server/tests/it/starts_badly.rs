//! Starts with something that is not as it should be: a folder, a port, a database that is not up yet. What is said, and
//! whether it is waited for.

use std::net::TcpListener;

use pixelfox_server::store::Store;
use sqlx::{ConnectOptions as _, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use crate::{
    postgres::{Cluster, Fsync},
    processes::{run, stderr},
    programs::{Running, environment, free_ports},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_start_can_not_do_with_is_one_line_with_its_cure() {
    // Folders that nobody may write into, a database of a newer program, a port in use: the program ends with 1. A pool's
    // folder ends nothing: the log says it, and everything else is there.
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let url = |name: &str| format!("sqlite://{}", at(name));
    Store::open(&url("newer.db")).await.unwrap().close().await;
    let newer = SqliteConnectOptions::new().filename(at("newer.db"));
    let row = "INSERT INTO _sqlx_migrations VALUES (9000, 'later', '2030-01-01', 1, x'00', 0)";
    sqlx::query(row).execute(&mut newer.connect().await.unwrap()).await.unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().port().to_string();
    let [port] = free_ports();
    for (program, variable, value, want) in [
        ("server", "STATE_DIR", "/sys/pixelfox", "Choose a directory that this user may write to"),
        ("node-agent", "STATE_DIR", "/sys/pixelfox", "Choose a directory that this user may write to"),
        ("server", "DATABASE_URL", "sqlite:///sys/books.db", "Choose a directory that this user may write to"),
        ("server", "DATABASE_URL", &url("newer.db"), "is of a newer program (it has migration 9000"),
        ("server", "APP_PORT", &taken, "End what uses it, or choose another port"),
        ("node-agent", "APP_PORT", &taken, "End what uses it, or choose another port"),
    ] {
        let node = if program == "server" { "local" } else { "s01" };
        let mut variables = environment(node, port, port, folder.path());
        variables.insert(variable, value.to_owned());
        let pairs: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let output = run(program, &[], &pairs).await;
        let said = stderr(&output);
        let is_line = |line: &&str| !line.contains(" INFO ") && !line.contains(" WARN ");
        assert_eq!(output.status.code(), Some(1), "{program} {variable}={value}: {said}");
        assert_eq!(said.lines().filter(is_line).count(), 1, "{program} {variable}={value}: {said}");
        assert!(said.contains(want), "{program} {variable}={value}: {said}");
    }
    let mut variables = environment("local", port, port, folder.path());
    let unwritable = [("STORAGE_ROOTS", "/sys"), ("UPLOADS_DIR", "/sys/uploads"), ("DATABASE_URL", &url("new.db"))];
    variables.extend(unwritable.map(|(name, value)| (name, value.to_owned())));
    let server = Running::start("server", &[], &variables, folder.path());
    server.says(&["WARN", "pool 1 is unhealthy: could not make /sys/uploads", "this node runs as write there"]).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_waits_for_a_postgresql_that_is_not_up_yet() {
    // Nobody listens: it says so and where, waits, ends in order when it is told to, and starts once the database is up. One
    // that answers with no is not waited for.
    let mut cluster = Cluster::start(Fsync::Off);
    let url = cluster.database().await;
    cluster.order("stop");
    let folder = TempDir::new().unwrap();
    let [port] = free_ports();
    let mut variables = environment("local", port, port, folder.path());
    variables.insert("DATABASE_URL", url.clone());
    let waits = ["WARN", "does not answer yet", "correct DATABASE_URL"];
    let server = Running::start("server", &[], &variables, folder.path());
    server.says(&waits).await;
    let said = server.stop().await;
    assert!(!said.contains("listening"), "{said}");
    let server = Running::start("server", &[], &variables, folder.path());
    server.says(&waits).await;
    cluster.order("start");
    server.says(&["the database answers"]).await;
    server.says(&["listening on"]).await;
    let said = server.stop().await;
    assert_eq!(said.matches("does not answer yet").count(), 1, "{said}");
    for (wrong, want) in [
        (cluster.url("nowhere"), "names a database that is not there: make it with createdb"),
        (url.replace("pixelfox@", "nobody:hidden-word@"), "is refused: correct its user and password"),
    ] {
        variables.insert("DATABASE_URL", wrong);
        let pairs: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let output = run("server", &[], &pairs).await;
        let said = stderr(&output);
        assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
        assert!(said.contains(want) && !said.contains("hidden-word"), "{said}");
    }
}
