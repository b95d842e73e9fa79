//! The format of a picture by its first bytes. Must not look at names, and must not take markup for a picture.

/// The formats that may be uploaded. SVG and HTML never: they can carry scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// GIF.
    Gif,
    /// WebP.
    Webp,
    /// AVIF.
    Avif,
    /// Windows bitmap.
    Bmp,
}

/// How far into a file browsers of old looked for markup (the MIME Sniffing Standard reads 1,445 bytes).
pub(crate) const MARKUP_BYTES: usize = 1445;

/// What no picture has among its first bytes, in lower case. `<?xpacket` and `<x:xmpmeta` of XMP are not among them.
const MARKUP: [&[u8]; 9] =
    [b"<script", b"<html", b"<svg", b"<!doctype", b"<body", b"<iframe", b"<?php", b"<head", b"javascript:"];

/// So many bytes of text follow markup, unless the file ends.
const TEXT_BYTES: usize = 8;

impl Format {
    /// How many bytes [`Format::of`] needs to be sure.
    pub const HEAD_BYTES: usize = 64;

    /// Every format.
    pub const ALL: [Self; 6] = [Self::Jpeg, Self::Png, Self::Gif, Self::Webp, Self::Avif, Self::Bmp];

    /// The format of a file that begins with `head`; `None` for anything that is not surely one of ours.
    /// Give it 64 bytes or the whole file: with less, AVIF may go unrecognised.
    #[must_use]
    pub fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0xff, 0xd8, 0xff, 0xc0..=0xfe, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, b'I', b'H', b'D', b'R', ..] => {
                Some(Self::Png)
            }
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', b'V', b'P', b'8', ..] => Some(Self::Webp),
            [b'B', b'M', ..] if is_bitmap(head) => Some(Self::Bmp),
            [_, _, _, _, b'f', b't', b'y', b'p', ..] if names_avif(head) => Some(Self::Avif),
            _ => None,
        }
    }

    /// `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Avif => "image/avif",
            Self::Bmp => "image/bmp",
        }
    }

    /// The format that a `Content-Type` of ours means.
    #[must_use]
    pub fn from_content_type(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.content_type() == word)
    }

    /// The ending of a stored file's name, without the dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::Webp => "webp",
            Self::Avif => "avif",
            Self::Bmp => "bmp",
        }
    }
}

/// Two letters are no proof: the header that follows must be one of the known sizes.
fn is_bitmap(head: &[u8]) -> bool {
    head.len() >= 26 && head[6..10] == [0; 4] && matches!(head[14..18], [12 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0])
}

/// Whether the `ftyp` box names AVIF, as its brand or a compatible one. HEIC names neither.
fn names_avif(head: &[u8]) -> bool {
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let brands = head.get(8..length.min(head.len())).unwrap_or_default();
    let mut words = brands.chunks_exact(4).enumerate().filter(|(index, _)| *index != 1); // 1: the minor version
    length.is_multiple_of(4) && words.any(|(_, word)| matches!(word, b"avif" | b"avis"))
}

/// Whether the first bytes hold markup that a browser of old could take for a page: a polyglot.
///
/// What keeps a polyglot from ever being a page is how it is served: its type by content, `nosniff`, and a sandbox
/// without scripts. So a file that has the magic and the structure of a picture is one, and this is a second lock, which
/// must not turn good pictures away: the four bytes of `<svg` alone are met by chance, in any case of letters, in the
/// compressed data of one picture in some 400,000. Markup therefore is a word with the end of a tag's name behind it and
/// with text behind that: by chance, that is one picture in 10^10.
pub(crate) fn has_markup(head: &[u8]) -> bool {
    let head = head[..head.len().min(MARKUP_BYTES)].to_ascii_lowercase();
    let is_whole_file = head.len() < MARKUP_BYTES;
    (0..head.len()).any(|at| MARKUP.iter().any(|word| is_markup(&head[at..], word, is_whole_file)))
}

fn is_markup(bytes: &[u8], word: &[u8], is_whole_file: bool) -> bool {
    let Some(behind) = bytes.strip_prefix(word) else { return false };
    let text = &behind[..behind.len().min(TEXT_BYTES)];
    let is_text = text.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
    let ends_name = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>');
    let is_tag = !word.starts_with(b"<") || text.first().is_none_or(ends_name);
    is_tag && is_text && (text.len() == TEXT_BYTES || is_whole_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_in_the_bytes() {
        for (why, head, want) in [
            ("nothing", &b""[..], None),
            ("text", b"hello, I am a picture", None),
            ("svg", b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", None),
            ("svg with a declaration", b"<?xml version=\"1.0\"?><svg/>", None),
            ("html", b"<!DOCTYPE html><html>", None),
            ("jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF\0", Some(Format::Jpeg)),
            ("half a jpeg's first marker", b"\xff\xd8\xff", None),
            ("png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Some(Format::Png)),
            ("png without its header", b"\x89PNG\r\n\x1a\n<svg></svg>", None),
            ("a png that lost a CR", b"\x89PNG\n\x1a\n\0\0\0\rIHDR", None),
            ("gif", b"GIF89a\x01\0\x01\0", Some(Format::Gif)),
            ("a gif that never was", b"GIF88a\x01\0\x01\0", None),
            ("webp", b"RIFF\x24\0\0\0WEBPVP8 ", Some(Format::Webp)),
            ("wave", b"RIFF\x24\0\0\0WAVEfmt ", None),
            ("text that begins with BM", b"BMW drives through a long night in a fog", None),
            ("avif", b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", Some(Format::Avif)),
            ("avif by its brand", b"\0\0\0\x10ftypavif\0\0\0\0", Some(Format::Avif)),
            ("avif only behind the box", b"\0\0\0\x10ftypmp42\0\0\0\0avif", None),
            ("avif only as a version", b"\0\0\0\x10ftypmp42avif", None),
            ("heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", None),
            ("mp4", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", None),
            ("pdf", b"%PDF-1.7", None),
            ("zip", b"PK\x03\x04", None),
        ] {
            assert_eq!(Format::of(head), want, "{why}");
        }
    }

    #[test]
    fn a_format_is_found_by_its_content_type() {
        for format in Format::ALL {
            assert_eq!(Format::from_content_type(format.content_type()), Some(format));
        }
        assert_eq!(Format::from_content_type("image/svg+xml"), None);
    }

    #[test]
    fn bytes_that_look_like_a_tag_by_chance_are_no_markup() {
        // In a picture's compressed data: no end of the name, or no text behind it; also where the look ends.
        let picture = |tag: &[u8]| [b"\x89PNG".as_slice(), &[0x80; 900], tag, &[0x80; 900]].concat();
        for tag in [&b"<SvG"[..], b"<svg\x80", b"<html ", b"<HEAD>\x01", b"<body/a\xff", b"<svgs text", b"javascript:"]
        {
            assert!(!has_markup(&picture(tag)), "{}", tag.escape_ascii());
        }
        assert!(has_markup(&picture(b"<svg onload=alert(1)>")));
        let at_the_end = [vec![0x80; MARKUP_BYTES - 5], b"<svg onload=alert(1)>".to_vec()].concat();
        assert!(!has_markup(&at_the_end));
    }

    #[test]
    fn markup_is_seen_in_any_case() {
        assert!(has_markup(b"GIF89a<ScRiPt>alert(1)</script>"));
        for end in ["", " ", "\t", "\n", "\r", "\x0c", "/", ">"] {
            assert!(has_markup(format!("GIF89a\u{80}<SVG{end}").as_bytes()), "{end:?} ends the name, and the file");
            let goes_on = format!("GIF89a<svg{end}onload=alert(1)>");
            assert_eq!(has_markup(goes_on.as_bytes()), !end.is_empty(), "{end:?} ends the name");
        }
        assert!(!has_markup(b"\xff\xd8\xff\xe1<?xpacket begin='' id=''?><x:xmpmeta xmlns:x='adobe:ns:meta/'>"));
        let far = [vec![0; MARKUP_BYTES], b"<script".to_vec()].concat();
        assert!(!has_markup(&far));
    }
}
