//! A pool's form: what is looked for before it is saved, each finding with its field, and what can be saved over.

use pixelfox_proto::v1::{self, finding::Status};
use prost::Message as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};
use tonic::Code;

use crate::harness::{Admin, TestCluster};

/// A second pool of s01 that is right in everything.
async fn form(cluster: &TestCluster) -> v1::Pool {
    let img1 = cluster.admin().get_pool(v1::GetPoolRequest { id: 2 }).await.unwrap().into_inner();
    let base_path = cluster.pool_dir(2).with_file_name("second").display().to_string();
    v1::Pool { id: 0, name: "second".into(), base_path, ..img1 }
}

async fn findings(admin: &mut Admin, pool: v1::Pool) -> Vec<v1::Finding> {
    let request = v1::CheckPoolDraftRequest { pool: Some(pool) };
    admin.check_pool_draft(request).await.unwrap().into_inner().findings
}

/// Field, status and text of what is not well.
fn ill(findings: &[v1::Finding]) -> Vec<(&str, Status, String)> {
    let ill = findings.iter().filter(|it| it.status() != Status::Ok);
    ill.map(|it| (it.field.as_str(), it.status(), format!("{} | {}", it.message, it.advice))).collect()
}

async fn closed_port() -> String {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string()
}

/// An older PixelFox, as far as it can be told: 204 where uploads go, and pong.
pub(crate) async fn older_pixelfox() -> (String, JoinSet<()>) {
    somebody(|head| match &head[..4] {
        b"HEAD" => b"HTTP/1.1 204 No Content\r\n\r\n",
        _ if head.starts_with(b"GET /api/v1/ping") => {
            b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"ping\":\"pong\"}"
        }
        _ => b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
    })
    .await
}

/// Whoever answers as a node that has no secret.
async fn without_secret() -> (String, JoinSet<()>) {
    somebody(|_| b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 20\r\n\r\nreplication disabled").await
}

/// Gives one answer to each connection, by the head of its request.
async fn somebody(answer: fn(&[u8]) -> &'static [u8]) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer(&head)).await.unwrap();
        }
    });
    (address, serving)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_finding_names_its_field_and_only_doubts_are_saved_over() {
    // One thing wrong at a time: exactly its field is named, with the cure. Errors stay errors with save_anyway.
    use Status::{Failed, Warning};
    let cluster = TestCluster::start().await;
    let mut admin = cluster.admin();
    let right = form(&cluster).await;
    let closed = closed_port().await;
    assert_eq!(ill(&findings(&mut admin, right.clone()).await), []);
    let other = |node: &str| format!("http://{}", cluster.storage_node(node));
    let with = |change: &dyn Fn(&mut v1::Pool)| {
        let mut pool = right.clone();
        change(&mut pool);
        pool
    };
    #[rustfmt::skip]
    let rows = [
        ("/uploads at its end", with(&|it| it.public_base_url += "/uploads"), "public_base_url", Failed, "leave out /uploads"),
        ("another node in public", with(&|it| it.public_base_url = other("s02")), "public_base_url", Failed, "leads to node s02, not to node s01"),
        ("nobody in public", with(&|it| it.public_base_url = format!("http://{closed}")), "public_base_url", Warning, "/healthz"),
        ("another node takes uploads", with(&|it| it.upload_api_url = format!("{}/api/internal/upload", other("s02"))), "upload_api_url", Failed, "leads to node s02, not to node s01"),
        ("nobody takes uploads", with(&|it| it.upload_api_url = format!("http://{closed}/api/internal/upload")), "upload_api_url", Warning, "can't reach"),
        ("a name twice", with(&|it| it.name = "img2".into()), "name", Failed, "choose another"),
        ("another pool's directory", with(&|it| it.base_path = cluster.pool_dir(3).display().to_string()), "base_path", Failed, "img2 (3)"),
        ("outside of the roots", with(&|it| it.base_path = "/etc/pool".into()), "base_path", Failed, "STORAGE_ROOTS of node s01"),
        ("a misspelt path", with(&|it| it.base_path = it.base_path.replace("/second", "/uplods/second")), "base_path", Warning, "/uplods above it"),
        ("no such tier", with(&|it| it.storage_tier = "tepid".into()), "storage_tier", Failed, "must be hot"),
    ];
    for (why, pool, field, status, words) in rows {
        let found = findings(&mut admin, pool.clone()).await;
        let seen = ill(&found);
        assert!(
            seen.iter().all(|it| (it.0, it.1) == (field, status) && it.2.contains(words)) && !seen.is_empty(),
            "{why}: {seen:#?}"
        );
        let request = |save_anyway| v1::CreatePoolRequest { pool: Some(pool.clone()), save_anyway };
        let refused = admin.create_pool(request(status == Failed)).await.unwrap_err();
        assert!(
            refused.message().contains(&format!("{field}: ")) && refused.message().contains(words),
            "{why}: {refused}"
        );
        assert_eq!(details(&refused).iter().filter(|it| it.field == field).count(), seen.len(), "{why}");
    }
    let odd = with(&|it| it.public_base_url = format!("http://{closed}"));
    let saved = admin.create_pool(v1::CreatePoolRequest { pool: Some(odd), save_anyway: true }).await.unwrap();
    assert_eq!(saved.into_inner().name, "second");
    cluster.shutdown().await;
}

/// The findings in the status of a refused save.
fn details(refused: &tonic::Status) -> Vec<v1::Finding> {
    #[derive(Clone, PartialEq, prost::Message)]
    struct RichStatus {
        #[prost(message, repeated, tag = "3")]
        details: Vec<prost_types::Any>,
    }
    let rich = RichStatus::decode(refused.details()).unwrap();
    let [any] = &rich.details[..] else { panic!("{rich:?}") };
    assert_eq!(any.type_url, "type.googleapis.com/pixelfox.v1.PoolFindings");
    v1::PoolFindings::decode(any.value.as_slice()).unwrap().findings
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_away_is_a_doubt_and_who_saves_is_not_asked_about_what_did_not_change() {
    // s02 is stopped: a new pool there is saved with save_anyway only, and a new description of its old one simply is;
    // who only looks at the old one is told of every doubt.
    let mut cluster = TestCluster::start().await;
    let mut admin = cluster.admin();
    let img2 = admin.get_pool(v1::GetPoolRequest { id: 3 }).await.unwrap().into_inner();
    cluster.cluster().stop_storage_node("s02").await;
    let base_path = cluster.pool_dir(3).with_file_name("more").display().to_string();
    let more = v1::Pool { id: 0, name: "more".into(), base_path, ..img2.clone() };
    let seen = findings(&mut admin, more.clone()).await;
    let fields: Vec<_> = ill(&seen).into_iter().map(|(field, status, _)| (field, status)).collect();
    let doubts = ["node_id", "upload_api_url", "public_base_url"];
    assert!(fields.iter().all(|it| it.1 == Status::Warning && doubts.contains(&it.0)), "{seen:#?}");
    assert!(doubts.iter().all(|field| fields.iter().any(|it| it.0 == *field)), "{seen:#?}");
    let create = |save_anyway| v1::CreatePoolRequest { pool: Some(more.clone()), save_anyway };
    let refused = admin.create_pool(create(false)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused.message().contains("node s02 is not attached") && refused.message().contains("save_anyway"),
        "{refused}"
    );
    admin.create_pool(create(true)).await.unwrap();
    let looked = findings(&mut admin, img2.clone()).await;
    assert!(doubts.iter().all(|field| ill(&looked).iter().any(|it| it.0 == *field)), "looked at whole: {looked:#?}");
    let told = v1::Pool { description: "in the cellar".into(), ..img2 };
    let request = v1::UpdatePoolRequest { pool: Some(told), ..v1::UpdatePoolRequest::default() };
    assert_eq!(admin.update_pool(request).await.unwrap().into_inner().description, "in the cellar");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_does_not_know_the_secret_is_no_proof_of_a_url() {
    // Another cluster's s01, and whoever answers as a node without a secret: a doubt at either URL, never green.
    let cluster = TestCluster::start().await;
    let mut admin = cluster.admin();
    let (foreign, _serving) = without_secret().await;
    let upload_api_url = format!("http://{foreign}/api/internal/upload");
    let pool = v1::Pool { upload_api_url, public_base_url: format!("http://{foreign}"), ..form(&cluster).await };
    let found = findings(&mut admin, pool).await;
    let ill = ill(&found);
    for (field, says) in [("upload_api_url", "gRPC does not get through"), ("public_base_url", "REPLICATION_SECRET")] {
        let is_said = |(of, status, text): &(&str, Status, String)| {
            *of == field && *status == Status::Warning && text.contains(says)
        };
        assert!(ill.iter().any(is_said), "{field}: {found:#?}");
        let is_green = |it: &v1::Finding| it.field == field && it.status() == Status::Ok;
        assert!(!found.iter().any(is_green), "{field}: {found:#?}");
    }
    let other = TestCluster::start().await;
    let foreign = other.storage_node("s01");
    let upload_api_url = format!("http://{foreign}/api/internal/upload");
    let pool = v1::Pool { upload_api_url, public_base_url: format!("http://{foreign}"), ..form(&cluster).await };
    let found = findings(&mut admin, pool).await;
    for field in ["upload_api_url", "public_base_url"] {
        let of: Vec<&v1::Finding> = found.iter().filter(|it| it.field == field).collect();
        let doubts = of.iter().all(|it| it.status() == Status::Warning && it.message.contains("REPLICATION_SECRET"));
        assert!(doubts && !of.is_empty(), "{field}: {found:#?}");
    }
    other.shutdown().await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_pixelfox_is_recognised_and_confirmed_once() {
    // Behind the upload URL answers one that knows no identity: a doubt on legacy_node, none once that is confirmed.
    let cluster = TestCluster::start().await;
    let mut admin = cluster.admin();
    let (address, _serving) = older_pixelfox().await;
    let upload_api_url = format!("http://{address}/api/internal/upload");
    let pool = v1::Pool { upload_api_url, ..form(&cluster).await };
    let found = findings(&mut admin, pool.clone()).await;
    let [(field, Status::Warning, text)] = &ill(&found)[..] else { panic!("{found:#?}") };
    assert!(*field == "legacy_node" && text.contains("leads to an older PixelFox"), "{text}");
    assert_eq!(ill(&findings(&mut admin, v1::Pool { legacy_node: true, ..pool }).await), []);
    cluster.shutdown().await;
}
