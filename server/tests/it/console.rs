//! Commands at the console: what they say where nobody reads it, and where they run as somebody else than the server.

use std::{
    collections::HashMap,
    fs::{self, File},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::Path,
    process::{Output, Stdio},
};

use tempfile::TempDir;
use tokio::{process::Command, time::timeout};

use crate::{
    backup::{names_in, ready},
    harness::{PATIENCE, admin_at, http_client, png},
    processes::{addresses, move_and_wait, run, secrets, stderr, upload, wait_until_healthy},
    programs::{Running, environment, free_ports, program},
};

/// Nobody reads what is printed.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// A disk that takes nothing.
fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

async fn ended(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    timeout(PATIENCE, command.spawn().unwrap().wait_with_output()).await.expect("does not end").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_reads_is_said_and_ends_no_command_in_a_panic() {
    let folder = TempDir::new().unwrap();
    let [port] = free_ports();
    let variables = environment("local", port, port, folder.path());
    let command = |arguments: &[&str], out: Stdio| {
        let mut command = Command::new(program("server"));
        command.args(arguments).env_clear().envs(&variables).current_dir(folder.path()).stdout(out);
        command
    };
    // A first start whose generated password goes nowhere says so, and goes on.
    let log = folder.path().join("log");
    let mut server = command(&[], closed());
    server.stderr(File::create(&log).unwrap()).stdin(Stdio::null()).kill_on_drop(true);
    let _server = server.spawn().unwrap();
    ready(&format!("127.0.0.1:{port}")).await;
    let said = fs::read_to_string(&log).unwrap();
    assert!(said.contains("is shown to nobody: set one by `server admin-password`"), "{said}");

    let copy = folder.path().join("copy.db").display().to_string();
    for (arguments, out, want) in [
        (vec!["upload-token", "--pool", "1"], closed(), "could not print the answer: Broken pipe"),
        (vec!["admin-password"], full(), "The password is set and shown to nobody: run this again"),
        (vec!["check-config"], full(), "could not print the answer: No space left on device"),
        (vec!["backup", &copy], full(), "The copy is made all the same: "),
    ] {
        let output = ended(&mut command(&arguments, out)).await;
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains(want) && !said.contains("panicked"), "{arguments:?}: {said}");
    }
    assert!(Path::new(&copy).is_file());
    let mut agent = Command::new(program("node-agent"));
    agent.arg("check-config").env_clear().envs(&variables).current_dir(folder.path()).stdout(full());
    let output = ended(&mut agent).await;
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    // Where nobody hears what went wrong either, the exit code tells.
    let mut deaf = command(&["upload-token", "--pool", "1"], closed());
    let ended = timeout(PATIENCE, deaf.stdin(Stdio::null()).stderr(closed()).status()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_is_told_apart_from_what_is_not_there() {
    // The folder is another user's: for root without its capabilities, as `docker exec` has it, or for whoever runs this.
    let folder = TempDir::new().unwrap();
    let is_root = rustix::process::geteuid().is_root();
    let url = if is_root {
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        File::create(folder.path().join("books.db")).unwrap();
        chown(folder.path(), Some(10_001), Some(10_001)).unwrap();
        format!("sqlite://{}", folder.path().join("books.db").display())
    } else {
        "sqlite:///root/pixelfox/books.db".to_owned()
    };
    let [port] = free_ports();
    let mut variables = environment("local", port, port, folder.path());
    variables.insert("DATABASE_URL", url);
    let to = folder.path().display().to_string();
    let inside = format!("{to}/copy.db");
    for arguments in [
        vec!["backup", "/tmp/"],
        vec!["backup", &inside],
        vec!["admin-password"],
        vec!["upload-token", "--pool", "Default"],
        vec!["check-config"],
        vec!["rebuild", "--add"],
    ] {
        let mut command = Command::new(if is_root { "setpriv".into() } else { program("server") });
        if is_root {
            command.args(["--bounding-set=-all", "--inh-caps=-all", "--"]).arg(program("server"));
        }
        command.args(&arguments).env_clear().envs(&variables).current_dir("/").stdout(Stdio::null());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        let output = ended(&mut command).await;
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        for piece in ["Permission denied", "This command runs as user ", "docker exec -u "] {
            assert!(said.contains(piece), "{arguments:?}: {piece} in {said}");
        }
        assert!(!said.contains("start the server once") && !said.contains("no such file"), "{arguments:?}: {said}");
    }
    // What is not there is something else.
    let nowhere = folder.path().join("nowhere.db").display().to_string();
    variables.insert("DATABASE_URL", format!("sqlite://{nowhere}"));
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for arguments in [vec!["backup", "/tmp/"], vec!["admin-password"]] {
        let said = stderr(&run("server", &arguments, &variables).await);
        assert!(said.contains("there is no such file. DATABASE_URL names it"), "{arguments:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_root_restores_into_a_new_place_is_its_owners() {
    let folder = TempDir::new().unwrap();
    let own = fs::metadata(folder.path()).unwrap();
    let place = folder.path().join("new");
    fs::create_dir(&place).unwrap();
    let owner = if own.uid() == 0 { 10_001 } else { own.uid() };
    if own.uid() == 0 {
        chown(&place, Some(owner), Some(owner)).unwrap();
    }
    let [port] = free_ports();
    let variables = environment("local", port, port, folder.path());
    let server = Running::start("server", &[], &variables, folder.path());
    ready(&format!("127.0.0.1:{port}")).await;
    let copy = folder.path().join("copy.db").display().to_string();
    let from = [("DATABASE_URL", variables["DATABASE_URL"].as_str())];
    assert!(run("server", &["backup", &copy], &from).await.status.success());
    let url = format!("sqlite://{}", place.join("b.db").display());
    // Also where nothing is restored.
    let bad = folder.path().join("bad.db").display().to_string();
    fs::write(&bad, b"SQLite format 3\0and nothing more").unwrap();
    let refused = run("server", &["restore", &bad], &[("DATABASE_URL", &url)]).await;
    assert!(!refused.status.success());
    assert_eq!(names_in(&place), ["b.db.lock"]);
    assert_eq!(fs::metadata(place.join("b.db.lock")).unwrap().uid(), owner);
    let restored = run("server", &["restore", &copy], &[("DATABASE_URL", &url)]).await;
    assert!(restored.status.success(), "{}", stderr(&restored));
    let names = names_in(&place);
    assert!(names.len() >= 2, "{names:?}");
    for name in names {
        assert_eq!(fs::metadata(place.join(&name)).unwrap().uid(), owner, "{name}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_find_the_books_of_dev_and_its_pools_follow_its_ports() {
    // A shell that has read secrets.env, in another directory. Then the same cluster on other ports: what is uploaded is
    // where its answer says, and moves come to their end.
    let folder = TempDir::new().unwrap();
    let start = || {
        let arguments = ["dev", "--data-dir", "a cluster", "--ports", "0,0,0"];
        Running::start("server", &arguments, &HashMap::new(), folder.path())
    };
    let dev = start();
    let before = addresses(&dev).await;
    let kept = fs::read_to_string(folder.path().join("a cluster/secrets.env")).unwrap();
    assert!(kept.contains("DATABASE_URL='sqlite:///"), "{kept}");
    for command in ["backup .", "upload-token --pool img1", "admin-password", "rebuild --add"] {
        let script = format!("set -a; . './a cluster/secrets.env'; exec {} {command}", program("server").display());
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).env_clear().current_dir(folder.path()).stdout(Stdio::piped());
        let output = ended(&mut shell).await;
        assert!(output.status.success(), "{command}: {}", stderr(&output));
    }
    dev.stop().await;

    let dev = start();
    let [app, s01, s02] = addresses(&dev).await;
    assert_ne!([app.clone(), s01, s02], before);
    let secrets = secrets(&folder.path().join("a cluster"));
    let mut admin = admin_at(&app, &secrets["ADMIN_TOKEN"]);
    wait_until_healthy(&mut admin, 2).await;
    let answer = upload(&app, &secrets["UPLOAD_TOKEN"], png(1, 2_000)).await;
    let url = answer["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("http://{app}/")), "{url}");
    let served = http_client().get(url).send().await.unwrap();
    assert_eq!(served.status(), 200);
    move_and_wait(&mut admin, answer["image_uuid"].as_str().unwrap(), 2).await;
    dev.stop().await;
}
