//! Stories of an operator: signing in, moving an image and taking it back, a node that stops, settings, languages.

use std::time::Duration;

use pixelfox_proto::v1::GetSettingsRequest;

use super::{driver::Browser, page, sign_in, uploaded};
use crate::harness::TestCluster;

/// What is shown is at most so old.
const LIVE_WITHIN: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_signs_in_sees_the_cluster_until_they_sign_out() {
    // A wrong password says so and keeps the name; the page that was asked for comes after it; signed out, none comes.
    let cluster = TestCluster::start().await;
    let browser = Browser::start("de").await;
    browser.open(&page(&cluster, "/admin/audit")).await;
    browser.fill("Benutzername", "admin").await;
    browser.fill("Passwort", "wrong").await;
    browser.press("Anmelden").await;
    browser.wait_for("Benutzername oder Passwort ist falsch.").await;
    browser.fill("Passwort", &cluster.secret("ADMIN_PASSWORD")).await;
    browser.press("Anmelden").await;
    browser.wait_for("admin von 127.0.0.1").await; // the row of this very sign-in
    assert_eq!(browser.path().await, "/admin/audit");
    browser.press("Dashboard").await;
    browser.wait_for("s01").await;
    browser.press("Abmelden admin").await;
    browser.field("Benutzername").await;
    browser.open(&page(&cluster, "/admin")).await;
    assert_eq!(browser.path().await, "/admin/login");
    browser.close().await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_language_is_the_browsers_until_it_is_switched_and_stays_so() {
    let cluster = TestCluster::start().await;
    let browser = Browser::start("en").await;
    browser.open(&page(&cluster, "/admin/login")).await;
    browser.field("Password").await;
    browser.press("DE").await;
    sign_in(&browser, &cluster).await;
    for (language, link, words) in [("DE", "Knoten", "Warteschlangen"), ("EN", "Nodes", "Queues")] {
        browser.press(language).await;
        browser.wait_for(words).await;
        browser.press(link).await;
        browser.wait_for(words).await;
        assert_eq!(browser.run("return document.documentElement.lang").await, language.to_lowercase());
    }
    browser.open(&page(&cluster, "/")).await;
    browser.wait_for("Upload an image").await;
    browser.close().await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_is_moved_is_seen_to_arrive_and_is_taken_back() {
    // From the list by its buttons, with the preview before; the open page shows the new pool within a second of the
    // move's end, without being loaded again.
    let cluster = TestCluster::start().await;
    let uuid = uploaded(&cluster, 1, 1).await;
    let browser = Browser::start("de").await;
    sign_in(&browser, &cluster).await;
    browser.press("Bilder").await;
    browser.field("picture.png auswählen").await.click().await.unwrap();
    browser.press("Move to Pool").await;
    browser.choose("Ziel-Pool", "img1").await;
    browser.press("Vorschau").await;
    browser.wait_for("1 Bild").await;
    browser.press("Verschieben starten").await;
    browser.wait_for("Abgeschlossen").await;
    assert_eq!(cluster.image(&uuid).await.pool_id, 2);
    browser.press("Rückgängig machen").await;
    browser.wait_for("holt").await;
    browser.wait_for("Abgeschlossen").await;
    assert_eq!(cluster.image(&uuid).await.pool_id, 1);

    browser.open(&page(&cluster, &format!("/admin/images/{uuid}"))).await;
    browser.find("#pulse:not([hidden])").await;
    browser.mark().await;
    let batch = cluster.move_images(&[&uuid], 3).await;
    assert_eq!(cluster.wait_for_end(batch.job_id).await.state, "completed");
    let ended = tokio::time::Instant::now();
    browser
        .wait_until("the image is in img2", async |browser| {
            browser.run("return document.querySelector('#pool').innerText.trim()").await == "img2"
        })
        .await;
    assert!(ended.elapsed() < LIVE_WITHIN, "{:?}", ended.elapsed());
    browser.assert_not_loaded_again().await;
    browser.close().await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stops_is_offline_on_the_pages_and_its_job_waits_until_it_is_back() {
    // Seen on pages that stay open: the node goes, the job says what it waits for, the node comes, the job runs.
    let mut cluster = TestCluster::start().await;
    let uuid = uploaded(&cluster, 1, 1).await;
    let browser = Browser::start("de").await;
    sign_in(&browser, &cluster).await;
    browser.press("Knoten").await;
    browser.find("#pulse:not([hidden])").await;
    browser.mark().await;
    assert!(cluster.cluster().stop_storage_node("s01").await);
    browser.wait_for("Offline").await;
    browser.assert_not_loaded_again().await;
    // What is said of all nodes is replaced by what holds now, and stands there once.
    assert_eq!(browser.run("return document.querySelectorAll('#nodes > .note').length").await, 1);

    browser.press("Speicherverwaltung").await;
    browser.seen("//tr[contains(., 'img1') and contains(., 'Offline')]").await;

    let batch = cluster.move_images(&[&uuid], 2).await;
    browser.press("Warteschlangen").await;
    browser.press("Bilder verschieben").await;
    browser.wait_for("Knoten s01 ist nicht verbunden").await;
    browser.find("#pulse:not([hidden])").await;
    browser.mark().await;
    cluster.start_storage_node("s01").await;
    browser.wait_for("Abgeschlossen").await;
    browser.assert_not_loaded_again().await;
    assert_eq!(cluster.wait_for_end(batch.job_id).await.state, "completed");
    browser.press("Knoten").await;
    browser.wait_until("s01 is back", async |browser| !browser.text().await.contains("Offline")).await;
    browser.close().await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_of_the_settings_is_saved_and_in_effect() {
    let cluster = TestCluster::start().await;
    let browser = Browser::start("de").await;
    sign_in(&browser, &cluster).await;
    let before = requires_checksum(&cluster).await;
    browser.press("Einstellungen").await;
    browser.field("Checksum bei Replikation erzwingen").await.click().await.unwrap();
    browser.press("Speichern").await;
    browser.wait_for("Gespeichert").await;
    assert_ne!(requires_checksum(&cluster).await, before);
    let ticked = browser.field("Checksum bei Replikation erzwingen").await.prop("checked").await.unwrap();
    assert_eq!(ticked.as_deref(), Some(if before { "false" } else { "true" }));
    browser.close().await;
    cluster.shutdown().await;
}

async fn requires_checksum(cluster: &TestCluster) -> bool {
    let settings = cluster.admin().get_settings(GetSettingsRequest {}).await.unwrap().into_inner();
    settings.replication_require_checksum.unwrap()
}
