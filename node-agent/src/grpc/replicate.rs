//! One Replicate stream: files in, one answer each. On a data worker; frames are hashed and written inline, and while
//! earlier files are being made durable the next ones come in.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use futures_util::{Stream, StreamExt as _, future::BoxFuture, stream, stream::FuturesUnordered};
use pixelfox_proto::{
    PoolId, StoredPath, TraceId,
    v1::{BeginFile, Frame, ReplicateRequest, ReplicateResponse, refusal::Reason, replicate_request::Step},
};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::{Status, Streaming};

use super::{
    Parts,
    tags::{Broken, Tags, Take},
    wire::{self, Refusal},
};
use crate::{
    peer::Sender,
    receive::{Landing, LandingError, Receipt, Start, log},
    transfer::{Patience, SHUTTING_DOWN},
};

/// The answers to the files of one stream.
pub(super) fn answers(
    parts: Arc<Parts>,
    from: Sender,
    requests: Streaming<ReplicateRequest>,
) -> impl Stream<Item = Result<ReplicateResponse, Status>> + Send {
    let stop = parts.stop.clone();
    let incoming = Incoming {
        patience: Patience::new(parts.least_rate),
        parts,
        from,
        tags: Tags::default(),
        landings: HashMap::new(),
        finishing: FuturesUnordered::new(),
        answers: VecDeque::new(),
    };
    let inlet = Inlet { requests, ended: false, stopped: Box::pin(stop.clone().cancelled_owned()), stop, timer: None };
    stream::unfold(Some((incoming, inlet)), |state| async move {
        let (mut incoming, mut inlet) = state?;
        match next(&mut incoming, &mut inlet).await {
            Ok(Some(answer)) => Some((Ok(answer), Some((incoming, inlet)))),
            Ok(None) => None,
            Err(status) => Some((Err(status), None)),
        }
    })
}

/// Where messages come from, and when no more do.
struct Inlet {
    requests: Streaming<ReplicateRequest>,
    ended: bool,
    stop: CancellationToken,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Rings when the sender may have used up its patience; set anew only then.
    timer: Option<Pin<Box<Sleep>>>,
}

/// The files of one stream.
struct Incoming {
    parts: Arc<Parts>,
    from: Sender,
    tags: Tags,
    /// Files that wait for frames.
    landings: HashMap<u32, (Box<Landing>, TraceId)>,
    finishing: FuturesUnordered<BoxFuture<'static, Finished>>,
    answers: VecDeque<ReplicateResponse>,
    patience: Patience,
}

/// A file that had all its frames, and what became of it.
struct Finished {
    tag: u32,
    pool: PoolId,
    path: StoredPath,
    size: u64,
    trace: TraceId,
    outcome: Result<Receipt, LandingError>,
}

/// The next answer; `None` at the stream's end.
async fn next(incoming: &mut Incoming, inlet: &mut Inlet) -> Result<Option<ReplicateResponse>, Status> {
    loop {
        if let Some(answer) = incoming.answers.pop_front() {
            crash_point!("receive.before_answer");
            return Ok(Some(answer));
        }
        if inlet.stop.is_cancelled() && incoming.tags.is_empty() {
            return Err(Status::unavailable(SHUTTING_DOWN));
        }
        if inlet.ended && incoming.finishing.is_empty() {
            return Ok(None);
        }
        let waits_for_frames = !incoming.landings.is_empty() && !inlet.ended;
        let since = Instant::now();
        let patience = waiting(&mut inlet.timer, since + incoming.patience.left());
        tokio::select! {
            biased;
            Some(finished) = incoming.finishing.next(), if !incoming.finishing.is_empty() => incoming.finished(finished),
            message = inlet.requests.message(), if !inlet.ended => match message? {
                Some(message) => {
                    let bytes = frame_bytes(&message);
                    incoming.patience.received(if waits_for_frames { since.elapsed() } else { Duration::ZERO }, bytes);
                    incoming.take(message, inlet.stop.is_cancelled()).await?;
                }
                None => {
                    inlet.ended = true;
                    incoming.cut_short();
                }
            },
            () = patience, if waits_for_frames => {
                return Err(Status::deadline_exceeded("the frames of an open file come too slowly"));
            }
            () = &mut inlet.stopped, if !inlet.stop.is_cancelled() => {}
        }
    }
}

fn frame_bytes(message: &ReplicateRequest) -> usize {
    match &message.step {
        Some(Step::Frame(frame)) => frame.data.len(),
        Some(Step::Begin(_)) | None => 0,
    }
}

/// Waits until `until` by a timer that is set as seldom as can be: `until` only ever moves away while frames come.
async fn waiting(timer: &mut Option<Pin<Box<Sleep>>>, until: Instant) {
    let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
    loop {
        timer.as_mut().await;
        if Instant::now() >= until {
            return;
        }
        timer.as_mut().reset(until);
    }
}

impl Incoming {
    async fn take(&mut self, message: ReplicateRequest, is_stopping: bool) -> Result<(), Status> {
        let tag = message.file_tag;
        match message.step {
            Some(Step::Begin(begin)) => {
                self.tags.begin(tag).map_err(broken)?;
                if is_stopping {
                    let why = format!("{}: {SHUTTING_DOWN}", begin.stored_path.escape_debug());
                    self.refuse(tag, Refusal::new(Reason::Busy, why));
                    return Ok(());
                }
                self.begin(tag, begin).await;
                Ok(())
            }
            Some(Step::Frame(frame)) => {
                if self.tags.frame(tag, self.landings.contains_key(&tag)).map_err(broken)? == Take::Frame {
                    self.frame(tag, &frame);
                }
                Ok(())
            }
            None => {
                Err(Status::invalid_argument(format!("the message for file_tag {tag} has neither begin nor frame")))
            }
        }
    }

    async fn begin(&mut self, tag: u32, begin: BeginFile) {
        if let Err(refusal) = self.try_begin(tag, begin).await {
            self.refuse(tag, refusal);
        }
    }

    async fn try_begin(&mut self, tag: u32, wire: BeginFile) -> Result<(), Refusal> {
        let raw_path: String = wire.stored_path.chars().take(StoredPath::MAX_BYTES).collect();
        let (pool_id, begin, trace) = wire::begin(wire).inspect_err(|refusal| {
            if refusal.reason == Reason::InvalidPath {
                log::rejected_path(&raw_path, &self.from);
            }
        })?;
        let pool = self.parts.pools.hosted(pool_id).map_err(|fault| wire::no_pool(&fault, &begin.path))?;
        let (path, size, start) = (begin.path.clone(), begin.size, begin.start);
        let parts = Arc::clone(&self.parts);
        let begun = async move {
            let mut landing = parts.receiver.begin(&pool, begin).await?;
            let offer = match start {
                Start::WhereItEnded => Some(landing.offer().await?),
                Start::Afresh => None,
            };
            Ok((landing, offer))
        };
        match self.while_finishing(begun).await {
            Ok((landing, offer)) => {
                self.answers.extend(offer.map(|offer| wire::offer(tag, offer)));
                self.landings.insert(tag, (Box::new(landing), trace.id()));
                crash_point!("receive.after_begin");
                Ok(())
            }
            Err(error) => {
                self.parts.receiver.landed(pool_id, &path, size, &self.from, trace.id(), Err(&error));
                Err(wire::refusal(error, pool_id, &path))
            }
        }
    }

    /// Runs `work` while files that had all their frames go on to their receipts: a newer attempt may wait for one.
    async fn while_finishing<F: Future>(&mut self, work: F) -> F::Output {
        let mut work = Box::pin(work);
        loop {
            tokio::select! {
                biased;
                output = &mut work => return output,
                Some(finished) = self.finishing.next(), if !self.finishing.is_empty() => self.finished(finished),
            }
        }
    }

    fn frame(&mut self, tag: u32, frame: &Frame) {
        let Some((landing, _)) = self.landings.get_mut(&tag) else { return };
        let taken = landing.frame(frame.offset, &frame.data, &frame.prefix_sha256);
        let is_complete = taken.is_ok() && landing.is_complete();
        if taken.is_ok() && !is_complete {
            crash_point!("receive.after_frame");
            return;
        }
        let Some((landing, trace)) = self.landings.remove(&tag) else { return };
        self.tags.complete(tag);
        let Some((pool, path, size)) = named(&landing) else { return };
        match taken {
            Ok(()) => self.finishing.push(Box::pin(async move {
                crash_point!("receive.after_last_frame");
                let outcome = landing.finish().await;
                Finished { tag, pool, path, size, trace, outcome }
            })),
            Err(error) => self.finished(Finished { tag, pool, path, size, trace, outcome: Err(error) }),
        }
    }

    fn finished(&mut self, finished: Finished) {
        let Finished { tag, pool, path, size, trace, outcome } = finished;
        self.parts.receiver.landed(pool, &path, size, &self.from, trace, outcome.as_ref());
        match outcome {
            Ok(receipt) => {
                crash_point!("receive.before_receipt");
                self.tags.received(tag);
                self.answers.push_back(wire::receipt(tag, receipt));
            }
            Err(error) => self.refuse(tag, wire::refusal(error, pool, &path)),
        }
    }

    fn refuse(&mut self, tag: u32, refusal: Refusal) {
        self.tags.refused(tag);
        self.answers.push_back(wire::refused(tag, refusal));
    }

    /// The client has said its last word: files that are not whole never will be. What came of them stays for an offer.
    fn cut_short(&mut self) {
        for (tag, (landing, _)) in std::mem::take(&mut self.landings) {
            if let Some((pool, path, size)) = named(&landing) {
                let received = landing.received();
                let message = format!("{path} (pool {pool}): the stream ended after {received} of {size} bytes");
                self.refuse(tag, Refusal::new(Reason::BadFrame, message));
            }
        }
    }
}

fn broken(broken: Broken) -> Status {
    match broken {
        Broken::TooMany => Status::resource_exhausted(broken.to_string()),
        Broken::StillOpen(_) | Broken::Unknown(_) | Broken::Mixed { .. } => {
            Status::invalid_argument(broken.to_string())
        }
    }
}

fn named(landing: &Landing) -> Option<(PoolId, StoredPath, u64)> {
    let begin = landing.begin()?;
    Some((landing.pool().id(), begin.path.clone(), begin.size))
}
