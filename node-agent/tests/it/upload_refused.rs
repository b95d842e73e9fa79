//! `POST /api/internal/upload`: every refusal is one clear error, and nothing on disk or on record changes.

use pixelfox_node::{
    clock,
    pools::{NodeSettings, Source},
    secret::Secrets,
};
use pixelfox_proto::Claims;
use reqwest::multipart::{Form, Part};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::edge_rig::{Node, PHOTO, PNG, Spec, TOKEN_SECRET, WITHIN, answer, large_png};

async fn nothing_came_of_it(node: &Node) {
    node.settles_at(1, 0).await;
    assert!(node.coordinator.commits().is_empty());
}

#[tokio::test]
async fn what_is_no_picture_is_refused() {
    // By content, whatever the name says, and with the token before or after the file.
    let node = Node::start().await;
    let gif_page = b"GIF89a<html><script>alert(1)</script></html>".to_vec();
    for (why, name, bytes, status, error) in [
        ("svg", "a.svg", b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec(), 415, "unsupported_media_type"),
        ("svg with a declaration", "a.png", b"<?xml version=\"1.0\"?><svg/>".to_vec(), 415, "unsupported_media_type"),
        ("html", "a.jpg", b"<!DOCTYPE html><html></html>".repeat(100), 415, "unsupported_media_type"),
        ("text named .jpg", "photo.jpg", b"hello".to_vec(), 415, "unsupported_media_type"),
        ("a polyglot", "a.gif", gif_page, 415, "unsupported_media_type"),
        ("half a picture's head", "a.png", PNG[..20].to_vec(), 415, "unsupported_media_type"),
        ("a pdf", "a.jpg", b"%PDF-1.7 and so on".to_vec(), 415, "unsupported_media_type"),
        ("empty", "a.jpg", Vec::new(), 400, "bad_request"),
        ("too large for the token", "a.png", large_png(5_000, 1), 413, "payload_too_large"),
        ("far too large for the token", "a.png", large_png(7 << 20, 1), 413, "payload_too_large"),
    ] {
        let token = Node::token(1, 4_000);
        let (got, body) = node.upload(&token, name, bytes.clone()).await;
        assert_eq!((got, body["error"].as_str()), (status, Some(error)), "{why}: {body}");
        nothing_came_of_it(&node).await;
        let after = Form::new().part("file", Part::bytes(bytes).file_name(name)).text("token", token);
        let request = node.client.post(node.url("/api/v1/upload")).multipart(after);
        let (got, body) = answer(request.send().await.unwrap()).await;
        assert_eq!((got, body["error"].as_str()), (status, Some(error)), "{why}, token last: {body}");
        nothing_came_of_it(&node).await;
    }
    node.stop().await;
}

#[tokio::test]
async fn a_bad_token_is_refused_wherever_it_stands() {
    let node = Node::start().await;
    let now = clock::unix_seconds();
    let claims =
        Claims { user_id: 1, pool_id: 1, max_bytes: 1 << 20, exp: now + 60, via: None, visitor: None, settings: None };
    let mint = |claims: Claims| claims.mint(TOKEN_SECRET.as_bytes());
    let good = mint(claims);
    let forged = good.replacen('.', "x.", 1);
    for (why, token, status, message) in [
        ("none", String::new(), 401, "missing token"),
        ("expired", mint(Claims { exp: now - 1, ..claims }), 401, "invalid token"),
        ("of another secret", claims.mint(b"another secret of this test"), 401, "invalid token"),
        ("forged", forged, 401, "invalid token"),
        ("nonsense", "abc".to_owned(), 401, "invalid token"),
        ("for no pool", mint(Claims { pool_id: 0, ..claims }), 400, "invalid pool"),
        ("for a pool of another node", mint(Claims { pool_id: 9, ..claims }), 421, "pool 9 is on node s09"),
        ("for an unknown pool", mint(Claims { pool_id: 7, ..claims }), 421, "no pool 7 in this cluster"),
        ("for fewer bytes", mint(Claims { max_bytes: 310, ..claims }), 413, "the file is larger than 310 bytes"),
    ] {
        let file = || Part::bytes(PHOTO).file_name("a.jpg");
        let request = || node.client.post(node.url("/api/internal/upload"));
        let bearer = request().bearer_auth(&token).multipart(Form::new().part("file", file()));
        let before = request().multipart(Form::new().text("token", token.clone()).part("file", file()));
        let after = request().multipart(Form::new().part("file", file()).text("token", token.clone()));
        for (place, request) in [("as bearer", bearer), ("before the file", before), ("after the file", after)] {
            let (got, body) = answer(request.send().await.unwrap()).await;
            assert_eq!((got, body["message"].as_str()), (status, Some(message)), "{why}, {place}");
            nothing_came_of_it(&node).await;
        }
    }
    let no_token = node.client.post(node.url("/api/internal/upload"));
    let form = Form::new().part("file", Part::bytes(b"no picture".to_vec()));
    let (status, body) = answer(no_token.multipart(form).send().await.unwrap()).await;
    assert_eq!((status, body["message"].as_str()), (401, Some("missing token")), "before the file's own fault");
    node.stop().await;
    let closed = Node::with(Spec { secrets: Secrets::default(), ..Spec::default() }).await;
    assert_eq!(closed.upload(&good, "a.jpg", PHOTO.to_vec()).await.0, 401);
    closed.stop().await;
}

#[tokio::test]
async fn a_picture_in_another_field_is_told_which_one_is_wanted() {
    // As `curl -F image=@picture.png` sends it, of any size.
    let node = Node::start().await;
    for size in [1_000, 200_000] {
        let form = Form::new().part("image", Part::bytes(large_png(size, 1)).file_name("a.png"));
        let request = node.client.post(node.url("/api/internal/upload")).bearer_auth(Node::token(1, 1 << 20));
        let (status, body) = answer(request.multipart(form).send().await.unwrap()).await;
        assert_eq!((status, body["message"].as_str()), (400, Some("file missing")), "{body}");
        let hint = body["hint"].as_str().unwrap();
        assert!(hint.contains("`image`") && hint.contains("`file`"), "{hint}");
        nothing_came_of_it(&node).await;
    }
    node.stop().await;
}

#[tokio::test]
async fn a_form_without_a_file_or_that_is_none_is_refused() {
    let node = Node::start().await;
    let token = Node::token(1, 1 << 20);
    let post = || node.client.post(node.url("/api/internal/upload")).bearer_auth(&token);
    let two = Form::new().part("file", Part::bytes(PHOTO)).part("file", Part::bytes(PHOTO));
    for (why, request, message) in [
        ("no file", post().multipart(Form::new().text("other", "x")), "file missing"),
        ("two files", post().multipart(two), "invalid multipart form"),
        ("no form", post().body("x"), "invalid multipart form"),
        ("json", post().header("content-type", "application/json").body("{}"), "invalid multipart form"),
        (
            "two boundaries",
            post().header("content-type", "multipart/form-data; boundary=A; boundary=B").body("--A--"),
            "invalid multipart form",
        ),
        ("a long field", post().multipart(Form::new().text("token", "x".repeat(100_000))), "invalid multipart form"),
    ] {
        let (status, body) = answer(request.send().await.unwrap()).await;
        assert_eq!((status, body["message"].as_str()), (400, Some(message)), "{why}");
        nothing_came_of_it(&node).await;
    }
    node.stop().await;
}

#[tokio::test]
async fn the_setting_limits_uploads_whatever_the_token_says() {
    // Also before a byte of the body is read: a length beyond all limits is refused by its announcement.
    let settings = NodeSettings { upload_max_bytes: 1_000, ..NodeSettings::default() };
    let node = Node::with(Spec { settings, ..Spec::default() }).await;
    let token = Node::token(1, 1 << 40);
    assert_eq!(node.upload(&token, "a.png", large_png(1_001, 1)).await.0, 413);
    let announced = format!(
        "POST /api/v1/upload HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
         content-type: multipart/form-data; boundary=B\r\ncontent-length: 99999999\r\n\r\n"
    );
    assert!(node.raw_and_no_more(announced.as_bytes()).await.starts_with("HTTP/1.1 413"));
    nothing_came_of_it(&node).await;
    assert_eq!(node.upload(&token, "a.png", large_png(1_000, 1)).await.0, 200);
    node.stop().await;
}

#[tokio::test]
async fn a_wrong_type_is_refused_before_its_gigabytes() {
    // A gigabyte is announced and 64 KiB of text are sent: the answer comes without the rest.
    let node = Node::start().await;
    let token = Node::token(1, 2 << 30);
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    let head = format!(
        "POST /api/v1/upload HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
         content-type: multipart/form-data; boundary=B\r\ncontent-length: 400000000\r\n\r\n\
         --B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b'x'; 64 << 10]).await.unwrap();
    let mut answer = vec![0; 12];
    timeout(WITHIN, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, b"HTTP/1.1 415");
    nothing_came_of_it(&node).await;
    node.stop().await;
}

#[tokio::test]
async fn a_node_that_can_not_take_anything_says_why() {
    let silent = Node::with(Spec { source: None, ..Spec::default() }).await;
    assert_eq!(silent.upload(&Node::token(1, 1 << 20), "a.jpg", PHOTO.to_vec()).await.0, 503);
    silent.welcome(Source::Coordinator).await;
    assert_eq!(silent.upload(&Node::token(1, 1 << 20), "a.jpg", PHOTO.to_vec()).await.0, 200);
    silent.stop().await;
    let full = Node::with(Spec { tell: |told| told.is_active = false, ..Spec::default() }).await;
    let (status, body) = full.upload(&Node::token(1, 1 << 20), "a.jpg", PHOTO.to_vec()).await;
    assert_eq!((status, body["error"].as_str()), (507, Some("insufficient_storage")));
    nothing_came_of_it(&full).await;
    full.stop().await;
}

#[tokio::test]
async fn a_client_that_vanishes_in_the_middle_leaves_nothing() {
    let node = Node::start().await;
    let token = Node::token(1, 1 << 30);
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    let head = format!(
        "POST /api/v1/upload HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-type: multipart/form-data; boundary=B\r\ncontent-length: 4000000\r\n\r\n\
         --B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&large_png(2 << 20, 1)).await.unwrap();
    node.settles_at(1, 1).await; // the temp file
    drop(stream);
    nothing_came_of_it(&node).await;
    node.stop().await;
}

#[tokio::test]
async fn few_senders_without_a_token_are_heard_at_once() {
    // Four strangers stall in the middle of their files; a fifth waits until one of them goes, while a sender with a
    // token is not held up.
    let node = Node::start().await;
    let head = "POST /api/v1/upload HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=B\r\n\
        content-length: 4000000\r\n\r\n--B\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n";
    let mut strangers = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(node.address).await.unwrap();
        stream.write_all(&[head.as_bytes(), PNG].concat()).await.unwrap();
        strangers.push(stream);
    }
    node.settles_at(1, 4).await;
    let token = Node::token(1, 1 << 20);
    let form = Form::new().part("file", Part::bytes(PHOTO)).text("token", token.clone());
    let mut fifth = Box::pin(node.client.post(node.url("/api/v1/upload")).multipart(form).send());
    tokio::select! {
        early = &mut fifth => panic!("not its turn: {early:?}"),
        (status, body) = node.upload(&token, "a.png", PNG.to_vec()) => assert_eq!(status, 200, "{body}"),
    }
    drop(strangers.pop());
    let response = timeout(WITHIN, fifth).await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    drop(strangers);
    node.settles_at(1, 2).await;
    node.stop().await;
}

#[tokio::test]
async fn a_small_picture_gets_into_the_last_bytes_of_a_pool() {
    // Room for less than an upload of unknown size sets aside at first: what is really needed counts.
    let tell: fn(&mut pixelfox_node::pools::NodePool) = |told| told.max_size = 3 << 20;
    let node = Node::with(Spec { tell, ..Spec::default() }).await;
    let (status, body) = node.upload(&Node::token(1, 1 << 30), "a.jpg", PHOTO.to_vec()).await;
    assert_eq!(status, 200, "{body}");
    let (status, body) = node.upload(&Node::token(1, 1 << 30), "b.png", large_png(2 << 20, 1)).await;
    assert_eq!(status, 200, "{body}");
    let (status, body) = node.upload(&Node::token(1, 1 << 30), "c.png", large_png(2 << 20, 2)).await;
    assert_eq!((status, body["message"].as_str()), (507, Some("insufficient capacity")));
    // What the refused one had set aside is room again: 3 MiB without the two pictures.
    let hint = body["hint"].as_str().unwrap();
    assert!(hint.contains("has room for 1.0 MB") && hint.contains("its max_size is 3 MiB"), "{hint}");
    node.stop().await;
}
