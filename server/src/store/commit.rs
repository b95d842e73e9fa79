//! Commits of moves: the one transaction after which a source copy may go, for many images at once.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::atomic::Ordering,
};

use pixelfox_proto::{Generation, NodeId, StoredPath};
use serde::Deserialize;
use sqlx::FromRow;

use super::{
    Store, StoreError, Topic, Trouble, checks,
    dialect::{checked, int, job_id, json, pool_id, some_job, uint},
    endings,
    gather::Gathered,
    outbox,
    rows::{self, MoveFileRow, bucket, state},
    servers,
    statement::{self, Conn, Flag, Together},
    tally::Tally,
};
use crate::catalog::{
    Bucket, Committed, FileDone, FileOutcome, MoveDone, MovedJob, ReplicaState, SettledJob, TrashOrder, TrashOrigin,
    TrashTask, UnixMillis,
};

impl Store {
    /// Commits moves: copies at the target `live`, old ones `condemned`, images, counters and the event with them.
    /// Fenced by lease and session: what does not hold its job any more is `stale` and untouched. Repeated: stale.
    ///
    /// # Errors
    /// The database fails. It is not known then whether the commit happened: ask again with the same values.
    pub async fn commit_moves(&self, done: Vec<MoveDone>, now: UnixMillis) -> Result<Committed, StoreError> {
        let others = self.is_shared().then(|| self.life().load(Ordering::Acquire));
        self.write("commit moves", move |conn| {
            Box::pin(async move {
                let mut committed = commit(conn, &done, now).await?;
                if let Some(life) = others {
                    servers::leave_to_others(conn, life, &mut committed.trash).await?;
                }
                Ok(committed)
            })
        })
        .await
    }
}

/// A job that the given lease and session still hold.
#[derive(Deserialize, FromRow)]
pub(super) struct HeldRow {
    pub(super) id: i64,
    pub(super) parent_id: Option<i64>,
    pub(super) image_id: i64,
    pub(super) image_uuid: String,
    pub(super) node_id: String,
    pub(super) source_pool_id: i64,
    pub(super) target_pool_id: i64,
    pub(super) epoch: i64,
    pub(super) undo: Flag,
    pub(super) source_name: String,
    pub(super) target_name: String,
    /// How many images have entered the target by now.
    pub(super) entered: i64,
}

impl Gathered for HeldRow {
    const COLUMNS: &'static str =
        "id, parent_id, image_id, image_uuid, node_id, source_pool_id, target_pool_id, epoch, undo,
        source_name, target_name, entered";
}

pub(super) const HELD: &str = "
SELECT j.id, j.parent_id, j.image_id, j.image_uuid, j.node_id, j.source_pool_id, j.target_pool_id, j.epoch, j.undo,
    s.name AS source_name, t.name AS target_name, t.entered
FROM json_each($1) AS a
    CROSS JOIN jobs j ON j.id = CAST(a.value ->> 0 AS BIGINT)
    JOIN pools s ON s.id = j.source_pool_id
    JOIN pools t ON t.id = j.target_pool_id
WHERE j.state = 'processing' AND j.committed = 0 AND j.lease = CAST(a.value ->> 1 AS BIGINT) AND j.epoch = CAST(a.value ->> 2 AS BIGINT)";

/// Those of (job, lease, session) that hold their job.
pub(super) async fn held(conn: &mut Conn, words: &[(u64, u64, u64)]) -> Result<HashMap<i64, HeldRow>, Trouble> {
    let rows: Vec<HeldRow> = statement::query_as(HELD).bind(json(&words)).gather(conn).await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

async fn commit(conn: &mut Conn, done: &[MoveDone], now: UnixMillis) -> Result<Committed, Trouble> {
    let words: Vec<_> = done.iter().map(|done| (done.job.get(), done.lease.0, done.epoch.0)).collect();
    let mut held = held(conn, &words).await?;
    let ids: Vec<i64> = held.keys().copied().collect();
    let files = rows::move_files(conn, &ids).await?;
    let by_job: HashMap<i64, &[MoveFileRow]> =
        files.chunk_by(|a, b| a.job == b.job).map(|files| (files[0].job, files)).collect();
    let mut changes = Changes::default();
    let mut committed = Committed::default();
    for word in done {
        let job = held.remove(&int(word.job.get()));
        let sorted = match &job {
            Some(job) => sort(by_job.get(&job.id).copied().unwrap_or_default(), &word.files)?,
            None => None,
        };
        match (job, sorted) {
            (Some(job), Some(sorted)) => committed.moved.push(changes.take(job, &sorted, &mut committed.trash)?),
            _ => committed.stale.push(word.job),
        }
    }
    if !committed.moved.is_empty() {
        committed.unread = changes.unread();
        committed.settled = changes.write(conn, now).await?;
    }
    Ok(committed)
}

/// What a commit does with the files of one image.
#[derive(Default)]
struct Sorted<'a> {
    /// Live at the target from now on.
    landed: Vec<&'a MoveFileRow>,
    /// Condemned at the source.
    old: Vec<&'a MoveFileRow>,
    /// Found lost at the source meanwhile: nothing is left there to be condemned.
    gone: Vec<&'a MoveFileRow>,
    /// Left behind: lost at the source, nothing at the target.
    missing: Vec<&'a MoveFileRow>,
}

/// `None` where the words don't cover what the job was leased for, or the original is not among it.
fn sort<'a>(files: &'a [MoveFileRow], words: &[FileDone]) -> Result<Option<Sorted<'a>>, Trouble> {
    let words: HashMap<&str, FileOutcome> = words.iter().map(|word| (word.path.as_str(), word.outcome)).collect();
    let (mut sorted, mut original) = (Sorted::default(), false);
    for file in files {
        let at_source = state(file.source_state.as_deref())?;
        let leased = file.target_state.as_deref() == Some("writing") && file.target_job == Some(file.job);
        let there = file.target_state.as_deref() == Some("live");
        match words.get(file.stored_path.as_str()) {
            Some(FileOutcome::Stored(digest)) if leased && digest.as_bytes()[..] == file.sha256[..] => {
                sorted.landed.push(file);
            }
            Some(FileOutcome::Missing) if leased && file.kind != "original" => {
                sorted.missing.push(file);
                continue;
            }
            _ if leased => return Ok(None),
            _ if !there => continue,
            _ => {}
        }
        original |= file.kind == "original";
        match at_source {
            Some(ReplicaState::Live | ReplicaState::Suspect) => sorted.old.push(file),
            Some(ReplicaState::Lost) => sorted.gone.push(file),
            _ => {}
        }
    }
    Ok(original.then_some(sorted))
}

/// Everything that a batch changes, gathered for set-based statements.
#[derive(Default)]
struct Changes {
    tally: Tally,
    /// file, pool, 1 where its bytes were not looked at
    landed: Vec<(i64, i64, i64)>,
    /// file, pool, job, epoch
    condemned: Vec<(i64, i64, i64, i64)>,
    /// file, pool
    gone: Vec<(i64, i64)>,
    /// file, source pool, target pool, generation in the target's trash
    missing: Vec<(i64, i64, i64, Option<i64>)>,
    /// target pool → its last entry
    entered: BTreeMap<i64, i64>,
    /// image, target pool, entry, job
    places: Vec<(i64, i64, i64, i64)>,
    /// job, bytes, files missing
    jobs: Vec<(i64, i64, i64)>,
    /// parent → bytes, files missing
    parents: BTreeMap<i64, (i64, i64)>,
    images: Vec<String>,
}

impl Changes {
    fn take(&mut self, job: HeldRow, sorted: &Sorted<'_>, trash: &mut Vec<TrashOrder>) -> Result<MovedJob, Trouble> {
        let (source, target) = (job.source_pool_id, job.target_pool_id);
        let node: NodeId = checked(job.node_id.parse(), "jobs.node_id")?;
        for file in &sorted.landed {
            let before = ReplicaState::Writing.bucket(file.target_trash.is_some());
            self.tally.shift(target, file.size, before, Bucket::Used);
            self.landed.push((file.file, target, i64::from(job.undo.0)));
        }
        for file in &sorted.old {
            self.tally.shift(source, file.size, Bucket::Used, Bucket::Trash);
            self.condemned.push((file.file, source, job.id, job.epoch));
            trash.push(order(file, &job, &node)?);
        }
        self.gone.extend(sorted.gone.iter().map(|file| (file.file, source)));
        for file in &sorted.missing {
            let after = if file.target_trash.is_some() { Bucket::Trash } else { Bucket::None };
            self.tally.shift(target, file.size, ReplicaState::Writing.bucket(file.target_trash.is_some()), after);
            let at_source = bucket(state(file.source_state.as_deref())?, false);
            self.tally.shift(source, file.size, at_source, Bucket::None);
            self.missing.push((file.file, source, target, file.target_trash));
        }
        self.tally.images(source, -1);
        self.tally.images(target, 1);
        let entry = self.entered.entry(target).or_insert(job.entered);
        *entry += 1;
        self.places.push((job.image_id, target, *entry, job.id));
        let bytes: i64 = sorted.landed.iter().map(|file| file.size).sum();
        let missing = i64::try_from(sorted.missing.len()).unwrap_or(i64::MAX);
        self.jobs.push((job.id, bytes, missing));
        if let Some(parent) = job.parent_id {
            let sums = self.parents.entry(parent).or_default();
            *sums = (sums.0 + bytes, sums.1 + missing);
        }
        self.images.push(job.image_uuid.clone());
        let path = |file: &&MoveFileRow| checked::<StoredPath, _>(file.stored_path.parse(), "files.stored_path");
        Ok(MovedJob {
            job: job_id(job.id)?,
            parent: some_job(job.parent_id),
            image: checked(job.image_uuid.parse(), "jobs.image_uuid")?,
            source: pool_id(source)?,
            source_name: job.source_name,
            target: pool_id(target)?,
            target_name: job.target_name,
            missing: sorted.missing.iter().map(path).collect::<Result<_, _>>()?,
            bytes: uint(bytes),
        })
    }

    fn unread(&self) -> u64 {
        let unread = self.landed.iter().filter(|(_, _, is_unread)| *is_unread == 1);
        u64::try_from(unread.count()).unwrap_or(u64::MAX)
    }

    async fn write(self, conn: &mut Conn, now: UnixMillis) -> Result<Vec<SettledJob>, Trouble> {
        let mut together = Together::default();
        let batch = |sql, rows: String| statement::query(sql).bind(rows).bind(now.0);
        together.add(batch(LANDED, json(&self.landed))).add(batch(CONDEMNED, json(&self.condemned)));
        if !self.gone.is_empty() {
            together.add(statement::query(checks::FORGET).bind(json(&self.gone)));
        }
        if !self.missing.is_empty() {
            let missing = json(&self.missing);
            together.add(batch(LOST, missing.clone())).add(batch(BACK_IN_TRASH, missing.clone()));
            together.add(batch(DROPPED, missing));
        }
        let entered: Vec<_> = self.entered.into_iter().collect();
        together.add(batch(ENTERED, json(&entered)));
        together.add(batch(PLACED, json(&self.places))).add(batch(COMMITTED, json(&self.jobs)));
        let parents: Vec<_> = self.parents.iter().map(|(parent, (bytes, missing))| (parent, bytes, missing)).collect();
        if !parents.is_empty() {
            together.add(batch(PROGRESS, json(&parents)));
        }
        together.add(self.tally.statement()).add(outbox::news(now, Topic::Image, &self.images));
        let jobs: Vec<i64> = self.jobs.iter().map(|(job, _, _)| *job).collect();
        together.add(outbox::news_of_jobs(now, &jobs));
        // The others wait for the word on what they have condemned just now.
        let with_old: BTreeSet<i64> = self.condemned.iter().map(|(_, _, job, _)| *job).collect();
        let without: Vec<i64> = jobs.into_iter().filter(|job| !with_old.contains(job)).collect();
        endings::end_settled(conn, together, &without, &BTreeMap::new(), now).await
    }
}

pub(super) const LANDED: &str = "
UPDATE replicas SET state = 'live', job_id = NULL, trash_generation = NULL, since = CAST($2 AS BIGINT),
    verified = CASE WHEN CAST(a.value ->> 2 AS BIGINT) = 1 THEN 0 ELSE CAST($2 AS BIGINT) END,
    check_at = CASE WHEN CAST(a.value ->> 2 AS BIGINT) = 1 THEN CAST($2 AS BIGINT) END
FROM json_each($1) AS a WHERE replicas.file_id = CAST(a.value ->> 0 AS BIGINT) AND replicas.pool_id = CAST(a.value ->> 1 AS BIGINT)";
pub(super) const CONDEMNED: &str = "
UPDATE replicas SET state = 'condemned', job_id = CAST(a.value ->> 2 AS BIGINT), ordered_epoch = CAST(a.value ->> 3 AS BIGINT), since = $2,
    not_before = 0, failures = 0
FROM json_each($1) AS a WHERE replicas.file_id = CAST(a.value ->> 0 AS BIGINT) AND replicas.pool_id = CAST(a.value ->> 1 AS BIGINT)";
pub(super) const LOST: &str = "
UPDATE replicas SET state = 'lost', since = $2
FROM json_each($1) AS a WHERE replicas.file_id = CAST(a.value ->> 0 AS BIGINT) AND replicas.pool_id = CAST(a.value ->> 1 AS BIGINT)";
const BACK_IN_TRASH: &str = "
UPDATE replicas SET state = 'trashed', generation = trash_generation, trash_generation = NULL, job_id = NULL, since = $2,
    not_before = $2
FROM json_each($1) AS a WHERE replicas.file_id = CAST(a.value ->> 0 AS BIGINT) AND replicas.pool_id = CAST(a.value ->> 2 AS BIGINT)
    AND replicas.trash_generation IS NOT NULL";
pub(super) const DROPPED: &str = "
DELETE FROM replicas WHERE state = 'writing' AND $2 = $2
    AND (file_id, pool_id) IN (SELECT CAST(value ->> 0 AS BIGINT), CAST(value ->> 2 AS BIGINT) FROM json_each($1))";
pub(super) const ENTERED: &str = "
UPDATE pools SET entered = CAST(a.value ->> 1 AS BIGINT)
FROM json_each($1) AS a WHERE pools.id = CAST(a.value ->> 0 AS BIGINT) AND $2 = $2";
pub(super) const PLACED: &str = "
UPDATE images SET pool_id = CAST(a.value ->> 1 AS BIGINT), entry = CAST(a.value ->> 2 AS BIGINT),
    moved_by = CAST(a.value ->> 3 AS BIGINT)
FROM json_each($1) AS a WHERE images.id = CAST(a.value ->> 0 AS BIGINT) AND $2 = $2";
pub(super) const COMMITTED: &str = "
UPDATE jobs SET committed = 1, bytes_done = CAST(a.value ->> 1 AS BIGINT), files_missing = files_missing + CAST(a.value ->> 2 AS BIGINT)
FROM json_each($1) AS a WHERE jobs.id = CAST(a.value ->> 0 AS BIGINT) AND $2 = $2";
pub(super) const PROGRESS: &str = "
UPDATE jobs SET bytes_done = bytes_done + CAST(a.value ->> 1 AS BIGINT), files_missing = files_missing + CAST(a.value ->> 2 AS BIGINT)
FROM json_each($1) AS a WHERE jobs.id = CAST(a.value ->> 0 AS BIGINT) AND $2 = $2";

fn order(file: &MoveFileRow, job: &HeldRow, node: &NodeId) -> Result<TrashOrder, Trouble> {
    Ok(TrashOrder {
        task: TrashTask::Trash,
        job: some_job(Some(job.id)),
        node: node.clone(),
        pool: pool_id(job.source_pool_id)?,
        path: checked(file.stored_path.parse(), "files.stored_path")?,
        generation: Generation(uint(file.source_generation.unwrap_or(0))),
        size: uint(file.size),
        failures: 0,
        origin: TrashOrigin::Moved,
    })
}
