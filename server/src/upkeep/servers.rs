//! Several servers on one database: this one says that it lives, hears what the others did, and takes out those that
//! are silent. Does nothing where the books are a file: that has one server.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::events::{Event, Events, Subject};
use crate::schedule::SIGN_EVERY_MILLIS;
use crate::sessions::Sessions;
use crate::settle::{Loss, Settle};
use crate::store::{Happening, Listener, Rumour, Store, StoreError, Topic};

/// Between two signs of life; what was not heard is read then at the latest.
const PULSE: Duration = Duration::from_millis(SIGN_EVERY_MILLIS);
/// Between two looks at what others did.
const REST: Duration = Duration::from_millis(200);
/// Read at once.
const SLICE: u32 = 1_000;
/// After the line could not be had.
const RETRY: Duration = Duration::from_secs(1);

/// When news are looked into: the first at once, further ones together a little later. So another server's thousand
/// commits a second cost this one a few looks, and no news stay unread.
#[derive(Debug)]
struct Pace {
    heard: bool,
    rested: Instant,
}

impl Pace {
    fn new() -> Self {
        Self { heard: false, rested: Instant::now() }
    }

    fn hear(&mut self) {
        self.heard = true;
    }

    /// Waits for the next look. Cancel safe.
    async fn due(&self) {
        match self.heard {
            true => sleep_until(self.rested).await,
            false => std::future::pending().await,
        }
    }

    fn looks(&mut self) {
        *self = Self { heard: false, rested: Instant::now() + REST };
    }
}

/// What others did that this server has to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Who is attached where.
    Seats,
    /// Nodes hear of pools and settings anew.
    Books,
    /// The limits of what runs here.
    Limits,
    /// Jobs and old copies: some are taken away, some are to be looked after.
    Work,
}

impl Need {
    /// All there are, in the order in which they are met.
    const ALL: [Self; 4] = [Self::Seats, Self::Books, Self::Limits, Self::Work];

    /// Whether news about this ask for it.
    const fn follows_from(self, topic: Topic) -> bool {
        match (self, topic) {
            (Self::Seats, Topic::Node) | (Self::Books, Topic::Pool | Topic::Settings) => true,
            (Self::Limits, Topic::Settings) | (Self::Work, _) => true,
            (Self::Seats | Self::Books | Self::Limits, _) => false,
        }
    }
}

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
        let (mut line, mut pace) = (None, Pace::new());
        let mut pulse = tokio::time::interval(PULSE);
        pulse.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _tick = pulse.tick() => {
                    self.live_on().await;
                    self.catch_up(&[]).await;
                }
                () = pace.due() => {
                    pace.looks();
                    self.catch_up(&[]).await;
                }
                heard = listen(&self.store, &mut line) => match heard {
                    Ok(Rumour::News) => pace.hear(),
                    Ok(Rumour::Gap) => self.catch_up(&Need::ALL).await,
                    Err(cause) => {
                        tracing::warn!("other servers can't be heard now: {cause}");
                        line = None;
                        tokio::time::sleep(RETRY).await;
                    }
                },
            }
        }
    }

    async fn live_on(&mut self) {
        let seen = self.sessions.all();
        match self.store.live_on(clock::now()).await {
            Ok(pulse) => {
                self.sessions.end_superseded(&seen, &pulse.here);
                let changed = self.sessions.set_others(pulse.elsewhere);
                let has_returned = !pulse.returned.is_empty();
                self.settle.returned(pulse.returned, Loss::Real);
                if pulse.was_cut_off {
                    self.meet(&[Need::Books, Need::Limits]).await;
                }
                if changed || has_returned || pulse.was_cut_off {
                    self.settle.heed_others().await;
                }
            }
            Err(cause) => tracing::warn!("could not note that this server lives: {cause}"),
        }
    }

    /// Reads what happened since the last look, and acts once on it and on what is needed anyhow.
    async fn catch_up(&mut self, anyhow: &[Need]) {
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
        let asks = |need: &Need| anyhow.contains(need) || news.iter().any(|it| need.follows_from(it.topic));
        let needs: Vec<Need> = Need::ALL.into_iter().filter(asks).collect();
        self.meet(&needs).await;
        for happening in &news {
            publish(&self.events, happening);
        }
    }

    async fn meet(&mut self, needs: &[Need]) {
        for need in needs {
            match need {
                Need::Seats => Box::pin(self.live_on()).await,
                Need::Books => self.sessions.books_changed(),
                Need::Limits => {
                    if let Err(cause) = self.heed_settings().await {
                        tracing::warn!("could not heed settings that another server changed: {cause}");
                    }
                }
                Need::Work => self.settle.heed_others().await,
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_thousand_news_cost_a_few_looks_and_none_stays_unread() {
        // News each millisecond for a second, then silence: looked into at once, five times a second, and once more for
        // the last ones; then never.
        let (mut pace, begin) = (Pace::new(), Instant::now());
        let mut news = tokio::time::interval(Duration::from_millis(1));
        let (mut told, mut unread, mut looks) = (0, 0, Vec::new());
        loop {
            tokio::select! {
                biased;
                () = pace.due() => {
                    pace.looks();
                    looks.push(begin.elapsed().as_millis());
                    unread = 0;
                }
                _tick = news.tick(), if told < 1_000 => {
                    (told, unread) = (told + 1, unread + 1);
                    pace.hear();
                }
                () = tokio::time::sleep(Duration::from_secs(10)) => break,
            }
        }
        assert_eq!((told, unread), (1_000, 0));
        assert_eq!(looks[0], 0, "at once");
        assert!(looks.len() <= 7, "{looks:?}");
    }

    #[test]
    fn what_news_ask_for() {
        use Need::{Books, Limits, Seats, Work};
        for (topic, want) in [
            (Topic::Job, vec![Work]),
            (Topic::Image, vec![Work]),
            (Topic::Node, vec![Seats, Work]),
            (Topic::Pool, vec![Books, Work]),
            (Topic::Settings, vec![Books, Limits, Work]),
        ] {
            let needs: Vec<Need> = Need::ALL.into_iter().filter(|need| need.follows_from(topic)).collect();
            assert_eq!(needs, want, "{topic:?}");
        }
    }
}
