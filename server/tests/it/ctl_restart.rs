//! `server ctl … --watch` while the server that carries the job out goes away and comes back.

use std::collections::HashMap;

use tempfile::TempDir;
use tokio::time::timeout;

use crate::{
    harness::{PATIENCE, png},
    processes::{addresses, run, secrets, upload},
    programs::{Running, free_ports},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_followed_job_is_followed_over_a_restart_of_the_server() {
    // The queue is paused, so that the job is there before and after the server is killed; then it goes on to its end.
    let folder = TempDir::new().unwrap();
    let ports = free_ports::<3>().map(|port| port.to_string()).join(",");
    let start_dev = || {
        let words = ["dev", "--data-dir", "data", "--ports", &ports];
        Running::start("server", &words, &HashMap::new(), folder.path())
    };
    let dev = start_dev();
    let [app, ..] = addresses(&dev).await;
    let secrets = secrets(&folder.path().join("data"));
    upload(&app, &secrets["UPLOAD_TOKEN"], png(1, 100)).await;
    let wanted = [("ADMIN_URL", app.as_str()), ("ADMIN_TOKEN", secrets["ADMIN_TOKEN"].as_str())];
    assert!(run("server", &["ctl", "queue", "pause"], &wanted).await.status.success());
    let environment: HashMap<&str, String> = wanted.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let words = ["ctl", "move", "Default", "--to", "img1", "--watch"];
    let mut following = Running::start("server", &words, &environment, folder.path());
    following.says(&["job 1 move_pool"]).await;
    dev.kill().await;
    following.says(&["the server does not answer; trying again"]).await;
    let dev = start_dev();
    addresses(&dev).await;
    assert!(run("server", &["ctl", "queue", "resume"], &wanted).await.status.success());
    let status = timeout(PATIENCE, following.ended()).await.expect("does not end");
    let said = following.rest().await;
    assert!(status.success() && said.contains("job 1 move_pool completed, 100 %, 1 of 1 image"), "{status}: {said}");
}
