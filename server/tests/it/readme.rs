//! README.md: what it tells a newcomer to type is typed, in its order, and answers what stands there.

use std::{collections::HashMap, path::Path};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{process::Command, time::timeout};

use crate::{
    documents::{blocks, quoted, text},
    grpcurl::has_line,
    harness::PATIENCE,
    processes::{addresses, run, stderr},
    programs::Running,
};

/// What differs between the page and this run, by the names that both have for it.
struct Names(Vec<(String, &'static str)>);

impl Names {
    /// Of an upload's answer and of the addresses of app and s01.
    fn of(answer: &str, [app, s01]: [&str; 2]) -> Self {
        let answer: Value = serde_json::from_str(answer).unwrap();
        let word = |name: &str| answer[name].as_str().unwrap().to_owned();
        let (uuid, share) = (word("image_uuid"), word("view_url").trim_start_matches("/i/").to_owned());
        let day = word("url").split("/original/").nth(1).unwrap().split(&format!("/{uuid}")).next().unwrap().to_owned();
        Self(vec![(uuid, "UUID"), (share, "SHARE"), (day, "DAY"), (app.into(), "APP"), (s01.into(), "S01")])
    }

    /// The lines of `text` with these names, and without what is another time and another disk.
    fn lines(&self, text: &str) -> Vec<String> {
        let plain = self.0.iter().fold(text.replace('\r', ""), |text, (own, name)| text.replace(own, name));
        let timeless = |line: &str| match line.split_once(": ") {
            Some((name @ ("date" | "last-modified" | "  \"targetRoom\""), _)) => format!("{name}: …"),
            _ => line.trim_end().to_owned(),
        };
        plain.trim().lines().map(timeless).collect()
    }
}

/// What a shell in `dir` prints for a block of the page, once it has the secrets.
async fn shell(dir: &Path, block: &str) -> String {
    let script = format!("set -a; . .dev/secrets.env; set +a\n{block}");
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &script]).current_dir(dir).kill_on_drop(true);
    let output = timeout(PATIENCE, bash.output()).await.expect("hangs").unwrap();
    assert!(output.status.success(), "{block}\n{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_readme_says_to_type_answers_what_stands_there() {
    // `server dev` as cargo starts it, but for its ports; then every command of "The same by hand", each in the words of
    // the page. A block that none of these is would be typed by nobody.
    let page = text("README.md");
    let (commands, answers) = (blocks(&page, "sh"), blocks(&page, "text"));
    let [start, upload, moves, looks] = &commands[..] else { panic!("other commands: {commands:#?}") };
    let [table, uploaded, planned, logged, found] = &answers[..] else { panic!("other answers: {answers:#?}") };
    assert_eq!(start, "git clone URL pixelfox && cd pixelfox\ncargo run --release -- dev");

    let folder = TempDir::new().unwrap();
    let dev = Running::start("server", &["dev", "--ports", "0,0,0"], &HashMap::new(), folder.path());
    let [app, s01, s02] = addresses(&dev).await;
    let here = |text: &str| text.replace("127.0.0.1:8080", &app);
    let printed = dev.printed();
    for line in table.lines() {
        let line = here(line).replace("127.0.0.1:8082", &s01).replace("127.0.0.1:8083", &s02);
        // secrets are printed on a terminal alone
        let pattern = match line.split_once("password ") {
            Some((before, _)) => format!("{before}password …"),
            None if line.starts_with("  token ") => "  token     …".into(),
            None => line,
        };
        assert!(has_line(&printed, &pattern), "dev does not print\n{pattern}\nbut\n{printed}");
    }

    let answer = shell(folder.path(), &here(upload)).await;
    let (own, pages) = (Names::of(&answer, [&app, &s01]), Names::of(uploaded, ["127.0.0.1:8080", "127.0.0.1:8082"]));
    assert_eq!(own.lines(&answer), pages.lines(uploaded));
    let word = |name: &str| serde_json::from_str::<Value>(&answer).unwrap()[name].as_str().unwrap().to_owned();
    let moved = shell(folder.path(), &here(moves).replace("IMAGE_UUID", &word("image_uuid"))).await;
    assert_eq!(own.lines(&moved), pages.lines(planned));
    for line in pages.lines(logged) {
        let line = own.0.iter().fold(line, |line, (own, name)| line.replace(name, own));
        dev.says(&[&line]).await;
    }
    let heads = shell(folder.path(), &looks.replace("URL", &word("url"))).await;
    assert_eq!(own.lines(&heads), pages.lines(found));
    dev.stop().await;
}

#[tokio::test]
async fn commands_in_the_readmes_sentences_are_there() {
    // Targets of make, options of dev, words of the programs: asked of these themselves.
    let page = text("README.md");
    let makefile = text("Makefile");
    let dev = run("server", &["dev", "--help"], &[]).await;
    let dev = String::from_utf8(dev.stdout).unwrap();
    let mut seen = 0;
    for words in quoted(&page) {
        let mut parts = words.split(' ');
        match (parts.next().unwrap(), parts.next()) {
            ("make", Some(target)) => {
                assert!(makefile.lines().any(|line| line.starts_with(&format!("{target}:"))), "{words}");
            }
            (option, _) if option.starts_with("--") => assert!(dev.contains(&format!("{option} ")), "{words}\n{dev}"),
            ("server", Some(verb)) => {
                let help = run("server", &[verb, "--help"], &[]).await;
                let help = String::from_utf8(help.stdout).unwrap();
                let is_option = |word: &&str| word.starts_with("--");
                for option in words.split(' ').filter(is_option) {
                    assert!(help.contains(&format!("{option} ")), "{words}\n{help}");
                }
                assert!(help.contains(&format!("Usage: server {verb}")), "{words}\n{help}");
            }
            _ => continue,
        }
        seen += 1;
    }
    assert!(seen >= 6, "only {seen}");
    // what `cargo run` starts in a fresh clone
    assert!(text("Cargo.toml").contains("default-members = [\"server\"]"));
    let manifest = text("server/Cargo.toml");
    assert_eq!(manifest.matches("[[bin]]").count(), 1, "{manifest}");
}
