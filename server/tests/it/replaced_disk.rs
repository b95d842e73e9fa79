//! A pool's disk dies for good: the pool begins anew on an empty one, what was lost is said, what is found counts again.

use pixelfox_proto::v1;
use tonic::Code;

use crate::harness::{TestCluster, png, until};

async fn pool(cluster: &TestCluster) -> v1::Pool {
    cluster.admin().get_pool(v1::GetPoolRequest { id: 2 }).await.unwrap().into_inner()
}

async fn healthy(cluster: &TestCluster, want: bool) -> v1::Pool {
    until("the pool's health", async || Some(pool(cluster).await).filter(|pool| pool.healthy == want)).await
}

async fn is_soon(cluster: &TestCluster, uuid: &str, state: &str) {
    until(state, async || (cluster.image(uuid).await.files[0].state == state).then_some(())).await;
}

async fn replace(cluster: &TestCluster, name: &str) -> Result<v1::ReplacePoolDiskResponse, tonic::Status> {
    let request = v1::ReplacePoolDiskRequest { id: 2, name: name.into() };
    cluster.admin().replace_pool_disk(request).await.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_whose_disk_died_begins_anew_and_nothing_else_is_lost() {
    // Three images on s01's disk; the first was moved there, its old copy is in the other pool's trash; the second is in
    // a backup; the third is nowhere else. A fourth was moved away, its old copy is in the trash of the disk that dies.
    let cluster = TestCluster::start().await;
    let mut uuids = Vec::new();
    for (pool, number) in [(1, 1), (2, 2), (2, 3)] {
        uuids.push(cluster.upload(pool, png(number, 10)).await["image_uuid"].as_str().unwrap().to_owned());
    }
    let there = cluster.move_images(&[&uuids[0]], 2).await;
    assert_eq!(cluster.wait_for_end(there.job_id).await.state, "completed");
    let away = cluster.upload(2, png(9, 10)).await["image_uuid"].as_str().unwrap().to_owned();
    let moved_away = cluster.move_images(&[&away], 1).await;
    assert_eq!(cluster.wait_for_end(moved_away.job_id).await.state, "completed");
    assert!(pool(&cluster).await.trash_size > 0);
    let path = cluster.image(&uuids[1]).await.files[0].stored_path.clone();
    let (dir, old) = (cluster.pool_dir(2), cluster.pool_dir(2).with_file_name("old-disk"));
    let backup = std::fs::read(dir.join(&path)).unwrap();

    let refused = replace(&cluster, "img1").await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert!(refused.message().contains("pool img1 (2) is healthy"), "{refused}");
    rustix::fs::rename(&dir, &old).unwrap();
    std::fs::create_dir(&dir).unwrap();
    healthy(&cluster, false).await;
    let refused = replace(&cluster, "img2").await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    assert!(refused.message().contains("pool 2 is called img1, not `img2`"), "{refused}");
    assert!(!pool(&cluster).await.healthy, "an empty directory is nobody's until somebody says so");

    let lost = replace(&cluster, "img1").await.unwrap();
    assert_eq!((lost.files, lost.bytes), (3, 3 * u64::try_from(backup.len()).unwrap()));
    let anew = healthy(&cluster, true).await;
    assert_eq!((anew.used_size, anew.files, anew.images, anew.trash_size), (0, 0, 3, 0));
    let ask = v1::ChangeJobsRequest { ids: vec![moved_away.job_id], ..v1::ChangeJobsRequest::default() };
    let refused = cluster.admin().undo_moves(ask).await.unwrap_err();
    assert!(refused.message().contains("its old copy is not in the trash any more"), "{refused}");
    for uuid in &uuids {
        is_soon(&cluster, uuid, "lost").await;
    }
    // The first goes back to where its old copy is.
    let back = cluster.move_images(&[&uuids[0]], 1).await;
    assert_eq!(cluster.wait_for_end(back.job_id).await.state, "completed");
    assert_eq!(cluster.image(&uuids[0]).await.pool_id, 1);
    // The second is copied back from the backup.
    std::fs::create_dir_all(dir.join(&path).parent().unwrap()).unwrap();
    std::fs::write(dir.join(&path), &backup).unwrap();
    let ask = v1::VerifyImagesRequest { uuids: vec![uuids[1].clone()], pool_id: 0 };
    cluster.admin().verify_images(ask).await.unwrap();
    is_soon(&cluster, &uuids[1], "live").await;
    // The third is deleted, and nothing of the new disk is held up by the old one.
    let ask = v1::DeleteImagesRequest { uuids: vec![uuids[2].clone()], ..v1::DeleteImagesRequest::default() };
    let gone = cluster.admin().delete_images(ask).await.unwrap().into_inner();
    assert_eq!(cluster.wait_for_end(gone.job_id).await.state, "completed");
    let new = cluster.upload(2, png(4, 10)).await["image_uuid"].as_str().unwrap().to_owned();
    assert_eq!(cluster.image(&new).await.files[0].state, "live");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_disk_that_comes_back_is_taken_after_all() {
    // Given up by mistake, for it was only not mounted: the empty mount point became the pool's. Mounted again, the disk
    // is refused, since the pool has another by now, and taken when it is said once more; everything is found.
    let cluster = TestCluster::start().await;
    let uuid = cluster.upload(2, png(1, 10)).await["image_uuid"].as_str().unwrap().to_owned();
    let (dir, old) = (cluster.pool_dir(2), cluster.pool_dir(2).with_file_name("old-disk"));
    rustix::fs::rename(&dir, &old).unwrap();
    std::fs::create_dir(&dir).unwrap();
    healthy(&cluster, false).await;
    replace(&cluster, "img1").await.unwrap();
    healthy(&cluster, true).await;
    is_soon(&cluster, &uuid, "lost").await;
    rustix::fs::rename(&dir, dir.with_file_name("mount-point")).unwrap();
    rustix::fs::rename(&old, &dir).unwrap();
    let is_said = "has the marker of an earlier disk of pool img1 (2)";
    until(is_said, async || pool(&cluster).await.problem.contains(is_said).then_some(())).await;
    replace(&cluster, "img1").await.unwrap();
    healthy(&cluster, true).await;
    is_soon(&cluster, &uuid, "live").await;
    let pool = until("what is used", async || Some(pool(&cluster).await).filter(|pool| pool.files == 1)).await;
    assert!(pool.used_size > 0 && pool.images == 1, "{pool:?}");
    cluster.shutdown().await;
}
