//! Pictures of every format: whole, cut, damaged, with something behind them.

use proptest::prelude::*;

use super::*;

const FILES: [(&str, Format, &[u8]); 9] = [
    ("jpg", Format::Jpeg, include_bytes!("../../../tests/fixtures/photo.jpg")),
    ("progressive jpg", Format::Jpeg, include_bytes!("../../../tests/fixtures/progressive.jpg")),
    ("png", Format::Png, include_bytes!("../../../tests/fixtures/photo.png")),
    ("gif", Format::Gif, include_bytes!("../../../tests/fixtures/photo.gif")),
    ("lossy webp", Format::Webp, include_bytes!("../../../tests/fixtures/lossy.webp")),
    ("lossless webp", Format::Webp, include_bytes!("../../../tests/fixtures/lossless.webp")),
    ("webp with alpha", Format::Webp, include_bytes!("../../../tests/fixtures/alpha.webp")),
    ("avif", Format::Avif, include_bytes!("../../../tests/fixtures/photo.avif")),
    ("bmp", Format::Bmp, include_bytes!("../../../tests/fixtures/photo.bmp")),
];

fn gauge(pieces: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Result<Picture, Rejected> {
    let mut gauge = Gauge::new();
    pieces.into_iter().try_for_each(|piece| gauge.take(piece.as_ref()))?;
    gauge.finish()
}

fn patched(file: &[u8], at: usize, with: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    file[at..at + with.len()].copy_from_slice(with);
    file
}

#[test]
fn real_pictures_are_measured_in_pieces_of_any_size() {
    // Each file alone, and with a megabyte behind it, so that the verdict comes early and not at the end.
    for (why, format, bytes) in FILES {
        let long = [bytes, &[0; 1 << 20][..]].concat();
        for (file, piece) in [(bytes, 1), (bytes, 64), (bytes, 4_096), (&long, 1_000), (&long, 1 << 21)] {
            let want = Picture { format, width: 24, height: 16 };
            assert_eq!(gauge(file.chunks(piece)), Ok(want), "{why}, pieces of {piece}");
        }
    }
}

#[test]
fn what_is_no_picture_is_refused_at_its_first_bytes() {
    // One piece of 64 bytes is enough: nobody has to send gigabytes to hear it.
    let long = |text: &str| [text.as_bytes(), &b" "[..].repeat(64)].concat();
    for text in
        ["hello, my name is photo.jpg", "<svg xmlns='http://www.w3.org/2000/svg'>", "<!doctype html>", "%PDF-1.7"]
    {
        assert_eq!(Gauge::new().take(&long(text)), Err(Rejected::Format), "{text}");
        assert_eq!(gauge([text]), Err(Rejected::Format), "{text}, as a whole file");
    }
    assert_eq!(gauge([b""; 0]), Err(Rejected::Format));
}

#[test]
fn polyglots_are_refused() {
    let (jpg, png, gif) = (FILES[0].2, FILES[2].2, FILES[3].2);
    let comment = |text: &[u8]| {
        let length = u16::try_from(text.len() + 2).unwrap().to_be_bytes();
        [&jpg[..2], b"\xff\xfe", &length, text, &jpg[2..]].concat()
    };
    for (why, file, want) in [
        (
            "a script as a gif",
            b"GIF89a=1;alert(document.cookie);//".to_vec(),
            Rejected::Header(FormatName(Format::Gif)),
        ),
        ("a page as a gif", b"GIF89a<html><script>alert(1)</script>".to_vec(), Rejected::Markup),
        ("a script in a jpeg's comment", comment(b"<SCRIPT src=//x></SCRIPT>"), Rejected::Markup),
        ("php in a jpeg's comment", comment(b"<?php system($_GET[0]);"), Rejected::Markup),
        ("an svg behind a png", [png, b"<svg onload=alert(1)>"].concat(), Rejected::Markup),
        ("a page behind a gif", [gif, b"<body onload=alert(1)>"].concat(), Rejected::Markup),
    ] {
        assert_eq!(gauge(file.chunks(10)), Err(want), "{why}");
    }
}

#[test]
fn damaged_and_boundless_headers_are_refused() {
    let of = |format| Rejected::Header(FormatName(format));
    let [jpg, png, gif, lossy, avif, bmp] = [0, 2, 3, 4, 7, 8].map(|index: usize| FILES[index].2);
    let huge = u32::MAX.to_be_bytes();
    for (why, file, want) in [
        ("a jpeg cut short", jpg[..40].to_vec(), of(Format::Jpeg)),
        ("a png cut short", png[..20].to_vec(), of(Format::Png)),
        ("a png of no width", patched(png, 16, &[0; 4]), of(Format::Png)),
        ("a png of 3 bits", patched(png, 24, &[3]), of(Format::Png)),
        (
            "a png of 4 billion pixels a side",
            patched(png, 16, &huge),
            Rejected::TooManyPixels { width: u32::MAX, height: 16 },
        ),
        (
            "a png of 60,000 × 60,000",
            patched(png, 16, &[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]),
            Rejected::TooManyPixels { width: 60_000, height: 60_000 },
        ),
        ("a gif without a block", patched(gif, 10, &[0]), of(Format::Gif)),
        ("a webp without its start code", patched(lossy, 23, &[0]), of(Format::Webp)),
        ("an avif cut short", avif[..100].to_vec(), of(Format::Avif)),
        ("an avif with a box of no size", patched(avif, 32, &[0; 4]), of(Format::Avif)),
        ("an avif with a box of 4 GB", patched(avif, 32, &huge), of(Format::Avif)),
        ("a bmp of negative width", patched(bmp, 18, &[0xff; 4]), of(Format::Bmp)),
        ("a bmp of two planes", patched(bmp, 26, &[2]), of(Format::Bmp)),
    ] {
        assert_eq!(gauge([file]), Err(want), "{why}");
    }
    let top_down = patched(bmp, 22, &(-16_i32).to_le_bytes());
    assert_eq!(gauge([top_down]).map(|picture| picture.height), Ok(16));
}

#[test]
fn a_header_without_a_picture_behind_it_is_refused() {
    // Each fixture up to where its data begins, alone and with an end of its format; the data's first bytes are
    // what is missing.
    let before = |file: &[u8], word: &[u8], back: usize| {
        let at = file.windows(word.len()).position(|window| window == word).unwrap();
        file[..at - back].to_vec()
    };
    let [jpg, png, gif, lossy, alpha, avif, bmp] = [0, 2, 3, 4, 6, 7, 8].map(|index: usize| FILES[index].2);
    let table = 3 << ((gif[10] & 7) + 1);
    let pixels_at = usize::from(bmp[10]);
    let iend = b"\0\0\0\0IEND\xae\x42\x60\x82";
    let comment = b"\x21\xfe\x03abc\0";
    for (why, format, file, then) in [
        ("jpg", Format::Jpeg, before(jpg, b"\xff\xda", 0), &b"\xff\xd9"[..]),
        ("png", Format::Png, before(png, b"IDAT", 4), iend),
        ("gif", Format::Gif, gif[..13 + table].to_vec(), b"\x3b"),
        ("gif with a comment", Format::Gif, [&gif[..13 + table], comment].concat(), b"\x3b"),
        ("lossy webp", Format::Webp, lossy[..20].to_vec(), b""),
        ("webp with a canvas", Format::Webp, alpha[..30].to_vec(), b"EXIF\0\0\0\0"),
        ("avif", Format::Avif, before(avif, b"mdat", 4), b"\0\0\0\x08free"),
        ("bmp", Format::Bmp, bmp[..pixels_at].to_vec(), b""),
    ] {
        let want = Err(Rejected::Header(FormatName(format)));
        assert_eq!(gauge(file.chunks(7)), want, "{why}");
        assert_eq!(gauge([&file[..], then]), want, "{why}, ended");
    }
}

#[test]
fn a_picture_that_is_cut_short_is_refused_wherever_it_is_cut() {
    // Each fixture without its last byte, and cut anywhere: none is taken. With an odd byte that belongs to no
    // format behind it, each is.
    for (why, format, whole) in FILES {
        for cut in 1..whole.len() {
            assert!(gauge(whole[..cut].chunks(50)).is_err(), "{why}, {cut} of {} bytes", whole.len());
        }
        let short = gauge([&whole[..whole.len() - 1]]);
        assert_eq!(short, Err(Rejected::CutShort(FormatName(format))), "{why}");
        assert!(gauge([whole, b"x"]).is_ok(), "{why}");
    }
    let said = Rejected::CutShort(FormatName(Format::Png)).to_string();
    assert_eq!(said, "this png is cut short: its end is missing. Send it again, whole");
}

#[test]
fn a_picture_may_have_megabytes_of_metadata_before_it() {
    // Text of a PNG and a colour profile of a WebP, in pieces that end anywhere.
    let (png, alpha) = (FILES[2].2, FILES[6].2);
    let length = 3_000_001_u32;
    let noise = vec![0x49; length as usize];
    let text = [&length.to_be_bytes(), &b"tEXt"[..], &noise, b"\0\0\0\0"].concat();
    let profile = [b"ICCP", &length.to_le_bytes()[..], &noise, b"\0"].concat();
    for (format, file) in [
        (Format::Png, [&png[..33], &text, &png[33..]].concat()),
        (Format::Webp, [&alpha[..30], &profile, &alpha[30..]].concat()),
    ] {
        for piece in [1_000, 65_537, 4 << 20] {
            assert_eq!(gauge(file.chunks(piece)).map(|picture| picture.format), Ok(format), "{piece}");
        }
    }
}

#[test]
fn a_large_file_is_not_kept() {
    let mut gauge = Gauge::new();
    for (_, _, bytes) in FILES.iter().filter(|file| file.1 == Format::Png) {
        gauge.take(bytes).unwrap();
        gauge.take(&[0; 1 << 20]).unwrap();
        gauge.take(&[0; 1 << 20]).unwrap();
        assert_eq!(gauge.head.capacity(), 0);
    }
}

#[test]
fn a_head_that_comes_byte_by_byte_is_measured_a_few_times() {
    // Each measuring sets the length at which the next one is due. The descriptions have no end within the limit.
    let meta = |length: u32| [&length.to_be_bytes()[..], b"meta"].concat();
    let avif = [&b"\0\0\0\x10ftypavif\0\0\0\0"[..], &meta(1 << 19)].concat();
    let gif = b"GIF89a\x01\0\x01\0\0\0\0\x21\xfe".to_vec();
    for (why, start, filler) in [("avif", avif, 0_u8), ("gif", gif, 0x40)] {
        let (mut gauge, mut looks) = (Gauge::new(), std::collections::BTreeSet::new());
        gauge.take(&start).unwrap();
        for _ in start.len()..1 << 19 {
            gauge.take(&[filler]).unwrap();
            looks.insert(gauge.next_look);
        }
        assert!((2..40).contains(&looks.len()), "{why}: {} times", looks.len());
    }
}

#[test]
fn what_came_last_is_measured_at_the_end() {
    // The picture begins a byte behind the last look.
    let (gif, mut gauge) = (FILES[3].2, Gauge::new());
    let table = 13 + (3 << ((gif[10] & 7) + 1));
    let comment = [&[0x21, 0xfe][..], &[&[200][..], &[7; 200]].concat().repeat(10), &[0]].concat();
    let file = [&gif[..table], &comment, &gif[table..]].concat();
    let frame = table + comment.len();
    gauge.take(&file[..frame]).unwrap();
    gauge.take(&file[frame..]).unwrap();
    assert!(gauge.next_look > file.len() && gauge.wants == Wants::Dimensions(Format::Gif));
    assert_eq!(gauge.finish().map(|picture| picture.format), Ok(Format::Gif));
}

proptest! {
    #[test]
    fn any_bytes_are_judged_alike_whole_and_in_pieces(
        start in 0..FILES.len(),
        cut in any::<prop::sample::Index>(),
        noise in prop::collection::vec(any::<u8>(), 0..200),
        piece in 1..80_usize,
    ) {
        let bytes = FILES[start].2;
        let file = [&bytes[..cut.index(bytes.len())], &noise].concat();
        prop_assert_eq!(gauge([&file]), gauge(file.chunks(piece)));
    }
}
