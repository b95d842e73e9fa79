//! The token of a form: proves that the page it came from was made for this browser. Nothing is kept for it: it is a MAC
//! under the secret of the browser's own cookie, over a nonce, so that no two pages show the same bytes (a compressed page
//! gives away what it repeats).

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Bytes of a nonce.
const NONCE: usize = 16;
/// What the MAC is for: the same secret makes no other.
const PURPOSE: &[u8] = b"pixelfox form\0";
/// Bytes of a cookie's secret, random.
const SECRET: usize = 32;

/// A token of the browser with this secret.
pub(crate) fn mint(secret: &str) -> String {
    let mut token = vec![0; NONCE];
    random(&mut token);
    let tag = mac(secret, &token).finalize().into_bytes();
    token.extend_from_slice(&tag);
    BASE64_URL_SAFE_NO_PAD.encode(token)
}

/// Whether the token was made for the browser with this secret. Compared in constant time.
pub(crate) fn is_of(secret: &str, token: &str) -> bool {
    let Ok(token) = BASE64_URL_SAFE_NO_PAD.decode(token) else { return false };
    let Some((nonce, tag)) = token.split_at_checked(NONCE) else { return false };
    mac(secret, nonce).verify_slice(tag).is_ok()
}

/// A new secret for a cookie.
pub(crate) fn secret() -> String {
    let mut bytes = [0; SECRET];
    random(&mut bytes);
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Whether it can be a cookie's secret.
pub(crate) fn is_secret(text: &str) -> bool {
    BASE64_URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == SECRET)
}

fn mac(secret: &str, nonce: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(PURPOSE);
    mac.update(nonce);
    mac
}

fn random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the system has random bytes, or the server would not have started");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_its_browsers_alone() {
        let (mine, other) = (secret(), secret());
        let token = mint(&mine);
        assert!(is_of(&mine, &token) && is_secret(&mine));
        assert_ne!(token, mint(&mine), "no two pages show the same");
        let flipped = |at: usize| {
            let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&token).unwrap();
            bytes[at] ^= 1;
            BASE64_URL_SAFE_NO_PAD.encode(bytes)
        };
        for wrong in [mint(&other), flipped(0), flipped(47), token[..60].to_owned(), String::new(), "ö".into()] {
            assert!(!is_of(&mine, &wrong), "{wrong}");
        }
    }
}
