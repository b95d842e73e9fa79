//! `POST /upload`: pictures through the app, to whichever node has the best pool.

use std::time::Duration;

use pixelfox_proto::{
    Sha256,
    v1::{ListImagesRequest, Pool, UpdatePoolRequest},
};
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::harness::{PATIENCE, TestCluster, files_below, http_client, png};

pub(crate) fn file(bytes: Vec<u8>) -> Form {
    Form::new().part("file", Part::bytes(bytes).file_name("picture.png"))
}

/// Status and JSON of an upload through the app.
pub(crate) async fn through_app(cluster: &TestCluster, form: Form) -> (u16, Value) {
    let request = http_client().post(format!("http://{}/upload", cluster.app())).header("accept", "application/json");
    let answer = request.multipart(form).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}

/// Everything in the pools but what is theirs from the start.
pub(crate) fn all_files(cluster: &TestCluster) -> Vec<String> {
    let own = [".pixelfox/pool.json", ".pixelfox/lock", ".pixelfox/census.json"];
    let of = |pool| files_below(&cluster.pool_dir(pool)).into_iter().map(move |file| format!("{pool}: {file}"));
    (1..=3).flat_map(of).filter(|file| !own.iter().any(|own| file.ends_with(own))).collect()
}

pub(crate) async fn images(cluster: &TestCluster) -> u64 {
    cluster.admin().list_images(ListImagesRequest::default()).await.unwrap().into_inner().total
}

/// Nothing is stored and nothing on record, and what was begun is gone soon.
async fn nothing_came_of_it(cluster: &TestCluster, why: &str) {
    let gone = async {
        while !all_files(cluster).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, gone).await.is_ok(), "{why}: {:?}", all_files(cluster));
    assert_eq!(images(cluster).await, 0, "{why}");
}

pub(crate) async fn change_pool(cluster: &TestCluster, pool: Pool, field: &str) {
    let change = UpdatePoolRequest {
        pool: Some(pool),
        update_mask: Some(prost_types::FieldMask { paths: vec![field.into()] }),
        save_anyway: true,
        ..UpdatePoolRequest::default()
    };
    cluster.admin().update_pool(change).await.unwrap();
}

async fn leads_to(cluster: &TestCluster, pool: u64, address: &str) {
    let url = format!("http://{address}/api/internal/upload");
    change_pool(cluster, Pool { id: pool, upload_api_url: url, ..Pool::default() }, "upload_api_url").await;
}

async fn head_of(stream: &mut TcpStream) -> Vec<u8> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).await.unwrap();
        head.push(byte[0]);
    }
    head
}

/// A node of a test: says `word` when it has read an upload's head, then counts what it is still sent.
async fn node_that_says(word: &'static str) -> (String, JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    #[expect(clippy::disallowed_methods, reason = "the test joins it")]
    let life = tokio::spawn(async move {
        let mut stream = loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            if head_of(&mut stream).await.starts_with(b"POST ") {
                break stream;
            } // else the question who is there, from when the pool was saved
        };
        stream.write_all(word.as_bytes()).await.unwrap();
        let (mut body, mut taken) = (vec![0; 100_000], 0);
        // Some of the file itself, so that it is the middle of it.
        while taken < 50_000 {
            match stream.read(&mut body).await {
                Ok(read @ 1..) => taken += read,
                Ok(0) | Err(_) => break,
            }
        }
        taken
    });
    (address, life)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_through_the_app_lies_on_the_best_pools_node_alone() {
    // The app's own pool is the last resort: the file goes on to s01, and after that node's end to s02, then home.
    let mut cluster = TestCluster::start().await;
    for (seed, pool, stop) in [(1, 2, Some("s01")), (2, 3, Some("s02")), (3, 1, None)] {
        let bytes = png(seed, 3_000_000);
        let (status, answer) = through_app(&cluster, file(bytes.clone())).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["duplicate"], false);
        let stored: Vec<String> =
            all_files(&cluster).into_iter().filter(|name| name.contains(&uuid(&answer))).collect();
        assert_eq!(stored.len(), 1, "one copy, no temp file and no note: {stored:?}");
        assert!(stored[0].starts_with(&format!("{pool}: original/")), "{stored:?}");
        assert_eq!(cluster.image(&uuid(&answer)).await.pool_id, pool);
        assert_eq!(cluster.follow(answer["url"].as_str().unwrap()).await, (200, 0, Sha256::of(&bytes)));
        if let Some(node) = stop {
            assert!(cluster.cluster().stop_storage_node(node).await);
        }
    }
    cluster.shutdown().await;
}

fn uuid(answer: &Value) -> String {
    answer["image_uuid"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_without_a_program_behind_it_is_led_to_the_image() {
    let cluster = TestCluster::start().await;
    let request =
        http_client().post(format!("http://{}/upload", cluster.app())).header("accept", "text/html,*/*;q=0.8");
    let answer = request.multipart(file(png(1, 100))).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 303);
    let link = answer.headers()["location"].to_str().unwrap().to_owned();
    assert!(link.starts_with("/i/"), "{link}");
    assert_eq!(images(&cluster).await, 1);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_best_pool_takes_what_the_first_refuses() {
    // The first pool's node can't be reached, then says that it has no room, then does not know our secret: each time
    // before it was sent a byte of the file.
    let cluster = TestCluster::start().await;
    leads_to(&cluster, 2, "127.0.0.1:1").await;
    let (status, answer) = through_app(&cluster, file(png(1, 50_000))).await;
    assert_eq!((status, cluster.image(&uuid(&answer)).await.pool_id), (200, 3), "{answer}");
    for (seed, word) in [
        (2, "HTTP/1.1 507 Insufficient Storage\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
        (3, "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
        (4, "no HTTP at all\r\n\r\n"),
    ] {
        let (address, life) = node_that_says(word).await;
        leads_to(&cluster, 2, &address).await;
        let (status, answer) = through_app(&cluster, file(png(seed, 50_000))).await;
        assert_eq!((status, cluster.image(&uuid(&answer)).await.pool_id), (200, 3), "{word}: {answer}");
        assert_eq!(life.await.unwrap(), 0, "{word}: bytes of the file were sent");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_goes_away_in_the_middle_stores_nothing_and_the_sender_hears_of_it() {
    let cluster = TestCluster::start().await;
    let (address, life) = node_that_says("HTTP/1.1 100 Continue\r\n\r\n").await;
    leads_to(&cluster, 2, &address).await;
    let (status, answer) = through_app(&cluster, file(png(1, 5_000_000))).await;
    assert_eq!((status, answer["error"].as_str()), (503, Some("service_unavailable")), "{answer}");
    assert!(!answer.to_string().contains("s01") && !answer.to_string().contains("127.0.0.1"), "no internals: {answer}");
    assert!(life.await.unwrap() > 0);
    nothing_came_of_it(&cluster, "the node went away").await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_picture_or_no_form_is_refused_and_stored_nowhere() {
    // Once with the best pool on another node, once with the app's own alone.
    let mut cluster = TestCluster::start().await;
    for stop in [None, Some(["s01", "s02"])] {
        for node in stop.into_iter().flatten() {
            assert!(cluster.cluster().stop_storage_node(node).await);
        }
        let form = Form::new;
        let named =
            |bytes: &[u8], name: &str| form().part("file", Part::bytes(bytes.to_vec()).file_name(name.to_owned()));
        let whole = png(1, 100_000);
        for (why, form, status, message) in [
            ("no file", form().text("other", "x"), 400, "file missing"),
            ("a form without a choice", named(b"", ""), 400, "file missing"),
            ("an empty file", named(b"", "a.png"), 400, "empty file"),
            ("two files", file(whole.clone()).part("file", Part::bytes(whole.clone())), 400, "invalid multipart form"),
            ("a field without end", form().text("other", "x".repeat(100_000)), 400, "invalid multipart form"),
            ("svg", named(b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "a.png"), 415, ""),
            ("html", named(&b"<!DOCTYPE html><script>".repeat(9000), "a.jpg"), 415, ""),
            ("a gif that is a script", named(b"GIF89a=1;alert(1)//", "a.gif"), 415, ""),
            ("half a head", named(&whole[..20], "a.png"), 415, ""),
        ] {
            let (got, answer) = through_app(&cluster, form).await;
            assert_eq!(got, status, "{why}: {answer}");
            assert!(answer["message"].as_str().unwrap().contains(message), "{why}: {answer}");
            nothing_came_of_it(&cluster, why).await;
        }
        let plain = http_client().post(format!("http://{}/upload", cluster.app())).body("x");
        assert_eq!(plain.send().await.unwrap().status().as_u16(), 400);
    }
    cluster.shutdown().await;
}

/// A request whose form is cut after some of its bytes.
async fn cut_after(cluster: &TestCluster, form: &[u8], announced: usize, sent: usize) {
    let mut stream = TcpStream::connect(cluster.app()).await.unwrap();
    let head = format!(
        "POST /upload HTTP/1.1\r\nhost: x\r\naccept: application/json\r\ncontent-type: multipart/form-data; \
         boundary=B\r\ncontent-length: {announced}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&form[..sent]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_vanishes_at_any_byte_leaves_nothing() {
    let cluster = TestCluster::start().await;
    let head = b"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n";
    let form = [&head[..], &png(1, 200_000), b"\r\n--B--\r\n"].concat();
    let ends = [0, 1, 5, head.len() - 1, head.len(), head.len() + 10, form.len() / 2, form.len() - 10, form.len() - 3];
    for sent in ends {
        cut_after(&cluster, &form, form.len(), sent).await;
        nothing_came_of_it(&cluster, &format!("cut after {sent}")).await;
    }
    // A wrong Content-Length: less than there is cuts the form, more waits for bytes that never come.
    cut_after(&cluster, &form, form.len() - 100, form.len() - 100).await;
    cut_after(&cluster, &form, form.len() + 100, form.len()).await;
    nothing_came_of_it(&cluster, "a wrong length").await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_kept_as_its_owner_wrote_it() {
    // Through another node's form and back; a path is cut off, a name without end is cut, nothing is markup.
    let cluster = TestCluster::start().await;
    let long = "ä".repeat(5000);
    for (seed, (sent, want)) in [
        ("cat.png", "cat.png".to_owned()),
        ("C:\\pictures\\cat.png", "cat.png".to_owned()),
        ("../../etc/passwd", "passwd".to_owned()),
        ("\"cat\".png", "\"cat\".png".to_owned()),
        ("<b>&amp;</b>.png", "b>.png".to_owned()),
        ("🦊 und \u{202e}gnp.tac", "🦊 und \u{202e}gnp.tac".to_owned()),
        (&long, "ä".repeat(127)),
    ]
    .into_iter()
    .enumerate()
    {
        let part = Part::bytes(png(u32::try_from(seed).unwrap(), 10)).file_name(sent.to_owned());
        let (status, answer) = through_app(&cluster, Form::new().part("file", part)).await;
        assert_eq!(status, 200, "{sent}: {answer}");
        assert_eq!(cluster.image(&uuid(&answer)).await.original_name, want);
    }
    cluster.shutdown().await;
}
