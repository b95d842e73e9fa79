//! Leased jobs become commands: one push to the source's node, and where the target has files in its trash one
//! restore to the target's node.

use std::collections::BTreeMap;

use pixelfox_proto::{Attempt, NodeId, PoolId, SessionEpoch, Trace};

use super::{Round, target_url};
use crate::catalog::{LeaseOrder, LeasedFile, LeasedJob, Pool, Reach};
use crate::schedule::{self, Cause};
use crate::sessions::{Awaited, Command, PushFile, PushFiles, RestoreFile, RestoreFiles, Session, Work};
use crate::store::StoreError;

/// Jobs of one command at most.
const JOBS: usize = schedule::JOBS_PER_COMMAND as usize;

/// Files of one command that brings them back at most.
const RESTORED: usize = 256;

/// A file with the job that it belongs to.
type Parcel<'a> = (&'a LeasedJob, &'a LeasedFile);

impl Round {
    /// Sends one leased group. What can't be sent is pending again, not counted.
    pub(super) async fn send(&self, order: &LeaseOrder, jobs: Vec<LeasedJob>, pools: &[Pool]) {
        for job in &jobs {
            self.settle.begin(job.clone());
        }
        let files = || jobs.iter().flat_map(|job| job.files.iter().map(move |file| (job, file)));
        let to_push: Vec<Parcel<'_>> = files().filter(|(_, file)| file.in_trash.is_none()).collect();
        let to_restore: Vec<Parcel<'_>> = files().filter(|(_, file)| file.in_trash.is_some()).collect();
        let Some(target) = pools.iter().find(|pool| pool.id == order.target) else {
            return self.unsent(&files().collect::<Vec<_>>(), "the target pool is gone").await;
        };
        let held = |node: &NodeId, epoch: SessionEpoch| self.sessions.of(node).filter(|it| it.epoch() == epoch);
        let (source, target_node) = (held(&order.node, order.epoch), held(&target.node, order.target_epoch));
        let has_both = match order.reach {
            Reach::Both => source.is_some() && target_node.is_some(),
            Reach::Source => source.is_some(),
            Reach::Target => target_node.is_some(),
        };
        if !has_both {
            return self.unsent(&files().collect::<Vec<_>>(), "a node's session ended").await;
        }
        for parcels in to_push.chunk_by(|(one, _), (next, _)| one.job == next.job).collect::<Vec<_>>().chunks(JOBS) {
            if let Some(source) = &source {
                self.push(source, order.source, order.target, pools, &parcels.concat()).await;
            }
        }
        if let Some(target_node) = &target_node {
            self.bring_back(target_node, order.target, to_restore).await;
        }
    }

    /// Out of the target's trash: hashed, but for moves that are taken back.
    async fn bring_back(&self, target_node: &Session, target: PoolId, parcels: Vec<Parcel<'_>>) {
        let (undone, moved): (Vec<_>, Vec<_>) = parcels.into_iter().partition(|(job, _)| job.undo);
        for parcels in undone.chunks(RESTORED).chain(moved.chunks(RESTORED)) {
            let awaited = parcels.iter().map(|(job, file)| (file.path.clone(), Awaited::Restored(attempt(job, file))));
            crash_point!("restore.before_send");
            if let Err(end) = self.sessions.send(target_node, restore(target, parcels), Work::Rename, awaited) {
                self.unsent(parcels, &end.to_string()).await;
            }
            crash_point!("restore.after_send");
        }
    }

    /// Files that their target could not bring back from its trash after all.
    pub(super) async fn push_unrestored(&self) -> Result<(), StoreError> {
        let to_push = self.settle.take_unrestored().await?;
        if to_push.is_empty() {
            return Ok(());
        }
        let pools = self.store.list_pools().await?;
        let node = |id: PoolId| pools.iter().find(|pool| pool.id == id).map(|pool| &pool.node);
        for ((source, target, epoch), parcels) in by_way(&to_push) {
            match node(source).and_then(|node| self.sessions.of(node)).filter(|session| session.epoch() == epoch) {
                Some(session) => self.push(&session, source, target, &pools, &parcels).await,
                None => self.unsent(&parcels, "the source's session ended").await,
            }
        }
        Ok(())
    }

    async fn push(&self, session: &Session, source: PoolId, target: PoolId, pools: &[Pool], parcels: &[Parcel<'_>]) {
        let Some(target_url) = target_url(pools, target) else {
            return self.not_sent(parcels, Cause::Refused, "the target pool has no usable upload_api_url").await;
        };
        let files = parcels.iter().map(|(job, file)| push_file(job, file)).collect();
        let command = Command::Push(PushFiles { source, target, target_url, files });
        let awaited = parcels.iter().map(|(job, file)| (file.path.clone(), Awaited::Pushed(attempt(job, file))));
        crash_point!("push.before_send");
        if let Err(end) = self.sessions.send(session, command, Work::Push, awaited) {
            self.unsent(parcels, &end.to_string()).await;
        }
        crash_point!("push.after_send");
    }

    /// The session is gone: nobody's fault.
    async fn unsent(&self, parcels: &[Parcel<'_>], why: &str) {
        self.not_sent(parcels, Cause::NodeAway, why).await;
    }

    async fn not_sent(&self, parcels: &[Parcel<'_>], cause: Cause, why: &str) {
        for (job, file) in parcels {
            self.settle.unsent(job, &file.path, cause, why.to_owned()).await;
        }
    }
}

/// By source, target and the session that holds them.
fn by_way(parcels: &[(LeasedJob, LeasedFile)]) -> BTreeMap<(PoolId, PoolId, SessionEpoch), Vec<Parcel<'_>>> {
    let mut ways: BTreeMap<_, Vec<Parcel<'_>>> = BTreeMap::new();
    for (job, file) in parcels {
        ways.entry((job.source, job.target, job.epoch)).or_default().push((job, file));
    }
    ways
}

fn attempt(job: &LeasedJob, file: &LeasedFile) -> Attempt {
    Attempt { lease: job.lease, job: job.job, attempt: job.attempt, generation: file.generation }
}

fn push_file(job: &LeasedJob, file: &LeasedFile) -> PushFile {
    PushFile {
        path: file.path.clone(),
        size: file.size,
        sha256: file.sha256,
        attempt: attempt(job, file),
        meta: file.meta.clone(),
        trace: Trace::of_job(job.job).child(&format!("attempt {}", job.attempt)),
    }
}

fn restore(pool: PoolId, parcels: &[Parcel<'_>]) -> Command {
    let file = |(job, file): &Parcel<'_>| {
        let trashed = file.in_trash?;
        Some(RestoreFile { path: file.path.clone(), trashed, restored: file.generation, job: job.job })
    };
    let hashed = !parcels.iter().any(|(job, _)| job.undo);
    Command::Restore(RestoreFiles { pool, hashed, files: parcels.iter().filter_map(file).collect() })
}
