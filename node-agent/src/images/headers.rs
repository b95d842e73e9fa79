//! Where each format but JPEG says how large its picture is. Pure: bytes in, sides out. Must not believe a header that
//! contradicts itself, nor one without a picture behind it: what only begins like a picture is none. (The data of a PNG
//! or a WebP may be far behind: `chunks` looks for it.)

use super::{blocks::table, sniff::Format};

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
        Format::Gif => return gif(head).unwrap_or(Sides::NeedMore),
        Format::Bmp => return bmp(head),
        Format::Png => png(head),
        Format::Webp => webp(head),
    };
    found.map_or(Sides::Malformed, |(width, height)| Sides::Are(width, height))
}

/// So many bytes a file of this format has at least, as far as its head says it; it has been measured.
pub(crate) fn least_length(format: Format, head: &[u8]) -> u64 {
    match format {
        Format::Webp => array(head, 4).map_or(0, |size| 8 + u64::from(u32::from_le_bytes(size))),
        Format::Bmp => bmp_length(head).unwrap_or(0),
        Format::Avif => avif_length(head).unwrap_or(0),
        Format::Jpeg | Format::Png | Format::Gif => 0,
    }
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

/// The logical screen; behind it, its colour table and any extensions, the first frame must begin. `None`: not all of
/// that is here.
fn gif(head: &[u8]) -> Option<Sides> {
    let flags = *head.get(10)?;
    let mut at = 13 + usize::try_from(table(flags)).ok()?;
    loop {
        match *head.get(at)? {
            0x2c => return Some(Sides::Are(little16(head, 6)?, little16(head, 8)?)),
            0x21 => at += 2,
            _ => return Some(Sides::Malformed),
        }
        // The extension's pieces, each with its length before it, up to one of no length.
        loop {
            let length = usize::from(*head.get(at)?);
            at += 1 + length;
            if length == 0 {
                break;
            }
        }
    }
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

/// The header, and pixels where it says that they begin.
fn bmp(head: &[u8]) -> Sides {
    let pixels_at = array(head, 10).map_or(usize::MAX, |at| u32::from_le_bytes(at) as usize);
    match bmp_sides(head) {
        Some(_) if head.len() <= pixels_at && pixels_at < MAX_HEAD_BYTES => Sides::NeedMore,
        Some((width, height)) if pixels_at < head.len() => Sides::Are(width, height),
        _ => Sides::Malformed,
    }
}

/// The old header of 12 bytes has 16-bit sides; all later ones signed 32-bit, negative heights meaning top-down.
fn bmp_sides(head: &[u8]) -> Option<(u32, u32)> {
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

/// To the end of the pixels; `None` where they are compressed.
fn bmp_length(head: &[u8]) -> Option<u64> {
    let is_old = *head.get(14)? == 12;
    let is_plain = is_old || matches!(array(head, 30).map(u32::from_le_bytes)?, 0 | 3);
    let (width, height) = bmp_sides(head).filter(|_| is_plain)?;
    let bits = little16(head, if is_old { 24 } else { 28 })?;
    let row = (u64::from(width) * u64::from(bits)).div_ceil(32) * 4; // each begins at a multiple of four bytes
    Some(u64::from(u32::from_le_bytes(array(head, 10)?)) + row * u64::from(height))
}

/// To the end of the first box `mdat`; `None` without one, or where it goes to the end of the file.
fn avif_length(head: &[u8]) -> Option<u64> {
    let mut at = 0;
    loop {
        let size = u64::from(u32::from_be_bytes(array(head, at)?));
        if array::<4>(head, at + 4)? == *b"mdat" {
            return match size {
                0 => None,
                1 => Some(array(head, at + 8).map_or(16, u64::from_be_bytes).saturating_add(at as u64)),
                _ => Some(at as u64 + size),
            };
        }
        at += usize::try_from(size).ok().filter(|size| *size >= 8)?;
    }
}

/// The `meta` box holds the sides; it is awaited whole, because a part of it could name a smaller one. The picture is in
/// a box `mdat`, before or behind it, or in an `idat` inside.
fn avif(head: &[u8]) -> Sides {
    let (mut at, mut sides, mut has_data) = (0, None, false);
    loop {
        if let (Some(sides), true) = (sides, has_data) {
            return sides;
        }
        let (Some(size), Some(kind)) = (array(head, at).map(u32::from_be_bytes), array::<4>(head, at + 4)) else {
            return Sides::NeedMore;
        };
        if kind == *b"mdat" && sides.is_some() {
            has_data = true;
            continue;
        }
        let end = at.saturating_add(size as usize);
        if size < 8 || end > MAX_HEAD_BYTES {
            return Sides::Malformed;
        }
        if end > head.len() {
            return Sides::NeedMore;
        }
        has_data |= kind == *b"mdat";
        // The first one counts. Measuring reads from the file's start, so that each further one would cost all before it.
        if kind == *b"meta" && sides.is_none() {
            let measured = imagesize::blob_size(&head[..end]);
            match measured.map(|s| (u32::try_from(s.width), u32::try_from(s.height))) {
                Ok((Ok(width), Ok(height))) => sides = Some(Sides::Are(width, height)),
                _ => return Sides::Malformed,
            }
            has_data |= head[at..end].windows(4).any(|word| word == b"idat");
        }
        at = end;
    }
}
