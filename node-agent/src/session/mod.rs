//! The node's end of Attach: dial, say Hello, obey the Welcome, hand orders to `work` and carry its words back, for
//! ever. Must not carry out an order itself.
//!
//! Orders die with their session: before the next Hello every file operation of the last session has ended.

mod backoff;
mod status;
mod wire;

use std::{sync::Arc, time::Duration};

use pixelfox_proto::SessionEpoch;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, Interval, MissedTickBehavior, interval, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tracing::{error, info, warn};

use self::{
    backoff::Backoff,
    status::Nagging,
    wire::{Client, Commands, Incoming, Message, Word},
};
pub use self::{status::SessionStatus, wire::About};
use crate::{
    clock,
    coordinator::{Coordinator, chain},
    metrics::Attaches,
    pools::{Pools, Source, Welcome},
    state::State,
    work::{Report, Work},
};

const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);
/// For the answer to Attach, for the Welcome, and for a word of ours to leave.
const PEER_PATIENCE: Duration = Duration::from_secs(10);
/// For the coordinator to hear that this node leaves.
const PARTING: Duration = Duration::from_secs(1);
/// Words on their way to the coordinator.
const OUTGOING: usize = 256;

/// What a session needs of its node.
pub struct Session {
    /// What the node says of itself.
    pub about: About,
    /// Whom to dial.
    pub coordinator: Coordinator,
    /// Whom a Welcome concerns.
    pub pools: Arc<Pools>,
    /// Who carries orders out.
    pub work: Work,
    /// The words of `work`.
    pub reports: mpsc::Receiver<Report>,
    /// Where the last Welcome is kept.
    pub state: Arc<State>,
    /// How it stands, for everybody who wants to know.
    pub status: watch::Sender<SessionStatus>,
    /// How long running transfers may go on after the stop.
    pub grace: Duration,
    /// Counts its sessions.
    pub attaches: Attaches,
}

/// Why a session is over.
enum End {
    /// The coordinator refused or was lost; the sentence says what and what to do.
    Lost { why: String, severe: bool },
    /// This process ends.
    Stopped,
}

impl Session {
    /// Tells `pools` what the coordinator said last before this process started, so that it serves what it has even
    /// if nobody answers.
    pub async fn recall(&self) {
        let kept = match self.state.last_welcome() {
            Ok(Some(kept)) => kept,
            Ok(None) => return,
            Err(error) => return warn!("could not read the last Welcome: {error}"),
        };
        match wire::decode_welcome(&kept) {
            Ok(welcome) => self.pools.apply(welcome, Source::Kept).await,
            Err(why) => warn!("the last Welcome in STATE_DIR is damaged ({why}); waiting for the coordinator's"),
        }
    }

    /// Attaches again and again until `stop`; then lets running transfers end and leaves.
    pub async fn run(mut self, stop: CancellationToken) {
        let (mut backoff, mut nagging) = (Backoff::default(), Nagging::default());
        loop {
            let (welcomed, end) = self.attach(&stop).await;
            self.work.abort_all().await;
            self.forget_reports();
            if welcomed {
                backoff.reset();
                nagging.reset();
            }
            let End::Lost { why, severe } = end else { break };
            self.status.send_replace(SessionStatus::Waiting(why.clone()));
            if nagging.is_due(&why, clock::monotonic()) {
                if severe { error!("not attached: {why}") } else { warn!("not attached: {why}") }
            }
            if !welcomed {
                self.coordinator.turn_to_next();
            }
            let wait = backoff.next(fastrand::f64());
            if timeout(wait, stop.cancelled()).await.is_ok() {
                break;
            }
        }
        self.status.send_replace(SessionStatus::Waiting("this node is stopping".into()));
    }

    /// Words about orders of a session that is over concern nobody.
    fn forget_reports(&mut self) {
        while self.reports.try_recv().is_ok() {}
    }

    /// One session, from Hello to its end. True where it got as far as a Welcome.
    async fn attach(&mut self, stop: &CancellationToken) -> (bool, End) {
        let lost = |why: String| (false, End::Lost { why, severe: false });
        let Some(transport) = self.coordinator.transport() else {
            return lost("this node has no COORDINATOR_URL".into());
        };
        let (outgoing, words) = mpsc::channel(OUTGOING);
        outgoing.try_send(wire::hello(&self.about)).expect("a new queue has room");
        let request = self.coordinator.request(ReceiverStream::new(words), None);
        let mut client = Client::new(transport);
        let answer = tokio::select! {
            () = stop.cancelled() => return (false, End::Stopped),
            answer = timeout(PEER_PATIENCE, client.attach(request)) => answer,
        };
        let incoming = match answer {
            Ok(Ok(answer)) => answer.into_inner(),
            Ok(Err(status)) => return (false, refused(&status, self.coordinator.url())),
            Err(_) => return lost(format!("{} did not answer within 10 s", named(self.coordinator.url()))),
        };
        let mut link = Link { session: self, incoming, outgoing, welcomed: None, kept: None };
        let end = link.serve(stop).await;
        let welcomed = link.welcomed.is_some();
        if matches!(end, End::Stopped) {
            link.part().await;
        }
        (welcomed, end)
    }
}

/// A refusal that a person must act on is severe; a coordinator that is away is not.
fn refused(status: &Status, url: Option<&str>) -> End {
    let why = match status.code() {
        Code::Unauthenticated => format!(
            "the coordinator refused this node ({}): set the same REPLICATION_SECRET on both, then restart the one that was changed",
            status.message()
        ),
        Code::Unavailable | Code::Cancelled | Code::Unknown => match url {
            Some(url) => format!(
                "the coordinator is away: {url}: {}. Start `server` there, or correct COORDINATOR_URL",
                chain(status)
            ),
            None => format!("the coordinator is away: {}", chain(status)),
        },
        Code::Unimplemented => format!("{} says: {}", named(url), status.message()),
        _ => status.message().to_owned(),
    };
    let severe = matches!(
        status.code(),
        Code::Unauthenticated | Code::AlreadyExists | Code::FailedPrecondition | Code::Unimplemented
    );
    End::Lost { why, severe }
}

fn named(url: Option<&str>) -> &str {
    url.unwrap_or("the coordinator")
}

/// One established stream.
struct Link<'a> {
    session: &'a mut Session,
    incoming: Commands,
    outgoing: mpsc::Sender<Word>,
    welcomed: Option<SessionEpoch>,
    kept: Option<Vec<u8>>,
}

impl Link<'_> {
    async fn serve(&mut self, stop: &CancellationToken) -> End {
        let mut heartbeat = every(HEARTBEAT_EVERY);
        let welcome_by = Instant::now() + PEER_PATIENCE;
        let pools = Arc::clone(&self.session.pools);
        loop {
            let waiting = self.welcomed.is_none();
            let end = tokio::select! {
                () = stop.cancelled() => return self.leave().await,
                message = self.incoming.message() => match message {
                    Ok(Some(message)) => self.obey(message).await,
                    Ok(None) => Err(lost("the coordinator ended the session")),
                    Err(status) => Err(refused(&status, self.session.coordinator.url())),
                },
                Some(report) = self.session.reports.recv() => self.tell(report).await,
                _ = heartbeat.tick(), if !waiting => self.beat().await,
                () = pools.changed(), if !waiting => self.beat().await,
                () = tokio::time::sleep_until(welcome_by), if waiting => Err(lost("no Welcome within 10 s")),
            };
            if let Err(end) = end {
                return end;
            }
        }
    }

    async fn obey(&mut self, message: Message) -> Result<(), End> {
        match wire::incoming(message) {
            Incoming::Welcome(welcome) => {
                let epoch = welcome.epoch;
                self.keep(&welcome).await;
                let settings = welcome.settings.clone();
                self.session.pools.apply(*welcome, Source::Coordinator).await;
                self.session.work.tune(&settings);
                if self.welcomed.replace(epoch) != Some(epoch) {
                    info!("attached to the coordinator (session {epoch})");
                    self.session.attaches.attached();
                    self.session.status.send_replace(SessionStatus::Attached(epoch));
                }
                self.beat().await
            }
            Incoming::Order(id, command) => {
                crash_point!("node.after_order");
                self.session.work.start(id, command);
                Ok(())
            }
            Incoming::Cancel(id, jobs) => {
                self.session.work.cancel(id, &jobs);
                Ok(())
            }
            Incoming::Rejected(command, why) => {
                warn!("refused an order of the coordinator: {why}");
                self.say(wire::report(Report::Ended { command, files: Vec::new(), error: Some(why) })).await
            }
        }
    }

    /// Keeps what a restart without a coordinator would need, where that has changed.
    async fn keep(&mut self, welcome: &Welcome) {
        let encoded = wire::encode_welcome(welcome);
        if self.kept.as_ref() == Some(&encoded) {
            return;
        }
        let (state, written) = (Arc::clone(&self.session.state), encoded.clone());
        match tokio::task::spawn_blocking(move || state.keep_welcome(&written)).await {
            Ok(Ok(())) => self.kept = Some(encoded),
            Ok(Err(error)) => warn!(
                "could not keep the Welcome in STATE_DIR: {error}; a restart without a coordinator will serve by the one before"
            ),
            Err(_) => {}
        }
    }

    async fn beat(&mut self) -> Result<(), End> {
        let reports = self.session.pools.reports();
        let running = self.session.work.running();
        self.say(wire::heartbeat(reports, running, clock::now())).await
    }

    async fn tell(&mut self, report: Report) -> Result<(), End> {
        crash_point!("node.before_word");
        let said = self.say(wire::report(report)).await;
        crash_point!("node.after_word");
        said
    }

    async fn say(&mut self, event: Word) -> Result<(), End> {
        match timeout(PEER_PATIENCE, self.outgoing.send(event)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(lost("the connection to the coordinator broke")),
            Err(_) => Err(lost("the coordinator takes no words any more")),
        }
    }

    /// Takes no more orders, lets those under way end within the grace, and carries their last words.
    async fn leave(&mut self) -> End {
        let until = Instant::now() + self.session.grace;
        let work = self.session.work.clone();
        let idle = work.drain();
        tokio::pin!(idle);
        // Silent, it would be taken for lost, and its transfers given to others before their time is over.
        let mut heartbeat = every(HEARTBEAT_EVERY);
        loop {
            let said = tokio::select! {
                () = &mut idle => break,
                () = tokio::time::sleep_until(until) => break,
                Some(report) = self.session.reports.recv() => self.say(wire::report(report)).await,
                _ = heartbeat.tick(), if self.welcomed.is_some() => self.beat().await,
                message = self.incoming.message() => match message {
                    Ok(Some(message)) => self.heed(message),
                    _ => return End::Stopped,
                },
            };
            if said.is_err() {
                return End::Stopped;
            }
        }
        while let Ok(report) = self.session.reports.try_recv() {
            if self.say(wire::report(report)).await.is_err() {
                break;
            }
        }
        End::Stopped
    }

    /// Of what comes while it leaves: no new order is begun, it goes back with the session.
    fn heed(&self, message: Message) -> Result<(), End> {
        if let Incoming::Cancel(id, jobs) = wire::incoming(message) {
            self.session.work.cancel(id, &jobs);
        }
        Ok(())
    }

    /// Says that this node leaves, and hears the coordinator out: it sees a node that stopped, not one that was lost.
    async fn part(mut self) {
        let parted = async {
            self.say(wire::leaving()).await.ok()?;
            while self.incoming.message().await.ok()?.is_some() {}
            Some(())
        };
        if timeout(PARTING, parted).await.is_err() {
            tracing::debug!("the coordinator did not end the session in time");
        }
    }
}

fn lost(why: &str) -> End {
    End::Lost { why: why.to_owned(), severe: false }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
