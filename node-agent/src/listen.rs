//! The edge of the process: one accept loop for HTTP/1.1, HTTP/2 and gRPC on one port, with every limit set.
//!
//! Written by hand on `hyper-util` because gRPC inside axum's own loop has neither deadlines nor limits. Connections
//! that carry bodies of files are placed on the data plane, all others stay on the runtime that called [`serve`]; the
//! placement is a hint for speed, and handlers never rely on it. This room knows routes as opaque services: no path,
//! no auth and no error of the application is decided here.

mod deadline;
mod first;
mod idle;
mod lane;
mod places;
mod routes;
mod slow;

use std::{
    io,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use hyper::{Request, body::Incoming};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{debug, warn};

pub use self::{deadline::Deadline, places::Shares, routes::Routes};
use self::{
    first::{Lane, Replay},
    idle::Streams,
    lane::Owned,
    places::{Place, Places},
};
pub use crate::peer::Peer;
use crate::{plane::Plane, proxies::Proxies, transfer::LeastRate};
pub(crate) use slow::Waits;

/// HTTP/2 frames and windows of this side (docs/PERFORMANCE.md, "Figures to build on").
pub const H2_FRAME_BYTES: u32 = 256 * 1024;
/// Window of one HTTP/2 stream.
pub const H2_STREAM_WINDOW_BYTES: u32 = 1 << 20;
/// Buffer of an HTTP/1 connection: bodies are read in pieces of this size at most.
const H1_BUFFER_BYTES: usize = 64 * 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const ACCEPT_PAUSE_MOST: Duration = Duration::from_secs(1);
/// How long tasks that were told to end are waited for.
const ABORT_WAIT: Duration = Duration::from_secs(1);

/// Every limit of a port. The defaults are those of docs/http.md, "Limits of a connection"; tests make them shorter.
#[derive(Clone, Debug)]
pub struct Limits {
    /// For the first bytes of a connection: a whole HTTP/2 preface, or enough to see that it is none.
    pub first_bytes: Duration,
    /// For a request's head.
    pub head: Duration,
    /// Most bytes of a request's head.
    pub head_bytes: u32,
    /// Open connections; further ones wait in the kernel's queue.
    pub connections: NonZeroUsize,
    /// Whose they are.
    pub shares: Shares,
    /// Whose connections are not counted by their address: this machine's, and those of the proxies that are trusted.
    pub exempt: Proxies,
    /// Open streams of one HTTP/2 connection.
    pub streams: NonZeroU32,
    /// An HTTP/2 connection that has had no open stream for so long is ended, whatever PINGs it answers.
    pub idle: Duration,
    /// Silence after which an HTTP/2 connection is asked for a sign of life.
    pub ping_every: Duration,
    /// How long it may take to give one.
    pub ping_answer: Duration,
    /// A connection whose peer takes no byte of an answer for so long is closed.
    pub write_stall: Duration,
    /// Least rate of the bodies of uploads and HTTP replication.
    pub body_rate: LeastRate,
    /// How long requests under way may go on after `stop`.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            first_bytes: Duration::from_secs(10),
            head: Duration::from_secs(10),
            head_bytes: 16 * 1024,
            connections: NonZeroUsize::new(1024).expect("1024 is not zero"),
            shares: Shares::default(),
            exempt: Proxies::default().and_this_machine(),
            streams: NonZeroU32::new(128).expect("128 is not zero"),
            idle: Duration::from_secs(30),
            ping_every: Duration::from_secs(10),
            ping_answer: Duration::from_secs(5),
            write_stall: Duration::from_secs(60),
            body_rate: LeastRate::default(),
            grace: Duration::from_secs(20),
        }
    }
}

impl Limits {
    /// The default behind these proxies.
    #[must_use]
    pub fn behind(proxies: &Proxies) -> Self {
        Self { exempt: proxies.and_this_machine(), ..Self::default() }
    }
}

/// Serves `routes` on `listener` with the default [`Limits`] until `stop` is cancelled, then lets the requests under
/// way end for 20 s at most, and ends what is left. When this returns, no task of a connection runs any more.
///
/// Long streams (Attach, Watch, Replicate) have to watch `stop` themselves, or they use up the 20 s.
pub async fn serve(listener: TcpListener, routes: Routes, plane: Plane, stop: CancellationToken) {
    serve_with(listener, routes, plane, stop, Limits::default()).await;
}

/// As [`serve`], with limits of your own.
pub async fn serve_with(listener: TcpListener, routes: Routes, plane: Plane, stop: CancellationToken, limits: Limits) {
    serve_until(listener, routes, plane, stop, CancellationToken::new(), limits).await;
}

/// The same; `end` breaks the requests under way off before their time is over.
pub async fn serve_until(
    listener: TcpListener,
    routes: Routes,
    plane: Plane,
    stop: CancellationToken,
    end: CancellationToken,
    limits: Limits,
) {
    let places = Places::of(&limits);
    let grace = limits.grace;
    let shared = Arc::new(Shared { routes, plane, limits, owned: Owned::new(), stop: stop.clone() });
    let mut connections = JoinSet::new();
    while let Some((stream, peer, place)) = next(&listener, &places, &stop, &mut connections).await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let _place = place;
            if let Err(error) = connection(&shared, stream, peer).await {
                debug!(%peer, %error, "connection ended early");
            }
        });
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    if !matches!(timeout(grace, end.run_until_cancelled(all)).await, Ok(Some(()))) {
        warn!(connections = connections.len(), "requests did not end in time and are broken off");
    }
    shared.owned.end().await;
    connections.abort_all();
    while connections.join_next().await.is_some() {}
}

/// What all connections of a port share.
struct Shared {
    routes: Routes,
    plane: Plane,
    limits: Limits,
    owned: Owned,
    stop: CancellationToken,
}

/// The next connection and its place among the open ones; `None` after `stop`. Connections that ended are joined here.
async fn next(
    listener: &TcpListener,
    places: &Arc<Places>,
    stop: &CancellationToken,
    connections: &mut JoinSet<()>,
) -> Option<(TcpStream, SocketAddr, Place)> {
    let mut pause = ACCEPT_PAUSE;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            () = places.any_free() => {}
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            Some(_ended) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => match places.take(peer.ip()) {
                    Some(place) => return Some((stream, peer, place)),
                    // Closed at once: who waited here would need a place to wait.
                    None => debug!(%peer, "closed a connection: its address has its share of them"),
                },
                // The peer's own doing; anything else (no descriptors, no memory) passes when connections end.
                Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {}
                Err(error) => {
                    warn!(%error, "could not accept a connection; trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(ACCEPT_PAUSE_MOST);
                }
            },
        }
    }
}

/// From the first bytes to the end of a connection.
async fn connection(shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = stream;
    let first = tokio::select! {
        biased;
        first = timeout(shared.limits.first_bytes, first::bytes(&mut stream)) => match first {
            Ok(first) => first?,
            Err(_elapsed) => return Err(io::ErrorKind::TimedOut.into()),
        },
        // Who has said nothing waits for no answer, and the stop not for them.
        () = shared.stop.cancelled() => return Ok(()),
    };
    let Some((bytes, lane)) = first else { return Ok(()) };
    match lane {
        Lane::Control => {
            let io = Replay::new(bytes, stream, shared.limits.write_stall);
            speak(Arc::clone(shared), io, peer).await
        }
        Lane::Data | Lane::Peer => {
            let plane = if lane == Lane::Peer { shared.plane.behind() } else { shared.plane.clone() };
            let stream = stream.into_std()?;
            let on_worker = Arc::clone(shared);
            let task = plane.place(async move {
                let stream = TcpStream::from_std(stream)?; // from here on this worker's reactor watches it
                let io = Replay::new(bytes, stream, on_worker.limits.write_stall);
                speak(on_worker, io, peer).await
            });
            AbortOnDropHandle::new(task).await.unwrap_or_else(|ended| Err(io::Error::other(ended)))
        }
    }
}

/// Speaks HTTP on a connection that said something, until it ends, is of no use any more, or the port stops.
async fn speak(shared: Arc<Shared>, io: Replay, peer: SocketAddr) -> io::Result<()> {
    let (limits, streams, is_h2) = (&shared.limits, Streams::default(), io.begins_h2());
    let for_requests = Arc::clone(&shared);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let shared = Arc::clone(&for_requests);
        async move { lane::answer(&shared.routes, &shared.limits, Peer(peer), request).await }
    });
    let builder = builder(limits, shared.owned.counting(&streams));
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(io), service));
    tokio::select! {
        biased;
        ended = connection.as_mut() => return ended.map_err(io::Error::other),
        () = shared.stop.cancelled() => {}
        () = streams.idle_for(limits.idle), if is_h2 => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        ended = connection.as_mut() => ended.map_err(io::Error::other),
        // Its peer was asked to go, and had the time to say that a stream is on its way.
        () = streams.idle_for(limits.ping_answer), if is_h2 => Ok(()),
    }
}

fn builder(limits: &Limits, owned: Owned) -> auto::Builder<Owned> {
    let mut builder = auto::Builder::new(owned);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(H1_BUFFER_BYTES.max(limits.head_bytes as usize))
        .max_headers(100)
        .half_close(true) // who has ended its sending side still gets its answer
        .keep_alive(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_frame_size(H2_FRAME_BYTES)
        .initial_stream_window_size(H2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(H2_STREAM_WINDOW_BYTES.saturating_mul(limits.streams.get()))
        .adaptive_window(false)
        .max_concurrent_streams(limits.streams.get())
        .max_header_list_size(limits.head_bytes)
        .max_send_buf_size(1 << 20)
        .keep_alive_interval(limits.ping_every)
        .keep_alive_timeout(limits.ping_answer);
    builder
}
