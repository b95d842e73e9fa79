//! One file on its way out: read piece by piece, hashed on the way, compared with the record before its last piece.

use std::io;

use bytes::Bytes;
use pixelfox_proto::{Cut, Cutter, Sha256};

use super::{Outgoing, buffers::Buffers};
use crate::{disk::Stored, transfer::FRAME_BYTES};

/// An open file of which some has gone out.
#[derive(Debug)]
pub(super) struct Source {
    stored: Stored,
    cutter: Cutter,
    size: u64,
    sha256: Sha256,
}

/// What comes next of a file.
#[derive(Debug)]
pub(super) enum Piece {
    /// Further pieces follow.
    Inner(Cut, Bytes),
    /// The last one: the file's bytes are those on record.
    Last(Cut, Bytes),
    /// The file's bytes are not those on record: its last piece must not go out as if they were.
    Differs(Sha256),
}

impl Source {
    pub(super) fn new(stored: Stored, file: &Outgoing) -> Self {
        Self { stored, cutter: Cutter::new(), size: file.size, sha256: file.sha256 }
    }

    /// The file itself.
    pub(super) fn into_stored(self) -> Stored {
        self.stored
    }

    /// Bytes that have gone out or were there already.
    pub(super) fn offset(&self) -> u64 {
        self.cutter.offset()
    }

    /// Of these bytes.
    pub(super) fn prefix(&self) -> Sha256 {
        self.cutter.digest()
    }

    /// Goes on from `offset` where the file begins with `prefix` up to there; else from its start. A file that can't be
    /// read shows that with its first piece.
    pub(super) async fn resume(&mut self, offset: u64, prefix: Option<Sha256>) {
        if offset == 0 || offset >= self.size {
            return;
        }
        if let Ok(before) = self.stored.hash_prefix(offset).await
            && before.len() == offset
            && Some(before.digest()) == prefix
        {
            self.cutter = Cutter::resume(before);
        }
    }

    /// Bytes of the next piece.
    pub(super) fn next_bytes(&self) -> usize {
        usize::try_from(self.size - self.cutter.offset()).map_or(FRAME_BYTES, |left| left.min(FRAME_BYTES))
    }

    /// The next piece. Blocking.
    ///
    /// # Errors
    /// Where the file can't be read or has become shorter.
    pub(super) fn next(&mut self, buffers: &mut Buffers) -> io::Result<Piece> {
        let length = self.next_bytes();
        let mut buffer = buffers.take();
        let mut filled = 0;
        while filled < length {
            match self.stored.read_at(&mut buffer[filled..length], self.cutter.offset() + filled as u64)? {
                0 => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter")),
                read => filled += read,
            }
        }
        let data = buffers.lend(buffer, length);
        let cut = self.cutter.cut(&data);
        if self.cutter.offset() < self.size {
            return Ok(Piece::Inner(cut, data));
        }
        Ok(if cut.prefix == self.sha256 { Piece::Last(cut, data) } else { Piece::Differs(cut.prefix) })
    }
}
