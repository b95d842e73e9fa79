//! Every command of docs/grpcurl.md runs against a whole cluster, in its order, and answers what the page says.

use std::{path::Path, process::Stdio, time::Duration};

use tokio::{process::Command, time::timeout};

use crate::harness::TestCluster;

/// A command of the page and the lines it must answer.
#[derive(Debug)]
pub(crate) struct Example {
    pub(crate) command: String,
    pub(crate) answer: Vec<String>,
}

/// The page's `sh` blocks, each with the `text` block behind it. A block marked `sh setup` is the reader's own.
pub(crate) fn examples(page: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```").filter(|kind| !kind.is_empty()) else { continue };
        let block: Vec<String> = lines.by_ref().take_while(|line| *line != "```").map(str::to_owned).collect();
        match kind {
            "sh" => examples.push(Example { command: block.join("\n"), answer: Vec::new() }),
            "text" => examples.last_mut().expect("an answer follows its command").answer = block,
            _ => {}
        }
    }
    examples
}

/// Whether `text` has the pieces of `pattern` between its `…`, one after the other on one line.
pub(crate) fn has_line(text: &str, pattern: &str) -> bool {
    text.lines().any(|line| {
        let mut rest = line;
        pattern.trim().split('…').all(|piece| match rest.find(piece) {
            Some(at) => {
                rest = &rest[at + piece.len()..];
                true
            }
            None => false,
        })
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_grpcurl_page_does_what_it_says() {
    run_page("docs/grpcurl.md", &[]).await;
}

/// Runs every command of a page against a new cluster. One shell runs all of it, as a reader would: later commands use the
/// variables of earlier ones.
pub(crate) async fn run_page(page: &str, more_variables: &[(&str, String)]) {
    Box::pin(run_pages(&[page], more_variables)).await;
}

/// The same with several pages, one after the other.
pub(crate) async fn run_pages(pages: &[&str], more_variables: &[(&str, String)]) {
    let cluster = TestCluster::start().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = |page: &&str| std::fs::read_to_string(root.join(page)).unwrap() + "\n";
    let examples = examples(&pages.iter().map(text).collect::<String>());
    assert!(examples.len() > 8, "{pages:?} have only {} commands", examples.len());
    let script: String = examples.iter().map(|e| format!("{}\necho '<<<end of example>>>'\n", e.command)).collect();
    let work = tempfile::tempdir().unwrap();
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", &script]).current_dir(work.path()).envs(cluster.shell_variables());
    shell.env("ADMIN_URL", format!("http://{}", cluster.app())).envs(more_variables.iter().cloned());
    shell.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(Duration::from_secs(90), shell.output()).await.expect("the page hangs").unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let answers: Vec<&str> = stdout.split("<<<end of example>>>").collect();
    for (example, answer) in examples.iter().zip(&answers) {
        for line in &example.answer {
            assert!(
                has_line(answer, line),
                "{}\ndid not answer the line\n{line}\nbut\n{answer}\n{stderr}",
                example.command
            );
        }
    }
    assert!(output.status.success(), "the page stopped after {} commands:\n{stdout}\n{stderr}", answers.len() - 1);
    cluster.shutdown().await;
}
