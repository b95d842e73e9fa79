//! Files to another node, and what became of each of them.

use std::{collections::HashSet, sync::Arc, time::Duration};

use pixelfox_proto::{JobId, RefusalReason, TraceId};
use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval},
};
use tracing::{
    field::{DisplayValue, display},
    info,
};

use super::{Cancel, FileEnd, Outcome, PushFile, PushFiles, Reporter, Shared, report::sentence};
use crate::metrics::{Direction, Ended, Replicated};
use crate::send::{CallOff, Ears, Gone, Outgoing, SendError, Sent, Target};

/// Ends that wait to be told.
const ENDS: usize = 64;
/// Ends are gathered for so long, so that many small files make few messages.
const GATHER: Duration = Duration::from_millis(20);
/// Gathers after which the bytes are told too, where no file ends: at least every second.
const GATHERS_PER_PROGRESS: u32 = 25;
/// Why a file was not sent on where somebody wanted it so.
const CALLED_OFF: &str = "called off";

impl Shared {
    /// Pushes the order's files, and tells of each one once.
    pub(super) async fn push(&self, order: PushFiles, mut reporter: Reporter, cancel: &Cancel) {
        let PushFiles { source, target, target_url, files } = order;
        let pool = match self.pools.hosted(source) {
            Ok(pool) => pool,
            Err(fault) => return reporter.end(Some(fault.message().to_owned())).await,
        };
        let (ends, mut ended) = mpsc::channel(ENDS);
        let ears = Ears { ends, bytes: Arc::default() };
        let bytes = Arc::clone(&ears.bytes);
        let call_off = CalledOff::new(cancel, &files);
        let outgoing = files.iter().map(outgoing).collect();
        let target_name = self.pools.name_of(target);
        let target = Target { url: target_url, pool: target };
        let push = self.send.push(pool, target, outgoing, ears, call_off);
        let mut under_way = Vec::from_iter(files.into_iter().map(Some));
        let heard = async {
            let counts = self.send.counts();
            let mut told = Told {
                reporter: &mut reporter,
                files: &mut under_way,
                bytes: &bytes,
                gathers: 0,
                counts,
                target: &target_name,
            };
            told.all(&mut ended).await;
        };
        let outcome = tokio::select! {
            (outcome, ()) = async { tokio::join!(push, heard) } => outcome.map_err(|error| unsent(&error, &target_name)),
            () = cancel.whole() => Err((CALLED_OFF.to_owned(), None)),
        };
        let (message, refusal) =
            outcome.err().unwrap_or_else(|| ("the target closed the stream without a word on it".into(), None));
        let ended = if message == CALLED_OFF { Ended::CalledOff } else { Ended::Failed };
        for file in under_way.into_iter().flatten() {
            let (path, job) = (&file.path, file.attempt.job);
            info!(%path, size = file.size, %job, trace_id = trace_id(&file), "[Push] Not sent: {path} to pool {target_name}: {message}");
            self.send.counts().ended(Direction::Out, ended, file.size);
            reporter.ended(end(file, Outcome::Retry, &message, refusal)).await;
        }
        reporter.end(None).await;
    }
}

/// Tells what is heard of a push.
struct Told<'a> {
    reporter: &'a mut Reporter,
    /// Files that have not ended yet.
    files: &'a mut [Option<PushFile>],
    bytes: &'a Gone,
    gathers: u32,
    counts: &'a Replicated,
    target: &'a str,
}

impl Told<'_> {
    /// Until the push has ended.
    async fn all(&mut self, ended: &mut mpsc::Receiver<(usize, Sent)>) {
        let mut gather = interval(GATHER);
        gather.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = gather.tick() => self.gathered().await,
                end = ended.recv() => match end {
                    Some((index, sent)) => self.ended(index, sent).await,
                    None => return,
                },
            }
        }
    }

    async fn ended(&mut self, index: usize, sent: Sent) {
        if let Some(file) = self.files.get_mut(index).and_then(Option::take) {
            self.counts.ended(Direction::Out, counted(&sent), file.size);
            log(&file, &sent, self.target);
            self.reporter.ended(judged(file, sent)).await;
        }
    }

    async fn gathered(&mut self) {
        self.reporter.sent(self.bytes.take());
        let flowing = self.bytes.flowing().and_then(|(place, bytes, there)| {
            let file = self.files.get(place)?.as_ref()?;
            Some((file.path.clone(), bytes, there))
        });
        self.reporter.flows(flowing);
        self.gathers += 1;
        if self.reporter.has_ends() || (self.gathers >= GATHERS_PER_PROGRESS && self.reporter.has_news()) {
            self.gathers = 0;
            self.reporter.flush().await;
        }
    }
}

/// Which files' jobs are called off.
struct CalledOff {
    jobs: watch::Receiver<Arc<HashSet<JobId>>>,
    of: Vec<JobId>,
}

impl CalledOff {
    fn new(cancel: &Cancel, files: &[PushFile]) -> Self {
        Self { jobs: cancel.jobs(), of: files.iter().map(|file| file.attempt.job).collect() }
    }
}

impl CallOff for CalledOff {
    fn is_called_off(&mut self, index: usize) -> bool {
        let jobs = self.jobs.borrow_and_update();
        !jobs.is_empty() && self.of.get(index).is_some_and(|job| jobs.contains(job))
    }

    async fn changed(&mut self) {
        if self.jobs.changed().await.is_err() {
            std::future::pending::<()>().await; // the order is gone, and nobody can call off any more
        }
    }
}

/// Where to look when a target can't be reached. One that ends uses up no attempt.
fn unsent(error: &SendError, pool: &str) -> (String, Option<RefusalReason>) {
    match error {
        SendError::Unreachable { .. } | SendError::Url { .. } => {
            (format!("{} (upload_api_url of pool {pool})", sentence(error)), None)
        }
        SendError::Leaving { .. } => (sentence(error), Some(RefusalReason::Busy)),
        _ => (sentence(error), None),
    }
}

fn outgoing(file: &PushFile) -> Outgoing {
    let PushFile { path, size, sha256, attempt, meta, trace } = file.clone();
    let trace = trace.map(|trace| trace.child(&format!("push {path}")));
    Outgoing { path, size, sha256, attempt: Some(attempt), meta, trace }
}

fn end(file: PushFile, outcome: Outcome, message: &str, refusal: Option<RefusalReason>) -> FileEnd {
    let sha256 = matches!(outcome, Outcome::Done | Outcome::Skipped).then_some(file.sha256);
    FileEnd { path: file.path, outcome, size: file.size, sha256, message: message.to_owned(), refusal }
}

fn trace_id(file: &PushFile) -> Option<DisplayValue<TraceId>> {
    file.trace.map(|trace| display(trace.id()))
}

/// One line for each file that goes out, whatever becomes of it.
fn log(file: &PushFile, sent: &Sent, target: &str) {
    let PushFile { path, size, attempt, .. } = file;
    let trace_id = trace_id(file);
    let why = match sent {
        Sent::Received { .. } => {
            return info!(%path, size, job = %attempt.job, trace_id, "[Push] Sent {path} to pool {target}");
        }
        Sent::Missing => "there is no such file",
        Sent::Differs { .. } => "its bytes are not what is on record",
        Sent::CalledOff => CALLED_OFF,
        Sent::Unreadable(why) | Sent::Refused { message: why, .. } => why,
    };
    info!(%path, size, job = %attempt.job, trace_id, "[Push] Not sent: {path} to pool {target}: {why}");
}

/// As metrics have it.
const fn counted(sent: &Sent) -> Ended {
    match sent {
        Sent::Received { skipped: true, .. } => Ended::Skipped,
        Sent::Received { skipped: false, .. } => Ended::Stored,
        Sent::Refused { .. } => Ended::Refused,
        Sent::Missing | Sent::Differs { .. } | Sent::Unreadable(_) => Ended::Failed,
        Sent::CalledOff => Ended::CalledOff,
    }
}

/// What a file's end means for its move.
fn judged(file: PushFile, sent: Sent) -> FileEnd {
    match sent {
        Sent::Received { skipped, .. } => {
            let outcome = if skipped { Outcome::Skipped } else { Outcome::Done };
            end(file, outcome, "", None)
        }
        Sent::Missing => end(file, Outcome::Missing, "there is no such file", None),
        Sent::Differs { size, sha256 } => {
            let message = format!("{}: its bytes are not what is on record", file.path);
            FileEnd { size, sha256, ..end(file, Outcome::Mismatch, &message, None) }
        }
        Sent::Unreadable(message) => end(file, Outcome::Retry, &message, Some(RefusalReason::IoError)),
        Sent::CalledOff => end(file, Outcome::Retry, CALLED_OFF, None),
        Sent::Refused { reason, message } => end(file, refused(reason), &message, reason),
    }
}

/// Whether another attempt can end otherwise than this refusal. Source: ARCHITECTURE.md, "A move".
fn refused(reason: Option<RefusalReason>) -> Outcome {
    use RefusalReason as R;
    match reason {
        Some(R::InvalidPath | R::EmptyFile | R::ChecksumRequired | R::SameFile | R::Conflict) => Outcome::Refused,
        Some(R::StaleAttempt) => Outcome::Stale,
        // The source was right, so that a checksum or a frame that does not fit was broken on the way.
        Some(
            R::ChecksumMismatch
            | R::BadFrame
            | R::PoolNotHere
            | R::PoolUnhealthy
            | R::InsufficientStorage
            | R::IoError
            | R::Busy,
        )
        | None => Outcome::Retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_ends_uses_up_no_attempt() {
        // The reason tells the coordinator which attempts count.
        let url = || "http://s02".to_owned();
        let leaving = unsent(&SendError::Leaving { url: url() }, "img2");
        assert_eq!(leaving, ("http://s02 is shutting down".into(), Some(RefusalReason::Busy)));
        assert_eq!(unsent(&SendError::Broken { url: url(), message: "reset".into() }, "img2").1, None);
    }
}
