//! An upload on its way to another node's upload API. The node is asked by `Expect: 100-continue` before it is sent
//! anything, so that a refusal costs nothing and the next pool can be asked. The closing boundary is sent only by
//! [`Forward::finish`]: whatever ends earlier is half a form there, and stored nowhere.

use std::{io, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use pixelfox_proto::{Fault, FaultKind, NodeId, Trace};
use serde_json::Value;
use tokio::{
    sync::{Notify, mpsc},
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::{TOKEN_SECONDS, connect::Dialer, through::AGAIN_SECONDS};

/// For the connection, and for the node's word that it takes the file.
const OPEN_WAIT: Duration = Duration::from_secs(5);
/// A node that takes no piece for so long has stalled.
const STALL: Duration = Duration::from_secs(60);
/// For the answer once everything was sent. Its disk takes as long as it takes.
const ANSWER_WAIT: Duration = Duration::from_secs(120);
/// Pieces that wait to be sent.
const PIECES: usize = 4;
/// Longest answer.
const ANSWER_BYTES: usize = 64 << 10;

type Pieces = mpsc::Sender<io::Result<Frame<Bytes>>>;
type Answer = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

/// Where an upload goes, and as what.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    /// The pool's `upload_api_url`.
    pub(super) url: &'a str,
    /// Who is there.
    pub(super) node: &'a NodeId,
    /// Opens it.
    pub(super) token: &'a str,
    /// What the uploader calls the file: one part, no control characters.
    pub(super) file_name: &'a str,
    /// What it belongs to.
    pub(super) trace: Trace,
}

/// A file that is being sent. Dropped, it leaves nothing at the node.
pub(super) struct Forward {
    node: NodeId,
    boundary: String,
    pieces: Pieces,
    answer: Answer,
    sent: u64,
    _connection: AbortOnDropHandle<()>,
}

impl Forward {
    /// Asks the node to take a file.
    ///
    /// # Errors
    /// It can't be reached, does not answer in time, or refuses; it has not been sent a byte of the file then.
    pub(super) async fn open(dialer: &Dialer, target: Target<'_>) -> Result<Self, Fault> {
        let late = || away(target.node, &format_args!("it does not answer at {}", target.url));
        timeout(OPEN_WAIT, Self::ask(dialer, target)).await.unwrap_or_else(|_elapsed| Err(late()))
    }

    async fn ask(dialer: &Dialer, target: Target<'_>) -> Result<Self, Fault> {
        let url = Url::parse(target.url).map_err(|error| away(target.node, &error))?;
        let (mut sender, connection) =
            dialer.dial(&url).await.map_err(|error| away(target.node, &format_args!("{url}: {error}")))?;
        let boundary = boundary()?;
        let (pieces, body) = mpsc::channel(PIECES);
        let go = Arc::new(Notify::new());
        let request = request(target, &url, &boundary, StreamBody::new(ReceiverStream::new(body)), Arc::clone(&go))?;
        let mut answer: Answer = Box::pin(async move { sender.send_request(request).await });
        tokio::select! {
            biased;
            () = go.notified() => {}
            answered = &mut answer => return Err(refusal(target.node, answered).await),
        }
        let node = target.node.clone();
        let mut forward = Self { node, boundary, pieces, answer, sent: 0, _connection: connection };
        let head = format!(
            "--{}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\n\r\n",
            forward.boundary,
            target.file_name.replace('"', "%22") // as browsers do
        );
        forward.put(head.into()).await?;
        Ok(forward)
    }

    /// Bytes of the file so far.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// Sends a piece of the file.
    ///
    /// # Errors
    /// The node refused what came so far, went away, or stalls.
    pub(super) async fn write(&mut self, piece: Bytes) -> Result<(), Fault> {
        self.sent += piece.len() as u64;
        self.put(piece).await
    }

    async fn put(&mut self, piece: Bytes) -> Result<(), Fault> {
        tokio::select! {
            biased;
            answered = &mut self.answer => Err(refusal(&self.node, answered).await),
            put = timeout(STALL, self.pieces.send(Ok(Frame::data(piece)))) => match put {
                Ok(Ok(())) => Ok(()),
                // The connection is gone; the answer says why.
                Ok(Err(_closed)) => Err(refusal(&self.node, (&mut self.answer).await).await),
                Err(_elapsed) => Err(away(&self.node, &"it takes nothing any more")),
            },
        }
    }

    /// Ends the file and gives back the node's answer.
    ///
    /// # Errors
    /// The node refused it, or its answer was lost: then it is not known whether the file was stored.
    pub(super) async fn finish(mut self) -> Result<Value, Fault> {
        if self.sent == 0 {
            return Err(Fault::bad_request("empty file"));
        }
        self.put(format!("\r\n--{}--\r\n", self.boundary).into()).await?;
        let Self { node, pieces, answer, .. } = self;
        drop(pieces);
        let answered = timeout(ANSWER_WAIT, answer).await.map_err(|_| away(&node, &"it does not answer"))?;
        match answered {
            Ok(response) if response.status() == StatusCode::OK => {
                let (_, value) = read(response).await;
                value.filter(|value| value["view_url"].is_string()).ok_or_else(|| away(&node, &"its answer is none"))
            }
            other => Err(refusal(&node, other).await),
        }
    }
}

fn request<B>(target: Target<'_>, url: &Url, boundary: &str, body: B, go: Arc<Notify>) -> Result<Request<B>, Fault> {
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let built = Request::post(&url[url::Position::BeforePath..])
        .header(header::HOST, host)
        .header(header::AUTHORIZATION, format!("Bearer {}", target.token))
        .header(header::CONTENT_TYPE, format!("multipart/form-data; boundary={boundary}"))
        .header(header::EXPECT, "100-continue")
        .header("traceparent", target.trace.to_string())
        .body(body);
    let mut request = built.map_err(|error| away(target.node, &error))?;
    hyper::ext::on_informational(&mut request, move |word| {
        if word.status() == StatusCode::CONTINUE {
            go.notify_one();
        }
    });
    Ok(request)
}

/// What no client can know, so that no file can contain it.
fn boundary() -> Result<String, Fault> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| Fault::internal("could not make a boundary", &error))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Why a node did not take an upload, as its answer says.
async fn refusal(node: &NodeId, answered: hyper::Result<Response<Incoming>>) -> Fault {
    let response = match answered {
        Ok(response) => response,
        Err(error) => return away(node, &error),
    };
    let status = response.status();
    let (headers, value) = read(response).await;
    let known = FaultKind::ALL.into_iter().find(|kind| kind.row().1 == status.as_u16());
    let word = |key: &str| value.as_ref().and_then(|value| value[key].as_str()).map(str::to_owned);
    match (known, word("message")) {
        // The token is this server's own: the visitor can do nothing about it, the operator can.
        (Some(FaultKind::Unauthorized), _) => {
            tracing::error!(
                %node,
                "{node} refuses this server's token: UPLOAD_TOKEN_SECRET is another one there (set the same one on both), \
                 or its clock is ahead by more than the token's {} minutes (set both clocks by NTP)",
                TOKEN_SECONDS / 60
            );
            away(node, &"it refuses this server's token")
        }
        (Some(kind), Some(message)) if is_the_senders(kind) => {
            let fault = Fault::new(kind, message);
            let fault = word("hint").into_iter().fold(fault, Fault::with_hint);
            let again = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            again.into_iter().fold(fault, Fault::retry_after)
        }
        (_, message) => away(node, &format_args!("it answers {status} {}", message.unwrap_or_default())),
    }
}

/// Whether an answer says something of the file or of room: what else a node says is between it and its operator.
const fn is_the_senders(kind: FaultKind) -> bool {
    use FaultKind as Kind;
    matches!(
        kind,
        Kind::BadRequest
            | Kind::TimedOut
            | Kind::Conflict
            | Kind::PayloadTooLarge
            | Kind::UnsupportedMediaType
            | Kind::ChecksumMismatch
            | Kind::TooManyRequests
            | Kind::InsufficientStorage
    )
}

/// The head and the JSON of an answer.
async fn read(response: Response<Incoming>) -> (HeaderMap, Option<Value>) {
    let (head, body) = response.into_parts();
    let body = timeout(OPEN_WAIT, Limited::new(body, ANSWER_BYTES).collect()).await;
    let bytes = body.ok().and_then(Result::ok).map(http_body_util::Collected::to_bytes);
    (head.headers, bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Which node it was, and what was the matter, is for the log: the sender may be anybody.
fn away(node: &NodeId, why: &dyn std::fmt::Display) -> Fault {
    tracing::warn!(%node, "[Upload] Storage node {node} could not take a file: {why}");
    Fault::unavailable("the storage node could not take the file; send it again").retry_after(AGAIN_SECONDS)
}
