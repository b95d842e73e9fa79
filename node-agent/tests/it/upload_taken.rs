//! `POST /api/internal/upload` and `/api/v1/upload`: what is taken, what becomes of it, and what is answered.

use std::time::Duration;

use pixelfox_node::clock;
use pixelfox_proto::Claims;
use reqwest::multipart::{Form, Part};
use serde_json::json;

use crate::{
    edge_rig::{Node, PHOTO, PNG, Spec, TOKEN_SECRET, Verdict, answer, hex, large_png},
    replicate_rig::until,
};

const FILES: [(&str, &str, &[u8]); 9] = [
    ("jpg", "image/jpeg", PHOTO),
    ("jpg", "image/jpeg", include_bytes!("../fixtures/progressive.jpg")),
    ("png", "image/png", PNG),
    ("gif", "image/gif", include_bytes!("../fixtures/photo.gif")),
    ("webp", "image/webp", include_bytes!("../fixtures/lossy.webp")),
    ("webp", "image/webp", include_bytes!("../fixtures/lossless.webp")),
    ("webp", "image/webp", include_bytes!("../fixtures/alpha.webp")),
    ("avif", "image/avif", include_bytes!("../fixtures/photo.avif")),
    ("bmp", "image/bmp", include_bytes!("../fixtures/photo.bmp")),
];

#[tokio::test]
async fn every_format_is_taken_by_its_content() {
    // Each real file under a name that lies: stored with the right ending, committed with its facts, served as it is.
    let node = Node::start().await;
    for (number, (extension, content_type, bytes)) in FILES.into_iter().enumerate() {
        let (status, body) = node.upload(&Node::token(1, 1 << 20), "C:\\pictures\\cat.txt", bytes.to_vec()).await;
        assert_eq!(status, 200, "{extension}: {body}");
        let commit = node.coordinator.commits().pop().unwrap();
        let meta = commit.meta.unwrap();
        let uuid = body["image_uuid"].as_str().unwrap();
        let day = &commit.stored_path["original/".len().."original/2026/11/24".len()];
        assert_eq!(commit.stored_path, format!("original/{day}/{uuid}.{extension}"));
        assert!(day.split('/').map(str::len).eq([4, 2, 2]), "{day}");
        assert_eq!((commit.pool_id, commit.size, commit.upload_id.as_str()), (1, bytes.len() as u64, uuid));
        assert_eq!(commit.sha256, pixelfox_proto::Sha256::of(bytes).as_bytes());
        assert_eq!((meta.original_name.as_str(), meta.content_type.as_str()), ("cat.txt", content_type));
        assert_eq!((meta.width, meta.height, meta.user_id, meta.kind.as_str()), (24, 16, 7, "original"));
        assert_eq!(meta.image_uuid, uuid);
        let url = format!("http://s01.local/uploads/{}", commit.stored_path);
        let want = json!({
            "image_uuid": uuid,
            "view_url": format!("/i/{}", meta.share_token),
            "url": url,
            "duplicate": false,
            "available_variants": ["original"],
            "variants": { "original": { "original": { "url": url } } },
        });
        assert_eq!(body, want);
        let served = node.get(&format!("/uploads/{}", commit.stored_path)).await;
        assert_eq!(served.headers()["content-type"], content_type);
        assert_eq!(served.headers()["etag"].to_str().unwrap().trim_matches('"'), hex(bytes));
        assert_eq!(served.bytes().await.unwrap(), bytes);
        node.settles_at(1, number + 1).await; // no temp file and no pending entry is left
    }
    node.stop().await;
}

#[tokio::test]
async fn the_token_comes_as_bearer_or_as_a_field_before_or_after_the_file() {
    // With two pools the file that comes first lies in the roomiest one and moves on to the token's.
    let node = Node::with(Spec { pools: vec![1, 2], ..Spec::default() }).await;
    let bytes = large_png(700_000, 1);
    for pool in [1, 2] {
        let token = Node::token(pool, 1 << 20);
        let file = || Part::bytes(bytes.clone()).file_name("a.png");
        let before = Form::new().text("token", token.clone()).text("other", "x").part("file", file());
        let after = Form::new().part("file", file()).text("token", token.clone());
        for (form, path) in [(before, "/api/internal/upload"), (after, "/api/v1/upload")] {
            let response = node.client.post(node.url(path)).multipart(form).send().await.unwrap();
            let (status, body) = answer(response).await;
            assert_eq!(status, 200, "{body}");
            let commit = node.coordinator.commits().pop().unwrap();
            assert_eq!(commit.pool_id, pool);
            assert!(node.files(pool)[&commit.stored_path] == bytes);
        }
        node.settles_at(pool, 2).await;
    }
    node.stop().await;
}

#[tokio::test]
async fn an_upload_through_the_app_is_taken_like_any_other() {
    let node = Node::start().await;
    let exp = clock::unix_seconds() + 60;
    let via = Some(pixelfox_proto::Via::App);
    let token = Claims { user_id: 0, pool_id: 1, max_bytes: 1000, exp, via, visitor: None, settings: None }
        .mint(TOKEN_SECRET.as_bytes());
    assert_eq!(node.upload(&token, "a.jpg", PHOTO.to_vec()).await.0, 200);
    assert_eq!(node.coordinator.commits()[0].meta.as_ref().unwrap().user_id, 0);
    node.stop().await;
}

#[tokio::test]
async fn a_duplicate_is_answered_with_the_earlier_image_and_dropped() {
    let node = Node::start().await;
    let earlier = "0190a6f2-3b5c-4d7e-8f90-a1b2c3d4e5f6";
    node.coordinator.says(Verdict::Duplicate(earlier.to_owned()));
    let (status, body) = node.upload(&Node::token(1, 1 << 20), "a.jpg", PHOTO.to_vec()).await;
    assert_eq!((status, &body["image_uuid"], &body["duplicate"]), (200, &json!(earlier), &json!(true)));
    node.settles_at(1, 0).await;
    node.coordinator.says(Verdict::Repairs(earlier.to_owned()));
    let (status, body) = node.upload(&Node::token(1, 1 << 20), "a.jpg", PHOTO.to_vec()).await;
    assert_eq!((status, &body["image_uuid"], &body["duplicate"]), (200, &json!(earlier), &json!(true)));
    node.settles_at(1, 1).await;
    node.stop().await;
}

#[tokio::test]
async fn an_upload_that_the_coordinator_refuses_is_dropped() {
    let node = Node::start().await;
    node.coordinator.says(Verdict::Refuse);
    let (status, body) = node.upload(&Node::token(1, 1 << 20), "a.jpg", PHOTO.to_vec()).await;
    assert_eq!((status, &body["error"]), (409, &json!("conflict")));
    node.settles_at(1, 0).await;
    node.stop().await;
}

#[tokio::test]
async fn without_an_answer_the_file_stays_and_is_asked_about_again() {
    // The coordinator is away: 503 after the wait, file and entry stay. Then it is back: one round decides, by the
    // same question, with the visit that the picture belongs to.
    let node = Node::start().await;
    node.coordinator.says(Verdict::Away);
    let response = {
        let form = Form::new().part("file", Part::bytes(PHOTO).file_name("a.jpg"));
        let (exp, visitor) = (clock::unix_seconds() + 60, pixelfox_proto::VisitorId::new(u64::MAX));
        let claims = Claims { user_id: 0, pool_id: 1, max_bytes: 1 << 20, exp, via: None, visitor, settings: None };
        let token = claims.mint(TOKEN_SECRET.as_bytes());
        node.client.post(node.url("/api/v1/upload")).bearer_auth(token).multipart(form).send().await.unwrap()
    };
    assert_eq!(response.headers()["retry-after"], "5");
    assert_eq!(answer(response).await.0, 503);
    let asked = node.coordinator.commits();
    assert_eq!(asked[0].visitor, u64::MAX);
    assert!(asked.len() > 1 && asked.iter().all(|commit| commit == &asked[0]), "each time the same question");
    let left = node.files(1);
    let entry = format!(".pixelfox/pending/{}", asked[0].upload_id);
    assert_eq!(left[&entry], asked[0].stored_path.as_bytes());
    assert_eq!((left.len(), &left[&asked[0].stored_path][..]), (2, PHOTO));
    assert_eq!(node.intake.recover().await.left, 1);
    node.coordinator.says(Verdict::Keep);
    assert_eq!(node.intake.recover().await.decided, 1);
    assert_eq!(node.coordinator.commits().pop().unwrap(), asked[0]);
    // The entry goes in the committer's turn.
    let kept = [(asked[0].stored_path.clone(), PHOTO.to_vec())].into();
    until("the file alone is left", || node.files(1) == kept).await;
    assert_eq!(node.intake.recover().await, pixelfox_node::intake::Recovered::default());
    node.stop().await;
}

#[tokio::test]
async fn what_an_earlier_life_left_is_decided_at_the_next_attach() {
    // Three entries as crashes leave them: with its file, which the coordinator refuses; without a file; and one whose
    // name belongs to another upload's file, which must stay.
    let node = Node::start().await;
    node.coordinator.says(Verdict::Away);
    let token = Node::token(1, 1 << 20);
    assert_eq!(node.upload(&token, "a.jpg", PHOTO.to_vec()).await.0, 503);
    node.coordinator.says(Verdict::Keep);
    assert_eq!(node.upload(&token, "b.png", PNG.to_vec()).await.0, 200);
    let kept = node.coordinator.commits().pop().unwrap().stored_path;
    let pending = node.pool_dir(1).join(".pixelfox/pending");
    for (id, path) in
        [("0190a6f2-3b5c-4d7e-8f90-a1b2c3d4e5f6", "original/a"), ("0190a6f2-3b5c-4d7e-8f90-a1b2c3d4e5f7", &kept)]
    {
        std::os::unix::fs::symlink(path, pending.join(id)).unwrap();
    }
    node.coordinator.says(Verdict::Refuse);
    let recovered = node.intake.recover().await;
    assert_eq!((recovered.empty, recovered.left), (2, 0), "{recovered:?}");
    let kept = [(kept, PNG.to_vec())].into();
    until("the other upload's file alone is left", || node.files(1) == kept).await;
    node.stop().await;
}

#[tokio::test]
async fn a_client_that_goes_away_at_the_end_has_uploaded_all_the_same() {
    // The whole body is sent and the connection dropped while the coordinator is away; later the file becomes an image.
    let node = Node::start().await;
    node.coordinator.says(Verdict::Away);
    let form = Form::new().part("file", Part::bytes(PHOTO).file_name("a.jpg"));
    let request = node.client.post(node.url("/api/v1/upload")).bearer_auth(Node::token(1, 1 << 20)).multipart(form);
    tokio::select! {
        early = request.send() => panic!("the coordinator does not answer: {early:?}"),
        () = until("the coordinator is asked", || !node.coordinator.commits().is_empty()) => {}
    }
    node.settles_at(1, 2).await;
    node.coordinator.says(Verdict::Keep);
    node.settles_at(1, 1).await;
    node.stop().await;
}

#[tokio::test]
async fn a_slow_disk_is_waited_for_and_only_the_coordinator_has_a_deadline() {
    // The disk is held up for many times the wait for an answer: the client hears nothing, and then that all is well.
    // The coordinator is away: the same client hears so when the wait is over.
    let node = Node::with(Spec { answer_wait: Duration::from_millis(20), ..Spec::default() }).await;
    let token = Node::token(1, 1 << 20);
    let held = node.hold_disk(1).await;
    let mut upload = Box::pin(node.upload(&token, "a.jpg", PHOTO.to_vec()));
    let early = tokio::time::timeout(Duration::from_millis(600), &mut upload).await;
    assert!(early.is_err() && node.coordinator.commits().is_empty(), "it is not stored yet: {early:?}");
    drop(held);
    assert_eq!(upload.await.0, 200);
    assert_eq!(node.coordinator.commits().len(), 1);
    node.coordinator.says(Verdict::Away);
    assert_eq!(node.upload(&token, "b.png", PNG.to_vec()).await.0, 503);
    assert_eq!(node.coordinator.commits().len(), 2, "the next question is later than the answer");
    node.stop().await;
}
