//! Whose directory is it, who hosts what, and what is still free.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use pixelfox_node::pools::{NodePool, Place, PoolReport, Source};
use pixelfox_node::receive::LandingError;
use pixelfox_proto::FaultKind;

use crate::disk_ground::{Ground, bytes, path, welcome};
use crate::disk_mount::Mount;

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

fn place(told: &NodePool) -> Place {
    let NodePool { name, base_path, identity, initialize, retired, .. } = told.clone();
    Place { id: Some(told.id), name, base_path, identity, initialize, retired }
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
    let bound = Mount::bind(&ground.on_disk(""), &ground.folder.join("bound"));
    fs::create_dir_all(ground.on_disk("original")).unwrap();
    ground.pool().look().await;
    let inner = Mount::bind(&ground.on_disk("original"), &ground.folder.join("inner"));
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), ground.folder.join("way out")).unwrap();
    let same = "is the same directory as that of pool img1 (1)";
    let mounts = [(bound.is_some(), "bound"), (inner.is_some(), "inner")];
    let mounted = mounts.into_iter().filter(|(there, _)| *there);
    let mounted = mounted.map(|(_, name)| ("a bind mount", ground.folder.join(name), same));
    for (why, base, want) in [
        ("the same path", ground.on_disk(""), "is the same directory as that of pool img1 (1)"),
        ("a link", ground.folder.join("link"), "is the same directory as that of pool img1 (1)"),
        ("a pool inside a pool", ground.on_disk("original/inner"), "lies inside the directory of pool img1 (1) at"),
        (
            "a copy of another pool's disk",
            copy,
            "than pool img2 (2): its marker .pixelfox/pool.json names pool img1 (1)",
        ),
        ("outside of the roots", outside.path().join("x"), "does not lie under STORAGE_ROOTS"),
        ("a link to the outside", ground.folder.join("way out/x"), "does not lie under STORAGE_ROOTS"),
    ]
    .into_iter()
    .chain(mounted)
    {
        let mut second = ground.told(2);
        second.base_path = base;
        let looked = ground.pools.look_at(&place(&second));
        assert!(looked.impossible && looked.problem.contains(want), "{why}: {}", looked.problem);
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
    assert!(
        report.problem.contains("an earlier disk of pool img1 (1), of a copy of one, or of another cluster's pool"),
        "{}",
        report.problem
    );
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

#[tokio::test]
async fn a_look_at_a_directory_writes_nothing_and_tells_what_would_happen() {
    // A directory that is not there, an empty one, the pool's own, and one whose marker is missing: looked at, untouched.
    let ground = Ground::new().await;
    let (none, empty) = (ground.folder.join("none"), ground.folder.join("empty"));
    fs::create_dir(&empty).unwrap();
    for (why, id, base, initialize, want) in [
        ("a new pool may be made", 2, &none, true, ""),
        ("a new pool in an empty directory", 2, &empty, true, ""),
        ("its own directory", 1, &ground.on_disk(""), false, ""),
        ("its data is not there", 1, &empty, false, "the marker .pixelfox/pool.json of pool img1 (1) is missing"),
        ("its directory is not there", 1, &none, false, "is not there; is its disk mounted?"),
    ] {
        let mut told = ground.told(id);
        (told.base_path, told.initialize) = (base.clone(), initialize);
        let looked = ground.pools.look_at(&place(&told));
        assert_eq!(looked.problem.is_empty(), want.is_empty(), "{why}: {}", looked.problem);
        assert!(looked.problem.contains(want) && !looked.impossible, "{why}: {}", looked.problem);
        assert_eq!(looked.healthy, want.is_empty());
        let made = if id == 2 && base == &none { none.display().to_string() } else { String::new() };
        assert_eq!(looked.would_make, made, "{why}");
    }
    let mut deep = ground.told(2);
    deep.base_path = none.join("uploads/s01");
    assert_eq!(ground.pools.look_at(&place(&deep)).would_make, none.display().to_string(), "the topmost one");
    assert!(!none.try_exists().unwrap() && fs::read_dir(&empty).unwrap().next().is_none());
}

#[tokio::test]
async fn a_new_pool_takes_over_the_directory_of_a_deleted_one_and_no_other() {
    // Pool 1 is gone from the cluster. Pool 2 over its directory: refused while pool 1 is not known to be deleted, then
    // taken over with every file, and its own from then on.
    let ground = Ground::new().await;
    ground.put("original/a", b"a").await.unwrap();
    let mut second = ground.told(2);
    second.base_path = ground.on_disk("");
    until(&ground, vec![second.clone()], |report| report.problem.contains("names pool img1 (1)")).await;
    second.retired = vec!["identity-1".into()];
    until(&ground, vec![second.clone()], |report| report.healthy).await;
    assert_eq!(ground.read("original/a"), Some(b"a".to_vec()));
    let marker = String::from_utf8(ground.read(".pixelfox/pool.json").unwrap()).unwrap();
    assert!(marker.contains("identity-2") && marker.contains("img2"), "{marker}");
    until(&ground, vec![ground.told(1)], |report| report.problem.contains("names pool img2 (2)")).await;
}

#[tokio::test]
async fn a_trial_finds_what_a_look_does_not() {
    // A full disk and one that has become read-only are told at once, with the cure; a file in the way of `original` too.
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().canonicalize().unwrap();
    let Some(disk) = Mount::tmpfs(&folder.join("pool1"), "1m") else { return };
    let ground = Ground::at(folder);
    ground.welcome(vec![ground.told(1)]).await;
    let well = ground.pool().check().await;
    assert!(well.healthy && well.total > 0, "{}", well.problem);
    fs::write(ground.on_disk("original"), b"in the way").unwrap();
    let blocked = ground.pool().check().await;
    assert!(!blocked.healthy && blocked.problem.contains("move away what stands there"), "{}", blocked.problem);
    fs::remove_file(ground.on_disk("original")).unwrap();
    drop(fs::write(ground.on_disk("filler"), vec![1; 2 << 20]));
    let full = ground.pool().check().await;
    assert!(!full.healthy && full.problem.contains("make room on the disk"), "{}", full.problem);
    assert!(ground.pools.reports()[0].healthy, "a full pool still serves");
    fs::remove_file(ground.on_disk("filler")).unwrap();
    assert!(ground.pool().check().await.healthy);
    disk.read_only();
    let frozen = ground.pool().check().await;
    assert!(!frozen.healthy && frozen.problem.contains("read-only; mount it writable"), "{}", frozen.problem);
}

#[tokio::test]
async fn room_that_somebody_else_takes_is_told_of_at_the_next_look() {
    let temp = tempfile::tempdir().unwrap();
    let ground = Ground::at(temp.path().canonicalize().unwrap());
    let Some(_mount) = Mount::tmpfs(&ground.on_disk(""), "8m") else { return };
    ground.welcome(vec![ground.told(1)]).await;
    ground.pool().look().await;
    ground.pools.changed().await;
    let before = ground.pools.reports()[0].free;
    fs::write(ground.on_disk("filler"), vec![1; 2 << 20]).unwrap();
    ground.pool().look().await;
    tokio::time::timeout(Duration::from_secs(20), ground.pools.changed()).await.expect("a heartbeat is due");
    assert!(ground.pools.reports()[0].free <= before - (2 << 20));
}
