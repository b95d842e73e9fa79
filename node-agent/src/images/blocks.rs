//! Whether a GIF goes on to its trailer: block after block. Reads the stream as it comes and keeps none of it. Must not
//! look into a frame.

/// Walks from block to block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocks {
    step: Step,
    /// So many bytes are of no interest.
    skip: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The next byte says what block begins.
    Introducer,
    /// So many bytes of a frame's descriptor have come; the ninth says whether a colour table follows.
    Descriptor(u8),
    /// One byte, then pieces.
    Pieces,
    /// The next byte is the length of a piece; 0 behind the last one.
    Length,
}

impl Blocks {
    /// For a file from its first byte. `flags`: its eleventh, which says whether a colour table follows the screen's
    /// description.
    pub(crate) fn new(flags: u8) -> Self {
        Self { step: Step::Introducer, skip: 13 + table(flags) }
    }

    /// Takes the next bytes of the file; `true` once its trailer has come, or what is no block: browsers take that for it.
    pub(crate) fn take(&mut self, mut data: &[u8]) -> bool {
        loop {
            let skipped = usize::try_from(self.skip).map_or(data.len(), |skip| skip.min(data.len()));
            self.skip -= skipped as u64;
            let Some((&byte, rest)) = data[skipped..].split_first() else { return false };
            data = rest;
            self.step = match (self.step, byte) {
                (Step::Introducer, 0x2c) => Step::Descriptor(0),
                (Step::Introducer, 0x21) => Step::Pieces,
                (Step::Introducer, _) => return true,
                (Step::Descriptor(8), flags) => {
                    self.skip = table(flags);
                    Step::Pieces
                }
                (Step::Descriptor(came), _) => Step::Descriptor(came + 1),
                (Step::Pieces, _) => Step::Length,
                (Step::Length, 0) => Step::Introducer,
                (Step::Length, length) => {
                    self.skip = u64::from(length);
                    Step::Length
                }
            };
        }
    }
}

/// Bytes of the colour table that such flags announce.
pub(crate) const fn table(flags: u8) -> u64 {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}
