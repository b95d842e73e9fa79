//! Words of nodes, and the states that they lead to: refusals, receipts, the trash and the way back from it.

use pixelfox_proto::v1::{self, file_result::Outcome, node_command::Command, node_event::Event};

use crate::dispatch::{image, pools, two_nodes};
use crate::office::{FakeNode, Office, Upload};

#[tokio::test]
async fn each_word_of_a_node_leads_to_the_state_that_it_means() {
    // One move a word. Missing: completed, the image lost in sight. Mismatch, refused: failed, with the cause. Retry,
    // busy, no room, stale: pending again, with a wait, and only the first of these counts.
    use v1::refusal::Reason;
    let office = Office::open().await;
    let mut s01 = FakeNode::attach(&office, "s01").await;
    let s02 = FakeNode::attach(&office, "s02").await;
    let mut watcher = office.books.watch();
    for (number, (outcome, refusal, state, replica)) in [
        (Outcome::Missing, Reason::Unspecified, "completed", "lost"),
        (Outcome::Mismatch, Reason::Unspecified, "failed", "suspect"),
        (Outcome::Refused, Reason::Conflict, "failed", "live"),
        (Outcome::Retry, Reason::Unspecified, "pending", "live"),
        (Outcome::Retry, Reason::Busy, "pending", "live"),
        (Outcome::Retry, Reason::InsufficientStorage, "pending", "live"),
        (Outcome::Stale, Reason::Unspecified, "pending", "live"),
        (Outcome::Unspecified, Reason::Unspecified, "pending", "live"),
    ]
    .into_iter()
    .enumerate()
    {
        let upload = office.upload(&s01, u32::try_from(number).unwrap()).await;
        let batch = office.move_to(&[&upload], s02.pool()).await;
        let job = office.only_child(&batch).await.id;
        let (id, _) = s01.push().await;
        s01.end(id, vec![v1::FileResult { refusal: refusal.into(), ..upload.result(outcome) }]).await;
        let after = office.job_where(&mut watcher, job, |job| job.state != "processing").await;
        assert_eq!(after.state, state, "{outcome:?} {refusal:?}");
        assert_eq!(after.files_missing, u64::from(outcome == Outcome::Missing));
        if state == "pending" {
            assert!(after.waiting_for.starts_with("next try in "), "{outcome:?} {refusal:?}: {after:?}");
        }
        if outcome != Outcome::Missing {
            assert!(after.last_error.contains("the test says"), "{after:?}");
        }
        let there = image(&office, &upload).await;
        assert_eq!((there.pool_id, there.files[0].state.as_str()), (s01.pool(), replica), "{outcome:?}");
    }
    office.close().await;
}

#[tokio::test]
async fn a_command_that_fails_as_a_whole_is_tried_again_with_its_cause() {
    // No file was reported; also where the command just ends without a word.
    let (office, mut s01, s02, upload) = two_nodes().await;
    let other = office.upload(&s01, 2).await;
    let mut watcher = office.books.watch();
    for (upload, error, want) in
        [(&upload, "connection refused by http://s02:4000", "connection refused"), (&other, "", "without a word")]
    {
        let batch = office.move_to(&[upload], s02.pool()).await;
        let job = office.only_child(&batch).await.id;
        let (command_id, _) = s01.push().await;
        let result = v1::CommandResult { command_id, error: error.into(), ..v1::CommandResult::default() };
        s01.say(Event::Result(result)).await;
        let after = office.job_where(&mut watcher, job, |job| job.state == "pending").await;
        assert!(after.last_error.contains(want), "{after:?}");
    }
    office.close().await;
}

#[tokio::test]
async fn a_receipt_with_other_bytes_is_none() {
    // DONE with another SHA-256, and DONE without any: the image stays where it is.
    let (office, mut s01, s02, upload) = two_nodes().await;
    let other = office.upload(&s01, 2).await;
    let mut watcher = office.books.watch();
    for (upload, sha256) in [(&upload, vec![7; 32]), (&other, vec![])] {
        let batch = office.move_to(&[upload], s02.pool()).await;
        let job = office.only_child(&batch).await.id;
        let (id, _) = s01.push().await;
        s01.end(id, vec![v1::FileResult { sha256, ..upload.result(Outcome::Done) }]).await;
        let after = office.job_where(&mut watcher, job, |job| job.state == "pending").await;
        assert!(after.last_error.contains("SHA-256"), "{after:?}");
        assert_eq!(image(&office, upload).await.pool_id, s01.pool());
    }
    office.close().await;
}

#[tokio::test]
async fn an_order_for_the_trash_that_a_lost_session_swallowed_comes_again() {
    // s01 hears the order and leaves without a word; attached again it gets the order once more, and the job ends.
    // In between the coordinator is started anew.
    let (office, mut s01, s02, upload) = two_nodes().await;
    let batch = office.move_to(&[&upload], s02.pool()).await;
    let job = office.only_child(&batch).await.id;
    let (id, _) = s01.push().await;
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    s01.delete().await;
    drop(s01);
    drop(s02);
    let dir = office.close().await;

    let office = Office::open_in(dir, Some(crate::office::SECRET), Some(crate::office::TOKEN)).await;
    let mut watcher = office.books.watch();
    let mut s01 = FakeNode::attach(&office, "s01").await;
    let (id, delete) = s01.delete().await;
    assert_eq!((delete.files[0].stored_path.as_str(), delete.files[0].generation), (upload.path.as_str(), 1));
    s01.end(id, vec![upload.result(Outcome::Missing)]).await;
    office.job_where(&mut watcher, job, |job| job.state == "completed").await;
    office.close().await;
}

#[tokio::test]
async fn an_old_copy_with_another_mark_ends_the_job_and_is_left_alone() {
    // STALE for a trash order: the job only goes forward, the copy leaves the books.
    let (office, mut s01, s02, upload) = two_nodes().await;
    let mut watcher = office.books.watch();
    let batch = office.move_to(&[&upload], s02.pool()).await;
    let job = office.only_child(&batch).await.id;
    let (id, _) = s01.push().await;
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    let (id, _) = s01.delete().await;
    s01.end(id, vec![upload.result(Outcome::Stale)]).await;
    office.job_where(&mut watcher, job, |job| job.state == "completed").await;
    assert_eq!(pools(&office).await[0].trash_size, 0);
    office.close().await;
}

#[tokio::test]
async fn a_move_back_restores_from_the_trash_and_pushes_what_is_not_there() {
    // There and back again twice: the first way back is a restore, in the second the trash is empty and it is a push.
    let (office, mut s01, mut s02, upload) = two_nodes().await;
    move_over(&office, &mut s01, &upload, s02.pool()).await;

    office.move_to(&[&upload], s01.pool()).await;
    let (id, restore) = restored(&mut s01).await;
    assert_eq!((restore.files[0].generation, restore.new_generations[0], restore.verify), (1, 3, true));
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    let (id, delete) = s02.delete().await;
    assert_eq!(delete.files[0].generation, 2);
    s02.end(id, vec![upload.result(Outcome::Done)]).await;
    assert_eq!(image(&office, &upload).await.pool_id, s01.pool());

    let mut watcher = office.books.watch();
    let batch = office.move_to(&[&upload], s02.pool()).await;
    let job = office.only_child(&batch).await.id;
    let (id, _) = restored(&mut s02).await;
    s02.end(id, vec![upload.result(Outcome::Missing)]).await;
    let (id, push) = s01.push().await;
    assert_eq!(push.files[0].attempt.unwrap().generation, 4);
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    let (id, _) = s01.delete().await;
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    office.job_where(&mut watcher, job, |job| job.state == "completed").await;
    assert_eq!(image(&office, &upload).await.pool_id, s02.pool());
    office.close().await;
}

#[tokio::test]
async fn a_database_that_fails_for_a_while_delays_a_commit_and_loses_nothing() {
    // Another program holds the database for longer than a commit waits for it. The receipt came in the meantime: the
    // move is committed afterwards, and its old copy goes to the trash. Real time, because the wait is SQLite's.
    use sqlx::Connection as _;
    let (office, mut s01, s02, upload) = two_nodes().await;
    let mut watcher = office.books.watch();
    let batch = office.move_to(&[&upload], s02.pool()).await;
    let job = office.only_child(&batch).await.id;
    let (id, _) = s01.push().await;
    let url = format!("sqlite://{}", office.dir.path().join("pixelfox.db").display());
    let mut thief = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut thief).await.unwrap();
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    assert!(office.store.probe().await.is_err(), "the writer is not held up");
    assert_eq!(image(&office, &upload).await.pool_id, s01.pool());
    sqlx::query("ROLLBACK").execute(&mut thief).await.unwrap();

    let (id, _) = s01.delete().await;
    assert_eq!(image(&office, &upload).await.pool_id, s02.pool());
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    office.job_where(&mut watcher, job, |job| job.state == "completed").await;
    office.close().await;
}

/// One whole move away from `source`.
async fn move_over(office: &Office, source: &mut FakeNode, upload: &Upload, target: u64) {
    let mut watcher = office.books.watch();
    let batch = office.move_to(&[upload], target).await;
    let (id, _) = source.push().await;
    source.end(id, vec![upload.result(Outcome::Done)]).await;
    let (id, _) = source.delete().await;
    source.end(id, vec![upload.result(Outcome::Done)]).await;
    office.job_where(&mut watcher, batch.job_id, |job| job.state == "completed").await;
}

async fn restored(node: &mut FakeNode) -> (u64, v1::RestoreFiles) {
    match node.next().await {
        (id, Command::Restore(restore)) => (id, restore),
        other => panic!("not a restore: {other:?}"),
    }
}
