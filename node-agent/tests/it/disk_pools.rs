//! Whose directory is it, who hosts what, and what is still free.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use pixelfox_node::pools::{NodePool, PoolReport, Source};
use pixelfox_node::receive::LandingError;
use pixelfox_proto::FaultKind;

use crate::disk_ground::{Ground, bytes, path, welcome};

/// Applies `pools` until pool 1's report is as wanted.
pub(crate) async fn until(ground: &Ground, pools: Vec<NodePool>, wanted: impl Fn(&PoolReport) -> bool) {
    let seen = async {
        ground.welcome(pools).await;
        loop {
            for pool in ground.pools.all() {
                pool.look().await;
            }
            if ground.pools.reports().first().is_some_and(&wanted) {
                return;
            }
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), seen).await;
    assert!(waited.is_ok(), "{:?}", ground.pools.reports());
}

fn move_dir(from: &Path, to: &Path) {
    rustix::fs::rename(from, to).unwrap();
}

#[tokio::test]
async fn a_pool_is_made_while_that_is_allowed_and_never_after() {
    // Made, then its directory emptied as an unmounted disk looks: offline, nothing served, no new marker.
    let ground = Ground::new().await;
    ground.put("original/a", b"a").await.unwrap();
    assert!(ground.read(".pixelfox/pool.json").is_some());
    let mut told = ground.told(1);
    told.initialize = false;
    move_dir(&ground.on_disk(""), &ground.folder.join("unmounted"));
    fs::create_dir(ground.on_disk("")).unwrap();
    until(&ground, vec![told.clone()], |report| report.problem.contains("is the pool's disk mounted")).await;
    assert!(ground.pools.find(&path("original/a")).unwrap().is_none());
    assert!(ground.names("").is_empty(), "nothing is made on an empty mount point");
    // Allowed again by an old Welcome: this process knows better.
    told.initialize = true;
    ground.welcome(vec![told.clone()]).await;
    ground.pool().look().await;
    assert!(ground.names("").is_empty() && !ground.pools.reports()[0].healthy);
    fs::remove_dir(ground.on_disk("")).unwrap();
    move_dir(&ground.folder.join("unmounted"), &ground.on_disk(""));
    until(&ground, vec![told], |report| report.healthy).await;
    assert!(ground.pools.find(&path("original/a")).unwrap().is_some());
}

#[tokio::test]
async fn two_pools_over_one_directory_are_refused() {
    // By the same path, through a link, a pool inside a pool, a copy of the disk, and outside of the roots.
    let ground = Ground::new().await;
    symlink(ground.on_disk(""), ground.folder.join("link")).unwrap();
    let copy = ground.folder.join("copy");
    fs::create_dir_all(copy.join(".pixelfox")).unwrap();
    fs::copy(ground.on_disk(".pixelfox/pool.json"), copy.join(".pixelfox/pool.json")).unwrap();
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), ground.folder.join("way out")).unwrap();
    for (why, base, want) in [
        ("the same path", ground.on_disk(""), "is the same directory as that of pool 1"),
        ("a link", ground.folder.join("link"), "is the same directory as that of pool 1"),
        ("a pool inside a pool", ground.on_disk("original/inner"), "lies inside the pool at"),
        ("a copy of another pool's disk", copy, "belongs to another pool"),
        ("outside of the roots", outside.path().join("x"), "does not lie under STORAGE_ROOTS"),
        ("a link to the outside", ground.folder.join("way out/x"), "does not lie under STORAGE_ROOTS"),
    ] {
        let mut second = ground.told(2);
        second.base_path = base;
        ground.welcome(vec![ground.told(1), second]).await;
        let report = ground.pools.reports().remove(1);
        assert!(!report.healthy && report.problem.contains(want), "{why}: {}", report.problem);
        assert!(ground.pools.reports()[0].healthy, "{why}: the first pool stays");
    }
    assert!(fs::read_dir(outside.path()).unwrap().next().is_none(), "nothing is made outside");
}

#[tokio::test]
async fn another_nodes_marker_is_respected() {
    // The directory of a node elsewhere, seen over a shared file system: its marker names another identity.
    let first = Ground::new().await;
    let second = Ground::at(first.folder.clone());
    let mut told = second.told(1);
    told.identity = "another".into();
    second.welcome(vec![told]).await;
    let report = second.pools.reports().remove(0);
    assert!(report.problem.contains("belongs to another pool: its marker names `img1`"), "{}", report.problem);
    // And the same pool in two processes of one machine: the lock.
    let third = Ground::at(first.folder.clone());
    third.welcome(vec![third.told(1)]).await;
    let report = third.pools.reports().remove(0);
    assert!(report.problem.contains("in use as a pool already"), "{}", report.problem);
}

#[tokio::test]
async fn who_hosts_a_pool() {
    let temp = tempfile::tempdir().unwrap();
    let ground = Ground::at(temp.path().canonicalize().unwrap());
    assert_eq!(ground.pools.hosted_any(1).unwrap_err().kind(), FaultKind::Unavailable);
    let mut told = ground.told(1);
    told.legacy_pool_id = Some(77);
    // What was kept from an earlier session serves, makes nothing and takes nothing in.
    ground.pools.apply(welcome(vec![told.clone()]), Source::Kept).await;
    assert_eq!(ground.pools.hosted_any(1).unwrap_err().kind(), FaultKind::Unavailable);
    assert!(!ground.on_disk("").try_exists().unwrap());
    ground.welcome(vec![told]).await;
    assert_eq!(ground.pools.hosted_any(1).unwrap().id().get(), 1);
    assert_eq!(ground.pools.hosted_any(77).unwrap().id().get(), 1);
    for (id, want) in [(9, "pool 9 is on node s09"), (7, "no pool 7 in this cluster"), (0, "no pool 0 in this cluster")]
    {
        let fault = ground.pools.hosted_any(id).unwrap_err();
        assert_eq!((fault.kind(), fault.message()), (FaultKind::Misdirected, want));
    }
    assert_eq!(ground.pools.lease_floor().0, 10);
    ground.welcome(Vec::new()).await;
    assert_eq!(ground.pools.hosted_any(1).unwrap_err().message(), "no pool 1 in this cluster");
}

#[tokio::test]
async fn the_limit_counts_what_is_on_its_way() {
    // 1,000 bytes: 400 used, 100 reserved; what is open counts, what landed counts, what was given up does not.
    let ground = Ground::with(|told| (told.max_size, told.used_size, told.reserved_size) = (1000, 400, 100)).await;
    let open = ground.receiver.open(&ground.pool(), Some(300)).unwrap();
    let refused = ground.receiver.open(&ground.pool(), Some(201)).unwrap_err();
    assert!(matches!(refused, LandingError::NoRoom(_)), "{refused}");
    drop(open);
    ground.put("original/a", &bytes(1, 450)).await.unwrap();
    assert_eq!(ground.pool().room(), 50);
    let refused = ground.put("original/b", &bytes(1, 51)).await.unwrap_err();
    assert_eq!(refused.kind(), FaultKind::InsufficientStorage);
    ground.put("original/b", &bytes(1, 50)).await.unwrap();
}

#[tokio::test]
async fn a_pool_that_is_not_active_serves_and_takes_nothing() {
    let ground = Ground::new().await;
    ground.put("original/a", b"a").await.unwrap();
    let mut told = ground.told(1);
    told.is_active = false;
    ground.welcome(vec![told]).await;
    assert!(matches!(ground.put("original/b", b"b").await, Err(LandingError::NoRoom(_))));
    assert!(ground.pools.find(&path("original/a")).unwrap().is_some());
    assert_eq!(ground.pools.roomiest().unwrap_err().kind(), FaultKind::InsufficientStorage);
}

#[tokio::test]
async fn the_marker_says_what_the_books_say() {
    // Renamed and limited by the coordinator: the marker follows, and still names the same pool.
    let ground = Ground::new().await;
    let mut told = ground.told(1);
    (told.name, told.max_size, told.initialize) = ("hot".into(), 5000, false);
    let marker = || String::from_utf8(ground.read(".pixelfox/pool.json").unwrap()).unwrap();
    assert!(marker().contains("img1") && marker().contains("identity-1"));
    until(&ground, vec![told], |report| report.healthy && marker().contains("\"hot\"")).await;
    assert!(marker().contains("5000") && marker().contains("identity-1"));
    assert_eq!(ground.names(".pixelfox").iter().filter(|name| name.starts_with("pool.json")).count(), 1);
}

#[tokio::test]
async fn a_restart_finds_everything_without_a_walk() {
    // Closed and opened again: files, marks and pending uploads are there; nothing was initialized twice.
    let ground = Ground::new().await;
    ground.put("original/a", b"a").await.unwrap();
    let marker = ground.read(".pixelfox/pool.json");
    ground.welcome(Vec::new()).await;
    let mut told = ground.told(1);
    told.initialize = false;
    until(&ground, vec![told], |report| report.healthy).await;
    assert_eq!((ground.generation("original/a"), ground.read(".pixelfox/pool.json")), (Some(0), marker));
}
