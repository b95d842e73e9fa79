//! A form on its way in. Before anything else is looked at: where it was sent from, and its token.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use http::{StatusCode, header, request::Parts};
use tokio::time::timeout;

use super::{origin::Origin, tokens};
use crate::{trouble::Trouble, view::View, visit::Fields};

/// Bytes of a form at most: ten thousand marked images are half of it.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// Fields of a form at most.
const MAX_FIELDS: usize = 12_000;
/// How long a form may take to arrive.
const WITHIN: Duration = Duration::from_secs(30);
/// The field that every form has.
const TOKEN: &str = "csrf_token";

/// Why a form is not taken.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It was sent from elsewhere, or is none.
    Trouble(Trouble),
    /// It is ours, but of an earlier session: what was typed.
    Stale(Fields),
}

/// What a browser with `secret` sent.
pub(crate) async fn take(parts: &Parts, body: Body, secret: Option<&str>) -> Result<Fields, Refused> {
    let words = &View::of(parts).w.gate;
    let refuse = |status, message: &str| Refused::Trouble(Trouble { status, message: message.to_owned() });
    let origin = Origin::of(parts);
    if origin == Origin::Foreign {
        return Err(refuse(StatusCode::FORBIDDEN, words.foreign));
    }
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, words.no_form));
    }
    let bytes = match timeout(WITHIN, to_bytes(body, MAX_BYTES)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, words.too_large)),
        Err(_) => return Err(refuse(StatusCode::REQUEST_TIMEOUT, words.no_form)),
    };
    let mut fields = parsed(&bytes).ok_or_else(|| refuse(StatusCode::PAYLOAD_TOO_LARGE, words.too_large))?;
    let valid = match (secret, fields.all(TOKEN).collect::<Vec<_>>().as_slice()) {
        (Some(secret), [token]) => tokens::is_of(secret, token),
        _ => false,
    };
    fields.0.retain(|(name, _)| name != TOKEN);
    match (valid, origin) {
        (true, _) => Ok(fields),
        (false, Origin::Own(_)) => Err(Refused::Stale(fields)),
        (false, Origin::Unsaid | Origin::Foreign) => Err(refuse(StatusCode::FORBIDDEN, words.stale)),
    }
}

/// The fields of `name=value&…`; `None`: too many.
pub(crate) fn parsed(text: &[u8]) -> Option<Fields> {
    let mut fields = Vec::new();
    for (name, value) in url::form_urlencoded::parse(text) {
        if fields.len() == MAX_FIELDS {
            return None;
        }
        fields.push((name.into_owned(), value.into_owned()));
    }
    Some(Fields(fields))
}

/// And back.
pub(crate) fn written(fields: &Fields) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields.0).finish()
}
