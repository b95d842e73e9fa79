//! HTTP ranges and validators (RFC 9110, sections 13 and 14): which part of a file answers a request, if any.
//! Pure: headers and the file's facts go in, an [`Answer`] comes out. Must not open files or read a clock.

use std::{
    fmt::Write as _,
    ops::Range,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderValue, header};
use pixelfox_proto::Sha256;

/// What a conditional request is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators {
    etag: String,
    modified: SystemTime,
}

impl Validators {
    /// Of a file whose digest is on its mark: a strong tag, because a stored path never changes its bytes.
    #[must_use]
    pub fn strong(sha256: &Sha256, modified: SystemTime) -> Self {
        Self { etag: format!("\"{sha256}\""), modified: whole_seconds(modified) }
    }

    /// Of a file that nobody has hashed yet: a weak tag of size and time.
    #[must_use]
    pub fn weak(size: u64, modified: SystemTime) -> Self {
        let nanos = modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let mut etag = String::new();
        write!(etag, "W/\"{size:x}-{nanos:x}\"").expect("a String takes every write");
        Self { etag, modified: whole_seconds(modified) }
    }

    /// As `ETag` says it, quotes included.
    #[must_use]
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// As `Last-Modified` says it.
    #[must_use]
    pub fn last_modified(&self) -> String {
        httpdate::fmt_http_date(self.modified)
    }
}

/// `Last-Modified` has no fractions: what is compared has none either.
fn whole_seconds(at: SystemTime) -> SystemTime {
    let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Which bytes a request gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 304: the client has these bytes already.
    NotModified,
    /// 200: everything.
    Whole,
    /// 206: these bytes, end excluded. Never empty.
    Part(Range<u64>),
    /// 416: the range begins behind the end.
    Unsatisfiable,
}

/// How the request was made: `Range` counts only for GET (RFC 9110, 14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// With a body.
    Get,
    /// Headers alone.
    Head,
}

/// The answer to a request with `headers` for a file of `size` bytes. O(length of the headers).
///
/// The order is RFC 9110, 13.2.2: `If-None-Match`, without it `If-Modified-Since`, then `Range` under `If-Range`.
/// What is malformed is ignored, as the RFC demands; several ranges are answered with the whole file.
#[must_use]
pub fn answer(method: Method, headers: &HeaderMap, file: &Validators, size: u64) -> Answer {
    if not_modified(headers, file) {
        return Answer::NotModified;
    }
    if method == Method::Head || !range_counts(headers, file) {
        return Answer::Whole;
    }
    let Some(range) = only(headers, header::RANGE).and_then(|value| value.to_str().ok()) else {
        return Answer::Whole;
    };
    match single_range(range) {
        Some(spec) => spec.within(size),
        None => Answer::Whole,
    }
}

/// A header that makes sense once; sent twice it is as good as absent.
fn only(headers: &HeaderMap, name: header::HeaderName) -> Option<&HeaderValue> {
    let mut all = headers.get_all(name).iter();
    all.next().filter(|_| all.next().is_none())
}

fn not_modified(headers: &HeaderMap, file: &Validators) -> bool {
    if headers.contains_key(header::IF_NONE_MATCH) {
        let lines = headers.get_all(header::IF_NONE_MATCH).iter();
        return lines.filter_map(|line| line.to_str().ok()).any(|line| names_tag(line, &file.etag));
    }
    let since = only(headers, header::IF_MODIFIED_SINCE).and_then(http_date);
    since.is_some_and(|since| file.modified <= since)
}

/// Whether a list of entity tags holds `*` or, by weak comparison, `etag`.
fn names_tag(line: &str, etag: &str) -> bool {
    let bare = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    line.trim() == "*" || line.split(',').any(|tag| bare(tag.trim()) == bare(etag))
}

/// `If-Range` is compared strongly: a weak tag never matches, a date only exactly.
fn range_counts(headers: &HeaderMap, file: &Validators) -> bool {
    if !headers.contains_key(header::IF_RANGE) {
        return true;
    }
    let Some(condition) = only(headers, header::IF_RANGE) else { return false };
    match condition.as_bytes() {
        [b'"', ..] => condition.as_bytes() == file.etag.as_bytes(),
        [b'W', b'/', ..] => false,
        _ => http_date(condition) == Some(file.modified),
    }
}

fn http_date(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?.trim()).ok()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spec {
    From { first: u64, last: Option<u64> },
    Suffix(u64),
}

impl Spec {
    fn within(self, size: u64) -> Answer {
        match self {
            Self::From { first, .. } if first >= size => Answer::Unsatisfiable,
            Self::From { first, last } => {
                Answer::Part(first..last.map_or(size, |last| size.min(last.saturating_add(1))))
            }
            Self::Suffix(0) => Answer::Unsatisfiable,
            Self::Suffix(_) if size == 0 => Answer::Whole, // satisfiable by the RFC, but Content-Range can't say so
            Self::Suffix(length) => Answer::Part(size.saturating_sub(length)..size),
        }
    }
}

/// The one range of `bytes=…`; `None` where it is malformed, in another unit, or one of several.
fn single_range(value: &str) -> Option<Spec> {
    let (unit, set) = value.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut specs = set.split(',').map(str::trim).filter(|spec| !spec.is_empty());
    let (first, last) = specs.next().filter(|_| specs.next().is_none())?.split_once('-')?;
    match (first, last) {
        ("", length) => digits(length).map(Spec::Suffix),
        (first, "") => digits(first).map(|first| Spec::From { first, last: None }),
        (first, last) => {
            let (first, last) = (digits(first)?, digits(last)?);
            (first <= last).then_some(Spec::From { first, last: Some(last) })
        }
    }
}

/// A number of any length; beyond `u64` it is as good as the largest one.
fn digits(word: &str) -> Option<u64> {
    if word.is_empty() || !word.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(word.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DATE: &str = "Tue, 24 Nov 2026 08:00:00 GMT";
    const EARLIER: &str = "Tue, 24 Nov 2026 07:59:59 GMT";
    const LATER: &str = "Tue, 24 Nov 2026 08:00:01 GMT";

    fn modified() -> SystemTime {
        httpdate::parse_http_date(DATE).unwrap() + Duration::from_millis(750)
    }

    fn file() -> Validators {
        Validators::strong(&Sha256::new([0xab; 32]), modified())
    }

    fn ask(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn ranges_of_a_file_of_ten_bytes() {
        use Answer::{Part, Unsatisfiable, Whole};
        for (range, want) in [
            ("bytes=0-0", Part(0..1)),
            ("bytes=0-9", Part(0..10)),
            ("bytes=2-5", Part(2..6)),
            ("bytes=9-", Part(9..10)),
            ("bytes=0-", Part(0..10)),
            ("bytes=3-1000", Part(3..10)),
            ("bytes=0-99999999999999999999999999", Part(0..10)),
            ("bytes=0-18446744073709551615", Part(0..10)),
            ("bytes=-3", Part(7..10)),
            ("bytes=-10", Part(0..10)),
            ("bytes=-99999999999999999999999999", Part(0..10)),
            ("BYTES = 2-5", Part(2..6)),
            ("bytes= 2-5 ", Part(2..6)),
            ("bytes=2-5,", Part(2..6)),
            ("bytes=10-", Unsatisfiable),
            ("bytes=10-20", Unsatisfiable),
            ("bytes=99999999999999999999999999-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=0-1,3-4", Whole),
            ("bytes=10-,0-1", Whole),
            ("bytes=5-2", Whole),
            ("bytes=-", Whole),
            ("bytes=", Whole),
            ("bytes=,", Whole),
            ("bytes", Whole),
            ("bytes=a-b", Whole),
            ("bytes=1-2x", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=--1", Whole),
            ("bytes=1 - 2", Whole),
            ("items=0-1", Whole),
            ("", Whole),
        ] {
            assert_eq!(answer(Method::Get, &ask(&[("range", range)]), &file(), 10), want, "{range}");
        }
    }

    #[test]
    fn an_empty_file_has_no_ranges() {
        for (range, want) in [("bytes=0-", Answer::Unsatisfiable), ("bytes=-5", Answer::Whole)] {
            assert_eq!(answer(Method::Get, &ask(&[("range", range)]), &file(), 0), want, "{range}");
        }
    }

    #[test]
    fn head_has_no_ranges_and_two_range_headers_are_none() {
        assert_eq!(answer(Method::Head, &ask(&[("range", "bytes=0-1")]), &file(), 10), Answer::Whole);
        let twice = ask(&[("range", "bytes=0-1"), ("range", "bytes=0-1")]);
        assert_eq!(answer(Method::Get, &twice, &file(), 10), Answer::Whole);
    }

    #[test]
    fn validators() {
        use Answer::{NotModified, Part, Whole};
        let tag = file().etag().to_owned();
        let (weak, list) = (format!("W/{tag}"), format!("\"x\", {tag} ,\"y\""));
        for (why, lines, want) in [
            ("the tag", vec![("if-none-match", tag.as_str())], NotModified),
            ("the tag, weakly", vec![("if-none-match", &weak)], NotModified),
            ("one of several", vec![("if-none-match", &list)], NotModified),
            ("on a second line", vec![("if-none-match", "\"x\""), ("if-none-match", &tag)], NotModified),
            ("any", vec![("if-none-match", "*")], NotModified),
            ("another", vec![("if-none-match", "\"x\"")], Whole),
            ("without quotes", vec![("if-none-match", tag.trim_matches('"'))], Whole),
            ("same date", vec![("if-modified-since", DATE)], NotModified),
            ("later date", vec![("if-modified-since", LATER)], NotModified),
            ("earlier date", vec![("if-modified-since", EARLIER)], Whole),
            ("no date", vec![("if-modified-since", "yesterday")], Whole),
            ("old form", vec![("if-modified-since", "Tuesday, 24-Nov-26 08:00:00 GMT")], NotModified),
            ("tag before date", vec![("if-none-match", "\"x\""), ("if-modified-since", LATER)], Whole),
            ("304 before 206", vec![("if-none-match", &tag), ("range", "bytes=0-1")], NotModified),
            ("If-Range tag", vec![("if-range", &tag), ("range", "bytes=0-1")], Part(0..2)),
            ("If-Range weak tag", vec![("if-range", &weak), ("range", "bytes=0-1")], Whole),
            ("If-Range other tag", vec![("if-range", "\"x\""), ("range", "bytes=0-1")], Whole),
            ("If-Range date", vec![("if-range", DATE), ("range", "bytes=0-1")], Part(0..2)),
            ("If-Range earlier date", vec![("if-range", EARLIER), ("range", "bytes=0-1")], Whole),
            ("If-Range later date", vec![("if-range", LATER), ("range", "bytes=0-1")], Whole),
            ("If-Range nonsense", vec![("if-range", "x"), ("range", "bytes=0-1")], Whole),
            ("If-Range alone", vec![("if-range", &tag)], Whole),
            ("If-Range other tag, bad range", vec![("if-range", "\"x\""), ("range", "bytes=99-")], Whole),
        ] {
            assert_eq!(answer(Method::Get, &ask(&lines), &file(), 10), want, "{why}");
        }
    }

    #[test]
    fn a_file_without_a_digest_has_a_weak_tag() {
        let file = Validators::weak(10, modified());
        assert!(file.etag().starts_with("W/\"a-"), "{}", file.etag());
        assert_eq!(answer(Method::Get, &ask(&[("if-none-match", file.etag())]), &file, 10), Answer::NotModified);
        let ranged = ask(&[("if-range", file.etag()), ("range", "bytes=0-1")]);
        assert_eq!(answer(Method::Get, &ranged, &file, 10), Answer::Whole);
        assert_eq!(file.last_modified(), DATE);
    }

    proptest! {
        #[test]
        fn a_part_lies_inside_its_file(range in "(bytes=)?[0-9]{0,21}-?[0-9]{0,21},?", size in 0..40_u64) {
            if let Answer::Part(part) = answer(Method::Get, &ask(&[("range", &range)]), &file(), size) {
                prop_assert!(part.start < part.end && part.end <= size, "{:?} of {}", part, size);
            }
        }

        #[test]
        fn any_header_is_answered(lines in prop::collection::vec(("[ -~]{0,40}", 0..4_usize), 0..4)) {
            let names = ["range", "if-range", "if-none-match", "if-modified-since"];
            let lines: Vec<_> = lines.iter().map(|(value, name)| (names[*name], value.trim())).collect();
            let _answer = answer(Method::Get, &ask(&lines), &file(), 10);
        }
    }
}
