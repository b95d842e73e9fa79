//! Images for good: hidden at once, gone from the books when the last node has said that it has nothing of them any
//! more. Each copy goes by way of the trash and is purged there at once.

use std::collections::{BTreeMap, BTreeSet};

use pixelfox_proto::{ImageId, Sha256, text};
use sqlx::FromRow;

use super::{
    Store, StoreError, Topic, Trouble,
    dialect::{checked, job_id, json, uint},
    endings::{self, Ending},
    outbox, requests, rows,
    statement::{self, Conn, Flag},
    tally::Tally,
};
use crate::catalog::{
    Bucket, DeleteAsk, Deleting, JobKind, JobState, MoveBatch, Refusal, ReplicaState, SettledJob, UnixMillis,
};

/// Images that the audit names at most.
const NAMED: usize = 100;

impl Store {
    /// Deletes images: hides them, calls their moves off, condemns every copy, and makes a job for each that ends when
    /// none is left. Those that are being deleted, or were, are skipped with the reason; where all are, nothing is written.
    ///
    /// # Errors
    /// No image or too many, one that is unknown, a `request_id` that was used for something else. Nothing is written
    /// then.
    pub async fn delete_images(&self, ask: DeleteAsk, now: UnixMillis) -> Result<Deleting, StoreError> {
        if ask.images.is_empty() || ask.images.len() > DeleteAsk::MAX_IMAGES {
            let (count, most) = (ask.images.len(), DeleteAsk::MAX_IMAGES);
            return Err(Refusal::invalid(text!(
                de "uuids: {count} Bilder in einer Anfrage, 1 bis {most} gehen",
                en "uuids: {count} images in one request, 1 to {most} go"
            ))
            .into());
        }
        self.write("delete images", move |conn| Box::pin(async move { delete(conn, &ask, now).await })).await
    }
}

async fn delete(conn: &mut Conn, ask: &DeleteAsk, now: UnixMillis) -> Result<Deleting, Trouble> {
    let asked = format!("delete_images {}", Sha256::of(json(&ask.images).as_bytes()));
    if let Some(batch) = requests::earlier(conn, &ask.request_id, &asked).await? {
        return Ok(Deleting { batch, ..Deleting::default() });
    }
    let found = find(conn, &ask.images).await?;
    let mut deleting = Deleting { batch: found.batch(), ..Deleting::default() };
    if found.go.is_empty() {
        requests::remember(conn, &ask.request_id, &asked, &deleting.batch, now).await?;
        return Ok(deleting);
    }
    let mut tally = Tally::default();
    call_off(conn, &found.go, &mut tally, &mut deleting, now).await?;
    condemn(conn, &found.go, &mut tally, now).await?;
    let parent = make_jobs(conn, &found.go, now).await?;
    deleting.batch.job = Some(job_id(parent)?);
    for image in &found.go {
        tally.images(image.pool_id, -1);
        deleting.hidden.push(checked(image.uuid.parse(), "images.uuid")?);
    }
    tally.apply(conn).await?;
    let images: Vec<i64> = found.go.iter().map(|image| image.id).collect();
    deleting.settled.extend(proceed(conn, &images, &BTreeMap::new(), now).await?);
    let uuids: Vec<String> = found.go.iter().map(|image| image.uuid.clone()).collect();
    outbox::put(conn, now, Topic::Image, &uuids).await?;
    outbox::put_jobs(conn, now, &[parent]).await?;
    let named = uuids.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if uuids.len() > NAMED { " and others, see the job's children" } else { "" };
    let detail = match uuids.len() {
        1 => format!("1 image: {named}"),
        many => format!("{many} images: {named}{more}"),
    };
    outbox::audit(conn, now, "delete_images", &parent.to_string(), &detail).await?;
    requests::remember(conn, &ask.request_id, &asked, &deleting.batch, now).await?;
    Ok(deleting)
}

/// An image of the request.
#[derive(FromRow)]
struct FoundRow {
    id: i64,
    uuid: String,
    pool_id: i64,
    node_id: String,
    job_id: Option<i64>,
    deleting: Flag,
    files: i64,
    bytes: i64,
}

struct Found {
    go: Vec<FoundRow>,
    stay: Vec<String>,
}

pub(super) const FOUND: &str = "
SELECT i.id, i.uuid, i.pool_id, p.node_id, i.job_id, i.deleting,
    (SELECT COUNT(*) FROM files f WHERE f.image_id = i.id) AS files,
    (SELECT CAST(COALESCE(SUM(f.size), 0) AS BIGINT) FROM files f WHERE f.image_id = i.id) AS bytes
FROM json_each($1) AS a
    CROSS JOIN images i ON i.uuid = (a.value ->> 0)
    JOIN pools p ON p.id = i.pool_id
ORDER BY i.id";
pub(super) const GONE: &str = "
SELECT d.uuid FROM json_each($1) AS a CROSS JOIN deleted_images d ON d.uuid = (a.value ->> 0)";

async fn find(conn: &mut Conn, images: &[ImageId]) -> Result<Found, Trouble> {
    let asked: BTreeSet<String> = images.iter().map(ToString::to_string).collect();
    let words = |ids: &BTreeSet<String>| json(&ids.iter().map(|id| [id]).collect::<Vec<_>>());
    let rows: Vec<FoundRow> = statement::query_as(FOUND).bind(words(&asked)).fetch_all(&mut *conn).await?;
    let known: BTreeSet<&String> = rows.iter().map(|row| &row.uuid).collect();
    let unknown: BTreeSet<String> = asked.iter().filter(|id| !known.contains(id)).cloned().collect();
    let gone: Vec<String> = statement::query_scalar(GONE).bind(words(&unknown)).fetch_all(&mut *conn).await?;
    let never: Vec<&String> = unknown.iter().filter(|id| !gone.contains(id)).collect();
    if !never.is_empty() {
        let never: Vec<&str> = never.iter().map(|id| id.as_str()).collect();
        return Err(Refusal::no_images(&never).into());
    }
    let (going, go): (Vec<FoundRow>, Vec<FoundRow>) = rows.into_iter().partition(|row| row.deleting.0);
    let mut stay: Vec<String> = gone.iter().map(|id| format!("image {id}: was deleted")).collect();
    stay.extend(going.iter().map(|row| format!("image {}: is being deleted", row.uuid)));
    Ok(Found { go, stay })
}

impl Found {
    fn batch(&self) -> MoveBatch {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        MoveBatch {
            images: count(self.go.len()),
            files: self.go.iter().map(|row| uint(row.files)).sum(),
            bytes: self.go.iter().map(|row| uint(row.bytes)).sum(),
            skipped: self.stay.iter().take(MoveBatch::MAX_SKIPPED).cloned().collect(),
            skipped_total: count(self.stay.len()),
            ..MoveBatch::default()
        }
    }
}

pub(super) const OPEN: &str = "
SELECT j.id FROM json_each($1) AS a CROSS JOIN jobs j ON j.id = CAST(a.value AS BIGINT)
WHERE j.state IN ('pending', 'processing', 'paused') AND j.committed = 0";

/// Moves that are not committed end here; what they have brought is given up. One that is committed goes on to its end.
async fn call_off(
    conn: &mut Conn,
    images: &[FoundRow],
    tally: &mut Tally,
    deleting: &mut Deleting,
    now: UnixMillis,
) -> Result<(), Trouble> {
    let jobs: Vec<i64> = images.iter().filter_map(|image| image.job_id).collect();
    let ids: Vec<i64> = statement::query_scalar(OPEN).bind(json(&jobs)).fetch_all(&mut *conn).await?;
    endings::condemn_writing(conn, &ids, tally, now).await?;
    let ending =
        |job| Ending { job, state: JobState::Cancelled, cause: "its image was deleted".to_owned(), missing: 0 };
    deleting.settled = endings::end_jobs(conn, ids.into_iter().map(ending).collect(), now).await?;
    Ok(())
}

pub(super) const COPIES: &str = "
SELECT r.file_id, r.pool_id, r.state, f.size
FROM json_each($1) AS a
    CROSS JOIN files f ON f.image_id = CAST(a.value AS BIGINT)
    CROSS JOIN replicas r ON r.file_id = f.id";
/// Nobody's copy but the delete's: whatever the node has of it goes.
pub(super) const CONDEMN: &str = "
UPDATE replicas SET state = 'condemned', job_id = NULL, trash_generation = NULL, since = $2, ordered_epoch = 0,
    not_before = 0, failures = 0
FROM json_each($1) AS a WHERE replicas.file_id = CAST(a.value ->> 0 AS BIGINT) AND replicas.pool_id = CAST(a.value ->> 1 AS BIGINT)";
pub(super) const HIDE: &str = "
UPDATE images SET deleting = 1 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each($1)) AND $2 = $2";

async fn condemn(conn: &mut Conn, images: &[FoundRow], tally: &mut Tally, now: UnixMillis) -> Result<(), Trouble> {
    let ids: Vec<i64> = images.iter().map(|image| image.id).collect();
    let copies: Vec<(i64, i64, String, i64)> =
        statement::query_as(COPIES).bind(json(&ids)).fetch_all(&mut *conn).await?;
    let mut condemned = Vec::new();
    for (file, pool, state, size) in copies {
        // the others are in the trash, or on the way there or out of it
        let state = rows::state(Some(&state))?;
        if let Some(state @ (ReplicaState::Live | ReplicaState::Suspect | ReplicaState::Lost)) = state {
            tally.shift(pool, size, state.bucket(false), Bucket::Trash);
            condemned.push((file, pool));
        }
    }
    statement::query(CONDEMN).bind(json(&condemned)).bind(now.0).execute(&mut *conn).await?;
    statement::query(HIDE).bind(json(&ids)).bind(now.0).execute(conn).await?;
    Ok(())
}

const PARENT: &str = "
INSERT INTO jobs (kind, state, bytes_total, children_total, created, started)
VALUES ($1, $2, $3, $4, $5, $5) RETURNING id";
const CHILDREN: &str = "
INSERT INTO jobs (kind, state, parent_id, created, image_id, image_uuid, node_id, source_pool_id, bytes_total)
SELECT 'delete_image', 'pending', $2, $3, CAST(value ->> 0 AS BIGINT), value ->> 1, value ->> 2,
    CAST(value ->> 3 AS BIGINT), CAST(value ->> 4 AS BIGINT)
FROM json_each($1)";
pub(super) const MARK: &str =
    "UPDATE images SET job_id = j.id FROM jobs j WHERE j.parent_id = $1 AND images.id = j.image_id";
const FORGET: &str = "
INSERT INTO deleted_images (uuid, at) SELECT value ->> 0, $2 FROM json_each($1) WHERE true ON CONFLICT (uuid) DO NOTHING";

/// A parent and its children; gives the parent.
async fn make_jobs(conn: &mut Conn, images: &[FoundRow], now: UnixMillis) -> Result<i64, Trouble> {
    let parent: i64 = statement::query_scalar(PARENT)
        .bind(JobKind::DeleteImages.as_str())
        .bind(JobState::Processing.as_str())
        .bind(images.iter().map(|image| image.bytes).sum::<i64>())
        .bind(i64::try_from(images.len()).unwrap_or(i64::MAX))
        .bind(now.0)
        .fetch_one(&mut *conn)
        .await?;
    let child = |image: &FoundRow| (image.id, image.uuid.clone(), image.node_id.clone(), image.pool_id, image.bytes);
    let children: Vec<_> = images.iter().map(child).collect();
    statement::query(CHILDREN).bind(json(&children)).bind(parent).bind(now.0).execute(&mut *conn).await?;
    statement::query(MARK).bind(parent).execute(&mut *conn).await?;
    let uuids: Vec<[&String; 1]> = images.iter().map(|image| [&image.uuid]).collect();
    statement::query(FORGET).bind(json(&uuids)).bind(now.0).execute(conn).await?;
    Ok(parent)
}

pub(super) const OF_FILES: &str = "
SELECT DISTINCT i.id, f.id AS file FROM json_each($1) AS a
    CROSS JOIN files f ON f.id = CAST(a.value AS BIGINT)
    CROSS JOIN images i ON i.id = f.image_id
WHERE i.deleting = 1";

/// Nodes have had their word on copies of these files: images that are being deleted go on, and end where nothing is
/// left of them. `alarms`: what a person must look at, by file.
pub(super) async fn go_on(
    conn: &mut Conn,
    files: &[i64],
    alarms: &BTreeMap<i64, String>,
    now: UnixMillis,
) -> Result<Vec<SettledJob>, Trouble> {
    let of_files: Vec<(i64, i64)> = statement::query_as(OF_FILES).bind(json(&files)).fetch_all(&mut *conn).await?;
    let of_images = of_files.iter().filter_map(|(image, file)| Some((*image, alarms.get(file)?.clone())));
    let alarms: BTreeMap<i64, String> = of_images.collect();
    let images: BTreeSet<i64> = of_files.into_iter().map(|(image, _)| image).collect();
    proceed(conn, &images.into_iter().collect::<Vec<_>>(), &alarms, now).await
}

pub(super) const TO_PURGE: &str = "
UPDATE replicas SET state = 'purging', since = $2, ordered_epoch = 0, not_before = 0, failures = 0
WHERE state = 'trashed' AND file_id IN (SELECT f.id FROM json_each($1) AS a
    CROSS JOIN files f ON f.image_id = CAST(a.value AS BIGINT))";
pub(super) const LEFT: &str = "
SELECT i.id, i.job_id,
    (SELECT 1 FROM files f JOIN replicas r ON r.file_id = f.id WHERE f.image_id = i.id LIMIT 1) IS NOT NULL,
    COALESCE(j.last_error, '')
FROM json_each($1) AS a
    CROSS JOIN images i ON i.id = CAST(a.value AS BIGINT)
    LEFT JOIN jobs j ON j.id = i.job_id";
/// The node whose word is awaited, the present one where it is one of them.
pub(super) const AWAITED: &str = "
UPDATE jobs SET last_error = CASE WHEN (a.value ->> 1) = '' THEN jobs.last_error ELSE (a.value ->> 1) END,
    node_id = COALESCE(
        (SELECT MIN(p.node_id) FROM files f JOIN replicas r ON r.file_id = f.id JOIN pools p ON p.id = r.pool_id
            WHERE f.image_id = jobs.image_id AND p.node_id = jobs.node_id),
        (SELECT MIN(p.node_id) FROM files f JOIN replicas r ON r.file_id = f.id JOIN pools p ON p.id = r.pool_id
            WHERE f.image_id = jobs.image_id),
        jobs.node_id)
FROM json_each($1) AS a WHERE jobs.id = CAST(a.value ->> 0 AS BIGINT)";
pub(super) const DROP_FILES: &str =
    "DELETE FROM files WHERE image_id IN (SELECT CAST(value AS BIGINT) FROM json_each($1))";
pub(super) const DROP_IMAGES: &str = "DELETE FROM images WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each($1))";
pub(super) const DONE: &str = "
UPDATE jobs SET bytes_done = bytes_total WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each($1))";
pub(super) const PARENT_DONE: &str = "
UPDATE jobs SET bytes_done = bytes_done + (SELECT CAST(COALESCE(SUM(c.bytes_total), 0) AS BIGINT) FROM jobs c
    WHERE c.parent_id = jobs.id AND c.id IN (SELECT CAST(value AS BIGINT) FROM json_each($1)))
WHERE id IN (SELECT c.parent_id FROM jobs c WHERE c.id IN (SELECT CAST(value AS BIGINT) FROM json_each($1)))";

async fn proceed(
    conn: &mut Conn,
    images: &[i64],
    alarms: &BTreeMap<i64, String>,
    now: UnixMillis,
) -> Result<Vec<SettledJob>, Trouble> {
    if images.is_empty() {
        return Ok(Vec::new());
    }
    statement::query(TO_PURGE).bind(json(&images)).bind(now.0).execute(&mut *conn).await?;
    let rows: Vec<(i64, Option<i64>, bool, String)> =
        statement::query_as(LEFT).bind(json(&images)).fetch_all(&mut *conn).await?;
    let (waiting, gone): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(_, _, has_copies, _)| *has_copies);
    let alarm = |image: &i64| alarms.get(image).cloned().unwrap_or_default();
    let awaited: Vec<_> = waiting.iter().filter_map(|(image, job, ..)| Some(((*job)?, alarm(image)))).collect();
    statement::query(AWAITED).bind(json(&awaited)).execute(&mut *conn).await?;
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<i64> = gone.iter().map(|(image, ..)| *image).collect();
    statement::query(DROP_FILES).bind(json(&ids)).execute(&mut *conn).await?;
    statement::query(DROP_IMAGES).bind(json(&ids)).execute(&mut *conn).await?;
    let jobs: Vec<i64> = gone.iter().filter_map(|(_, job, ..)| *job).collect();
    statement::query(DONE).bind(json(&jobs)).execute(&mut *conn).await?;
    statement::query(PARENT_DONE).bind(json(&jobs)).execute(&mut *conn).await?;
    let ending = |(image, job, _, before): (i64, Option<i64>, bool, String)| {
        let cause = alarms.get(&image).cloned().unwrap_or(before);
        Some(Ending { job: job?, state: JobState::Completed, cause, missing: 0 })
    };
    endings::end_jobs(conn, gone.into_iter().filter_map(ending).collect(), now).await
}
