//! A page that stays true while it is open: its regions are rendered anew when `Admin.Watch` tells of something that
//! they may show, and sent as server-sent events where they differ from what the browser has.
//!
//! Source of the stream's form: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

use std::{collections::HashMap, convert::Infallible, future::Future, time::Duration};

use axum::response::{
    Html, IntoResponse as _, Response,
    sse::{Event, Sse},
};
use futures_util::{FutureExt as _, Stream, StreamExt as _, stream};
use pixelfox_proto::v1;
use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::{Code, Status, Streaming};

use crate::{assets, trouble::Trouble, visit::Visit};

/// Between two renderings for one page at least.
const GATHER: Duration = Duration::from_millis(250);
/// A page that takes long to render is rendered for a quarter of the time at most.
const REST: u32 = 3;
/// Rendered anew although nothing was told: times go on ("3 min ago"), and a line that broke is noticed.
const AT_LEAST: Duration = Duration::from_secs(10);

/// The page itself, or for its script the stream of what changes. `topics`: of `Admin.Watch`.
pub(crate) async fn page<R, F>(visit: Visit, topics: &[&str], read: R) -> Result<Response, Trouble>
where
    R: Fn(Visit) -> F + Send + Sync + 'static,
    F: Future<Output = Result<String, Trouble>> + Send + 'static,
{
    if !visit.wants_events() {
        return Ok(Html(read(visit).await?).into_response());
    }
    let topics: Vec<String> = topics.iter().map(|topic| (*topic).to_owned()).collect();
    let news = News::ask(&visit, topics).await?;
    let open = Open { visit, read, news, shown: HashMap::new(), rendered: None, greeted: false, slow: false };
    Ok(Sse::new(events(open)).into_response())
}

/// A page that is open somewhere.
struct Open<R> {
    visit: Visit,
    read: R,
    news: News,
    /// Region → what the browser has.
    shown: HashMap<String, String>,
    /// When it was rendered last and how long that took.
    rendered: Option<(Instant, Duration)>,
    greeted: bool,
    /// The browser was told that nothing is told for lack of a seat.
    slow: bool,
}

/// What is told of changes. The service has seats for so many watchers; without one a page is rendered at its times, and
/// takes the next seat that is free.
struct News {
    topics: Vec<String>,
    told: Option<Streaming<v1::Event>>,
}

impl News {
    async fn ask(visit: &Visit, topics: Vec<String>) -> Result<Self, Status> {
        match visit.admin().watch(v1::WatchRequest { topics: topics.clone() }).await {
            Ok(told) => Ok(Self { topics, told: Some(told.into_inner()) }),
            Err(status) if status.code() == Code::ResourceExhausted => Ok(Self { topics, told: None }),
            Err(status) => Err(status),
        }
    }

    /// Until something is told, or `until`.
    async fn next(&mut self, visit: &Visit, until: Instant) -> Result<(), Ended> {
        let Some(told) = &mut self.told else {
            sleep_until(until).await;
            let again = Self::ask(visit, self.topics.clone()).await;
            self.told = again.map_err(|_| Ended)?.told;
            return Ok(());
        };
        match timeout_at(until, told.next()).await {
            Ok(Some(Ok(_))) | Err(_) => Ok(()),
            Ok(Some(Err(_)) | None) => Err(Ended),
        }
    }

    /// What was told meanwhile needs no rendering of its own.
    fn pass(&mut self) -> Result<(), Ended> {
        while let Some(told) = self.told.as_mut().and_then(|told| told.next().now_or_never()) {
            if !matches!(told, Some(Ok(_))) {
                return Err(Ended);
            }
        }
        Ok(())
    }
}

fn events<R, F>(open: Open<R>) -> impl Stream<Item = Result<Event, Infallible>> + Send + 'static
where
    R: Fn(Visit) -> F + Send + Sync + 'static,
    F: Future<Output = Result<String, Trouble>> + Send + 'static,
{
    stream::unfold(Some(open), |open| async move {
        let mut open = open?;
        if !open.greeted {
            open.greeted = true;
            let hello = Event::default().event("hello").data(assets::VERSION.as_str());
            return Some((Ok(hello), Some(open)));
        }
        if open.wait().await.is_err() {
            return None;
        }
        if open.slow == open.news.told.is_some() {
            open.slow = !open.slow;
            let slow = Event::default().event("slow").data(if open.slow { "1" } else { "0" });
            return Some((Ok(slow), Some(open)));
        }
        let event = open.render().await;
        Some((Ok(event), Some(open)))
    })
}

/// The service has ended the stream.
struct Ended;

impl<R, F> Open<R>
where
    R: Fn(Visit) -> F + Send + Sync + 'static,
    F: Future<Output = Result<String, Trouble>> + Send + 'static,
{
    /// Until there is a reason to render; what is told meanwhile is one reason.
    async fn wait(&mut self) -> Result<(), Ended> {
        let Some((at, took)) = self.rendered else { return Ok(()) };
        self.news.next(&self.visit, at + AT_LEAST).await?;
        sleep_until(at + GATHER.max(took * REST)).await;
        self.news.pass()
    }

    async fn render(&mut self) -> Event {
        let start = Instant::now();
        let rendered = (self.read)(self.visit.again()).await;
        let end = Instant::now();
        self.rendered = Some((end, end - start));
        let html = match rendered {
            Ok(html) => html,
            // The page goes or the service is away: the browser says so, and asks for the page again.
            Err(trouble) => return Event::default().event("trouble").data(trouble.status.as_str()),
        };
        let mut changed = serde_json::Map::new();
        for (id, region) in regions(&html) {
            if self.shown.get(id).is_none_or(|shown| shown != region) {
                self.shown.insert(id.to_owned(), region.to_owned());
                changed.insert(id.to_owned(), region.into());
            }
        }
        if changed.is_empty() {
            return Event::default().comment("as before");
        }
        Event::default().event("patch").data(serde_json::Value::Object(changed).to_string())
    }
}

/// All regions of a page, for a stream that makes its own.
pub(crate) fn patch(html: &str) -> Event {
    let all: serde_json::Map<String, serde_json::Value> =
        regions(html).map(|(id, region)| (id.to_owned(), region.into())).collect();
    Event::default().event("patch").data(serde_json::Value::Object(all).to_string())
}

/// What stands between `<!--live:ID-->` and `<!--/live:ID-->`. Text of users can't hold either: `<` is escaped in it.
fn regions(html: &str) -> impl Iterator<Item = (&str, &str)> {
    html.split("<!--live:").skip(1).filter_map(|part| {
        let (id, rest) = part.split_once("-->")?;
        let (region, _) = rest.split_once("<!--/live:")?;
        Some((id, region))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_what_stands_between_their_marks() {
        let html =
            "<p id=a><!--live:a-->1<!--/live:a--></p> x <p id=b><!--live:b--><b>2</b><!--/live:b--></p><!--live:c-->";
        assert_eq!(regions(html).collect::<Vec<_>>(), [("a", "1"), ("b", "<b>2</b>")]);
    }
}
