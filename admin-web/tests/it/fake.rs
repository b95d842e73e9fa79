//! The Admin service as a test wants it: answers by method name, made from the generated trait.

use std::{any::Any, collections::HashMap, pin::Pin, sync::Arc};

use futures_util::{Stream, StreamExt as _};
use parking_lot::Mutex;
use pixelfox_admin_web::in_process;
use pixelfox_proto::v1::{
    self,
    admin_server::{Admin, AdminServer},
};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tonic::{Request, Response, Status};

type Anything = Box<dyn Any + Send>;
type Answer = Arc<dyn Fn(Anything) -> Result<Anything, Status> + Send + Sync>;
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The fake. A method without an answer is UNIMPLEMENTED.
#[derive(Clone)]
pub(crate) struct Fake {
    answers: Arc<Mutex<HashMap<&'static str, Answer>>>,
    events: broadcast::Sender<v1::Event>,
}

impl Fake {
    pub(crate) fn new() -> Self {
        Self { answers: Arc::default(), events: broadcast::channel(64).0 }
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

    /// How many watch now.
    pub(crate) fn watchers(&self) -> usize {
        self.events.receiver_count()
    }

    /// A client of it.
    pub(crate) fn client(&self) -> pixelfox_admin_web::Admin {
        in_process(AdminServer::new(self.clone()))
    }

    fn answer<Q: Send + 'static, A: 'static>(&self, method: &str, request: Q) -> Result<Response<A>, Status> {
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
                self.answer(stringify!($method), request.into_inner())
            })*

            type DiagnoseStream = Answers<v1::Finding>;

            async fn diagnose(&self, request: Request<v1::DiagnoseRequest>) -> Result<Response<Self::DiagnoseStream>, Status> {
                let findings: Response<Vec<v1::Finding>> = self.answer("diagnose", request.into_inner())?;
                Ok(findings.map(|all| Box::pin(tokio_stream::iter(all.into_iter().map(Ok))) as _))
            }

            type WatchStream = Answers<v1::Event>;

            async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
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
    check_pool: CheckPoolRequest => CheckPoolResponse;
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
