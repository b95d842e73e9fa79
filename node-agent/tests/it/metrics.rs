//! `GET /metrics` of a node: who may read it, and that what happens is counted by its route, never by its path.

use pixelfox_node::{proxies::Proxies, secret::SecretPair};
use reqwest::{
    StatusCode,
    multipart::{Form, Part},
};

use crate::edge_rig::{Node, PNG, Spec, hex};

async fn metrics(node: &Node, headers: &[(&str, &str)]) -> (StatusCode, String) {
    let url = format!("http://{}/metrics", node.address);
    let request = headers.iter().fold(node.client.get(url), |request, (name, value)| request.header(*name, *value));
    let answer = request.send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

fn line<'t>(text: &'t str, name: &str, labels: &[&str]) -> Option<&'t str> {
    text.lines().find(|line| line.starts_with(&format!("{name}{{")) && labels.iter().all(|label| line.contains(label)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn this_machine_reads_the_metrics_and_others_need_a_token() {
    // A proxy on this machine may speak for anybody, trusted or not: what came through one needs the token.
    let tokens = ["the token of Prometheus", "the token of the admin"].map(|token| SecretPair::new(token, None));
    let proxies = Proxies::parse("127.0.0.1").unwrap();
    for (proxies, forwarded) in [(Proxies::default(), "127.0.0.1"), (proxies, "203.0.113.9")] {
        let node = Node::with(Spec { proxies, metrics_tokens: tokens.to_vec(), ..Spec::default() }).await;
        let through = ("x-forwarded-for", forwarded);
        for (why, headers, status, said) in [
            ("from here", &[][..], 200, "pixelfox_build_info{"),
            ("from elsewhere", &[through], 401, "missing token"),
            ("by another header", &[("forwarded", "for=203.0.113.9")], 401, "missing token"),
            ("a wrong token", &[through, ("authorization", "Bearer wrong")], 401, "invalid token"),
            (
                "METRICS_TOKEN",
                &[through, ("authorization", "Bearer the token of Prometheus")],
                200,
                "pixelfox_build_info{",
            ),
            (
                "ADMIN_TOKEN",
                &[through, ("authorization", "bearer the token of the admin")],
                200,
                "pixelfox_build_info{",
            ),
        ] {
            let (got, text) = metrics(&node, headers).await;
            assert_eq!(got.as_u16(), status, "{why}: {text}");
            assert!(text.contains(said) && !text.contains("the token of"), "{why}: {text}");
            assert!(status == 200 || text.contains("METRICS_TOKEN"), "{why} names no cure: {text}");
        }
        node.stop().await;
    }
    let closed = Node::start().await;
    let (status, text) = metrics(&closed, &[("x-forwarded-for", "203.0.113.9"), ("authorization", "Bearer ")]).await;
    assert!(status == 401 && text.contains("set METRICS_TOKEN"), "{text}");
    closed.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_counted_by_their_route_and_files_by_how_they_ended() {
    // A file by hand twice, once refused; a path that is nowhere; a method that nobody knows.
    let node = Node::start().await;
    let right = hex(PNG);
    for (path, sha256, status) in [("a", right.as_str(), 200), ("a", &right, 200), ("wrong", &hex(b""), 422)] {
        let form =
            Form::new().text("pool_id", "1").text("stored_path", format!("original/2026/01/02/counted-{path}.png"));
        let form = form.text("sha256", sha256.to_owned()).part("file", Part::bytes(PNG));
        assert_eq!(node.replicate(form).await.0, status, "{path}");
    }
    for path in ["/uploads/original/2026/01/02/counted-a.png", "/nothing/here", "/nothing/there"] {
        drop(node.client.get(format!("http://{}{path}", node.address)).send().await.unwrap());
    }
    let strange = reqwest::Method::from_bytes(b"BREW").unwrap();
    drop(node.client.request(strange, format!("http://{}/healthz", node.address)).send().await.unwrap());
    let (_, text) = metrics(&node, &[]).await;
    for (name, labels, value) in [
        ("pixelfox_http_requests_total", &[r#"route="/uploads/{*path}""#, r#"code="200""#][..], "1"),
        ("pixelfox_http_requests_total", &[r#"route="/api/internal/replicate""#, r#"code="200""#], "2"),
        ("pixelfox_http_requests_total", &[r#"route="/api/internal/replicate""#, r#"code="422""#], "1"),
        ("pixelfox_http_requests_total", &[r#"route="none""#, r#"code="404""#], "2"),
        ("pixelfox_http_requests_total", &[r#"method="other""#, r#"code="405""#], "1"),
        ("pixelfox_http_request_duration_seconds_count", &[r#"route="/api/internal/replicate""#], "3"),
        ("pixelfox_replicated_files_total", &[r#"direction="in""#, r#"outcome="stored""#], "1"),
        ("pixelfox_replicated_files_total", &[r#"direction="in""#, r#"outcome="skipped""#], "1"),
        ("pixelfox_replicated_files_total", &[r#"direction="in""#, r#"outcome="refused""#], "1"),
    ] {
        let found = line(&text, name, labels).unwrap_or_else(|| panic!("no {name} {labels:?}"));
        assert_eq!(found.rsplit(' ').next(), Some(value), "{found}");
    }
    let stored = line(&text, "pixelfox_replicated_bytes_total", &[r#"direction="in""#, r#"outcome="stored""#]);
    assert_eq!(stored.unwrap().rsplit(' ').next(), Some(PNG.len().to_string().as_str()));
    assert!(!text.contains("counted-") && !text.contains("/nothing"), "{text}");
    node.stop().await;
}
