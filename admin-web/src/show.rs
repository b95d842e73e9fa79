//! Amounts and times as people read them, with the exact value to hover over. Pure: the time is an argument.
//! Arguments are `Borrow`, because templates hand over references and code hands over values.

use std::{borrow::Borrow, fmt};

use askama::filters::HtmlSafe;
use jiff::{Timestamp, tz::TimeZone};
use pixelfox_proto::Language;

use crate::{
    said,
    words::{Units, fill},
};

/// What a page shows of a value: a short form, and the exact one on hover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exact {
    /// As read.
    pub short: String,
    exact: String,
    /// For a point in time: RFC 3339, so that the script can say it in the reader's own zone.
    instant: Option<String>,
}

impl fmt::Display for Exact {
    /// HTML. Both texts are digits, separators, units and words of ours, and need no escaping.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.instant {
            Some(instant) => {
                write!(f, "<time datetime=\"{instant}\" title=\"{}\">{}</time>", self.exact, self.short)
            }
            None if self.exact == self.short => f.write_str(&self.short),
            None => write!(f, "<span title=\"{}\">{}</span>", self.exact, self.short),
        }
    }
}

impl HtmlSafe for Exact {}

impl Exact {
    /// The exact value.
    #[must_use]
    pub fn exact(&self) -> &str {
        &self.exact
    }
}

/// Shows values in one language at one point in time.
#[derive(Clone, Copy, Debug)]
pub struct Show {
    language: Language,
    now: Timestamp,
}

const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
const BINARY_UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

impl Show {
    /// In `language` at `now`.
    #[must_use]
    pub const fn new(language: Language, now: Timestamp) -> Self {
        Self { language, now }
    }

    /// What the books or a node say in English, in the reader's language where it is known.
    #[must_use]
    pub(crate) fn said(&self, english: &str) -> String {
        said::to(self.language, english)
    }

    /// `1.234.567`
    #[must_use]
    pub fn count(&self, count: impl Borrow<u64>) -> String {
        let digits = count.borrow().to_string();
        let separator = if self.language == Language::De { '.' } else { ',' };
        let mut text = String::with_capacity(digits.len() + digits.len() / 3);
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push(separator);
            }
            text.push(digit);
        }
        text
    }

    /// `1 Datei`, `2.000 Dateien`
    #[must_use]
    pub fn counted(&self, count: impl Borrow<u64>, one: &str, many: &str) -> String {
        format!("{} {}", self.count(*count.borrow()), if *count.borrow() == 1 { one } else { many })
    }

    /// The same where the words have the number in them: `{n} Dateien`.
    #[must_use]
    pub fn counted_in(&self, count: impl Borrow<u64>, one: &str, many: &str) -> String {
        let count = *count.borrow();
        fill(if count == 1 { one } else { many }, &[("n", &self.count(count))])
    }

    /// `12,4 GB`, powers of 1000.
    #[must_use]
    pub fn bytes(&self, bytes: impl Borrow<u64>) -> Exact {
        let bytes = *bytes.borrow();
        let exact = fill(self.units().bytes, &[("n", &self.count(bytes))]);
        Exact { short: self.scaled(bytes), exact, instant: None }
    }

    /// A limit that somebody chose: `512 MiB` where that is what it is, else like any other number of bytes.
    #[must_use]
    pub fn limit(&self, bytes: impl Borrow<u64>) -> Exact {
        let bytes = *bytes.borrow();
        let whole = BINARY_UNITS.iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
        let exact = self.bytes(bytes);
        match whole {
            Some((name, unit)) if bytes % 1_000_000 != 0 => {
                Exact { short: format!("{}\u{a0}{name}", self.count(bytes / unit)), ..exact }
            }
            _ => exact,
        }
    }

    /// `48,2 MB/s`
    #[must_use]
    pub fn rate(&self, bytes_per_second: impl Borrow<f64>) -> String {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what a u64 holds")]
        let whole = bytes_per_second.borrow().clamp(0.0, 1e18) as u64;
        format!("{}/s", self.scaled(whole))
    }

    /// `43 %`: never 100 before it is all, never 0 once there is something.
    #[must_use]
    pub fn percent(&self, part: impl Borrow<u64>, whole: impl Borrow<u64>) -> String {
        let (part, whole) = (*part.borrow(), *whole.borrow());
        let percent = permille(part, whole) / 10;
        if part > 0 && whole > 0 && percent == 0 {
            return "<\u{a0}1\u{a0}%".to_owned();
        }
        let percent = if part < whole && percent >= 100 { 99 } else { percent };
        format!("{percent}\u{a0}%")
    }

    /// `vor 3 Min.`, `in 20 Sek.`
    #[must_use]
    pub fn when(&self, at: Timestamp) -> Exact {
        let seconds = self.now.as_second() - at.as_second();
        let units = self.units();
        let short = match seconds {
            -2..=2 => units.now.to_owned(),
            3.. => fill(units.ago, &[("time", &self.span(seconds, units.days))]),
            _ => fill(units.ahead, &[("time", &self.span(-seconds, units.days))]),
        };
        let zoned = at.to_zoned(TimeZone::UTC);
        let pattern = if self.language == Language::De { "%d.%m.%Y, %H:%M:%S UTC" } else { "%Y-%m-%d, %H:%M:%S UTC" };
        Exact { short, exact: zoned.strftime(pattern).to_string(), instant: Some(at.to_string()) }
    }

    /// The same for a time of the wire; `None` where there is none.
    #[must_use]
    pub fn at(&self, at: Option<&prost_types::Timestamp>) -> Option<Exact> {
        Some(self.when(instant(at?)?))
    }

    /// `seit 3 Min.`; `None` where there is no such time.
    #[must_use]
    pub fn since(&self, at: Option<&prost_types::Timestamp>) -> Option<Exact> {
        let at = instant(at?)?;
        let seconds = (self.now.as_second() - at.as_second()).max(0);
        let short = fill(self.units().since, &[("time", &self.span(seconds, self.units().days))]);
        Some(Exact { short, ..self.when(at) })
    }

    /// `2 Std. 5 Min.`
    #[must_use]
    pub fn duration(&self, seconds: impl Borrow<f64>) -> String {
        #[expect(clippy::cast_possible_truncation, reason = "clamped to what an i64 holds")]
        let whole = seconds.borrow().clamp(0.0, 1e15).ceil() as i64;
        self.span(whole, self.units().days_long)
    }

    /// A short time as it was measured: `12 ms`, `1,3 s`.
    #[must_use]
    pub fn moment(&self, seconds: f64) -> String {
        let text = if seconds < 1.0 { format!("{:.0} ms", seconds * 1000.0) } else { format!("{seconds:.1} s") };
        let text = if self.language == Language::De { text.replace('.', ",") } else { text };
        text.replace(' ', "\u{a0}")
    }

    /// Today as stored paths have it: `2026/11/24`.
    #[must_use]
    pub fn day_path(&self) -> String {
        self.now.to_zoned(TimeZone::UTC).strftime("%Y/%m/%d").to_string()
    }

    fn span(&self, seconds: i64, days: &str) -> String {
        let units = self.units();
        let number = |text: &str, n: i64| fill(text, &[("n", &n.to_string())]);
        let text = match seconds {
            ..MINUTE => number(units.seconds, seconds),
            MINUTE..HOUR => number(units.minutes, seconds / MINUTE),
            HOUR..DAY if seconds % HOUR >= MINUTE && seconds < 10 * HOUR => {
                fill(&number(units.hour_minutes, seconds / HOUR), &[("m", &(seconds % HOUR / MINUTE).to_string())])
            }
            HOUR..DAY => number(units.hours, seconds / HOUR),
            _ if seconds < 2 * DAY => units.day.to_owned(),
            _ => number(days, seconds / DAY),
        };
        text.replace(' ', "\u{a0}")
    }

    fn scaled(&self, bytes: u64) -> String {
        if bytes < 1000 {
            return format!("{bytes}\u{a0}B");
        }
        let (mut unit, mut scale) = (0, 1000u64);
        // Rounded to three digits: 999,950 is 1.00 MB and not 1000 kB.
        while unit + 1 < UNITS.len() && u128::from(bytes) * 2 >= u128::from(scale) * 1999 {
            unit += 1;
            scale *= 1000;
        }
        let decimals = match u128::from(bytes) / u128::from(scale) {
            0..10 => 2,
            10..100 => 1,
            _ => 0,
        };
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let mut number = format!("{:.decimals$}", bytes as f64 / scale as f64);
        if self.language == Language::De {
            number = number.replace('.', ",");
        }
        format!("{number}\u{a0}{}", UNITS[unit])
    }

    fn units(&self) -> &'static Units {
        &crate::words::of(self.language).units
    }
}

/// Parts of a thousand, as far as there are: for the geometry of bars.
#[must_use]
pub(crate) fn permille(part: u64, whole: u64) -> u64 {
    if whole == 0 {
        return 0;
    }
    let share = u128::from(part.min(whole)) * 1000 / u128::from(whole);
    u64::try_from(share).unwrap_or(1000)
}

/// A time of the wire.
#[must_use]
pub(crate) fn instant(at: &prost_types::Timestamp) -> Option<Timestamp> {
    Timestamp::new(at.seconds, at.nanos).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(language: Language) -> Show {
        Show::new(language, "2026-11-24T15:00:00Z".parse().unwrap())
    }

    #[test]
    fn bytes_as_people_read_them() {
        let (de, en) = (show(Language::De), show(Language::En));
        for (bytes, want) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1,00 kB"),
            (12_400_000_000, "12,4 GB"),
            (999_400, "999 kB"),
            (999_950, "1,00 MB"),
            (123_456_789, "123 MB"),
            (u64::MAX, "18,4 EB"),
        ] {
            assert_eq!(de.bytes(bytes).short.replace('\u{a0}', " "), want, "{bytes}");
        }
        assert_eq!(en.bytes(12_400_000_000).to_string(), "<span title=\"12,400,000,000 bytes\">12.4\u{a0}GB</span>");
        assert_eq!(de.limit(512 << 20).short, "512\u{a0}MiB");
        assert_eq!(de.limit(500_000_000_000).short, "500\u{a0}GB");
    }

    #[test]
    fn times_as_people_read_them() {
        let (de, en) = (show(Language::De), show(Language::En));
        for (at, german, english) in [
            ("2026-11-24T15:00:01Z", "gerade eben", "just now"),
            ("2026-11-24T14:59:30Z", "vor 30 Sek.", "30 s ago"),
            ("2026-11-24T14:57:00Z", "vor 3 Min.", "3 min ago"),
            ("2026-11-24T12:54:00Z", "vor 2 Std. 6 Min.", "2 h 6 min ago"),
            ("2026-11-23T15:00:00Z", "vor 1 Tag", "1 day ago"),
            ("2026-11-14T15:00:00Z", "vor 10 Tagen", "10 days ago"),
            ("2026-11-24T15:00:25Z", "in 25 Sek.", "in 25 s"),
        ] {
            let at = at.parse().unwrap();
            assert_eq!(de.when(at).short.replace('\u{a0}', " "), german);
            assert_eq!(en.when(at).short.replace('\u{a0}', " "), english);
        }
        assert_eq!(de.duration(10.0 * 86_400.0).replace('\u{a0}', " "), "10 Tage");
        let exact = de.when("2026-11-24T14:57:00Z".parse().unwrap()).to_string();
        assert!(exact.contains("datetime=\"2026-11-24T14:57:00Z\" title=\"24.11.2026, 14:57:00 UTC\""), "{exact}");
    }

    #[test]
    fn a_share_is_whole_only_when_all_is_there() {
        let de = show(Language::De);
        for (part, whole, want) in
            [(0, 9, "0"), (1, 1_000_000, "<\u{a0}1"), (999_999, 1_000_000, "99"), (9, 9, "100"), (3, 0, "0")]
        {
            assert_eq!(de.percent(part, whole), format!("{want}\u{a0}%"), "{part} of {whole}");
        }
        assert_eq!(de.count(1_234_567), "1.234.567");
    }
}
