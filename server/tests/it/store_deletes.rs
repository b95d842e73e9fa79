//! The store's suite: images for good.

use pixelfox_server::catalog::{
    DeleteAsk, Deleting, ImageFilter, JobFilter, JobKind, JobState, PageAsk, PurgeOrder, TrashOrder, TrashOrigin,
    TrashOutcome, TrashTask, UploadDecision,
};
use pixelfox_server::store::StoreError;

use crate::store_books::{Books, SIZE, at, digest, done, image, node, path, pool, result, suite, upload};

suite! {
    an_image_is_hidden_at_once_and_gone_with_its_nodes_last_word,
    a_delete_calls_the_move_off_and_clears_both_ends,
    a_delete_after_a_commit_waits_for_the_old_copy_too,
    a_delete_takes_what_lies_in_the_trash,
    a_delete_for_a_node_that_is_away_waits_for_it_alone,
    what_was_deleted_never_comes_back,
    a_copy_with_another_mark_stays_and_is_told,
    what_a_sick_pool_owes_is_due_as_soon_as_it_is_well,
    unknown_images_are_one_error_and_nothing_is_done,
    a_delete_is_answered_once,
}

async fn delete(books: &Books, numbers: std::ops::Range<u64>) -> Deleting {
    let ask = DeleteAsk { images: numbers.map(image).collect(), request_id: String::new() };
    books.store.delete_images(ask, at(60)).await.unwrap()
}

/// Everything that both nodes are told now.
async fn orders(books: &Books) -> Vec<TrashOrder> {
    let mut all = Vec::new();
    for (name, epoch) in [("local", books.local), ("s01", books.s01)] {
        all.extend(books.store.delete_orders_due(node(name), epoch, 100, at(61)).await.unwrap());
        all.extend(books.store.purge_orders_due(node(name), epoch, 100, at(61)).await.unwrap());
    }
    all
}

async fn obey(books: &Books, orders: &[TrashOrder]) {
    let word = |order: &TrashOrder| match order.task {
        TrashTask::Trash => result(order, TrashOutcome::Trashed),
        TrashTask::Purge => result(order, TrashOutcome::Purged),
    };
    books.store.finish_trash(orders.iter().map(word).collect(), at(62)).await.unwrap();
    books.assert_counted().await;
}

/// Nodes do as they are told until nothing is left; how many orders that took.
async fn obey_all(books: &Books) -> usize {
    let mut count = 0;
    loop {
        let due = orders(books).await;
        if due.is_empty() {
            return count;
        }
        count += due.len();
        obey(books, &due).await;
    }
}

async fn assert_nothing_is_left(books: &Books) {
    for number in [1, 2] {
        let usage = books.pool(number).await.usage;
        assert_eq!(usage, pixelfox_server::catalog::PoolUsage::default(), "pool {number}");
    }
    books.assert_counted().await;
}

async fn jobs(books: &Books, kind: JobKind) -> Vec<pixelfox_server::catalog::Job> {
    let filter = JobFilter { kind: Some(kind), ..JobFilter::default() };
    books.store.list_jobs(filter, PageAsk { size: 100, token: String::new() }).await.unwrap().items
}

async fn an_image_is_hidden_at_once_and_gone_with_its_nodes_last_word(books: Books) {
    // Lists, links, places and counters forget it with the request; its job and its parent wait for the node's two
    // words: in the trash, and out of it.
    books.uploaded(1..3).await;
    let deleting = delete(&books, 1..2).await;
    assert_eq!((deleting.batch.images, deleting.batch.files, deleting.batch.bytes), (1, 1, SIZE));
    assert!(books.store.get_image(image(1)).await.is_err());
    assert!(books.store.image_by_share(&upload(1).meta.share_token.parse().unwrap()).await.is_err());
    assert_eq!(books.store.locate(&path(1)).await.unwrap(), None);
    let page =
        books.store.list_images(ImageFilter::default(), PageAsk { size: 10, token: String::new() }).await.unwrap();
    assert_eq!((page.total.count(), page.items.len()), (1, 1));
    let usage = books.pool(1).await.usage;
    assert_eq!((usage.used_bytes, usage.trash_bytes, usage.images), (SIZE, SIZE, 1));
    books.assert_counted().await;
    let child = jobs(&books, JobKind::DeleteImage).await.remove(0);
    assert_eq!((child.state, child.node, child.image), (JobState::Pending, Some(node("local")), Some(image(1))));
    for task in [TrashTask::Trash, TrashTask::Purge] {
        let due = orders(&books).await;
        assert_eq!((due.len(), due[0].task, due[0].origin), (1, task, TrashOrigin::Moved));
        assert_eq!(jobs(&books, JobKind::DeleteImages).await[0].state, JobState::Processing);
        obey(&books, &due).await;
    }
    let parent = jobs(&books, JobKind::DeleteImages).await.remove(0);
    assert_eq!((parent.state, parent.children_done, parent.bytes_done), (JobState::Completed, 1, SIZE));
    assert_eq!(jobs(&books, JobKind::DeleteImage).await[0].state, JobState::Completed);
    assert_eq!(orders(&books).await, []);
    assert_eq!(books.pool(1).await.usage.trash_bytes, 0);
}

async fn a_delete_calls_the_move_off_and_clears_both_ends(books: Books) {
    // Bytes are on their way to s01: the attempt is given up there, its receipt comes too late, and both copies go.
    books.uploaded(1..2).await;
    books.plan(1..2, 2).await;
    let leased = books.lease(1, 2).await;
    let deleting = delete(&books, 1..2).await;
    let moves: Vec<_> = deleting.settled.iter().map(|job| job.state).collect();
    assert_eq!(moves, [JobState::Cancelled, JobState::Cancelled], "the move and its parent");
    let committed = books.store.commit_moves(vec![done(&leased.jobs[0])], at(61)).await.unwrap();
    assert_eq!(committed.stale, [leased.jobs[0].job]);
    let due = orders(&books).await;
    let origins: Vec<_> = due.iter().map(|order| (order.pool, order.generation.0, order.origin)).collect();
    let given_up = TrashOrigin::GivenUp(leased.jobs[0].lease);
    assert_eq!(origins, [(pool(1), 1, TrashOrigin::Moved), (pool(2), 2, given_up)]);
    obey(&books, &due).await;
    assert_eq!(obey_all(&books).await, 2);
    assert_nothing_is_left(&books).await;
}

async fn a_delete_after_a_commit_waits_for_the_old_copy_too(books: Books) {
    // The move is committed, its old copy on the way to the trash: the move ends, and the delete purges both copies.
    books.uploaded(1..2).await;
    let batch = books.plan(1..2, 2).await;
    let leased = books.lease(1, 2).await;
    let committed = books.store.commit_moves(vec![done(&leased.jobs[0])], at(50)).await.unwrap();
    delete(&books, 1..2).await;
    obey(&books, &committed.trash).await;
    assert_eq!(books.store.get_job(batch.job.unwrap()).await.unwrap().state, JobState::Completed);
    assert_eq!(obey_all(&books).await, 3, "one into the trash, two out of it");
    assert_eq!(jobs(&books, JobKind::DeleteImage).await[0].state, JobState::Completed);
    assert_nothing_is_left(&books).await;
}

async fn a_delete_takes_what_lies_in_the_trash(books: Books) {
    // Moved and trashed long ago, the second one on its way out already; the third is on its way back.
    books.uploaded(1..4).await;
    books.moved(1..4, 1, 2).await;
    let order = PurgeOrder { pool: pool(1), until: at(50), bytes: Some(1), copies: 1 };
    books.store.begin_purges(order, vec![], at(50)).await.unwrap();
    let purging = orders(&books).await;
    books.plan(3..4, 1).await;
    assert_eq!(books.lease(2, 1).await.jobs.len(), 1);
    delete(&books, 1..4).await;
    obey(&books, &purging).await;
    let restoring = orders(&books).await;
    let words = restoring.iter().map(|order| match order.origin {
        // the restore never began: its copy is in the trash as before
        TrashOrigin::GivenUp(_) => result(order, TrashOutcome::Missing),
        TrashOrigin::Moved if order.task == TrashTask::Trash => result(order, TrashOutcome::Trashed),
        TrashOrigin::Moved => result(order, TrashOutcome::Purged),
    });
    books.store.finish_trash(words.collect(), at(62)).await.unwrap();
    books.assert_counted().await;
    let last = orders(&books).await;
    assert!(
        last.iter().any(|order| order.path == path(3) && order.pool == pool(1) && order.generation.0 == 1),
        "{last:?}"
    );
    obey(&books, &last).await;
    obey_all(&books).await;
    assert_nothing_is_left(&books).await;
}

async fn a_delete_for_a_node_that_is_away_waits_for_it_alone(mut books: Books) {
    // `local` answers at once, s01 comes back days later, after a restart of the coordinator: the job names s01 as the
    // one that is awaited.
    books.uploaded(1..2).await;
    books.moved(1..2, 1, 2).await;
    delete(&books, 1..2).await;
    let here: Vec<_> = orders(&books).await.into_iter().filter(|order| order.node == node("local")).collect();
    obey(&books, &here).await;
    let waiting = jobs(&books, JobKind::DeleteImage).await.remove(0);
    assert_eq!((waiting.state, waiting.node), (JobState::Pending, Some(node("s01"))));
    books = books.reopen().await;
    books.attach().await;
    assert_eq!(obey_all(&books).await, 2);
    assert_nothing_is_left(&books).await;
}

async fn what_was_deleted_never_comes_back(books: Books) {
    // An upload that asks again is told to drop its file, before and after the last word. The same bytes by the same
    // user are a new image.
    let of_user = |number| {
        let mut upload = upload(number);
        upload.meta.user_id = 7;
        upload.sha256 = digest(1);
        upload
    };
    books.store.commit_upload(of_user(1), at(1)).await.unwrap();
    let duplicate = books.store.commit_upload(of_user(2), at(1)).await.unwrap();
    assert!(matches!(duplicate, UploadDecision::DropDuplicate(_)), "{duplicate:?}");
    delete(&books, 1..2).await;
    let asks_again = async || {
        let again = books.store.commit_upload(of_user(1), at(63)).await.unwrap();
        assert!(matches!(again, UploadDecision::DropRefused(_)), "{again:?}");
    };
    asks_again().await;
    let anew = books.store.commit_upload(of_user(3), at(63)).await.unwrap();
    assert!(matches!(&anew, UploadDecision::Keep(place) if place.id == image(3)), "{anew:?}");
    obey_all(&books).await;
    asks_again().await;
    assert_eq!(books.store.get_image(image(3)).await.unwrap().pool, pool(1));
    assert_eq!(books.pool(1).await.usage.images, 1);
}

async fn a_copy_with_another_mark_stays_and_is_told(books: Books) {
    // STALE: what lies there is not what the books mean. The delete ends, and its job says what to look at.
    books.uploaded(1..2).await;
    delete(&books, 1..2).await;
    let due = orders(&books).await;
    let word = result(&due[0], TrashOutcome::Stale("the file there has generation 9".into()));
    books.store.finish_trash(vec![word], at(62)).await.unwrap();
    let job = jobs(&books, JobKind::DeleteImage).await.remove(0);
    assert_eq!(job.state, JobState::Completed);
    assert!(job.last_error.contains("generation 9"), "{job:?}");
    assert_nothing_is_left(&books).await;
}

async fn what_a_sick_pool_owes_is_due_as_soon_as_it_is_well(books: Books) {
    // The order failed and would wait for a quarter of an hour; another pool's health is nothing to it.
    books.uploaded(1..2).await;
    delete(&books, 1..2).await;
    let order = orders(&books).await.remove(0);
    books.store.finish_trash(vec![result(&order, TrashOutcome::Again(at(900)))], at(61)).await.unwrap();
    books.store.pools_reported_healthy(vec![pool(2)]).await.unwrap();
    assert_eq!(orders(&books).await, vec![]);
    books.store.pools_reported_healthy(vec![pool(1)]).await.unwrap();
    let again = orders(&books).await;
    assert_eq!((again.len(), again[0].failures), (1, 0));
}

async fn unknown_images_are_one_error_and_nothing_is_done(books: Books) {
    // Known ones beside them stay; none and too many are refused likewise.
    books.uploaded(1..2).await;
    let ask = |images| books.store.delete_images(DeleteAsk { images, request_id: String::new() }, at(60));
    for (images, want) in [
        ((1..20).map(image).collect(), "uuids: no image 00000000-0000-0000-0000-000000000002, "),
        ((1..20).map(image).collect(), " and 8 more"),
        (vec![], "0 images in one request"),
        (vec![image(1); DeleteAsk::MAX_IMAGES + 1], "10001 images in one request, 1 to 10000 go"),
    ] {
        let refused = ask(images).await.unwrap_err();
        assert!(matches!(&refused, StoreError::Refused(why) if why.to_string().contains(want)), "{refused}");
    }
    assert!(books.store.get_image(image(1)).await.is_ok());
    assert!(jobs(&books, JobKind::DeleteImages).await.is_empty());
}

async fn a_delete_is_answered_once(books: Books) {
    // The same request id answers the same; without one, what is being deleted or was is skipped with the reason.
    books.uploaded(1..3).await;
    let ask = |images: std::ops::Range<u64>, id: &str| DeleteAsk {
        images: images.map(image).collect(),
        request_id: id.into(),
    };
    let first = books.store.delete_images(ask(1..2, "once"), at(60)).await.unwrap();
    let again = books.store.delete_images(ask(1..2, "once"), at(60)).await.unwrap();
    assert_eq!((&again.batch, again.hidden.len()), (&first.batch, 0));
    assert!(books.store.delete_images(ask(2..3, "once"), at(60)).await.is_err());
    let skipped = delete(&books, 1..2).await.batch;
    assert_eq!((skipped.images, skipped.skipped_total, skipped.job), (0, 1, None));
    assert!(skipped.skipped[0].ends_with("is being deleted"), "{skipped:?}");
    obey_all(&books).await;
    let skipped = delete(&books, 1..3).await.batch;
    assert_eq!((skipped.images, skipped.skipped[0].ends_with("was deleted")), (1, true), "{skipped:?}");
    assert_eq!(books.store.get_job(skipped.job.unwrap()).await.unwrap().state, JobState::Processing);
}
