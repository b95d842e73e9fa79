//! A pool is made on the page with what the compose file has, and takes what another has.

use pixelfox_proto::v1::{DeletePoolRequest, ListJobsRequest};

use super::{driver::Browser, sign_in, uploaded};
use crate::harness::TestCluster;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_with_the_values_of_the_compose_file_is_made_found_healthy_and_moved_to() {
    // As where AUTO_POOLS is off: img1 is not there until somebody fills in the form, first with a wrong URL, which is
    // marked while what was typed stays. Then all of another pool moves there, seen on the page, and is taken back.
    let cluster = TestCluster::start().await;
    cluster.admin().delete_pool(DeletePoolRequest { id: 2 }).await.unwrap();
    let uuid = uploaded(&cluster, 1, 1).await;
    let node = cluster.storage_node("s01");
    let browser = Browser::start("de").await;
    sign_in(&browser, &cluster).await;
    browser.press("Speicherverwaltung").await;
    browser.press("Neuer Speicherpool").await;
    for (field, value) in [
        ("Name", "img1".to_owned()),
        ("Node ID", "s01".to_owned()),
        ("Basis-Pfad", cluster.pool_dir(2).display().to_string()),
        ("Upload API URL", format!("http://{node}/api/internal/upload")),
        ("Public Base URL", format!("http://{node}/uploads")),
    ] {
        browser.fill(field, &value).await;
    }
    browser.press("Speichern").await;
    browser.find("#public_base_url[aria-invalid=true]").await;
    assert_eq!(browser.field("Node ID").await.prop("value").await.unwrap().as_deref(), Some("s01"));
    browser.fill("Public Base URL", &format!("http://{node}")).await;
    browser.press("Speichern").await;
    browser.seen("//tr[contains(., 'img1') and contains(., 'Gesund')]").await;

    browser.click("#pool-1 a[href='/admin/storage/1/move']").await;
    browser.choose("Nach", "img1").await;
    browser.press("Vorschau").await;
    browser.press("Verschieben starten").await;
    browser.find("#moves li").await;
    browser.mark().await;
    browser.wait_for("Rückgängig machen").await;
    browser.assert_not_loaded_again().await;
    browser.press("Rückgängig machen").await;
    browser.wait_until("it is back", async |_| cluster.image(&uuid).await.pool_id == 1).await;
    let request = ListJobsRequest { state: "failed".into(), ..ListJobsRequest::default() };
    assert_eq!(cluster.admin().list_jobs(request).await.unwrap().into_inner().jobs, []);
    browser.close().await;
    cluster.shutdown().await;
}
