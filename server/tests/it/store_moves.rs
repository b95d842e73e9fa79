//! The store's suite: the life of a move, its fences and its retries.

use pixelfox_proto::{Generation, Lease, SessionEpoch};
use pixelfox_server::catalog::{
    FileOutcome, JobFilter, JobKind, JobState, LostSession, MoveAsk, PageAsk, PlanRule, ReplicaState, Setback,
    SetbackKind, SourceFault, Total, TrashOrigin, TrashOutcome,
};

use crate::store_books::{Books, SIZE, ask, at, done, image, node, path, pool, result, suite};

suite! {
    an_image_moves_and_its_old_copy_goes_to_the_trash,
    a_move_back_restores_from_the_trash,
    a_commit_is_fenced_and_taken_once,
    a_commit_covers_every_file_with_the_right_bytes,
    a_missing_original_stays_on_record,
    a_suspect_source_ends_its_job_and_blocks_the_next,
    failures_count_and_the_last_one_cleans_up,
    what_waits_for_its_time_is_leased_first_when_it_comes,
    what_failed_is_due_at_once_when_either_node_comes_back,
    either_sessions_end_returns_the_job,
    a_new_session_returns_what_the_old_one_had,
    nothing_is_leased_for_a_session_that_is_over,
    lanes_tell_what_is_due,
    a_plan_says_what_stays_and_why,
    a_request_id_is_answered_once,
    late_words_on_the_trash_do_nothing,
    a_trash_order_that_went_wrong_comes_again,
    jobs_are_listed_newest_first_and_paged,
}

async fn an_image_moves_and_its_old_copy_goes_to_the_trash(books: Books) {
    // Plan, lease, commit, trash: at each step the counters and states of both pools.
    books.uploaded(1..3).await;
    let batch = books.plan(1..3, 2).await;
    assert_eq!((batch.images, batch.files, batch.bytes, batch.skipped_total), (2, 2, 2 * SIZE, 0));
    let leased = books.lease(1, 2).await;
    let job = &leased.jobs[0];
    assert_eq!((job.attempt, job.files[0].generation, job.files[0].in_trash), (1, Generation(2), None));
    assert_eq!(job.files[0].meta.share_token, "000000000001");
    assert_eq!(books.pool(2).await.usage.reserved_bytes, 2 * SIZE);
    let committed = books.store.commit_moves(leased.jobs.iter().map(done).collect(), at(3)).await.unwrap();
    let moved = &committed.moved[0];
    assert_eq!((moved.image, moved.source_name.as_str(), moved.target_name.as_str()), (image(1), "Default", "img1"));
    assert_eq!(committed.trash[0].generation, Generation(1));
    assert!(committed.settled.is_empty(), "the job ends with its old copy");
    let usage = books.pool(1).await.usage;
    assert_eq!((usage.used_bytes, usage.trash_bytes, usage.images), (0, 2 * SIZE, 0));
    let usage = books.pool(2).await.usage;
    assert_eq!((usage.used_bytes, usage.reserved_bytes, usage.images), (2 * SIZE, 0, 2));
    assert_eq!(books.store.locate(&path(1)).await.unwrap().unwrap().node, node("s01"));
    let words = committed.trash.iter().map(|order| result(order, TrashOutcome::Trashed)).collect();
    let settled = books.store.finish_trash(words, at(4)).await.unwrap();
    assert_eq!(settled.len(), 3, "two children and their parent");
    assert!(settled.iter().all(|job| job.state == JobState::Completed));
    let parent = books.store.get_job(batch.job.unwrap()).await.unwrap();
    assert_eq!((parent.state, parent.children_done, parent.bytes_done), (JobState::Completed, 2, 2 * SIZE));
    assert_eq!(books.pool(1).await.usage.trash_files, 2);
    books.assert_counted().await;
}

async fn a_move_back_restores_from_the_trash(books: Books) {
    // A → B → A while A has the old copy in its trash: nothing new is reserved there, and the generation goes on rising.
    books.uploaded(1..2).await;
    books.moved(1..2, 1, 2).await;
    books.plan(1..2, 1).await;
    let leased = books.lease(2, 1).await;
    let file = &leased.jobs[0].files[0];
    assert_eq!((file.generation, file.in_trash), (Generation(3), Some(Generation(1))));
    assert_eq!(books.pool(1).await.usage.reserved_bytes, 0);
    books.assert_counted().await;
    // The attempt is lost: the next one still knows of the trash.
    books.store.return_lost(LostSession::Every, at(3)).await.unwrap();
    let leased = books.lease(2, 1).await;
    let file = &leased.jobs[0].files[0];
    assert_eq!((file.generation, file.in_trash), (Generation(4), Some(Generation(1))));
    let committed = books.store.commit_moves(vec![done(&leased.jobs[0])], at(3)).await.unwrap();
    assert_eq!(committed.trash[0].generation, Generation(2));
    let usage = books.pool(1).await.usage;
    assert_eq!((usage.used_bytes, usage.trash_bytes), (SIZE, 0));
    books.assert_counted().await;
}

async fn a_commit_is_fenced_and_taken_once(books: Books) {
    // Another lease, another session, a job that was returned, the same word twice: stale, and nothing changes.
    books.uploaded(1..2).await;
    books.plan(1..2, 2).await;
    let job = books.lease(1, 2).await.jobs.remove(0);
    let mut other_lease = done(&job);
    other_lease.lease = Lease(job.lease.0 - 1);
    let mut other_session = done(&job);
    other_session.epoch = SessionEpoch(job.epoch.0 + 1);
    let committed = books.store.commit_moves(vec![other_lease, other_session], at(3)).await.unwrap();
    assert_eq!((committed.stale, committed.moved), (vec![job.job, job.job], vec![]));
    books.store.return_lost(LostSession::Every, at(3)).await.unwrap();
    let committed = books.store.commit_moves(vec![done(&job)], at(3)).await.unwrap();
    assert_eq!(committed.stale, vec![job.job], "a late word of a returned attempt");
    let again = books.lease(1, 2).await.jobs.remove(0);
    let committed = books.store.commit_moves(vec![done(&job), done(&again), done(&again)], at(3)).await.unwrap();
    assert_eq!((committed.stale.len(), committed.moved.len()), (2, 1));
    let committed = books.store.commit_moves(vec![done(&again)], at(3)).await.unwrap();
    assert_eq!((committed.stale.len(), committed.moved.len()), (1, 0));
    books.assert_counted().await;
}

async fn a_commit_covers_every_file_with_the_right_bytes(books: Books) {
    // Without its file, or with another digest, or with the original missing, a word is no commit.
    books.uploaded(1..2).await;
    books.plan(1..2, 2).await;
    let job = books.lease(1, 2).await.jobs.remove(0);
    let mut none = done(&job);
    none.files.clear();
    let mut other = done(&job);
    other.files[0].outcome = FileOutcome::Stored(crate::store_books::digest(99));
    let mut missing = done(&job);
    missing.files[0].outcome = FileOutcome::Missing;
    for word in [none, other, missing] {
        let committed = books.store.commit_moves(vec![word.clone()], at(3)).await.unwrap();
        assert_eq!((committed.stale.len(), committed.moved.len()), (1, 0), "{word:?}");
    }
    assert_eq!(books.store.get_image(image(1)).await.unwrap().pool, pool(1));
    assert_eq!(
        books.store.commit_moves(vec![done(&job)], at(3)).await.unwrap().moved.len(),
        1,
        "it still holds its job"
    );
}

fn setback(job: &pixelfox_server::catalog::LeasedJob, kind: SetbackKind) -> Setback {
    let sources = Vec::new();
    Setback { job: job.job, lease: job.lease, epoch: job.epoch, kind, cause: "connection lost".into(), sources }
}

async fn a_missing_original_stays_on_record(books: Books) {
    // The job is completed with the count; the image stays where it is, lost; it can't be moved again.
    books.uploaded(1..2).await;
    let batch = books.plan(1..2, 2).await;
    let job = books.lease(1, 2).await.jobs.remove(0);
    let mut word = setback(&job, SetbackKind::WithoutOriginal);
    word.sources = vec![(path(1), SourceFault::Lost)];
    let settled = books.store.set_back(vec![word], at(3)).await.unwrap();
    assert!(settled.iter().all(|job| job.state == JobState::Completed), "{settled:?}");
    let parent = books.store.get_job(batch.job.unwrap()).await.unwrap();
    assert_eq!((parent.state, parent.files_missing), (JobState::Completed, 1));
    assert_eq!((parent.children_done, parent.unmoved(), parent.bytes_done), (1, 1, 0));
    assert_eq!(books.store.get_job(job.job).await.unwrap().unmoved(), 1);
    let shown = books.store.get_image(image(1)).await.unwrap();
    assert_eq!((shown.pool, shown.files[0].state), (pool(1), ReplicaState::Lost));
    assert_eq!(books.store.locate(&path(1)).await.unwrap(), None);
    let again = books.plan(1..2, 2).await;
    assert!(again.skipped[0].contains("its original is lost"), "{:?}", again.skipped);
    assert_eq!((again.job, again.images), (None, 0), "nothing is left to move, so there is no job");
    // What may have landed at the target goes to its trash there.
    let orders = books.store.delete_orders_due(node("s01"), books.s01, 10, at(3)).await.unwrap();
    assert_eq!((orders.len(), orders[0].generation), (1, Generation(2)));
    books.store.finish_trash(vec![result(&orders[0], TrashOutcome::Missing)], at(3)).await.unwrap();
    assert_eq!(books.pool(2).await.usage, Default::default());
    books.assert_counted().await;
}

async fn a_suspect_source_ends_its_job_and_blocks_the_next(books: Books) {
    books.uploaded(1..2).await;
    let batch = books.plan(1..2, 2).await;
    let job = books.lease(1, 2).await.jobs.remove(0);
    let mut word = setback(&job, SetbackKind::Failed);
    word.sources = vec![(path(1), SourceFault::Suspect)];
    books.store.set_back(vec![word], at(3)).await.unwrap();
    let parent = books.store.get_job(batch.job.unwrap()).await.unwrap();
    assert_eq!((parent.state, parent.last_error.as_str()), (JobState::Failed, "1 of 1 failed"));
    let child = books.store.get_job(job.job).await.unwrap();
    assert_eq!((child.state, child.last_error.as_str()), (JobState::Failed, "connection lost"));
    assert!(books.plan(1..2, 2).await.skipped[0].contains("does not match its checksum"));
    assert!(books.store.locate(&path(1)).await.unwrap().is_some(), "a suspect copy is still served");
    books.assert_counted().await;
}

async fn failures_count_and_the_last_one_cleans_up(books: Books) {
    // A counted and an uncounted setback, then the end: the image is free again, the target's half copy is condemned.
    books.uploaded(1..2).await;
    books.plan(1..2, 2).await;
    for (counted, failures, attempt) in [(true, 1, 1), (false, 1, 2)] {
        let job = books.lease(1, 2).await.jobs.remove(0);
        assert_eq!(job.attempt, attempt);
        let again = SetbackKind::Again { not_before: at(2), counted };
        assert!(books.store.set_back(vec![setback(&job, again)], at(2)).await.unwrap().is_empty());
        let shown = books.store.get_job(job.job).await.unwrap();
        assert_eq!((shown.state, shown.failures), (JobState::Pending, failures));
        assert_eq!(books.pool(2).await.usage.reserved_bytes, SIZE, "writing stays until the target's word");
    }
    let job = books.lease(1, 2).await.jobs.remove(0);
    assert_eq!((job.failures, job.files[0].generation), (1, Generation(4)));
    books.store.set_back(vec![setback(&job, SetbackKind::Failed)], at(2)).await.unwrap();
    assert_eq!(books.store.set_back(vec![setback(&job, SetbackKind::Failed)], at(2)).await.unwrap(), vec![]);
    let usage = books.pool(2).await.usage;
    assert_eq!((usage.reserved_bytes, usage.trash_bytes), (0, SIZE));
    // The next plan waits for the target's word, then goes on.
    books.plan(1..2, 2).await;
    assert!(books.lease(1, 2).await.jobs.is_empty());
    let orders = books.store.delete_orders_due(node("s01"), books.s01, 10, at(3)).await.unwrap();
    assert_eq!(orders[0].origin, TrashOrigin::GivenUp(job.lease), "a file that lay there without a record is not lost");
    books.store.finish_trash(vec![result(&orders[0], TrashOutcome::Trashed)], at(3)).await.unwrap();
    let leased = books.store.lease_jobs(books.order(1, 2), at(60)).await.unwrap();
    assert_eq!(leased.jobs[0].files[0].in_trash, Some(Generation(4)));
    books.assert_counted().await;
}

async fn what_waits_for_its_time_is_leased_first_when_it_comes(books: Books) {
    books.uploaded(1..4).await;
    books.plan(1..4, 2).await;
    let mut order = books.order(1, 2);
    order.jobs = 1;
    let first = books.store.lease_jobs(order.clone(), at(2)).await.unwrap().jobs.remove(0);
    let again = SetbackKind::Again { not_before: at(7), counted: true };
    books.store.set_back(vec![setback(&first, again)], at(2)).await.unwrap();
    let next = books.store.lease_jobs(order.clone(), at(6)).await.unwrap().jobs.remove(0);
    assert_eq!(next.image, image(2), "its time has not come");
    let retried = books.store.lease_jobs(order, at(7)).await.unwrap().jobs.remove(0);
    assert_eq!((retried.image, retried.attempt), (image(1), 2), "before the fresh ones");
}

async fn what_failed_is_due_at_once_when_either_node_comes_back(mut books: Books) {
    // It counted: the word about the broken stream was faster than the end of the session.
    books.uploaded(1..2).await;
    books.plan(1..2, 2).await;
    let job = books.lease(1, 2).await.jobs.remove(0);
    let again = SetbackKind::Again { not_before: at(1000), counted: true };
    books.store.set_back(vec![setback(&job, again)], at(2)).await.unwrap();
    assert!(books.lease(1, 2).await.jobs.is_empty());
    books.attach().await;
    assert_eq!(books.lease(1, 2).await.jobs[0].failures, 1);
}

async fn either_sessions_end_returns_the_job(books: Books) {
    // The source's and the target's session each; a committed job stays.
    books.uploaded(1..2).await;
    books.plan(1..2, 2).await;
    for (who, epoch) in [("local", books.local), ("s01", books.s01)] {
        let job = books.lease(1, 2).await.jobs.remove(0);
        let lost = LostSession::Of { node: node(who), epoch };
        let returned = books.store.return_lost(lost.clone(), at(3)).await.unwrap();
        assert_eq!((returned.len(), returned[0].lease, returned[0].leased), (1, job.lease, at(2)), "{who}");
        assert_eq!(books.store.return_lost(lost, at(3)).await.unwrap(), vec![]);
        assert_eq!(books.store.get_job(job.job).await.unwrap().failures, 0);
    }
    let job = books.lease(1, 2).await.jobs.remove(0);
    books.store.commit_moves(vec![done(&job)], at(3)).await.unwrap();
    assert_eq!(books.store.return_lost(LostSession::Every, at(3)).await.unwrap(), vec![]);
    let leases = LostSession::Leases(vec![job.lease]);
    assert_eq!(books.store.return_lost(leases, at(3)).await.unwrap(), vec![]);
}

async fn a_new_session_returns_what_the_old_one_had(mut books: Books) {
    books.uploaded(1..2).await;
    books.plan(1..2, 2).await;
    let job = books.lease(1, 2).await.jobs.remove(0);
    books.attach().await;
    assert!(books.store.last_lease().await.unwrap() > job.lease, "the floor is above every earlier lease");
    assert_eq!(books.store.get_job(job.job).await.unwrap().state, JobState::Pending);
    let again = books.lease(1, 2).await.jobs.remove(0);
    assert!(again.epoch > job.epoch && again.lease > job.lease);
}

async fn nothing_is_leased_for_a_session_that_is_over(mut books: Books) {
    books.uploaded(1..2).await;
    books.plan(1..2, 2).await;
    let old = books.order(1, 2);
    books.attach().await;
    assert_eq!(books.store.lease_jobs(old.clone(), at(2)).await.unwrap(), Default::default());
    let target_is_over = pixelfox_server::catalog::LeaseOrder { epoch: books.local, ..old };
    assert_eq!(books.store.lease_jobs(target_is_over, at(2)).await.unwrap(), Default::default());
    assert_eq!(books.lease(1, 2).await.jobs.len(), 1);
}

async fn lanes_tell_what_is_due(books: Books) {
    // Two ways with pending jobs, one job of the first waits for its time.
    books.uploaded(1..6).await;
    books.moved(4..6, 1, 2).await;
    books.plan(1..4, 2).await;
    books.plan(4..6, 1).await;
    let job = books.lease(1, 2).await.jobs.remove(2);
    books.store.return_lost(LostSession::Every, at(2)).await.unwrap();
    let mut order = books.order(1, 2);
    order.jobs = 1;
    let first = books.store.lease_jobs(order, at(2)).await.unwrap().jobs.remove(0);
    let again = SetbackKind::Again { not_before: at(9), counted: true };
    books.store.set_back(vec![setback(&first, again)], at(2)).await.unwrap();
    let lanes = books.store.lanes(at(3)).await.unwrap();
    let seen: Vec<_> =
        lanes.iter().map(|l| (l.node.as_str(), l.source.get(), l.target.unwrap().get(), l.due)).collect();
    assert_eq!(seen, [("local", 1, 2, 2), ("s01", 2, 1, 2)]);
    assert_eq!((lanes[0].next, lanes[1].next), (Some(at(9)), None));
    assert_eq!((lanes[0].kind, job.target), (JobKind::MoveImage, pool(2)));
    books.store.lease_jobs(books.order(1, 2), at(10)).await.unwrap();
    assert_eq!(books.store.lanes(at(10)).await.unwrap().len(), 1);
}

async fn a_plan_says_what_stays_and_why(books: Books) {
    books.uploaded(1..4).await;
    books.moved(1..2, 1, 2).await;
    let dry = MoveAsk { rule: PlanRule::DryRun, ..ask(1..6, 2) };
    let seen = books.store.plan_move_images(dry, at(1)).await.unwrap();
    assert_eq!((seen.job, seen.images, seen.bytes, seen.skipped_total), (None, 2, 2 * SIZE, 3));
    let batch = books.plan(1..6, 2).await;
    assert_eq!((batch.images, &batch.skipped), (2, &seen.skipped), "a run does what the dry run said");
    assert!(batch.skipped[0].contains("is in pool img1 (2) already") && batch.skipped[1].ends_with("unknown"));
    let busy = books.plan(2..4, 2).await;
    assert!(busy.skipped.iter().all(|why| why.contains("is working on it")), "{:?}", busy.skipped);
    for (why, ask, want) in [
        ("no such pool", ask(1..2, 9), "no pool 9"),
        ("none of them known", ask(100..103, 2), "no image"),
        ("nothing asked for", ask(1..1, 2), "names no image"),
        ("too many", ask(0..10_001, 2), "at most 10000"),
    ] {
        let error = books.store.plan_move_images(ask, at(1)).await.expect_err(why);
        assert!(error.to_string().contains(want), "{why}: {error}");
    }
}

async fn a_request_id_is_answered_once(books: Books) {
    books.uploaded(1..3).await;
    let named = |numbers| MoveAsk { request_id: "r1".into(), ..ask(numbers, 2) };
    let first = books.store.plan_move_images(named(1..3), at(1)).await.unwrap();
    let second = books.store.plan_move_images(named(1..3), at(2)).await.unwrap();
    assert_eq!(first, second);
    let other = books.store.plan_move_images(named(1..2), at(2)).await.unwrap_err();
    assert!(other.to_string().contains("used for another request"), "{other}");
    let parents = JobFilter { kind: Some(JobKind::MoveImages), ..JobFilter::default() };
    assert_eq!(books.store.list_jobs(parents, PageAsk::default()).await.unwrap().total.count(), 1);
}

async fn late_words_on_the_trash_do_nothing(books: Books) {
    // Twice the same word, and one for another generation.
    books.uploaded(1..2).await;
    books.plan(1..2, 2).await;
    let job = books.lease(1, 2).await.jobs.remove(0);
    let order = books.store.commit_moves(vec![done(&job)], at(3)).await.unwrap().trash.remove(0);
    let mut other = result(&order, TrashOutcome::Trashed);
    other.generation = Generation(7);
    assert_eq!(books.store.finish_trash(vec![other], at(4)).await.unwrap(), vec![]);
    let word = result(&order, TrashOutcome::Trashed);
    assert_eq!(books.store.finish_trash(vec![word.clone(), word.clone()], at(4)).await.unwrap().len(), 2);
    assert_eq!(books.store.finish_trash(vec![word], at(4)).await.unwrap(), vec![]);
    books.assert_counted().await;
}

async fn a_trash_order_that_went_wrong_comes_again(books: Books) {
    // Not while it is out, not before its time, then with its count; a stale copy ends it with an alarm.
    books.uploaded(1..2).await;
    books.plan(1..2, 2).await;
    let job = books.lease(1, 2).await.jobs.remove(0);
    let order = books.store.commit_moves(vec![done(&job)], at(3)).await.unwrap().trash.remove(0);
    let due = async |now| books.store.delete_orders_due(node("local"), books.local, 10, now).await.unwrap();
    assert_eq!(due(at(3)).await, vec![], "it is out");
    assert_eq!(books.store.next_trash_order(&node("local"), books.local).await.unwrap(), None);
    books.store.finish_trash(vec![result(&order, TrashOutcome::Again(at(8)))], at(3)).await.unwrap();
    assert_eq!(books.store.next_trash_order(&node("local"), books.local).await.unwrap(), Some(at(8)));
    assert_eq!(due(at(7)).await, vec![]);
    let again = due(at(8)).await.remove(0);
    assert_eq!((again.failures, again.job, again.generation), (1, Some(job.job), order.generation));
    let alarm = TrashOutcome::Stale("generation 9".into());
    let settled = books.store.finish_trash(vec![result(&again, alarm)], at(9)).await.unwrap();
    assert_eq!(settled[0].state, JobState::Completed);
    assert!(settled[0].cause.contains("generation 9"), "{settled:?}");
    books.assert_counted().await;
}

async fn jobs_are_listed_newest_first_and_paged(books: Books) {
    books.uploaded(1..8).await;
    let parent = books.plan(1..8, 2).await.job.unwrap();
    let filter = JobFilter { parent: Some(parent), state: Some(JobState::Pending), ..JobFilter::default() };
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let page = books.store.list_jobs(filter.clone(), PageAsk { size: 3, token }).await.unwrap();
        assert_eq!(page.total, Total::Exact(7));
        seen.extend(page.items.iter().map(|job| job.image.unwrap()));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
        let other = books.store.list_jobs(JobFilter::default(), PageAsk { size: 3, token: token.clone() }).await;
        assert!(other.unwrap_err().to_string().contains("another list"));
    }
    assert_eq!(seen, (1..8).rev().map(image).collect::<Vec<_>>());
    let totals = books.store.job_totals().await.unwrap();
    assert_eq!(totals.states, [(JobState::Pending, 7), (JobState::Processing, 1)]);
    let unknown = books.store.get_job(pixelfox_proto::JobId::try_from(99).unwrap()).await.unwrap_err();
    assert_eq!(unknown.to_string(), "no job 99");
}
