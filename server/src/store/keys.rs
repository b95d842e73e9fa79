//! API keys in the books: their digests, never their words.

use pixelfox_proto::{Sha256, text};
use sqlx::FromRow;

use super::{
    Store, StoreError, Trouble, audit,
    dialect::{int, uint},
    statement::{self, Conn},
    uploaders,
};
use crate::catalog::{ApiKey, MAX_KEYS, Refusal, UnixMillis};

impl Store {
    /// A new key, with a user of its own.
    ///
    /// # Errors
    /// A name that can't be one, too many keys.
    pub async fn create_api_key(&self, name: &str, digest: Sha256, now: UnixMillis) -> Result<ApiKey, StoreError> {
        let name = ApiKey::check_name(name)?;
        self.write("make an API key", move |conn| Box::pin(async move { create(conn, name, digest, now).await })).await
    }

    /// All keys, oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn list_api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        const SQL: &str = "SELECT id, name, user_id, created, last_used FROM api_keys ORDER BY id";
        self.read("list the API keys", async |mut conn| {
            let rows: Vec<KeyRow> = statement::query_as(SQL).fetch_all(&mut conn).await?;
            Ok(rows.into_iter().map(ApiKey::from).collect())
        })
        .await
    }

    /// The key with this digest.
    ///
    /// # Errors
    /// The database fails.
    pub async fn api_key(&self, digest: Sha256) -> Result<Option<ApiKey>, StoreError> {
        self.read("look for an API key", async |mut conn| {
            let row: Option<KeyRow> =
                statement::query_as(BY_DIGEST).bind(&digest.as_bytes()[..]).fetch_optional(&mut conn).await?;
            Ok(row.map(ApiKey::from))
        })
        .await
    }

    /// Notes that a key was used.
    ///
    /// # Errors
    /// The database fails.
    pub async fn api_key_used(&self, id: u64, now: UnixMillis) -> Result<(), StoreError> {
        self.write("note the use of an API key", move |conn| {
            Box::pin(async move {
                statement::query(USED).bind(int(id)).bind(now.0).execute(conn).await?;
                Ok(())
            })
        })
        .await
    }

    /// From now on the key opens nothing.
    ///
    /// # Errors
    /// There is none with this id.
    pub async fn revoke_api_key(&self, id: u64, now: UnixMillis) -> Result<ApiKey, StoreError> {
        self.write("revoke an API key", move |conn| Box::pin(async move { revoke(conn, id, now).await })).await
    }
}

pub(super) const BY_DIGEST: &str = "SELECT id, name, user_id, created, last_used FROM api_keys WHERE digest = $1";
pub(super) const USED: &str = "UPDATE api_keys SET last_used = $2 WHERE id = $1 AND last_used < $2";

async fn create(conn: &mut Conn, name: String, digest: Sha256, now: UnixMillis) -> Result<ApiKey, Trouble> {
    const NEW: &str = "INSERT INTO api_keys (name, digest, user_id, created) VALUES ($1, $2, $3, $4) RETURNING id";
    let count: i64 = statement::query_scalar("SELECT COUNT(*) FROM api_keys").fetch_one(&mut *conn).await?;
    if uint(count) >= MAX_KEYS as u64 {
        return Err(Refusal::precondition(text!(
            de "es gibt {count} API-Schlüssel: einige zurückziehen, die nicht benutzt werden",
            en "there are {count} API keys: revoke some that are not used"
        ))
        .into());
    }
    let user = uploaders::next_user(conn).await?;
    let id: i64 = statement::query_scalar(NEW)
        .bind(&name)
        .bind(&digest.as_bytes()[..])
        .bind(int(user))
        .bind(now.0)
        .fetch_one(&mut *conn)
        .await?;
    audit::note(conn, now, "create_api_key", &format!("api key {id}"), &name).await?;
    Ok(ApiKey { id: uint(id), name, user_id: user, created: now, last_used: None })
}

async fn revoke(conn: &mut Conn, id: u64, now: UnixMillis) -> Result<ApiKey, Trouble> {
    const SQL: &str = "DELETE FROM api_keys WHERE id = $1 RETURNING id, name, user_id, created, last_used";
    let row: Option<KeyRow> = statement::query_as(SQL).bind(int(id)).fetch_optional(&mut *conn).await?;
    let key = ApiKey::from(
        row.ok_or_else(|| Refusal::not_found(text!(de "es gibt keinen API-Schlüssel {id}", en "no API key {id}")))?,
    );
    audit::note(conn, now, "revoke_api_key", &format!("api key {id}"), &key.name).await?;
    Ok(key)
}

#[derive(FromRow)]
struct KeyRow {
    id: i64,
    name: String,
    user_id: i64,
    created: i64,
    last_used: i64,
}

impl From<KeyRow> for ApiKey {
    fn from(row: KeyRow) -> Self {
        Self {
            id: uint(row.id),
            name: row.name,
            user_id: uint(row.user_id),
            created: UnixMillis(row.created),
            last_used: (row.last_used > 0).then_some(UnixMillis(row.last_used)),
        }
    }
}
