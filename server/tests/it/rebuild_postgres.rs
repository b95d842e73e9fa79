//! `server rebuild` where the books are in PostgreSQL, with the programs themselves: the database is gone, an empty one is
//! given instead.

use std::{collections::HashMap, time::Duration};

use pixelfox_proto::{Claims, Via, v1::ListPoolsRequest};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::{
    backup::ready,
    harness::{PATIENCE, admin_at, http_client, png},
    postgres,
    processes::{move_and_wait, upload, wait_until_healthy, wait_until_online},
    programs::{ADMIN_TOKEN, Running, TOKEN_SECRET, environment, free_ports},
};

/// `server` with these words, on this database.
fn start(words: &[&str], database: &str, ports: [u16; 2], folder: &TempDir) -> Running {
    let mut variables = environment("local", ports[0], ports[0], folder.path());
    variables.extend([("DATABASE_URL", database.to_owned()), ("AUTO_POOLS", "1".to_owned())]);
    Running::start("server", words, &variables, folder.path())
}

async fn rebuild(words: &[&str], database: &str, ports: [u16; 2], folder: &TempDir) -> (bool, String) {
    let mut program = start(&[&["rebuild"], words].concat(), database, ports, folder);
    let ended = timeout(2 * PATIENCE, program.ended()).await.expect("the rebuild does not end");
    (ended.success(), program.rest().await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_postgresql_is_made_again_from_the_pools() {
    // One picture with the server, one that was moved to s01. The new database has both with their links, their users and
    // the pools' numbers; the old one, which was never gone in truth, is refused: it is in use. Then life goes on.
    let (folder, ports) = (TempDir::new().unwrap(), free_ports());
    let [app, s01] = ports.map(|port| format!("127.0.0.1:{port}"));
    let (old, new) = (postgres::database().await, postgres::database().await);
    let node: HashMap<_, _> = environment("s01", ports[1], ports[0], folder.path());
    let node = Running::start("node-agent", &[], &node, folder.path());
    let server = start(&[], &old, ports, &folder);
    ready(&app).await;
    let mut admin = admin_at(&app, ADMIN_TOKEN);
    wait_until_online(&mut admin, "s01").await;
    let pools = admin.list_pools(ListPoolsRequest {}).await.unwrap().into_inner().pools;
    let [own, other] = ["local", "s01"].map(|node| pools.iter().find(|pool| pool.node_id == node).unwrap().id);
    wait_until_healthy(&mut admin, other).await;
    let token = |user_id| {
        let exp = pixelfox_node::clock::unix_seconds() + 600;
        let via = Some(Via::App);
        let claims = Claims { user_id, pool_id: own, max_bytes: 1 << 20, exp, via, visitor: None, settings: None };
        claims.mint(TOKEN_SECRET.as_bytes())
    };
    let stays = upload(&app, &token(7), png(1, 2_000)).await;
    let moved = upload(&app, &token(7), png(2, 2_000)).await;
    move_and_wait(&mut admin, moved["image_uuid"].as_str().unwrap(), other).await;
    server.kill().await;

    let (is_well, said) = rebuild(&["--nodes", "s01"], &old, ports, &folder).await;
    assert!(!is_well && said.contains("--add"), "{said}");
    let (is_well, said) = rebuild(&["--nodes", "s01"], &new, ports, &folder).await;
    assert!(is_well && said.contains("2 images"), "{said}");
    let server = start(&[], &new, ports, &folder);
    ready(&app).await;
    let mut admin = admin_at(&app, ADMIN_TOKEN);
    wait_until_online(&mut admin, "s01").await;
    wait_until_healthy(&mut admin, other).await;
    for (answer, seed) in [(&stays, 1), (&moved, 2)] {
        let path = answer["url"].as_str().unwrap().split("/uploads/").nth(1).unwrap();
        let file = http_client().get(format!("http://{app}/uploads/{path}")).send().await.unwrap();
        let file = match file.headers().get("location") {
            Some(there) => http_client().get(there.to_str().unwrap()).send().await.unwrap(),
            None => file,
        };
        assert_eq!((file.status().as_u16(), file.bytes().await.unwrap().to_vec()), (200, png(seed, 2_000)), "{path}");
        let page = format!("http://{app}{}", answer["view_url"].as_str().unwrap());
        assert_eq!(http_client().get(page).send().await.unwrap().status(), 200, "{path}");
    }
    // The same user's same picture is known; and a move back finds what the old books left.
    let again: Value = upload(&app, &token(7), png(1, 2_000)).await;
    assert_eq!((&again["image_uuid"], again["duplicate"].as_bool()), (&stays["image_uuid"], Some(true)), "{s01}");
    move_and_wait(&mut admin, moved["image_uuid"].as_str().unwrap(), own).await;
    tokio::time::timeout(Duration::from_secs(60), node.stop()).await.unwrap();
    server.stop().await;
}
