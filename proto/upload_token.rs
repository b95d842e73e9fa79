//! Upload tokens: what their bearer may store, where and until when. `now` is an argument.
//!
//! `B64(p) "." B64(HMAC-SHA256(secret, p))`, `p` the compact JSON of the claims. Source: docs/http.md, "The upload token".

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// 0: a visitor.
    pub user_id: u64,
    /// The pool to store in.
    pub pool_id: u64,
    /// Largest file in bytes.
    pub max_bytes: u64,
    /// Last Unix second at which it is valid.
    pub exp: i64,
    /// Who has counted the upload against the limits already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Via>,
    /// The cookie session of a visitor, so that the same bytes within it are one image. Never 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visitor: Option<VisitorId>,
    /// Revision of the settings that let the upload page have it: it is worth nothing under later ones that do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<u64>,
}

/// A visitor's cookie session, as a number that tells nothing of the cookie.
pub type VisitorId = std::num::NonZeroU64;

/// Where an upload came in before it reached the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// Through the app, which has applied the limits.
    App,
}

/// Why a token is refused. The texts are those of the contract's 401 row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is none.
    #[error("missing token")]
    Missing,
    /// Malformed, or signed with another secret.
    #[error("invalid token")]
    Invalid,
    /// Was valid once. The client is not told: only the node's log says so.
    #[error("invalid token")]
    Expired,
}

/// Longest token in bytes: larger ones are refused before they are decoded.
const MAX_BYTES: usize = 4096;

impl Claims {
    /// The token of these claims. It is as long-lived as `exp` says: the caller decides.
    #[must_use]
    pub fn mint(&self, secret: &[u8]) -> String {
        let payload = serde_json::to_vec(self).expect("a struct of numbers has a JSON form");
        let signature = sign(secret, &payload).finalize().into_bytes();
        format!("{}.{}", URL_SAFE_NO_PAD.encode(&payload), URL_SAFE_NO_PAD.encode(signature))
    }

    /// The claims of a token that one of `secrets` has signed and that has not expired at `now` (Unix seconds).
    /// The signature is compared in constant time, over the decoded bytes, before these are parsed.
    ///
    /// # Errors
    /// [`TokenError::Missing`] for an empty token, [`TokenError::Expired`] for one that was good, else
    /// [`TokenError::Invalid`].
    pub fn check<'a>(token: &str, secrets: impl IntoIterator<Item = &'a [u8]>, now: i64) -> Result<Self, TokenError> {
        if token.is_empty() {
            return Err(TokenError::Missing);
        }
        let (payload, signature) =
            token.split_once('.').filter(|_| token.len() <= MAX_BYTES).ok_or(TokenError::Invalid)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Invalid);
        let (payload, signature) = (decode(payload)?, decode(signature)?);
        let mut authentic = false;
        for secret in secrets {
            authentic |= sign(secret, &payload).verify_slice(&signature).is_ok();
        }
        if !authentic {
            return Err(TokenError::Invalid);
        }
        let claims: Self = serde_json::from_slice(&payload).map_err(|_| TokenError::Invalid)?;
        if now <= claims.exp { Ok(claims) } else { Err(TokenError::Expired) }
    }
}

fn sign(secret: &[u8], payload: &[u8]) -> Hmac<sha2::Sha256> {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(payload);
    mac
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claims(exp: i64) -> Claims {
        Claims { user_id: 1, pool_id: 2, max_bytes: 3, exp, via: None, visitor: None, settings: None }
    }

    /// The three vectors that older PixelFox nodes agree on.
    #[test]
    fn tokens_are_those_of_older_nodes() {
        for (claims, secret, token) in [
            (
                Claims { user_id: 1, pool_id: 2, max_bytes: 3, exp: 4, via: None, visitor: None, settings: None },
                "dev_secret_change_me",
                "eyJ1c2VyX2lkIjoxLCJwb29sX2lkIjoyLCJtYXhfYnl0ZXMiOjMsImV4cCI6NH0.-I-4QQuHC3YQaVcexoKAFNMr_YXVBKanVOR4Fm2leXA",
            ),
            (
                Claims {
                    user_id: 0,
                    pool_id: 7,
                    max_bytes: 536_870_912,
                    exp: 1_900_000_000,
                    via: None,
                    visitor: None,
                    settings: None,
                },
                "s",
                "eyJ1c2VyX2lkIjowLCJwb29sX2lkIjo3LCJtYXhfYnl0ZXMiOjUzNjg3MDkxMiwiZXhwIjoxOTAwMDAwMDAwfQ.VAqWxVI4diWtXA9rPJlmzFvlhOkaCh0n3rh7ZAj-C-A",
            ),
            (
                Claims {
                    user_id: 4_294_967_295,
                    pool_id: 1,
                    max_bytes: 9_223_372_036_854_775_807,
                    exp: 1_900_000_001,
                    via: None,
                    visitor: None,
                    settings: None,
                },
                "äöü secret",
                "eyJ1c2VyX2lkIjo0Mjk0OTY3Mjk1LCJwb29sX2lkIjoxLCJtYXhfYnl0ZXMiOjkyMjMzNzIwMzY4NTQ3NzU4MDcsImV4cCI6MTkwMDAwMDAwMX0.GPUDX_kOhYegc9qZIjoxNgl17OtwPGVJwq9Upn5Z4Fg",
            ),
        ] {
            assert_eq!(claims.mint(secret.as_bytes()), token);
            assert_eq!(Claims::check(token, [secret.as_bytes()], claims.exp), Ok(claims));
        }
    }

    #[test]
    fn what_a_token_must_be() {
        let good = claims(10).mint(b"secret");
        let keys_in_another_order = {
            let payload = br#"{"exp":10,"max_bytes":3,"pool_id":2,"user_id":1}"#;
            let signature = sign(b"secret", payload).finalize().into_bytes();
            format!("{}.{}", URL_SAFE_NO_PAD.encode(payload), URL_SAFE_NO_PAD.encode(signature))
        };
        let long = "a".repeat(MAX_BYTES) + ".b";
        for (why, token, now, want) in [
            ("valid", good.as_str(), 9, Ok(claims(10))),
            ("valid in its last second", &good, 10, Ok(claims(10))),
            ("expired", &good, 11, Err(TokenError::Expired)),
            ("keys in another order", &keys_in_another_order, 9, Ok(claims(10))),
            ("empty", "", 9, Err(TokenError::Missing)),
            ("no dot", "abc", 9, Err(TokenError::Invalid)),
            ("endless", &long, 9, Err(TokenError::Invalid)),
            ("padded", &format!("{good}="), 9, Err(TokenError::Invalid)),
        ] {
            assert_eq!(Claims::check(token, [&b"other"[..], b"secret"], now), want, "{why}");
        }
        assert_eq!(Claims::check(&good, [&b"other"[..]], 9), Err(TokenError::Invalid));
        assert_eq!(Claims::check(&good, [], 9), Err(TokenError::Invalid));
    }

    #[test]
    fn a_token_of_the_page_says_under_which_settings() {
        let of_page = Claims { settings: Some(0), ..claims(10) };
        assert_eq!(Claims::check(&of_page.mint(b"secret"), [&b"secret"[..]], 1), Ok(of_page));
    }

    #[test]
    fn an_upload_through_the_app_says_so() {
        let through = Claims { via: Some(Via::App), ..claims(10) };
        assert_eq!(Claims::check(&through.mint(b"secret"), [&b"secret"[..]], 1), Ok(through));
    }

    proptest! {
        #[test]
        fn one_changed_character_is_refused(at: prop::sample::Index, c in "[A-Za-z0-9_.-]") {
            let good = claims(10).mint(b"secret");
            let at = at.index(good.len());
            let forged = format!("{}{c}{}", &good[..at], &good[at + 1..]);
            prop_assume!(forged != good);
            prop_assert_eq!(Claims::check(&forged, [&b"secret"[..]], 1), Err(TokenError::Invalid));
        }
    }
}
