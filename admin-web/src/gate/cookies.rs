//! The two cookies of the gate: who is signed in, and before that which browser it is. Over TLS they have the prefix that
//! browsers accept from this host over TLS alone.

use http::{HeaderMap, HeaderValue};

use super::tokens;
use crate::view::cookie;

/// The session's secret.
pub(crate) const SESSION: &str = "pixelfox_session";
/// A secret for the form that signs in.
pub(crate) const DOOR: &str = "pixelfox_door";
/// Source: RFC 6265bis, section 4.1.3.2.
const OVER_TLS: &str = "__Host-";

/// Its secret, where it has one that can be ours.
pub(crate) fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let over_tls = cookie(headers, &format!("{OVER_TLS}{name}"));
    over_tls.or_else(|| cookie(headers, name)).filter(|secret| tokens::is_secret(secret))
}

/// Sets it, out of reach for scripts and other sites. `seconds` 0 takes it away.
pub(crate) fn set(name: &str, secret: &str, seconds: i64, over_tls: bool) -> HeaderValue {
    let (prefix, secure) = if over_tls { (OVER_TLS, "; Secure") } else { ("", "") };
    let text = format!("{prefix}{name}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&text).expect("letters, digits and signs of a cookie")
}
