//! The dashboard: an empty cluster, one with a fault, one with fifty nodes.

use pixelfox_proto::v1;

use crate::{
    fake::Fake,
    reader::{get, pages},
};

fn cluster(nodes: u64) -> Fake {
    let fake = Fake::new();
    fake.on("get_overview", move |_: v1::GetOverviewRequest| {
        let online = u32::try_from(nodes).unwrap();
        let minute = v1::Minute { bytes_uploaded: 5_000_000, bytes_moved: 2_500_000, ..v1::Minute::default() };
        let flow = |at| v1::Flow { source_pool_id: at, target_pool_id: at + 1, bytes_per_second: 5e7, images: 4 };
        Ok(v1::Overview {
            images: 1_000_000,
            nodes_online: online,
            nodes_known: online,
            flows: (1..nodes).map(flow).collect(),
            last_hour: vec![minute; if nodes == 0 { 0 } else { 60 }],
            ..v1::Overview::default()
        })
    });
    fake.on("list_pools", move |_: v1::ListPoolsRequest| {
        let pool = |id| v1::Pool {
            id,
            name: format!("img<{id}>"),
            node_id: format!("s{id}"),
            online: true,
            healthy: true,
            is_active: true,
            used_size: id * 1_000_000_000,
            max_size: 100_000_000_000,
            ..v1::Pool::default()
        };
        Ok(v1::ListPoolsResponse { pools: (1..=nodes).map(pool).collect() })
    });
    fake.on("list_nodes", move |_: v1::ListNodesRequest| {
        let node = |id| v1::Node { node_id: format!("s{id}"), online: true, pool_ids: vec![id], ..v1::Node::default() };
        Ok(v1::ListNodesResponse { nodes: (1..=nodes).map(node).collect() })
    });
    fake.on("list_images", move |_: v1::ListImagesRequest| {
        let image = |n: u64| v1::Image {
            uuid: format!("uuid-{n}"),
            original_name: "\"><script>alert(1)</script>.jpg".into(),
            content_type: "image/jpeg".into(),
            url: format!("http://s1/uploads/{n}.jpg"),
            ..v1::Image::default()
        };
        Ok(v1::ListImagesResponse {
            images: (1..=nodes.min(8)).map(image).collect(),
            ..v1::ListImagesResponse::default()
        })
    });
    fake
}

#[tokio::test]
async fn a_cluster_without_anything_says_how_to_begin() {
    // No pool, no node, no image: nothing is drawn that is not there, and the first step has its link.
    let page = get(&pages(&cluster(0)), "/admin", &[]).await;
    for part in [
        "Kein Speicherpool ist aktiv",
        "href=\"/admin/storage/new\"",
        "Noch keine Bilder.",
        "In der letzten Stunde kam nichts.",
    ] {
        assert!(page.html.contains(part), "{part}");
    }
}

#[tokio::test]
async fn fifty_nodes_are_one_page_of_bearable_size_and_all_is_well() {
    // Under 60 kB compressed; names of users are text.
    let pages = pages(&cluster(50));
    let page = get(&pages, "/admin", &[]).await;
    assert!(page.html.contains("Alles in Ordnung") && page.html.contains("50,0\u{a0}MB/s"));
    assert!(page.html.contains("img&#60;7&#62;") && !page.html.contains("<script>alert"));
    let small = get(&pages, "/admin", &[("accept-encoding", "gzip")]).await;
    let bytes: usize = small.size;
    assert!(bytes < 60_000, "{bytes} bytes");
}

#[tokio::test]
async fn a_disk_that_two_pools_share_is_counted_once_and_a_tight_pool_is_told_by_words() {
    // Both pools are on disk 7 with 400 GB free; the second is at 93 % of its limit.
    let fake = cluster(2);
    fake.on("list_pools", |_: v1::ListPoolsRequest| {
        let pool = |id: u64, used_size| v1::Pool {
            id,
            name: format!("img{id}"),
            node_id: "s1".into(),
            online: true,
            healthy: true,
            is_active: true,
            used_size,
            max_size: 100_000_000_000,
            filesystem_id: 7,
            filesystem_free: 400_000_000_000,
            filesystem_total: 1_000_000_000_000,
            ..v1::Pool::default()
        };
        Ok(v1::ListPoolsResponse { pools: vec![pool(1, 1_000_000_000), pool(2, 93_000_000_000)] })
    });
    let html = get(&pages(&fake), "/admin", &[]).await.html.replace('\u{a0}', " ");
    for part in ["400 GB frei", "gleiche Platte: img1, img2", "93 % voll", "Speicherpool img2 ist zu 93 % voll."] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(!html.contains("800 GB"), "{html}");
}

#[tokio::test]
async fn a_node_that_is_away_is_the_first_thing_that_is_said() {
    let fake = cluster(2);
    fake.on("list_nodes", |_: v1::ListNodesRequest| {
        let node =
            |id: u64, online| v1::Node { node_id: format!("s{id}"), online, pool_ids: vec![id], ..v1::Node::default() };
        Ok(v1::ListNodesResponse { nodes: vec![node(1, true), node(2, false)] })
    });
    let page = get(&pages(&fake), "/admin", &[]).await;
    assert!(
        page.html.contains("Hier stimmt etwas nicht") && page.html.contains("Knoten s2 ist offline"),
        "{}",
        page.html
    );
    assert!(page.html.contains("href=\"/admin/nodes#node-s2\""));
}
