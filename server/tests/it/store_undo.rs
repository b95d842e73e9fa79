//! The store's suite: moves taken back, without a byte.

use pixelfox_proto::{Generation, JobId};
use pixelfox_server::catalog::{
    JobFilter, JobKind, JobState, LeasedJob, MoveBatch, Setback, SetbackKind, TrashOutcome, UndoAsk, WhichJobs,
};

use crate::store_books::{Books, SIZE, at, done, image, pool, result, suite};

suite! {
    a_move_is_taken_back_out_of_the_trash_and_that_again,
    what_can_not_be_taken_back_is_skipped_with_the_reason,
    an_old_copy_that_is_gone_ends_the_undo_without_a_copy,
    an_undo_is_asked_for_by_id_and_by_filter,
}

fn of(jobs: &[JobId]) -> UndoAsk {
    UndoAsk { which: WhichJobs::Ids(jobs.to_vec()), request_id: String::new() }
}

async fn undo(books: &Books, ask: UndoAsk) -> MoveBatch {
    books.store.plan_undo(ask, at(5)).await.unwrap()
}

/// Moves images to pool 2, to the very end; gives the parent.
async fn moved(books: &Books, numbers: std::ops::Range<u64>) -> JobId {
    let parent = books.plan(numbers, 2).await.job.unwrap();
    let jobs = books.lease(1, 2).await.jobs;
    end(books, &jobs).await;
    parent
}

async fn end(books: &Books, jobs: &[LeasedJob]) {
    let committed = books.store.commit_moves(jobs.iter().map(done).collect(), at(3)).await.unwrap();
    assert_eq!(committed.moved.len(), jobs.len());
    let words = committed.trash.iter().map(|order| result(order, TrashOutcome::Trashed)).collect();
    books.store.finish_trash(words, at(4)).await.unwrap();
}

async fn a_move_is_taken_back_out_of_the_trash_and_that_again(books: Books) {
    // There, back, and there again: each time out of the trash, by mark and size, with a rising generation.
    books.uploaded(1..4).await;
    let parent = moved(&books, 1..4).await;
    let back = undo(&books, of(&[parent])).await;
    assert_eq!((back.images, back.files, back.bytes, back.skipped_total), (3, 3, 3 * SIZE, 0));
    let jobs = books.lease(2, 1).await.jobs;
    assert!(jobs.iter().all(|job| job.undo && job.files[0].in_trash == Some(Generation(1))), "{jobs:?}");
    assert_eq!(books.pool(1).await.usage.reserved_bytes, 0, "nothing new comes");
    end(&books, &jobs).await;
    let job = books.store.get_job(back.job.unwrap()).await.unwrap();
    assert_eq!((job.kind, job.state, job.children_done), (JobKind::Undo, JobState::Completed, 3));
    assert_eq!((books.pool(1).await.usage.images, books.pool(2).await.usage.images), (3, 0));
    let forth = undo(&books, of(&[back.job.unwrap()])).await;
    assert_eq!(forth.images, 3);
    let jobs = books.lease(1, 2).await.jobs;
    assert_eq!(jobs[0].files[0].in_trash, Some(Generation(2)));
    end(&books, &jobs).await;
    assert_eq!(books.store.get_image(image(1)).await.unwrap().pool, pool(2));
    books.assert_counted().await;
}

async fn what_can_not_be_taken_back_is_skipped_with_the_reason(books: Books) {
    // 1 has moved on and back, 2 is being moved, 3 goes back; where nothing does the job is over at once.
    books.uploaded(1..4).await;
    let parent = moved(&books, 1..4).await;
    books.moved(1..2, 2, 1).await;
    books.moved(1..2, 1, 2).await;
    books.plan(2..3, 1).await;
    let back = undo(&books, of(&[parent])).await;
    assert_eq!((back.images, back.skipped_total), (1, 2));
    assert!(back.skipped[0].contains("has moved again since") && back.skipped[1].contains("is working on it"));
    let none = undo(&books, of(&[parent])).await;
    assert_eq!((none.images, none.skipped_total), (0, 3));
    assert_eq!(books.store.get_job(none.job.unwrap()).await.unwrap().state, JobState::Completed);
}

async fn an_old_copy_that_is_gone_ends_the_undo_without_a_copy(books: Books) {
    // The node has no such file in its trash: the job fails, the image stays where it is, whole.
    books.uploaded(1..2).await;
    let parent = moved(&books, 1..2).await;
    let back = undo(&books, of(&[parent])).await;
    let job = books.lease(2, 1).await.jobs.remove(0);
    let (kind, cause, sources) = (SetbackKind::Failed, "not there".into(), Vec::new());
    let setback = Setback { job: job.job, lease: job.lease, epoch: job.epoch, kind, cause, sources };
    books.store.set_back(vec![setback], at(6)).await.unwrap();
    let job = books.store.get_job(back.job.unwrap()).await.unwrap();
    assert_eq!((job.state, job.last_error.as_str()), (JobState::Failed, "1 of 1 failed"));
    assert_eq!(books.store.get_image(image(1)).await.unwrap().pool, pool(2));
    books.assert_counted().await;
}

async fn an_undo_is_asked_for_by_id_and_by_filter(books: Books) {
    // By a child's id, by a filter, twice with one request id, with an id that is unknown.
    books.uploaded(1..4).await;
    let parent = moved(&books, 1..4).await;
    let filter = JobFilter { parent: Some(parent), ..JobFilter::default() };
    let first = undo(&books, of(&[JobId::try_from(parent.get() + 1).unwrap()])).await;
    assert_eq!((first.images, first.skipped_total), (1, 0));
    let ask = UndoAsk { which: WhichJobs::Filter(filter), request_id: "back".into() };
    let rest = undo(&books, ask.clone()).await;
    assert_eq!((rest.images, rest.skipped_total), (2, 1));
    assert_eq!(undo(&books, ask).await, rest, "asked again nothing new happens");
    let unknown = books.store.plan_undo(of(&[JobId::try_from(999).unwrap()]), at(5)).await.unwrap_err();
    assert_eq!(unknown.to_string(), "ids: no job 999");
}
