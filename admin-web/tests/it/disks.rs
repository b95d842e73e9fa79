//! Disks on the page of the pools: each counted once, and how full it is in words.

use pixelfox_proto::v1;

use crate::{
    reader::{get, pages},
    storage::{cluster, pool},
};

#[tokio::test]
async fn pools_on_one_disk_say_so_and_its_free_bytes_are_counted_once() {
    // img1 and img2 on disk 7, img3 on another; a pool at 93 % says in a word that it gets tight, one at 96 % more.
    let on = |id, disk, used_size| v1::Pool {
        filesystem_id: disk,
        filesystem_free: 200_000_000_000,
        filesystem_total: 1_000_000_000_000,
        used_size,
        ..pool(id)
    };
    let rows = vec![on(1, 7, 93_000_000_000), on(2, 7, 96_000_000_000), on(3, 8, 50_000_000_000)];
    let page = get(&pages(&cluster(rows)), "/admin/storage", &[]).await;
    let html = page.html.replace('\u{a0}', " ");
    for part in [
        "3 Speicherpools auf 3 Knoten, 239 GB belegt, 400 GB frei auf 2 Platten",
        "Hier stimmt etwas nicht",
        "<a href=\"#pool-2\">img2</a>",
        "gleiche Platte wie img2",
        "gleiche Platte wie img1",
        "class=\"bar tight\"",
        "93 %, wird knapp",
        "class=\"bar full\"",
        "96 %, fast voll",
        "class=\"bar roomy\"",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert_eq!(html.matches("gleiche Platte").count(), 2, "{html}");
}
