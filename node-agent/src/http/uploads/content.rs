//! The bytes of a file as an answer's body. A small one is read once, at once; a larger one chunk by chunk, each when
//! the connection asks for it, on the data worker that the connection lives on; a connection that lives elsewhere gets
//! its chunks through a short queue. A hop per chunk costs a third of the rate (docs/PERFORMANCE.md, "Figures to build on").

use std::{
    io,
    ops::Range,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::{disk::Stored, plane::Plane};

/// Read and sent in one piece up to this size, in pieces of it above.
const CHUNK_BYTES: usize = 256 << 10;
/// Chunks that wait for a connection which lives elsewhere.
const WAITING_CHUNKS: usize = 2;

/// Where the connection's task runs.
pub(crate) enum Lane {
    /// On a worker of the data plane: it may read files itself.
    Worker,
    /// On another runtime: a worker reads for it.
    Elsewhere(Plane),
}

/// The bytes `part` of `file`. Blocking: called on a worker.
pub(crate) fn body(file: Stored, part: Range<u64>, lane: Lane) -> io::Result<Body> {
    let rest = Rest { file, part };
    if rest.length() <= CHUNK_BYTES as u64 {
        return Ok(Body::from(rest.whole()?));
    }
    let length = rest.length();
    Ok(match lane {
        Lane::Worker => Body::new(Content { length, source: Source::File(Box::new(rest)) }),
        Lane::Elsewhere(plane) => Body::new(Content { length, source: Source::queue(rest, &plane) }),
    })
}

/// What is still to be read.
struct Rest {
    file: Stored,
    part: Range<u64>,
}

impl Rest {
    fn length(&self) -> u64 {
        self.part.end - self.part.start
    }

    fn whole(mut self) -> io::Result<Bytes> {
        if self.length() == 0 { Ok(Bytes::new()) } else { self.next() }
    }

    /// The next chunk, full but for the last one.
    fn next(&mut self) -> io::Result<Bytes> {
        let length = usize::try_from(self.length()).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        let chunk = self.file.read_chunk(self.part.start, length)?;
        if chunk.len() < length {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file has become shorter"));
        }
        self.part.start += length as u64;
        Ok(chunk.into())
    }
}

/// A body of more than one chunk.
struct Content {
    length: u64,
    source: Source,
}

enum Source {
    File(Box<Rest>),
    Queue { chunks: mpsc::Receiver<io::Result<Bytes>>, _reader: AbortOnDropHandle<()> },
}

impl Source {
    fn queue(mut rest: Rest, plane: &Plane) -> Self {
        let (sender, chunks) = mpsc::channel(WAITING_CHUNKS);
        let reader = plane.place(async move {
            while rest.length() > 0 {
                let Ok(slot) = sender.reserve().await else { return };
                let chunk = rest.next();
                let failed = chunk.is_err();
                slot.send(chunk);
                if failed {
                    return;
                }
            }
        });
        Self::Queue { chunks, _reader: AbortOnDropHandle::new(reader) }
    }
}

impl http_body::Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if this.length == 0 {
            return Poll::Ready(None);
        }
        let chunk = match &mut this.source {
            Source::File(rest) => Some(rest.next()),
            Source::Queue { chunks, .. } => ready!(chunks.poll_recv(cx)),
        };
        let chunk = chunk.unwrap_or_else(|| Err(io::Error::other("the data plane has stopped")));
        this.length = chunk.as_ref().map_or(0, |chunk| this.length - chunk.len() as u64);
        Poll::Ready(Some(chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.length == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
