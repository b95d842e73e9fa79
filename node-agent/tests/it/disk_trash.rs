//! Files leave and come back: trash, fences, purge, restore, and what a crash between two steps leaves.

use std::fs;

use pixelfox_node::disk::{Check, Disk, MarkKind, Moved, Purged, Reason, Removal, Restored, Site, Trashed, Verdict};
use pixelfox_node::receive::{LandingError, Start};
use pixelfox_proto::{Generation, Lease};

use crate::disk_ground::{Ground, attempt, bytes, path, removal};

const AT: &str = "original/2026/11/24/a.png";
const IN_TRASH: &str = ".pixelfox/trash/2/original/2026/11/24/a.png";

async fn with_generation_2() -> (Ground, Vec<u8>) {
    let ground = Ground::new().await;
    let data = bytes(1, 5000);
    ground.moved(AT, &data, attempt(11, 2)).await.unwrap();
    (ground, data)
}

fn generations(from: u64, to: u64) -> (Generation, Generation) {
    (Generation(from), Generation(to))
}

#[tokio::test]
async fn only_the_named_generation_goes_to_the_trash_and_once() {
    let (ground, data) = with_generation_2().await;
    let pool = ground.pool();
    assert_eq!(pool.trash(removal(AT, 1)).await.unwrap(), Trashed::Stale(Generation(2)));
    assert_eq!(ground.read(AT).unwrap(), data);
    let size = data.len() as u64;
    assert_eq!(pool.trash(removal(AT, 2)).await.unwrap(), Trashed::Trashed { size, moved: Moved::Now });
    assert_eq!((ground.read(AT), ground.read(IN_TRASH).unwrap()), (None, data));
    assert_eq!(pool.trash(removal(AT, 2)).await.unwrap(), Trashed::Trashed { size, moved: Moved::Before });
    assert_eq!(pool.trash(removal("original/none", 2)).await.unwrap(), Trashed::Missing);
}

#[tokio::test]
async fn a_late_stream_of_a_deleted_generation_does_not_land() {
    // The delete finds nothing and leaves a fence; the cancelled attempt's stream ends after it.
    let ground = Ground::new().await;
    let data = bytes(1, 1000);
    let begun = crate::disk_ground::begin(AT, &data, Some(attempt(11, 2)));
    let mut late = ground.receiver.begin(&ground.pool(), begun).await.unwrap();
    crate::disk_ground::send(&mut late, &data, 0).unwrap();
    assert_eq!(ground.pool().trash(removal(AT, 2)).await.unwrap(), Trashed::Missing);
    assert!(matches!(late.finish().await, Err(LandingError::Stale(_))));
    assert!(ground.read(AT).is_none() && ground.names(".pixelfox/incoming").is_empty());
    ground.moved(AT, &data, attempt(12, 3)).await.unwrap();
    assert_eq!(ground.generation(AT), Some(3));
}

#[tokio::test]
async fn what_was_on_its_way_goes_with_the_attempt_that_is_given_up_and_only_that() {
    // Streams for two paths are cut short, their bytes are kept to be gone on with. One attempt is given up: its bytes go,
    // and its file begins at 0 when it comes anew; the other one goes on. An order that is no giving up takes nothing.
    let (ground, other) = (Ground::new().await, "original/2026/11/24/b.png");
    let data = bytes(1, 1_000_000);
    for at in [AT, other] {
        let begun = crate::disk_ground::begin(at, &data, Some(attempt(11, 2)));
        let mut cut = ground.receiver.begin(&ground.pool(), begun).await.unwrap();
        crate::disk_ground::send(&mut cut, &data[..700_000], 0).unwrap();
        drop(cut);
    }
    let lie_there = || ground.names(".pixelfox/incoming").len();
    assert_eq!(lie_there(), 2);
    assert_eq!(ground.pool().trash(removal(other, 1)).await.unwrap(), Trashed::Missing);
    assert_eq!(lie_there(), 2);
    let given_up = Removal { reason: Reason::GivenUp, ..removal(AT, 2) };
    assert_eq!(ground.pool().trash(given_up).await.unwrap(), Trashed::Missing);
    assert_eq!(lie_there(), 1);
    for (at, offered) in [(AT, 0), (other, 524_288)] {
        let mut begun = crate::disk_ground::begin(at, &data, Some(attempt(12, 3)));
        begun.start = Start::WhereItEnded;
        let mut again = ground.receiver.begin(&ground.pool(), begun).await.unwrap();
        assert_eq!(again.offer().await.unwrap().offset, offered, "{at}");
        crate::disk_ground::send(&mut again, &data, usize::try_from(offered).unwrap()).unwrap();
        again.finish().await.unwrap();
    }
    assert_eq!(lie_there(), 0);
}

#[tokio::test]
async fn a_purge_takes_only_what_its_generation_names() {
    let (ground, _) = with_generation_2().await;
    let pool = ground.pool();
    pool.trash(removal(AT, 2)).await.unwrap();
    assert_eq!(pool.purge(removal(AT, 1)).await.unwrap(), Purged::Missing);
    assert_eq!(pool.purge(removal(AT, 0)).await.unwrap(), Purged::Stale(Generation(0)));
    assert!(matches!(pool.purge(removal(AT, 2)).await.unwrap(), Purged::Purged { .. }));
    assert_eq!(pool.purge(removal(AT, 2)).await.unwrap(), Purged::Missing);
    assert!(ground.names(".pixelfox/trash").is_empty(), "emptied folders go too");
}

#[tokio::test]
async fn a_file_that_had_no_record_before_goes_back_to_generation_0_and_is_never_purged() {
    // Copied in, found by a move as the same bytes, the move given up: it was nobody's before, and is again.
    let ground = Ground::new().await;
    fs::create_dir_all(ground.on_disk("original")).unwrap();
    fs::write(ground.on_disk("original/a"), b"copied in").unwrap();
    assert!(ground.moved("original/a", b"copied in", attempt(11, 2)).await.unwrap().skipped);
    let given_up = Removal { reason: Reason::GivenUp, ..removal("original/a", 2) };
    let trashed = ground.pool().trash(given_up).await.unwrap();
    assert_eq!(trashed, Trashed::GivenBack);
    assert_eq!(ground.pool().purge(removal("original/a", 2)).await.unwrap(), Purged::Missing);
    assert_eq!(ground.read(".pixelfox/trash/0/original/a").unwrap(), b"copied in");
    // It is nobody's from here on: neither the order, repeated, nor one about another attempt takes it for its own.
    for generation in [2, 4] {
        let again = Removal { reason: Reason::GivenUp, ..removal("original/a", generation) };
        assert_eq!(ground.pool().trash(again).await.unwrap(), Trashed::Missing);
    }
}

#[tokio::test]
async fn a_file_comes_back_from_the_trash_with_its_new_generation() {
    let (ground, data) = with_generation_2().await;
    let pool = ground.pool();
    pool.trash(removal(AT, 2)).await.unwrap();
    let back = pool.restore(&path(AT), generations(2, 4), Check::Bytes).await.unwrap();
    assert!(matches!(back, Restored::Restored(mark) if mark.generation == Generation(4)));
    assert_eq!((ground.read(AT).unwrap(), ground.generation(AT)), (data, Some(4)));
    assert!(ground.names(".pixelfox/trash").is_empty());
    // Repeated, it finds its work done; a late delete of the old stay misses.
    let again = pool.restore(&path(AT), generations(2, 4), Check::Mark).await.unwrap();
    assert!(matches!(again, Restored::Restored(_)), "{again:?}");
    assert_eq!(pool.trash(removal(AT, 2)).await.unwrap(), Trashed::Stale(Generation(4)));
    assert_eq!(pool.restore(&path(AT), generations(2, 3), Check::Mark).await.unwrap(), Restored::Stale(Generation(4)));
    assert_eq!(pool.restore(&path("original/x"), generations(1, 2), Check::Mark).await.unwrap(), Restored::Missing);
}

#[tokio::test]
async fn a_restore_that_has_read_the_bytes_ends_the_doubt_about_them() {
    // Found rotten once, put right by hand, trashed: by its mark alone it does not come back; read, it does and is sound.
    let (ground, _) = with_generation_2().await;
    let pool = ground.pool();
    let disk = pool.disk().unwrap();
    let seen = disk.open(&path(AT)).unwrap().unwrap();
    disk.judge(&path(AT), &seen, Verdict::Suspect(None)).await.unwrap();
    pool.trash(removal(AT, 2)).await.unwrap();
    assert_eq!(pool.restore(&path(AT), generations(2, 3), Check::Mark).await.unwrap(), Restored::Mismatch);
    let back = pool.restore(&path(AT), generations(2, 3), Check::Bytes).await.unwrap();
    assert!(matches!(back, Restored::Restored(mark) if !mark.is_suspect));
    assert!(!disk.open(&path(AT)).unwrap().unwrap().is_suspect());
}

#[tokio::test]
async fn a_damaged_copy_does_not_come_back() {
    let (ground, _) = with_generation_2().await;
    ground.pool().trash(removal(AT, 2)).await.unwrap();
    fs::write(ground.on_disk(IN_TRASH), bytes(9, 5000)).unwrap();
    let checked = ground.pool().restore(&path(AT), generations(2, 3), Check::Bytes).await.unwrap();
    assert_eq!((checked, ground.read(AT)), (Restored::Mismatch, None));
    fs::write(ground.on_disk(IN_TRASH), b"short").unwrap();
    let sized = ground.pool().restore(&path(AT), generations(2, 3), Check::Mark).await.unwrap();
    assert_eq!((sized, ground.read(AT)), (Restored::Mismatch, None));
}

#[tokio::test]
async fn a_file_that_has_taken_the_name_stays() {
    let (ground, _) = with_generation_2().await;
    ground.pool().trash(removal(AT, 2)).await.unwrap();
    ground.put(AT, b"other").await.unwrap();
    let back = ground.pool().restore(&path(AT), generations(2, 3), Check::Mark).await.unwrap();
    assert_eq!((back, ground.read(AT).unwrap()), (Restored::Conflict, b"other".to_vec()));
}

#[tokio::test]
async fn a_restore_that_a_crash_cut_short_is_finished_by_its_repeat() {
    // The states between the steps, built by hand: mark raised in the trash; and linked to its name as well. The repeat
    // is the same order, or that of the next attempt, because the job was leased again after the crash.
    for (linked, repeat) in [(false, 4), (true, 4), (false, 5), (true, 5)] {
        let (ground, data) = with_generation_2().await;
        let pool = ground.pool();
        // The file as the first step leaves it: in the trash of generation 2, with the mark of generation 4.
        pool.trash(removal(AT, 2)).await.unwrap();
        pool.restore(&path(AT), generations(2, 4), Check::Mark).await.unwrap();
        fs::create_dir_all(ground.on_disk(IN_TRASH).parent().unwrap()).unwrap();
        fs::hard_link(ground.on_disk(AT), ground.on_disk(IN_TRASH)).unwrap();
        if !linked {
            fs::remove_file(ground.on_disk(AT)).unwrap();
        }
        let late = pool.purge(removal(AT, 2)).await.unwrap();
        assert_eq!(late, Purged::Stale(Generation(4)), "no purge takes the only copy (linked: {linked})");
        let back = pool.restore(&path(AT), generations(2, repeat), Check::Bytes).await.unwrap();
        assert!(matches!(back, Restored::Restored(_)), "{back:?} (linked: {linked}, to {repeat})");
        assert_eq!((ground.read(AT).unwrap(), ground.generation(AT)), (data, Some(repeat)));
        assert!(ground.names(".pixelfox/trash").is_empty(), "linked: {linked}, to {repeat}");
    }
}

#[tokio::test]
async fn a_restore_that_was_cut_short_before_its_last_step_and_given_up_leaves_nothing_behind() {
    // The file has its name again, and is still in the trash of its old generation: one file under two names.
    let ground = all_but_restored().await;
    let pool = ground.pool();
    let given_up = Removal { reason: Reason::GivenUp, ..removal(AT, 4) };
    let trashed = pool.trash(given_up).await.unwrap();
    assert!(matches!(trashed, Trashed::Trashed { moved: Moved::Now, .. }), "{trashed:?}");
    assert!(!ground.on_disk(IN_TRASH).try_exists().unwrap(), "under the old generation");
    assert!(matches!(pool.purge(removal(AT, 4)).await.unwrap(), Purged::Purged { .. }));
    assert!(ground.names(".pixelfox/trash").is_empty());
}

#[tokio::test]
async fn a_restore_that_was_cut_short_and_given_up_can_be_purged() {
    // The mark is raised to 4 in the trash of 2, then the attempt is given up: found, and purged like any other.
    let ground = half_restored().await;
    let pool = ground.pool();
    let given_up = Removal { reason: Reason::GivenUp, ..removal(AT, 4) };
    let trashed = pool.trash(given_up).await.unwrap();
    assert_eq!(trashed, Trashed::Trashed { size: 5000, moved: Moved::Before });
    assert!(matches!(pool.purge(removal(AT, 4)).await.unwrap(), Purged::Purged { .. }));
    assert!(ground.names(".pixelfox/trash/2/original/2026/11/24").is_empty());
}

/// One file under its name and in the trash of generation 2, its mark raised to 4 by a restore that lacks its last step.
async fn all_but_restored() -> Ground {
    let (ground, _) = with_generation_2().await;
    let pool = ground.pool();
    pool.trash(removal(AT, 2)).await.unwrap();
    pool.restore(&path(AT), generations(2, 4), Check::Mark).await.unwrap();
    fs::create_dir_all(ground.on_disk(IN_TRASH).parent().unwrap()).unwrap();
    fs::hard_link(ground.on_disk(AT), ground.on_disk(IN_TRASH)).unwrap();
    ground
}

/// The file in the trash of generation 2, its mark raised to 4 by a restore that went no further.
async fn half_restored() -> Ground {
    let ground = all_but_restored().await;
    fs::remove_file(ground.on_disk(AT)).unwrap();
    ground
}

#[tokio::test]
async fn a_restore_that_a_later_attempt_gives_up_can_be_purged() {
    // Attempt 4 raised the mark in the trash of 2 and was returned; attempt 6 is given up before it came so far. What
    // is there goes under the generation of the order, and its purge finds it; a repeat of the order finds it there.
    let ground = half_restored().await;
    let pool = ground.pool();
    let given_up = Removal { reason: Reason::GivenUp, ..removal(AT, 6) };
    for _ in 0..2 {
        let trashed = pool.trash(given_up.clone()).await.unwrap();
        assert_eq!(trashed, Trashed::Trashed { size: 5000, moved: Moved::Before });
    }
    assert_eq!(pool.purge(removal(AT, 2)).await.unwrap(), Purged::Missing);
    assert!(matches!(pool.purge(removal(AT, 6)).await.unwrap(), Purged::Purged { .. }));
    assert!(ground.names(".pixelfox/trash").is_empty());
}

#[tokio::test]
async fn only_who_gave_a_restore_up_may_purge_what_it_raised() {
    // The purge before a push, under the job's own lease; a purge of the old generation alone leaves the copy.
    let ground = half_restored().await;
    let pool = ground.pool();
    assert_eq!(pool.purge(removal(AT, 2)).await.unwrap(), Purged::Stale(Generation(4)));
    let given_up = Removal { reason: Reason::GivenUp, ..removal(AT, 2) };
    assert!(matches!(pool.purge(given_up).await.unwrap(), Purged::Purged { .. }));
    assert!(ground.names(".pixelfox/trash").is_empty());
}

#[tokio::test]
async fn what_an_earlier_attempt_brought_goes_with_the_one_that_is_given_up() {
    // Generation 2 landed and its receipt was lost; the next attempt, 5, is given up before it did anything. The copy
    // goes to the trash as 5; a copy that came later, and a file without a record, stay.
    let (ground, data) = with_generation_2().await;
    let pool = ground.pool();
    let given_up = |at: &str, generation| Removal { reason: Reason::GivenUp, ..removal(at, generation) };
    assert_eq!(pool.trash(removal(AT, 5)).await.unwrap(), Trashed::Stale(Generation(2)), "without a word of giving up");
    assert_eq!(pool.trash(given_up(AT, 1)).await.unwrap(), Trashed::Stale(Generation(2)));
    assert_eq!(ground.read(AT).unwrap(), data);
    let trashed = pool.trash(given_up(AT, 5)).await.unwrap();
    assert_eq!(trashed, Trashed::Trashed { size: data.len() as u64, moved: Moved::Now });
    assert!(matches!(pool.purge(removal(AT, 5)).await.unwrap(), Purged::Purged { .. }));
    ground.put("original/hand", b"by hand").await.unwrap();
    assert_eq!(pool.trash(given_up("original/hand", 5)).await.unwrap(), Trashed::Missing, "nobody's, and no alarm");
    assert_eq!(pool.trash(removal("original/hand", 5)).await.unwrap(), Trashed::Stale(Generation(0)));
    assert_eq!(ground.read("original/hand").unwrap(), b"by hand");
}

#[tokio::test]
async fn the_same_rules_hold_where_marks_are_files() {
    // A file system without attributes: stored, raised, trashed, restored and purged by mark files.
    let temp = tempfile::tempdir().unwrap();
    let at = path(AT);
    let disk = Disk::start_with(Site::open(temp.path()).unwrap(), Lease(0), Some(MarkKind::Files)).unwrap();
    let mark = |disk: &Disk| disk.open(&at).unwrap().and_then(|there| there.mark().map(|mark| mark.generation.0));
    crate::disk_faults::place(&disk, AT, b"bytes", 2).await.unwrap();
    assert_eq!(mark(&disk), Some(2));
    assert_eq!(disk.trash(removal(AT, 1)).await.unwrap(), Trashed::Stale(Generation(2)));
    assert!(matches!(disk.trash(removal(AT, 2)).await.unwrap(), Trashed::Trashed { moved: Moved::Now, .. }));
    assert_eq!(mark(&disk), None);
    let trashed = disk.open_trashed(&at, Generation(2)).unwrap().unwrap();
    assert_eq!(trashed.generation(), Generation(2));
    assert!(matches!(disk.restore(&at, generations(2, 3), Check::Bytes).await.unwrap(), Restored::Restored(_)));
    assert_eq!(mark(&disk), Some(3));
    disk.trash(removal(AT, 3)).await.unwrap();
    assert!(matches!(disk.purge(removal(AT, 3)).await.unwrap(), Purged::Purged { .. }));
    assert!(!temp.path().join(".pixelfox/marks/trash/3").join(AT).try_exists().unwrap());
    assert!(!temp.path().join(".pixelfox/marks").join(AT).try_exists().unwrap());
}
