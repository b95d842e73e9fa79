//! Whether a PNG or a WebP has a picture behind its header, and a PNG its end behind that: chunk after chunk, however much
//! metadata stands before it. Reads the stream as it comes and keeps eight bytes of it. Must not look into a chunk.

use super::sniff::Format;

/// Walks from chunk to chunk: to the last one of a PNG, to the first one with data of the picture of a WebP, which says in
/// its head how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunks {
    is_png: bool,
    header: [u8; 8],
    filled: usize,
    /// So many bytes are of no interest.
    skip: u64,
    has_data: bool,
    /// What is skipped is all that is to come.
    is_last: bool,
}

impl Chunks {
    /// For a file from its first byte; `None` for a format without chunks.
    pub(crate) const fn of(format: Format) -> Option<Self> {
        let (is_png, signature) = match format {
            Format::Png => (true, 8),
            Format::Webp => (false, 12),
            Format::Jpeg | Format::Gif | Format::Avif | Format::Bmp => return None,
        };
        Some(Self { is_png, header: [0; 8], filled: 0, skip: signature, has_data: false, is_last: false })
    }

    /// Whether the picture's data has begun.
    pub(crate) const fn has_data(&self) -> bool {
        self.has_data
    }

    /// Takes the next bytes of the file; `true` once nothing more is of interest.
    pub(crate) fn take(&mut self, mut data: &[u8]) -> bool {
        loop {
            let skipped = usize::try_from(self.skip).map_or(data.len(), |skip| skip.min(data.len()));
            self.skip -= skipped as u64;
            data = &data[skipped..];
            if self.is_last {
                return self.skip == 0;
            }
            let read = (self.header.len() - self.filled).min(data.len());
            self.header[self.filled..self.filled + read].copy_from_slice(&data[..read]);
            self.filled += read;
            data = &data[read..];
            if self.filled < self.header.len() {
                return false;
            }
            self.filled = 0;
            self.chunk();
        }
    }

    /// Looks at the head of the chunk that begins; the rest of it is passed over.
    fn chunk(&mut self) {
        let [h0, h1, h2, h3, h4, h5, h6, h7] = self.header;
        if self.is_png {
            let (length, kind) = (u32::from_be_bytes([h0, h1, h2, h3]), [h4, h5, h6, h7]);
            self.skip = u64::from(length) + 4; // a checksum
            self.has_data |= kind == *b"IDAT" && length > 0;
            self.is_last = kind == *b"IEND" && self.has_data;
        } else {
            let length = u32::from_le_bytes([h4, h5, h6, h7]);
            self.skip = u64::from(length) + u64::from(length % 2); // to an even length
            self.has_data |= matches!(&[h0, h1, h2, h3], b"VP8 " | b"VP8L" | b"ANMF") && length > 0;
            if self.has_data {
                (self.skip, self.is_last) = (0, true);
            }
        }
    }
}
