//! Uploads become images: one decision, one transaction, the same answer however often it is asked.

use std::collections::{BTreeMap, HashSet, btree_map::Entry};

use pixelfox_proto::{ShareToken, text};
use sqlx::FromRow;

use super::{
    Store, StoreError, Topic, Trouble,
    dialect::{checked, int, json, uint},
    newcomers::{self, Newcomer},
    outbox, rows,
    statement::{self, Conn, Flag, Together},
    tally::Tally,
};
use crate::catalog::{NewUpload, Pool, Readable, Refusal, UnixMillis, UploadDecision, UploadedImage};

impl Store {
    /// An image record for a file that a node has durably, where every pool can be read. The same id again: the same answer.
    ///
    /// # Errors
    /// The pool is unknown or another node's, meta that is no meta: the node keeps the file and asks again.
    pub async fn commit_upload(&self, upload: NewUpload, now: UnixMillis) -> Result<UploadDecision, StoreError> {
        self.commit_upload_where(upload, Readable::Every, now).await
    }

    /// The same, where these pools can be read.
    ///
    /// # Errors
    /// As above.
    pub async fn commit_upload_where(
        &self,
        upload: NewUpload,
        readable: Readable,
        now: UnixMillis,
    ) -> Result<UploadDecision, StoreError> {
        let mut decided = self.commit_uploads(vec![upload], readable, now).await?;
        let one = decided.pop().ok_or(StoreError::Undone { doing: COMMIT })?;
        Ok(one?)
    }

    /// The same of many: what each of them asks for on its own, in their order, in one transaction. An earlier image of
    /// which no copy is in a pool that can be read now is no answer: what was uploaded becomes an image of its own.
    ///
    /// # Errors
    /// The database fails; nothing of any of them is on record then.
    pub async fn commit_uploads(
        &self,
        uploads: Vec<NewUpload>,
        readable: Readable,
        now: UnixMillis,
    ) -> Result<Vec<Decided>, StoreError> {
        self.write(COMMIT, move |conn| Box::pin(async move { commit_all(conn, &uploads, &readable, now).await })).await
    }
}

const COMMIT: &str = "commit an upload";

/// The answer to one of many.
pub type Decided = Result<UploadDecision, Refusal>;

/// Those that are new in everything become images together; the others are looked at one by one after them.
async fn commit_all(
    conn: &mut Conn,
    uploads: &[NewUpload],
    readable: &Readable,
    now: UnixMillis,
) -> Result<Vec<Decided>, Trouble> {
    let mut pools = BTreeMap::new();
    for id in uploads.iter().map(|upload| int(upload.pool.get())) {
        if let Entry::Vacant(entry) = pools.entry(id) {
            entry.insert(rows::one_pool(conn, id).await?);
        }
    }
    let placed: Vec<Result<&Pool, Refusal>> = uploads.iter().map(|upload| place(upload, &pools)).collect();
    let sound: Vec<usize> = (0..uploads.len()).filter(|at| placed[*at].is_ok()).collect();
    let asked: Vec<Newcomer<'_>> = sound.iter().map(|at| Newcomer::upload(&uploads[*at], now)).collect();
    let unheard_of = newcomers::unheard_of(conn, &asked).await?;
    let fresh: HashSet<usize> = unheard_of.iter().map(|at| sound[*at]).collect();
    let taken: Vec<Newcomer<'_>> =
        asked.into_iter().enumerate().filter(|(at, _)| unheard_of.contains(at)).map(|(_, one)| one).collect();
    take_in(conn, &taken, now).await?;
    let mut decided = Vec::with_capacity(uploads.len());
    for (at, (upload, pool)) in uploads.iter().zip(placed).enumerate() {
        decided.push(match pool {
            Err(refusal) => Err(refusal),
            Ok(pool) if fresh.contains(&at) => Ok(kept(upload, pool)?),
            Ok(pool) => Ok(commit(conn, upload, pool, readable, now).await?),
        });
    }
    Ok(decided)
}

async fn take_in(conn: &mut Conn, taken: &[Newcomer<'_>], now: UnixMillis) -> Result<(), Trouble> {
    if taken.is_empty() {
        return Ok(());
    }
    let (mut together, mut tally) = (Together::default(), Tally::default());
    newcomers::images(&mut together, taken, &mut tally, now);
    let uuids: Vec<String> = taken.iter().map(|one| one.image.to_string()).collect();
    together.add(tally.statement()).add(outbox::news(now, Topic::Image, &uuids));
    Ok(together.execute(conn).await?)
}

/// The pool that it says it is in, if that is its node's, and the rest of it can be an image.
fn place<'p>(upload: &NewUpload, pools: &'p BTreeMap<i64, Option<Pool>>) -> Result<&'p Pool, Refusal> {
    let id = upload.pool;
    let pool = pools.get(&int(id.get())).and_then(Option::as_ref).ok_or_else(|| {
        Refusal::not_found(
            text!(de "es gibt keinen Speicherpool {id} in diesem Cluster", en "no pool {id} in this cluster"),
        )
    })?;
    if pool.node != upload.node {
        return Err(Refusal::precondition(text!(
            de "Speicherpool {} ({}) ist auf Knoten {}, nicht auf {}",
            en "pool {} ({}) is on node {}, not on {}",
            pool.name,
            pool.id,
            pool.node,
            upload.node
        )));
    }
    let share: Result<ShareToken, _> = upload.meta.share_token.parse();
    share.map_err(|error| Refusal::invalid(text!(de "meta: {error}", en "meta: {error}")))?;
    Ok(pool)
}

/// What the node of a new image hears.
fn kept(upload: &NewUpload, pool: &Pool) -> Result<UploadDecision, Trouble> {
    let share = checked(upload.meta.share_token.parse(), "images.share_token")?;
    let url = format!("{}/uploads/{}", pool.public_base_url, upload.path);
    Ok(UploadDecision::Keep(UploadedImage { id: upload.id, share, url }))
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
    /// Of a live copy of that file, of one that can be read where there is one; else of the image's pool.
    public_base_url: String,
    has_live: bool,
    /// Whether one of these is in a pool that can be read now.
    is_readable: bool,
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
    ($condition:literal, $readable:literal) => {
        concat!(
            "SELECT i.id, i.uuid, i.share_token, i.job_id, i.deleting, i.pool_id, f.stored_path, f.sha256, f.size,
                COALESCE((SELECT p.public_base_url FROM replicas r JOIN pools p ON p.id = r.pool_id
                    WHERE r.file_id = f.id AND r.state = 'live' ORDER BY NOT (",
            $readable,
            "), p.id LIMIT 1),
                    (SELECT p.public_base_url FROM pools p WHERE p.id = i.pool_id)) AS public_base_url,
                EXISTS (SELECT 1 FROM replicas r WHERE r.file_id = f.id AND r.state = 'live') AS has_live,
                EXISTS (SELECT 1 FROM replicas r JOIN pools p ON p.id = r.pool_id
                    WHERE r.file_id = f.id AND r.state = 'live' AND (",
            $readable,
            ")) AS is_readable
            FROM images i JOIN files f ON f.image_id = i.id AND f.kind = 'original' WHERE ",
            $condition,
            " ORDER BY is_readable DESC, has_live DESC, i.id, f.id LIMIT 1"
        )
    };
    (of $condition:literal) => {
        // Of an older PixelFox nobody knows whether its pools can be read.
        earlier!($condition, "p.legacy_node = 1 OR p.id IN (SELECT CAST(value AS BIGINT) FROM json_each($3))")
    };
}
pub(super) const BY_PATH: &str = earlier!("f.stored_path = $1", "1 = 1");
pub(super) const BY_UUID: &str = earlier!("i.uuid = $1", "1 = 1");
pub(super) const BY_BYTES: &str =
    earlier!(of "i.user_id = $1 AND i.user_id <> 0 AND i.sha256 = $2 AND f.sha256 = $2 AND i.deleting = 0");
pub(super) const BY_VISIT: &str =
    earlier!(of "i.visitor = $1 AND i.visitor <> 0 AND i.sha256 = $2 AND f.sha256 = $2 AND i.deleting = 0");

/// One that is on record already, or whose bytes are, or that stands against another.
async fn commit(
    conn: &mut Conn,
    upload: &NewUpload,
    pool: &Pool,
    readable: &Readable,
    now: UnixMillis,
) -> Result<UploadDecision, Trouble> {
    if let Some(decision) = asked_before(conn, upload).await? {
        return Ok(decision);
    }
    match of_the_same_owner(conn, upload, readable).await? {
        Some(earlier) if earlier.is_readable => return Ok(UploadDecision::DropDuplicate(earlier.answer()?)),
        Some(earlier) if !earlier.has_live && earlier.job_id.is_none() => {
            return heal(conn, &earlier, upload, pool, now).await;
        }
        // Its link is dead now, but its file is not lost: it will answer for itself again. An image of its own.
        _ => {}
    }
    let (taken, share) = ("SELECT EXISTS (SELECT 1 FROM images WHERE share_token = $1)", &upload.meta.share_token);
    if statement::query_scalar(taken).bind(share).fetch_one(&mut *conn).await? {
        return Ok(UploadDecision::DropRefused(format!("share token {share} is another image's")));
    }
    take_in(conn, &[Newcomer::upload(upload, now)], now).await?;
    kept(upload, pool)
}

/// The image of the same bytes that the same user has, or the same visit of somebody without a login.
async fn of_the_same_owner(
    conn: &mut Conn,
    upload: &NewUpload,
    readable: &Readable,
) -> Result<Option<Earlier>, Trouble> {
    let pools: Vec<i64> = match readable {
        Readable::These(pools) => pools.iter().map(|pool| int(pool.get())).collect(),
        Readable::Every => statement::query_scalar("SELECT id FROM pools").fetch_all(&mut *conn).await?,
    };
    let (sql, owner) = match (upload.meta.user_id, upload.visitor) {
        (0, None) => return Ok(None),
        (0, Some(visitor)) => (BY_VISIT, visitor.get()),
        (user, _) => (BY_BYTES, user),
    };
    let earlier = statement::query_as(sql).bind(int(owner)).bind(&upload.sha256.as_bytes()[..]).bind(json(&pools));
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
    let (mut together, mut tally, to) = (Together::default(), Tally::default(), int(pool.id.get()));
    if earlier.pool_id != to {
        newcomers::enter(conn, earlier.id, (earlier.pool_id, to), &mut tally).await?;
    }
    let original = Newcomer { image: earlier.answer()?.id, ..Newcomer::upload(upload, now) };
    newcomers::originals(&mut together, &[original], &mut tally, now);
    together.add(tally.statement()).add(outbox::news(now, Topic::Image, std::slice::from_ref(&earlier.uuid)));
    together.execute(conn).await?;
    let url = format!("{}/uploads/{}", pool.public_base_url, upload.path);
    Ok(UploadDecision::Keep(UploadedImage { url, ..earlier.answer()? }))
}
