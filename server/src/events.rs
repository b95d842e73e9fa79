//! What happened, for whoever watches from inside. Publishing never waits: each watcher keeps the latest event
//! per subject, up to a limit, and past it is told to read the state anew. Knows no database and no wire type.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use pixelfox_proto::{ImageId, JobId, NodeId, PoolId};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Subjects that one watcher has unread at most; past it everything unread becomes one [`Heard::ReadAnew`].
pub const UNREAD_SUBJECTS: usize = 1024;

/// What an event is about; its state is read from the books, so that the latest is shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A job, a parent included.
    Job(JobId),
    /// A node: attached, lost.
    Node(NodeId),
    /// A pool: its row, its health, its usage.
    Pool(PoolId),
    /// An image: new, moved, lost.
    Image(ImageId),
    /// The settings of the cluster, its keys.
    Settings,
    /// A row of the audit that no other subject tells of: who signed in or out.
    Audit,
}

/// One thing that happened, after it was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is about.
    pub subject: Subject,
    /// The line as the log has it.
    pub message: String,
}

/// What a watcher gets next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The latest event of its subject.
    Event(Event),
    /// More happened than is kept for a slow watcher: the state is to be read anew.
    ReadAnew,
}

/// Progress of one subject is told at most this often.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// The place where events are published. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Events {
    watchers: Arc<Mutex<Vec<Weak<Unread>>>>,
    behind: Arc<AtomicU64>,
}

impl Events {
    /// Gives the event to every watcher. Never waits; O(watchers × log(their unread subjects)).
    pub fn publish(&self, event: &Event) {
        self.give(event, Weight::Change);
    }

    /// A subject got on without anything to say of it: told with its next change, or alone at most once a second.
    pub fn progressed(&self, subject: Subject) {
        self.give(&Event { subject, message: String::new() }, Weight::Progress);
    }

    fn give(&self, event: &Event, weight: Weight) {
        self.watchers.lock().retain(|watcher| {
            let Some(unread) = watcher.upgrade() else {
                return false;
            };
            if (unread.wanted)(&event.subject) {
                let fell_behind = unread.put(event, weight);
                self.behind.fetch_add(u64::from(fell_behind), Ordering::Relaxed);
            }
            true
        });
    }

    /// How many watch.
    #[must_use]
    pub fn watchers(&self) -> u64 {
        self.watchers.lock().iter().filter(|watcher| watcher.strong_count() > 0).count() as u64
    }

    /// How often a watcher was so far behind that it has to read the state anew.
    #[must_use]
    pub fn fell_behind(&self) -> u64 {
        self.behind.load(Ordering::Relaxed)
    }

    /// For how long the slowest watcher has not taken what happened; zero where all are up to date.
    #[must_use]
    pub fn lag(&self, now: Instant) -> Duration {
        let since = |watcher: &Weak<Unread>| watcher.upgrade()?.kept.lock().since;
        let oldest = self.watchers.lock().iter().filter_map(since).min();
        oldest.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// A watcher of everything that is published from now on. It ends when it is dropped.
    #[must_use]
    pub fn watch(&self) -> Watcher {
        self.watch_only(|_| true)
    }

    /// Likewise, of what is wanted alone.
    #[must_use]
    pub fn watch_only(&self, wanted: impl Fn(&Subject) -> bool + Send + Sync + 'static) -> Watcher {
        let wanted = Box::new(wanted);
        let unread = Arc::new(Unread { kept: Mutex::default(), arrived: Notify::new(), wanted });
        self.watchers.lock().push(Arc::downgrade(&unread));
        Watcher { unread, told: HashMap::new() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    Change,
    Progress,
}

/// The receiving end of [`Events`].
#[derive(Debug)]
pub struct Watcher {
    unread: Arc<Unread>,
    /// When the subjects of the last second were told.
    told: HashMap<Subject, Instant>,
}

/// What a watcher takes at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The latest event of each subject, oldest first; progress has no message.
    pub events: Vec<Event>,
    /// More happened than is kept for a slow watcher: the state is to be read anew.
    pub read_anew: bool,
}

impl Watcher {
    /// Waits for what comes next. Cancel safe.
    pub async fn next(&mut self) -> Heard {
        loop {
            let woken = self.unread.arrived.notified();
            if let Some(heard) = self.unread.take() {
                return heard;
            }
            woken.await;
        }
    }

    /// Waits until there is something to tell, and takes all of it but for progress of subjects that were told less
    /// than a second ago. Cancel safe.
    pub async fn batch(&mut self) -> Batch {
        loop {
            let woken = self.unread.arrived.notified();
            let now = Instant::now();
            self.told.retain(|_, told| now.duration_since(*told) < PROGRESS_EVERY);
            let (batch, later) = self.unread.take_due(&self.told);
            if batch.read_anew || !batch.events.is_empty() {
                self.told.extend(batch.events.iter().map(|event| (event.subject.clone(), now)));
                return batch;
            }
            tokio::select! {
                () = woken => {}
                () = async { sleep_until(later.unwrap_or(now) + PROGRESS_EVERY).await }, if later.is_some() => {}
            }
        }
    }
}

struct Unread {
    kept: Mutex<Kept>,
    arrived: Notify,
    wanted: Box<dyn Fn(&Subject) -> bool + Send + Sync>,
}

impl std::fmt::Debug for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unread").field("kept", &self.kept).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Kept {
    /// In the order in which they came.
    events: BTreeMap<u64, (Event, Weight)>,
    places: HashMap<Subject, u64>,
    next: u64,
    overflowed: bool,
    /// Since when a change waits for whoever watches.
    since: Option<Instant>,
}

impl Kept {
    /// Something was taken: of what is left nothing waits for longer than that.
    fn taken(&mut self) {
        let is_left = self.events.values().any(|(_, weight)| *weight == Weight::Change);
        self.since = is_left.then(Instant::now);
    }
}

impl Unread {
    /// True where that is too much for who watches, for the first time since it has read.
    fn put(&self, event: &Event, weight: Weight) -> bool {
        let mut kept = self.kept.lock();
        let was_behind = kept.overflowed;
        if let Some(place) = kept.places.get(&event.subject).copied() {
            if weight == Weight::Progress {
                return false; // whoever reads the older event reads the state of now with it
            }
            kept.events.remove(&place);
        } else if kept.events.len() >= UNREAD_SUBJECTS {
            kept.events.clear();
            kept.places.clear();
            kept.overflowed = true;
        }
        if weight == Weight::Change {
            kept.since.get_or_insert_with(Instant::now);
        }
        let place = kept.next;
        kept.next += 1;
        kept.places.insert(event.subject.clone(), place);
        kept.events.insert(place, (event.clone(), weight));
        let fell_behind = kept.overflowed && !was_behind;
        drop(kept);
        self.arrived.notify_one();
        fell_behind
    }

    fn take(&self) -> Option<Heard> {
        let mut kept = self.kept.lock();
        if std::mem::take(&mut kept.overflowed) {
            kept.taken();
            return Some(Heard::ReadAnew);
        }
        let (_, (event, _)) = kept.events.pop_first()?;
        kept.places.remove(&event.subject);
        kept.taken();
        Some(Heard::Event(event))
    }

    /// What may be told, and when the first of the rest was told last.
    fn take_due(&self, told: &HashMap<Subject, Instant>) -> (Batch, Option<Instant>) {
        let mut kept = self.kept.lock();
        let mut batch = Batch { read_anew: std::mem::take(&mut kept.overflowed), events: Vec::new() };
        let mut later: Option<Instant> = None;
        let (mut events, mut rest) = (std::mem::take(&mut kept.events), BTreeMap::new());
        while let Some((place, (event, weight))) = events.pop_first() {
            match told.get(&event.subject).filter(|_| weight == Weight::Progress) {
                Some(at) => {
                    later = Some(later.map_or(*at, |earlier| earlier.min(*at)));
                    rest.insert(place, (event, weight));
                }
                None => {
                    kept.places.remove(&event.subject);
                    batch.events.push(event);
                }
            }
        }
        kept.events = rest;
        kept.taken();
        (batch, later)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(number: u64, message: &str) -> Event {
        let id = JobId::try_from(number).expect("not 0");
        Event { subject: Subject::Job(id), message: message.to_owned() }
    }

    #[tokio::test]
    async fn a_slow_watcher_gets_the_latest_state_of_each_subject() {
        // Three events of two jobs are published before the watcher reads: of the first job only the last one is left.
        let events = Events::default();
        let mut watcher = events.watch();
        events.publish(&job(1, "leased"));
        events.publish(&job(2, "leased"));
        events.publish(&job(1, "moved"));
        assert_eq!(watcher.next().await, Heard::Event(job(2, "leased")));
        assert_eq!(watcher.next().await, Heard::Event(job(1, "moved")));
    }

    #[tokio::test]
    async fn a_watcher_that_fell_too_far_behind_reads_anew() {
        // One subject more than is kept: the watcher is told so, and memory stays bounded.
        let events = Events::default();
        let mut watcher = events.watch();
        let last = u64::try_from(UNREAD_SUBJECTS).expect("small") + 1;
        for number in 1..=last {
            events.publish(&job(number, "leased"));
        }
        assert_eq!((events.watchers(), events.fell_behind()), (1, 1));
        assert_eq!(watcher.next().await, Heard::ReadAnew);
        assert_eq!(watcher.next().await, Heard::Event(job(last, "leased")));
        assert_eq!(events.fell_behind(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watcher_that_does_not_read_is_seen_by_how_long_it_has_not() {
        // Of one subject that changes again and again, the first change counts; who has read all is up to date.
        let events = Events::default();
        let mut watcher = events.watch();
        let _quick = events.watch_only(|_| false);
        for _change in 0..3 {
            events.publish(&job(1, "leased"));
            tokio::time::advance(Duration::from_secs(2)).await;
        }
        assert_eq!(events.lag(Instant::now()), Duration::from_secs(6));
        watcher.batch().await;
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(events.lag(Instant::now()), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn progress_is_told_once_a_second_and_a_change_at_once() {
        // Made-up time: of a thousand words on progress the first is told at once, the next after a second; a change in
        // between is told at once, and the progress that came before it with it. Nothing is left untold.
        let events = Events::default();
        let mut watcher = events.watch_only(|subject| matches!(subject, Subject::Job(_)));
        let start = Instant::now();
        events.progressed(Subject::Settings);
        events.progressed(job(1, "").subject);
        assert_eq!(watcher.batch().await.events, [job(1, "")]);
        for _word in 0..1000 {
            events.progressed(job(1, "").subject);
        }
        events.publish(&job(2, "leased"));
        assert_eq!(watcher.batch().await.events, [job(2, "leased")]);
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!((watcher.batch().await.events, start.elapsed()), (vec![job(1, "")], PROGRESS_EVERY));
        events.progressed(job(1, "").subject);
        events.publish(&job(1, "moved"));
        events.progressed(job(1, "").subject);
        assert_eq!((watcher.batch().await.events, start.elapsed()), (vec![job(1, "moved")], PROGRESS_EVERY));
        assert!(tokio::time::timeout(Duration::from_secs(60), watcher.batch()).await.is_err());
        assert!(watcher.told.is_empty() || watcher.told.len() == 1, "only the last second is remembered");
    }

    #[test]
    fn a_watcher_that_left_is_forgotten() {
        // After the drop the next publish removes its place.
        let events = Events::default();
        drop(events.watch());
        events.publish(&job(1, "leased"));
        assert!(events.watchers.lock().is_empty());
    }
}
