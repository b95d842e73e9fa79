//! One request on its way in: who asks, how large its head is, how slow its body may be; and the owner of the tasks
//! that HTTP/2 starts for its streams.

use std::{convert::Infallible, future::Future};

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use http::{Request, StatusCode, request::Parts};
use hyper::body::Incoming;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{ABORT_WAIT, Limits, Peer, Routes, idle::Streams, routes::is_grpc, slow::Watched};

/// Starts the tasks of HTTP/2 streams on the runtime of their connection, and can end all of them.
#[derive(Clone, Debug)]
pub(super) struct Owned {
    streams: Streams,
    tasks: TaskTracker,
    kill: CancellationToken,
}

impl Owned {
    pub(super) fn new() -> Self {
        Self { streams: Streams::default(), tasks: TaskTracker::new(), kill: CancellationToken::new() }
    }

    /// For one connection, which has these streams.
    pub(super) fn counting(&self, streams: &Streams) -> Self {
        Self { streams: streams.clone(), ..self.clone() }
    }

    /// Ends every task at its next await.
    pub(super) async fn end(&self) {
        self.kill.cancel();
        self.tasks.close();
        if tokio::time::timeout(ABORT_WAIT, self.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.tasks.len(), "a request hangs in a file operation and is left behind");
        }
    }
}

impl<F> hyper::rt::Executor<F> for Owned
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let open = self.streams.open();
        let stream = async move {
            let _open = open;
            stream.await;
        };
        self.tasks.spawn(self.kill.clone().run_until_cancelled_owned(stream));
    }
}

/// Answers one request by `routes`.
pub(super) async fn answer(
    routes: &Routes,
    limits: &Limits,
    peer: Peer,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    let (mut head, body) = request.into_parts();
    if head_bytes(&head) > limits.head_bytes as usize {
        return Ok(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into_response());
    }
    head.extensions.insert(peer);
    let body = match takes_files(&head) {
        true => Watched::body(body, limits.body_rate),
        false => Body::new(body),
    };
    Ok(routes.answer(Request::from_parts(head, body)).await)
}

/// Whether the body is a file on its way in. A Replicate stream may rest between files, so that the limit on its rate
/// is in its handler; so may Attach.
fn takes_files(head: &Parts) -> bool {
    const PATHS: [&str; 4] = ["/api/internal/replicate", "/api/internal/upload", "/api/v1/upload", "/upload"];
    !is_grpc(&head.headers) && PATHS.contains(&head.uri.path())
}

/// About what the head took on the wire: HTTP/2 counts it itself, HTTP/1's buffer is larger than the limit.
fn head_bytes(head: &Parts) -> usize {
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    // four bytes for ": " and the line's end
    target + head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>()
}
