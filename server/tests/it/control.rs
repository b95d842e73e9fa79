//! The queue under a person's hand, with fake nodes: what each hears, and what becomes of the jobs.

use std::time::Duration;

use pixelfox_proto::v1::{
    self, admin_client::AdminClient, file_result::Outcome, node_command::Command, node_event::Event as Said,
};
use pixelfox_server::config::SweepTimes;
use pixelfox_server::events::{Heard, Watcher};
use tokio::time::Instant;
use tonic::{Code, Status, transport::Channel};

use crate::dispatch::{image, two_nodes};
use crate::office::{FakeNode, Office, SECRET, TOKEN, Upload, admins, within};

fn these(ids: &[u64]) -> tonic::Request<v1::ChangeJobsRequest> {
    admins(v1::ChangeJobsRequest { ids: ids.to_vec(), ..Default::default() })
}

async fn admin(office: &Office) -> AdminClient<Channel> {
    office.admin().await
}

async fn cancelled(node: &mut FakeNode) -> (u64, Vec<u64>) {
    match node.next().await {
        (_, Command::Cancel(cancel)) => (cancel.command_id, cancel.job_ids),
        other => panic!("not the word to cancel: {other:?}"),
    }
}

/// The first event whose line fits.
async fn line(watcher: &mut Watcher, fits: impl Fn(&str) -> bool) -> String {
    let found = async {
        loop {
            if let Heard::Event(event) = watcher.next().await
                && fits(&event.message)
            {
                return event.message;
            }
        }
    };
    within("the line", found).await
}

#[tokio::test]
async fn a_paused_job_stops_at_its_node_and_resumed_it_goes_out_again() {
    // Paused in the middle of its push: the node is told at once, a receipt that comes all the same changes nothing.
    // Resumed, the second attempt moves it; no attempt was used up.
    let (office, mut s01, s02, upload) = two_nodes().await;
    let mut watcher = office.books.watch();
    let batch = office.move_to(&[&upload], s02.pool()).await;
    let job = office.only_child(&batch).await.id;
    let (id, _) = s01.push().await;
    let changed = admin(&office).await.pause_jobs(these(&[batch.job_id])).await.unwrap().into_inner().changed;
    assert_eq!(changed, 2);
    assert_eq!(cancelled(&mut s01).await, (id, vec![job]));
    let paused = office.job(job).await;
    assert_eq!((paused.state.as_str(), paused.waiting_for.as_str()), ("paused", ""));
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    s01.heartbeat(true).await;
    assert_eq!(
        (image(&office, &upload).await.pool_id, office.job(batch.job_id).await.state),
        (s01.pool(), "paused".into())
    );
    admin(&office).await.resume_jobs(these(&[batch.job_id])).await.unwrap();
    let (id, push) = s01.push().await;
    assert_eq!(push.files[0].attempt.unwrap().attempt, 2);
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    let (id, _) = s01.delete().await;
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    office.job_where(&mut watcher, batch.job_id, |job| job.state == "completed").await;
    office.close().await;
}

#[tokio::test]
async fn a_cancelled_job_stops_at_its_node_and_its_copy_is_given_up_at_the_target() {
    // The source is told to stop, the target to put away what came, with a fence against what is still on its way.
    // A new move of the image waits for that and says so; then it goes.
    let (office, mut s01, mut s02, upload) = two_nodes().await;
    let mut watcher = office.books.watch();
    let batch = office.move_to(&[&upload], s02.pool()).await;
    let job = office.only_child(&batch).await.id;
    let (id, push) = s01.push().await;
    admin(&office).await.cancel_jobs(these(&[job])).await.unwrap();
    assert_eq!(cancelled(&mut s01).await, (id, vec![job]));
    let (order, delete) = s02.delete().await;
    let (file, attempt) = (&delete.files[0], push.files[0].attempt.unwrap());
    assert_eq!((file.given_up, file.generation, file.lease), (true, attempt.generation, attempt.lease));
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    let parent = office.job(batch.job_id).await;
    assert_eq!((parent.state.as_str(), parent.children_cancelled, parent.children_total), ("cancelled", 1, 1));

    let again = office.move_to(&[&upload], s02.pool()).await;
    let waits = office.only_child(&again).await;
    assert_eq!(waits.waiting_for, "an old copy in pool img2 is still on its way to the trash");
    s02.end(order, vec![upload.result(Outcome::Missing)]).await;
    let (id, _) = s01.push().await;
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    let (id, _) = s01.delete().await;
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    office.job_where(&mut watcher, again.job_id, |job| job.state == "completed").await;
    assert_eq!(image(&office, &upload).await.pool_id, s02.pool());
    office.close().await;
}

#[tokio::test]
async fn a_failed_job_is_tried_again_with_all_its_attempts() {
    // Refused for good, so that its parent failed; by the parent's id it goes out once more and moves.
    let (office, mut s01, mut s02, upload) = two_nodes().await;
    let mut watcher = office.books.watch();
    let batch = office.move_to(&[&upload], s02.pool()).await;
    let (id, _) = s01.push().await;
    s01.end(id, vec![upload.result(Outcome::Refused)]).await;
    office.job_where(&mut watcher, batch.job_id, |job| job.state == "failed").await;
    let (id, _) = s02.delete().await;
    s02.end(id, vec![upload.result(Outcome::Missing)]).await;
    let changed = admin(&office).await.retry_jobs(these(&[batch.job_id])).await.unwrap().into_inner().changed;
    assert_eq!(changed, 2);
    let (id, _) = s01.push().await;
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    let (id, _) = s01.delete().await;
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    let parent = office.job_where(&mut watcher, batch.job_id, |job| job.state == "completed").await;
    assert_eq!((parent.children_done, parent.children_failed, parent.last_error.as_str()), (1, 0, ""));
    office.close().await;
}

#[tokio::test]
async fn a_paused_queue_stops_what_runs_survives_a_restart_and_goes_on() {
    // The push that is out is called off and its job waits; after a restart it still does; resumed, it goes out.
    let (office, mut s01, s02, upload) = two_nodes().await;
    let batch = office.move_to(&[&upload], s02.pool()).await;
    let job = office.only_child(&batch).await.id;
    let (id, _) = s01.push().await;
    assert!(admin(&office).await.pause_queue(admins(v1::PauseQueueRequest {})).await.unwrap().into_inner().paused);
    assert_eq!(cancelled(&mut s01).await, (id, vec![job]));
    let waits = office.job(job).await;
    assert_eq!((waits.state.as_str(), waits.waiting_for.as_str()), ("pending", "queue paused"));
    let dir = office.close().await;

    let office = Office::open_in(dir, Some(SECRET), Some(TOKEN)).await;
    let (mut s01, _s02) = (FakeNode::attach(&office, "s01").await, FakeNode::attach(&office, "s02").await);
    assert_eq!(office.job(job).await.waiting_for, "queue paused");
    assert!(!admin(&office).await.resume_queue(admins(v1::ResumeQueueRequest {})).await.unwrap().into_inner().paused);
    let (_, push) = s01.push().await;
    assert_eq!(push.files[0].attempt.unwrap().attempt, 2);
    office.close().await;
}

#[tokio::test]
async fn fewer_slots_give_the_newest_commands_back() {
    // 100 images on four slots; with two left the two newest commands are called off, their jobs are pending and say
    // why. With four again they go out once more.
    let office = Office::open().await;
    let mut s01 = FakeNode::attach(&office, "s01").await;
    let s02 = FakeNode::attach(&office, "s02").await;
    let mut uploads = Vec::new();
    for number in 0..100 {
        uploads.push(office.upload(&s01, number).await);
    }
    office.move_to(&uploads.iter().collect::<Vec<_>>(), s02.pool()).await;
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(s01.push().await);
    }
    slots(&office, 2).await;
    let mut called_off = [cancelled(&mut s01).await, cancelled(&mut s01).await];
    called_off.sort();
    for ((id, mut jobs), (sent, push)) in called_off.into_iter().zip(&open[2..]) {
        jobs.sort_unstable();
        let pushed: Vec<u64> = push.files.iter().map(|file| file.attempt.unwrap().job_id).collect();
        assert_eq!((id, &jobs), (*sent, &pushed));
        let waits = office.job(jobs[0]).await;
        assert_eq!((waits.state.as_str(), waits.waiting_for.as_str()), ("pending", "all 2 slots of node s01 are busy"));
        s01.end(id, Vec::new()).await;
    }
    slots(&office, 4).await;
    assert_eq!(s01.push().await.1.files.len() + s01.push().await.1.files.len(), 36);
    office.close().await;
}

async fn slots(office: &Office, move_slots_per_node: u32) {
    let settings = v1::Settings { move_slots_per_node: Some(move_slots_per_node), ..Default::default() };
    let ask = v1::UpdateSettingsRequest { settings: Some(settings) };
    admin(office).await.update_settings(admins(ask)).await.unwrap();
}

#[tokio::test]
async fn a_job_without_progress_is_recovered_and_one_that_flows_is_not() {
    // A sweeper of tenths of seconds. While the node tells of bytes, however long, nothing happens; when it falls silent
    // the job is taken back with the contract's line, counted, and the node is told to stop.
    let times = SweepTimes { stuck_after: Duration::from_millis(1500), every: Duration::from_millis(50) };
    let office = Office::open_with(tempfile::tempdir().unwrap(), Some(SECRET), Some(TOKEN), times).await;
    let mut s01 = FakeNode::attach(&office, "s01").await;
    let s02 = FakeNode::attach(&office, "s02").await;
    let upload = office.upload(&s01, 1).await;
    let mut watcher = office.books.watch();
    let batch = office.move_to(&[&upload], s02.pool()).await;
    let job = office.only_child(&batch).await.id;
    let (id, _) = s01.push().await;
    let (begun, mut bytes_done) = (Instant::now(), 0);
    let mut last_word = begun;
    while begun.elapsed() < 2 * times.stuck_after {
        bytes_done += 1;
        last_word = Instant::now();
        let progress = v1::CommandProgress { command_id: id, bytes_done, files_done: 0, ..Default::default() };
        s01.say(Said::Progress(progress)).await;
        tokio::time::sleep(times.every).await;
    }
    assert_eq!(office.job(job).await.attempt, 1, "it flowed all the time");
    let recovered = line(&mut watcher, |line| line.starts_with("[JobQueue] Recovering")).await;
    let silent = last_word.elapsed();
    assert!(silent >= times.stuck_after, "{silent:?}");
    let line = format!("[JobQueue] Recovering stuck job {job} (kind=move_image, node=s01, age=");
    let age = recovered.strip_prefix(&line).and_then(|rest| rest.strip_suffix("s)"));
    assert!(age.is_some_and(|age| age.parse::<u64>().is_ok()), "{recovered}");
    assert_eq!(cancelled(&mut s01).await, (id, vec![job]));
    let back = office.job(job).await;
    assert_eq!(back.state, "pending");
    assert!(
        back.last_error.starts_with("no progress for ") && back.waiting_for.starts_with("next try in "),
        "{back:?}"
    );
    office.close().await;
}

#[tokio::test]
async fn a_lost_session_returns_its_jobs_with_the_line_of_the_contract() {
    let (office, mut s01, s02, upload) = two_nodes().await;
    let mut watcher = office.books.watch();
    let batch = office.move_to(&[&upload], s02.pool()).await;
    let job = office.only_child(&batch).await.id;
    s01.push().await;
    drop(s01);
    let said = line(&mut watcher, |line| line.starts_with("[JobQueue] Recovering")).await;
    assert_eq!(said, format!("[JobQueue] Recovering stuck job {job} (kind=move_image, node=s01, session lost)"));
    office.close().await;
}

#[tokio::test]
async fn a_session_that_ends_in_order_gives_its_jobs_back_without_an_alarm() {
    // The node says that it stops: the job waits again, and nothing is said to be stuck.
    let (office, mut s01, s02, upload) = two_nodes().await;
    let mut watcher = office.books.watch();
    let batch = office.move_to(&[&upload], s02.pool()).await;
    let job = office.only_child(&batch).await.id;
    s01.push().await;
    s01.say(Said::Leaving(v1::Leaving {})).await;
    let about = format!("job {job}");
    let said = line(&mut watcher, |line| line.to_lowercase().contains(&about)).await;
    assert_eq!(said, format!("[JobQueue] Job {job} waits again: its session ended in order"));
    assert_eq!(office.job(job).await.state, "pending");
    office.close().await;
}

#[tokio::test]
async fn jobs_of_a_node_that_is_away_hold_nobody_up_and_start_within_a_second_of_its_return() {
    // 40 images for s02, which is away, and 40 for s03: those for s03 move at once, the others say why they wait; when
    // s02 is back its first push goes out within a second.
    let office = Office::open().await;
    let mut s01 = FakeNode::attach(&office, "s01").await;
    let s02 = FakeNode::attach(&office, "s02").await;
    let s03 = FakeNode::attach(&office, "s03").await;
    let mut uploads = Vec::new();
    for number in 0..80 {
        uploads.push(office.upload(&s01, number).await);
    }
    let (away, here) = uploads.split_at(40);
    let mut watcher = office.books.watch();
    let pool = s02.pool();
    drop(s02);
    line(&mut watcher, |line| line.starts_with("[Coordinator] Node s02 left")).await;
    let waiting = office.move_to(&away.iter().collect::<Vec<_>>(), pool).await;
    let going = office.move_to(&here.iter().collect::<Vec<_>>(), s03.pool()).await;
    let mut moved = 0;
    while moved < 40 {
        let (id, push) = s01.push().await;
        assert_eq!(push.target_pool_id, s03.pool());
        s01.end(id, push.files.iter().map(|file| result(here, &file.stored_path)).collect()).await;
        moved += push.files.len();
    }
    let mut trashed = 0;
    while trashed < 40 {
        let (id, delete) = s01.delete().await;
        s01.end(id, delete.files.iter().map(|file| result(here, &file.stored_path)).collect()).await;
        trashed += delete.files.len();
    }
    office.job_where(&mut watcher, going.job_id, |job| job.state == "completed").await;
    let ask = v1::ListJobsRequest { parent_id: waiting.job_id, ..Default::default() };
    let jobs = admin(&office).await.list_jobs(admins(ask)).await.unwrap().into_inner().jobs;
    assert!(jobs.iter().all(|job| job.waiting_for == "node s02 is not attached" && job.attempt == 0), "{jobs:?}");
    let back = Instant::now();
    let _s02 = FakeNode::attach(&office, "s02").await;
    let (_, push) = s01.push().await;
    assert!(back.elapsed() < Duration::from_secs(1), "{:?}", back.elapsed());
    assert_eq!((push.target_pool_id, push.files.len()), (pool, 32));
    office.close().await;
}

fn result(uploads: &[Upload], path: &str) -> v1::FileResult {
    uploads.iter().find(|upload| upload.path == path).unwrap().result(Outcome::Done)
}

#[tokio::test]
async fn a_restore_is_called_off_like_a_push() {
    // Moved there and back, so that s02 has the file in its trash; the next move there is a restore at s02, which hears
    // of the cancel with its job, and then of the copy that is given up.
    let (office, mut s01, mut s02, upload) = two_nodes().await;
    let mut watcher = office.books.watch();
    move_by(&office, &mut watcher, (&mut s01, &s02), &upload).await;
    let batch = office.move_to(&[&upload], s01.pool()).await;
    let (id, restore) = restore(&mut s01).await;
    assert_eq!((restore.files.len(), restore.job_ids.len(), restore.verify), (1, 1, true));
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    let (id, _) = s02.delete().await;
    s02.end(id, vec![upload.result(Outcome::Done)]).await;
    office.job_where(&mut watcher, batch.job_id, |job| job.state == "completed").await;

    let batch = office.move_to(&[&upload], s02.pool()).await;
    let job = office.only_child(&batch).await.id;
    let (id, order) = self::restore(&mut s02).await;
    assert_eq!(order.job_ids, [job]);
    admin(&office).await.cancel_jobs(these(&[job])).await.unwrap();
    assert_eq!(cancelled(&mut s02).await, (id, vec![job]));
    s02.end(id, vec![upload.result(Outcome::Retry)]).await;
    let (_, delete) = s02.delete().await;
    assert_eq!((delete.files[0].given_up, delete.files[0].generation), (true, order.new_generations[0]));
    assert_eq!(image(&office, &upload).await.pool_id, s01.pool());
    office.close().await;
}

async fn move_by(office: &Office, watcher: &mut Watcher, (from, to): (&mut FakeNode, &FakeNode), upload: &Upload) {
    let batch = office.move_to(&[upload], to.pool()).await;
    let (id, _) = from.push().await;
    from.end(id, vec![upload.result(Outcome::Done)]).await;
    let (id, _) = from.delete().await;
    from.end(id, vec![upload.result(Outcome::Done)]).await;
    office.job_where(watcher, batch.job_id, |job| job.state == "completed").await;
}

async fn restore(node: &mut FakeNode) -> (u64, v1::RestoreFiles) {
    match node.next().await {
        (id, Command::Restore(restore)) => (id, restore),
        other => panic!("not a restore: {other:?}"),
    }
}

#[tokio::test]
async fn what_can_not_be_meant_is_one_clear_error_and_changes_nothing() {
    // Each of the four methods alike.
    let (office, _s01, s02, upload) = two_nodes().await;
    let batch = office.move_to(&[&upload], s02.pool()).await;
    let ask = v1::ChangeJobsRequest::default;
    for (ask, code, want) in [
        (
            ask(),
            Code::InvalidArgument,
            "ids: name jobs, or give state, kind, node_id, parent_id, image_uuid, pool_id or top_level",
        ),
        (v1::ChangeJobsRequest { request_id: "x".into(), ..ask() }, Code::InvalidArgument, "ids: name jobs"),
        (v1::ChangeJobsRequest { ids: vec![0], ..ask() }, Code::InvalidArgument, "ids: 0 is no job"),
        (v1::ChangeJobsRequest { ids: vec![batch.job_id, 4711], ..ask() }, Code::NotFound, "ids: no job 4711"),
        (v1::ChangeJobsRequest { ids: vec![1], state: "pending".into(), ..ask() }, Code::InvalidArgument, "not both"),
        (v1::ChangeJobsRequest { state: "waiting".into(), ..ask() }, Code::InvalidArgument, "state: `waiting`"),
        (v1::ChangeJobsRequest { kind: "move".into(), ..ask() }, Code::InvalidArgument, "kind: `move`"),
        (v1::ChangeJobsRequest { node_id: "../x".into(), ..ask() }, Code::InvalidArgument, ""),
        (
            v1::ChangeJobsRequest { ids: (1..10_002).collect(), ..ask() },
            Code::InvalidArgument,
            "10001 jobs in one request, at most 10000",
        ),
        (v1::ChangeJobsRequest { ids: vec![1], request_id: "x".repeat(129), ..ask() }, Code::InvalidArgument, "128"),
    ] {
        for refused in all_four(&office, &ask).await {
            assert_eq!(refused.code(), code, "{refused}");
            assert!(refused.message().contains(want), "{refused}");
        }
    }
    assert_eq!(office.job(batch.job_id).await.state, "processing");
    let fits_nothing = admins(v1::ChangeJobsRequest { node_id: "s77".into(), ..ask() });
    assert_eq!(admin(&office).await.cancel_jobs(fits_nothing).await.unwrap().into_inner().changed, 0);
    office.close().await;
}

async fn all_four(office: &Office, ask: &v1::ChangeJobsRequest) -> [Status; 4] {
    let mut client = admin(office).await;
    [
        client.pause_jobs(admins(ask.clone())).await.unwrap_err(),
        client.resume_jobs(admins(ask.clone())).await.unwrap_err(),
        client.cancel_jobs(admins(ask.clone())).await.unwrap_err(),
        client.retry_jobs(admins(ask.clone())).await.unwrap_err(),
    ]
}
