//! Copies read on their disks, over a whole cluster.

use pixelfox_proto::v1::{
    ChangeJobsRequest, GetOverviewRequest, ListImagesRequest, ListPoolsRequest, Settings, UpdateSettingsRequest,
    VerifyImagesRequest, VerifyImagesResponse,
};
use tonic::Code;

use crate::harness::{TestCluster, files_below, png, until};

async fn verify(cluster: &TestCluster, uuid: &str) -> VerifyImagesResponse {
    let ask = VerifyImagesRequest { uuids: vec![uuid.to_owned()], pool_id: 0 };
    cluster.admin().verify_images(ask).await.unwrap().into_inner()
}

async fn is_soon(cluster: &TestCluster, uuid: &str, state: &str) {
    until(state, async || (cluster.image(uuid).await.files[0].state == state).then_some(())).await;
}

async fn uploaded(cluster: &TestCluster) -> String {
    cluster.upload(1, png(7, 10_000)).await["image_uuid"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_was_taken_back_is_read_by_itself_and_then_the_other_copy_goes() {
    // There and back by renaming alone, with a trash that keeps nothing: the copy in it goes only once the live one was
    // read, and that is without anybody asking.
    let cluster = TestCluster::start().await;
    let uuid = uploaded(&cluster).await;
    let there = cluster.move_images(&[&uuid], 2).await;
    assert_eq!(cluster.wait_for_end(there.job_id).await.state, "completed");
    let ask = ChangeJobsRequest { ids: vec![there.job_id], ..ChangeJobsRequest::default() };
    let back = cluster.admin().undo_moves(ask).await.unwrap().into_inner();
    assert_eq!(cluster.wait_for_end(back.job_id).await.state, "completed");
    let none = Settings { trash_hours: Some(0), ..Settings::default() };
    cluster.admin().update_settings(UpdateSettingsRequest { settings: Some(none) }).await.unwrap();
    until("an empty trash", async || {
        let pools = cluster.admin().list_pools(ListPoolsRequest {}).await.unwrap().into_inner().pools;
        pools.iter().all(|pool| pool.trash_size == 0).then_some(())
    })
    .await;
    assert_eq!(cluster.image(&uuid).await.files[0].state, "live");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_has_a_copy_read_and_sees_what_it_is() {
    // As it should be, one byte off, put right, gone, brought back: each time the state says so. A node that is away is
    // named, and reads when it is back.
    let mut cluster = TestCluster::start().await;
    let uuid = uploaded(&cluster).await;
    let path = cluster.image(&uuid).await.files[0].stored_path.clone();
    let file = cluster.pool_dir(1).join(path);
    let right = std::fs::read(&file).unwrap();
    assert_eq!(verify(&cluster, &uuid).await, VerifyImagesResponse { copies: 1, waiting: vec![] });
    let mut wrong = right.clone();
    wrong[9_000] ^= 1;
    for (bytes, state) in [(&wrong, "suspect"), (&right, "live")] {
        // in place: the same file, as a disk rots
        std::io::Write::write_all(&mut std::fs::OpenOptions::new().write(true).open(&file).unwrap(), bytes).unwrap();
        verify(&cluster, &uuid).await;
        is_soon(&cluster, &uuid, state).await;
    }
    let aside = cluster.pool_dir(1).join("aside");
    for (from, to, state) in [(&file, &aside, "lost"), (&aside, &file, "live")] {
        rustix::fs::rename(from, to).unwrap();
        verify(&cluster, &uuid).await;
        is_soon(&cluster, &uuid, state).await;
    }

    let there = cluster.move_images(&[&uuid], 2).await;
    assert_eq!(cluster.wait_for_end(there.job_id).await.state, "completed");
    assert!(cluster.cluster().stop_storage_node("s01").await);
    let waiting = verify(&cluster, &uuid).await.waiting;
    assert_eq!(waiting, ["node s01 is not attached: in pool img1 1 copy waits for it"]);
    let moved = cluster.pool_dir(2);
    let name = files_below(&moved).into_iter().find(|name| name.starts_with("original")).unwrap();
    std::io::Write::write_all(&mut std::fs::OpenOptions::new().write(true).open(moved.join(name)).unwrap(), &wrong)
        .unwrap();
    cluster.restart().await;
    is_soon(&cluster, &uuid, "suspect").await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_a_visitor_does_not_find_is_known_as_lost_and_healed_by_the_next_upload() {
    // Removed behind the node's back: the first look at it books it. It is in the list of what is lost until the same bytes
    // come again; then nothing is lost any more, and the old link leads to them.
    let cluster = TestCluster::start().await;
    let user = crate::app_uploads::file(png(8, 500));
    let key = pixelfox_proto::v1::CreateApiKeyRequest { name: "a".into() };
    let key = cluster.admin().create_api_key(key).await.unwrap().into_inner().key;
    let send = async |form| {
        let request = crate::harness::http_client().post(format!("http://{}/upload", cluster.app()));
        let request = request.header("x-api-key", &key).header("accept", "application/json").multipart(form);
        let answer = request.send().await.unwrap().text().await.unwrap();
        serde_json::from_str::<serde_json::Value>(&answer).unwrap()
    };
    let first = send(user).await;
    let (uuid, url) = (first["image_uuid"].as_str().unwrap(), first["url"].as_str().unwrap());
    let file = &cluster.image(uuid).await.files[0];
    std::fs::remove_file(cluster.pool_dir(file.pool_id).join(&file.stored_path)).unwrap();
    let lost = async || {
        let overview = cluster.admin().get_overview(GetOverviewRequest {}).await.unwrap().into_inner();
        let filter = ListImagesRequest { state: "lost".into(), ..ListImagesRequest::default() };
        let listed = cluster.admin().list_images(filter).await.unwrap().into_inner().images;
        (overview.files_lost, listed.into_iter().map(|image| image.uuid).collect::<Vec<_>>())
    };
    assert_eq!(lost().await, (0, vec![]));
    assert_eq!(cluster.follow(url).await.0, 404);
    is_soon(&cluster, uuid, "lost").await;
    assert_eq!(lost().await, (1, vec![uuid.to_owned()]));
    let again = send(crate::app_uploads::file(png(8, 500))).await;
    assert_eq!(again["image_uuid"], uuid);
    assert_eq!(lost().await, (0, vec![]));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_read_is_refused_in_one_sentence() {
    let cluster = TestCluster::start().await;
    let unknown = "00000000-0000-4000-8000-000000000000".to_owned();
    for (uuids, pool_id, code, want) in [
        (vec![], 0, Code::InvalidArgument, "name at least one image"),
        (vec![unknown.clone()], 1, Code::InvalidArgument, "not both"),
        (vec![unknown], 0, Code::NotFound, "no image 00000000-0000-4000-8000-000000000000"),
        (vec![], 9, Code::NotFound, "no pool 9"),
        (vec!["x".into()], 0, Code::InvalidArgument, "x"),
        (vec!["x".into(); 10_001], 0, Code::InvalidArgument, "at most 10000 go"),
    ] {
        let refused = cluster.admin().verify_images(VerifyImagesRequest { uuids, pool_id }).await.unwrap_err();
        assert!(refused.code() == code && refused.message().contains(want), "{want}: {refused}");
    }
    cluster.shutdown().await;
}
