//! Two processes on one PostgreSQL: whose a session is, what becomes of a silent one's, who hears of what.

use std::time::Duration;

use pixelfox_server::{
    catalog::{Hello, Reach},
    store::{AutoPools, Rumour, Store, StoreError},
};
use tokio::time::timeout;

use crate::store_books::{Books, at, done, hello, node, pool, suite, upload};

suite! {
    what_an_earlier_process_had_is_pending_again_where_there_is_only_one,
}

async fn what_an_earlier_process_had_is_pending_again_where_there_is_only_one(mut books: Books) {
    // Nodes attach, a job is leased, the process ends without a word; the next one starts. With a file it is the only one
    // there is; with a server the earlier one is told from a dead one by its silence alone, or by the node's return.
    books.store.enter(at(0)).await.unwrap();
    books.attach().await;
    books.uploaded(1..2).await;
    books.plan(1..2, 2).await;
    assert_eq!(books.lease(1, 2).await.jobs.len(), 1);
    let mut books = books.reopen().await;
    let returned = books.store.enter(at(1)).await.unwrap();
    assert_eq!(returned.len(), usize::from(!books.store.is_shared()));
    books.attach().await;
    assert_eq!(books.lease(1, 2).await.jobs.len(), 1);
    books.store.leave().await.unwrap();
}

/// The books, and another process on the same database. `s01` is the first one's, `local` the other's.
async fn two() -> (Books, Store) {
    shared(Books::postgres().await).await
}

async fn shared(mut books: Books) -> (Books, Store) {
    let other = Store::open(&books.home.url()).await.unwrap();
    assert_eq!(books.store.enter(at(0)).await.unwrap(), []);
    assert_eq!(other.enter(at(0)).await.unwrap(), []);
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

    // the first one says nothing for 30 s of the database's clock
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
