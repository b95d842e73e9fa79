//! Sizes as people write them into a field: `500 GB`, `1,5 TB`, `512 MiB`, `0`. Pure.

/// Longest first: `b` is the end of all others.
const UNITS: [(&str, u64); 13] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("pib", 1 << 50),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("pb", 1_000_000_000_000_000),
    ("bytes", 1),
    ("byte", 1),
    ("b", 1),
];

/// Bytes of what was typed; empty: 0. A number alone is bytes. `None`: no size.
pub(crate) fn bytes(typed: &str) -> Option<u64> {
    let typed: String = typed.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
    if typed.is_empty() {
        return Some(0);
    }
    let unit = UNITS.iter().find(|(unit, _)| typed.ends_with(unit));
    let (number, scale) =
        unit.map_or((typed.as_str(), 1), |(unit, scale)| (&typed[..typed.len() - unit.len()], *scale));
    let (whole, fraction) = number.split_once([',', '.']).unwrap_or((number, ""));
    let digits = |text: &str| text.len() <= 15 && text.chars().all(|c| c.is_ascii_digit());
    if whole.is_empty() || !whole.chars().all(|c| c.is_ascii_digit()) || !digits(fraction) {
        return None;
    }
    if may_be_thousands(number) || (scale == 1 && !fraction.is_empty()) {
        return None;
    }
    let tens = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let part = if fraction.is_empty() { 0 } else { fraction.parse::<u128>().ok()? };
    let value =
        whole.parse::<u128>().ok()?.checked_mul(tens)?.checked_add(part)?.checked_mul(u128::from(scale))? / tens;
    u64::try_from(value).ok()
}

/// `1.500` may be meant as one and a half or as fifteen hundred: it is neither.
pub(crate) fn may_be_thousands(number: &str) -> bool {
    number.split_once([',', '.']).is_some_and(|(_, fraction)| fraction.len() == 3)
}

/// As it is put into the field: exact, in the largest unit that is whole; 0 is empty.
pub(crate) fn typed(bytes: u64) -> String {
    if bytes == 0 {
        return String::new();
    }
    let decimal = [("PB", 5), ("TB", 4), ("GB", 3), ("MB", 2)].map(|(unit, power)| (unit, 1000_u64.pow(power)));
    let binary = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20)];
    let whole = decimal.into_iter().chain(binary).find(|(_, scale)| bytes.is_multiple_of(*scale));
    whole.map_or_else(|| bytes.to_string(), |(unit, scale)| format!("{} {unit}", bytes / scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_people_write_them() {
        for (text, want) in [
            ("", Some(0)),
            ("0", Some(0)),
            ("500 GB", Some(500_000_000_000)),
            ("1,5tb", Some(1_500_000_000_000)),
            ("1.5 TB", Some(1_500_000_000_000)),
            ("512 MiB", Some(512 << 20)),
            ("1024", Some(1024)),
            ("10 bytes", Some(10)),
            ("-1 GB", None),
            ("1.500", None),
            ("1.500 GB", None),
            ("1,500 TB", None),
            ("1,5000 TB", Some(1_500_000_000_000)),
            ("1.5", None),
            ("GB", None),
            ("5 GB x", None),
            ("99999999999 PB", None),
            ("1e9", None),
        ] {
            assert_eq!(bytes(text), want, "{text}");
        }
    }

    #[test]
    fn what_a_field_shows_is_read_back_as_the_same() {
        for size in [0, 1, 999, 500_000_000_000, 512 << 20, 1 << 40, 123_456_789, i64::MAX as u64] {
            assert_eq!(bytes(&typed(size)), Some(size), "{}", typed(size));
        }
        assert_eq!(typed(500_000_000_000), "500 GB");
    }
}
