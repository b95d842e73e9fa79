//! Where each format but JPEG says how large its picture is. Pure: bytes in, sides out. Must not believe a header that
//! contradicts itself: what only begins like a picture is none.

use super::sniff::Format;

/// An AVIF's description may be so long; other formats say their size in the first bytes.
pub(crate) const MAX_HEAD_BYTES: usize = 1 << 20;

/// What a head says of a picture's size in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sides {
    Are(u32, u32),
    NeedMore,
    Malformed,
}

/// Width and height from a head that [`Format::of`] has recognised as `format`.
pub(crate) fn sides(format: Format, head: &[u8]) -> Sides {
    let found = match format {
        Format::Jpeg => return Sides::NeedMore, // the walker's business
        Format::Avif => return avif(head),
        Format::Png => png(head),
        Format::Gif => gif(head),
        Format::Webp => webp(head),
        Format::Bmp => bmp(head),
    };
    found.map_or(Sides::Malformed, |(width, height)| Sides::Are(width, height))
}

fn array<const N: usize>(head: &[u8], at: usize) -> Option<[u8; N]> {
    head.get(at..at + N)?.try_into().ok()
}

fn little16(head: &[u8], at: usize) -> Option<u32> {
    array(head, at).map(u16::from_le_bytes).map(u32::from)
}

/// IHDR: the sides, then a bit depth and a colour type that must fit.
fn png(head: &[u8]) -> Option<(u32, u32)> {
    let depth_fits = match array(head, 24)? {
        [depth, 0] => matches!(depth, 1 | 2 | 4 | 8 | 16),
        [depth, 2 | 4 | 6] => matches!(depth, 8 | 16),
        [depth, 3] => matches!(depth, 1 | 2 | 4 | 8),
        _ => false,
    };
    let sides = (u32::from_be_bytes(array(head, 16)?), u32::from_be_bytes(array(head, 20)?));
    depth_fits.then_some(sides)
}

/// The logical screen; behind it and its colour table a block must begin.
fn gif(head: &[u8]) -> Option<(u32, u32)> {
    let flags = *head.get(10)?;
    let table = if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let block_begins = matches!(head.get(13 + table)?, 0x21 | 0x2c | 0x3b);
    block_begins.then_some((little16(head, 6)?, little16(head, 8)?))
}

/// The first chunk: `VP8X` (canvas), `VP8L` or `VP8 ` (the frame itself).
fn webp(head: &[u8]) -> Option<(u32, u32)> {
    match head.get(12..16)? {
        b"VP8X" => {
            let [w0, w1, w2, h0, h1, h2] = array(head, 24)?;
            let side = |bytes| u32::from_le_bytes(bytes) + 1;
            Some((side([w0, w1, w2, 0]), side([h0, h1, h2, 0])))
        }
        b"VP8L" if *head.get(20)? == 0x2f => {
            let bits = u32::from_le_bytes(array(head, 21)?);
            Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        b"VP8 " if *head.get(23..26)? == [0x9d, 0x01, 0x2a] => {
            Some((little16(head, 26)? & 0x3fff, little16(head, 28)? & 0x3fff))
        }
        _ => None,
    }
}

/// The old header of 12 bytes has 16-bit sides; all later ones signed 32-bit, negative heights meaning top-down.
fn bmp(head: &[u8]) -> Option<(u32, u32)> {
    let (sides, planes_at) = if *head.get(14)? == 12 {
        ((little16(head, 18)?, little16(head, 20)?), 22)
    } else {
        let side = |at| array(head, at).map(i32::from_le_bytes);
        (((u32::try_from(side(18)?).ok()?), side(22)?.unsigned_abs()), 26)
    };
    let plausible =
        little16(head, planes_at)? == 1 && matches!(little16(head, planes_at + 2)?, 1 | 4 | 8 | 16 | 24 | 32);
    plausible.then_some(sides)
}

/// The `meta` box holds the sides; it is awaited whole, because a part of it could name a smaller one.
fn avif(head: &[u8]) -> Sides {
    let mut at = 0;
    loop {
        let (Some(size), Some(kind)) = (array(head, at).map(u32::from_be_bytes), array::<4>(head, at + 4)) else {
            return Sides::NeedMore;
        };
        let end = at.saturating_add(size as usize);
        if size < 8 || end > MAX_HEAD_BYTES {
            return Sides::Malformed;
        }
        if end > head.len() {
            return Sides::NeedMore;
        }
        if kind == *b"meta" {
            return match imagesize::blob_size(&head[..end]).map(|s| (u32::try_from(s.width), u32::try_from(s.height))) {
                Ok((Ok(width), Ok(height))) => Sides::Are(width, height),
                _ => Sides::Malformed,
            };
        }
        at = end;
    }
}
