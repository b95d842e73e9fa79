//! `server rebuild --add`: what a restored copy of the books can't know, and of whom it tells that they did not come.

use std::collections::BTreeSet;

use pixelfox_proto::v1::DeletePoolRequest;
use tokio::time::timeout;

use crate::{
    backup::ready,
    harness::PATIENCE,
    rebuild::{Story, Trash},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_after_a_restored_copy_is_added_beside_the_running_server() {
    let mut story = Story::new();
    let (server, _s01) = (story.start(0), story.start(1));
    let pools = story.healthy(2).await;
    let pool = pools.iter().find(|pool| pool.node_id == "s01").unwrap().id;
    story.upload(1, pool, 7).await;
    let copy = story.folder.path().join("copy.db").display().to_string();
    let mut saved = story.run(&["backup", &copy]);
    assert!(timeout(PATIENCE, saved.ended()).await.unwrap().success(), "{}", saved.rest().await);
    story.upload(1, pool, 7).await;
    story.upload(0, 1, 7).await;
    story.move_to(0, 1).await;
    server.kill().await;
    let mut restored = story.run(&["restore", &copy]);
    assert!(timeout(PATIENCE, restored.ended()).await.unwrap().success(), "{}", restored.rest().await);
    let server = story.start(0);
    ready(&story.address(0)).await;
    story.healthy(2).await;
    assert!(story.broken_links().await.len() >= 2, "the pages of the later two");
    let (is_well, said) = story.rebuild(&["--add"]).await;
    assert!(is_well && said.contains("Found: 2 images"), "{said}");
    assert!(said.contains("In another pool than the books said: 1 images."), "{said}");
    assert_eq!(story.broken_links().await, Vec::<String>::new());
    story.move_to(0, pool).await;
    story.move_to(1, 1).await;
    assert_eq!(story.broken_links().await, Vec::<String>::new());
    server.stop().await;
    story.assert_true(&BTreeSet::new(), Trash::Known).await;
}

/// To its end, and well.
async fn run(story: &Story, arguments: &[&str]) {
    let mut program = story.run(arguments);
    let ended = timeout(PATIENCE, program.ended()).await.unwrap();
    assert!(ended.success(), "{arguments:?}: {}", program.rest().await);
}

/// The server, while the command is at work.
#[derive(Clone, Copy, PartialEq)]
enum Meanwhile {
    Running,
    Stopped,
}

/// An image goes from s01 to s02, the books are saved, it goes back. By the restored books it is in s02, and its copy in
/// s01 in the trash.
async fn there_and_back(meanwhile: Meanwhile) {
    let mut story = Story::new();
    let (server, _s01, _s02) = (story.start(0), story.start(1), story.start(2));
    let pools = story.healthy(3).await;
    let pool_of = |node: &str| pools.iter().find(|pool| pool.node_id == node).unwrap().id;
    story.upload(1, pool_of("s01"), 7).await;
    story.move_to(0, pool_of("s02")).await;
    let copy = story.folder.path().join("copy.db").display().to_string();
    run(&story, &["backup", &copy]).await;
    story.move_to(0, pool_of("s01")).await;
    server.stop().await;
    run(&story, &["restore", &copy]).await;
    let (server, said) = if meanwhile == Meanwhile::Running {
        let server = story.start(0);
        story.healthy(3).await;
        let (is_well, said) = story.rebuild(&["--add"]).await;
        assert!(is_well, "{said}");
        (server, said)
    } else {
        let (is_well, said) = story.rebuild(&["--add", "--nodes", "s01,s02"]).await;
        assert!(is_well, "{said}");
        (story.start(0), said)
    };
    assert!(said.contains("In another pool than the books said: 1 images."), "{said}");
    assert!(!said.contains("Left as they are"), "{said}");
    story.healthy(3).await;
    assert_eq!(story.broken_links().await, Vec::<String>::new());
    story.move_to(0, pool_of("s02")).await;
    assert_eq!(story.broken_links().await, Vec::<String>::new());
    server.stop().await;
    story.assert_true(&BTreeSet::new(), Trash::Known).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_went_there_and_back_around_a_copy_is_found_beside_a_running_server() {
    there_and_back(Meanwhile::Running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_went_there_and_back_around_a_copy_is_found_with_the_server_stopped() {
    there_and_back(Meanwhile::Stopped).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_asked_for_and_what_is_gone_for_good_is_no_fault() {
    let story = Story::new();
    let (server, s01, s02) = (story.start(0), story.start(1), story.start(2));
    let pools = story.healthy(3).await;
    let of_s02 = pools.iter().find(|pool| pool.node_id == "s02").unwrap();

    // Beside a running server: who is named is waited for, and missed.
    let (is_well, said) = story.rebuild(&["--add", "--nodes", "s01,s77", "--wait", "1s"]).await;
    assert!(!is_well && said.contains("Did not come: s77."), "{said}");
    let (is_well, said) = story.rebuild(&["--add", "--nodes", "s01"]).await;
    assert!(is_well, "{said}");
    // A pool that was deleted; then its node is taken out.
    story.admin().delete_pool(DeletePoolRequest { id: of_s02.id }).await.unwrap();
    let (is_well, said) = story.rebuild(&["--add"]).await;
    assert!(is_well && said.contains("was deleted and stays away"), "{said}");
    s02.stop().await;
    let (is_well, said) = story.rebuild(&["--add"]).await;
    assert!(is_well && said.contains("Note: node s02 can't be asked for its pools"), "{said}");
    // A pool on record whose node is away is missed, except where another node was asked for.
    s01.stop().await;
    let (is_well, said) = story.rebuild(&["--add"]).await;
    assert!(!is_well && said.contains("Missing: pool "), "{said}");
    server.stop().await;
    let _s02 = story.start(2);
    let (is_well, said) = story.rebuild(&["--add", "--nodes", "s02"]).await;
    assert!(is_well && said.contains("of node s01: its node did not come"), "{said}");
    assert!(said.contains("was deleted and stays away"), "{said}");
    let (is_well, said) = story.rebuild(&["--add", "--nodes", "s01,s02", "--wait", "1s"]).await;
    assert!(!is_well && said.contains("Did not come: s01."), "{said}");
}
