//! Which jobs a change means, and in which steps: so few at once that nobody waits for the writer, however many fit.

use std::collections::BTreeSet;

use pixelfox_proto::{JobId, text};

use super::{
    Store, StoreError, Trouble,
    dialect::{int, json, uint, word},
    jobs::narrow,
    statement::{self, Conn, Statement},
};
use crate::catalog::{ChangeAsk, ChangeProgress, JobChange, JobKind, Refusal, WhichJobs};

/// Jobs of one step at most, children of a parent included.
pub(super) const STEP: usize = 500;
/// Unknown ids that an error names at most.
pub(super) const NAMED_UNKNOWN: usize = 10;

impl Store {
    /// What a step can't find without looking at jobs that it does not change, which may be all there are: so beside the
    /// writer. The next jobs that fit a filter, or the next children that can be tried again.
    pub(super) async fn look_ahead(&self, ask: &ChangeAsk, from: &ChangeProgress) -> Result<Vec<i64>, StoreError> {
        let most = i64::try_from(STEP).unwrap_or(i64::MAX);
        match (from.family, &ask.which) {
            (0, WhichJobs::Ids(_)) => Ok(Vec::new()),
            (0, WhichJobs::Filter(_)) => {
                self.read("look for jobs to change", async |mut conn| {
                    let mut sql = statement::query_as::<(i64,)>("SELECT id FROM jobs WHERE id > ");
                    sql.push_bind(int(from.after));
                    fits(&mut sql, ask);
                    sql.push(" ORDER BY id LIMIT ").push_bind(most);
                    Ok(sql.fetch_all(&mut conn).await?.into_iter().map(|(id,)| id).collect())
                })
                .await
            }
            (parent, _) if ask.change == JobChange::Retry => {
                self.read("look for jobs to try again", async |mut conn| {
                    let ended =
                        statement::query_scalar(ENDED_CHILDREN).bind(int(parent)).bind(int(from.child)).bind(most);
                    Ok(ended.fetch_all(&mut conn).await?)
                })
                .await
            }
            _ => Ok(Vec::new()),
        }
    }
}

/// What of a filter's jobs can be changed at all.
fn fits<T>(sql: &mut Statement<T>, ask: &ChangeAsk) {
    if let WhichJobs::Filter(filter) = &ask.which {
        narrow(sql, filter);
    }
    sql.push(match ask.change {
        JobChange::Pause | JobChange::Resume | JobChange::Cancel => " AND finished IS NULL",
        JobChange::Retry => " AND state IN ('failed', 'cancelled')",
    });
}

/// The next jobs that are meant, in the order of their ids: what was `found` beside the writer, where it still fits.
pub(super) async fn meant(
    conn: &mut Conn,
    ask: &ChangeAsk,
    found: &[i64],
    after: u64,
) -> Result<Vec<(i64, JobKind)>, Trouble> {
    let rows: Vec<(i64, String)> = match &ask.which {
        WhichJobs::Ids(ids) => {
            let next: Vec<JobId> = ids.iter().copied().filter(|id| id.get() > after).take(STEP).collect();
            named(conn, &next).await?
        }
        WhichJobs::Filter(_) => {
            let mut sql = statement::query_as(
                "SELECT id, kind FROM jobs WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(",
            );
            sql.push_bind(json(&found)).push("))");
            fits(&mut sql, ask);
            sql.push(" ORDER BY id");
            sql.fetch_all(conn).await?
        }
    };
    rows.into_iter().map(|(id, kind)| Ok((id, word(JobKind::parse(&kind), "jobs.kind", &kind)?))).collect()
}

pub(super) const NAMED: &str = "
SELECT j.id, j.kind FROM json_each($1) AS a CROSS JOIN jobs j ON j.id = CAST(a.value AS BIGINT) ORDER BY j.id";

pub(super) async fn named(conn: &mut Conn, ids: &[JobId]) -> Result<Vec<(i64, String)>, Trouble> {
    let ids: Vec<u64> = ids.iter().map(|id| id.get()).collect();
    Ok(statement::query_as(NAMED).bind(json(&ids)).fetch_all(conn).await?)
}

pub(super) async fn require_known(conn: &mut Conn, which: &WhichJobs) -> Result<(), Trouble> {
    let WhichJobs::Ids(ids) = which else { return Ok(()) };
    let known: BTreeSet<u64> = named(conn, ids).await?.into_iter().map(|(id, _)| uint(id)).collect();
    let unknown: Vec<String> = ids.iter().filter(|id| !known.contains(&id.get())).map(ToString::to_string).collect();
    match unknown.len() {
        0 => Ok(()),
        count if count > NAMED_UNKNOWN => {
            let some = unknown[..NAMED_UNKNOWN].join(", ");
            Err(Refusal::not_found(text!(
                de "ids: es gibt keinen Auftrag {some} und {} weitere",
                en "ids: no job {some} and {} more",
                count - NAMED_UNKNOWN
            ))
            .into())
        }
        _ => {
            let unknown = unknown.join(", ");
            Err(Refusal::not_found(text!(de "ids: es gibt keinen Auftrag {unknown}", en "ids: no job {unknown}"))
                .into())
        }
    }
}

/// What one step works on.
pub(super) enum Batch {
    /// Jobs without children; those that can't be changed are not among `jobs`.
    Jobs { jobs: Vec<i64>, last: i64 },
    /// A parent, and the first of its children.
    Parent(i64),
    /// Further children of a parent, after this one.
    Children { parent: i64, after: i64 },
}

impl Batch {
    pub(super) fn first_of(rows: &[(i64, JobKind)]) -> Option<Self> {
        let (first, kind) = rows.first()?;
        if kind.is_parent_of_moves() {
            return Some(Self::Parent(*first));
        }
        let alone: Vec<_> = rows.iter().take_while(|(_, kind)| !kind.is_parent_of_moves()).collect();
        let jobs = alone.iter().filter(|(_, kind)| *kind == JobKind::MoveImage).map(|(id, _)| *id).collect();
        Some(Self::Jobs { jobs, last: alone.last()?.0 })
    }

    pub(super) const fn last(&self) -> i64 {
        match self {
            Self::Jobs { last, .. } => *last,
            Self::Parent(parent) | Self::Children { parent, .. } => *parent,
        }
    }

    /// The parent that is meant with this step.
    pub(super) const fn parent(&self) -> Option<i64> {
        match self {
            Self::Parent(parent) => Some(*parent),
            Self::Jobs { .. } | Self::Children { .. } => None,
        }
    }

    /// The jobs without children that are meant; of a parent the next open children, and the last of them where there
    /// may be more.
    pub(super) async fn open_jobs(&self, conn: &mut Conn) -> Result<(Vec<i64>, Option<i64>), Trouble> {
        let (parent, after) = match self {
            Self::Jobs { jobs, .. } => return Ok((jobs.clone(), None)),
            Self::Parent(parent) => (*parent, 0),
            Self::Children { parent, after } => (*parent, *after),
        };
        let most = i64::try_from(STEP).unwrap_or(i64::MAX);
        let query = statement::query_scalar(OPEN_CHILDREN).bind(parent).bind(after).bind(most);
        let jobs: Vec<i64> = query.fetch_all(conn).await?;
        let last = more_after(&jobs);
        Ok((jobs, last))
    }
}

/// The last of these where there may be more.
pub(super) fn more_after(jobs: &[i64]) -> Option<i64> {
    jobs.last().copied().filter(|_| jobs.len() == STEP)
}

pub(super) const OPEN_CHILDREN: &str =
    "SELECT id FROM jobs WHERE parent_id = $1 AND finished IS NULL AND id > $2 ORDER BY id LIMIT $3";
// The `+` keeps SQLite from walking along a million children that are well; state by state each step begins where the
// last one ended.
pub(super) const ENDED_CHILDREN: &str = "
SELECT id FROM (
    SELECT id FROM (SELECT id FROM jobs WHERE +parent_id = $1 AND state = 'failed' AND id > $2 ORDER BY id LIMIT $3) AS failed
    UNION ALL
    SELECT id FROM (SELECT id FROM jobs WHERE +parent_id = $1 AND state = 'cancelled' AND id > $2 ORDER BY id LIMIT $3)
        AS cancelled) AS few
ORDER BY id LIMIT $3";
