//! What a watcher is told, and how far a running transfer is.

use futures_util::StreamExt as _;
use pixelfox_proto::v1::{self, event::What, file_result::Outcome, node_event::Event};
use tonic::{Code, Status, Streaming};

use crate::dispatch::two_nodes;
use crate::office::{FakeNode, Office, admins, within};

async fn watch(office: &Office, topics: &[&str]) -> Result<Streaming<v1::Event>, Status> {
    let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
    Ok(office.admin().await.watch(admins(v1::WatchRequest { topics })).await?.into_inner())
}

async fn next(events: &mut Streaming<v1::Event>) -> v1::Event {
    within("an event", events.next()).await.expect("the stream goes on").expect("an event")
}

/// The next event that fits; others are let go.
async fn next_where(events: &mut Streaming<v1::Event>, fits: impl Fn(&v1::Event) -> bool) -> v1::Event {
    loop {
        let event = next(events).await;
        if fits(&event) {
            return event;
        }
    }
}

fn job_of(event: &v1::Event) -> Option<&v1::Job> {
    match &event.what {
        Some(What::Job(job)) => Some(job),
        _ => None,
    }
}

#[tokio::test]
async fn a_watcher_gets_the_state_first_and_then_every_change_with_its_object_and_line() {
    // Settings, two nodes, two pools; then a move from its plan to its end, the image with its new pool.
    let (office, mut s01, s02, upload) = two_nodes().await;
    let mut events = watch(&office, &[]).await.unwrap();
    let mut topics = Vec::new();
    for _object in 0..5 {
        let event = next(&mut events).await;
        assert!(event.message.is_empty() && event.what.is_some() && event.at.is_some(), "{event:?}");
        topics.push(event.topic);
    }
    assert_eq!(topics, ["settings", "node", "node", "pool", "pool"]);
    let batch = office.move_to(&[&upload], s02.pool()).await;
    let planned = next_where(&mut events, |event| event.message.starts_with("[MoveImage] Planned")).await;
    assert_eq!((job_of(&planned).unwrap().id, planned.topic.as_str()), (batch.job_id, "job"));
    let leased = next_where(&mut events, |event| job_of(event).is_some_and(|job| job.kind == "move_image")).await;
    assert_eq!(job_of(&leased).unwrap().state, "processing");
    let (id, _) = s01.push().await;
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    let moved = next_where(&mut events, |event| event.topic == "image").await;
    assert!(moved.message.starts_with("[MoveImage] Moved image"), "{moved:?}");
    let Some(What::Image(image)) = moved.what else { panic!("{moved:?}") };
    assert_eq!((image.uuid, image.pool_id), (upload.uuid.clone(), s02.pool()));
    let (id, _) = s01.delete().await;
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    let over = |event: &v1::Event| job_of(event).is_some_and(|job| job.id == batch.job_id && job.state == "completed");
    next_where(&mut events, over).await;
    office.close().await;
}

#[tokio::test]
async fn a_running_transfer_shows_its_bytes_on_the_job_and_its_parent() {
    // The node says 400 of 1000 bytes: child and parent show them before any commit; after it the books have all.
    let (office, mut s01, s02, upload) = two_nodes().await;
    let mut events = watch(&office, &["job"]).await.unwrap();
    let batch = office.move_to(&[&upload], s02.pool()).await;
    let child = office.only_child(&batch).await.id;
    let (id, _) = s01.push().await;
    let flowing = v1::FileProgress { stored_path: upload.path.clone(), bytes_done: 400, ..v1::FileProgress::default() };
    let progress =
        v1::CommandProgress { command_id: id, bytes_done: 400, flowing: Some(flowing), ..Default::default() };
    s01.say(Event::Progress(progress)).await;
    let mut told = std::collections::BTreeSet::new();
    while told.len() < 2 {
        let event = next_where(&mut events, |event| job_of(event).is_some_and(|job| job.bytes_done == 400)).await;
        told.extend(job_of(&event).map(|job| job.id));
    }
    for wanted in [child, batch.job_id] {
        let job = office.job(wanted).await;
        assert_eq!((job.bytes_done, job.bytes_total, job.children_done), (400, 1000, 0), "{job:?}");
    }
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    let (id, _) = s01.delete().await;
    assert_eq!((office.job(child).await.bytes_done, office.job(batch.job_id).await.bytes_done), (1000, 1000));
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    office.close().await;
}

#[tokio::test]
async fn a_slow_watcher_gets_the_latest_state_and_holds_nobody_up() {
    // Nobody reads while 2,000 images come and the settings change 200 times: all of it happens; then the watcher hears
    // of far fewer, and the last word on the settings is the latest.
    let office = Office::open().await;
    let s01 = FakeNode::attach(&office, "s01").await;
    let mut events = watch(&office, &["image", "settings"]).await.unwrap();
    next(&mut events).await;
    for slots in 1..=200_u32 {
        let settings = v1::Settings { upload_rate_limit_per_ip: Some(slots), ..Default::default() };
        let ask = v1::UpdateSettingsRequest { settings: Some(settings) };
        office.admin().await.update_settings(admins(ask)).await.unwrap();
        for number in 0..10 {
            office.upload(&s01, slots * 10 + number).await;
        }
    }
    let mut heard = 0;
    loop {
        let event = next(&mut events).await;
        heard += 1;
        if matches!(event.what, Some(What::Settings(settings)) if settings.upload_rate_limit_per_ip == Some(200)) {
            break;
        }
    }
    assert!(heard < 2_200, "{heard} events");
    office.close().await;
}

#[tokio::test]
async fn a_watch_is_refused_clearly_and_ends_cleanly() {
    // A topic that there is not, no token, one watcher too many of this account, which has half of all seats; when the server stops the stream ends with OK.
    let office = Office::open().await;
    let refused = watch(&office, &["jobs"]).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().starts_with("topics: `jobs` is none of job"), "{refused}");
    let nobody = office.admin().await.watch(v1::WatchRequest::default()).await.unwrap_err();
    assert_eq!(nobody.code(), Code::Unauthenticated);
    let mut watchers = Vec::new();
    let full = loop {
        match watch(&office, &["node"]).await {
            Ok(events) => watchers.push(events),
            Err(full) => break full,
        }
    };
    assert_eq!((full.code(), watchers.len()), (Code::ResourceExhausted, 32));
    office.close().await;
    for mut events in watchers {
        assert!(within("the end", events.next()).await.is_none());
    }
}
