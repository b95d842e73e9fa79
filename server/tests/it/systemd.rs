//! The units of `ops/systemd`: systemd reads every line of them, they are as closed as they look, and give a stop the
//! time that it takes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use pixelfox_server::app::longest_shutdown;
use tempfile::TempDir;

use crate::programs::program;

const UNITS: [&str; 4] =
    ["pixelfox-server.service", "pixelfox-node@.service", "pixelfox-backup.service", "pixelfox-backup.timer"];
/// Of 10, which is a service that is closed in nothing.
const MOST_EXPOSED: f64 = 2.0;

fn source(name: &str) -> String {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).with_file_name("ops/systemd");
    fs::read_to_string(dir.join(name)).unwrap()
}

/// The units as they are installed, but with the programs of this build; a template with an instance of it.
fn installed() -> (TempDir, Vec<PathBuf>) {
    let folder = TempDir::new().unwrap();
    let unit = |name: &&str| {
        let mut text = source(name);
        for binary in ["server", "node-agent"] {
            text = text.replace(&format!("/usr/local/bin/{binary}"), program(binary).to_str().unwrap());
        }
        let path = folder.path().join(name.replace("@.", "@s01."));
        fs::write(&path, text).unwrap();
        path
    };
    let paths = UNITS.iter().map(unit).collect();
    (folder, paths)
}

fn analyze(arguments: &[&str], units: &[&Path]) -> (bool, String) {
    let output = Command::new("systemd-analyze").args(arguments).args(units).output();
    let output = output
        .expect("systemd-analyze is needed for this test: scripts/install-test-tools, or apt-get install systemd");
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    (output.status.success(), said)
}

#[test]
fn systemd_understands_every_line_of_the_units() {
    let (_folder, units) = installed();
    let (is_well, said) = analyze(&["verify", "--man=no"], &units.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    assert!(is_well && said.trim().is_empty(), "{said}");
}

#[test]
fn the_services_are_closed() {
    let (_folder, units) = installed();
    for unit in units.iter().filter(|unit| unit.extension().is_some_and(|kind| kind == "service")) {
        let (_, said) = analyze(&["security", "--offline=true", "--no-pager"], &[unit]);
        let overall = said.lines().find_map(|line| line.split("Overall exposure level for").nth(1));
        let level = overall.and_then(|rest| rest.split(": ").nth(1)?.split_whitespace().next()?.parse::<f64>().ok());
        let level = level.unwrap_or_else(|| panic!("no level in\n{said}"));
        assert!(level <= MOST_EXPOSED, "{}: {level}\n{said}", unit.display());
    }
}

#[test]
fn a_stop_has_the_time_that_it_takes() {
    for name in ["pixelfox-server.service", "pixelfox-node@.service"] {
        let unit = source(name);
        let value = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).unwrap();
        assert!(value.parse::<u64>().unwrap() > longest_shutdown().as_secs(), "{name}: {value}");
    }
    let mut containers = 0;
    for name in ["docker-compose.yml", "docker-compose.override.yml"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(name)).unwrap();
        for value in text.lines().filter_map(|line| line.trim().strip_prefix("stop_grace_period: ")) {
            let seconds = value.split('s').next().unwrap().parse::<u64>().unwrap();
            assert!(seconds > longest_shutdown().as_secs(), "{name}: {value}");
            containers += 1;
        }
    }
    assert!(containers >= 3, "{containers}");
}

#[test]
fn the_page_names_variables_that_there_are() {
    let known: Vec<&str> = pixelfox_node::config::VARIABLES
        .iter()
        .chain(pixelfox_node::config::AGENT_VARIABLES)
        .chain(pixelfox_server::config::VARIABLES)
        .map(|(name, _, _)| *name)
        .collect();
    let page = source("README.md");
    let set = page.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    let set: Vec<&str> = set.filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_')).collect();
    assert!(set.len() > 10, "{set:?}");
    for name in set {
        assert!(known.contains(&name.trim_end_matches("_FILE")) || known.contains(&name), "{name}");
    }
}
