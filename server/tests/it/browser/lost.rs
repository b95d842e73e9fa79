//! A page that is open while its server is killed: it says so and since when it is right, and catches up by itself.

use std::collections::HashMap;

use tempfile::TempDir;

use super::driver::{Browser, View};
use crate::{
    harness::png,
    processes::{addresses, secrets, upload},
    programs::{Running, free_ports},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_says_that_its_server_is_gone_and_catches_up_when_it_is_back() {
    // `kill -9` under the open dashboard; what came to the server that was started anew appears on the page, which
    // nobody has loaded again.
    let folder = TempDir::new().unwrap();
    let ports = free_ports::<3>().map(|port| port.to_string()).join(",");
    let start = || {
        let arguments = ["dev", "--data-dir", "data", "--ports", &ports];
        Running::start("server", &arguments, &HashMap::new(), folder.path())
    };
    let server = start();
    let [app, ..] = addresses(&server).await;
    let secrets = secrets(&folder.path().join("data"));
    let browser = Browser::start("de").await;
    browser.view(View::DESK).await;
    browser.open(&format!("http://{app}/admin")).await;
    browser.fill("Benutzername", "admin").await;
    browser.fill("Passwort", &secrets["ADMIN_PASSWORD"]).await;
    browser.press("Anmelden").await;
    browser.find("#pulse:not([hidden])").await;
    browser.mark().await;
    server.kill().await;
    browser.wait_for("Verbindung verloren. Die Seite zeigt den Stand von").await;
    browser.find("#pulse[hidden]").await;
    assert!(!browser.text().await.contains("a.png"));

    let server = start();
    addresses(&server).await;
    upload(&app, &secrets["UPLOAD_TOKEN"], png(1, 100)).await;
    browser.wait_for("a.png").await;
    browser.find("#pulse:not([hidden])").await;
    assert!(!browser.text().await.contains("Verbindung verloren"));
    browser.assert_not_loaded_again().await;
    browser.close().await;
    server.stop().await;
}
