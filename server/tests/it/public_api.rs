//! Keys, upload sessions, what became of an image, limits, visits: the public routes of the server.

use pixelfox_proto::v1::{
    CreateApiKeyRequest, ListApiKeysRequest, RevokeApiKeyRequest, Settings, SignInRequest, SignOutRequest,
    UpdateSettingsRequest,
};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::{
    app_uploads::{change_pool, file, through_app},
    harness::{TestCluster, http_client, png},
};

/// For a node to hear of a change of the settings.
const WITHIN: std::time::Duration = std::time::Duration::from_secs(5);

fn call(cluster: &TestCluster, method: Method, path: &str) -> RequestBuilder {
    http_client().request(method, format!("http://{}{path}", cluster.app())).header("accept", "application/json")
}

async fn read(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}

async fn set(cluster: &TestCluster, settings: Settings) {
    let request = UpdateSettingsRequest { settings: Some(settings) };
    cluster.admin().update_settings(request).await.unwrap();
}

/// A new key: its id, its word, its user.
async fn new_key(cluster: &TestCluster, name: &str) -> (u64, String, u64) {
    let key = cluster.admin().create_api_key(CreateApiKeyRequest { name: name.into() }).await.unwrap().into_inner();
    (key.id, key.key, key.user_id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_shown_once_opens_what_it_should_and_nothing_once_it_is_revoked() {
    let cluster = TestCluster::start().await;
    set(&cluster, Settings { public_uploads: Some(false), ..Settings::default() }).await;
    let (id, word, user) = new_key(&cluster, " Blog ").await;
    let (_, _, other_user) = new_key(&cluster, "Shop").await;
    assert!(user != 0 && user != other_user);
    let list = || async { cluster.admin().list_api_keys(ListApiKeysRequest {}).await.unwrap().into_inner().keys };
    let listed = list().await.remove(0);
    assert_eq!((listed.name.as_str(), listed.key.as_str(), listed.last_used), ("Blog", "", None));

    let upload = |key: Option<(&str, String)>| {
        let request = call(&cluster, Method::POST, "/upload").multipart(file(png(1, 1000)));
        key.into_iter().fold(request, |request, (name, value)| request.header(name, value))
    };
    let (status, first) = read(upload(Some(("x-api-key", word.clone())))).await;
    assert_eq!((status, &first["duplicate"]), (200, &json!(false)), "{first}");
    let (status, again) = read(upload(Some(("authorization", format!("Bearer {word}"))))).await;
    assert_eq!((status, &again["duplicate"]), (200, &json!(true)), "the same bytes of the same user: {again}");
    assert_eq!(again["image_uuid"], first["image_uuid"]);
    assert!(list().await[0].last_used.is_some());

    let image = |key: &str| {
        let path = format!("/api/v1/images/{}", first["image_uuid"].as_str().unwrap());
        call(&cluster, Method::GET, &path).header("x-api-key", key)
    };
    assert_eq!(read(image(&word)).await, (200, first.clone()), "the upload's answer once more");
    cluster.admin().revoke_api_key(RevokeApiKeyRequest { id }).await.unwrap();
    let gone = cluster.admin().revoke_api_key(RevokeApiKeyRequest { id }).await.unwrap_err();
    assert_eq!(gone.code(), tonic::Code::NotFound);
    for (why, request, message) in [
        ("revoked", upload(Some(("x-api-key", word.clone()))), "Invalid API key"),
        ("made up", upload(Some(("x-api-key", "pfk_nothing".into()))), "Invalid API key"),
        ("none", upload(None), "uploads need an API key or a login here"),
        ("an image by a revoked one", image(&word), "Invalid API key"),
        ("an image by none", image(""), "Missing API key"),
        ("a session by none", call(&cluster, Method::POST, "/api/v1/upload/sessions"), "Missing API key"),
    ] {
        let (status, answer) = read(request).await;
        assert_eq!((status, answer["message"].as_str()), (401, Some(message)), "{why}");
    }
    for name in ["", " ", "a\nb"] {
        let refused = cluster.admin().create_api_key(CreateApiKeyRequest { name: name.into() }).await.unwrap_err();
        assert!(refused.message().starts_with("name: "), "{refused}");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_gives_leave_for_the_best_pools_node() {
    // By key whatever the setting, for the page only where direct uploads are on; what it gives takes the file.
    let cluster = TestCluster::start().await;
    let (_, word, _) = new_key(&cluster, "Blog").await;
    let by_key = |body: &str| {
        let request = call(&cluster, Method::POST, "/api/v1/upload/sessions").header("x-api-key", &word);
        request.body(body.to_owned())
    };
    for body in
        ["", "{}", "[]", "{\"file_size\":0}", "{\"file_size\":-1}", "{\"file_size\":\"9\"}", "{\"file_size\":1.5}"]
    {
        let (status, answer) = read(by_key(body)).await;
        assert_eq!((status, answer["message"].as_str()), (400, Some("file_size must be > 0")), "{body}");
    }
    set(&cluster, Settings { upload_max_bytes: Some(2_000_000), ..Settings::default() }).await;
    for size in [1000, 5_000_000_000_u64] {
        let (status, offer) = read(by_key(&json!({ "file_size": size }).to_string())).await;
        assert_eq!((status, &offer["max_bytes"], &offer["pool_id"]), (200, &json!(2_000_000), &json!(2)), "{offer}");
        let url = offer["upload_url"].as_str().unwrap();
        assert_eq!(url, format!("http://{}/api/v1/upload", cluster.storage_node("s01")));
        let left = offer["expires_at"].as_i64().unwrap() - pixelfox_node::clock::unix_seconds();
        assert!((1790..=1800).contains(&left), "{left}");
        let direct = http_client().post(url).bearer_auth(offer["token"].as_str().unwrap());
        let (status, answer) = read(direct.multipart(file(png(7, 1000)))).await;
        assert_eq!(status, 200, "{answer}");
    }
    let of_page = || call(&cluster, Method::POST, "/api/internal/upload/sessions").body("{\"file_size\":10}");
    assert_eq!(read(of_page()).await.0, 403);
    set(&cluster, Settings { direct_upload_enabled: Some(true), ..Settings::default() }).await;
    let (status, offer) = read(of_page()).await;
    assert_eq!((status, &offer["pool_id"]), (200, &json!(2)), "{offer}");
    set(&cluster, Settings { public_uploads: Some(false), ..Settings::default() }).await;
    assert_eq!(read(of_page()).await.0, 401);
    for pool in 1..=3 {
        change_pool(&cluster, pixelfox_proto::v1::Pool { id: pool, ..Default::default() }, "is_active").await;
    }
    assert_eq!(read(by_key("{\"file_size\":10}")).await.0, 503, "no pool takes uploads");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_switched_off_ends_the_tokens_of_the_page_and_of_nobody_else() {
    // A visitor's token and a key's, taken while everything is on; the node hears of each switch by itself.
    let cluster = TestCluster::start().await;
    let (_, word, _) = new_key(&cluster, "Blog").await;
    let switches = |direct, public| Settings {
        direct_upload_enabled: Some(direct),
        public_uploads: Some(public),
        upload_rate_limit_per_ip: Some(0),
        ..Settings::default()
    };
    set(&cluster, switches(true, true)).await;
    let ask = |path: &str| call(&cluster, Method::POST, path).body("{\"file_size\":10}");
    let of_page = read(ask("/api/internal/upload/sessions")).await.1;
    let of_key = read(ask("/api/v1/upload/sessions").header("x-api-key", &word)).await.1;
    let upload = |offer: &Value| {
        let request = http_client().post(offer["upload_url"].as_str().unwrap());
        read(request.bearer_auth(offer["token"].as_str().unwrap()).multipart(file(png(1, 100))))
    };
    assert_eq!(upload(&of_page).await.0, 200, "at once, though the node may not have heard of the switch yet");
    for (direct, public, off) in [(true, false, "public_uploads"), (false, true, "direct_upload_enabled")] {
        set(&cluster, switches(direct, public)).await;
        let refused = async {
            loop {
                let (status, answer) = upload(&of_page).await;
                if status != 200 {
                    return (status, answer);
                }
            }
        };
        let (status, answer) = tokio::time::timeout(WITHIN, refused).await.expect("the node hears of it");
        assert_eq!((status, &answer["message"]), (401, &json!("invalid token")), "{answer}");
        assert!(answer["hint"].as_str().unwrap().starts_with(off), "{answer}");
        assert_eq!(upload(&of_key).await.0, 200, "a key's token is bound to no page");
        set(&cluster, switches(true, true)).await;
        let allowed = async { while upload(&of_page).await.0 != 200 {} };
        tokio::time::timeout(WITHIN, allowed).await.expect("switched on again, it counts again");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_says_whether_an_image_is_there() {
    let cluster = TestCluster::start().await;
    let upload = cluster.upload(1, png(1, 100)).await;
    let uuid = upload["image_uuid"].as_str().unwrap().to_owned();
    let unknown = json!({ "complete": false, "failed": false, "view_url": null });
    let there = json!({ "complete": true, "failed": false, "view_url": upload["view_url"] });
    for route in ["/api/internal/images", "/api/v1/images"] {
        for (id, want) in [
            (uuid.clone(), &there),
            (uuid.to_uppercase(), &there),
            ("00000000-0000-4000-8000-000000000000".into(), &unknown),
            ("nonsense".into(), &unknown),
        ] {
            let status = read(call(&cluster, Method::GET, &format!("{route}/{id}/status"))).await;
            assert_eq!(status, (200, want.clone()), "{route} {id}");
        }
    }
    let ping = read(call(&cluster, Method::GET, "/api/v1/ping")).await;
    assert_eq!(ping, (200, json!({ "ping": "pong" })));
    // Whatever it is, and whoever answers: no browser takes it for something else.
    for path in ["/api/v1/ping", "/healthz", "/api/openapi.json", "/", "/nothing", "/metrics", "/favicon.ico"] {
        let answer = call(&cluster, Method::GET, path).send().await.unwrap();
        assert_eq!(
            answer.headers().get_all("x-content-type-options").iter().collect::<Vec<_>>(),
            ["nosniff"],
            "{path}"
        );
    }
    cluster.shutdown().await;
}

fn rate(answer: &Response) -> [String; 3] {
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    [header("x-rate-limit-scope"), header("x-rate-limit"), header("x-rate-count")]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_count_by_address_and_by_user_and_a_change_counts_everywhere_at_once() {
    let cluster = TestCluster::start().await;
    let (_, word, _) = new_key(&cluster, "Blog").await;
    let limits = |per_ip, per_user| Settings {
        upload_rate_limit_per_ip: Some(per_ip),
        upload_rate_limit_per_user: Some(per_user),
        direct_upload_enabled: Some(true),
        ..Settings::default()
    };
    set(&cluster, limits(2, 3)).await;
    let app = |key: &str| {
        let request = call(&cluster, Method::POST, "/upload").multipart(file(png(1, 100)));
        if key.is_empty() { request } else { request.header("x-api-key", key) }
    };
    for (key, allowed, refused) in [("", 2, ["ip", "2/min", "3"]), (word.as_str(), 3, ["user", "3/min", "4"])] {
        for _ in 0..allowed {
            assert_eq!(app(key).send().await.unwrap().status().as_u16(), 200);
        }
        let answer = app(key).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), rate(&answer)), (429, refused.map(str::to_owned)));
        let seconds = answer.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap();
        assert!((1..=60).contains(&seconds));
        assert_eq!(answer.headers()["x-rate-ttl"], answer.headers()["retry-after"]);
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(body["error"], "too_many_requests");
    }
    // The node counts what comes straight to it, and what came through the app not a second time.
    let session = || async {
        let ask = call(&cluster, Method::POST, "/api/internal/upload/sessions").body("{\"file_size\":10}");
        read(ask).await.1
    };
    let offer = session().await;
    let direct = || {
        let request = http_client().post(offer["upload_url"].as_str().unwrap());
        request.bearer_auth(offer["token"].as_str().unwrap()).multipart(file(png(2, 100)))
    };
    for status in [200, 200, 429] {
        let answer = direct().send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["access-control-allow-origin"]),
            (status, &"*".parse().unwrap())
        );
    }
    set(&cluster, limits(9, 9)).await;
    assert_eq!(app("").send().await.unwrap().status().as_u16(), 200);
    let reached = async {
        while direct().send().await.unwrap().status().as_u16() != 200 {
            set(&cluster, limits(99, 9)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(2), reached).await.expect("the node heard of it");
    set(&cluster, limits(0, 0)).await;
    for _ in 0..12 {
        assert_eq!(app("").send().await.unwrap().status().as_u16(), 200);
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_bytes_are_one_image_within_a_visit_and_nothing_is_shared_between_visits() {
    // Through the app and straight to the node alike; without a cookie each upload is an image of its own.
    let cluster = TestCluster::start().await;
    set(&cluster, Settings { direct_upload_enabled: Some(true), ..Settings::default() }).await;
    let visit = |digit: &str| format!("pixelfox_visit={}", digit.repeat(22));
    let with = |request: RequestBuilder, cookie: &str| request.header("cookie", cookie.to_owned());
    let app = |cookie: String| {
        let request = call(&cluster, Method::POST, "/upload").multipart(file(png(1, 100)));
        with(request, &cookie)
    };
    let first = read(app(visit("A"))).await.1;
    assert_eq!(first["duplicate"], false);
    let again = read(app(visit("A"))).await.1;
    assert_eq!((&again["duplicate"], &again["image_uuid"]), (&json!(true), &first["image_uuid"]));
    let ask = call(&cluster, Method::POST, "/api/internal/upload/sessions").body("{\"file_size\":10}");
    let offer = read(with(ask, &visit("A"))).await.1;
    let direct = http_client().post(offer["upload_url"].as_str().unwrap());
    let direct = direct.bearer_auth(offer["token"].as_str().unwrap()).multipart(file(png(1, 100)));
    let straight = read(direct).await.1;
    assert_eq!((&straight["duplicate"], &straight["image_uuid"]), (&json!(true), &first["image_uuid"]));
    assert_eq!(read(app(visit("B"))).await.1["duplicate"], false);
    for _ in 0..2 {
        let (status, answer) = through_app(&cluster, file(png(1, 100))).await;
        assert_eq!((status, &answer["duplicate"]), (200, &json!(false)));
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_signed_in_uploads_where_visitors_may_not() {
    // By the cookie of the pages; the account is a user of its own, and no longer one when it has signed out.
    let cluster = TestCluster::start().await;
    set(&cluster, Settings { public_uploads: Some(false), ..Settings::default() }).await;
    let (_, _, key_user) = new_key(&cluster, "Blog").await;
    let sign_in =
        SignInRequest { name: "admin".into(), password: cluster.secret("ADMIN_PASSWORD"), ..Default::default() };
    let session = cluster.admin().sign_in(sign_in).await.unwrap().into_inner();
    let upload = || {
        let request = call(&cluster, Method::POST, "/upload").multipart(file(png(1, 100)));
        request.header("cookie", format!("pixelfox_session={}", session.secret))
    };
    let first = read(upload()).await;
    assert_eq!((first.0, &first.1["duplicate"]), (200, &json!(false)), "{first:?}");
    assert_eq!(read(upload()).await.1["duplicate"], true, "the same user");
    assert!(key_user > 0);
    let page = call(&cluster, Method::GET, "/").header("cookie", format!("pixelfox_session={}", session.secret));
    assert!(page.send().await.unwrap().text().await.unwrap().contains("action=\"/upload\""));
    cluster.admin().sign_out(SignOutRequest { secret: session.secret.clone() }).await.unwrap();
    assert_eq!(read(upload()).await.0, 401);
    cluster.shutdown().await;
}
