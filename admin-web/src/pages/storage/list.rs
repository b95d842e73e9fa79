//! `/admin/storage`: every pool with its state, its fill and what can be done to it.

use std::collections::BTreeSet;

use askama::Template;
use pixelfox_proto::v1;

use crate::{
    checks::ApiCheck,
    fill::{Fill, Level},
    show::Exact,
    trouble::Trouble,
    view::View,
    visit::{Note, Visit},
    words::{Storage, fill},
};

/// Length of a bar, in its own units.
const BAR: u64 = 200;

#[derive(Template)]
#[template(path = "storage.html")]
struct StoragePage<'a> {
    v: &'a View,
    summary: String,
    rows: Vec<Row>,
    /// What is said about no pool, or about one that is gone.
    homeless: Option<&'a Note>,
}

/// A pool in the table.
struct Row {
    key: String,
    pool: v1::Pool,
    class: &'static str,
    icon: &'static str,
    state: &'static str,
    problem: String,
    kind: &'static str,
    tier: &'static str,
    usage: String,
    exact: String,
    percent: Option<String>,
    bar: &'static str,
    parts: [(u64, u64); 3],
    disk: Option<String>,
    beside: Vec<Beside>,
    curl: String,
    api: Api,
}

/// Whether the upload URL was reached.
struct Api {
    class: &'static str,
    icon: &'static str,
    word: &'static str,
    title: String,
}

/// An amount beside the fill.
struct Beside {
    class: &'static str,
    word: &'static str,
    help: &'static str,
    bytes: Exact,
}

pub(crate) async fn page(visit: Visit) -> Result<String, Trouble> {
    let v = &visit.view;
    let pools = visit.admin().list_pools(v1::ListPoolsRequest {}).await?.into_inner().pools;
    let nodes: BTreeSet<&str> = pools.iter().map(|pool| pool.node_id.as_str()).collect();
    let used: u64 = pools.iter().map(|pool| pool.used_size).sum();
    let count = |n: usize| v.show.count(u64::try_from(n).unwrap_or(u64::MAX));
    let summary = fill(
        v.w.storage.summary,
        &[("pools", &count(pools.len())), ("nodes", &count(nodes.len())), ("used", &v.show.bytes(used).short)],
    );
    let rows: Vec<Row> =
        pools.into_iter().map(|pool| row(v, visit.checks().of(pool.id, &pool.upload_api_url), pool)).collect();
    let homeless = v.note.as_ref().filter(|note| !rows.iter().any(|row| row.key == note.at));
    Ok(StoragePage { v, summary, rows, homeless }.render()?)
}

fn row(v: &View, checked: Option<ApiCheck>, pool: v1::Pool) -> Row {
    let (w, show) = (&v.w.storage, v.show);
    let (class, icon, state) = match () {
        () if !pool.online => ("bad", "away", w.offline),
        () if !pool.healthy => ("bad", "bad", w.faulty),
        () if !pool.is_active => ("idle", "pause", w.inactive),
        () => ("good", "good", w.healthy),
    };
    let room = Fill::of(&pool);
    let used = show.bytes(pool.used_size);
    let usage = match pool.max_size {
        0 => fill(w.no_limit, &[("used", &used.short)]),
        max => fill(w.of, &[("used", &used.short), ("max", &show.limit(max).short)]),
    };
    let disk = match (pool.filesystem_free, pool.filesystem_total) {
        (0, 0) => None,
        (free, 0) => Some(fill(w.disk, &[("free", &show.bytes(free).short)])),
        (free, total) => {
            Some(fill(w.disk_of, &[("free", &show.bytes(free).short), ("total", &show.bytes(total).short)]))
        }
    };
    let beside = [
        ("rest-1", w.trash, w.trash_help, pool.trash_size),
        ("rest-2", w.unowned, w.unowned_help, pool.unowned_size),
        ("", w.incoming, "", pool.reserved_size),
    ];
    let beside = beside.into_iter().filter(|(_, _, _, bytes)| *bytes > 0);
    Row {
        key: format!("pool-{}", pool.id),
        class,
        icon,
        state,
        problem: problem(w, &pool),
        kind: if pool.storage_type == "nfs" { w.nfs } else { w.local },
        tier: tier(w, &pool.storage_tier),
        usage,
        exact: used.exact().to_owned(),
        percent: (room.capacity > 0).then(|| show.percent(pool.used_size, room.capacity)),
        bar: match room.level() {
            _ if !pool.healthy => "away",
            Level::Roomy => "roomy",
            Level::Tight => "tight",
            Level::Full => "full",
        },
        parts: room.parts(BAR),
        disk,
        beside: beside
            .map(|(class, word, help, bytes)| Beside { class, word, help, bytes: show.bytes(bytes) })
            .collect(),
        curl: curl(v, &pool),
        api: api(v, checked),
        pool,
    }
}

fn api(v: &View, checked: Option<ApiCheck>) -> Api {
    let w = &v.w.storage;
    let Some(checked) = checked else {
        return Api { class: "idle", icon: "away", word: w.api_unknown, title: w.api_how.to_owned() };
    };
    let when = fill(w.checked, &[("when", &v.show.when(checked.at).short)]);
    if checked.problem.is_empty() {
        Api { class: "good", icon: "good", word: w.api_ok, title: when }
    } else {
        Api { class: "bad", icon: "bad", word: w.api_bad, title: format!("{} ({when})", checked.problem) }
    }
}

/// Why it does not work, in the reader's words where it is one of the frequent reasons.
fn problem(w: &Storage, pool: &v1::Pool) -> String {
    let between = |text: &str, end: &str| {
        Some(text.strip_prefix("node ")?.strip_suffix(end)?.to_owned()).filter(|node| *node == pool.node_id)
    };
    if let Some(node) = between(&pool.problem, " is not attached") {
        return fill(w.node_not_attached, &[("node", &node)]);
    }
    if let Some(node) = between(&pool.problem, " has not reported on it yet") {
        return fill(w.node_not_reported, &[("node", &node)]);
    }
    pool.problem.clone()
}

fn tier(w: &Storage, tier: &str) -> &'static str {
    match tier {
        "warm" => w.last_warm,
        "cold" => w.last_cold,
        "archive" => w.last_archive,
        _ => w.last_hot,
    }
}

/// The replicate test of the handbook with this pool's values. The secret is never on a page.
fn curl(v: &View, pool: &v1::Pool) -> String {
    let origin = pool.upload_api_url.split('/').take(3).collect::<Vec<_>>().join("/");
    let (id, day) = (pool.id, v.show.day_path());
    format!(
        "curl -X PUT -H \"Authorization: Bearer $REPLICATION_SECRET\" -F \"pool_id={id}\" \
         -F \"stored_path=original/{day}/test.jpg\" -F \"size=$(stat -c%s ./test.jpg)\" \
         -F \"sha256=$(sha256sum ./test.jpg | cut -d' ' -f1)\" -F \"file=@./test.jpg\" \
         '{origin}/api/internal/replicate'"
    )
}
