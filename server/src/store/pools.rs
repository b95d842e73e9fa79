//! Pools in the books: their fields, their counters, which one is the default.

use pixelfox_proto::{PoolId, text};

use super::{
    Store, StoreError, Topic, Trouble,
    audit::{self, Change},
    dialect::{int, json, pool_id},
    outbox, rows,
    statement::{self, Conn, Statement},
    trash,
};
use crate::catalog::{Pool, PoolDraft, PoolPatch, PoolSaved, PoolSpec, Refusal, SaveRule, UnixMillis};

impl Store {
    /// Every pool, by id.
    ///
    /// # Errors
    /// The database fails.
    pub async fn list_pools(&self) -> Result<Vec<Pool>, StoreError> {
        self.read("list the pools", async |mut conn| rows::all_pools(&mut conn).await).await
    }

    /// One pool.
    ///
    /// # Errors
    /// There is none with this id, or the database fails.
    pub async fn get_pool(&self, id: PoolId) -> Result<Pool, StoreError> {
        self.read("read a pool", async |mut conn| existing(&mut conn, id).await).await
    }

    /// Makes a pool, or changes the one with the same name, node and base path. The first pool is the default; a new
    /// default takes over from the old one.
    ///
    /// # Errors
    /// A field that can't work (or, without `Anyway`, looks wrong), a name or directory that another pool has.
    pub async fn create_pool(
        &self,
        draft: PoolDraft,
        rule: SaveRule,
        now: UnixMillis,
    ) -> Result<PoolSaved, StoreError> {
        self.write("make a pool", move |conn| Box::pin(async move { create(conn, draft, rule, now).await })).await
    }

    /// The default pool of a fresh cluster: made once; `None` where a pool was ever made.
    ///
    /// # Errors
    /// As for a new pool.
    pub async fn first_pool(&self, draft: PoolDraft, now: UnixMillis) -> Result<Option<Pool>, StoreError> {
        const EVER: &str = "SELECT EXISTS (SELECT 1 FROM nodes_with_pools)";
        self.write("make the first pool", move |conn| {
            Box::pin(async move {
                if statement::query_scalar(EVER).fetch_one(&mut *conn).await? {
                    return Ok(None);
                }
                create(conn, draft, SaveRule::Anyway, now).await.map(|saved| Some(saved.into_pool()))
            })
        })
        .await
    }

    /// Changes fields of a pool. `expected_revision` 0: whatever it is now.
    ///
    /// # Errors
    /// No such pool, another revision, a field that can't work, the only default giving that up.
    pub async fn update_pool(
        &self,
        id: PoolId,
        patch: PoolPatch,
        expected_revision: u64,
        rule: SaveRule,
        now: UnixMillis,
    ) -> Result<Pool, StoreError> {
        self.write("change a pool", move |conn| {
            Box::pin(async move {
                let pool = existing(conn, id).await?;
                if expected_revision != 0 && expected_revision != pool.revision {
                    let message = text!(
                        de "expected_revision: Speicherpool {} ({id}) hat inzwischen Revision {}, nicht {expected_revision}; \
                         noch einmal ansehen und die Änderung wiederholen",
                        en "expected_revision: pool {} ({id}) has revision {} by now, not {expected_revision}; \
                         look at it again and repeat the change",
                        pool.name,
                        pool.revision
                    );
                    return Err(Refusal::changed(message).into());
                }
                update(conn, &pool, patch, rule, now).await
            })
        })
        .await
    }

    /// Notes that these pools were reported healthy: their node may not make their directory anew any more. Gives
    /// those for which that is new (each needs a new Welcome).
    ///
    /// # Errors
    /// The database fails.
    pub async fn pools_reported_healthy(&self, pools: Vec<PoolId>) -> Result<Vec<PoolId>, StoreError> {
        const SQL: &str = "UPDATE pools SET initialize = 0 WHERE initialize = 1
            AND id IN (SELECT CAST(value AS BIGINT) FROM json_each($1)) RETURNING id";
        if pools.is_empty() {
            return Ok(Vec::new());
        }
        self.write("note healthy pools", move |conn| {
            Box::pin(async move {
                let well: Vec<i64> = pools.iter().map(|pool| int(pool.get())).collect();
                trash::due_at_once(conn, &well).await?;
                let ids: Vec<i64> = statement::query_scalar(SQL).bind(json(&pools)).fetch_all(conn).await?;
                ids.into_iter().map(pool_id).collect()
            })
        })
        .await
    }
}

/// The pool with this id, or the refusal that there is none.
pub(super) async fn existing(conn: &mut Conn, id: PoolId) -> Result<Pool, Trouble> {
    let pool = rows::one_pool(conn, int(id.get())).await?;
    pool.ok_or_else(|| {
        Refusal::not_found(
            text!(de "es gibt keinen Speicherpool {id} in diesem Cluster", en "no pool {id} in this cluster"),
        )
        .into()
    })
}

/// Makes or changes a pool within a transaction.
pub(super) async fn create(
    conn: &mut Conn,
    draft: PoolDraft,
    rule: SaveRule,
    now: UnixMillis,
) -> Result<PoolSaved, Trouble> {
    let mut spec = PoolSpec::check(&draft, rule)?;
    let pools = rows::all_pools(conn).await?;
    let same = |pool: &&Pool| pool.name == spec.name && pool.node == spec.node && pool.base_path == spec.base_path;
    if let Some(pool) = pools.iter().find(same) {
        let mut patch = PoolPatch::from(draft);
        if pool.is_default {
            patch.is_default = None; // a form that leaves it out does not take the default away
        }
        return update(conn, pool, patch, rule, now).await.map(PoolSaved::Updated);
    }
    spec.fits(&pools)?;
    spec.is_default |= pools.is_empty();
    if spec.is_default {
        yield_default(conn, 0, now).await?;
    }
    let identity = random_identity()?;
    let insert = bind(statement::query_as::<(i64,)>(INSERT), &spec).bind(identity).bind(now.0);
    let (id,) = insert.fetch_one(&mut *conn).await?;
    had_pool(conn, &spec).await?;
    outbox::put(conn, now, Topic::Pool, &[id.to_string()]).await?;
    let pool = existing(conn, pool_id(id)?).await?;
    changed(conn, now, "create_pool", None, Some(&pool)).await?;
    Ok(PoolSaved::Created(pool))
}

/// A pool that lies on its node's disk already, with the identity of its marker, and with this id where it is free.
pub(super) async fn insert_as(
    conn: &mut Conn,
    draft: PoolDraft,
    identity: &str,
    id: Option<PoolId>,
    now: UnixMillis,
) -> Result<i64, Trouble> {
    const BEHIND: &str = "SELECT setval(pg_get_serial_sequence('pools', 'id'), (SELECT MAX(id) FROM pools))";
    let spec = PoolSpec::check(&draft, SaveRule::Anyway)?;
    spec.fits(&rows::all_pools(conn).await?)?;
    let insert = bind(statement::query_as::<(i64,)>(INSERT_AS), &spec)
        .on_postgres(INSERT_AS_ON_POSTGRES)
        .bind(identity)
        .bind(now.0);
    let (id,): (i64,) = insert.bind(id.map(|id| int(id.get()))).fetch_one(&mut *conn).await?;
    // Numbers that the database gives go on behind it.
    let behind = statement::query_as::<(i64,)>("SELECT 1").on_postgres(BEHIND);
    behind.fetch_one(&mut *conn).await?;
    had_pool(conn, &spec).await?;
    let pool = existing(conn, pool_id(id)?).await?;
    changed(conn, now, "create_pool", None, Some(&pool)).await?;
    Ok(id)
}

async fn update(
    conn: &mut Conn,
    pool: &Pool,
    patch: PoolPatch,
    rule: SaveRule,
    now: UnixMillis,
) -> Result<Pool, Trouble> {
    let draft = patch.apply(pool.draft());
    if draft == pool.draft() {
        return Ok(pool.clone());
    }
    let spec = PoolSpec::check(&draft, rule)?;
    let others: Vec<Pool> = rows::all_pools(conn).await?.into_iter().filter(|other| other.id != pool.id).collect();
    spec.fits(&others)?;
    if pool.is_default && !spec.is_default {
        let message = text!(
            de "is_default: ein Speicherpool muss Standard sein; stattdessen einen anderen zum Standard machen",
            en "is_default: one pool must be the default; make another one the default instead"
        );
        return Err(Refusal::precondition(message).into());
    }
    let id = int(pool.id.get());
    if spec.is_default && !pool.is_default {
        yield_default(conn, id, now).await?;
    }
    bind(statement::query(UPDATE), &spec).bind(id).execute(&mut *conn).await?;
    if spec.node != pool.node {
        had_pool(conn, &spec).await?;
        // What still runs, or may be tried again, runs where the pool is; what is under way when it comes back.
        const FOLLOW: &str = "UPDATE jobs SET node_id = $1 WHERE source_pool_id = $2
            AND state IN ('pending', 'paused', 'failed', 'cancelled')";
        statement::query(FOLLOW).bind(spec.node.as_str()).bind(id).execute(&mut *conn).await?;
    }
    outbox::put(conn, now, Topic::Pool, &[id.to_string()]).await?;
    let new = existing(conn, pool.id).await?;
    changed(conn, now, "update_pool", Some(pool), Some(&new)).await?;
    Ok(new)
}

/// Notes in the audit what became of a pool.
pub(super) async fn changed(
    conn: &mut Conn,
    now: UnixMillis,
    action: &'static str,
    was: Option<&Pool>,
    became: Option<&Pool>,
) -> Result<(), Trouble> {
    let Some(pool) = became.or(was) else { return Ok(()) };
    let (subject, detail) = (pool.id.to_string(), &pool.name);
    let (was, became) = audit::difference(was.map(Pool::draft).as_ref(), became.map(Pool::draft).as_ref());
    audit::change(conn, now, Change { action, subject: &subject, detail, was: &was, became: &became }).await
}

const INSERT: &str = "
INSERT INTO pools (name, node_id, base_path, upload_api_url, public_base_url, max_size, is_active, is_default, priority,
    storage_type, storage_tier, description, legacy_pool_id, legacy_node, identity, created)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) RETURNING id";

const INSERT_AS: &str = "
INSERT INTO pools (name, node_id, base_path, upload_api_url, public_base_url, max_size, is_active, is_default, priority,
    storage_type, storage_tier, description, legacy_pool_id, legacy_node, identity, created, initialize, id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0, $17) RETURNING id";
const INSERT_AS_ON_POSTGRES: &str = "
INSERT INTO pools (name, node_id, base_path, upload_api_url, public_base_url, max_size, is_active, is_default, priority,
    storage_type, storage_tier, description, legacy_pool_id, legacy_node, identity, created, initialize, id)
OVERRIDING SYSTEM VALUE
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0,
    COALESCE($17, nextval(pg_get_serial_sequence('pools', 'id')))) RETURNING id";

const UPDATE: &str = "
UPDATE pools SET name = $1, node_id = $2, base_path = $3, upload_api_url = $4, public_base_url = $5, max_size = $6,
    is_active = $7, is_default = $8, priority = $9, storage_type = $10, storage_tier = $11, description = $12,
    legacy_pool_id = $13, legacy_node = $14, revision = revision + 1
WHERE id = $15";

/// The fields of a pool, in the order of both statements.
fn bind<T>(statement: Statement<T>, spec: &PoolSpec) -> Statement<T> {
    statement
        .bind(&spec.name)
        .bind(spec.node.as_str())
        .bind(&spec.base_path)
        .bind(&spec.upload_api_url)
        .bind(&spec.public_base_url)
        .bind(int(spec.max_size))
        .bind(spec.is_active)
        .bind(spec.is_default)
        .bind(i64::from(spec.priority))
        .bind(spec.storage_type.as_str())
        .bind(spec.storage_tier.as_str())
        .bind(&spec.description)
        .bind(int(spec.legacy_pool_id))
        .bind(spec.legacy_node)
}

/// The pool that was the default is it no more.
async fn yield_default(conn: &mut Conn, to: i64, now: UnixMillis) -> Result<(), Trouble> {
    const SQL: &str = "UPDATE pools SET is_default = 0, revision = revision + 1
        WHERE is_default = 1 AND id <> $1 RETURNING id";
    let old: Vec<i64> = statement::query_scalar(SQL).bind(to).fetch_all(&mut *conn).await?;
    for id in old {
        outbox::put(conn, now, Topic::Pool, &[id.to_string()]).await?;
        let (was, became) = (r#"{"is_default":true}"#, r#"{"is_default":false}"#);
        let subject = &id.to_string();
        audit::change(conn, now, Change { action: "update_pool", subject, was, became, ..Change::default() }).await?;
    }
    Ok(())
}

async fn had_pool(conn: &mut Conn, spec: &PoolSpec) -> Result<(), Trouble> {
    const SQL: &str = "INSERT INTO nodes_with_pools (node_id) VALUES ($1) ON CONFLICT DO NOTHING";
    statement::query(SQL).bind(spec.node.as_str()).execute(conn).await?;
    Ok(())
}

/// What its marker says is no pool's any more: a new pool may take over whatever directory has it.
pub(super) async fn retire(conn: &mut Conn, pool: &Pool, now: UnixMillis) -> Result<(), Trouble> {
    const RETIRE: &str = "INSERT INTO retired_pools (identity, pool_id, name, at) VALUES ($1, $2, $3, $4)";
    let retire = statement::query(RETIRE).bind(&pool.identity).bind(int(pool.id.get())).bind(&pool.name).bind(now.0);
    retire.execute(conn).await?;
    Ok(())
}

pub(super) fn random_identity() -> Result<String, Trouble> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Trouble::Garbled(format!("no random numbers: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
