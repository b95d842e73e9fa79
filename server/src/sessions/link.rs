//! One live session: its queue of commands, its last sign of life, its end. The writer task here feeds the peer;
//! the reader is whoever holds the stream (`grpc::coordinator`). Neither ever waits for the other.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use pixelfox_proto::{Fault, NodeId, PoolId, SessionEpoch};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::command::Command;
use super::news::{CommandId, Heartbeat, Hello, PoolHealth};
use super::pending::Pending;
use crate::catalog::UnixMillis;

/// Commands that wait for a slow peer at most; one more ends its session.
pub const QUEUED_COMMANDS: usize = 256;
/// A session without a heartbeat for so long is over.
pub const SILENCE: Duration = Duration::from_secs(15);
/// A peer that takes no command for so long has stalled.
pub(super) const STALL: Duration = Duration::from_secs(10);
/// What the peer is given to hear why its session ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// A command on its way to the peer.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// Repeated by the node in progress and result.
    pub id: CommandId,
    /// What to do.
    pub command: Command,
}

/// Why a session ended. The peer hears it when it still reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionEnd {
    /// It never began.
    #[error(transparent)]
    Refused(#[from] Fault),
    /// This process stops.
    #[error("the coordinator is shutting down, attach again in a moment")]
    ShuttingDown,
    /// The same process attached once more.
    #[error("node {0} attached again: its newer session goes on")]
    Replaced(NodeId),
    /// The node attached to another server, or this server was silent for so long that its sessions were given up.
    #[error("the session of node {0} is another server's by now: attach again")]
    Elsewhere(NodeId),
    /// No heartbeat.
    #[error("no heartbeat from node {0} for {seconds} s", seconds = SILENCE.as_secs())]
    Silent(NodeId),
    /// It does not read its commands.
    #[error("node {0} does not read its commands")]
    Stalled(NodeId),
    /// It said that it stops.
    #[error("node {0} stops")]
    Stopped(NodeId),
    /// Its stream ended.
    #[error("the stream of node {0} ended")]
    Left(NodeId),
    /// The books could not be read for its Welcome.
    #[error("the coordinator can't read its books: {0}")]
    Books(String),
}

impl SessionEnd {
    /// Whether one of the two sides ended it in order, so that what was under way is no loss.
    #[must_use]
    pub const fn is_in_order(&self) -> bool {
        matches!(self, Self::ShuttingDown | Self::Stopped(_))
    }
}

/// What is known of a node's state from its heartbeats.
#[derive(Clone, Debug)]
struct Life {
    heard: Instant,
    saved: Option<Instant>,
    beat: Heartbeat,
}

/// A node that is attached now.
#[derive(Debug)]
pub struct Session {
    hello: Hello,
    epoch: SessionEpoch,
    since: UnixMillis,
    queue: mpsc::Sender<Outgoing>,
    life: Mutex<Life>,
    end: OnceLock<SessionEnd>,
    over: CancellationToken,
    /// Commands that the node works on.
    pub pending: Pending,
}

impl Session {
    /// A session with its queue; the receiving half belongs to [`write`](super::writer::write).
    pub(super) fn new(hello: Hello, epoch: SessionEpoch, since: UnixMillis) -> (Arc<Self>, mpsc::Receiver<Outgoing>) {
        let (queue, commands) = mpsc::channel(QUEUED_COMMANDS);
        let life = Life { heard: Instant::now(), saved: None, beat: Heartbeat::default() };
        let session = Self {
            hello,
            epoch,
            since,
            queue,
            life: Mutex::new(life),
            end: OnceLock::new(),
            over: CancellationToken::new(),
            pending: Pending::default(),
        };
        (Arc::new(session), commands)
    }

    /// Whose it is.
    pub fn node(&self) -> &NodeId {
        &self.hello.about.node
    }

    /// What the node said of itself.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Its number.
    pub fn epoch(&self) -> SessionEpoch {
        self.epoch
    }

    /// Since when.
    pub fn since(&self) -> UnixMillis {
        self.since
    }

    /// Queues a command, without waiting. A full queue ends the session.
    ///
    /// # Errors
    /// Why the session is over.
    pub fn send(&self, outgoing: Outgoing) -> Result<(), SessionEnd> {
        if let Some(end) = self.end.get() {
            return Err(end.clone());
        }
        self.queue.try_send(outgoing).map_err(|refused| {
            let end = match refused {
                mpsc::error::TrySendError::Full(_) => SessionEnd::Stalled(self.node().clone()),
                mpsc::error::TrySendError::Closed(_) => SessionEnd::Left(self.node().clone()),
            };
            self.finish(end)
        })
    }

    /// Ends the session; the first cause stays and is what comes back.
    pub fn finish(&self, why: SessionEnd) -> SessionEnd {
        let end = self.end.get_or_init(|| why).clone();
        self.over.cancel();
        end
    }

    /// Waits for the end.
    pub async fn ended(&self) -> SessionEnd {
        self.over.cancelled().await;
        self.end.get().cloned().unwrap_or_else(|| SessionEnd::Left(self.node().clone()))
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// When it is over unless a heartbeat comes first.
    pub fn silent_at(&self) -> Instant {
        self.life.lock().heard + SILENCE
    }

    /// Whether a heartbeat has come since then.
    pub fn was_heard_since(&self, then: Instant) -> bool {
        self.life.lock().heard >= then
    }

    /// Takes a heartbeat in.
    pub(super) fn hear(&self, beat: Heartbeat) -> Heard {
        let mut life = self.life.lock();
        let now = Instant::now();
        life.heard = now;
        let save = life.saved.is_none_or(|saved| now.duration_since(saved) >= super::SAVE_LIFE_EVERY);
        if save {
            life.saved = Some(now);
        }
        let changed = changed_pools(&life.beat.pools, &beat.pools);
        life.beat = beat;
        Heard { changed, save }
    }

    /// What was heard of its pools could not be noted: the next heartbeat tells all of it once more.
    pub fn hear_pools_anew(&self) {
        self.life.lock().beat.pools.clear();
    }

    /// The node's word on one of its pools; `None` until it has said something about it.
    pub fn pool(&self, pool: PoolId) -> Option<PoolHealth> {
        self.life.lock().beat.pools.get(&pool).cloned()
    }

    /// Its pools that are well, by its last word.
    pub fn healthy_pools(&self) -> Vec<PoolId> {
        let life = self.life.lock();
        life.beat.pools.iter().filter(|(_, health)| health.problem.is_none()).map(|(pool, _)| *pool).collect()
    }

    /// The node's word on all of them.
    pub(super) fn pools(&self) -> BTreeMap<PoolId, PoolHealth> {
        self.life.lock().beat.pools.clone()
    }

    /// How far the node's clock is ahead of this process's, in milliseconds, as of its last heartbeat.
    pub fn clock_offset_ms(&self) -> Option<i64> {
        self.life.lock().beat.clock_offset_ms
    }

    /// Commands under way at the node, as it says.
    pub fn running(&self) -> u32 {
        self.life.lock().beat.running
    }
}

/// What a heartbeat brought.
pub(super) struct Heard {
    /// Pools whose health is another than before, with what it is now.
    pub(super) changed: Vec<(PoolId, PoolHealth)>,
    /// Whether the sign of life goes on record this time.
    pub(super) save: bool,
}

/// Pools that are new, or healthy or ill in another way than before. Free bytes alone are no change.
fn changed_pools(
    before: &BTreeMap<PoolId, PoolHealth>,
    now: &BTreeMap<PoolId, PoolHealth>,
) -> Vec<(PoolId, PoolHealth)> {
    let differs = |(id, health): &(&PoolId, &PoolHealth)| before.get(id).is_none_or(|b| b.problem != health.problem);
    now.iter().filter(differs).map(|(id, health)| (*id, health.clone())).collect()
}

/// Gives the peer one item. A peer that takes nothing for `patience` has lost its session.
pub(super) async fn hand_over(
    session: &Session,
    wire: &mpsc::Sender<Result<Outgoing, SessionEnd>>,
    outgoing: Outgoing,
    patience: Duration,
) -> Result<(), SessionEnd> {
    let node = || session.node().clone();
    match timeout(patience, wire.send(Ok(outgoing))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(session.finish(SessionEnd::Left(node()))),
        Err(_) => Err(session.finish(SessionEnd::Stalled(node()))),
    }
}

/// Tells the peer why it is over, where it still listens.
pub(super) async fn take_leave(wire: &mpsc::Sender<Result<Outgoing, SessionEnd>>, end: SessionEnd) {
    if timeout(FAREWELL, wire.send(Err(end))).await.is_err() {
        tracing::debug!("a peer did not take the end of its session");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

    fn session() -> (Arc<Session>, mpsc::Receiver<Outgoing>) {
        let about = catalog::Hello {
            node: "s01".parse().expect("a NODE_ID"),
            instance: "one".into(),
            version: String::new(),
            slots: 4,
            node_url: String::new(),
            public_base_url: String::new(),
            uploads_dir: String::new(),
            uploads_dir_identity: String::new(),
            process: String::new(),
            address: String::new(),
        };
        let hello = Hello {
            about,
            protocol: 1,
            storage_roots: Vec::new(),
            warnings: Vec::new(),
            upload_secret_tag: Vec::new(),
        };
        Session::new(hello, SessionEpoch(1), UnixMillis(0))
    }

    fn cancel(number: u64) -> Outgoing {
        let id = CommandId(number);
        Outgoing { id, command: Command::Cancel { command: id, jobs: Vec::new() } }
    }

    #[tokio::test]
    async fn a_reader_that_takes_nothing_loses_its_session_when_the_queue_is_full() {
        // Nobody reads: the queue takes its limit, the next command ends the session, and nothing ever waits.
        let (session, _commands) = session();
        for number in 0..QUEUED_COMMANDS {
            let number = u64::try_from(number).expect("small");
            assert_eq!(session.send(cancel(number)), Ok(()));
        }
        let end = SessionEnd::Stalled(session.node().clone());
        assert_eq!(session.send(cancel(999)), Err(end.clone()));
        assert_eq!((session.is_over(), session.ended().await), (true, end.clone()));
        assert_eq!(session.send(cancel(1000)), Err(end));
    }

    #[tokio::test]
    async fn a_peer_that_takes_no_command_in_time_has_stalled() {
        // The way to the peer holds one command; the second waits until its time is up.
        let (session, _commands) = session();
        let (wire, _peer) = mpsc::channel(1);
        let patience = Duration::from_millis(5);
        assert_eq!(hand_over(&session, &wire, cancel(1), patience).await, Ok(()));
        let stalled = SessionEnd::Stalled(session.node().clone());
        assert_eq!(hand_over(&session, &wire, cancel(2), patience).await, Err(stalled));
        assert!(session.is_over());
    }

    #[test]
    fn a_heartbeat_puts_silence_off_and_tells_what_changed() {
        // The first report of a pool, its illness and its recovery are changes; other free bytes are none.
        let (session, _commands) = session();
        let pool = PoolId::try_from(1).expect("not 0");
        let beat = |problem: Option<&str>, free_bytes| {
            let health = PoolHealth { problem: problem.map(str::to_owned), free_bytes, ..PoolHealth::default() };
            Heartbeat { pools: BTreeMap::from([(pool, health)]), ..Heartbeat::default() }
        };
        let silent_at = session.silent_at();
        let mut changes = Vec::new();
        for beat in [beat(None, 9), beat(None, 8), beat(Some("gone"), 8), beat(Some("gone"), 0), beat(None, 8)] {
            changes.push(session.hear(beat).changed.len());
        }
        assert_eq!(changes, [1, 0, 1, 0, 1]);
        assert!(session.silent_at() > silent_at);
    }

    #[test]
    fn the_first_cause_of_an_end_stays() {
        // Whoever comes second hears the first cause.
        let (session, _commands) = session();
        assert_eq!(session.finish(SessionEnd::ShuttingDown), SessionEnd::ShuttingDown);
        assert_eq!(session.finish(SessionEnd::Left(session.node().clone())), SessionEnd::ShuttingDown);
    }
}
