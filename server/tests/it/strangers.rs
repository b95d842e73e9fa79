//! What strangers can do to the server, and what they hear: forms of other sites, tries to sign in, nodes that hang.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use pixelfox_proto::v1::{CreateApiKeyRequest, ListAuditRequest, Pool, Settings, SignInRequest, UpdateSettingsRequest};
use serde_json::Value;
use tokio::{io::AsyncReadExt as _, net::TcpListener};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    app_uploads::{change_pool, file, through_app},
    harness::{TestCluster, http_client, png},
};

async fn set(cluster: &TestCluster, settings: Settings) {
    cluster.admin().update_settings(UpdateSettingsRequest { settings: Some(settings) }).await.unwrap();
}

async fn key(cluster: &TestCluster) -> String {
    cluster.admin().create_api_key(CreateApiKeyRequest { name: "Blog".into() }).await.unwrap().into_inner().key
}

async fn sign_in(cluster: &TestCluster, name: &str, password: &str, from: &str) -> Result<String, tonic::Status> {
    let ask = SignInRequest { name: name.into(), password: password.into(), client_address: from.into() };
    Ok(cluster.admin().sign_in(ask).await?.into_inner().secret)
}

/// Status and JSON of a request with these headers.
async fn send(request: reqwest::RequestBuilder, headers: &[(&str, &str)]) -> (u16, Value) {
    let request = request.header("accept", "application/json");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_for_what_no_pool_has_room_for_is_refused_as_unavailable() {
    // Every file system is to keep a PiB free, so that the pools are open and full.
    let cluster = TestCluster::start().await;
    let word = key(&cluster).await;
    let settings = Settings { reserve_bytes: Some(1 << 50), direct_upload_enabled: Some(true), ..Settings::default() };
    set(&cluster, settings).await;
    for route in ["/api/v1/upload/sessions", "/api/internal/upload/sessions"] {
        let ask = http_client().post(format!("http://{}{route}", cluster.app())).body("{\"file_size\":10}");
        let (status, answer) = send(ask, &[("x-api-key", &word)]).await;
        assert_eq!((status, answer["error"].as_str()), (503, Some("service_unavailable")), "{route}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains("no pool has room"), "{answer}");
    }
    let (status, answer) = through_app(&cluster, file(png(1, 10))).await;
    assert_eq!(status, 507, "an upload itself says what it is: {answer}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_another_site_uploads_in_nobodys_name() {
    // With a cookie of ours only pages of our own may send; a key is its own proof, and so is having none of ours.
    let cluster = TestCluster::start().await;
    set(&cluster, Settings { direct_upload_enabled: Some(true), ..Settings::default() }).await;
    let word = key(&cluster).await;
    let secret = sign_in(&cluster, "admin", &cluster.secret("ADMIN_PASSWORD"), "").await.unwrap();
    let (session, visit) = (format!("pixelfox_session={secret}"), format!("pixelfox_visit={}", "A".repeat(22)));
    let own = format!("http://{}", cluster.app());
    let (session, visit, word, own) = (session.as_str(), visit.as_str(), word.as_str(), own.as_str());
    let evil = ("origin", "http://evil.example");
    for (why, headers, want) in [
        ("signed in, from elsewhere", vec![("cookie", session), evil], 403),
        ("signed in, by a sibling", vec![("cookie", session), ("sec-fetch-site", "same-site")], 403),
        ("signed in, hidden", vec![("cookie", session), ("origin", "null")], 403),
        ("a visit, from elsewhere", vec![("cookie", visit), evil], 403),
        ("signed in, from our page", vec![("cookie", session), ("origin", own)], 200),
        ("signed in, no browser", vec![("cookie", session)], 200),
        ("a key and a cookie, from elsewhere", vec![("cookie", session), ("x-api-key", word), evil], 200),
        ("a key, from elsewhere", vec![("x-api-key", word), evil], 200),
        ("nobody, from elsewhere", vec![evil], 200),
    ] {
        let upload = http_client().post(format!("{own}/upload")).multipart(file(png(1, 100)));
        let (status, answer) = send(upload, &headers).await;
        assert_eq!(status, want, "{why}: {answer}");
        let ask = http_client().post(format!("{own}/api/internal/upload/sessions")).body("{\"file_size\":10}");
        let (status, answer) = send(ask, &headers).await;
        assert_eq!(status, want, "a session, {why}: {answer}");
        assert_eq!(answer.get("token").is_some(), want == 200, "{why}: {answer}");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sign_in_is_in_the_audit_without_what_was_typed() {
    // The name of an account that there is; never a name that may be a password in the wrong field.
    let cluster = TestCluster::start().await;
    for (name, password, from) in
        [("admin", "wrong-password", "10.0.0.2"), ("my-password-by-mistake", "x", "2001:db8::7"), ("no name", "x", "")]
    {
        assert!(sign_in(&cluster, name, password, from).await.is_err());
    }
    let ask = ListAuditRequest { action: "sign_in_failed".into(), ..ListAuditRequest::default() };
    let rows = cluster.admin().list_audit(ask).await.unwrap().into_inner().entries;
    let shown: Vec<_> = rows.iter().map(|row| (row.subject.as_str(), row.detail.as_str())).collect();
    assert_eq!(shown, [("", "from an unknown address"), ("", "from 2001:db8::7"), ("admin", "from 10.0.0.2")]);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_hangs_is_not_asked_again_at_once() {
    // The best pool's address takes connections and says nothing. Only the first upload waits for it.
    let cluster = TestCluster::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    #[expect(clippy::disallowed_methods, reason = "the test's own, and ends with it")]
    let _silent = AbortOnDropHandle::new(tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut first = [0; 5];
            drop(stream.read_exact(&mut first).await);
            counted.fetch_add(usize::from(&first == b"POST "), Ordering::SeqCst);
            held.push(stream);
        }
    }));
    let upload_api_url = format!("http://{address}/api/internal/upload");
    change_pool(&cluster, Pool { id: 2, upload_api_url, ..Pool::default() }, "upload_api_url").await;
    for seed in 1..=3 {
        let (status, answer) = through_app(&cluster, file(png(seed, 50_000))).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(cluster.image(answer["image_uuid"].as_str().unwrap()).await.pool_id, 3, "{answer}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "asked once");
    cluster.shutdown().await;
}
