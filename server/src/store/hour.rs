//! What the books still know of the last hour, for a server that has just started: uploads by when they became images, moves
//! by when they ended. What was deleted meanwhile is not in it.

use super::{Store, StoreError, dialect::uint, statement};
use crate::catalog::{Brought, UnixMillis};

const MINUTE_MILLIS: i64 = 60_000;
/// Ended moves that are looked at, the newest by number: a start is not kept waiting by a million.
const MOVES: i64 = 100_000;

/// By the index over the time of upload.
const UPLOADED: &str = "
SELECT created / 60000, COUNT(*), CAST(SUM(size) AS BIGINT) FROM images WHERE created >= $1 GROUP BY created / 60000";

/// What came back from the trash went from nowhere to nowhere.
const MOVED: &str = "
SELECT finished / 60000, CAST(0 AS BIGINT), CAST(SUM(bytes_done) AS BIGINT) FROM (
    SELECT finished, bytes_done, kind, undo FROM jobs WHERE state = 'completed' ORDER BY id DESC LIMIT $2) AS newest
WHERE kind = 'move_image' AND undo = 0 AND finished >= $1 GROUP BY finished / 60000";

impl Store {
    /// Each minute since `since` that brought something, in no order. Two statements, O(what came since).
    ///
    /// # Errors
    /// The database fails.
    pub async fn brought_since(&self, since: UnixMillis) -> Result<Vec<Brought>, StoreError> {
        self.read("read what the last hour brought", async |mut conn| {
            let uploaded = statement::query_as::<(i64, i64, i64)>(UPLOADED).bind(since.0).fetch_all(&mut conn).await?;
            let moved = statement::query_as::<(i64, i64, i64)>(MOVED).bind(since.0).bind(MOVES);
            let moved = moved.fetch_all(&mut conn).await?;
            let begin = |minute: i64| UnixMillis(minute * MINUTE_MILLIS);
            let uploads = uploaded.into_iter().map(|(minute, images, bytes)| Brought {
                begin: begin(minute),
                images_uploaded: uint(images),
                bytes_uploaded: uint(bytes),
                bytes_moved: 0,
            });
            let moves = moved.into_iter().map(|(minute, _, bytes)| Brought {
                begin: begin(minute),
                images_uploaded: 0,
                bytes_uploaded: 0,
                bytes_moved: uint(bytes),
            });
            Ok(uploads.chain(moves).collect())
        })
        .await
    }
}
