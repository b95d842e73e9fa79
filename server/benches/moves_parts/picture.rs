//! Pictures of any size, each with bytes of its own.

/// A PNG of one pixel with `size` bytes in all.
pub(crate) fn png(seed: u64, size: usize) -> Vec<u8> {
    let mut bytes = vec![0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        bytes.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend(kind);
        bytes.extend(data);
        bytes.extend(crc(kind, data).to_be_bytes());
    };
    chunk(b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, 6, 0, 0, 0]);
    // One transparent pixel, zlib-compressed.
    chunk(b"IDAT", &[0x78, 0x9c, 0x63, 0x60, 0x00, 0x02, 0x00, 0x00, 0x05, 0x00, 0x01]);
    let mut text = format!("Comment\0{seed:016x}").into_bytes();
    text.resize(size.saturating_sub(92).max(text.len()), b'x');
    chunk(b"tEXt", &text);
    chunk(b"IEND", &[]);
    bytes
}

/// CRC-32 of the PNG specification, annex D.
fn crc(kind: &[u8], data: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    let step = |crc: u32, byte: &u8| TABLE[usize::from(crc.to_le_bytes()[0] ^ byte)] ^ (crc >> 8);
    !kind.iter().chain(data).fold(u32::MAX, step)
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let (mut at, mut number) = (0, 0);
    while at < 256 {
        let (mut crc, mut bit) = (number, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
        number += 1;
    }
    table
}
