//! A visit: the cookie session of somebody without a login. Within it the same bytes are one image; between visits
//! nothing is shared.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, header};
use pixelfox_proto::{Sha256, VisitorId};

/// The name of the cookie. It ends with the browser's session.
pub const VISIT_COOKIE: &str = "pixelfox_visit";
/// Over TLS it has the prefix that browsers take from this host over TLS alone. Source: RFC 6265bis, section 4.1.3.2.
const OVER_TLS: &str = "__Host-";
/// Length of its value: 16 bytes in base64.
const VALUE_BYTES: usize = 22;

/// `Set-Cookie` of a new visit. `secure`: the browser came by https.
#[must_use]
pub fn visit_cookie(random: [u8; 16], secure: bool) -> String {
    let (prefix, secure) = if secure { (OVER_TLS, "; Secure") } else { ("", "") };
    format!("{prefix}{VISIT_COOKIE}={}; Path=/; HttpOnly; SameSite=Strict{secure}", URL_SAFE_NO_PAD.encode(random))
}

/// Whose visit the cookies name. The number tells nothing of the cookie, so that no log and no book can be used to
/// continue a visit.
#[must_use]
pub fn visitor_of(headers: &HeaderMap) -> Option<VisitorId> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let ours = pairs.filter(|(_, value)| value.len() == VALUE_BYTES).filter_map(|(name, value)| {
        let (bare, over_tls) = name.strip_prefix(OVER_TLS).map_or((name, false), |bare| (bare, true));
        (bare == VISIT_COOKIE).then_some((over_tls, value))
    });
    let (_, value) = ours.reduce(|best, next| if next.0 && !best.0 { next } else { best })?;
    let digest = Sha256::of(format!("visit {value}").as_bytes());
    let (first, _) = digest.as_bytes().split_at(8);
    let number = u64::from_be_bytes(first.try_into().ok()?);
    VisitorId::new(number >> 1) // fits the databases' integers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_is_found_again_by_its_cookie() {
        let cookie = |random| visit_cookie(random, false).split_once(';').unwrap().0.to_owned();
        let (one, other) = (cookie([1; 16]), cookie([2; 16]));
        let visitor = |line: &str| visitor_of(&HeaderMap::from_iter([(header::COOKIE, line.parse().unwrap())]));
        let first = visitor(&one).unwrap();
        assert_eq!(visitor(&format!("lang=de; {one}")), Some(first));
        assert_ne!(visitor(&other), Some(first));
        assert!(i64::try_from(first.get()).is_ok());
        for none in
            ["", "lang=de", "pixelfox_visit=", "pixelfox_visit=short", "x_pixelfox_visit=1234567890123456789012"]
        {
            assert_eq!(visitor(none), None, "{none}");
        }
        let over_tls = visit_cookie([3; 16], true);
        assert!(over_tls.starts_with("__Host-pixelfox_visit=") && over_tls.ends_with("; Secure"), "{over_tls}");
        let bound = over_tls.split_once(';').unwrap().0;
        assert_eq!(visitor(&format!("{one}; {bound}; {other}")), visitor(bound), "the one that nobody else can set");
        assert!(visitor(bound).is_some_and(|visitor| visitor != first));
    }
}
