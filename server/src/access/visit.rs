//! A visit: the cookie session of somebody without a login. Within it the same bytes are one image; between visits
//! nothing is shared.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, header};
use pixelfox_proto::{Sha256, VisitorId};

/// The name of the cookie. It ends with the browser's session.
pub const VISIT_COOKIE: &str = "pixelfox_visit";
/// Length of its value: 16 bytes in base64.
const VALUE_BYTES: usize = 22;

/// `Set-Cookie` of a new visit. `secure`: the browser came by https.
#[must_use]
pub fn visit_cookie(random: [u8; 16], secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{VISIT_COOKIE}={}; Path=/; HttpOnly; SameSite=Strict{secure}", URL_SAFE_NO_PAD.encode(random))
}

/// Whose visit the cookies name. The number tells nothing of the cookie, so that no log and no book can be used to
/// continue a visit.
#[must_use]
pub fn visitor_of(headers: &HeaderMap) -> Option<VisitorId> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, value)| *name == VISIT_COOKIE && value.len() == VALUE_BYTES)?;
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
        assert!(visit_cookie([1; 16], true).ends_with("; Secure"));
    }
}
