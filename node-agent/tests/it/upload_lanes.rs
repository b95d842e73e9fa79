//! The same answers whichever way a connection came: HTTP/1.1 placed on a data worker or not, and HTTP/2.

use reqwest::multipart::{Form, Part};

use crate::edge_rig::{Node, SECRET, answer, hex, large_png};

#[tokio::test]
async fn a_connection_may_come_any_way() {
    // Three clients, one connection each: one that begins with an upload, one that asks for something else first and so
    // lives on the control runtime, and one that speaks HTTP/2. Each uploads, replicates and fetches some megabytes.
    let node = Node::start().await;
    let bytes = large_png(5 << 20, 1);
    let one = || reqwest::Client::builder().pool_max_idle_per_host(1);
    let placed = one().build().unwrap();
    let elsewhere = one().build().unwrap();
    elsewhere.get(node.url("/healthz")).send().await.unwrap().bytes().await.unwrap();
    let http2 = one().http2_prior_knowledge().build().unwrap();
    for (name, client) in [("placed", placed), ("elsewhere", elsewhere), ("http2", http2)] {
        let file = || Part::bytes(bytes.clone()).file_name("a.png");
        let form = Form::new().part("file", file());
        let request = client.post(node.url("/api/v1/upload")).bearer_auth(Node::token(1, 1 << 30)).multipart(form);
        let (status, body) = answer(request.send().await.unwrap()).await;
        assert_eq!(status, 200, "{name}: {body}");
        let stored = node.coordinator.commits().pop().unwrap().stored_path;
        let path = format!("original/by/{name}.png");
        let form = Form::new().text("pool_id", "1").text("stored_path", path.clone()).part("file", file());
        let form = form.text("sha256", hex(&bytes));
        let request = client.put(node.url("/api/internal/replicate")).bearer_auth(SECRET).multipart(form);
        let (status, body) = answer(request.send().await.unwrap()).await;
        assert_eq!(status, 200, "{name}: {body}");
        for path in [stored, path] {
            let got = client.get(node.url(&format!("/uploads/{path}"))).send().await.unwrap();
            assert!(got.bytes().await.unwrap() == bytes, "{name}: {path}");
        }
        // A refusal in the middle of a body, and the connection goes on.
        let form = Form::new().text("pool_id", "77").text("stored_path", "original/x").text("sha256", hex(&bytes));
        let request = client.put(node.url("/api/internal/replicate")).bearer_auth(SECRET);
        let (status, body) = answer(request.multipart(form.part("file", file())).send().await.unwrap()).await;
        assert_eq!(status, 421, "{name}: {body}");
    }
    node.stop().await;
}
