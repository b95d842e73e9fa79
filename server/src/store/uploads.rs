//! Uploads become images: one decision, one transaction, the same answer however often it is asked.

use pixelfox_proto::{FileMeta, ShareToken, VisitorId, text};
use sqlx::FromRow;

use super::{
    Store, StoreError, Topic, Trouble,
    dialect::{checked, int, uint},
    outbox, rows,
    statement::{self, Conn, Flag},
    tally::Tally,
};
use crate::catalog::{Bucket, NewUpload, Pool, Refusal, UnixMillis, UploadDecision, UploadedImage};

impl Store {
    /// An image record for a file that a node has durably. The same id again: the same answer.
    ///
    /// # Errors
    /// The pool is unknown or another node's, meta that is no meta: the node keeps the file and asks again.
    pub async fn commit_upload(&self, upload: NewUpload, now: UnixMillis) -> Result<UploadDecision, StoreError> {
        self.write("commit an upload", move |conn| Box::pin(async move { commit(conn, upload, now).await })).await
    }
}

/// An image that has the path, the UUID or the bytes already.
#[derive(FromRow)]
struct Earlier {
    id: i64,
    uuid: String,
    share_token: String,
    job_id: Option<i64>,
    deleting: Flag,
    pool_id: i64,
    stored_path: String,
    sha256: Vec<u8>,
    size: i64,
    /// Of a live copy of that file, else of the image's pool.
    public_base_url: String,
    has_live: bool,
}

impl Earlier {
    fn answer(&self) -> Result<UploadedImage, Trouble> {
        Ok(UploadedImage {
            id: checked(self.uuid.parse(), "images.uuid")?,
            share: checked(self.share_token.parse(), "images.share_token")?,
            url: format!("{}/uploads/{}", self.public_base_url, self.stored_path),
        })
    }
}

macro_rules! earlier {
    ($condition:literal) => {
        concat!(
            "SELECT i.id, i.uuid, i.share_token, i.job_id, i.deleting, i.pool_id, f.stored_path, f.sha256, f.size,
                COALESCE((SELECT p.public_base_url FROM replicas r JOIN pools p ON p.id = r.pool_id
                    WHERE r.file_id = f.id AND r.state = 'live' LIMIT 1),
                    (SELECT p.public_base_url FROM pools p WHERE p.id = i.pool_id)) AS public_base_url,
                EXISTS (SELECT 1 FROM replicas r WHERE r.file_id = f.id AND r.state = 'live') AS has_live
            FROM images i JOIN files f ON f.image_id = i.id AND f.kind = 'original' WHERE ",
            $condition,
            " ORDER BY has_live DESC, i.id, f.id LIMIT 1"
        )
    };
}
pub(super) const BY_PATH: &str = earlier!("f.stored_path = $1");
pub(super) const BY_UUID: &str = earlier!("i.uuid = $1");
pub(super) const BY_BYTES: &str =
    earlier!("i.user_id = $1 AND i.user_id <> 0 AND i.sha256 = $2 AND f.sha256 = $2 AND i.deleting = 0");
pub(super) const BY_VISIT: &str =
    earlier!("i.visitor = $1 AND i.visitor <> 0 AND i.sha256 = $2 AND f.sha256 = $2 AND i.deleting = 0");

async fn commit(conn: &mut Conn, upload: NewUpload, now: UnixMillis) -> Result<UploadDecision, Trouble> {
    let pool = rows::one_pool(conn, int(upload.pool.get())).await?;
    let id = upload.pool;
    let pool = pool.ok_or_else(|| {
        Refusal::not_found(
            text!(de "es gibt keinen Speicherpool {id} in diesem Cluster", en "no pool {id} in this cluster"),
        )
    })?;
    if pool.node != upload.node {
        let message = text!(
            de "Speicherpool {} ({}) ist auf Knoten {}, nicht auf {}",
            en "pool {} ({}) is on node {}, not on {}",
            pool.name,
            pool.id,
            pool.node,
            upload.node
        );
        return Err(Refusal::precondition(message).into());
    }
    let share: ShareToken = upload
        .meta
        .share_token
        .parse()
        .map_err(|error| Refusal::invalid(text!(de "meta: {error}", en "meta: {error}")))?;
    if let Some(decision) = asked_before(conn, &upload).await? {
        return Ok(decision);
    }
    match of_the_same_owner(conn, &upload).await? {
        Some(earlier) if earlier.has_live => return Ok(UploadDecision::DropDuplicate(earlier.answer()?)),
        Some(earlier) if earlier.job_id.is_none() => return heal(conn, &earlier, &upload, &pool, now).await,
        _ => {}
    }
    let taken = "SELECT EXISTS (SELECT 1 FROM images WHERE share_token = $1)";
    if statement::query_scalar(taken).bind(share.as_str()).fetch_one(&mut *conn).await? {
        return Ok(UploadDecision::DropRefused(format!("share token {share} is another image's")));
    }
    new_image(conn, &upload, &pool, &share, now).await?;
    let url = format!("{}/uploads/{}", pool.public_base_url, upload.path);
    Ok(UploadDecision::Keep(UploadedImage { id: upload.id, share, url }))
}

/// The image of the same bytes that the same user has, or the same visit of somebody without a login.
async fn of_the_same_owner(conn: &mut Conn, upload: &NewUpload) -> Result<Option<Earlier>, Trouble> {
    let (sql, owner) = match (upload.meta.user_id, upload.visitor) {
        (0, None) => return Ok(None),
        (0, Some(visitor)) => (BY_VISIT, visitor.get()),
        (user, _) => (BY_BYTES, user),
    };
    let earlier = statement::query_as(sql).bind(int(owner)).bind(&upload.sha256.as_bytes()[..]);
    Ok(earlier.fetch_optional(conn).await?)
}

/// The answer to an upload that is not new, by its id and its path.
async fn asked_before(conn: &mut Conn, upload: &NewUpload) -> Result<Option<UploadDecision>, Trouble> {
    let uuid = upload.id.to_string();
    let deleted = "SELECT EXISTS (SELECT 1 FROM deleted_images WHERE uuid = $1)";
    let gone = UploadDecision::DropRefused(format!("image {uuid} was deleted"));
    if statement::query_scalar(deleted).bind(&uuid).fetch_one(&mut *conn).await? {
        return Ok(Some(gone));
    }
    let by_path: Option<Earlier> =
        statement::query_as(BY_PATH).bind(upload.path.as_str()).fetch_optional(&mut *conn).await?;
    if let Some(earlier) = by_path {
        // The same file: this very upload, or one that became an earlier image's copy.
        let same = earlier.sha256 == upload.sha256.as_bytes() && uint(earlier.size) == upload.size;
        return Ok(Some(match same {
            true if earlier.deleting.0 => gone,
            true => UploadDecision::Keep(earlier.answer()?),
            false => UploadDecision::DropRefused(format!("{} is on record with other bytes", upload.path)),
        }));
    }
    let by_uuid: Option<Earlier> = statement::query_as(BY_UUID).bind(&uuid).fetch_optional(&mut *conn).await?;
    let other = |earlier: Earlier| format!("image {uuid} is on record as {}", earlier.stored_path);
    Ok(by_uuid.map(|earlier| UploadDecision::DropRefused(other(earlier))))
}

/// The user's earlier image has lost its original: the new file becomes it, and the image moves to the new pool.
async fn heal(
    conn: &mut Conn,
    earlier: &Earlier,
    upload: &NewUpload,
    pool: &Pool,
    now: UnixMillis,
) -> Result<UploadDecision, Trouble> {
    let mut tally = Tally::default();
    new_file(conn, earlier.id, upload, &mut tally, now).await?;
    let to = int(pool.id.get());
    if earlier.pool_id != to {
        let entry = enter(conn, to).await?;
        statement::query("UPDATE images SET pool_id = $1, entry = $2 WHERE id = $3")
            .bind(to)
            .bind(entry)
            .bind(earlier.id)
            .execute(&mut *conn)
            .await?;
        tally.images(earlier.pool_id, -1);
        tally.images(to, 1);
    }
    tally.apply(conn).await?;
    outbox::put(conn, now, Topic::Image, std::slice::from_ref(&earlier.uuid)).await?;
    let url = format!("{}/uploads/{}", pool.public_base_url, upload.path);
    Ok(UploadDecision::Keep(UploadedImage { url, ..earlier.answer()? }))
}

const NEW_IMAGE: &str = "
INSERT INTO images (uuid, share_token, original_name, name_key, content_type, size, width, height, sha256, user_id,
    created, pool_id, entry, visitor)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING id";

async fn new_image(
    conn: &mut Conn,
    upload: &NewUpload,
    pool: &Pool,
    share: &ShareToken,
    now: UnixMillis,
) -> Result<(), Trouble> {
    let to = int(pool.id.get());
    let entry = enter(conn, to).await?;
    let name = FileMeta::fit_name(&upload.meta.original_name);
    let created = if upload.meta.created > 0 { upload.meta.created.saturating_mul(1000) } else { now.0 };
    let id: i64 = statement::query_scalar(NEW_IMAGE)
        .bind(upload.id.to_string())
        .bind(share.as_str())
        .bind(&name)
        .bind(name.to_lowercase())
        .bind(&upload.meta.content_type)
        .bind(int(upload.size))
        .bind(i64::from(upload.meta.width))
        .bind(i64::from(upload.meta.height))
        .bind(&upload.sha256.as_bytes()[..])
        .bind(int(upload.meta.user_id))
        .bind(created)
        .bind(to)
        .bind(entry)
        .bind(if upload.meta.user_id == 0 { int(upload.visitor.map_or(0, VisitorId::get)) } else { 0 })
        .fetch_one(&mut *conn)
        .await?;
    let mut tally = Tally::default();
    new_file(conn, id, upload, &mut tally, now).await?;
    tally.images(to, 1);
    tally.apply(conn).await?;
    outbox::put(conn, now, Topic::Image, &[upload.id.to_string()]).await
}

/// The next entry number of a pool.
async fn enter(conn: &mut Conn, pool: i64) -> Result<i64, Trouble> {
    const SQL: &str = "UPDATE pools SET entered = entered + 1 WHERE id = $1 RETURNING entered";
    Ok(statement::query_scalar(SQL).bind(pool).fetch_one(conn).await?)
}

const NEW_FILE: &str = "
INSERT INTO files (image_id, stored_path, kind, content_type, width, height, size, sha256, generation)
VALUES ($1, $2, 'original', $3, $4, $5, $6, $7, 1) RETURNING id";
const NEW_COPY: &str = "
INSERT INTO replicas (file_id, pool_id, generation, state, since, verified) VALUES ($1, $2, 1, 'live', $3, $3)";

async fn new_file(
    conn: &mut Conn,
    image: i64,
    upload: &NewUpload,
    tally: &mut Tally,
    now: UnixMillis,
) -> Result<(), Trouble> {
    let pool = int(upload.pool.get());
    let file: i64 = statement::query_scalar(NEW_FILE)
        .bind(image)
        .bind(upload.path.as_str())
        .bind(&upload.meta.content_type)
        .bind(i64::from(upload.meta.width))
        .bind(i64::from(upload.meta.height))
        .bind(int(upload.size))
        .bind(&upload.sha256.as_bytes()[..])
        .fetch_one(&mut *conn)
        .await?;
    statement::query(NEW_COPY).bind(file).bind(pool).bind(now.0).execute(conn).await?;
    tally.shift(pool, int(upload.size), Bucket::None, Bucket::Used);
    Ok(())
}
