//! Files from one node to another, as the coordinator orders it: what arrives, what is told of each file, and what
//! calls a transfer off.

use std::{fs, time::Duration};

use pixelfox_node::{
    send::{Ears, Outgoing, Sent, Target as Whereto},
    work::{Check, Command, CommandId, FileAt, Outcome, PushFiles, Reason, Report, RestoreFile, RestoreFiles},
};
use pixelfox_proto::{Attempt, FileMeta, Generation, JobId, Lease, RefusalReason, Sha256};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    time::{Instant, timeout},
};

use crate::{
    edge_rig::pool_id,
    push_rig::{LARGE, Pair, cutting_proxy},
    replicate_rig::{SECRET, Spec, WITHIN, attempt, bytes, moved, until},
};

#[tokio::test]
async fn a_thousand_small_files_arrive_and_each_is_told_once() {
    let mut pair = Pair::start().await;
    let content = |i: u64| bytes(u8::try_from(i % 251).unwrap(), 1 + usize::try_from(i).unwrap());
    let files: Vec<_> = (0..1000).map(|i| pair.file(&format!("{}/{i}.png", i % 10), 1 + i / 2, &content(i))).collect();
    pair.push(1, files.clone());
    let told = pair.told(1).await;
    assert_eq!((told.ends.len(), &told.error), (1000, &None));
    assert!(told.bytes.is_sorted());
    for (i, file) in (0..).zip(&files) {
        let (path, end) = (file.path.as_str(), &told.ends[file.path.as_str()]);
        assert_eq!((end.outcome, end.size, end.sha256), (Outcome::Done, file.size, Some(file.sha256)), "{end:?}");
        assert_eq!(pair.target.read(path).unwrap(), content(i), "{path}");
        assert_eq!((pair.target.generation(path), pair.source.read(path).is_some()), (Some(2), true));
    }
    assert_eq!(pair.target.mark(files[0].path.as_str()).unwrap().meta.kind, "original");
    pair.stop().await;
}

#[tokio::test]
async fn a_connection_that_is_cut_is_gone_on_with() {
    // A large file breaks off after some of its bytes: RETRY, with the target's URL. The next push starts from there.
    let mut pair = Pair::start().await;
    let content = bytes(1, LARGE);
    let files = vec![pair.file("cut.png", 1, &content), pair.file("behind.png", 2, b"behind")];
    let (url, _proxy) = cutting_proxy(pair.target.address, 5 << 20).await;
    pair.push_to(1, url.clone(), files.clone());
    let told = pair.told(1).await;
    for name in ["cut.png", "behind.png"] {
        let (outcome, message) = told.of(name);
        assert!(outcome == Outcome::Retry && message.contains(&url), "{name}: {outcome:?} {message}");
        assert!(pair.target.read(&format!("original/push/{name}")).is_none());
    }
    until("the target keeps nothing of it", || pair.target.incoming().len() == 1).await;
    let file = &files[0];
    let outgoing = Outgoing {
        path: file.path.clone(),
        size: file.size,
        sha256: file.sha256,
        attempt: Some(Attempt { lease: Lease(101), ..file.attempt }),
        meta: FileMeta::default(),
        trace: None,
    };
    let (ends, mut ended) = mpsc::channel(4);
    let pool = pair.source.pools.hosted(pool_id(1)).unwrap();
    let whereto = Whereto { url: pair.target.url(), pool: pool_id(1) };
    let pushed = pair.pusher.push(pool, whereto, vec![outgoing], Ears { ends, bytes: Default::default() }, ());
    timeout(WITHIN, pushed).await.unwrap().unwrap();
    let sent = ended.recv().await.unwrap();
    assert!(matches!(sent, (0, Sent::Received { resumed_from: 1.., skipped: false })), "{sent:?}");
    assert_eq!(pair.target.read("original/push/cut.png").unwrap(), content);
    pair.stop().await;
}

#[tokio::test]
async fn a_source_that_is_not_what_the_books_say_is_not_copied() {
    // Missing, shorter, longer, one bit wrong in a small and in a large file: each told as what it is, nothing of it at
    // the target; the good one among them arrives.
    let mut pair = Pair::start().await;
    let content = bytes(2, 700 << 10);
    let names = ["missing.png", "shorter.png", "longer.png", "flipped.png", "flipped-late.png", "good.png"];
    let files: Vec<_> = (1..).zip(names).map(|(job, name)| pair.file(name, job, &content)).collect();
    let on_disk = |name: &str| pair.source.pool_dir().join("original/push").join(name);
    let mut flipped = content.clone();
    flipped[0] ^= 1;
    let late = [&content[..content.len() - 1], &[content[content.len() - 1] ^ 1]].concat();
    fs::remove_file(on_disk("missing.png")).unwrap();
    fs::write(on_disk("shorter.png"), &content[1..]).unwrap();
    fs::write(on_disk("longer.png"), [&content[..], b"1"].concat()).unwrap();
    fs::write(on_disk("flipped.png"), &flipped).unwrap();
    fs::write(on_disk("flipped-late.png"), &late).unwrap();
    pair.push(1, files);
    let told = pair.told(1).await;
    assert_eq!(told.of("missing.png").0, Outcome::Missing);
    for (name, truth) in [("flipped.png", &flipped), ("flipped-late.png", &late)] {
        let end = &told.ends[&format!("original/push/{name}")];
        assert_eq!((end.outcome, end.sha256), (Outcome::Mismatch, Some(Sha256::of(truth))), "{end:?}");
    }
    for (name, size) in [("shorter.png", content.len() - 1), ("longer.png", content.len() + 1)] {
        let end = &told.ends[&format!("original/push/{name}")];
        assert_eq!((end.outcome, end.size), (Outcome::Mismatch, size as u64), "{end:?}");
    }
    assert_eq!(told.of("good.png").0, Outcome::Done);
    let there = pair.target.tree().into_keys().filter(|name| name.ends_with(".png")).collect::<Vec<_>>();
    assert_eq!((there, pair.target.incoming()), (vec!["original/push/good.png".to_owned()], vec![]));
    pair.stop().await;
}

#[tokio::test]
async fn what_the_target_says_is_told_as_what_it_means_for_the_move() {
    // Other bytes there, the same bytes there, a newer state, no such pool: one order, and a file that arrives.
    let mut pair = Pair::start().await;
    let content = bytes(3, 1000);
    let (other, stale) = (bytes(4, 1000), attempt(50, 9));
    for (name, there, by) in [
        ("conflict.png", &other, attempt(50, 1)),
        ("same.png", &content, attempt(50, 1)),
        ("stale.png", &content, stale),
    ] {
        let mut talk = pair.target.talk().await;
        talk.file(1, moved(&format!("original/push/{name}"), there, by), there).await;
        talk.receipt(1).await;
    }
    let names = ["conflict.png", "same.png", "stale.png", "new.png"];
    pair.push(1, (1..).zip(names).map(|(job, name)| pair.file(name, job, &content)).collect());
    let told = pair.told(1).await;
    let ends: Vec<_> = names.map(|name| told.ends[&format!("original/push/{name}")].clone()).into();
    let brief: Vec<_> = ends.iter().map(|end| (end.outcome, end.refusal)).collect();
    let want = [
        (Outcome::Refused, Some(RefusalReason::Conflict)),
        (Outcome::Skipped, None),
        (Outcome::Stale, Some(RefusalReason::StaleAttempt)),
        (Outcome::Done, None),
    ];
    assert_eq!(brief, want, "{ends:?}");
    assert!(ends[0].message.contains("conflict.png") && ends[2].message.contains("stale.png"), "{ends:?}");
    assert_eq!(pair.target.generation("original/push/same.png"), Some(2));
    pair.stop().await;
}

#[tokio::test]
async fn a_target_that_is_not_there_or_does_not_let_us_in_is_named_with_the_cure() {
    let mut pair = Pair::with("another secret than theirs", Spec::default()).await;
    let files = vec![pair.file("a.png", 1, b"a"), pair.file("b.png", 2, b"b")];
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (down, shut) = (format!("http://{gone}"), pair.target.url());
    for (id, url, says) in
        [(1, &down, "(upload_api_url of pool"), (2, &shut, "REPLICATION_SECRET"), (3, &"no url".to_owned(), "no URL")]
    {
        pair.push_to(id, url.clone(), files.clone());
        let told = pair.told(id).await;
        assert_eq!((told.ends.len(), &told.error), (2, &None));
        for end in told.ends.values() {
            assert!(
                end.outcome == Outcome::Retry && end.message.contains(url.as_str()) && end.message.contains(says),
                "{end:?}"
            );
            assert!(!end.message.contains(SECRET) && !end.message.contains("another secret"), "{end:?}");
        }
    }
    pair.stop().await;
}

#[tokio::test]
async fn one_job_is_called_off_and_the_others_go_on() {
    // At a pace at which its next frame is due in a minute, so that only the word itself can end it.
    let mut pair = Pair::start().await;
    pair.pace(4 << 10);
    let files = vec![pair.file("large.png", 1, &bytes(5, LARGE)), pair.file("small.png", 2, b"small")];
    pair.push(1, files);
    pair.first_bytes().await;
    let said = Instant::now();
    pair.work.cancel(CommandId(1), &[JobId::try_from(1).unwrap()]);
    let end = loop {
        if let Report::Progress { files, .. } = pair.report().await
            && let Some(end) = files.into_iter().next()
        {
            break end;
        }
    };
    assert!(
        end.outcome == Outcome::Retry && end.message == "called off" && end.path.as_str().ends_with("large.png"),
        "{end:?}"
    );
    assert!(said.elapsed() < Duration::from_secs(2), "{:?}", said.elapsed());
    pair.pace(0);
    loop {
        match pair.report().await {
            Report::Progress { files, .. } | Report::Ended { files, .. } if !files.is_empty() => {
                assert_eq!((files.len(), files[0].outcome), (1, Outcome::Done), "{files:?}");
                break;
            }
            _ => {}
        }
    }
    assert!(pair.target.read("original/push/large.png").is_none());
    assert_eq!(pair.target.incoming().len(), 1, "what has come stays for the next try");
    pair.stop().await;
}

#[tokio::test]
async fn a_whole_order_is_called_off_within_two_seconds() {
    // In the middle of a large file; what was not durable is RETRY, and another order runs at once.
    let mut pair = Pair::start().await;
    pair.pace(4 << 10);
    let files: Vec<_> = (1..5).map(|job| pair.file(&format!("{job}.png"), job, &bytes(6, LARGE))).collect();
    pair.push(1, files);
    pair.first_bytes().await;
    let said = Instant::now();
    pair.work.cancel(CommandId(1), &[]);
    let told = pair.told(1).await;
    assert!(said.elapsed() < Duration::from_secs(2), "{:?}", said.elapsed());
    assert!(told.ends.len() == 4 && told.ends.values().all(|end| end.outcome == Outcome::Retry), "{:?}", told.ends);
    until("the order still runs", || pair.work.running() == 0).await;
    pair.pace(0);
    let small = pair.file("after.png", 9, b"after");
    pair.push(2, vec![small]);
    assert_eq!(pair.told(2).await.of("after.png").0, Outcome::Done);
    pair.stop().await;
}

#[tokio::test]
async fn a_restore_is_called_off_by_its_job_while_it_hashes() {
    // A file of some gigabytes in the trash, and a small one of another job: the first is called off at once, the second
    // is looked at to its end. (Neither has a mark, so that nothing could come of them.)
    let mut pair = Pair::start().await;
    let trash = pair.source.pool_dir().join(".pixelfox/trash/1/original/push");
    fs::create_dir_all(&trash).unwrap();
    fs::File::create(trash.join("large.png")).unwrap().set_len(4 << 30).unwrap();
    fs::write(trash.join("small.png"), b"small").unwrap();
    let file = |name: &str, job| RestoreFile {
        file: FileAt {
            path: format!("original/push/{name}").parse().unwrap(),
            generation: Generation(1),
            lease: None,
            reason: Reason::Settled,
            trace: None,
        },
        restored: Generation(2),
        job: JobId::try_from(job).ok(),
    };
    let order = RestoreFiles {
        pool: pool_id(1),
        files: vec![file("large.png", 1_u64), file("small.png", 2)],
        check: Check::Bytes,
    };
    let said = Instant::now();
    pair.work.start(CommandId(1), Command::Restore(order));
    pair.work.cancel(CommandId(1), &[JobId::try_from(1).unwrap()]);
    let told = pair.told(1).await;
    assert!(said.elapsed() < Duration::from_secs(2), "{:?}", said.elapsed());
    assert_eq!(told.of("large.png"), (Outcome::Retry, "called off"));
    assert_eq!(told.of("small.png").0, Outcome::Mismatch);
    pair.stop().await;
}

#[tokio::test]
async fn a_limit_holds_and_a_change_of_it_reaches_what_runs() {
    // At a byte per second one frame goes out and the rest would take weeks; without a limit it ends.
    let mut pair = Pair::start().await;
    pair.pace(1);
    let content = bytes(7, 3 << 20);
    let file = pair.file("paced.png", 1, &content);
    pair.push(1, vec![file]);
    assert_eq!(pair.first_bytes().await, 256 << 10);
    pair.pace(0);
    let told = pair.told(1).await;
    assert_eq!(told.of("paced.png").0, Outcome::Done);
    assert_eq!(pair.target.read("original/push/paced.png").unwrap(), content);
    pair.stop().await;
}

#[tokio::test]
async fn progress_is_told_each_second_while_a_large_file_goes() {
    // Twelve MiB at four MiB a second: at least as many words as seconds, each with more bytes than the last one.
    let mut pair = Pair::start().await;
    pair.pace(4 << 20);
    let file = pair.file("progress.png", 1, &bytes(8, LARGE));
    let began = Instant::now();
    pair.push(1, vec![file]);
    let told = pair.told(1).await;
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
    let words: Vec<_> = told.bytes.iter().filter(|bytes| **bytes > 0).collect();
    assert!(words.len() >= seconds && seconds >= 2, "{words:?} in {seconds} s");
    assert!(told.bytes.is_sorted() && told.bytes.last() <= Some(&(LARGE as u64)), "{:?}", told.bytes);
    pair.stop().await;
}

#[tokio::test]
async fn an_order_that_can_not_be_begun_is_answered_as_a_whole() {
    // From a pool of another node, and a second one with the number of one that runs: that one runs on.
    let mut pair = Pair::start().await;
    let files = vec![pair.file("once.png", 1, &bytes(9, 3 << 20))];
    let order =
        PushFiles { source: pool_id(9), target: pool_id(1), target_url: pair.target.url(), files: files.clone() };
    pair.work.start(CommandId(1), Command::Push(order));
    let told = pair.told(1).await;
    assert_eq!((told.ends.len(), told.error.as_deref()), (0, Some("pool 9 is on node s09")));
    pair.pace(1);
    pair.push(2, files.clone());
    pair.first_bytes().await;
    pair.push(2, files);
    let told = pair.told(2).await;
    assert_eq!((told.ends.len(), told.error.as_deref()), (0, Some("this order is under way already")));
    pair.pace(0);
    assert_eq!(pair.told(2).await.of("once.png").0, Outcome::Done);
    pair.stop().await;
}
