//! Streams of answers whose every step runs on a data worker, wherever their connection is.

use std::pin::Pin;

use futures_util::{Stream, StreamExt as _};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;

use crate::plane::Plane;

/// What a streaming call answers.
pub(super) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Answers that may wait for their connection.
const WAITING: usize = 4;

/// `answers` itself where the connection is on a worker; else a task on one, which ends with the returned stream.
pub(super) fn stream<T, S>(plane: &Plane, answers: S) -> Answers<T>
where
    T: Send + 'static,
    S: Stream<Item = Result<T, Status>> + Send + 'static,
{
    if Plane::is_worker() {
        return Box::pin(answers);
    }
    let (send, receive) = mpsc::channel(WAITING);
    let task = plane.place(async move {
        let mut answers = std::pin::pin!(answers);
        while let Some(answer) = answers.next().await {
            if send.send(answer).await.is_err() {
                return; // the call has ended
            }
        }
    });
    let task = AbortOnDropHandle::new(task);
    Box::pin(ReceiverStream::new(receive).map(move |answer| {
        let _owned: &AbortOnDropHandle<()> = &task;
        answer
    }))
}
