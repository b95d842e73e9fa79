//! The store's suite: jobs paused, resumed, cancelled and tried again; the queue held up.

use pixelfox_proto::JobId;
use pixelfox_server::catalog::{
    ChangeAsk, ChangeProgress, Changed, Job, JobChange, JobFilter, JobState, LeasedJob, PageAsk, Setback, SetbackKind,
    TrashOrigin, TrashOutcome, WhichJobs,
};
use pixelfox_server::store::StoreError;

use crate::store_books::{Books, SIZE, ask, at, done, image, node, pool, result, suite};

suite! {
    a_paused_job_keeps_its_copy_and_hears_no_receipt,
    a_cancelled_job_frees_its_image_and_gives_its_copy_up,
    a_cancel_and_a_receipt_leave_the_image_whole_in_one_place_whoever_comes_first,
    children_follow_their_parent,
    what_is_committed_goes_on_and_ends_its_parent_cancelled,
    a_failed_job_begins_anew_and_opens_its_parent,
    an_image_that_has_gone_its_way_is_not_moved_again,
    a_child_that_is_tried_again_under_a_paused_parent_waits_for_it,
    unknown_ids_change_nothing,
    the_same_request_again_answers_the_same,
    a_long_change_goes_on_where_it_stopped,
    a_parent_with_many_open_children_changes_in_steps_and_one_that_stops_half_way_ends_all_the_same,
    a_paused_queue_hands_out_nothing_also_after_a_restart,
}

/// To the end of it.
async fn change(books: &Books, change: JobChange, which: WhichJobs, request_id: &str) -> Result<u64, StoreError> {
    let ask = ChangeAsk { change, which, request_id: request_id.into() };
    let mut progress = ChangeProgress::default();
    while !progress.over {
        progress = books.store.change_jobs(ask.clone(), progress, at(5)).await?.progress;
    }
    Ok(progress.changed)
}

async fn changed(books: &Books, what: JobChange, jobs: &[JobId]) -> u64 {
    change(books, what, WhichJobs::Ids(jobs.to_vec()), "").await.unwrap()
}

async fn job(books: &Books, id: JobId) -> Job {
    books.store.get_job(id).await.unwrap()
}

/// Image 1 on its way from pool 1 to pool 2.
async fn on_its_way(books: &Books) -> LeasedJob {
    books.uploaded(1..2).await;
    books.plan(1..2, 2).await;
    books.lease(1, 2).await.jobs.remove(0)
}

async fn receipt(books: &Books, of: &LeasedJob) -> usize {
    books.store.commit_moves(vec![done(of)], at(6)).await.unwrap().moved.len()
}

async fn a_paused_job_keeps_its_copy_and_hears_no_receipt(books: Books) {
    // In the middle of its attempt: what is at the target stays reserved, a receipt is late, nothing leases it; resumed
    // it goes out again and has used up no attempt.
    let first = on_its_way(&books).await;
    assert_eq!(changed(&books, JobChange::Pause, &[first.job]).await, 1);
    assert_eq!(changed(&books, JobChange::Pause, &[first.job]).await, 0, "once is enough");
    let paused = job(&books, first.job).await;
    assert_eq!((paused.state, paused.epoch, paused.failures), (JobState::Paused, None, 0));
    assert_eq!(books.pool(2).await.usage.reserved_bytes, SIZE);
    assert_eq!(receipt(&books, &first).await, 0, "a receipt after the pause");
    assert!(books.lease(1, 2).await.jobs.is_empty() && books.store.lanes(at(9)).await.unwrap().is_empty());
    assert_eq!(changed(&books, JobChange::Retry, &[first.job]).await, 0, "it has not ended");
    assert_eq!(changed(&books, JobChange::Resume, &[first.job]).await, 1);
    let second = books.lease(1, 2).await.jobs.remove(0);
    assert_eq!((second.attempt, second.failures), (2, 0));
    assert_eq!((receipt(&books, &first).await, receipt(&books, &second).await), (0, 1));
    assert_eq!(changed(&books, JobChange::Pause, &[first.job]).await, 0, "what is committed goes on");
    books.assert_counted().await;
}

async fn a_cancelled_job_frees_its_image_and_gives_its_copy_up(books: Books) {
    // The image can be planned anew at once; a new move waits until the given-up copy is in the trash.
    let first = on_its_way(&books).await;
    assert_eq!(changed(&books, JobChange::Cancel, &[first.job]).await, 1);
    let cancelled = job(&books, first.job).await;
    assert_eq!((cancelled.state, cancelled.finished.is_some()), (JobState::Cancelled, true));
    let parent = job(&books, first.parent.unwrap()).await;
    assert_eq!((parent.state, parent.children_done, parent.children_cancelled), (JobState::Cancelled, 0, 1));
    assert_eq!(receipt(&books, &first).await, 0, "a receipt after the cancel");
    assert_eq!(books.pool(2).await.usage.reserved_bytes, 0);
    let due = books.store.delete_orders_due(node("s01"), books.s01, 10, at(7)).await.unwrap();
    assert_eq!((due.len(), due[0].pool, due[0].origin), (1, pool(2), TrashOrigin::GivenUp(first.lease)));
    assert_eq!(books.plan(1..2, 2).await.images, 1);
    assert!(books.lease(1, 2).await.jobs.is_empty(), "the copy there is not settled");
    books.store.finish_trash(vec![result(&due[0], TrashOutcome::Missing)], at(8)).await.unwrap();
    let again = books.store.lease_jobs(books.order(1, 2), at(60)).await.unwrap().jobs.remove(0);
    assert_eq!(receipt(&books, &again).await, 1);
    books.assert_counted().await;
}

async fn a_cancel_and_a_receipt_leave_the_image_whole_in_one_place_whoever_comes_first(mut books: Books) {
    // A table of orders: P pause, C cancel, R the receipt, T the node's word on every old copy. Whatever came first, the
    // image is live in the one pool that the books say, and nothing else of it is reserved or used.
    for (number, (order, want)) in (1..).zip([
        ("CR", 1),
        ("RC", 2),
        ("PRC", 1),
        ("PCR", 1),
        ("CTR", 1),
        ("CRT", 1),
        ("RCT", 2),
        ("RPTC", 2),
        ("PCTR", 1),
    ]) {
        books.uploaded(number..number + 1).await;
        books.plan(number..number + 1, 2).await;
        let leased = books.lease(1, 2).await.jobs.remove(0);
        for step in order.chars() {
            match step {
                'P' => drop(changed(&books, JobChange::Pause, &[leased.job]).await),
                'C' => drop(changed(&books, JobChange::Cancel, &[leased.job]).await),
                'R' => drop(receipt(&books, &leased).await),
                _ => {
                    books.attach().await; // words that were out come again
                    trash_everything(&books).await;
                }
            }
        }
        books.attach().await;
        trash_everything(&books).await;
        let there = books.store.get_image(image(number)).await.unwrap();
        assert_eq!((there.pool, there.files[0].pool), (pool(want), pool(want)), "{order}");
        let ended = job(&books, leased.job).await.state;
        assert_eq!(ended, if want == 1 { JobState::Cancelled } else { JobState::Completed }, "{order}");
        books.assert_counted().await;
        assert_eq!(books.pool(2).await.usage.reserved_bytes, 0, "{order}");
    }
    let used = books.pool(1).await.usage.used_files + books.pool(2).await.usage.used_files;
    assert_eq!(used, 9, "each image once");
}

/// The nodes do as they are told.
async fn trash_everything(books: &Books) {
    for (name, epoch) in [("local", books.local), ("s01", books.s01)] {
        let due = books.store.delete_orders_due(node(name), epoch, 100, at(7)).await.unwrap();
        let words = due.iter().map(|order| result(order, TrashOutcome::Trashed)).collect();
        books.store.finish_trash(words, at(7)).await.unwrap();
    }
}

async fn children_follow_their_parent(books: Books) {
    // Five images, one has moved, one is on its way, three wait: pause, resume and cancel of the parent alone.
    books.uploaded(1..6).await;
    let parent = books.plan(1..6, 2).await.job.unwrap();
    let leased = books.store.lease_jobs(limited(&books, 2), at(2)).await.unwrap().jobs;
    let committed = books.store.commit_moves(vec![done(&leased[0])], at(3)).await.unwrap();
    books.store.finish_trash(vec![result(&committed.trash[0], TrashOutcome::Trashed)], at(3)).await.unwrap();
    assert_eq!(changed(&books, JobChange::Pause, &[parent]).await, 1 + 4);
    assert_eq!(job(&books, parent).await.state, JobState::Paused);
    assert_eq!(states(&books, parent).await, [("completed", 1), ("paused", 4)]);
    assert_eq!(receipt(&books, &leased[1]).await, 0);
    assert_eq!(changed(&books, JobChange::Resume, &[parent]).await, 1 + 4);
    assert_eq!(job(&books, parent).await.state, JobState::Processing);
    assert_eq!(books.store.lease_jobs(limited(&books, 1), at(4)).await.unwrap().jobs.len(), 1);
    assert_eq!(changed(&books, JobChange::Cancel, &[parent]).await, 1 + 4);
    let ended = job(&books, parent).await;
    assert_eq!((ended.state, ended.children_done, ended.children_cancelled), (JobState::Cancelled, 1, 4));
    assert_eq!((ended.children_failed, ended.children_total, ended.finished.is_some()), (0, 5, true));
    assert_eq!(states(&books, parent).await, [("cancelled", 4), ("completed", 1)]);
    assert_eq!(books.pool(2).await.usage.reserved_bytes, 0);
    books.assert_counted().await;
}

fn limited(books: &Books, jobs: u32) -> pixelfox_server::catalog::LeaseOrder {
    pixelfox_server::catalog::LeaseOrder { jobs, ..books.order(1, 2) }
}

/// How many children are in which state, by its word.
async fn states(books: &Books, parent: JobId) -> Vec<(&'static str, usize)> {
    let filter = JobFilter { parent: Some(parent), ..JobFilter::default() };
    let page = PageAsk { size: 1000, token: String::new() };
    let jobs = books.store.list_jobs(filter, page).await.unwrap().items;
    let mut counts = std::collections::BTreeMap::new();
    jobs.iter().for_each(|job| *counts.entry(job.state.as_str()).or_default() += 1);
    counts.into_iter().collect()
}

async fn what_is_committed_goes_on_and_ends_its_parent_cancelled(books: Books) {
    // Two images, one committed with its old copy still there: the cancel takes the other one; the parent ends with the
    // old copy's word.
    books.uploaded(1..3).await;
    let parent = books.plan(1..3, 2).await.job.unwrap();
    let leased = books.lease(1, 2).await.jobs;
    let committed = books.store.commit_moves(vec![done(&leased[0])], at(3)).await.unwrap();
    assert_eq!(changed(&books, JobChange::Cancel, &[parent]).await, 2);
    let open = job(&books, parent).await;
    assert_eq!((open.state, open.children_cancelled, open.finished), (JobState::Processing, 1, None));
    assert_eq!(changed(&books, JobChange::Pause, &[parent]).await, 0, "it ends, it is not held up");
    let settled = books.store.finish_trash(vec![result(&committed.trash[0], TrashOutcome::Trashed)], at(4)).await;
    assert_eq!(settled.unwrap().len(), 2);
    let ended = job(&books, parent).await;
    assert_eq!((ended.state, ended.children_done, ended.children_cancelled), (JobState::Cancelled, 1, 1));
    books.assert_counted().await;
}

async fn fail(books: &Books, job: &LeasedJob) {
    let (kind, cause) = (SetbackKind::Failed, "a test".to_owned());
    let setback = Setback { job: job.job, lease: job.lease, epoch: job.epoch, kind, cause, sources: Vec::new() };
    books.store.set_back(vec![setback], at(3)).await.unwrap();
    trash_everything(books).await;
}

async fn a_failed_job_begins_anew_and_opens_its_parent(books: Books) {
    // One of two failed: the parent failed. Tried again by the parent's id, it moves, and the parent is completed.
    books.uploaded(1..3).await;
    let parent = books.plan(1..3, 2).await.job.unwrap();
    let leased = books.lease(1, 2).await.jobs;
    fail(&books, &leased[0]).await;
    let committed = books.store.commit_moves(vec![done(&leased[1])], at(3)).await.unwrap();
    books.store.finish_trash(vec![result(&committed.trash[0], TrashOutcome::Trashed)], at(4)).await.unwrap();
    let failed = job(&books, parent).await;
    assert_eq!((failed.state, failed.last_error.as_str()), (JobState::Failed, "1 of 2 failed"));
    assert_eq!(changed(&books, JobChange::Retry, &[parent]).await, 2);
    let open = job(&books, parent).await;
    assert_eq!((open.state, open.children_failed, open.finished), (JobState::Processing, 0, None));
    let again = books.lease(1, 2).await.jobs.remove(0);
    assert_eq!((again.job, again.failures), (leased[0].job, 0));
    assert_eq!(books.store.get_job(again.job).await.unwrap().last_error, "");
    let committed = books.store.commit_moves(vec![done(&again)], at(6)).await.unwrap();
    books.store.finish_trash(vec![result(&committed.trash[0], TrashOutcome::Trashed)], at(7)).await.unwrap();
    let ended = job(&books, parent).await;
    assert_eq!((ended.state, ended.children_done, ended.children_failed), (JobState::Completed, 2, 0));
    books.assert_counted().await;
}

async fn an_image_that_has_gone_its_way_is_not_moved_again(books: Books) {
    // Its move failed twice; then the newest one is tried again, and only that. Once the image has moved by it, the
    // older one stays as it is; so does the job of an image that another job works on.
    books.uploaded(1..2).await;
    let mut jobs = Vec::new();
    for _ in 0..2 {
        books.plan(1..2, 2).await;
        let leased = books.store.lease_jobs(books.order(1, 2), at(600)).await.unwrap().jobs.remove(0);
        fail(&books, &leased).await;
        jobs.push(leased.job);
    }
    assert_eq!(changed(&books, JobChange::Retry, &jobs).await, 1);
    assert_eq!(job(&books, jobs[1]).await.state, JobState::Pending);
    assert_eq!(changed(&books, JobChange::Retry, &jobs).await, 0, "another job works on it");
    let leased = books.store.lease_jobs(books.order(1, 2), at(600)).await.unwrap().jobs.remove(0);
    assert_eq!(receipt(&books, &leased).await, 1);
    assert_eq!(changed(&books, JobChange::Retry, &jobs).await, 0, "it is in another pool");
}

async fn unknown_ids_change_nothing(books: Books) {
    // One of two ids is unknown: it is named, and the other job is as before.
    books.uploaded(1..2).await;
    let parent = books.plan(1..2, 2).await.job.unwrap();
    let unknown = JobId::try_from(4711).unwrap();
    let refused = change(&books, JobChange::Cancel, WhichJobs::Ids(vec![parent, unknown]), "").await.unwrap_err();
    assert_eq!(refused.to_string(), "ids: no job 4711");
    assert_eq!(job(&books, parent).await.state, JobState::Processing);
}

async fn the_same_request_again_answers_the_same(books: Books) {
    // Cancelled, tried again, and the first request comes once more: it answers as before and cancels nothing.
    books.uploaded(1..2).await;
    let parent = books.plan(1..2, 2).await.job.unwrap();
    let ids = || WhichJobs::Ids(vec![parent]);
    assert_eq!(change(&books, JobChange::Cancel, ids(), "evening").await.unwrap(), 2);
    assert_eq!(changed(&books, JobChange::Retry, &[parent]).await, 2);
    assert_eq!(change(&books, JobChange::Cancel, ids(), "evening").await.unwrap(), 2);
    assert_eq!(job(&books, parent).await.state, JobState::Processing);
    let refused = change(&books, JobChange::Pause, ids(), "evening").await.unwrap_err();
    assert_eq!(refused.to_string(), "request_id: evening was used for another request");
}

async fn a_long_change_goes_on_where_it_stopped(books: Books) {
    // 1,200 pending jobs by a filter: more than one step. Broken off after the first, the same request does the rest and
    // answers for all of them. Likewise back again, by their parent's id.
    books.uploaded(1..1201).await;
    let parent = books.store.plan_move_images(ask(1..1201, 2), at(1)).await.unwrap().job.unwrap();
    let filter = JobFilter { state: Some(JobState::Pending), ..JobFilter::default() };
    let ask =
        ChangeAsk { change: JobChange::Cancel, which: WhichJobs::Filter(filter), request_id: "all of them".into() };
    let first: Changed = books.store.change_jobs(ask.clone(), ChangeProgress::default(), at(2)).await.unwrap();
    assert_eq!((first.progress.over, first.progress.changed), (false, 500), "the writer is free again after so many");
    assert_eq!(first.settled.len(), 500);
    let ChangeAsk { change: what, which, request_id } = ask;
    assert_eq!(change(&books, what, which, &request_id).await.unwrap(), 1200);
    let totals = books.store.job_totals().await.unwrap();
    assert_eq!(totals.states, [(JobState::Cancelled, 1201)]);
    let ask =
        ChangeAsk { change: JobChange::Retry, which: WhichJobs::Ids(vec![parent]), request_id: "back again".into() };
    let first: Changed = books.store.change_jobs(ask.clone(), ChangeProgress::default(), at(2)).await.unwrap();
    let second: Changed = books.store.change_jobs(ask.clone(), first.progress, at(2)).await.unwrap();
    assert_eq!((second.progress.over, second.progress.changed), (false, 501), "the parent first, then so many");
    assert_eq!(change(&books, ask.change, ask.which, &ask.request_id).await.unwrap(), 1201);
    let totals = books.store.job_totals().await.unwrap();
    assert_eq!(totals.states, [(JobState::Pending, 1200), (JobState::Processing, 1)]);
    assert_eq!(job(&books, parent).await.children_cancelled, 0);
    books.assert_counted().await;
}

async fn a_parent_with_many_open_children_changes_in_steps_and_one_that_stops_half_way_ends_all_the_same(books: Books) {
    // 1,200 open children: each step has 500 of them at most, the parent is changed with the first. A cancel that nobody
    // goes on with after a crash leaves the others to run, and with the last one the parent is cancelled.
    books.uploaded(1..1201).await;
    let parent = books.store.plan_move_images(ask(1..1201, 2), at(1)).await.unwrap().job.unwrap();
    for (what, state) in [(JobChange::Pause, JobState::Paused), (JobChange::Resume, JobState::Processing)] {
        let (mut progress, mut steps) = (ChangeProgress::default(), Vec::new());
        while !progress.over {
            let ask = ChangeAsk { change: what, which: WhichJobs::Ids(vec![parent]), request_id: String::new() };
            let step = books.store.change_jobs(ask, progress, at(2)).await.unwrap();
            assert_eq!(job(&books, parent).await.state, state, "with the first step");
            steps.push(step.jobs.len());
            progress = step.progress;
        }
        assert_eq!((steps, progress.changed), (vec![501, 500, 200, 0], 1201));
    }
    let which = WhichJobs::Ids(vec![parent]);
    let ask = ChangeAsk { change: JobChange::Cancel, which, request_id: String::new() };
    let step = books.store.change_jobs(ask, ChangeProgress::default(), at(3)).await.unwrap();
    assert_eq!((step.settled.len(), step.progress.over), (500, false));
    let books = books.reopen().await;
    let mut order = books.order(1, 2);
    order.jobs = 2000;
    let leased = books.store.lease_jobs(order, at(4)).await.unwrap().jobs;
    assert_eq!(leased.len(), 700);
    let committed = books.store.commit_moves(leased.iter().map(done).collect(), at(5)).await.unwrap();
    let words = committed.trash.iter().map(|order| result(order, TrashOutcome::Trashed)).collect();
    books.store.finish_trash(words, at(6)).await.unwrap();
    let ended = job(&books, parent).await;
    assert_eq!((ended.state, ended.children_done, ended.children_cancelled), (JobState::Cancelled, 700, 500));
    books.assert_counted().await;
}

async fn a_paused_queue_hands_out_nothing_also_after_a_restart(books: Books) {
    // One job is out: it comes back, not counted, and its receipt is late. Resumed, all of it runs.
    let first = on_its_way(&books).await;
    let returned = books.store.pause_queue(at(3)).await.unwrap();
    assert_eq!((returned.len(), returned[0].lease), (1, first.lease));
    assert_eq!(books.store.pause_queue(at(3)).await.unwrap(), vec![]);
    assert_eq!(receipt(&books, &first).await, 0);
    let mut books = books.reopen().await;
    books.attach().await;
    assert!(books.store.queue_paused().await.unwrap() && books.lease(1, 2).await.jobs.is_empty());
    books.store.resume_queue(at(4)).await.unwrap();
    assert!(!books.store.queue_paused().await.unwrap());
    let second = books.lease(1, 2).await.jobs.remove(0);
    assert_eq!((second.attempt, second.failures, receipt(&books, &second).await), (2, 0, 1));
}

async fn a_child_that_is_tried_again_under_a_paused_parent_waits_for_it(books: Books) {
    // One of two has failed when the parent is paused: tried again it is paused too, and both go on with the parent.
    books.uploaded(1..3).await;
    let parent = books.plan(1..3, 2).await.job.unwrap();
    let leased = books.store.lease_jobs(limited(&books, 1), at(2)).await.unwrap().jobs.remove(0);
    fail(&books, &leased).await;
    changed(&books, JobChange::Pause, &[parent]).await;
    assert_eq!(changed(&books, JobChange::Retry, &[leased.job]).await, 1);
    assert_eq!(states(&books, parent).await, [("paused", 2)]);
    assert_eq!(job(&books, parent).await.state, JobState::Paused);
    assert_eq!(changed(&books, JobChange::Resume, &[parent]).await, 1 + 2);
    assert_eq!(books.lease(1, 2).await.jobs.len(), 2);
}
