//! Signing in by the Admin service: who gets in, what those hear who do not, and what is written down of it.

use std::{process::Stdio, time::Duration};

use pixelfox_proto::v1::{
    GetSessionRequest, ListAuditRequest, Settings, SignInRequest, SignInResponse, SignOutRequest, UpdateSettingsRequest,
};
use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};
use tonic::{Code, Request, Status};

use crate::{
    harness::{Admin, PATIENCE, TestCluster, admin_at, http_client},
    processes::stderr,
    programs::{ADMIN_TOKEN, Running, environment, free_ports, program},
};

async fn sign_in(admin: &mut Admin, name: &str, password: &str, from: &str) -> Result<SignInResponse, Status> {
    let request = SignInRequest { name: name.into(), password: password.into(), client_address: from.into() };
    admin.sign_in(request).await.map(tonic::Response::into_inner)
}

async fn whose(admin: &mut Admin, secret: &str) -> Result<String, Code> {
    let session = admin.get_session(GetSessionRequest { secret: secret.into() }).await;
    session.map(|session| session.into_inner().account).map_err(|status| status.code())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_knows_the_password_gets_a_session_until_sign_out() {
    let mut cluster = TestCluster::start().await;
    let password = cluster.cluster().secrets().get("ADMIN_PASSWORD").to_owned();
    let mut admin = cluster.admin();
    let one = sign_in(&mut admin, "admin", &password, "10.0.0.1").await.unwrap();
    let two = sign_in(&mut admin, " ADMIN ", &password, "").await.unwrap();
    assert_ne!(one.secret, two.secret);
    assert_eq!(whose(&mut admin, &one.secret).await, Ok("admin".into()));
    admin.sign_out(SignOutRequest { secret: one.secret.clone() }).await.unwrap();
    assert_eq!(whose(&mut admin, &one.secret).await, Err(Code::Unauthenticated));
    assert_eq!(whose(&mut admin, &two.secret).await, Ok("admin".into()));
    for strange in ["", "x", "../..", &"A".repeat(43)] {
        assert_eq!(whose(&mut admin, strange).await, Err(Code::Unauthenticated), "{strange}");
    }

    // whoever asks by token is `token`, whatever metadata say
    let mut request = Request::new(UpdateSettingsRequest {
        settings: Some(Settings { trash_hours: Some(3), ..Settings::default() }),
    });
    request.metadata_mut().insert("x-pixelfox-account", "admin".parse().unwrap());
    admin.update_settings(request).await.unwrap();
    let rows = admin.list_audit(ListAuditRequest::default()).await.unwrap().into_inner().entries;
    let shown = |at: usize| (rows[at].actor.as_str(), rows[at].action.as_str(), rows[at].detail.as_str());
    assert_eq!(shown(0), ("token", "update_settings", ""));
    assert_eq!(shown(1), ("admin", "sign_out", ""));
    assert_eq!(shown(3), ("admin", "sign_in", "from 10.0.0.1"));

    // a restart keeps sessions, and the password that `dev` says is the one that counts
    drop(admin);
    cluster.restart().await;
    let mut admin = cluster.admin();
    assert_eq!(whose(&mut admin, &two.secret).await, Ok("admin".into()));
    assert!(sign_in(&mut admin, "admin", &password, "").await.is_ok());
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_name_and_a_wrong_password_are_one_answer_and_after_five_it_is_slower() {
    let mut cluster = TestCluster::start().await;
    let password = cluster.cluster().secrets().get("ADMIN_PASSWORD").to_owned();
    let mut admin = cluster.admin();
    let mut heard = Vec::new();
    for (name, password) in [("admin", "wrong"), ("nobody", &password), ("admin", ""), ("no body", "x")] {
        let refused = sign_in(&mut admin, name, password, "").await.unwrap_err();
        heard.push((refused.code(), refused.message().to_owned()));
    }
    assert_eq!(heard[0], (Code::Unauthenticated, "invalid name or password".into()));
    assert!(heard.iter().all(|one| *one == heard[0]), "{heard:?}");

    // two wrong ones so far for `admin`, as many as it likes for an account that is not there
    for name in ["admin", "nobody"] {
        let slower = loop {
            let refused = sign_in(&mut admin, name, "wrong", "10.0.0.2").await;
            match refused.unwrap_err() {
                status if status.code() == Code::Unauthenticated => {}
                status => break status,
            }
        };
        assert_eq!(slower.code(), Code::ResourceExhausted, "{name}: {slower}");
        assert!(slower.message().starts_with("too many tries to sign in: try again in "), "{slower}");
    }
    let right = sign_in(&mut admin, "admin", &password, "10.0.0.3").await.unwrap_err();
    assert_eq!(right.code(), Code::ResourceExhausted, "the right password waits too");
    let waited = async {
        while sign_in(&mut admin, "admin", &password, "10.0.0.3").await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, waited).await.expect("it is let in when it has waited");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_password_is_printed_once_and_the_command_sets_another_while_the_server_runs() {
    // As on a server without ADMIN_PASSWORD: read off, used, then another one set from beside; whoever was in is out.
    let folder = tempfile::tempdir().unwrap();
    let [port] = free_ports();
    let variables = environment("local", port, port, folder.path());
    std::fs::create_dir_all(folder.path().join("uploads/local")).unwrap();
    let start = || Running::start("server", &[], &variables, folder.path());
    let server = start();
    let line = server.says(&["First account of the pages: admin, password "]).await;
    let first = line.rsplit(' ').next().unwrap().to_owned();
    server.says(&["listening on"]).await;
    let mut admin = admin_at(&format!("127.0.0.1:{port}"), ADMIN_TOKEN);
    let secret = sign_in(&mut admin, "admin", &first, "").await.unwrap().secret;

    let command = async |arguments: &[&str], input: &str| {
        let mut command = Command::new(program("server"));
        command.arg("admin-password").args(arguments).env_clear().envs(&variables).kill_on_drop(true);
        command.current_dir(folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = command.spawn().unwrap();
        let mut stdin = running.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        timeout(PATIENCE, running.wait_with_output()).await.expect("does not end").unwrap()
    };
    let short = command(&["--stdin"], "short\n").await;
    assert!(!short.status.success() && stderr(&short).contains("15 characters at least"), "{}", stderr(&short));
    let unknown = command(&["--user", "anna"], "").await;
    assert!(stderr(&unknown).contains("there is no account anna; there are: admin"), "{}", stderr(&unknown));
    assert_eq!(whose(&mut admin, &secret).await, Ok("admin".into()), "nothing has happened yet");

    let set = command(&["--stdin"], "a password of one's own\n").await;
    assert!(set.status.success() && set.stdout.is_empty(), "{}", stderr(&set));
    assert_eq!(whose(&mut admin, &secret).await, Err(Code::Unauthenticated), "signed out");
    assert!(sign_in(&mut admin, "admin", &first, "").await.is_err());
    assert!(sign_in(&mut admin, "admin", "a password of one's own", "").await.is_ok());
    let generated = command(&["--user", "anna", "--new"], "").await;
    let password = String::from_utf8(generated.stdout).unwrap();
    assert!(sign_in(&mut admin, "anna", password.trim(), "").await.is_ok());
    server.stop().await;

    let server = start();
    server.says(&["listening on"]).await;
    let printed = server.printed();
    assert!(!printed.contains("First account"), "{printed}");
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_signs_in_by_the_page_and_is_named_in_the_audit() {
    // As a browser without JavaScript: the door, its form, the page behind it, and out again. An embedded page of another
    // host gets nowhere with the same cookie.
    let mut cluster = TestCluster::start().await;
    let password = cluster.cluster().secrets().get("ADMIN_PASSWORD").to_owned();
    let (http, origin) = (http_client(), format!("http://{}", cluster.app()));
    let field = |html: &str, name: &str| {
        let value = html.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap_or_else(|| panic!("{name}: {html}"));
        value.split('"').next().unwrap().to_owned()
    };
    let cookie = |answer: &reqwest::Response| {
        answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
    };
    let door = http.get(format!("{origin}/admin/login")).send().await.unwrap();
    let (mine, html) = (cookie(&door), door.text().await.unwrap());
    let post = |path: &str, cookie: &str, from: &str, body: String| {
        let request = http.post(format!("{origin}{path}")).header("cookie", cookie).header("origin", from);
        request.header("content-type", "application/x-www-form-urlencoded").body(body).send()
    };
    let form = format!("csrf_token={}&username=admin&password={password}", field(&html, "csrf_token"));
    let foreign = post("/admin/login", &mine, "http://evil.example", form.clone()).await.unwrap();
    assert_eq!(foreign.status(), 403);
    let entered = post("/admin/login", &mine, &origin, form).await.unwrap();
    assert_eq!((entered.status().as_u16(), entered.headers()["location"].to_str().unwrap()), (303, "/admin"));
    let session = cookie(&entered);
    let page = http.get(format!("{origin}/admin/audit?actor=admin")).header("cookie", &session).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    let html = page.text().await.unwrap();
    assert!(html.contains("sign_in") && html.contains("von 127.0.0.1"), "{html}");
    assert!(policy.contains(&format!("http://{}", cluster.storage_node("s01"))), "{policy}");
    let out = post("/admin/logout", &session, &origin, format!("csrf_token={}", field(&html, "csrf_token"))).await;
    assert_eq!(out.unwrap().headers()["location"], "/admin/login");
    let gone = http.get(format!("{origin}/admin")).header("cookie", &session).send().await.unwrap();
    assert_eq!((gone.status().as_u16(), gone.headers()["location"].to_str().unwrap()), (303, "/admin/login"));
    cluster.shutdown().await;
}
