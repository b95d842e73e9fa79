//! nginx with DAV and the defaults of its Debian package: it neither hashes nor syncs.

use std::{fs, path::Path, process::Stdio};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::process::Command;

use super::super::moves_parts::now;

/// Seconds until the last answer; `None` where it is not installed.
pub(crate) async fn put(pictures: &[Bytes], fresh: &Path, clients: usize) -> Option<f64> {
    let said = Command::new("nginx").arg("-V").output().await.ok()?;
    if !String::from_utf8_lossy(&said.stderr).contains("http_dav_module") {
        return None;
    }
    fs::create_dir_all(fresh.join("files")).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let config = fresh.join("nginx.conf");
    fs::write(&config, configuration(fresh, port)).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-p").arg(fresh).arg("-c").arg(&config).args(["-e", "stderr"]);
    let mut daemon = command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let (client, url) = (reqwest::Client::new(), format!("http://127.0.0.1:{port}"));
    while client.get(&url).send().await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let one = async |(number, picture): (usize, Bytes)| {
        let answer = client.put(format!("{url}/{number}.png")).body(picture).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 201);
    };
    let start = now();
    let all = stream::iter(pictures.iter().cloned().enumerate()).map(one).buffer_unordered(clients);
    all.collect::<Vec<()>>().await;
    let seconds = start.elapsed().as_secs_f64();
    daemon.kill().await.unwrap();
    Some(seconds)
}

fn configuration(fresh: &Path, port: u16) -> String {
    let dir = fresh.display();
    format!(
        "daemon off; master_process off; pid {dir}/pid; events {{}}
        http {{ access_log off; client_max_body_size 0; client_body_temp_path {dir}/temp;
        server {{ listen 127.0.0.1:{port}; root {dir}/files; location / {{ dav_methods PUT; }} }} }}"
    )
}
