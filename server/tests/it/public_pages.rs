//! The pages for everyone, as a browser without a script gets them. What the script does is shown in a real browser.

use pixelfox_proto::v1::{DeleteImagesRequest, Settings, UpdateSettingsRequest};
use reqwest::{Response, multipart::Form, multipart::Part};

use crate::{
    app_uploads::file,
    harness::{TestCluster, http_client, png},
};

async fn page(cluster: &TestCluster, path: &str, headers: &[(&str, &str)]) -> (Response, String) {
    let request = http_client().get(format!("http://{}{path}", cluster.app())).header("accept", "text/html");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let head = request.try_clone().unwrap().send().await.unwrap();
    let text = request.send().await.unwrap().text().await.unwrap();
    (head, text)
}

async fn set(cluster: &TestCluster, settings: Settings) {
    let request = UpdateSettingsRequest { settings: Some(settings) };
    cluster.admin().update_settings(request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_upload_page_says_what_is_taken_before_a_choice_is_made() {
    let cluster = TestCluster::start().await;
    let (head, german) = page(&cluster, "/", &[("accept-language", "de")]).await;
    assert_eq!(head.status().as_u16(), 200);
    for word in [
        "<html lang=\"de\">",
        "Bild hochladen",
        "JPG, PNG, GIF, WebP, AVIF oder BMP",
        "bis 512\u{a0}MiB je Bild",
        "höchstens 60 pro Minute",
        "action=\"/upload\"",
    ] {
        assert!(german.contains(word), "no {word} in {german}");
    }
    let policy = head.headers()["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe") && !policy.contains("http://"),
        "{policy}"
    );
    let cookie = head.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("pixelfox_visit=") && cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
    let (again, _) = page(&cluster, "/", &[("cookie", cookie.split(';').next().unwrap())]).await;
    assert!(again.headers().get("set-cookie").is_none(), "a visit goes on");
    let (_, english) = page(&cluster, "/", &[("accept-language", "en")]).await;
    assert!(english.contains("Upload an image") && !english.contains("data-direct"), "{english}");

    set(
        &cluster,
        Settings { direct_upload_enabled: Some(true), upload_max_bytes: Some(10_000_000), ..Settings::default() },
    )
    .await;
    let (head, direct) = page(&cluster, "/", &[]).await;
    let policy = head.headers()["content-security-policy"].to_str().unwrap();
    for node in ["s01", "s02"] {
        assert!(
            policy.contains(&format!("http://{}", cluster.storage_node(node))),
            "the script may not reach {node}: {policy}"
        );
    }
    assert!(direct.contains("data-direct") && direct.contains("data-max=\"10000000\""), "{direct}");
    set(&cluster, Settings { public_uploads: Some(false), ..Settings::default() }).await;
    let (_, closed) = page(&cluster, "/", &[("accept-language", "de")]).await;
    assert!(closed.contains("Hochladen nur mit API-Schlüssel") && !closed.contains("<form"), "{closed}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_images_page_shows_it_with_its_data_and_links() {
    // The name is markup in every place where it could be: it stands there as text. After a move the page shows the new
    // place; after a delete it says that nothing is there.
    let cluster = TestCluster::start().await;
    let name = "<script>alert(1)<\"'&.png";
    let part = Part::bytes(png(1, 1000)).file_name(name);
    let request = http_client().post(format!("http://{}/upload", cluster.app())).header("accept", "text/html");
    let sent = request.multipart(Form::new().part("file", part)).send().await.unwrap();
    let link = sent.headers()["location"].to_str().unwrap().to_owned();
    let (head, text) = page(&cluster, &link, &[("accept-language", "de")]).await;
    assert_eq!(head.status().as_u16(), 200);
    assert!(!text.contains("<script>alert"), "{text}");
    for word in [
        "&#60;script&#62;alert",
        "Direktlink",
        "HTML",
        "BBCode",
        "Markdown",
        "1 × 1 Pixel",
        "PNG",
        "property=\"og:image\"",
        "og:image:width",
    ] {
        assert!(text.contains(word), "no {word} in {text}");
    }
    let image = cluster.image_by_share(&link).await;
    assert!(text.contains(&format!("content=\"{}\"", image.url)), "{text}");
    assert!(text.contains(&format!("content=\"http://{}{link}\"", cluster.app())), "{text}");
    let policy = head.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains(&format!("http://{}", cluster.storage_node("s01"))), "{policy}");
    let batch = cluster.move_images(&[&image.uuid], 3).await;
    cluster.wait_for_end(batch.job_id).await;
    let (_, moved) = page(&cluster, &link, &[]).await;
    assert!(moved.contains(&cluster.image(&image.uuid).await.url), "{moved}");
    let delete = DeleteImagesRequest { uuids: vec![image.uuid], ..DeleteImagesRequest::default() };
    cluster.admin().delete_images(delete).await.unwrap();
    for link in [link.as_str(), "/i/AAAAAAAAAAAA", "/i/x", "/i/%3Cscript%3E"] {
        let (head, text) = page(&cluster, link, &[("accept-language", "de")]).await;
        assert_eq!(head.status().as_u16(), 404, "{link}");
        assert!(text.contains("Hier ist kein Bild (mehr)"), "{link}: {text}");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_form_comes_back_with_the_reason() {
    let cluster = TestCluster::start().await;
    let send = |form: Form| {
        let request = http_client().post(format!("http://{}/upload", cluster.app()));
        request.header("accept", "text/html").header("accept-language", "de").multipart(form).send()
    };
    let none = Form::new().part("file", Part::bytes(Vec::new()).file_name(""));
    let text = Form::new().part("file", Part::bytes(b"hello".to_vec()).file_name("a.png"));
    for (form, status, said) in [(none, 400, "Es wurde kein Bild ausgewählt."), (text, 415, "Das ist kein Bild")] {
        let answer = send(form).await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        let page = answer.text().await.unwrap();
        assert!(page.contains(said) && page.contains("action=\"/upload\""), "{page}");
    }
    set(&cluster, Settings { upload_max_bytes: Some(100), ..Settings::default() }).await;
    let answer = send(file(png(2, 5000))).await.unwrap();
    assert_eq!(answer.status().as_u16(), 413);
    assert!(answer.text().await.unwrap().contains("Das Bild ist zu groß: erlaubt sind 100\u{a0}B"));
    set(&cluster, Settings { upload_rate_limit_per_ip: Some(1), ..Settings::default() }).await;
    let answer = send(file(png(1, 10))).await.unwrap();
    assert_eq!(answer.status().as_u16(), 429);
    let said = |name: &str| answer.headers()[name].to_str().unwrap();
    assert_eq!(["x-rate-limit-scope", "x-rate-limit"].map(said), ["ip", "1/min"]);
    assert!(said("x-rate-count").parse::<u32>().unwrap() > 1 && said("x-rate-ttl") == said("retry-after"));
    assert!(answer.text().await.unwrap().contains("Zu viele Bilder in kurzer Zeit."));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_strays_gets_a_page_with_the_way_home_and_a_program_gets_json() {
    // In a browser: no such page, no such picture, an address that takes forms alone. The switch of language works there.
    let cluster = TestCluster::start().await;
    let german = [("accept-language", "de")];
    for (path, status, said) in [
        ("/nothing", 404, "Diese Seite gibt es nicht"),
        ("/%3Cscript%3Eevil()", 404, "Diese Seite gibt es nicht"),
        ("/uploads", 404, "Hier ist kein Bild (mehr)"),
        ("/uploads/original/2026/01/01/a.png", 404, "Hier ist kein Bild (mehr)"),
        ("/upload", 405, "So geht es hier nicht"),
    ] {
        let (head, text) = page(&cluster, path, &german).await;
        assert_eq!(
            (head.status().as_u16(), &head.headers()["content-type"].as_bytes()[..9]),
            (status, &b"text/html"[..])
        );
        for part in ["<html lang=\"de\">", said, "<a class=\"button\" href=\"/\">Startseite</a>"] {
            assert!(text.contains(part), "{path}: no {part} in {text}");
        }
        assert!(
            !text.contains("<script>evil") && head.headers().contains_key("content-security-policy"),
            "{path}: {text}"
        );
        let json = http_client().get(format!("http://{}{path}", cluster.app())).send().await.unwrap();
        assert_eq!(
            (json.status().as_u16(), &json.headers()["content-type"]),
            (status, &"application/json".parse().unwrap())
        );
    }
    for path in ["/api/nothing", "/api/v1/images/x"] {
        let (head, _) = page(&cluster, path, &german).await;
        assert_eq!(head.headers()["content-type"], "application/json", "{path}");
    }
    let (switched, _) = page(&cluster, "/nothing?lang=en", &german).await;
    assert_eq!((switched.status().as_u16(), &switched.headers()["location"]), (303, &"/nothing".parse().unwrap()));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_icon_and_the_share_link_are_where_programs_look_for_them() {
    // `/favicon.ico` without a page; the Admin service's `share_url` is the page that the upload's answer names.
    let cluster = TestCluster::start().await;
    let icon = http_client().get(format!("http://{}/favicon.ico", cluster.app())).send().await.unwrap();
    assert_eq!((icon.status().as_u16(), &icon.headers()["content-type"]), (200, &"image/svg+xml".parse().unwrap()));
    let answer = cluster.upload(1, png(1, 10)).await;
    let image = cluster.image(answer["image_uuid"].as_str().unwrap()).await;
    assert!(
        image.share_url.starts_with("http") && image.share_url.ends_with(answer["view_url"].as_str().unwrap()),
        "{}",
        image.share_url
    );
    cluster.shutdown().await;
}
