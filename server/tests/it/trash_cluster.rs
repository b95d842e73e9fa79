//! The trash over a whole cluster: what the books say is what lies on the disks, and what is deleted lies nowhere.

use std::path::Path;

use pixelfox_proto::v1::{
    DeleteImagesRequest, JobBatch, ListPoolsRequest, Pool, Settings, UpdatePoolRequest, UpdateSettingsRequest,
};

use crate::harness::{PATIENCE, TestCluster, files_below, png};

/// Bytes of the files below a folder of a pool.
fn bytes_below(dir: &Path) -> u64 {
    files_below(dir).iter().map(|file| std::fs::metadata(dir.join(file)).unwrap().len()).sum()
}

async fn pools(cluster: &TestCluster) -> Vec<Pool> {
    cluster.admin().list_pools(ListPoolsRequest {}).await.unwrap().into_inner().pools
}

/// Each pool's usage is what its disk holds, under its name and in the trash.
async fn books_are_disks(cluster: &TestCluster) -> Result<(), String> {
    for pool in pools(cluster).await {
        let dir = cluster.pool_dir(pool.id);
        let live = bytes_below(&dir.join("original")) + bytes_below(&dir.join("variants"));
        let trash = bytes_below(&dir.join(".pixelfox/trash"));
        if (pool.used_size, pool.trash_size) != (live, trash) {
            return Err(format!("pool {}: {live} and {trash} on disk, books {pool:?}", pool.name));
        }
    }
    Ok(())
}

async fn assert_books_are_disks(cluster: &TestCluster) {
    let waiting = async {
        while books_are_disks(cluster).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
        panic!("{:?}", books_are_disks(cluster).await);
    }
}

async fn delete(cluster: &TestCluster, uuids: &[&str]) -> JobBatch {
    let uuids = uuids.iter().map(ToString::to_string).collect();
    let ask = DeleteImagesRequest { uuids, request_id: String::new() };
    cluster.admin().delete_images(ask).await.unwrap().into_inner()
}

async fn moved(cluster: &TestCluster, uuids: &[&str], target: u64) {
    let batch = cluster.move_images(uuids, target).await;
    assert_eq!(cluster.wait_for_end(batch.job_id).await.state, "completed");
}

/// Whatever of these images lies anywhere in a pool.
fn traces(cluster: &TestCluster, uuids: &[&str]) -> Vec<String> {
    let of_pool = |pool| files_below(&cluster.pool_dir(pool)).into_iter().map(move |file| format!("{pool}: {file}"));
    let all = (1..=3).flat_map(of_pool);
    all.filter(|file| uuids.iter().any(|uuid| file.contains(uuid))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_lies_on_no_disk_afterwards_also_on_one_that_was_away() {
    // Four images with copies in every state: live, in one trash, in two, and being deleted while its node is away.
    // Their links answer 404 soon, the others stay; after the node is back nothing of them is anywhere.
    let mut cluster = TestCluster::start().await;
    let mut uploads = Vec::new();
    for seed in 0..5 {
        uploads.push(cluster.upload(1, png(seed, 10_000)).await);
    }
    let uuids: Vec<&str> = uploads.iter().map(|upload| upload["image_uuid"].as_str().unwrap()).collect();
    let (gone, stays) = uuids.split_at(4);
    moved(&cluster, &uuids[1..3], 2).await;
    moved(&cluster, &uuids[2..3], 3).await;
    assert_books_are_disks(&cluster).await;
    assert!(cluster.cluster().stop_storage_node("s01").await);
    let batch = delete(&cluster, gone).await;
    assert_eq!((batch.images, batch.files), (4, 4));
    for upload in &uploads[..4] {
        let answer = async {
            while cluster.follow(upload["url"].as_str().unwrap()).await.0 != 404 {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, answer).await.expect("404");
    }
    let of =
        |uuid: &str, jobs: Vec<pixelfox_proto::v1::Job>| jobs.into_iter().find(|job| job.image_uuid == uuid).unwrap();
    let child = of(uuids[1], cluster.children(&batch).await);
    let waiting = cluster.wait_for_job(child.id, |job| !job.waiting_for.is_empty()).await;
    assert_eq!(waiting.waiting_for, "node s01 is not attached");
    cluster.restart().await;
    assert_eq!(cluster.wait_for_end(batch.job_id).await.state, "completed");
    assert_eq!(traces(&cluster, gone), [""; 0]);
    assert_eq!(traces(&cluster, stays).len(), 1);
    assert_books_are_disks(&cluster).await;
    assert_eq!(cluster.follow(uploads[4]["url"].as_str().unwrap()).await.0, 200);
    let anew = cluster.upload(1, png(0, 10_000)).await;
    assert_ne!(anew["image_uuid"], uploads[0]["image_uuid"], "the same bytes again are a new image");
    assert_eq!(cluster.follow(anew["url"].as_str().unwrap()).await.0, 200);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_pool_whose_trash_makes_room_takes_what_comes() {
    // Default takes four pictures: four are there, three move on and fill its trash. Moves back in of others and an
    // upload get that room, oldest copies first, and the books are what the disks hold all the way. Then none is kept.
    let cluster = TestCluster::start().await;
    let size = png(0, 50_000).len() as u64;
    let mut names = Vec::new();
    for seed in 0..6 {
        let pool = if seed < 4 { 1 } else { 2 };
        names.push(cluster.upload(pool, png(seed, 50_000)).await["image_uuid"].as_str().unwrap().to_owned());
    }
    let uuids: Vec<&str> = names.iter().map(String::as_str).collect();
    let limited = Pool { id: 1, max_size: 4 * size, ..Pool::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["max_size".into()] });
    let ask = UpdatePoolRequest { pool: Some(limited), update_mask, ..UpdatePoolRequest::default() };
    cluster.admin().update_pool(ask).await.unwrap();
    moved(&cluster, &uuids[..3], 3).await;
    assert_books_are_disks(&cluster).await;
    assert_eq!(pools(&cluster).await[0].trash_size, 3 * size);
    moved(&cluster, &uuids[4..6], 1).await;
    assert_books_are_disks(&cluster).await;
    assert_eq!((pools(&cluster).await[0].used_size, pools(&cluster).await[0].trash_size), (3 * size, size));

    // An upload is refused while the trash is full, and taken a moment later.
    let uploaded = async {
        while cluster.try_upload(1, png(77, 50_000)).await != 200 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, uploaded).await.expect("room for an upload");
    assert_books_are_disks(&cluster).await;
    assert_eq!(pools(&cluster).await[0].trash_size, 0);

    moved(&cluster, &uuids[3..4], 2).await;
    let none = Settings { trash_hours: Some(0), ..Settings::default() };
    cluster.admin().update_settings(UpdateSettingsRequest { settings: Some(none) }).await.unwrap();
    let emptied = async {
        while pools(&cluster).await.iter().any(|pool| pool.trash_size > 0) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, emptied).await.expect("an empty trash");
    assert_books_are_disks(&cluster).await;
    cluster.shutdown().await;
}
