//! New images and files: many uploads written by a handful of statements, however many they are.

use std::collections::{BTreeMap, HashSet};

use pixelfox_proto::{FileMeta, VisitorId};
use serde::Serialize;

use super::{
    Topic, Trouble,
    dialect::{int, json},
    outbox,
    statement::{self, Conn, Together},
    tally::Tally,
};
use crate::catalog::{Bucket, NewUpload, UnixMillis};

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

/// Which of them, by position, are new in everything: to the books and among each other.
pub(super) async fn unheard_of<'u>(conn: &mut Conn, uploads: &[&'u NewUpload]) -> Result<HashSet<usize>, Trouble> {
    let asked = |upload: &&'u NewUpload| Row::new(upload.id.to_string(), upload, 0, UnixMillis(0));
    let questions: Vec<(usize, Row<'u>)> = uploads.iter().map(asked).enumerate().collect();
    let found: Vec<i64> = statement::query_scalar(UNHEARD_OF).bind(json(&questions)).fetch_all(conn).await?;
    let mut seen = HashSet::new();
    let mut first = |upload: &NewUpload| {
        let owner = owner(upload);
        let names = [upload.id.to_string(), upload.path.to_string(), format!("share {}", upload.meta.share_token)];
        let bytes = (owner != (0, 0)).then(|| format!("{owner:?} {}", upload.sha256));
        // All of them are noted, also where an earlier one stands against this upload.
        names.into_iter().chain(bytes).filter(|name| !seen.insert(name.clone())).count() == 0
    };
    let unique: HashSet<usize> = (0..uploads.len()).filter(|at| first(uploads[*at])).collect();
    Ok(found.into_iter().filter_map(|at| usize::try_from(at).ok()).filter(|at| unique.contains(at)).collect())
}

/// The user, and the visit where it is nobody with a login; 0 stands for none.
fn owner(upload: &NewUpload) -> (i64, i64) {
    match upload.meta.user_id {
        0 => (0, int(upload.visitor.map_or(0, VisitorId::get))),
        user => (int(user), 0),
    }
}

/// An upload as the statements below read it.
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
    /// How many of the batch come after it in its pool.
    behind: i64,
}

impl<'u> Row<'u> {
    fn new(uuid: String, upload: &'u NewUpload, behind: i64, now: UnixMillis) -> Self {
        let meta = &upload.meta;
        let name = FileMeta::fit_name(&meta.original_name);
        let (user, visitor) = owner(upload);
        Self {
            uuid,
            share: &meta.share_token,
            name_key: name.to_lowercase(),
            name,
            kind: &meta.content_type,
            width: meta.width,
            height: meta.height,
            size: int(upload.size),
            sha256: upload.sha256.to_string(),
            user,
            visitor,
            created: if meta.created > 0 { meta.created.saturating_mul(1000) } else { now.0 },
            pool: int(upload.pool.get()),
            path: upload.path.as_str(),
            behind,
        }
    }
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
    \u{1}unhex(a.value ->> 'sha256')\u{2}decode(a.value ->> 'sha256', 'hex')\u{3}, 1
FROM json_each($1) AS a CROSS JOIN images i ON i.uuid = a.value ->> 'uuid'";
pub(super) const COPIES: &str = "
INSERT INTO replicas (file_id, pool_id, generation, state, since, verified)
SELECT f.id, CAST(a.value ->> 'pool' AS BIGINT), 1, 'live', $2, $2
FROM json_each($1) AS a CROSS JOIN files f ON f.stored_path = a.value ->> 'path'";

/// Images of these uploads, in their order; none of them, nor its share token, may be on record.
pub(super) async fn take_in(conn: &mut Conn, uploads: &[&NewUpload], now: UnixMillis) -> Result<(), Trouble> {
    if uploads.is_empty() {
        return Ok(());
    }
    let mut entered: BTreeMap<i64, i64> = BTreeMap::new();
    let mut tally = Tally::default();
    for upload in uploads {
        let pool = int(upload.pool.get());
        *entered.entry(pool).or_default() += 1;
        tally.images(pool, 1);
        tally.shift(pool, int(upload.size), Bucket::None, Bucket::Used);
    }
    let mut left = entered.clone();
    let rows = uploads.iter().map(|upload| {
        let behind = left.entry(int(upload.pool.get())).or_default();
        *behind -= 1;
        Row::new(upload.id.to_string(), upload, *behind, now)
    });
    let rows = json(&rows.collect::<Vec<_>>());
    let uuids: Vec<String> = uploads.iter().map(|upload| upload.id.to_string()).collect();
    let mut together = Together::default();
    together
        .add(statement::query(ENTER).bind(json(&entered.into_iter().collect::<Vec<_>>())))
        .add(statement::query(IMAGES).bind(rows.clone()))
        .add(statement::query(FILES).bind(rows.clone()))
        .add(statement::query(COPIES).bind(rows).bind(now.0))
        .add(tally.statement())
        .add(outbox::news(now, Topic::Image, &uuids));
    Ok(together.execute(conn).await?)
}

/// The file of this upload becomes the original of the image with this UUID.
pub(super) async fn take_file(
    conn: &mut Conn,
    image: &str,
    upload: &NewUpload,
    tally: &mut Tally,
    now: UnixMillis,
) -> Result<(), Trouble> {
    let rows = json(&[Row::new(image.to_owned(), upload, 0, now)]);
    let mut together = Together::default();
    together.add(statement::query(FILES).bind(rows.clone())).add(statement::query(COPIES).bind(rows).bind(now.0));
    tally.shift(int(upload.pool.get()), int(upload.size), Bucket::None, Bucket::Used);
    Ok(together.execute(conn).await?)
}
