//! `GET|HEAD /uploads/…`: what a file of this node's pools looks like from outside.

use std::{fs, os::unix::fs::symlink};

use crate::edge_rig::{Node, PHOTO, Spec, answer, hex, large_png};

fn header<'a>(response: &'a reqwest::Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn stored(node: &Node, bytes: Vec<u8>) -> String {
    let (status, body) = node.upload(&Node::token(1, 1 << 30), "a.png", bytes).await;
    assert_eq!(status, 200, "{body}");
    let url = body["url"].as_str().unwrap().to_owned();
    url[url.find("/uploads/").unwrap()..].to_owned()
}

#[tokio::test]
async fn a_file_is_served_with_every_header_of_the_contract() {
    // An uploaded photo is asked for by GET and HEAD; both have the same headers, only GET has the bytes.
    let node = Node::start().await;
    let path = stored(&node, PHOTO.to_vec()).await;
    let got = node.get(&path).await;
    let etag = format!("\"{}\"", hex(PHOTO));
    for (name, want) in [
        ("content-type", "image/jpeg"),
        ("content-length", "311"),
        ("etag", etag.as_str()),
        ("accept-ranges", "bytes"),
        ("cache-control", "public, max-age=31536000, immutable"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; sandbox"),
    ] {
        assert_eq!(header(&got, name), want, "{name}");
    }
    assert!(header(&got, "last-modified").ends_with(" GMT"));
    let mut headers = got.headers().clone();
    assert_eq!(got.bytes().await.unwrap(), PHOTO);
    let head = node.client.head(node.url(&path)).send().await.unwrap();
    let mut of_head = head.headers().clone();
    assert_eq!(head.status(), 200);
    for all in [&mut headers, &mut of_head] {
        all.remove("date");
    }
    assert_eq!(headers, of_head);
    assert!(head.bytes().await.unwrap().is_empty());
    node.stop().await;
}

#[tokio::test]
async fn ranges_and_validators_work_on_the_wire() {
    let node = Node::start().await;
    let path = stored(&node, PHOTO.to_vec()).await;
    let etag = format!("\"{}\"", hex(PHOTO));
    let modified = header(&node.get(&path).await, "last-modified").to_owned();
    for (why, lines, status, content_range, body) in [
        ("a part", vec![("range", "bytes=2-5")], 206, "bytes 2-5/311", &PHOTO[2..6]),
        ("the end", vec![("range", "bytes=-3")], 206, "bytes 308-310/311", &PHOTO[308..]),
        ("behind the end", vec![("range", "bytes=311-")], 416, "bytes */311", &[]),
        ("several", vec![("range", "bytes=0-1,3-4")], 200, "", PHOTO),
        ("If-Range fits", vec![("range", "bytes=0-0"), ("if-range", &etag)], 206, "bytes 0-0/311", &PHOTO[..1]),
        ("If-Range does not", vec![("range", "bytes=0-0"), ("if-range", "\"x\"")], 200, "", PHOTO),
        ("the tag", vec![("if-none-match", &etag)], 304, "", &[]),
        ("another tag", vec![("if-none-match", "\"x\"")], 200, "", PHOTO),
        ("the date", vec![("if-modified-since", &modified)], 304, "", &[]),
    ] {
        let mut request = node.client.get(node.url(&path));
        for (name, value) in lines {
            request = request.header(name, value);
        }
        let got = request.send().await.unwrap();
        assert_eq!((got.status().as_u16(), header(&got, "content-range")), (status, content_range), "{why}");
        if status == 416 {
            assert_eq!(header(&got, "cache-control"), "no-store", "{why}: a refusal is not for a year");
            let (_, body) = answer(got).await;
            assert_eq!(body["error"], "range_not_satisfiable", "{why}");
            assert!(body["message"].as_str().unwrap().contains("311 bytes"), "{why}: {body}");
            continue;
        }
        assert_eq!(header(&got, "etag"), etag, "{why}");
        assert_eq!(got.bytes().await.unwrap(), body, "{why}");
    }
    node.stop().await;
}

#[tokio::test]
async fn large_files_come_whole_from_a_data_worker_and_from_elsewhere() {
    // Connections whose first request is not for /uploads live on the control runtime and get the file's chunks
    // through a queue; the others read it themselves. Sizes around the chunk, and ranges across its edges.
    let node = Node::start().await;
    for size in [(256 << 10) - 1, 256 << 10, (256 << 10) + 1, (3 << 20) + 7] {
        let bytes = large_png(size, size as u64);
        let path = stored(&node, bytes.clone()).await;
        let fresh = reqwest::Client::new();
        let elsewhere = reqwest::Client::new();
        elsewhere.get(node.url("/healthz")).send().await.unwrap().bytes().await.unwrap();
        for client in [&fresh, &elsewhere] {
            assert!(client.get(node.url(&path)).send().await.unwrap().bytes().await.unwrap() == bytes, "{size}");
            let range = client.get(node.url(&path)).header("range", "bytes=200000-262150").send().await.unwrap();
            let end = size.min(262_151);
            assert!(range.bytes().await.unwrap() == bytes[200_000..end], "{size}");
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn a_file_without_a_record_is_served_by_its_content() {
    // Copied in by hand: no mark, so the tag is weak and the type is what the bytes are, never a page.
    let node = Node::with(Spec { pools: vec![1, 2], ..Spec::default() }).await;
    let dir = node.pool_dir(2).join("original/old");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("a.html"), PHOTO).unwrap();
    fs::write(dir.join("b.jpg"), "<script>alert(1)</script>").unwrap();
    for (name, want) in [("a.html", "image/jpeg"), ("b.jpg", "application/octet-stream")] {
        let got = node.get(&format!("/uploads/original/old/{name}")).await;
        assert_eq!((got.status().as_u16(), header(&got, "content-type")), (200, want));
        assert!(header(&got, "etag").starts_with("W/\""));
        assert_eq!(header(&got, "x-content-type-options"), "nosniff");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_file_that_does_not_fit_its_mark_is_not_to_be_kept() {
    let node = Node::start().await;
    let path = stored(&node, PHOTO.to_vec()).await;
    let file = node.pool_dir(1).join(path.strip_prefix("/uploads/").unwrap());
    fs::OpenOptions::new().write(true).open(file).unwrap().set_len(100).unwrap();
    let got = node.get(&path).await;
    assert_eq!((got.status().as_u16(), header(&got, "cache-control")), (200, "no-store"));
    assert!(header(&got, "etag").starts_with("W/"), "the digest on record is not that of these bytes");
    node.stop().await;
}

#[tokio::test]
async fn no_path_leads_out_of_the_pools() {
    // Traversal in every spelling, links planted in the pool, a directory, our own directory: 404 and nothing else.
    let node = Node::start().await;
    let original = node.pool_dir(1).join("original");
    fs::create_dir_all(original.join("dir")).unwrap();
    symlink("/etc/hostname", original.join("link.jpg")).unwrap();
    symlink("/etc", original.join("etc")).unwrap();
    let long = format!("original/{}", "a".repeat(10_000));
    for path in [
        "original/../.pixelfox/pool.json",
        "original/%2e%2e/%2e%2e/etc/hostname",
        "..%2f..%2fetc%2fhostname",
        ".pixelfox/pool.json",
        "original/link.jpg",
        "original/etc/hostname",
        "original/dir",
        "original/a%00.jpg",
        "original%5clink.jpg",
        "original/%ff",
        "original/",
        "original//a",
        "",
        &long,
    ] {
        let request = format!("GET /uploads/{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = node.raw(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        assert!(answer.contains("\"error\":\"not_found\""), "{path}: {answer}");
    }
    node.stop().await;
}
