//! Servers that share the books: each notes that it lives, and takes out those that don't any more. With a file there is
//! one, and whatever an earlier one left is over.

use std::sync::atomic::Ordering;

use pixelfox_proto::{NodeId, SessionEpoch};
use sqlx::FromRow;

use super::{
    Store, StoreError, Topic, Trouble,
    dialect::{checked, int, json, pool_id, uint},
    lease,
    nodes::count_up,
    outbox,
    statement::{self, Conn},
};
use crate::{
    catalog::{Hello, NodeElsewhere, PoolReport, Pulse, ReturnedJob, TrashOrder, UnixMillis},
    schedule::Presence,
};

impl Store {
    /// Whether other servers may share these books.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// This process takes part from now on. In a file it is the only one: jobs of earlier ones are pending again. With a
    /// server those of others that are gone are as soon as this one can tell, see [`Store::live_on`].
    ///
    /// # Errors
    /// The database fails.
    pub async fn enter(&self, server: NodeId, now: UnixMillis) -> Result<Vec<ReturnedJob>, StoreError> {
        let shared = self.is_shared();
        let (life, returned) = self
            .write("take part", move |conn| {
                Box::pin(async move {
                    let life = count_up(conn, "server").await?;
                    let returned = if shared {
                        speak(conn, life, now).await?;
                        statement::query(NAME).bind(life).bind(server.as_str()).execute(conn).await?;
                        Vec::new()
                    } else {
                        statement::query("UPDATE nodes SET server = 0 WHERE server <> 0").execute(&mut *conn).await?;
                        lease::return_every(conn, now).await?
                    };
                    Ok((life, returned))
                })
            })
            .await?;
        self.life().store(life, Ordering::Release);
        Ok(returned)
    }

    /// Notes that this process lives, and takes out servers that were silent while it could speak.
    ///
    /// # Errors
    /// The database fails.
    pub async fn live_on(&self, now: UnixMillis) -> Result<Pulse, StoreError> {
        let life = self.life().load(Ordering::Acquire);
        let (presence, returned) = self
            .write("note that this server lives", move |conn| {
                Box::pin(async move {
                    let presence = speak(conn, life, now).await?;
                    let returned = match presence.gone_before() {
                        Some(edge) => forget_silent(conn, edge, now).await?,
                        None => Vec::new(),
                    };
                    Ok((presence, returned))
                })
            })
            .await?;
        let (here, elsewhere) = self.attached(life).await?;
        Ok(Pulse { here, elsewhere, returned, was_cut_off: presence.begins_anew() })
    }

    /// This process takes no part any more.
    ///
    /// # Errors
    /// The database fails.
    pub async fn leave(&self) -> Result<(), StoreError> {
        let life = self.life().load(Ordering::Acquire);
        self.write("take leave", move |conn| {
            Box::pin(async move {
                statement::query("UPDATE nodes SET server = 0 WHERE server = $1")
                    .bind(life)
                    .execute(&mut *conn)
                    .await?;
                Ok(statement::query("DELETE FROM servers WHERE life = $1").bind(life).execute(conn).await?)
            })
        })
        .await
    }

    /// What a node says of its pools, for the other servers. Of an older session: ignored.
    ///
    /// # Errors
    /// The database fails.
    pub async fn pools_seen(
        &self,
        node: NodeId,
        epoch: SessionEpoch,
        reports: Vec<PoolReport>,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE nodes SET pools = $3 WHERE node_id = $1 AND epoch = $2";
        self.write("note what a node says of its pools", move |conn| {
            Box::pin(async move {
                let rows: Vec<Report> = reports.into_iter().map(Report::from).collect();
                let query = statement::query(SQL).bind(node.as_str()).bind(int(epoch.0)).bind(json(&rows));
                query.execute(&mut *conn).await?;
                outbox::put(conn, now, Topic::Node, &[node.to_string()]).await
            })
        })
        .await
    }

    async fn attached(&self, life: i64) -> Result<(Vec<(NodeId, SessionEpoch)>, Vec<NodeElsewhere>), StoreError> {
        const SQL: &str =
            "SELECT n.node_id, n.epoch, n.attached, n.server, n.pools, COALESCE(s.node_id, '') AS server_name,
                COALESCE(own.node_url, '') AS server_url
            FROM nodes n LEFT JOIN servers s ON s.life = n.server LEFT JOIN nodes own ON own.node_id = s.node_id
            WHERE n.server <> 0 ORDER BY n.node_id";
        self.read("look who is attached where", async |mut conn| {
            let rows: Vec<SeatRow> = statement::query_as(SQL).fetch_all(&mut conn).await?;
            let (mut here, mut elsewhere) = (Vec::new(), Vec::new());
            for row in rows {
                let (node, epoch) = (checked(row.node_id.parse(), "nodes.node_id")?, SessionEpoch(uint(row.epoch)));
                if row.server == life {
                    here.push((node, epoch));
                } else {
                    let pools: Vec<Report> = checked(serde_json::from_str(&row.pools), "nodes.pools")?;
                    let pools = pools.into_iter().map(PoolReport::try_from).collect::<Result<_, _>>()?;
                    let (since, server, server_url) = (UnixMillis(row.attached), row.server_name, row.server_url);
                    elsewhere.push(NodeElsewhere { node, epoch, since, server, server_url, pools });
                }
            }
            Ok((here, elsewhere))
        })
        .await
    }
}

#[derive(FromRow)]
struct SeatRow {
    node_id: String,
    epoch: i64,
    attached: i64,
    server: i64,
    pools: String,
    server_name: String,
    server_url: String,
}

/// A [`PoolReport`] on record.
#[derive(serde::Serialize, serde::Deserialize)]
struct Report {
    pool: u64,
    problem: Option<String>,
    free: u64,
    total: u64,
    unowned: u64,
    file_system: u64,
    wanted: u64,
}

impl From<PoolReport> for Report {
    fn from(report: PoolReport) -> Self {
        Self {
            pool: report.pool.get(),
            problem: report.problem,
            free: report.free_bytes,
            total: report.total_bytes,
            unowned: report.unowned_bytes,
            file_system: report.file_system,
            wanted: report.wanted_bytes,
        }
    }
}

impl TryFrom<Report> for PoolReport {
    type Error = Trouble;

    fn try_from(report: Report) -> Result<Self, Trouble> {
        Ok(Self {
            pool: pool_id(int(report.pool))?,
            problem: report.problem,
            free_bytes: report.free,
            total_bytes: report.total,
            unowned_bytes: report.unowned,
            file_system: report.file_system,
            wanted_bytes: report.wanted,
        })
    }
}

const NAME: &str = "UPDATE servers SET node_id = $2 WHERE life = $1";
const ALIVE: &str = "INSERT INTO servers (life, since, seen) VALUES ($1, $2, $3)
    ON CONFLICT (life) DO UPDATE SET since = excluded.since, seen = excluded.seen";

/// A sign of life.
async fn speak(conn: &mut Conn, life: i64, now: UnixMillis) -> Result<Presence, Trouble> {
    const BEFORE: &str = "SELECT since, seen FROM servers WHERE life = $1";
    let clock = clock(conn, now).await?;
    let before: Option<(i64, i64)> = statement::query_as(BEFORE).bind(life).fetch_optional(&mut *conn).await?;
    let presence = Presence::renewed(before.map(|(since, seen)| Presence { since, seen }), clock);
    statement::query(ALIVE).bind(life).bind(presence.since).bind(presence.seen).execute(conn).await?;
    Ok(presence)
}

/// Now, by the clock that all servers have in common.
async fn clock(conn: &mut Conn, now: UnixMillis) -> Result<i64, Trouble> {
    let query = statement::query_scalar("SELECT $1")
        .on_postgres("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) + 0 * $1");
    Ok(query.bind(now.0).fetch_one(conn).await?)
}

/// Servers that gave no sign since then are taken out, with the sessions that they had.
async fn forget_silent(conn: &mut Conn, edge: i64, now: UnixMillis) -> Result<Vec<ReturnedJob>, Trouble> {
    const SILENT: &str = "DELETE FROM servers WHERE seen < $1";
    const THEIRS: &str = "UPDATE nodes SET server = 0
        WHERE server <> 0 AND server NOT IN (SELECT life FROM servers) RETURNING node_id, epoch";
    statement::query(SILENT).bind(edge).execute(&mut *conn).await?;
    let rows: Vec<(String, i64)> = statement::query_as(THEIRS).fetch_all(&mut *conn).await?;
    let mut returned = Vec::new();
    for (node, epoch) in &rows {
        returned.extend(lease::return_node(conn, &checked(node.parse(), "nodes.node_id")?, *epoch, now).await?);
    }
    let nodes: Vec<String> = rows.into_iter().map(|(node, _)| node).collect();
    if !nodes.is_empty() {
        outbox::put(conn, now, Topic::Node, &nodes).await?;
    }
    Ok(returned)
}

/// A server that gave a sign in this time has the sessions that it says it has.
const PRESENT_MILLIS: i64 = 10_000;

/// Whether another server has a session of another node with this name. The same process may go from server to server. A
/// second one has to wait, also where it has the first one's instance id: it may have been started again, but with a copy
/// of its STATE_DIR the two would put each other out for ever; so it is let in where the other server may be gone. An
/// earlier life of this server is gone: after a crash its nodes are let in at once.
pub(super) async fn is_taken(
    conn: &mut Conn,
    hello: &Hello,
    life: i64,
    now: UnixMillis,
) -> Result<Option<String>, Trouble> {
    const SQL: &str = "SELECT n.address FROM nodes n LEFT JOIN servers s ON s.life = n.server
        WHERE n.node_id = $1 AND n.server <> 0 AND n.server <> $2
            AND (n.instance_id <> $3 OR (n.process_id <> $4 AND s.seen > $5
                AND NOT EXISTS (SELECT 1 FROM servers own
                    WHERE own.life = $2 AND own.node_id = s.node_id AND own.life > s.life)))";
    let present = clock(conn, now).await? - PRESENT_MILLIS;
    let query = statement::query_as(SQL).bind(hello.node.as_str()).bind(life).bind(&hello.instance);
    let row: Option<(String,)> = query.bind(&hello.process).bind(present).fetch_optional(conn).await?;
    Ok(row.map(|(address,)| address))
}

/// Orders that a commit counts as sent go out by this process only where the node is its own: those of others are due
/// again, and the server that has the node is told with the commit's news.
pub(super) async fn leave_to_others(conn: &mut Conn, life: i64, orders: &mut Vec<TrashOrder>) -> Result<(), Trouble> {
    const HERE: &str = "SELECT node_id FROM nodes WHERE server = $1";
    const DUE_AGAIN: &str = "UPDATE replicas SET ordered_epoch = 0
        FROM json_each($1) AS a CROSS JOIN files f ON f.stored_path = a.value ->> 1
        WHERE replicas.file_id = f.id AND replicas.pool_id = CAST(a.value ->> 0 AS BIGINT)";
    if orders.is_empty() {
        return Ok(());
    }
    let here: Vec<String> = statement::query_scalar(HERE).bind(life).fetch_all(&mut *conn).await?;
    let (ours, theirs): (Vec<_>, Vec<_>) =
        std::mem::take(orders).into_iter().partition(|order| here.iter().any(|node| *node == order.node.as_str()));
    *orders = ours;
    if theirs.is_empty() {
        return Ok(());
    }
    let keys: Vec<_> = theirs.iter().map(|order| (order.pool.get(), order.path.to_string())).collect();
    Ok(statement::query(DUE_AGAIN).bind(json(&keys)).execute(conn).await?)
}
