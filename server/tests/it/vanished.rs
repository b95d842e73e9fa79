//! An action on something that has just gone: between a page and its form somebody else has deleted it. The page says
//! what happened, and what was typed is not lost.

use pixelfox_proto::v1::{
    CreateApiKeyRequest, DeleteImagesRequest, DeletePoolRequest, ListPoolsRequest, RevokeApiKeyRequest, SignOutRequest,
};
use sqlx::{Connection as _, SqliteConnection};

use crate::{
    harness::{TestCluster, png},
    reader::{Page, Reader, escaped},
};

/// The page says these, and nobody's program failed over it.
fn says(page: &Page, what: &str, words: &[&str]) {
    assert!(page.status < 500, "{what}: {} {}", page.status, page.html);
    for word in words {
        assert!(page.html.contains(word), "{what}: no {word} in {}", page.html);
    }
    assert!(!page.is_done(), "{what}: {}", page.said());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_was_deleted_meanwhile_is_said_to_be_gone_and_its_form_is_kept() {
    // Saved, looked at, checked, counted, moved from and to, deleted once more. Saved again, what was typed is a new pool.
    let cluster = TestCluster::start().await;
    let reader = Reader::sign_in(&cluster).await;
    let uuid = cluster.upload(1, png(1, 10)).await["image_uuid"].as_str().unwrap().to_owned();
    let mut admin = cluster.admin();
    let pools = admin.list_pools(ListPoolsRequest {}).await.unwrap().into_inner().pools;
    let pool = pools.iter().find(|pool| pool.id == 3).unwrap();
    admin.delete_pool(DeletePoolRequest { id: 3 }).await.unwrap();
    let base_path = cluster.pool_dir(3).with_file_name("again").display().to_string();
    let typed = [
        ("name", "Bilder & <mehr>"),
        ("node_id", "s02"),
        ("base_path", &base_path),
        ("upload_api_url", &pool.upload_api_url),
        ("public_base_url", &pool.public_base_url),
        ("storage_tier", "cold"),
        ("priority", "7"),
        ("max_size", "3 GB"),
        ("is_active", "1"),
        ("revision", "1"),
    ];
    for more in [vec![], vec![("check", "1")]] {
        let page = reader.send("/admin/storage/3", &[&typed[..], &more].concat()).await;
        says(&page, "its form", &["Es gibt keinen Speicherpool 3", "inzwischen gelöscht", "action=\"/admin/storage\""]);
        says(&page, "its form", &[&escaped("Bilder & <mehr>"), &base_path, "value=\"3 GB\"", "value=\"7\""]);
    }
    let move_it = [("target", "3"), ("limit", ""), ("request_id", "")];
    let image_there = [("uuid", uuid.as_str()), ("target", "3"), ("do", "start"), ("back", "/admin/images")];
    for (path, fields) in [
        ("/admin/storage/3/check", &[][..]),
        ("/admin/storage/3/recount", &[]),
        ("/admin/storage/3/delete", &[]),
        ("/admin/storage/3/move", &[("target", "1"), ("limit", "")]),
        ("/admin/storage/1/move", &move_it),
        ("/admin/images/move", &image_there),
    ] {
        says(&reader.send(path, fields).await, path, &["keinen Speicherpool 3"]);
    }
    for path in ["/admin/storage/3", "/admin/storage/3/delete", "/admin/storage/3/move"] {
        let page = reader.get(path).await;
        assert_eq!(page.status, 404, "{path}");
        says(&page, path, &["Es gibt keinen Speicherpool 3"]);
    }
    let page = reader.send("/admin/storage", &typed).await;
    assert!(page.is_done() && page.html.contains(&escaped("Bilder & <mehr>")), "{}", page.html);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_a_job_or_a_key_that_is_gone_is_said_to_be_gone() {
    let cluster = TestCluster::start().await;
    let reader = Reader::sign_in(&cluster).await;
    let uuid = cluster.upload(1, png(1, 10)).await["image_uuid"].as_str().unwrap().to_owned();
    let mut admin = cluster.admin();
    let key = admin.create_api_key(CreateApiKeyRequest { name: "Blog".into() }).await.unwrap().into_inner().id;
    admin.revoke_api_key(RevokeApiKeyRequest { id: key }).await.unwrap();
    let delete = DeleteImagesRequest { uuids: vec![uuid.clone()], ..DeleteImagesRequest::default() };
    let job = admin.delete_images(delete).await.unwrap().into_inner().job_id;
    cluster.wait_for_end(job).await;
    let image = [("uuid", uuid.as_str()), ("target", "2"), ("do", "start"), ("back", "/admin/images")];
    let change = [("do", "retry"), ("id", "99"), ("back", "/admin/queues")];
    let of_the_image = format!("/admin/images/{uuid}/check");
    let of_the_key = format!("/admin/settings/keys/{key}/revoke");
    for (path, fields, words) in [
        ("/admin/images/selected", &image[..], "gibt es nicht mehr"),
        ("/admin/images/move", &image, "gibt es nicht mehr"),
        ("/admin/images/delete", &image, "gibt es nicht mehr"),
        (&of_the_image, &[], &uuid),
        ("/admin/queues/change", &change, "keinen Auftrag 99"),
        (&of_the_key, &[], "Diesen Schlüssel gibt es nicht"),
    ] {
        says(&reader.send(path, fields).await, path, &[words]);
    }
    for (path, words) in
        [("/admin/queues/99", "Es gibt keinen Auftrag 99"), (&*format!("/admin/images/{uuid}"), &*uuid)]
    {
        let page = reader.get(path).await;
        assert_eq!(page.status, 404, "{path}");
        says(&page, path, &[words]);
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_signed_out_meanwhile_signs_in_and_goes_on_with_what_was_typed() {
    // The session was ended elsewhere; then the account itself was taken away: the door, with the form behind it.
    let cluster = TestCluster::start().await;
    for away in ["session", "account"] {
        let reader = Reader::sign_in(&cluster).await;
        if away == "session" {
            let secret = reader.cookie.split_once('=').unwrap().1.to_owned();
            cluster.admin().sign_out(SignOutRequest { secret }).await.unwrap();
        } else {
            let books = cluster.pool_dir(1).with_file_name("pixelfox.db");
            let mut books = SqliteConnection::connect(&format!("sqlite://{}", books.display())).await.unwrap();
            sqlx::query("DELETE FROM accounts").execute(&mut books).await.unwrap();
        }
        let page = reader.send("/admin/storage/2", &[("name", "getippt"), ("revision", "1")]).await;
        assert_eq!(page.status, 401, "{away}");
        says(&page, away, &["name=\"password\"", "value=\"/admin/storage/2\"", "name=getippt"]);
        let page = reader.get("/admin/storage").await;
        assert_eq!(page.status, 303, "{away}: to the door");
    }
    cluster.shutdown().await;
}
