//! What happened, for whoever watches from inside. Publishing never waits: each watcher keeps the latest event
//! per subject, up to a limit, and past it is told to read the state anew. Knows no database and no wire type.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use pixelfox_proto::{ImageId, JobId, NodeId, PoolId};
use tokio::sync::Notify;

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
    /// The settings of the cluster.
    Settings,
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

/// The place where events are published. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Events {
    watchers: Arc<Mutex<Vec<Weak<Unread>>>>,
}

impl Events {
    /// Gives the event to every watcher. Never waits; O(watchers + their unread subjects).
    pub fn publish(&self, event: &Event) {
        self.watchers.lock().retain(|watcher| {
            let Some(unread) = watcher.upgrade() else {
                return false;
            };
            unread.put(event);
            true
        });
    }

    /// A watcher of everything that is published from now on. It ends when it is dropped.
    #[must_use]
    pub fn watch(&self) -> Watcher {
        let unread = Arc::new(Unread::default());
        self.watchers.lock().push(Arc::downgrade(&unread));
        Watcher { unread }
    }
}

/// The receiving end of [`Events`].
#[derive(Debug)]
pub struct Watcher {
    unread: Arc<Unread>,
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
}

#[derive(Debug, Default)]
struct Unread {
    kept: Mutex<Kept>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<Event>,
    overflowed: bool,
}

impl Unread {
    fn put(&self, event: &Event) {
        let mut kept = self.kept.lock();
        kept.events.retain(|older| older.subject != event.subject);
        if kept.events.len() >= UNREAD_SUBJECTS {
            kept.events.clear();
            kept.overflowed = true;
        }
        kept.events.push_back(event.clone());
        drop(kept);
        self.arrived.notify_one();
    }

    fn take(&self) -> Option<Heard> {
        let mut kept = self.kept.lock();
        if std::mem::take(&mut kept.overflowed) {
            return Some(Heard::ReadAnew);
        }
        kept.events.pop_front().map(Heard::Event)
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
        assert_eq!(watcher.next().await, Heard::ReadAnew);
        assert_eq!(watcher.next().await, Heard::Event(job(last, "leased")));
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
