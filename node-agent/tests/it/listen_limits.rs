//! The edge of the process: each limit of a port bites, and nothing else does. Every limit is shortened to fractions of
//! a second; each test waits for the connection's own end, within five seconds.

use std::{
    convert::Infallible,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Extension, Router, body::Body, routing};
use pixelfox_node::{
    listen::{self, Limits, Peer, Routes, Shares},
    plane::Plane,
    proxies::Proxies,
    transfer::LeastRate,
};
use pixelfox_proto::v1::{StatRequest, replication_client::ReplicationClient};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Notify,
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, server::NamedService, transport::Endpoint};

const WITHIN: Duration = Duration::from_secs(5);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SHORT: Duration = Duration::from_millis(200);

struct Port {
    address: SocketAddr,
    stop: CancellationToken,
    serving: JoinSet<()>,
}

impl Port {
    async fn open(routes: Routes, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let plane = Plane::start(NonZeroUsize::MIN).unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(listen::serve_with(listener, routes, plane, stop.clone(), limits));
        Self { address, stop, serving }
    }

    async fn hello(limits: Limits) -> Self {
        Self::open(Routes::new(Router::new().fallback(|| async { "hello" })), limits).await
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn ended(mut self) {
        timeout(WITHIN, self.serving.join_next()).await.expect("serve returns").unwrap().unwrap();
    }
}

/// Everything up to the end of the connection, by close or by reset.
async fn to_the_end(mut stream: TcpStream) -> Vec<u8> {
    let mut seen = Vec::new();
    let read = timeout(WITHIN, stream.read_to_end(&mut seen)).await.expect("the connection is closed");
    drop(read);
    seen
}

async fn says(port: &Port, bytes: &[u8]) -> Vec<u8> {
    let mut stream = port.connect().await;
    stream.write_all(bytes).await.unwrap();
    to_the_end(stream).await
}

#[tokio::test]
async fn a_connection_that_says_nothing_or_half_a_thing_is_closed() {
    // Silence, half an HTTP/2 preface, half an HTTP/1 head: each is closed at its limit without an answer of content.
    let port = Port::hello(Limits { first_bytes: SHORT, head: SHORT, ..Limits::default() }).await;
    let started = Instant::now();
    for bytes in [&b""[..], &PREFACE[..10], b"GET / HTTP/1.1\r\nHost: a\r\n"] {
        let seen = says(&port, bytes).await;
        assert!(!seen.windows(5).any(|w| w == b"hello"), "{bytes:?}");
    }
    assert!(started.elapsed() >= 3 * SHORT);
}

#[tokio::test]
async fn a_connection_that_has_said_nothing_does_not_hold_up_the_stop() {
    // It is open when the stop comes, and would have had ten seconds more for its first bytes.
    let port = Port::hello(Limits::default()).await;
    let silent = port.connect().await;
    says(&port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    port.stop.cancel();
    port.ended().await;
    assert!(to_the_end(silent).await.is_empty());
}

#[tokio::test]
async fn a_whole_preface_and_then_silence_is_ended_by_ping() {
    // The preface counts as first bytes; after it the peer answers no PING and is closed.
    let port = Port::hello(Limits { ping_every: SHORT, ping_answer: SHORT, ..Limits::default() }).await;
    let seen = says(&port, &[PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat()).await;
    assert!(!seen.is_empty(), "our SETTINGS and PING came");
}

/// Types of HTTP/2 frames. Source: RFC 9113, 6.
const DATA: u8 = 0;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

/// Acknowledges SETTINGS and PINGs until the connection is closed. The types of all frames that came.
async fn alive(mut stream: TcpStream) -> Vec<u8> {
    let (mut seen, mut head) = (Vec::new(), [0; 9]);
    while stream.read_exact(&mut head).await.is_ok() {
        let [high, middle, low, kind, flags, ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, high, middle, low]) as usize];
        stream.read_exact(&mut payload).await.unwrap();
        seen.push(kind);
        let length = if kind == PING { 8 } else { 0 };
        if flags & 1 == 0 && matches!(kind, SETTINGS | PING) {
            let acknowledged = [&[0, 0, length, kind, 1, 0, 0, 0, 0][..], &payload[..usize::from(length)]].concat();
            drop(stream.write_all(&acknowledged).await);
        }
    }
    seen
}

#[tokio::test]
async fn an_http2_connection_without_a_stream_is_ended_whatever_it_answers() {
    // One has a stream whose answer takes long, another that came later has none; both answer every PING. The second
    // one is ended first; the other is told to go only after its answer.
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (enter, go) = (Arc::clone(&entered), Arc::clone(&release));
    let waits = move || {
        let (enter, go) = (Arc::clone(&enter), Arc::clone(&go));
        async move {
            enter.notify_one();
            go.notified().await;
            "hello"
        }
    };
    let limits = Limits { idle: SHORT, ping_every: SHORT / 8, ping_answer: WITHIN, ..Limits::default() };
    let port = Port::open(Routes::new(Router::new().fallback(waits)), limits).await;
    let hello = [PREFACE, &[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]].concat();
    // HEADERS that end the stream: GET, http, /, and the authority `a`. Source: RFC 7541, A.
    let get = [0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 1, b'a'];
    let mut busy = port.connect().await;
    busy.write_all(&[&hello[..], &get].concat()).await.unwrap();
    timeout(WITHIN, entered.notified()).await.expect("its stream is open");
    let mut idle = port.connect().await;
    idle.write_all(&hello).await.unwrap();
    let mut busy = Box::pin(alive(busy));
    let seen = tokio::select! {
        seen = &mut busy => panic!("ended with an open stream: {seen:?}"),
        seen = timeout(WITHIN, alive(idle)) => seen.expect("ended"),
    };
    assert!(seen.contains(&PING) && seen.contains(&GOAWAY), "{seen:?}");
    release.notify_one();
    let seen = timeout(WITHIN, busy).await.expect("ended once it had nothing to do");
    let first = |kind| seen.iter().position(|it| *it == kind).unwrap_or_else(|| panic!("no {kind} in {seen:?}"));
    assert!(first(DATA) < first(GOAWAY), "{seen:?}");
}

#[tokio::test]
async fn an_address_that_has_its_share_is_closed_and_another_is_not() {
    // An address gets one place; nobody is exempt here, so that two addresses of this machine are two.
    let shares = Shares { most: 1, sure: 1, for_newcomers: 1, for_exempt: 1 };
    let limits = Limits { shares, exempt: Proxies::default(), ..Limits::default() };
    let port = Port::hello(limits).await;
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut first = port.connect().await;
    first.write_all(request).await.unwrap();
    timeout(WITHIN, first.read_exact(&mut [0])).await.unwrap().unwrap();
    assert!(to_the_end(port.connect().await).await.is_empty(), "its second one");
    let other = TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = other.connect(port.address).await.unwrap();
    other.write_all(request).await.unwrap();
    timeout(WITHIN, other.read_exact(&mut [0])).await.unwrap().expect("another address is answered");
}

#[tokio::test]
async fn a_head_beyond_its_limit_is_431() {
    let port = Port::hello(Limits::default()).await;
    let request =
        |filler: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: {}\r\n\r\n", "x".repeat(filler));
    for (filler, status) in [(15 << 10, "200"), (17 << 10, "431"), (100 << 10, "431")] {
        let seen = says(&port, request(filler).as_bytes()).await;
        assert_eq!(String::from_utf8_lossy(&seen[9..12]), status, "{filler}");
    }
}

#[tokio::test]
async fn a_trickling_upload_is_broken_off_and_a_trickling_other_body_is_not() {
    // Both bodies announce 10 bytes and send one. The upload's handler sees an error at the limit; the other's waits on.
    let (ends, mut ended) = tokio::sync::mpsc::channel(2);
    let read = move |body: Body| {
        let ends = ends.clone();
        async move {
            let failed = axum::body::to_bytes(body, 100).await.is_err();
            ends.send(failed).await.unwrap();
        }
    };
    let router = Router::new().fallback(routing::post(read));
    let body_rate = LeastRate { grace: SHORT, bytes_per_second: 1000 };
    let port = Port::open(Routes::new(router), Limits { body_rate, ..Limits::default() }).await;
    let begin = |path: &str| format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n1");
    let mut other = port.connect().await;
    other.write_all(begin("/other").as_bytes()).await.unwrap();
    let mut upload = port.connect().await;
    upload.write_all(begin("/api/v1/upload").as_bytes()).await.unwrap();
    let failed = timeout(WITHIN, ended.recv()).await.unwrap();
    assert_eq!(failed, Some(true), "the upload's body fails");
    other.write_all(b"234567890").await.unwrap();
    assert_eq!(timeout(WITHIN, ended.recv()).await.unwrap(), Some(false), "the other is read to its end");
}

#[tokio::test]
async fn further_connections_wait_until_one_ends() {
    let port = Port::hello(Limits { connections: NonZeroUsize::MIN, ..Limits::default() }).await;
    let mut first = port.connect().await;
    let mut second = port.connect().await;
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    first.write_all(request).await.unwrap();
    second.write_all(request).await.unwrap();
    let mut byte = [0];
    timeout(WITHIN, first.read_exact(&mut byte)).await.unwrap().unwrap();
    assert!(timeout(SHORT, second.read_exact(&mut byte)).await.is_err(), "the second has to wait");
    drop(first);
    timeout(WITHIN, second.read_exact(&mut byte)).await.expect("now it is its turn").unwrap();
}

#[tokio::test]
async fn requests_know_their_peer_and_file_requests_run_on_the_data_plane() {
    let tell = |Extension(Peer(peer)): Extension<Peer>| async move { format!("{peer} {}", Plane::is_worker()) };
    let port = Port::open(Routes::new(Router::new().fallback(tell)), Limits::default()).await;
    for (path, on_worker) in [("/", false), ("/uploads/original/a.jpg", true)] {
        let mut stream = port.connect().await;
        let me = stream.local_addr().unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let seen = String::from_utf8(to_the_end(stream).await).unwrap();
        assert!(seen.ends_with(&format!("{me} {on_worker}")), "{seen}");
    }
}

#[tokio::test]
async fn stop_lets_a_request_end_and_breaks_off_what_takes_too_long() {
    // One request is released after stop and answered; another never ends and is cut at the end of the grace.
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (enter, go) = (Arc::clone(&entered), Arc::clone(&release));
    let router = Router::new()
        .route(
            "/waits",
            routing::get(move || async move {
                enter.notify_one();
                go.notified().await;
                "done"
            }),
        )
        .route("/hangs", routing::get(std::future::pending::<&str>));
    let port = Port::open(Routes::new(router), Limits { grace: Duration::from_secs(1), ..Limits::default() }).await;
    let mut waits = port.connect().await;
    waits.write_all(b"GET /waits HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut hangs = port.connect().await;
    hangs.write_all(b"GET /hangs HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    timeout(WITHIN, entered.notified()).await.unwrap();
    port.stop.cancel();
    release.notify_one();
    assert!(to_the_end(waits).await.ends_with(b"done"));
    assert!(to_the_end(hangs).await.is_empty());
    let address = port.address;
    port.ended().await;
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

/// A service whose calls never answer.
#[derive(Clone)]
struct Never;

impl NamedService for Never {
    const NAME: &'static str = "pixelfox.v1.Replication";
}

impl tower::Service<http::Request<Body>> for Never {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        Box::pin(std::future::pending())
    }
}

async fn stat(port: &Port) -> Code {
    let channel = Endpoint::from_shared(format!("http://{}", port.address)).unwrap().connect().await.unwrap();
    let mut client = ReplicationClient::new(channel);
    let asked = client.stat(StatRequest::default());
    timeout(WITHIN, asked).await.unwrap().unwrap_err().code()
}

#[tokio::test]
async fn a_call_ends_with_its_deadline() {
    // By the call's own word (without a socket, because tonic's client would end it itself), and where it says nothing.
    let call = http::Request::post("/pixelfox.v1.Replication/Stat").header("content-type", "application/grpc");
    let call = call.header("grpc-timeout", "100m").body(Body::empty()).unwrap();
    let routes = Routes::new(Router::new()).grpc(Never);
    let answer = timeout(WITHIN, routes.answer(call)).await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "4");
    let deadline = listen::Deadline { unasked: SHORT, most: WITHIN };
    let port = Port::open(Routes::new(Router::new()).deadline(deadline).grpc(Never), Limits::default()).await;
    assert_eq!(stat(&port).await, Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_service_that_is_not_here_is_unimplemented() {
    let port = Port::hello(Limits { streams: NonZeroU32::new(7).unwrap(), ..Limits::default() }).await;
    assert_eq!(stat(&port).await, Code::Unimplemented);
}

#[tokio::test]
async fn a_peer_that_takes_nothing_of_its_answer_is_closed() {
    // The answer is larger than every buffer on the way, and nobody reads it: the port's only place is free again soon.
    let large = || async { vec![0_u8; 64 << 20] };
    let limits = Limits { write_stall: SHORT, connections: NonZeroUsize::MIN, ..Limits::default() };
    let port = Port::open(Routes::new(Router::new().fallback(large)), limits).await;
    let mut stalls = port.connect().await;
    stalls.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut next = port.connect().await;
    next.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    timeout(WITHIN, next.read_exact(&mut [0])).await.expect("its turn comes").unwrap();
}
