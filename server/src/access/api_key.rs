//! API keys: the word that a client sends, and the digest that the books keep.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, header};
use pixelfox_proto::Sha256;

/// Every key begins so, for people and for tools that look for secrets in the wrong places.
const PREFIX: &str = "pfk_";
/// Longer words are no keys, and are not hashed.
const MAX_BYTES: usize = 256;
const HEADER: &str = "x-api-key";

/// A key in clear. Shown once, when it is made; never kept, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyWord(String);

impl KeyWord {
    /// A new key of these random bytes.
    #[must_use]
    pub fn new(random: [u8; 32]) -> Self {
        Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random)))
    }

    /// The word itself. Never log it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What the books keep. A plain digest will do: nobody guesses 32 random bytes, however fast.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        Sha256::of(self.0.as_bytes())
    }
}

impl std::fmt::Debug for KeyWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyWord(…)")
    }
}

/// The key of a request: `X-API-Key`, else `Authorization: Bearer`. `None`: it offers none. What can't be one is
/// [`KeyWord`] all the same, and is not found.
#[must_use]
pub fn key_in(headers: &HeaderMap) -> Option<KeyWord> {
    let own = headers.get(HEADER).map(|value| value.to_str().unwrap_or("?").trim());
    let offered = own.filter(|word| !word.is_empty()).or_else(|| bearer(headers))?;
    Some(KeyWord(offered.chars().take(MAX_BYTES).collect()))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().unwrap_or("?");
    let (scheme, word) = value.split_once(' ').unwrap_or((value, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| word.trim()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_long_and_is_not_printed() {
        let key = KeyWord::new([7; 32]);
        assert!(key.reveal().starts_with(PREFIX) && key.reveal().len() == PREFIX.len() + 43, "{}", key.reveal());
        assert!(!format!("{key:?}").contains(key.reveal()));
        assert_ne!(key.digest(), KeyWord::new([8; 32]).digest());
    }

    #[test]
    fn where_a_key_stands() {
        for (headers, want) in [
            (&[][..], None),
            (&[("x-api-key", "a")], Some("a")),
            (&[("authorization", "Bearer b")], Some("b")),
            (&[("authorization", "bearer  b ")], Some("b")),
            (&[("x-api-key", "a"), ("authorization", "Bearer b")], Some("a")),
            (&[("x-api-key", " "), ("authorization", "Bearer b")], Some("b")),
            (&[("authorization", "Basic b")], None),
            (&[("authorization", "Bearer ")], None),
        ] {
            let pairs = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            let headers = HeaderMap::from_iter(pairs);
            assert_eq!(key_in(&headers).as_ref().map(KeyWord::reveal), want, "{headers:?}");
        }
    }
}
