//! Numbers, sizes, times and words of strangers as a person reads them in a terminal. Pure.

use jiff::Timestamp;

const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/// Without what a terminal would act on: names come from whoever uploads.
pub(super) fn clean(text: &str) -> String {
    let harmful = |c: char| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if harmful(c) { '\u{fffd}' } else { c }).collect()
}

/// `12,345`
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 image`, `12,345 images`
pub(super) fn counted(number: u64, one: &str) -> String {
    format!("{} {one}{}", count(number), if number == 1 { "" } else { "s" })
}

/// `12.4 GB`, powers of 1000, three digits.
pub(super) fn bytes(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut unit, mut scale) = (0, 1u64);
    // Rounded to three digits: 999,950 is 1.00 MB and not 1000 kB.
    while unit + 1 < UNITS.len() && u128::from(bytes) * 2 >= u128::from(scale) * 1999 {
        unit += 1;
        scale *= 1000;
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let number = bytes as f64 / scale as f64;
    let decimals = match number {
        ..9.995 => 2,
        9.995..99.95 => 1,
        _ => 0,
    };
    format!("{number:.decimals$} {}", UNITS[unit])
}

/// A size that somebody chose: `512 MiB` where that is what it is, else like any other.
pub(super) fn chosen(size: u64) -> String {
    let units = [("TiB", 1u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let whole = units.iter().find(|(_, unit)| (1..1024).contains(&(size / unit)) && size.is_multiple_of(*unit));
    match whole {
        Some((name, unit)) if !size.is_multiple_of(1_000_000) => format!("{} {name}", count(size / unit)),
        _ => bytes(size),
    }
}

/// `no limit`, or the size.
pub(super) fn limit(max: u64) -> String {
    if max == 0 { "no limit".into() } else { chosen(max) }
}

/// `48.2 MB/s`
pub(super) fn rate(bytes_per_second: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what a u64 holds")]
    let whole = bytes_per_second.clamp(0.0, 1e18) as u64;
    format!("{}/s", bytes(whole))
}

/// `40 s`, `2 min`, `1 h 5 min`, `3 days`
pub(super) fn duration(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what a u64 holds")]
    let seconds = seconds.clamp(0.0, 1e15).ceil() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 if seconds % 3600 < 60 => format!("{} h", seconds / 3600),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        86_400..172_800 => "1 day".into(),
        _ => format!("{} days", count(seconds / 86_400)),
    }
}

/// `2026-11-24 16:00:00Z`; `-` where there is none.
pub(super) fn time(at: Option<&prost_types::Timestamp>) -> String {
    let at = at.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok());
    at.map_or_else(|| "-".into(), |at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// `43 %`: never 100 before it is all, never 0 once there is something.
pub(super) fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 || part >= whole {
        return 100;
    }
    let percent = u64::try_from(u128::from(part) * 100 / u128::from(whole)).unwrap_or(99);
    if part > 0 { percent.max(1) } else { 0 }
}

/// A time as a person gives it: `2026-11-24`, or with the time of day as RFC 3339 has it.
///
/// # Errors
/// How it is written.
pub(super) fn parse_time(text: &str) -> Result<prost_types::Timestamp, String> {
    let day = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    let at = text.parse::<Timestamp>().ok().or_else(|| Some(day()?.timestamp()));
    let at = at.ok_or_else(|| "must be a day or a time, for instance 2026-11-24 or 2026-11-24T16:00:00Z".to_owned())?;
    Ok(prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() })
}

/// A size as a person gives it: `512MiB`, `2GB`.
///
/// # Errors
/// How it is written.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    pixelfox_node::config::parse_size(text).ok_or_else(|| "must be a size, for instance 512MiB or 2GB".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_people_read_them() {
        for (size, want) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (9_994, "9.99 kB"),
            (9_996, "10.0 kB"),
            (12_400_000_000, "12.4 GB"),
            (999_950, "1.00 MB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(bytes(size), want);
        }
        let chosen = [512 << 20, 500_000_000_000, 1 << 30, 44_773_806_080, 0].map(chosen);
        assert_eq!(chosen, ["512 MiB", "500 GB", "1 GiB", "44.8 GB", "0 B"]);
        assert_eq!((count(0), count(999), count(12_345_678)), ("0".into(), "999".into(), "12,345,678".into()));
    }

    #[test]
    fn durations_percents_and_times() {
        let said = [0.2, 59.5, 3599.0, 3600.0, 3900.0, 90_000.0, 200_000.0].map(duration);
        assert_eq!(said, ["1 s", "1 min", "59 min", "1 h", "1 h 5 min", "1 day", "2 days"]);
        let percents = [(0, 9), (1, 1_000_000), (999_999, 1_000_000), (5, 5), (0, 0)].map(|(a, b)| percent(a, b));
        assert_eq!(percents, [0, 1, 99, 100, 100]);
        let at = parse_time("2026-11-24").unwrap();
        assert_eq!(time(Some(&at)), "2026-11-24 00:00:00Z");
        assert_eq!(time(Some(&parse_time("2026-11-24T16:00:00+01:00").unwrap())), "2026-11-24 15:00:00Z");
        assert!(parse_time("yesterday").is_err());
    }

    #[test]
    fn what_a_terminal_would_act_on_is_taken_out() {
        assert_eq!(clean("a\u{1b}[2Jb\tc\u{202e}d"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
    }
}
