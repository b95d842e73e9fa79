//! What must be true of the books at the end of all that happened, and that everything comes to its end.

use pixelfox_server::catalog::{
    CheckOutcome, CheckResult, Found, Image, ImageFilter, JobChange, JobFilter, JobKind, JobState, PurgeOrder,
    ReplicaState, Total, UploadDecision, WhichJobs,
};

use super::{World, change_all, done_with, everything};
use crate::store_books::{at, done, pool, result, upload};

impl World {
    /// Every image is in the pool that the books say, live, but for those that were found lost or suspect there.
    pub(super) async fn assert_true(&self) {
        let images = self.books.store.list_images(ImageFilter::default(), everything()).await.unwrap();
        assert_eq!(images.items.len() as u64 + self.deleted.len() as u64, self.uploaded);
        assert_eq!(images.total, Total::Exact(images.items.len() as u64));
        for image in images.items {
            let file = &image.files[0];
            assert_eq!(file.pool, image.pool, "image {}", image.id);
            assert!(!matches!(file.state, ReplicaState::Writing | ReplicaState::Condemned | ReplicaState::Trashed));
            let served = self.books.store.locate(&file.path).await.unwrap().map(|located| located.pool);
            assert_eq!(served, (file.state != ReplicaState::Lost).then_some(image.pool));
        }
        let jobs = self.books.store.list_jobs(JobFilter::default(), everything()).await.unwrap().items;
        for parent in jobs.iter().filter(|job| job.parent.is_none()) {
            let children = || jobs.iter().filter(|job| job.parent == Some(parent.id));
            let ended = |state| children().filter(|job| job.state == state).count() as u64;
            let to_come = parent.kind == JobKind::MovePool && children().count() == 0;
            assert!(to_come || parent.children_total == children().count() as u64, "{parent:?}");
            assert!(to_come || parent.bytes_total == children().map(|job| job.bytes_total).sum::<u64>(), "{parent:?}");
            assert_eq!(parent.children_done, ended(JobState::Completed));
            assert_eq!(parent.children_failed, ended(JobState::Failed));
            let never_made = if to_come && parent.finished.is_some() { parent.children_total } else { 0 };
            assert_eq!(parent.children_cancelled, ended(JobState::Cancelled) + never_made);
            assert_eq!(parent.files_missing, children().map(|job| job.files_missing).sum::<u64>());
            assert_eq!(parent.children_unmoved, children().map(|job| job.unmoved()).sum::<u64>());
            assert_eq!(
                parent.finished.is_some(),
                parent.children_total == parent.children_done + parent.children_failed + parent.children_cancelled
            );
        }
    }

    /// Nodes that do what they are told, until nothing is left to do.
    pub(super) async fn settle_everything(mut self) {
        self.attach(true).await;
        self.attach(false).await;
        self.books.store.resume_queue(at(self.now)).await.unwrap();
        self.open_pools().await;
        let paused = JobFilter { state: Some(JobState::Paused), ..JobFilter::default() };
        change_all(&self.books.store, JobChange::Resume, WhichJobs::Filter(paused), self.now).await;
        for round in 0..100 {
            self.now += 3600;
            self.slices().await;
            self.read_everything().await;
            for back in [false, true] {
                let known = self.leased.len();
                self.lease(back, 50).await;
                let words = self.leased[known..].iter().map(done).collect();
                let committed = self.books.store.commit_moves(words, at(self.now)).await.unwrap();
                assert!(committed.stale.is_empty(), "{committed:?}");
                self.orders.extend(committed.trash);
            }
            self.due().await;
            let words = self.orders.drain(..).map(|order| result(&order, done_with(&order))).collect();
            self.books.store.finish_trash(words, at(self.now)).await.unwrap();
            let open = self.books.store.job_totals().await.unwrap().states;
            if open
                .iter()
                .all(|(state, _)| matches!(state, JobState::Completed | JobState::Failed | JobState::Cancelled))
            {
                break;
            }
            assert!(round < 99, "jobs that never end: {open:?}");
        }
        self.assert_true().await;
        self.books.assert_counted().await;
        for number in &self.deleted {
            let again = self.books.store.commit_upload(upload(*number), at(self.now)).await.unwrap();
            assert!(matches!(again, UploadDecision::DropRefused(_)), "what was deleted comes back: {again:?}");
        }
        self.empty_trash().await;
    }

    /// What is to be read is as it should be.
    async fn read_everything(&self) {
        for number in [1, self.second] {
            let due = self.books.store.checks_due(pool(number), 1000, at(self.now)).await.unwrap();
            let word = |order: pixelfox_server::catalog::CheckOrder| CheckResult {
                pool: order.pool,
                path: order.path,
                generation: order.generation,
                outcome: CheckOutcome::Found(Found::Right),
            };
            self.books.store.note_checks(due.into_iter().map(word).collect(), at(self.now)).await.unwrap();
        }
    }

    /// With all work done and the trash emptied, the pools hold the images and nothing else; what stays in the trash is
    /// there because the live copy is not right.
    async fn empty_trash(mut self) {
        // what was taken back in the last round is kept until its live copy was read
        self.read_everything().await;
        for number in [1, self.second] {
            let order = PurgeOrder { pool: pool(number), until: at(self.now), bytes: None, copies: 1000 };
            self.books.store.begin_purges(order, vec![], at(self.now)).await.unwrap();
        }
        self.due().await;
        let words = self.orders.drain(..).map(|order| result(&order, done_with(&order))).collect();
        self.books.store.finish_trash(words, at(self.now)).await.unwrap();
        self.books.assert_counted().await;
        let images = self.books.store.list_images(ImageFilter::default(), everything()).await.unwrap().items;
        let not_right = images.iter().filter(|image| image.files[0].state != ReplicaState::Live).count() as u64;
        let mut trashed = 0;
        for number in [1, self.second] {
            let usage = self.books.pool(number).await.usage;
            let here = |image: &&Image| image.pool == pool(number) && image.files[0].state != ReplicaState::Lost;
            let bytes: u64 = images.iter().filter(here).map(|image| image.size).sum();
            assert_eq!((usage.used_bytes, usage.reserved_bytes), (bytes, 0), "pool {number}");
            trashed += usage.trash_files;
        }
        assert!(trashed <= not_right, "{trashed} in the trash, {not_right} images are not right");
    }
}
