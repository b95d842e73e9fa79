//! The trash as nodes hear of it: emptied by age and for room, files that do not come back from it, images for good.

use pixelfox_proto::v1::{self, file_result::Outcome, node_command::Command, node_event::Event};

use crate::dispatch::{pools, two_nodes};
use crate::office::{FakeNode, Office, Upload, admins};

pub(crate) async fn purge(node: &mut FakeNode) -> (u64, v1::PurgeFiles) {
    match node.next().await {
        (id, Command::Purge(purge)) => (id, purge),
        other => panic!("not a purge: {other:?}"),
    }
}

pub(crate) async fn restore(node: &mut FakeNode) -> (u64, v1::RestoreFiles) {
    match node.next().await {
        (id, Command::Restore(restore)) => (id, restore),
        other => panic!("not a restore: {other:?}"),
    }
}

/// One whole move away from `source`.
pub(crate) async fn move_over(office: &Office, source: &mut FakeNode, upload: &Upload, target: u64) {
    let mut watcher = office.books.watch();
    let batch = office.move_to(&[upload], target).await;
    let (id, _) = source.push().await;
    source.end(id, vec![upload.result(Outcome::Done)]).await;
    let (id, _) = source.delete().await;
    source.end(id, vec![upload.result(Outcome::Done)]).await;
    office.job_where(&mut watcher, batch.job_id, |job| job.state == "completed").await;
}

async fn set(office: &Office, settings: v1::Settings) {
    let ask = v1::UpdateSettingsRequest { settings: Some(settings) };
    office.admin().await.update_settings(admins(ask)).await.unwrap();
}

async fn keep_no_trash(office: &Office) {
    set(office, v1::Settings { trash_hours: Some(0), ..v1::Settings::default() }).await;
}

async fn limit(office: &Office, pool: u64, max_size: u64) {
    let pool = v1::Pool { id: pool, max_size, ..v1::Pool::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["max_size".into()] });
    let ask = v1::UpdatePoolRequest { pool: Some(pool), update_mask, ..v1::UpdatePoolRequest::default() };
    office.admin().await.update_pool(admins(ask)).await.unwrap();
}

async fn delete(office: &Office, upload: &Upload) -> v1::JobBatch {
    let ask = v1::DeleteImagesRequest { uuids: vec![upload.uuid.clone()], request_id: String::new() };
    office.admin().await.delete_images(admins(ask)).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_setting_that_keeps_none_empties_the_trash_at_once_and_after_each_move() {
    // What lies there goes with the change of the setting, what comes later with its own word; a node that leaves in
    // the middle hears of it again.
    let (office, mut s01, s02, upload) = two_nodes().await;
    let other = office.upload(&s01, 2).await;
    move_over(&office, &mut s01, &upload, s02.pool()).await;
    assert_eq!(pools(&office).await[0].trash_size, 1000);
    keep_no_trash(&office).await;
    let (_, order) = purge(&mut s01).await;
    assert_eq!((order.files[0].stored_path.as_str(), order.files[0].generation), (upload.path.as_str(), 1));
    drop(s01);
    let mut s01 = FakeNode::attach(&office, "s01").await;
    let (id, order) = purge(&mut s01).await;
    assert_eq!(order.files.len(), 1);
    s01.end(id, vec![upload.result(Outcome::Done)]).await;

    move_over(&office, &mut s01, &other, s02.pool()).await;
    let (id, order) = purge(&mut s01).await;
    assert_eq!(order.files[0].stored_path, other.path);
    let mut watcher = office.books.watch();
    s01.end(id, vec![other.result(Outcome::Missing)]).await;
    while pools(&office).await[0].trash_size > 0 {
        crate::office::within("an event", watcher.next()).await;
    }
    office.close().await;
}

#[tokio::test]
async fn a_full_target_waits_uncounted_and_its_trash_makes_room() {
    // img2 takes two images. Two are there, the first one moves on and lies in its trash: the next move there needs
    // that room and gets it. After that nothing is left to purge: the fourth waits, says so, and counts no attempt.
    let (office, mut s01, mut s02, first) = two_nodes().await;
    let mut others = Vec::new();
    for number in 2..5 {
        others.push(office.upload(&s01, number).await);
    }
    move_over(&office, &mut s01, &first, s02.pool()).await;
    move_over(&office, &mut s01, &others[0], s02.pool()).await;
    limit(&office, s02.pool(), 2000).await;
    let batch = office.move_to(&[&first], s01.pool()).await;
    let (id, _) = restore(&mut s01).await;
    s01.end(id, vec![first.result(Outcome::Done)]).await;
    let (id, _) = s02.delete().await;
    s02.end(id, vec![first.result(Outcome::Done)]).await;
    let mut watcher = office.books.watch();
    office.job_where(&mut watcher, batch.job_id, |job| job.state == "completed").await;
    assert_eq!(pools(&office).await[1].trash_size, 1000);

    let batch = office.move_to(&[&others[1]], s02.pool()).await;
    let (id, order) = purge(&mut s02).await;
    assert_eq!(order.files[0].stored_path, first.path);
    s02.end(id, vec![first.result(Outcome::Done)]).await;
    let (id, _) = s01.push().await;
    s01.end(id, vec![others[1].result(Outcome::Done)]).await;
    let (id, _) = s01.delete().await;
    s01.end(id, vec![others[1].result(Outcome::Done)]).await;
    office.job_where(&mut watcher, batch.job_id, |job| job.state == "completed").await;

    let batch = office.move_to(&[&others[2]], s02.pool()).await;
    let job = office.only_child(&batch).await;
    let waiting = office.job_where(&mut watcher, job.id, |job| !job.waiting_for.is_empty()).await;
    assert_eq!((waiting.waiting_for.as_str(), waiting.attempt), ("pool img2 is full", 0));
    assert_eq!(office.job(batch.job_id).await.waiting_for, "pool img2 is full", "its parent says so too");
    limit(&office, s02.pool(), 3000).await;
    let (_, push) = s01.push().await;
    assert_eq!(office.job(batch.job_id).await.waiting_for, "", "it is under way");
    assert_eq!(push.files[0].stored_path, others[2].path);
    office.close().await;
}

#[tokio::test]
async fn two_plans_that_race_for_the_last_room_end_in_waiting() {
    // Two sources, one target with room for one image: one goes, the other says why it does not and is not counted.
    let (office, mut s01, s02, first) = two_nodes().await;
    let mut s03 = FakeNode::attach(&office, "s03").await;
    let second = office.upload(&s03, 9).await;
    limit(&office, s02.pool(), 1000).await;
    let (of_one, of_other) = ([&first], [&second]);
    let (one, other) = tokio::join!(office.move_to(&of_one, s02.pool()), office.move_to(&of_other, s02.pool()));
    let (winner, batch) = tokio::select! {
        push = s01.push() => (push, &other),
        push = s03.push() => (push, &one),
    };
    let loser = office.only_child(batch).await;
    assert_eq!((loser.state.as_str(), loser.waiting_for.as_str(), loser.attempt), ("pending", "pool img2 is full", 0));
    assert_eq!(winner.1.files.len(), 1);
    assert_eq!(office.store.list_pools().await.unwrap()[1].usage.reserved_bytes, 1000);
    office.close().await;
}

#[tokio::test]
async fn an_upload_that_was_refused_gets_the_trash_emptied() {
    // The node says that it wants more than the pool's limit leaves: the oldest copy goes.
    let (office, mut s01, s02, upload) = two_nodes().await;
    move_over(&office, &mut s01, &upload, s02.pool()).await;
    limit(&office, s01.pool(), 1500).await;
    let report = v1::PoolReport {
        pool_id: s01.pool(),
        healthy: true,
        filesystem_free: 1 << 40,
        filesystem_total: 2 << 40,
        wanted_bytes: 700,
        ..v1::PoolReport::default()
    };
    s01.say(Event::Heartbeat(v1::Heartbeat { pools: vec![report], running: 0, now: None })).await;
    let (_, order) = purge(&mut s01).await;
    assert_eq!(order.files[0].stored_path, upload.path);
    office.close().await;
}

#[tokio::test]
async fn a_damaged_copy_in_the_trash_is_purged_before_the_file_is_pushed() {
    // The restore finds other bytes than the mark says: noted as purging before the node hears of it, and purged, whatever
    // the restore made of its mark; a node that leaves in between hears of it again. Then pushed by another attempt, not
    // counted. Each byte is counted once all the way.
    let (office, mut s01, mut s02, upload) = two_nodes().await;
    move_over(&office, &mut s01, &upload, s02.pool()).await;
    let batch = office.move_to(&[&upload], s01.pool()).await;
    let (id, _) = restore(&mut s01).await;
    s01.end(id, vec![upload.result(Outcome::Mismatch)]).await;
    let (id, order) = purge(&mut s01).await;
    assert_eq!((id > 0, order.files[0].generation, order.files[0].given_up), (true, 1, true));
    drop(s01);
    let mut s01 = FakeNode::attach(&office, "s01").await;
    let (id, order) = purge(&mut s01).await;
    assert_eq!((order.files[0].generation, order.files[0].given_up), (1, true));
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    let (id, push) = s02.push().await;
    let attempt = push.files[0].attempt.unwrap();
    assert_eq!((attempt.attempt, attempt.generation), (2, 4));
    let usage = office.store.list_pools().await.unwrap()[0].usage;
    assert_eq!((usage.reserved_bytes, usage.trash_bytes), (1000, 0));
    s02.end(id, vec![upload.result(Outcome::Done)]).await;
    let (id, _) = s02.delete().await;
    s02.end(id, vec![upload.result(Outcome::Done)]).await;
    let mut watcher = office.books.watch();
    office.job_where(&mut watcher, batch.job_id, |job| job.state == "completed").await;
    office.close().await;
}

#[tokio::test]
async fn a_disk_that_fails_to_bring_a_file_back_is_asked_again_first() {
    // RETRY says nothing about the copy: another attempt, counted; nothing is purged.
    let (office, mut s01, s02, upload) = two_nodes().await;
    move_over(&office, &mut s01, &upload, s02.pool()).await;
    let batch = office.move_to(&[&upload], s01.pool()).await;
    let job = office.only_child(&batch).await.id;
    let (id, _) = restore(&mut s01).await;
    s01.end(id, vec![upload.result(Outcome::Retry)]).await;
    let mut watcher = office.books.watch();
    let again = office.job_where(&mut watcher, job, |job| job.state == "pending").await;
    assert!(again.waiting_for.starts_with("next try in "), "{again:?}");
    assert_eq!(pools(&office).await[0].trash_size, 1000);
    office.close().await;
}

#[tokio::test]
async fn a_delete_is_told_to_every_node_and_waits_for_the_one_that_is_away() {
    // The image is on s02, its old copy in the trash of s01, which is away. s02 does as it is told; the job then names
    // s01, and ends when that has come back. Its place is unknown from the beginning.
    let (office, mut s01, mut s02, upload) = two_nodes().await;
    move_over(&office, &mut s01, &upload, s02.pool()).await;
    drop(s01);
    let batch = delete(&office, &upload).await;
    assert_eq!((batch.images, batch.files, batch.skipped_total), (1, 1, 0));
    let place = crate::office::signed(v1::LocateRequest { stored_path: upload.path.clone(), missing_here: false });
    assert!(!office.coordinator().await.locate(place).await.unwrap().into_inner().found);
    let (id, order) = s02.delete().await;
    assert_eq!(order.files[0].generation, 2);
    s02.end(id, vec![upload.result(Outcome::Done)]).await;
    let (id, _) = purge(&mut s02).await;
    s02.end(id, vec![upload.result(Outcome::Done)]).await;
    let mut watcher = office.books.watch();
    let job = office.only_child(&batch).await.id;
    let waiting = office.job_where(&mut watcher, job, |job| job.waiting_for == "node s01 is not attached").await;
    assert_eq!((waiting.kind.as_str(), waiting.state.as_str()), ("delete_image", "pending"));
    let mut s01 = FakeNode::attach(&office, "s01").await;
    let (id, order) = purge(&mut s01).await;
    assert_eq!(order.files[0].generation, 1);
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    let parent = office.job_where(&mut watcher, batch.job_id, |job| job.state == "completed").await;
    assert_eq!((parent.kind.as_str(), parent.children_done), ("delete_images", 1));
    assert!(pools(&office).await.iter().all(|pool| pool.trash_size + pool.used_size == 0));
    office.close().await;
}

#[tokio::test]
async fn a_delete_stops_the_move_that_is_under_way() {
    // The source hears that its push is called off; the target is told to forget what may still come, and the late
    // receipt changes nothing.
    let (office, mut s01, mut s02, upload) = two_nodes().await;
    office.move_to(&[&upload], s02.pool()).await;
    let (push, _) = s01.push().await;
    delete(&office, &upload).await;
    let mut heard = Vec::new();
    for _ in 0..2 {
        heard.push(s01.next().await.1);
    }
    assert!(heard.iter().any(|it| matches!(it, Command::Cancel(cancel) if cancel.command_id == push)), "{heard:?}");
    assert!(
        heard.iter().any(|it| matches!(it, Command::Delete(delete) if delete.files[0].generation == 1)),
        "{heard:?}"
    );
    let (_, order) = s02.delete().await;
    assert!(order.files[0].given_up && order.files[0].lease > 0 && order.files[0].generation == 2, "{order:?}");
    s01.end(push, vec![upload.result(Outcome::Done)]).await;
    s01.heartbeat(true).await;
    let mut client = office.coordinator().await;
    let again = client.commit_upload(crate::office::signed(upload.request.clone())).await.unwrap().into_inner();
    assert_eq!(again.decision(), v1::commit_upload_response::Decision::DropRefused, "{again:?}");
    office.close().await;
}
