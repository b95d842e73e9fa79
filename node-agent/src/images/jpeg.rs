//! Where a JPEG says how large it is: the frame header behind any amount of metadata, and whether a scan follows. Reads
//! the stream as it comes and keeps ten bytes of it. Must not look at anything behind the scan's marker.

/// Walks from marker to marker past the frame header (SOF) to the first scan (SOS).
#[derive(Debug)]
pub(crate) struct Walker {
    step: Step,
    walked: u64,
    /// Width and height, once the frame header has come.
    sides: Option<(u32, u32)>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The next byte is 0xff.
    Prefix,
    /// The next byte is a marker, or 0xff once more.
    Marker,
    /// The next two bytes are a segment's length; then it is skipped.
    Length { first: Option<u8>, then: Segment },
    /// So many bytes are of no interest.
    Skip(u16),
    /// Precision, height, width.
    Frame { bytes: [u8; 5], filled: u8, behind: u16 },
}

#[derive(Clone, Copy, Debug)]
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
        Self { step: Step::Prefix, walked: 0, sides: None }
    }

    /// Takes the next bytes of the file; `Some` once width and height are known and the scan begins.
    pub(crate) fn take(&mut self, mut data: &[u8]) -> Result<Option<(u32, u32)>, Malformed> {
        while let Some((&byte, rest)) = data.split_first() {
            if self.walked > MAX_BEFORE_SCAN {
                return Err(Malformed);
            }
            if let Step::Skip(left) = self.step {
                let skipped = usize::from(left).min(data.len());
                data = &data[skipped..];
                self.walked += skipped as u64;
                let left = left - u16::try_from(skipped).expect("no more than `left`");
                self.step = if left == 0 { Step::Prefix } else { Step::Skip(left) };
                continue;
            }
            data = rest;
            self.walked += 1;
            if let Some(size) = self.byte(byte)? {
                return Ok(Some(size));
            }
        }
        Ok(None)
    }

    fn byte(&mut self, byte: u8) -> Result<Option<(u32, u32)>, Malformed> {
        self.step = match self.step {
            Step::Prefix if byte == 0xff => Step::Marker,
            Step::Prefix => return Err(Malformed),
            Step::Marker => match byte {
                0xff => Step::Marker,
                0xd8 if self.walked == 2 => Step::Prefix,
                0xda if self.sides.is_some() => return Ok(self.sides),
                0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf if self.sides.is_none() => {
                    Step::Length { first: None, then: Segment::Frame }
                }
                0x00 | 0xd0..=0xda => return Err(Malformed), // restarts, a second start, the end, the scan
                _ => Step::Length { first: None, then: Segment::Other },
            },
            Step::Length { first: None, then } => Step::Length { first: Some(byte), then },
            Step::Length { first: Some(high), then } => {
                match (u16::from_be_bytes([high, byte]), then) {
                    (0 | 1, _) | (0..8, Segment::Frame) => return Err(Malformed),
                    (length, Segment::Frame) => Step::Frame { bytes: [0; 5], filled: 0, behind: length - 7 },
                    (2, Segment::Other) => Step::Prefix,
                    (length, Segment::Other) => Step::Skip(length - 2), // the length counts itself
                }
            }
            Step::Skip(_) => unreachable!("skipped in `take`"),
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
        };
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHOTO: &[u8] = include_bytes!("../../tests/fixtures/photo.jpg");
    const PROGRESSIVE: &[u8] = include_bytes!("../../tests/fixtures/progressive.jpg");

    fn walk(pieces: impl IntoIterator<Item = Vec<u8>>) -> Result<Option<(u32, u32)>, Malformed> {
        let mut walker = Walker::new();
        for piece in pieces {
            if let Some(size) = walker.take(&piece)? {
                return Ok(Some(size));
            }
        }
        Ok(None)
    }

    #[test]
    fn the_frame_header_is_found_in_pieces_of_any_size() {
        for photo in [PHOTO, PROGRESSIVE] {
            for piece in [1, 2, 3, 7, 64, 100_000] {
                assert_eq!(walk(photo.chunks(piece).map(<[u8]>::to_vec)), Ok(Some((24, 16))), "pieces of {piece}");
            }
        }
    }

    #[test]
    fn it_is_found_behind_a_megabyte_of_colour_profile() {
        let segment = [vec![0xff, 0xe2, 0xff, 0xff], vec![0xd9; 65_533]].concat();
        let photo = [PHOTO[..2].to_vec(), segment.repeat(16), PHOTO[2..].to_vec()].concat();
        assert_eq!(walk(photo.chunks(4_000).map(<[u8]>::to_vec)), Ok(Some((24, 16))));
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
        assert_eq!(walk([PHOTO[..40].to_vec()]), Ok(None), "cut short");
        let scan = PHOTO.windows(2).position(|marker| marker == b"\xff\xda").unwrap();
        assert_eq!(walk([PHOTO[..scan].to_vec()]), Ok(None), "cut before its scan");
        assert_eq!(walk([[&PHOTO[..scan], b"\xff\xd9"].concat()]), Err(Malformed), "ended before its scan");
    }
}
