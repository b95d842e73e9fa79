//! The coordinator's rooms put together, with an owner for each of their tasks.
//!
//! ```text
//! let spec = BooksSpec { store, node, public_domain, replication_secret, tls_ca_file, admin_token, auto_pools, sweep };
//! let books = Books::start(spec).await?;
//! routes.grpc(books.coordinator()).grpc(books.admin());   // on the port; `admin_in_process` for the pages
//! books.shut_down(grace).await;                           // before the listener and the store close
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pixelfox_node::{metrics::Meters, secret::SecretPair, whois::Whois};
use pixelfox_proto::{NodeId, PoolId};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::accounts::Accounts;
use crate::config::SweepTimes;
use crate::counts::Counts;
use crate::diagnose::Diagnose;
use crate::dispatch::Dispatch;
use crate::events::{Events, Watcher};
use crate::grpc::{self, AdminServing, CoordinatorServing, Rooms};
use crate::metrics;
use crate::sessions::{Sessions, Work};
use crate::settle::Settle;
use crate::store::{AutoPools, Store, StoreError};
use crate::upkeep::Upkeep;

/// Between two looks at what is still under way while shutting down.
const SHUTDOWN_LOOK: Duration = Duration::from_millis(50);

/// What the coordinator is started with.
#[derive(Debug)]
pub struct BooksSpec {
    /// The books, open. They stay the caller's to close, after [`Books::shut_down`].
    pub store: Store,
    /// `NODE_ID`: the name of this server to others on the same books.
    pub node: NodeId,
    /// PUBLIC_DOMAIN, for links to this server's own pages.
    pub public_domain: String,
    /// `REPLICATION_SECRET`; `None`: no node can attach.
    pub replication_secret: Option<SecretPair>,
    /// `TLS_CA_FILE`: whom to trust where a pool's public URL is tried.
    pub tls_ca_file: Option<PathBuf>,
    /// `ADMIN_TOKEN`; `None`: the Admin service is open to this process only.
    pub admin_token: Option<SecretPair>,
    /// `AUTO_POOLS`.
    pub auto_pools: AutoPools,
    /// `JOB_STUCK_AFTER`, `JOB_SWEEP_INTERVAL`.
    pub sweep: SweepTimes,
}

/// The running coordinator: sessions, dispatch, settling. Its services are mounted by the caller.
#[derive(Debug)]
pub struct Books {
    rooms: Rooms,
    dispatch: Dispatch,
    upkeep: Upkeep,
    replication_secret: Option<SecretPair>,
    admin_token: Option<SecretPair>,
}

impl Books {
    /// Returns what an earlier process left under way, and starts the tasks. Needs a tokio runtime.
    ///
    /// # Errors
    /// The books can't be written.
    pub async fn start(spec: BooksSpec) -> Result<Self, StoreError> {
        let BooksSpec { store, node, public_domain, replication_secret, tls_ca_file, admin_token, auto_pools, sweep } =
            spec;
        let public_domain = public_domain.into();
        let (events, wake) = (Events::default(), Arc::new(Notify::new()));
        let sessions = Sessions::new(store.clone(), auto_pools);
        let settle = Settle::start(store.clone(), Arc::clone(&sessions), events.clone(), Arc::clone(&wake));
        settle.nobody_is_attached(&node).await?;
        settle.remember_last_hour().await?;
        let dispatch = Dispatch::start(store.clone(), Arc::clone(&sessions), settle.clone(), Arc::clone(&wake));
        let upkeep = Upkeep::start(store.clone(), Arc::clone(&sessions), events.clone(), settle.clone(), sweep);
        let accounts = Accounts::new(store.clone());
        let whois = Whois::new(replication_secret.clone(), tls_ca_file);
        let diagnose = Diagnose::new(store.clone(), Arc::clone(&sessions), whois, node);
        let readers = TaskTracker::new();
        let counts = Counts::default();
        let rooms = Rooms { store, accounts, sessions, settle, events, diagnose, counts, wake, readers, public_domain };
        Ok(Self { rooms, dispatch, upkeep, replication_secret, admin_token })
    }

    /// `pixelfox.v1.Coordinator` for the port, and for the embedded node in this process.
    #[must_use]
    pub fn coordinator(&self) -> CoordinatorServing {
        grpc::coordinator(self.rooms.clone(), self.replication_secret.clone())
    }

    /// `pixelfox.v1.Coordinator` for the embedded node alone: by `secret`, which only this process knows. So the
    /// server's own node works without a `REPLICATION_SECRET` too. Never mount it on a port.
    #[must_use]
    pub fn coordinator_in_process(&self, secret: SecretPair) -> CoordinatorServing {
        grpc::coordinator(self.rooms.clone(), Some(secret))
    }

    /// `pixelfox.v1.Admin` for the port: by `ADMIN_TOKEN`.
    #[must_use]
    pub fn admin(&self) -> AdminServing {
        grpc::admin(self.rooms.clone(), self.admin_token.clone())
    }

    /// `pixelfox.v1.Admin` for the pages of this process, which check themselves who asks. Never mount it on a port.
    #[must_use]
    pub fn admin_in_process(&self) -> AdminServing {
        grpc::admin_in_process(self.rooms.clone())
    }

    /// What happens from now on, as it happens.
    #[must_use]
    pub fn watch(&self) -> Watcher {
        self.rooms.events.watch()
    }

    /// Who is attached, and how their pools are.
    #[must_use]
    pub fn sessions(&self) -> Arc<Sessions> {
        Arc::clone(&self.rooms.sessions)
    }

    /// From now on a scrape of `meters` shows them.
    pub fn show(&self, meters: &Meters) {
        let Rooms { store, sessions, events, counts, readers, .. } = self.rooms.clone();
        metrics::show(metrics::Rooms { store, sessions, events, counts, readers }, meters);
    }

    /// NODE_IDs that are attached now.
    #[must_use]
    pub fn attached(&self) -> Vec<NodeId> {
        self.rooms.sessions.all().iter().map(|session| session.node().clone()).collect()
    }

    /// Whether `node` is attached and reports `pool` as healthy.
    #[must_use]
    pub fn serves(&self, node: &NodeId, pool: PoolId) -> bool {
        self.rooms
            .sessions
            .of(node)
            .and_then(|session| session.pool(pool))
            .is_some_and(|health| health.problem.is_none())
    }

    /// Pools or settings were changed without the Admin service (by the caller at its start): tells every node.
    pub fn books_changed(&self) {
        self.rooms.sessions.books_changed();
        self.rooms.wake.notify_one();
    }

    /// Hands out nothing more, lets commands that are out end for up to `grace`, then ends every session with
    /// UNAVAILABLE, so that nodes attach again at once, and writes down what was heard. Jobs that are still under way
    /// are pending again. Call it while the port is still served.
    pub async fn shut_down(&self, grace: Duration) {
        self.upkeep.shut_down().await;
        self.dispatch.shut_down().await;
        let until = Instant::now() + grace;
        while self.is_at_work() && Instant::now() < until {
            tokio::time::sleep(SHUTDOWN_LOOK).await;
        }
        self.rooms.sessions.shut_down().await;
        self.rooms.readers.close();
        self.rooms.readers.wait().await;
        self.rooms.settle.shut_down().await;
        if let Err(cause) = self.rooms.store.leave().await {
            tracing::warn!("could not note that this server ends: {cause}");
        }
    }

    fn is_at_work(&self) -> bool {
        let at_work = |work: Work| self.rooms.sessions.all().iter().any(|session| session.pending.count(work) > 0);
        at_work(Work::Push) || at_work(Work::Rename)
    }
}
