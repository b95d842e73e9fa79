//! A form on its way in. Before anything else is looked at: where it was sent from, and its token.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use futures_util::StreamExt as _;
use http::{StatusCode, header, request::Parts};
use tokio::{sync::Semaphore, time::timeout};

use super::{origin::Origin, tokens};
use crate::{trouble::Trouble, view::View, visit::Fields};

/// Bytes of a form at most: ten thousand marked images are half of it.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// Fields of a form at most.
const MAX_FIELDS: usize = 12_000;
/// Bytes that a stranger's form may have without a seat: a sign-in is smaller.
const SMALL_BYTES: usize = 8 << 10;
/// Larger forms of strangers that are held at once.
const STRANGERS_AT_ONCE: usize = 16;
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

/// Whose form it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sender<'a> {
    /// Somebody's who is signed in.
    Known,
    /// Anybody's.
    Stranger(&'a Strangers),
}

/// Seats for the larger forms of those who are not signed in, so that they can't fill the memory. A small one needs
/// none: however many large ones come slowly, who wants to sign in gets in. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Strangers(Arc<Semaphore>);

impl Default for Strangers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(STRANGERS_AT_ONCE)))
    }
}

/// Why a body was not read.
enum Unread {
    Cut,
    TooLarge,
    TooMany,
}

async fn read(body: Body, sender: Sender<'_>) -> Result<Vec<u8>, Unread> {
    let (mut pieces, mut bytes, mut seat) = (body.into_data_stream(), Vec::new(), None);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Unread::Cut)?;
        let length = bytes.len().saturating_add(piece.len());
        if length > MAX_BYTES {
            return Err(Unread::TooLarge);
        }
        if let Sender::Stranger(Strangers(seats)) = sender
            && seat.is_none()
            && length > SMALL_BYTES
        {
            seat = Some(seats.try_acquire().map_err(|_| Unread::TooMany)?);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// What a browser with `secret` sent.
pub(crate) async fn take(
    parts: &Parts,
    body: Body,
    secret: Option<&str>,
    sender: Sender<'_>,
) -> Result<Fields, Refused> {
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
    let bytes = match timeout(WITHIN, read(body, sender)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(Unread::Cut)) => return Err(refuse(StatusCode::BAD_REQUEST, words.cut)),
        Ok(Err(Unread::TooLarge)) => return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, words.too_large)),
        Ok(Err(Unread::TooMany)) => return Err(refuse(StatusCode::SERVICE_UNAVAILABLE, words.too_many)),
        Err(_) => return Err(refuse(StatusCode::REQUEST_TIMEOUT, words.cut)),
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
