//! From a durable file to the coordinator's answer, and the same again for what an earlier life has left unanswered.
//! Here a file and its pending entry part: the entry goes only when the coordinator has decided.

use std::{sync::Arc, time::Duration};

use pixelfox_proto::{Generation, ImageId, StoredPath, Trace};
use tokio::sync::oneshot;

use super::{Accepted, Intake, IntakeError, Shared};
use crate::{
    coordinator::{Committed, CoordinatorError, NewUpload},
    disk::{Disk, DiskError, PendingUpload, Stored},
    pools::Pool,
    receive::{Landing, Publish},
};

/// So long a client waits for the coordinator's answer, once its file is stored; then it hears that it is not decided.
pub(super) const ANSWER_WAIT: Duration = Duration::from_secs(15);
/// Pauses between the questions while a client waits.
const PAUSES_MS: [u64; 5] = [100, 300, 1_000, 2_000, 4_000];
/// Pauses between the rounds over what nobody waits for any more.
const ROUND_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_ROUND_PAUSE: Duration = Duration::from_secs(60);

/// How a round over the pending entries ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The coordinator has decided about so many.
    pub decided: u32,
    /// Entries without a file of theirs: removed.
    pub empty: u32,
    /// The coordinator, or the disk, could not be asked: later again.
    pub left: u32,
}

impl std::fmt::Display for Recovered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { decided, empty, left } = self;
        write!(f, "{decided} are decided, {empty} had no file, {left} are asked about later")
    }
}

/// One upload that this process asks about; nobody else does while it lives.
struct Turn {
    shared: Arc<Shared>,
    id: ImageId,
}

impl Turn {
    fn take(shared: &Arc<Shared>, id: ImageId) -> Option<Self> {
        shared.under_way.lock().insert(id).then(|| Self { shared: Arc::clone(shared), id })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.shared.under_way.lock().remove(&self.id);
    }
}

impl Intake {
    /// Publishes and commits in a task of its own: a client that goes away in between changes nothing any more.
    ///
    /// Only the coordinator has a deadline. A disk takes as long as it takes, and the client waits for it: told before
    /// that its file is stored, it would send it once more, and there would be two images.
    pub(super) async fn carry_through(
        &self,
        landing: Landing,
        publish: Publish,
        upload: NewUpload,
    ) -> Result<Accepted, IntakeError> {
        let (tell, told) = oneshot::channel();
        let (tell_published, published) = oneshot::channel::<()>();
        let shared = Arc::clone(&self.shared);
        let intake = self.clone();
        self.shared.uploads.spawn(async move {
            let Some(turn) = Turn::take(&shared, upload.upload_id) else { return };
            let pool = Arc::clone(landing.pool());
            let receipt = landing.publish(publish).await;
            drop(tell_published);
            let outcome = match receipt {
                Ok(_receipt) => {
                    crash_point!("upload.before_ask");
                    intake.decided(&pool, upload).await
                }
                Err(error) => Err(error.into()),
            };
            drop(turn);
            let undecided = matches!(outcome, Err(IntakeError::Undecided));
            drop(tell.send(outcome)); // a client that is gone hears nothing
            if undecided {
                intake.ask_later();
            }
        });
        drop(published.await); // well or not: the outcome says so
        match tokio::time::timeout(self.shared.answer_wait, told).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(IntakeError::Undecided),
        }
    }

    /// Asks until there is an answer, or until a client would not wait any longer.
    async fn decided(&self, pool: &Pool, upload: NewUpload) -> Result<Accepted, IntakeError> {
        let trace = upload.trace.id();
        for pause in PAUSES_MS {
            match self.shared.coordinator.commit_upload(upload.clone()).await {
                Ok(committed) => {
                    if let Err(error) = carry_out(pool, &upload, &committed).await {
                        tracing::warn!(upload = %upload.upload_id, trace_id = %trace, "an answered upload keeps its entry: {error}");
                        self.ask_later();
                    }
                    return answer(&upload, committed);
                }
                Err(error) => {
                    tracing::warn!(upload = %upload.upload_id, trace_id = %trace, "could not commit an upload: {error}");
                }
            }
            tokio::select! {
                () = self.shared.stop.cancelled() => break,
                () = tokio::time::sleep(Duration::from_millis(pause)) => {}
            }
        }
        Err(IntakeError::Undecided)
    }

    /// Asks about every upload of this node that has no answer yet: call it when the session is attached. What can't
    /// be decided now is asked about again in the background. One round at a time.
    pub async fn recover(&self) -> Recovered {
        let recovered = self.round().await;
        if recovered.left > 0 {
            self.ask_later();
        }
        recovered
    }

    async fn round(&self) -> Recovered {
        let intake = self.clone();
        let round = async move {
            let _one_at_a_time = intake.shared.recovering.lock().await;
            let mut recovered = Recovered::default();
            for pool in intake.shared.pools.all() {
                let Some(disk) = pool.disk() else {
                    recovered.left += 1; // it may come back
                    continue;
                };
                match disk.pending_uploads() {
                    Ok(entries) => intake.ask_about(&pool, &disk, entries, &mut recovered).await,
                    Err(error) => {
                        tracing::warn!(pool_id = %pool.id(), "could not list the uploads without an answer: {error}");
                        recovered.left += 1;
                    }
                }
            }
            recovered
        };
        self.shared.plane.run(round).await
    }

    async fn ask_about(&self, pool: &Pool, disk: &Disk, entries: Vec<PendingUpload>, recovered: &mut Recovered) {
        for PendingUpload { id, path } in entries {
            let Some(_turn) = Turn::take(&self.shared, id) else { continue };
            let decided = match disk.open(&path) {
                Ok(file) => match file.as_ref().and_then(|file| left_behind(pool, id, path, file)) {
                    Some(upload) => self.ask_once(pool, upload).await,
                    None => {
                        // The name was never given, or the file has moved on since, which it does only once decided.
                        recovered.empty += 1;
                        disk.forget_upload(id).await;
                        Ok(())
                    }
                },
                Err(error) => Err(Unasked::Disk(error)),
            };
            match decided {
                Ok(()) => recovered.decided += 1,
                Err(error) => {
                    let trace = Trace::of_upload(id).id();
                    tracing::warn!(upload = %id, trace_id = %trace, "an upload stays without an answer: {error}");
                    recovered.left += 1;
                }
            }
        }
    }

    async fn ask_once(&self, pool: &Pool, upload: NewUpload) -> Result<(), Unasked> {
        let committed = self.shared.coordinator.commit_upload(upload.clone()).await?;
        Ok(carry_out(pool, &upload, &committed).await?)
    }

    /// Goes over the pending entries again and again until none is left. One task at a time.
    fn ask_later(&self) {
        let Ok(later) = Arc::clone(&self.shared.later).try_acquire_owned() else { return };
        let intake = self.clone();
        self.shared.background.spawn(async move {
            let _one_at_a_time = later;
            let mut pause = ROUND_PAUSE;
            loop {
                tokio::select! {
                    () = intake.shared.stop.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(LONGEST_ROUND_PAUSE);
                if intake.round().await.left == 0 {
                    return;
                }
            }
        });
    }
}

/// Why an upload stays undecided.
#[derive(Debug, thiserror::Error)]
enum Unasked {
    #[error(transparent)]
    Coordinator(#[from] CoordinatorError),
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Does what the coordinator has decided. A file that could not be dropped keeps its entry and is asked about again.
async fn carry_out(pool: &Pool, upload: &NewUpload, committed: &Committed) -> Result<(), DiskError> {
    crash_point!("upload.after_answer");
    let disk = pool.disk().ok_or(DiskError::Closed)?;
    match committed {
        Committed::Keep(_) => {
            disk.forget_upload(upload.upload_id).await;
            Ok(())
        }
        Committed::DropDuplicate(_) | Committed::DropRefused => {
            disk.drop_upload(&upload.path, upload.upload_id).await.map(|_dropped| ())
        }
    }
}

fn answer(upload: &NewUpload, committed: Committed) -> Result<Accepted, IntakeError> {
    match committed {
        Committed::Keep(place) => Ok(Accepted { duplicate: place.image != upload.upload_id, place }),
        Committed::DropDuplicate(place) => Ok(Accepted { place, duplicate: true }),
        Committed::DropRefused => Err(IntakeError::Refused),
    }
}

/// The upload `id` as its file at `path` tells it; `None` where the file is not, or no longer, what was uploaded. Of
/// whose visit it was is known unless an older version stored it.
fn left_behind(pool: &Pool, id: ImageId, path: StoredPath, file: &Stored) -> Option<NewUpload> {
    let mark = file.mark().filter(|mark| mark.generation == Generation(1) && mark.meta.image_uuid == id.to_string())?;
    let (size, sha256, meta) = (mark.size, mark.sha256, mark.meta.clone());
    let (visitor, trace) = (mark.visitor, Trace::of_upload(id));
    Some(NewUpload { upload_id: id, pool: pool.id(), path, size, sha256, meta, visitor, trace })
}
