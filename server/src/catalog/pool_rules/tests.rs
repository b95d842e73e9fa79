//! What a pool must be, as tables of refusals.

use super::*;

fn draft() -> PoolDraft {
    PoolDraft {
        name: "img1".into(),
        node_id: "s01".into(),
        base_path: "/app/uploads_s01".into(),
        upload_api_url: "http://app_s01:4000/api/internal/upload".into(),
        public_base_url: "http://s01.local:8082".into(),
        ..PoolDraft::default()
    }
}

type Change = fn(&mut PoolDraft);

#[test]
fn each_refusal_names_the_field_and_the_cure() {
    let rows: &[(Change, &str)] = &[
        (|d| d.name = " ".into(), "name: needs 1 to 64"),
        (|d| d.node_id = "a/b".into(), "node_id: `a/b` is no NODE_ID"),
        (|d| d.base_path = "uploads".into(), "base_path: must be an absolute path"),
        (|d| d.base_path = "/app/../etc".into(), "base_path: must not contain `..`"),
        (|d| d.base_path = "//.//".into(), "base_path: must not be the root"),
        (|d| d.upload_api_url = "app:4000".into(), "upload_api_url: must begin with http"),
        (|d| d.upload_api_url = String::new(), "upload_api_url: must be a URL like"),
        (|d| d.upload_api_url = "ftp://app/x".into(), "upload_api_url: must begin with http"),
        (|d| d.upload_api_url = "http://u:p@app:1/api/v1/upload".into(), "upload_api_url: must not contain a user"),
        (|d| d.public_base_url = "http://s01/?a".into(), "public_base_url: must not contain `?`"),
        (
            |d| d.public_base_url = "http://s01/uploads/".into(),
            "public_base_url: must be host and port only; leave out /uploads",
        ),
        (|d| d.public_base_url = "http://s01/uploads_s01".into(), "leave out /uploads_s01"),
        (|d| d.storage_type = "s3".into(), "storage_type: s3 is not built yet"),
        (|d| d.storage_type = "tape".into(), "storage_type: must be local or nfs"),
        (|d| d.storage_tier = "tepid".into(), "storage_tier: must be hot"),
        (|d| d.max_size = u64::MAX, "max_size: is too large"),
    ];
    for (change, want) in rows {
        let mut pool = draft();
        change(&mut pool);
        let refusal = PoolSpec::check(&pool, SaveRule::Anyway).expect_err(want);
        assert!(refusal.to_string().contains(want), "{want}: {refusal}");
    }
}

#[test]
fn doubts_are_saved_over_and_errors_are_not() {
    // A public URL with a path and an upload URL of another path only look wrong.
    let mut pool = draft();
    pool.public_base_url = "http://cdn.example/pictures".into();
    pool.upload_api_url = "http://app_s01:4000/up".into();
    let refusal = PoolSpec::check(&pool, SaveRule::Checked).unwrap_err();
    assert!(
        refusal.to_string().contains("public_base_url: should")
            && refusal.to_string().contains("upload_api_url: should")
    );
    assert!(PoolSpec::check(&pool, SaveRule::Anyway).is_ok());
}

#[test]
fn a_pool_is_kept_in_normal_form() {
    let mut pool = draft();
    pool.base_path = " /app//./uploads_s01/ ".into();
    pool.public_base_url = "HTTP://S01.local:8082/".into();
    let spec = PoolSpec::check(&pool, SaveRule::Checked).unwrap();
    assert_eq!((spec.base_path.as_str(), spec.public_base_url.as_str()), ("/app/uploads_s01", "http://s01.local:8082"));
    assert_eq!(spec.upload_api_url, "http://app_s01:4000/api/internal/upload");
    assert_eq!(origin_of(&spec.upload_api_url), "http://app_s01:4000");
}

#[test]
fn directories_in_each_other_overlap_and_neighbours_do_not() {
    for (a, b, want) in [("/a", "/a", true), ("/a/b", "/a", true), ("/a", "/a/b/c", true), ("/a", "/ab", false)] {
        assert_eq!(overlap(a, b), want, "{a} {b}");
    }
}

#[test]
fn the_name_of_an_automatic_pool() {
    for (why, node, taken, want) in [
        ("the digits at the end", "s01", &[][..], "img1"),
        ("all of them", "node120", &[], "img120"),
        ("no digits: the next free number", "paris", &["img1"], "img2"),
        ("taken: the next free number", "s01", &["img1", "img2"], "img3"),
        ("digits beyond counting", "s99999999999999999999999", &[], "img1"),
    ] {
        let taken = taken.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(auto_pool_name(&node.parse().unwrap(), &taken), want, "{why}");
    }
}
