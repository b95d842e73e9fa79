//! The pools of this node: which they are, whether they can be believed, what is free in them, and who has the others.
//! Decides nothing about files.

mod census;
mod found;
mod identity;
mod keeper;
mod left;
mod marker;
mod neighbours;
mod pool;
mod space;
mod welcome;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use pixelfox_proto::{Fault, FaultKind, Lease, PoolId, StoredPath};

pub use census::{CensusPace, count_unowned};
pub use found::{FoundPool, identity_in};
pub use identity::{EARLIER_DISK, Place};
pub use left::Left;
pub use marker::Marker;
pub use pool::Pool;
pub(crate) use pool::Shut;
pub use space::Claimant;
pub(crate) use space::Reservation;
pub use welcome::{NodePool, NodeSettings, PoolHome, PoolReport, Trouble, Unowned, Welcome};

use crate::disk::{DiskError, Stored};
use left::LeftFiles;
use neighbours::Neighbours;

/// How long a Welcome waits for the first look at its pools. One that takes longer is unhealthy until then.
const FIRST_LOOK: Duration = Duration::from_secs(5);
/// Paths whose pool is remembered, until all are forgotten.
const REMEMBERED: usize = 16_384;
/// NODE_ID of a coordinator's own node where nothing else is set. Source: docs/configuration.md, "server".
const COORDINATORS_NODE: &str = "local";

/// Every pool of this node, and what the last Welcome said.
#[derive(Debug)]
pub struct Pools {
    told: RwLock<Told>,
    neighbours: Arc<Neighbours>,
    remembered: Mutex<HashMap<StoredPath, PoolId>>,
    left: LeftFiles,
}

#[derive(Debug, Default)]
struct Told {
    source: Source,
    pools: BTreeMap<PoolId, Arc<Pool>>,
    elsewhere: HashMap<PoolId, PoolHome>,
    settings: Arc<NodeSettings>,
}

/// Where a Welcome comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// None yet.
    #[default]
    Nowhere,
    /// From this node's own disk: good enough to serve, not to take anything in.
    Kept,
    /// From the coordinator.
    Coordinator,
}

/// A file of one of this node's pools.
#[derive(Debug)]
pub struct Found {
    /// Who has it.
    pub pool: Arc<Pool>,
    /// The open file.
    pub file: Stored,
}

impl Pools {
    /// None yet. `roots`: pools may only lie under these.
    #[must_use]
    pub fn new(roots: Vec<PathBuf>) -> Arc<Self> {
        let neighbours = Neighbours {
            roots,
            taken: Mutex::default(),
            floor: Mutex::new(Lease(0)),
            keep_free: Mutex::default(),
            file_systems: Mutex::default(),
            changed: tokio::sync::Notify::new(),
            opened: tokio::sync::Notify::new(),
        };
        let neighbours = Arc::new(neighbours);
        Arc::new(Self { told: RwLock::default(), neighbours, remembered: Mutex::default(), left: LeftFiles::default() })
    }

    /// Takes over what a Welcome says: new pools are opened, gone ones closed. Returns after the first look at each
    /// new pool, or after some seconds where a disk hangs.
    pub async fn apply(&self, welcome: Welcome, source: Source) {
        let fresh = self.take_over(welcome, source);
        let looks = async {
            for pool in &fresh {
                pool.first_look().await;
            }
        };
        if tokio::time::timeout(FIRST_LOOK, looks).await.is_err() {
            tracing::warn!("a pool's disk does not answer; going on without it");
        }
    }

    fn take_over(&self, welcome: Welcome, source: Source) -> Vec<Arc<Pool>> {
        let mut told = self.told.write();
        if source == Source::Coordinator && told.source != Source::Coordinator {
            // Only the first one of this process: no stream of an earlier life lands in this one.
            *self.neighbours.floor.lock() = welcome.lease_floor;
            for disk in told.pools.values().filter_map(|pool| pool.disk()) {
                disk.raise_floor(welcome.lease_floor);
            }
        }
        *self.neighbours.keep_free.lock() = welcome.settings.reserve_bytes;
        let mut before = std::mem::take(&mut told.pools);
        let mut fresh = Vec::new();
        for mut pool in welcome.pools {
            // What was kept may be old: nothing is made on its word.
            pool.initialize &= source == Source::Coordinator;
            let id = pool.id;
            let same = before.remove(&id).filter(|old| old.is_same_place(&pool));
            let pool = match same {
                Some(old) => {
                    old.tell(pool);
                    old
                }
                None => {
                    let pool = Pool::start(pool, &self.neighbours);
                    fresh.push(Arc::clone(&pool));
                    pool
                }
            };
            told.pools.insert(id, pool);
        }
        told.source = source.max(told.source);
        told.elsewhere = welcome.elsewhere.into_iter().map(|home| (home.id, home)).collect();
        told.settings = Arc::new(welcome.settings);
        self.remembered.lock().clear();
        fresh
    }

    /// A pool that this node hosts, healthy or not.
    ///
    /// # Errors
    /// 503 before the first Welcome of the coordinator, else 421 that names the node that has it.
    pub fn hosted(&self, id: PoolId) -> Result<Arc<Pool>, Fault> {
        self.hosted_any(id.get())
    }

    /// As [`Pools::hosted`], by this cluster's id or by the one in an older PixelFox's database.
    ///
    /// # Errors
    /// As [`Pools::hosted`].
    pub fn hosted_any(&self, id: u64) -> Result<Arc<Pool>, Fault> {
        let told = self.told.read();
        if told.source != Source::Coordinator {
            return Err(Fault::unavailable("this node has not heard from the coordinator yet"));
        }
        let ours = PoolId::try_from(id).ok();
        if let Some(pool) = ours.and_then(|id| told.pools.get(&id)) {
            return Ok(Arc::clone(pool));
        }
        if let Some(pool) = told.pools.values().find(|pool| pool.told().legacy_pool_id == Some(id)) {
            return Ok(Arc::clone(pool));
        }
        let misdirected = |message| Fault::new(FaultKind::Misdirected, message);
        Err(match ours.and_then(|id| told.elsewhere.get(&id)) {
            Some(home) if home.public_base_url.is_empty() => {
                misdirected(format!("pool {id} is on node {}", home.node_id))
            }
            Some(home) => misdirected(format!("pool {id} is on node {}", home.node_id))
                .with_hint(format!("That node is at {}", home.public_base_url)),
            None => misdirected(format!("no pool {id} in this cluster")),
        })
    }

    /// Where browsers find the pages, where the coordinator's own node has a pool.
    #[must_use]
    pub fn app_url(&self) -> Option<String> {
        let told = self.told.read();
        let app = told.elsewhere.values().find(|home| home.node_id.as_str() == COORDINATORS_NODE);
        app.map(|home| home.public_base_url.clone()).filter(|url| !url.is_empty())
    }

    /// A pool of the cluster as people call it, for sentences.
    #[must_use]
    pub fn name_of(&self, id: PoolId) -> String {
        let told = self.told.read();
        let ours = told.pools.get(&id).map(|pool| pool.name());
        let name = ours.or_else(|| told.elsewhere.get(&id).map(|home| home.name.clone()));
        name.filter(|name| !name.is_empty()).unwrap_or_else(|| id.to_string())
    }

    /// The healthy pool with the most room.
    ///
    /// # Errors
    /// 503 before the first Welcome or where no pool is healthy, 507 where none has room.
    pub fn roomiest(&self) -> Result<Arc<Pool>, Fault> {
        let told = self.told.read();
        if told.source != Source::Coordinator {
            return Err(Fault::unavailable("this node has not heard from the coordinator yet"));
        }
        let mut healthy = told.pools.values().filter(|pool| pool.problem().is_none()).peekable();
        if healthy.peek().is_none() {
            return Err(Fault::unavailable("target pool unhealthy"));
        }
        let roomiest = healthy.max_by_key(|pool| (pool.room(), std::cmp::Reverse(pool.id())));
        let with_room = roomiest.filter(|pool| pool.room() > 0).cloned();
        with_room.ok_or_else(|| Fault::new(FaultKind::InsufficientStorage, "insufficient capacity"))
    }

    /// Opens the file at `path` in whichever pool has it. Blocking: one open where it was found before, else one for
    /// each pool.
    ///
    /// # Errors
    /// Where no pool has it and one could not be asked.
    pub fn find(&self, path: &StoredPath) -> Result<Option<Found>, DiskError> {
        let pools: Vec<Arc<Pool>> = self.told.read().pools.values().cloned().collect();
        let remembered = if pools.len() > 1 { self.remembered.lock().get(path).copied() } else { None };
        let first = pools.iter().filter(|pool| Some(pool.id()) == remembered);
        let others = pools.iter().filter(|pool| Some(pool.id()) != remembered);
        let mut failure = None;
        for pool in first.chain(others) {
            let Some(disk) = pool.disk() else { continue };
            match disk.open(path) {
                Ok(Some(file)) => {
                    if pools.len() > 1 && remembered != Some(pool.id()) {
                        self.remember(path, pool.id());
                    }
                    return Ok(Some(Found { pool: Arc::clone(pool), file }));
                }
                Ok(None) => {}
                Err(e) => failure = Some(e),
            }
        }
        failure.map_or(Ok(None), Err)
    }

    /// Leaves a small file in a pool, to be read at its path until it is dropped. Blocking.
    ///
    /// # Errors
    /// Where the pool does not take it, or where too many are left already.
    pub fn leave(&self, id: PoolId) -> Result<Left, Fault> {
        let pool = self.hosted(id)?;
        let disk = pool.disk().ok_or_else(|| Fault::unavailable(format!("pool {id} is unhealthy")))?;
        self.left.leave(&disk)
    }

    /// What was left at `path`, where something was: cheap where nothing was. Blocking.
    #[must_use]
    pub fn left_at(&self, path: &StoredPath) -> Option<Vec<u8>> {
        self.left.read(path)
    }

    /// A pool whose disk is not there now, whatever the last look found: that a file is missing says nothing then.
    /// Blocking.
    #[must_use]
    pub fn unseen(&self) -> Option<Arc<Pool>> {
        self.all().into_iter().find(|pool| !pool.is_in_place())
    }

    fn remember(&self, path: &StoredPath, pool: PoolId) {
        let mut remembered = self.remembered.lock();
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(path.clone(), pool);
    }

    /// Every pool of this node, in the order of their ids.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Pool>> {
        self.told.read().pools.values().cloned().collect()
    }

    /// What the heartbeat says of each.
    #[must_use]
    pub fn reports(&self) -> Vec<PoolReport> {
        self.all().iter().map(|pool| pool.report()).collect()
    }

    /// Whether a directory may serve as a pool, as [`Pool::report`] would say it. Nothing is written. Blocking.
    #[must_use]
    pub fn look_at(&self, place: &Place) -> PoolReport {
        let looked = identity::look(place, &self.neighbours.roots, |ids| self.neighbours.other_holder(ids, place.id));
        let (problem, impossible, trouble, found) = match looked {
            Ok(found) => (String::new(), false, None, found),
            Err(e) => (e.to_string(), e.is_for_good(), Some(e.trouble()), identity::Looked::default()),
        };
        let identity::Looked { room: (free, total), would_make } = found;
        let would_make = would_make.map(|path| path.display().to_string()).unwrap_or_default();
        let (id, healthy, wanted, file_system) = (place.id, problem.is_empty(), 0, 0);
        let unowned = Unowned::default();
        PoolReport { id, healthy, problem, free, total, wanted, file_system, unowned, impossible, trouble, would_make }
    }

    /// The cluster's settings; the defaults before the first Welcome.
    #[must_use]
    pub fn settings(&self) -> Arc<NodeSettings> {
        Arc::clone(&self.told.read().settings)
    }

    /// Where the last Welcome came from.
    #[must_use]
    pub fn source(&self) -> Source {
        self.told.read().source
    }

    /// Attempts with this lease or a lower one are refused: they were leased before this process's first Welcome.
    #[must_use]
    pub fn lease_floor(&self) -> Lease {
        *self.neighbours.floor.lock()
    }

    /// Waits until a pool's health has changed, for an immediate heartbeat. One waiter.
    pub async fn changed(&self) {
        self.neighbours.changed.notified().await;
    }

    /// Waits until a pool's disk has opened. One waiter; who comes late is not kept waiting.
    async fn opened(&self) {
        self.neighbours.opened.notified().await;
    }
}
