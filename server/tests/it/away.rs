//! A picture whose storage node is away, as its visitors and its uploader see it.

use pixelfox_proto::{Sha256, v1::CreateApiKeyRequest};
use reqwest::{Response, header::ACCEPT};
use serde_json::Value;

use crate::{
    app_uploads::file,
    harness::{PATIENCE, TestCluster, http_client, png},
};

/// An upload through the app with a key.
async fn upload(cluster: &TestCluster, key: &str, bytes: &[u8]) -> Value {
    let request = http_client().post(format!("http://{}/upload", cluster.app())).header("accept", "application/json");
    let answer = request.header("x-api-key", key).multipart(file(bytes.to_vec())).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

fn word<'a>(answer: &'a Value, key: &str) -> &'a str {
    answer[key].as_str().unwrap()
}

/// The image's page, in a browser, once it has that status.
async fn page_says(cluster: &TestCluster, view_url: &str, status: u16) -> String {
    let get = || {
        http_client()
            .get(format!("http://{}{view_url}", cluster.app()))
            .header(ACCEPT, "text/html")
            .header("accept-language", "en")
            .send()
    };
    let looking = async {
        loop {
            let page: Response = get().await.unwrap();
            if page.status() == status {
                return page.text().await.unwrap();
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("{view_url} is never {status}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_on_a_node_that_is_away_is_said_to_be_and_can_be_uploaded_again() {
    // While the node is away: its page says so, and the same bytes become an image that can be seen.
    // When it is back both are there, and the same bytes once more are a duplicate.
    let mut cluster = TestCluster::start().await;
    let key = CreateApiKeyRequest { name: "a".into() };
    let key = cluster.admin().create_api_key(key).await.unwrap().into_inner().key;
    let bytes = png(5, 2_000);
    let first = upload(&cluster, &key, &bytes).await;
    assert_eq!(cluster.image(word(&first, "image_uuid")).await.files[0].pool_id, 2);
    assert_eq!(upload(&cluster, &key, &bytes).await["image_uuid"], first["image_uuid"], "a duplicate");
    page_says(&cluster, word(&first, "view_url"), 200).await;

    assert!(cluster.cluster().stop_storage_node("s01").await);
    let page = page_says(&cluster, word(&first, "view_url"), 503).await;
    let picture = format!("<img src=\"{}\"", word(&first, "url"));
    assert!(page.contains("reached right now") && !page.contains(&picture), "{page}");
    let path = word(&first, "url").split_once("/uploads/").unwrap().1;
    // The node may be cut off from the coordinator alone, and serve on: a link leads there all the same.
    let link = format!("http://{}/uploads/{path}", cluster.app());
    let answer = http_client().get(&link).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()), (307, word(&first, "url")));

    let second = upload(&cluster, &key, &bytes).await;
    assert_eq!(second["duplicate"], false);
    assert_ne!(second["image_uuid"], first["image_uuid"]);
    assert_eq!(cluster.follow(word(&second, "url")).await, (200, 0, Sha256::of(&bytes)));
    assert_eq!(upload(&cluster, &key, &bytes).await["image_uuid"], second["image_uuid"], "the one that can be seen");

    cluster.start_storage_node("s01").await;
    let page = page_says(&cluster, word(&first, "view_url"), 200).await;
    assert!(page.contains(&picture), "{page}");
    assert_eq!(cluster.follow(word(&first, "url")).await, (200, 0, Sha256::of(&bytes)));
    assert_eq!(upload(&cluster, &key, &bytes).await["duplicate"], true);
    cluster.shutdown().await;
}
