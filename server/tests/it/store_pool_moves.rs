//! The store's suite: a whole pool moves, slice by slice.

use pixelfox_proto::JobId;
use pixelfox_server::catalog::{
    ChangeAsk, ChangeProgress, Job, JobChange, JobFilter, JobState, MoveBatch, PageAsk, PlanRule, PoolMoveAsk,
    PoolPatch, SaveRule, Setback, SetbackKind, SourceFault, TrashOutcome, WhichJobs,
};

use crate::store_books::{Books, SIZE, at, done, image, path, pool, result, suite};

suite! {
    a_pool_moves_slice_by_slice_through_a_crash_and_later_images_stay,
    a_parent_waits_for_its_last_slice,
    what_left_or_is_blocked_is_counted_out,
    a_plan_for_a_pool_says_what_stays_and_why,
    a_limit_takes_those_that_entered_first,
    what_stays_out_costs_no_slices_and_stays_out_when_it_is_well_again,
    a_pool_without_anything_to_move_makes_no_job,
    a_plan_for_a_pool_that_cannot_be,
    a_pool_move_with_failures_says_how_many,
    a_pool_move_that_was_cancelled_and_is_tried_again_makes_the_children_that_were_never_made,
}

fn all_of(source: u64, target: u64) -> PoolMoveAsk {
    let (source, target) = (pool(source), pool(target));
    PoolMoveAsk { source, target, limit: 0, rule: PlanRule::Start, request_id: String::new() }
}

async fn plan(books: &Books, ask: PoolMoveAsk) -> MoveBatch {
    books.store.plan_move_pool(ask, at(1)).await.unwrap()
}

/// Makes every slice that is due, and says how many children they have.
async fn slices(books: &Books) -> u64 {
    let mut made = 0;
    for parent in books.store.slices_due(at(2)).await.unwrap() {
        made += books.store.make_slice(parent, at(2)).await.unwrap().map_or(0, |slice| slice.made);
    }
    made
}

/// Leases, commits and ends everything that is due from pool 1 to pool 2; says how many images that were.
async fn moved(books: &Books) -> usize {
    let mut order = books.order(1, 2);
    order.jobs = 1000;
    let leased = books.store.lease_jobs(order, at(2)).await.unwrap().jobs;
    let committed = books.store.commit_moves(leased.iter().map(done).collect(), at(3)).await.unwrap();
    let words = committed.trash.iter().map(|order| result(order, TrashOutcome::Trashed)).collect();
    books.store.finish_trash(words, at(4)).await.unwrap();
    leased.len()
}

async fn job(books: &Books, batch: &MoveBatch) -> Job {
    books.store.get_job(batch.job.unwrap()).await.unwrap()
}

async fn children(books: &Books, parent: JobId) -> Vec<Job> {
    let filter = JobFilter { parent: Some(parent), ..JobFilter::default() };
    books.store.list_jobs(filter, PageAsk { size: 1000, token: String::new() }).await.unwrap().items
}

async fn a_pool_moves_slice_by_slice_through_a_crash_and_later_images_stay(books: Books) {
    // 620 images: a slice of 500, a crash, the other 120; three that were uploaded after the plan stay where they are.
    books.uploaded(1..621).await;
    let dry = plan(&books, PoolMoveAsk { rule: PlanRule::DryRun, ..all_of(1, 2) }).await;
    assert_eq!((dry.job, dry.images, dry.files, dry.bytes, dry.skipped_total), (None, 620, 620, 620 * SIZE, 0));
    let batch = plan(&books, all_of(1, 2)).await;
    assert_eq!((batch.images, batch.files, batch.bytes), (dry.images, dry.files, dry.bytes));
    let parent = job(&books, &batch).await;
    assert_eq!((parent.state, parent.children_total, parent.bytes_total), (JobState::Processing, 620, 620 * SIZE));
    assert_eq!(children(&books, parent.id).await.len(), 0, "none before they are needed");
    books.uploaded(621..624).await;
    assert_eq!(slices(&books).await, 500);
    assert_eq!(slices(&books).await, 0, "the queue is long enough");
    let books = books.reopen().await;
    assert_eq!(moved(&books).await, 500);
    assert_eq!(job(&books, &batch).await.state, JobState::Processing);
    assert_eq!(slices(&books).await, 120);
    assert_eq!(slices(&books).await, 0);
    assert_eq!(moved(&books).await, 120);
    let parent = job(&books, &batch).await;
    assert_eq!((parent.state, parent.children_done, parent.children_total), (JobState::Completed, 620, 620));
    assert_eq!((parent.bytes_done, parent.bytes_total, parent.left_behind), (620 * SIZE, 620 * SIZE, 0));
    let all = children(&books, parent.id).await;
    let images: std::collections::BTreeSet<_> = all.iter().map(|child| child.image).collect();
    assert_eq!((all.len(), images.len()), (620, 620), "each image once");
    assert_eq!((books.pool(1).await.usage.images, books.pool(2).await.usage.images), (3, 620));
    books.assert_counted().await;
}

async fn a_parent_waits_for_its_last_slice(books: Books) {
    // All children of the first slice have ended before the second is made: the parent goes on.
    books.uploaded(1..502).await;
    let batch = plan(&books, all_of(1, 2)).await;
    assert_eq!((slices(&books).await, moved(&books).await), (500, 500));
    let parent = job(&books, &batch).await;
    assert_eq!((parent.state, parent.children_done, parent.children_total), (JobState::Processing, 500, 501));
    // The last image leaves by another job: the last slice is empty, and ends the parent.
    books.moved(501..502, 1, 2).await;
    let slice = books.store.make_slice(parent.id, at(5)).await.unwrap().unwrap();
    assert_eq!((slice.made, slice.settled.len(), slice.settled[0].state), (0, 1, JobState::Completed));
    let parent = job(&books, &batch).await;
    assert_eq!((parent.children_total, parent.bytes_total, parent.left_behind), (500, 500 * SIZE, 1));
    assert_eq!(books.store.make_slice(parent.id, at(5)).await.unwrap(), None);
}

async fn what_left_or_is_blocked_is_counted_out(books: Books) {
    // At the plan another job has 1. Until the slice 2 has moved, 3 is being moved, and the job of 1 has failed: 4, 5 and
    // 6 go, 1 was never in it.
    books.uploaded(1..7).await;
    let other = books.plan(1..2, 2).await.job.unwrap();
    let batch = plan(&books, all_of(1, 2)).await;
    assert_eq!((batch.images, batch.bytes, batch.skipped_total), (5, 5 * SIZE, 1));
    let why = format!("image {}: job {} is working on it; wait for that or cancel it", image(1), other.get() + 1);
    assert_eq!(batch.skipped, [why]);
    let held = books.lease(1, 2).await.jobs.remove(0);
    let failed = Setback {
        job: held.job,
        lease: held.lease,
        epoch: held.epoch,
        kind: SetbackKind::Failed,
        cause: "a test".into(),
        sources: Vec::new(),
    };
    books.store.set_back(vec![failed], at(2)).await.unwrap();
    books.moved(2..3, 1, 2).await;
    books.plan(3..4, 2).await;
    assert_eq!(slices(&books).await, 3);
    let parent = job(&books, &batch).await;
    assert_eq!((parent.children_total, parent.bytes_total, parent.left_behind), (3, 3 * SIZE, 2));
    assert!(parent.note.starts_with(&format!("image {}: job", image(3))), "{}", parent.note);
    let mut images: Vec<_> = children(&books, parent.id).await.into_iter().filter_map(|child| child.image).collect();
    images.sort();
    assert_eq!(images, [image(4), image(5), image(6)]);
}

async fn a_plan_for_a_pool_says_what_stays_and_why(books: Books) {
    // A lost original, a suspect one and one that another job has: their files are not counted, the run leaves them.
    books.uploaded(1..6).await;
    books.plan(1..3, 2).await;
    for (job, (kind, fault)) in books
        .lease(1, 2)
        .await
        .jobs
        .iter()
        .zip([(SetbackKind::WithoutOriginal, SourceFault::Lost), (SetbackKind::Failed, SourceFault::Suspect)])
    {
        let sources = vec![(job.files[0].path.clone(), fault)];
        let (lease, epoch) = (job.lease, job.epoch);
        let setback = Setback { job: job.job, lease, epoch, kind, cause: "a test".into(), sources };
        books.store.set_back(vec![setback], at(2)).await.unwrap();
    }
    books.plan(3..4, 2).await;
    let batch = plan(&books, all_of(1, 2)).await;
    assert_eq!((batch.images, batch.files, batch.bytes, batch.skipped_total), (2, 2, 2 * SIZE, 3));
    for (why, want) in
        batch.skipped.iter().zip(["its original is lost", "does not match its checksum", "is working on"])
    {
        assert!(why.contains(want), "{why}");
    }
    assert_eq!(slices(&books).await, 2);
    assert!(books.store.locate(&path(2)).await.unwrap().is_some());
}

async fn a_limit_takes_those_that_entered_first(books: Books) {
    // Two of five, the first of which is busy: 2 and 3. More than there are: all. Skipped is what lies before the end.
    books.uploaded(1..6).await;
    books.plan(1..2, 2).await;
    let batch = plan(&books, PoolMoveAsk { limit: 2, ..all_of(1, 2) }).await;
    assert_eq!((batch.images, batch.files, batch.bytes, batch.skipped_total), (2, 2, 2 * SIZE, 1));
    let all = plan(&books, PoolMoveAsk { limit: 9, rule: PlanRule::DryRun, ..all_of(1, 2) }).await;
    assert_eq!(all.images, 4);
    assert_eq!(slices(&books).await, 2);
    let mut images: Vec<_> =
        children(&books, batch.job.unwrap()).await.into_iter().filter_map(|child| child.image).collect();
    images.sort();
    assert_eq!(images, [image(2), image(3)]);
}

async fn a_pool_without_anything_to_move_makes_no_job(books: Books) {
    // Empty, and with nothing but what another job has; asked for once more by the same request likewise.
    let batch = plan(&books, all_of(1, 2)).await;
    assert_eq!((batch.images, batch.skipped_total, batch.job), (0, 0, None));
    books.uploaded(1..2).await;
    books.plan(1..2, 2).await;
    let ask = PoolMoveAsk { request_id: "noon".into(), ..all_of(1, 2) };
    let batch = plan(&books, ask.clone()).await;
    assert_eq!((batch.images, batch.skipped_total, batch.job), (0, 1, None));
    assert_eq!(plan(&books, ask).await, batch);
    assert_eq!(slices(&books).await, 0);
}

async fn a_plan_for_a_pool_that_cannot_be(books: Books) {
    books.uploaded(1..3).await;
    let named = |ask: PoolMoveAsk| PoolMoveAsk { request_id: "evening".into(), ..ask };
    let first = plan(&books, named(all_of(1, 2))).await;
    assert_eq!(plan(&books, named(all_of(1, 2))).await, first, "asked again nothing new happens");
    let off = PoolPatch { is_active: Some(false), ..PoolPatch::default() };
    for (why, ask, want) in [
        ("unknown source", all_of(9, 2), "source_pool_id: no pool 9 in this cluster"),
        ("unknown target", all_of(1, 9), "target_pool_id: no pool 9 in this cluster"),
        ("its own target", all_of(1, 1), "target_pool_id: pool Default (1) is the source itself; choose another"),
        ("another request", named(all_of(2, 1)), "request_id: evening was used for another request"),
        ("inactive", all_of(1, 2), "target_pool_id: pool img1 (2) is not active; activate it or choose another"),
    ] {
        if why == "inactive" {
            books.store.update_pool(pool(2), off.clone(), 0, SaveRule::Checked, at(1)).await.unwrap();
        }
        let error = books.store.plan_move_pool(ask, at(1)).await.expect_err(why);
        assert_eq!(error.to_string(), want);
    }
}

async fn a_pool_move_with_failures_says_how_many(books: Books) {
    // One of three fails for good: the others move, the parent says so.
    books.uploaded(1..4).await;
    let batch = plan(&books, all_of(1, 2)).await;
    slices(&books).await;
    let mut jobs = books.lease(1, 2).await.jobs;
    let bad = jobs.remove(0);
    let (kind, cause, sources) = (SetbackKind::Failed, "a test".into(), Vec::new());
    let setback = Setback { job: bad.job, lease: bad.lease, epoch: bad.epoch, kind, cause, sources };
    books.store.set_back(vec![setback], at(2)).await.unwrap();
    let committed = books.store.commit_moves(jobs.iter().map(done).collect(), at(3)).await.unwrap();
    let words = committed.trash.iter().map(|order| result(order, TrashOutcome::Trashed)).collect();
    books.store.finish_trash(words, at(4)).await.unwrap();
    let parent = job(&books, &batch).await;
    assert_eq!((parent.state, parent.last_error.as_str()), (JobState::Failed, "1 of 3 failed"));
}

async fn changed(books: &Books, change: JobChange, parent: JobId) -> u64 {
    let ask = ChangeAsk { change, which: WhichJobs::Ids(vec![parent]), request_id: String::new() };
    let mut progress = ChangeProgress::default();
    while !progress.over {
        progress = books.store.change_jobs(ask.clone(), progress, at(5)).await.unwrap().progress;
    }
    progress.changed
}

async fn a_pool_move_that_was_cancelled_and_is_tried_again_makes_the_children_that_were_never_made(books: Books) {
    // 620 images and one that another job has: the plan leaves that one out. A slice is made, 400 have moved, then it is
    // called off: 100 children and the 120 that were never made are cancelled. Tried again, also after a restart, all of
    // these go, the one that was left out does not; and once more there is nothing left to try.
    books.uploaded(1..622).await;
    let other = books.plan(621..622, 2).await.job.unwrap();
    let batch = plan(&books, all_of(1, 2)).await;
    assert_eq!(slices(&books).await, 500);
    changed(&books, JobChange::Cancel, other).await;
    let mut order = books.order(1, 2);
    order.jobs = 400;
    let leased = books.store.lease_jobs(order, at(2)).await.unwrap().jobs;
    let committed = books.store.commit_moves(leased.iter().map(done).collect(), at(3)).await.unwrap();
    let words = committed.trash.iter().map(|order| result(order, TrashOutcome::Trashed)).collect();
    books.store.finish_trash(words, at(4)).await.unwrap();
    let parent = batch.job.unwrap();
    changed(&books, JobChange::Cancel, parent).await;
    let counts = |job: &Job| (job.state, job.children_done, job.children_cancelled, job.children_total);
    assert_eq!(counts(&job(&books, &batch).await), (JobState::Cancelled, 400, 220, 620));
    assert_eq!(slices(&books).await, 0);

    let books = books.reopen().await;
    assert_eq!(changed(&books, JobChange::Retry, parent).await, 1 + 100);
    assert_eq!(counts(&job(&books, &batch).await), (JobState::Processing, 400, 0, 620));
    assert_eq!((slices(&books).await, moved(&books).await), (120, 220));
    assert_eq!(counts(&job(&books, &batch).await), (JobState::Completed, 620, 0, 620));
    assert_eq!((books.pool(1).await.usage.images, books.pool(2).await.usage.images), (1, 620));
    assert_eq!(changed(&books, JobChange::Retry, parent).await, 0);
    books.assert_counted().await;
}

async fn what_stays_out_costs_no_slices_and_stays_out_when_it_is_well_again(books: Books) {
    // Of 2,000 images 1,985 are damaged, in one piece but for one, and well again right after the plan: three slices make
    // the children of the fifteen others.
    books.uploaded(1..2001).await;
    let damaged = "file_id BETWEEN 3 AND 1988 AND file_id <> 1200";
    books.home.execute(&format!("UPDATE replicas SET state = 'suspect' WHERE {damaged}")).await;
    let batch = plan(&books, all_of(1, 2)).await;
    assert_eq!((batch.images, batch.bytes, batch.skipped_total), (15, 15 * SIZE, 1985));
    books.home.execute(&format!("UPDATE replicas SET state = 'live' WHERE {damaged}")).await;
    let books = books.reopen().await;
    assert_eq!((slices(&books).await, slices(&books).await, slices(&books).await), (2, 1, 12));
    assert_eq!(slices(&books).await, 0);
    let parent = job(&books, &batch).await;
    assert_eq!((parent.children_total, parent.left_behind, parent.note.as_str()), (15, 0, ""));
    assert_eq!(moved(&books).await, 15);
    assert_eq!(job(&books, &batch).await.state, JobState::Completed);
    books.assert_counted().await;
}
