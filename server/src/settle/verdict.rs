//! What a job is after its last file has ended. Pure: the ends of the files, the job and the time go in; a commit or
//! a setback comes out. Source: ARCHITECTURE.md, "A move".

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

impl FileEnd {
    /// A file that should come out of the trash and did not: nothing is copied instead, so that only what passes is
    /// tried again.
    pub(super) fn not_undone(result: &FileResult) -> Self {
        let cause = match result.outcome {
            Outcome::Retry | Outcome::Busy => Cause::Passing,
            _ => Cause::Refused,
        };
        Self::Failed(cause, format!("{}: its old copy did not come back: {}", result.path, result.message))
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

#[cfg(test)]
mod tests {
    use pixelfox_proto::{FileMeta, Generation, ImageId, JobId, Lease, SessionEpoch};

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn digest(of: &str) -> Sha256 {
        Sha256::of(of.as_bytes())
    }

    /// A job with an original and one variant each.
    fn job(failures: u32, files: &[&str]) -> LeasedJob {
        let file = |name: &&str| LeasedFile {
            path: StoredPath::try_from(*name).expect("a path"),
            size: 10,
            sha256: digest(name),
            generation: Generation(2),
            meta: FileMeta::default(),
            in_trash: None,
        };
        LeasedJob {
            job: JobId::try_from(7).expect("not 0"),
            parent: None,
            image: ImageId::from_bytes([7; 16]),
            lease: Lease(3),
            attempt: failures + 1,
            failures,
            source: PoolId::try_from(1).expect("not 0"),
            target: PoolId::try_from(2).expect("not 0"),
            epoch: SessionEpoch(4),
            undo: false,
            files: files.iter().map(file).collect(),
        }
    }

    fn stored(name: &str) -> FileEnd {
        FileEnd::Stored(digest(name))
    }

    fn failed(cause: Cause) -> FileEnd {
        FileEnd::Failed(cause, format!("{cause:?}"))
    }

    #[test]
    fn the_gravest_end_of_a_file_decides_on_the_job() {
        // Two files each; what follows, and the sources that are doubted.
        let again = |wait: u32, counted| SetbackKind::Again { not_before: NOW.plus_seconds(wait), counted };
        let (original, variant) = ("original/a.jpg", "variants/a.webp");
        for (why, ends, want, doubts) in [
            ("suspect before refused", [failed(Cause::Refused), failed(Cause::SuspectSource)], SetbackKind::Failed, 1),
            ("refused before another try", [failed(Cause::Passing), failed(Cause::Refused)], SetbackKind::Failed, 0),
            (
                "one that counts before one that does not",
                [failed(Cause::Busy), failed(Cause::Passing)],
                again(5, true),
                0,
            ),
            ("a failure before a missing original", [FileEnd::Missing, failed(Cause::TargetFull)], again(30, false), 0),
            ("a missing original", [FileEnd::Missing, stored(variant)], SetbackKind::WithoutOriginal, 1),
            ("a receipt with other bytes", [stored(original), stored("else")], again(5, true), 0),
        ] {
            let Verdict::SetBack(setback, pool) = decide(&job(0, &[original, variant]), &ends, NOW) else {
                panic!("{why}: a commit")
            };
            assert_eq!((setback.kind, setback.sources.len(), pool.get()), (want, doubts, 1), "{why}");
            assert!(!setback.cause.is_empty(), "{why}");
        }
    }

    #[test]
    fn a_variant_that_is_missing_stays_behind() {
        // The original is at the target: the job is committed all the same.
        let verdict =
            decide(&job(0, &["original/a.jpg", "variants/a.webp"]), &[stored("original/a.jpg"), FileEnd::Missing], NOW);
        let Verdict::Commit(done) = verdict else { panic!("{verdict:?}") };
        let outcomes: Vec<_> = done.files.iter().map(|file| file.outcome).collect();
        assert_eq!(outcomes, [FileOutcome::Stored(digest("original/a.jpg")), FileOutcome::Missing]);
        assert_eq!((done.lease, done.epoch), (Lease(3), SessionEpoch(4)));
    }

    #[test]
    fn the_last_attempt_fails_for_good() {
        // With one attempt left another try is the end.
        let last = job(schedule::MAX_ATTEMPTS - 1, &["original/a.jpg"]);
        let Verdict::SetBack(setback, _) = decide(&last, &[failed(Cause::Passing)], NOW) else { panic!("a commit") };
        assert_eq!(setback.kind, SetbackKind::Failed);
    }
}
