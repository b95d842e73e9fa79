//! The task that feeds one peer: the Welcome first and at every change, then the queued commands, and the cause
//! of the end last. It also counts the silence of a peer that sends no heartbeats.

use std::sync::Arc;
use std::time::Duration;

use pixelfox_proto::Lease;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::Wire;
use super::command::Command;
use super::link::{Outgoing, STALL, Session, SessionEnd, hand_over, take_leave};
use super::news::CommandId;
use super::welcome::Welcome;
use crate::store::{Store, StoreError};

/// Usage changes with every file: nodes hear of it this much later, all changes at once.
const USAGE_DELAY: Duration = Duration::from_secs(5);
/// After the books could not be read.
const BOOKS_RETRY: Duration = Duration::from_secs(1);

/// What tells a writer that its peer needs a new Welcome.
#[derive(Debug)]
pub(super) struct Notices {
    /// Pools or settings changed.
    pub(super) books: watch::Receiver<()>,
    /// Used or reserved bytes changed.
    pub(super) usage: watch::Receiver<()>,
    /// When the next Welcome is due anyway.
    pub(super) due: Option<Instant>,
}

impl Notices {
    /// Waits until a Welcome is due. Cancel safe.
    async fn next(&mut self) {
        loop {
            let due = self.due;
            tokio::select! {
                () = changed(&mut self.books) => break,
                () = changed(&mut self.usage) => { self.due.get_or_insert(Instant::now() + USAGE_DELAY); }
                () = async { sleep_until(due.unwrap_or_else(Instant::now)).await }, if due.is_some() => break,
            }
        }
        self.due = None;
    }
}

/// Never returns once the sender is gone: then the session ends in another way.
async fn changed(receiver: &mut watch::Receiver<()>) {
    if receiver.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// All that one writer needs.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) session: Arc<Session>,
    pub(super) commands: mpsc::Receiver<Outgoing>,
    pub(super) wire: Wire,
    pub(super) notices: Notices,
    pub(super) lease_floor: Lease,
    pub(super) store: Store,
    /// The Welcome that the peer has; nothing is said twice.
    pub(super) said: Option<Welcome>,
    /// Id of this session's Welcomes.
    pub(super) id: CommandId,
}

impl Writer {
    /// Runs until the session is over.
    pub(super) async fn run(mut self) {
        let end = match self.feed().await {
            Ok(never) => match never {},
            Err(end) => self.session.finish(end),
        };
        take_leave(&self.wire, end).await;
    }

    async fn feed(&mut self) -> Result<std::convert::Infallible, SessionEnd> {
        let first = self.welcome().await.map_err(|cause| SessionEnd::Books(cause.to_string()))?;
        self.say(first).await?;
        loop {
            let silent_at = self.session.silent_at();
            tokio::select! {
                biased;
                end = self.session.ended() => return Err(end),
                () = self.wire.closed() => return Err(SessionEnd::Left(self.session.node().clone())),
                () = sleep_until(silent_at) => {
                    if self.session.silent_at() <= Instant::now() {
                        return Err(SessionEnd::Silent(self.session.node().clone()));
                    }
                }
                () = self.notices.next() => self.refresh().await?,
                Some(outgoing) = self.commands.recv() => hand_over(&self.session, &self.wire, outgoing, STALL).await?,
            }
        }
    }
    /// Says a Welcome where it differs from the last. Where the books can't be read, once more in a moment.
    async fn refresh(&mut self) -> Result<(), SessionEnd> {
        match self.welcome().await {
            Ok(welcome) if self.said.as_ref() == Some(&welcome) => Ok(()),
            Ok(welcome) => self.say(welcome).await,
            Err(cause) => {
                tracing::warn!(node = %self.session.node(), "could not read pools and settings for a node: {cause}");
                self.notices.due = Some(Instant::now() + BOOKS_RETRY);
                Ok(())
            }
        }
    }

    async fn welcome(&self) -> Result<Welcome, StoreError> {
        let (pools, settings) = (self.store.list_pools().await?, self.store.settings().await?);
        let welcome = Welcome::new(self.session.node(), self.session.epoch(), self.lease_floor, pools, settings);
        if !welcome.pools.iter().any(|pool| pool.initialize) {
            return Ok(welcome);
        }
        Ok(Welcome { retired: self.store.retired_identities().await?, ..welcome })
    }

    async fn say(&mut self, welcome: Welcome) -> Result<(), SessionEnd> {
        self.said = Some(welcome.clone());
        let outgoing = Outgoing { id: self.id, command: Command::Welcome(Box::new(welcome)) };
        hand_over(&self.session, &self.wire, outgoing, STALL).await
    }
}
