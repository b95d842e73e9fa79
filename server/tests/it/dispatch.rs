//! Moves, from the request to the last word of the nodes: order, slots, lost sessions, what they wait for.

use pixelfox_proto::v1::{self, file_result::Outcome, node_command::Command, node_event::Event};

use crate::office::{FakeNode, Office, Upload, admins, hello, signed};

/// Two nodes with a pool each, and an image on s01.
pub(crate) async fn two_nodes() -> (Office, FakeNode, FakeNode, Upload) {
    let office = Office::open().await;
    let s01 = FakeNode::attach(&office, "s01").await;
    let s02 = FakeNode::attach(&office, "s02").await;
    let upload = office.upload(&s01, 1).await;
    (office, s01, s02, upload)
}

#[tokio::test]
async fn an_image_moves_receipt_commit_trash_end() {
    // One file: the push carries what the target needs, the books change with the receipt, the old copy goes to the
    // trash after that, and with its node's word the job is over.
    let (office, mut s01, s02, upload) = two_nodes().await;
    let mut watcher = office.books.watch();
    let batch = office.move_to(&[&upload], s02.pool()).await;
    assert_eq!((batch.images, batch.files, batch.bytes, batch.skipped_total), (1, 1, 1000, 0));
    let job = office.only_child(&batch).await.id;

    let (id, push) = s01.push().await;
    assert_eq!((push.source_pool_id, push.target_pool_id), (s01.pool(), s02.pool()));
    assert_eq!(push.target_url, "http://s02:4000");
    let file = &push.files[0];
    let attempt = file.attempt.unwrap();
    assert_eq!((&file.stored_path, file.size, &file.sha256), (&upload.path, 1000, &upload.request.sha256));
    assert_eq!((attempt.job_id, attempt.attempt, attempt.generation), (job, 1, 2));
    assert!(attempt.lease > s02.welcome.lease_floor);
    assert_eq!(file.meta, upload.request.meta);
    assert_eq!(office.job(job).await.state, "processing");
    assert_eq!(image(&office, &upload).await.pool_id, s01.pool());

    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    let (id, delete) = s01.delete().await;
    assert_eq!((delete.pool_id, delete.files[0].generation), (s01.pool(), 1));
    assert_eq!(delete.files[0].stored_path, upload.path);
    let moved = image(&office, &upload).await;
    assert_eq!((moved.pool_id, moved.files[0].generation), (s02.pool(), 2));
    assert_eq!(office.job(job).await.state, "processing");

    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    let done = office.job_where(&mut watcher, job, |job| job.state == "completed").await;
    assert_eq!((done.attempt, done.files_missing, done.last_error.as_str()), (1, 0, ""));
    let parent = office.job_where(&mut watcher, batch.job_id, |job| job.state == "completed").await;
    assert_eq!((parent.children_total, parent.children_done, parent.children_failed), (1, 1, 0));
    let locate = signed(v1::LocateRequest { stored_path: upload.path.clone(), missing_here: false });
    let there = office.coordinator().await.locate(locate).await.unwrap().into_inner();
    assert_eq!(there.url, format!("http://s02.local:8080/uploads/{}", upload.path));
    let pools = pools(&office).await;
    assert_eq!((pools[0].used_size, pools[0].trash_size, pools[1].used_size), (0, 1000, 1000));
    office.close().await;
}

#[tokio::test]
async fn the_line_of_a_move_comes_after_its_commit() {
    // Whoever hears "Moved image" finds the image in its new pool.
    let (office, mut s01, s02, upload) = two_nodes().await;
    let mut watcher = office.books.watch();
    office.move_to(&[&upload], s02.pool()).await;
    let (id, _) = s01.push().await;
    s01.end(id, vec![upload.result(Outcome::Skipped)]).await;
    let line = loop {
        let heard = crate::office::within("the line", watcher.next()).await;
        if let pixelfox_server::events::Heard::Event(event) = heard
            && event.message.starts_with("[MoveImage] Moved")
        {
            break event.message;
        }
    };
    assert_eq!(image(&office, &upload).await.pool_id, s02.pool());
    let (from, to) = (s01.pool(), s02.pool());
    assert_eq!(line, format!("[MoveImage] Moved image {} from pool img1 ({from}) to pool img2 ({to})", upload.uuid));
    office.close().await;
}

#[tokio::test]
async fn many_images_go_out_as_commands_of_32_within_the_slots() {
    // 200 images, 4 slots: four commands of 32 and no job more until one has ended; in the end all have moved.
    let office = Office::open().await;
    let mut s01 = FakeNode::attach(&office, "s01").await;
    let s02 = FakeNode::attach(&office, "s02").await;
    let mut uploads = std::collections::HashMap::new();
    for number in 0..200 {
        let upload = office.upload(&s01, number).await;
        uploads.insert(upload.path.clone(), upload);
    }
    let mut watcher = office.books.watch();
    let batch = office.move_to(&uploads.values().collect::<Vec<_>>(), s02.pool()).await;
    assert_eq!(batch.images, 200);
    let mut open = Vec::new();
    for _slot in 0..4 {
        open.push(s01.push().await);
    }
    assert!(open.iter().all(|(_, push)| push.files.len() == 32));
    let under_way = v1::ListJobsRequest { state: "processing".into(), kind: "move_image".into(), ..Default::default() };
    let under_way = office.admin().await.list_jobs(admins(under_way)).await.unwrap().into_inner();
    assert_eq!(under_way.total, 4 * 32);
    let done = |path: &String| uploads[path].result(Outcome::Done);
    for (id, push) in open {
        s01.end(id, push.files.iter().map(|file| done(&file.stored_path)).collect()).await;
    }
    let mut trashed = 0;
    while trashed < 200 {
        match s01.next().await {
            (id, Command::Push(push)) => {
                s01.end(id, push.files.iter().map(|file| done(&file.stored_path)).collect()).await;
            }
            (id, Command::Delete(delete)) => {
                trashed += delete.files.len();
                s01.end(id, delete.files.iter().map(|file| done(&file.stored_path)).collect()).await;
            }
            other => panic!("{other:?}"),
        }
    }
    let parent = office.job_where(&mut watcher, batch.job_id, |job| job.state == "completed").await;
    assert_eq!((parent.children_done, parent.children_failed), (200, 0));
    office.close().await;
}

#[tokio::test]
async fn a_lost_session_returns_its_jobs_at_once_and_another_attempt_completes() {
    // s01 goes away in the middle of its push and comes back: the second attempt has a higher lease and ends the job.
    // The first command's late word, said on the new session, changes nothing.
    let (office, mut s01, s02, upload) = two_nodes().await;
    let mut watcher = office.books.watch();
    let batch = office.move_to(&[&upload], s02.pool()).await;
    let job = office.only_child(&batch).await.id;
    let (old, push) = s01.push().await;
    let first = push.files[0].attempt.unwrap();
    drop(s01);
    let waits = office.job_where(&mut watcher, job, |job| job.state == "pending").await;
    assert_eq!(waits.waiting_for, "node s01 is not attached");

    let mut s01 = FakeNode::attach(&office, "s01").await;
    s01.end(old, vec![upload.result(Outcome::Done)]).await;
    let (id, push) = s01.push().await;
    let second = push.files[0].attempt.unwrap();
    assert!(second.lease > first.lease && second.generation >= first.generation);
    assert_eq!((second.job_id, second.attempt), (job, 2));
    s01.end(old, vec![upload.result(Outcome::Done)]).await;
    s01.say(Event::Heartbeat(v1::Heartbeat::default())).await;
    assert_eq!(office.job(job).await.state, "processing");
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    let (id, _) = s01.delete().await;
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    office.job_where(&mut watcher, job, |job| job.state == "completed").await;
    office.close().await;
}

#[tokio::test]
async fn a_target_that_leaves_returns_the_jobs_and_stops_the_source() {
    // s02 goes away: s01 is told to cancel, its late receipt changes nothing, and with s02 back a new attempt completes.
    let (office, mut s01, s02, upload) = two_nodes().await;
    let mut watcher = office.books.watch();
    let batch = office.move_to(&[&upload], s02.pool()).await;
    let job = office.only_child(&batch).await.id;
    let (id, _) = s01.push().await;
    drop(s02);
    match s01.next().await {
        (_, Command::Cancel(cancel)) => assert_eq!((cancel.command_id, cancel.job_ids), (id, vec![job])),
        other => panic!("not the word to cancel: {other:?}"),
    }
    let waits = office.job_where(&mut watcher, job, |job| job.state == "pending").await;
    assert_eq!(waits.waiting_for, "node s02 is not attached");
    s01.end(id, vec![upload.result(Outcome::Done)]).await;

    let s02 = FakeNode::attach(&office, "s02").await;
    let (id, push) = s01.push().await;
    assert_eq!(image(&office, &upload).await.pool_id, s01.pool());
    assert_eq!(push.files[0].attempt.unwrap().attempt, 2);
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    s01.delete().await;
    assert_eq!(image(&office, &upload).await.pool_id, s02.pool());
    office.close().await;
}

#[tokio::test]
async fn a_job_says_what_it_waits_for_and_starts_when_that_comes() {
    // A target whose disk is gone, and then is there: no poll in between, the healthy report starts the job.
    let (office, mut s01, s02, upload) = two_nodes().await;
    let mut watcher = office.books.watch();
    s02.heartbeat(false).await;
    while pools(&office).await[1].healthy {
        crate::office::within("the report", watcher.next()).await;
    }
    assert_eq!(pools(&office).await[1].problem, "the disk is not mounted");
    let batch = office.move_to(&[&upload], s02.pool()).await;
    let job = office.only_child(&batch).await;
    assert_eq!((job.state.as_str(), job.waiting_for.as_str()), ("pending", "pool img2 is not healthy"));
    s02.heartbeat(true).await;
    s01.push().await;
    office.close().await;
}

#[tokio::test]
async fn a_full_target_is_waited_for_and_the_rest_goes_on() {
    // Two images, room for one: the first is pushed, the second says why it waits, and starts when the limit is raised.
    let (office, mut s01, s02, first) = two_nodes().await;
    let second = office.upload(&s01, 2).await;
    limit(&office, s02.pool(), 1500).await;
    let mut watcher = office.books.watch();
    office.move_to(&[&first], s02.pool()).await;
    let (id, _) = s01.push().await;
    let batch = office.move_to(&[&second], s02.pool()).await;
    let job = office.only_child(&batch).await;
    assert_eq!((job.state.as_str(), job.waiting_for.as_str()), ("pending", "pool img2 is full"));
    s01.end(id, vec![first.result(Outcome::Done)]).await;
    let (id, _) = s01.delete().await;
    s01.end(id, vec![first.result(Outcome::Done)]).await;
    let waits = office.job_where(&mut watcher, job.id, |job| job.attempt == 0).await;
    assert_eq!(waits.waiting_for, "pool img2 is full");

    limit(&office, s02.pool(), 2000).await;
    let (_, push) = s01.push().await;
    assert_eq!(push.files[0].stored_path, second.path);
    office.close().await;
}

async fn limit(office: &Office, pool: u64, max_size: u64) {
    let update_mask = Some(prost_types::FieldMask { paths: vec!["max_size".into()] });
    let pool = Some(v1::Pool { id: pool, max_size, ..v1::Pool::default() });
    let ask = v1::UpdatePoolRequest { pool, update_mask, ..Default::default() };
    office.admin().await.update_pool(admins(ask)).await.unwrap();
}

#[tokio::test]
async fn a_node_with_its_workers_off_gets_no_jobs_but_receives() {
    // s01 attaches with no slots: its job waits and says why; a move to s01 goes out as ever.
    let office = Office::open().await;
    let mut s01 = FakeNode::try_attach(&office, v1::Hello { slots: 0, ..hello("s01") }).await.unwrap();
    s01.heartbeat(true).await;
    let mut s02 = FakeNode::attach(&office, "s02").await;
    let (there, here) = (office.upload(&s01, 1).await, office.upload(&s02, 2).await);
    let batch = office.move_to(&[&there], s02.pool()).await;
    let mut watcher = office.books.watch();
    office.move_to(&[&here], s01.pool()).await;
    let (id, _) = s02.push().await;
    s02.end(id, vec![here.result(Outcome::Done)]).await;
    s02.delete().await;
    let job = office.only_child(&batch).await.id;
    let why = "node s01 takes no jobs (DISABLE_JOB_WORKERS=1)";
    office.job_where(&mut watcher, job, |job| job.waiting_for == why).await;

    // attached again with workers, the job starts
    s01 = FakeNode::attach(&office, "s01").await;
    s01.push().await;
    office.close().await;
}

#[tokio::test]
async fn a_stopped_coordinator_takes_its_jobs_up_again() {
    // Stopped in the middle of a push, started again: the job is pending, and goes out when the nodes are back.
    let (office, mut s01, s02, upload) = two_nodes().await;
    let batch = office.move_to(&[&upload], s02.pool()).await;
    let job = office.only_child(&batch).await.id;
    s01.push().await;
    let dir = office.close().await;
    let office = Office::open_in(dir, Some(crate::office::SECRET), Some(crate::office::TOKEN)).await;
    assert_eq!(office.job(job).await.state, "pending");
    let mut s01 = FakeNode::try_attach(&office, hello("s01")).await.unwrap();
    s01.heartbeat(true).await;
    let _s02 = FakeNode::attach(&office, "s02").await;
    let (_, push) = s01.push().await;
    assert_eq!(push.files[0].attempt.unwrap().attempt, 2);
    office.close().await;
}

pub(crate) async fn image(office: &Office, upload: &Upload) -> v1::Image {
    let ask = v1::GetImageRequest { uuid: upload.uuid.clone() };
    office.admin().await.get_image(admins(ask)).await.unwrap().into_inner()
}

pub(crate) async fn pools(office: &Office) -> Vec<v1::Pool> {
    office.admin().await.list_pools(admins(v1::ListPoolsRequest {})).await.unwrap().into_inner().pools
}
