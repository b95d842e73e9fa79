//! Orders about files as they go out, each with the trace of the move that it belongs to.

use pixelfox_proto::{JobId, Trace, v1};

use crate::catalog::{CheckOrder, TrashOrigin, TrashTask};
use crate::sessions::{Command, PushFile, PushFiles, RestoreFile, RestoreFiles, TrashFile, TrashFiles, VerifyFiles};

/// Of a whole order: that of its first file. Its other files may be of other moves, and say so themselves.
pub(super) fn trace(command: &Command) -> Option<Trace> {
    match command {
        Command::Push(push) => push.files.first().map(|file| file.trace),
        Command::Trash(trash) => trash.files.first()?.job.map(of_old_copy),
        Command::Restore(restore) => restore.files.first().map(|file| of_restore(file.job)),
        Command::Welcome(_)
        | Command::Verify(_)
        | Command::ProbePool(_)
        | Command::ProbeAndLeave { .. }
        | Command::ProbeTarget { .. }
        | Command::ProbePlace(_)
        | Command::Cancel { .. } => None,
    }
}

fn of_old_copy(job: JobId) -> Trace {
    Trace::of_job(job).child("old copy")
}

fn of_restore(job: JobId) -> Trace {
    Trace::of_job(job).child("restore")
}

pub(super) fn push_files(push: PushFiles) -> v1::PushFiles {
    v1::PushFiles {
        source_pool_id: push.source.get(),
        target_pool_id: push.target.get(),
        target_url: push.target_url,
        files: push.files.into_iter().map(push_file).collect(),
        legacy: false,
        legacy_pool_id: 0,
    }
}

fn push_file(file: PushFile) -> v1::PushFile {
    v1::PushFile {
        stored_path: file.path.to_string(),
        size: file.size,
        sha256: file.sha256.as_bytes().to_vec(),
        attempt: Some(file.attempt.into()),
        meta: Some(file.meta.into()),
        traceparent: file.trace.to_string(),
    }
}

pub(super) fn delete_files(trash: TrashFiles) -> (TrashTask, u64, Vec<v1::DeleteFile>) {
    let file = |TrashFile { path, generation, origin, job }: TrashFile| {
        let (given_up, lease) = match origin {
            TrashOrigin::Moved => (false, 0),
            TrashOrigin::GivenUp(lease) => (true, lease.0),
        };
        let traceparent = job.map(|job| of_old_copy(job).to_string()).unwrap_or_default();
        v1::DeleteFile { stored_path: path.to_string(), generation: generation.0, given_up, lease, traceparent }
    };
    (trash.task, trash.pool.get(), trash.files.into_iter().map(file).collect())
}

pub(super) fn restore_files(restore: &RestoreFiles) -> v1::RestoreFiles {
    let file = |file: &RestoreFile| v1::DeleteFile {
        stored_path: file.path.to_string(),
        generation: file.trashed.0,
        traceparent: of_restore(file.job).to_string(),
        ..v1::DeleteFile::default()
    };
    v1::RestoreFiles {
        pool_id: restore.pool.get(),
        files: restore.files.iter().map(file).collect(),
        new_generations: restore.files.iter().map(|file| file.restored.0).collect(),
        verify: restore.hashed,
        job_ids: restore.files.iter().map(|file| file.job.get()).collect(),
    }
}

pub(super) fn verify_files(verify: VerifyFiles) -> v1::VerifyFiles {
    let file = |file: CheckOrder| v1::PushFile {
        stored_path: file.path.to_string(),
        size: file.size,
        sha256: file.sha256.as_bytes().to_vec(),
        ..v1::PushFile::default()
    };
    v1::VerifyFiles { pool_id: verify.pool.get(), files: verify.files.into_iter().map(file).collect() }
}
