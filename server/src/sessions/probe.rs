//! A question to a node and its answer, within a deadline: is this pool well, may this directory become one?

use std::time::Duration;

use pixelfox_proto::{Fault, FaultKind};

use super::{Command, Outgoing, PoolHealth, Session, Sessions};

/// A node that does not answer for so long has a disk that hangs.
const PROBE_WAIT: Duration = Duration::from_secs(10);

impl Sessions {
    /// Asks a node and waits for what it found, ten seconds at most.
    ///
    /// # Errors
    /// `UNAVAILABLE` where its session ends meanwhile, `DEADLINE_EXCEEDED` where it does not answer,
    /// `FAILED_PRECONDITION` where it can't try.
    pub async fn probe(&self, session: &Session, command: Command) -> Result<PoolHealth, Fault> {
        let (id, node) = (self.next_id(), session.node());
        let answer = session.pending.put_probe(id);
        let gone = |end: super::SessionEnd| Fault::unavailable(format!("node {node} has gone: {end}"));
        session.send(Outgoing { id, command }).map_err(gone)?;
        let found = tokio::select! {
            found = tokio::time::timeout(PROBE_WAIT, answer) => found,
            end = session.ended() => {
                session.pending.forget_probe(id);
                return Err(gone(end));
            }
        };
        match found {
            Ok(Ok(Ok(health))) => Ok(health),
            Ok(Ok(Err(why))) => {
                Err(Fault::new(FaultKind::FailedPrecondition, format!("node {node} could not try it: {why}")))
            }
            Ok(Err(_)) => Err(Fault::unavailable(format!("node {node} has gone"))),
            Err(_) => {
                session.pending.forget_probe(id);
                let waited = PROBE_WAIT.as_secs();
                let message = format!("node {node} did not answer within {waited} s; does the disk hang?");
                Err(Fault::new(FaultKind::TimedOut, message))
            }
        }
    }
}
