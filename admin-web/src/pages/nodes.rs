//! `/admin/nodes`: who is there, what each does, and what to do about who is not.

use std::collections::BTreeSet;

use askama::Template;
use pixelfox_proto::v1;

use crate::{
    disks::{Disk, disks, few},
    fill::Level,
    show::{Exact, permille},
    trouble::Trouble,
    view::View,
    visit::Visit,
    words::{Nodes, fill},
};

/// Seconds that clocks may be apart: signed requests and timestamps bear that much.
const CLOCK_BEARS: f64 = 30.0;
/// The service counts a node's waiting jobs so far.
const COUNTED: u64 = 10_000;

#[derive(Template)]
#[template(path = "nodes.html")]
struct Page<'a> {
    v: &'a View,
    w: &'static Nodes,
    verdict: Option<Verdict>,
    rows: Vec<Row>,
}

/// The first line.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    class: &'static str,
    text: String,
    cure: &'static str,
}

struct Row {
    node: v1::Node,
    /// Online or offline since.
    since: Option<Exact>,
    pools: Vec<Pool>,
    slots: String,
    rate: Option<String>,
    space: Option<Space>,
    waiting: Option<String>,
    /// What is not right with it, each with its cure.
    warnings: Vec<String>,
}

struct Pool {
    id: u64,
    name: String,
    icon: &'static str,
    class: &'static str,
    state: &'static str,
}

struct Space {
    free: Exact,
    total: Exact,
    /// What is free, in parts of a hundred.
    left: u64,
    /// Of the fullest of its disks.
    level: Level,
    /// Other nodes that are on one of its disks.
    shared_with: Option<String>,
}

pub(crate) async fn page(visit: Visit) -> Result<String, Trouble> {
    let (mut nodes, mut pools, mut overview) = (visit.admin(), visit.admin(), visit.admin());
    let (nodes, pools, overview) = tokio::try_join!(
        nodes.list_nodes(v1::ListNodesRequest {}),
        pools.list_pools(v1::ListPoolsRequest {}),
        overview.get_overview(v1::GetOverviewRequest {}),
    )?;
    let pools = pools.into_inner().pools;
    let server = overview.into_inner().version;
    let v = &visit.view;
    let here = Here { pools: &pools, server: &server };
    let mut rows: Vec<Row> = nodes.into_inner().nodes.into_iter().map(|node| row(v, node, &here)).collect();
    // What needs somebody comes first; the rest stays in the service's order.
    rows.sort_by_key(|row| (row.node.online, row.warnings.is_empty()));
    Ok(Page { v, w: &v.w.nodes, verdict: verdict(v, &rows), rows }.render()?)
}

fn verdict(v: &View, rows: &[Row]) -> Option<Verdict> {
    let w = &v.w.nodes;
    let (all, away) = (rows.len(), rows.iter().filter(|row| !row.node.online).count());
    let text = fill(if away == 1 { w.one_away } else { w.away }, &[("n", &away.to_string()), ("m", &all.to_string())]);
    Some(match (all, away) {
        (0, _) => return None,
        (_, 1..) => Verdict { class: "bad", text, cure: w.away_cure },
        _ if rows.iter().any(|row| !row.warnings.is_empty()) => {
            Verdict { class: "warn", text: w.look.to_owned(), cure: "" }
        }
        (1, _) => Verdict { class: "good", text: w.one_well.to_owned(), cure: "" },
        _ => Verdict { class: "good", text: w.all_well.to_owned(), cure: "" },
    })
}

/// What a node is seen beside.
struct Here<'a> {
    pools: &'a [v1::Pool],
    /// Version of the server.
    server: &'a str,
}

fn row(v: &View, node: v1::Node, here: &Here<'_>) -> Row {
    let w = &v.w.nodes;
    let since = if node.online { &node.attached_since } else { &node.offline_since };
    let waiting = (node.jobs_waiting > 0).then(|| {
        let count = v.show.count(node.jobs_waiting);
        if node.jobs_waiting >= COUNTED { fill(w.many, &[("n", &count)]) } else { count }
    });
    let space = (node.filesystem_total > 0).then(|| space(v, &node, here.pools));
    Row {
        since: v.show.since(since.as_ref()),
        pools: node.pool_ids.iter().filter_map(|id| named(w, here.pools, *id)).collect(),
        slots: fill(w.slots, &[("n", &node.running.to_string()), ("m", &node.slots.to_string())]),
        rate: (node.online && node.bytes_per_second >= 1.0).then(|| v.show.rate(node.bytes_per_second)),
        warnings: warnings(v, &node, space.as_ref(), here.server),
        space,
        waiting,
        node,
    }
}

fn named(w: &Nodes, pools: &[v1::Pool], id: u64) -> Option<Pool> {
    Some(pool(w, pools.iter().find(|pool| pool.id == id)?))
}

fn pool(w: &Nodes, pool: &v1::Pool) -> Pool {
    let (icon, class, state) = match pool {
        _ if !pool.is_active => ("pause", "idle", w.pool_idle),
        _ if !pool.online => ("away", "bad", w.offline),
        _ if !pool.healthy => ("bad", "bad", w.pool_bad),
        _ => ("good", "good", w.pool_good),
    };
    Pool { id: pool.id, name: pool.name.clone(), icon, class, state }
}

fn space(v: &View, node: &v1::Node, pools: &[v1::Pool]) -> Space {
    let (free, total) = (node.filesystem_free, node.filesystem_total);
    let all = disks(pools);
    let own = || all.iter().filter(|disk| disk.pools.iter().any(|pool| pool.node_id == node.node_id));
    let others: BTreeSet<&str> = own()
        .flat_map(|disk| &disk.pools)
        .map(|pool| pool.node_id.as_str())
        .filter(|name| *name != node.node_id)
        .collect();
    let named = few(&others.iter().copied().collect::<Vec<_>>(), &v.w.units);
    Space {
        free: v.show.bytes(free),
        total: v.show.bytes(total),
        left: permille(free, total) / 10,
        level: own().map(Disk::level).fold(Level::of(total.saturating_sub(free), total), Level::max),
        shared_with: (!others.is_empty()).then(|| fill(v.w.nodes.same_disk, &[("nodes", &named)])),
    }
}

fn warnings(v: &View, node: &v1::Node, space: Option<&Space>, server: &str) -> Vec<String> {
    let w = &v.w.nodes;
    let mut said = Vec::new();
    if !node.online {
        return said;
    }
    if !server.is_empty() && node.version != server {
        said.push(fill(w.other_version, &[("version", server)]));
    }
    let offset = node.clock_offset_seconds.unwrap_or(0.0);
    if offset.abs() > CLOCK_BEARS {
        let text = if offset > 0.0 { w.clock_ahead } else { w.clock_behind };
        said.push(fill(text, &[("time", &v.show.duration(offset.abs()))]));
    }
    if space.is_some_and(|space| space.level > Level::Roomy) {
        said.push(w.tight.to_owned());
    }
    said
}
