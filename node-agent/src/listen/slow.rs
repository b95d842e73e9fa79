//! A request body that must not trickle: it fails when its sender is slower than the least rate.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::transfer::{LeastRate, Patience};

/// A sender's time: used up while nothing comes, earned back by what comes.
pub(crate) struct Waits {
    patience: Patience,
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Waits {
    pub(crate) const fn new(least: LeastRate) -> Self {
        Self { patience: Patience::new(least), since: None, timer: None }
    }

    /// Nothing has come. Pending until the sender has used up its time; then an error of kind `TimedOut`.
    pub(crate) fn poll_nothing(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let Some(until) = since.checked_add(self.patience.left()) else { return Poll::Pending };
        loop {
            // The end only ever moves away, so a timer that was set earlier is asked first and set again when it rings.
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
            ready!(timer.as_mut().poll(context));
            if Instant::now() >= until {
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the body comes too slowly"));
            }
            timer.as_mut().reset(until);
        }
    }

    /// Something has come.
    pub(crate) fn came(&mut self, bytes: usize) {
        let waited = self.since.take().map_or(std::time::Duration::ZERO, |since| since.elapsed());
        self.patience.received(waited, bytes);
    }
}

/// A body under watch. Its error is of kind `TimedOut`, for whoever reads it to answer as a body cut short.
pub(super) struct Watched<B> {
    inner: B,
    waits: Waits,
}

impl<B> Watched<B>
where
    B: HttpBody<Data = Bytes, Error: std::error::Error + Send + Sync + 'static> + Send + Unpin + 'static,
{
    pub(super) fn body(inner: B, least: LeastRate) -> Body {
        Body::new(Self { inner, waits: Waits::new(least) })
    }
}

impl<B> HttpBody for Watched<B>
where
    B: HttpBody<Data = Bytes, Error: std::error::Error + Send + Sync + 'static> + Send + Unpin + 'static,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        let Poll::Ready(frame) = polled else {
            return self.waits.poll_nothing(context).map(|late| Some(Err(late)));
        };
        if let Some(Ok(frame)) = &frame {
            self.waits.came(frame.data_ref().map_or(0, Bytes::len));
        }
        Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
