//! `PUT /api/internal/replicate` as older nodes, scripts and broken clients send it.

use std::{fs, os::unix::fs::symlink, time::Duration};

use pixelfox_node::pools::NodeSettings;
use reqwest::multipart::{Form, Part};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::edge_rig::{Node, PHOTO, SECRET, Spec, WITHIN, answer, hex, large_png, read_to_end};

const PATH: &str = "original/2025/08/31/test.jpg";

fn file(bytes: &[u8]) -> Part {
    Part::bytes(bytes.to_vec()).file_name("test.jpg")
}

#[tokio::test]
async fn fields_come_in_any_order() {
    // Every order of the four fields; the file before its pool goes to the roomiest one and moves on to the named one.
    let node = Node::with(Spec { pools: vec![1, 2], ..Spec::default() }).await;
    let bytes = large_png(600_000, 1);
    let mut orders = vec![vec!["pool_id", "stored_path", "sha256", "file"]];
    for _ in 0..3 {
        let rotated = orders.iter().map(|order| [&order[1..], &order[..1]].concat()).collect::<Vec<_>>();
        orders.extend(rotated);
        orders.dedup();
    }
    orders.push(vec!["file", "sha256", "stored_path", "pool_id"]);
    for (number, order) in orders.iter().enumerate() {
        let pool = 1 + number as u64 % 2;
        let path = format!("original/2025/{number}.jpg");
        let form = order.iter().fold(Form::new(), |form, name| match *name {
            "pool_id" => form.text("pool_id", pool.to_string()),
            "stored_path" => form.text("stored_path", path.clone()),
            "sha256" => form.text("sha256", hex(&bytes)),
            _ => form.part("file", file(&bytes)),
        });
        assert_eq!(node.replicate(form).await, (200, json!({ "status": "ok" })), "{order:?}");
        assert!(node.files(pool)[&path] == bytes, "{order:?}");
        assert!(!node.files(3 - pool).contains_key(&path), "{order:?}");
    }
    for pool in [1, 2] {
        assert!(node.files(pool).keys().all(|name| name.starts_with("original/")), "no temp file is left");
    }
    node.stop().await;
}

#[tokio::test]
async fn what_older_nodes_write_is_understood() {
    // Their own pool id, the path in two halves with slashes and dots, sizes that are none, an empty digest.
    let settings = NodeSettings { require_checksum: false, ..NodeSettings::default() };
    let node = Node::with(Spec { settings, ..Spec::default() }).await;
    for (number, (halves, size)) in
        [(("/original//2025/./08/", "a.jpg"), "-1"), (("original/2025/08", " b.jpg "), "x")].into_iter().enumerate()
    {
        let form = Form::new()
            .text("pool_id", "101")
            .text("relative_path", halves.0)
            .text("file_name", halves.1)
            .text("size", size)
            .part("file", file(PHOTO))
            .text("sha256", "");
        assert_eq!(node.replicate(form).await, (200, json!({ "status": "ok" })));
        assert_eq!(node.files(1).len(), number + 1);
    }
    assert!(
        node.files(1).contains_key("original/2025/08/a.jpg") && node.files(1).contains_key("original/2025/08/b.jpg")
    );
    node.stop().await;
}

#[tokio::test]
async fn an_empty_variant_is_stored_when_its_digest_is_right() {
    let node = Node::start().await;
    for (path, sha256, status) in [
        ("variants/webp/a.webp", hex(b""), 200),
        ("variants/webp/b.webp", hex(b"x"), 422),
        ("original/a.webp", hex(b""), 400),
    ] {
        let form = Form::new().text("pool_id", "1").text("stored_path", path).text("sha256", sha256);
        let (got, body) = node.replicate(form.part("file", file(b""))).await;
        assert_eq!(got, status, "{path}: {body}");
    }
    node.settles_at(1, 1).await;
    let got = node.get("/uploads/variants/webp/a.webp").await;
    assert_eq!((got.status().as_u16(), got.bytes().await.unwrap().len()), (200, 0));
    node.stop().await;
}

/// A request with the given body, which may be shorter than announced.
fn request(head: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "PUT /api/internal/replicate HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\
         content-type: multipart/form-data; boundary=B\r\n{head}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn form_body(fields: &[(&str, &str)], bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend(format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").into_bytes());
    }
    body.extend(b"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"t\"\r\n\r\n");
    body.extend([bytes, b"\r\n--B--\r\n"].concat());
    body
}

fn good_body() -> Vec<u8> {
    form_body(&[("pool_id", "1"), ("stored_path", PATH), ("sha256", &hex(PHOTO))], PHOTO)
}

fn secret() -> String {
    format!("authorization: Bearer {SECRET}")
}

#[tokio::test]
async fn a_chunked_body_needs_no_length() {
    let node = Node::start().await;
    let chunks = good_body().chunks(100).fold(Vec::new(), |mut all, chunk| {
        all.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        all.extend([chunk, b"\r\n"].concat());
        all
    });
    let head = format!(
        "PUT /api/internal/replicate HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\
         content-type: multipart/form-data; boundary=B\r\n{}\r\n\r\n",
        secret()
    );
    let answer = node.raw(&[head.as_bytes(), &chunks, b"0\r\n\r\n"].concat()).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("{\"status\":\"ok\"}\n"), "{answer}");
    node.stop().await;
}

#[tokio::test]
async fn a_body_that_is_cut_short_or_has_another_boundary_leaves_nothing() {
    let node = Node::start().await;
    let body = good_body();
    let wrong = String::from_utf8_lossy(&body).replace("--B", "--C").into_bytes();
    for (why, bytes) in [
        ("cut in the file", request(&secret(), body.len(), &body[..body.len() - 100])),
        ("cut in a field", request(&secret(), body.len(), &body[..90])),
        ("ended in the file", request(&secret(), body.len() - 100, &body[..body.len() - 100])),
        ("another boundary", request(&secret(), wrong.len(), &wrong)),
        ("two files", {
            let first = form_body(&[("pool_id", "1")], PHOTO);
            let both = [&first[..first.len() - 7], b"\r\n", &body].concat();
            request(&secret(), both.len(), &both)
        }),
    ] {
        let answer = node.raw_and_no_more(&bytes).await;
        let refused = "{\"error\":\"bad_request\",\"message\":\"invalid multipart form\"}\n";
        assert!(answer.ends_with(refused), "{why}: {answer}");
        node.settles_at(1, 0).await;
    }
    node.stop().await;
}

#[tokio::test]
async fn a_sender_that_waits_is_told_only_behind_the_secret() {
    // Expect: 100-continue. With the secret comes 100 and then the answer; without it 401 at once, and no byte is sent.
    let node = Node::start().await;
    let body = good_body();
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    stream.write_all(&request(&format!("{}\r\nexpect: 100-continue", secret()), body.len(), b"")).await.unwrap();
    let mut first = [0; 25];
    timeout(WITHIN, stream.read_exact(&mut first)).await.unwrap().unwrap();
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&body).await.unwrap();
    assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 200"));
    let refused = node.raw(&request("expect: 100-continue", body.len(), b"")).await;
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    node.stop().await;
}

#[tokio::test]
async fn an_early_refusal_reaches_a_sender_that_sends_on() {
    // 7 MiB are on their way when the answer is known: they are read, so that the answer comes and no reset.
    let node = Node::start().await;
    let bytes = large_png(7 << 20, 3);
    let body = form_body(&[("pool_id", "77"), ("stored_path", PATH), ("sha256", &hex(&bytes))], &bytes);
    for (why, head, status) in [("no secret", "x-a: b".to_owned(), 401), ("no such pool", secret(), 421)] {
        let answer = node.raw(&request(&head, body.len(), &body)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{why}: {answer}");
    }
    node.settles_at(1, 0).await;
    node.stop().await;
}

#[tokio::test]
async fn a_field_of_a_gigabyte_is_refused_and_not_held() {
    // The field is sent from a 1 MiB buffer for as long as the node reads: it stops after the drain's 8 MiB.
    let node = Node::start().await;
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    let start = b"--B\r\nContent-Disposition: form-data; name=\"pool_id\"\r\n\r\n";
    stream.write_all(&request(&secret(), 1 << 30, start)).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let mut answer = Vec::new();
    let megabyte = vec![b'1'; 1 << 20];
    let sending = async {
        for sent in 1..1024 {
            if writing.write_all(&megabyte).await.is_err() {
                return sent;
            }
        }
        1024
    };
    let hearing = async { drop(reading.read_to_end(&mut answer).await) };
    let (sent, ()) = timeout(WITHIN, async { tokio::join!(sending, hearing) }).await.unwrap();
    assert!(sent < 64, "{sent} MiB were taken");
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("HTTP/1.1 400") && answer.contains("invalid multipart form"), "{answer}");
    node.stop().await;
}

#[tokio::test]
async fn a_content_type_with_two_boundaries_does_not_hang() {
    let node = Node::start().await;
    let request = node.client.put(node.url("/api/internal/replicate")).bearer_auth(SECRET);
    let request = request.header("content-type", "multipart/form-data; boundary=A; boundary=B").body(good_body());
    let response = timeout(Duration::from_secs(5), request.send()).await.unwrap().unwrap();
    assert_eq!(answer(response).await.1["message"], "invalid multipart form");
    node.stop().await;
}

#[tokio::test]
async fn a_client_that_vanishes_leaves_nothing() {
    let node = Node::start().await;
    let bytes = large_png(3 << 20, 4);
    let body = form_body(&[("pool_id", "1"), ("stored_path", PATH), ("sha256", &hex(&bytes))], &bytes);
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    stream.write_all(&request(&secret(), body.len(), &body[..2 << 20])).await.unwrap();
    node.settles_at(1, 1).await; // the temp file
    drop(stream);
    node.settles_at(1, 0).await;
    node.stop().await;
}

#[tokio::test]
async fn links_and_files_in_the_way_are_no_way_out() {
    // A link out of the pool in the middle and at the end of the path, a file where a directory must be: refused, and
    // what the links lead to is untouched.
    let node = Node::start().await;
    let original = node.pool_dir(1).join("original");
    fs::create_dir_all(&original).unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("target"), "untouched").unwrap();
    symlink(outside.path(), original.join("dir")).unwrap();
    symlink(outside.path().join("target"), original.join("link.jpg")).unwrap();
    fs::write(original.join("plain"), "a file").unwrap();
    let before = node.files(1);
    for path in ["original/dir/a.jpg", "original/link.jpg", "original/plain/a.jpg"] {
        let form = Form::new().text("pool_id", "1").text("stored_path", path).text("sha256", hex(PHOTO));
        let (status, body) = node.replicate(form.part("file", file(PHOTO))).await;
        assert_eq!((status, &body["error"]), (409, &json!("conflict")), "{path}: {body}");
        node.settles_at(1, before.len()).await;
    }
    assert_eq!(node.files(1), before);
    assert_eq!(fs::read_to_string(outside.path().join("target")).unwrap(), "untouched");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    node.stop().await;
}
