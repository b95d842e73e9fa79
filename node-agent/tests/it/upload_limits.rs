//! How many uploads a node takes: by user, by address, behind a trusted proxy, and by word of the app that has counted;
//! and how many of one address at once whose token is still to come.

use pixelfox_node::{clock, pools::NodeSettings, proxies::Proxies};
use pixelfox_proto::{Claims, Via};
use reqwest::multipart::{Form, Part};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::edge_rig::{Node, PNG, Spec, TOKEN_SECRET};

fn token(user_id: u64, via: Option<Via>) -> String {
    let exp = clock::unix_seconds() + 60;
    Claims { user_id, pool_id: 1, max_bytes: 1 << 20, exp, via, visitor: None, settings: None }
        .mint(TOKEN_SECRET.as_bytes())
}

/// An upload with `token`, before or behind the file, said to come from `client`.
async fn upload(node: &Node, token: &str, is_behind: bool, client: &str) -> (u16, String) {
    let request = node.client.post(node.url("/api/v1/upload")).header("x-forwarded-for", client.to_owned());
    let file = Form::new().part("file", Part::bytes(PNG).file_name("a.png"));
    let request = match is_behind {
        true => request.multipart(file.text("token", token.to_owned())),
        false => request.bearer_auth(token).multipart(file),
    };
    let answer = request.send().await.unwrap();
    let scope = answer.headers().get("x-rate-limit-scope").map(|scope| scope.to_str().unwrap().to_owned());
    (answer.status().as_u16(), scope.unwrap_or_default())
}

async fn node(proxies: &str) -> Node {
    let settings = NodeSettings { rate_limit_per_ip: 2, rate_limit_per_user: 2, ..NodeSettings::default() };
    Node::with(Spec { settings, proxies: Proxies::parse(proxies).unwrap(), ..Spec::default() }).await
}

#[tokio::test]
async fn one_more_than_the_limit_is_refused_wherever_its_token_stands() {
    let node = node("").await;
    for (user, scope) in [(0, "ip"), (5, "user")] {
        for is_behind in [false, true] {
            assert_eq!(upload(&node, &token(user, None), is_behind, "").await.0, 200);
        }
        for is_behind in [false, true] {
            assert_eq!(upload(&node, &token(user, None), is_behind, "").await, (429, scope.to_owned()));
        }
        assert_eq!(upload(&node, &token(user, Some(Via::App)), false, "").await.0, 200, "the app has counted");
    }
    node.settles_at(1, 6).await; // what was refused left nothing
    node.stop().await;
}

#[tokio::test]
async fn an_address_counts_as_a_trusted_proxy_says_it_and_nobody_else() {
    let (trusting, other) = (node("127.0.0.0/8").await, node("10.0.0.0/8").await);
    for client in ["203.0.113.1", "203.0.113.2"] {
        assert_eq!(upload(&trusting, &token(0, None), false, client).await.0, 200);
        assert_eq!(upload(&trusting, &token(0, None), false, &format!("1.2.3.4, {client}")).await.0, 200);
        assert_eq!(upload(&trusting, &token(0, None), false, client).await.0, 429, "{client}");
    }
    for (client, status) in [("203.0.113.1", 200), ("203.0.113.2", 200), ("203.0.113.3", 429)] {
        assert_eq!(upload(&other, &token(0, None), false, client).await.0, status);
    }
    trusting.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn one_address_does_not_keep_others_out_that_have_no_token_yet() {
    // As many senders as there are turns stall in the middle of their files, all of one address: they have one turn.
    let node = node("127.0.0.0/8").await;
    let head = "POST /api/v1/upload HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 203.0.113.1\r\n\
        content-type: multipart/form-data; boundary=B\r\ncontent-length: 4000000\r\n\r\n\
        --B\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n";
    let mut stalled = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(node.address).await.unwrap();
        stream.write_all(&[head.as_bytes(), PNG].concat()).await.unwrap();
        stalled.push(stream);
    }
    node.settles_at(1, 1).await;
    assert_eq!(upload(&node, &token(0, None), true, "203.0.113.2").await.0, 200);
    drop(stalled);
    node.settles_at(1, 1).await; // the picture
    node.stop().await;
}
