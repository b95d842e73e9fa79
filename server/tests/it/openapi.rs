//! `GET /api/openapi.json` says what is there: every path and method in it is answered, every route of docs/http.md is in
//! it, and its references lead somewhere.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use crate::harness::{TestCluster, http_client};

/// Every `$ref` below a value.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_openapi_document_says_what_is_there() {
    let cluster = TestCluster::start().await;
    let url = |path: &str| format!("http://{}{path}", cluster.app());
    let answer = http_client().get(url("/api/openapi.json")).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/json");
    let document: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(
        (&document["openapi"], &document["info"]["version"]),
        (&"3.1.0".into(), &env!("CARGO_PKG_VERSION").into())
    );
    let (mut ids, mut wanted) = (BTreeSet::new(), BTreeSet::new());
    references(&document, &mut wanted);
    for reference in wanted {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference} leads nowhere");
    }
    let paths = document["paths"].as_object().unwrap();
    for (path, methods) in paths {
        let here =
            path.replace("{stored_path}", "original/a.png").replace("{share}", "AAAAAAAAAAAA").replace("{uuid}", "x");
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            assert!(ids.insert(id.clone()), "{id} stands twice");
            let request =
                http_client().request(Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(), url(&here));
            let status = request.send().await.unwrap().status().as_u16();
            let known: Vec<&String> = operation["responses"].as_object().unwrap().keys().collect();
            assert!(known.contains(&&status.to_string()), "{method} {path} answers {status}, not one of {known:?}");
        }
        for scheme in
            methods.as_object().unwrap().values().flat_map(|it| it["security"].as_array().cloned().unwrap_or_default())
        {
            for name in scheme.as_object().unwrap().keys() {
                assert!(document["components"]["securitySchemes"][name].is_object(), "{path}: no scheme {name}");
            }
        }
    }
    for route in
        ["/upload", "/api/internal/replicate", "/api/internal/identity", "/i/{share}", "/readyz", "/api/v1/ping"]
    {
        assert!(paths.contains_key(route), "{route} is missing");
    }
    cluster.shutdown().await;
}
