//! The store's suite: the trash is emptied, and what keeps a copy in it.

use std::collections::BTreeMap;

use pixelfox_proto::{Generation, Lease};
use pixelfox_server::catalog::{
    JobState, LeaseOrder, PurgeOrder, Purging, ReplicaState, Setback, SetbackKind, SourceFault, TrashOrder,
    TrashOrigin, TrashOutcome, TrashTask,
};

use crate::store_books::{Books, SIZE, at, done, image, node, path, pool, result, suite};

suite! {
    the_trash_is_emptied_from_its_oldest_copy_on,
    as_much_goes_as_room_is_needed,
    what_is_to_be_purged_is_told_under_each_session_until_its_node_has_answered,
    late_words_purge_nothing,
    a_copy_stays_while_the_live_one_is_not_right,
    a_copy_stays_until_the_live_one_has_been_checked,
    a_copy_that_a_job_may_bring_back_stays,
    what_is_being_purged_is_no_place_to_move_to,
    what_was_to_be_purged_is_kept_where_the_live_copy_is_in_doubt_by_then,
    what_the_trash_does_not_have_takes_new_room,
    what_can_not_come_back_is_given_up_in_one_step_with_its_attempt,
    what_is_reserved_in_one_pool_is_not_free_for_another_on_its_disk,
    what_waits_for_room_is_what_its_target_does_not_have_in_its_trash,
}

fn aged(seconds: i64) -> PurgeOrder {
    PurgeOrder { pool: pool(1), until: at(seconds), bytes: None, copies: 100 }
}

fn some(copies: u64) -> Purging {
    Purging { copies, bytes: copies * SIZE }
}

/// Images 1..=3 in pool 2, their old copies in the trash of pool 1 since seconds 10, 20, 30.
async fn three_old_copies(books: &Books) {
    books.uploaded(1..4).await;
    for number in 1..4_u64 {
        books.plan(number..number + 1, 2).await;
        let leased = books.lease(1, 2).await;
        let committed = books.store.commit_moves(vec![done(&leased.jobs[0])], at(3)).await.unwrap();
        let words = committed.trash.iter().map(|order| result(order, TrashOutcome::Trashed)).collect();
        books.store.finish_trash(words, at(10 * number as i64)).await.unwrap();
    }
}

async fn due(books: &Books, seconds: i64) -> Vec<TrashOrder> {
    books.store.purge_orders_due(node("local"), books.local, 100, at(seconds)).await.unwrap()
}

async fn purged(books: &Books, orders: &[TrashOrder]) {
    let words = orders.iter().map(|order| result(order, TrashOutcome::Purged)).collect();
    books.store.finish_trash(words, at(100)).await.unwrap();
}

async fn in_trash(books: &Books) -> (u64, u64) {
    let usage = books.pool(1).await.usage;
    (usage.trash_bytes, usage.trash_files)
}

async fn the_trash_is_emptied_from_its_oldest_copy_on(books: Books) {
    // Noted first, then told to the node, off the books with its word; the room stays taken until then.
    three_old_copies(&books).await;
    let oldest = async || books.store.trash_views().await.unwrap()[0].oldest;
    assert_eq!(oldest().await, Some(at(10)));
    assert_eq!(books.store.begin_purges(aged(9), vec![], at(40)).await.unwrap(), some(0));
    let unread = books.store.begin_purges(aged(20), vec![pool(2)], at(40)).await.unwrap();
    assert_eq!(unread, some(0), "they may be the last ones while the live copies can't be read");
    assert_eq!(books.store.begin_purges(aged(20), vec![], at(40)).await.unwrap(), some(2));
    let view = books.store.trash_views().await.unwrap()[0];
    assert_eq!((view.pool, view.oldest, view.is_purging), (pool(1), Some(at(30)), true));
    let orders = due(&books, 40).await;
    let paths: Vec<_> = orders.iter().map(|order| (order.task, order.path.clone(), order.generation)).collect();
    let order = |number| (TrashTask::Purge, path(number), Generation(1));
    assert_eq!(paths, [order(1), order(2)]);
    assert_eq!(in_trash(&books).await, (3 * SIZE, 3));
    purged(&books, &orders).await;
    assert_eq!(in_trash(&books).await, (SIZE, 1));
    books.assert_counted().await;
}

async fn as_much_goes_as_room_is_needed(books: Books) {
    // One byte more than one copy needs two of them; never more than a turn's.
    three_old_copies(&books).await;
    let order = PurgeOrder { bytes: Some(SIZE + 1), ..aged(100) };
    assert_eq!(books.store.begin_purges(PurgeOrder { copies: 1, ..order }, vec![], at(40)).await.unwrap(), some(1));
    assert_eq!(books.store.begin_purges(order, vec![], at(40)).await.unwrap(), some(2));
    assert_eq!(due(&books, 40).await.len(), 3);
}

async fn what_is_to_be_purged_is_told_under_each_session_until_its_node_has_answered(mut books: Books) {
    // Sent once in a session; after a crash of either side it is due again, and a failure comes again after its time.
    three_old_copies(&books).await;
    books.store.begin_purges(aged(10), vec![], at(40)).await.unwrap();
    assert_eq!((due(&books, 40).await.len(), due(&books, 40).await.len()), (1, 0));
    books = books.reopen().await;
    assert_eq!(due(&books, 40).await.len(), 0, "the session goes on");
    books.attach().await;
    let orders = due(&books, 40).await;
    let again = result(&orders[0], TrashOutcome::Again(at(50)));
    books.store.finish_trash(vec![again], at(41)).await.unwrap();
    let next = books.store.next_trash_order(&node("local"), books.local).await.unwrap();
    assert_eq!((due(&books, 49).await.len(), next), (0, Some(at(50))));
    let orders = due(&books, 50).await;
    assert_eq!(orders[0].failures, 1);
    let missing = result(&orders[0], TrashOutcome::Missing);
    books.store.finish_trash(vec![missing], at(51)).await.unwrap();
    assert_eq!(in_trash(&books).await, (2 * SIZE, 2), "done by an earlier word that was lost");
    books.assert_counted().await;
}

async fn late_words_purge_nothing(books: Books) {
    // A word on the way into the trash is none on the way out of it, and the other way round.
    three_old_copies(&books).await;
    let trash = TrashOrder { task: TrashTask::Trash, ..order_of(1) };
    books.store.begin_purges(aged(10), vec![], at(40)).await.unwrap();
    books.store.finish_trash(vec![result(&trash, TrashOutcome::Missing)], at(41)).await.unwrap();
    let purge = |number| result(&order_of(number), TrashOutcome::Purged);
    books.store.finish_trash(vec![purge(2), purge(3)], at(41)).await.unwrap();
    assert_eq!(in_trash(&books).await, (3 * SIZE, 3));
    assert_eq!(due(&books, 41).await.len(), 1);
    books.store.finish_trash(vec![purge(1), purge(1)], at(42)).await.unwrap();
    books.store.finish_trash(vec![purge(1)], at(42)).await.unwrap();
    assert_eq!(in_trash(&books).await, (2 * SIZE, 2));
    books.assert_counted().await;
}

/// As the books tell it of an old copy in pool 1.
fn order_of(number: u64) -> TrashOrder {
    TrashOrder {
        task: TrashTask::Purge,
        job: None,
        node: node("local"),
        pool: pool(1),
        path: path(number),
        generation: Generation(1),
        size: SIZE,
        failures: 0,
        origin: pixelfox_server::catalog::TrashOrigin::Moved,
    }
}

async fn a_copy_stays_while_the_live_one_is_not_right(books: Books) {
    // The live copies turn out to be suspect and lost: their old ones are all that is left, however old and however
    // full the pool is. The third is right, and its old copy goes.
    three_old_copies(&books).await;
    books.plan(1..3, 1).await;
    let leased = books.lease(2, 1).await;
    let faults = [(0, SetbackKind::Failed, SourceFault::Suspect), (1, SetbackKind::WithoutOriginal, SourceFault::Lost)];
    for (which, kind, fault) in faults {
        let job = &leased.jobs[which];
        let sources = vec![(job.files[0].path.clone(), fault)];
        let cause = "the test says so".to_owned();
        let setback = Setback { job: job.job, lease: job.lease, epoch: job.epoch, kind, cause, sources };
        books.store.set_back(vec![setback], at(50)).await.unwrap();
    }
    // what the restores may have begun is given up: the copies were never touched
    let orders = books.store.delete_orders_due(node("local"), books.local, 100, at(51)).await.unwrap();
    let words = orders.iter().map(|order| result(order, TrashOutcome::Missing)).collect();
    books.store.finish_trash(words, at(52)).await.unwrap();
    assert_eq!(in_trash(&books).await, (3 * SIZE, 3));
    let everything = PurgeOrder { bytes: Some(u64::MAX), ..aged(1000) };
    assert_eq!(books.store.begin_purges(everything, vec![], at(1000)).await.unwrap(), some(1));
    assert_eq!(due(&books, 1000).await[0].path, path(3));
    let image = books.store.get_image(crate::store_books::image(1)).await.unwrap();
    assert_eq!(image.files[0].state, ReplicaState::Suspect);
}

async fn a_copy_stays_until_the_live_one_has_been_checked(books: Books) {
    // As after a move that was taken back without hashing: not known to be right, so the other copy is kept.
    three_old_copies(&books).await;
    books.home.execute("UPDATE replicas SET verified = 0 WHERE state = 'live'").await;
    assert_eq!(books.store.begin_purges(aged(1000), vec![], at(1000)).await.unwrap(), some(0));
    books.home.execute("UPDATE replicas SET verified = 1 WHERE state = 'live'").await;
    assert_eq!(books.store.begin_purges(aged(1000), vec![], at(1000)).await.unwrap(), some(3));
}

async fn a_copy_that_a_job_may_bring_back_stays(books: Books) {
    // A move back waits for its turn; its copy in the trash is worth more than the room.
    three_old_copies(&books).await;
    books.plan(2..3, 1).await;
    let everything = PurgeOrder { bytes: Some(u64::MAX), ..aged(1000) };
    assert_eq!(books.store.begin_purges(everything, vec![], at(1000)).await.unwrap(), some(2));
    let leased = books.lease(2, 1).await;
    assert_eq!(leased.jobs[0].files[0].in_trash, Some(Generation(1)));
    assert_eq!(
        books.store.begin_purges(everything, vec![], at(1000)).await.unwrap(),
        some(0),
        "nor while it comes back"
    );
    books.store.commit_moves(leased.jobs.iter().map(done).collect(), at(1001)).await.unwrap();
    books.assert_counted().await;
}

async fn what_is_being_purged_is_no_place_to_move_to(books: Books) {
    // The job waits until the copy is gone, then the file is copied: there is no way back from `purging`.
    three_old_copies(&books).await;
    books.store.begin_purges(aged(10), vec![], at(40)).await.unwrap();
    books.plan(1..2, 1).await;
    assert!(books.lease(2, 1).await.jobs.is_empty());
    purged(&books, &due(&books, 41).await).await;
    let order = books.order(2, 1);
    let leased = books.store.lease_jobs(order, at(60)).await.unwrap();
    assert_eq!(leased.jobs[0].files[0].in_trash, None);
    books.assert_counted().await;
}

async fn what_was_to_be_purged_is_kept_where_the_live_copy_is_in_doubt_by_then(books: Books) {
    // Noted while the node was away; until it is back the live copies of two of three turn out to be wrong, or gone.
    // These stay in the trash, also when their turn comes again; the third goes.
    three_old_copies(&books).await;
    books.store.begin_purges(aged(30), vec![], at(40)).await.unwrap();
    for (number, state) in [(1, "suspect"), (2, "lost")] {
        let live = "state = 'live' AND file_id = (SELECT f.id FROM files f JOIN images i ON i.id = f.image_id";
        let sql = format!("UPDATE replicas SET state = '{state}' WHERE {live} WHERE i.uuid = '{}')", image(number));
        books.home.execute(&sql).await;
    }
    let orders = due(&books, 50).await;
    assert_eq!(orders.iter().map(|order| order.path.clone()).collect::<Vec<_>>(), [path(3)]);
    assert_eq!(due(&books, 51).await, []);
    purged(&books, &orders).await;
    assert_eq!(books.store.begin_purges(aged(60), vec![], at(70)).await.unwrap(), some(0));
    assert_eq!(in_trash(&books).await, (2 * SIZE, 2));
}

async fn what_the_trash_does_not_have_takes_new_room(books: Books) {
    // A restore takes no new room; once the trash has been found without the file its bytes are reserved. A lease that
    // is over changes nothing.
    three_old_copies(&books).await;
    books.plan(1..2, 1).await;
    let leased = books.lease(2, 1).await;
    let job = &leased.jobs[0];
    let word = |lease| vec![(job.job, lease, job.epoch, job.files[0].path.clone())];
    assert_eq!(books.pool(1).await.usage.reserved_bytes, 0);
    let late = pixelfox_proto::Lease(job.lease.0 - 1);
    books.store.not_in_trash(word(late)).await.unwrap();
    assert_eq!(books.pool(1).await.usage.reserved_bytes, 0);
    for _ in 0..2 {
        books.store.not_in_trash(word(job.lease)).await.unwrap();
        let usage = books.pool(1).await.usage;
        assert_eq!((usage.reserved_bytes, usage.trash_bytes), (SIZE, 2 * SIZE));
    }
    books.assert_counted().await;
    books.store.commit_moves(vec![done(job)], at(50)).await.unwrap();
    books.assert_counted().await;
}

async fn what_can_not_come_back_is_given_up_in_one_step_with_its_attempt(books: Books) {
    // Only for the lease that holds the job, and only where the source's copy is known to be right: `purging`, under the
    // generation that it lies there with, and the job waits, not counted. When the copy is gone the job goes at once.
    three_old_copies(&books).await;
    books.plan(1..2, 1).await;
    let job = books.lease(2, 1).await.jobs.remove(0);
    let file = &job.files[0];
    let give_up = async |lease: Lease, when| {
        let word = (job.job, lease, job.epoch, file.path.clone());
        books
            .store
            .give_up_trashed(vec![word], at(when))
            .await
            .unwrap()
            .into_iter()
            .map(|it| it.job)
            .collect::<Vec<_>>()
    };
    assert_eq!(give_up(Lease(job.lease.0 - 1), 40).await, []);
    books.home.execute("UPDATE replicas SET verified = -verified WHERE state = 'live'").await;
    assert_eq!(give_up(job.lease, 41).await, [], "it may be the only right one");
    books.home.execute("UPDATE replicas SET verified = -verified WHERE state = 'live'").await;
    assert_eq!(give_up(job.lease, 42).await, [job.job]);
    assert_eq!(give_up(job.lease, 43).await, []);
    let waiting = books.store.get_job(job.job).await.unwrap();
    assert_eq!((waiting.state, waiting.failures), (JobState::Pending, 0));
    assert_eq!(books.store.commit_moves(vec![done(&job)], at(44)).await.unwrap().stale, [job.job]);
    assert_eq!(books.lease(2, 1).await.jobs, [], "not while the copy is there");
    books.assert_counted().await;
    let order = due(&books, 45).await.remove(0);
    assert_eq!((Some(order.generation), order.origin), (file.in_trash, TrashOrigin::GivenUp(job.lease)));
    purged(&books, &[order]).await;
    let again = books.lease(2, 1).await.jobs.remove(0);
    assert_eq!((again.job, again.attempt, again.files[0].in_trash), (job.job, 2, None));
    assert!(again.files[0].generation > file.generation);
    books.assert_counted().await;
}

async fn what_is_reserved_in_one_pool_is_not_free_for_another_on_its_disk(books: Books) {
    // The disk of both pools has room for one image, and one is on its way into pool 2: pool 1 gets none until that is
    // over. On a disk of its own it would.
    three_old_copies(&books).await;
    books.store.begin_purges(aged(10), vec![], at(40)).await.unwrap();
    purged(&books, &due(&books, 40).await).await;
    books.uploaded(4..5).await;
    books.plan(4..5, 2).await;
    assert_eq!(books.lease(1, 2).await.jobs.len(), 1);
    books.plan(1..2, 1).await;
    let alone = LeaseOrder { disk_free_bytes: SIZE, ..books.order(2, 1) };
    let shared = LeaseOrder { disk_shared_with: vec![pool(2)], ..alone.clone() };
    let leased = books.store.lease_jobs(shared, at(50)).await.unwrap();
    assert_eq!((leased.jobs.len(), leased.full), (0, true));
    assert_eq!(books.store.lease_jobs(alone, at(51)).await.unwrap().jobs.len(), 1);
}

async fn what_waits_for_room_is_what_its_target_does_not_have_in_its_trash(books: Books) {
    // Two moves to pool 1: one is in its trash already, the other one needs room; and so does what comes to pool 2.
    three_old_copies(&books).await;
    books.store.begin_purges(aged(10), vec![], at(40)).await.unwrap();
    purged(&books, &due(&books, 40).await).await;
    books.plan(1..3, 1).await;
    books.uploaded(4..6).await;
    books.plan(4..6, 2).await;
    let lanes = books.store.lanes(at(50)).await.unwrap();
    let waiting = books.store.waiting_bytes(&lanes, 32, at(50)).await.unwrap();
    assert_eq!(waiting, BTreeMap::from([(pool(1), SIZE), (pool(2), 2 * SIZE)]));
    let one_each = books.store.waiting_bytes(&lanes, 1, at(50)).await.unwrap();
    assert_eq!(one_each[&pool(2)], SIZE);
}
