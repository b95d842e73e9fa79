//! A picture's format and size while its bytes stream past. Keeps at most [`MAX_HEAD_BYTES`] of them.
//! Must not decode anything: what is read here are headers, and they are bounded before anybody trusts them.

use std::fmt;

use super::{
    blocks::Blocks,
    chunks::Chunks,
    headers::{MAX_HEAD_BYTES, Sides, least_length, sides},
    jpeg::{Malformed, Reached, Walker},
    sniff::{Format, MARKUP_BYTES, has_markup},
};

/// Longest side in pixels that is taken.
const MAX_SIDE: u32 = 65_535;
/// A head is measured again once so many bytes have come, or a quarter of what was there, whichever is more: measuring
/// begins at its first byte, and a sender may send byte by byte.
const LOOK_AGAIN_BYTES: usize = 4 << 10;
/// Most pixels that are taken: what a browser can still be expected to show.
const MAX_PIXELS: u64 = 1 << 30;

/// What a file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// By content.
    pub format: Format,
    /// In pixels, above 0.
    pub width: u32,
    /// In pixels, above 0.
    pub height: u32,
}

/// Why a file is not taken for a picture. The sentence is for the uploader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// None of the formats, by content.
    #[error("this is no jpg, png, gif, webp, avif or bmp: the content decides, not the name")]
    Format,
    /// A picture's first bytes with markup behind them.
    #[error("this file has markup in its head: it is no plain picture")]
    Markup,
    /// The header is damaged, cut short, says nothing, or has no picture behind it.
    #[error("the header of this {0} can't be read, or no picture follows it")]
    Header(FormatName),
    /// It ends before its format says that it does.
    #[error("this {0} is cut short: its end is missing. Send it again, whole")]
    CutShort(FormatName),
    /// More pixels than anyone can show.
    #[error("this picture has {width} × {height} pixels: at most 65535 a side and 2^30 in all are taken")]
    TooManyPixels {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
    },
}

/// A format as a person writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatName(Format);

impl fmt::Display for FormatName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.extension())
    }
}

/// Watches a file go by and says early when it is no picture.
#[derive(Debug)]
pub struct Gauge {
    head: Vec<u8>,
    taken: u64,
    wants: Wants,
    /// Bytes of the head at which it is measured again.
    next_look: usize,
}

/// How much more of the file is of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    Head,
    Dimensions(Format),
    /// A JPEG's frame header and first scan.
    Frame(Walker),
    /// Measured; whether it is there to its end.
    Rest(Picture, Rest),
    Nothing(Picture),
}

/// Where a picture's end is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Scans(Walker),
    /// Then by its length, which is the second.
    Chunks(Chunks, u64),
    Blocks(Blocks),
    /// So many bytes are the whole file at least.
    Length(u64),
}

impl Rest {
    /// With the next bytes; `None` once nothing more is of interest.
    fn take(self, data: &[u8]) -> Option<Self> {
        match self {
            Self::Scans(mut walker) => {
                (!matches!(walker.take(data), Ok(Reached::End(..)))).then_some(Self::Scans(walker))
            }
            Self::Chunks(mut chunks, least) => match chunks.take(data) {
                false => Some(Self::Chunks(chunks, least)),
                true => (least > 0).then_some(Self::Length(least)),
            },
            Self::Blocks(mut blocks) => (!blocks.take(data)).then_some(Self::Blocks(blocks)),
            Self::Length(least) => Some(Self::Length(least)),
        }
    }
}

impl Default for Gauge {
    fn default() -> Self {
        Self::new()
    }
}

impl Gauge {
    /// Before the first byte.
    #[must_use]
    pub const fn new() -> Self {
        Self { head: Vec::new(), taken: 0, wants: Wants::Head, next_look: 0 }
    }

    /// Takes the next bytes. Once everything is known they cost nothing any more.
    ///
    /// # Errors
    /// As soon as it is certain that the file will not be taken.
    pub fn take(&mut self, data: &[u8]) -> Result<(), Rejected> {
        self.taken += data.len() as u64;
        self.see(data)
    }

    fn see(&mut self, data: &[u8]) -> Result<(), Rejected> {
        match self.wants {
            Wants::Nothing(_) => Ok(()),
            Wants::Rest(picture, rest) => {
                self.wants = rest.take(data).map_or(Wants::Nothing(picture), |rest| Wants::Rest(picture, rest));
                Ok(())
            }
            Wants::Frame(mut walker) => {
                let malformed = |Malformed| Rejected::Header(FormatName(Format::Jpeg));
                self.wants = match walker.take(data).map_err(malformed)? {
                    Reached::Head => Wants::Frame(walker),
                    Reached::Scan(width, height) => {
                        Wants::Rest(measured(Format::Jpeg, (width, height))?, Rest::Scans(walker))
                    }
                    Reached::End(width, height) => Wants::Nothing(measured(Format::Jpeg, (width, height))?),
                };
                Ok(())
            }
            Wants::Dimensions(format) => {
                let behind = self.keep(data);
                if self.head.len() >= self.next_look { self.measure(format, behind) } else { Ok(()) }
            }
            Wants::Head => {
                let behind = self.keep(data);
                if self.head.len() >= Format::HEAD_BYTES {
                    Format::of(&self.head).ok_or(Rejected::Format)?;
                }
                if self.head.len() >= MARKUP_BYTES { self.judge_head(behind) } else { Ok(()) }
            }
        }
    }

    /// The verdict at the end of the file.
    ///
    /// # Errors
    /// When it is no picture that is taken.
    pub fn finish(mut self) -> Result<Picture, Rejected> {
        if self.wants == Wants::Head {
            self.judge_head(&[])?;
        }
        if let Wants::Dimensions(format) = self.wants {
            self.measure(format, &[])?;
        }
        match self.wants {
            Wants::Nothing(picture) => Ok(picture),
            Wants::Rest(picture, Rest::Length(least)) if self.taken >= least => Ok(picture),
            Wants::Rest(Picture { format, .. }, Rest::Chunks(chunks, _)) if !chunks.has_data() => {
                Err(Rejected::Header(FormatName(format)))
            }
            Wants::Rest(Picture { format, .. }, _) => Err(Rejected::CutShort(FormatName(format))),
            Wants::Frame(_) => Err(Rejected::Header(FormatName(Format::Jpeg))),
            Wants::Dimensions(format) => Err(Rejected::Header(FormatName(format))),
            Wants::Head => Err(Rejected::Format),
        }
    }

    /// Keeps what there is room for; gives back the rest.
    fn keep<'d>(&mut self, data: &'d [u8]) -> &'d [u8] {
        let (kept, behind) = data.split_at(data.len().min(MAX_HEAD_BYTES - self.head.len()));
        self.head.extend_from_slice(kept);
        behind
    }

    /// With `behind` the head that is kept.
    fn judge_head(&mut self, behind: &[u8]) -> Result<(), Rejected> {
        let format = Format::of(&self.head).ok_or(Rejected::Format)?;
        if has_markup(&self.head) {
            return Err(Rejected::Markup);
        }
        if format == Format::Jpeg {
            self.wants = Wants::Frame(Walker::new());
            return self.since_the_start(behind);
        }
        let Some(chunks) = Chunks::of(format) else {
            self.wants = Wants::Dimensions(format);
            return self.measure(format, behind);
        };
        let Sides::Are(width, height) = sides(format, &self.head) else {
            return Err(Rejected::Header(FormatName(format)));
        };
        let rest = Rest::Chunks(chunks, least_length(format, &self.head));
        self.wants = Wants::Rest(measured(format, (width, height))?, rest);
        self.since_the_start(behind)
    }

    fn measure(&mut self, format: Format, behind: &[u8]) -> Result<(), Rejected> {
        let (width, height) = match sides(format, &self.head) {
            Sides::Are(width, height) => (width, height),
            Sides::NeedMore if self.head.len() < MAX_HEAD_BYTES => {
                let more = LOOK_AGAIN_BYTES.max(self.head.len() / 4);
                self.next_look = (self.head.len() + more).min(MAX_HEAD_BYTES);
                return Ok(());
            }
            Sides::NeedMore | Sides::Malformed => return Err(Rejected::Header(FormatName(format))),
        };
        let rest = match (format, self.head.get(10)) {
            (Format::Gif, Some(flags)) => Rest::Blocks(Blocks::new(*flags)),
            _ => Rest::Length(least_length(format, &self.head)),
        };
        self.wants = Wants::Rest(measured(format, (width, height))?, rest);
        self.since_the_start(behind)
    }

    /// The rest is looked at as it comes, from the first byte of the file on.
    fn since_the_start(&mut self, behind: &[u8]) -> Result<(), Rejected> {
        let head = std::mem::take(&mut self.head);
        self.see(&head)?;
        self.see(behind)
    }
}

fn measured(format: Format, (width, height): (u32, u32)) -> Result<Picture, Rejected> {
    if width == 0 || height == 0 {
        return Err(Rejected::Header(FormatName(format)));
    }
    if width.max(height) > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(Rejected::TooManyPixels { width, height });
    }
    Ok(Picture { format, width, height })
}

#[cfg(test)]
mod tests;
