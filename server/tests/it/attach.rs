//! Sessions as a node sees them: who gets in, what it hears, when it ends.

use pixelfox_proto::v1::{self, node_event::Event};
use tonic::Code;

use crate::office::{FakeNode, Office, SECRET, admins, hello, signed, with_bearer, within};

#[tokio::test]
async fn the_welcome_comes_first_with_pools_settings_and_the_others() {
    // s01 and s02 attach and get a pool each; a third Welcome tells s01 of s02's.
    let office = Office::open().await;
    let mut s01 = FakeNode::try_attach(&office, hello("s01")).await.unwrap();
    let pool = &s01.welcome.pools[0];
    assert_eq!((pool.name.as_str(), pool.base_path.as_str(), pool.initialize), ("img1", "/srv/s01", true));
    assert!(pool.is_active && !pool.identity.is_empty());
    let settings = s01.welcome.settings.as_ref().unwrap();
    assert!(settings.replication_require_checksum && settings.move_slots == 4);

    let s02 = FakeNode::try_attach(&office, hello("s02")).await.unwrap();
    assert!(s02.welcome.session_epoch > s01.welcome.session_epoch);
    assert_eq!(s02.welcome.elsewhere[0].node_id, "s01");
    s01.welcome_where(|welcome| welcome.elsewhere.iter().any(|home| home.node_id == "s02")).await;
    office.close().await;
}

#[tokio::test]
async fn a_second_node_with_the_same_node_id_is_refused_and_told_the_cure() {
    // Another instance while the first is live; after the first has left it gets in.
    let office = Office::open().await;
    let mut first = FakeNode::attach(&office, "s01").await;
    let second = v1::Hello { instance_id: "another".into(), ..hello("s01") };
    // as one that runs with a copy of the first one's STATE_DIR
    let twin = v1::Hello { process_id: "2".into(), ..hello("s01") };
    assert_eq!(FakeNode::try_attach(&office, twin).await.unwrap_err().code(), Code::AlreadyExists);
    let refused = FakeNode::try_attach(&office, second.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    for part in ["NODE_ID s01 is attached already", "127.0.0.1:", "http://s01:4000", "another NODE_ID"] {
        assert!(refused.message().contains(part), "{refused}");
    }
    // the first one goes on
    change_rate(&office, 7).await;
    first.welcome_where(|welcome| welcome.settings.as_ref().unwrap().upload_rate_limit_per_ip == 7).await;

    let mut watcher = office.books.watch();
    drop(first);
    while !office.books.attached().is_empty() {
        within("the end of the first", watcher.next()).await;
    }
    FakeNode::try_attach(&office, second).await.unwrap();
    office.close().await;
}

#[tokio::test]
async fn the_same_process_attached_again_replaces_its_older_session() {
    // The older stream ends with the reason; the newer one has a higher epoch and hears what changes.
    let office = Office::open().await;
    let mut older = FakeNode::attach(&office, "s01").await;
    let mut newer = FakeNode::attach(&office, "s01").await;
    let end = older.over().await;
    assert_eq!(end.code(), Code::AlreadyExists);
    assert!(end.message().contains("attached again"), "{end}");
    assert!(newer.welcome.session_epoch > older.welcome.session_epoch);
    change_rate(&office, 9).await;
    newer.welcome_where(|welcome| welcome.settings.as_ref().unwrap().upload_rate_limit_per_ip == 9).await;
    assert_eq!(office.books.attached().len(), 1);
    office.close().await;
}

#[tokio::test]
async fn without_the_right_secret_nobody_gets_in() {
    // A wrong one, none, and a coordinator that has none; every method.
    let office = Office::open().await;
    let mut client = office.coordinator().await;
    for request in [with_bearer((), "wrong"), tonic::Request::new(())] {
        let attach = request.metadata().clone();
        let mut ask = tonic::Request::new(tokio_stream::pending());
        *ask.metadata_mut() = attach.clone();
        let refused = within("the refusal", client.attach(ask)).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        assert!(refused.message().starts_with("invalid replication secret"), "{refused}");
        let mut ask =
            tonic::Request::new(v1::LocateRequest { stored_path: "original/a.png".into(), missing_here: false });
        *ask.metadata_mut() = attach.clone();
        assert_eq!(client.locate(ask).await.unwrap_err().code(), Code::Unauthenticated);
        let mut ask = tonic::Request::new(v1::CommitUploadRequest::default());
        *ask.metadata_mut() = attach;
        assert_eq!(client.commit_upload(ask).await.unwrap_err().code(), Code::Unauthenticated);
    }
    office.close().await;

    let closed = Office::open_in(tempfile::tempdir().unwrap(), None, None).await;
    let mut client = closed.coordinator().await;
    let ask = with_bearer(v1::LocateRequest { stored_path: "original/a.png".into(), missing_here: false }, SECRET);
    let refused = client.locate(ask).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(refused.message().starts_with("replication disabled"), "{refused}");
    closed.close().await;
}

#[tokio::test]
async fn a_refused_secret_is_logged_with_the_node_that_sent_it_and_without_the_secret() {
    // The name comes from `x-node-id`, before any Hello; the line has the peer too. Handlers run on this very thread.
    let (lines, heard) = std::sync::mpsc::sync_channel(64);
    let line = move || Line(lines.clone());
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(line).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let office = Office::open().await;
    let mut ask = with_bearer(tokio_stream::pending(), "hush-hush");
    ask.metadata_mut().insert("x-node-id", "s07".parse().unwrap());
    office.coordinator().await.attach(ask).await.unwrap_err();
    let text: String = heard.try_iter().collect();
    let line = text.lines().find(|line| line.contains("Unauthorized")).unwrap_or_default();
    assert!(line.contains("[Coordinator] Unauthorized attempt of node s07 from 127.0.0.1:"), "{text}");
    assert!(!text.contains("hush"), "{text}");
    office.close().await;
}

/// A line of the log on its way to the test; what does not fit is dropped.
struct Line(std::sync::mpsc::SyncSender<String>);

impl std::io::Write for Line {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _full = self.0.try_send(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_bad_first_word_is_refused_in_a_sentence_and_harms_nobody() {
    // Each gets its reason; a node that was there before and one that comes after go on.
    let office = Office::open().await;
    let mut before = FakeNode::attach(&office, "s01").await;
    for (first, code, want) in [
        (Event::Heartbeat(v1::Heartbeat::default()), Code::InvalidArgument, "must be Hello"),
        (Event::Result(v1::CommandResult::default()), Code::InvalidArgument, "must be Hello"),
        (Event::Hello(v1::Hello::default()), Code::InvalidArgument, "set NODE_ID"),
        (Event::Hello(v1::Hello { node_id: "../../etc".into(), ..hello("x") }), Code::InvalidArgument, "is no NODE_ID"),
        (Event::Hello(v1::Hello { instance_id: String::new(), ..hello("s02") }), Code::InvalidArgument, "instance_id"),
        (Event::Hello(v1::Hello { protocol: 2, ..hello("s02") }), Code::FailedPrecondition, "speaks protocol 2"),
    ] {
        let mut node = FakeNode::dial(&office, first).await.unwrap();
        let end = node.over().await;
        assert_eq!(end.code(), code, "{end}");
        assert!(end.message().contains(want), "{end}");
    }
    FakeNode::try_attach(&office, v1::Hello { protocol: 0, ..hello("s02") }).await.unwrap();
    change_rate(&office, 3).await;
    before.welcome_where(|welcome| welcome.settings.as_ref().unwrap().upload_rate_limit_per_ip == 3).await;
    office.close().await;
}

#[tokio::test]
async fn a_message_above_the_limit_ends_its_own_stream_alone() {
    // 2 MiB of storage roots in a Hello, 2 MiB in a progress: the streams end, another node goes on.
    let office = Office::open().await;
    let mut other = FakeNode::attach(&office, "s02").await;
    let roots = vec!["/srv/of/a/thousand/names/".repeat(100); 1000];
    let hello = Event::Hello(v1::Hello { storage_roots: roots, ..hello("s01") });
    let end = FakeNode::dial(&office, hello).await.unwrap().over().await;
    assert_ne!(end.code(), Code::Ok);
    let mut node = FakeNode::attach(&office, "s01").await;
    let files = vec![v1::FileResult { message: "x".repeat(2048), ..Default::default() }; 1024];
    node.say(Event::Progress(v1::CommandProgress { files, ..Default::default() })).await;
    node.over().await;
    change_rate(&office, 13).await;
    other.welcome_where(|welcome| welcome.settings.as_ref().unwrap().upload_rate_limit_per_ip == 13).await;
    office.close().await;
}

#[tokio::test]
async fn nonsense_on_a_session_ends_nothing_but_a_second_hello() {
    // Results for commands and files that there never were, and events that say nothing, are passed over.
    let office = Office::open().await;
    let mut node = FakeNode::attach(&office, "s01").await;
    let file = |path: &str| v1::FileResult { stored_path: path.into(), outcome: 77, ..v1::FileResult::default() };
    let files = vec![file("../x"), file("original/none.png"), file("")];
    node.say(Event::Progress(v1::CommandProgress { command_id: 99, files: files.clone(), ..Default::default() })).await;
    node.say(Event::Result(v1::CommandResult {
        command_id: u64::MAX,
        files,
        error: "\u{1b}[31m".repeat(100),
        ..v1::CommandResult::default()
    }))
    .await;
    let pools = vec![v1::PoolReport::default(), v1::PoolReport { pool_id: 77, healthy: true, ..Default::default() }];
    node.say(Event::Heartbeat(v1::Heartbeat { pools, running: u32::MAX, now: None })).await;
    change_rate(&office, 5).await;
    node.welcome_where(|welcome| welcome.settings.as_ref().unwrap().upload_rate_limit_per_ip == 5).await;

    node.say(Event::Hello(hello("s01"))).await;
    let end = node.over().await;
    assert_eq!(end.code(), Code::InvalidArgument, "{end}");
    FakeNode::attach(&office, "s01").await;
    office.close().await;
}

#[tokio::test]
async fn a_changed_setting_is_at_every_node_as_a_new_welcome() {
    // Three nodes, one change.
    let office = Office::open().await;
    let mut nodes = Vec::new();
    for name in ["s01", "s02", "s03"] {
        nodes.push(FakeNode::attach(&office, name).await);
    }
    change_rate(&office, 11).await;
    for node in &mut nodes {
        node.welcome_where(|welcome| welcome.settings.as_ref().unwrap().upload_rate_limit_per_ip == 11).await;
    }
    office.close().await;
}

#[tokio::test]
async fn a_pool_may_be_made_only_until_its_first_healthy_report() {
    // An unhealthy report leaves `initialize`; the first healthy one ends it, for good.
    let office = Office::open().await;
    let mut node = FakeNode::try_attach(&office, hello("s01")).await.unwrap();
    node.heartbeat(false).await;
    node.heartbeat(true).await;
    node.welcome_where(|welcome| !welcome.pools[0].initialize).await;
    node.heartbeat(false).await;
    let again = FakeNode::try_attach(&office, hello("s01")).await.unwrap();
    assert!(!again.welcome.pools[0].initialize);
    office.close().await;
}

#[tokio::test]
async fn a_stopping_coordinator_says_so_and_knows_its_nodes_after_the_next_start() {
    // UNAVAILABLE, so that the node attaches elsewhere or again at once; epochs go on rising.
    let office = Office::open().await;
    let mut node = FakeNode::attach(&office, "s01").await;
    let (dir, end) = tokio::join!(office.close(), node.over());
    assert_eq!(end.code(), Code::Unavailable, "{end}");
    let office = Office::open_in(dir, Some(SECRET), None).await;
    let again = FakeNode::attach(&office, "s01").await;
    assert!(again.welcome.session_epoch > node.welcome.session_epoch);
    assert_eq!(again.pool(), node.pool());
    office.close().await;
}

#[tokio::test]
async fn a_node_without_heartbeats_is_offline_after_15_seconds() {
    // The stream stays open and silent; its session ends with the reason. Real time, because a database is behind it.
    let office = Office::open().await;
    let mut node = FakeNode::attach(&office, "s01").await;
    let silent = async {
        loop {
            if let Err(end) = node.quiet().await {
                return end;
            }
        }
    };
    let end = tokio::time::timeout(std::time::Duration::from_secs(20), silent).await.expect("the end");
    assert!(end.message().contains("no heartbeat from node s01 for 15 s"), "{end}");
    assert!(office.books.attached().is_empty());
    office.close().await;
}

#[tokio::test]
async fn an_upload_is_committed_once_and_found_where_it_is() {
    // Asked twice: the same answer, one image. Its path leads to its node's public address; an unknown one nowhere.
    let office = Office::open().await;
    let node = FakeNode::attach(&office, "s01").await;
    let upload = office.upload(&node, 1).await;
    let mut client = office.coordinator().await;
    let again = client.commit_upload(signed(upload.request.clone())).await.unwrap().into_inner();
    assert_eq!((again.image_uuid.as_str(), again.share_token.as_str()), (upload.uuid.as_str(), "share0000001"));
    assert_eq!(again.url, format!("http://s01.local:8080/uploads/{}", upload.path));
    let images = office.admin().await.list_images(admins(v1::ListImagesRequest::default())).await.unwrap().into_inner();
    assert_eq!((images.total, images.images.len()), (1, 1));

    let locate = |path: &str| signed(v1::LocateRequest { stored_path: path.into(), missing_here: false });
    let there = client.locate(locate(&upload.path)).await.unwrap().into_inner();
    assert_eq!((there.found, there.url), (true, again.url));
    let nowhere = client.locate(locate("original/2026/11/24/none.png")).await.unwrap().into_inner();
    assert_eq!((nowhere.found, nowhere.url.as_str()), (false, ""));
    let odd = client.locate(locate("original/../x")).await.unwrap_err();
    assert_eq!(odd.code(), Code::InvalidArgument);
    office.close().await;
}

#[tokio::test]
async fn an_upload_that_cannot_be_is_refused_by_field() {
    // Each field in turn; nothing gets into the books.
    let office = Office::open().await;
    let node = FakeNode::attach(&office, "s01").await;
    let mut client = office.coordinator().await;
    let good = crate::office::Upload::new(1, node.pool()).request;
    for (bad, want) in [
        (v1::CommitUploadRequest { upload_id: "x".into(), ..good.clone() }, "upload_id"),
        (v1::CommitUploadRequest { pool_id: 0, ..good.clone() }, "pool id"),
        (v1::CommitUploadRequest { pool_id: 99, ..good.clone() }, "99"),
        (v1::CommitUploadRequest { stored_path: "original//x".into(), ..good.clone() }, "stored_path"),
        (v1::CommitUploadRequest { size: 0, ..good.clone() }, "size"),
        (v1::CommitUploadRequest { sha256: vec![1; 31], ..good.clone() }, "sha256"),
        (v1::CommitUploadRequest { meta: None, ..good.clone() }, "share"),
    ] {
        let refused = client.commit_upload(signed(bad)).await.unwrap_err();
        assert_ne!(refused.code(), Code::Internal, "{refused}");
        assert!(refused.message().contains(want), "{want}: {refused}");
    }
    let mut foreign = signed(good);
    foreign.metadata_mut().insert("x-node-id", "s09".parse().unwrap());
    assert!(client.commit_upload(foreign).await.is_err());
    let images = office.admin().await.list_images(admins(v1::ListImagesRequest::default())).await.unwrap().into_inner();
    assert_eq!(images.total, 0);
    office.close().await;
}

async fn change_rate(office: &Office, per_minute: u32) {
    let settings = v1::Settings { upload_rate_limit_per_ip: Some(per_minute), ..Default::default() };
    let ask = v1::UpdateSettingsRequest { settings: Some(settings) };
    office.admin().await.update_settings(admins(ask)).await.unwrap();
}
