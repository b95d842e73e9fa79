//! A pool whose disk is gone for good: it begins anew on an empty one.

use pixelfox_proto::{PoolId, text};

use super::{
    Store, StoreError, Topic, Trouble,
    dialect::int,
    outbox,
    pools::{self, existing},
    statement::{self, Conn},
};
use crate::catalog::{Pool, Refusal, UnixMillis};

impl Store {
    /// From now on the pool's node may make its directory anew, and each copy that an image has there is lost until the
    /// node has found it. What was in its trash is off the books; other old copies go with the node's word, as ever. Gives the pool as it was. O(copies).
    ///
    /// # Errors
    /// No such pool, or `name` is not its name. Nothing is written then.
    pub async fn replace_disk(&self, id: PoolId, name: String, now: UnixMillis) -> Result<Pool, StoreError> {
        self.write("give a pool's disk up", move |conn| {
            Box::pin(async move {
                let pool = existing(conn, id).await?;
                if pool.name != name {
                    let message = text!(
                        de "name: Speicherpool {id} heißt {}, nicht „{}“; seinen Namen angeben",
                        en "name: pool {id} is called {}, not `{}`; give its name",
                        pool.name,
                        name.escape_debug()
                    );
                    return Err(Refusal::invalid(message).into());
                }
                give_up(conn, &pool, now).await?;
                Ok(pool)
            })
        })
        .await
    }
}

pub(super) const LOST: &str = "
UPDATE replicas SET state = 'lost', verified = 0, check_at = 0, failures = 0,
    since = CASE WHEN state = 'lost' THEN since ELSE CAST($2 AS BIGINT) END
WHERE pool_id = $1 AND state IN ('live', 'suspect', 'lost')";
/// What lay in the old disk's trash is gone with it: nothing is taken back from there, and it takes no room on the new one.
const TRASH_BYTES: &str = "
UPDATE pools SET trash_bytes = pools.trash_bytes - t.bytes, trash_files = pools.trash_files - t.files
FROM (SELECT CAST(COALESCE(SUM(f.size), 0) AS BIGINT) AS bytes, COUNT(*) AS files
    FROM replicas r CROSS JOIN files f ON f.id = r.file_id
    WHERE r.pool_id = $1 AND r.state = 'trashed' AND r.state <> 'live') AS t
WHERE pools.id = $1";
const TRASH: &str = "DELETE FROM replicas WHERE pool_id = $1 AND state = 'trashed' AND state <> 'live'";
/// An old disk that comes back has the old identity: it is no other pool's, and may be taken over as long as a new
/// directory may.
const ANEW: &str = "UPDATE pools SET initialize = 1, identity = $2, used_bytes = 0, used_files = 0, revision = revision + 1 WHERE id = $1";

async fn give_up(conn: &mut Conn, pool: &Pool, now: UnixMillis) -> Result<(), Trouble> {
    let (row, usage) = (int(pool.id.get()), pool.usage);
    pools::retire(conn, pool, now).await?;
    statement::query(LOST).bind(row).bind(now.0).execute(&mut *conn).await?;
    statement::query(TRASH_BYTES).bind(row).execute(&mut *conn).await?;
    statement::query(TRASH).bind(row).execute(&mut *conn).await?;
    statement::query(ANEW).bind(row).bind(pools::random_identity()?).execute(&mut *conn).await?;
    let detail = format!("{}: {} files, {} bytes count as lost", pool.name, usage.used_files, usage.used_bytes);
    outbox::audit(conn, now, "replace_pool_disk", &pool.id.to_string(), &detail).await?;
    outbox::put(conn, now, Topic::Pool, &[pool.id.to_string()]).await
}
