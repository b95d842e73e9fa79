//! One Replicate stream from the sender's side: a single loop that reads and sends the next piece whenever there is
//! room for it and hears the target's answers in between.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use pixelfox_proto::{Sha256, StoredPath};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use super::{
    CallOff, Ears, Gone, Outgoing, Pace, SendError, Sent, Target, broken,
    buffers::Buffers,
    source::{Piece, Source},
    wire::{self, Answer, Answers, Message},
};
use crate::{
    disk::{Stored, Verdict},
    pools::Pool,
    secret::SecretPair,
    transfer::FRAME_BYTES,
};

/// Messages that wait for the connection.
const WAITING: usize = 2;
/// Files under way at once. Source: replication.proto, `Replicate`.
const OPEN_MOST: usize = 64;
/// From this size on the target is asked what it has already.
const RESUME_BYTES: u64 = 8 << 20;

/// Sends all of `files`; returns when the last one has ended.
#[expect(clippy::too_many_arguments, reason = "called once, with what a stream is made of")]
pub(super) async fn run(
    pace: &Pace,
    secret: &SecretPair,
    channel: Channel,
    source: Arc<Pool>,
    target: &Target,
    files: Vec<Outgoing>,
    ears: Ears,
    call_off: impl CallOff,
) -> Result<(), SendError> {
    let (messages, out) = mpsc::channel(WAITING);
    let failed = |status| broken(&target.url, &status);
    let mut answers = wire::open(channel, secret, ReceiverStream::new(out)).await.map_err(failed)?;
    let mut outgoing = Flow {
        source,
        pool: target.pool.get(),
        files,
        next: 0,
        current: None,
        open: HashMap::new(),
        buffers: Buffers::new(FRAME_BYTES),
        call_off,
        ends: VecDeque::new(),
        judged: VecDeque::new(),
        bytes: Arc::clone(&ears.bytes),
    };
    loop {
        // Before anybody hears of it.
        while let Some((path, file, verdict)) = outgoing.judged.pop_front() {
            outgoing.source.judge(&path, &file, verdict).await;
        }
        while let Some(end) = outgoing.ends.pop_front() {
            // Whoever listened has gone, and with it the sense of going on.
            if ears.ends.send(end).await.is_err() {
                return Ok(());
            }
        }
        if outgoing.is_done() {
            drop(messages);
            return drain(answers).await.map_err(failed);
        }
        let (has_work, next_bytes) = (outgoing.has_work(), outgoing.next_bytes());
        tokio::select! {
            biased;
            answer = answers.next() => match answer.map_err(failed)? {
                Some((tag, answer)) => outgoing.hear(tag, answer).await,
                None => return Err(SendError::Broken { url: target.url.clone(), message: "closed by the target".into() }),
            },
            // Neither a slow pace nor a slow target keeps a file that is called off.
            () = outgoing.call_off.changed() => {}
            permit = room(&messages, pace, next_bytes), if has_work => {
                let Ok(permit) = permit else {
                    return Err(last_words(answers, target).await);
                };
                if let Some(message) = outgoing.step() {
                    permit.send(message);
                    crash_point!("send.after_message");
                }
            }
        }
    }
}

/// Room for the next message, once the pace allows its bytes. Dropped before that, nothing is taken.
async fn room<'m>(
    messages: &'m mpsc::Sender<Message>,
    pace: &Pace,
    bytes: usize,
) -> Result<mpsc::Permit<'m, Message>, mpsc::error::SendError<()>> {
    let permit = messages.reserve().await?;
    if bytes > 0 {
        pace.take(bytes).await;
    }
    Ok(permit)
}

/// The target has stopped reading: its last answer says why.
async fn last_words(mut answers: Answers, target: &Target) -> SendError {
    loop {
        match answers.next().await {
            Ok(Some(_)) => {}
            Ok(None) => return SendError::Broken { url: target.url.clone(), message: "closed by the target".into() },
            Err(status) => return broken(&target.url, &status),
        }
    }
}

/// Waits for the target's end of the stream, so that the connection closes in order.
async fn drain(mut answers: Answers) -> Result<(), tonic::Status> {
    while answers.next().await?.is_some() {}
    Ok(())
}

/// The state of a stream.
struct Flow<C> {
    source: Arc<Pool>,
    pool: u64,
    files: Vec<Outgoing>,
    /// The next file to begin; a file's tag is its place.
    next: usize,
    current: Option<Current>,
    /// Files without an answer: what the sender itself knows of their end.
    open: HashMap<usize, Option<Sent>>,
    buffers: Buffers,
    call_off: C,
    ends: VecDeque<(usize, Sent)>,
    /// Files of the source whose bytes are not those on record.
    judged: VecDeque<(StoredPath, Stored, Verdict)>,
    bytes: Arc<Gone>,
}

/// The file whose pieces go out.
struct Current {
    index: usize,
    source: Source,
    /// The target was asked what it has, and has not answered yet.
    waits_for_offer: bool,
}

impl<C: CallOff> Flow<C> {
    fn is_done(&self) -> bool {
        self.next == self.files.len() && self.current.is_none() && self.open.is_empty()
    }

    /// Whether there is something to send now.
    fn has_work(&mut self) -> bool {
        match &self.current {
            Some(current) => !current.waits_for_offer || self.call_off.is_called_off(current.index),
            None => self.next < self.files.len() && self.open.len() < OPEN_MOST,
        }
    }

    /// Bytes of the file that the next message has.
    fn next_bytes(&mut self) -> usize {
        match &self.current {
            Some(current) if !self.call_off.is_called_off(current.index) => current.source.next_bytes(),
            _ => 0,
        }
    }

    /// The next message, if the step has one.
    fn step(&mut self) -> Option<Message> {
        match self.current.take() {
            Some(current) => self.piece(current),
            None => self.begin(),
        }
    }

    fn begin(&mut self) -> Option<Message> {
        let index = self.next;
        self.next += 1;
        let source = match self.look(index) {
            Ok(source) => source,
            Err(sent) => {
                self.ends.push_back((index, sent));
                return None;
            }
        };
        let file = &self.files[index];
        let waits_for_offer = file.size > RESUME_BYTES;
        self.open.insert(index, None);
        crash_point!("send.before_begin");
        let message = wire::begin(tag(index), self.pool, file, waits_for_offer);
        self.current = Some(Current { index, source, waits_for_offer });
        Some(message)
    }

    /// Opens a file, or says how it ends right here.
    fn look(&mut self, index: usize) -> Result<Source, Sent> {
        let file = &self.files[index];
        if self.call_off.is_called_off(index) {
            return Err(Sent::CalledOff);
        }
        let Some(disk) = self.source.disk() else {
            return Err(Sent::Unreadable(format!("pool {} of this node is unhealthy", self.source.id())));
        };
        match disk.open(&file.path) {
            Ok(Some(stored)) if stored.size() == file.size => Ok(Source::new(stored, file)),
            Ok(Some(stored)) => {
                let size = stored.size();
                self.judged.push_back((file.path.clone(), stored, Verdict::Suspect(None)));
                Err(Sent::Differs { size, sha256: None })
            }
            Ok(None) => Err(Sent::Missing),
            Err(error) => Err(Sent::Unreadable(sentence(&error))),
        }
    }

    fn piece(&mut self, mut current: Current) -> Option<Message> {
        let index = current.index;
        if self.call_off.is_called_off(index) {
            return Some(self.give_up(&current, Sent::CalledOff));
        }
        let from = current.source.offset();
        let (message, sent) = match current.source.next(&mut self.buffers) {
            Ok(Piece::Inner(cut, data)) => {
                let sent = data.len();
                crash_point!("send.before_inner_frame");
                self.current = Some(current);
                (wire::frame(tag(index), cut, data), sent)
            }
            Ok(Piece::Last(cut, data)) => {
                let sent = data.len();
                crash_point!("send.before_last_frame");
                (wire::frame(tag(index), cut, data), sent)
            }
            Ok(Piece::Differs(sha256)) => {
                let size = self.files[index].size;
                let message = self.give_up(&current, Sent::Differs { size, sha256: Some(sha256) });
                let path = self.files[index].path.clone();
                self.judged.push_back((path, current.source.into_stored(), Verdict::Suspect(Some(sha256))));
                return Some(message);
            }
            Err(error) => return Some(self.give_up(&current, Sent::Unreadable(sentence(&error)))),
        };
        self.bytes.went(index, from + sent as u64, sent);
        Some(message)
    }

    /// Ends a file by a frame that the target refuses; its answer then means what is known here.
    fn give_up(&mut self, current: &Current, why: Sent) -> Message {
        let good = (why == Sent::CalledOff).then(|| current.source.prefix());
        self.open.insert(current.index, Some(why));
        wire::give_up(tag(current.index), current.source.offset(), good)
    }

    async fn hear(&mut self, tag: u32, answer: Answer) {
        let index = tag as usize;
        match answer {
            Answer::Offer { offset, prefix } => self.resume(index, offset, prefix).await,
            Answer::Receipt { size, sha256, skipped, resumed_from } => {
                crash_point!("send.after_receipt");
                let Some(known) = self.open.remove(&index) else { return };
                let file = &self.files[index];
                let is_same = size == file.size && sha256 == Some(file.sha256);
                self.end(
                    index,
                    known.unwrap_or(if is_same {
                        Sent::Received { skipped, resumed_from }
                    } else {
                        Sent::Refused { reason: None, message: "the receipt is for other bytes".into() }
                    }),
                );
            }
            Answer::Refusal { reason, message } => {
                let Some(known) = self.open.remove(&index) else { return };
                self.end(index, known.unwrap_or(Sent::Refused { reason, message }));
            }
        }
    }

    fn end(&mut self, index: usize, sent: Sent) {
        if self.current.as_ref().is_some_and(|current| current.index == index) {
            self.current = None;
        }
        self.ends.push_back((index, sent));
    }

    async fn resume(&mut self, index: usize, offset: u64, prefix: Option<Sha256>) {
        let Self { current, call_off, .. } = self;
        let Some(current) = current.as_mut().filter(|c| c.index == index && c.waits_for_offer) else { return };
        current.waits_for_offer = false;
        let called_off = async {
            while !call_off.is_called_off(index) {
                call_off.changed().await;
            }
        };
        // Hashing what is there already takes a while: it keeps no file that is called off.
        tokio::select! {
            biased;
            () = called_off => {}
            () = current.source.resume(offset, prefix) => {}
        }
    }
}

/// A file's tag on its stream. Orders have far fewer files than there are tags.
fn tag(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// An error with its causes, as one line.
fn sentence(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
