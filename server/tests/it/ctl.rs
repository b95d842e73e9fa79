//! `server ctl` as a process: each verb calls its method, each class of trouble has its exit code, long lists come whole,
//! a followed job ends it. Its answers on a filled cluster are those of docs/ctl.md (`ctl_page`).

use std::{process::Stdio, sync::Arc};

use axum::{extract::Request, http::HeaderMap};
use parking_lot::Mutex;
use pixelfox_proto::v1::{PauseQueueRequest, file_result::Outcome};
use pixelfox_server::ctl::METHODS;
use rustix::process::Signal;
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpListener,
    process::{Child, Command},
    task::JoinSet,
    time::timeout,
};

use crate::{
    harness::PATIENCE,
    office::{FakeNode, Office, TOKEN, admins},
    programs::program,
};

/// What a process said, and its exit code.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// `server ctl` with these words, at `url`, with the right token.
fn start(url: &str, words: &[&str], environment: &[(&str, &str)]) -> Child {
    let mut command = Command::new(program("server"));
    command.arg("ctl").args(words).env_clear().env("ADMIN_URL", url).env("ADMIN_TOKEN", TOKEN);
    command.envs(environment.iter().copied()).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

async fn end(child: Child) -> Said {
    let output = timeout(PATIENCE, child.wait_with_output()).await.expect("does not end").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

async fn ctl(url: &str, words: &[&str]) -> Said {
    end(start(url, words, &[])).await
}

#[tokio::test]
async fn each_verb_calls_the_method_that_it_stands_for() {
    // A server that notes what it is asked and knows nothing: each command of the list, with its own words.
    let asked: Arc<Mutex<Vec<(String, HeaderMap)>>> = Arc::default();
    let note = Arc::clone(&asked);
    let router = axum::Router::new().fallback(move |request: Request| {
        note.lock().push((request.uri().path().to_owned(), request.headers().clone()));
        std::future::ready([
            ("content-type", "application/grpc"),
            ("grpc-status", "12"),
            ("grpc-message", "never heard"),
        ])
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, router).await });
    for (method, words) in METHODS {
        asked.lock().clear();
        let words: Vec<&str> = words.split(' ').chain(["--json"]).collect();
        let mut child = start(&url, &words, &[("LANG", "de_DE.UTF-8")]);
        child.stdin.take().unwrap().write_all(b"a secret\n").await.unwrap();
        let said = end(child).await;
        assert_eq!((said.code, said.out.as_str()), (Some(3), ""), "{method}: {said:?}");
        assert!(said.err.starts_with("abgelehnt: never heard"), "{method}: {said:?}");
        let asked = asked.lock();
        let last = asked.last().unwrap_or_else(|| panic!("{method}: nothing was asked: {said:?}"));
        assert_eq!(last.0, format!("/pixelfox.v1.Admin/{method}"));
        assert_eq!(last.1["authorization"], format!("Bearer {TOKEN}"));
        assert_eq!(last.1["accept-language"], "de");
    }
}

#[tokio::test]
async fn usage_refused_and_unreachable_have_their_exit_codes_and_say_what_to_do() {
    let office = Office::open().await;
    let _s01 = FakeNode::attach(&office, "s01").await;
    let url = office.url().to_owned();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    for (words, code, says) in [
        (&["bogus"][..], 2, "unrecognized subcommand 'bogus'"),
        (&["move", "img1"], 2, "--to <POOL>"),
        (&["jobs", "cancel"], 2, "required"),
        (&["pools", "delete", "img1"], 2, "say --yes"),
        (&["keys", "revoke", "1"], 2, "say --yes"),
        (&["images", "delete", "0190a6f2-3b5c-4d7e-8f90-000000000001"], 2, "say --yes"),
        (&["settings", "set", "trash_hours=0"], 2, "say --yes"),
        (&["settings", "set", "trash_hour=1"], 2, "did you mean trash_hours?"),
        (&["pools", "--url", "ftp://somewhere"], 2, "--url: "),
        (&["pools", "--url", "http://127.0.0.1/admin"], 2, "host and port only"),
        (&["pools", "--token-file", "/nowhere/token"], 2, "could not read /nowhere/token"),
        (&["--ca-file", "/nowhere/ca", "--url", "https://127.0.0.1:1", "pools"], 2, "/nowhere/ca"),
        (&["move", "img1", "img2", "--to", "1"], 2, "not several pools"),
        (&["pools", "show", "img2"], 3, "did you mean img1?"),
        (
            &["move", "img1", "--to", "nowhere", "--dry-run"],
            3,
            "no pool `nowhere` in this cluster. There are: img1 (1)",
        ),
        (&["jobs", "show", "4711"], 3, "no job 4711"),
        (&["jobs", "--state", "lazy"], 3, "state"),
        (&["images", "show", "original/2026/11/24/none.png"], 3, "no image"),
        (&["watch", "weather"], 3, "weather"),
        (&["pools", "--url", &nobody], 4, "Connection refused"),
        (&["--json", "--url", &nobody, "diagnose"], 4, "unreachable: http://127.0.0.1:"),
    ] {
        let said = ctl(&url, words).await;
        assert_eq!(said.code, Some(code), "{words:?}: {said:?}");
        assert!(said.err.contains(says) && said.out.is_empty(), "{words:?}: {said:?}");
        assert!(!said.err.contains(TOKEN), "{words:?}: {said:?}");
    }
    for (token, says) in
        [("not the right one", "invalid admin token"), ("", "--token-file"), ("a\u{1}b", "ADMIN_TOKEN")]
    {
        let said = end(start(&url, &["pools"], &[("ADMIN_TOKEN", token)])).await;
        let want = if token.contains('\u{1}') { 2 } else { 3 };
        assert!(said.code == Some(want) && said.err.contains(says), "{token}: {said:?}");
        assert!(token.is_empty() || !said.err.contains(token), "{token}: {said:?}");
    }
    let german = end(start(&url, &["pools", "show", "99"], &[("LANG", "de_DE.UTF-8")])).await;
    assert_eq!(
        (german.code, german.err.trim()),
        (Some(3), "abgelehnt: es gibt keinen Speicherpool 99 in diesem Cluster")
    );
    let german = end(start(&url, &["pools", "show", "img9"], &[("LANG", "de_DE.UTF-8")])).await;
    assert!(german.err.starts_with("abgelehnt: in diesem Cluster gibt es keinen Speicherpool „img9“"), "{german:?}");
    // A token from a file, and the flag wins over the environment.
    let file = office.dir.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let words = ["pools", "--json", "--token-file", file.to_str().unwrap()];
    let said = end(start(&url, &words, &[("ADMIN_TOKEN", "not the right one")])).await;
    assert!(said.code == Some(0) && said.out.contains("\"name\": \"img1\""), "{said:?}");
    office.close().await;
}

#[tokio::test]
async fn a_long_list_comes_whole_or_as_far_as_it_is_wanted() {
    // More than two pages; whoever has read enough goes away, and that is no trouble.
    let office = Office::open().await;
    let s01 = FakeNode::attach(&office, "s01").await;
    for number in 0..450 {
        office.upload(&s01, number).await;
    }
    let url = office.url();
    for (words, lines) in [
        (&["images"][..], 451),
        (&["images", "--limit", "201"], 202),
        (&["images", "--limit", "1"], 2),
        (&["images", "list", "nothing like it"], 1),
    ] {
        let said = ctl(url, words).await;
        assert_eq!((said.code, said.out.lines().count(), said.err.as_str()), (Some(0), lines, ""), "{words:?}");
    }
    let said = ctl(url, &["images", "--json", "--order", "oldest"]).await;
    let list: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let images = list["images"].as_array().unwrap();
    let names: std::collections::BTreeSet<&str> = images.iter().filter_map(|it| it["originalName"].as_str()).collect();
    assert_eq!((images.len(), names.len(), &list["total"]), (450, 450, &"450".into()));
    let none = ctl(url, &["images", "nothing like it", "--json"]).await;
    let none: serde_json::Value = serde_json::from_str(&none.out).unwrap();
    assert_eq!(none, serde_json::json!({"images": [], "total": "0"}));
    let mut shell = Command::new("bash");
    let script =
        format!("{} ctl images --json | head -2; echo \"codes ${{PIPESTATUS[@]}}\"", program("server").display());
    shell.args(["-c", &script]).env("ADMIN_URL", url).env("ADMIN_TOKEN", TOKEN).kill_on_drop(true);
    let output = timeout(PATIENCE, shell.output()).await.unwrap().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(out.ends_with("codes 0 0\n") && err.is_empty(), "{out}\n{err}");
    office.close().await;
}

#[tokio::test]
async fn a_dry_run_leaves_nothing_and_a_followed_move_ends_as_its_images_do() {
    // One image is refused by its target, one is moved by nobody and cancelled meanwhile.
    let office = Office::open().await;
    let mut s01 = FakeNode::attach(&office, "s01").await;
    let s02 = FakeNode::attach(&office, "s02").await;
    let upload = office.upload(&s01, 1).await;
    let (url, target) = (office.url(), s02.pool().to_string());
    let said = ctl(url, &["move", "img1", "--to", &target, "--dry-run"]).await;
    assert!(said.code == Some(0) && said.out.contains("1 image, 1 file, 1.00 kB to be moved"), "{said:?}");
    assert!(said.out.contains("img1 -> img2 (dry run)") && said.out.ends_with("Nothing was written.\n"), "{said:?}");
    let none = ctl(url, &["jobs", "--json"]).await;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&none.out).unwrap()["jobs"], serde_json::json!([]));

    let said = ctl(url, &["move", &upload.uuid, "--to", "img1", "--watch"]).await;
    assert!(said.code == Some(3) && said.out.contains("is in pool img1 (1) already"), "{said:?}");
    assert_eq!(said.err, "refused: nothing is moved: the only image is left out, for the reason above\n");
    let said = ctl(url, &["move", &target, "--to", "img1"]).await;
    assert_eq!((said.code, said.err.as_str()), (Some(3), "refused: nothing is moved: the pool is empty\n"), "{said:?}");

    let following = start(url, &["move", &upload.uuid, "--to", "img2", "--watch"], &[]);
    let (id, _) = s01.push().await;
    s01.end(id, vec![upload.result(Outcome::Mismatch)]).await;
    let said = end(following).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("job 1 move_images") && said.out.contains("the test says Mismatch"), "{said:?}");
    assert!(said.out.contains("`jobs --parent 1 --state failed` lists them"), "{said:?}");

    // One whose file is not there: skipped, and so its job is completed; who followed it hears that it is no good end.
    let lost = office.upload(&s01, 3).await;
    let following = start(url, &["move", &lost.uuid, "--to", "img2", "--watch"], &[]);
    let (id, _) = s01.push().await;
    s01.end(id, vec![lost.result(Outcome::Missing)]).await;
    let said = end(following).await;
    assert!(said.code == Some(1) && said.out.contains("move_images completed, 0 %"), "{said:?}");
    assert!(said.out.contains("1 of 1 images were not moved"), "{said:?}");
    assert!(said.out.ends_with("after the disk was put right.\n") && said.out.contains("1 file not found"), "{said:?}");

    office.admin().await.pause_queue(admins(PauseQueueRequest {})).await.unwrap();
    let other = office.upload(&s01, 2).await;
    let begun = ctl(url, &["move", &other.uuid, "--to", "img2", "--json"]).await;
    let begun: serde_json::Value = serde_json::from_str(&begun.out).unwrap();
    let job = begun["jobId"].as_str().unwrap();
    let following = start(url, &["jobs", "watch", job, "--json"], &[]);
    let cancelled = ctl(url, &["jobs", "cancel", job]).await;
    assert_eq!((cancelled.code, cancelled.out.as_str()), (Some(0), "2 jobs cancelled.\n"));
    let said = end(following).await;
    let last: serde_json::Value = serde_json::from_str(said.out.lines().last().unwrap()).unwrap();
    assert_eq!((said.code, &last["state"]), (Some(1), &"cancelled".into()), "{said:?}");
    office.close().await;
}

#[tokio::test]
async fn ctrl_c_leaves_a_followed_job_running_and_says_how_to_look_again() {
    let office = Office::open().await;
    let s01 = FakeNode::attach(&office, "s01").await;
    let _s02 = FakeNode::attach(&office, "s02").await;
    let upload = office.upload(&s01, 1).await;
    office.admin().await.pause_queue(admins(PauseQueueRequest {})).await.unwrap();
    let mut child = start(office.url(), &["move", &upload.uuid, "--to", "img2", "--watch"], &[]);
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(child.stdout.take().unwrap()));
    let followed = async { while !lines.next_line().await.unwrap().expect("a line").starts_with("job 1 ") {} };
    timeout(PATIENCE, followed).await.expect("never follows");
    let id = rustix::process::Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    rustix::process::kill_process(id, Signal::INT).unwrap();
    let said = end(child).await;
    assert_eq!(said.code, Some(130), "{said:?}");
    assert!(said.err.contains("job 1 goes on. `server ctl jobs watch 1` follows it again"), "{said:?}");
    assert_eq!(office.job(1).await.finished, None);
    office.close().await;
}

#[tokio::test]
async fn watching_ends_with_the_server_and_says_so() {
    let office = Office::open().await;
    let mut child = start(office.url(), &["watch", "settings", "--json"], &[]);
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(child.stdout.take().unwrap()));
    let first = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    let first: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert_eq!((&first["topic"], &first["settings"]["trashHours"]), (&"settings".into(), &24.into()));
    office.close().await;
    let said = end(child).await;
    assert!(said.code == Some(4) && said.err.contains("the server stops"), "{said:?}");
}
