//! Amounts as people type them: a number and a unit. Pure.

/// Units of a choice, the usual ones first.
pub(crate) const UNITS: [(&str, u64); 9] = [
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("B", 1),
];
/// More decimals would be read as thousands by half of the readers.
const DECIMALS: usize = 2;
/// Digits that a number can have at most: those of a `u64`.
const DIGITS: usize = 20;

/// What is wrong with what was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Missing,
    NoNumber,
    NoUnit,
    /// Outside of what a `u64` can hold: outside of every range.
    TooMuch,
}

/// A whole number.
pub(crate) fn count(typed: &str) -> Result<u64, Wrong> {
    if typed.is_empty() {
        return Err(Wrong::Missing);
    }
    if !typed.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Wrong::NoNumber);
    }
    if typed.len() > DIGITS { Err(Wrong::TooMuch) } else { typed.parse().map_err(|_| Wrong::TooMuch) }
}

/// Bytes: `1,5` or `1.5` of a unit, what is less than a byte cut off.
pub(crate) fn bytes(typed: &str, unit: &str) -> Result<u64, Wrong> {
    if typed.is_empty() {
        return Err(Wrong::Missing);
    }
    let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(Wrong::NoUnit)?;
    let (whole, part) = typed.split_once([',', '.']).unwrap_or((typed, "0"));
    if part.len() > DECIMALS || part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Wrong::NoNumber);
    }
    let whole =
        u128::from(count(whole).map_err(|wrong| if wrong == Wrong::Missing { Wrong::NoNumber } else { wrong })?);
    let hundredths = u128::from(count(&format!("{part:0<DECIMALS$}"))?);
    let all = (whole * 100 + hundredths) * u128::from(*scale) / 100;
    u64::try_from(all).map_err(|_| Wrong::TooMuch)
}

/// The number and the unit by which exactly these bytes are typed.
pub(crate) fn typed(bytes: u64) -> (String, &'static str) {
    if bytes == 0 {
        return ("0".to_owned(), "MB");
    }
    let whole = UNITS.iter().filter(|(_, scale)| bytes.is_multiple_of(*scale));
    let (unit, scale) = whole.max_by_key(|(_, scale)| *scale).copied().unwrap_or(("B", 1));
    ((bytes / scale).to_string(), unit)
}

/// The number by which exactly these bytes are typed in `unit`, where there is one: `1.5` GB of 1,500,000,000.
pub(crate) fn typed_in(value: u64, unit: &str) -> Option<String> {
    let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let hundredths = u128::from(value) * 100 / u128::from(*scale);
    let (whole, part) = (hundredths / 100, hundredths % 100);
    let typed =
        if part == 0 { whole.to_string() } else { format!("{whole}.{part:02}").trim_end_matches('0').to_owned() };
    (bytes(&typed, unit) == Ok(value)).then_some(typed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_typed_back_as_the_same_bytes() {
        for (value, number, unit) in [
            (0, "0", "MB"),
            (512 << 20, "512", "MiB"),
            (500_000_000_000, "500", "GB"),
            (1 << 40, "1", "TiB"),
            (1_048_577, "1048577", "B"),
            (u64::MAX, "18446744073709551615", "B"),
        ] {
            assert_eq!(typed(value), (number.to_owned(), unit));
            assert_eq!(bytes(number, unit), Ok(value));
        }
    }

    #[test]
    fn a_unit_that_was_chosen_is_kept_where_the_value_is_a_number_of_it() {
        for (value, unit, want) in [
            (1_500_000_000, "GB", Some("1.5")),
            (1_500_000_000, "MB", Some("1500")),
            (1_000_000_000_000, "GB", Some("1000")),
            (10_050_000, "MB", Some("10.05")),
            (0, "GiB", Some("0")),
            (512 << 20, "MB", None),
            (512 << 20, "GiB", Some("0.5")),
            (1, "parsec", None),
        ] {
            assert_eq!(typed_in(value, unit).as_deref(), want, "{value} {unit}");
        }
    }

    #[test]
    fn amounts_that_people_type() {
        for (number, unit, want) in [
            ("1,5", "GB", Ok(1_500_000_000)),
            ("1.25", "kB", Ok(1_250)),
            ("0,5", "B", Ok(0)),
            ("", "MB", Err(Wrong::Missing)),
            ("1.000", "MB", Err(Wrong::NoNumber)),
            ("-1", "MB", Err(Wrong::NoNumber)),
            ("1,", "MB", Err(Wrong::NoNumber)),
            (",5", "MB", Err(Wrong::NoNumber)),
            ("1e3", "MB", Err(Wrong::NoNumber)),
            ("1,-5", "MB", Err(Wrong::NoNumber)),
            ("\u{662}", "MB", Err(Wrong::NoNumber)),
            ("1", "mb", Err(Wrong::NoUnit)),
            ("99999999999999999999", "TiB", Err(Wrong::TooMuch)),
            ("18446744073709551616", "B", Err(Wrong::TooMuch)),
        ] {
            assert_eq!(bytes(number, unit), want, "{number} {unit}");
        }
        assert_eq!(count(&"1".repeat(5000)), Err(Wrong::TooMuch));
        assert_eq!((count("007"), count("+1"), count("1 000")), (Ok(7), Err(Wrong::NoNumber), Err(Wrong::NoNumber)));
    }
}
