//! A coordinator made from the generated trait: it answers as it is told and remembers what it was asked.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use pixelfox_node::coordinator::Transport;
use pixelfox_proto::v1::{
    CommitUploadRequest, CommitUploadResponse, LocateRequest, LocateResponse, NodeCommand, NodeEvent,
    commit_upload_response::Decision,
    coordinator_server::{Coordinator, CoordinatorServer},
};
use tonic::{Request, Response, Status, Streaming};
use tower::ServiceExt as _;

/// What the coordinator says to an upload.
#[derive(Clone, Debug, Default)]
pub(crate) enum Verdict {
    /// A new image.
    #[default]
    Keep,
    /// The user has it already, as this image.
    Duplicate(String),
    /// The new file repairs this image.
    Repairs(String),
    Refuse,
    /// No answer.
    Away,
}

#[derive(Default)]
struct State {
    verdict: Verdict,
    commits: Vec<CommitUploadRequest>,
    places: HashMap<String, String>,
    /// `traceparent` of each question where something is.
    traces: Vec<String>,
    is_away: bool,
    /// What it was told to be missing.
    missing: Vec<String>,
    /// What happens once while a place is asked for.
    meanwhile: Option<Box<dyn FnOnce() + Send>>,
}

#[derive(Clone, Default)]
pub(crate) struct FakeCoordinator {
    state: Arc<Mutex<State>>,
}

impl FakeCoordinator {
    pub(crate) fn transport(&self) -> Transport {
        let service = CoordinatorServer::new(self.clone());
        Transport::new(tower::service_fn(move |request: http::Request<tonic::body::Body>| {
            let answer = service.clone().oneshot(request);
            async move { answer.await.map_err(|never| match never {}) }
        }))
    }

    pub(crate) fn says(&self, verdict: Verdict) {
        self.state.lock().unwrap().verdict = verdict;
    }

    pub(crate) fn commits(&self) -> Vec<CommitUploadRequest> {
        self.state.lock().unwrap().commits.clone()
    }

    pub(crate) fn knows(&self, path: &str, url: &str) {
        self.state.lock().unwrap().places.insert(path.to_owned(), url.to_owned());
    }

    /// The `traceparent` of each question where something is; empty: there was none.
    pub(crate) fn traces(&self) -> Vec<String> {
        self.state.lock().unwrap().traces.clone()
    }

    /// What it was told to be missing.
    pub(crate) fn missing(&self) -> Vec<String> {
        self.state.lock().unwrap().missing.clone()
    }

    /// Does this while it is asked for a place the next time.
    pub(crate) fn meanwhile(&self, happens: impl FnOnce() + Send + 'static) {
        self.state.lock().unwrap().meanwhile = Some(Box::new(happens));
    }

    /// Whoever asks for a place gets no answer.
    pub(crate) fn goes_away(&self) {
        self.state.lock().unwrap().is_away = true;
    }
}

#[tonic::async_trait]
impl Coordinator for FakeCoordinator {
    type AttachStream = tokio_stream::Empty<Result<NodeCommand, Status>>;

    async fn attach(&self, _: Request<Streaming<NodeEvent>>) -> Result<Response<Self::AttachStream>, Status> {
        Err(Status::unimplemented("this coordinator takes no sessions"))
    }

    async fn commit_upload(
        &self,
        request: Request<CommitUploadRequest>,
    ) -> Result<Response<CommitUploadResponse>, Status> {
        let mut state = self.state.lock().unwrap();
        let asked = request.into_inner();
        state.commits.push(asked.clone());
        let meta = asked.meta.clone().unwrap_or_default();
        let (decision, image_uuid) = match state.verdict.clone() {
            Verdict::Keep => (Decision::Keep, asked.upload_id),
            Verdict::Duplicate(image) => (Decision::DropDuplicate, image),
            Verdict::Repairs(image) => (Decision::Keep, image),
            Verdict::Refuse => (Decision::DropRefused, String::new()),
            Verdict::Away => return Err(Status::unavailable("away")),
        };
        Ok(Response::new(CommitUploadResponse {
            decision: decision.into(),
            image_uuid,
            share_token: meta.share_token,
            url: format!("http://s01.local/uploads/{}", asked.stored_path),
        }))
    }

    async fn locate(&self, request: Request<LocateRequest>) -> Result<Response<LocateResponse>, Status> {
        let mut state = self.state.lock().unwrap();
        if let Some(happens) = state.meanwhile.take() {
            happens();
        }
        if state.is_away {
            return Err(Status::unavailable("away"));
        }
        let trace = request.metadata().get("traceparent").map(|value| value.to_str().unwrap().to_owned());
        state.traces.push(trace.unwrap_or_default());
        let asked = request.into_inner();
        if asked.missing_here {
            state.missing.push(asked.stored_path.clone());
        }
        let url = state.places.get(&asked.stored_path).cloned();
        Ok(Response::new(LocateResponse { found: url.is_some(), url: url.unwrap_or_default() }))
    }
}
