//! Two servers on one PostgreSQL, each with a node of its own: what a person asks of one is done by the other, where
//! that one has the node.

use pixelfox_proto::v1::{self, file_result::Outcome, finding::Status, node_command::Command};
use pixelfox_server::{events::Watcher, schedule::JOBS_PER_COMMAND};
use sqlx::{ConnectOptions as _, Executor as _, postgres::PgConnectOptions};
use tonic::Code;

use crate::office::{FakeNode, Office, Upload, admins, hello, within};
use crate::postgres;
use crate::{postgres::Cluster, store_lost::Proxy};

/// Servers `a` and `b`; `s01` is attached to a, `s02` to b, each with a healthy pool that both servers know of.
pub(crate) struct Pair {
    pub(crate) a: Office,
    pub(crate) b: Office,
    pub(crate) s01: FakeNode,
    pub(crate) s02: FakeNode,
    database: String,
}

impl Pair {
    async fn open() -> Self {
        let database = postgres::database().await;
        Self::open_by(&database, &database).await
    }

    /// Each server reaches the database by a way of its own.
    pub(crate) async fn open_by(database: &str, way_of_b: &str) -> Self {
        let (a, b) = (Office::open_one_of("a", database).await, Office::open_one_of("b", way_of_b).await);
        let (s01, s02) = (FakeNode::attach(&a, "s01").await, FakeNode::attach(&b, "s02").await);
        for office in [&a, &b] {
            let knows_both = async |office: &Office| {
                let pools =
                    office.admin().await.list_pools(admins(v1::ListPoolsRequest {})).await.unwrap().into_inner();
                pools.pools.iter().filter(|pool| pool.healthy).count() == 2
            };
            until(office, "both pools", knows_both).await;
        }
        Self { a, b, s01, s02, database: database.to_owned() }
    }

    pub(crate) async fn close(self) {
        self.a.close().await;
        self.b.close().await;
    }

    async fn execute(&self, sql: &'static str) {
        let options: PgConnectOptions = self.database.parse().unwrap();
        options.connect().await.unwrap().execute(sql).await.unwrap();
    }

    /// One whole move from s01 to s02, asked of b.
    pub(crate) async fn move_over(&mut self, upload: &Upload) {
        let mut watcher = self.b.books.watch();
        let batch = self.b.move_to(&[upload], self.s02.pool()).await;
        let (id, _) = self.s01.push().await;
        self.s01.end(id, vec![upload.result(Outcome::Done)]).await;
        let (id, _) = self.s01.delete().await;
        self.s01.end(id, vec![upload.result(Outcome::Done)]).await;
        self.b.job_where(&mut watcher, batch.job_id, |job| job.state == "completed").await;
    }
}

/// Looks again at each event of that server.
async fn until(office: &Office, what: &str, fits: impl AsyncFn(&Office) -> bool) {
    let mut watcher: Watcher = office.books.watch();
    let seen = async {
        while !fits(office).await {
            watcher.next().await;
        }
    };
    within(what, seen).await;
}

fn these(id: u64) -> tonic::Request<v1::ChangeJobsRequest> {
    admins(v1::ChangeJobsRequest { ids: vec![id], ..Default::default() })
}

async fn cancelled(node: &mut FakeNode) -> u64 {
    match node.next().await {
        (_, Command::Cancel(cancel)) => cancel.command_id,
        other => panic!("not the word to cancel: {other:?}"),
    }
}

async fn purge(node: &mut FakeNode) -> (u64, v1::PurgeFiles) {
    match node.next().await {
        (id, Command::Purge(purge)) => (id, purge),
        other => panic!("not a purge: {other:?}"),
    }
}

async fn restore(node: &mut FakeNode) -> (u64, v1::RestoreFiles) {
    match node.next().await {
        (id, Command::Restore(restore)) => (id, restore),
        other => panic!("not a restore: {other:?}"),
    }
}

#[tokio::test]
async fn a_whole_pool_moves_is_held_up_and_called_off_by_the_server_that_has_not_its_node() {
    // Asked of b, carried out by s01 of a: planned, paused in the middle of its pushes, resumed, one image moves, then the
    // rest is called off. s01 hears each at once.
    let mut pair = Pair::open().await;
    let uploads = [pair.a.upload(&pair.s01, 1).await, pair.a.upload(&pair.s01, 2).await];
    let (source_pool_id, target_pool_id) = (pair.s01.pool(), pair.s02.pool());
    let ask = v1::MovePoolRequest { source_pool_id, target_pool_id, ..Default::default() };
    let mut admin = pair.b.admin().await;
    let batch = admin.move_pool(admins(ask)).await.unwrap().into_inner();
    assert_eq!(batch.images, 2);
    let (id, push) = pair.s01.push().await;
    assert_eq!(push.files.len(), 2);
    admin.pause_jobs(these(batch.job_id)).await.unwrap();
    assert_eq!(cancelled(&mut pair.s01).await, id);
    assert_eq!(pair.a.job(batch.job_id).await.state, "paused");
    admin.resume_jobs(these(batch.job_id)).await.unwrap();
    let (id, push) = pair.s01.push().await;
    assert!(push.files.iter().all(|file| file.attempt.unwrap().attempt == 2));
    let first = uploads.iter().find(|upload| upload.path == push.files[0].stored_path).unwrap();
    let said = v1::CommandProgress { command_id: id, files: vec![first.result(Outcome::Done)], ..Default::default() };
    pair.s01.say(v1::node_event::Event::Progress(said)).await;
    let (trash, delete) = pair.s01.delete().await;
    assert_eq!(delete.files[0].stored_path, first.path);
    pair.s01.end(trash, vec![first.result(Outcome::Done)]).await;
    admin.cancel_jobs(these(batch.job_id)).await.unwrap();
    assert_eq!(cancelled(&mut pair.s01).await, id);
    let mut watcher = pair.b.books.watch();
    let parent = pair.b.job_where(&mut watcher, batch.job_id, |job| job.state == "cancelled").await;
    assert_eq!((parent.children_done, parent.children_cancelled), (1, 1));
    // what came of the other one at s02 is b's to have put away
    let (_, given_up) = pair.s02.delete().await;
    assert_ne!(given_up.files[0].stored_path, first.path);
    pair.close().await;
}

#[tokio::test]
async fn an_image_is_deleted_everywhere_and_the_trash_emptied_by_whichever_server_is_asked() {
    // The image lives at s02 of b, an old copy lies in the trash of s01 of a. The trash is switched off at b: s01 purges. The
    // image is deleted at a: s02 puts it away and purges it, and it is gone from the books.
    let mut pair = Pair::open().await;
    let upload = pair.a.upload(&pair.s01, 1).await;
    pair.move_over(&upload).await;
    let settings = Some(v1::Settings { trash_hours: Some(0), ..v1::Settings::default() });
    pair.b.admin().await.update_settings(admins(v1::UpdateSettingsRequest { settings })).await.unwrap();
    let (id, purged) = purge(&mut pair.s01).await;
    assert_eq!(purged.files[0].stored_path, upload.path);
    pair.s01.end(id, vec![upload.result(Outcome::Done)]).await;

    let ask = v1::DeleteImagesRequest { uuids: vec![upload.uuid.clone()], request_id: String::new() };
    let batch = pair.a.admin().await.delete_images(admins(ask)).await.unwrap().into_inner();
    let (id, delete) = pair.s02.delete().await;
    assert_eq!(delete.files[0].stored_path, upload.path);
    pair.s02.end(id, vec![upload.result(Outcome::Done)]).await;
    let (id, purged) = purge(&mut pair.s02).await;
    assert_eq!(purged.files[0].stored_path, upload.path);
    pair.s02.end(id, vec![upload.result(Outcome::Done)]).await;
    let mut watcher = pair.a.books.watch();
    pair.a.job_where(&mut watcher, batch.job_id, |job| job.state == "completed").await;
    pair.close().await;
}

#[tokio::test]
async fn a_job_of_which_half_comes_from_a_trash_ends_though_no_server_has_both_nodes() {
    // The image was at s02 before and goes back there; a variant that was made since was not. s02 purges what its trash has,
    // at b's word; then s01 pushes both, at a's.
    let mut pair = Pair::open().await;
    let upload = pair.a.upload(&pair.s01, 1).await;
    pair.execute(
        "INSERT INTO files (image_id, stored_path, kind, content_type, width, height, size, sha256, generation)
         SELECT id, 'variants/2026/11/24/small.webp', 'thumb', 'image/webp', 1, 1, size, sha256, 2 FROM images;
         INSERT INTO replicas (file_id, pool_id, generation, state, since, verified)
         SELECT f.id, i.pool_id, 2, 'live', 1, 1 FROM files f JOIN images i ON i.id = f.image_id WHERE f.kind = 'thumb';
         INSERT INTO replicas (file_id, pool_id, generation, state, since, not_before)
         SELECT f.id, p.id, 1, 'trashed', 1, 1 FROM files f CROSS JOIN pools p
         WHERE f.kind = 'original' AND p.node_id = 's02';
         UPDATE files SET generation = 2",
    )
    .await;
    let mut watcher = pair.b.books.watch();
    let batch = pair.b.move_to(&[&upload], pair.s02.pool()).await;
    let (id, purged) = purge(&mut pair.s02).await;
    assert_eq!((purged.files.len(), purged.files[0].stored_path.as_str()), (1, upload.path.as_str()));
    let child = pair.b.only_child(&batch).await.id;
    for server in [&pair.a, &pair.b] {
        let waiting_for = server.job(child).await.waiting_for;
        assert!(waiting_for.ends_with(" is being purged"), "whichever server is asked: `{waiting_for}`");
    }
    pair.s02.end(id, vec![upload.result(Outcome::Done)]).await;
    let (id, push) = pair.s01.push().await;
    assert_eq!(push.files.len(), 2);
    let done =
        |file: &v1::PushFile| v1::FileResult { stored_path: file.stored_path.clone(), ..upload.result(Outcome::Done) };
    pair.s01.end(id, push.files.iter().map(done).collect()).await;
    let (id, delete) = pair.s01.delete().await;
    let gone = |file: &v1::DeleteFile| v1::FileResult {
        stored_path: file.stored_path.clone(),
        ..upload.result(Outcome::Done)
    };
    pair.s01.end(id, delete.files.iter().map(gone).collect()).await;
    pair.b.job_where(&mut watcher, batch.job_id, |job| job.state == "completed").await;
    pair.close().await;
}

#[tokio::test]
async fn who_asks_the_wrong_server_about_a_directory_is_told_the_right_one() {
    // Only b can ask s02. CheckPool at a, and a new pool for s02 there, name b; b itself answers.
    let pair = Pair::open().await;
    let check = v1::CheckPoolRequest { id: pair.s02.pool() };
    let refused = pair.a.admin().await.check_pool(admins(check)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("node s02 is attached to another server, b"), "{refused}");
    let pool = v1::Pool {
        name: "img9".into(),
        node_id: "s02".into(),
        base_path: "/srv/more".into(),
        upload_api_url: "http://s02:4000/api/internal/upload".into(),
        public_base_url: "http://s02.local:8080".into(),
        ..v1::Pool::default()
    };
    let ask = v1::CreatePoolRequest { pool: Some(pool), ..Default::default() };
    let refused = pair.a.admin().await.create_pool(admins(ask.clone())).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().starts_with("node_id: node s02 is attached to another server, b"), "{refused}");
    pair.b.admin().await.create_pool(admins(ask)).await.unwrap();
    pair.close().await;
}

#[tokio::test]
async fn a_node_that_attaches_to_another_server_leaves_the_first() {
    // The same process dials b while a still has its session: b's counts, a's ends with the reason, and what a had sent
    // there goes out again by b.
    let mut pair = Pair::open().await;
    let upload = pair.a.upload(&pair.s01, 1).await;
    pair.b.move_to(&[&upload], pair.s02.pool()).await;
    let (_, push) = pair.s01.push().await;
    let mut newer = FakeNode::try_attach(&pair.b, hello("s01")).await.unwrap();
    newer.heartbeat(true).await;
    assert!(newer.welcome.session_epoch > pair.s01.welcome.session_epoch);
    let end = pair.s01.over().await;
    assert!(end.message().contains("another server"), "{end}");
    let (_, again) = newer.push().await;
    assert_eq!(again.files[0].stored_path, push.files[0].stored_path);
    assert_eq!(again.files[0].attempt.unwrap().attempt, 2);
    // a copy of its STATE_DIR, started at a meanwhile
    let copy = v1::Hello { process_id: "2".into(), ..hello("s01") };
    let refused = FakeNode::try_attach(&pair.a, copy).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert!(refused.message().contains("STATE_DIR"), "{refused}");
    pair.close().await;
}

#[tokio::test]
async fn a_server_that_was_cut_off_makes_up_for_what_it_did_not_hear() {
    // The way of b to the database breaks. Meanwhile a changes settings, and the news of it are forgotten. b, back again,
    // takes back what is above its node's slots now, which nothing else makes it do, and tells the node the new settings.
    let cluster = Cluster::start(postgres::Fsync::Off);
    let (database, mut proxy) = (cluster.database().await, Proxy::to(&cluster).await);
    let mut pair = Pair::open_by(&database, &proxy.url(&database)).await;
    let mut uploads = Vec::new();
    for number in 1..=JOBS_PER_COMMAND + 1 {
        uploads.push(pair.b.upload(&pair.s02, number).await);
    }
    pair.b.move_to(&uploads.iter().collect::<Vec<_>>(), pair.s01.pool()).await;
    let ((_, first), (above, second)) = (pair.s02.push().await, pair.s02.push().await);
    assert_eq!(first.files.len() + second.files.len(), uploads.len());
    proxy.cut().await;
    let settings =
        v1::Settings { upload_rate_limit_per_ip: Some(77), move_slots_per_node: Some(1), ..Default::default() };
    let settings = Some(settings);
    pair.a.admin().await.update_settings(admins(v1::UpdateSettingsRequest { settings })).await.unwrap();
    pair.execute("DELETE FROM outbox").await;
    proxy.mend().await;
    assert_eq!(cancelled(&mut pair.s02).await, above);
    pair.s02.welcome_where(|welcome| welcome.settings.as_ref().unwrap().upload_rate_limit_per_ip == 77).await;
    pair.close().await;
}

#[tokio::test]
async fn a_lease_of_the_targets_server_whose_answer_was_lost_goes_out_again() {
    // The image goes back to s02, out of the trash there: b's to lease. The database notes it, b never hears so: it ends the
    // session of s02, and with the next one the job is leased anew. A lease that surely did not happen ends none.
    let cluster = Cluster::start(postgres::Fsync::Off);
    let (database, proxy) = (cluster.database().await, Proxy::to(&cluster).await);
    let mut pair = Pair::open_by(&database, &proxy.url(&database)).await;
    let upload = pair.a.upload(&pair.s01, 1).await;
    pair.execute(
        "INSERT INTO replicas (file_id, pool_id, generation, state, since, not_before)
         SELECT f.id, p.id, 1, 'trashed', 1, 1 FROM files f CROSS JOIN pools p WHERE p.node_id = 's02';
         UPDATE files SET generation = 2; UPDATE replicas SET generation = 2 WHERE state = 'live'",
    )
    .await;
    proxy.lose_answer_after("SET state = 'processing', attempt");
    pair.a.move_to(&[&upload], pair.s02.pool()).await;
    let end = pair.s02.over().await;
    assert!(end.message().contains("answer was lost"), "{end}");
    let mut back = FakeNode::attach(&pair.b, "s02").await;
    let (id, restored) = restore(&mut back).await;
    assert_eq!((restored.files.len(), restored.files[0].stored_path.as_str()), (1, upload.path.as_str()));
    back.end(id, vec![upload.result(Outcome::Done)]).await;
    let (_, delete) = pair.s01.delete().await;
    assert_eq!(delete.files[0].stored_path, upload.path);
    pair.close().await;
}

#[tokio::test]
async fn what_another_servers_node_would_have_to_be_asked_is_open_and_never_green() {
    // Asked of b about a's s01: no line says that its disk works, but who can ask it; a check of its pool is refused with
    // the same, and asked of a it is green.
    let pair = Pair::open().await;
    let all = async |office: &Office| {
        let asked = office.admin().await.diagnose(admins(v1::DiagnoseRequest::default())).await;
        let mut stream = asked.unwrap().into_inner();
        let mut lines = Vec::new();
        while let Some(line) = within("a line", stream.message()).await.unwrap() {
            lines.push(line);
        }
        lines
    };
    let about = |lines: &[v1::Finding], subject: &str| {
        let these = lines.iter().filter(|line| line.subject == subject && line.check != "public_base_url");
        these.map(|line| (line.check.clone(), line.status(), line.message.clone())).collect::<Vec<_>>()
    };
    let mut admin = pair.b.admin().await;
    let of_s01 = admin.get_pool(admins(v1::GetPoolRequest { id: pair.s01.pool() })).await.unwrap().into_inner();
    let pool = format!("pool {}", of_s01.name);
    let seen = all(&pair.b).await;
    let [(check, Status::Warning, message)] = &about(&seen, &pool)[..] else { panic!("{seen:#?}") };
    assert!(check == "base_path" && message.contains("node s01 is attached to server a"), "{message}");
    let node = about(&seen, "node s01");
    let attached = node.iter().find(|(check, ..)| check == "attached").unwrap();
    assert!(attached.1 == Status::Warning && attached.2.contains("attached to server a"), "{attached:?}");
    let refused = admin.check_pool(admins(v1::CheckPoolRequest { id: of_s01.id })).await.unwrap_err();
    assert!(refused.code() == Code::FailedPrecondition && refused.message().contains("another server, a"), "{refused}");
    let seen = all(&pair.a).await;
    let there = about(&seen, &pool);
    assert!(there.len() == 4 && there.iter().all(|(_, status, _)| *status == Status::Ok), "{there:?}");
    pair.close().await;
}
