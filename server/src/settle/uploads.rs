//! An upload that a node has durably becomes an image, or the word to drop the file.

use tokio::time::Instant;

use super::Settle;
use crate::catalog::{Located, NewUpload, UploadDecision};
use crate::clock;
use crate::events::{Event, Subject};
use crate::store::StoreError;
use pixelfox_proto::StoredPath;

impl Settle {
    /// Decides on an upload; the answer comes after the commit. Asked again with the same id: the same answer.
    ///
    /// # Errors
    /// The books don't know the pool or can't be written: the node keeps its file and asks again.
    pub async fn commit_upload(&self, upload: NewUpload) -> Result<UploadDecision, StoreError> {
        let (id, node, path, size) = (upload.id, upload.node.clone(), upload.path.clone(), upload.size);
        crash_point!("upload_record.before_commit");
        let decision = self.rooms.store.commit_upload(upload, clock::now()).await?;
        crash_point!("upload_record.after_commit");
        match &decision {
            UploadDecision::Keep(image) => {
                let message = format!("[Upload] Image {} is at {}", image.id, image.url);
                tracing::info!(image = %image.id, %node, %path, "{message}");
                self.rooms.events.publish(&Event { subject: Subject::Image(image.id), message });
                self.rooms.sessions.usage_changed();
                self.rooms.progress.uploaded(size, Instant::now());
            }
            UploadDecision::DropDuplicate(image) => {
                tracing::info!(image = %image.id, %node, %path, "[Upload] Duplicate of image {}", image.id);
            }
            UploadDecision::DropRefused(why) => {
                tracing::warn!(upload = %id, %node, %path, "[Upload] Refused: {why}");
            }
        }
        Ok(decision)
    }

    /// Where a path is served from now.
    ///
    /// # Errors
    /// The books can't be read.
    pub async fn locate(&self, path: &StoredPath) -> Result<Option<Located>, StoreError> {
        self.rooms.store.locate(path).await
    }
}
