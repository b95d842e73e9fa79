//! Images in the books: where a path is served from, one by one, totals. Lists of them are in [`super::image_list`].

use std::collections::HashMap;

use pixelfox_proto::{Generation, ImageId, ShareToken, StoredPath, text};
use sqlx::FromRow;

use super::{
    Store, StoreError, Trouble,
    dialect::{checked, json, pool_id, sha256, small, uint, word},
    statement::{self, Conn, Flag},
};
use crate::catalog::{File, Image, ImageTotals, Located, Refusal, ReplicaState, TroubledFiles, UnixMillis};

impl Store {
    /// Where this path is served from now, or `None`: nowhere. Where its own copies are gone, another file of the same
    /// image with the same bytes answers for it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn locate(&self, path: &StoredPath) -> Result<Option<Located>, StoreError> {
        self.read("look for a file", async |mut conn| {
            let row: Option<(i64, String, Flag, String, String)> =
                statement::query_as(LOCATE).bind(path.as_str()).fetch_optional(&mut conn).await?;
            let Some((pool, node, legacy_node, base, path)) = row else { return Ok(None) };
            let node = checked(node.parse(), "pools.node_id")?;
            let url = format!("{base}/uploads/{path}");
            Ok(Some(Located { pool: pool_id(pool)?, node, legacy_node: legacy_node.0, url }))
        })
        .await
    }

    /// One image.
    ///
    /// # Errors
    /// There is none with this id.
    pub async fn get_image(&self, id: ImageId) -> Result<Image, StoreError> {
        self.one_image(" AND i.uuid = ", id.to_string()).await
    }

    /// Those of these images that there are.
    ///
    /// # Errors
    /// The database fails.
    pub async fn get_images(&self, ids: &[ImageId]) -> Result<Vec<Image>, StoreError> {
        let ids: Vec<[&ImageId; 1]> = ids.iter().map(|id| [id]).collect();
        self.read("read images", async |mut conn| {
            let mut sql = statement::query_as(IMAGE_COLUMNS);
            sql.push(
                " FROM json_each($1) AS a CROSS JOIN images i ON i.uuid = a.value ->> 0
                JOIN pools p ON p.id = i.pool_id WHERE i.deleting = 0",
            );
            let rows: Vec<ImageRow> = sql.bind(json(&ids)).fetch_all(&mut conn).await?;
            with_files(&mut conn, rows).await
        })
        .await
    }

    /// Copies that are lost or suspect, counted up to a limit in each pool.
    ///
    /// # Errors
    /// The database fails.
    pub async fn troubled_files(&self) -> Result<TroubledFiles, StoreError> {
        self.read("count lost and suspect copies", async |mut conn| {
            let (lost, suspect): (i64, i64) =
                statement::query_as(TROUBLED).bind(TROUBLED_AT_MOST).fetch_one(&mut conn).await?;
            Ok(TroubledFiles { lost: uint(lost), suspect: uint(suspect) })
        })
        .await
    }

    /// The image of a share link.
    ///
    /// # Errors
    /// There is none.
    pub async fn image_by_share(&self, share: &ShareToken) -> Result<Image, StoreError> {
        self.one_image(" AND i.share_token = ", share.to_string()).await
    }

    async fn one_image(&self, condition: &'static str, value: String) -> Result<Image, StoreError> {
        let unknown = Refusal::not_found(text!(de "es gibt kein Bild {value}", en "no image {value}"));
        self.read("read an image", async |mut conn| {
            let mut sql = statement::query_as(IMAGE_COLUMNS);
            sql.push(" FROM images i JOIN pools p ON p.id = i.pool_id WHERE i.deleting = 0");
            sql.push(condition).push_bind(value);
            let row: Option<ImageRow> = sql.fetch_optional(&mut conn).await?;
            let images = with_files(&mut conn, row.into_iter().collect()).await?;
            images.into_iter().next().ok_or_else(|| unknown.into())
        })
        .await
    }

    /// How much there is in all. O(pools).
    ///
    /// # Errors
    /// The database fails.
    pub async fn image_totals(&self) -> Result<ImageTotals, StoreError> {
        const SQL: &str =
            "SELECT CAST(COALESCE(SUM(images), 0) AS BIGINT), CAST(COALESCE(SUM(used_files), 0) AS BIGINT),
            CAST(COALESCE(SUM(used_bytes), 0) AS BIGINT) FROM pools";
        self.read("count the images", async |mut conn| {
            let (images, files, bytes): (i64, i64, i64) = statement::query_as(SQL).fetch_one(&mut conn).await?;
            Ok(ImageTotals { images: uint(images), files: uint(files), bytes: uint(bytes) })
        })
        .await
    }
}

/// In each pool, so that a disk full of lost files costs no more than this.
const TROUBLED_AT_MOST: i64 = 1000;

/// Another file of its image has the same bytes, and a copy of it is live: what became of this one costs nobody anything.
macro_rules! healed {
    () => {
        "EXISTS (SELECT 1 FROM files f JOIN files g ON g.image_id = f.image_id AND g.sha256 = f.sha256 AND g.id <> f.id
            JOIN replicas l ON l.file_id = g.id AND l.state = 'live' WHERE f.id = r.file_id)"
    };
}
pub(super) use healed;

pub(super) const TROUBLED: &str = concat!(
    "
SELECT CAST(COALESCE(SUM((SELECT COUNT(*) FROM (
        SELECT 1 AS it FROM replicas r WHERE r.pool_id = every_pool.id AND r.state = 'lost' AND r.state <> 'live'
            AND NOT ",
    healed!(),
    " LIMIT $1
    ) AS few)), 0) AS BIGINT),
    CAST(COALESCE(SUM((SELECT COUNT(*) FROM (
        SELECT 1 AS it FROM replicas r WHERE r.pool_id = every_pool.id AND r.state = 'suspect' AND r.state <> 'live'
            AND NOT ",
    healed!(),
    " LIMIT $1
    ) AS few)), 0) AS BIGINT)
FROM pools every_pool"
);

pub(super) const LOCATE: &str = "
SELECT p.id, p.node_id, p.legacy_node, p.public_base_url, f.stored_path
FROM files asked
    JOIN images i ON i.id = asked.image_id AND i.deleting = 0
    JOIN files f ON f.image_id = asked.image_id AND f.sha256 = asked.sha256
    JOIN replicas r ON r.file_id = f.id AND r.state IN ('live', 'suspect')
    JOIN pools p ON p.id = r.pool_id
WHERE asked.stored_path = $1
ORDER BY r.state <> 'live', f.id <> asked.id, r.pool_id <> i.pool_id, p.id LIMIT 1";

const IMAGE_COLUMNS: &str = "
SELECT i.id, i.uuid, i.share_token, i.original_name, i.content_type, i.size, i.width, i.height, i.sha256, i.user_id,
    i.created, i.pool_id, p.public_base_url";

#[derive(FromRow)]
pub(super) struct ImageRow {
    pub(super) id: i64,
    uuid: String,
    share_token: String,
    original_name: String,
    content_type: String,
    size: i64,
    width: i64,
    height: i64,
    sha256: Vec<u8>,
    user_id: i64,
    created: i64,
    pool_id: i64,
    public_base_url: String,
}

#[derive(FromRow)]
struct FileRow {
    image_id: i64,
    stored_path: String,
    kind: String,
    size: i64,
    sha256: Vec<u8>,
    generation: i64,
    state: String,
    pool_id: i64,
    public_base_url: String,
    kept_in: Option<i64>,
}

/// All copies, best first: files with a live one, originals, then per file live before suspect before lost.
pub(super) const FILES: &str = "
SELECT f.image_id, f.stored_path, f.kind, f.size, f.sha256, r.generation, r.state, r.pool_id, p.public_base_url,
    CASE WHEN r.state <> 'live' THEN (SELECT MIN(t.pool_id) FROM replicas t WHERE t.file_id = f.id AND t.state = 'trashed') END
        AS kept_in
FROM json_each($1) AS a
    CROSS JOIN files f ON f.image_id = CAST(a.value AS BIGINT)
    CROSS JOIN images i ON i.id = f.image_id
    JOIN replicas r ON r.file_id = f.id AND r.state IN ('live', 'suspect', 'lost')
    JOIN pools p ON p.id = r.pool_id
ORDER BY f.image_id, f.kind <> 'original', r.state <> 'live', f.id, r.state = 'lost', r.pool_id <> i.pool_id, p.id";

pub(super) async fn with_files(conn: &mut Conn, rows: Vec<ImageRow>) -> Result<Vec<Image>, Trouble> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let copies: Vec<FileRow> = statement::query_as(FILES).bind(json(&ids)).fetch_all(conn).await?;
    let mut files: HashMap<i64, Vec<File>> = HashMap::with_capacity(ids.len());
    for copy in copies {
        let of_image = files.entry(copy.image_id).or_default();
        if !of_image.iter().any(|file| file.path.as_str() == copy.stored_path) {
            of_image.push(copy.try_into()?);
        }
    }
    let image = |row: ImageRow| {
        let files = files.remove(&row.id).unwrap_or_default();
        Ok(Image {
            id: checked(row.uuid.parse(), "images.uuid")?,
            share: checked(row.share_token.parse(), "images.share_token")?,
            original_name: row.original_name,
            content_type: row.content_type,
            size: uint(row.size),
            width: small(row.width),
            height: small(row.height),
            sha256: sha256(&row.sha256)?,
            user_id: uint(row.user_id),
            created: UnixMillis(row.created),
            pool: pool_id(row.pool_id)?,
            public_base_url: row.public_base_url,
            files,
        })
    };
    rows.into_iter().map(image).collect()
}

impl TryFrom<FileRow> for File {
    type Error = Trouble;

    fn try_from(row: FileRow) -> Result<Self, Trouble> {
        Ok(Self {
            path: checked(row.stored_path.parse(), "files.stored_path")?,
            kind: row.kind,
            size: uint(row.size),
            sha256: sha256(&row.sha256)?,
            pool: pool_id(row.pool_id)?,
            public_base_url: row.public_base_url,
            generation: Generation(uint(row.generation)),
            state: word(ReplicaState::parse(&row.state), "replicas.state", &row.state)?,
            kept_in: row.kept_in.map(pool_id).transpose()?,
        })
    }
}
