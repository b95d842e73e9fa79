//! Who is attached, and how to send to them. One session per NODE_ID; its commands die with it.
//! Knows no wire type and decides nothing about jobs: results go up through whoever reads the stream.

mod command;
mod elsewhere;
mod entry;
mod link;
mod news;
mod pending;
mod probe;
mod registry;
mod turned_away;
mod view;
mod welcome;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pixelfox_proto::{Fault, JobId, NodeId, PoolId, SessionEpoch, StoredPath};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::command::{
    Command, Place, PushFile, PushFiles, RestoreFile, RestoreFiles, TrashFile, TrashFiles, VerifyFiles,
};
pub use self::elsewhere::Seat;
pub use self::link::{Outgoing, QUEUED_COMMANDS, SILENCE, Session, SessionEnd};
pub use self::news::{
    CommandId, FileResult, Found, Heartbeat, Hello, LeftFile, News, Outcome, PoolHealth, Probed, TargetFound, Trouble,
};
pub use self::pending::{Awaited, Pending, Work};
pub use self::probe::Left;
pub use self::turned_away::{Grounds, TurnedAway};
pub use self::view::above_reserve;
pub use self::welcome::{PoolHome, Welcome};

use self::elsewhere::Others;
use self::registry::Registry;
use self::turned_away::Refused;
use self::writer::{Notices, Writer};
use crate::catalog::{Attached, NodeElsewhere};
use crate::clock;
use crate::store::{AutoPools, Store};

/// The peer's end of a session: commands, and last why it ended.
pub type Wire = mpsc::Sender<Result<Outgoing, SessionEnd>>;

/// Signs of life go on record this often at most.
pub(crate) const SAVE_LIFE_EVERY: Duration = Duration::from_secs(30);
/// What a peer has to hear the end of its session, all of them together.
const LEAVE: Duration = Duration::from_secs(2);

/// Everyone who is attached.
#[derive(Debug)]
pub struct Sessions {
    store: Store,
    auto_pools: AutoPools,
    registry: Registry,
    others: Others,
    refused: Refused,
    /// Attaches go one after the other: who comes second sees the first.
    entry: Mutex<()>,
    ids: AtomicU64,
    /// Of this server.
    since: Instant,
    /// How often each has attached.
    attaches: parking_lot::Mutex<BTreeMap<NodeId, u64>>,
    books: watch::Sender<()>,
    usage: watch::Sender<()>,
    writers: TaskTracker,
    stop: CancellationToken,
}

impl Sessions {
    /// Nobody is attached yet.
    #[must_use]
    pub fn new(store: Store, auto_pools: AutoPools) -> Arc<Self> {
        let sessions = Self {
            store,
            auto_pools,
            registry: Registry::default(),
            others: Others::default(),
            refused: Refused::default(),
            entry: Mutex::new(()),
            ids: AtomicU64::new(0),
            since: Instant::now(),
            attaches: parking_lot::Mutex::default(),
            books: watch::Sender::new(()),
            usage: watch::Sender::new(()),
            writers: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        Arc::new(sessions)
    }

    /// Lets a node in: notes it in the books, starts its writer, whose first word is the Welcome.
    /// An older session of the same process ends; `Attached::returned` are the jobs that it had.
    ///
    /// # Errors
    /// A protocol that is not spoken here, a second process with this NODE_ID, books that can't be written.
    pub async fn attach(&self, mut hello: Hello, wire: Wire) -> Result<(Arc<Session>, Attached), Fault> {
        entry::check(&hello)?;
        let _one_at_a_time = self.entry.lock().await;
        if self.stop.is_cancelled() {
            return Err(Fault::unavailable(SessionEnd::ShuttingDown.to_string()));
        }
        if let Some(older) = self.registry.get(&hello.about.node) {
            entry::may_replace(&older, &hello)?;
            older.finish(SessionEnd::Replaced(hello.about.node.clone()));
            self.registry.remove(&older);
        }
        let now = clock::now();
        crash_point!("attach.before_commit");
        let attached = self.store.attach_node(hello.about.clone(), self.auto_pools, now).await?;
        crash_point!("attach.after_commit");
        // Seen wherever what is wrong with the node's environment is.
        hello.warnings.extend(attached.no_auto_pool.iter().map(|why| format!("UPLOADS_DIR: {why}")));
        self.refused.forget(hello.about.node.as_str(), &hello.about.address);
        let (session, commands) = Session::new(hello, attached.epoch, now);
        self.registry.insert(Arc::clone(&session));
        *self.attaches.lock().entry(session.node().clone()).or_default() += 1;
        let notices = Notices { books: self.books.subscribe(), usage: self.usage.subscribe(), due: None };
        let writer = Writer {
            session: Arc::clone(&session),
            commands,
            wire,
            notices,
            lease_floor: attached.lease_floor,
            store: self.store.clone(),
            said: None,
            id: self.next_id(),
        };
        self.writers.spawn(writer.run());
        if attached.auto_pool.is_some() {
            self.books_changed();
        }
        Ok((session, attached))
    }

    /// How often each node has attached to this server.
    #[must_use]
    pub fn attaches(&self) -> BTreeMap<NodeId, u64> {
        self.attaches.lock().clone()
    }

    /// Somebody was not let in: a node by its claimed NODE_ID, else a machine.
    pub fn turn_away(&self, who: &str, address: &str, fault: &Fault) {
        self.refused.note(who, address, fault, Instant::now());
    }

    /// Those that were not let in within the last half minute.
    #[must_use]
    pub fn turned_away(&self) -> Vec<TurnedAway> {
        self.refused.lately(Instant::now())
    }

    /// Forgets a session that is over; a newer one of the same node stays.
    pub fn leave(&self, session: &Arc<Session>) {
        self.registry.remove(session);
    }

    /// Takes a heartbeat in: in memory, and now and then on record.
    /// Pools that became healthy or ill since the last one come back.
    pub async fn hear(&self, session: &Session, beat: Heartbeat) -> Vec<(PoolId, PoolHealth)> {
        let heard = session.hear(beat);
        if heard.save
            && let Err(cause) =
                self.store.nodes_seen(vec![(session.node().clone(), session.epoch())], clock::now()).await
        {
            tracing::warn!(node = %session.node(), "could not note a node's sign of life: {cause}");
        }
        if self.store.is_shared() && (heard.save || !heard.changed.is_empty()) {
            let reports = elsewhere::reports(&session.pools());
            let noted = self.store.pools_seen(session.node().clone(), session.epoch(), reports, clock::now()).await;
            if let Err(cause) = noted {
                tracing::warn!(node = %session.node(), "could not note a node's pools for other servers: {cause}");
            }
        }
        heard.changed
    }

    /// What the books say of nodes that other servers have. Comes back with whether it is news.
    pub fn set_others(&self, nodes: Vec<NodeElsewhere>) -> bool {
        self.others.set(nodes)
    }

    /// Nodes that other servers have and this one has not.
    #[must_use]
    pub fn others(&self) -> Vec<Arc<NodeElsewhere>> {
        self.others.all().iter().filter(|other| self.of(&other.node).is_none()).cloned().collect()
    }

    /// The node, where another server has it.
    #[must_use]
    pub fn elsewhere(&self, node: &NodeId) -> Option<Arc<NodeElsewhere>> {
        self.others.of(node).filter(|_| self.of(node).is_none())
    }

    /// Where a node is attached, if it is.
    #[must_use]
    pub fn seat(&self, node: &NodeId) -> Option<Seat> {
        self.of(node).map(Seat::Here).or_else(|| self.others.of(node).map(Seat::Elsewhere))
    }

    /// Sessions whose node's session is another one by now, on another server: they end. `held`: the sessions that the
    /// books say are this server's; `seen`: those that were here before the books were asked.
    pub fn end_superseded(&self, seen: &[Arc<Session>], held: &[(NodeId, SessionEpoch)]) {
        let is_held = |session: &&Arc<Session>| {
            held.iter().any(|(node, epoch)| node == session.node() && *epoch == session.epoch())
        };
        for session in seen.iter().filter(|session| !is_held(session)) {
            session.finish(SessionEnd::Elsewhere(session.node().clone()));
        }
    }

    /// The live session of a node.
    pub fn of(&self, node: &NodeId) -> Option<Arc<Session>> {
        self.registry.get(node).filter(|session| !session.is_over())
    }

    /// All live sessions, by NODE_ID.
    pub fn all(&self) -> Vec<Arc<Session>> {
        let mut all = self.registry.all();
        all.retain(|session| !session.is_over());
        all
    }

    /// Sends a command with files that the node reports on, and notes them.
    ///
    /// # Errors
    /// Why the session is over. Then nothing of the command stays noted.
    pub fn send(
        &self,
        session: &Session,
        command: Command,
        work: Work,
        files: impl IntoIterator<Item = (StoredPath, Awaited)>,
    ) -> Result<CommandId, SessionEnd> {
        let id = self.next_id();
        session.pending.put(id, work, files);
        let sent = session.send(Outgoing { id, command });
        if sent.is_err() {
            session.pending.end(id);
        }
        sent.map(|()| id)
    }

    /// Tells a node to end a command, or some jobs of it.
    ///
    /// # Errors
    /// Why the session is over; its commands are then over as well.
    pub fn cancel(&self, session: &Session, command: CommandId, jobs: Vec<JobId>) -> Result<(), SessionEnd> {
        session.send(Outgoing { id: self.next_id(), command: Command::Cancel { command, jobs } })
    }

    /// Pools or settings changed: every node gets a new Welcome at once.
    pub fn books_changed(&self) {
        self.books.send_replace(());
    }

    /// Used or reserved bytes changed: nodes hear of it within seconds.
    pub fn usage_changed(&self) {
        self.usage.send_replace(());
    }

    /// Ends every session so that peers attach elsewhere or again, and lets nobody in any more.
    pub async fn shut_down(&self) {
        self.stop.cancel();
        let _nobody_enters = self.entry.lock().await;
        for session in self.registry.all() {
            session.finish(SessionEnd::ShuttingDown);
        }
        self.writers.close();
        if tokio::time::timeout(LEAVE, self.writers.wait()).await.is_err() {
            tracing::warn!("some nodes did not take the end of their session");
        }
    }

    /// Waits until [`Sessions::shut_down`] begins.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    fn next_id(&self) -> CommandId {
        CommandId(self.ids.fetch_add(1, Ordering::Relaxed) + 1)
    }
}
