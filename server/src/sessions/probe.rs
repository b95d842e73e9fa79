//! A question to a node and its answer, within a deadline: is this pool well, may this directory become one, who is at
//! this URL?

use std::time::Duration;

use pixelfox_proto::{Fault, FaultKind, NodeId, PoolId, text};

use super::news::{CommandId, Found, LeftFile, TargetFound};
use super::{Command, Outgoing, PoolHealth, Session, Sessions};

/// A node that does not answer for so long has a disk that hangs, or hangs itself. Longer than from one heartbeat to the
/// next, so that the two can be told apart.
const PROBE_WAIT: Duration = Duration::from_secs(10);
/// What a node takes to give a URL up, and the answer's way back.
const TARGET_WAIT: Duration = Duration::from_secs(25);

/// A file that a node has left in a pool, to be taken away by [`Sessions::take_away`].
#[derive(Debug)]
pub struct Left {
    /// Where and what.
    pub file: LeftFile,
    command: CommandId,
}

impl Sessions {
    /// Asks a node about a pool or a place and waits for what it found, ten seconds at most.
    ///
    /// # Errors
    /// `UNAVAILABLE` where its session ends meanwhile, `DEADLINE_EXCEEDED` where it does not answer,
    /// `FAILED_PRECONDITION` where it can't try.
    pub async fn probe(&self, session: &Session, command: Command) -> Result<PoolHealth, Fault> {
        match self.ask(session, command, PROBE_WAIT).await? {
            (_, Found::Pool(health, _)) => Ok(health),
            (_, Found::Target(_)) => Err(beside_the_point(session.node())),
        }
    }

    /// As [`Sessions::probe`], and a file is left in the pool, where the node can: for so many seconds at most.
    ///
    /// # Errors
    /// As [`Sessions::probe`].
    pub async fn probe_and_leave(
        &self,
        session: &Session,
        pool: PoolId,
        seconds: u32,
    ) -> Result<(PoolHealth, Option<Left>), Fault> {
        match self.ask(session, Command::ProbeAndLeave { pool, seconds }, PROBE_WAIT).await? {
            (command, Found::Pool(health, left)) => Ok((health, left.map(|file| Left { file, command }))),
            (_, Found::Target(_)) => Err(beside_the_point(session.node())),
        }
    }

    /// What was left is not needed any more. A node that is gone has taken it away already.
    pub fn take_away(&self, session: &Session, left: &Left) {
        if let Err(end) = self.cancel(session, left.command, Vec::new()) {
            tracing::debug!(node = %session.node(), "a probe file goes with its session: {end}");
        }
    }

    /// Asks a node who is at `url`, where `expected` should be.
    ///
    /// # Errors
    /// As [`Sessions::probe`].
    pub async fn probe_target(&self, session: &Session, url: String, expected: NodeId) -> Result<TargetFound, Fault> {
        match self.ask(session, Command::ProbeTarget { url, expected }, TARGET_WAIT).await? {
            (_, Found::Target(found)) => Ok(found),
            (_, Found::Pool(..)) => Err(beside_the_point(session.node())),
        }
    }

    async fn ask(&self, session: &Session, command: Command, wait: Duration) -> Result<(CommandId, Found), Fault> {
        let (id, node) = (self.next_id(), session.node());
        let answer = session.pending.put_probe(id);
        let gone = |end: super::SessionEnd| {
            Fault::unavailable(text!(de "Knoten {node} ist weg: {end}", en "node {node} has gone: {end}"))
        };
        session.send(Outgoing { id, command }).map_err(gone)?;
        let found = tokio::select! {
            found = tokio::time::timeout(wait, answer) => found,
            end = session.ended() => {
                session.pending.forget_probe(id);
                return Err(gone(end));
            }
        };
        match found {
            Ok(Ok(Ok(found))) => Ok((id, found)),
            Ok(Ok(Err(why))) => Err(Fault::new(
                FaultKind::FailedPrecondition,
                text!(de "Knoten {node} konnte es nicht versuchen: {why}", en "node {node} could not try it: {why}"),
            )),
            Ok(Err(_)) => Err(Fault::unavailable(text!(de "Knoten {node} ist weg", en "node {node} has gone"))),
            Err(_) => {
                session.pending.forget_probe(id);
                let seconds = wait.as_secs();
                let silent = text!(
                    de "Knoten {node} antwortet nicht (binnen {seconds} s)",
                    en "node {node} did not answer within {seconds} s"
                );
                Err(Fault::new(FaultKind::TimedOut, silent))
            }
        }
    }
}

fn beside_the_point(node: &NodeId) -> Fault {
    Fault::new(
        FaultKind::FailedPrecondition,
        text!(
            de "Knoten {node} hat etwas anderes geantwortet, als er gefragt wurde",
            en "node {node} answered something else than it was asked"
        ),
    )
}
