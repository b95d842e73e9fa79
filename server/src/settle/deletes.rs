//! Images for good: the books first, then whoever still works on them stops.

use super::{Settle, trash};
use crate::catalog::{DeleteAsk, Deleting, MoveBatch};
use crate::clock;
use crate::events::{Event, Subject};
use crate::store::StoreError;

impl Settle {
    /// Deletes images: from here on they are in sight no more. Each node hears of its copies now, or when it attaches.
    /// A caller who is gone stops nothing of it.
    ///
    /// # Errors
    /// What the books say. After a failure of the database it is not known whether it happened: the same request id
    /// answers that.
    pub async fn delete_images(&self, ask: DeleteAsk) -> Result<MoveBatch, StoreError> {
        let this = self.clone();
        self.owned(async move { this.delete_now(ask).await }).await
    }

    async fn delete_now(&self, ask: DeleteAsk) -> Result<MoveBatch, StoreError> {
        crash_point!("delete.before_commit");
        let deleting = self.books().delete_images(ask, clock::now()).await;
        crash_point!("delete.after_commit");
        if matches!(deleting, Err(StoreError::Refused(_))) {
            return deleting.map(|deleting| deleting.batch);
        }
        self.heed_changes().await;
        trash::look(&self.rooms, &self.trash).await;
        let deleting = deleting?;
        self.announce_deletes(&deleting);
        self.rooms.published(deleting.settled);
        Ok(deleting.batch)
    }

    fn announce_deletes(&self, deleting: &Deleting) {
        for image in &deleting.hidden {
            let message = format!("[DeleteImage] Image {image} is being deleted");
            tracing::info!(%image, "{message}");
            self.rooms.events.publish(&Event { subject: Subject::Image(*image), message });
        }
        if let Some(job) = deleting.batch.job {
            let message = format!("[DeleteImage] Job {job}: {} images", deleting.batch.images);
            self.rooms.events.publish(&Event { subject: Subject::Job(job), message });
        }
    }
}
