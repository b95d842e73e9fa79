//! An upload that a node has durably becomes an image, or the word to drop the file.

use std::sync::Arc;

use futures_util::future::join_all;
use pixelfox_proto::{StoredPath, TraceId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Rooms, Settle};
use crate::catalog::{Located, NewUpload, Readable, UploadDecision};
use crate::clock;
use crate::events::{Event, Subject};
use crate::store::StoreError;

/// Uploads that are decided in one transaction at most.
const BATCH: usize = 128;

/// An upload, and who waits for the decision on it.
#[derive(Debug)]
pub(super) struct Asked {
    upload: NewUpload,
    answer: oneshot::Sender<Result<UploadDecision, StoreError>>,
}

/// Runs until `stop`; who has asked before is answered. While one transaction is under way, the uploads for the next one
/// gather.
pub(super) async fn run(rooms: Arc<Rooms>, mut uploads: mpsc::Receiver<Asked>, stop: CancellationToken) {
    let mut asked = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            biased;
            count = uploads.recv_many(&mut asked, BATCH) => if count == 0 { return },
            () = stop.cancelled(), if !uploads.is_closed() => uploads.close(),
        }
        decide(&rooms, &mut asked).await;
    }
}

/// Asks the books about all of them at once. Where that fails in a way that one of them may be the cause of, each is
/// asked about on its own, so that none suffers for another's sake.
async fn decide(rooms: &Rooms, asked: &mut Vec<Asked>) {
    let uploads: Vec<NewUpload> = asked.iter().map(|one| one.upload.clone()).collect();
    let readable = Readable::These(rooms.sessions.readable_pools());
    let decided: Vec<_> = match rooms.store.commit_uploads(uploads, readable.clone(), clock::now()).await {
        Ok(decided) => decided.into_iter().map(|decision| decision.map_err(StoreError::from)).collect(),
        Err(StoreError::Unreachable { why, commit }) => {
            asked.iter().map(|_| Err(StoreError::Unreachable { why: why.clone(), commit })).collect()
        }
        Err(StoreError::Closed) => asked.iter().map(|_| Err(StoreError::Closed)).collect(),
        Err(_) => {
            let now = clock::now();
            let alone = |one: &Asked| rooms.store.commit_upload_where(one.upload.clone(), readable.clone(), now);
            join_all(asked.iter().map(alone)).await
        }
    };
    for (one, decision) in asked.drain(..).zip(decided) {
        drop(one.answer.send(decision)); // who left does not want it
    }
}

impl Settle {
    /// Decides on an upload of the given trace; the answer comes after the commit. Asked again with the same id: the same
    /// answer.
    ///
    /// # Errors
    /// The books don't know the pool or can't be written: the node keeps its file and asks again.
    pub async fn commit_upload(&self, upload: NewUpload, trace: TraceId) -> Result<UploadDecision, StoreError> {
        let (id, node, path, size) = (upload.id, upload.node.clone(), upload.path.clone(), upload.size);
        crash_point!("upload_record.before_commit");
        let (answer, decision) = oneshot::channel();
        self.uploads.send(Asked { upload, answer }).await.map_err(|_| StoreError::Closed)?;
        let decision = decision.await.map_err(|_| StoreError::Closed)??;
        crash_point!("upload_record.after_commit");
        match &decision {
            UploadDecision::Keep(image) => {
                let message = format!("[Upload] Image {} is at {}", image.id, image.url);
                tracing::info!(image = %image.id, %node, %path, trace_id = %trace, "{message}");
                self.rooms.events.publish(&Event { subject: Subject::Image(image.id), message });
                self.rooms.sessions.usage_changed();
                self.rooms.progress.uploaded(size, Instant::now());
            }
            UploadDecision::DropDuplicate(image) => {
                tracing::info!(image = %image.id, %node, %path, trace_id = %trace, "[Upload] Duplicate of image {}", image.id);
            }
            UploadDecision::DropRefused(why) => {
                tracing::warn!(upload = %id, %node, %path, trace_id = %trace, "[Upload] Refused: {why}");
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
