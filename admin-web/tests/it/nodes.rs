//! The nodes' page: who is there, who is not, and what to do.

use http::{StatusCode, header};
use pixelfox_proto::v1;
use prost_types::Timestamp;

use crate::{
    fake::Fake,
    reader::{get, pages},
};

fn ago(seconds: i64) -> Option<Timestamp> {
    #[expect(clippy::disallowed_methods, reason = "the fake's clock is the test's own")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    Some(Timestamp { seconds: i64::try_from(now).unwrap() - seconds, nanos: 0 })
}

/// A node that is there and well.
pub(crate) fn node(id: &str, pool: u64) -> v1::Node {
    v1::Node {
        node_id: id.to_owned(),
        online: true,
        version: "1.2.0".to_owned(),
        attached_since: ago(200),
        slots: 4,
        running: 2,
        pool_ids: vec![pool],
        address: "10.0.0.7:41022".to_owned(),
        filesystem_free: 600_000_000_000,
        filesystem_total: 1_000_000_000_000,
        clock_offset_seconds: Some(0.2),
        bytes_per_second: 48_200_000.0,
        ..v1::Node::default()
    }
}

pub(crate) fn away(id: &str, pool: u64) -> v1::Node {
    v1::Node {
        online: false,
        attached_since: None,
        offline_since: ago(7500),
        clock_offset_seconds: None,
        bytes_per_second: 0.0,
        running: 0,
        filesystem_free: 0,
        filesystem_total: 0,
        jobs_waiting: 1234,
        ..node(id, pool)
    }
}

pub(crate) fn with_nodes(nodes: Vec<v1::Node>) -> Fake {
    let fake = Fake::new();
    let pools: Vec<v1::Pool> = nodes
        .iter()
        .flat_map(|node| node.pool_ids.iter().map(move |id| (id, node)))
        .map(|(id, node)| v1::Pool {
            id: *id,
            name: format!("img <{id}>"),
            is_active: true,
            online: node.online,
            healthy: node.online,
            ..v1::Pool::default()
        })
        .collect();
    fake.on("list_nodes", move |_: v1::ListNodesRequest| Ok(v1::ListNodesResponse { nodes: nodes.clone() }));
    fake.on("list_pools", move |_: v1::ListPoolsRequest| Ok(v1::ListPoolsResponse { pools: pools.clone() }));
    fake.on("get_overview", |_: v1::GetOverviewRequest| {
        Ok(v1::Overview { version: "1.2.0".into(), ..v1::Overview::default() })
    });
    fake
}

/// Its text without elements, spaces as one.
fn text(html: &str) -> String {
    let parts = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    let spaced = parts.collect::<Vec<_>>().join(" ").replace(['\u{a0}', '\n'], " ");
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn an_offline_node_comes_first_with_since_when_what_waits_and_the_cure() {
    // Of two nodes the second is away: the page says so at its top, and its row is the first.
    let pages = pages(&with_nodes(vec![node("a01", 1), away("s09", 9)]));
    let page = get(&pages, "/admin/nodes", &[]).await;
    assert_eq!(page.status, StatusCode::OK);
    let text = text(&page.html);
    assert!(text.contains("1 von 2 Knoten ist offline.") && text.contains("COORDINATOR_URL"), "{text}");
    assert!(text.contains("Offline seit 2 Std. 5 Min."), "{text}");
    assert!(page.html.contains("href=\"/admin/queues?state=pending&amp;node=s09\">1.234</a>"), "{}", page.html);
    let (away, here) = (page.html.find("id=\"node-s09\""), page.html.find("id=\"node-a01\""));
    assert!(away.unwrap() < here.unwrap());
    assert!(text.contains("img &#60;9&#62; Offline"), "{text}");
}

#[tokio::test]
async fn a_node_that_is_there_shows_what_it_does_and_what_is_free() {
    // All is well: one line says so; commands, rate, space, address and version are there.
    let pages = pages(&with_nodes(vec![node("s01", 2)]));
    let page = get(&pages, "/admin/nodes", &[("accept-language", "en")]).await;
    let text = text(&page.html);
    for want in [
        "The node is connected.",
        "Online for 3 min",
        "2 of 4 48.2 MB/s",
        "600 GB of 1.00 TB",
        "Version 1.2.0",
        "10.0.0.7:41022",
    ] {
        assert!(text.contains(want), "{want}: {text}");
    }
}

#[tokio::test]
async fn clock_version_and_disk_are_warned_of_with_the_cure() {
    // Each of them alone, and none of them where it is as it should be.
    let behind = v1::Node { clock_offset_seconds: Some(-45.0), ..node("s01", 2) };
    let older = v1::Node { version: "1.1.9".into(), ..node("s01", 2) };
    let tight = v1::Node { filesystem_free: 49_000_000_000, ..node("s01", 2) };
    for (node, want) in [
        (behind, Some("Uhr geht 45 Sek. nach")),
        (older, Some("Der Server hat 1.2.0")),
        (tight, Some("Wird knapp")),
        (node("s01", 2), None),
    ] {
        let page = get(&pages(&with_nodes(vec![node])), "/admin/nodes", &[]).await;
        let text = text(&page.html);
        assert_eq!(text.contains("aber nicht alles stimmt"), want.is_some(), "{text}");
        assert!(want.is_none_or(|want| text.contains(want)), "{text}");
    }
}

#[tokio::test]
async fn the_bar_shows_what_is_free_and_a_disk_of_two_nodes_is_said_to_be_one() {
    // Both nodes are on disk 7, of which 70 GB of 1 TB are left: the bar is short, a word says so beside its colour.
    let fake = with_nodes(["s01", "s02"].map(|id| v1::Node { filesystem_free: 70_000_000_000, ..node(id, 2) }).into());
    fake.on("list_pools", |_: v1::ListPoolsRequest| {
        let pool = |id, node: &str| v1::Pool {
            id,
            node_id: node.into(),
            filesystem_id: 7,
            filesystem_free: 70_000_000_000,
            filesystem_total: 1_000_000_000_000,
            ..v1::Pool::default()
        };
        Ok(v1::ListPoolsResponse { pools: vec![pool(2, "s01"), pool(3, "s02")] })
    });
    let page = get(&pages(&fake), "/admin/nodes", &[]).await;
    assert!(
        page.html.contains("class=\"bar tight\"") && page.html.contains("class=\"p1\" width=\"7\""),
        "{}",
        page.html
    );
    let text = text(&page.html);
    for want in ["70,0 GB von 1,00 TB", "wird knapp", "gleiche Platte wie s02", "gleiche Platte wie s01"] {
        assert!(text.contains(want), "{want}: {text}");
    }
}

#[tokio::test]
async fn without_any_node_the_page_says_how_one_comes() {
    // An empty cluster.
    let page = get(&pages(&with_nodes(Vec::new())), "/admin/nodes", &[]).await;
    assert!(page.html.contains("Noch kein Knoten") && page.html.contains("REPLICATION_SECRET"), "{}", page.html);
}

#[tokio::test]
async fn fifty_nodes_are_a_small_page() {
    // Compressed it stays far below what a page may weigh, although a byte may count as three here.
    let nodes = (1..=50).map(|n| if n % 9 == 0 { away(&format!("s{n:02}"), n) } else { node(&format!("s{n:02}"), n) });
    let pages = pages(&with_nodes(nodes.collect()));
    let small = get(&pages, "/admin/nodes", &[("accept-encoding", "br")]).await;
    assert_eq!(small.header(header::CONTENT_ENCODING), "br");
    assert!(small.html.len() < 30_000, "{}", small.html.len());
}
