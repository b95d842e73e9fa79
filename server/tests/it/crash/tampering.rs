//! The checker itself: it finds nothing in a sound cluster, and each thing that somebody has tampered with.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sqlx::{Connection as _, SqliteConnection};

use super::{client::Upload, cluster::Cluster, cluster::Role, story::Story};

async fn change(cluster: &Cluster, sql: &'static str) {
    let mut books = SqliteConnection::connect(&cluster.database()).await.unwrap();
    assert!(sqlx::query(sql).execute(&mut books).await.unwrap().rows_affected() > 0, "{sql}");
    books.close().await.unwrap();
}

/// Does something to a file, looks, and puts it back as it was.
async fn with_file(cluster: &Cluster, file: &Path, spoil: impl FnOnce(&Path), want: &str) {
    let aside = cluster.client.pool_dir(Role::Server).with_file_name("aside");
    assert!(std::process::Command::new("cp").arg("-a").arg(file).arg(&aside).status().unwrap().success());
    spoil(file);
    sees(cluster, want).await;
    assert!(std::process::Command::new("mv").arg("-f").arg(&aside).arg(file).status().unwrap().success());
    assert_eq!(cluster.faults().await, Vec::<String>::new(), "after {want}");
}

async fn sees(cluster: &Cluster, want: &str) {
    let faults = cluster.faults().await;
    assert!(faults.iter().any(|fault| fault.contains(want)), "not seen: {want}, but {faults:#?}");
}

#[expect(clippy::too_many_lines, reason = "one list of what can be wrong, over one cluster")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_checker_sees_whatever_is_wrong() {
    // A stopped cluster in which files have moved; each line spoils one thing, and is told so in these words.
    let mut cluster = Cluster::start().await;
    let story = Story::default().prepare(&cluster.client).await;
    story.run(&cluster.client).await;
    let Upload { uuid, path, .. } =
        cluster.client.upload(Role::S01, &cluster.client.picture(3000)).await.expect("an upload");
    cluster.check().await.unwrap();
    let base: PathBuf = cluster.client.pool_dir(Role::S01);
    let file = base.join(&path);
    let write = |bytes: &'static [u8]| move |file: &Path| fs::write(file, bytes).unwrap();

    with_file(&cluster, &file, |file| fs::remove_file(file).unwrap(), "is not on the disk").await;
    with_file(&cluster, &file, write(b"other bytes"), "has other bytes").await;
    let unmark = |file: &Path| rustix::fs::removexattr(file, "user.pixelfox").unwrap();
    with_file(&cluster, &file, unmark, "has no mark").await;
    let double = base.join(path.replace("original/", "original/x"));
    fs::create_dir_all(double.parent().unwrap()).unwrap();
    assert!(std::process::Command::new("cp").arg("-a").arg(&file).arg(&double).status().unwrap().success());
    sees(&cluster, "the books know nothing of it").await;
    fs::remove_file(double).unwrap();
    for (stray, want) in [
        (".pixelfox/incoming/u-1", "has no business here"),
        (".pixelfox/pending/one", "has no business here"),
        (".pixelfox/something", "has no business here"),
    ] {
        fs::write(base.join(stray), b"x").unwrap();
        sees(&cluster, want).await;
        fs::remove_file(base.join(stray)).unwrap();
    }
    for (sql, back, want) in [
        (
            "UPDATE pools SET used_bytes = used_bytes + 1 WHERE id = 2",
            "UPDATE pools SET used_bytes = used_bytes - 1 WHERE id = 2",
            "in use",
        ),
        (
            "UPDATE pools SET trash_files = trash_files + 1 WHERE id = 2",
            "UPDATE pools SET trash_files = trash_files - 1 WHERE id = 2",
            "in the trash",
        ),
        (
            "UPDATE pools SET reserved_bytes = 1 WHERE id = 2",
            "UPDATE pools SET reserved_bytes = 0 WHERE id = 2",
            "on their way in",
        ),
        (
            "UPDATE pools SET images = images + 1 WHERE id = 2",
            "UPDATE pools SET images = images - 1 WHERE id = 2",
            "images",
        ),
        (
            "UPDATE jobs SET children_done = children_done + 1 WHERE parent_id IS NULL",
            "UPDATE jobs SET children_done = children_done - 1 WHERE parent_id IS NULL",
            "children that are done",
        ),
        (
            "UPDATE jobs SET children_cancelled = children_cancelled + 1 WHERE parent_id IS NULL",
            "UPDATE jobs SET children_cancelled = children_cancelled - 1 WHERE parent_id IS NULL",
            "were never made",
        ),
        (
            "UPDATE jobs SET state = 'pending' WHERE id = (SELECT MAX(id) FROM jobs)",
            "UPDATE jobs SET state = 'completed' WHERE state = 'pending'",
            "is still pending",
        ),
        (
            "UPDATE jobs SET state = 'failed' WHERE id = (SELECT MAX(id) FROM jobs)",
            "UPDATE jobs SET state = 'completed' WHERE state = 'failed'",
            "failed",
        ),
        (
            "UPDATE images SET job_id = 1 WHERE id = (SELECT MAX(id) FROM images)",
            "UPDATE images SET job_id = NULL",
            "is still locked",
        ),
        (
            "UPDATE replicas SET generation = 9 WHERE state = 'live'",
            "UPDATE replicas SET generation = (SELECT generation FROM files WHERE id = file_id) WHERE state = 'live'",
            "is marked with generation",
        ),
        (
            "UPDATE replicas SET state = 'condemned' WHERE state = 'trashed'",
            "UPDATE replicas SET state = 'trashed' WHERE state = 'condemned'",
            "is not settled",
        ),
    ] {
        change(&cluster, sql).await;
        sees(&cluster, want).await;
        change(&cluster, back).await;
        assert_eq!(cluster.faults().await, Vec::<String>::new(), "after {back}");
    }
    change(&cluster, "UPDATE replicas SET state = 'lost' WHERE state = 'live'").await;
    sees(&cluster, &format!("image {uuid} is in pool 2")).await;
}
