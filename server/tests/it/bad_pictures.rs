//! Pictures that are cut, damaged or something else, sent for real: a clear answer each, nothing half stored.

use reqwest::multipart::{Form, Part};

use crate::{
    app_uploads::{all_files, images, through_app},
    harness::{PATIENCE, TestCluster},
};

const PICTURES: [(&str, &[u8]); 9] = [
    ("photo.jpg", include_bytes!("../../../node-agent/tests/fixtures/photo.jpg")),
    ("progressive.jpg", include_bytes!("../../../node-agent/tests/fixtures/progressive.jpg")),
    ("photo.png", include_bytes!("../../../node-agent/tests/fixtures/photo.png")),
    ("photo.gif", include_bytes!("../../../node-agent/tests/fixtures/photo.gif")),
    ("lossy.webp", include_bytes!("../../../node-agent/tests/fixtures/lossy.webp")),
    ("lossless.webp", include_bytes!("../../../node-agent/tests/fixtures/lossless.webp")),
    ("alpha.webp", include_bytes!("../../../node-agent/tests/fixtures/alpha.webp")),
    ("photo.avif", include_bytes!("../../../node-agent/tests/fixtures/photo.avif")),
    ("photo.bmp", include_bytes!("../../../node-agent/tests/fixtures/photo.bmp")),
];

async fn send(cluster: &TestCluster, name: &str, bytes: Vec<u8>) -> (u16, serde_json::Value) {
    through_app(cluster, Form::new().part("file", Part::bytes(bytes).file_name(name.to_owned()))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_of_any_type_that_is_cut_or_damaged_is_stored_whole_or_not_at_all() {
    // Each type cut at eight places and with its head damaged; under the name of another type it is what it is. What is cut
    // is refused. What is taken (a file with a right head and its end is one, whatever it shows) lies there once; of the
    // rest there is nothing.
    let cluster = TestCluster::start().await;
    let off = pixelfox_proto::v1::Settings { upload_rate_limit_per_ip: Some(0), ..Default::default() };
    let off = pixelfox_proto::v1::UpdateSettingsRequest { settings: Some(off) };
    cluster.admin().update_settings(off).await.unwrap();
    let (mut taken, mut refused) = (0, 0);
    for (name, whole) in PICTURES {
        let cuts = (1..=8).map(|eighth| whole[..whole.len() * eighth / 9].to_vec());
        let damaged = (0..12).step_by(3).map(|at| {
            let mut bytes = whole.to_vec();
            bytes[at] ^= 0xff;
            bytes
        });
        for bytes in cuts.chain(damaged) {
            let length = bytes.len();
            let (status, answer) = send(&cluster, name, bytes).await;
            match status {
                200 if length == whole.len() => taken += 1,
                415 => refused += 1,
                _ => panic!("{name} of {length} bytes: {status} {answer}"),
            }
            assert!(status == 200 || !answer["message"].as_str().unwrap_or_default().is_empty(), "{name}: {answer}");
        }
        let (status, answer) = send(&cluster, "wrong.exe", whole.to_vec()).await;
        assert_eq!(status, 200, "{name} by its content: {answer}");
        let extension = name.rsplit('.').next().unwrap();
        assert!(answer["url"].as_str().unwrap().ends_with(&format!(".{extension}")), "{name}: {answer}");
        taken += 1;
    }
    assert!(refused >= 8 * PICTURES.len(), "{refused} refused, {taken} taken");
    let stored_files = || all_files(&cluster).into_iter().filter(|file| file.contains("original/")).count();
    let left = || all_files(&cluster).into_iter().filter(|file| file.contains("incoming")).collect::<Vec<_>>();
    let stored = async {
        while stored_files() != taken || !left().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, stored).await.is_ok(), "{taken}: {:?}", all_files(&cluster));
    assert_eq!(images(&cluster).await, u64::try_from(taken).unwrap());
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_in_a_picture_is_never_served_as_a_page() {
    // HTML in a comment of a JPEG: refused, or served as the picture that it is, with nothing that could run.
    let cluster = TestCluster::start().await;
    let jpeg = PICTURES[0].1;
    let page = b"<html><script>alert(1)</script></html>";
    let length = u16::try_from(page.len() + 2).unwrap().to_be_bytes();
    let polyglot = [&jpeg[..2], &[0xff, 0xfe], &length, page, &jpeg[2..]].concat();
    let trailing = [jpeg, page].concat();
    for (why, bytes) in [("in a comment", polyglot), ("behind the picture", trailing)] {
        let (status, answer) = send(&cluster, "a.html", bytes).await;
        if status == 415 {
            continue;
        }
        assert_eq!(status, 200, "{why}: {answer}");
        let url = answer["url"].as_str().unwrap();
        assert!(url.ends_with(".jpg"), "{why}: {url}");
        let served = crate::harness::http_client().get(url).send().await.unwrap();
        let header = |name: &str| served.headers()[name].to_str().unwrap().to_owned();
        assert_eq!((header("content-type"), header("x-content-type-options")), ("image/jpeg".into(), "nosniff".into()));
        assert_eq!(header("content-security-policy"), "default-src 'none'; sandbox", "{why}");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_token_in_both_places_the_one_in_the_head_counts() {
    let cluster = TestCluster::start().await;
    let good = cluster.upload_token(2);
    for (why, bearer, field, want) in [
        ("the same in both", good.as_str(), good.as_str(), 200),
        ("a bad one in the head", "bad", &good, 401),
        ("a bad one in the field", &good, "bad", 200),
    ] {
        let part = Part::bytes(PICTURES[2].1.to_vec()).file_name("a.png");
        let form = Form::new().text("token", field.to_owned()).part("file", part);
        let request =
            crate::harness::http_client().post(format!("http://{}/api/v1/upload", cluster.storage_node("s01")));
        let answer = request.bearer_auth(bearer).multipart(form).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), want, "{why}");
    }
    cluster.shutdown().await;
}
