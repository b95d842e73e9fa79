//! Offers and resume, and which of two streams for one file goes on.

use std::fs;

use pixelfox_node::{
    disk::{Reason as Why, Removal, Trashed},
    pools::Pool,
};
use pixelfox_proto::{
    Generation, Sha256,
    v1::{BeginFile, refusal::Reason, replicate_response::Outcome},
};

use crate::{
    edge_rig::{lines_about, pool_id},
    replicate_rig::{PIECE, Talk, Target, attempt, begin, bytes, frames, moved},
};

/// Our own senders' frame: offers end at a multiple of it.
const STEP: usize = 256 << 10;

fn path(name: &str) -> String {
    format!("original/resume/{name}.png")
}

fn asked(begin: BeginFile) -> BeginFile {
    BeginFile { wait_for_offer: true, ..begin }
}

/// Sends what is before `upto` and ends the stream there.
async fn interrupted(target: &Target, begin: BeginFile, content: &[u8], upto: usize) {
    let talk = target.talk().await;
    talk.begin(1, begin).await;
    for frame in frames(content).into_iter().take(upto / PIECE) {
        talk.frame(1, frame).await;
    }
    talk.end().await.unwrap();
}

#[tokio::test]
async fn a_transfer_goes_on_where_it_was_interrupted() {
    // Cut at several points; the offer says how much is here and its digest; the rest makes the file whole.
    let target = Target::start().await;
    let content = bytes(1, 3 * STEP + PIECE + 5);
    for (cut, offered) in [(0, 0), (PIECE, 0), (STEP, STEP), (2 * STEP + PIECE, 2 * STEP), (3 * STEP + PIECE, 3 * STEP)]
    {
        let path = path(&format!("cut-{cut}"));
        interrupted(&target, begin(&path, &content), &content, cut).await;
        assert!(target.read(&path).is_none());
        let mut talk = target.talk().await;
        talk.begin(1, asked(begin(&path, &content))).await;
        let offer = talk.offer(1).await;
        assert_eq!(
            (offer.resume_offset, offer.prefix_sha256.as_slice()),
            (offered as u64, Sha256::of(&content[..offered]).as_bytes().as_slice())
        );
        for frame in frames(&content).into_iter().skip(offered / PIECE) {
            talk.frame(1, frame).await;
        }
        let receipt = talk.receipt(1).await;
        assert_eq!(
            (receipt.resumed_from, receipt.sha256.as_slice()),
            (offered as u64, Sha256::of(&content).as_bytes().as_slice())
        );
        assert_eq!(target.read(&path).unwrap(), content, "cut at {cut}");
        assert_eq!(target.incoming(), Vec::<String>::new());
    }
    target.stop().await;
}

#[tokio::test]
async fn a_client_may_start_again_in_spite_of_an_offer_or_without_asking() {
    let target = Target::start().await;
    let content = bytes(2, 3 * STEP);
    for (name, asks) in [("in-spite", true), ("unasked", false)] {
        let begun = BeginFile { wait_for_offer: asks, ..begin(&path(name), &content) };
        interrupted(&target, begun.clone(), &content, 2 * STEP).await;
        let mut talk = target.talk().await;
        talk.begin(1, begun).await;
        if asks {
            assert_eq!(talk.offer(1).await.resume_offset, 2 * STEP as u64);
        }
        for frame in frames(&content) {
            talk.frame(1, frame).await;
        }
        assert_eq!(talk.receipt(1).await.resumed_from, 0, "{name}");
        assert_eq!(target.read(&path(name)).unwrap(), content);
    }
    target.stop().await;
}

#[tokio::test]
async fn what_is_here_of_other_bytes_is_not_offered_for_these() {
    // The same path with another digest starts at 0; bytes that rotted in incoming/ are offered by their true digest,
    // and who goes on regardless is refused and the file starts anew.
    let target = Target::start().await;
    let (content, other) = (bytes(3, 3 * STEP), bytes(4, 3 * STEP));
    interrupted(&target, begin(&path("other"), &content), &content, 2 * STEP).await;
    let mut talk = target.talk().await;
    talk.begin(1, asked(begin(&path("other"), &other))).await;
    assert_eq!(talk.offer(1).await.resume_offset, 0);
    // Ended in order: the node lets go of what it has of the file before it answers, so nothing leaves the folder later.
    talk.end().await.unwrap();
    let kept = target.pool_dir().join(".pixelfox/incoming");
    for name in target.incoming() {
        let mut rotten = fs::read(kept.join(&name)).unwrap();
        if let Some(byte) = rotten.get_mut(100) {
            *byte ^= 1;
            fs::write(kept.join(&name), rotten).unwrap();
        }
    }
    let mut talk = target.talk().await;
    talk.begin(1, asked(begin(&path("other"), &content))).await;
    let offer = talk.offer(1).await;
    assert_eq!(offer.resume_offset, 2 * STEP as u64);
    assert_ne!(offer.prefix_sha256, Sha256::of(&content[..2 * STEP]).as_bytes());
    talk.frame(1, frames(&content)[2 * STEP / PIECE].clone()).await;
    assert_eq!(talk.refusal(1).await.0, Reason::ChecksumMismatch);
    talk.begin(2, asked(begin(&path("other"), &content))).await;
    assert_eq!(talk.offer(2).await.resume_offset, 0, "what was refused is not offered again");
    for frame in frames(&content) {
        talk.frame(2, frame).await;
    }
    talk.receipt(2).await;
    assert_eq!(target.read(&path("other")).unwrap(), content);
    target.stop().await;
}

#[tokio::test]
async fn an_offer_comes_before_anything_else_of_its_file() {
    // Two files that ask, one that does not: each is answered in its turn.
    let target = Target::start().await;
    let content = bytes(5, 2 * PIECE);
    let mut talk = target.talk().await;
    talk.begin(1, asked(begin(&path("first"), &content))).await;
    talk.begin(2, asked(begin(&path("second"), &content))).await;
    assert_eq!(talk.offer(1).await.prefix_sha256, Sha256::of(b"").as_bytes());
    talk.offer(2).await;
    for tag in [1, 2] {
        for frame in frames(&content) {
            talk.frame(tag, frame).await;
        }
        talk.receipt(tag).await;
    }
    target.stop().await;
}

#[tokio::test]
async fn the_same_bytes_are_skipped_and_a_move_raises_their_mark() {
    // By hand twice: skipped. By a move: skipped with the attempt's generation on the mark; by hand again it stays.
    let target = Target::start().await;
    let (content, path) = (bytes(6, 2 * PIECE), path("skipped"));
    assert!(!target.put(&path, &content).await.skipped);
    assert!(target.put(&path, &content).await.skipped);
    assert_eq!(target.generation(&path), Some(0));
    for (lease, generation) in [(11, 3), (12, 7)] {
        let mut talk = target.talk().await;
        talk.file(1, moved(&path, &content, attempt(lease, generation)), &content).await;
        assert!(talk.receipt(1).await.skipped);
        assert_eq!(target.generation(&path), Some(generation));
    }
    assert!(target.put(&path, &content).await.skipped);
    assert_eq!((target.generation(&path), target.read(&path).unwrap()), (Some(7), content));
    let lines = lines_about(&path);
    let count = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    assert_eq!((count("[Replicate] Stored file"), count("[Replicate] Skip existing file")), (1, 4), "{lines:?}");
    target.stop().await;
}

#[tokio::test]
async fn a_file_without_a_record_gives_way_to_proven_bytes() {
    // Copied in by hand, without a mark: a digest proves the new bytes, the old ones go to the quarantine.
    let target = Target::start().await;
    let (content, path) = (bytes(7, PIECE), path("unowned"));
    let on_disk = target.pool_dir().join(&path);
    fs::create_dir_all(on_disk.parent().unwrap()).unwrap();
    fs::write(&on_disk, b"copied in").unwrap();
    assert!(!target.put(&path, &content).await.skipped);
    assert_eq!(target.read(&path).unwrap(), content);
    let aside = target.tree().into_iter().find(|(name, bytes)| name.contains("quarantine/") && bytes == b"copied in");
    assert!(aside.is_some(), "{:?}", target.tree().keys());
    target.stop().await;
}

/// A stream on which half of a file has come.
async fn half(target: &Target, begin: BeginFile, content: &[u8]) -> Talk {
    let mut talk = target.talk().await;
    talk.begin(1, asked(begin)).await;
    talk.offer(1).await;
    talk.frame(1, frames(content)[0].clone()).await;
    talk
}

#[tokio::test]
async fn a_newer_attempt_ends_the_stream_of_an_older_one() {
    // The older one hears STALE_ATTEMPT with its next frame, and its stream goes on with other files.
    let target = Target::start().await;
    let (content, path) = (bytes(8, 4 * PIECE), path("newer"));
    let mut old = half(&target, moved(&path, &content, attempt(11, 2)), &content).await;
    let mut new = target.talk().await;
    new.begin(1, asked(moved(&path, &content, attempt(12, 3)))).await;
    let offer = new.offer(1).await;
    old.frame(1, frames(&content)[1].clone()).await;
    assert_eq!(old.refusal(1).await.0, Reason::StaleAttempt);
    for frame in frames(&content).into_iter().filter(|frame| frame.offset >= offer.resume_offset) {
        new.frame(1, frame).await;
    }
    new.receipt(1).await;
    assert_eq!((target.read(&path).unwrap(), target.generation(&path)), (content.clone(), Some(3)));
    let next = self::path("after-newer");
    old.file(2, begin(&next, &content), &content).await;
    old.receipt(2).await;
    target.stop().await;
}

#[tokio::test]
async fn an_older_attempt_is_stale_and_the_same_one_twice_is_busy() {
    // While one is received: the same attempt on another stream, an older one, and one by hand.
    let target = Target::start().await;
    let (content, path) = (bytes(9, 4 * PIECE), path("busy"));
    let mut first = half(&target, moved(&path, &content, attempt(20, 4)), &content).await;
    let mut talk = target.talk().await;
    for (tag, begun, reason) in [
        (1, moved(&path, &content, attempt(20, 4)), Reason::Busy),
        (2, moved(&path, &content, attempt(19, 3)), Reason::StaleAttempt),
        (3, begin(&path, &content), Reason::Busy),
    ] {
        talk.begin(tag, asked(begun)).await;
        let (refused, message) = talk.refusal(tag).await;
        assert!(refused == reason && message.contains(&path), "{refused:?}: {message}");
    }
    for frame in frames(&content).into_iter().skip(1) {
        first.frame(1, frame).await;
    }
    first.receipt(1).await;
    assert_eq!(target.generation(&path), Some(4));
    target.stop().await;
}

#[tokio::test]
async fn the_same_attempt_may_come_again_once_its_stream_is_gone() {
    let target = Target::start().await;
    let (content, path) = (bytes(10, 2 * STEP), path("again"));
    let begun = moved(&path, &content, attempt(30, 1));
    interrupted(&target, begun.clone(), &content, STEP).await;
    let mut talk = target.talk().await;
    talk.begin(1, asked(begun)).await;
    let offer = talk.offer(1).await;
    assert_eq!(offer.resume_offset, STEP as u64);
    for frame in frames(&content).into_iter().skip(STEP / PIECE) {
        talk.frame(1, frame).await;
    }
    assert_eq!(talk.receipt(1).await.resumed_from, STEP as u64);
    target.stop().await;
}

async fn trash(pool: &Pool, path: &str, generation: u64, lease: Option<u64>) {
    let removal = Removal {
        path: path.parse().unwrap(),
        generation: Generation(generation),
        lease: lease.map(pixelfox_proto::Lease),
        reason: Why::Settled,
    };
    let trashed = pool.disk().unwrap().trash(removal).await.unwrap();
    assert_eq!(trashed, Trashed::Missing);
}

#[tokio::test]
async fn a_late_stream_of_a_deleted_generation_does_not_land() {
    // Deleted at generation 5: that one and older ones are stale, at the begin and at the end of a stream that was
    // under way; a newer one lands.
    let target = Target::start().await;
    let (content, path) = (bytes(11, 2 * PIECE), path("fenced"));
    let pool = target.pools.hosted(pool_id(1)).unwrap();
    let mut under_way = half(&target, moved(&path, &content, attempt(40, 5)), &content).await;
    trash(&pool, &path, 5, Some(40)).await;
    under_way.frame(1, frames(&content)[1].clone()).await;
    assert_eq!(under_way.refusal(1).await.0, Reason::StaleAttempt);
    let mut talk = target.talk().await;
    talk.begin(1, moved(&path, &content, attempt(40, 5))).await;
    assert_eq!(talk.refusal(1).await.0, Reason::StaleAttempt);
    assert!(target.read(&path).is_none());
    talk.file(2, moved(&path, &content, attempt(41, 6)), &content).await;
    assert!(matches!(talk.answer().await, Ok(Some((2, Outcome::Receipt(_))))));
    assert_eq!(target.generation(&path), Some(6));
    target.stop().await;
}
