//! One move is one trace: its id stands in the log lines of the coordinator, the source and the target, each a process of
//! its own. So is one upload, from whoever sends it to the books.

use std::collections::BTreeSet;

use pixelfox_proto::{
    Claims, JobId, Sha256, Trace,
    v1::{ChangeJobsRequest, ListPoolsRequest},
};
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    harness::{Admin, admin_at, http_client, png},
    processes::{move_and_wait, upload, wait_until_healthy, wait_until_online},
    programs::{ADMIN_TOKEN, Running, SECRET, TOKEN_SECRET, environment, free_ports},
};

const SENT: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn traceparent() -> String {
    format!("00-{SENT}-00f067aa0ba902b7-01")
}

/// A server and two nodes, a process each, with a pool each.
struct Three {
    folder: TempDir,
    ports: [u16; 3],
    server: Running,
    s01: Running,
    s02: Running,
    admin: Admin,
    /// Pools of s01 and s02.
    pools: [u64; 2],
}

impl Three {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let ports: [u16; 3] = free_ports();
        let start = |program: &str, node: &str, port: u16| {
            let mut environment = environment(node, port, ports[0], folder.path());
            let more = [("LOG_FORMAT", "json"), ("AUTO_POOLS", "1"), ("PUBLIC_UPLOADS", "1")];
            environment.extend(more.map(|(name, value)| (name, value.to_owned())));
            Running::start(program, &[], &environment, folder.path())
        };
        let server = start("server", "local", ports[0]);
        let mut admin = admin_at(&format!("127.0.0.1:{}", ports[0]), ADMIN_TOKEN);
        let (s01, s02) = (start("node-agent", "s01", ports[1]), start("node-agent", "s02", ports[2]));
        wait_until_online(&mut admin, "s01").await;
        wait_until_online(&mut admin, "s02").await;
        let pools = admin.list_pools(ListPoolsRequest {}).await.unwrap().into_inner().pools;
        let pools = ["s01", "s02"].map(|node| pools.iter().find(|pool| pool.node_id == node).unwrap().id);
        for pool in pools {
            wait_until_healthy(&mut admin, pool).await;
        }
        Self { folder, ports, server, s01, s02, admin, pools }
    }

    /// Where s01 is.
    fn source(&self) -> String {
        format!("127.0.0.1:{}", self.ports[1])
    }

    /// The answer to an upload straight to s01.
    async fn upload(&self, seed: u32) -> Value {
        let exp = pixelfox_node::clock::unix_seconds() + 600;
        let pool_id = self.pools[0];
        let claims = Claims { user_id: 7, pool_id, max_bytes: 1 << 20, exp, via: None, visitor: None, settings: None };
        upload(&self.source(), &claims.mint(TOKEN_SECRET.as_bytes()), png(seed, 3_000)).await
    }

    async fn stop(self) {
        for process in [self.s01, self.s02, self.server] {
            process.stop().await;
        }
        drop(self.folder);
    }
}

/// The line with all of `pieces`, and its `trace_id`.
async fn line_of(process: &Running, pieces: &[&str]) -> (Value, String) {
    let line: Value = serde_json::from_str(&process.says(pieces).await).unwrap();
    let trace = line["fields"]["trace_id"].as_str().unwrap_or_else(|| panic!("no trace_id in {line}")).to_owned();
    assert_eq!(trace.len(), 32, "{line}");
    (line, trace)
}

/// The `trace_id` of the line with all of `pieces`.
async fn trace_of(process: &Running, pieces: &[&str]) -> String {
    line_of(process, pieces).await.1
}

/// The line that says what was planned has the trace of the job that it names.
async fn is_planned(server: &Running, words: &str) -> u64 {
    let (line, trace) = line_of(server, &["[MoveImage] Planned job", words]).await;
    let job = line["fields"]["job"].as_str().unwrap().parse::<u64>().unwrap();
    assert_eq!(trace, Trace::of_job(JobId::try_from(job).unwrap()).id().to_string(), "{line}");
    job
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_has_one_trace_id_in_the_logs_of_all_three() {
    // Two images move from s01 to s02, an order each: each has an id of its own, and it is the same in three logs, down to
    // the old copy in the trash. Taken back, one has another.
    let mut three = Three::start().await;
    let (mut ids, mut uuids) = (BTreeSet::new(), Vec::new());
    for seed in [21, 22] {
        let answer = three.upload(seed).await;
        let uuid = answer["image_uuid"].as_str().unwrap().to_owned();
        move_and_wait(&mut three.admin, &uuid, three.pools[1]).await;
        let of_coordinator = trace_of(&three.server, &["[MoveImage] Moved image", &uuid]).await;
        for (who, words) in
            [(&three.s01, "[Push] Sent"), (&three.s02, "[Replicate] Stored file"), (&three.s01, "[Trash] Trashed")]
        {
            assert_eq!(trace_of(who, &[words, &uuid]).await, of_coordinator, "{words}");
        }
        assert!(ids.insert(of_coordinator), "{ids:?}");
        uuids.push(uuid);
    }
    let first = is_planned(&three.server, "1 images").await;
    let undo = ChangeJobsRequest { ids: vec![first], ..ChangeJobsRequest::default() };
    three.admin.undo_moves(undo).await.unwrap();
    is_planned(&three.server, "moves are taken back").await;
    let to_source = format!("({})\"", three.pools[0]);
    let back = ["[MoveImage] Moved image", &uuids[0], &to_source];
    let of_coordinator = trace_of(&three.server, &back).await;
    for (who, words) in [(&three.s01, "[Trash] Restored"), (&three.s02, "[Trash] Trashed")] {
        assert_eq!(trace_of(who, &[words, &uuids[0]]).await, of_coordinator, "{words}");
    }
    assert!(ids.insert(of_coordinator), "taking back is a job of its own: {ids:?}");
    three.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_by_http_keeps_the_senders_trace_id_down_to_the_books() {
    let three = Three::start().await;
    // Replicated by hand, and with what is no trace.
    for (path, traceparent, is_kept) in [
        ("original/2026/01/02/kept.png", traceparent(), true),
        ("original/2026/01/02/made.png", "00-nothing".to_owned(), false),
    ] {
        let bytes = png(23, 100);
        let form = Form::new().text("pool_id", three.pools[1].to_string()).text("stored_path", path);
        let form = form.text("sha256", Sha256::of(&bytes).to_string()).part("file", Part::bytes(bytes));
        let request = http_client().put(format!("http://127.0.0.1:{}/api/internal/replicate", three.ports[2]));
        let answer =
            request.bearer_auth(SECRET).header("traceparent", traceparent).multipart(form).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let id = trace_of(&three.s02, &["[Replicate] Stored file", path]).await;
        assert_eq!(id == SENT, is_kept, "{path}: {id}");
    }
    // Straight to the node that stores, without a trace: it makes one.
    let straight = three.upload(24).await;
    let uuid = straight["image_uuid"].as_str().unwrap();
    let made = trace_of(&three.server, &["[Upload] Image", uuid]).await;
    assert_eq!(made, Trace::of_upload(uuid.parse().unwrap()).id().to_string());
    // Through the app, which sends it on to a node: from the browser's header to the record.
    let form = Form::new().part("file", Part::bytes(png(25, 3_000)).file_name("a.png"));
    let request = http_client().post(format!("http://127.0.0.1:{}/upload", three.ports[0]));
    let request = request.header("accept", "application/json").header("traceparent", traceparent());
    let answer: Value = request.multipart(form).send().await.unwrap().json().await.unwrap();
    let url = answer["url"].as_str().unwrap();
    assert!(!url.contains(&format!(":{}/", three.ports[0])), "it stayed here: {url}");
    let uuid = answer["image_uuid"].as_str().unwrap();
    assert_eq!(trace_of(&three.server, &["[Upload] Image", uuid]).await, SENT);
    // A file that its node does not find any more.
    let path = straight["url"].as_str().unwrap().split("/uploads/").nth(1).unwrap();
    std::fs::remove_file(three.folder.path().join("uploads/s01").join(path)).unwrap();
    let request = http_client().get(format!("http://{}/uploads/{path}", three.source()));
    assert_eq!(request.header("traceparent", traceparent()).send().await.unwrap().status(), 404);
    assert_eq!(trace_of(&three.s01, &["no pool of this node has it", path]).await, SENT);
    assert_eq!(trace_of(&three.server, &["[Verify] s01 has", path]).await, SENT);
    three.stop().await;
}
