//! Files go out to another node: one long Replicate stream, the next files under way while earlier ones are made
//! durable there. It reads, hashes and sends inline on a data worker; it decides nothing about a move.

mod buffers;
mod pace;
mod source;
mod stream;
mod wire;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use pixelfox_proto::{Attempt, FileMeta, PoolId, RefusalReason, Sha256, StoredPath, Trace};
use tokio::sync::mpsc;
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

pub use self::pace::Pace;
use crate::{
    config::Problem,
    listen::{H2_FRAME_BYTES, H2_STREAM_WINDOW_BYTES},
    metrics::Replicated,
    plane::Plane,
    pools::Pool,
    secret::SecretPair,
    tls,
};

const CONNECT: Duration = Duration::from_secs(5);
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_ANSWER: Duration = Duration::from_secs(5);

/// Sends files for this node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pusher {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    plane: Plane,
    secret: Option<SecretPair>,
    tls_ca_file: Option<PathBuf>,
    pace: Pace,
    counts: Replicated,
}

/// Where files go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Base URL of the node, `http://host:port` or `https://…`.
    pub url: String,
    /// Its pool.
    pub pool: PoolId,
}

/// A file to be sent, as it is on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// In both pools.
    pub path: StoredPath,
    /// In bytes.
    pub size: u64,
    /// Of the whole file.
    pub sha256: Sha256,
    /// The move that it belongs to, if it does.
    pub attempt: Option<Attempt>,
    /// Goes into the target's mark.
    pub meta: FileMeta,
    /// What the target logs it under.
    pub trace: Option<Trace>,
}

/// Where a push tells what happens. Files are named by their place in the order that was given.
#[derive(Clone, Debug)]
pub struct Ears {
    /// How each file ended.
    pub ends: mpsc::Sender<(usize, Sent)>,
    /// Bytes of files that went out so far: counters, because frames are many.
    pub bytes: Arc<Gone>,
}

/// What has gone out of a push.
#[derive(Debug, Default)]
pub struct Gone {
    /// Bytes since this was last asked.
    bytes: AtomicU64,
    /// Place of the file that flows plus 1 in the upper bits, and how far it is; one value, so that both fit.
    at: AtomicU64,
    /// Bytes of that file that the target had already.
    there: AtomicU64,
}

/// Bits of [`Gone`] for how far a file is: 256 TiB.
const OFFSET_BITS: u32 = 48;

impl Gone {
    /// Bytes since the last call.
    pub fn take(&self) -> u64 {
        self.bytes.swap(0, Ordering::Relaxed)
    }

    /// The file that flows, how far it is, and how many of these bytes the target had already.
    #[must_use]
    pub fn flowing(&self) -> Option<(usize, u64, u64)> {
        let (place, offset) = Self::split(self.at.load(Ordering::Relaxed))?;
        Some((place, offset, self.there.load(Ordering::Relaxed).min(offset)))
    }

    fn split(at: u64) -> Option<(usize, u64)> {
        let place = usize::try_from(at >> OFFSET_BITS).ok()?.checked_sub(1)?;
        Some((place, at & ((1 << OFFSET_BITS) - 1)))
    }

    fn went(&self, place: usize, offset: u64, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let before = Self::split(self.at.swap((place as u64 + 1) << OFFSET_BITS | offset, Ordering::Relaxed));
        let from = offset.saturating_sub(bytes as u64);
        match before {
            Some((same, offset)) if same == place => {
                self.there.fetch_add(from.saturating_sub(offset), Ordering::Relaxed);
            }
            _ => self.there.store(from, Ordering::Relaxed),
        }
    }
}

/// How a file ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Durable at the target.
    Received {
        /// The same bytes were there already.
        skipped: bool,
        /// Bytes taken over from an earlier, interrupted transfer.
        resumed_from: u64,
    },
    /// It is not in the source pool.
    Missing,
    /// The source's own bytes are not what is on record: they are not taken over there.
    Differs {
        /// Of the source, in bytes.
        size: u64,
        /// Of the source, where all of it was read.
        sha256: Option<Sha256>,
    },
    /// The source could not be read.
    Unreadable(String),
    /// The target does not take it.
    Refused {
        /// What for, where this version knows it.
        reason: Option<RefusalReason>,
        /// The target's sentence.
        message: String,
    },
    /// It was called off before its last frame.
    CalledOff,
}

/// Why a stream ended before its files did.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// This node has none.
    #[error("REPLICATION_SECRET is not set")]
    NoSecret,
    /// No node can be there.
    #[error("`{url}` is no URL of a node")]
    Url {
        /// As it came.
        url: String,
        /// Why.
        #[source]
        cause: tonic::transport::Error,
    },
    /// The certificates for `https` can't be read.
    #[error("{0}")]
    Certificates(Problem),
    /// The target does not answer.
    #[error("could not reach {url}")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        #[source]
        cause: tonic::transport::Error,
    },
    /// The target does not let us in.
    #[error("{url} refused this node: {message}; REPLICATION_SECRET has to be equal on both")]
    Denied {
        /// Where.
        url: String,
        /// Its sentence.
        message: String,
    },
    /// The target ends: what it had begun is durable there, the rest goes later.
    #[error("{url} is shutting down")]
    Leaving {
        /// Where.
        url: String,
    },
    /// The stream broke.
    #[error("the stream to {url} ended: {message}")]
    Broken {
        /// Where.
        url: String,
        /// What is known of it.
        message: String,
    },
}

/// Tells at any time which files are called off.
pub trait CallOff: Send + 'static {
    /// Whether the file at this place shall not be sent, or not be sent on.
    fn is_called_off(&mut self, index: usize) -> bool;

    /// Returns when the answer to [`CallOff::is_called_off`] may be another one than when it was asked last.
    fn changed(&mut self) -> impl Future<Output = ()> + Send;
}

/// Nothing is.
impl CallOff for () {
    fn is_called_off(&mut self, _: usize) -> bool {
        false
    }

    fn changed(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

impl Pusher {
    /// Sends with `secret`. `tls_ca_file`: certificates for `https` targets instead of the system's.
    #[must_use]
    pub fn new(plane: Plane, secret: Option<SecretPair>, tls_ca_file: Option<PathBuf>) -> Self {
        Self::counting(plane, secret, tls_ca_file, Replicated::default())
    }

    /// As [`Pusher::new`], and counts what ends.
    #[must_use]
    pub fn counting(
        plane: Plane,
        secret: Option<SecretPair>,
        tls_ca_file: Option<PathBuf>,
        counts: Replicated,
    ) -> Self {
        Self { shared: Arc::new(Shared { plane, secret, tls_ca_file, pace: Pace::default(), counts }) }
    }

    /// Files that were to be sent have ended.
    pub(crate) fn counts(&self) -> &Replicated {
        &self.shared.counts
    }

    /// The limit that all transfers of this node share.
    #[must_use]
    pub fn pace(&self) -> &Pace {
        &self.shared.pace
    }

    /// Sends `files` of `source` to `target` over one connection of its own, and tells `ears` how each one ended.
    /// Dropped, it breaks the connection off; what has come over is gone on with at the next try.
    ///
    /// # Errors
    /// Where the stream ended early: files that were not told of by then have not ended.
    pub async fn push(
        &self,
        source: Arc<Pool>,
        target: Target,
        files: Vec<Outgoing>,
        ears: Ears,
        call_off: impl CallOff,
    ) -> Result<(), SendError> {
        let shared = Arc::clone(&self.shared);
        let work = async move {
            let secret = shared.secret.as_ref().ok_or(SendError::NoSecret)?;
            let channel = shared.connect(&target.url).await?;
            stream::run(&shared.pace, secret, channel, source, &target, files, ears, call_off).await
        };
        self.shared.plane.run(work).await
    }
}

impl Shared {
    /// A connection whose tasks run on this worker, with the windows and frames of docs/PERFORMANCE.md, "Figures to build on".
    async fn connect(&self, url: &str) -> Result<Channel, SendError> {
        let bad = |cause| SendError::Url { url: url.to_owned(), cause };
        let mut endpoint = Endpoint::from_shared(url.to_owned())
            .map_err(bad)?
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .max_frame_size(H2_FRAME_BYTES)
            .initial_stream_window_size(H2_STREAM_WINDOW_BYTES)
            .initial_connection_window_size(4 * H2_STREAM_WINDOW_BYTES)
            .http2_adaptive_window(false)
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_ANSWER)
            .keep_alive_while_idle(true);
        if url.starts_with("https:") {
            endpoint = endpoint
                .tls_config(tls::client(self.tls_ca_file.as_deref()).map_err(SendError::Certificates)?)
                .map_err(bad)?;
        }
        endpoint.connect().await.map_err(|cause| SendError::Unreachable { url: url.to_owned(), cause })
    }
}

/// Why a stream broke, by the status that it broke with.
fn broken(url: &str, status: &Status) -> SendError {
    let (url, message) = (url.to_owned(), status.message().to_owned());
    match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => SendError::Denied { url, message },
        Code::Unavailable if message == crate::transfer::SHUTTING_DOWN => SendError::Leaving { url },
        code if message.is_empty() => SendError::Broken { url, message: code.description().to_owned() },
        _ => SendError::Broken { url, message },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_target_had_is_told_apart_from_what_goes_out() {
        // A file that is gone on with at 80, one that skips a part on its way, a new one from its start.
        let gone = Gone::default();
        assert_eq!(gone.flowing(), None);
        for (place, offset, bytes, want) in [
            (0, 100, 20, (0, 100, 80)),
            (0, 150, 50, (0, 150, 80)),
            (0, 300, 50, (0, 300, 180)),
            (1, 10, 10, (1, 10, 0)),
        ] {
            gone.went(place, offset, bytes);
            assert_eq!(gone.flowing(), Some(want));
        }
        assert_eq!(gone.take(), 130);
    }
}
