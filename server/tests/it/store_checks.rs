//! The store's suite: copies whose bytes are read and compared with the record.

use pixelfox_proto::Generation;
use pixelfox_server::catalog::{
    CheckAsk, CheckOrder, CheckOutcome, CheckResult, CheckView, Found, PurgeOrder, ReplicaState, TrashOutcome, UndoAsk,
    UnixMillis, WhichJobs,
};
use pixelfox_server::store::StoreError;

use crate::store_books::{Books, SIZE, at, digest, done, image, node, path, pool, result, suite};

suite! {
    what_came_out_of_the_trash_unread_is_read_before_its_old_copy_may_go,
    what_is_not_as_it_should_be_keeps_its_old_copy,
    a_person_is_served_before_the_chore,
    what_could_not_be_read_comes_again_later,
    a_word_on_another_copy_does_nothing,
    what_was_put_right_is_live_again,
    a_source_that_is_found_rotten_or_gone_during_its_move_leaves_nothing_behind,
    a_copy_that_its_image_has_left_goes,
    what_keeps_old_copies_in_a_trash_can_be_asked_for,
    lost_copies_of_images_that_are_elsewhere_keep_no_pool,
}

async fn next(books: &Books) -> Vec<CheckView> {
    books.store.next_checks(&[pool(1), pool(2)]).await.unwrap()
}

async fn due(books: &Books, number: u64, seconds: i64) -> Vec<CheckOrder> {
    books.store.checks_due(pool(number), 100, at(seconds)).await.unwrap()
}

fn word(order: &CheckOrder, outcome: CheckOutcome) -> CheckResult {
    CheckResult { pool: order.pool, path: order.path.clone(), generation: order.generation, outcome }
}

/// Notes this of all copies in the pool that are due; gives what they are now.
async fn found(books: &Books, number: u64, found: Found) -> Vec<Option<ReplicaState>> {
    let words = due(books, number, 100).await.iter().map(|order| word(order, CheckOutcome::Found(found))).collect();
    books.store.note_checks(words, at(100)).await.unwrap().iter().map(|copy| copy.is).collect()
}

async fn ask(books: &Books, ask: CheckAsk) -> Vec<(u64, u64)> {
    let asked = books.store.ask_checks(ask, at(50)).await.unwrap();
    asked.into_iter().map(|(pool, copies)| (pool.get(), copies)).collect()
}

/// Copies of pool 2's trash that a purge would take.
async fn purged(books: &Books) -> u64 {
    let order = PurgeOrder { pool: pool(2), until: at(1000), bytes: None, copies: 100 };
    books.store.begin_purges(order, vec![], at(1000)).await.unwrap().copies
}

/// Images that moved to pool 2 and were brought back out of the trash of pool 1 at second 30, unread.
async fn taken_back(books: &Books, numbers: std::ops::Range<u64>) {
    books.uploaded(numbers.clone()).await;
    let parent = books.plan(numbers, 2).await.job.unwrap();
    let jobs = books.lease(1, 2).await.jobs;
    end(books, &jobs, 3).await;
    let undo = UndoAsk { which: WhichJobs::Ids(vec![parent]), request_id: String::new() };
    books.store.plan_undo(undo, at(5)).await.unwrap();
    let jobs = books.lease(2, 1).await.jobs;
    end(books, &jobs, 30).await;
}

async fn end(books: &Books, jobs: &[pixelfox_server::catalog::LeasedJob], seconds: i64) {
    let committed = books.store.commit_moves(jobs.iter().map(done).collect(), at(seconds)).await.unwrap();
    let undone = jobs.iter().filter(|job| job.undo).count();
    assert_eq!((committed.moved.len(), committed.unread), (jobs.len(), undone as u64));
    let words = committed.trash.iter().map(|order| result(order, TrashOutcome::Trashed)).collect();
    books.store.finish_trash(words, at(seconds + 1)).await.unwrap();
}

async fn state_of(books: &Books, number: u64) -> ReplicaState {
    books.store.get_image(image(number)).await.unwrap().files[0].state
}

async fn what_came_out_of_the_trash_unread_is_read_before_its_old_copy_may_go(books: Books) {
    // Due from the commit on with what is on record, also after a restart; once read it is due no more.
    assert_eq!(next(&books).await, []);
    taken_back(&books, 1..3).await;
    let books = books.reopen().await;
    assert_eq!(next(&books).await, [CheckView { pool: pool(1), next: at(30) }]);
    let orders = due(&books, 1, 30).await;
    let order = CheckOrder {
        pool: pool(1),
        path: path(1),
        generation: Generation(3),
        size: SIZE,
        sha256: digest(1),
        failures: 0,
    };
    assert_eq!((orders.len(), &orders[0], due(&books, 1, 29).await.len()), (2, &order, 0));
    assert_eq!(purged(&books).await, 0);
    assert_eq!(found(&books, 1, Found::Right).await, [Some(ReplicaState::Live); 2]);
    assert_eq!((next(&books).await, purged(&books).await), (vec![], 2));
    books.assert_counted().await;
}

async fn what_is_not_as_it_should_be_keeps_its_old_copy(books: Books) {
    // Rotten: suspect. Not there: lost, and out of the counters. The copies in the trash stay, whatever is short.
    taken_back(&books, 1..3).await;
    let orders = due(&books, 1, 30).await;
    let words = vec![
        word(&orders[0], CheckOutcome::Found(Found::Wrong)),
        word(&orders[1], CheckOutcome::Found(Found::Missing)),
    ];
    books.store.note_checks(words, at(40)).await.unwrap();
    assert_eq!((state_of(&books, 1).await, state_of(&books, 2).await), (ReplicaState::Suspect, ReplicaState::Lost));
    assert_eq!((next(&books).await, purged(&books).await), (vec![], 0));
    assert_eq!(books.pool(1).await.usage.used_bytes, SIZE);
    books.assert_counted().await;
}

async fn a_person_is_served_before_the_chore(books: Books) {
    // Of three images the last is asked for: it is first. Unknown ones are named, and nothing is asked for then.
    taken_back(&books, 1..3).await;
    books.uploaded(3..4).await;
    let refused = books.store.ask_checks(CheckAsk::Images(vec![image(3), image(9)]), at(50)).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Refused(it) if it.to_string() == format!("uuids: no image {}", image(9))));
    assert_eq!(next(&books).await[0].next, at(30));
    assert_eq!(ask(&books, CheckAsk::Images(vec![image(3), image(3)])).await, [(1, 1)]);
    assert_eq!(next(&books).await[0].next, UnixMillis(0));
    let paths: Vec<_> = due(&books, 1, 60).await.into_iter().map(|order| order.path).collect();
    assert_eq!(paths, [path(3), path(1), path(2)]);
}

async fn what_could_not_be_read_comes_again_later(books: Books) {
    // Not at once, counted for the ladder, forgotten when a person asks again.
    taken_back(&books, 1..2).await;
    let order = due(&books, 1, 30).await.remove(0);
    books.store.note_checks(vec![word(&order, CheckOutcome::Again(at(45)))], at(40)).await.unwrap();
    assert_eq!((due(&books, 1, 44).await.len(), due(&books, 1, 45).await[0].failures), (0, 1));
    assert_eq!(purged(&books).await, 0);
    ask(&books, CheckAsk::Images(vec![image(1)])).await;
    assert_eq!(due(&books, 1, 41).await[0].failures, 0);
}

async fn a_word_on_another_copy_does_nothing(books: Books) {
    // Read while it moved away and back: the copy there now is another one. A copy in the trash is none to be read.
    taken_back(&books, 1..2).await;
    let late = due(&books, 1, 30).await.remove(0);
    books.moved(1..2, 1, 2).await;
    let missing = vec![word(&late, CheckOutcome::Found(Found::Missing))];
    assert_eq!(books.store.note_checks(missing.clone(), at(50)).await.unwrap(), []);
    books.moved(1..2, 2, 1).await;
    assert_eq!(books.store.note_checks(missing, at(51)).await.unwrap(), []);
    assert_eq!((state_of(&books, 1).await, next(&books).await), (ReplicaState::Live, vec![]));
    books.assert_counted().await;
}

async fn what_was_put_right_is_live_again(books: Books) {
    // Suspect and lost, then found as on record: live, counted, and free to move.
    books.uploaded(1..3).await;
    for (number, what) in [(1, Found::Wrong), (2, Found::Missing)] {
        ask(&books, CheckAsk::Images(vec![image(number)])).await;
        found(&books, 1, what).await;
    }
    assert_eq!((state_of(&books, 1).await, state_of(&books, 2).await), (ReplicaState::Suspect, ReplicaState::Lost));
    assert_eq!(books.plan(1..3, 2).await.skipped_total, 2);
    assert_eq!(ask(&books, CheckAsk::Doubted(pool(1))).await, [(1, 2)]);
    assert_eq!(found(&books, 1, Found::Right).await, [Some(ReplicaState::Live); 2]);
    books.assert_counted().await;
    books.moved(1..3, 1, 2).await;
    books.assert_counted().await;
}

async fn a_source_that_is_found_rotten_or_gone_during_its_move_leaves_nothing_behind(books: Books) {
    // The bytes at the target are right: with the commit the rotten copy is condemned and the lost one off the books.
    books.uploaded(1..3).await;
    ask(&books, CheckAsk::Images(vec![image(1), image(2)])).await;
    books.plan(1..3, 2).await;
    let jobs = books.lease(1, 2).await.jobs;
    let orders = due(&books, 1, 50).await;
    let words = vec![
        word(&orders[0], CheckOutcome::Found(Found::Wrong)),
        word(&orders[1], CheckOutcome::Found(Found::Missing)),
    ];
    books.store.note_checks(words, at(50)).await.unwrap();
    let committed = books.store.commit_moves(jobs.iter().map(done).collect(), at(51)).await.unwrap();
    assert_eq!((committed.moved.len(), committed.trash.len()), (2, 1));
    let words = committed.trash.iter().map(|order| result(order, TrashOutcome::Trashed)).collect();
    books.store.finish_trash(words, at(52)).await.unwrap();
    let usage = books.pool(1).await.usage;
    assert_eq!((usage.used_files, usage.trash_files), (0, 1));
    assert_eq!(ask(&books, CheckAsk::Doubted(pool(1))).await, []);
    books.assert_counted().await;
}

async fn a_copy_that_its_image_has_left_goes(books: Books) {
    // As an older version left it: suspect in pool 2, its image and a right copy in pool 1. Asked for by the pool, read,
    // put into the trash, purged; then nothing keeps the pool. What is not even there is forgotten at once.
    books.uploaded(1..3).await;
    books.moved(1..3, 1, 2).await;
    books.moved(1..3, 2, 1).await;
    books.home.execute("UPDATE replicas SET state = 'suspect' WHERE pool_id = 2").await;
    books.store.recount_usage(at(9)).await.unwrap();
    let refused = books.store.delete_pool(pool(2), at(9)).await.unwrap_err().to_string();
    let want = "pool img1 holds 2 files of images that are elsewhere (0 in the trash); have them read (VerifyImages";
    assert!(refused.starts_with(want), "{refused}");
    assert_eq!(ask(&books, CheckAsk::Doubted(pool(2))).await, [(2, 2)]);
    let orders = due(&books, 2, 50).await;
    let words = vec![
        word(&orders[0], CheckOutcome::Found(Found::Wrong)),
        word(&orders[1], CheckOutcome::Found(Found::Missing)),
    ];
    let checked = books.store.note_checks(words, at(50)).await.unwrap();
    let mut states: Vec<_> = checked.iter().map(|copy| copy.is.map(ReplicaState::as_str)).collect();
    states.sort_unstable();
    assert_eq!(states, [None, Some("condemned")]);
    let orders = books.store.delete_orders_due(node("s01"), books.s01, 100, at(51)).await.unwrap();
    let words = orders.iter().map(|order| result(order, TrashOutcome::Trashed)).collect();
    books.store.finish_trash(words, at(52)).await.unwrap();
    assert_eq!((orders.len(), purged(&books).await), (1, 1));
    let orders = books.store.purge_orders_due(node("s01"), books.s01, 100, at(1001)).await.unwrap();
    let words = orders.iter().map(|order| result(order, TrashOutcome::Purged)).collect();
    books.store.finish_trash(words, at(1002)).await.unwrap();
    books.assert_counted().await;
    books.store.delete_pool(pool(2), at(1003)).await.unwrap();
    assert_eq!(state_of(&books, 1).await, ReplicaState::Live);
}

async fn what_keeps_old_copies_in_a_trash_can_be_asked_for(books: Books) {
    // The live copy in pool 1 was never read: pool 2's trash can't be emptied, and the refusal says what does it.
    taken_back(&books, 1..2).await;
    let refused = books.store.delete_pool(pool(2), at(60)).await.unwrap_err().to_string();
    let want = "pool img1 holds 1 file in the trash; 1 of them stay until the live copy of the same file is known to be \
                right: have it read (VerifyImages";
    assert!(refused.starts_with(want), "{refused}");
    assert_eq!(ask(&books, CheckAsk::Doubted(pool(2))).await, [(1, 1)]);
    assert_eq!(ask(&books, CheckAsk::Doubted(pool(2))).await, [], "it waits already");
    assert_eq!(next(&books).await, [CheckView { pool: pool(1), next: UnixMillis(0) }]);
    found(&books, 1, Found::Right).await;
    let refused = books.store.delete_pool(pool(2), at(60)).await.unwrap_err().to_string();
    assert!(refused.contains("they go after trash_hours"), "{refused}");
    assert_eq!(purged(&books).await, 1);
}

async fn lost_copies_of_images_that_are_elsewhere_keep_no_pool(books: Books) {
    // As a variant is left behind that the source did not have: on record and on no disk. The pool goes, and it.
    books.uploaded(1..2).await;
    books.moved(1..2, 1, 2).await;
    books.moved(1..2, 2, 1).await;
    books.home.execute("UPDATE replicas SET state = 'lost' WHERE pool_id = 2").await;
    books.store.recount_usage(at(9)).await.unwrap();
    books.store.delete_pool(pool(2), at(9)).await.unwrap();
    assert_eq!(state_of(&books, 1).await, ReplicaState::Live);
    books.assert_counted().await;
}
