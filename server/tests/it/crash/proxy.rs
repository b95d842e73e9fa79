//! A TCP proxy of the tests, between any two processes: it passes, cuts, stalls, slows down, or turns a bit over.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// What is read at once.
const CHUNK: usize = 16 << 10;

/// What it does with what comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Pass,
    /// Ends every connection and takes no further one.
    Cut,
    /// Takes everything in and lets nothing out, in neither direction.
    Stall,
    /// Lets nothing out to the side that has connected.
    StallBack,
    /// So many bytes a second, each way.
    Slow(u64),
}

/// Where it listens; it ends when this is dropped.
pub(super) struct Proxy {
    port: u16,
    mode: watch::Sender<Mode>,
    /// The byte of the way out that gets a bit turned over, counted from now; `u64::MAX`: none.
    flip: Arc<AtomicU64>,
    _serving: JoinSet<()>,
}

impl Proxy {
    /// To a port of this machine.
    pub(super) async fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mode, watched) = watch::channel(Mode::Pass);
        let flip = Arc::new(AtomicU64::new(u64::MAX));
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, target, watched, Arc::clone(&flip)));
        Self { port, mode, flip, _serving: serving }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Turns a bit over, so many bytes from now, on the way to the target.
    pub(super) fn flip_after(&self, bytes: u64) {
        self.flip.store(bytes, Ordering::Relaxed);
    }
}

async fn serve(listener: TcpListener, target: u16, mut mode: watch::Receiver<Mode>, flip: Arc<AtomicU64>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((near, _)) = accepted else { continue };
                if *mode.borrow() != Mode::Cut {
                    connections.spawn(connection(near, target, mode.clone(), Arc::clone(&flip)));
                }
            }
            changed = mode.changed() => match changed {
                Ok(()) if *mode.borrow_and_update() == Mode::Cut => connections.abort_all(),
                Ok(()) => {}
                Err(_) => return,
            },
            Some(_ended) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn connection(near: TcpStream, target: u16, mode: watch::Receiver<Mode>, flip: Arc<AtomicU64>) {
    let Ok(far) = TcpStream::connect(("127.0.0.1", target)).await else { return };
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    let out = pump(near_read, far_write, mode.clone(), Way::Out(flip));
    let back = pump(far_read, near_write, mode, Way::Back);
    tokio::join!(out, back);
}

enum Way {
    Out(Arc<AtomicU64>),
    Back,
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut mode: watch::Receiver<Mode>,
    way: Way,
) {
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = match from.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(length) => length,
        };
        let stalls = |mode: &Mode| match mode {
            Mode::Stall => true,
            Mode::StallBack => matches!(way, Way::Back),
            Mode::Pass | Mode::Cut | Mode::Slow(_) => false,
        };
        if mode.wait_for(|mode| !stalls(mode)).await.is_err() {
            break;
        }
        let now = *mode.borrow();
        if let Mode::Slow(rate) = now {
            tokio::time::sleep(Duration::from_secs_f64(length as f64 / rate as f64)).await;
        }
        if let Way::Out(flip) = &way {
            turn_over(flip, &mut chunk[..length]);
        }
        if to.write_all(&chunk[..length]).await.is_err() {
            break;
        }
    }
    drop(to.shutdown().await);
}

fn turn_over(flip: &AtomicU64, chunk: &mut [u8]) {
    let at = flip.load(Ordering::Relaxed);
    if at == u64::MAX {
        return;
    }
    match usize::try_from(at).ok().and_then(|at| chunk.get_mut(at)) {
        Some(byte) => {
            *byte ^= 1;
            flip.store(u64::MAX, Ordering::Relaxed);
        }
        None => flip.store(at - chunk.len() as u64, Ordering::Relaxed),
    }
}
