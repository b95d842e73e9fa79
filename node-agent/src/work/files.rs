//! Orders on files that are here: into the trash, out of it, back from it, hashed.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use pixelfox_proto::{RefusalReason, Sha256, StoredPath, Trace};
use tracing::{field::display, info};

use super::{
    Cancel, FileAt, FileEnd, Outcome, PoolFiles, Reporter, RestoreFile, RestoreFiles, Shared, VerifyFiles,
    report::sentence,
};
use crate::{
    disk::{DiskError, Purged, Removal, Restored, Trashed, Verdict},
    pools::Pool,
};

/// Files of one order that are worked on at once, so that they share their syncs.
const AT_ONCE: usize = 256;
/// Files that are hashed at once.
const HASHED_AT_ONCE: usize = 2;

impl Shared {
    pub(super) async fn trash(&self, order: PoolFiles, reporter: Reporter, cancel: &Cancel) {
        let coordinator = self.coordinator.clone();
        let one = move |pool: Arc<Pool>, file: FileAt| {
            let coordinator = coordinator.clone();
            async move {
                let (path, trace) = (file.path.clone(), file.trace);
                let end = trashed(pool.trash(removal(file)).await);
                end.log(["Trashed", "Not trashed:"], &path, &pool, trace);
                if end.outcome == Outcome::Done {
                    coordinator.forget(&path).await;
                }
                end
            }
        };
        self.each(order, reporter, cancel, one).await;
    }

    pub(super) async fn purge(&self, order: PoolFiles, reporter: Reporter, cancel: &Cancel) {
        let pool = self.pools.hosted(order.pool).ok();
        let one = |pool: Arc<Pool>, file: FileAt| async move {
            let (path, trace) = (file.path.clone(), file.trace);
            let end = purged(pool.purge(removal(file)).await);
            end.log(["Purged", "Not purged:"], &path, &pool, trace);
            end
        };
        self.each(order, reporter, cancel, one).await;
        if let Some(pool) = pool {
            pool.has_more_room();
        }
    }

    /// Does `what` with every file of the order; once it is called off with none that has not begun.
    async fn each<F: Future<Output = End> + Send>(
        &self,
        order: PoolFiles,
        reporter: Reporter,
        cancel: &Cancel,
        what: impl Fn(Arc<Pool>, FileAt) -> F,
    ) {
        let pool = match self.pools.hosted(order.pool) {
            Ok(pool) => pool,
            Err(fault) => return reporter.end(Some(fault.message().to_owned())).await,
        };
        let one = |file: FileAt| {
            let path = file.path.clone();
            let end = if cancel.is_whole() { None } else { Some(what(Arc::clone(&pool), file)) };
            async move {
                match end {
                    Some(end) => end.await.of(path),
                    None => called_off().of(path),
                }
            }
        };
        reporter.tell_all(stream::iter(order.files).map(one).buffer_unordered(AT_ONCE)).await;
    }

    pub(super) async fn restore(&self, order: RestoreFiles, reporter: Reporter, cancel: &Cancel) {
        let pool = match self.pools.hosted(order.pool) {
            Ok(pool) => pool,
            Err(fault) => return reporter.end(Some(fault.message().to_owned())).await,
        };
        let check = order.check;
        let one = async |RestoreFile { file, restored: restored_as, job }: RestoreFile| {
            let (of, path) = (Arc::clone(&pool), file.path.clone());
            let work = async move { of.restore(&path, (file.generation, restored_as), check).await };
            // Dropped while it hashes, nothing has happened; once it is ordered at the disk it is carried out.
            let end = tokio::select! {
                biased;
                () = cancel.of(job) => called_off(),
                outcome = self.plane.run(work) => restored(outcome),
            };
            end.log(["Restored", "Not restored:"], &file.path, &pool, file.trace);
            end.of(file.path)
        };
        reporter.tell_all(stream::iter(order.files).map(&one).buffer_unordered(AT_ONCE)).await;
    }

    pub(super) async fn verify(&self, order: VerifyFiles, reporter: Reporter, cancel: &Cancel) {
        let pool = match self.pools.hosted(order.pool) {
            Ok(pool) => pool,
            Err(fault) => return reporter.end(Some(fault.message().to_owned())).await,
        };
        let one = async |(path, size, sha256): (StoredPath, u64, Sha256)| {
            if cancel.is_whole() {
                return called_off().of(path);
            }
            let (pool, asked) = (Arc::clone(&pool), path.clone());
            let hashed = self.plane.run(async move { hash(&pool, &asked, sha256).await }).await;
            verified(hashed, size, sha256).of(path)
        };
        reporter.tell_all(stream::iter(order.files).map(&one).buffer_unordered(HASHED_AT_ONCE)).await;
    }
}

/// Size and digest of a file as it is on the disk now. Whether that is the one in the books, `wanted`, stays with the
/// file.
async fn hash(pool: &Pool, path: &StoredPath, wanted: Sha256) -> Result<Option<(u64, Sha256)>, DiskError> {
    let Some(file) = pool.disk().ok_or(DiskError::Closed)?.open(path)? else { return Ok(None) };
    let sha256 = file.hash().await.map_err(|cause| DiskError::new("hash", path.as_str(), cause))?;
    pool.judge(path, &file, Verdict::over(&file, sha256, wanted)).await;
    Ok(Some((file.size(), sha256)))
}

/// How a file ended, but for its path.
struct End {
    outcome: Outcome,
    size: u64,
    sha256: Option<Sha256>,
    message: String,
    refusal: Option<RefusalReason>,
}

impl End {
    fn new(outcome: Outcome, message: impl Into<String>) -> Self {
        Self { outcome, size: 0, sha256: None, message: message.into(), refusal: None }
    }

    /// One line for each file, whatever became of it: the words for what was done, and for what was not.
    fn log(&self, [done, not_done]: [&str; 2], path: &StoredPath, pool: &Pool, trace: Option<Trace>) {
        let (pool_id, name, trace_id) = (pool.id(), pool.name(), trace.map(|trace| display(trace.id())));
        match self.outcome {
            Outcome::Done => info!(%pool_id, %path, trace_id, "[Trash] {done} {path} in pool {name}"),
            _ => info!(%pool_id, %path, trace_id, "[Trash] {not_done} {path} in pool {name}: {}", self.message),
        }
    }

    fn of(self, path: StoredPath) -> FileEnd {
        let Self { outcome, size, sha256, message, refusal } = self;
        FileEnd { path, outcome, size, sha256, message, refusal }
    }
}

fn removal(file: FileAt) -> Removal {
    Removal { path: file.path, generation: file.generation, lease: file.lease, reason: file.reason }
}

fn called_off() -> End {
    End::new(Outcome::Retry, "called off")
}

fn failed(error: &DiskError) -> End {
    End { refusal: Some(RefusalReason::IoError), ..End::new(Outcome::Retry, sentence(error)) }
}

fn trashed(result: Result<Trashed, DiskError>) -> End {
    match result {
        Ok(Trashed::Trashed { size, .. }) => End { size, ..End::new(Outcome::Done, "") },
        Ok(Trashed::GivenBack) => {
            End::new(Outcome::Missing, "the file that was there before is nobody's again, and kept")
        }
        Ok(Trashed::Missing) => End::new(Outcome::Missing, "there is no such file; a late one will be refused"),
        Ok(Trashed::Stale(there)) => End::new(Outcome::Stale, format!("the file there has generation {there}")),
        Err(error) => failed(&error),
    }
}

fn purged(result: Result<Purged, DiskError>) -> End {
    match result {
        Ok(Purged::Purged { size }) => End { size, ..End::new(Outcome::Done, "") },
        Ok(Purged::Missing) => End::new(Outcome::Missing, "there is no such file in the trash"),
        Ok(Purged::Stale(there)) => End::new(Outcome::Stale, format!("the file there has generation {there}")),
        Err(error) => failed(&error),
    }
}

fn restored(result: Result<Restored, DiskError>) -> End {
    match result {
        Ok(Restored::Restored(mark)) => {
            End { size: mark.size, sha256: Some(mark.sha256), ..End::new(Outcome::Done, "") }
        }
        Ok(Restored::Missing) => End::new(Outcome::Missing, "neither in the trash nor under its name"),
        Ok(Restored::Stale(there)) => End::new(Outcome::Stale, format!("the file there has generation {there}")),
        Ok(Restored::Mismatch) => End::new(Outcome::Mismatch, "its bytes are not what its mark says"),
        Ok(Restored::Conflict) => {
            let end = End::new(Outcome::Refused, "other bytes are stored under its name");
            End { refusal: Some(RefusalReason::Conflict), ..end }
        }
        Ok(Restored::Changed) => End::new(Outcome::Retry, "it changed while it was looked at"),
        Err(error) => failed(&error),
    }
}

fn verified(result: Result<Option<(u64, Sha256)>, DiskError>, size: u64, sha256: Sha256) -> End {
    match result {
        Ok(Some(found)) => {
            let outcome = if found == (size, sha256) { Outcome::Done } else { Outcome::Mismatch };
            let message = if outcome == Outcome::Done { "" } else { "its bytes are not what is on record" };
            End { size: found.0, sha256: Some(found.1), ..End::new(outcome, message) }
        }
        Ok(None) => End::new(Outcome::Missing, "there is no such file"),
        Err(error) => failed(&error),
    }
}
