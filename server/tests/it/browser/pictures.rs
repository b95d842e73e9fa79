//! Pictures that look like some, made by the test.

use std::path::{Path, PathBuf};

use crate::harness::crc;

/// A PNG of soft colours, another for each `seed`.
pub(super) fn picture(seed: u32, width: u32, height: u32) -> Vec<u8> {
    let mut rows = Vec::new();
    for y in 0..height {
        rows.push(0);
        for x in 0..width {
            let wave = |speed: u32| u8::try_from((x * speed + y * (7 - speed) + seed * 53 * speed) / 3 % 200).unwrap();
            let hill = u8::try_from((x.abs_diff(width / 2) + y.abs_diff(height / 3)) * 120 / (width + height)).unwrap();
            rows.extend([wave(1) / 2 + 90, 200 - hill, wave(2) / 2 + 60 + hill / 2]);
        }
    }
    let mut bytes = vec![0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        bytes.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend(kind);
        bytes.extend(data);
        bytes.extend(crc(kind, data).to_be_bytes());
    };
    let mut head = Vec::new();
    head.extend(width.to_be_bytes());
    head.extend(height.to_be_bytes());
    head.extend([8, 2, 0, 0, 0]);
    chunk(b"IHDR", &head);
    chunk(b"IDAT", &stored(&rows));
    chunk(b"IEND", &[]);
    bytes
}

/// zlib without compression: blocks as they are.
fn stored(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let mut blocks = data.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap();
        out.push(u8::from(blocks.peek().is_none()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    let (a, b) = data.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    out.extend((b << 16 | a).to_be_bytes());
    out
}

/// Files of these names in `dir`, each another picture.
pub(super) fn files(dir: &Path, names: &[&str]) -> Vec<PathBuf> {
    let file = |(seed, name): (usize, &&str)| {
        let path = dir.join(name);
        std::fs::write(&path, picture(u32::try_from(seed).unwrap() * 3 + 1, 240, 160)).unwrap();
        path
    };
    names.iter().enumerate().map(file).collect()
}
