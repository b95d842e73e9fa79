//! The store's suite: moves taken back, without a byte.

use pixelfox_proto::{Generation, JobId};
use pixelfox_server::catalog::{
    ChangeAsk, ChangeProgress, CheckAsk, CheckOrder, CheckOutcome, CheckResult, Found, JobChange, JobFilter, JobKind,
    JobState, LeaseOrder, LeasedJob, MoveBatch, PageAsk, PoolDraft, ReplicaState, SaveRule, Setback, SetbackKind,
    TrashOutcome, UndoAsk, WhichJobs,
};

use crate::store_books::{Books, SIZE, at, done, draft, image, node, pool, result, suite};

suite! {
    a_move_is_taken_back_out_of_the_trash_and_that_again,
    what_is_taken_back_is_leased_apart_where_nothing_may_be_sent,
    what_can_not_be_taken_back_is_skipped_with_the_reason,
    an_old_copy_that_is_gone_ends_the_undo_without_a_copy,
    an_undo_is_asked_for_by_id_and_by_filter,
    what_left_the_trash_after_the_plan_ends_its_job_without_a_copy,
    a_large_move_is_taken_back_in_slices_and_what_left_the_trash_is_counted_out,
    a_large_undo_that_was_cancelled_goes_on_where_it_stopped,
    a_large_undo_takes_back_what_had_ended_when_it_was_planned_whatever_the_clocks_say,
    an_undo_brings_back_what_is_lost_or_damaged_where_it_is,
    an_old_copy_whose_name_another_file_has_stays_on_record,
    a_lost_image_moves_to_a_pool_whose_trash_has_it,
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

async fn what_is_taken_back_is_leased_apart_where_nothing_may_be_sent(books: Books) {
    // Of three that go back the same way one is an undo: it is counted, and leased without the others.
    books.uploaded(1..4).await;
    let mut parents = Vec::new();
    for number in 1..4 {
        parents.push(moved(&books, number..number + 1).await);
    }
    books.plan(1..2, 1).await;
    undo(&books, of(&parents[1..2])).await;
    books.plan(3..4, 1).await;
    let lanes = async || {
        let lanes = books.store.lanes(at(6)).await.unwrap();
        lanes.iter().map(|lane| (lane.source.get(), lane.due, lane.undo)).collect::<Vec<_>>()
    };
    assert_eq!(lanes().await, [(2, 3, 1)]);
    let order = LeaseOrder { only_undo: true, ..books.order(2, 1) };
    let leased = books.store.lease_jobs(order, at(6)).await.unwrap().jobs;
    assert_eq!(leased.iter().map(|job| (job.image, job.undo)).collect::<Vec<_>>(), [(image(2), true)]);
    assert_eq!(lanes().await, [(2, 2, 0)]);
}

async fn a_move_is_taken_back_out_of_the_trash_and_that_again(books: Books) {
    // There, back, and there again: each time out of the trash, by mark and size, with a rising generation.
    books.uploaded(1..4).await;
    let parent = moved(&books, 1..4).await;
    let child = JobId::try_from(parent.get() + 1).unwrap();
    let seen = async |id: JobId| {
        let job = books.store.get_job(id).await.unwrap();
        let seen = books.store.taken_back(&[job]).await.unwrap().get(&id).copied().unwrap_or_default();
        (seen.can_be, seen.by)
    };
    assert_eq!((seen(parent).await, seen(child).await), ((true, None), (true, None)));
    let back = undo(&books, of(&[parent])).await;
    assert_eq!((seen(parent).await, seen(child).await), ((false, None), (false, None)), "another job has its images");
    assert_eq!((back.images, back.files, back.bytes, back.skipped_total), (3, 3, 3 * SIZE, 0));
    let jobs = books.lease(2, 1).await.jobs;
    assert!(jobs.iter().all(|job| job.undo && job.files[0].in_trash == Some(Generation(1))), "{jobs:?}");
    assert_eq!(books.pool(1).await.usage.reserved_bytes, 0, "nothing new comes");
    end(&books, &jobs).await;
    let job = books.store.get_job(back.job.unwrap()).await.unwrap();
    assert_eq!((job.kind, job.state, job.children_done), (JobKind::Undo, JobState::Completed, 3));
    assert_eq!((books.pool(1).await.usage.images, books.pool(2).await.usage.images), (3, 0));
    let taken = (false, back.job);
    assert_eq!((seen(parent).await, seen(child).await, seen(back.job.unwrap()).await), (taken, taken, (true, None)));
    let forth = undo(&books, of(&[back.job.unwrap()])).await;
    assert_eq!(forth.images, 3);
    let jobs = books.lease(1, 2).await.jobs;
    assert_eq!(jobs[0].files[0].in_trash, Some(Generation(2)));
    end(&books, &jobs).await;
    assert_eq!(books.store.get_image(image(1)).await.unwrap().pool, pool(2));
    assert_eq!((seen(parent).await, seen(back.job.unwrap()).await), (taken, (false, forth.job)));
    books.assert_counted().await;
}

async fn what_can_not_be_taken_back_is_skipped_with_the_reason(books: Books) {
    // 1 has moved on and back, 2 is being moved, 3 goes back; where nothing does, that is a refusal and no job is made.
    books.uploaded(1..4).await;
    let parent = moved(&books, 1..4).await;
    books.moved(1..2, 2, 1).await;
    books.moved(1..2, 1, 2).await;
    books.plan(2..3, 1).await;
    let back = undo(&books, of(&[parent])).await;
    assert_eq!((back.images, back.skipped_total), (1, 2));
    assert!(back.skipped[0].contains("has moved again since") && back.skipped[1].contains("is working on it"));
    let jobs = async || books.store.list_jobs(JobFilter::default(), PageAsk::default()).await.unwrap().total;
    let before = jobs().await;
    let none = books.store.plan_undo(of(&[parent]), at(6)).await.unwrap_err().to_string();
    assert!(none.starts_with("nothing of it can be taken back (looked at: 3): job"), "{none}");
    assert_eq!(jobs().await, before);
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

async fn what_left_the_trash_after_the_plan_ends_its_job_without_a_copy(books: Books) {
    // Planned, then the old copy is off the books before its turn: the lease ends the job, the image stays whole.
    books.uploaded(1..3).await;
    let parent = moved(&books, 1..3).await;
    let back = undo(&books, of(&[parent])).await;
    books.home.execute("DELETE FROM replicas WHERE file_id = 1 AND pool_id = 1").await;
    books.store.recount_usage(at(9)).await.unwrap();
    let leased = books.lease(2, 1).await;
    assert_eq!((leased.jobs.len(), leased.settled.len(), leased.settled[0].state), (1, 1, JobState::Failed));
    assert!(leased.settled[0].cause.contains("not in the trash any more; move the image instead"), "{leased:?}");
    end(&books, &leased.jobs).await;
    let job = books.store.get_job(back.job.unwrap()).await.unwrap();
    assert_eq!((job.state, job.last_error.as_str()), (JobState::Failed, "1 of 2 failed"));
    assert_eq!(books.store.get_image(image(1)).await.unwrap().pool, pool(2));
    assert_eq!(books.store.get_image(image(2)).await.unwrap().pool, pool(1));
    books.assert_counted().await;
}

/// So many moves have ended under parent 1: a pool of images is in pool 2, the old copies of the first three in the trash
/// of pool 1, those of all others gone.
async fn large(books: &Books) -> JobId {
    const COUNT: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10050) ";
    books
        .home
        .execute(
            "INSERT INTO jobs (kind, state, source_pool_id, target_pool_id, children_done, children_total, made,
            bytes_done, bytes_total, created, finished)
        VALUES ('move_pool', 'completed', 1, 2, 10050, 10050, 10050, 10050000, 10050000, 1, 2)",
        )
        .await;
    for sql in [
        "INSERT INTO images (uuid, share_token, original_name, name_key, content_type, size, width, height, sha256,
            user_id, created, pool_id, entry, moved_by)
        SELECT '00000000-0000-4000-8000-' || SUBSTR(CAST(1000000000000 + i AS TEXT), 2), 's' || CAST(i AS TEXT), 'x',
            'x', 'image/jpeg', 1000, 1, 1, '12345678901234567890123456789012', 0, 1, 2, i, 1 + i FROM n",
        "INSERT INTO files (image_id, stored_path, kind, content_type, width, height, size, sha256, generation)
        SELECT i, 'original/' || CAST(i AS TEXT), 'original', 'image/jpeg', 1, 1, 1000,
            '12345678901234567890123456789012', 2 FROM n",
        "INSERT INTO replicas (file_id, pool_id, generation, state, since, verified) SELECT i, 2, 2, 'live', 1, 1 FROM n",
        "INSERT INTO replicas (file_id, pool_id, generation, state, since) SELECT i, 1, 1, 'trashed', 1 FROM n WHERE i < 4",
        "INSERT INTO jobs (kind, state, parent_id, image_id, image_uuid, source_pool_id, target_pool_id, committed,
            created, finished)
        SELECT 'move_image', 'completed', 1, i,
            '00000000-0000-4000-8000-' || SUBSTR(CAST(1000000000000 + i AS TEXT), 2), 1, 2, 1, 1, 2 FROM n",
    ] {
        books.home.execute(&format!("{COUNT}{sql}")).await;
    }
    books.home.execute("UPDATE pools SET entered = 10050 WHERE id = 2").await;
    books.store.recount_usage(at(9)).await.unwrap();
    JobId::try_from(1).unwrap()
}

/// Makes every slice that is due; says how many and how many children.
async fn slices(books: &Books) -> (usize, u64) {
    let (mut count, mut made) = (0, 0);
    loop {
        let due = books.store.slices_due(at(5)).await.unwrap();
        let Some(parent) = due.first() else { return (count, made) };
        let Some(slice) = books.store.make_slice(*parent, at(5)).await.unwrap() else { return (count, made) };
        (count, made) = (count + 1, made + slice.made);
    }
}

async fn a_large_move_is_taken_back_in_slices_and_what_left_the_trash_is_counted_out(books: Books) {
    // 10,050 moves in one request, whichever way they are named: 21 slices, three go, the others are counted out with the
    // reason. The same request again answers the same.
    let parent = large(&books).await;
    let ask = UndoAsk { request_id: "all".into(), ..of(&[parent]) };
    let back = undo(&books, ask.clone()).await;
    assert_eq!((back.images, back.bytes, back.skipped_total), (10_050, 10_050_000, 0));
    assert_eq!(undo(&books, ask).await, back);
    let planned = books.store.get_job(back.job.unwrap()).await.unwrap();
    assert_eq!((planned.kind, planned.source, planned.target), (JobKind::Undo, Some(pool(2)), Some(pool(1))));
    assert_eq!((planned.state, planned.children_total), (JobState::Processing, 10_050));
    let books = books.reopen().await;
    assert_eq!(slices(&books).await, (21, 3));
    let jobs = books.lease(2, 1).await.jobs;
    assert!(jobs.iter().all(|job| job.undo && job.files[0].in_trash == Some(Generation(1))), "{jobs:?}");
    end(&books, &jobs).await;
    let job = books.store.get_job(back.job.unwrap()).await.unwrap();
    assert_eq!((job.state, job.children_done, job.children_total), (JobState::Completed, 3, 3));
    assert_eq!((job.bytes_done, job.bytes_total, job.left_behind), (3_000, 3_000, 10_047));
    assert_eq!(job.note.matches("its old copy is not in the trash any more").count(), 5, "{}", job.note);
    assert_eq!((books.pool(1).await.usage.images, books.pool(2).await.usage.images), (3, 10_047));
    let filter = JobFilter { parent: Some(parent), ..JobFilter::default() };
    let again = UndoAsk { which: WhichJobs::Filter(filter), request_id: String::new() };
    assert_eq!(undo(&books, again).await.images, 10_050, "planned at once, looked at in its turn");
    assert_eq!(slices(&books).await, (21, 0));
    books.assert_counted().await;
}

async fn a_large_undo_that_was_cancelled_goes_on_where_it_stopped(books: Books) {
    // Called off after its first slice, whose three jobs it takes along; tried again they and the other slices come.
    let parent = large(&books).await;
    let back = undo(&books, of(&[parent])).await.job.unwrap();
    books.store.make_slice(back, at(5)).await.unwrap();
    for (change, want) in [(JobChange::Cancel, JobState::Cancelled), (JobChange::Retry, JobState::Processing)] {
        changed(&books, change, back).await;
        let job = books.store.get_job(back).await.unwrap();
        assert_eq!((job.state, job.children_total), (want, 10_050 - 497));
        assert_eq!(job.children_cancelled, if want == JobState::Cancelled { 10_050 - 497 } else { 0 });
    }
    assert_eq!(slices(&books).await, (20, 0));
    end(&books, &books.lease(2, 1).await.jobs).await;
    let job = books.store.get_job(back).await.unwrap();
    assert_eq!((job.state, job.children_done, job.children_total), (JobState::Completed, 3, 3));
    books.assert_counted().await;
}

async fn changed(books: &Books, change: JobChange, job: JobId) {
    let ask = ChangeAsk { change, which: WhichJobs::Ids(vec![job]), request_id: String::new() };
    let mut progress = ChangeProgress::default();
    while !progress.over {
        progress = books.store.change_jobs(ask.clone(), progress, at(6)).await.unwrap().progress;
    }
}

async fn a_large_undo_takes_back_what_had_ended_when_it_was_planned_whatever_the_clocks_say(books: Books) {
    // Of three moves whose old copies are there the first is still under way at the plan, the second has ended, by a clock
    // that runs ahead, and the third has failed and is tried again later. Both others end by a clock that is behind.
    let parent = large(&books).await;
    let there = "UPDATE images SET pool_id = 2, entry = 3, job_id = NULL WHERE id = 3; UPDATE replicas SET pool_id = 2
        WHERE file_id = 3; INSERT INTO replicas (file_id, pool_id, generation, state, since) VALUES (3, 1, 1, 'trashed', 1)";
    for sql in [
        "UPDATE jobs SET state = 'processing', finished = NULL WHERE id IN (1, 2)",
        "UPDATE jobs SET finished = 9000000000000 WHERE id = 3",
        "UPDATE jobs SET state = 'failed', committed = 0 WHERE id = 4",
        "UPDATE jobs SET children_done = 10048, children_failed = 1, bytes_done = 10048000 WHERE id = 1",
        "UPDATE images SET job_id = 2 WHERE id = 1",
        "DELETE FROM replicas WHERE file_id = 3 AND pool_id = 1",
        "UPDATE replicas SET pool_id = 1 WHERE file_id = 3",
        "UPDATE images SET pool_id = 1, entry = 3 WHERE id = 3",
    ] {
        books.home.execute(sql).await;
    }
    let back = undo(&books, of(&[parent])).await;
    assert_eq!(back.images, 10_048);
    changed(&books, JobChange::Retry, JobId::try_from(4).unwrap()).await;
    assert_eq!(books.store.get_job(JobId::try_from(4).unwrap()).await.unwrap().state, JobState::Pending);
    books.home.execute("UPDATE jobs SET state = 'completed', committed = 1, finished = 1 WHERE id IN (2, 4)").await;
    books.home.execute("UPDATE images SET job_id = NULL WHERE id = 1").await;
    for sql in there.split(';') {
        books.home.execute(sql).await;
    }
    books.store.recount_usage(at(9)).await.unwrap();
    assert_eq!(slices(&books).await, (21, 1));
    let jobs = books.lease(2, 1).await.jobs;
    assert_eq!((jobs.len(), jobs[0].files[0].path.as_str()), (1, "original/2"));
    end(&books, &jobs).await;
    let job = books.store.get_job(back.job.unwrap()).await.unwrap();
    assert_eq!((job.state, job.children_done, job.left_behind), (JobState::Completed, 1, 10_047));
}

/// These words on an image's copy, after it was asked for.
async fn found(books: &Books, number: u64, found: Found) {
    books.store.ask_checks(CheckAsk::Images(vec![image(number)]), at(4)).await.unwrap();
    let at_home = books.store.get_image(image(number)).await.unwrap().pool;
    let due = books.store.checks_due(at_home, 10, at(4)).await.unwrap();
    let word = |order: CheckOrder| CheckResult {
        pool: order.pool,
        path: order.path,
        generation: order.generation,
        outcome: CheckOutcome::Found(found),
    };
    books.store.note_checks(due.into_iter().map(word).collect(), at(4)).await.unwrap();
}

async fn an_undo_brings_back_what_is_lost_or_damaged_where_it_is(books: Books) {
    // Of three images that have moved one is lost at the target, one damaged. All come back out of the trash of where they
    // were; what is lost has nothing to be put away, the damaged copy goes to the trash.
    books.uploaded(1..4).await;
    let parent = moved(&books, 1..4).await;
    found(&books, 1, Found::Missing).await;
    found(&books, 2, Found::Wrong).await;
    let states = async |books: &Books| {
        let mut states = Vec::new();
        for number in 1..4 {
            let image = books.store.get_image(image(number)).await.unwrap();
            states.push((image.pool.get(), image.files[0].state));
        }
        states
    };
    let there = [(2, ReplicaState::Lost), (2, ReplicaState::Suspect), (2, ReplicaState::Live)];
    assert_eq!(states(&books).await, there);
    let back = undo(&books, of(&[parent])).await;
    assert_eq!((back.images, back.files, back.bytes, back.skipped_total), (3, 3, 3 * SIZE, 0));
    let jobs = books.lease(2, 1).await.jobs;
    assert!(jobs.iter().all(|job| job.files[0].in_trash == Some(Generation(1))), "{jobs:?}");
    end(&books, &jobs).await;
    assert_eq!(states(&books).await, [(1, ReplicaState::Live); 3]);
    let job = books.store.get_job(back.job.unwrap()).await.unwrap();
    assert_eq!((job.state, job.children_done, job.files_missing), (JobState::Completed, 3, 0));
    assert_eq!(books.pool(2).await.usage.trash_files, 2);
    books.assert_counted().await;
}

async fn an_old_copy_whose_name_another_file_has_stays_on_record(books: Books) {
    // Its restore fails, and what is to be put away under the name is not the restored copy: the old one is in the trash
    // still, counts there, and goes when the image is deleted.
    books.uploaded(1..2).await;
    let parent = moved(&books, 1..2).await;
    let before = books.pool(1).await.usage;
    undo(&books, of(&[parent])).await;
    let job = books.lease(2, 1).await.jobs.remove(0);
    let word = Setback {
        job: job.job,
        lease: job.lease,
        epoch: job.epoch,
        kind: SetbackKind::Failed,
        cause: "conflict".into(),
        sources: Vec::new(),
    };
    books.store.set_back(vec![word], at(6)).await.unwrap();
    let order = books.store.delete_orders_due(node("local"), books.local, 10, at(6)).await.unwrap().remove(0);
    let stale = TrashOutcome::Stale("a file without a mark".into());
    books.store.finish_trash(vec![result(&order, stale)], at(7)).await.unwrap();
    let after = books.pool(1).await.usage;
    assert_eq!((after.trash_files, after.trash_bytes), (before.trash_files, before.trash_bytes));
    books.assert_counted().await;
    let back = undo(&books, of(&[parent])).await;
    assert_eq!((back.images, back.skipped_total), (1, 0), "{back:?}");
    assert_eq!(books.lease(2, 1).await.jobs[0].files[0].in_trash, Some(Generation(1)));
}

async fn a_lost_image_moves_to_a_pool_whose_trash_has_it(books: Books) {
    // From pool 1 to 2 to 3, where it is lost. To another pool it can't go, and is told where an old copy is; to that one
    // it goes, out of the trash there, read on its way like every copy that is not taken back.
    for name in ["img3", "img4"] {
        let draft = PoolDraft { base_path: format!("/srv/{name}"), ..draft(name, "s01") };
        books.store.create_pool(draft, SaveRule::Checked, at(0)).await.unwrap();
    }
    books.uploaded(1..2).await;
    books.moved(1..2, 1, 2).await;
    books.moved(1..2, 2, 3).await;
    found(&books, 1, Found::Missing).await;
    let no = books.plan(1..2, 4).await;
    assert_eq!((no.images, no.skipped_total), (0, 1));
    assert!(no.skipped[0].contains("is lost; the trash of pool Default has an old copy: move it there"), "{no:?}");
    let batch = books.plan(1..2, 1).await;
    assert_eq!((batch.images, batch.files, batch.bytes), (1, 1, SIZE));
    let jobs = books.lease(3, 1).await.jobs;
    assert_eq!((jobs[0].undo, jobs[0].files[0].in_trash), (false, Some(Generation(1))));
    end(&books, &jobs).await;
    let home = books.store.get_image(image(1)).await.unwrap();
    assert_eq!((home.pool, home.files[0].state), (pool(1), ReplicaState::Live));
    assert_eq!(books.store.get_job(batch.job.unwrap()).await.unwrap().state, JobState::Completed);
    books.assert_counted().await;
}
