//! `/uploads/…` of a file that this node does not have, and the routes around it.

use pixelfox_node::secret::Secrets;
use pixelfox_proto::Trace;
use serde_json::json;

use crate::edge_rig::{Node, PHOTO, SECRET, Spec, answer};

#[tokio::test]
async fn a_moved_file_is_answered_with_its_place() {
    // 307 to where the coordinator says, never to this node itself, and never to be kept.
    let node = Node::start().await;
    let there = "http://s09.local/uploads/original/2026/a.jpg";
    node.coordinator.knows("original/2026/a.jpg", there);
    let own = node.url("/uploads/original/2026/b.jpg");
    node.coordinator.knows("original/2026/b.jpg", &own);
    let moved = node.get("/uploads/original/2026/a.jpg").await;
    assert_eq!(moved.status(), 307);
    assert_eq!(moved.headers()["location"], there);
    assert_eq!(moved.headers()["cache-control"], "no-store");
    let head = node.client.head(node.url("/uploads/original/2026/a.jpg")).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.headers()["location"].as_bytes()), (307, there.as_bytes()));
    let (status, body) = answer(node.get("/uploads/original/2026/b.jpg").await).await;
    assert_eq!((status, body["error"].as_str()), (404, Some("not_found")), "on record here, but lost");
    let (status, body) = answer(node.get("/uploads/original/2026/c.jpg").await).await;
    assert_eq!((status, body["error"].as_str()), (404, Some("not_found")), "nowhere");
    assert_eq!(node.get("/uploads/original/2026/b.jpg").await.status(), 404, "again");
    assert_eq!(node.coordinator.missing(), ["original/2026/b.jpg"], "told once, and of what is on record here");
    node.stop().await;
}

#[tokio::test]
async fn who_asks_where_a_file_is_asks_in_the_trace_of_the_request() {
    // A file that is elsewhere and one that is missing here: the second is asked about and told. Each question is a step of
    // its own. Without a trace, or with what is none, a new one.
    let node = Node::start().await;
    node.coordinator.knows("original/2026/a.jpg", "http://s09.local/uploads/original/2026/a.jpg");
    node.coordinator.knows("original/2026/b.jpg", &node.url("/uploads/original/2026/b.jpg"));
    let sent = Trace::of_seed(7);
    for (file, traceparent) in [("a", sent.to_string()), ("b", sent.to_string()), ("c", "00-nothing".to_owned())] {
        let url = node.url(&format!("/uploads/original/2026/{file}.jpg"));
        node.client.get(url).header("traceparent", traceparent).send().await.unwrap();
    }
    let traces: Vec<Trace> = node.coordinator.traces().iter().map(|trace| Trace::parse(trace).unwrap()).collect();
    let ids: Vec<bool> = traces.iter().map(|trace| trace.id() == sent.id()).collect();
    assert_eq!(ids, [true, true, true, false], "{traces:?}");
    assert!(!traces.contains(&sent), "a step is not the whole: {traces:?}");
    node.stop().await;
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "as a disk that is unmounted and mounted again")]
async fn a_link_into_a_pool_whose_directory_is_gone_is_not_answered_as_lost() {
    // On record here; that the file is missing says nothing while the disk is. At once, and when the node has noticed.
    let node = Node::start().await;
    let path = "/uploads/original/2026/a.jpg";
    node.coordinator.knows("original/2026/a.jpg", &node.url(path));
    let file = node.pool_dir(1).join("original/2026/a.jpg");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, PHOTO).unwrap();
    assert_eq!(node.get(path).await.status(), 200);
    let pool = node.pools.all().remove(0);
    let aside = node.pool_dir(1).with_extension("aside");
    std::fs::rename(node.pool_dir(1), &aside).unwrap();
    std::fs::rename(aside.join("original"), aside.join("unmounted")).unwrap();
    for noticed in [false, true] {
        if noticed {
            pool.look().await;
            assert!(pool.problem().is_some());
        }
        let away = node.get(path).await;
        assert_eq!((away.status().as_u16(), away.headers()["retry-after"].to_str().unwrap()), (503, "5"));
    }
    std::fs::rename(aside.join("unmounted"), aside.join("original")).unwrap();
    std::fs::rename(&aside, node.pool_dir(1)).unwrap();
    pool.look().await;
    assert_eq!(node.get(path).await.status(), 200);
    node.stop().await;
}

#[tokio::test]
async fn a_file_that_comes_while_its_place_is_asked_for_is_served() {
    // Not here at the first look, moved here before the coordinator answers: its link must not die in between.
    let node = Node::start().await;
    let path = "/uploads/original/2026/a.jpg";
    let file = node.pool_dir(1).join("original/2026/a.jpg");
    node.coordinator.knows("original/2026/a.jpg", &node.url(path));
    node.coordinator.meanwhile(move || {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, PHOTO).unwrap();
    });
    let answer = node.get(path).await;
    assert_eq!((answer.status().as_u16(), answer.bytes().await.unwrap()), (200, PHOTO.into()));
    node.stop().await;
}

#[tokio::test]
async fn without_the_coordinator_it_is_not_known() {
    // What is here is served all the same; what is not may be anywhere.
    let node = Node::start().await;
    let (_, body) = node.upload(&Node::token(1, 1 << 20), "a.jpg", PHOTO.to_vec()).await;
    node.coordinator.goes_away();
    let here = body["url"].as_str().unwrap().replace("http://s01.local", "");
    assert_eq!(node.get(&here).await.status(), 200);
    let away = node.get("/uploads/original/2026/a.jpg").await;
    assert_eq!(away.status(), 503);
    assert_eq!(away.headers()["retry-after"], "5");
    assert_eq!(answer(away).await.1["error"], "service_unavailable");
    node.stop().await;
}

#[tokio::test]
async fn a_directory_name_is_no_route_and_the_answer_says_the_right_one() {
    // `/uploads_s01/…` is a directory's name, `/uploads/uploads/…` comes of a public_base_url with a path: in JSON, and as a
    // page for a browser, with the whole right URL.
    let node = Node::start().await;
    let right = format!("http://{}/uploads/original/2026/a.jpg", node.address);
    for wrong in ["/uploads_s01/original/2026/a.jpg", "/uploads/uploads/original/2026/a.jpg"] {
        let (status, body) = answer(node.get(wrong).await).await;
        assert_eq!((status, body["error"].as_str()), (404, Some("not_found")));
        assert!(body["hint"].as_str().unwrap().contains(&right), "{body}");
        let page = node.client.get(node.url(wrong)).header("accept", "text/html,*/*;q=0.8").send().await.unwrap();
        assert_eq!(
            (page.status().as_u16(), &page.headers()["content-type"]),
            (404, &"text/html; charset=utf-8".parse().unwrap())
        );
        let text = page.text().await.unwrap();
        assert!(text.contains(&format!("<a href=\"/uploads/original/2026/a.jpg\">{right}</a>")), "{text}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_node_says_at_its_root_what_it_is() {
    let node = Node::start().await;
    let (status, body) = answer(node.get("/").await).await;
    assert_eq!((status, body["node_id"].as_str()), (200, Some("s01")), "{body}");
    let page = node.client.get(node.url("/")).header("accept", "text/html").send().await.unwrap();
    let (status, text) = (page.status().as_u16(), page.text().await.unwrap());
    assert!(status == 200 && text.contains("storage node <b>s01</b>") && text.contains("lang=\"de\""), "{text}");
    node.stop().await;
}

#[tokio::test]
async fn a_person_gets_a_page_where_a_program_gets_json() {
    // In a browser: a picture that is not there, a path that is none, a wrong method; addresses for programs stay JSON.
    let node = Node::start().await;
    for (method, path, status, kind) in [
        ("GET", "/uploads/original/2026/a.jpg", 404, "text/html"),
        ("GET", "/uploads/%3Cb%3E", 404, "text/html"),
        ("GET", "/nothing", 404, "text/html"),
        ("DELETE", "/uploads/original/a.jpg", 405, "text/html"),
        ("GET", "/api/v1/upload", 405, "application/json"),
        ("GET", "/api/nothing", 404, "application/json"),
    ] {
        let request = node.client.request(method.parse().unwrap(), node.url(path));
        let response = request.header("accept", "text/html,*/*;q=0.8").send().await.unwrap();
        let got = response.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!((response.status().as_u16(), got.starts_with(kind)), (status, true), "{method} {path}: {got}");
        let text = response.text().await.unwrap();
        assert!(!text.contains("<b>"), "{text}");
        if kind == "text/html" {
            assert!(text.contains(&format!("<h1>{status}</h1>")) && text.contains("lang=\"de\""), "{text}");
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn every_unknown_path_and_method_is_answered_in_json() {
    let node = Node::start().await;
    for (method, path, status, error) in [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/uploads", 404, "not_found"),
        ("GET", "/api/internal/nothing", 404, "not_found"),
        ("GET", "/api/v1/tus", 501, "not_implemented"),
        ("PATCH", "/api/v1/tus/7", 501, "not_implemented"),
        ("POST", "/api/v1/s3", 501, "not_implemented"),
        ("GET", "/api/v1/s3x", 404, "not_found"),
        ("POST", "/api/internal/replicate", 405, "method_not_allowed"),
        ("GET", "/api/v1/upload", 405, "method_not_allowed"),
        ("DELETE", "/uploads/original/a.jpg", 405, "method_not_allowed"),
    ] {
        let request = node.client.request(method.parse().unwrap(), node.url(path));
        let response = request.send().await.unwrap();
        let allow = response.headers().contains_key("allow");
        let (got, body) = answer(response).await;
        assert_eq!((got, body["error"].as_str()), (status, Some(error)), "{method} {path}: {body}");
        assert_eq!(allow, status == 405, "{method} {path}");
    }
    node.stop().await;
}

#[tokio::test]
async fn pages_of_other_origins_may_call_us() {
    // CORS on every answer of the covered routes, errors too; OPTIONS with and without Origin; nothing elsewhere.
    let node = Node::start().await;
    let plain = node.client.request("OPTIONS".parse().unwrap(), node.url("/api/v1/upload")).send().await.unwrap();
    assert_eq!(plain.status(), 204);
    for (method, path, status) in [
        ("OPTIONS", "/api/internal/upload", 204),
        ("OPTIONS", "/api/internal/replicate", 204),
        ("HEAD", "/api/internal/upload", 204),
        ("HEAD", "/api/v1/upload", 204),
        ("POST", "/api/v1/upload", 400),
        ("PUT", "/api/internal/replicate", 401),
        ("GET", "/api/internal/nothing", 404),
        ("GET", "/api/internal/upload", 405),
    ] {
        let request =
            node.client.request(method.parse().unwrap(), node.url(path)).header("origin", "https://a.example");
        let response = request.send().await.unwrap();
        let header = |name: &str| response.headers().get(name).map_or("", |value| value.to_str().unwrap());
        assert_eq!(
            (response.status().as_u16(), header("access-control-allow-origin")),
            (status, "*"),
            "{method} {path}"
        );
        if method == "OPTIONS" {
            assert_eq!(header("access-control-allow-methods"), "POST, PUT, PATCH, DELETE, HEAD, OPTIONS");
            assert!(header("access-control-allow-headers").starts_with("Authorization, Content-Type, X-API-Key, Tus-"));
            assert_eq!(header("access-control-max-age"), "600");
        }
    }
    assert!(!node.get("/healthz").await.headers().contains_key("access-control-allow-origin"));
    node.stop().await;
}

#[tokio::test]
async fn a_node_proves_who_it_is() {
    // The proof is HMAC-SHA256 of `<nonce>.<node_id>`; RFC-style vector made with OpenSSL.
    let node = Node::start().await;
    let (status, body) = answer(node.get("/api/internal/identity?nonce=00ff").await).await;
    let proof = pixelfox_node::secret::SecretPair::new(SECRET, None).identity_proof("00ff", "s01");
    assert_eq!((status, body), (200, json!({ "node_id": "s01", "version": "0.0.0-test", "proof": proof })));
    for query in ["", "?nonce=", "?nonce=xyz", "?other=00", &format!("?nonce={}", "0".repeat(129))] {
        let (status, body) = answer(node.get(&format!("/api/internal/identity{query}")).await).await;
        assert_eq!((status, body["error"].as_str()), (400, Some("bad_request")), "{query}");
    }
    node.stop().await;
    let closed = Node::with(Spec { secrets: Secrets::default(), ..Spec::default() }).await;
    let (status, body) = answer(closed.get("/api/internal/identity?nonce=00ff").await).await;
    assert_eq!((status, body["message"].as_str()), (401, Some("replication disabled")));
    closed.stop().await;
}

#[tokio::test]
async fn a_node_says_how_it_does() {
    let node = Node::start().await;
    assert_eq!(answer(node.get("/healthz").await).await, (200, json!({ "status": "ok" })));
    assert_eq!(answer(node.get("/api/v1/ping").await).await, (200, serde_json::json!({ "ping": "pong" })));
    let (status, body) = answer(node.get("/readyz").await).await;
    assert_eq!((status, &body["reasons"]), (503, &json!(["not attached", "pool 1 is offline"])));
    node.stop().await;
}
