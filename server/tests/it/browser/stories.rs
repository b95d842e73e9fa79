//! More stories of an operator: a move that is paused, a pool that fills up, what a switch does, two who edit one pool,
//! and everything without a script.

use pixelfox_proto::v1::{GetPoolRequest, ListApiKeysRequest, ListImagesRequest, ListNodesRequest, Pool};
use reqwest::multipart::{Form, Part};

use super::{driver::Browser, page, picture, sign_in, uploaded};
use crate::{
    app_uploads::change_pool,
    harness::{TestCluster, http_client, png},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pasted_picture_is_uploaded_under_its_name() {
    // As the clipboard of a desktop gives it: a file in the event, nothing in a field.
    let cluster = TestCluster::start().await;
    let browser = Browser::start("de").await;
    browser.open(&page(&cluster, "/")).await;
    browser.wait_for("Bild hochladen").await;
    let bytes = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, picture(3, 60, 40));
    let paste = format!(
        "const data = new DataTransfer(); \
         const bytes = Uint8Array.from(atob('{bytes}'), c => c.charCodeAt(0)); \
         data.items.add(new File([bytes], 'einfach so.png', {{type: 'image/png'}})); \
         window.dispatchEvent(new ClipboardEvent('paste', {{clipboardData: data, bubbles: true, cancelable: true}}))"
    );
    browser.run(&paste).await;
    browser.find("#files .state.good").await;
    let images = cluster.admin().list_images(ListImagesRequest::default()).await.unwrap().into_inner().images;
    assert_eq!(images.iter().map(|image| image.original_name.as_str()).collect::<Vec<_>>(), ["einfach so.png"]);
    browser.close().await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_no_images_shows_the_first_one_by_itself() {
    let cluster = TestCluster::start().await;
    let browser = Browser::start("de").await;
    sign_in(&browser, &cluster).await;
    browser.press("Bilder").await;
    browser.wait_for("Noch keine Bilder.").await;
    browser.find("#pulse:not([hidden])").await;
    uploaded(&cluster, 1, 1).await;
    browser.wait_for("picture.png").await;
    assert!(!browser.text().await.contains("Noch keine Bilder."));
    browser.close().await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_was_paused_on_its_page_stays_so_until_it_is_resumed_there() {
    // Its target is away, so that it can't end by itself; paused, it does not go on when the target is back.
    let mut cluster = TestCluster::start().await;
    let uuid = uploaded(&cluster, 1, 1).await;
    assert!(cluster.cluster().stop_storage_node("s01").await);
    let batch = cluster.move_images(&[&uuid], 2).await;
    let browser = Browser::start("de").await;
    sign_in(&browser, &cluster).await;
    browser.open(&page(&cluster, &format!("/admin/queues/{}", batch.job_id))).await;
    browser.press("Pausieren").await;
    browser.wait_for("Pausiert").await;
    cluster.start_storage_node("s01").await;
    browser
        .wait_until("s01 is back", async |_| {
            let nodes = cluster.admin().list_nodes(ListNodesRequest {}).await.unwrap().into_inner().nodes;
            nodes.iter().all(|node| node.online)
        })
        .await;
    assert_eq!((cluster.job(batch.job_id).await.state.as_str(), cluster.image(&uuid).await.pool_id), ("paused", 1));
    browser.press("Fortsetzen").await;
    browser.wait_for("Abgeschlossen").await;
    assert_eq!(cluster.image(&uuid).await.pool_id, 2);
    browser.close().await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_is_nearly_full_says_so_on_the_open_page_and_on_the_dashboard() {
    // Its limit is lowered to just above what is in it, while the page is open.
    let cluster = TestCluster::start().await;
    uploaded(&cluster, 2, 1).await;
    let used = cluster.admin().get_pool(GetPoolRequest { id: 2 }).await.unwrap().into_inner().used_size;
    let browser = Browser::start("de").await;
    sign_in(&browser, &cluster).await;
    browser.press("Speicherverwaltung").await;
    browser.find("#pulse:not([hidden])").await;
    browser.mark().await;
    assert!(!browser.text().await.contains("fast voll"));
    change_pool(&cluster, Pool { id: 2, max_size: used + used / 50, ..Pool::default() }, "max_size").await;
    browser.seen("//tr[@id='pool-2' and contains(., 'fast voll')]").await;
    browser.find("#pool-2 .bar.full").await;
    browser.assert_not_loaded_again().await;
    browser.wait_for("Hier stimmt etwas nicht").await;
    browser.press("Dashboard").await;
    browser.wait_for("Speicherpool img1 ist zu 98").await;
    browser.close().await;
    cluster.shutdown().await;
}

/// A copy as an older node sends it, without a checksum: the node's answer.
async fn replicated_without_checksum(cluster: &TestCluster, number: u32) -> u16 {
    let bytes = png(number, 10);
    let form = Form::new()
        .text("pool_id", "2")
        .text("stored_path", format!("original/2026/11/24/0190a6f2-3b5c-4d7e-8f90-a1b2c3d4e5{:02x}.png", number % 200))
        .text("size", bytes.len().to_string())
        .part("file", Part::bytes(bytes).file_name("a.png"));
    let request = http_client()
        .put(format!("http://{}/api/internal/replicate", cluster.storage_node("s01")))
        .bearer_auth(cluster.secret("REPLICATION_SECRET"))
        .multipart(form);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_switch_for_checksums_decides_what_nodes_take() {
    // Off, a node takes a copy that has none; on again, it refuses the next one.
    let cluster = TestCluster::start().await;
    let browser = Browser::start("de").await;
    sign_in(&browser, &cluster).await;
    browser.press("Einstellungen").await;
    assert_eq!(replicated_without_checksum(&cluster, 1).await, 400);
    for (number, want) in [(2, 200), (3, 400)] {
        browser.field("Checksum bei Replikation erzwingen").await.click().await.unwrap();
        browser.press("Speichern").await;
        let said = if want == 200 { "erzwingen: aus" } else { "erzwingen: an" };
        browser.wait_for(said).await;
        browser.wait_until(said, async |_| replicated_without_checksum(&cluster, number).await == want).await;
    }
    browser.close().await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_edits_a_pool_second_sees_what_the_first_one_changed() {
    let cluster = TestCluster::start().await;
    let browser = Browser::start("de").await;
    sign_in(&browser, &cluster).await;
    browser.open(&page(&cluster, "/admin/storage/2")).await;
    browser.fill("Beschreibung", "vom zweiten").await;
    let first = Pool { id: 2, description: "vom ersten".into(), ..Pool::default() };
    change_pool(&cluster, first, "description").await;
    let saved = async || cluster.admin().get_pool(GetPoolRequest { id: 2 }).await.unwrap().into_inner().description;
    browser.press("Speichern").await;
    browser.wait_for("Jemand hat diesen Pool inzwischen geändert.").await;
    browser.wait_for("vom ersten").await;
    assert_eq!(saved().await, "vom ersten", "nothing is overwritten unseen");
    assert_eq!(browser.field("Beschreibung").await.prop("value").await.unwrap().as_deref(), Some("vom zweiten"));
    browser.press("Speichern").await;
    browser.wait_until("it is saved", async |_| saved().await == "vom zweiten").await;
    browser.close().await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_without_javascript_does_everything() {
    // A check, a recount, a move with its preview and its undo, checksums read, the queue, a setting, a key, a diagnosis,
    // and a delete that asks first: each says what it did.
    let cluster = TestCluster::start().await;
    let uuid = uploaded(&cluster, 1, 1).await;
    let browser = Browser::start("de").await;
    browser.without_scripts().await;
    sign_in(&browser, &cluster).await;
    browser.press("Speicherverwaltung").await;
    browser.press("Zustand prüfen").await;
    browser.wait_for("Gesund: geschrieben").await;
    browser.press("Belegung neu berechnen").await;
    browser.wait_for("Die Belegung stimmt").await;
    browser.press("Bilder").await;
    browser.field("picture.png auswählen").await.click().await.unwrap();
    browser.press("Move to Pool").await;
    browser.choose("Ziel-Pool", "img1").await;
    browser.press("Vorschau").await;
    browser.press("Verschieben starten").await;
    browser.wait_until("it has moved", async |_| cluster.image(&uuid).await.pool_id == 2).await;
    browser.open(&page(&cluster, &format!("/admin/images/{uuid}"))).await;
    browser.press("Prüfsumme prüfen").await;
    browser.wait_for("Wird gelesen").await;
    browser.press("Warteschlangen").await;
    browser.press("Warteschlange pausieren").await;
    browser.press("Warteschlange fortsetzen").await;
    browser.wait_for("Die Warteschlange läuft weiter.").await;
    browser.press("Einstellungen").await;
    browser.fill("Uploads pro Minute und IP-Adresse", "61").await;
    browser.press("Speichern").await;
    browser.wait_for("Gespeichert").await;
    browser.fill("Name", "Blog").await;
    browser.press("Schlüssel erstellen").await;
    browser.wait_for("Schlüssel „Blog“ erstellt").await;
    browser.press("Schlüssel „Blog“ widerrufen").await;
    browser.press("Widerrufen").await;
    browser.wait_for("ist widerrufen").await;
    assert_eq!(cluster.admin().list_api_keys(ListApiKeysRequest {}).await.unwrap().into_inner().keys, []);
    browser.open(&page(&cluster, "/admin/diagnose?start=1")).await;
    browser.wait_for("s01").await;
    browser.open(&page(&cluster, &format!("/admin/images/{uuid}"))).await;
    browser.press("Löschen").await;
    browser.press("Endgültig löschen").await;
    browser
        .wait_until("it is deleted", async |_| {
            cluster.admin().list_images(ListImagesRequest::default()).await.unwrap().into_inner().images.is_empty()
        })
        .await;
    browser.close().await;
    cluster.shutdown().await;
}
