//! What a Replicate stream refuses: each time the right word, a sentence that names the file, the line in the log once,
//! and nothing on disk is changed.

use std::{fs, os::unix::fs::symlink};

use pixelfox_node::pools::{NodeSettings, Source};
use pixelfox_proto::{
    Sha256,
    v1::{BeginFile, Frame, refusal::Reason},
};

use crate::{
    disk_mount::Mount,
    edge_rig::lines_about,
    replicate_rig::{LEASE_FLOOR, PIECE, Spec, Talk, Target, attempt, begin, bytes, frames, moved, until},
};

/// What is said of a file, and what comes of it.
struct Row {
    begin: BeginFile,
    frames: Vec<Frame>,
    reason: Reason,
    /// In the sentence, besides the path.
    says: &'static str,
    /// What the line in the log begins with, where there is one.
    logged: Option<&'static str>,
}

impl Row {
    /// `change` makes of a good file what is refused.
    fn new(begin: BeginFile, frames: Vec<Frame>, reason: Reason, says: &'static str) -> Self {
        Self { begin, frames, reason, says, logged: None }
    }

    fn logged(self, line: &'static str) -> Self {
        Self { logged: Some(line), ..self }
    }

    /// Sends it on a stream of its own, with a good file behind it that still arrives; all else stays as it was.
    async fn check(&self, target: &Target) {
        let path = &self.begin.stored_path;
        let before = target.tree();
        let mut talk = target.talk().await;
        talk.begin(1, self.begin.clone()).await;
        for frame in &self.frames {
            talk.frame(1, frame.clone()).await;
        }
        let (reason, message) = talk.refusal(1).await;
        let shown: String = path.chars().take(40).flat_map(char::escape_debug).collect();
        assert_eq!(reason, self.reason, "{shown}: {message}");
        assert!(message.contains(&shown) && message.contains(self.says), "{shown}: {message}");
        assert!(message.len() < 1000, "{shown}: {} bytes of sentence", message.len());
        assert_eq!(target.tree(), before, "{shown}");
        assert_eq!(target.incoming(), Vec::<String>::new(), "{shown}");
        assert!(talk.end().await.unwrap().is_empty(), "{shown}");
        let lines = lines_about(&shown);
        let lines: Vec<_> =
            lines.iter().filter(|line| line.contains("[Replicate]") && !line.contains("Stored")).collect();
        assert_eq!(lines.len(), usize::from(self.logged.is_some()), "{shown}: {lines:?}");
        if let Some(logged) = self.logged {
            assert!(lines[0].contains(logged) && lines[0].contains("from 127.0.0.1"), "{shown}: {lines:?}");
        }
    }
}

/// A path that no other test has.
fn path(name: &str) -> String {
    format!("original/refused/{name}.png")
}

/// A file that nothing is wrong with, yet.
fn good(name: &str) -> (BeginFile, Vec<Frame>) {
    let content = bytes(1, 3 * PIECE);
    (begin(&path(name), &content), frames(&content))
}

#[tokio::test]
async fn a_path_that_leads_elsewhere_is_refused() {
    let target = Target::start().await;
    let long = format!("original/long/{}", "a/".repeat(240));
    let longest = format!("original/longest/{}", "a".repeat(10_000));
    for bad in [
        "original/grpc/../../up.png",
        "original//grpc-empty-part.png",
        "original/grpc/nul\0.png",
        "original/grpc\\back.png",
        "original/grpc/.hidden.png",
        "original/./grpc-dot.png",
        "/original/grpc-root.png",
        "original/grpc-line\n.png",
        "original/grpc-ü.png",
        "other/grpc-root.png",
        ".pixelfox/grpc-marks",
        "original/grpc-folder/",
        &format!("{long}{}", "b".repeat(513 - long.len())),
        &longest,
    ] {
        let content = bytes(1, 3 * PIECE);
        let row = Row::new(begin(bad, &content), frames(&content), Reason::InvalidPath, "(pool 1)");
        row.logged("Rejected traversal path").check(&target).await;
    }
    target.stop().await;
}

#[tokio::test]
async fn a_begin_that_can_not_be_is_refused() {
    // Its size, its digest, its pool, its attempt: one row each.
    let target = Target::start().await;
    let kept = bytes(9, PIECE);
    let mut talk = target.talk().await;
    talk.file(1, moved(&path("kept"), &kept, attempt(20, 5)), &kept).await;
    talk.receipt(1).await;
    drop(talk);
    let row = |name, change: fn(&mut BeginFile), reason, says| {
        let (mut begin, frames) = good(name);
        change(&mut begin);
        Row::new(begin, frames, reason, says)
    };
    let rows = [
        row("empty", |b| b.size = 0, Reason::EmptyFile, "empty file"),
        row("no-sum", |b| b.sha256.clear(), Reason::ChecksumRequired, "checksum required")
            .logged("Missing required checksum"),
        row("short-sum", |b| b.sha256.truncate(31), Reason::ChecksumMismatch, "31"),
        row("no-pool", |b| b.pool_id = 0, Reason::PoolNotHere, "pool_id is missing"),
        row("pool-7", |b| b.pool_id = 7, Reason::PoolNotHere, "no pool 7 in this cluster"),
        row("pool-9", |b| b.pool_id = 9, Reason::PoolNotHere, "pool 9 is on node s09"),
        row("huge", |b| b.size = u64::MAX, Reason::InsufficientStorage, "insufficient capacity")
            .logged("Insufficient capacity"),
        row("huge-signed", |b| b.size = i64::MAX as u64, Reason::InsufficientStorage, "insufficient capacity")
            .logged("Insufficient capacity"),
        row("old-lease", |b| b.attempt = Some(attempt(LEASE_FLOOR, 9)), Reason::StaleAttempt, "newer state"),
        row("no-lease", |b| b.attempt = Some(attempt(0, 9)), Reason::StaleAttempt, "newer state"),
        row(
            "no-job",
            |b| b.attempt.insert(attempt(30, 9)).job_id = 0,
            Reason::StaleAttempt,
            "must be a number above 0",
        ),
        row("kept", |b| b.attempt = Some(attempt(30, 5)), Reason::StaleAttempt, "newer state"),
        row("kept", |b| b.attempt = Some(attempt(31, 4)), Reason::StaleAttempt, "newer state"),
        row("kept", |_| (), Reason::Conflict, "other bytes"),
        row("kept", |b| b.attempt = Some(attempt(32, 6)), Reason::Conflict, "other bytes"),
    ];
    for row in rows {
        row.check(&target).await;
    }
    assert_eq!((target.read(&path("kept")).unwrap(), target.generation(&path("kept"))), (kept, Some(5)));
    target.stop().await;
}

#[tokio::test]
async fn frames_that_do_not_fit_are_refused() {
    // What is wrong with one frame of three; the last row's frames are right, but of other bytes than announced.
    let target = Target::start().await;
    let row = |name, change: fn(&mut Vec<Frame>), reason, says| {
        let (begin, mut frames) = good(name);
        change(&mut frames);
        Row::new(begin, frames, reason, says)
    };
    let wrong = "Checksum mismatch";
    for row in [
        row("gap", |f| drop(f.remove(1)), Reason::BadFrame, "expected 65536"),
        row("not-first", |f| drop(f.remove(0)), Reason::BadFrame, "expected 0"),
        row("overlap", |f| f[1].offset -= 1, Reason::BadFrame, "frame at offset 65535"),
        row("twice", |f| f.insert(1, f[0].clone()), Reason::BadFrame, "frame at offset 0"),
        row("beyond", |f| f[2].data = vec![1; PIECE + 1].into(), Reason::BadFrame, "the file has 196608 bytes"),
        row("far", |f| f[1].offset = u64::MAX, Reason::BadFrame, "frame at offset 18446744073709551615"),
        row("no-data", |f| f[1].data.clear(), Reason::BadFrame, "without data"),
        row("no-prefix", |f| f[1].prefix_sha256.clear(), Reason::BadFrame, "0 bytes"),
        row("prefix-31", |f| f[1].prefix_sha256.truncate(31), Reason::BadFrame, "31 bytes"),
        row("prefix-33", |f| f[1].prefix_sha256.push(0), Reason::BadFrame, "33 bytes"),
        row("prefix", |f| f[0].prefix_sha256[0] ^= 1, Reason::ChecksumMismatch, "up to 65536").logged(wrong),
        row("last-prefix", |f| f[2].prefix_sha256[31] ^= 1, Reason::ChecksumMismatch, "up to 196608").logged(wrong),
    ] {
        row.check(&target).await;
    }
    let (mut begun, cut) = good("other-sum");
    target.put(&path("other-sum"), &bytes(1, 3 * PIECE)).await;
    begun.sha256 = Sha256::of(b"other").as_bytes().to_vec();
    Row::new(begun, cut, Reason::ChecksumMismatch, "checksum mismatch").logged(wrong).check(&target).await;
    assert_eq!(target.read(&path("other-sum")).unwrap(), bytes(1, 3 * PIECE));
    target.stop().await;
}

#[tokio::test]
async fn what_stands_in_the_way_is_refused_and_left_alone() {
    // A file where a folder must be, a folder or a pipe where the file must be, and links out of the pool, planted by
    // hand. What stands under the name itself is named.
    let target = Target::start().await;
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.png"), b"outside").unwrap();
    target.put(&path("way"), b"a file").await;
    let folder = target.pool_dir().join("original/refused");
    fs::create_dir(folder.join("folder.png")).unwrap();
    symlink(outside.path(), folder.join("link")).unwrap();
    symlink(outside.path().join("secret.png"), folder.join("link.png")).unwrap();
    let pipe = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, folder.join("pipe.png"), pipe, rustix::fs::Mode::RUSR, 0).unwrap();
    for (at, says) in [
        ("way.png/in-way.png", ""),
        ("folder.png", "a directory stands where"),
        ("pipe.png", "a pipe stands where"),
        ("link/new.png", ""),
        ("link/secret.png", ""),
        ("link.png", "a symbolic link stands where"),
    ] {
        let content = bytes(1, 3 * PIECE);
        let begun = begin(&format!("original/refused/{at}"), &content);
        Row::new(begun, frames(&content), Reason::Conflict, says).check(&target).await;
    }
    assert_eq!(fs::read(outside.path().join("secret.png")).unwrap(), b"outside");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    target.stop().await;
}

#[tokio::test]
async fn a_pool_that_takes_nothing_says_why() {
    // Offline, inactive, full by its limit, and a node that nobody has told of its pools yet.
    let (begun, cut) = good("shut");
    for (name, spec, reason, says, logged) in [
        (
            "offline",
            Spec { tell: |p| p.initialize = false, ..Spec::default() },
            Reason::PoolUnhealthy,
            "target pool unhealthy",
            Some("Target pool unhealthy"),
        ),
        (
            "inactive",
            Spec { tell: |p| p.is_active = false, ..Spec::default() },
            Reason::InsufficientStorage,
            "insufficient capacity",
            Some("Insufficient capacity"),
        ),
        (
            "full",
            Spec { tell: |p| p.max_size = 3 * PIECE as u64 - 1, ..Spec::default() },
            Reason::InsufficientStorage,
            "insufficient capacity",
            Some("Insufficient capacity"),
        ),
        (
            "early",
            Spec { source: None, ..Spec::default() },
            Reason::PoolUnhealthy,
            "has not heard from the coordinator",
            None,
        ),
        (
            "remembered",
            Spec { source: Some(Source::Nowhere), ..Spec::default() },
            Reason::PoolUnhealthy,
            "has not heard from the coordinator",
            None,
        ),
    ] {
        let target = Target::with(spec).await;
        let begun = BeginFile { stored_path: path(name), ..begun.clone() };
        Row { begin: begun, frames: cut.clone(), reason, says, logged }.check(&target).await;
        target.stop().await;
    }
}

#[tokio::test]
async fn the_setting_lets_files_without_a_checksum_in() {
    let settings = NodeSettings { require_checksum: false, reserve_bytes: Some(0), ..NodeSettings::default() };
    let target = Target::with(Spec { settings, ..Spec::default() }).await;
    let (mut begun, cut) = good("unproven");
    begun.sha256.clear();
    let mut talk = target.talk().await;
    talk.begin(1, begun).await;
    for frame in cut {
        talk.frame(1, frame).await;
    }
    assert_eq!(talk.receipt(1).await.sha256, Sha256::of(&bytes(1, 3 * PIECE)).as_bytes());
    target.stop().await;
}

#[tokio::test]
async fn a_disk_that_is_full_refuses_and_goes_on_once_there_is_room() {
    // A file system of 8 MiB: what does not fit is refused at its begin; filled by somebody else in the middle of a
    // file, that one is refused; with room again the next one arrives.
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().canonicalize().unwrap();
    let Some(_mount) = Mount::tmpfs(&folder, "8m") else { return };
    let target = Target::with(Spec { folder: Some(folder.clone()), ..Spec::default() }).await;
    let content = bytes(2, 9 << 20);
    let row =
        Row::new(begin(&path("too-large"), &content), frames(&content), Reason::InsufficientStorage, "insufficient");
    row.logged("Insufficient capacity").check(&target).await;
    let content = &content[..6 << 20];
    let before = target.tree();
    let mut talk = target.talk().await;
    talk.begin(1, BeginFile { wait_for_offer: true, ..begin(&path("filled"), content) }).await;
    talk.offer(1).await;
    drop(fs::write(folder.join("somebody"), vec![0; 7 << 20]));
    for frame in frames(content) {
        talk.frame(1, frame).await;
    }
    let (reason, message) = talk.refusal(1).await;
    assert!(reason == Reason::InsufficientStorage && message.contains("no space left"), "{reason:?} {message}");
    assert_eq!((target.tree(), target.incoming()), (before, vec![]));
    assert_eq!(
        lines_about(&path("filled")).iter().filter(|l| l.contains("[Replicate] Insufficient capacity")).count(),
        1
    );
    fs::remove_file(folder.join("somebody")).unwrap();
    talk.file(2, begin(&path("filled"), content), content).await;
    talk.receipt(2).await;
    target.stop().await;
}

#[tokio::test]
async fn a_disk_that_became_read_only_takes_nothing_and_breaks_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().canonicalize().unwrap();
    let Some(mount) = Mount::tmpfs(&folder, "8m") else { return };
    let target = Target::with(Spec { folder: Some(folder), ..Spec::default() }).await;
    target.put(&path("before"), b"here").await;
    mount.read_only();
    let (begun, cut) = good("read-only");
    let before = target.tree();
    let mut talk = target.talk().await;
    talk.begin(1, begun).await;
    for frame in cut {
        talk.frame(1, frame).await;
    }
    let (reason, message) = talk.refusal(1).await;
    assert!([Reason::IoError, Reason::PoolUnhealthy].contains(&reason), "{reason:?} {message}");
    assert!(message.contains(&path("read-only")), "{message}");
    assert_eq!(target.tree(), before);
    drop(talk);
    target.stop().await;
}

#[tokio::test]
async fn a_stream_that_ends_half_way_leaves_no_file_under_the_name() {
    // Ended in order: a refusal that says how far it came. Broken off: nobody is left to hear it.
    let target = Target::start().await;
    let (begun, cut) = good("half");
    let before = target.tree();
    let said = async |talk: &Talk| {
        talk.begin(1, begun.clone()).await;
        talk.frame(1, cut[0].clone()).await;
    };
    let talk = target.talk().await;
    said(&talk).await;
    let heard = format!("{:?}", talk.end().await.unwrap());
    assert!(heard.contains("the stream ended after 65536 of 196608 bytes") && heard.contains(&path("half")), "{heard}");
    assert_eq!(target.tree(), before);
    let talk = target.talk().await;
    said(&talk).await;
    until("the first frame does not arrive", || target.incoming().len() == 1).await;
    drop(talk);
    assert_eq!(target.tree(), before);
    assert!(lines_about(&path("half")).is_empty());
    target.put(&path("half"), &bytes(1, 3 * PIECE)).await;
    assert_eq!(target.incoming(), Vec::<String>::new());
    target.stop().await;
}
