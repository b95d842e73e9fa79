//! The store's suite: pools, nodes, settings and what is news.

use pixelfox_proto::PoolId;
use pixelfox_server::{
    catalog::{
        ChangeAsk, ChangeProgress, JobChange, JobState, LeasedJob, LostSession, PoolDraft, PoolPatch, PoolSaved,
        PoolUsage, RefusalKind, SaveRule, Setback, SetbackKind, Settings, SettingsPatch, StorageTier, TrashOutcome,
        WhichJobs,
    },
    store::{AutoPools, StoreError, Topic},
};

use crate::store_books::{Books, SIZE, at, done, draft, hello, node, pool, result, suite};

suite! {
    the_first_pool_is_made_once_and_is_the_default,
    a_pool_with_the_same_name_node_and_path_is_updated,
    pools_do_not_share_names_or_directories,
    a_second_editor_sees_the_first_ones_change,
    exactly_one_pool_is_the_default,
    a_change_of_some_fields_leaves_the_others,
    pending_work_follows_its_pool_to_another_node,
    work_under_way_follows_its_pool_whatever_becomes_of_it,
    a_healthy_report_ends_initialize_once,
    a_node_without_a_pool_gets_one_and_only_once,
    an_automatic_pool_that_can_not_be_made_does_not_refuse_the_node,
    epochs_and_leases_only_rise,
    signs_of_life_of_an_older_session_are_ignored,
    settings_are_kept_and_first_values_set_once,
    news_are_written_with_what_they_tell,
    a_pool_is_deleted_when_nothing_is_in_it,
    an_automatic_pool_that_was_deleted_is_not_made_again,
    a_recount_says_how_far_the_books_were_off,
    counts_at_once_correct_the_books_once,
}

fn refusal(error: StoreError) -> (RefusalKind, String) {
    match error {
        StoreError::Refused(refusal) => (refusal.kind, refusal.message.to_string()),
        other => panic!("{other:?} is no refusal"),
    }
}

async fn the_first_pool_is_made_once_and_is_the_default(books: Books) {
    let default = books.pool(1).await;
    assert_eq!((default.name.as_str(), default.priority, default.is_default), ("Default", 99, true));
    assert!(default.initialize && default.is_active && default.identity.len() == 32);
    assert_eq!(default.target_url(), "http://local:4000");
    let again = PoolDraft { name: "other".into(), base_path: "/other".into(), ..default.draft() };
    assert_eq!(books.store.first_pool(again, at(1)).await.unwrap(), None);
    let names: Vec<String> = books.store.list_pools().await.unwrap().into_iter().map(|pool| pool.name).collect();
    assert_eq!(names, ["Default", "img1"]);
}

async fn a_pool_with_the_same_name_node_and_path_is_updated(books: Books) {
    // The same form again with another priority and a path that is written differently: updated, and said so.
    let before = books.pool(2).await;
    let changed = PoolDraft { priority: 5, base_path: "/app//uploads_s01/".into(), ..draft("img1", "s01") };
    let saved = books.store.create_pool(changed, SaveRule::Checked, at(1)).await.unwrap();
    let PoolSaved::Updated(after) = saved else { panic!("{saved:?}") };
    assert_eq!((after.id, after.priority, after.revision), (before.id, 5, before.revision + 1));
    assert_eq!(after.identity, before.identity);
    // A form of the default pool that leaves `is_default` out does not take it away.
    let form = PoolDraft { is_default: false, priority: 3, ..books.pool(1).await.draft() };
    let saved = books.store.create_pool(form, SaveRule::Checked, at(1)).await.unwrap().into_pool();
    assert_eq!((saved.is_default, saved.priority), (true, 3));
}

async fn pools_do_not_share_names_or_directories(books: Books) {
    let base = draft("img9", "s01");
    for (draft, want) in [
        (
            PoolDraft { name: "img1".into(), base_path: "/x".into(), ..base.clone() },
            "name: pool 2 on node s01 is called img1",
        ),
        (base.clone(), "base_path: /app/uploads_s01 and /app/uploads_s01 of pool img1 (2)"),
        (PoolDraft { base_path: "/app/uploads_s01/a".into(), ..base.clone() }, "or one in the other"),
        (PoolDraft { base_path: "/app".into(), ..base.clone() }, "or one in the other"),
    ] {
        let (kind, message) = refusal(books.store.create_pool(draft, SaveRule::Anyway, at(1)).await.unwrap_err());
        assert!(kind == RefusalKind::Exists && message.contains(want), "{message}");
    }
    let elsewhere = PoolDraft { node_id: "s02".into(), ..base };
    assert!(books.store.create_pool(elsewhere, SaveRule::Checked, at(1)).await.is_ok(), "another machine's directory");
}

async fn a_second_editor_sees_the_first_ones_change(books: Books) {
    let shown = books.pool(2).await.revision;
    let change = |priority| PoolPatch { priority: Some(priority), ..PoolPatch::default() };
    let save = async |priority, expected| {
        books.store.update_pool(pool(2), change(priority), expected, SaveRule::Checked, at(1)).await
    };
    assert_eq!(save(1, shown).await.unwrap().priority, 1);
    let (kind, message) = refusal(save(2, shown).await.unwrap_err());
    assert!(kind == RefusalKind::Changed && message.contains("look at it again"), "{message}");
    assert_eq!(save(2, 0).await.unwrap().priority, 2, "0: no check");
    let revision = books.pool(2).await.revision;
    assert_eq!(save(2, 0).await.unwrap().revision, revision, "the same again is no change");
    let unknown = books.store.update_pool(pool(9), change(1), 0, SaveRule::Checked, at(1)).await.unwrap_err();
    assert_eq!(refusal(unknown), (RefusalKind::NotFound, "no pool 9 in this cluster".into()));
}

async fn exactly_one_pool_is_the_default(books: Books) {
    let default = |is_default| PoolPatch { is_default: Some(is_default), ..PoolPatch::default() };
    let refused = books.store.update_pool(pool(1), default(false), 0, SaveRule::Checked, at(1)).await.unwrap_err();
    assert!(refusal(refused).1.contains("make another one the default"));
    books.store.update_pool(pool(2), default(true), 0, SaveRule::Checked, at(1)).await.unwrap();
    let third = PoolDraft { is_default: true, ..draft("img2", "s02") };
    books.store.create_pool(third, SaveRule::Checked, at(1)).await.unwrap();
    let defaults: Vec<u64> =
        books.store.list_pools().await.unwrap().iter().filter(|p| p.is_default).map(|p| p.id.get()).collect();
    assert_eq!(defaults, [3]);
}

async fn a_change_of_some_fields_leaves_the_others(books: Books) {
    let before = books.pool(2).await;
    let typed = PoolDraft { storage_tier: "cold".into(), max_size: 7, ..PoolDraft::default() };
    let patch = PoolPatch::masked(typed, &["storage_tier".into(), "max_size".into()]).unwrap();
    let after = books.store.update_pool(pool(2), patch, 0, SaveRule::Checked, at(1)).await.unwrap();
    assert_eq!((after.storage_tier, after.max_size), (StorageTier::Cold, 7));
    assert_eq!(
        (after.name, after.upload_api_url, after.priority),
        (before.name, before.upload_api_url, before.priority)
    );
    let bad = PoolPatch { storage_type: Some("s3".into()), ..PoolPatch::default() };
    let error = books.store.update_pool(pool(2), bad, 0, SaveRule::Anyway, at(1)).await.unwrap_err();
    assert_eq!(refusal(error).0, RefusalKind::Invalid);
}

async fn pending_work_follows_its_pool_to_another_node(books: Books) {
    // One job waits; the other is under way and follows when its session is lost, and whatever else becomes of it.
    books.uploaded(1..3).await;
    books.plan(1..2, 2).await;
    assert_eq!(books.lease(1, 2).await.jobs.len(), 1);
    books.plan(2..3, 2).await;
    let patch = PoolPatch { node_id: Some("s05".into()), ..PoolPatch::default() };
    books.store.update_pool(pool(1), patch, 0, SaveRule::Checked, at(1)).await.unwrap();
    let due = async || {
        let lanes = books.store.lanes(at(1)).await.unwrap();
        lanes.into_iter().map(|lane| (lane.node, lane.due)).collect::<Vec<_>>()
    };
    assert_eq!(due().await, [(node("s05"), 1)]);
    let lost = LostSession::Of { node: node("local"), epoch: books.local };
    assert_eq!(books.store.return_lost(lost, at(1)).await.unwrap().len(), 1);
    assert_eq!(due().await, [(node("s05"), 2)]);
}

async fn work_under_way_follows_its_pool_whatever_becomes_of_it(books: Books) {
    // Under way when the pool goes to s05: one is set back, one paused and resumed, one cancelled and one failed that
    // are tried again.
    books.uploaded(1..5).await;
    books.plan(1..5, 2).await;
    let leased = books.lease(1, 2).await.jobs;
    let patch = PoolPatch { node_id: Some("s05".into()), ..PoolPatch::default() };
    books.store.update_pool(pool(1), patch, 0, SaveRule::Checked, at(1)).await.unwrap();
    let setback = |of: &LeasedJob, kind| Setback {
        job: of.job,
        lease: of.lease,
        epoch: of.epoch,
        kind,
        cause: "connection lost".into(),
        sources: Vec::new(),
    };
    let again = SetbackKind::Again { not_before: at(1), counted: true };
    let words = vec![setback(&leased[0], again), setback(&leased[1], SetbackKind::Failed)];
    books.store.set_back(words, at(1)).await.unwrap();
    for (job, changes) in [
        (&leased[1], [JobChange::Retry].as_slice()),
        (&leased[2], &[JobChange::Pause, JobChange::Resume]),
        (&leased[3], &[JobChange::Cancel, JobChange::Retry]),
    ] {
        for change in changes {
            let ask = ChangeAsk { change: *change, which: WhichJobs::Ids(vec![job.job]), request_id: String::new() };
            let changed = books.store.change_jobs(ask, ChangeProgress::default(), at(1)).await.unwrap();
            assert_eq!(changed.progress.changed, 1, "{change:?}");
        }
    }
    for job in leased {
        let is = books.store.get_job(job.job).await.unwrap();
        assert_eq!((is.state, is.node), (JobState::Pending, Some(node("s05"))), "{}", job.job);
    }
}

async fn a_healthy_report_ends_initialize_once(books: Books) {
    let both = vec![pool(1), pool(2), pool(9)];
    assert_eq!(books.store.pools_reported_healthy(both.clone()).await.unwrap(), [pool(1), pool(2)]);
    assert_eq!(books.store.pools_reported_healthy(both).await.unwrap(), []);
    assert!(!books.pool(1).await.initialize);
}

async fn a_node_without_a_pool_gets_one_and_only_once(books: Books) {
    // s07 gets img7; s01 had one already; a node that had one by hand gets none; by hand nobody does.
    let attach = async |name, auto| books.store.attach_node(hello(name), auto, at(1)).await.unwrap().auto_pool;
    assert_eq!(attach("s06", AutoPools::ByHand).await, None);
    let made = attach("s07", AutoPools::Make).await.unwrap();
    assert_eq!((made.name.as_str(), made.priority, made.base_path.as_str()), ("img7", 10, "/app/uploads_s07"));
    assert_eq!(made.upload_api_url, "http://s07:4000/api/internal/upload");
    assert_eq!(made.public_base_url, "http://s07.local:8080");
    assert_eq!(attach("s07", AutoPools::Make).await, None);
    assert_eq!(attach("s01", AutoPools::Make).await, None);
    assert_eq!(attach("x01", AutoPools::Make).await.unwrap().name, "img2", "img1 is taken: the next free number");
}

async fn an_automatic_pool_that_can_not_be_made_does_not_refuse_the_node(books: Books) {
    let odd = pixelfox_server::catalog::Hello { uploads_dir: "relative".into(), ..hello("s08") };
    let attached = books.store.attach_node(odd, AutoPools::Make, at(1)).await.unwrap();
    assert_eq!(attached.auto_pool, None);
    let later = books.store.attach_node(hello("s08"), AutoPools::Make, at(2)).await.unwrap();
    assert_eq!(later.auto_pool.unwrap().name, "img8", "tried again when it can be");
    // A directory with the marker of another node's pool: nothing is made there, and it is said.
    let theirs = pixelfox_server::catalog::Hello { uploads_dir_identity: books.pool(2).await.identity, ..hello("s09") };
    let attached = books.store.attach_node(theirs, AutoPools::Make, at(3)).await.unwrap();
    assert_eq!(attached.auto_pool, None);
    assert!(attached.no_auto_pool.unwrap().starts_with("holds pool img1 (s01) already, so no pool was made"));
}

async fn epochs_and_leases_only_rise(mut books: Books) {
    books.uploaded(1..2).await;
    books.plan(1..2, 2).await;
    let (mut epoch, mut lease) = (books.s01, books.store.last_lease().await.unwrap());
    for _ in 0..3 {
        books.attach().await;
        let job = books.lease(1, 2).await.jobs.remove(0);
        assert!(books.local > epoch && books.s01 > books.local && job.lease > lease);
        (epoch, lease) = (books.s01, job.lease);
        books = books.reopen().await;
        books.store.return_lost(LostSession::Every, at(2)).await.unwrap();
        assert!(books.store.commit_moves(vec![done(&job)], at(3)).await.unwrap().moved.is_empty());
    }
}

async fn signs_of_life_of_an_older_session_are_ignored(mut books: Books) {
    let old = books.local;
    books.attach().await;
    let seen = vec![(node("s01"), books.s01), (node("local"), old)];
    books.store.nodes_seen(seen, at(50)).await.unwrap();
    let nodes = books.store.list_nodes().await.unwrap();
    let seen: Vec<_> = nodes.iter().map(|n| (n.node.as_str(), n.last_seen)).collect();
    assert_eq!(seen, [("local", at(0)), ("s01", at(50))]);
    assert_eq!((nodes[1].epoch, nodes[1].slots, nodes[1].version.as_str()), (books.s01, 4, "0.1.0"));
}

async fn settings_are_kept_and_first_values_set_once(books: Books) {
    assert_eq!(books.store.settings().await.unwrap(), Settings::default());
    let first = SettingsPatch { public_uploads: Some(true), ..SettingsPatch::default() };
    assert!(books.store.first_settings(first.clone(), at(1)).await.unwrap().public_uploads);
    let off = SettingsPatch { public_uploads: Some(false), reserve_bytes: Some(5), ..SettingsPatch::default() };
    books.store.update_settings(off, at(2)).await.unwrap();
    books.store.first_settings(first, at(3)).await.unwrap();
    let bad = SettingsPatch { move_slots_per_node: Some(0), trash_hours: Some(1), ..SettingsPatch::default() };
    assert_eq!(refusal(books.store.update_settings(bad, at(3)).await.unwrap_err()).0, RefusalKind::Invalid);
    let books = books.reopen().await;
    let want = Settings { reserve_bytes: Some(5), revision: 2, ..Settings::default() };
    assert_eq!(books.store.settings().await.unwrap(), want);
}

async fn news_are_written_with_what_they_tell(books: Books) {
    // What a move leaves in the outbox, after everything before it was forgotten.
    books.uploaded(1..2).await;
    let before = books.store.happenings_after(0, 1000).await.unwrap();
    let last = before.last().unwrap().number;
    books.moved(1..2, 1, 2).await;
    let news = books.store.happenings_after(last, 1000).await.unwrap();
    let topics: Vec<_> = news.iter().map(|news| (news.topic, news.subjects.len())).collect();
    let (job, image) = (Topic::Job, Topic::Image);
    assert_eq!(
        topics,
        [(job, 1), (job, 1), (image, 1), (job, 1), (job, 1), (job, 1)],
        "plan, lease, commit, end, and its parent's"
    );
    books.store.forget_happenings(news.last().unwrap().number).await.unwrap();
    assert_eq!(books.store.happenings_after(0, 10).await.unwrap(), vec![]);
}

async fn a_pool_is_deleted_when_nothing_is_in_it(books: Books) {
    // Refused while a job is open, while an image is in it, while its trash holds a copy, and the default one always:
    // each with counts, and nothing is changed. Then it goes, and its identity may be taken over.
    let delete = async |number| books.store.delete_pool(pool(number), at(9)).await;
    let refused = async |number: u64, want: &str| {
        let (kind, message) = refusal(delete(number).await.unwrap_err());
        assert!(kind == RefusalKind::Precondition && message.contains(want), "{want}: {message}");
    };
    books.uploaded(1..4).await;
    refused(1, "pool Default is the default pool").await;
    books.plan(1..4, 2).await;
    refused(2, "pool img1 holds 4 open jobs; let them end").await;
    let leased = books.lease(1, 2).await;
    refused(2, "pool img1 holds 3 files of images that are elsewhere (0 in the trash) and 4 open jobs").await;
    let committed = books.store.commit_moves(leased.jobs.iter().map(done).collect(), at(3)).await.unwrap();
    let words = committed.trash.iter().map(|order| result(order, TrashOutcome::Trashed)).collect();
    books.store.finish_trash(words, at(4)).await.unwrap();
    refused(2, "pool img1 holds 3 images (3 files); move or delete them first").await;
    books.moved(1..3, 2, 1).await;
    refused(2, "pool img1 holds 1 image (3 files, 2 in the trash); move or delete them first").await;
    books.moved(3..4, 2, 1).await;
    refused(2, "pool img1 holds 3 files in the trash; they go after trash_hours").await;
    assert_eq!(books.store.list_pools().await.unwrap().len(), 2);
    assert_eq!(refusal(delete(9).await.unwrap_err()), (RefusalKind::NotFound, "no pool 9 in this cluster".into()));

    let empty = books.store.create_pool(draft("img9", "s09"), SaveRule::Anyway, at(5)).await.unwrap().into_pool();
    assert_eq!(books.store.delete_pool(empty.id, at(9)).await.unwrap(), empty);
    assert_eq!(books.store.retired_identities().await.unwrap(), [empty.identity]);
    let again = books.store.create_pool(draft("img9", "s09"), SaveRule::Anyway, at(5)).await.unwrap().into_pool();
    assert!(again.id > empty.id && again.initialize, "an id is never used twice");
    books.assert_counted().await;
}

async fn an_automatic_pool_that_was_deleted_is_not_made_again(books: Books) {
    // s07 attaches and gets a pool; it is deleted by hand; s07 attaches again.
    let made = books.store.attach_node(hello("s07"), AutoPools::Make, at(1)).await.unwrap().auto_pool.unwrap();
    books.store.delete_pool(made.id, at(2)).await.unwrap();
    assert_eq!(books.store.attach_node(hello("s07"), AutoPools::Make, at(3)).await.unwrap().auto_pool, None);
}

async fn a_recount_says_how_far_the_books_were_off(books: Books) {
    // One pool, or all; what was right is the same before and after. An unknown one is refused.
    books.uploaded(1..4).await;
    books.moved(1..2, 1, 2).await;
    let all = books.store.recount_usage_of(None, at(9)).await.unwrap();
    let used: Vec<_> = all.iter().map(|(id, before, now)| (id.get(), before.used_bytes, now.used_bytes)).collect();
    assert_eq!(used, [(1, 2 * SIZE, 2 * SIZE), (2, SIZE, SIZE)]);
    let one = books.store.recount_usage_of(Some(pool(2)), at(9)).await.unwrap();
    assert_eq!(one, all[1..]);
    let refused = books.store.recount_usage_of(Some(pool(9)), at(9)).await.unwrap_err();
    assert_eq!(refusal(refused).0, RefusalKind::NotFound);
}

async fn counts_at_once_correct_the_books_once(books: Books) {
    // The counters are off by a known amount, then eight count at once while uploads go on: in the end they are right.
    books.uploaded(1..4).await;
    books.home.execute("UPDATE pools SET used_bytes = used_bytes + 1000, images = images - 1 WHERE id = 1").await;
    let counts = futures_util::future::join_all((0..8).map(|_| books.store.recount_usage(at(9))));
    let (counted, ()) = tokio::join!(counts, async {
        for number in 4..12 {
            books.uploaded(number..number + 1).await;
        }
    });
    let off = |pools: &Vec<(PoolId, PoolUsage, PoolUsage)>| pools.iter().any(|(_, before, now)| before != now);
    assert_eq!(counted.iter().filter(|counted| off(counted.as_ref().unwrap())).count(), 1, "{counted:?}");
    books.assert_counted().await;
}
