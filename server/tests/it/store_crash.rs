//! The store's suite: crashes between intents, callers that vanish, many at once, databases of others.

use std::{collections::BTreeSet, time::Duration};

use pixelfox_server::{
    catalog::{JobState, LostSession, TrashOutcome, UploadDecision},
    store::{Store, StoreError},
};
use tokio::{task::JoinSet, time::timeout};

use crate::store_books::{Books, at, done, image, node, pool, result, suite, upload};

suite! {
    a_move_goes_on_after_a_crash_at_any_step,
    a_caller_that_vanishes_takes_nothing_with_it,
    many_callers_at_once_are_one_after_the_other,
    one_bad_intent_in_a_batch_harms_no_other,
    two_leases_never_share_a_job,
    a_closed_store_answers_so,
    a_newer_database_is_refused_in_one_line,
}

async fn a_move_goes_on_after_a_crash_at_any_step(mut books: Books) {
    // After every transaction the store is dropped as it is and opened again, the sessions with it; each time the
    // image is on record in exactly one place, and the next call finds its way.
    for crash_after in 0..5 {
        let number = crash_after + 1;
        books.uploaded(number..number + 1).await;
        books = maybe(books, crash_after == 0).await;
        books.plan(number..number + 1, 2).await;
        books = maybe(books, crash_after == 1).await;
        books.lease(1, 2).await;
        books = maybe(books, crash_after == 2).await;
        books.store.return_lost(LostSession::Every, at(2)).await.unwrap();
        let job = books.lease(1, 2).await.jobs.remove(0);
        assert_eq!(books.store.get_image(image(number)).await.unwrap().pool, pool(1));
        let committed = books.store.commit_moves(vec![done(&job)], at(3)).await.unwrap();
        books = maybe(books, crash_after == 3).await;
        assert_eq!(books.store.get_image(image(number)).await.unwrap().pool, pool(2));
        let mut orders = books.store.delete_orders_due(node("local"), books.local, 10, at(4)).await.unwrap();
        if crash_after == 3 {
            assert_eq!(orders, committed.trash, "a new session finds what the old one was told");
        } else {
            assert_eq!(orders, vec![], "taken as sent with the commit");
            orders = committed.trash;
        }
        books.store.finish_trash(vec![result(&orders[0], TrashOutcome::Trashed)], at(4)).await.unwrap();
        books = maybe(books, crash_after == 4).await;
        assert_eq!(books.store.get_job(job.job).await.unwrap().state, JobState::Completed);
        assert_eq!(books.store.lanes(at(5)).await.unwrap(), vec![]);
        books.assert_counted().await;
    }
}

async fn maybe(books: Books, crash: bool) -> Books {
    if !crash {
        return books;
    }
    let mut books = books.reopen().await;
    books.store.return_lost(LostSession::Every, at(2)).await.unwrap();
    books.attach().await;
    books
}

async fn a_caller_that_vanishes_takes_nothing_with_it(books: Books) {
    // Callers are dropped at their first wait, or a little later: each upload is there whole or not at all, the
    // writer goes on, and no transaction stays open.
    for number in 1..60 {
        let give_up = Duration::from_micros(number * 40);
        let outcome = timeout(give_up, books.store.commit_upload(upload(number), at(0))).await;
        drop(outcome);
    }
    books.store.probe().await.unwrap();
    let images = books.store.image_totals().await.unwrap();
    assert_eq!((images.images, images.bytes), (images.files, images.files * crate::store_books::SIZE));
    books.assert_counted().await;
    books.uploaded(1..60).await;
    assert_eq!(books.store.image_totals().await.unwrap().images, 59);
}

async fn many_callers_at_once_are_one_after_the_other(books: Books) {
    // 200 uploads at once, every second one asked twice: as many images as ids, each answer the same.
    let mut callers = JoinSet::new();
    for number in (1..201).chain((1..201).step_by(2)) {
        let store = books.store.clone();
        callers.spawn(async move { (number, store.commit_upload(upload(number), at(0)).await.unwrap()) });
    }
    while let Some(answer) = callers.join_next().await {
        let (number, decision) = answer.unwrap();
        let UploadDecision::Keep(kept) = decision else { panic!("{decision:?}") };
        assert_eq!(kept.id, image(number));
    }
    assert_eq!(books.store.image_totals().await.unwrap().images, 200);
    books.assert_counted().await;
}

async fn one_bad_intent_in_a_batch_harms_no_other(books: Books) {
    // They wait together for the writer, so that they share a transaction.
    let mut callers = JoinSet::new();
    for number in 1..100 {
        let store = books.store.clone();
        let mut upload = upload(number);
        if number % 3 == 0 {
            upload.pool = pool(9);
        }
        callers.spawn(async move { (number, store.commit_upload(upload, at(0)).await) });
    }
    while let Some(answer) = callers.join_next().await {
        let (number, decision) = answer.unwrap();
        assert_eq!(decision.is_err(), number % 3 == 0, "{number}: {decision:?}");
    }
    assert_eq!(books.store.image_totals().await.unwrap().images, 66);
    books.assert_counted().await;
}

async fn two_leases_never_share_a_job(books: Books) {
    books.uploaded(1..101).await;
    books.plan(1..101, 2).await;
    let mut callers = JoinSet::new();
    for _ in 0..20 {
        let (store, mut order) = (books.store.clone(), books.order(1, 2));
        order.jobs = 9;
        callers.spawn(async move { store.lease_jobs(order, at(2)).await.unwrap().jobs });
    }
    let (mut jobs, mut leases) = (BTreeSet::new(), BTreeSet::new());
    while let Some(leased) = callers.join_next().await {
        for job in leased.unwrap() {
            assert!(jobs.insert(job.job) && leases.insert(job.lease), "job {} twice", job.job);
        }
    }
    assert_eq!(jobs.len(), 100);
    books.assert_counted().await;
}

async fn a_closed_store_answers_so(books: Books) {
    books.store.close().await;
    assert!(matches!(books.store.probe().await, Err(StoreError::Closed)));
    assert!(matches!(books.store.list_pools().await, Err(StoreError::Closed)));
    Store::open(&books.home.url()).await.unwrap().close().await;
}

#[tokio::test]
async fn a_second_process_is_kept_out_of_a_file() {
    // The lock is asked for as long as it may take an earlier holder to end, so the clock is not waited for here:
    // a store that is closed lets go at once.
    let books = Books::sqlite().await;
    let url = books.home.url();
    let second = timeout(Duration::from_millis(200), Store::open(&url)).await;
    assert!(second.is_err(), "it waits for the first one: {second:?}");
    books.store.close().await;
    Store::open(&url).await.unwrap().close().await;
}

async fn a_newer_database_is_refused_in_one_line(books: Books) {
    // A migration that this program does not know, as a later one would leave it.
    books.store.close().await;
    books
        .home
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
            VALUES (9999, 'later', true, '', 1)",
        )
        .await;
    let error = Store::open(&books.home.url()).await.unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 9999, .. }), "{error:?}");
    let line = error.to_string();
    assert!(line.contains("is of a newer program") && !line.contains('\n'), "{line}");
}
