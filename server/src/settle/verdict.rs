//! What a job is after its last file has ended. Pure: the ends of the files, the job and the time go in; a commit or
//! a setback comes out. Source: DESIGN.md, "A move".

use pixelfox_proto::{PoolId, Sha256, StoredPath};

use crate::catalog::{
    FileDone, FileOutcome, LeasedFile, LeasedJob, MoveDone, Setback, SetbackKind, SourceFault, UnixMillis,
};
use crate::schedule::{self, Cause};
use crate::sessions::{FileResult, Outcome};

/// How one file of a move ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FileEnd {
    /// Durable at the target, with this digest.
    Stored(Sha256),
    /// The source has none.
    Missing,
    /// Neither, and why.
    Failed(Cause, String),
}

impl FileEnd {
    /// The node's word on a file that was pushed or restored. A receipt without a digest proves nothing.
    pub(super) fn of(result: &FileResult) -> Self {
        let cause = match (result.outcome, result.sha256) {
            (Outcome::Done | Outcome::Skipped, Some(sha256)) => return Self::Stored(sha256),
            (Outcome::Done | Outcome::Skipped, None) => {
                return Self::Failed(Cause::Passing, format!("{}: a receipt without its SHA-256", result.path));
            }
            (Outcome::Missing, _) => return Self::Missing,
            (Outcome::Mismatch, _) => Cause::SuspectSource,
            (Outcome::Refused, _) => Cause::Refused,
            (Outcome::Retry, _) => Cause::Passing,
            (Outcome::Busy, _) => Cause::Busy,
            (Outcome::Full, _) => Cause::TargetFull,
            (Outcome::Stale, _) => Cause::Stale,
        };
        let why = match result.message.as_str() {
            "" => format!("{} was not stored, its node gives no cause", result.path),
            said => said.to_owned(),
        };
        Self::Failed(cause, why)
    }
}

/// What follows for the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its files are at the target, but for variants that there were none of.
    Commit(MoveDone),
    /// It stays where it is, in this pool, for now or for good.
    SetBack(Setback, PoolId),
}

/// Decides. `ends` are in the order of the job's files, the original first. The gravest end of a file rules: a
/// suspect source, then a refusal, then an attempt that counts, then one that does not, then a missing original.
pub(super) fn decide(job: &LeasedJob, ends: &[FileEnd], now: UnixMillis) -> Verdict {
    let ends = checked(job, ends);
    let failures = ends.iter().filter_map(|end| match end {
        FileEnd::Failed(cause, why) => Some((*cause, why)),
        FileEnd::Stored(_) | FileEnd::Missing => None,
    });
    if let Some((cause, why)) = failures.min_by_key(|(cause, _)| gravity(*cause)) {
        let suspect = |end: &FileEnd| matches!(end, FileEnd::Failed(Cause::SuspectSource, _));
        let sources = paths(job, &ends, suspect).map(|path| (path.clone(), SourceFault::Suspect)).collect();
        return set_back(job, what_follows(job, cause, now), why.clone(), sources);
    }
    if let (Some(original), Some(FileEnd::Missing)) = (job.files.first(), ends.first()) {
        let cause = format!("the original {} is not in its pool any more: the image is lost", original.path);
        let sources = vec![(original.path.clone(), SourceFault::Lost)];
        return set_back(job, SetbackKind::WithoutOriginal, cause, sources);
    }
    let outcome = |end: &FileEnd| match end {
        FileEnd::Stored(sha256) => FileOutcome::Stored(*sha256),
        FileEnd::Missing | FileEnd::Failed(..) => FileOutcome::Missing,
    };
    let done = |(file, end): (&LeasedFile, &FileEnd)| FileDone { path: file.path.clone(), outcome: outcome(end) };
    let files = job.files.iter().zip(&ends).map(done).collect();
    Verdict::Commit(MoveDone { job: job.job, lease: job.lease, epoch: job.epoch, files })
}

/// A receipt with another digest than the books is none.
fn checked(job: &LeasedJob, ends: &[FileEnd]) -> Vec<FileEnd> {
    let check = |(file, end): (&LeasedFile, &FileEnd)| match end {
        FileEnd::Stored(sha256) if *sha256 != file.sha256 => {
            FileEnd::Failed(Cause::Passing, format!("the receipt for {} has another SHA-256 than the books", file.path))
        }
        FileEnd::Stored(_) | FileEnd::Missing | FileEnd::Failed(..) => end.clone(),
    };
    job.files.iter().zip(ends).map(check).collect()
}

fn paths<'a>(
    job: &'a LeasedJob,
    ends: &'a [FileEnd],
    which: impl Fn(&FileEnd) -> bool + 'a,
) -> impl Iterator<Item = &'a StoredPath> {
    job.files.iter().zip(ends).filter(move |(_, end)| which(end)).map(|(file, _)| &file.path)
}

/// The lowest rules.
const fn gravity(cause: Cause) -> u8 {
    match cause {
        Cause::SuspectSource => 0,
        Cause::Refused => 1,
        Cause::Passing => 2,
        Cause::TargetFull => 3,
        Cause::Busy => 4,
        Cause::Stale => 5,
        Cause::NodeAway => 6,
        Cause::Paused => 7,
    }
}

fn what_follows(job: &LeasedJob, cause: Cause, now: UnixMillis) -> SetbackKind {
    match schedule::verdict(job.failures, cause) {
        schedule::Verdict::Again { wait_seconds, counted } => {
            SetbackKind::Again { not_before: now.plus_seconds(wait_seconds), counted }
        }
        schedule::Verdict::Failed => SetbackKind::Failed,
    }
}

fn set_back(job: &LeasedJob, kind: SetbackKind, cause: String, sources: Vec<(StoredPath, SourceFault)>) -> Verdict {
    let setback = Setback { job: job.job, lease: job.lease, epoch: job.epoch, kind, cause, sources };
    Verdict::SetBack(setback, job.source)
}
