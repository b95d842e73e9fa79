//! New images and files, of uploads or of a rebuild: written by a handful of statements, however many they are.

use std::collections::{BTreeMap, HashSet};

use pixelfox_proto::{FileMeta, Generation, ImageId, PoolId, Sha256, StoredPath, VisitorId};
use serde::Serialize;

use super::{
    Trouble,
    dialect::{int, json},
    statement::{self, Conn, Together},
    tally::Tally,
};
use crate::catalog::{Bucket, NewUpload, ReplicaState, UnixMillis};

/// Positions of the uploads of which nothing is on record: neither they themselves nor, with their owner, their bytes.
pub(super) const UNHEARD_OF: &str = "
SELECT CAST(a.value ->> 0 AS BIGINT) FROM json_each($1) AS a WHERE
    NOT EXISTS (SELECT 1 FROM deleted_images d WHERE d.uuid = a.value -> 1 ->> 'uuid')
    AND NOT EXISTS (SELECT 1 FROM images i WHERE i.uuid = a.value -> 1 ->> 'uuid')
    AND NOT EXISTS (SELECT 1 FROM files f WHERE f.stored_path = a.value -> 1 ->> 'path')
    AND NOT EXISTS (SELECT 1 FROM images i WHERE i.share_token = a.value -> 1 ->> 'share')
    AND NOT EXISTS (SELECT 1 FROM images i WHERE i.user_id = CAST(a.value -> 1 ->> 'user' AS BIGINT) AND i.user_id <> 0
        AND i.sha256 = \u{1}unhex(a.value -> 1 ->> 'sha256')\u{2}decode(a.value -> 1 ->> 'sha256', 'hex')\u{3})
    AND NOT EXISTS (SELECT 1 FROM images i WHERE i.visitor = CAST(a.value -> 1 ->> 'visitor' AS BIGINT)
        AND i.visitor <> 0
        AND i.sha256 = \u{1}unhex(a.value -> 1 ->> 'sha256')\u{2}decode(a.value -> 1 ->> 'sha256', 'hex')\u{3})";

/// A file that makes an image, or becomes the original of one: where it is, and what is known of it.
#[derive(Debug)]
pub(super) struct Newcomer<'u> {
    pub(super) image: ImageId,
    pub(super) share: &'u str,
    pub(super) path: &'u StoredPath,
    pub(super) pool: PoolId,
    pub(super) size: u64,
    pub(super) sha256: Sha256,
    pub(super) meta: &'u FileMeta,
    pub(super) visitor: Option<VisitorId>,
    pub(super) generation: Generation,
    pub(super) state: ReplicaState,
    /// When its bytes were last known to be right; 0: nobody has read them.
    pub(super) verified: UnixMillis,
    /// When they are to be read, if they are.
    pub(super) check_at: Option<UnixMillis>,
}

impl<'u> Newcomer<'u> {
    /// An upload that its node has hashed on its way in.
    pub(super) fn upload(upload: &'u NewUpload, now: UnixMillis) -> Self {
        Self {
            image: upload.id,
            share: &upload.meta.share_token,
            path: &upload.path,
            pool: upload.pool,
            size: upload.size,
            sha256: upload.sha256,
            meta: &upload.meta,
            visitor: upload.visitor,
            generation: Generation(1),
            state: ReplicaState::Live,
            verified: now,
            check_at: None,
        }
    }

    /// The user, and the visit where it is nobody with a login; 0 stands for none.
    fn owner(&self) -> (i64, i64) {
        match self.meta.user_id {
            0 => (0, int(self.visitor.map_or(0, VisitorId::get))),
            user => (int(user), 0),
        }
    }
}

/// Which of them, by position, are new in everything: to the books and among each other.
pub(super) async fn unheard_of(conn: &mut Conn, newcomers: &[Newcomer<'_>]) -> Result<HashSet<usize>, Trouble> {
    let asked: Vec<(usize, Row<'_>)> = rows(newcomers, UnixMillis(0)).into_iter().enumerate().collect();
    let found: Vec<i64> = statement::query_scalar(UNHEARD_OF).bind(json(&asked)).fetch_all(conn).await?;
    let mut seen = HashSet::new();
    let mut first = |one: &Newcomer<'_>| {
        let owner = one.owner();
        let names = [one.image.to_string(), one.path.to_string(), format!("share {}", one.share)];
        let bytes = (owner != (0, 0)).then(|| format!("{owner:?} {}", one.sha256));
        // All of them are noted, also where an earlier one stands against this upload.
        names.into_iter().chain(bytes).filter(|name| !seen.insert(name.clone())).count() == 0
    };
    let unique: HashSet<usize> = (0..newcomers.len()).filter(|at| first(&newcomers[*at])).collect();
    Ok(found.into_iter().filter_map(|at| usize::try_from(at).ok()).filter(|at| unique.contains(at)).collect())
}

/// A newcomer as the statements below read it.
#[derive(Serialize)]
struct Row<'u> {
    /// Of the image.
    uuid: String,
    share: &'u str,
    name: String,
    name_key: String,
    kind: &'u str,
    width: u32,
    height: u32,
    size: i64,
    sha256: String,
    user: i64,
    visitor: i64,
    created: i64,
    pool: i64,
    path: &'u str,
    generation: i64,
    state: &'static str,
    verified: i64,
    check_at: Option<i64>,
    /// How many of the batch come after it in its pool.
    behind: i64,
}

fn rows<'u>(newcomers: &[Newcomer<'u>], now: UnixMillis) -> Vec<Row<'u>> {
    let mut left = by_pool(newcomers);
    let row = |one: &Newcomer<'u>| {
        let (meta, name) = (one.meta, FileMeta::fit_name(&one.meta.original_name));
        let ((user, visitor), pool) = (one.owner(), int(one.pool.get()));
        let behind = left.entry(pool).or_default();
        *behind -= 1;
        Row {
            uuid: one.image.to_string(),
            share: one.share,
            name_key: name.to_lowercase(),
            name,
            kind: &meta.content_type,
            width: meta.width,
            height: meta.height,
            size: int(one.size),
            sha256: one.sha256.to_string(),
            user,
            visitor,
            created: if meta.created > 0 { meta.created.saturating_mul(1000) } else { now.0 },
            pool,
            path: one.path.as_str(),
            generation: int(one.generation.0),
            state: one.state.as_str(),
            verified: one.verified.0,
            check_at: one.check_at.map(|at| at.0),
            behind: *behind,
        }
    };
    newcomers.iter().map(row).collect()
}

/// How many come to each pool.
fn by_pool(newcomers: &[Newcomer<'_>]) -> BTreeMap<i64, i64> {
    let mut pools = BTreeMap::new();
    newcomers.iter().for_each(|one| *pools.entry(int(one.pool.get())).or_default() += 1);
    pools
}

/// Pools that get entries: pool, how many.
pub(super) const ENTER: &str = "
UPDATE pools SET entered = entered + CAST(a.value ->> 1 AS BIGINT)
FROM json_each($1) AS a WHERE pools.id = CAST(a.value ->> 0 AS BIGINT)";
pub(super) const IMAGES: &str = "
INSERT INTO images (uuid, share_token, original_name, name_key, content_type, size, width, height, sha256, user_id,
    created, pool_id, entry, visitor)
SELECT a.value ->> 'uuid', a.value ->> 'share', a.value ->> 'name', a.value ->> 'name_key', a.value ->> 'kind',
    CAST(a.value ->> 'size' AS BIGINT), CAST(a.value ->> 'width' AS BIGINT), CAST(a.value ->> 'height' AS BIGINT),
    \u{1}unhex(a.value ->> 'sha256')\u{2}decode(a.value ->> 'sha256', 'hex')\u{3}, CAST(a.value ->> 'user' AS BIGINT),
    CAST(a.value ->> 'created' AS BIGINT), p.id, p.entered - CAST(a.value ->> 'behind' AS BIGINT),
    CAST(a.value ->> 'visitor' AS BIGINT)
FROM json_each($1) AS a CROSS JOIN pools p ON p.id = CAST(a.value ->> 'pool' AS BIGINT)";
pub(super) const FILES: &str = "
INSERT INTO files (image_id, stored_path, kind, content_type, width, height, size, sha256, generation)
SELECT i.id, a.value ->> 'path', 'original', a.value ->> 'kind', CAST(a.value ->> 'width' AS BIGINT),
    CAST(a.value ->> 'height' AS BIGINT), CAST(a.value ->> 'size' AS BIGINT),
    \u{1}unhex(a.value ->> 'sha256')\u{2}decode(a.value ->> 'sha256', 'hex')\u{3},
    CAST(a.value ->> 'generation' AS BIGINT)
FROM json_each($1) AS a CROSS JOIN images i ON i.uuid = a.value ->> 'uuid'";
pub(super) const COPIES: &str = "
INSERT INTO replicas (file_id, pool_id, generation, state, since, verified, check_at)
SELECT f.id, CAST(a.value ->> 'pool' AS BIGINT), CAST(a.value ->> 'generation' AS BIGINT), a.value ->> 'state', $2,
    CAST(a.value ->> 'verified' AS BIGINT), CAST(a.value ->> 'check_at' AS BIGINT)
FROM json_each($1) AS a CROSS JOIN files f ON f.stored_path = a.value ->> 'path'";

/// What makes images of these, in their order; none of them, nor its share token, may be on record.
pub(super) fn images(together: &mut Together, newcomers: &[Newcomer<'_>], tally: &mut Tally, now: UnixMillis) {
    if newcomers.is_empty() {
        return;
    }
    let entered: Vec<(i64, i64)> = by_pool(newcomers).into_iter().collect();
    entered.iter().for_each(|(pool, count)| tally.images(*pool, *count));
    let rows = json(&rows(newcomers, now));
    together
        .add(statement::query(ENTER).bind(json(&entered)))
        .add(statement::query(IMAGES).bind(rows.clone()))
        .add(statement::query(FILES).bind(rows.clone()));
    add_copies(together, rows, newcomers, tally, now);
}

/// What makes each of these the original of the image that it names.
pub(super) fn originals(together: &mut Together, newcomers: &[Newcomer<'_>], tally: &mut Tally, now: UnixMillis) {
    let rows = json(&rows(newcomers, now));
    together.add(statement::query(FILES).bind(rows.clone()));
    add_copies(together, rows, newcomers, tally, now);
}

/// An image is in another pool from now on, with the next entry number there.
pub(super) async fn enter(
    conn: &mut Conn,
    image: i64,
    (from, to): (i64, i64),
    tally: &mut Tally,
) -> Result<(), Trouble> {
    const NEXT: &str = "UPDATE pools SET entered = entered + 1 WHERE id = $1 RETURNING entered";
    const MOVE: &str = "UPDATE images SET pool_id = $2, entry = $3 WHERE id = $1";
    let entry: i64 = statement::query_scalar(NEXT).bind(to).fetch_one(&mut *conn).await?;
    statement::query(MOVE).bind(image).bind(to).bind(entry).execute(conn).await?;
    tally.images(from, -1);
    tally.images(to, 1);
    Ok(())
}

/// What puts these on record as the copies of files that are.
pub(super) fn copies(together: &mut Together, newcomers: &[Newcomer<'_>], tally: &mut Tally, now: UnixMillis) {
    if !newcomers.is_empty() {
        add_copies(together, json(&rows(newcomers, now)), newcomers, tally, now);
    }
}

fn add_copies(together: &mut Together, rows: String, newcomers: &[Newcomer<'_>], tally: &mut Tally, now: UnixMillis) {
    newcomers.iter().for_each(|one| tally.shift(int(one.pool.get()), int(one.size), Bucket::None, Bucket::Used));
    together.add(statement::query(COPIES).bind(rows).bind(now.0));
}
