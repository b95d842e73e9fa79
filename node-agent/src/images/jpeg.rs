//! Where a JPEG says how large it is: the frame header behind any amount of metadata; whether a scan follows, and whether
//! the file goes on to its end marker. Reads the stream as it comes and keeps ten bytes of it. Must not decode anything.

use memchr::memchr;

/// Walks from marker to marker past the frame header (SOF) and the scans (SOS) to the end (EOI).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Walker {
    step: Step,
    walked: u64,
    /// Width and height, once the frame header has come.
    sides: Option<(u32, u32)>,
    has_scan: bool,
}

/// How far the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// Metadata, and perhaps the frame header.
    Head,
    /// A scan of a picture of this width and height has begun.
    Scan(u32, u32),
    /// Its end marker has come; what follows is not looked at.
    End(u32, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The next byte is 0xff.
    Prefix,
    /// The next byte is a marker, or 0xff once more.
    Marker,
    /// The next two bytes are a segment's length; then it is skipped.
    Length {
        first: Option<u8>,
        then: Segment,
    },
    /// So many bytes are of no interest.
    Skip(u16),
    /// Precision, height, width.
    Frame {
        bytes: [u8; 5],
        filled: u8,
        behind: u16,
    },
    /// Compressed data: in it only 0xff means anything.
    Data,
    /// 0xff in it.
    DataMarker,
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segment {
    Other,
    Frame,
}

/// Not a JPEG after all, or its frame header is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Metadata that stands before the scan, in bytes: colour profiles and previews are a few MB at most.
const MAX_BEFORE_SCAN: u64 = 32 << 20;

impl Walker {
    pub(crate) const fn new() -> Self {
        Self { step: Step::Prefix, walked: 0, sides: None, has_scan: false }
    }

    /// Takes the next bytes of the file.
    pub(crate) fn take(&mut self, mut data: &[u8]) -> Result<Reached, Malformed> {
        while let Some((&byte, rest)) = data.split_first() {
            match self.step {
                Step::Ended => break,
                Step::Data => {
                    let Some(at) = memchr(0xff, data) else { break };
                    data = &data[at + 1..];
                    self.step = Step::DataMarker;
                    continue;
                }
                _ if self.walked > MAX_BEFORE_SCAN && !self.has_scan => return Err(Malformed),
                Step::Skip(left) => {
                    let skipped = usize::from(left).min(data.len());
                    data = &data[skipped..];
                    self.walked += skipped as u64;
                    let left = left - u16::try_from(skipped).expect("no more than `left`");
                    self.step = if left == 0 { self.behind_segment() } else { Step::Skip(left) };
                    continue;
                }
                _ => {}
            }
            data = rest;
            self.walked += 1;
            self.step = self.byte(byte)?;
        }
        Ok(match (self.sides, self.has_scan) {
            (Some((width, height)), true) if self.step == Step::Ended => Reached::End(width, height),
            (Some((width, height)), true) => Reached::Scan(width, height),
            _ => Reached::Head,
        })
    }

    /// What is not as it should be between scans is passed over, as decoders do.
    const fn behind_segment(&self) -> Step {
        if self.has_scan { Step::Data } else { Step::Prefix }
    }

    fn byte(&mut self, byte: u8) -> Result<Step, Malformed> {
        Ok(match self.step {
            Step::Prefix if byte == 0xff => Step::Marker,
            Step::Prefix => return Err(Malformed),
            Step::Marker => self.marker(byte)?,
            Step::DataMarker => match byte {
                0xff => Step::DataMarker,
                0xd9 => Step::Ended,
                0xc0..=0xcf | 0xda..=0xfe => Step::Length { first: None, then: Segment::Other },
                _ => Step::Data, // a byte of the data that is 0xff, a restart, or nothing that has a length
            },
            Step::Length { first: None, then } => Step::Length { first: Some(byte), then },
            Step::Length { first: Some(high), then } => match (u16::from_be_bytes([high, byte]), then) {
                (0..=2, Segment::Other) if self.has_scan => Step::Data,
                (0 | 1, _) | (0..8, Segment::Frame) => return Err(Malformed),
                (length, Segment::Frame) => Step::Frame { bytes: [0; 5], filled: 0, behind: length - 7 },
                (2, Segment::Other) => Step::Prefix,
                (length, Segment::Other) => Step::Skip(length - 2), // the length counts itself
            },
            Step::Frame { mut bytes, filled, behind } => {
                bytes[usize::from(filled)] = byte;
                if let (4, [_, h1, h0, w1, w0]) = (filled, bytes) {
                    let side = |high, low| u32::from(u16::from_be_bytes([high, low]));
                    self.sides = Some((side(w1, w0), side(h1, h0)));
                    Step::Skip(behind)
                } else {
                    Step::Frame { bytes, filled: filled + 1, behind }
                }
            }
            Step::Skip(_) | Step::Data | Step::Ended => unreachable!("passed over in `take`"),
        })
    }

    /// Before the first scan.
    fn marker(&mut self, byte: u8) -> Result<Step, Malformed> {
        Ok(match byte {
            0xff => Step::Marker,
            0xd8 if self.walked == 2 => Step::Prefix,
            0xda if self.sides.is_some() => {
                self.has_scan = true;
                Step::Length { first: None, then: Segment::Other }
            }
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf if self.sides.is_none() => {
                Step::Length { first: None, then: Segment::Frame }
            }
            0x00 | 0xd0..=0xda => return Err(Malformed), // restarts, a second start, the end, the scan
            _ => Step::Length { first: None, then: Segment::Other },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHOTO: &[u8] = include_bytes!("../../tests/fixtures/photo.jpg");
    const PROGRESSIVE: &[u8] = include_bytes!("../../tests/fixtures/progressive.jpg");

    fn walk(pieces: impl IntoIterator<Item = Vec<u8>>) -> Result<Reached, Malformed> {
        let mut walker = Walker::new();
        pieces.into_iter().try_fold(Reached::Head, |_, piece| walker.take(&piece))
    }

    #[test]
    fn the_frame_header_and_the_end_are_found_in_pieces_of_any_size() {
        for photo in [PHOTO, PROGRESSIVE] {
            for piece in [1, 2, 3, 7, 64, 100_000] {
                assert_eq!(
                    walk(photo.chunks(piece).map(<[u8]>::to_vec)),
                    Ok(Reached::End(24, 16)),
                    "pieces of {piece}"
                );
            }
        }
    }

    #[test]
    fn it_is_found_behind_a_megabyte_of_colour_profile() {
        let segment = [vec![0xff, 0xe2, 0xff, 0xff], vec![0xd9; 65_533]].concat();
        let photo = [PHOTO[..2].to_vec(), segment.repeat(16), PHOTO[2..].to_vec()].concat();
        assert_eq!(walk(photo.chunks(4_000).map(<[u8]>::to_vec)), Ok(Reached::End(24, 16)));
    }

    #[test]
    fn endless_metadata_is_refused() {
        let segment = [vec![0xff, 0xe2, 0xff, 0xff], vec![0; 65_533]].concat();
        let photo = std::iter::once(PHOTO[..2].to_vec()).chain(std::iter::repeat_n(segment, 600));
        assert_eq!(walk(photo), Err(Malformed));
    }

    #[test]
    fn what_has_no_frame_header_is_refused() {
        for (why, bytes) in [
            ("no marker", &b"\xff\xd8hello"[..]),
            ("the end", b"\xff\xd8\xff\xd9"),
            ("the scan", b"\xff\xd8\xff\xda\0\x08"),
            ("a length of 1", b"\xff\xd8\xff\xe0\0\x01"),
            ("a frame header that is too short", b"\xff\xd8\xff\xc0\0\x07"),
            ("a second start", b"\xff\xd8\xff\xd8"),
        ] {
            assert_eq!(walk([bytes.to_vec()]), Err(Malformed), "{why}");
        }
        assert_eq!(walk([PHOTO[..40].to_vec()]), Ok(Reached::Head), "cut short");
        let scan = PHOTO.windows(2).position(|marker| marker == b"\xff\xda").unwrap();
        assert_eq!(walk([PHOTO[..scan].to_vec()]), Ok(Reached::Head), "cut before its scan");
        assert_eq!(walk([[&PHOTO[..scan], b"\xff\xd9"].concat()]), Err(Malformed), "ended before its scan");
    }

    #[test]
    fn only_the_end_marker_outside_of_every_segment_is_the_end() {
        // Cut at each byte behind the first scan's marker: not before the last byte has come. What follows the end is not
        // looked at. An end marker in a comment, as in a preview, is none, nor is one behind a byte that is 0xff.
        for photo in [PHOTO, PROGRESSIVE] {
            let scan = photo.windows(2).position(|marker| marker == b"\xff\xda").unwrap();
            for cut in scan + 2..photo.len() {
                assert_eq!(walk([photo[..cut].to_vec()]), Ok(Reached::Scan(24, 16)), "{cut} bytes");
            }
            let trailed = [photo, b"\xff\xd8\xff\xd9 a film"].concat();
            assert_eq!(walk(trailed.chunks(5).map(<[u8]>::to_vec)), Ok(Reached::End(24, 16)));
        }
        let scan = PHOTO.windows(2).position(|marker| marker == b"\xff\xda").unwrap();
        let preview = [&PHOTO[..scan], b"\xff\xfe\0\x04\xff\xd9", &PHOTO[scan..PHOTO.len() - 2]].concat();
        assert_eq!(walk([preview]), Ok(Reached::Scan(24, 16)));
        let between = [&PHOTO[..PHOTO.len() - 2], b"\xff\0\xd9\xff\xfe\0\x04\xff\xd9\xff\xd0"].concat();
        assert_eq!(walk([between.clone()]), Ok(Reached::Scan(24, 16)));
        assert_eq!(walk([[&between[..], b"\xff\xff\xd9"].concat()]), Ok(Reached::End(24, 16)));
    }
}
