//! Plans in the books: a request becomes a parent and its children in one transaction, once.

use std::collections::BTreeSet;

use pixelfox_proto::{ImageId, JobId, PoolId, Sha256, text};
use sqlx::FromRow;

use super::{
    Store, StoreError, Trouble, audit,
    dialect::{checked, int, job_id, json, pool_id, some_job, uint},
    outbox, requests, rows,
    statement::{self, Conn, Flag},
};
use crate::{
    catalog::{JobKind, JobState, MoveAsk, MoveBatch, PlanRule, Pool, Refusal, UnixMillis},
    moves::{Blocker, PlanImage, Planned, plan},
};

impl Store {
    /// Plans a move of images and, unless it is a dry run, makes its jobs: a parent and a child per image, all at
    /// once. Where every image is skipped nothing is written.
    ///
    /// # Errors
    /// No image or too many, none of them known, a target that is unknown or not active, a `request_id` that was used
    /// for something else. Nothing is written then.
    pub async fn plan_move_images(&self, ask: MoveAsk, now: UnixMillis) -> Result<MoveBatch, StoreError> {
        if ask.images.is_empty() {
            return Err(Refusal::invalid(text!(de "uuids: nennt kein Bild", en "uuids: names no image")).into());
        }
        if ask.images.len() > MoveAsk::MAX_IMAGES {
            let message = text!(
                de "uuids: {} Bilder in einer Anfrage, höchstens {} sind erlaubt",
                en "uuids: {} images in one request, at most {} are allowed",
                ask.images.len(),
                MoveAsk::MAX_IMAGES
            );
            return Err(Refusal::invalid(message).into());
        }
        if ask.request_id.len() > 128 {
            return Err(Refusal::invalid(text!(
                de "request_id: höchstens 128 Bytes",
                en "request_id: at most 128 bytes"
            ))
            .into());
        }
        match ask.rule {
            PlanRule::DryRun => {
                self.read("plan a move", async |mut conn| Ok(look(&mut conn, &ask).await?.batch(None))).await
            }
            PlanRule::Start => self.write("plan a move", move |conn| Box::pin(start(conn, ask, now))).await,
        }
    }
}

/// What a request would do.
struct Look {
    target: Pool,
    found: Vec<Found>,
    planned: Planned,
}

/// An image of the request, with what its jobs need.
pub(super) struct Found {
    pub(super) row: i64,
    /// Of the pool that it is in.
    pub(super) node: String,
    pub(super) image: PlanImage,
}

impl Look {
    fn batch(&self, job: Option<JobId>) -> MoveBatch {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        MoveBatch {
            job,
            images: count(self.planned.go.len()),
            files: self.planned.files(),
            bytes: self.planned.bytes(),
            skipped: self.planned.stay.iter().take(MoveBatch::MAX_SKIPPED).cloned().collect(),
            skipped_total: count(self.planned.stay.len()),
            largest: self.planned.go.iter().map(|image| image.bytes).max().unwrap_or(0),
        }
    }
}

/// The pool that a request names as its target, if that takes images. One that is away takes them later.
pub(super) async fn target(conn: &mut Conn, id: PoolId) -> Result<Pool, Trouble> {
    let target = rows::one_pool(conn, int(id.get())).await?;
    let target = target.ok_or_else(|| {
        Refusal::not_found(text!(
            de "target_pool_id: es gibt keinen Speicherpool {id} in diesem Cluster",
            en "target_pool_id: no pool {id} in this cluster"
        ))
    })?;
    if !target.is_active {
        let message = text!(
            de "target_pool_id: Speicherpool {} ({}) ist nicht aktiv; ihn aktivieren oder einen anderen wählen",
            en "target_pool_id: pool {} ({}) is not active; activate it or choose another",
            target.name,
            target.id
        );
        return Err(Refusal::precondition(message).into());
    }
    Ok(target)
}

async fn look(conn: &mut Conn, ask: &MoveAsk) -> Result<Look, Trouble> {
    let target = target(conn, ask.target).await?;
    let found = find(conn, &ask.images, target.id).await?;
    if found.is_empty() {
        let ids: Vec<String> = ask.images.iter().take(3).map(ToString::to_string).collect();
        let ids = ids.join(", ");
        return Err(Refusal::not_found(text!(de "uuids: es gibt kein Bild {ids}", en "uuids: no image {ids}")).into());
    }
    let images = found.iter().map(|found| found.image.clone()).collect();
    let planned = plan(&ask.images, images, target.id, &target.name);
    Ok(Look { target, found, planned })
}

/// A file of an image with its copy in the image's pool.
#[derive(Clone, FromRow)]
pub(super) struct CopyRow {
    pub(super) id: i64,
    uuid: String,
    pool_id: i64,
    node_id: String,
    job_id: Option<i64>,
    deleting: Flag,
    kind: String,
    size: i64,
    state: Option<String>,
    /// Whether the target's trash has it.
    in_trash: bool,
    /// A pool whose trash has it.
    kept_in: Option<String>,
}

impl CopyRow {
    fn is(&self, state: &str) -> bool {
        self.state.as_deref() == Some(state)
    }

    /// A copy that is live, or that the target has to bring back.
    fn goes(&self) -> bool {
        self.is("live") || (self.in_trash && (self.is("suspect") || self.is("lost")))
    }
}

pub(super) const COPIES: &str = "
SELECT i.id, i.uuid, i.pool_id, p.node_id, i.job_id, i.deleting, f.kind, f.size, r.state,
    EXISTS (SELECT 1 FROM replicas t WHERE t.file_id = f.id AND t.pool_id = $2 AND t.state = 'trashed') AS in_trash,
    CASE WHEN r.state IN ('suspect', 'lost') THEN (SELECT k.name FROM replicas t JOIN pools k ON k.id = t.pool_id
        WHERE t.file_id = f.id AND t.state = 'trashed' ORDER BY k.id LIMIT 1) END AS kept_in
FROM json_each($1) AS a
    CROSS JOIN images i ON i.uuid = a.value ->> 0
    JOIN pools p ON p.id = i.pool_id
    JOIN files f ON f.image_id = i.id
    LEFT JOIN replicas r ON r.file_id = f.id AND r.pool_id = i.pool_id
ORDER BY i.id";

async fn find(conn: &mut Conn, images: &[ImageId], target: PoolId) -> Result<Vec<Found>, Trouble> {
    let asked: BTreeSet<[&ImageId; 1]> = images.iter().map(|image| [image]).collect();
    let copies = statement::query_as(COPIES).bind(json(&asked)).bind(int(target.get()));
    gather(&copies.fetch_all(conn).await?)
}

/// The images of these rows, which come image by image.
pub(super) fn gather(copies: &[CopyRow]) -> Result<Vec<Found>, Trouble> {
    let mut found: Vec<Found> = Vec::new();
    for copies in copies.chunk_by(|a, b| a.id == b.id) {
        let first = &copies[0];
        let goes = |copy: &&CopyRow| copy.goes();
        let blocker = match some_job(first.job_id) {
            _ if first.deleting.0 => Some(Blocker::Deleting),
            Some(job) => Some(Blocker::Job(job)),
            None if copies.iter().any(|copy| copy.is("suspect") && !copy.goes()) => Some(Blocker::Suspect),
            None if !copies.iter().filter(goes).any(|copy| copy.kind == "original") => Some(Blocker::Lost),
            None => None,
        };
        let sizes = || copies.iter().filter(goes).map(|copy| uint(copy.size));
        let image = PlanImage {
            id: checked(first.uuid.parse(), "images.uuid")?,
            pool: pool_id(first.pool_id)?,
            files: u64::try_from(sizes().count()).unwrap_or(u64::MAX),
            bytes: sizes().sum(),
            blocker,
            kept_in: copies.iter().find_map(|copy| copy.kept_in.clone()),
        };
        found.push(Found { row: first.id, node: first.node_id.clone(), image });
    }
    Ok(found)
}

fn start(conn: &mut Conn, ask: MoveAsk, now: UnixMillis) -> super::writer::Work<'_, MoveBatch> {
    Box::pin(async move {
        let asked = format!("move_images {} {}", ask.target, Sha256::of(json(&ask.images).as_bytes()));
        if let Some(batch) = requests::earlier(conn, &ask.request_id, &asked).await? {
            return Ok(batch);
        }
        let look = look(conn, &ask).await?;
        if look.planned.go.is_empty() {
            let nothing = look.batch(None);
            requests::remember(conn, &ask.request_id, &asked, &nothing, now).await?;
            return Ok(nothing);
        }
        let parent = make_jobs(conn, &look, now).await?;
        let batch = look.batch(Some(job_id(parent)?));
        requests::remember(conn, &ask.request_id, &asked, &batch, now).await?;
        let detail = format!("{} to pool {} ({})", audit::images(batch.images), look.target.name, look.target.id);
        outbox::audit(conn, now, "move_images", &parent.to_string(), &detail).await?;
        outbox::put_jobs(conn, now, &[parent]).await?;
        Ok(batch)
    })
}

pub(super) const PARENT: &str = "
INSERT INTO jobs (kind, state, node_id, source_pool_id, target_pool_id, bytes_total, children_total, made_bytes, made,
    created, started)
VALUES ($1, $2, $3, $4, $5, $6, $7, $6, $7, $8, $8) RETURNING id";
pub(super) const CHILDREN: &str = "
INSERT INTO jobs (kind, state, parent_id, created, image_id, image_uuid, node_id, source_pool_id, bytes_total,
    target_pool_id, undo)
SELECT 'move_image', 'pending', $2, $3, CAST(value ->> 0 AS BIGINT), value ->> 1, value ->> 2,
    CAST(value ->> 3 AS BIGINT), CAST(value ->> 4 AS BIGINT), CAST(value ->> 5 AS BIGINT), CAST(value ->> 6 AS BIGINT)
FROM json_each($1)";
pub(super) const MARK: &str = "
UPDATE images SET job_id = j.id FROM jobs j WHERE j.parent_id = $1 AND j.id > $2 AND images.id = j.image_id";

/// A child to be made.
#[derive(serde::Serialize)]
pub(super) struct Child<'a>(
    /// Row of the image.
    pub(super) i64,
    /// Its UUID.
    pub(super) ImageId,
    /// Node of the source.
    pub(super) &'a str,
    /// Source.
    pub(super) PoolId,
    /// Bytes that go.
    pub(super) u64,
    /// Target.
    pub(super) PoolId,
    /// 1: takes a move back.
    pub(super) u8,
);

impl<'a> Child<'a> {
    /// An image that goes to `target` by a copy.
    pub(super) fn moving(found: &'a Found, target: PoolId) -> Self {
        let image = &found.image;
        Self(found.row, image.id, &found.node, image.pool, image.bytes, target, 0)
    }
}

/// Makes children and locks their images. No newer job of this parent may be there than `after`.
pub(super) async fn make_children(
    conn: &mut Conn,
    parent: i64,
    after: i64,
    children: &[Child<'_>],
    now: UnixMillis,
) -> Result<(), Trouble> {
    if children.is_empty() {
        return Ok(());
    }
    statement::query(CHILDREN).bind(json(&children)).bind(parent).bind(now.0).execute(&mut *conn).await?;
    statement::query(MARK).bind(parent).bind(after).execute(conn).await?;
    Ok(())
}

/// A parent and its children; gives the parent.
async fn make_jobs(conn: &mut Conn, look: &Look, now: UnixMillis) -> Result<i64, Trouble> {
    let by_id: std::collections::HashMap<ImageId, &Found> =
        look.found.iter().map(|found| (found.image.id, found)).collect();
    let going: Vec<&Found> = look.planned.go.iter().filter_map(|image| by_id.get(&image.id).copied()).collect();
    let pools: BTreeSet<u64> = going.iter().map(|found| found.image.pool.get()).collect();
    let nodes: BTreeSet<&str> = going.iter().map(|found| found.node.as_str()).collect();
    let target = int(look.target.id.get());
    let parent: i64 = statement::query_scalar(PARENT)
        .bind(JobKind::MoveImages.as_str())
        .bind(JobState::Processing.as_str())
        .bind(only(&nodes).copied().unwrap_or_default())
        .bind(only(&pools).map_or(0, |pool| int(*pool)))
        .bind(target)
        .bind(int(look.planned.bytes()))
        .bind(i64::try_from(going.len()).unwrap_or(i64::MAX))
        .bind(now.0)
        .fetch_one(&mut *conn)
        .await?;
    let children: Vec<_> = going.iter().map(|found| Child::moving(found, look.target.id)).collect();
    make_children(conn, parent, parent, &children, now).await?;
    Ok(parent)
}

/// The element of a set that has one.
pub(super) fn only<T: Ord>(set: &BTreeSet<T>) -> Option<&T> {
    set.first().filter(|_| set.len() == 1)
}
