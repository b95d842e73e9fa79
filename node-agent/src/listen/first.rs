//! The first bytes of a connection: read within a limit, judged, and given back to the protocol that they begin.
//!
//! They are read here because hyper's automatic builder waits without end for the rest of half an HTTP/2 preface.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, timeout},
};

use super::H2_FRAME_BYTES;

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The preface, a SETTINGS frame's head, and more settings than any client sends.
const FIRST_MOST: usize = 24 + 9 + 16 * 6;
/// After a whole preface its SETTINGS are awaited for so long, for the lane alone.
const SETTINGS_WAIT: Duration = Duration::from_millis(100);
/// HTTP/1 requests that carry files.
const DATA_REQUESTS: [&[u8]; 6] = [
    b"GET /uploads/",
    b"HEAD /uploads/",
    b"PUT /api/internal/replicate",
    b"POST /api/internal/upload",
    b"POST /api/v1/upload",
    b"POST /upload ",
];

/// Where a connection runs best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// On the runtime of the accept loop.
    Control,
    /// On a worker of the data plane.
    Data,
    /// On one of those behind: a node that sends.
    Peer,
}

#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// Not even a whole preface yet.
    More,
    /// A whole preface; its settings would tell the lane.
    MoreSettings,
    /// Enough to go on.
    Enough(Lane),
}

/// Reads until the protocol is known. `None` when the peer closed first. The caller limits the time.
pub(super) async fn bytes(stream: &mut TcpStream) -> io::Result<Option<(Bytes, Lane)>> {
    let mut buffer = [0; FIRST_MOST];
    let mut filled = 0;
    loop {
        let read = match look(&buffer[..filled]) {
            Look::Enough(lane) => return Ok(Some((Bytes::copy_from_slice(&buffer[..filled]), lane))),
            Look::More => stream.read(&mut buffer[filled..]).await?,
            Look::MoreSettings => match timeout(SETTINGS_WAIT, stream.read(&mut buffer[filled..])).await {
                Ok(read) => read?,
                Err(_elapsed) => return Ok(Some((Bytes::copy_from_slice(&buffer[..filled]), Lane::Control))),
            },
        };
        if read == 0 {
            return Ok(None);
        }
        filled += read;
    }
}

/// What the bytes so far say. Pure.
fn look(bytes: &[u8]) -> Look {
    let Some(after_preface) = bytes.strip_prefix(PREFACE) else {
        if PREFACE.starts_with(bytes) {
            return Look::More;
        }
        let data = DATA_REQUESTS.iter().any(|request| bytes.starts_with(request));
        return Look::Enough(if data { Lane::Data } else { Lane::Control });
    };
    // RFC 9113, 4.1: 24 bits of length, type (4: SETTINGS), flags, stream; 6.5.1: entries of 16 bits id, 32 bits value
    let Some((head, payload)) = after_preface.split_at_checked(9) else { return Look::MoreSettings };
    let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    if head[3] != 4 || length > FIRST_MOST - 33 {
        return Look::Enough(Lane::Control);
    }
    let Some(settings) = payload.get(..length) else { return Look::MoreSettings };
    let large_frames = settings.chunks_exact(6).any(|entry| {
        entry[..2] == [0, 5] && u32::from_be_bytes([entry[2], entry[3], entry[4], entry[5]]) >= H2_FRAME_BYTES
    });
    Look::Enough(if large_frames { Lane::Peer } else { Lane::Control })
}

/// A connection that gives back the first bytes before it reads on, and that fails when its peer takes nothing of what
/// is written for too long.
pub(super) struct Replay {
    first: Bytes,
    stream: TcpStream,
    write_stall: Duration,
    /// Runs while a write is pending.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Replay {
    pub(super) fn new(first: Bytes, stream: TcpStream, write_stall: Duration) -> Self {
        Self { first, stream, write_stall, stalled: None }
    }

    /// Whether this is the beginning of an HTTP/2 connection.
    pub(super) fn begins_h2(&self) -> bool {
        self.first.starts_with(PREFACE)
    }

    fn watched<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let limit = self.write_stall;
        let timer = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + limit)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing of the answer")))
    }
}

impl AsyncRead for Replay {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let length = self.first.len().min(buffer.remaining());
        buffer.put_slice(&self.first[..length]);
        self.first.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Replay {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watched(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watched(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preface_with(settings: &[(u16, u32)]) -> Vec<u8> {
        let mut bytes = PREFACE.to_vec();
        let length = u8::try_from(settings.len() * 6).unwrap();
        bytes.extend([0, 0, length, 4, 0, 0, 0, 0, 0]);
        for (id, value) in settings {
            bytes.extend(id.to_be_bytes());
            bytes.extend(value.to_be_bytes());
        }
        bytes
    }

    #[test]
    fn the_first_bytes_choose_the_lane() {
        use Look::{Enough, More, MoreSettings};
        let ours = preface_with(&[(2, 0), (4, 1 << 20), (5, 256 * 1024)]);
        let cases: [(&str, &[u8], Look); 12] = [
            ("nothing", b"", More),
            ("half a preface", b"PRI * HTTP/2", More),
            ("a preface alone", PREFACE, MoreSettings),
            ("our own client", &ours, Enough(Lane::Peer)),
            ("our own client, cut", &ours[..40], MoreSettings),
            ("a client with small frames", &preface_with(&[(5, 16_384)]), Enough(Lane::Control)),
            ("a client without settings", &preface_with(&[]), Enough(Lane::Control)),
            ("no SETTINGS frame", &[&PREFACE[..], &[0, 0, 4, 8, 0, 0, 0, 0, 0]].concat(), Enough(Lane::Control)),
            ("a page", b"GET / HTTP/1.1\r\n", Enough(Lane::Control)),
            ("a picture", b"GET /uploads/original/a.jpg HTTP/1.1\r\n", Enough(Lane::Data)),
            ("an upload", b"POST /api/v1/upload HTTP/1.1\r\n", Enough(Lane::Data)),
            ("a method that begins like the preface", b"PRIX", Enough(Lane::Control)),
        ];
        for (why, bytes, want) in cases {
            assert_eq!(look(bytes), want, "{why}");
        }
    }
}
