//! One move is one trace: its id stands in the log lines of the coordinator, the source and the target, each a process of
//! its own.

use std::collections::BTreeSet;

use pixelfox_proto::{Claims, Sha256, v1::ListPoolsRequest};
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    harness::{admin_at, http_client, png},
    processes::{move_and_wait, upload, wait_until_healthy, wait_until_online},
    programs::{ADMIN_TOKEN, Running, SECRET, TOKEN_SECRET, environment, free_ports},
};

const SENT: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The `trace_id` of the line with all of `pieces`.
async fn trace_of(process: &Running, pieces: &[&str]) -> String {
    let line: Value = serde_json::from_str(&process.says(pieces).await).unwrap();
    line["fields"]["trace_id"].as_str().unwrap_or_else(|| panic!("no trace_id in {line}")).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_has_one_trace_id_in_the_logs_of_all_three() {
    // Two images move from s01 to s02, by one order: each has an id of its own, and it is the same in three logs.
    let folder = TempDir::new().unwrap();
    let ports: [u16; 3] = free_ports();
    let start = |program: &str, node: &str, port: u16| {
        let mut environment = environment(node, port, ports[0], folder.path());
        environment.extend([("LOG_FORMAT", "json".to_owned()), ("AUTO_POOLS", "1".to_owned())]);
        Running::start(program, &[], &environment, folder.path())
    };
    let server = start("server", "local", ports[0]);
    let mut admin = admin_at(&format!("127.0.0.1:{}", ports[0]), ADMIN_TOKEN);
    let (s01, s02) = (start("node-agent", "s01", ports[1]), start("node-agent", "s02", ports[2]));
    wait_until_online(&mut admin, "s01").await;
    wait_until_online(&mut admin, "s02").await;
    let pools = admin.list_pools(ListPoolsRequest {}).await.unwrap().into_inner().pools;
    let pool = |node: &str| pools.iter().find(|pool| pool.node_id == node).unwrap().id;
    let (source, target) = (pool("s01"), pool("s02"));
    wait_until_healthy(&mut admin, source).await;
    wait_until_healthy(&mut admin, target).await;

    let exp = pixelfox_node::clock::unix_seconds() + 600;
    let claims =
        Claims { user_id: 7, pool_id: source, max_bytes: 1 << 20, exp, via: None, visitor: None, settings: None };
    let mut ids = BTreeSet::new();
    for seed in [21, 22] {
        let token = claims.mint(TOKEN_SECRET.as_bytes());
        let answer = upload(&format!("127.0.0.1:{}", ports[1]), &token, png(seed, 3_000)).await;
        let uuid = answer["image_uuid"].as_str().unwrap();
        move_and_wait(&mut admin, uuid, target).await;
        let of_coordinator = trace_of(&server, &["[MoveImage] Moved image", uuid]).await;
        let of_source = trace_of(&s01, &["[Push] Sent", uuid]).await;
        let of_target = trace_of(&s02, &["[Replicate] Stored file", uuid]).await;
        assert_eq!((of_source.as_str(), of_target.as_str()), (of_coordinator.as_str(), of_coordinator.as_str()));
        assert!(of_coordinator.len() == 32 && ids.insert(of_coordinator), "{ids:?}");
    }

    // By hand: the sender's own id is kept, and one that is none is replaced.
    for (path, traceparent, is_kept) in [
        ("original/2026/01/02/kept.png", format!("00-{SENT}-00f067aa0ba902b7-01"), true),
        ("original/2026/01/02/made.png", "00-nothing".to_owned(), false),
    ] {
        let bytes = png(23, 100);
        let form = Form::new().text("pool_id", target.to_string()).text("stored_path", path);
        let form = form.text("sha256", Sha256::of(&bytes).to_string()).part("file", Part::bytes(bytes));
        let request = http_client().put(format!("http://127.0.0.1:{}/api/internal/replicate", ports[2]));
        let answer =
            request.bearer_auth(SECRET).header("traceparent", traceparent).multipart(form).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let id = trace_of(&s02, &["[Replicate] Stored file", path]).await;
        assert!(id.len() == 32 && (id == SENT) == is_kept, "{path}: {id}");
    }
    for process in [s01, s02, server] {
        process.stop().await;
    }
}
