//! The cluster as a picture: a card per node with its pools, curves where bytes go. Geometry alone; the template draws.

use std::collections::BTreeMap;

use pixelfox_proto::v1;

use crate::{
    fill::{Fill, Level},
    show::Show,
    words::{Words, fill},
};

/// Of a card, in units of the picture: about a pixel at its natural size.
pub(super) const CARD: u32 = 250;
/// Of a pool's bar.
pub(super) const BAR: u64 = 218;
const GAP: u32 = 30;
/// Above each row: curves and their rates.
const HEADROOM: u32 = 58;
/// Where the cards stand below each other, the curves go beside them.
const ROW_GAP: u32 = 16;
/// Above the first row where no way runs: a wide picture begins beside its title. Source: app.css, `.cluster`.
const BELOW_TITLE: u32 = 46;
const BESIDE: u32 = 84;
const HEADER: u32 = 46;
const POOL: u32 = 44;
/// Pools that a card shows.
const POOLS: usize = 4;
/// Characters of a name that fit.
const NAME: usize = 18;
/// Of a line below the pools.
const LINE: usize = 34;

/// One layout of it.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub(super) class: &'static str,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) cards: Vec<Card>,
    pub(super) curves: Vec<Curve>,
}

/// A node.
#[derive(Clone, Debug)]
pub(super) struct Card {
    pub(super) node: String,
    pub(super) shown: String,
    pub(super) online: bool,
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) height: u32,
    pub(super) pools: Vec<PoolBar>,
    /// Below them, with their baselines: pools that are not shown, and which share a disk.
    pub(super) lines: Vec<(String, u32)>,
}

/// A pool in its node's card.
#[derive(Clone, Debug)]
pub(super) struct PoolBar {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) full_name: String,
    pub(super) amount: String,
    /// Used and all, on hover.
    pub(super) exact: String,
    /// `roomy`, `tight`, `full`, `away`.
    pub(super) class: &'static str,
    /// Baseline of its text; the bar is below it.
    pub(super) y: u32,
    pub(super) parts: [(u64, u64); 3],
}

/// Bytes that go from one node to another.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    pub(super) key: String,
    pub(super) path: String,
    /// 1 to 4.
    pub(super) weight: u32,
    pub(super) label: String,
    pub(super) title: String,
    pub(super) x: u32,
    pub(super) y: u32,
}

/// The picture with at most `columns` cards in a row.
pub(super) fn picture(
    class: &'static str,
    columns: usize,
    nodes: &[v1::Node],
    pools: &[v1::Pool],
    flows: &[v1::Flow],
    words: &Words,
    show: Show,
) -> Picture {
    let columns = columns.min(nodes.len()).max(1);
    let mut cards = Vec::new();
    // Room for the ways only where there are some.
    let (headroom, beside) = match columns {
        _ if flows.is_empty() => (ROW_GAP, 0),
        1 => (ROW_GAP, BESIDE),
        _ => (HEADROOM, 0),
    };
    let mut top = 0;
    for row in nodes.chunks(columns) {
        let mut x = 0;
        let mut tallest = 0;
        let headroom = match top {
            0 if flows.is_empty() && columns == 1 => 2,
            0 if flows.is_empty() => BELOW_TITLE,
            _ => headroom,
        };
        for node in row {
            let card = card(node, pools, (x, top + headroom), words, show);
            tallest = tallest.max(card.height);
            x += CARD + GAP;
            cards.push(card);
        }
        top += headroom + tallest;
    }
    let columns = u32::try_from(columns).unwrap_or(1);
    let way = if columns == 1 { beside_cards } else { over_cards };
    let curves = curves(way, &cards, pools, flows, words, show);
    Picture { class, width: columns * (CARD + GAP) - GAP + beside, height: top + 4, cards, curves }
}

fn card(node: &v1::Node, pools: &[v1::Pool], (x, y): (u32, u32), words: &Words, show: Show) -> Card {
    let mine: Vec<&v1::Pool> = pools.iter().filter(|pool| pool.node_id == node.node_id).collect();
    let more = mine.len().saturating_sub(POOLS);
    let w = &words.dashboard;
    let more = match (mine.len(), more) {
        (0, _) => w.no_pools.to_owned(),
        (_, 0) => String::new(),
        (_, more) => fill(w.more_pools, &[("n", &more.to_string())]),
    };
    let mut below = y + HEADER;
    let mut bars = Vec::new();
    let shared = shared(&mine, words);
    for pool in mine.into_iter().take(POOLS) {
        bars.push(bar(pool, below + 14, words, show));
        below += POOL;
    }
    let mut lines = Vec::new();
    for text in [more, shared].into_iter().filter(|text| !text.is_empty()) {
        lines.push((short(&text, LINE), below + 18));
        below += 24;
    }
    let height = below + 8 - y;
    let (node, online) = (node.node_id.clone(), node.online);
    Card { shown: short(&node, NAME), node, online, x, y, height, pools: bars, lines }
}

/// `gleiche Platte: img1, img2`: pools of one node that share a disk; empty where none do.
fn shared(mine: &[&v1::Pool], words: &Words) -> String {
    let mut of_disk: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for pool in mine.iter().filter(|pool| pool.filesystem_id != 0) {
        of_disk.entry(pool.filesystem_id).or_default().push(&pool.name);
    }
    let named = of_disk.values().filter(|names| names.len() > 1).map(|names| names.join(", "));
    let named = named.collect::<Vec<_>>().join("; ");
    if named.is_empty() { named } else { fill(words.dashboard.same_disk, &[("pools", &named)]) }
}

fn bar(pool: &v1::Pool, y: u32, words: &Words, show: Show) -> PoolBar {
    let room = Fill::of(pool);
    let class = if pool.healthy { room.level().bar() } else { "away" };
    let used = show.bytes(room.used).short;
    let exact = if room.capacity == 0 { used } else { format!("{used} / {}", show.bytes(room.capacity).short) };
    let amount = match room.level() {
        Level::Roomy => exact.clone(),
        // Told by a word, and not by the bar's colour alone.
        Level::Tight | Level::Full => {
            fill(words.dashboard.percent_full, &[("percent", &show.percent(room.used, room.capacity))])
        }
    };
    PoolBar {
        id: pool.id,
        name: short(&pool.name, NAME - 4),
        full_name: pool.name.clone(),
        amount,
        exact,
        class,
        y,
        parts: room.parts(BAR),
    }
}

fn curves(
    way: fn(&Card, &Card) -> Way,
    cards: &[Card],
    pools: &[v1::Pool],
    flows: &[v1::Flow],
    words: &Words,
    show: Show,
) -> Vec<Curve> {
    let node_of = |id: u64| pools.iter().find(|pool| pool.id == id).map(|pool| pool.node_id.as_str());
    let mut ways: BTreeMap<(usize, usize), (f64, u64)> = BTreeMap::new();
    for flow in flows {
        let (Some(from), Some(to)) = (node_of(flow.source_pool_id), node_of(flow.target_pool_id)) else { continue };
        let place = |node: &str| cards.iter().position(|card| card.node == node);
        let (Some(from), Some(to)) = (place(from), place(to)) else { continue };
        let way = ways.entry((from, to)).or_default();
        way.0 += flow.bytes_per_second;
        way.1 += u64::from(flow.images);
    }
    let curve = |((from, to), (rate, images)): ((usize, usize), (f64, u64))| {
        let (from, to) = (&cards[from], &cards[to]);
        let (path, x, y) = way(from, to);
        let label = show.rate(rate);
        let w = &words.dashboard;
        let under_way = fill(if images == 1 { w.one_under_way } else { w.under_way }, &[("n", &show.count(images))]);
        let title = format!("{} → {}: {label}, {under_way}", from.node, to.node);
        let weight = if rate < 1e6 {
            1
        } else if rate < 1e7 {
            2
        } else if rate < 1e8 {
            3
        } else {
            4
        };
        Curve { key: format!("{}>{}", from.node, to.node), path, weight, label, title, x, y }
    };
    ways.into_iter().map(curve).collect()
}

/// A path from card to card, and the middle of where its rate is written.
type Way = (String, u32, u32);

/// Round the right side of the cards.
fn beside_cards(from: &Card, to: &Card) -> Way {
    let (down, edge) = (from.y <= to.y, CARD + 1);
    let (a, b) = if down { (from.y + 30, to.y + 16) } else { (from.y + 16, to.y + 30) };
    let bend = edge + if down { 52 } else { 40 };
    let path = format!("M{edge} {a}C{bend} {a} {bend} {b} {} {b}", edge + 2);
    (path, CARD + BESIDE / 2 + 4, a.midpoint(b) + if down { 10 } else { 0 } - 4)
}

/// In the headroom over the cards, where no card is.
fn over_cards(from: &Card, to: &Card) -> Way {
    let middle = CARD / 2;
    if from.y == to.y {
        // An arc above the row; there and back do not meet.
        let (shift, rise) = if from.x <= to.x { (8, 40) } else { (20, 40) };
        let (a, b) = if from.x <= to.x {
            (from.x + middle + shift, to.x + middle - shift)
        } else {
            (from.x + middle - shift, to.x + middle + shift)
        };
        let (a, b) = if from.x == to.x { (a.saturating_sub(30), b + 30) } else { (a, b) };
        let (top, y) = (from.y - rise, from.y - 2);
        let lane = if from.x <= to.x { 0 } else { 12 };
        return (
            format!("M{a} {y}C{a} {} {b} {} {b} {y}", top - 8 + lane, top - 8 + lane),
            a.midpoint(b),
            top + 4 + lane,
        );
    }
    let (a, b) = (from.x + middle - 40, to.x + middle + 40);
    if from.y < to.y {
        let (start, end) = (from.y + from.height, to.y - 2);
        (format!("M{a} {start}C{a} {} {b} {} {b} {end}", start + 50, end - 50), a, start + 22)
    } else {
        let (start, end) = (from.y - 2, to.y + to.height);
        (format!("M{a} {start}C{a} {} {b} {} {b} {end}", start - 50, end + 50), a, start - 20)
    }
}

fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use pixelfox_proto::Language;

    #[test]
    fn cards_never_lie_on_each_other_and_every_flow_has_its_curve_and_rate() {
        // Nine nodes with none to eight pools, in one column and in four; bytes go within a row, across rows, and home.
        let nodes: Vec<v1::Node> =
            (0..9).map(|n| v1::Node { node_id: format!("s{n}"), ..v1::Node::default() }).collect();
        let pools: Vec<v1::Pool> = (0..9_u64)
            .flat_map(|n| {
                (0..n).map(move |p| v1::Pool { id: n * 10 + p, node_id: format!("s{n}"), ..v1::Pool::default() })
            })
            .collect();
        let flow = |source_pool_id, target_pool_id| v1::Flow {
            source_pool_id,
            target_pool_id,
            bytes_per_second: 5e6,
            images: 1,
        };
        let flows = [flow(10, 20), flow(20, 10), flow(80, 30), flow(30, 31), flow(30, 81), flow(30, 999)];
        let show = Show::new(Language::De, Timestamp::UNIX_EPOCH);
        for columns in [1, 4] {
            let picture = picture("wide", columns, &nodes, &pools, &flows, crate::words::of(Language::De), show);
            assert_eq!((picture.cards.len(), picture.curves.len()), (9, 5));
            for (at, a) in picture.cards.iter().enumerate() {
                assert!(a.x + CARD <= picture.width && a.y + a.height <= picture.height, "{a:?}");
                for b in &picture.cards[at + 1..] {
                    assert!(a.x + CARD <= b.x || b.x + CARD <= a.x || a.y + a.height <= b.y, "{a:?} {b:?}");
                }
            }
            for curve in &picture.curves {
                let covered = |card: &Card| {
                    (card.x..card.x + CARD).contains(&curve.x) && (card.y..card.y + card.height).contains(&curve.y)
                };
                assert!(!picture.cards.iter().any(covered), "the rate of {} is behind a card", curve.key);
            }
        }
    }
}
