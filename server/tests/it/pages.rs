//! docs/backup.md, docs/deployment.md, ops/systemd/README.md: what of their commands can be run here is run as it stands,
//! with the page's directories and addresses replaced by the test's.

use std::{collections::HashMap, fs, path::Path, process::Stdio};

use tempfile::TempDir;
use tokio::{process::Command, time::timeout};

use crate::{
    backup::{names_in, ready},
    grpcurl::{Example, examples},
    harness::PATIENCE,
    programs::{environment, free_ports, program},
    rebuild::Story,
};

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).unwrap()
}

/// What a shell says to a script: our programs are in its PATH.
async fn shell(script: &str, variables: &HashMap<&str, String>, dir: &Path) -> (bool, String) {
    let mut path = program("server").parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-euc", script]).env_clear().envs(variables).env("PATH", path).current_dir(dir);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(2 * PATIENCE, command.output()).await.expect("the command hangs").unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), said)
}

/// A line without its figures.
fn shape(line: &str) -> String {
    let words = line.split(|c: char| c.is_ascii_digit()).filter(|piece| !piece.is_empty());
    words.collect::<Vec<_>>().join("#").trim().to_owned()
}

/// Runs a command of the backup page; what it says has each line of the page, whatever the figures.
async fn runs(story: &Story, example: &Example, replace: &[(&str, &str)]) {
    let with = |text: &str| replace.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    let (is_well, said) = shell(&with(&example.command), &story.environment(0), story.folder.path()).await;
    assert!(is_well, "{}: {said}", example.command);
    let shapes: Vec<String> = said.lines().map(shape).collect();
    for line in &example.answer {
        assert!(shapes.contains(&shape(&with(line))), "{}\ndid not answer\n{line}\nbut\n{said}", example.command);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_of_the_backup_page_do_what_it_says() {
    let examples = examples(&page("docs/backup.md"));
    let [save, restore, anew, add] = &examples[..] else { panic!("other commands: {examples:#?}") };
    let mut story = Story::new();
    let (server, _s01, _s02) = (story.start(0), story.start(1), story.start(2));
    for pool in story.healthy(3).await {
        let node = ["local", "s01", "s02"].iter().position(|node| *node == pool.node_id).unwrap();
        story.upload(node, pool.id, 7).await;
    }
    let copies = story.folder.path().join("copies");
    fs::create_dir(&copies).unwrap();
    let place = ("/backup/pixelfox", copies.to_str().unwrap());
    runs(&story, save, &[place]).await;
    let [copy] = &names_in(&copies)[..] else { panic!("one copy") };
    server.stop().await;
    runs(&story, restore, &[place, ("pixelfox-20261130T131500Z.db", copy)]).await;
    let server = story.start(0);
    ready(&story.address(0)).await;
    server.stop().await;
    story.lose_the_database();
    runs(&story, anew, &[]).await;
    runs(&story, add, &[]).await;
    let _server = story.start(0);
    ready(&story.address(0)).await;
    story.healthy(3).await;
    assert_eq!(story.broken_links().await, Vec::<String>::new());
}

/// The variables of a block of settings are understood by the program that they are for. Each of them is set by the page:
/// nothing comes from elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environments_of_the_deployment_pages_are_fine() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().display().to_string();
    for dir in ["srv/pixelfox/uploads", "var/lib/pixelfox", "etc/pixelfox"] {
        fs::create_dir_all(folder.path().join(dir)).unwrap();
    }
    for name in ["replication", "uploads", "admin"] {
        fs::write(folder.path().join("etc/pixelfox").join(name), format!("a secret of the tests: {name}")).unwrap();
    }
    let mut checked = 0;
    for name in ["docs/deployment.md", "ops/systemd/README.md"] {
        for example in examples(&page(name)) {
            let is_settings = example.command.contains("UPLOADS_DIR=/srv/pixelfox/uploads");
            if !is_settings {
                continue;
            }
            let mut script = example.command.clone();
            for dir in ["/srv/pixelfox", "/var/lib/pixelfox", "/etc/pixelfox"] {
                script = script.replace(dir, &format!("{root}{dir}"));
            }
            let agent = script.contains("COORDINATOR_URL=");
            let what = if agent { "node-agent" } else { "server" };
            // A file of systemd's has no command, and its unit sets what is left.
            let script = if script.ends_with(what) {
                format!("{script} check-config")
            } else {
                let of_unit = format!("NODE_ID=s01 STATE_DIR={root}/var/lib/pixelfox");
                format!("set -a; {of_unit}\n{script}\nset +a; {what} check-config")
            };
            let (is_well, said) = shell(&script, &HashMap::new(), folder.path()).await;
            assert!(is_well && said.contains("the environment is fine"), "{name}: {script}\n{said}");
            checked += 1;
        }
    }
    assert_eq!(checked, 4, "a server and a node on each page");
}

/// `server ctl pools create`, as the page has it, makes a pool of a node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pool_of_the_deployment_page_is_made() {
    let page = page("docs/deployment.md");
    let example = examples(&page).into_iter().find(|example| example.command.contains("ctl pools create")).unwrap();
    let folder = TempDir::new().unwrap();
    let [app, s01] = free_ports();
    let start = |name: &str, node: &str, port| {
        crate::programs::Running::start(name, &[], &environment(node, port, app, folder.path()), folder.path())
    };
    let (server, node) = (start("server", "local", app), start("node-agent", "s01", s01));
    server.says(&["Node s01 attached"]).await;
    let dir = folder.path().join("new").display().to_string();
    let mut script = example.command.replace("http://10.0.0.1:4000", &format!("http://127.0.0.1:{app}"));
    script = script
        .replace("/srv/pixelfox/uploads", &dir)
        .replace("http://10.0.0.2:4000", &format!("http://127.0.0.1:{s01}"));
    script = script.replace("https://s01.example.org", &format!("http://127.0.0.1:{s01}"));
    let variables = HashMap::from([("ADMIN_TOKEN", crate::programs::ADMIN_TOKEN.to_owned())]);
    let (is_well, said) = shell(&script, &variables, folder.path()).await;
    assert!(is_well, "{script}\n{said}");
    node.stop().await;
    server.stop().await;
}
