//! `PUT /api/internal/replicate`: every row of the contract's table, with what is on disk afterwards.

use std::fs;

use pixelfox_node::{
    pools::{NodeSettings, Source},
    secret::{SecretPair, Secrets},
};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::edge_rig::{Node, PHOTO, PNG, SECRET, Spec, answer, hex, lines_about};

const PATH: &str = "original/2025/08/31/test.jpg";

fn form(fields: &[(&'static str, &str)]) -> Form {
    fields.iter().fold(Form::new(), |form, (name, value)| form.text(*name, (*value).to_owned()))
}

fn with_file(fields: &[(&'static str, &str)], bytes: &[u8]) -> Form {
    form(fields).part("file", Part::bytes(bytes.to_vec()).file_name("test.jpg"))
}

fn ok() -> Value {
    json!({ "status": "ok" })
}

fn skipped() -> Value {
    json!({ "status": "ok", "skipped": true, "reason": "exists" })
}

fn error(error: &str, message: &str) -> Value {
    json!({ "error": error, "message": message })
}

#[tokio::test]
async fn a_file_is_stored_and_the_second_time_skipped() {
    // 200 twice, with the second one's bytes read and hashed; the file is there once, whole, and served.
    let node = Node::start().await;
    let sha256 = hex(PHOTO).to_uppercase();
    let fields = [("pool_id", "1"), ("stored_path", PATH), ("size", "311"), ("sha256", sha256.as_str())];
    assert_eq!(node.replicate(with_file(&fields, PHOTO)).await, (200, ok()));
    assert_eq!(node.replicate(with_file(&fields, PHOTO)).await, (200, skipped()));
    assert_eq!(node.files(1), [(PATH.to_owned(), PHOTO.to_vec())].into());
    assert_eq!(node.get(&format!("/uploads/{PATH}")).await.bytes().await.unwrap(), PHOTO);
    node.stop().await;
}

#[tokio::test]
async fn every_bad_request_of_the_table() {
    // One row each; nothing on disk changes by any of them.
    let node = Node::start().await;
    let sha256 = hex(PHOTO);
    let (pool, path, sha) = (("pool_id", "1"), ("stored_path", PATH), ("sha256", sha256.as_str()));
    let long = format!("original/{}", "a".repeat(10_000));
    for (why, form, message) in [
        ("no pool", with_file(&[path, sha], PHOTO), "missing pool_id"),
        ("a pool that is no number", with_file(&[("pool_id", "x"), path, sha], PHOTO), "invalid pool_id"),
        ("no path", with_file(&[pool, sha], PHOTO), "missing stored_path"),
        ("half a path", with_file(&[pool, ("relative_path", "original/a"), sha], PHOTO), "missing stored_path"),
        ("traversal", with_file(&[pool, ("stored_path", "original/../../x"), sha], PHOTO), "invalid stored_path"),
        ("backslash", with_file(&[pool, ("stored_path", "original\\a"), sha], PHOTO), "invalid stored_path"),
        ("NUL", with_file(&[pool, ("stored_path", "original/a\0b"), sha], PHOTO), "invalid stored_path"),
        ("10,000 bytes", with_file(&[pool, ("stored_path", &long), sha], PHOTO), "invalid stored_path"),
        ("an empty path", with_file(&[pool, ("stored_path", " "), sha], PHOTO), "invalid path root"),
        ("another root", with_file(&[pool, ("stored_path", "/etc/passwd"), sha], PHOTO), "invalid path root"),
        ("our own directory", with_file(&[pool, ("stored_path", ".pixelfox/x"), sha], PHOTO), "invalid stored_path"),
        ("no file", form(&[pool, path, sha]), "file missing"),
        ("a digest that is none", with_file(&[pool, path, ("sha256", "abc")], PHOTO), "invalid sha256"),
        ("an empty original", with_file(&[pool, path, ("sha256", &hex(b""))], b""), "empty file"),
        ("a larger size", with_file(&[pool, path, ("size", "312"), sha], PHOTO), "size mismatch"),
        ("a smaller size", with_file(&[pool, path, ("size", "310"), sha], PHOTO), "size mismatch"),
    ] {
        assert_eq!(node.replicate(form).await, (400, error("bad_request", message)), "{why}");
        node.settles_at(1, 0).await;
    }
    let invalid_utf8 = Form::new().text("pool_id", "1").part("stored_path", Part::bytes(b"original/\xff".to_vec()));
    let invalid_utf8 = invalid_utf8.text("sha256", sha256.clone()).part("file", Part::bytes(PHOTO));
    assert_eq!(node.replicate(invalid_utf8).await, (400, error("bad_request", "invalid stored_path")));
    let (status, body) = node.replicate(with_file(&[pool, path], PHOTO)).await;
    assert_eq!((status, &body["message"]), (400, &json!("checksum required")));
    let hint = body["hint"].as_str().unwrap();
    assert!(hint.contains("-F \"sha256=$(sha256sum FILE | cut -d' ' -f1)\""), "{hint}");
    assert!(hint.contains("Checksum bei Replikation erzwingen"), "{hint}");
    node.settles_at(1, 0).await;
    node.stop().await;
}

#[tokio::test]
async fn without_the_secret_nothing_is_looked_at() {
    // 401 before all else, even before a form that is none; the previous secret counts while it is set.
    let secrets =
        Secrets { replication: Some(SecretPair::new(SECRET, Some("the one before".to_owned()))), upload_token: None };
    let node = Node::with(Spec { secrets, ..Spec::default() }).await;
    let wrong = (401, error("unauthorized", "invalid replication secret"));
    for (name, value) in [("authorization", "Bearer wrong"), ("x-replicate-secret", "wrong"), ("x-other", "")] {
        let request = node.client.put(node.url("/api/internal/replicate")).header(name, value).body("no form");
        assert_eq!(answer(request.send().await.unwrap()).await, wrong, "{name}");
    }
    let before = "bEARER the one before".to_owned();
    for (name, value) in [("authorization", before), ("x-replicate-secret", SECRET.to_owned())] {
        let request = node.client.put(node.url("/api/internal/replicate")).header(name, value).body("no form");
        let invalid = (400, error("bad_request", "invalid multipart form"));
        assert_eq!(answer(request.send().await.unwrap()).await, invalid, "{name}");
    }
    node.stop().await;
    let closed = Node::with(Spec { secrets: Secrets::default(), ..Spec::default() }).await;
    let disabled = (401, error("unauthorized", "replication disabled"));
    assert_eq!(closed.replicate(with_file(&[("pool_id", "1")], PHOTO)).await, disabled);
    closed.stop().await;
}

#[tokio::test]
async fn a_pool_that_is_not_here_is_named_with_its_node() {
    let node = Node::start().await;
    let sha256 = hex(PHOTO);
    for (pool, message) in [("9", "pool 9 is on node s09"), ("7", "no pool 7 in this cluster")] {
        let fields = [("pool_id", pool), ("stored_path", PATH), ("sha256", sha256.as_str())];
        let (status, body) = node.replicate(with_file(&fields, PHOTO)).await;
        assert_eq!((status, &body["error"]), (421, &json!("misdirected_request")));
        assert_eq!(body["message"], message);
    }
    // The fields come first in the order of checks, also those that follow the file.
    let (status, body) = node.replicate(with_file(&[("pool_id", "7"), ("stored_path", PATH)], PHOTO)).await;
    assert_eq!((status, &body["message"]), (400, &json!("checksum required")));
    node.settles_at(1, 0).await;
    node.stop().await;
}

#[tokio::test]
async fn a_node_that_can_not_take_anything_says_why() {
    // 503 before the coordinator was heard and for a pool that is offline, 507 for one that is full or not active.
    let sha256 = hex(PHOTO);
    let fields = [("pool_id", "1"), ("stored_path", PATH), ("sha256", sha256.as_str())];
    let silent = Node::with(Spec { source: None, ..Spec::default() }).await;
    let (status, body) = silent.replicate(with_file(&fields, PHOTO)).await;
    assert_eq!((status, &body["error"]), (503, &json!("service_unavailable")), "{body}");
    silent.stop().await;
    let offline = Node::with(Spec { tell: |told| told.initialize = false, ..Spec::default() }).await;
    let unhealthy = (503, error("service_unavailable", "target pool unhealthy"));
    assert_eq!(offline.replicate(with_file(&fields, PHOTO)).await, unhealthy);
    offline.stop().await;
    let full: fn(&mut pixelfox_node::pools::NodePool) = |told| told.max_size = 310;
    let inactive: fn(&mut pixelfox_node::pools::NodePool) = |told| told.is_active = false;
    for (tell, hint) in [
        (full, "pool pool 1 (1) has room for 3"),
        (full, "its max_size is 310 bytes and 0 bytes are taken"),
        (inactive, "pool pool 1 (1) is not active"),
    ] {
        let node = Node::with(Spec { tell, ..Spec::default() }).await;
        let sized = [&fields[..], &[("size", "311")]].concat();
        for fields in [&fields[..], &sized] {
            let (status, mut body) = node.replicate(with_file(fields, PHOTO)).await;
            let said = body.as_object_mut().unwrap().remove("hint").unwrap();
            assert!(said.as_str().unwrap().contains(hint), "{said}");
            assert_eq!((status, body), (507, error("insufficient_storage", "insufficient capacity")));
        }
        node.settles_at(1, 0).await;
        node.stop().await;
    }
}

#[tokio::test]
async fn wrong_bytes_never_harm_what_is_there() {
    // 422 for bytes that are not the announced ones, before and after a good copy came.
    let node = Node::start().await;
    let sha256 = hex(PHOTO);
    let fields = [("pool_id", "1"), ("stored_path", PATH), ("sha256", sha256.as_str())];
    let mismatch = (422, error("unprocessable_entity", "checksum mismatch"));
    assert_eq!(node.replicate(with_file(&fields, PNG)).await, mismatch);
    node.settles_at(1, 0).await;
    assert_eq!(node.replicate(with_file(&fields, PHOTO)).await, (200, ok()));
    assert_eq!(node.replicate(with_file(&fields, PNG)).await, mismatch);
    node.settles_at(1, 1).await;
    assert_eq!(node.files(1)[PATH], PHOTO);
    node.stop().await;
}

#[tokio::test]
async fn other_bytes_on_record_stay() {
    // 409 for an upload's file; one without a record is set aside for bytes that a digest proves.
    let node = Node::start().await;
    let (_, uploaded) = node.upload(&Node::token(1, 1 << 20), "a.png", PNG.to_vec()).await;
    let url = uploaded["url"].as_str().unwrap();
    let path = &url[url.find("original/").unwrap()..];
    let sha256 = hex(PHOTO);
    let (status, body) =
        node.replicate(with_file(&[("pool_id", "1"), ("stored_path", path), ("sha256", &sha256)], PHOTO)).await;
    assert_eq!((status, &body["error"]), (409, &json!("conflict")));
    assert_eq!(node.files(1)[path], PNG);
    fs::create_dir_all(node.pool_dir(1).join("original/2025/08/31")).unwrap();
    fs::write(node.pool_dir(1).join(PATH), PNG).unwrap();
    let fields = [("pool_id", "1"), ("stored_path", PATH), ("sha256", sha256.as_str())];
    assert_eq!(node.replicate(with_file(&fields, PHOTO)).await, (200, ok()));
    assert_eq!(node.files(1)[PATH], PHOTO);
    let aside: Vec<_> = node.files(1).into_iter().filter(|(name, _)| name.contains("/quarantine/")).collect();
    assert_eq!(aside.len(), 1);
    assert_eq!(aside[0].1, PNG);
    node.stop().await;
}

#[tokio::test]
async fn an_equal_size_alone_proves_nothing() {
    // Other bytes of the same size under the same path, without a digest: no 200, on which the sender would delete.
    let settings = NodeSettings { require_checksum: false, ..NodeSettings::default() };
    let node = Node::with(Spec { settings, ..Spec::default() }).await;
    let fields = [("pool_id", "1"), ("stored_path", PATH), ("size", "311")];
    assert_eq!(node.replicate(with_file(&fields, PHOTO)).await, (200, ok()));
    assert_eq!(node.replicate(with_file(&fields, PHOTO)).await, (200, skipped()));
    let mut other = PHOTO.to_vec();
    other[200] ^= 1;
    let (status, body) = node.replicate(with_file(&fields, &other)).await;
    assert_eq!((status, &body["error"]), (409, &json!("conflict")));
    assert_eq!(node.files(1), [(PATH.to_owned(), PHOTO.to_vec())].into());
    node.welcome(Source::Coordinator).await;
    assert_eq!(node.files(1)[PATH], PHOTO);
    node.stop().await;
}

#[tokio::test]
async fn each_outcome_has_its_line_in_the_log() {
    // The texts of the contract, found by a path of this test's own. All other tests log beside it.
    let path = "original/of/the/log.jpg";
    let full = Node::with(Spec { tell: |told| told.is_active = false, ..Spec::default() }).await;
    let offline = Node::with(Spec { tell: |told| told.initialize = false, ..Spec::default() }).await;
    let node = Node::start().await;
    let sha256 = hex(PHOTO);
    let fields = [("pool_id", "1"), ("stored_path", path), ("size", "311"), ("sha256", sha256.as_str())];
    for (node, form) in [
        (&node, with_file(&fields, PHOTO)),
        (&node, with_file(&fields, PHOTO)),
        (&node, with_file(&[fields[0], fields[1], fields[3]], PNG)),
        (&node, with_file(&fields[..3], PHOTO)),
        (&node, with_file(&[fields[0], ("stored_path", "original/../log.jpg"), fields[3]], PHOTO)),
        (&offline, with_file(&fields, PHOTO)),
        (&full, with_file(&fields, PHOTO)),
    ] {
        node.replicate(form).await;
    }
    let about = [lines_about(path), lines_about("original/../log.jpg")].concat();
    let facts = "(pool_id=1, path=original/of/the/log.jpg";
    for (level, want) in [
        ("INFO", format!("[Replicate] Stored file {facts}, size=311) from 127.0.0.1")),
        ("INFO", format!("[Replicate] Skip existing file {facts}, size=311) from 127.0.0.1")),
        ("WARN", format!("[Replicate] Checksum mismatch {facts}) from 127.0.0.1")),
        ("WARN", format!("[Replicate] Missing required checksum {facts}) from 127.0.0.1")),
        ("WARN", "[Replicate] Rejected traversal path from 127.0.0.1: original/../log.jpg".to_owned()),
        ("WARN", format!("[Replicate] Target pool unhealthy {facts}) from 127.0.0.1")),
        ("WARN", format!("[Replicate] Insufficient capacity {facts}, size=311) from 127.0.0.1")),
    ] {
        let lines = about.iter().filter(|line| line.contains(&want) && line.contains(level)).count();
        assert_eq!(lines, 1, "{want}: {about:#?}");
    }
    let before = lines_about("[Replicate] Unauthorized attempt from 127.0.0.1").len();
    node.client.put(node.url("/api/internal/replicate")).body("x").send().await.unwrap();
    assert!(lines_about("[Replicate] Unauthorized attempt from 127.0.0.1").len() > before);
    for node in [node, offline, full] {
        node.stop().await;
    }
}
