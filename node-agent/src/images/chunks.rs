//! Whether a PNG or a WebP has a picture behind its header: chunk after chunk, however much metadata stands before it.
//! Reads the stream as it comes and keeps eight bytes of it. Must not look into a chunk.

use super::sniff::Format;

/// Walks from chunk to chunk until one with data of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunks {
    is_png: bool,
    header: [u8; 8],
    filled: usize,
    /// So many bytes are of no interest.
    skip: u64,
}

impl Chunks {
    /// For a file from its first byte; `None` for a format without chunks.
    pub(crate) const fn of(format: Format) -> Option<Self> {
        let (is_png, signature) = match format {
            Format::Png => (true, 8),
            Format::Webp => (false, 12),
            Format::Jpeg | Format::Gif | Format::Avif | Format::Bmp => return None,
        };
        Some(Self { is_png, header: [0; 8], filled: 0, skip: signature })
    }

    /// Takes the next bytes of the file; `true` once the picture's data begins.
    pub(crate) fn take(&mut self, mut data: &[u8]) -> bool {
        loop {
            let skipped = usize::try_from(self.skip).map_or(data.len(), |skip| skip.min(data.len()));
            self.skip -= skipped as u64;
            data = &data[skipped..];
            let read = (self.header.len() - self.filled).min(data.len());
            self.header[self.filled..self.filled + read].copy_from_slice(&data[..read]);
            self.filled += read;
            data = &data[read..];
            if self.filled < self.header.len() {
                return false;
            }
            self.filled = 0;
            if self.chunk() {
                return true;
            }
        }
    }

    /// Whether the chunk that begins has data of the picture; else it is passed over.
    fn chunk(&mut self) -> bool {
        let [h0, h1, h2, h3, h4, h5, h6, h7] = self.header;
        let (length, is_data) = if self.is_png {
            (u32::from_be_bytes([h0, h1, h2, h3]), [h4, h5, h6, h7] == *b"IDAT")
        } else {
            let is_data = matches!(&[h0, h1, h2, h3], b"VP8 " | b"VP8L" | b"ANMF");
            (u32::from_le_bytes([h4, h5, h6, h7]), is_data)
        };
        let behind = if self.is_png { 4 } else { u64::from(length % 2) }; // a checksum, or a byte to an even length
        self.skip = u64::from(length) + behind;
        is_data && length > 0
    }
}
