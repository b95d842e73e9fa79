//! The words about one order: every file once, in batches, none after its session has ended.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use pixelfox_proto::StoredPath;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use super::{Cancel, CommandId, FileEnd, Probed, Report};

/// Ends are gathered for so long, so that many small files make few messages.
const GATHER: Duration = Duration::from_millis(20);
/// Most ends in one message.
const MOST_ENDS: usize = 256;

/// Tells what becomes of an order.
pub(crate) struct Reporter {
    command: CommandId,
    reports: mpsc::Sender<Report>,
    cancel: Cancel,
    ends: Vec<FileEnd>,
    files_done: u32,
    bytes_done: u64,
    told_bytes: u64,
    flowing: Option<(StoredPath, u64, u64)>,
}

impl Reporter {
    pub(super) fn new(command: CommandId, reports: mpsc::Sender<Report>, cancel: Cancel) -> Self {
        Self { command, reports, cancel, ends: Vec::new(), files_done: 0, bytes_done: 0, told_bytes: 0, flowing: None }
    }

    /// Tells each end of `ends` soon after it came, and the end of the order when the stream is over.
    pub(crate) async fn tell_all(mut self, ends: impl Stream<Item = FileEnd>) {
        tokio::pin!(ends);
        let mut gather = interval(GATHER);
        gather.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                end = ends.next() => match end {
                    Some(end) => self.ended(end).await,
                    None => return self.end(None).await,
                },
                _ = gather.tick(), if !self.ends.is_empty() => self.flush().await,
            }
        }
    }

    /// Notes how a file ended.
    pub(crate) async fn ended(&mut self, end: FileEnd) {
        self.files_done = self.files_done.saturating_add(1);
        self.ends.push(end);
        if self.ends.len() >= MOST_ENDS {
            self.flush().await;
        }
    }

    /// Notes that so many bytes have gone.
    pub(crate) fn sent(&mut self, bytes: u64) {
        self.bytes_done = self.bytes_done.saturating_add(bytes);
    }

    /// Notes which file is under way, and how far.
    pub(crate) fn flows(&mut self, flowing: Option<(StoredPath, u64, u64)>) {
        self.flowing = flowing;
    }

    /// Whether a file has ended since the last word.
    pub(crate) fn has_ends(&self) -> bool {
        !self.ends.is_empty()
    }

    /// Whether there is anything to tell.
    pub(crate) fn has_news(&self) -> bool {
        !self.ends.is_empty() || self.bytes_done != self.told_bytes
    }

    /// Tells what is new.
    pub(crate) async fn flush(&mut self) {
        self.told_bytes = self.bytes_done;
        let files = std::mem::take(&mut self.ends);
        let (bytes_done, files_done) = (self.bytes_done, self.files_done);
        let flowing = self.flowing.take();
        self.send(Report::Progress { command: self.command, bytes_done, files_done, files, flowing }).await;
    }

    /// Tells that the order is done with; `error` where it failed as a whole.
    pub(crate) async fn end(mut self, error: Option<String>) {
        let files = std::mem::take(&mut self.ends);
        self.send(Report::Ended { command: self.command, files, error }).await;
    }

    /// Tells what a probe has found.
    pub(super) async fn probed(self, found: Probed) {
        self.send(Report::Probed { command: self.command, found }).await;
    }

    /// A word about an order whose session has ended concerns nobody and must not wait.
    async fn send(&self, report: Report) {
        tokio::select! {
            biased;
            () = self.cancel.session_ended() => {}
            sent = self.reports.send(report) => drop(sent),
        }
    }
}

/// An error with its causes, as one line.
pub(crate) fn sentence(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
