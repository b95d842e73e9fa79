//! One pool of this node: what the coordinator says of it, its disk while that can be believed, and the room in it.
//! A thread of its own opens the disk and looks after it, so that one that hangs holds up nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

use parking_lot::RwLock;
use pixelfox_proto::{Generation, PoolId, StoredPath};
use tokio::sync::watch;

use super::census::Census;
use super::keeper::{Keeper, describe};
use super::neighbours::{Holder, Neighbours};
use super::space::{Books, Claimant, FileSystem, Reservation, Space};
use super::welcome::{NodePool, PoolReport, Trouble};
use crate::config::show_size;
use crate::disk::{Check, DirId, Disk, DiskError, Purged, Removal, Restored, Stored, Trashed, Verdict};

/// A pool that this node hosts, healthy or not.
#[derive(Debug)]
pub struct Pool {
    id: PoolId,
    holder: Holder,
    state: RwLock<State>,
    space: Arc<Space>,
    /// Where it is, and what tells that from other machines' file systems.
    on: RwLock<(Arc<FileSystem>, u64)>,
    pub(super) neighbours: Arc<Neighbours>,
    looks: watch::Sender<u64>,
    nudge: SyncSender<()>,
    /// From then on a missing marker means that the disk is not there, whatever the last Welcome allowed.
    pub(super) was_open: AtomicBool,
    census: Census,
    /// Somebody wants to know whether it works now.
    pub(super) trial_due: AtomicBool,
}

#[derive(Debug)]
struct State {
    told: NodePool,
    disk: Option<Arc<Disk>>,
    problem: Option<String>,
    trouble: Option<Trouble>,
    /// What the last trial said where the disk was full.
    full: Option<String>,
    room: (u64, u64),
}

/// Why a pool takes nothing in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shut {
    /// Offline or failing.
    Unhealthy,
    /// Not active, or full: in a sentence.
    NoRoom(String),
}

impl Pool {
    /// Starts to look after what `told` names; the first look is under way when this returns.
    pub(crate) fn start(told: NodePool, neighbours: &Arc<Neighbours>) -> Arc<Self> {
        let (nudge, nudged) = sync_channel(1);
        let problem = Some("not looked at yet".to_owned());
        let pool = Arc::new(Self {
            id: told.id,
            holder: Holder { pool: told.id, name: told.name.as_str().into(), opening: fastrand::u64(..) },
            space: Arc::default(),
            on: RwLock::default(),
            state: RwLock::new(State {
                told: told.clone(),
                disk: None,
                problem,
                trouble: None,
                full: None,
                room: (0, 0),
            }),
            neighbours: Arc::clone(neighbours),
            looks: watch::Sender::new(0),
            nudge,
            was_open: AtomicBool::new(false),
            census: Census::default(),
            trial_due: AtomicBool::new(false),
        });
        pool.tell(told);
        let keeper = Keeper::of(&pool);
        let started = std::thread::Builder::new().name(format!("pool-{}", pool.id)).spawn(|| keeper.run(nudged));
        if let Err(e) = started {
            pool.state.write().problem = Some(format!("could not start the pool's thread: {e}"));
        }
        pool
    }

    /// Its id in this cluster.
    #[must_use]
    pub const fn id(&self) -> PoolId {
        self.id
    }

    /// As people call it.
    #[must_use]
    pub fn name(&self) -> String {
        self.state.read().told.name.clone()
    }

    /// What its files' URLs begin with.
    #[must_use]
    pub fn public_base_url(&self) -> String {
        self.state.read().told.public_base_url.clone()
    }

    /// What the coordinator says of it.
    #[must_use]
    pub fn told(&self) -> NodePool {
        self.state.read().told.clone()
    }

    /// Its disk, for reading; `None` while nothing that is seen there can be believed.
    #[must_use]
    pub fn disk(&self) -> Option<Arc<Disk>> {
        self.state.read().disk.clone()
    }

    /// Whether its directory is there now and says that it is this pool's. Blocking.
    pub(crate) fn is_in_place(&self) -> bool {
        let in_place = self
            .disk()
            .is_some_and(|disk| disk.is_still_at(&self.told().base_path) && matches!(disk.marker(), Ok(Some(_))));
        if !in_place {
            self.look_now();
        }
        in_place
    }

    /// What is wrong with it, if anything is.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.state.read().problem.clone()
    }

    /// As the heartbeat says it.
    #[must_use]
    pub fn report(&self) -> PoolReport {
        let state = self.state.read();
        let problem = state.problem.clone().unwrap_or_default();
        let (free, total) = state.room;
        let (healthy, unowned) = (state.problem.is_none(), self.census.shown());
        let (wanted, file_system) = (self.space.wanted(state.room), self.on.read().1);
        let id = Some(self.id);
        let (impossible, trouble, would_make) = (false, state.trouble, String::new());
        PoolReport { id, healthy, problem, free, total, wanted, file_system, unowned, impossible, trouble, would_make }
    }

    /// Tries now whether it works: its directory and marker are looked at, a file is written, synced, read back and
    /// removed. A full disk, which elsewhere is no illness, is a problem here. As slow as its disk.
    pub async fn check(&self) -> PoolReport {
        self.trial_due.store(true, Ordering::Release);
        self.look().await;
        let mut report = self.report();
        if let Some(full) = self.state.read().full.clone().filter(|_| report.healthy) {
            (report.healthy, report.problem, report.trouble) = (false, full, Some(Trouble::Full));
        }
        report
    }

    /// Bytes that still fit for somebody who has nothing reserved; 0 where it takes nothing in.
    #[must_use]
    pub fn room(&self) -> u64 {
        let state = self.state.read();
        if state.problem.is_some() || !state.told.is_active {
            return 0;
        }
        self.space.room(&self.on.read().0, state.room, Claimant::Other)
    }

    /// Its disk for writing, and room for `size` bytes.
    pub(crate) fn admit(&self, size: u64, claimant: Claimant) -> Result<(Arc<Disk>, Reservation), Shut> {
        let (disk, is_active) = {
            let state = self.state.read();
            let disk = state.disk.clone().filter(|_| state.problem.is_none()).ok_or(Shut::Unhealthy)?;
            (disk, state.told.is_active)
        };
        if !is_active {
            return Err(Shut::NoRoom(format!("pool {} ({}) is not active", self.name(), self.id)));
        }
        if disk.writable().is_err() {
            self.look_now();
            return Err(Shut::Unhealthy);
        }
        let room = disk.room().map_err(|_| Shut::Unhealthy)?;
        let (on, refused) = (Arc::clone(&self.on.read().0), self.space.refused());
        let Some(reservation) = self.space.reserve(size, &on, room, claimant) else {
            if refused.is_none_or(|before| before < size) {
                self.neighbours.changed.notify_one();
            }
            return Err(self.lack(room, 0));
        };
        Ok((disk, reservation))
    }

    /// A file without a record has come by this node.
    pub(crate) fn landed_by_hand(&self, path: &StoredPath, size: u64) {
        self.census.landed(path, size);
    }

    pub(super) fn census(&self) -> &Census {
        &self.census
    }

    /// What is missing where a file does not fit, in a sentence with numbers. `own`: bytes that were set aside for it, which
    /// are room for others now.
    pub(crate) fn lack(&self, (free, total): (u64, u64), own: u64) -> Shut {
        let told = self.told();
        let room = self.space.room(&self.on.read().0, (free, total), Claimant::Other).saturating_add(own);
        let kept = self.neighbours.keep_free.lock().map_or_else(
            || "1 GiB or 1 % stay free".to_owned(),
            |bytes| format!("reserve_bytes keeps {} free", show_size(bytes)),
        );
        let limit = match told.max_size {
            0 => String::new(),
            limit => format!(", its max_size is {} and {} are taken", show_size(limit), show_size(told.used_size)),
        };
        let (name, id, room) = (told.name, self.id, show_size(room));
        let (free, total) = (show_size(free), show_size(total));
        Shut::NoRoom(format!(
            "pool {name} ({id}) has room for {room}: its disk has {free} of {total} free, {kept}{limit}"
        ))
    }

    /// Puts a file into the trash; see [`Disk::trash`].
    ///
    /// # Errors
    /// [`DiskError::Closed`] where the disk is not there, else what the system says.
    pub async fn trash(&self, removal: Removal) -> Result<Trashed, DiskError> {
        self.disk().ok_or(DiskError::Closed)?.trash(removal).await
    }

    /// Removes a file from the trash for good; see [`Disk::purge`].
    ///
    /// # Errors
    /// As [`Pool::trash`].
    pub async fn purge(&self, removal: Removal) -> Result<Purged, DiskError> {
        let purged = self.disk().ok_or(DiskError::Closed)?.purge(removal).await?;
        if let Purged::Purged { size } = purged {
            self.space.left(size);
        }
        Ok(purged)
    }

    /// A file that was on its way in did not fit: the coordinator hears of it now.
    pub(crate) fn wants_room(&self) {
        self.neighbours.changed.notify_one();
    }

    /// Files of the trash have gone for good: whoever waits for their room hears of it now.
    pub fn has_more_room(&self) {
        if let Some(room) = self.disk().and_then(|disk| disk.room().ok()) {
            self.state.write().room = room;
            self.neighbours.changed.notify_one();
        }
    }

    /// Brings a file back from the trash, from the first generation to the second; see [`Disk::restore`].
    ///
    /// # Errors
    /// As [`Pool::trash`].
    pub async fn restore(
        &self,
        path: &StoredPath,
        generations: (Generation, Generation),
        check: Check,
    ) -> Result<Restored, DiskError> {
        self.disk().ok_or(DiskError::Closed)?.restore(path, generations, check).await
    }

    /// Keeps with a file what a check of its bytes came to; see [`Disk::judge`]. Where the disk does not take it the
    /// file goes on being served as before, and the log says so.
    pub(crate) async fn judge(&self, path: &StoredPath, seen: &Stored, verdict: Verdict) {
        let Some(disk) = self.disk() else { return };
        if let Err(e) = disk.judge(path, seen, verdict).await {
            tracing::warn!(pool_id = %self.id, %path, "could not note that {path} is {verdict:?}: {}", describe(&e));
        }
    }

    /// Looks at the pool now instead of at the next turn.
    pub fn look_now(&self) {
        // Full: a look is due anyway.
        let _due = self.nudge.try_send(());
    }

    /// Looks at the pool now and returns after a look that began after this call.
    pub async fn look(&self) {
        let mut looks = self.looks.subscribe();
        let before = *looks.borrow();
        // The first may have begun before.
        for more in 1..=2 {
            self.look_now();
            // The sender lives in `self`, so the wait can't fail.
            drop(looks.wait_for(|looks| *looks >= before + more).await);
        }
    }

    /// Waits until the pool was looked at once.
    pub(crate) async fn first_look(&self) {
        // The sender lives in `self`, so the wait can't fail.
        drop(self.looks.subscribe().wait_for(|looks| *looks > 0).await);
    }

    /// The coordinator has said something new of it.
    pub(crate) fn tell(&self, told: NodePool) {
        let keep_free = *self.neighbours.keep_free.lock();
        let NodePool { max_size: limit, used_size: used, reserved_size: reserved, .. } = told;
        self.space.told(Books { limit, used, reserved, keep_free });
        self.state.write().told = told;
        self.look_now();
    }

    /// Whether `told` is this pool with other words: the same directory and identity.
    pub(crate) fn is_same_place(&self, told: &NodePool) -> bool {
        let state = self.state.read();
        state.told.base_path == told.base_path && state.told.identity == told.identity
    }

    /// What a trial said where the disk is full.
    pub(super) fn set_full(&self, full: Option<String>) {
        self.state.write().full = full;
    }

    pub(super) fn set(&self, disk: Option<Arc<Disk>>, problem: Option<(Trouble, String)>, room: (u64, u64)) {
        let (trouble, problem) = problem.unzip();
        let (has_changed, has_moved, has_opened) = {
            let mut state = self.state.write();
            let has_changed = state.problem != problem;
            let has_opened = state.disk.is_none() && disk.is_some();
            // Less is noise; a heartbeat of its own tells of more.
            let has_moved = state.room.0.abs_diff(room.0) > room.1 / 1000;
            (state.disk, state.problem, state.trouble, state.room) = (disk, problem.clone(), trouble, room);
            (has_changed, has_moved, has_opened)
        };
        if has_opened {
            self.neighbours.opened.notify_one();
        }
        if has_changed {
            match problem {
                Some(problem) if trouble == Some(Trouble::NotWritable) => tracing::warn!(
                    pool_id = %self.id,
                    "pool {} is unhealthy: {problem}. Look at the disk, and let the user that this node runs as write there",
                    self.id
                ),
                Some(problem) => tracing::warn!(pool_id = %self.id, "pool {} is unhealthy: {problem}", self.id),
                None => tracing::info!(pool_id = %self.id, "pool {} is healthy", self.id),
            }
        }
        self.looks.send_modify(|looks| *looks += 1);
        if has_changed || has_moved {
            self.neighbours.changed.notify_one();
        }
    }

    pub(super) fn take_directories(&self, ids: Vec<DirId>) {
        if let Some(id) = ids.first() {
            let on = Arc::clone(self.neighbours.file_systems.lock().entry(id.device()).or_default());
            *self.on.write() = (on, id.file_system());
        }
        self.neighbours.taken.lock().extend(ids.into_iter().map(|id| (id, self.holder.clone())));
    }

    pub(super) fn give_back_directories(&self) {
        self.neighbours.taken.lock().retain(|_, holder| *holder != self.holder);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.give_back_directories();
    }
}
