//! Who is at a URL: a node asks another by its identity route, over real ports, in plain HTTP and behind TLS.

use std::net::SocketAddr;

use pixelfox_node::{
    secret::{SecretPair, Secrets},
    whois::{Found, SecretMatch, Silence, Whois},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};

use crate::{
    edge_rig::{Node, SECRET, Spec, pool_id},
    tls::Tls,
};

fn asks_with(secret: &str) -> Whois {
    Whois::new(Some(SecretPair::new(secret, None)), None)
}

fn secret_of(found: &Found) -> Option<SecretMatch> {
    match found {
        Found::Node { secret, .. } => Some(*secret),
        _ => None,
    }
}

/// A server that answers by the request's first line, once a connection.
async fn answering(answer: fn(&str) -> &'static str) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let line = String::from_utf8_lossy(&head).lines().next().unwrap().to_owned();
            stream.write_all(answer(&line).as_bytes()).await.unwrap();
        }
    });
    (address, serving)
}

#[tokio::test]
async fn a_node_says_who_it_is_and_proves_its_secret() {
    // The same secret, another one, one that is being changed on either side; and a node without any.
    let node = Node::start().await;
    let url = node.url("/api/internal/upload");
    let found = asks_with(SECRET).at(&url).await;
    let Found::Node { node_id, version, secret } = &found else { panic!("{found:?}") };
    assert_eq!((node_id.as_str(), version.as_str(), *secret), ("s01", "0.0.0-test", SecretMatch::Equal));
    assert_eq!(secret_of(&asks_with("another secret").at(&url).await), Some(SecretMatch::Different));
    let changed_here = Whois::new(Some(SecretPair::new("newer secret", Some(SECRET.into()))), None);
    assert_eq!(secret_of(&changed_here.at(&url).await), Some(SecretMatch::NotChangedYet));
    node.stop().await;

    let with = |replication| Spec { secrets: Secrets { replication, upload_token: None }, ..Spec::default() };
    let changed = Node::with(with(Some(SecretPair::new("newer secret", Some(SECRET.into()))))).await;
    let found = asks_with(SECRET).at(&changed.url("/api/internal/upload")).await;
    assert_eq!(secret_of(&found), Some(SecretMatch::AcceptedAsPrevious));
    changed.stop().await;
    let without = Node::with(with(None)).await;
    let found = asks_with(SECRET).at(&without.url("/api/internal/upload")).await;
    assert_eq!(secret_of(&found), Some(SecretMatch::NotSet));
    without.stop().await;
}

#[tokio::test]
async fn what_is_no_node_is_told_apart() {
    // An older PixelFox, a page, a closed port, something that is not HTTP, a name that nobody has, no URL at all.
    let whois = asks_with(SECRET);
    let (older, _older) = answering(|line| match line.split(' ').take(2).collect::<Vec<_>>()[..] {
        ["HEAD", "/api/internal/upload"] => "HTTP/1.1 204 No Content\r\n\r\n",
        ["GET", "/api/v1/ping"] => "HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"ping\":\"pong\"}",
        _ => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
    })
    .await;
    assert_eq!(whois.at(&format!("http://{older}/api/internal/upload")).await, Found::Older);
    let (page, _page) = answering(|_| "HTTP/1.1 301 Moved\r\nlocation: https://x/\r\ncontent-length: 0\r\n\r\n").await;
    let found = whois.at(&format!("http://{page}/")).await;
    assert_eq!(found, Found::Stranger("it answers 301 and leads to https://x/".into()));
    let (noise, _noise) = answering(|_| "SSH-2.0-OpenSSH_9.2\r\n").await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (url, want) in [
        (format!("http://{noise}/"), "gives no answer that is HTTP"),
        (format!("http://{closed}/"), "could not connect"),
        ("ftp://127.0.0.1/".to_owned(), "is no URL of a server"),
        ("nonsense".to_owned(), "is no URL of a server"),
    ] {
        let found = whois.at(&url).await;
        let Found::Nobody(Silence::NoAnswer, why) = &found else { panic!("{url}: {found:?}") };
        assert!(why.contains(want), "{url}: {why}");
    }
    assert!(whois.speaks_grpc(&format!("http://{page}/")).await.is_err(), "HTTP/1.1 alone");
}

#[tokio::test]
async fn behind_tls_only_who_is_trusted_is_believed() {
    let (node, tls) = (Node::start().await, Tls::new());
    let (url, _proxy) = tls.in_front_of(node.address).await;
    let trusting = Whois::new(Some(SecretPair::new(SECRET, None)), Some(tls.ca_file().to_owned()));
    let found = trusting.at(&format!("{url}/api/internal/upload")).await;
    assert_eq!(secret_of(&found), Some(SecretMatch::Equal), "{found:?}");
    let found = asks_with(SECRET).at(&url).await;
    let Found::Nobody(Silence::NoAnswer, why) = &found else { panic!("{found:?}") };
    assert!(why.contains("TLS"), "{why}");
    node.stop().await;
}

#[tokio::test]
async fn a_file_that_is_left_is_served_until_it_is_dropped() {
    // Under /uploads with its very bytes, kept by nobody; then 404, and no file is left in the pool.
    let node = Node::start().await;
    let left = node.pools.leave(pool_id(1)).unwrap();
    let path = format!("/uploads/{}", left.path());
    let answer = node.get(&path).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["cache-control"]), (200, &"no-store".parse().unwrap()));
    assert_eq!(answer.bytes().await.unwrap(), left.content());
    drop(left);
    assert_eq!(node.get(&path).await.status(), 404);
    node.settles_at(1, 0).await;
    node.stop().await;
}
