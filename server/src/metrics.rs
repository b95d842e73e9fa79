//! What a scrape of the server reads of its rooms, beside what its embedded node has. Cheap however many jobs there are:
//! counts are those that everybody looks at, ages are looked up in an index. Decides nothing.

use std::sync::Arc;

use pixelfox_node::metrics::{
    DB_CONNECTIONS, DB_SECONDS, DB_WAITING, EVENT_LAG, JOB_LEASED, JOB_WAITING, JOBS, Meters, Metric, NODE_ATTACHED,
    NODE_ATTACHES, POOL_FILES, POOL_IMAGES, POOL_LIMIT, POOL_RESERVED, POOL_TRASH, POOL_USED, QUEUE_PAUSED, WATCHERS,
    WATCHERS_BEHIND, shown,
};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::{
    catalog::{JobKind, JobState, UnixMillis},
    clock,
    counts::Counts,
    events::Events,
    sessions::Sessions,
    store::{Store, StoreError},
};

/// The rooms that are read.
#[derive(Clone, Debug)]
pub struct Rooms {
    /// The books.
    pub store: Store,
    /// Who is attached.
    pub sessions: Arc<Sessions>,
    /// Who watches.
    pub events: Events,
    /// How many jobs there are.
    pub counts: Counts,
    /// Owns a count that takes longer than one waits for it.
    pub readers: TaskTracker,
}

/// From now on a scrape of `meters` shows the rooms.
pub fn show(rooms: Rooms, meters: &Meters) {
    let times = meters.histogram(&DB_SECONDS, &[]);
    rooms.store.measure(move |took| times.record(took));
    meters.on_scrape(move |to| {
        let rooms = rooms.clone();
        Box::pin(async move {
            rooms.in_memory(&to);
            // What is not known is not shown: an alert on it says so.
            if let Err(cause) = rooms.on_record(&to).await {
                tracing::warn!("could not read the books for /metrics: {cause}");
            }
        })
    });
}

impl Rooms {
    fn in_memory(&self, to: &Meters) {
        let load = self.store.load();
        to.gauge(&DB_CONNECTIONS, &[("state", "open")]).set(shown(load.open));
        to.gauge(&DB_CONNECTIONS, &[("state", "idle")]).set(shown(load.idle));
        to.gauge(&DB_WAITING, &[]).set(shown(load.waiting));
        to.gauge(&WATCHERS, &[]).set(shown(self.events.watchers()));
        to.counter(&WATCHERS_BEHIND, &[]).absolute(self.events.fell_behind());
        to.gauge(&EVENT_LAG, &[]).set(self.events.lag(Instant::now()).as_secs_f64());
    }

    async fn on_record(&self, to: &Meters) -> Result<(), StoreError> {
        let attaches = self.sessions.attaches();
        for node in self.store.list_nodes().await? {
            let name = node.node.to_string();
            let labels = [("node", name.as_str())];
            to.gauge(&NODE_ATTACHED, &labels).set(shown(u64::from(self.sessions.seat(&node.node).is_some())));
            to.counter(&NODE_ATTACHES, &labels).absolute(attaches.get(&node.node).copied().unwrap_or(0));
        }
        for pool in self.store.list_pools().await? {
            let (node, id, usage) = (pool.node.to_string(), pool.id.to_string(), &pool.usage);
            let labels = [("pool", pool.name.as_str()), ("pool_id", id.as_str()), ("node", node.as_str())];
            let set = |metric: &Metric, value| to.gauge(metric, &labels).set(shown(value));
            set(&POOL_USED, usage.used_bytes);
            set(&POOL_TRASH, usage.trash_bytes);
            set(&POOL_RESERVED, usage.reserved_bytes);
            set(&POOL_LIMIT, pool.max_size);
            set(&POOL_FILES, usage.used_files);
            set(&POOL_IMAGES, usage.images);
        }
        to.gauge(&QUEUE_PAUSED, &[]).set(shown(u64::from(self.store.queue_paused().await?)));
        let (ages, now) = (self.store.queue_ages().await?, clock::now());
        to.gauge(&JOB_WAITING, &[]).set(age(ages.waiting_since, now));
        to.gauge(&JOB_LEASED, &[]).set(age(ages.leased_since, now));
        let counted = self.counts.of(&self.store, &self.readers).await?;
        for kind in JobKind::ALL {
            for state in JobState::ALL {
                let count = counted.totals.both.iter().find(|(both, _)| *both == (*kind, *state));
                let labels = [("kind", kind.as_str()), ("state", state.as_str())];
                to.gauge(&JOBS, &labels).set(shown(count.map_or(0, |(_, count)| *count)));
            }
        }
        Ok(())
    }
}

/// In seconds; 0 where nothing is that old, or where a clock was set back.
fn age(since: Option<UnixMillis>, now: UnixMillis) -> f64 {
    let millis = since.map_or(0, |since| now.0.saturating_sub(since.0));
    shown(u64::try_from(millis).unwrap_or(0)) / 1000.0
}
