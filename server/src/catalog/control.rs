//! What people do to jobs: hold them up, let them go on, end them, try them again. Pure.

use pixelfox_proto::{JobId, Lease, NodeId, SessionEpoch, text};

use super::{JobFilter, JobKind, JobState, Level, Refusal, SettledJob};

/// What shall become of jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobChange {
    /// Until further notice nothing of it runs. What is past its commit goes on to its end.
    Pause,
    /// Paused ones go on.
    Resume,
    /// Ended for good. What is past its commit goes on to its end.
    Cancel,
    /// Failed and cancelled ones begin anew, with all their attempts.
    Retry,
}

impl JobChange {
    /// The name of the method, as request ids and the audit keep it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause_jobs",
            Self::Resume => "resume_jobs",
            Self::Cancel => "cancel_jobs",
            Self::Retry => "retry_jobs",
        }
    }

    /// The same for people, as it was done.
    #[must_use]
    pub const fn done(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::Cancel => "cancelled",
            Self::Retry => "tried again",
        }
    }
}

/// Which jobs. The open children of a parent follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhichJobs {
    /// These.
    Ids(Vec<JobId>),
    /// Those that fit; never the empty filter.
    Filter(JobFilter),
}

impl WhichJobs {
    /// The one job whose children are all meant, where it is a parent.
    #[must_use]
    pub fn one_parent(&self) -> Option<JobId> {
        match self {
            Self::Ids(ids) => match ids.as_slice() {
                [one] => Some(*one),
                _ => None,
            },
            Self::Filter(JobFilter {
                state: None | Some(JobState::Completed),
                kind,
                node: None,
                parent,
                image: None,
                pool: None,
                level: Level::All,
            }) => parent.filter(|_| kind.is_none_or(|kind| kind == JobKind::MoveImage)),
            Self::Filter(_) => None,
        }
    }
}

/// A change as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeAsk {
    /// What shall become of them.
    pub change: JobChange,
    /// Of which.
    pub which: WhichJobs,
    /// Chosen by the client; empty: none. The same one again does nothing new and answers the same.
    pub request_id: String,
}

impl ChangeAsk {
    /// Ids of one request at most.
    pub const MAX_IDS: usize = 10_000;

    /// Which jobs a request means: ids, or a filter that says something.
    ///
    /// # Errors
    /// Both, neither, or too many ids.
    pub fn which(mut ids: Vec<JobId>, filter: JobFilter) -> Result<WhichJobs, Refusal> {
        match (ids.is_empty(), filter == JobFilter::default()) {
            (true, true) => Err(Refusal::invalid(text!(
                de "ids: Aufträge nennen, oder state, kind, node_id, parent_id, image_uuid, pool_id oder top_level angeben",
                en "ids: name jobs, or give state, kind, node_id, parent_id, image_uuid, pool_id or top_level",
            ))),
            (false, false) => Err(Refusal::invalid(text!(
                de "ids: entweder Aufträge nennen oder einen Filter, nicht beides",
                en "ids: name jobs or give a filter, not both"
            ))),
            (true, false) => Ok(WhichJobs::Filter(filter)),
            (false, true) if ids.len() > Self::MAX_IDS => {
                let (given, most) = (ids.len(), Self::MAX_IDS);
                Err(Refusal::invalid(text!(
                    de "ids: {given} Aufträge in einer Anfrage, höchstens {most} gehen; einen Filter nehmen",
                    en "ids: {given} jobs in one request, at most {most} go; use a filter"
                )))
            }
            (false, true) => {
                ids.sort_unstable();
                ids.dedup();
                Ok(WhichJobs::Ids(ids))
            }
        }
    }
}

/// How far a change has come: it is made in steps, so that one over a million jobs holds nobody up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ChangeProgress {
    /// Jobs up to this id are dealt with.
    pub after: u64,
    /// Jobs that have changed so far, children that followed their parent included.
    pub changed: u64,
    /// Nothing is left to do.
    pub over: bool,
    /// The parent whose children are dealt with now, or 0.
    #[serde(default)]
    pub family: u64,
    /// Of these up to this id.
    #[serde(default)]
    pub child: u64,
}

/// What one step did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Jobs that are something else now, but for those in `settled`.
    pub jobs: Vec<JobId>,
    /// Jobs that ended with it.
    pub settled: Vec<SettledJob>,
    /// How far it is.
    pub progress: ChangeProgress,
}

/// A job that a session holds, before its commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldJob {
    /// The job.
    pub job: JobId,
    /// What it does.
    pub kind: JobKind,
    /// Where it runs.
    pub node: NodeId,
    /// Its lease.
    pub lease: Lease,
    /// The session of the source's node, as every word about the lease carries it.
    pub epoch: SessionEpoch,
    /// The session of the node whose server carries it out: the target's, where everything comes from the trash there.
    pub holder: SessionEpoch,
    /// Attempts that counted as failed before this one.
    pub failures: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_jobs_a_request_means() {
        // Ids or a filter, never both or neither; ids in order and once each.
        let id = |number: u64| JobId::try_from(number).unwrap();
        let filter = JobFilter { parent: Some(id(3)), ..JobFilter::default() };
        for (ids, filter, want) in [
            (vec![id(2), id(1), id(2)], JobFilter::default(), Ok(WhichJobs::Ids(vec![id(1), id(2)]))),
            (vec![], filter.clone(), Ok(WhichJobs::Filter(filter.clone()))),
            (vec![], JobFilter::default(), Err("ids: name jobs, or give")),
            (vec![id(1)], filter, Err("not both")),
            ((1..=10_001).map(id).collect(), JobFilter::default(), Err("10001 jobs in one request, at most 10000")),
        ] {
            match (ChangeAsk::which(ids, filter), want) {
                (Ok(got), Ok(want)) => assert_eq!(got, want),
                (Err(refusal), Err(want)) => assert!(refusal.to_string().contains(want), "{refusal}"),
                (got, want) => panic!("{got:?}, expected {want:?}"),
            }
        }
    }
}
