//! `docs/ctl.md`: its commands do what it says, its reference is what `--help` says.

use std::{fmt::Write as _, fs, path::Path};

use clap::{Arg, Command, CommandFactory as _};
use pixelfox_server::{cli::Cli, ctl::METHODS};

use crate::{grpcurl::run_page, programs::program};

const MARK: &str = "<!-- from here to the end made by the test the_reference_is_what_help_says -->\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_ctl_page_does_what_it_says() {
    let mut path = program("server").parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    run_page("docs/ctl.md", &[("PATH", path.into_string().unwrap()), ("LC_ALL", "C.UTF-8".into())]).await;
}

#[test]
fn the_reference_is_what_help_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(root.join("docs/ctl.md")).unwrap();
    let (before, there) = page.split_once(MARK).expect("the page has the mark where its reference begins");
    let made = reference();
    if there != made {
        let file = root.join("target/ctl.md");
        fs::write(&file, format!("{before}{MARK}{made}")).unwrap();
        panic!("docs/ctl.md is not what `--help` says; the page as it should be is in {}", file.display());
    }
}

fn reference() -> String {
    let server = Cli::command();
    let ctl = server.find_subcommand("ctl").unwrap();
    let mut text = String::from("\n## Reference\n\nFor all verbs:\n\n");
    for arg in ctl.get_arguments().filter(|arg| arg.is_global_set()) {
        option(&mut text, arg);
    }
    for verb in ctl.get_subcommands() {
        command(&mut text, verb, "server ctl");
    }
    text.push_str("\n## Every method\n\n| method | for instance |\n|---|---|\n");
    for (method, verb) in METHODS {
        writeln!(text, "| `{method}` | `server ctl {verb}` |").unwrap();
    }
    text
}

fn command(text: &mut String, command: &Command, above: &str) {
    let path = format!("{above} {}", command.get_name());
    let arguments: Vec<&Arg> =
        command.get_arguments().filter(|arg| !arg.is_global_set() && arg.get_id() != "help").collect();
    let mut usage = path.clone();
    for arg in arguments.iter().filter(|arg| arg.is_positional()) {
        let name = positional(arg);
        usage += &if arg.is_required_set() { format!(" {name}") } else { format!(" [{name}]") };
    }
    writeln!(text, "\n### `{usage}`\n\n{}", command.get_about().unwrap()).unwrap();
    let first = text.len();
    for arg in arguments {
        option(text, arg);
    }
    if text.len() > first {
        text.insert(first, '\n');
    }
    if let Some(after) = command.get_after_help() {
        writeln!(text, "\n```\n{after}\n```").unwrap();
    }
    for verb in command.get_subcommands() {
        self::command(text, verb, &path);
    }
}

fn positional(arg: &Arg) -> String {
    let many = arg.get_num_args().is_some_and(|range| range.max_values() > 1);
    format!("{}{}", arg.get_value_names().unwrap()[0], if many { "..." } else { "" })
}

fn option(text: &mut String, arg: &Arg) {
    let value = arg.get_value_names().filter(|_| arg.get_action().takes_values()).map(|names| names[0].as_str());
    let name = match (arg.get_long(), value) {
        (None, _) => positional(arg),
        (Some(long), None) => format!("--{long}"),
        (Some(long), Some(value)) => format!("--{long} {value}"),
    };
    let short = arg.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
    writeln!(text, "- {short}`{name}`: {}", arg.get_help().unwrap()).unwrap();
}
