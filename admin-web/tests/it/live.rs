//! A page that is open: what it is told, how often, and how it ends.

use std::time::Duration;

use axum::{Router, body::Body};
use futures_util::StreamExt as _;
use http::Request;
use pixelfox_proto::v1;
use tower::ServiceExt as _;

use crate::{
    fake::Fake,
    reader::{cookie, pages},
};

/// The server-sent events of a page.
struct Events(axum::body::BodyDataStream, String);

impl Events {
    async fn open(pages: &Router, path: &str) -> Self {
        let request = Request::get(path)
            .header("accept", "text/event-stream")
            .header("cookie", cookie())
            .body(Body::empty())
            .unwrap();
        let response = pages.clone().oneshot(request).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self(response.into_body().into_data_stream(), String::new())
    }

    /// The next one, as it stands on the wire.
    async fn next(&mut self) -> String {
        loop {
            if let Some((event, rest)) = self.1.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.1 = rest;
                return event;
            }
            let bytes = tokio::time::timeout(Duration::from_secs(20), self.0.next()).await.unwrap().unwrap().unwrap();
            self.1.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }
}

fn with_images(images: u64) -> Fake {
    let fake = Fake::empty_cluster();
    fake.on("get_overview", move |_: v1::GetOverviewRequest| Ok(v1::Overview { images, ..v1::Overview::default() }));
    fake
}

#[tokio::test(start_paused = true)]
async fn an_open_page_gets_what_differs_and_nothing_else() {
    // First a greeting and the present state, then only the region that changed, then silence in content.
    let fake = with_images(7);
    let mut events = Events::open(&pages(&fake), "/admin").await;
    assert!(events.next().await.starts_with("event: hello\ndata: /assets/"));
    let first = events.next().await;
    assert!(first.starts_with("event: patch\ndata: {") && first.contains("<dd>7</dd>"), "{first}");
    fake.on("get_overview", |_: v1::GetOverviewRequest| Ok(v1::Overview { images: 8, ..v1::Overview::default() }));
    fake.tell("image");
    assert!(events.next().await.contains("<dd>8</dd>"));
    fake.tell("image");
    assert_eq!(events.next().await, ": as before");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_events_are_four_updates_a_second_at_most() {
    // The clock of the test only goes on when everything waits: 1,000 events, then what came of them in a second.
    let fake = with_images(0);
    let mut events = Events::open(&pages(&fake), "/admin").await;
    events.next().await;
    events.next().await;
    let start = tokio::time::Instant::now();
    for images in 1..=5 {
        fake.on("get_overview", move |_: v1::GetOverviewRequest| {
            Ok(v1::Overview { images, ..v1::Overview::default() })
        });
        for _ in 0..60 {
            fake.tell("image");
        }
        let update = events.next().await;
        assert!(update.contains(&format!("<dd>{images}</dd>")), "{update}");
    }
    assert!(start.elapsed() >= Duration::from_millis(4 * 250), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_page_that_was_closed_watches_no_more() {
    // The watcher of the service ends with the stream.
    let fake = with_images(0);
    let mut events = Events::open(&pages(&fake), "/admin").await;
    events.next().await;
    assert_eq!(fake.watchers(), 1);
    drop(events);
    let gone = async {
        while fake.watchers() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_page_without_a_seat_says_so_is_renewed_all_the_same_and_takes_the_next_seat() {
    // No seat: a greeting, the word that it is slow, the state, and changes at the page's own times although nothing is
    // told. Then there is a seat: it says so, and what is told counts again.
    let fake = with_images(7);
    fake.seats(0);
    let mut events = Events::open(&pages(&fake), "/admin").await;
    assert!(events.next().await.starts_with("event: hello"));
    assert_eq!(events.next().await, "event: slow\ndata: 1");
    assert!(events.next().await.contains("<dd>7</dd>"));
    fake.on("get_overview", |_: v1::GetOverviewRequest| Ok(v1::Overview { images: 8, ..v1::Overview::default() }));
    assert!(events.next().await.contains("<dd>8</dd>"));
    assert_eq!(fake.watchers(), 0);
    fake.seats(1);
    assert_eq!(events.next().await, "event: slow\ndata: 0");
    assert_eq!(fake.watchers(), 1);
}
