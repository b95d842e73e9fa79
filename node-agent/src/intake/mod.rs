//! Uploads: a new file from its first byte to its image record. Streamed to disk, hashed and looked at on the way,
//! durable, then committed by the coordinator. Must not know HTTP, and must not decide what becomes of an image.
//!
//! A file that has its name also has a pending entry until the coordinator has answered for it; whatever happens in
//! between, [`Intake::recover`] asks again with the same id and gets the same answer.

mod commit;
mod name;
mod seats;

use std::{collections::HashSet, fmt, net::IpAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use pixelfox_proto::{Fault, FaultKind, FileMeta, ImageId, Trace, VisitorId};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use commit::Recovered;
pub use name::plain_name;
pub(crate) use seats::STRANGER_RATE;
pub use seats::Seat;

use crate::{
    clock,
    config::show_size,
    coordinator::{Coordinator, ImagePlace, NewUpload},
    images::{Gauge, Rejected},
    plane::Plane,
    pools::{Pool, Pools},
    receive::{Landing, LandingError, Origin, Publish, Receiver},
};

/// How long tasks that were told to end are waited for.
const STOP_WAIT: Duration = Duration::from_secs(1);
/// What a client is told to wait before it tries again.
const AGAIN_SECONDS: u32 = 5;

/// The way in for uploads. Cheap to clone; stop it with [`Intake::stop`].
#[derive(Clone)]
pub struct Intake {
    shared: Arc<Shared>,
}

struct Shared {
    plane: Plane,
    pools: Arc<Pools>,
    receiver: Arc<Receiver>,
    coordinator: Coordinator,
    strangers: Arc<seats::Seats>,
    /// Uploads that a task of this process is asking the coordinator about.
    under_way: Mutex<HashSet<ImageId>>,
    recovering: tokio::sync::Mutex<()>,
    /// Who goes over the pending entries in the background.
    later: Arc<Semaphore>,
    answer_wait: Duration,
    uploads: TaskTracker,
    background: TaskTracker,
    stop: CancellationToken,
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").field("under_way", &self.shared.under_way.lock().len()).finish_non_exhaustive()
    }
}

/// Who uploads what, as far as the bytes don't say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploader {
    /// 0: a visitor.
    pub user_id: u64,
    /// A visitor's cookie session, where one is known.
    pub visitor: Option<VisitorId>,
    /// As the uploader's machine calls the file.
    pub file_name: String,
    /// That its request belongs to, where it says so.
    pub trace: Option<Trace>,
}

/// The image that an upload became, or the earlier one with the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Where it is found.
    pub place: ImagePlace,
    /// Whether the same user had this very file already.
    pub duplicate: bool,
}

/// Why an upload was not taken.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// No picture that we take.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// Nothing in it.
    #[error("empty file")]
    Empty,
    /// More bytes than its token or the setting allows.
    #[error("the file is larger than {0} bytes")]
    TooLarge(u64),
    /// Too many senders without a token at once.
    #[error("too many uploads without a token at once")]
    Crowded,
    /// The pool or its disk did not take it.
    #[error(transparent)]
    Landing(#[from] LandingError),
    /// Stored, but the coordinator has not answered for it yet: it is asked again until it does.
    #[error("the upload is stored, but the coordinator can't be asked to record it")]
    Undecided,
    /// The coordinator does not want this image.
    #[error("the coordinator refused this upload")]
    Refused,
}

impl From<IntakeError> for Fault {
    fn from(error: IntakeError) -> Self {
        let kind = match error {
            IntakeError::Landing(error) => return error.into(),
            IntakeError::Rejected(_) => FaultKind::UnsupportedMediaType,
            IntakeError::Empty => FaultKind::BadRequest,
            IntakeError::TooLarge(most) => {
                let hint =
                    format!("{} is what the token's max_bytes and the setting upload_max_bytes allow", show_size(most));
                return Self::new(FaultKind::PayloadTooLarge, error.to_string()).with_hint(hint);
            }
            IntakeError::Refused => FaultKind::Conflict,
            IntakeError::Crowded | IntakeError::Undecided => {
                return Self::unavailable(error.to_string()).retry_after(AGAIN_SECONDS);
            }
        };
        Self::new(kind, error.to_string())
    }
}

impl Intake {
    /// Of the given pools, asking `coordinator` for each record.
    #[must_use]
    pub fn new(plane: Plane, pools: Arc<Pools>, receiver: Arc<Receiver>, coordinator: Coordinator) -> Self {
        Self::answered_within(commit::ANSWER_WAIT, plane, pools, receiver, coordinator)
    }

    /// As [`Intake::new`], for clients that wait so long for the coordinator's answer once their file is stored.
    #[must_use]
    pub fn answered_within(
        answer_wait: Duration,
        plane: Plane,
        pools: Arc<Pools>,
        receiver: Arc<Receiver>,
        coordinator: Coordinator,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                plane,
                pools,
                receiver,
                coordinator,
                strangers: Arc::default(),
                under_way: Mutex::default(),
                recovering: tokio::sync::Mutex::default(),
                later: Arc::new(Semaphore::new(1)),
                answer_wait,
                uploads: TaskTracker::new(),
                background: TaskTracker::new(),
                stop: CancellationToken::new(),
            }),
        }
    }

    /// A turn for a sender at `address` whose token is still to come. Held until it has come; meanwhile the sender has to
    /// keep to `STRANGER_RATE`.
    ///
    /// # Errors
    /// [`IntakeError::Crowded`] when none is free for some seconds.
    pub async fn stranger(&self, address: IpAddr) -> Result<Seat, IntakeError> {
        self.shared.strangers.wait(address).await.ok_or(IntakeError::Crowded)
    }

    /// Begins to take a file of at most `limit` bytes into `pool`. Blocking, on a data worker.
    ///
    /// # Errors
    /// When the pool does not take it.
    pub fn open(&self, pool: &Arc<Pool>, limit: u64) -> Result<Upload, IntakeError> {
        let landing = self.shared.receiver.open(pool, None)?;
        Ok(Upload { intake: self.clone(), landing, gauge: Gauge::new(), limit })
    }

    /// Waits for the uploads under way to be answered for; what is not, when `wait` is over, is asked about at the
    /// next start.
    pub async fn stop(&self, wait: Duration) {
        self.shared.uploads.close();
        self.shared.background.close();
        let on_time = tokio::time::timeout(wait, self.shared.uploads.wait()).await.is_ok();
        self.shared.stop.cancel();
        let all = async {
            self.shared.uploads.wait().await;
            self.shared.background.wait().await;
        };
        let ended = tokio::time::timeout(STOP_WAIT, all).await.is_ok();
        if !(on_time && ended) {
            tracing::warn!("uploads without the coordinator's answer are left to the next start");
        }
    }
}

/// A file on its way in, on a data worker. Dropped, it leaves nothing.
pub struct Upload {
    intake: Intake,
    landing: Landing,
    gauge: Gauge,
    limit: u64,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("landing", &self.landing).field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Upload {
    /// Takes the next bytes. Blocking.
    ///
    /// # Errors
    /// As soon as it is certain that the file will not be taken.
    pub fn write(&mut self, data: &[u8]) -> Result<(), IntakeError> {
        if self.landing.received() + data.len() as u64 > self.limit {
            return Err(IntakeError::TooLarge(self.limit));
        }
        self.gauge.take(data)?;
        Ok(self.landing.write(data)?)
    }

    /// Makes the file durable and an image, or finds the earlier one. `pool` and `limit` are those of the token, which
    /// may have come after the file. What has its name by then becomes an image, even if the caller goes away.
    ///
    /// # Errors
    /// When it is not taken, or not yet decided.
    pub async fn finish(self, pool: &Arc<Pool>, limit: u64, uploader: Uploader) -> Result<Accepted, IntakeError> {
        let Self { intake, mut landing, gauge, .. } = self;
        if landing.received() == 0 {
            return Err(IntakeError::Empty);
        }
        if landing.received() > limit {
            return Err(IntakeError::TooLarge(limit));
        }
        let picture = gauge.finish()?;
        if landing.pool().id() != pool.id() {
            landing = intake.shared.receiver.rehome(landing, pool).await?;
        }
        let (id, now) = (name::image_id(), clock::now());
        let upload = NewUpload {
            upload_id: id,
            pool: pool.id(),
            path: name::stored_path(id, picture.format, now),
            size: landing.received(),
            sha256: landing.digest(),
            meta: FileMeta {
                image_uuid: id.to_string(),
                kind: "original".into(),
                share_token: name::share_token().into(),
                original_name: name::original_name(&uploader.file_name, picture.format),
                content_type: picture.format.content_type().into(),
                width: picture.width,
                height: picture.height,
                user_id: uploader.user_id,
                created: clock::unix_seconds(),
            },
            visitor: uploader.visitor,
            trace: uploader.trace.unwrap_or_else(|| Trace::of_upload(id)),
        };
        let publish = Publish {
            path: upload.path.clone(),
            size: Some(upload.size),
            sha256: None,
            origin: Origin::Upload { id, visitor: upload.visitor },
            meta: upload.meta.clone(),
        };
        intake.carry_through(landing, publish, upload).await
    }
}
