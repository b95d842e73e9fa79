//! Room of a full pool, in the books.

use pixelfox_server::catalog::{LeaseOrder, PoolPatch, SaveRule, Setback, SetbackKind};

use crate::store_books::{Books, SIZE, at, image, pool, suite};

suite! {
    a_full_target_leaves_jobs_pending,
    a_job_that_comes_again_needs_its_room_once,
}

async fn a_full_target_leaves_jobs_pending(books: Books) {
    // Room for two of three on the disk; what is reserved counts, so that a second lease takes nothing.
    books.uploaded(1..4).await;
    books.plan(1..4, 2).await;
    let mut order = books.order(1, 2);
    order.disk_free_bytes = 2 * SIZE + 10;
    let leased = books.store.lease_jobs(order.clone(), at(2)).await.unwrap();
    assert_eq!((leased.jobs.len(), leased.full), (2, true));
    let leased = books.store.lease_jobs(order, at(2)).await.unwrap();
    assert_eq!((leased.jobs.len(), leased.full), (0, true));
    assert_eq!(books.store.lanes(at(2)).await.unwrap()[0].due, 1);
    // What is too large does not hold up what fits, however much of it is first in line.
    books.uploaded_of(4..40, 50 * SIZE).await;
    books.uploaded(40..41).await;
    books.plan(4..41, 2).await;
    let order = LeaseOrder { disk_free_bytes: 20 * SIZE, jobs: 4, ..books.order(1, 2) };
    let leased = books.store.lease_jobs(order, at(2)).await.unwrap();
    assert_eq!(leased.jobs.iter().map(|job| job.image).collect::<Vec<_>>(), [image(3), image(40)]);
    books.assert_counted().await;
}

async fn a_job_that_comes_again_needs_its_room_once(books: Books) {
    // Room for one and a half images: the attempt that broke keeps its reservation, and the next one needs no second.
    // Another image waits.
    let patch = PoolPatch { max_size: Some(SIZE + SIZE / 2), ..PoolPatch::default() };
    books.store.update_pool(pool(2), patch, 0, SaveRule::Checked, at(0)).await.unwrap();
    books.uploaded(1..3).await;
    books.plan(1..3, 2).await;
    let mut order = books.order(1, 2);
    order.disk_free_bytes = SIZE + SIZE / 2;
    let first = books.store.lease_jobs(order.clone(), at(2)).await.unwrap();
    assert_eq!((first.jobs.len(), first.full), (1, true));
    let again = SetbackKind::Again { not_before: at(2), counted: true };
    let job = &first.jobs[0];
    let setback = Setback {
        job: job.job,
        lease: job.lease,
        epoch: job.epoch,
        kind: again,
        cause: "broken".into(),
        sources: Vec::new(),
    };
    books.store.set_back(vec![setback], at(2)).await.unwrap();
    let next = books.store.lease_jobs(order, at(2)).await.unwrap();
    assert_eq!((next.jobs[0].job, next.jobs[0].attempt, next.full), (first.jobs[0].job, 2, true));
    assert_eq!(books.pool(2).await.usage.reserved_bytes, SIZE);
}
