//! Whole moves, from upload to the link that still works, over a whole cluster.

use pixelfox_proto::{
    Sha256,
    v1::{ChangeJobsRequest, MoveImagesRequest, MovePoolRequest, Pool, UpdatePoolRequest},
};

use crate::harness::{TestCluster, files_below, http_client, png};

/// The files of a pool that a visitor could see.
fn stored(cluster: &TestCluster, pool: u64) -> Vec<String> {
    files_below(&cluster.pool_dir(pool)).into_iter().filter(|path| !path.starts_with(".pixelfox")).collect()
}

fn trashed(cluster: &TestCluster, pool: u64) -> Vec<String> {
    files_below(&cluster.pool_dir(pool).join(".pixelfox/trash"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_moves_to_another_node_and_back_and_its_link_keeps_working() {
    // The main job: upload at the app, move to s01, to s02 and back home; after each move the first link answers.
    let cluster = TestCluster::start().await;
    let bytes = png(1, 700_000);
    let digest = Sha256::of(&bytes);
    let upload = cluster.upload(1, bytes.clone()).await;
    let (uuid, url) = (upload["image_uuid"].as_str().unwrap(), upload["url"].as_str().unwrap());
    assert_eq!(cluster.follow(url).await, (200, 0, digest));
    for target in [2, 3, 1, 2] {
        let source = cluster.image(uuid).await.pool_id;
        let batch = cluster.move_images(&[uuid], target).await;
        assert_eq!((batch.images, batch.files, batch.bytes), (1, 1, bytes.len() as u64));
        let parent = cluster.wait_for_end(batch.job_id).await;
        assert_eq!((parent.state.as_str(), parent.children_done, parent.children_total), ("completed", 1, 1));
        let image = cluster.image(uuid).await;
        assert_eq!((image.pool_id, image.files[0].state.as_str()), (target, "live"));
        let (status, redirects, served) = cluster.follow(url).await;
        assert_eq!((status, served), (200, digest), "the first link, with the image in {target}");
        // A node may remember for some seconds where the image was before: one more hop, never a circle.
        assert!(redirects <= 2 && (redirects == 0) == (target == 1), "{redirects} redirects to {target}");
        assert_eq!(cluster.follow(&image.url).await, (200, 0, digest), "its own link");
        assert_eq!((stored(&cluster, target).len(), stored(&cluster, source).len()), (1, 0), "{source} to {target}");
        assert_eq!(trashed(&cluster, source).len(), 1, "the old copy waits in the trash of {source}");
    }
    let share = format!("http://{}{}", cluster.app(), upload["view_url"].as_str().unwrap());
    let page = http_client().get(share).send().await.unwrap().text().await.unwrap();
    assert!(page.contains(&cluster.image(uuid).await.url), "its page shows where it is now: {page}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_images_move_at_once_and_one_bad_one_stops_none() {
    // 60 images in one order: one has lost its file, one has rotten on the disk, one is there already.
    let cluster = TestCluster::start().await;
    let mut uuids = Vec::new();
    for seed in 0..60 {
        let upload = cluster.upload(1, png(seed, 20_000)).await;
        uuids.push(upload["image_uuid"].as_str().unwrap().to_owned());
    }
    let there = cluster.upload(2, png(1000, 10)).await["image_uuid"].as_str().unwrap().to_owned();
    uuids.push(there.clone());
    let path_of = async |uuid: &str| cluster.pool_dir(1).join(&cluster.image(uuid).await.files[0].stored_path);
    std::fs::remove_file(path_of(&uuids[7]).await).unwrap();
    let rotten = path_of(&uuids[9]).await;
    let mut bytes = std::fs::read(&rotten).unwrap();
    bytes[500] ^= 1;
    std::fs::write(&rotten, &bytes).unwrap();

    let names: Vec<&str> = uuids.iter().map(String::as_str).collect();
    let batch = cluster.move_images(&names, 2).await;
    assert_eq!((batch.images, batch.skipped_total), (60, 1), "{:?}", batch.skipped);
    assert!(batch.skipped[0].contains(&there), "{:?}", batch.skipped);
    let parent = cluster.wait_for_end(batch.job_id).await;
    assert_eq!((parent.children_done, parent.children_failed, parent.children_total), (59, 1, 60), "{parent:?}");

    let children = cluster.children(&batch).await;
    let of = |uuid: &str| children.iter().find(|job| job.image_uuid == uuid).unwrap();
    let lost = of(&uuids[7]);
    assert_eq!((lost.state.as_str(), lost.files_missing), ("completed", 1), "{lost:?}");
    let image = cluster.image(&uuids[7]).await;
    assert_eq!((image.pool_id, image.files[0].state.as_str()), (1, "lost"));
    let suspect = of(&uuids[9]);
    assert_eq!(suspect.state, "failed", "{suspect:?}");
    assert!(!suspect.last_error.is_empty());
    let image = cluster.image(&uuids[9]).await;
    assert_eq!((image.pool_id, image.files[0].state.as_str()), (1, "suspect"));
    assert_eq!(std::fs::read(&rotten).unwrap(), bytes, "what is suspect stays as it is");
    let served = reqwest::get(&image.url).await.unwrap();
    assert_eq!((served.status().as_u16(), &served.headers()["cache-control"]), (200, &"no-store".parse().unwrap()));
    assert_eq!(stored(&cluster, 2).len(), 59);
    assert_eq!(stored(&cluster, 1).len(), 1);
    for uuid in &uuids {
        let image = cluster.image(uuid).await;
        let want = if uuid == &uuids[7] { 404 } else { 200 };
        assert_eq!(cluster.follow(&image.url).await.0, want, "{uuid}");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_pool_moves_and_what_comes_later_stays() {
    // Asked first, then done while the target is away: an image that comes after the plan is not in it; when the node is
    // back everything else moves.
    let mut cluster = TestCluster::start().await;
    for seed in 0..40 {
        cluster.upload(1, png(seed, 5_000)).await;
    }
    let ask = MovePoolRequest { source_pool_id: 1, target_pool_id: 2, dry_run: true, ..MovePoolRequest::default() };
    let dry = cluster.admin().move_pool(ask.clone()).await.unwrap().into_inner();
    assert_eq!((dry.job_id, dry.images, dry.files, dry.skipped_total), (0, 40, 40, 0));
    assert!(dry.target_room.unwrap() > dry.bytes, "{dry:?}");
    assert!(cluster.cluster().stop_storage_node("s01").await);
    let batch = cluster.admin().move_pool(MovePoolRequest { dry_run: false, ..ask }).await.unwrap().into_inner();
    assert_eq!((batch.images, batch.files, batch.bytes, batch.target_room), (40, 40, dry.bytes, None), "{batch:?}");
    let later = cluster.upload(1, png(1000, 10)).await["image_uuid"].as_str().unwrap().to_owned();
    cluster.restart().await;
    let parent = cluster.wait_for_end(batch.job_id).await;
    assert_eq!(
        (parent.state.as_str(), parent.children_done, parent.children_total),
        ("completed", 40, 40),
        "{parent:?}"
    );
    assert_eq!((parent.bytes_done, parent.bytes_total), (dry.bytes, dry.bytes));
    assert_eq!(cluster.image(&later).await.pool_id, 1);
    assert_eq!((stored(&cluster, 1).len(), stored(&cluster, 2).len()), (1, 40));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moves_are_taken_back_without_a_byte_over_the_network() {
    // Nobody can push to the app's pool any more: its address leads nowhere. All images come back all the same, by
    // renaming alone, and that is taken back as well.
    let cluster = TestCluster::start().await;
    for seed in 0..30 {
        cluster.upload(1, png(seed, 5_000)).await;
    }
    let ask = MovePoolRequest { source_pool_id: 1, target_pool_id: 2, ..MovePoolRequest::default() };
    let there = cluster.admin().move_pool(ask).await.unwrap().into_inner().job_id;
    assert_eq!(cluster.wait_for_end(there).await.state, "completed");
    for (pool, wrong) in [(1, "http://127.0.0.1:1/api/internal/upload"), (2, "http://127.0.0.1:2/api/internal/upload")]
    {
        let nowhere = UpdatePoolRequest {
            pool: Some(Pool { id: pool, upload_api_url: wrong.into(), ..Pool::default() }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["upload_api_url".into()] }),
            save_anyway: true,
            ..UpdatePoolRequest::default()
        };
        cluster.admin().update_pool(nowhere).await.unwrap();
    }
    let mut last = there;
    for (target, counts) in [(1, (30, 0)), (2, (0, 30))] {
        let ask = ChangeJobsRequest { ids: vec![last], request_id: format!("to {target}"), ..Default::default() };
        let back = cluster.admin().undo_moves(ask.clone()).await.unwrap().into_inner();
        assert_eq!((back.images, back.skipped_total), (30, 0), "{:?}", back.skipped);
        let parent = cluster.wait_for_end(back.job_id).await;
        assert_eq!((parent.state.as_str(), parent.children_done), ("completed", 30), "{parent:?}");
        assert_eq!((stored(&cluster, 1).len(), stored(&cluster, 2).len()), counts);
        assert_eq!(cluster.admin().undo_moves(ask).await.unwrap().into_inner(), back, "asked again");
        last = back.job_id;
    }
    cluster.shutdown().await;
}

/// The files of a pool, each with what makes it that one.
fn same_files(cluster: &TestCluster, pool: u64) -> Vec<(String, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let dir = cluster.pool_dir(pool);
    let inode = |name: &String| std::fs::metadata(dir.join(name)).unwrap().ino();
    stored(cluster, pool).into_iter().map(|name| (name.clone(), inode(&name))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moves_that_are_taken_back_wait_for_a_node_that_is_away_and_bring_the_same_files() {
    // Half of the undo's ways is away: each job says which node it waits for, uses up no attempt and changes nothing. With
    // the node back all are where they were, and each is the very file that it was.
    let mut cluster = TestCluster::start().await;
    for seed in 0..3 {
        cluster.upload(1, png(seed, 5_000)).await;
    }
    let before = same_files(&cluster, 1);
    let ask = MovePoolRequest { source_pool_id: 1, target_pool_id: 2, ..MovePoolRequest::default() };
    let there = cluster.admin().move_pool(ask).await.unwrap().into_inner().job_id;
    assert_eq!(cluster.wait_for_end(there).await.state, "completed");
    assert!(cluster.cluster().stop_storage_node("s01").await);
    let ask = ChangeJobsRequest { ids: vec![there], ..ChangeJobsRequest::default() };
    let back = cluster.admin().undo_moves(ask).await.unwrap().into_inner();
    for child in cluster.children(&back).await {
        let waiting = cluster.wait_for_job(child.id, |job| !job.waiting_for.is_empty()).await;
        let seen = (waiting.state.as_str(), waiting.attempt, waiting.waiting_for.as_str());
        assert_eq!(seen, ("pending", 0, "node s01 is not attached"));
    }
    assert_eq!((stored(&cluster, 1).len(), stored(&cluster, 2).len()), (0, 3));
    cluster.restart().await;
    let parent = cluster.wait_for_end(back.job_id).await;
    assert_eq!((parent.state.as_str(), parent.children_done), ("completed", 3), "{parent:?}");
    assert_eq!(same_files(&cluster, 1), before);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_for_a_node_that_is_away_waits_at_no_cost_and_goes_on_when_it_is_back() {
    let mut cluster = TestCluster::start().await;
    let digest = Sha256::of(&png(5, 100));
    let upload = cluster.upload(1, png(5, 100)).await;
    let (uuid, url) = (upload["image_uuid"].as_str().unwrap(), upload["url"].as_str().unwrap());
    assert!(cluster.cluster().stop_storage_node("s01").await);
    let batch = cluster.move_images(&[uuid], 2).await;
    let child = cluster.children(&batch).await[0].id;
    let waiting = cluster.wait_for_job(child, |job| !job.waiting_for.is_empty()).await;
    assert_eq!((waiting.state.as_str(), waiting.attempt), ("pending", 0), "{waiting:?}");
    assert!(waiting.waiting_for.contains("s01"), "{}", waiting.waiting_for);
    assert_eq!(cluster.follow(url).await, (200, 0, digest));
    cluster.restart().await;
    assert_eq!(cluster.wait_for_end(child).await.state, "completed");
    assert_eq!(cluster.follow(url).await, (200, 1, digest));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn started_again_the_cluster_goes_on_where_it_was() {
    let mut cluster = TestCluster::start().await;
    let upload = cluster.upload(2, png(3, 100)).await;
    let uuid = upload["image_uuid"].as_str().unwrap();
    let (image, token) = (cluster.image(uuid).await, cluster.cluster().secrets().get("ADMIN_TOKEN").to_owned());
    cluster.restart().await;
    assert_eq!((cluster.image(uuid).await, cluster.cluster().secrets().get("ADMIN_TOKEN")), (image, token.as_str()));
    assert_eq!(cluster.follow(upload["url"].as_str().unwrap()).await.0, 200);
    let batch = cluster.move_images(&[uuid], 3).await;
    assert_eq!(cluster.wait_for_end(batch.job_id).await.state, "completed");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_first_writes_nothing_and_asking_twice_does_it_once() {
    let cluster = TestCluster::start().await;
    let upload = cluster.upload(1, png(4, 100)).await;
    let request = MoveImagesRequest {
        uuids: vec![upload["image_uuid"].as_str().unwrap().into()],
        target_pool_id: 2,
        dry_run: true,
        request_id: "evening".into(),
    };
    let asked = cluster.admin().move_images(request.clone()).await.unwrap().into_inner();
    assert_eq!((asked.job_id, asked.images), (0, 1));
    let done = MoveImagesRequest { dry_run: false, ..request };
    let first = cluster.admin().move_images(done.clone()).await.unwrap().into_inner();
    let again = cluster.admin().move_images(done).await.unwrap().into_inner();
    assert!(first.job_id != 0 && again.job_id == first.job_id, "{first:?} {again:?}");
    assert_eq!(cluster.wait_for_end(first.job_id).await.children_total, 1);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_leads_nowhere_is_no_image() {
    let cluster = TestCluster::start().await;
    for (link, want) in [("/i/AAAAAAAAAAAA", 404), ("/i/too-short", 404), ("/i/%00", 404), ("/nothing", 404)] {
        let answer = http_client().get(format!("http://{}{link}", cluster.app())).send().await.unwrap();
        assert_eq!(answer.status(), want, "{link}");
    }
    cluster.shutdown().await;
}
