//! What needs attention, the worst first, each with the way to its cure. Pure.

use std::collections::BTreeSet;

use pixelfox_proto::v1;

use crate::{
    disks::{disks, few},
    fill::{Fill, Level, has_room},
    show::Show,
    words::{Words, fill},
};

/// One thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attention {
    /// `bad` or `warn`: the icon's and the stylesheet's word.
    pub(super) class: &'static str,
    pub(super) text: String,
    pub(super) link: String,
    pub(super) label: &'static str,
}

impl Attention {
    pub(super) fn is_bad(&self) -> bool {
        self.class == "bad"
    }
}

/// What is there.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    pub(super) overview: &'a v1::Overview,
    pub(super) pools: &'a [v1::Pool],
    pub(super) nodes: &'a [v1::Node],
}

/// All that needs attention.
pub(super) fn attention(seen: &Seen<'_>, words: &Words, show: Show) -> Vec<Attention> {
    let mut found = nodes(seen, words, show);
    found.extend(pools(seen, words, show));
    found.extend(jobs_and_files(seen, words, show));
    found.sort_by_key(|one| one.class != "bad");
    found
}

fn nodes(seen: &Seen<'_>, words: &Words, show: Show) -> Vec<Attention> {
    let w = &words.dashboard;
    let away = |node: &v1::Node| {
        let when = show.at(node.last_seen.as_ref()).map_or_else(|| "-".to_owned(), |when| when.short);
        let (class, text) =
            if node.pool_ids.is_empty() { ("warn", w.node_idle_offline) } else { ("bad", w.node_offline) };
        let text = fill(text, &[("node", &node.node_id), ("when", &when)]);
        Attention { class, text, link: format!("/admin/nodes#node-{}", node.node_id), label: w.to_nodes }
    };
    let mut found: Vec<Attention> = seen.nodes.iter().filter(|node| !node.online).map(away).collect();
    let versions: BTreeSet<&str> =
        seen.nodes.iter().filter(|node| node.online).map(|node| node.version.as_str()).collect();
    if versions.len() > 1 {
        let versions = versions.into_iter().collect::<Vec<_>>().join(", ");
        let text = fill(w.versions_apart, &[("versions", &versions)]);
        found.push(Attention { class: "warn", text, link: "/admin/nodes".into(), label: w.to_nodes });
    }
    found
}

fn pools(seen: &Seen<'_>, words: &Words, show: Show) -> Vec<Attention> {
    let w = &words.dashboard;
    let mut found = Vec::new();
    let mut say = |class, pool: &v1::Pool, text| {
        found.push(Attention { class, text, link: format!("/admin/storage#pool-{}", pool.id), label: w.to_pool });
    };
    for pool in seen.pools {
        let level = Fill::of(pool).level();
        // A node that is away is told once, not again for each of its pools.
        if pool.online && !pool.healthy {
            let values =
                [("pool", pool.name.as_str()), ("node", &pool.node_id), ("problem", &show.said(&pool.problem))];
            say("bad", pool, fill(w.pool_problem, &values));
        } else if level > Level::Roomy {
            let percent = show.percent(pool.used_size, Fill::of(pool).capacity);
            say(level.class(), pool, fill(w.pool_full, &[("pool", &pool.name), ("percent", &percent)]));
        }
    }
    for disk in disks(seen.pools).iter().filter(|disk| disk.level() > Level::Roomy) {
        // Where the pools say themselves that they are full, or ill, the disk need not.
        let quiet = |pool: &&v1::Pool| pool.online && pool.healthy && Fill::of(pool).level() < disk.level();
        let Some(first) = disk.pools.iter().find(|pool| quiet(pool)) else { continue };
        let free = show.bytes(disk.free()).short;
        let text = if disk.pools.len() == 1 { w.disk_full } else { w.shared_disk_full };
        say(disk.level().class(), first, fill(text, &[("pool", &few(&disk.names(), &words.units)), ("free", &free)]));
    }
    let takes = |pool: &v1::Pool| pool.is_active && pool.healthy && has_room(pool);
    if !seen.pools.iter().any(takes) {
        let (link, label) =
            if seen.pools.is_empty() { ("/admin/storage/new", w.make_pool) } else { ("/admin/storage", w.to_pool) };
        found.push(Attention { class: "bad", text: w.no_pool_takes.to_owned(), link: link.into(), label });
    }
    found
}

fn jobs_and_files(seen: &Seen<'_>, words: &Words, show: Show) -> Vec<Attention> {
    let (w, overview) = (&words.dashboard, seen.overview);
    let mut found = Vec::new();
    let mut say = |class, text, link: &str, label| {
        found.push(Attention { class, text, link: link.to_owned(), label });
    };
    let many = |n: u64| if n < 1000 { show.count(n) } else { format!("> {}", show.count(n - 1)) };
    if overview.files_lost > 0 {
        say("bad", fill(w.files_lost, &[("n", &many(overview.files_lost))]), "/admin/images?state=lost", w.to_images);
    }
    if overview.files_suspect > 0 {
        let text = fill(w.files_suspect, &[("n", &many(overview.files_suspect))]);
        say("bad", text, "/admin/images?state=suspect", w.to_images);
    }
    let failed = overview.jobs_by_state.get("failed").copied().unwrap_or(0);
    if failed > 0 {
        let text = if failed == 1 { w.one_job_failed } else { w.jobs_failed };
        say("warn", fill(text, &[("n", &show.count(failed))]), "/admin/queues?state=failed", w.to_queue);
    }
    if overview.queue_paused {
        say("warn", w.queue_paused.to_owned(), "/admin/queues", w.to_queue);
    }
    found
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use pixelfox_proto::Language;

    fn pool(id: u64) -> v1::Pool {
        let (name, node_id) = (format!("img{id}"), format!("s0{id}"));
        let state = v1::Pool { online: true, healthy: true, is_active: true, ..v1::Pool::default() };
        v1::Pool { id, name, node_id, max_size: 1000, filesystem_total: 1000, filesystem_free: 900, ..state }
    }

    fn node(id: u64) -> v1::Node {
        let (node_id, version) = (format!("s0{id}"), "1.0".to_owned());
        v1::Node { node_id, version, online: true, pool_ids: vec![id], ..v1::Node::default() }
    }

    fn classes(overview: &v1::Overview, pools: &[v1::Pool], nodes: &[v1::Node]) -> Vec<String> {
        let show = Show::new(Language::En, Timestamp::UNIX_EPOCH);
        let found = attention(&Seen { overview, pools, nodes }, crate::words::of(Language::En), show);
        found.into_iter().map(|one| format!("{} {}", one.class, one.text)).collect()
    }

    #[test]
    fn what_is_fine_is_not_spoken_of() {
        assert_eq!(classes(&v1::Overview::default(), &[pool(1), pool(2)], &[node(1), node(2)]), [""; 0]);
    }

    #[test]
    fn what_is_lost_or_damaged_leads_to_the_list_of_it() {
        let overview = v1::Overview { files_lost: 2, files_suspect: 1, ..v1::Overview::default() };
        let (pools, nodes) = ([pool(1)], [node(1)]);
        let show = Show::new(Language::En, Timestamp::UNIX_EPOCH);
        let seen = Seen { overview: &overview, pools: &pools, nodes: &nodes };
        let found = attention(&seen, crate::words::of(Language::En), show);
        let links: Vec<&str> = found.iter().map(|one| one.link.as_str()).collect();
        assert_eq!(links, ["/admin/images?state=lost", "/admin/images?state=suspect"]);
    }

    #[test]
    fn each_trouble_is_told_once_and_the_worst_first() {
        // Each row: what is changed in a cluster that is fine, and the beginning of the one sentence about it.
        let (well, pools, nodes) = (v1::Overview::default(), [pool(1), pool(2)], [node(1), node(2)]);
        let failed = v1::Overview { jobs_by_state: [("failed".to_owned(), 2)].into(), ..v1::Overview::default() };
        let ill = v1::Pool { healthy: false, problem: "read-only".into(), ..pool(2) };
        let away = v1::Pool { healthy: false, online: false, ..pool(2) };
        for (want, overview, pools, nodes) in [
            ("warn 2 jobs have failed", failed, pools.to_vec(), nodes.to_vec()),
            (
                "warn The queue is paused",
                v1::Overview { queue_paused: true, ..well.clone() },
                pools.to_vec(),
                nodes.to_vec(),
            ),
            (
                "bad Files lost: > 1,000",
                v1::Overview { files_lost: 1001, ..well.clone() },
                pools.to_vec(),
                nodes.to_vec(),
            ),
            ("bad Storage pool img2 (s02): read-only", well.clone(), vec![pool(1), ill], nodes.to_vec()),
            (
                "bad Node s02 is offline",
                well.clone(),
                vec![pool(1), away],
                vec![node(1), v1::Node { online: false, ..node(2) }],
            ),
            (
                "warn Storage pool img2 is 93",
                well.clone(),
                vec![pool(1), v1::Pool { used_size: 930, ..pool(2) }],
                nodes.to_vec(),
            ),
            (
                "bad Storage pool img2 is 95",
                well.clone(),
                vec![pool(1), v1::Pool { used_size: 950, ..pool(2) }],
                nodes.to_vec(),
            ),
            ("bad Only 4", well.clone(), vec![pool(1), v1::Pool { filesystem_free: 4, ..pool(2) }], nodes.to_vec()),
            (
                "warn Only 70\u{a0}B are left on the disk that storage pools img1, img2 share",
                well.clone(),
                [pool(1), pool(2)].map(|pool| v1::Pool { filesystem_id: 7, filesystem_free: 70, ..pool }).to_vec(),
                nodes.to_vec(),
            ),
            (
                "warn The nodes run different versions: 1.0, 1.1",
                well.clone(),
                pools.to_vec(),
                vec![node(1), v1::Node { version: "1.1".into(), ..node(2) }],
            ),
            ("bad No storage pool is active", well.clone(), vec![], nodes.to_vec()),
        ] {
            let found = classes(&overview, &pools, &nodes);
            assert!(matches!(&found[..], [one] if one.starts_with(want)), "{want}: {found:?}");
        }
        let both = v1::Overview { queue_paused: true, files_suspect: 1, ..well };
        assert!(classes(&both, &pools, &nodes)[0].starts_with("bad"));
    }
}
