//! How much memory uploads need: 20 of 500 MB at once, `cargo bench -p pixelfox-node --bench uploads`. The node is a
//! process of its own; what counts is how far its resident memory rises above where it was before (goal: 64 MiB).

mod edge_node;

use std::time::{Duration, Instant};

use bytes::Bytes;
use edge_node::Node;
use futures_util::{StreamExt as _, stream};

const UPLOADS: usize = 20;
const CHUNK: usize = 1 << 20;
const CHUNKS: usize = 476; // of 1 MiB: 500 MB
const GOAL_MIB: u64 = 64;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, dir, ..] = &arguments[..]
        && mode == "node"
    {
        return edge_node::serve(dir);
    }
    let ground = edge_node::ground();
    let node = Node::start(ground.path());
    edge_node::runtime().block_on(measure(&node));
}

async fn measure(node: &Node) {
    upload(node, 1).await; // warm: every thread and connection has been there once
    let before = node.memory_kib("VmRSS");
    let start = start_of_time();
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..UPLOADS {
        all.spawn(send(node.url("/api/internal/upload"), CHUNKS));
    }
    while let Some(sent) = all.join_next().await {
        sent.expect("an upload ends");
    }
    let seconds = start.elapsed().as_secs_f64();
    let peak = node.memory_kib("VmHWM");
    let rise = (peak - before) / 1024;
    #[expect(clippy::cast_precision_loss, reason = "bytes in MB")]
    let megabytes = (UPLOADS * CHUNKS * CHUNK) as f64 / 1e6;
    println!("| uploads at once | each | before, MiB | peak, MiB | rise, MiB | goal | MB/s |");
    println!("|---|---|---|---|---|---|---|");
    println!(
        "| {UPLOADS} | 500 MB | {} | {} | {rise} | ≤ {GOAL_MIB} | {:.0} |",
        before / 1024,
        peak / 1024,
        megabytes / seconds
    );
}

#[expect(clippy::disallowed_methods, reason = "a bench measures")]
fn start_of_time() -> Instant {
    Instant::now()
}

async fn upload(node: &Node, chunks: usize) {
    send(node.url("/api/internal/upload"), chunks).await;
}

async fn send(url: String, chunks: usize) {
    let chunk = Bytes::from(vec![0x5a; CHUNK]);
    let head = stream::once(async { Ok(Bytes::from_static(edge_node::picture_head())) });
    let rest = stream::repeat(chunk).take(chunks).map(Ok::<_, std::io::Error>);
    let file = reqwest::multipart::Part::stream(reqwest::Body::wrap_stream(head.chain(rest)));
    let form = reqwest::multipart::Form::new().part("file", file.file_name("large.png"));
    let client = reqwest::Client::builder().timeout(Duration::from_secs(600)).build().expect("a client");
    let response = client.post(url).bearer_auth(edge_node::token()).multipart(form).send().await.expect("an answer");
    let status = response.status();
    assert!(status.is_success(), "{status}: {}", response.text().await.unwrap_or_default());
}
