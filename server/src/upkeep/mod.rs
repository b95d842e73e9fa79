//! Chores: what keeps the books small and true while nobody asks. Each is idempotent, woken by what happens and by a
//! timer, and costs nothing while nothing happens.

mod outbox;
mod servers;
mod sweep;
mod watchdog;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::servers::Servers;
use crate::config::SweepTimes;
use crate::events::Events;
use crate::sessions::Sessions;
use crate::settle::Settle;
use crate::store::Store;

/// The chores' tasks.
#[derive(Debug)]
pub struct Upkeep {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Upkeep {
    /// Starts them. `events` wakes them.
    #[must_use]
    pub fn start(store: Store, sessions: Arc<Sessions>, events: Events, settle: Settle, sweep: SweepTimes) -> Self {
        let upkeep = Self { tasks: TaskTracker::new(), stop: CancellationToken::new() };
        let servers =
            Servers { store: store.clone(), sessions, settle: settle.clone(), events: events.clone(), read: 0 };
        upkeep.tasks.spawn(servers.run(upkeep.stop.clone()));
        upkeep.tasks.spawn(outbox::run(store, events, upkeep.stop.clone()));
        upkeep.tasks.spawn(sweep::run(settle, sweep, upkeep.stop.clone()));
        upkeep
    }

    /// Waits for the one thing that ends a whole process: its writer is dead. Says why. Cancel safe.
    pub async fn dead(store: &Store) -> String {
        watchdog::run(store.clone()).await
    }

    /// Ends them; a chore that is under way ends first.
    pub async fn shut_down(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
