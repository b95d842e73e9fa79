//! A page that is open when its session ends: its stream ends with it, and the script asks for the page, which is then
//! that of the door.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::header;
use pixelfox_proto::Language;
use tokio::time::sleep;

use super::session;
use crate::visit::Site;

/// Between two looks whether the session is over.
const LOOK: Duration = Duration::from_secs(5);
/// What the script of a page understands as: ask for the page itself.
pub(crate) const GONE: &str = "event: trouble\ndata: 401\n\n";

/// The response, where it is a stream only as long as the session lasts.
pub(crate) fn until_over(site: Site, key: String, response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
        return response;
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&is_over);
    let over = async move {
        // A service that can't be asked now says nothing about the session.
        while !matches!(session(&site, &key, Language::En).await, Ok(None)) {
            sleep(LOOK).await;
        }
        noted.store(true, Ordering::Release);
    };
    let (parts, body) = response.into_parts();
    let last = stream::once(async move {
        is_over.load(Ordering::Acquire).then(|| Ok::<_, axum::Error>(Bytes::from_static(GONE.as_bytes())))
    });
    let events = body.into_data_stream().take_until(Box::pin(over));
    let events = events.chain(last.filter_map(std::future::ready));
    Response::from_parts(parts, Body::from_stream(events))
}
