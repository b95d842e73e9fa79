//! Storing a file: the rules of what is there already, of refusals, resumes and receipts.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use pixelfox_node::disk::{Disk, Site};
use pixelfox_node::receive::{LandingError, Origin, Publish, Start};
use pixelfox_proto::{FaultKind, FrameError, ImageId, Lease, Sha256};

use crate::disk_ground::{Ground, attempt, begin, by_hand, bytes, path, removal, send, tree};

const AT: &str = "original/2026/11/24/a.png";

#[tokio::test]
async fn a_file_is_under_its_name_only_whole_marked_and_with_nothing_left_over() {
    // Written in pieces: no name until the receipt; then the bytes, the mark, and an empty incoming folder.
    let ground = Ground::new().await;
    let data = bytes(1, 300_000);
    let mut landing = ground.receiver.begin(&ground.pool(), begin(AT, &data, Some(attempt(11, 2)))).await.unwrap();
    send(&mut landing, &data, 0).unwrap();
    assert_eq!((ground.read(AT), ground.names(".pixelfox/incoming").len()), (None, 1));
    assert!(landing.is_complete());
    let receipt = landing.finish().await.unwrap();
    assert_eq!((receipt.size, receipt.sha256, receipt.skipped), (300_000, Sha256::of(&data), false));
    assert_eq!(ground.read(AT).unwrap(), data);
    let mark = ground.mark(AT).unwrap();
    assert_eq!((mark.size, mark.sha256, mark.generation.0), (300_000, Sha256::of(&data), 2));
    assert_eq!(mark.meta.content_type, "image/png");
    assert!(ground.names(".pixelfox/incoming").is_empty());
}

#[tokio::test]
async fn a_read_writes_nothing() {
    // Not even when it was: that would wait behind every sync of the disk. A file system that never notes it proves
    // nothing here.
    let temp = tempfile::tempdir().unwrap();
    let disk = Disk::start(Site::open(temp.path()).unwrap(), Lease(0)).unwrap();
    crate::disk_faults::place(&disk, AT, b"bytes", 2).await.unwrap();
    let file = fs::File::open(temp.path().join(AT)).unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    file.set_times(fs::FileTimes::new().set_accessed(long_ago)).unwrap();
    let stored = disk.open(&path(AT)).unwrap().unwrap();
    let mut read = String::new();
    std::io::Read::read_to_string(&mut stored.file(), &mut read).unwrap();
    assert_eq!(read, "bytes");
    assert_eq!(file.metadata().unwrap().accessed().unwrap(), long_ago);
}

#[tokio::test]
async fn the_same_bytes_are_skipped_and_other_bytes_on_record_stay() {
    // A file on record: the same bytes by hand are skipped and its generation stays; others are a conflict.
    let ground = Ground::new().await;
    let data = bytes(1, 1000);
    ground.moved(AT, &data, attempt(11, 2)).await.unwrap();
    assert!(ground.put(AT, &data).await.unwrap().skipped);
    assert_eq!(ground.generation(AT), Some(2));
    let refused = ground.put(AT, &bytes(2, 1000)).await.unwrap_err();
    assert!(matches!(refused, LandingError::Conflict(_)), "{refused}");
    assert_eq!(refused.kind(), FaultKind::Conflict);
    let moved = ground.moved(AT, &bytes(2, 1000), attempt(12, 3)).await.unwrap_err();
    assert!(matches!(moved, LandingError::Conflict(_)), "{moved}");
    assert_eq!((ground.read(AT).unwrap(), ground.generation(AT)), (data, Some(2)));
    assert!(ground.names(".pixelfox/incoming").is_empty());
}

#[tokio::test]
async fn a_move_raises_the_mark_of_the_same_bytes_so_that_an_older_delete_misses() {
    // Generation 2 is there; attempt 3 brings the same bytes; the delete of generation 2 comes late.
    let ground = Ground::new().await;
    let data = bytes(1, 1000);
    ground.moved(AT, &data, attempt(11, 2)).await.unwrap();
    assert!(ground.moved(AT, &data, attempt(12, 3)).await.unwrap().skipped);
    assert_eq!(ground.generation(AT), Some(3));
    let late = ground.pool().trash(removal(AT, 2)).await.unwrap();
    assert_eq!(late, pixelfox_node::disk::Trashed::Stale(pixelfox_proto::Generation(3)));
    assert_eq!(ground.read(AT).unwrap(), data);
}

#[tokio::test]
async fn generations_never_fall() {
    // At or below the generation that is there, and at or below the lease floor: stale, whatever the bytes.
    let ground = Ground::new().await;
    let data = bytes(1, 1000);
    ground.moved(AT, &data, attempt(11, 5)).await.unwrap();
    for (why, attempt) in [
        ("the same generation", attempt(12, 5)),
        ("an older one", attempt(13, 4)),
        ("leased before this process's Welcome", attempt(10, 9)),
    ] {
        let refused = ground.moved(AT, &data, attempt).await.unwrap_err();
        assert!(matches!(refused, LandingError::Stale(_)), "{why}: {refused}");
    }
    assert_eq!(ground.generation(AT), Some(5));
}

#[tokio::test]
async fn a_file_without_a_record_gives_way_to_proven_bytes_and_is_set_aside() {
    // Copied in by hand, no mark. Unproven bytes are a conflict; proven ones take the name; the old file is kept.
    let ground = Ground::new().await;
    std::fs::create_dir_all(ground.on_disk("original/x")).unwrap();
    std::fs::write(ground.on_disk("original/x/a"), b"copied in").unwrap();
    let unproven = Publish {
        sha256: None,
        origin: Origin::Upload { id: ImageId::from_bytes([7; 16]), visitor: None },
        ..by_hand("original/x/a", b"new")
    };
    assert!(matches!(ground.publish(b"new", unproven).await, Err(LandingError::Conflict(_))));
    assert_eq!(ground.read("original/x/a").unwrap(), b"copied in");
    assert!(!ground.put("original/x/a", b"new").await.unwrap().skipped);
    assert_eq!((ground.read("original/x/a").unwrap(), ground.generation("original/x/a")), (b"new".to_vec(), Some(0)));
    let aside = ground.names(".pixelfox/quarantine");
    let kept = ground.read(&format!(".pixelfox/quarantine/{}/original/x/a", aside[0]));
    assert_eq!((aside.len(), kept.unwrap()), (1, b"copied in".to_vec()));
}

#[tokio::test]
async fn a_file_that_no_longer_matches_its_mark_gives_way_to_bytes_that_do() {
    // On record with generation 3, then damaged on the disk: its own bytes come back, keeping the generation.
    let ground = Ground::new().await;
    let data = bytes(1, 1000);
    ground.moved(AT, &data, attempt(11, 3)).await.unwrap();
    std::fs::write(ground.on_disk(AT), bytes(9, 1000)).unwrap();
    let other = ground.put(AT, &bytes(2, 1000)).await.unwrap_err();
    assert!(matches!(other, LandingError::Conflict(_)), "other bytes than the mark's stay out: {other}");
    assert!(!ground.put(AT, &data).await.unwrap().skipped);
    assert_eq!((ground.read(AT).unwrap(), ground.generation(AT)), (data, Some(3)));
    assert_eq!(ground.names(".pixelfox/quarantine").len(), 1);
}

#[tokio::test]
async fn what_was_announced_must_come() {
    // Each refusal leaves a good copy untouched and nothing behind.
    let ground = Ground::new().await;
    let good = bytes(1, 1000);
    ground.put(AT, &good).await.unwrap();
    let sound = by_hand(AT, b"abc");
    for (why, publish, body, kind, text) in [
        (
            "a wrong digest",
            Publish { sha256: Some(Sha256::of(b"x")), ..sound.clone() },
            &b"abc"[..],
            FaultKind::ChecksumMismatch,
            "checksum mismatch",
        ),
        ("a wrong size", Publish { size: Some(4), ..sound.clone() }, b"abc", FaultKind::BadRequest, "size mismatch"),
        ("no digest", Publish { sha256: None, ..sound.clone() }, b"abc", FaultKind::BadRequest, "checksum required"),
        ("no bytes", by_hand(AT, b""), b"", FaultKind::BadRequest, "empty file"),
    ] {
        let refused = ground.publish(body, publish).await.unwrap_err();
        assert_eq!((refused.kind(), refused.to_string().as_str()), (kind, text), "{why}");
    }
    assert_eq!(ground.read(AT).unwrap(), good);
    assert!(ground.names(".pixelfox/incoming").is_empty());
    // The older sender of an empty variant has given up its original by then.
    assert_eq!(ground.put("variants/webp/a.webp", b"").await.unwrap().size, 0);
    assert_eq!(ground.read("variants/webp/a.webp").unwrap(), b"");
}

#[tokio::test]
async fn a_wrong_frame_ends_its_file_and_leaves_nothing() {
    let ground = Ground::new().await;
    let data = bytes(1, 1000);
    let good = *Sha256::of(&data).as_bytes();
    for (why, offset, body, prefix) in [
        ("a gap", 1, &data[..], &good[..]),
        ("beyond the size", 0, &bytes(1, 1001)[..], &good[..]),
        ("a wrong prefix", 0, &data[..], &[0; 32][..]),
        ("an empty prefix", 0, &data[..], &[][..]),
        ("no data", 0, &[][..], &good[..]),
    ] {
        let mut landing = ground.receiver.begin(&ground.pool(), begin(AT, &data, None)).await.unwrap();
        let refused = landing.frame(offset, body, prefix).unwrap_err();
        assert!(matches!(refused, LandingError::Frame(_)), "{why}: {refused}");
        drop(landing);
        assert!(tree(&ground.on_disk("")).is_empty() && ground.names(".pixelfox/incoming").is_empty(), "{why}");
    }
    let mut landing = ground.receiver.begin(&ground.pool(), begin(AT, &data, None)).await.unwrap();
    let overlap = landing.frame(0, &data[..500], Sha256::of(&data[..500]).as_bytes());
    overlap.unwrap();
    let refused = landing.frame(400, &data[400..], &good).unwrap_err();
    assert!(matches!(refused, LandingError::Frame(FrameError::Offset { got: 400, expected: 500 })));
    assert!(matches!(landing.finish().await, Err(LandingError::Size { .. })), "half a file gets no name");
}

#[tokio::test]
async fn an_interrupted_transfer_is_gone_on_with() {
    // 700,000 of 1,000,000 bytes came; the offer is whole frames, hashed again; the rest completes the same file.
    let ground = Ground::new().await;
    let data = bytes(1, 1_000_000);
    let mut first = ground.receiver.begin(&ground.pool(), begin(AT, &data, Some(attempt(11, 2)))).await.unwrap();
    send(&mut first, &data[..700_000], 0).unwrap();
    drop(first);
    let again = || {
        let mut again = begin(AT, &data, Some(attempt(12, 2)));
        again.start = Start::WhereItEnded;
        again
    };
    let mut second = ground.receiver.begin(&ground.pool(), again()).await.unwrap();
    let offer = second.offer().await.unwrap();
    assert_eq!((offer.offset, offer.prefix), (524_288, Sha256::of(&data[..524_288])));
    send(&mut second, &data, 524_288).unwrap();
    let receipt = second.finish().await.unwrap();
    assert_eq!((receipt.resumed_from, receipt.sha256), (524_288, Sha256::of(&data)));
    assert_eq!(ground.read(AT).unwrap(), data);
    assert!(ground.names(".pixelfox/incoming").is_empty());
}

#[tokio::test]
async fn a_client_may_start_from_the_first_byte_in_spite_of_an_offer() {
    // What was left is not what the client has: it starts over, and the file is the client's.
    let ground = Ground::new().await;
    let data = bytes(1, 1_000_000);
    let mut first = ground.receiver.begin(&ground.pool(), begin(AT, &data, None)).await.unwrap();
    send(&mut first, &data[..600_000], 0).unwrap();
    drop(first);
    let mut second = begin(AT, &data, None);
    second.start = Start::WhereItEnded;
    let mut second = ground.receiver.begin(&ground.pool(), second).await.unwrap();
    assert!(second.offer().await.unwrap().offset > 0);
    send(&mut second, &data, 0).unwrap();
    assert_eq!(second.finish().await.unwrap().resumed_from, 0);
    assert_eq!(ground.read(AT).unwrap(), data);
}

#[tokio::test]
async fn a_whole_temp_file_still_leaves_a_frame_to_send() {
    let ground = Ground::new().await;
    let data = bytes(1, 262_144);
    let mut first = ground.receiver.begin(&ground.pool(), begin(AT, &data, None)).await.unwrap();
    send(&mut first, &data, 0).unwrap();
    drop(first);
    let mut second = begin(AT, &data, None);
    second.start = Start::WhereItEnded;
    let mut second = ground.receiver.begin(&ground.pool(), second).await.unwrap();
    assert_eq!(second.offer().await.unwrap().offset, 0);
    send(&mut second, &data, 0).unwrap();
    second.finish().await.unwrap();
}

#[tokio::test]
async fn a_newer_attempt_ends_an_older_stream_and_the_same_one_twice_is_busy() {
    let ground = Ground::new().await;
    let data = bytes(1, 200_000);
    let mut older = ground.receiver.begin(&ground.pool(), begin(AT, &data, Some(attempt(11, 2)))).await.unwrap();
    send(&mut older, &data[..100_000], 0).unwrap();
    let twice = ground.receiver.begin(&ground.pool(), begin(AT, &data, Some(attempt(11, 2)))).await.unwrap_err();
    assert!(matches!(twice, LandingError::Busy(_)), "{twice}");
    let mut newer = ground.receiver.begin(&ground.pool(), begin(AT, &data, Some(attempt(12, 3)))).await.unwrap();
    let ended = send(&mut older, &data, 100_000).unwrap_err();
    assert!(matches!(ended, LandingError::Stale(_)), "{ended}");
    drop(older);
    send(&mut newer, &data, 0).unwrap();
    newer.finish().await.unwrap();
    assert_eq!((ground.read(AT).unwrap(), ground.generation(AT)), (data, Some(3)));
}

#[tokio::test]
async fn files_of_unknown_size_and_pool_are_taken_in_and_copied_over() {
    // A body without a length, received before its pool is known: copied to the pool that it names, hashed again.
    let ground = Ground::new().await;
    ground.welcome(vec![ground.told(1), ground.told(2)]).await;
    let data = bytes(1, 900_000);
    let mut landing = ground.receiver.open(&ground.pool(), None).unwrap();
    data.chunks(70_000).for_each(|chunk| landing.write(chunk).unwrap());
    let second = ground.pools.hosted_any(2).unwrap();
    let landing = ground.receiver.rehome(landing, &second).await.unwrap();
    landing.publish(by_hand(AT, &data)).await.unwrap();
    assert!(ground.read(AT).is_none() && ground.names(".pixelfox/incoming").is_empty());
    let found = ground.pools.find(&path(AT)).unwrap().unwrap();
    assert_eq!((found.pool.id().get(), found.file.hash().await.unwrap()), (2, Sha256::of(&data)));
}

#[tokio::test]
async fn an_upload_is_remembered_until_the_coordinator_has_answered() {
    // The pending entry is there from before the name on; a refusal drops only this upload's file.
    let ground = Ground::new().await;
    let disk = ground.pool().disk().unwrap();
    let id = ImageId::from_bytes([5; 16]);
    let mut publish = Publish { sha256: None, origin: Origin::Upload { id, visitor: None }, ..by_hand(AT, b"png") };
    publish.meta.image_uuid = id.to_string();
    ground.publish(b"png", publish).await.unwrap();
    let pending = disk.pending_uploads().unwrap();
    assert_eq!((pending.len(), pending[0].id, pending[0].path.as_str()), (1, id, AT));
    assert_eq!(ground.generation(AT), Some(1));
    let other = ImageId::from_bytes([6; 16]);
    assert_eq!(disk.drop_upload(&path(AT), other).await.unwrap(), pixelfox_node::disk::Dropped::NotOurs);
    assert_eq!(disk.drop_upload(&path(AT), id).await.unwrap(), pixelfox_node::disk::Dropped::Dropped);
    assert_eq!((ground.read(AT), disk.pending_uploads().unwrap().len()), (None, 0));
    // The committer forgets in its turn, what is gone already too.
    let kept =
        Publish { sha256: None, origin: Origin::Upload { id: other, visitor: None }, ..by_hand("original/k", b"p") };
    ground.publish(b"p", kept).await.unwrap();
    assert_eq!(disk.pending_uploads().unwrap().len(), 1);
    disk.forget_upload(id).await;
    disk.forget_upload(other).await;
    // One whose name is taken never was pending.
    ground.put(AT, b"someone's").await.unwrap();
    let taken = Publish { sha256: None, origin: Origin::Upload { id, visitor: None }, ..by_hand(AT, b"png") };
    assert!(matches!(ground.publish(b"png", taken).await, Err(LandingError::Conflict(_))));
    assert!(disk.pending_uploads().unwrap().is_empty());
}

#[tokio::test]
async fn many_at_once_share_their_syncs_and_each_gets_its_own_answer() {
    // 300 files, every tenth with a wrong digest: exactly the others are there, and no temp file is left.
    let ground = Ground::new().await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..300u32 {
        let data = bytes(u8::try_from(n % 256).unwrap(), 2000 + n as usize);
        let mut publish = by_hand(&format!("original/{}/{n}", n % 7), &data);
        if n % 10 == 0 {
            publish.sha256 = Some(Sha256::of(b"another"));
        }
        let mut landing = ground.receiver.open(&ground.pool(), None).unwrap();
        landing.write(&data).unwrap();
        tasks.spawn(async move { (n, landing.publish(publish).await.is_ok()) });
    }
    let answers = tasks.join_all().await;
    assert!(answers.iter().all(|(n, stored)| *stored == (n % 10 != 0)));
    assert_eq!(tree(&ground.on_disk("")).len(), 270);
    assert!(ground.names(".pixelfox/incoming").is_empty());
}
