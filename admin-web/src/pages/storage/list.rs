//! `/admin/storage`: every pool with its state, its fill and what can be done to it.

use std::collections::BTreeSet;

use askama::Template;
use pixelfox_proto::v1;

use crate::{
    checks::ApiCheck,
    disks::{self, beside, disks, few},
    fill::{Fill, Level},
    show::Exact,
    trouble::{Trouble, capital},
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
    verdict: Verdict,
    summary: String,
    rows: Vec<Row>,
    /// What is said about no pool, or about one that is gone.
    homeless: Option<&'a Note>,
}

/// Whether all is well, and what is not.
struct Verdict {
    class: &'static str,
    text: String,
    /// Names of the pools that need somebody, with their rows.
    pools: Vec<(String, String)>,
}

/// A pool in the table.
struct Row {
    key: String,
    pool: v1::Pool,
    class: &'static str,
    icon: &'static str,
    state: &'static str,
    problem: String,
    /// Whether it may begin anew on another disk.
    may_replace: bool,
    kind: &'static str,
    tier: &'static str,
    usage: String,
    exact: String,
    percent: Option<String>,
    bar: &'static str,
    parts: [(u64, u64); 3],
    /// How full it is in a word, where that is worth one: class and word.
    level: Option<(&'static str, &'static str)>,
    disk: Option<Line>,
    /// Pools that share its disk.
    same_disk: Option<String>,
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

/// What is said of its disk.
struct Line {
    /// `warn` or `bad`, or none.
    class: &'static str,
    text: String,
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
    let disks = disks(&pools);
    let as_u64 = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let count = |n: usize| v.show.count(as_u64(n));
    let summary = fill(
        v.w.storage.summary,
        &[
            ("pools", &v.show.counted(as_u64(pools.len()), v.w.storage.one_pool, v.w.storage.pools)),
            ("nodes", &count(nodes.len())),
            ("used", &v.show.bytes(used).short),
            ("free", &v.show.bytes(disks::free(&disks)).short),
            ("disks", &v.show.counted(as_u64(disks.len()), v.w.storage.one_disk, v.w.storage.disks)),
        ],
    );
    let checked = |pool: &v1::Pool| visit.checks().of(pool.id, &pool.upload_api_url);
    let rows: Vec<Row> = pools.iter().map(|pool| row(v, checked(pool), pool.clone(), &pools)).collect();
    let verdict = verdict(v, &rows);
    let homeless = v.note.as_ref().filter(|note| !rows.iter().any(|row| row.key == note.at));
    Ok(StoragePage { v, verdict, summary, rows, homeless }.render()?)
}

/// The worst that is the matter, and with which pools.
fn verdict(v: &View, rows: &[Row]) -> Verdict {
    let w = &v.w.storage;
    let of = |row: &Row| match () {
        () if row.class == "bad" => "bad",
        () => row.level.map(|level| level.0).or(row.disk.as_ref().map(|disk| disk.class)).unwrap_or(""),
    };
    let named = |class: &str| {
        let found = rows.iter().filter(|row| of(row) == class);
        found.map(|row| (row.pool.name.clone(), row.key.clone())).collect::<Vec<_>>()
    };
    let (bad, warn) = (named("bad"), named("warn"));
    match (bad.is_empty(), warn.is_empty()) {
        (true, true) => Verdict { class: "good", text: w.all_well.to_owned(), pools: warn },
        (false, _) => Verdict { class: "bad", text: w.some_bad.to_owned(), pools: bad },
        (true, false) => Verdict { class: "warn", text: w.some_tight.to_owned(), pools: warn },
    }
}

fn row(v: &View, checked: Option<ApiCheck>, pool: v1::Pool, all: &[v1::Pool]) -> Row {
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
    let shared = few(&beside(&pool, all), &v.w.units);
    let rest = [
        ("rest-1", w.trash, w.trash_help, pool.trash_size),
        ("rest-2", w.unowned, w.unowned_help, pool.unowned_size),
        ("", w.incoming, "", pool.reserved_size),
    ];
    let rest = rest.into_iter().filter(|(_, _, _, bytes)| *bytes > 0);
    let level = room.level();
    Row {
        key: format!("pool-{}", pool.id),
        class,
        icon,
        state,
        problem: capital(&show.said(&pool.problem)),
        may_replace: !pool.healthy,
        kind: if pool.storage_type == "nfs" { w.nfs } else { w.local },
        tier: tier(w, &pool.storage_tier),
        usage,
        exact: used.exact().to_owned(),
        percent: (room.capacity > 0).then(|| show.percent(pool.used_size, room.capacity)),
        bar: if pool.healthy { level.bar() } else { "away" },
        level: (level > Level::Roomy).then(|| (level.class(), level.word(&v.w.units))),
        parts: room.parts(BAR),
        disk: disk(v, &pool),
        same_disk: (!shared.is_empty()).then(|| fill(w.same_disk, &[("pools", &shared)])),
        beside: rest.map(|(class, word, help, bytes)| Beside { class, word, help, bytes: show.bytes(bytes) }).collect(),
        curl: curl(v, &pool),
        api: api(v, checked),
        pool,
    }
}

fn disk(v: &View, pool: &v1::Pool) -> Option<Line> {
    let (w, free) = (&v.w.storage, v.show.bytes(pool.filesystem_free).short);
    match (pool.filesystem_free, pool.filesystem_total) {
        (0, 0) => None,
        (_, 0) => Some(Line { class: "", text: fill(w.disk, &[("free", &free)]) }),
        (left, total) => {
            let text = fill(w.disk_of, &[("free", &free), ("total", &v.show.bytes(total).short)]);
            Some(Line { class: Level::of(total.saturating_sub(left), total).class(), text })
        }
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
