//! The reading half of a session: Hello, then news until the end. A task of its own; nothing that a node says, and no
//! fault of ours while taking it in, ends more than this session.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use pixelfox_node::clock;
use pixelfox_proto::{Fault, FaultKind, v1};
use tonic::{Status, Streaming};

use super::refusals::Refusals;
use super::{Rooms, wire};
use crate::sessions::{Hello, News, Session, SessionEnd, Wire};

/// A stream that says no Hello for so long is ended.
const HELLO_WAIT: Duration = Duration::from_secs(10);
/// What a refused peer is given to hear why.
const FAREWELL: Duration = Duration::from_secs(1);

/// Where a stream comes in.
pub(super) struct Door {
    /// Of the peer.
    pub(super) address: String,
    /// What the log has heard of others who were not let in.
    pub(super) refusals: Arc<Refusals>,
}

/// Serves one Attach stream from its first message to its last.
pub(super) async fn serve(rooms: Rooms, mut inbound: Streaming<v1::NodeEvent>, door: Door, wire: Wire) {
    let session = match enter(&rooms, &mut inbound, &door, wire.clone()).await {
        Ok(session) => session,
        Err(fault) => return refuse(&wire, fault).await,
    };
    // the writer owns the way to the peer from here on
    drop(wire);
    let read = AssertUnwindSafe(read(&rooms, &session, &mut inbound)).catch_unwind();
    let end = read.await.unwrap_or_else(|_| {
        tracing::error!(node = %session.node(), "a node's word could not be taken in: its session ends");
        SessionEnd::Left(session.node().clone())
    });
    let end = session.finish(end);
    rooms.settle.left(&session, &end).await;
}

async fn enter(
    rooms: &Rooms,
    inbound: &mut Streaming<v1::NodeEvent>,
    door: &Door,
    wire: Wire,
) -> Result<Arc<Session>, Fault> {
    let say = |who: &str, fault: &Fault| {
        door.refusals.log(who, fault, clock::monotonic());
        rooms.sessions.turn_away(who, &door.address, fault);
    };
    let machine = door.address.rsplit_once(':').map_or(door.address.as_str(), |(machine, _port)| machine);
    let hello = first(rooms, inbound, door.address.clone()).await.inspect_err(|fault| say(machine, fault))?;
    let node = hello.about.node.to_string();
    let entered = rooms.sessions.attach(hello, wire).await;
    let (session, attached) = entered.inspect_err(|fault| say(&node, fault))?;
    rooms.settle.attached(&session, attached).await;
    Ok(session)
}

async fn first(rooms: &Rooms, inbound: &mut Streaming<v1::NodeEvent>, address: String) -> Result<Hello, Fault> {
    let stopped = rooms.sessions.stopping();
    tokio::select! {
        first = tokio::time::timeout(HELLO_WAIT, inbound.message()) => match first {
            Ok(Ok(Some(event))) => wire::node::hello(event, address),
            Ok(Ok(None)) => Err(Fault::bad_request("the stream ended before Hello")),
            Ok(Err(status)) => Err(Fault::bad_request(format!("the stream broke before Hello: {}", status.message()))),
            Err(_) => {
                let waited = HELLO_WAIT.as_secs();
                Err(Fault::new(FaultKind::TimedOut, format!("no Hello within {waited} s")))
            }
        },
        () = stopped => Err(Fault::unavailable(SessionEnd::ShuttingDown.to_string())),
    }
}

async fn refuse(wire: &Wire, fault: Fault) {
    if tokio::time::timeout(FAREWELL, wire.send(Err(SessionEnd::Refused(fault)))).await.is_err() {
        tracing::debug!("a refused node did not take the reason");
    }
}

async fn read(rooms: &Rooms, session: &Session, inbound: &mut Streaming<v1::NodeEvent>) -> SessionEnd {
    loop {
        let heard = tokio::select! {
            biased;
            end = session.ended() => return end,
            heard = inbound.message() => heard,
        };
        match news(session, heard) {
            Ok(Some(News::Leaving)) => return SessionEnd::Stopped(session.node().clone()),
            Ok(Some(news)) => rooms.settle.hear(session, news).await,
            Ok(None) => {}
            Err(end) => return end,
        }
    }
}

fn news(session: &Session, heard: Result<Option<v1::NodeEvent>, Status>) -> Result<Option<News>, SessionEnd> {
    match heard {
        Ok(Some(event)) => wire::node::news(event).map_err(SessionEnd::Refused),
        Ok(None) => Err(SessionEnd::Left(session.node().clone())),
        Err(status) => {
            tracing::info!(node = %session.node(), "the stream of a node broke: {}", status.message());
            Err(SessionEnd::Left(session.node().clone()))
        }
    }
}
