//! Several servers on one database: this one says that it lives, hears what the others did, and takes out those that
//! are silent. Does nothing where the books are a file: that has one server.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::events::{Event, Events, Subject};
use crate::schedule::SIGN_EVERY_MILLIS;
use crate::sessions::Sessions;
use crate::settle::Settle;
use crate::store::{Happening, Listener, Rumour, Store, StoreError, Topic};

/// Between two signs of life; what was not heard is read then at the latest.
const PULSE: Duration = Duration::from_millis(SIGN_EVERY_MILLIS);
/// Read at once.
const SLICE: u32 = 1_000;
/// After the line could not be had.
const RETRY: Duration = Duration::from_secs(1);

/// What this chore works with.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) store: Store,
    pub(super) sessions: Arc<Sessions>,
    pub(super) settle: Settle,
    pub(super) events: Events,
    /// The last news that were read.
    pub(super) read: u64,
}

impl Servers {
    /// Runs until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        if !self.store.is_shared() {
            return;
        }
        let mut line: Option<Listener> = None;
        let mut pulse = tokio::time::interval(PULSE);
        pulse.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _tick = pulse.tick() => {
                    self.live_on().await;
                    self.catch_up().await;
                }
                heard = listen(&self.store, &mut line) => match heard {
                    Ok(Rumour::News) => self.catch_up().await,
                    Ok(Rumour::Gap) => {
                        self.live_on().await;
                        self.catch_up().await;
                        self.settle.heed_others().await;
                    }
                    Err(cause) => {
                        tracing::warn!("other servers can't be heard now: {cause}");
                        line = None;
                        tokio::time::sleep(RETRY).await;
                    }
                },
            }
        }
    }

    async fn live_on(&self) {
        let seen = self.sessions.all();
        match self.store.live_on(clock::now()).await {
            Ok(pulse) => {
                self.sessions.end_superseded(&seen, &pulse.here);
                let changed = self.sessions.set_others(pulse.elsewhere);
                let has_returned = !pulse.returned.is_empty();
                self.settle.returned(pulse.returned);
                if changed || has_returned {
                    self.settle.heed_others().await;
                }
            }
            Err(cause) => tracing::warn!("could not note that this server lives: {cause}"),
        }
    }

    /// Reads what happened since the last look, and acts on it once.
    async fn catch_up(&mut self) {
        let mut news = Vec::new();
        loop {
            match self.store.news_of_others(self.read, SLICE).await {
                Ok((last, _)) if last == self.read => break,
                Ok((last, slice)) => {
                    self.read = last;
                    news.extend(slice);
                }
                Err(cause) => {
                    tracing::warn!("could not read what other servers did: {cause}");
                    break;
                }
            }
        }
        self.heed(&news).await;
    }

    async fn heed(&self, news: &[Happening]) {
        let about = |topics: &[Topic]| news.iter().any(|it| topics.contains(&it.topic));
        if about(&[Topic::Node]) {
            self.live_on().await;
        }
        if about(&[Topic::Pool, Topic::Settings]) {
            self.sessions.books_changed();
        }
        if about(&[Topic::Settings])
            && let Err(cause) = self.heed_settings().await
        {
            tracing::warn!("could not heed settings that another server changed: {cause}");
        }
        if !news.is_empty() {
            self.settle.heed_others().await;
        }
        for happening in news {
            publish(&self.events, happening);
        }
    }
}

impl Servers {
    async fn heed_settings(&self) -> Result<(), StoreError> {
        self.settle.heed_settings(&self.store.settings().await?).await
    }
}

async fn listen(store: &Store, line: &mut Option<Listener>) -> Result<Rumour, StoreError> {
    match line {
        Some(line) => line.next().await,
        None => match store.listen().await? {
            Some(new) => {
                *line = Some(new);
                Ok(Rumour::Gap)
            }
            None => std::future::pending().await,
        },
    }
}

fn publish(events: &Events, happening: &Happening) {
    let Happening { topic, subjects, .. } = happening;
    let subject = |word: &String| match topic {
        Topic::Job => word.parse().ok().and_then(|id: u64| id.try_into().ok()).map(Subject::Job),
        Topic::Pool => word.parse().ok().and_then(|id: u64| id.try_into().ok()).map(Subject::Pool),
        Topic::Image => word.parse().ok().map(Subject::Image),
        Topic::Node => word.parse().ok().map(Subject::Node),
        Topic::Settings => Some(Subject::Settings),
    };
    let mut all: Vec<Subject> = subjects.iter().filter_map(subject).collect();
    if *topic == Topic::Settings {
        all = vec![Subject::Settings];
    }
    for subject in all {
        events.publish(&Event { subject, message: format!("{} changed", topic.as_str()) });
    }
}
