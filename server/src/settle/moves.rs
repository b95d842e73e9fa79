//! The task that commits moves: as many at once as have come, then their log lines, events and orders for the trash.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use pixelfox_proto::{PoolId, SessionEpoch, StoredPath, Trace, TraceId};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Rooms;
use super::trash::Word;
use super::verdict::Verdict;
use crate::catalog::{Committed, MoveDone, MovedJob, Setback, SetbackKind};
use crate::clock;
use crate::events::{Event, Subject};
use crate::sessions::SessionEnd;

/// Verdicts of one transaction at most.
const BATCH: usize = 256;
/// After the books could not be written.
const BOOKS_RETRY: Duration = Duration::from_secs(1);

/// Runs until `stop`; what was sent before is committed.
pub(super) async fn run(
    rooms: Arc<Rooms>,
    mut verdicts: mpsc::Receiver<Verdict>,
    trash: mpsc::Sender<Word>,
    stop: CancellationToken,
) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            biased;
            count = verdicts.recv_many(&mut batch, BATCH) => if count == 0 { return },
            () = stop.cancelled(), if !verdicts.is_closed() => verdicts.close(),
        }
        if batch.is_empty() {
            continue;
        }
        let (mut done, mut setbacks) = (Vec::new(), Vec::new());
        for verdict in batch.drain(..) {
            match verdict {
                Verdict::Commit(job) => done.push(job),
                Verdict::SetBack(setback, source) => setbacks.push((setback, source)),
            }
        }
        if !done.is_empty()
            && let Some(committed) = commit(&rooms, &done, &stop).await
        {
            rooms.progress.over(&done.iter().map(|job| job.lease).collect());
            announce(&rooms, committed, &trash).await;
        }
        if !setbacks.is_empty() {
            set_back(&rooms, setbacks, &trash, &stop).await;
        }
        rooms.sessions.usage_changed();
        rooms.wake.notify_one();
    }
}

/// Commits, again and again while the database fails. `None` where the process ends first.
async fn commit(rooms: &Rooms, done: &[MoveDone], stop: &CancellationToken) -> Option<Committed> {
    let mut unsure = false;
    loop {
        crash_point!("move.before_commit");
        match rooms.store.commit_moves(done.to_vec(), clock::now()).await {
            Ok(committed) => {
                crash_point!("move.after_commit");
                if unsure {
                    doubt(rooms, done, &committed);
                }
                return Some(committed);
            }
            Err(cause) => tracing::error!("could not commit {} moves, trying again: {cause:?}", done.len()),
        }
        unsure = true;
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(BOOKS_RETRY) => {}
        }
    }
}

/// A commit whose answer was lost may have happened: then it is `stale` now, and its orders for the trash count as sent.
/// The end of those sessions makes them due again.
fn doubt(rooms: &Rooms, done: &[MoveDone], committed: &Committed) {
    let stale = |job: &&MoveDone| committed.stale.contains(&job.job);
    let epochs: HashSet<SessionEpoch> = done.iter().filter(stale).map(|job| job.epoch).collect();
    for session in rooms.sessions.all().iter().filter(|session| epochs.contains(&session.epoch())) {
        session.finish(SessionEnd::Books("a commit's answer was lost".into()));
    }
}

async fn announce(rooms: &Rooms, committed: Committed, trash: &mpsc::Sender<Word>) {
    for job in &committed.moved {
        moved(rooms, job);
    }
    for job in &committed.stale {
        let trace = Trace::of_job(*job).id();
        tracing::info!(%job, trace_id = %trace, "[JobQueue] Late result of job {job}: another attempt holds it, nothing changed");
    }
    rooms.published(committed.settled);
    if committed.unread > 0 {
        rooms.check.notify_one();
    }
    if !committed.trash.is_empty() && trash.send(Word::Orders(committed.trash)).await.is_err() {
        tracing::debug!("orders for the trash came after the end; they are due at the next Attach");
    }
}

/// The contract's lines, after the commit. Source: docs/http.md, "Log lines".
fn moved(rooms: &Rooms, job: &MovedJob) {
    let trace = Trace::of_job(job.job).id();
    for path in &job.missing {
        source_missing(job.source, path, &trace);
    }
    let MovedJob { image, source, source_name, target, target_name, .. } = job;
    let message =
        format!("[MoveImage] Moved image {image} from pool {source_name} ({source}) to pool {target_name} ({target})");
    tracing::info!(%image, trace_id = %trace, source_pool_id = %source, target_pool_id = %target, bytes = job.bytes, "{message}");
    rooms.events.publish(&Event { subject: Subject::Image(*image), message: message.clone() });
    rooms.events.publish(&Event { subject: Subject::Job(job.job), message });
    if let Some(parent) = job.parent {
        rooms.events.progressed(Subject::Job(parent));
    }
    rooms.events.progressed(Subject::Pool(*source));
    rooms.events.progressed(Subject::Pool(*target));
}

fn source_missing(pool: PoolId, path: &StoredPath, trace: &TraceId) {
    tracing::warn!(pool_id = %pool, %path, trace_id = %trace, "[MoveImage] Source missing, skipped (pool_id={pool}, path={path})");
}

async fn set_back(
    rooms: &Rooms,
    setbacks: Vec<(Setback, PoolId)>,
    trash: &mpsc::Sender<Word>,
    stop: &CancellationToken,
) {
    let batch: Vec<Setback> = setbacks.iter().map(|(setback, _)| setback.clone()).collect();
    loop {
        crash_point!("setback.before_commit");
        match rooms.store.set_back(batch.clone(), clock::now()).await {
            Ok(settled) => {
                crash_point!("setback.after_commit");
                rooms.progress.set_aside(&batch.iter().map(|setback| setback.lease).collect(), Instant::now());
                setbacks.iter().for_each(|(setback, source)| told(rooms, setback, *source));
                rooms.published(settled);
                if batch.iter().any(|setback| !matches!(setback.kind, SetbackKind::Again { .. })) {
                    super::trash::look(rooms, trash).await;
                }
                return;
            }
            Err(cause) => tracing::error!("could not note {} setbacks, trying again: {cause:?}", batch.len()),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(BOOKS_RETRY) => {}
        }
    }
}

fn told(rooms: &Rooms, setback: &Setback, source: PoolId) {
    let Setback { job, cause, .. } = setback;
    let trace = Trace::of_job(*job).id();
    match setback.kind {
        SetbackKind::Again { counted, .. } => {
            let message = format!("[JobQueue] Job {job} is tried again: {cause}");
            if counted {
                tracing::warn!(%job, trace_id = %trace, "{message}");
            } else {
                tracing::info!(%job, trace_id = %trace, "{message}");
            }
            rooms.events.publish(&Event { subject: Subject::Job(*job), message });
        }
        // the line comes with the job's end
        SetbackKind::Failed => {}
        SetbackKind::WithoutOriginal => {
            setback.sources.iter().for_each(|(path, _)| source_missing(source, path, &trace))
        }
    }
}
