//! Shared secrets: compared in constant time, never printed. While a secret is changed the previous one also counts.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, header};
use pixelfox_proto::{Claims, TokenError};
use subtle::{Choice, ConstantTimeEq as _};

/// A secret and, where it is being changed, the one before.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretPair {
    current: Box<str>,
    previous: Option<Box<str>>,
}

/// Fewer characters than this are a warning at the start.
pub const SHORT_SECRET_CHARS: usize = 16;

impl SecretPair {
    /// `current` signs and is sent; both are accepted.
    #[must_use]
    pub fn new(current: impl Into<Box<str>>, previous: Option<String>) -> Self {
        Self { current: current.into(), previous: previous.map(Into::into) }
    }

    /// The one to sign and send with. Never log it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.current
    }

    /// Whether `offered` is one of the two. Takes the same time for every wrong word of one length.
    #[must_use]
    pub fn matches(&self, offered: &str) -> bool {
        let equal = |secret: &str| secret.as_bytes().ct_eq(offered.as_bytes());
        let previous = self.previous.as_deref().map_or(Choice::from(0), equal);
        (equal(&self.current) | previous).into()
    }

    /// Whether `headers` carry `Authorization: Bearer` (scheme in any case) with one of the two.
    #[must_use]
    pub fn authorizes(&self, headers: &HeaderMap) -> bool {
        bearer(headers).is_some_and(|offered| self.matches(offered))
    }

    /// Checks an upload token. `now` in Unix seconds.
    ///
    /// # Errors
    /// As [`Claims::check`].
    pub fn check_token(&self, token: &str, now: i64) -> Result<Claims, TokenError> {
        let both = std::iter::once(&self.current).chain(&self.previous);
        Claims::check(token, both.map(|secret| secret.as_bytes()), now)
    }

    /// hex HMAC-SHA256 of `<nonce>.<node_id>`: proves who has the secret without sending it.
    #[must_use]
    pub fn identity_proof(&self, nonce: &str, node_id: &str) -> String {
        proof(&self.current, nonce, node_id)
    }

    /// The same under the secret before, where there is one: so that who still has that one sees that it is accepted.
    #[must_use]
    pub fn previous_identity_proof(&self, nonce: &str, node_id: &str) -> Option<String> {
        self.previous.as_ref().map(|previous| proof(previous, nonce, node_id))
    }

    /// HMAC-SHA256 of `purpose`: equal where the secrets are, and of no other use.
    #[must_use]
    pub fn tag(&self, purpose: &str) -> Vec<u8> {
        mac(&self.current, purpose)
    }

    /// Whether it is short enough to be guessed.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.current.chars().count() < SHORT_SECRET_CHARS
    }
}

fn proof(secret: &str, nonce: &str, node_id: &str) -> String {
    mac(secret, &format!("{nonce}.{node_id}")).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mac(secret: &str, text: &str) -> Vec<u8> {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

impl fmt::Debug for SecretPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretPair(…)")
    }
}

/// The two secrets that all nodes share. `None`: what needs it answers 401.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secrets {
    /// `REPLICATION_SECRET`.
    pub replication: Option<SecretPair>,
    /// `UPLOAD_TOKEN_SECRET`.
    pub upload_token: Option<SecretPair>,
}

/// The word behind `Authorization: Bearer`, scheme in any case.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, word) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| word.trim()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn the_current_and_the_previous_secret_are_accepted() {
        let pair = SecretPair::new("new secret", Some("old secret".into()));
        for (offered, accepted) in
            [("new secret", true), ("old secret", true), ("new secre", false), ("", false), ("new secret ", false)]
        {
            assert_eq!(pair.matches(offered), accepted, "{offered}");
        }
        for (value, accepted) in [
            ("Bearer new secret", true),
            ("bEARER old secret", true),
            ("Basic new secret", false),
            ("Bearer", false),
            ("Bearer ", false),
        ] {
            assert_eq!(pair.authorizes(&headers(value)), accepted, "{value}");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        let secrets =
            Secrets { replication: Some(SecretPair::new("hush-hush", Some("older-hush".into()))), upload_token: None };
        assert!(!format!("{secrets:?}").contains("hush"));
    }

    /// RFC 4231's second case, split at a dot as the proof is.
    #[test]
    fn the_proof_is_an_hmac_of_nonce_and_node() {
        let pair = SecretPair::new("s", None);
        assert_eq!(pair.identity_proof("00ff", "s01").len(), 64);
        assert_ne!(pair.identity_proof("00ff", "s01"), pair.identity_proof("00ff", "s02"));
        assert_ne!(pair.identity_proof("00ff", "s01"), SecretPair::new("t", None).identity_proof("00ff", "s01"));
    }
}
