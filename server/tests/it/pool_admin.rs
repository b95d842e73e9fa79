//! Pools by the Admin service: deleted, counted anew, tried by their node, moved to another directory.

use pixelfox_proto::v1;
use tonic::Code;

use crate::harness::{Admin, PATIENCE, TestCluster, files_below, png};
use crate::office::{FakeNode, Office, Web, admins};

async fn pool(admin: &mut Admin, id: u64) -> v1::Pool {
    admin.get_pool(v1::GetPoolRequest { id }).await.unwrap().into_inner()
}

/// Waits until the pool's report fits.
async fn pool_where(admin: &mut Admin, id: u64, fits: impl Fn(&v1::Pool) -> bool) -> v1::Pool {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let seen = pool(admin, id).await;
        if fits(&seen) {
            return seen;
        }
        assert!(tokio::time::Instant::now() < deadline, "{seen:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn on_s01(name: &str, template: &v1::Pool, base_path: &std::path::Path) -> v1::Pool {
    v1::Pool { name: name.into(), base_path: base_path.to_str().unwrap().into(), id: 0, ..template.clone() }
}

async fn update(admin: &mut Admin, change: v1::Pool, path: &str, save_anyway: bool) -> Result<v1::Pool, tonic::Status> {
    let update_mask = Some(prost_types::FieldMask { paths: vec![path.into()] });
    let request = v1::UpdatePoolRequest { pool: Some(change), save_anyway, update_mask, expected_revision: 0 };
    admin.update_pool(request).await.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_pools_directory_is_taken_over_and_its_files_stay() {
    // img1 is deleted; a file without a record lies in its directory. Nothing of it is touched. A new pool over the same
    // directory is healthy, serves that file and takes new ones.
    let cluster = TestCluster::start().await;
    let mut admin = cluster.admin();
    let old = pool(&mut admin, 2).await;
    let dir = cluster.pool_dir(2);
    std::fs::create_dir_all(dir.join("original")).unwrap();
    std::fs::write(dir.join("original/by-hand.txt"), b"nobody's").unwrap();
    let refused = admin.delete_pool(v1::DeletePoolRequest { id: 1 }).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    admin.delete_pool(v1::DeletePoolRequest { id: 2 }).await.unwrap();
    assert_eq!(admin.get_pool(v1::GetPoolRequest { id: 2 }).await.unwrap_err().code(), Code::NotFound);
    assert!(files_below(&dir).contains(&"original/by-hand.txt".to_owned()));
    assert!(files_below(&dir).contains(&".pixelfox/pool.json".to_owned()));

    let request = v1::CreatePoolRequest { pool: Some(on_s01("again", &old, &dir)), save_anyway: false };
    let made = admin.create_pool(request).await.unwrap().into_inner();
    assert!(made.id > 3);
    pool_where(&mut admin, made.id, |pool| pool.healthy).await;
    let link = format!("http://{}/uploads/original/by-hand.txt", cluster.storage_node("s01"));
    assert_eq!(cluster.follow(&link).await.0, 200);
    let uploaded = cluster.upload(1, png(1, 10)).await;
    let batch = cluster.move_images(&[uploaded["image_uuid"].as_str().unwrap()], made.id).await;
    assert_eq!(cluster.wait_for_end(batch.job_id).await.state, "completed");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_is_tried_by_its_own_node() {
    // Healthy with figures of its disk; with its marker gone the sentence says so; a pool that is not there, one of a node
    // that is away, and no id: one clear error each.
    let mut cluster = TestCluster::start().await;
    let mut admin = cluster.admin();
    let check = async |admin: &mut Admin, id| admin.check_pool(v1::CheckPoolRequest { id }).await;
    let well = check(&mut admin, 2).await.unwrap().into_inner();
    assert!(well.healthy && well.problem.is_empty() && well.round_trip_seconds > 0.0, "{well:?}");
    assert!(well.filesystem_free > 0 && well.filesystem_total >= well.filesystem_free);
    // Every pool of this cluster is in one temp folder: one disk, under the same number for pools of different nodes.
    let pools = admin.list_pools(v1::ListPoolsRequest {}).await.unwrap().into_inner().pools;
    let disks: std::collections::BTreeSet<u64> = pools.iter().map(|pool| pool.filesystem_id).collect();
    assert!(disks.len() == 1 && !disks.contains(&0), "{disks:?}");
    assert!(files_below(&cluster.pool_dir(2)).iter().all(|name| !name.contains("incoming/")), "nothing is left behind");
    std::fs::remove_file(cluster.pool_dir(2).join(".pixelfox/pool.json")).unwrap();
    let ill = check(&mut admin, 2).await.unwrap().into_inner();
    assert!(!ill.healthy && ill.problem.contains("pool.json of pool img1 (2) is missing"), "{ill:?}");
    pool_where(&mut admin, 2, |pool| !pool.healthy).await;
    assert_eq!(check(&mut admin, 9).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(check(&mut admin, 0).await.unwrap_err().code(), Code::InvalidArgument);
    cluster.cluster().stop_storage_node("s02").await;
    pool_where(&mut admin, 3, |pool| !pool.online).await;
    let away = check(&mut admin, 3).await.unwrap_err();
    assert_eq!(away.code(), Code::Unavailable);
    assert!(away.message().contains("node s02 of pool img2 is not attached"), "{away}");
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_node_that_does_not_answer_a_check_is_given_up() {
    // A node that reads the question and says nothing; then one that leaves instead of answering; then one that is too
    // old to know the question.
    let office = Office::open().await;
    let mut s01 = FakeNode::attach(&office, "s01").await;
    let check = async |id| office.admin().await.check_pool(admins(v1::CheckPoolRequest { id })).await;
    let pool = s01.pool();
    let (answer, ()) = tokio::join!(check(pool), async {
        let (id, _) = s01.next().await;
        let error = "this version of the node does not know ProbePool".to_owned();
        let result = v1::CommandResult { command_id: id, error, ..v1::CommandResult::default() };
        s01.say(v1::node_event::Event::Result(result)).await;
    });
    let old = answer.unwrap_err();
    assert_eq!(old.code(), Code::FailedPrecondition);
    assert!(old.message().contains("does not know ProbePool"), "{old}");
    let (answer, ()) = tokio::join!(check(pool), async {
        s01.next().await;
        drop(s01);
    });
    let gone = answer.unwrap_err();
    assert_eq!(gone.code(), Code::Unavailable, "{gone}");
    assert!(gone.message().contains("node s01 has gone"), "{gone}");
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_goes_on_in_another_directory_when_its_data_is_there() {
    // The node is asked first: an empty directory and one outside of the roots are refused, and nothing has changed. With
    // save_anyway the pool is offline with the reason until its data is there. With the data there it is simply taken.
    let cluster = TestCluster::start().await;
    let mut admin = cluster.admin();
    let uploaded = cluster.upload(2, png(1, 10)).await;
    let before = pool(&mut admin, 2).await;
    let (old, new) = (cluster.pool_dir(2), cluster.pool_dir(2).with_file_name("uploads_new"));
    std::fs::create_dir(&new).unwrap();
    let to = |path: &std::path::Path| v1::Pool { base_path: path.to_str().unwrap().into(), ..before.clone() };
    let refused = update(&mut admin, to(&new), "base_path", false).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("pool.json of pool img1 (2) is missing in"), "{refused}");
    assert!(refused.message().contains("save_anyway"), "{refused}");
    assert_eq!(pool(&mut admin, 2).await.base_path, before.base_path);
    let refused = update(&mut admin, to(&cluster.pool_dir(3)), "base_path", true).await.unwrap_err();
    assert!(refused.message().contains("node s01") || refused.message().contains("img2 (3)"), "{refused}");

    update(&mut admin, to(&new), "base_path", true).await.unwrap();
    let offline = pool_where(&mut admin, 2, |pool| !pool.healthy && !pool.problem.is_empty()).await;
    assert!(offline.problem.contains("is missing in"), "{}", offline.problem);
    std::fs::remove_dir(&new).unwrap();
    rustix::fs::rename(&old, &new).unwrap();
    assert!(admin.check_pool(v1::CheckPoolRequest { id: 2 }).await.unwrap().into_inner().healthy);
    assert_eq!(cluster.follow(uploaded["url"].as_str().unwrap()).await.0, 200);

    rustix::fs::rename(&new, &old).unwrap();
    update(&mut admin, before.clone(), "base_path", false).await.unwrap();
    pool_where(&mut admin, 2, |pool| pool.healthy && pool.base_path == before.base_path).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_pools_over_one_directory_are_refused_when_they_are_made() {
    // Through a link, in a pool, over a copy of a disk, over another node's directory: each names both pools, and
    // save_anyway does not help.
    let cluster = TestCluster::start().await;
    let mut admin = cluster.admin();
    let img1 = pool(&mut admin, 2).await;
    let here = cluster.pool_dir(2);
    let (link, copy) = (here.with_file_name("link"), here.with_file_name("copy"));
    std::os::unix::fs::symlink(&here, &link).unwrap();
    std::fs::create_dir_all(copy.join(".pixelfox")).unwrap();
    std::fs::copy(here.join(".pixelfox/pool.json"), copy.join(".pixelfox/pool.json")).unwrap();
    for (path, want) in [
        (link, "same directory as that of pool img1 (2)"),
        (here.join("original"), "lies inside the directory of pool img1 (2)"),
        (copy, "another pool than pool second: its marker .pixelfox/pool.json names pool img1 (2)"),
        (cluster.pool_dir(3), "another pool than pool second: its marker .pixelfox/pool.json names pool img2 (3)"),
    ] {
        std::fs::create_dir_all(here.join("original")).unwrap();
        let request = v1::CreatePoolRequest { pool: Some(on_s01("second", &img1, &path)), save_anyway: true };
        let refused = admin.create_pool(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::AlreadyExists, "{refused}");
        assert!(refused.message().contains(want), "{want}: {refused}");
    }
    assert_eq!(admin.list_pools(v1::ListPoolsRequest {}).await.unwrap().into_inner().pools.len(), 3);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_is_counted_anew_for_one_pool_or_all() {
    // Before and after are said; an unknown pool is refused.
    let cluster = TestCluster::start().await;
    let mut admin = cluster.admin();
    cluster.upload(2, png(1, 1000)).await;
    let used = pool(&mut admin, 2).await.used_size;
    let ask = |pool_id| v1::RecalculateUsageRequest { pool_id };
    let all = admin.recalculate_usage(ask(0)).await.unwrap().into_inner().pools;
    let seen: Vec<_> = all.iter().map(|pool| (pool.pool_id, pool.used_before, pool.used_now)).collect();
    assert_eq!(seen, [(1, 0, 0), (2, used, used), (3, 0, 0)]);
    let one = admin.recalculate_usage(ask(2)).await.unwrap().into_inner().pools;
    assert_eq!(one, all[1..2]);
    assert_eq!(admin.recalculate_usage(ask(9)).await.unwrap_err().code(), Code::NotFound);
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_pool_goes_to_another_node_only_where_its_data_is() {
    // img1 has data. s02 says that it is not there: refused, and taken with save_anyway. It is another pool's: refused
    // either way. A node that is away can't be asked: likewise a doubt. Where s02 has the data it is simply taken.
    let office = Office::open().await;
    let mut s01 = FakeNode::attach(&office, "s01").await;
    let _s02 = FakeNode::attach(&office, "s02").await;
    let id = s01.pool();
    s01.welcome_where(|welcome| !welcome.pools[0].initialize).await;
    let webs = [("s01", Web::of("s01").await), ("s02", Web::of("s02").await)];
    let change = async |node_id: &str, base_path: &str, save_anyway| {
        let web = webs.iter().find(|(node, _)| *node == node_id);
        let public_base_url = web.map_or_else(|| "http://127.0.0.1:9".into(), |(_, web)| web.url.clone());
        let (node_id, base_path) = (node_id.to_owned(), base_path.to_owned());
        let pool = v1::Pool { id, node_id, base_path, public_base_url, ..v1::Pool::default() };
        let paths = ["node_id", "base_path", "public_base_url"].map(str::to_owned).to_vec();
        let update_mask = Some(prost_types::FieldMask { paths });
        let request = v1::UpdatePoolRequest { pool: Some(pool), save_anyway, update_mask, expected_revision: 0 };
        office.admin().await.update_pool(admins(request)).await.map(tonic::Response::into_inner)
    };
    for (node, path, save_anyway, code, want) in [
        ("s02", "/srv/empty", false, Code::FailedPrecondition, "base_path: the marker is missing"),
        ("s02", "/srv/taken", true, Code::AlreadyExists, "base_path: it is the directory of another pool"),
        ("s02", "/etc", true, Code::InvalidArgument, "not under a storage root of node s02"),
        ("s07", "/srv/s01", false, Code::FailedPrecondition, "node s07 is not attached, so nobody can see"),
    ] {
        let refused = change(node, path, save_anyway).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
        assert!(refused.message().contains(want), "{want}: {refused}");
    }
    assert_eq!(change("s02", "/srv/empty", true).await.unwrap().node_id, "s02");
    assert_eq!(change("s01", "/srv/s01", false).await.unwrap().node_id, "s01");
    office.close().await;
}

#[tokio::test]
async fn a_request_that_names_no_pool_is_one_clear_error() {
    // Without an id, and with one that is not there, for each method that takes one.
    let office = Office::open().await;
    let mut admin = office.admin().await;
    for (id, code) in [(0, Code::InvalidArgument), (99, Code::NotFound), (u64::MAX, Code::NotFound)] {
        let pool = Some(v1::Pool { id, name: "x".into(), ..v1::Pool::default() });
        let answers = [
            admin.get_pool(admins(v1::GetPoolRequest { id })).await.map(drop),
            admin.delete_pool(admins(v1::DeletePoolRequest { id })).await.map(drop),
            admin.check_pool(admins(v1::CheckPoolRequest { id })).await.map(drop),
            admin.replace_pool_disk(admins(v1::ReplacePoolDiskRequest { id, name: "x".into() })).await.map(drop),
            admin.update_pool(admins(v1::UpdatePoolRequest { pool, ..Default::default() })).await.map(drop),
        ];
        for answer in answers {
            let refused = answer.unwrap_err();
            assert_eq!(refused.code(), code, "{refused}");
            assert!(!refused.message().is_empty());
        }
    }
    office.close().await;
}

#[tokio::test]
async fn files_without_a_record_are_shown_as_their_node_counts_them() {
    // What the heartbeat says of the pool is what GetPool shows.
    let office = Office::open().await;
    let s01 = FakeNode::attach(&office, "s01").await;
    let mut watcher = office.books.watch();
    let (pool_id, healthy) = (s01.pool(), false);
    let report = v1::PoolReport { pool_id, healthy, unowned_bytes: 77, unowned_files: 3, ..v1::PoolReport::default() };
    let beat = v1::Heartbeat { pools: vec![report], ..v1::Heartbeat::default() };
    s01.say(v1::node_event::Event::Heartbeat(beat)).await;
    let get =
        async || office.admin().await.get_pool(admins(v1::GetPoolRequest { id: pool_id })).await.unwrap().into_inner();
    while get().await.unowned_size != 77 {
        crate::office::within("the heartbeat", watcher.next()).await;
    }
    office.close().await;
}
