//! More of an operator who has no JavaScript: a pool from its form to its end, and a move that is steered.

use pixelfox_proto::v1::ListPoolsRequest;

use super::{driver::Browser, page, sign_in, uploaded};
use crate::harness::TestCluster;

/// Opens the page again until it says so: without a script nothing comes by itself.
async fn read_until(browser: &Browser, url: &str, text: &str) {
    browser
        .wait_until(text, async |browser| {
            browser.open(url).await;
            browser.text().await.contains(text)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_is_made_changed_and_deleted_without_javascript() {
    // Made with a wrong URL first, which is marked and keeps the rest; then changed, looked at, and deleted after a question.
    let cluster = TestCluster::start().await;
    let node = cluster.storage_node("s02");
    let base_path = cluster.pool_dir(3).with_file_name("second").display().to_string();
    let browser = Browser::start("de").await;
    browser.without_scripts().await;
    sign_in(&browser, &cluster).await;
    browser.press("Speicherverwaltung").await;
    browser.press("Neuer Speicherpool").await;
    for (field, value) in [
        ("Name", "zweiter"),
        ("Node ID", "s02"),
        ("Basis-Pfad", &base_path),
        ("Upload API URL", &format!("http://{node}/api/internal/upload")),
        ("Public Base URL", &format!("http://{node}/uploads")),
    ] {
        browser.fill(field, value).await;
    }
    browser.press("Speichern").await;
    browser.find("#public_base_url[aria-invalid=true]").await;
    browser.fill("Public Base URL", &format!("http://{node}")).await;
    browser.press("Prüfen").await;
    browser.wait_for("so lässt sich der Speicherpool speichern").await;
    browser.press("Speichern").await;
    browser.wait_for("Speicherpool zweiter ist angelegt.").await;
    let pools = async || cluster.admin().list_pools(ListPoolsRequest {}).await.unwrap().into_inner().pools;
    let id = pools().await.into_iter().find(|pool| pool.name == "zweiter").unwrap().id;

    browser.click(&format!("#pool-{id} a[href='/admin/storage/{id}']")).await;
    browser.fill("Beschreibung", "für alte Bilder").await;
    browser.press("Speichern").await;
    browser.wait_for("Gespeichert.").await;
    let changed = pools().await.into_iter().find(|pool| pool.id == id).unwrap();
    assert_eq!((changed.description.as_str(), changed.base_path), ("für alte Bilder", base_path));

    browser.open(&page(&cluster, &format!("/admin/storage/{id}/delete"))).await;
    browser.press("Speicherpool löschen").await;
    browser.wait_for("Speicherpool zweiter ist gelöscht.").await;
    assert!(pools().await.iter().all(|pool| pool.id != id));
    browser.close().await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_is_paused_resumed_cancelled_and_tried_again_without_javascript() {
    // Its target is away, so that it can't end by itself; each button says what it did, and all of a filter asks first.
    let mut cluster = TestCluster::start().await;
    let uuid = uploaded(&cluster, 1, 1).await;
    assert!(cluster.cluster().stop_storage_node("s01").await);
    let job = cluster.move_images(&[&uuid], 2).await.job_id;
    let here = page(&cluster, &format!("/admin/queues/{job}"));
    let browser = Browser::start("de").await;
    browser.without_scripts().await;
    sign_in(&browser, &cluster).await;
    browser.open(&here).await;
    for (button, said, state) in [
        ("Pausieren", "Pausiert: ", "paused"),
        ("Fortsetzen", "Fortgesetzt: ", "pending"),
        ("Verschieben abbrechen", "Abgebrochen: ", "cancelled"),
    ] {
        browser.press(button).await;
        browser.wait_for(said).await;
        let got = cluster.job(job).await.state;
        assert!(got == state || (state == "pending" && got == "processing"), "{button}: {got}");
    }
    assert_eq!(cluster.image(&uuid).await.pool_id, 1);
    browser.press("Erneut versuchen").await;
    browser.wait_for("Wird erneut versucht: ").await;
    browser.open(&page(&cluster, "/admin/queues?state=pending&scope=all")).await;
    browser.press("Auftrag abbrechen").await;
    browser.wait_for("Jedes Bild bleibt ganz an einem Ort").await;
    assert_ne!(cluster.job(job).await.state, "cancelled", "it only asks");
    browser.press("Auftrag abbrechen").await;
    browser.wait_for("Abgebrochen: ").await;
    cluster.start_storage_node("s01").await;
    browser.open(&here).await;
    browser.press("Erneut versuchen").await;
    read_until(&browser, &here, "Abgeschlossen").await;
    assert_eq!(cluster.image(&uuid).await.pool_id, 2);
    browser.close().await;
    cluster.shutdown().await;
}
