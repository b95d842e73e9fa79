//! Nodes in the books: their sessions' numbers and what they said of themselves.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::Ordering,
};

use pixelfox_proto::{Lease, NodeId, SessionEpoch, text};
use sqlx::FromRow;

use super::{
    Store, StoreError, Topic, Trouble,
    dialect::{checked, int, json, small, uint},
    lease, outbox, pools, rows, servers,
    statement::{self, Conn},
};
use crate::catalog::{
    Attached, Hello, NodeRecord, Pool, PoolDraft, PoolSaved, Refusal, SaveRule, UnixMillis, auto_pool_name,
};

/// Whether a node without a pool gets one. Source: docs/configuration.md, "server".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoPools {
    /// A node that attaches and has never had a pool gets one.
    Make,
    /// Pools are made by hand.
    ByHand,
}

impl Store {
    /// A node's new session: its number, the lease floor, its jobs of earlier sessions returned, and its first pool
    /// where it never had one and `auto` says so. That a second live node with the same name is refused is the
    /// registry's work, before this; here one that is attached to another server is.
    ///
    /// # Errors
    /// The database fails, or another server has a session of another node with this name. A pool that could not be made (directory taken, URL unusable) does not refuse the node.
    pub async fn attach_node(&self, hello: Hello, auto: AutoPools, now: UnixMillis) -> Result<Attached, StoreError> {
        let life = self.life().load(Ordering::Acquire);
        self.write("note a node's session", move |conn| {
            Box::pin(async move { attach(conn, hello, auto, life, now).await })
        })
        .await
    }

    /// Signs of life, for what the pages say of nodes that are gone. Of an older session: ignored.
    ///
    /// # Errors
    /// The database fails.
    pub async fn nodes_seen(&self, seen: Vec<(NodeId, SessionEpoch)>, now: UnixMillis) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE nodes SET last_seen = $2 FROM json_each($1) AS s
            WHERE nodes.node_id = (s.value ->> 0) AND nodes.epoch = CAST(s.value ->> 1 AS BIGINT) AND last_seen < $2";
        if seen.is_empty() {
            return Ok(());
        }
        self.write("note signs of life", move |conn| {
            Box::pin(async move {
                statement::query(SQL).bind(json(&seen)).bind(now.0).execute(conn).await?;
                Ok(())
            })
        })
        .await
    }

    /// Every node that ever attached, by name.
    ///
    /// # Errors
    /// The database fails.
    pub async fn list_nodes(&self) -> Result<Vec<NodeRecord>, StoreError> {
        const SQL: &str = "SELECT node_id, instance_id, epoch, version, slots, address, node_url, attached, last_seen
            FROM nodes ORDER BY node_id";
        self.read("list the nodes", async |mut conn| {
            let rows: Vec<NodeRow> = statement::query_as(SQL).fetch_all(&mut conn).await?;
            rows.into_iter().map(NodeRecord::try_from).collect()
        })
        .await
    }

    /// Pending jobs of each node on record, counted up to `most`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn jobs_waiting(&self, most: u32) -> Result<BTreeMap<NodeId, u64>, StoreError> {
        self.read("count the jobs that wait", async |mut conn| {
            let rows: Vec<(String, i64)> =
                statement::query_as(WAITING).bind(i64::from(most)).fetch_all(&mut conn).await?;
            rows.into_iter().map(|(node, count)| Ok((checked(node.parse(), "nodes.node_id")?, uint(count)))).collect()
        })
        .await
    }

    /// The highest lease so far.
    ///
    /// # Errors
    /// The database fails.
    pub async fn last_lease(&self) -> Result<Lease, StoreError> {
        const SQL: &str = "SELECT value FROM counters WHERE name = 'lease'";
        self.read("read the last lease", async |mut conn| {
            let value: i64 = statement::query_scalar(SQL).fetch_one(&mut conn).await?;
            Ok(Lease(uint(value)))
        })
        .await
    }
}

#[derive(FromRow)]
struct NodeRow {
    node_id: String,
    instance_id: String,
    epoch: i64,
    version: String,
    slots: i64,
    address: String,
    node_url: String,
    attached: i64,
    last_seen: i64,
}

impl TryFrom<NodeRow> for NodeRecord {
    type Error = Trouble;

    fn try_from(row: NodeRow) -> Result<Self, Trouble> {
        Ok(Self {
            node: checked(row.node_id.parse(), "nodes.node_id")?,
            instance: row.instance_id,
            epoch: SessionEpoch(uint(row.epoch)),
            version: row.version,
            slots: small(row.slots),
            address: row.address,
            node_url: row.node_url,
            attached: UnixMillis(row.attached),
            last_seen: UnixMillis(row.last_seen),
        })
    }
}

/// The next number of a counter.
pub(super) async fn count_up(conn: &mut Conn, name: &str) -> Result<i64, Trouble> {
    const SQL: &str = "UPDATE counters SET value = value + 1 WHERE name = $1 RETURNING value";
    Ok(statement::query_scalar(SQL).bind(name).fetch_one(conn).await?)
}

/// Whether this is the node's last session.
pub(super) async fn holds(conn: &mut Conn, node: &NodeId, epoch: SessionEpoch) -> Result<bool, Trouble> {
    const SQL: &str = "SELECT EXISTS (SELECT 1 FROM nodes WHERE node_id = $1 AND epoch = $2)";
    Ok(statement::query_scalar(SQL).bind(node.as_str()).bind(int(epoch.0)).fetch_one(conn).await?)
}

const UPSERT: &str = "
INSERT INTO nodes (node_id, instance_id, epoch, version, slots, address, node_url, attached, last_seen, server,
    process_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10)
ON CONFLICT (node_id) DO UPDATE SET instance_id = excluded.instance_id, epoch = excluded.epoch,
    version = excluded.version, slots = excluded.slots, address = excluded.address, node_url = excluded.node_url,
    attached = excluded.attached, last_seen = excluded.last_seen, server = excluded.server,
    process_id = excluded.process_id, pools = '[]'";

/// What went wrong with this node, as source or as target, need not wait any longer: it is another one now. A stream that
/// broke because its node went away is often told before the node's session is known to have ended.
pub(super) const DUE_AGAIN: &str = "
UPDATE jobs SET not_before = 0 WHERE id IN (
    SELECT j.id FROM pools s
        CROSS JOIN pools t ON s.node_id = $1 OR t.node_id = $1
        CROSS JOIN jobs j ON j.state = 'pending' AND j.node_id = s.node_id AND j.kind = 'move_image'
            AND j.source_pool_id = s.id AND j.target_pool_id = t.id AND j.not_before > 0 AND j.failures > 0)";

pub(super) const WAITING: &str = "
SELECT n.node_id, (SELECT COUNT(*) FROM (SELECT 1 FROM jobs w WHERE w.state = 'pending' AND w.node_id = n.node_id
    LIMIT $1) AS counted) AS waiting
FROM nodes n";

async fn attach(
    conn: &mut Conn,
    hello: Hello,
    auto: AutoPools,
    life: i64,
    now: UnixMillis,
) -> Result<Attached, Trouble> {
    if let Some(address) = servers::is_taken(conn, &hello, life, now).await? {
        return Err(Refusal::exists(text!(
            de "NODE_ID {} ist mit einem anderen Server verbunden, von {address} aus: diesem Knoten eine andere NODE_ID geben \
                (und ein eigenes STATE_DIR), oder jenen anhalten; wer weg ist, wird nach einer Weile vergessen",
            en "NODE_ID {} is attached to another server, from {address}: give this node another NODE_ID (and a STATE_DIR of its \
             own), or stop that one; one that is gone is forgotten after a while",
            hello.node
        ))
        .into());
    }
    let epoch = count_up(conn, "epoch").await?;
    // A number that no lease gets: whoever compares with < or with <=, every earlier lease is below the floor.
    let floor = count_up(conn, "lease").await?;
    statement::query(UPSERT)
        .bind(hello.node.as_str())
        .bind(&hello.instance)
        .bind(epoch)
        .bind(&hello.version)
        .bind(i64::from(hello.slots))
        .bind(&hello.address)
        .bind(&hello.node_url)
        .bind(now.0)
        .bind(life)
        .bind(&hello.process)
        .execute(&mut *conn)
        .await?;
    let returned = lease::return_node(conn, &hello.node, epoch - 1, now).await?;
    statement::query(DUE_AGAIN).bind(hello.node.as_str()).execute(&mut *conn).await?;
    let (auto_pool, no_auto_pool) = match auto {
        AutoPools::Make => auto_pool(conn, &hello, now).await?,
        AutoPools::ByHand => (None, None),
    };
    outbox::put(conn, now, Topic::Node, &[hello.node.to_string()]).await?;
    Ok(Attached {
        epoch: SessionEpoch(uint(epoch)),
        lease_floor: Lease(uint(floor)),
        auto_pool,
        no_auto_pool,
        returned,
    })
}

/// The pool that AUTO_POOLS makes, or why it makes none.
async fn auto_pool(conn: &mut Conn, hello: &Hello, now: UnixMillis) -> Result<(Option<Pool>, Option<String>), Trouble> {
    const HAD: &str = "SELECT EXISTS (SELECT 1 FROM nodes_with_pools WHERE node_id = $1)";
    if statement::query_scalar(HAD).bind(hello.node.as_str()).fetch_one(&mut *conn).await? {
        return Ok((None, None));
    }
    let pools = rows::all_pools(conn).await?;
    let dir = &hello.uploads_dir;
    if let Some(there) = pools.iter().find(|pool| pool.identity == hello.uploads_dir_identity) {
        let why = format!(
            "holds pool {} ({}) already, so no pool was made: give this node a directory of its own and restart it",
            there.name, there.node
        );
        tracing::warn!(node = %hello.node, "UPLOADS_DIR of node {}, {dir}, {why}", hello.node);
        return Ok((None, Some(why)));
    }
    let taken: BTreeSet<String> = pools.into_iter().map(|pool| pool.name).collect();
    let name = auto_pool_name(&hello.node, &taken);
    let draft = PoolDraft::auto(&name, &hello.node, &hello.uploads_dir, &hello.node_url, &hello.public_base_url);
    match pools::create(conn, draft, SaveRule::Anyway, now).await {
        Ok(PoolSaved::Created(pool)) => Ok((Some(pool), None)),
        Ok(PoolSaved::Updated(_)) => Ok((None, None)),
        Err(Trouble::Refused(refusal)) => {
            let why = format!("no pool was made for node {}: {refusal}", hello.node);
            tracing::warn!(node = %hello.node, "{why}");
            Ok((None, Some(why)))
        }
        Err(trouble) => Err(trouble),
    }
}
