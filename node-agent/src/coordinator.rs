//! The unary half of the control plane as a node sees it: ask for an upload's record, ask where a path is served.
//! Must not know why it is asked. The wire types end here.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use moka::{Expiry, future::Cache};
use pixelfox_proto::{FileMeta, ImageId, NodeId, PoolId, Sha256, ShareToken, StoredPath, Trace, VisitorId, v1};
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue},
};
use tower::{BoxError, Service, util::BoxCloneSyncService};
use v1::coordinator_client::CoordinatorClient;

/// A way to a coordinator: a connection, or the one in the same process.
pub type Transport = BoxCloneSyncService<http::Request<tonic::body::Body>, http::Response<tonic::body::Body>, BoxError>;

/// Answers about places are kept this long. Source: docs/http.md, "GET and HEAD /uploads/…".
const KNOWN_PLACE: Duration = Duration::from_secs(5);
const NOWHERE: Duration = Duration::from_secs(1);
/// A file that is missing is told again after this.
const TOLD_MISSING: Duration = Duration::from_mins(1);
const MAX_PLACES: u64 = 10_000;
const LOCATE_DEADLINE: Duration = Duration::from_secs(3);
const COMMIT_DEADLINE: Duration = Duration::from_secs(10);

/// An uploaded file that is durable here and needs an image record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUpload {
    /// The image's UUID, made by this node.
    pub upload_id: ImageId,
    /// The pool that has the file.
    pub pool: PoolId,
    /// Where in the pool.
    pub path: StoredPath,
    /// In bytes.
    pub size: u64,
    /// Of the whole file.
    pub sha256: Sha256,
    /// Name, type, dimensions, user, share token.
    pub meta: FileMeta,
    /// The visitor's cookie session, where it is one.
    pub visitor: Option<VisitorId>,
    /// Goes along with the question.
    pub trace: Trace,
}

/// What the coordinator decided about an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// The file is an image's, with this place in the world.
    Keep(ImagePlace),
    /// The user has this very file already: drop the new copy, answer with the earlier image.
    DropDuplicate(ImagePlace),
    /// The image was deleted meanwhile, or may not be stored: drop the file.
    DropRefused,
}

/// Where an image is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePlace {
    /// The image to answer with.
    pub image: ImageId,
    /// The word in its share link.
    pub share: ShareToken,
    /// Absolute URL of its original.
    pub url: String,
}

/// Why the coordinator gave no answer. What was asked may still have happened: keep the file and ask again.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CoordinatorError {
    /// Could not be reached, or not in time.
    #[error("the coordinator can't be asked: {0}")]
    Unreachable(String),
    /// Answered, but this node's secret is not its secret.
    #[error("the coordinator refused this node's REPLICATION_SECRET: set the same one on both")]
    Unauthorized,
    /// Answered with an error or something that makes no sense.
    #[error("the coordinator failed: {0}")]
    Failed(String),
}

impl From<Status> for CoordinatorError {
    fn from(status: Status) -> Self {
        match status.code() {
            Code::Unauthenticated => Self::Unauthorized,
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => Self::Unreachable(chain(&status)),
            _ => Self::Failed(status.message().to_owned()),
        }
    }
}

/// The sentence of a status with its causes: tonic's own "transport error" alone tells nobody anything.
#[must_use]
pub fn chain(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut next = std::error::Error::source(status);
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = if text.is_empty() { cause_text } else { format!("{text}: {cause_text}") };
        }
        next = cause.source();
    }
    text
}

/// A client of whichever coordinator the node's session uses now. Cheap to clone.
#[derive(Clone)]
pub struct Coordinator {
    shared: Arc<Shared>,
    node_id: Option<MetadataValue<Ascii>>,
    urls: Arc<[String]>,
}

/// A transport whose error has a name: the compiler can't see that a task may own a call that fails with any error.
pub(crate) struct Way(Transport);

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct WayError(BoxError);

impl Service<http::Request<tonic::body::Body>> for Way {
    type Response = http::Response<tonic::body::Body>;
    type Error = WayError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, WayError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WayError>> {
        self.0.poll_ready(cx).map_err(WayError)
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let call = self.0.call(request);
        Box::pin(async move { call.await.map_err(WayError) })
    }
}

struct Shared {
    transports: Vec<Transport>,
    current: AtomicUsize,
    bearer: Option<MetadataValue<Ascii>>,
    places: Cache<StoredPath, Option<Arc<str>>>,
    /// What was told to be missing, so that who asks for it again and again costs one word.
    missing: Cache<StoredPath, ()>,
}

impl Coordinator {
    /// Of the given ways, tried in turn, with `secret` as Bearer (`None`, or one that can't stand in a header: every
    /// question is refused by the coordinator).
    #[must_use]
    pub fn new(transports: Vec<Transport>, secret: Option<&str>) -> Self {
        let places = Cache::builder().max_capacity(MAX_PLACES).expire_after(PlaceExpiry).build();
        let missing = Cache::builder().max_capacity(MAX_PLACES).time_to_live(TOLD_MISSING).build();
        let bearer = secret.and_then(|secret| format!("Bearer {secret}").parse().ok());
        Self {
            node_id: None,
            urls: Arc::default(),
            shared: Arc::new(Shared { transports, current: AtomicUsize::new(0), bearer, places, missing }),
        }
    }

    /// Says on every question which node asks.
    #[must_use]
    pub fn of_node(mut self, node_id: &NodeId) -> Self {
        self.node_id = node_id.as_str().parse().ok();
        self
    }

    /// Can say where each of its ways leads.
    #[must_use]
    pub fn at(mut self, urls: Vec<String>) -> Self {
        self.urls = urls.into();
        self
    }

    /// Where the way in use leads, where that is known.
    pub(crate) fn url(&self) -> Option<&str> {
        let current = self.shared.current.load(Ordering::Relaxed);
        self.urls.get(current % self.urls.len().max(1)).map(String::as_str)
    }

    /// The way in use; `None` for a node without any.
    pub(crate) fn transport(&self) -> Option<Way> {
        let ways = &self.shared.transports;
        ways.get(self.shared.current.load(Ordering::Relaxed) % ways.len().max(1)).cloned().map(Way)
    }

    /// Turns to the next way, after the present one failed.
    pub(crate) fn turn_to_next(&self) {
        self.shared.current.fetch_add(1, Ordering::Relaxed);
    }

    /// `message` with the secret, and with `deadline` where it has one.
    pub(crate) fn request<T>(&self, message: T, deadline: Option<Duration>) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(bearer) = &self.shared.bearer {
            request.metadata_mut().insert("authorization", bearer.clone());
        }
        if let Some(node_id) = &self.node_id {
            request.metadata_mut().insert("x-node-id", node_id.clone());
        }
        if let Some(deadline) = deadline {
            request.set_timeout(deadline);
        }
        request
    }

    fn client(&self) -> Result<CoordinatorClient<Way>, CoordinatorError> {
        let none = || CoordinatorError::Unreachable("this node has no COORDINATOR_URL".into());
        self.transport().map(CoordinatorClient::new).ok_or_else(none)
    }

    /// Asks for the image record of an upload that is durable here. Asked again with the same id, it answers the same.
    ///
    /// # Errors
    /// [`CoordinatorError`]: then the file stays and the question is asked again.
    pub async fn commit_upload(&self, upload: NewUpload) -> Result<Committed, CoordinatorError> {
        let message = v1::CommitUploadRequest {
            upload_id: upload.upload_id.to_string(),
            pool_id: upload.pool.get(),
            stored_path: upload.path.to_string(),
            size: upload.size,
            sha256: upload.sha256.as_bytes().to_vec(),
            meta: Some(upload.meta.into()),
            visitor: upload.visitor.map_or(0, VisitorId::get),
        };
        let request = traced(self.request(message, Some(COMMIT_DEADLINE)), upload.trace.child("commit"));
        let mut client = self.client()?;
        let answer = within(COMMIT_DEADLINE, client.commit_upload(request)).await?;
        decision(&answer)
    }

    /// Forgets where `path` was: it has just left this node. Because every node does so, no two of them ever point at
    /// each other.
    pub async fn forget(&self, path: &StoredPath) {
        self.shared.places.invalidate(path).await;
    }

    /// Where `path` is served from now, as an absolute URL; `None`: nowhere. Answers are kept for some seconds, and
    /// at any time a path is asked for once, in the `trace` of who asked first.
    ///
    /// # Errors
    /// [`CoordinatorError`], not kept.
    pub async fn locate(&self, path: &StoredPath, trace: &Trace) -> Result<Option<Arc<str>>, CoordinatorError> {
        let question = async {
            let message = v1::LocateRequest { stored_path: path.to_string(), missing_here: false };
            let answer = self.ask_where(message, trace).await?;
            Ok(answer.found.then(|| Arc::from(answer.url)))
        };
        let answer = self.shared.places.try_get_with_by_ref(path, question).await;
        answer.map_err(|error: Arc<CoordinatorError>| CoordinatorError::clone(&error))
    }

    /// Tells that `path` is on record here and this node does not have it: the coordinator has it looked for, and notes
    /// what is lost. Told once a minute at most, whoever asks.
    ///
    /// # Errors
    /// [`CoordinatorError`]: who asks for the path next has it told again.
    pub async fn tell_missing(&self, path: &StoredPath, trace: &Trace) -> Result<(), CoordinatorError> {
        let word = async {
            let message = v1::LocateRequest { stored_path: path.to_string(), missing_here: true };
            self.ask_where(message, trace).await.map(|_where| ())
        };
        let told = self.shared.missing.try_get_with_by_ref(path, word).await;
        told.map_err(|error: Arc<CoordinatorError>| CoordinatorError::clone(&error))
    }

    async fn ask_where(
        &self,
        message: v1::LocateRequest,
        trace: &Trace,
    ) -> Result<v1::LocateResponse, CoordinatorError> {
        let mut client = self.client()?;
        let request = traced(self.request(message, Some(LOCATE_DEADLINE)), trace.child("locate"));
        within(LOCATE_DEADLINE, client.locate(request)).await
    }
}

/// `request` as this step of a trace.
fn traced<T>(mut request: Request<T>, step: Trace) -> Request<T> {
    let step = step.to_string().parse().expect("hex digits and dashes can stand in metadata");
    request.metadata_mut().insert("traceparent", step);
    request
}

async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, CoordinatorError> {
    match tokio::time::timeout(deadline, call).await {
        Ok(answer) => Ok(answer?.into_inner()),
        Err(_) => Err(CoordinatorError::Unreachable(format!("no answer within {} s", deadline.as_secs()))),
    }
}

fn decision(answer: &v1::CommitUploadResponse) -> Result<Committed, CoordinatorError> {
    use v1::commit_upload_response::Decision;
    let decision = answer.decision();
    let place = || -> Result<ImagePlace, CoordinatorError> {
        let nonsense = |error: pixelfox_proto::IdError| CoordinatorError::Failed(error.to_string());
        Ok(ImagePlace {
            image: answer.image_uuid.parse().map_err(nonsense)?,
            share: answer.share_token.parse().map_err(nonsense)?,
            url: answer.url.clone(),
        })
    };
    match decision {
        Decision::Keep => Ok(Committed::Keep(place()?)),
        Decision::DropDuplicate => Ok(Committed::DropDuplicate(place()?)),
        Decision::DropRefused => Ok(Committed::DropRefused),
        Decision::Unspecified => Err(CoordinatorError::Failed("an answer without a decision".into())),
    }
}

struct PlaceExpiry;

impl Expiry<StoredPath, Option<Arc<str>>> for PlaceExpiry {
    fn expire_after_create(&self, _: &StoredPath, place: &Option<Arc<str>>, _: Instant) -> Option<Duration> {
        Some(if place.is_some() { KNOWN_PLACE } else { NOWHERE })
    }
}
