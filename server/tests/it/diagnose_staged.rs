//! What goes wrong with one pool of a real cluster, one thing at a time: exactly its line changes, and says what to change.

use std::time::Duration;

use pixelfox_proto::v1::{self, finding::Status};
use sqlx::{ConnectOptions as _, sqlite::SqliteConnectOptions};

use crate::diagnose::{lines, red, says, update, with};
use crate::harness::{PATIENCE, TestCluster, png};
use crate::pool_form::older_pixelfox;

/// Writes into the books what no form lets through: an earlier version's pool, or one changed by hand.
async fn by_hand(cluster: &TestCluster, set: &str) {
    let file = cluster.pool_dir(1).ancestors().find_map(|dir| {
        let file = dir.join("pixelfox.db");
        file.try_exists().unwrap().then_some(file)
    });
    let mut books = SqliteConnectOptions::new().filename(file.unwrap()).busy_timeout(PATIENCE).connect().await.unwrap();
    let sql = sqlx::AssertSqlSafe(format!("UPDATE pools SET {set}"));
    sqlx::query(sql).execute(&mut books).await.unwrap();
}

/// Waits until no line is red, but for a warning of these.
async fn warned(cluster: &TestCluster, want: &[(&str, &str)]) -> Vec<v1::Finding> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let seen = lines(&mut cluster.admin(), 0).await;
        let mut warnings = with(&seen, Status::Warning);
        warnings.sort_unstable();
        if with(&seen, Status::Failed).is_empty() && warnings == want {
            return seen;
        }
        assert!(tokio::time::Instant::now() < deadline, "{warnings:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn urls_and_paths_that_no_form_lets_through_are_red_where_they_are_in_the_books() {
    // A public_base_url with /uploads at its end; then a base_path outside of its node's STORAGE_ROOTS.
    let cluster = TestCluster::start().await;
    let mut admin = cluster.admin();
    let before = admin.get_pool(v1::GetPoolRequest { id: 2 }).await.unwrap().into_inner();
    let url = &before.public_base_url;
    by_hand(&cluster, &format!("public_base_url = '{url}/uploads' WHERE id = 2")).await;
    let seen = red(&mut admin, &[("pool img1", "public_base_url")]).await;
    assert_eq!(with(&seen, Status::Warning), []);
    says(&seen, "pool img1", "public_base_url", &["ends in /uploads", "each is 404", &format!("Set it to {url}")]);
    by_hand(&cluster, &format!("public_base_url = '{url}' WHERE id = 2")).await;
    red(&mut admin, &[]).await;

    let outside = tempfile::tempdir().unwrap();
    by_hand(&cluster, &format!("base_path = '{}' WHERE id = 2", outside.path().display())).await;
    let told = v1::Pool { id: 2, description: "so that its node hears of it".into(), ..v1::Pool::default() };
    update(&mut admin, told, "description").await;
    // Its node sees first that its directory is another one, and then where that is.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let seen = loop {
        let seen = red(&mut admin, &[("pool img1", "base_path")]).await;
        if seen.iter().any(|line| line.advice.contains("STORAGE_ROOTS")) || tokio::time::Instant::now() > deadline {
            break seen;
        }
    };
    says(&seen, "pool img1", "base_path", &["STORAGE_ROOTS of node s01", "restart it"]);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "the test puts a directory aside as an operator would")]
async fn a_pool_that_takes_no_files_is_one_red_line() {
    // A file stands where img2's directory should be; then img1 has reached its maximal size, and only img1.
    let cluster = TestCluster::start().await;
    let mut admin = cluster.admin();
    let original = cluster.pool_dir(3).join("original");
    let aside = cluster.pool_dir(3).join("aside");
    let was_there = std::fs::rename(&original, &aside).is_ok();
    std::fs::write(&original, "in the way").unwrap();
    let seen = red(&mut admin, &[("pool img2", "write")]).await;
    says(&seen, "pool img2", "write", &["original", "on node s02", "writable"]);
    std::fs::remove_file(&original).unwrap();
    if was_there {
        std::fs::rename(&aside, &original).unwrap();
    }
    red(&mut admin, &[]).await;

    cluster.upload(2, png(1, 0)).await;
    update(&mut admin, v1::Pool { id: 2, max_size: 1, ..v1::Pool::default() }, "max_size").await;
    let seen = red(&mut admin, &[("pool img1", "space")]).await;
    says(&seen, "pool img1", "space", &["max_size of 1", "Raise the pool's max_size"]);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_pixelfox_is_one_doubt_until_it_is_confirmed() {
    // Where img1's uploads go answers one that knows no identity: each node that asked says so, and what to confirm.
    let cluster = TestCluster::start().await;
    let mut admin = cluster.admin();
    red(&mut admin, &[]).await;
    let (address, _serving) = older_pixelfox().await;
    let older =
        v1::Pool { id: 2, upload_api_url: format!("http://{address}/api/internal/upload"), ..v1::Pool::default() };
    update(&mut admin, older.clone(), "upload_api_url").await;
    let ways = [("local -> s01", "upload_api_url"), ("s02 -> s01", "upload_api_url")];
    let seen = warned(&cluster, &ways).await;
    says(&seen, "s02 -> s01", "upload_api_url", &["leads to an older PixelFox", "legacy_node", "Update node s01"]);
    update(&mut admin, v1::Pool { legacy_node: true, ..older }, "legacy_node").await;
    warned(&cluster, &[]).await;
    cluster.shutdown().await;
}
