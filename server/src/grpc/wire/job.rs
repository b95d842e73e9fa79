//! Jobs and plans of moves on the wire.

use pixelfox_proto::{Fault, ImageId, JobId, NodeId, PoolId, text, v1};

use super::{image, pool, timestamp, word};
use crate::catalog::{
    ChangeAsk, DeleteAsk, Job, JobChange, JobFilter, JobKind, JobState, JobTotals, Level, MoveAsk, MoveBatch, PageAsk,
    PlanRule, PoolMoveAsk, UndoAsk, UnixMillis,
};
use crate::progress::Figures;

/// Longest request id in bytes.
const REQUEST_ID_BYTES: usize = 128;

/// Which jobs, and which page of them.
///
/// # Errors
/// A state, kind or node that there can't be.
pub(crate) fn ask(request: v1::ListJobsRequest) -> Result<(JobFilter, PageAsk), Fault> {
    let filter = JobFilter {
        image: some_image(&request.image_uuid)?,
        pool: PoolId::try_from(request.pool_id).ok(),
        level: if request.top_level { Level::Top } else { Level::All },
        ..filter(&request.state, &request.kind, request.node_id, request.parent_id)?
    };
    Ok((filter, PageAsk { size: request.page_size, token: request.page_token }))
}

/// A change of jobs.
///
/// # Errors
/// A state, kind, node or id that there can't be; ids and a filter, or neither; a request id that is too long.
pub(crate) fn change(change: JobChange, request: v1::ChangeJobsRequest) -> Result<ChangeAsk, Fault> {
    request_id(&request.request_id)?;
    let filter = JobFilter {
        image: some_image(&request.image_uuid)?,
        pool: PoolId::try_from(request.pool_id).ok(),
        level: if request.top_level { Level::Top } else { Level::All },
        ..filter(&request.state, &request.kind, request.node_id, request.parent_id)?
    };
    let ids = request.ids.into_iter().map(|raw| {
        JobId::try_from(raw).map_err(|_| {
            Fault::bad_request(text!(
                de "ids: 0 ist kein Auftrag; die Warteschlange nennt die Nummern",
                en "ids: 0 is no job; ListJobs has the ids"
            ))
        })
    });
    let which = ChangeAsk::which(ids.collect::<Result<_, _>>()?, filter);
    let which = which.map_err(|refusal| Fault::bad_request(refusal.message))?;
    Ok(ChangeAsk { change, which, request_id: request.request_id })
}

fn filter(state: &str, kind: &str, node: String, parent: u64) -> Result<JobFilter, Fault> {
    Ok(JobFilter {
        state: word(state, "state", JobState::parse, JobState::ALL, JobState::as_str)?,
        kind: word(kind, "kind", JobKind::parse, JobKind::ALL, JobKind::as_str)?,
        node: if node.is_empty() { None } else { Some(NodeId::try_from(node)?) },
        parent: JobId::try_from(parent).ok(),
        ..JobFilter::default()
    })
}

fn some_image(uuid: &str) -> Result<Option<ImageId>, Fault> {
    if uuid.is_empty() { Ok(None) } else { image::id(uuid).map(Some) }
}

fn request_id(given: &str) -> Result<(), Fault> {
    if given.len() > REQUEST_ID_BYTES {
        return Err(Fault::bad_request(text!(
            de "request_id: höchstens {REQUEST_ID_BYTES} Bytes",
            en "request_id: at most {REQUEST_ID_BYTES} bytes"
        )));
    }
    Ok(())
}

/// A job id from a request.
///
/// # Errors
/// 0.
pub(crate) fn id(raw: u64) -> Result<JobId, Fault> {
    JobId::try_from(raw).map_err(|_| {
        Fault::bad_request(text!(
            de "id: fehlt; die Warteschlange nennt die Nummern",
            en "id: missing; ListJobs has the ids"
        ))
    })
}

/// Images to another pool.
///
/// # Errors
/// No images or too many, a word that is no UUID, no target.
pub(crate) fn move_ask(request: v1::MoveImagesRequest) -> Result<MoveAsk, Fault> {
    if request.uuids.is_empty() {
        return Err(Fault::bad_request(text!(
            de "uuids: mindestens ein Bild nennen",
            en "uuids: name at least one image; ListImages has them"
        )));
    }
    if request.uuids.len() > MoveAsk::MAX_IMAGES {
        return Err(Fault::bad_request(text!(
            de "uuids: {} Bilder in einer Anfrage, höchstens {} gehen; mehrere schicken oder den ganzen Speicherpool verschieben",
            en "uuids: {} images in one request, at most {} go; send several, or move the whole pool",
            request.uuids.len(),
            MoveAsk::MAX_IMAGES
        )));
    }
    request_id(&request.request_id)?;
    Ok(MoveAsk {
        images: request.uuids.iter().map(|uuid| image::id(uuid)).collect::<Result<_, _>>()?,
        target: pool::id(request.target_pool_id, "target_pool_id")?,
        rule: if request.dry_run { PlanRule::DryRun } else { PlanRule::Start },
        request_id: request.request_id,
    })
}

/// Moves that are taken back.
///
/// # Errors
/// Nothing that is meant, ids and a filter at once, a word that is none.
pub(crate) fn undo_ask(request: v1::ChangeJobsRequest) -> Result<UndoAsk, Fault> {
    // what is meant is told as for any change
    let ChangeAsk { which, request_id, .. } = change(JobChange::Retry, request)?;
    Ok(UndoAsk { which, request_id })
}

/// Every image of a pool to another one.
///
/// # Errors
/// A pool that is not named, a request id that is too long.
pub(crate) fn pool_move_ask(request: v1::MovePoolRequest) -> Result<PoolMoveAsk, Fault> {
    Ok(PoolMoveAsk {
        source: pool::id(request.source_pool_id, "source_pool_id")?,
        target: pool::id(request.target_pool_id, "target_pool_id")?,
        limit: request.limit,
        rule: if request.dry_run { PlanRule::DryRun } else { PlanRule::Start },
        request_id: request.request_id,
    })
}

/// Images for good.
///
/// # Errors
/// No images or too many, a word that is no UUID.
pub(crate) fn delete_ask(request: v1::DeleteImagesRequest) -> Result<DeleteAsk, Fault> {
    if request.uuids.is_empty() {
        return Err(Fault::bad_request(text!(
            de "uuids: mindestens ein Bild nennen",
            en "uuids: name at least one image; ListImages has them"
        )));
    }
    if request.uuids.len() > DeleteAsk::MAX_IMAGES {
        return Err(Fault::bad_request(text!(
            de "uuids: {} Bilder in einer Anfrage, höchstens {} gehen; mehrere schicken",
            en "uuids: {} images in one request, at most {} go; send several",
            request.uuids.len(),
            DeleteAsk::MAX_IMAGES
        )));
    }
    request_id(&request.request_id)?;
    let images = request.uuids.iter().map(|uuid| image::id(uuid)).collect::<Result<_, _>>()?;
    Ok(DeleteAsk { images, request_id: request.request_id })
}

/// What a request became.
pub(crate) fn batch(batch: MoveBatch) -> v1::JobBatch {
    v1::JobBatch {
        job_id: batch.job.map_or(0, JobId::get),
        images: batch.images,
        files: batch.files,
        bytes: batch.bytes,
        skipped: batch.skipped,
        skipped_total: batch.skipped_total,
        seconds_expected: 0.0,
        target_room: None,
        waiting_for: String::new(),
        too_large: String::new(),
    }
}

/// The queue as a whole.
pub(crate) fn queue(paused: bool, totals: JobTotals, at: UnixMillis, bytes_per_second: f64) -> v1::Queue {
    v1::Queue {
        paused,
        jobs_by_state: totals.states.into_iter().map(|(state, count)| (state.as_str().to_owned(), count)).collect(),
        jobs_by_kind: totals.kinds.into_iter().map(|(kind, count)| (kind.as_str().to_owned(), count)).collect(),
        counted: Some(timestamp(at)),
        bytes_per_second,
    }
}

/// Seconds for so many bytes.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
pub(crate) fn seconds(bytes: u64, bytes_per_second: f64) -> f64 {
    bytes as f64 / bytes_per_second
}

/// A job, with why it waits, and how far and how fast it goes beyond what the books say.
pub(crate) fn job(job: Job, waiting_for: String, max_attempts: u32, live: Figures) -> v1::Job {
    let bytes_done = job.bytes_done.saturating_add(live.bytes).min(job.bytes_total.max(job.bytes_done));
    let (left, rate) = (job.bytes_total.saturating_sub(bytes_done), live.bytes_per_second);
    let eta_seconds = if rate > 0.0 { seconds(left, rate) } else { 0.0 };
    let (note, not_moved) = (note(&job), job.unmoved());
    v1::Job {
        id: job.id.get(),
        parent_id: job.parent.map_or(0, JobId::get),
        kind: job.kind.as_str().to_owned(),
        state: job.state.as_str().to_owned(),
        node_id: job.node.map(String::from).unwrap_or_default(),
        source_pool_id: job.source.map_or(0, pixelfox_proto::PoolId::get),
        target_pool_id: job.target.map_or(0, pixelfox_proto::PoolId::get),
        image_uuid: job.image.map(|image| image.to_string()).unwrap_or_default(),
        attempt: job.attempt,
        failures: job.failures,
        max_attempts,
        bytes_done,
        bytes_total: job.bytes_total,
        children_done: job.children_done,
        children_failed: job.children_failed,
        children_total: job.children_total,
        last_error: job.last_error,
        created: Some(timestamp(job.created)),
        started: job.started.map(timestamp),
        finished: job.finished.map(timestamp),
        not_before: job.not_before.map(timestamp),
        bytes_per_second: rate,
        eta_seconds,
        waiting_for,
        files_missing: job.files_missing,
        children_cancelled: job.children_cancelled,
        note,
        not_moved,
        can_undo: false,
        taken_back_by: 0,
    }
}

fn note(job: &Job) -> String {
    let (left, all) = (left_behind(job), job.children_total);
    match job.unmoved() {
        0 => left,
        _ if job.image.is_some() => "the image was not moved: its original is missing".to_owned(),
        unmoved if left.is_empty() => format!("{unmoved} of {all} images were not moved: their files are missing"),
        unmoved => format!("{unmoved} of {all} images were not moved: their files are missing; {left}"),
    }
}

fn left_behind(job: &Job) -> String {
    match job.left_behind {
        0 => job.note.clone(),
        left if job.note.is_empty() => format!("{left} images of the plan had left the pool when their turn came"),
        left => format!("{left} images of the plan were left behind when their turn came: {}", job.note),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_refuses_a_state_that_there_is_not() {
        // The sentence names the field, the word and what would do.
        let asked = |state: &str| ask(v1::ListJobsRequest { state: state.into(), ..v1::ListJobsRequest::default() });
        assert_eq!(asked("pending").unwrap().0.state, Some(JobState::Pending));
        assert_eq!(asked("").unwrap().0.state, None);
        let refused = asked("waiting").unwrap_err();
        assert!(refused.message().starts_with("state: `waiting` is none of pending, processing"), "{refused}");
    }

    #[test]
    fn a_move_of_more_images_than_go_is_one_clear_error() {
        // 10,001 of them, none, and a word that is no UUID.
        let uuid = "0190a6f2-3b5c-4d7e-8f90-a1b2c3d4e5f6";
        let asked = |uuids: Vec<String>| {
            move_ask(v1::MoveImagesRequest { uuids, target_pool_id: 2, ..v1::MoveImagesRequest::default() })
        };
        assert_eq!(asked(vec![uuid.into()]).unwrap().images.len(), 1);
        for (uuids, want) in [
            (vec![uuid.to_owned(); MoveAsk::MAX_IMAGES + 1], "10001 images in one request, at most 10000"),
            (vec![], "at least one image"),
            (vec!["7".into()], "is no image UUID"),
        ] {
            let refused = asked(uuids).unwrap_err();
            assert!(refused.message().contains(want), "{refused}");
        }
    }
}
