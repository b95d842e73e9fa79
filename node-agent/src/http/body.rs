//! The body of an upload or a replicate request: in shared hands, so that it can be drained after an early refusal.
//! Must not know what the bytes mean; how slow a sender may be is the listener's business.

use std::{
    error::Error as _,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::Body as _;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{listen::Waits, transfer::LeastRate};

/// How much of a refused request is read on, so that its sender sees the answer and not a reset.
/// Source: docs/http.md, "Errors".
pub(crate) const DRAIN_BYTES: u64 = 8 << 20;
/// For so long at most.
pub(crate) const DRAIN_TIME: Duration = Duration::from_secs(5);

/// No further bytes come: the sender went away, or was so slow that the listener gave it up.
#[derive(Debug, thiserror::Error)]
#[error("the body was cut short")]
pub struct BodyCut(#[source] axum::Error);

impl BodyCut {
    /// Whether the sender was given up for its slowness.
    pub(crate) fn too_slow(&self) -> bool {
        let mut next = self.source();
        while let Some(error) = next {
            if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
                return true;
            }
            next = error.source();
        }
        false
    }
}

/// A request's body in shared hands: a parser reads it, and whoever refuses the request drains the rest.
#[derive(Clone)]
pub struct RequestBody {
    state: Arc<Mutex<State>>,
}

struct State {
    body: Body,
    taken: u64,
    ended: bool,
    /// The sender sends nothing before somebody reads.
    awaits_word: bool,
    /// The time of a sender who has to hurry more than others.
    hurried: Option<Waits>,
    /// Set once the request was refused: where and when reading on stops.
    refused: Option<(u64, Instant)>,
}

impl RequestBody {
    /// The body of the request with `headers`.
    pub fn new(body: Body, headers: &HeaderMap) -> Self {
        let state =
            State { body, taken: 0, ended: false, refused: None, awaits_word: awaits_word(headers), hurried: None };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// The next bytes, never empty; `None` at the end and after an error.
    pub(crate) fn poll_chunk(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyCut>>> {
        let state = &mut *self.state.lock();
        let chunk = ready!(state.poll_chunk(cx));
        match &chunk {
            Some(Ok(data)) => state.taken += data.len() as u64,
            Some(Err(_)) | None => state.ended = true,
        }
        Poll::Ready(chunk)
    }

    /// From now on the sender has to keep to this rate too, until it is [`RequestBody::at_ease`]: else its body is cut.
    pub(crate) fn hurry(&self, least: LeastRate) {
        self.state.lock().hurried = Some(Waits::new(least));
    }

    /// The sender may be as slow as any other.
    pub(crate) fn at_ease(&self) {
        self.state.lock().hurried = None;
    }

    /// Bytes read so far.
    pub fn taken(&self) -> u64 {
        self.state.lock().taken
    }

    /// The request is refused: from now on its body goes on for [`DRAIN_BYTES`] and [`DRAIN_TIME`] at most, whoever
    /// reads it. The first call counts.
    pub(crate) fn refuse(&self) -> Instant {
        let state = &mut *self.state.lock();
        let (_, until) = *state.refused.get_or_insert((state.taken + DRAIN_BYTES, Instant::now() + DRAIN_TIME));
        until
    }

    /// Refuses the request, reads on and throws away, to the end or to the limits. A sender that waits for our word
    /// before it sends anything hears the answer alone.
    pub async fn drain(&self) {
        if self.state.lock().has_nothing_under_way() {
            return;
        }
        let until = self.refuse();
        let rest = async { while let Some(Ok(_)) = std::future::poll_fn(|cx| self.poll_chunk(cx)).await {} };
        if tokio::time::timeout_at(until, rest).await.is_err() {
            tracing::debug!("a refused sender did not end its body in time");
        }
    }
}

impl State {
    const fn has_nothing_under_way(&self) -> bool {
        self.awaits_word && self.taken == 0
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyCut>>> {
        loop {
            if self.ended || self.refused.is_some_and(|(stop, _)| self.taken >= stop) {
                return Poll::Ready(None);
            }
            let polled = Pin::new(&mut self.body).poll_frame(cx);
            if let Some(waits) = &mut self.hurried {
                match &polled {
                    Poll::Ready(Some(Ok(frame))) => waits.came(frame.data_ref().map_or(0, Bytes::len)),
                    Poll::Ready(_) => {}
                    Poll::Pending => {
                        let late = ready!(waits.poll_nothing(cx));
                        return Poll::Ready(Some(Err(BodyCut(axum::Error::new(late)))));
                    }
                }
            }
            match ready!(polled) {
                None => return Poll::Ready(None),
                Some(Err(cause)) => return Poll::Ready(Some(Err(BodyCut(cause)))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Poll::Ready(Some(Ok(data))),
                    Err(_trailers) => {}
                },
            }
        }
    }
}

fn awaits_word(headers: &HeaderMap) -> bool {
    headers.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, stream};
    use std::{convert::Infallible, future::poll_fn};

    use super::*;

    fn dripping(bytes: usize, every: Duration) -> RequestBody {
        let drops = stream::unfold((), move |()| async move {
            tokio::time::sleep(every).await;
            Some((Ok::<_, Infallible>(Bytes::from(vec![0; bytes])), ()))
        });
        RequestBody::new(Body::from_stream(drops), &HeaderMap::new())
    }

    #[tokio::test]
    async fn a_body_given_up_for_its_slowness_says_so() {
        for (kind, too_slow) in [(io::ErrorKind::TimedOut, true), (io::ErrorKind::ConnectionReset, false)] {
            let body = RequestBody::new(
                Body::from_stream(stream::iter([Err::<Bytes, _>(io::Error::from(kind))])),
                &HeaderMap::new(),
            );
            let Some(Err(cut)) = poll_fn(|cx| body.poll_chunk(cx)).await else { panic!("no error") };
            assert_eq!(cut.too_slow(), too_slow, "{kind}");
            assert!(poll_fn(|cx| body.poll_chunk(cx)).await.is_none());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_to_hurry_is_cut_and_who_is_at_ease_again_is_not() {
        // 1 kB a second, where a second costs 100 kB: a minute and a little is all that there is.
        let least = LeastRate { grace: Duration::from_secs(60), bytes_per_second: 100_000 };
        let (start, body) = (Instant::now(), dripping(1_000, Duration::from_secs(1)));
        body.hurry(least);
        let cut = loop {
            match poll_fn(|cx| body.poll_chunk(cx)).await {
                Some(Ok(_)) => {}
                Some(Err(cut)) => break cut,
                None => panic!("no end before the cut"),
            }
        };
        assert!(cut.too_slow() && start.elapsed().as_secs() == 60, "after {:?}", start.elapsed());
        let patient = dripping(1_000, Duration::from_secs(1));
        patient.hurry(least);
        for second in 0..300 {
            if second == 30 {
                patient.at_ease();
            }
            assert!(matches!(poll_fn(|cx| patient.poll_chunk(cx)).await, Some(Ok(_))), "second {second}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_ends_by_time() {
        let body = dripping(1_000, Duration::from_secs(1));
        let start = Instant::now();
        body.drain().await;
        assert_eq!(start.elapsed(), DRAIN_TIME);
    }

    #[tokio::test]
    async fn a_drain_ends_by_size_or_with_the_body() {
        let endless = stream::repeat(Ok::<_, Infallible>(Bytes::from(vec![0; 1 << 20])));
        let body = RequestBody::new(Body::from_stream(endless.clone()), &HeaderMap::new());
        body.drain().await;
        assert_eq!(body.taken(), DRAIN_BYTES);
        let short = RequestBody::new(Body::from_stream(endless.take(3)), &HeaderMap::new());
        short.drain().await;
        assert_eq!(short.taken(), 3 << 20);
    }
}
