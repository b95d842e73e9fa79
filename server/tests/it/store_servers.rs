//! Two processes on one PostgreSQL: whose a session is, what becomes of a silent one's, who hears of what.

use std::time::Duration;

use pixelfox_server::{
    catalog::{Hello, JobFilter, LeaseOrder, Leased, LostSession, PageAsk, Reach, TrashOrder, TrashOutcome, TrashTask},
    store::{AutoPools, Rumour, Store, StoreError},
};
use tokio::time::timeout;

use crate::store_books::{Books, SIZE, at, done, hello, image, node, pool, result, suite, upload};

suite! {
    what_an_earlier_process_had_is_pending_again_where_there_is_only_one,
    a_job_that_no_server_can_carry_out_alone_gives_up_what_the_trash_has_and_is_pushed,
    what_a_newer_server_adds_to_the_tables_is_no_matter_to_this_one,
    what_an_attempt_left_of_a_job_that_no_server_can_carry_out_alone_goes_first,
}

async fn what_an_earlier_process_had_is_pending_again_where_there_is_only_one(mut books: Books) {
    // Nodes attach, a job is leased, the process ends without a word; the next one starts. With a file it is the only one
    // there is; with a server the earlier one is told from a dead one by its silence alone, or by the node's return.
    books.store.enter(node("a"), at(0)).await.unwrap();
    books.attach().await;
    books.uploaded(1..2).await;
    books.plan(1..2, 2).await;
    assert_eq!(books.lease(1, 2).await.jobs.len(), 1);
    let mut books = books.reopen().await;
    let returned = books.store.enter(node("a"), at(1)).await.unwrap();
    assert_eq!(returned.len(), usize::from(!books.store.is_shared()));
    books.attach().await;
    assert_eq!(books.lease(1, 2).await.jobs.len(), 1);
    books.store.leave().await.unwrap();
}

/// Image 1 was in pool 2 before and lies in the trash there; it has a variant since, which was never there. Planned to
/// pool 2: one file comes from the trash, one is pushed.
async fn half_in_the_trash(books: &Books) {
    books.uploaded(1..3).await;
    books.moved(1..2, 1, 2).await;
    books.moved(1..2, 2, 1).await;
    let variant =
        "INSERT INTO files (image_id, stored_path, kind, content_type, width, height, size, sha256, generation)
        SELECT i.id, 'variants/2026/11/24/small.webp', 'thumb', 'image/webp', 4, 3, 1000, other.sha256, 1
        FROM images i CROSS JOIN images other WHERE i.id = 1 AND other.id = 2";
    books.home.execute(variant).await;
    let copy = "INSERT INTO replicas (file_id, pool_id, generation, state, since, verified)
        SELECT id, 1, 1, 'live', 1, 1 FROM files WHERE kind = 'thumb'";
    books.home.execute(copy).await;
    books
        .home
        .execute("UPDATE pools SET used_bytes = used_bytes + 1000, used_files = used_files + 1 WHERE id = 1")
        .await;
    books.assert_counted().await;
    books.plan(1..2, 2).await;
}

async fn lease_by(books: &Books, reach: Reach, seconds: i64) -> Leased {
    books.store.lease_jobs(LeaseOrder { reach, ..books.order(1, 2) }, at(seconds)).await.unwrap()
}

/// What the server of pool 2's node has to tell it, and the node's word on it.
async fn carry_out(books: &Books, task: TrashTask, word: impl Fn(&TrashOrder) -> TrashOutcome, seconds: i64) -> usize {
    let (s01, now) = (node("s01"), at(seconds));
    let due = match task {
        TrashTask::Trash => books.store.delete_orders_due(s01, books.s01, 10, now).await.unwrap(),
        TrashTask::Purge => books.store.purge_orders_due(s01, books.s01, 10, now).await.unwrap(),
    };
    let words = due.iter().map(|order| result(order, word(order))).collect();
    assert_eq!(books.store.finish_trash(words, now).await.unwrap(), [], "no job ends by it");
    due.len()
}

async fn a_job_that_no_server_can_carry_out_alone_gives_up_what_the_trash_has_and_is_pushed(books: Books) {
    // The server of the source leaves it alone. That of the target purges what the trash has, but not while the copy at the
    // source is unchecked; then the job is the other one's, all of it a push, and it ends.
    half_in_the_trash(&books).await;
    assert_eq!(lease_by(&books, Reach::Source, 10).await, Leased::default(), "not the source's");
    books.home.execute("UPDATE replicas SET verified = 0 WHERE state = 'live'").await;
    assert_eq!(lease_by(&books, Reach::Target, 10).await, Leased::default(), "it may be the only right copy");
    assert_eq!(carry_out(&books, TrashTask::Purge, |_| TrashOutcome::Purged, 10).await, 0);
    books.home.execute("UPDATE replicas SET verified = 1 WHERE state = 'live'").await;
    assert_eq!(lease_by(&books, Reach::Target, 30).await, Leased::default(), "not looked at all the time");

    let leased = lease_by(&books, Reach::Target, 80).await;
    assert!(leased.jobs.is_empty() && leased.makes_way, "{leased:?}");
    books.assert_counted().await;
    assert_eq!(lease_by(&books, Reach::Source, 90).await, Leased::default(), "the old copy is still there");
    assert_eq!(carry_out(&books, TrashTask::Purge, |_| TrashOutcome::Purged, 91).await, 1);
    assert_eq!(lease_by(&books, Reach::Target, 100).await, Leased::default(), "now it is the other one's");
    let job = lease_by(&books, Reach::Source, 100).await.jobs.remove(0);
    assert_eq!((job.files.len(), job.files.iter().filter_map(|file| file.in_trash).count()), (2, 0));
    let committed = books.store.commit_moves(vec![done(&job)], at(101)).await.unwrap();
    assert_eq!((committed.moved.len(), committed.moved[0].bytes), (1, 2 * SIZE));
    books.assert_counted().await;
}

async fn what_an_attempt_left_of_a_job_that_no_server_can_carry_out_alone_goes_first(books: Books) {
    // While one server had both nodes the job was leased; then the source's node went to another one. What the attempt had
    // begun is given up: the restore had not, the push had. After that it is as if there had been no attempt.
    half_in_the_trash(&books).await;
    let job = lease_by(&books, Reach::Both, 10).await.jobs.remove(0);
    let lost = LostSession::Of { node: node("local"), epoch: books.local };
    assert_eq!(books.store.return_lost(lost, at(11)).await.unwrap().len(), 1);
    assert_eq!(lease_by(&books, Reach::Source, 12).await, Leased::default());
    assert!(lease_by(&books, Reach::Target, 12).await.makes_way);
    books.assert_counted().await;
    let had = |order: &TrashOrder| match job.files.iter().find(|file| file.path == order.path).unwrap().in_trash {
        Some(_) => TrashOutcome::Missing,
        None => TrashOutcome::Trashed,
    };
    assert_eq!(carry_out(&books, TrashTask::Trash, had, 13).await, 2);
    books.assert_counted().await;
    // both lie in the trash now: the target's server needs nobody
    let job = lease_by(&books, Reach::Target, 20).await.jobs.remove(0);
    assert_eq!(job.files.iter().filter_map(|file| file.in_trash).count(), 2);
    assert_eq!(books.store.commit_moves(vec![done(&job)], at(21)).await.unwrap().moved.len(), 1);
    books.assert_counted().await;
}

async fn what_a_newer_server_adds_to_the_tables_is_no_matter_to_this_one(books: Books) {
    // Everything that is read whole is read, then a newer program adds a column to each table: the statements that were
    // prepared before give the same again.
    books.uploaded(1..2).await;
    let job = books.plan(1..2, 2).await.job.unwrap();
    let read = async || {
        let store = &books.store;
        let jobs =
            store.list_jobs(JobFilter::default(), PageAsk { size: 10, token: String::new() }).await.unwrap().items;
        let some = (store.get_job(job).await.unwrap(), store.get_jobs(&[job]).await.unwrap());
        let pools = (store.list_pools().await.unwrap(), books.pool(2).await, store.settings().await.unwrap());
        (jobs, some, pools, store.list_nodes().await.unwrap(), store.get_image(image(1)).await.unwrap())
    };
    let before = read().await;
    for table in [
        "ALTER TABLE jobs ADD COLUMN later BIGINT",
        "ALTER TABLE pools ADD COLUMN later BIGINT",
        "ALTER TABLE nodes ADD COLUMN later BIGINT",
        "ALTER TABLE settings ADD COLUMN later BIGINT",
        "ALTER TABLE images ADD COLUMN later BIGINT",
        "ALTER TABLE files ADD COLUMN later BIGINT",
        "ALTER TABLE replicas ADD COLUMN later BIGINT",
    ] {
        books.home.execute(table).await;
    }
    assert_eq!(read().await, before);
    assert_eq!(books.lease(1, 2).await.jobs.len(), 1);
}

/// The books, and another process on the same database. `s01` is the first one's, `local` the other's.
async fn two() -> (Books, Store) {
    shared(Books::postgres().await).await
}

pub(crate) async fn shared(mut books: Books) -> (Books, Store) {
    let other = Store::open(&books.home.url()).await.unwrap();
    assert_eq!(books.store.enter(node("a"), at(0)).await.unwrap(), []);
    assert_eq!(other.enter(node("b"), at(0)).await.unwrap(), []);
    books.s01 = books.store.attach_node(hello("s01"), AutoPools::ByHand, at(0)).await.unwrap().epoch;
    books.local = other.attach_node(hello("local"), AutoPools::ByHand, at(0)).await.unwrap().epoch;
    (books, other)
}

#[tokio::test]
async fn a_silent_servers_sessions_are_over_and_its_jobs_pending() {
    let (books, other) = two().await;
    let other_s01 = Hello { instance: "another".into(), ..hello("s01") };
    let refused = other.attach_node(other_s01.clone(), AutoPools::ByHand, at(1)).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Refused(_)) && refused.to_string().contains("another server"), "{refused}");

    books.uploaded(1..2).await;
    books.plan(1..2, 2).await;
    let job = other.lease_jobs(books.order(1, 2), at(2)).await.unwrap().jobs.remove(0);
    let pulse = other.live_on(at(3)).await.unwrap();
    assert_eq!((pulse.here, pulse.returned), (vec![(node("local"), books.local)], vec![]));
    assert_eq!(pulse.elsewhere.iter().map(|it| (it.node.as_str(), it.epoch)).collect::<Vec<_>>(), [("s01", books.s01)]);

    // the first one says nothing for 30 s of the database's clock, in which the other one could
    books.home.execute("UPDATE servers SET since = since - 31000").await;
    books.home.execute("UPDATE servers SET seen = seen - 31000 WHERE life = (SELECT MIN(life) FROM servers)").await;
    let pulse = other.live_on(at(4)).await.unwrap();
    assert_eq!(pulse.returned.iter().map(|it| it.job).collect::<Vec<_>>(), [job.job], "its node was the target");
    assert_eq!(pulse.elsewhere, []);
    assert_eq!(books.store.live_on(at(5)).await.unwrap().here, [], "it is told that its sessions are over");
    let late = other.commit_moves(vec![done(&job)], at(6)).await.unwrap();
    assert_eq!((late.moved.len(), late.stale), (0, vec![job.job]));
    other.attach_node(other_s01, AutoPools::ByHand, at(7)).await.unwrap();
}

#[tokio::test]
async fn a_node_goes_from_server_to_server_and_a_copy_of_its_disk_does_not() {
    // The same process: the later session counts, and the first server learns that its own is over. A second process with
    // the same instance id is refused as long as the server that has the first one speaks.
    let (books, other) = two().await;
    let newer = other.attach_node(hello("s01"), AutoPools::ByHand, at(1)).await.unwrap();
    assert!(newer.epoch > books.s01);
    let pulse = books.store.live_on(at(2)).await.unwrap();
    assert_eq!(pulse.here, [], "its session is over");
    let seats: Vec<_> = pulse.elsewhere.iter().map(|it| (it.node.as_str(), it.server.as_str(), it.epoch)).collect();
    assert_eq!(seats, [("local", "b", books.local), ("s01", "b", newer.epoch)]);

    let copy = Hello { process: "2".into(), ..hello("s01") };
    let refused = books.store.attach_node(copy.clone(), AutoPools::ByHand, at(3)).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Refused(_)) && refused.to_string().contains("STATE_DIR"), "{refused}");
    books.home.execute("UPDATE servers SET seen = seen - 11000").await;
    books.store.attach_node(copy, AutoPools::ByHand, at(4)).await.unwrap();
}

#[tokio::test]
async fn a_server_that_was_killed_and_is_back_at_once_has_its_nodes_at_once() {
    // Nothing was said at its end, and its row looks alive. Its own node and another one that was started again with it
    // are new processes: let in, and their jobs are pending. The other server's nodes still are that one's.
    let (books, other) = two().await;
    books.store.attach_node(hello("a"), AutoPools::ByHand, at(1)).await.unwrap();
    books.uploaded(1..2).await;
    books.plan(1..2, 2).await;
    let job = other.lease_jobs(books.order(1, 2), at(2)).await.unwrap().jobs.remove(0);
    let back = Store::open(&books.home.url()).await.unwrap();
    back.enter(node("a"), at(3)).await.unwrap();
    let anew = |name| Hello { process: "2".into(), ..hello(name) };
    back.attach_node(anew("a"), AutoPools::ByHand, at(4)).await.unwrap();
    let attached = back.attach_node(anew("s01"), AutoPools::ByHand, at(4)).await.unwrap();
    assert_eq!(attached.returned.iter().map(|it| it.job).collect::<Vec<_>>(), [job.job]);
    let refused = back.attach_node(anew("local"), AutoPools::ByHand, at(5)).await.unwrap_err();
    assert!(refused.to_string().contains("another server"), "{refused}");
    let stranger = Hello { instance: "another".into(), ..anew("s01") };
    assert!(other.attach_node(stranger, AutoPools::ByHand, at(6)).await.is_err());
}

#[tokio::test]
async fn after_an_outage_live_servers_leave_each_other_alone() {
    // Both have been there for long, then the database is away, or a transaction holds them up, for 40 s of its clock:
    // whoever speaks first again takes nobody out, and the jobs of both go on.
    let (books, other) = two().await;
    books.uploaded(1..2).await;
    books.plan(1..2, 2).await;
    let job = other.lease_jobs(books.order(1, 2), at(2)).await.unwrap().jobs.remove(0);
    books.home.execute("UPDATE servers SET since = since - 600000, seen = seen - 40000").await;
    let pulse = other.live_on(at(3)).await.unwrap();
    assert_eq!((pulse.here.len(), pulse.elsewhere.len(), pulse.returned), (1, 1, vec![]));
    let pulse = books.store.live_on(at(4)).await.unwrap();
    assert_eq!((pulse.here, pulse.returned), (vec![(node("s01"), books.s01)], vec![]));
    let committed = other.commit_moves(vec![done(&job)], at(5)).await.unwrap();
    assert_eq!((committed.moved.len(), committed.stale), (1, vec![]));
}

#[tokio::test]
async fn what_comes_from_a_trash_is_leased_by_the_server_that_reaches_it() {
    // Image 1 was in pool 2 before, image 2 never: the lane back to it is split between the servers.
    let books = Books::postgres().await;
    books.uploaded(1..3).await;
    books.moved(1..2, 1, 2).await;
    books.moved(1..2, 2, 1).await;
    let (books, other) = shared(books).await;
    books.plan(1..3, 2).await;
    let mut order = books.order(1, 2);
    for (reach, image) in [(Reach::Source, 2), (Reach::Target, 1)] {
        order.reach = reach;
        let leased = books.store.lease_jobs(order.clone(), at(5)).await.unwrap().jobs;
        assert_eq!(leased.iter().map(|job| job.image).collect::<Vec<_>>(), [crate::store_books::image(image)]);
        if reach == Reach::Target {
            // the commit is this server's, the old copy another one's to see to
            let committed = books.store.commit_moves(vec![done(&leased[0])], at(6)).await.unwrap();
            assert_eq!((committed.moved.len(), committed.trash.len()), (1, 0));
        }
    }
    let due = other.delete_orders_due(node("local"), books.local, 10, at(7)).await.unwrap();
    assert_eq!(due.iter().map(|order| order.pool).collect::<Vec<_>>(), [pool(1)]);
    books.assert_counted().await;
}

#[tokio::test]
async fn each_hears_what_the_other_did_and_not_itself() {
    let (books, other) = two().await;
    let mut line = other.listen().await.unwrap().unwrap();
    let (read, _) = other.news_of_others(0, 1000).await.unwrap();
    other.commit_upload(upload(1), at(1)).await.unwrap();
    assert!(timeout(Duration::from_millis(300), line.next()).await.is_err(), "its own news");
    books.store.commit_upload(upload(2), at(1)).await.unwrap();
    let heard = timeout(Duration::from_secs(10), line.next()).await.expect("heard").unwrap();
    assert_eq!(heard, Rumour::News);
    let (last, news) = other.news_of_others(read, 1000).await.unwrap();
    assert_eq!((last - read, news.len()), (2, 1), "two in all, one of them the other's");
}
