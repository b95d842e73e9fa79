//! The Admin service as a test wants it: answers by method name, made from the generated trait.

use std::{
    any::Any,
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::{Stream, StreamExt as _};
use parking_lot::Mutex;
use pixelfox_admin_web::{Calls, in_process};
use pixelfox_proto::v1::{
    self,
    admin_server::{Admin, AdminServer},
};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tonic::{Request, Response, Status};

use crate::reader::KEY;

type Anything = Box<dyn Any + Send>;
type Answer = Arc<dyn Fn(Anything) -> Result<Anything, Status> + Send + Sync>;
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The fake. A method without an answer is UNIMPLEMENTED.
#[derive(Clone)]
pub(crate) struct Fake {
    answers: Arc<Mutex<HashMap<&'static str, Answer>>>,
    /// Method and account of each call that named one.
    accounts: Arc<Mutex<Vec<(String, String)>>>,
    events: broadcast::Sender<v1::Event>,
    /// Seats of watchers that are free.
    seats: Arc<AtomicUsize>,
}

impl Fake {
    /// Whoever comes with [`crate::reader::KEY`] is signed in as `admin`; there are no pools.
    pub(crate) fn new() -> Self {
        let fake = Self {
            answers: Arc::default(),
            accounts: Arc::default(),
            events: broadcast::channel(64).0,
            seats: Arc::new(AtomicUsize::new(64)),
        };
        fake.on("get_session", |asked: v1::GetSessionRequest| {
            let session = v1::Session { account: "admin".into(), expires: None };
            (asked.secret == KEY).then_some(session).ok_or_else(|| Status::unauthenticated("no such session"))
        });
        fake.on("list_pools", |_: v1::ListPoolsRequest| Ok(v1::ListPoolsResponse::default()));
        fake
    }

    /// Which has nothing.
    pub(crate) fn empty_cluster() -> Self {
        let fake = Self::new();
        fake.on("get_overview", |_: v1::GetOverviewRequest| Ok(v1::Overview::default()));
        fake.on("list_pools", |_: v1::ListPoolsRequest| Ok(v1::ListPoolsResponse::default()));
        fake.on("list_nodes", |_: v1::ListNodesRequest| Ok(v1::ListNodesResponse::default()));
        fake.on("list_images", |_: v1::ListImagesRequest| Ok(v1::ListImagesResponse::default()));
        fake
    }

    /// From now on `method` answers so.
    pub(crate) fn on<Q: 'static, A: Send + 'static>(
        &self,
        method: &'static str,
        answer: impl Fn(Q) -> Result<A, Status> + Send + Sync + 'static,
    ) -> &Self {
        let any = move |request: Anything| {
            let request = request.downcast::<Q>().expect("the request of this method");
            Ok(Box::new(answer(*request)?) as Anything)
        };
        self.answers.lock().insert(method, Arc::new(any));
        self
    }

    /// Tells every watcher.
    pub(crate) fn tell(&self, topic: &str) {
        let event = v1::Event { topic: topic.to_owned(), ..v1::Event::default() };
        self.events.send(event).unwrap();
    }

    /// From now on so many may begin to watch.
    pub(crate) fn seats(&self, free: usize) {
        self.seats.store(free, Ordering::Relaxed);
    }

    /// How many watch now.
    pub(crate) fn watchers(&self) -> usize {
        self.events.receiver_count()
    }

    /// The way to it.
    pub(crate) fn calls(&self) -> Calls {
        in_process(AdminServer::new(self.clone()))
    }

    /// Method and account of each call that named one, so far.
    pub(crate) fn accounts(&self) -> Vec<(String, String)> {
        self.accounts.lock().clone()
    }

    fn answer<Q: Send + 'static, A: 'static>(&self, method: &str, request: Request<Q>) -> Result<Response<A>, Status> {
        if let Some(account) = request.metadata().get(pixelfox_admin_web::ACCOUNT) {
            self.accounts.lock().push((method.to_owned(), account.to_str().unwrap().to_owned()));
        }
        let request = request.into_inner();
        let answer = self.answers.lock().get(method).cloned();
        let answer = answer.ok_or_else(|| Status::unimplemented(format!("no answer for {method}")))?;
        let any = answer(Box::new(request))?;
        Ok(Response::new(*any.downcast().expect("the answer of this method")))
    }
}

macro_rules! fake {
    ($($method:ident: $request:ident => $answer:ident;)*) => {
        #[tonic::async_trait]
        impl Admin for Fake {
            $(async fn $method(&self, request: Request<v1::$request>) -> Result<Response<v1::$answer>, Status> {
                self.answer(stringify!($method), request)
            })*

            type DiagnoseStream = Answers<v1::Finding>;

            async fn diagnose(&self, request: Request<v1::DiagnoseRequest>) -> Result<Response<Self::DiagnoseStream>, Status> {
                let findings: Response<Vec<v1::Finding>> = self.answer("diagnose", request)?;
                Ok(findings.map(|all| Box::pin(tokio_stream::iter(all.into_iter().map(Ok))) as _))
            }

            type WatchStream = Answers<v1::Event>;

            async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
                let taken = |free: usize| free.checked_sub(1);
                if self.seats.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_err() {
                    return Err(Status::resource_exhausted("no seat"));
                }
                let topics = request.into_inner().topics;
                let events = BroadcastStream::new(self.events.subscribe()).filter_map(move |event| {
                    let wanted = event.ok().filter(|event| topics.contains(&event.topic));
                    async move { wanted.map(Ok) }
                });
                Ok(Response::new(Box::pin(events)))
            }
        }
    };
}

fake! {
    get_overview: GetOverviewRequest => Overview;
    list_pools: ListPoolsRequest => ListPoolsResponse;
    get_pool: GetPoolRequest => Pool;
    create_pool: CreatePoolRequest => Pool;
    update_pool: UpdatePoolRequest => Pool;
    delete_pool: DeletePoolRequest => DeletePoolResponse;
    replace_pool_disk: ReplacePoolDiskRequest => ReplacePoolDiskResponse;
    check_pool: CheckPoolRequest => CheckPoolResponse;
    check_pool_draft: CheckPoolDraftRequest => PoolFindings;
    recalculate_usage: RecalculateUsageRequest => RecalculateUsageResponse;
    list_nodes: ListNodesRequest => ListNodesResponse;
    list_images: ListImagesRequest => ListImagesResponse;
    get_image: GetImageRequest => Image;
    delete_images: DeleteImagesRequest => JobBatch;
    move_images: MoveImagesRequest => JobBatch;
    move_pool: MovePoolRequest => JobBatch;
    undo_moves: ChangeJobsRequest => JobBatch;
    list_jobs: ListJobsRequest => ListJobsResponse;
    get_job: GetJobRequest => Job;
    retry_jobs: ChangeJobsRequest => ChangeJobsResponse;
    cancel_jobs: ChangeJobsRequest => ChangeJobsResponse;
    pause_jobs: ChangeJobsRequest => ChangeJobsResponse;
    resume_jobs: ChangeJobsRequest => ChangeJobsResponse;
    pause_queue: PauseQueueRequest => QueueState;
    resume_queue: ResumeQueueRequest => QueueState;
    get_queue: GetQueueRequest => Queue;
    get_settings: GetSettingsRequest => Settings;
    update_settings: UpdateSettingsRequest => Settings;
    list_api_keys: ListApiKeysRequest => ListApiKeysResponse;
    create_api_key: CreateApiKeyRequest => ApiKey;
    revoke_api_key: RevokeApiKeyRequest => RevokeApiKeyResponse;
    verify_images: VerifyImagesRequest => VerifyImagesResponse;
    sign_in: SignInRequest => SignInResponse;
    get_session: GetSessionRequest => Session;
    sign_out: SignOutRequest => SignOutResponse;
    list_audit: ListAuditRequest => ListAuditResponse;
}
