//! How a Replicate stream ends that neither side has ended: by a sender that falls silent, and by a node that shuts down.
//! What had come in is gone on with.

use std::{fs, path::Path, time::Duration};

use pixelfox_node::transfer::LeastRate;
use pixelfox_proto::v1::{BeginFile, refusal::Reason};
use tokio::time::timeout;
use tonic::Code;

use crate::{
    edge_rig::pool_id,
    replicate_rig::{PIECE, Spec, Talk, Target, begin, bytes, frames, until},
};

const AT: &str = "original/ends/a.png";

fn asked(content: &[u8]) -> BeginFile {
    BeginFile { wait_for_offer: true, ..begin(AT, content) }
}

/// Begins the file and sends its first `pieces`; returns when all of them are on the disk.
async fn first_pieces(target: &Target, talk: &mut Talk, content: &[u8], pieces: usize) {
    talk.begin(1, asked(content)).await;
    assert_eq!(talk.offer(1).await.resume_offset, 0);
    for frame in frames(content).into_iter().take(pieces) {
        talk.frame(1, frame).await;
    }
    let incoming = target.pool_dir().join(".pixelfox/incoming");
    until("the pieces do not arrive", || on_disk(&incoming) == pieces * PIECE).await;
}

fn on_disk(incoming: &Path) -> usize {
    let lengths = fs::read_dir(incoming).unwrap().map(|entry| fs::metadata(entry.unwrap().path()).map(|it| it.len()));
    usize::try_from(lengths.map(Result::unwrap_or_default).sum::<u64>()).unwrap()
}

/// Goes on with the file where it was broken off.
async fn gone_on_with(target: &Target, content: &[u8]) -> u64 {
    let mut talk = target.talk().await;
    talk.begin(1, asked(content)).await;
    let offset = talk.offer(1).await.resume_offset;
    for frame in frames(content).into_iter().skip(usize::try_from(offset).unwrap() / PIECE) {
        talk.frame(1, frame).await;
    }
    assert_eq!(talk.receipt(1).await.resumed_from, offset);
    assert_eq!(target.read(AT).unwrap(), content);
    offset
}

#[tokio::test]
async fn a_sender_that_falls_silent_in_a_file_is_told_so_and_goes_on_later() {
    // Silence between files is no fault, however long. In a file it ends the stream when the grace is over.
    let least_rate = LeastRate { grace: Duration::from_millis(400), bytes_per_second: 1000 };
    let target = Target::with(Spec { least_rate, ..Spec::default() }).await;
    let content = bytes(1, 12 * PIECE);
    let mut talk = target.talk().await;
    assert!(timeout(3 * least_rate.grace, talk.answer()).await.is_err(), "no file is open");
    talk.begin(1, asked(&content)).await;
    assert_eq!(talk.offer(1).await.resume_offset, 0);
    for frame in frames(&content).into_iter().take(4) {
        talk.frame(1, frame).await;
    }
    let status = talk.broken().await;
    assert_eq!(
        (status.code(), status.message()),
        (Code::DeadlineExceeded, "the frames of an open file come too slowly")
    );
    drop(talk);
    until("what came is not kept", || target.incoming().len() == 1).await;
    gone_on_with(&target, &content).await;
    target.stop().await;
}

#[tokio::test]
async fn a_node_that_shuts_down_ends_the_file_that_it_has_begun_and_begins_no_other() {
    // The file in mid-stream comes to its receipt; the next one is refused in a way that is tried again, and so is the
    // stream once nothing is open.
    let target = Target::start().await;
    let content = bytes(2, 12 * PIECE);
    let mut talk = target.talk().await;
    first_pieces(&target, &mut talk, &content, 6).await;
    target.begin_to_stop();
    talk.begin(2, begin("original/ends/b.png", b"later")).await;
    let (reason, message) = talk.refusal(2).await;
    assert!(reason == Reason::Busy && message.contains("shutting down"), "{reason:?} {message}");
    for frame in frames(&content).into_iter().skip(6) {
        talk.frame(1, frame).await;
    }
    assert_eq!(talk.receipt(1).await.size, content.len() as u64);
    let status = talk.broken().await;
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "this node is shutting down"));
    assert!(target.read("original/ends/b.png").is_none());
    drop(talk);
    target.stop().await;
}

#[tokio::test]
async fn a_file_that_a_shutdown_cuts_off_is_gone_on_with_by_the_next_process() {
    // The sender stalls in mid-stream, so that the grace runs out: the stream breaks, its temp file stays.
    let temp = tempfile::tempdir().unwrap();
    let spec = || Spec {
        folder: Some(temp.path().canonicalize().unwrap()),
        tell: |told| told.identity = "the same pool".into(),
        grace: Duration::from_millis(50),
        ..Spec::default()
    };
    let content = bytes(3, 12 * PIECE);
    let target = Target::with(spec()).await;
    let mut talk = target.talk().await;
    first_pieces(&target, &mut talk, &content, 9).await;
    let incoming = target.incoming();
    target.stop().await;
    let code = talk.broken().await.code();
    assert!(
        [Code::Unavailable, Code::Unknown, Code::Cancelled, Code::Internal].contains(&code),
        "{code:?} is no end to retry"
    );
    drop(talk);
    let target = Target::with(spec()).await;
    // The lock goes with the last thread of the first one.
    let pool = target.pools.hosted(pool_id(1)).unwrap();
    let is_healthy = || {
        pool.look_now();
        pool.problem().is_none()
    };
    until("the lock is not given back", is_healthy).await;
    assert_eq!((target.incoming(), incoming.len()), (incoming, 1));
    assert_eq!(gone_on_with(&target, &content).await, 8 * PIECE as u64, "whole frames of our own senders");
    target.stop().await;
}
