//! Files without a record: found, marked and counted in the background, never removed.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use pixelfox_node::plane::Plane;
use pixelfox_node::pools::{CensusPace, Pool, Unowned, count_unowned};
use tokio::task::JoinSet;

use crate::disk_ground::{Ground, attempt, bytes};

const PATIENCE: Duration = Duration::from_secs(20);

/// Small steps without rest, so that a walk has many of them.
fn pace() -> CensusPace {
    let (every, settled) = (Duration::from_secs(3600), Duration::ZERO);
    CensusPace { files: 2, hashed_bytes: 1 << 20, pause: Duration::from_millis(1), settled, every }
}

/// Counts until the report is as wanted.
async fn counted(ground: &Ground, pace: CensusPace, want: (u64, u64)) {
    let plane = Plane::one_per_core().unwrap();
    let mut counting = JoinSet::new();
    counting.spawn(count_unowned(Arc::clone(&ground.pools), plane.clone(), pace));
    seen(&ground.pool(), want).await;
    counting.shutdown().await;
    plane.stop().await;
}

/// Waits until the pool's report is as wanted.
async fn seen(pool: &Pool, want: (u64, u64)) {
    let want = Unowned { bytes: want.0, files: want.1 };
    let seen = async {
        while pool.report().unowned != want {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, seen).await;
    assert!(waited.is_ok(), "{:?} instead of {want:?}", pool.report().unowned);
}

fn put_by_hand(ground: &Ground, at: &str, bytes: &[u8]) {
    let place = ground.on_disk(at);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(place, bytes).unwrap();
}

#[tokio::test]
async fn files_without_a_record_are_found_marked_and_counted() {
    // Five files copied in, one replicated by hand, one that a move brought, and things that are no stored files: six are
    // counted, each has a mark of generation 0 with its digest afterwards, and all are as they were.
    let ground = Ground::new().await;
    for n in 0..5_u8 {
        put_by_hand(&ground, &format!("original/2026/{n}.jpg"), &[n; 100]);
    }
    put_by_hand(&ground, "original/2026/.hidden", b"no stored path");
    put_by_hand(&ground, "elsewhere/x.jpg", b"not ours");
    ground.put("variants/by-hand.jpg", &bytes(1, 50)).await.unwrap();
    ground.moved("original/moved.jpg", &bytes(2, 70), attempt(11, 3)).await.unwrap();
    counted(&ground, pace(), (550, 6)).await;
    for n in 0..5_u8 {
        let path = format!("original/2026/{n}.jpg");
        let mark = ground.mark(&path).unwrap();
        assert_eq!((mark.generation.0, mark.size, mark.sha256), (0, 100, pixelfox_proto::Sha256::of(&[n; 100])));
        assert_eq!(ground.read(&path).unwrap(), [n; 100]);
    }
    assert_eq!(ground.generation("original/moved.jpg"), Some(3));
}

#[tokio::test]
async fn a_count_goes_on_where_it_stood_and_is_known_at_once_after_a_restart() {
    // Counted, opened again: the figure is there before any walk. What lands by hand counts at once, and a walk that
    // was cut short goes on behind what it has seen.
    let ground = Ground::new().await;
    for n in 0..7_u8 {
        put_by_hand(&ground, &format!("original/{n}.jpg"), &[n; 10]);
    }
    counted(&ground, pace(), (70, 7)).await;
    ground.put("original/later.jpg", &bytes(1, 5)).await.unwrap();
    assert_eq!(ground.pool().report().unowned, Unowned { bytes: 75, files: 8 });

    let half = r#"{"after":"original/3.jpg","bytes":40,"files":4}"#;
    fs::write(ground.on_disk(".pixelfox/census.json"), half).unwrap();
    ground.welcome(Vec::new()).await;
    let mut told = ground.told(1);
    told.initialize = false;
    ground.welcome(vec![told]).await;
    counted(&ground, CensusPace { files: 100, ..pace() }, (75, 8)).await;
}

#[tokio::test]
async fn a_file_that_is_still_being_written_is_counted_and_not_marked() {
    // Copied in just now: it may not be whole yet, and a mark would pin what it is not.
    let ground = Ground::new().await;
    put_by_hand(&ground, "original/new.jpg", b"half of it");
    counted(&ground, CensusPace { settled: PATIENCE, ..pace() }, (10, 1)).await;
    assert_eq!(ground.mark("original/new.jpg"), None);
}

#[tokio::test]
async fn a_disk_that_opens_late_is_not_kept_waiting_for_its_count() {
    // The first pool has been counted and nothing is due for an hour; then a second one comes, with a file in it.
    let ground = Ground::new().await;
    put_by_hand(&ground, "original/a.jpg", b"one");
    let plane = Plane::one_per_core().unwrap();
    let mut counting = JoinSet::new();
    counting.spawn(count_unowned(Arc::clone(&ground.pools), plane.clone(), pace()));
    seen(&ground.pool(), (3, 1)).await;
    let late = ground.told(2);
    fs::create_dir_all(late.base_path.join("original")).unwrap();
    fs::write(late.base_path.join("original/b.jpg"), b"two, later").unwrap();
    ground.welcome(vec![ground.told(1), late]).await;
    let second = ground.pools.all().pop().unwrap();
    seen(&second, (10, 1)).await;
    counting.shutdown().await;
    plane.stop().await;
}
