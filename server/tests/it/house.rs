//! The house: what ARCHITECTURE.md says of rooms, floors and words holds in the code. Reads the sources as text.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

mod floors;

use floors::{NODE_FLOORS, SERVER_FLOORS};

const CRATES: [&str; 4] = ["proto", "server", "node-agent", "admin-web"];
const MAX_LINES: usize = 400;

/// Uses between rooms of one floor that the architecture knows: user, used.
const NEIGHBOURS: &[(&str, &str)] = &[];

/// Rooms that know no runtime, database, wire, disk, clock or random source.
const PURE: &[&str] = &[
    "proto/frame",
    "proto/id.rs",
    "proto/stored_path.rs",
    "proto/digest.rs",
    "proto/trace.rs",
    "proto/upload_token.rs",
    "node-agent/src/ranges.rs",
    "node-agent/src/transfer.rs",
    "server/src/catalog",
    "server/src/schedule",
    "server/src/moves",
    "server/src/access",
    "server/src/placement.rs",
    "server/src/diagnose/checks",
    "server/src/diagnose/finding.rs",
    "server/src/diagnose/seen.rs",
];
const IMPURE: &[&str] = &[
    "tokio::",
    "sqlx::",
    "axum::",
    "tonic::",
    "std::fs",
    "rustix::",
    "fastrand::",
    "getrandom::",
    "Instant::now",
    "SystemTime::now",
];

const BANNED_ROOMS: &[&str] = &["utils", "util", "common", "helpers", "types", "manager", "misc", "handler", "data"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Rust file below `dir`, relative to the root, with its text.
fn sources(dir: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![root().join(dir)];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn all_sources() -> Vec<(String, String)> {
    CRATES.iter().flat_map(|dir| sources(dir)).filter(|(name, _)| !name.contains("/target/")).collect()
}

/// The part of a file that is built into the product, without comments.
fn product(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| line.split(" // ").next().unwrap()).collect::<Vec<_>>().join("\n")
}

fn is_test(name: &str) -> bool {
    ["/tests/", "/benches/", "/examples/"].iter().any(|folder| name.contains(folder)) || name.ends_with("/tests.rs")
}

pub(crate) fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Names of the rooms behind every `crate::` of a file.
fn rooms_used(code: &str) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut rooms = BTreeSet::new();
    for (at, found) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + found.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            rooms.insert(word(rest));
            continue;
        };
        let (mut depth, mut start) = (0, true);
        for (i, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                c if start && !c.is_whitespace() => {
                    rooms.insert(word(&list[i..]));
                    start = false;
                }
                _ => {}
            }
        }
    }
    rooms
}

fn floor_faults(src: &str, floors: &[(&str, u8)]) -> Vec<String> {
    let (floor, mut faults) = (|room: &str| floors.iter().find(|(name, _)| *name == room).map(|at| at.1), Vec::new());
    for (name, text) in sources(src) {
        let room = name[src.len() + 1..].split(['/', '.']).next().unwrap().to_owned();
        if room == "lib" {
            continue;
        }
        let Some(here) = floor(&room) else {
            faults.push(format!("{name}: the room `{room}` has no floor"));
            continue;
        };
        for used in rooms_used(&product(&text)) {
            let known = floor(&used);
            let neighbour = NEIGHBOURS.contains(&(room.as_str(), used.as_str()));
            if used != room && !neighbour && known.is_none_or(|there| there >= here) {
                faults.push(format!("{name}: floor {here} uses `{used}` on floor {known:?}"));
            }
        }
    }
    faults
}

#[test]
fn a_room_uses_lower_floors_only() {
    let mut faults = floor_faults("node-agent/src", NODE_FLOORS);
    faults.extend(floor_faults("server/src", SERVER_FLOORS));
    assert_none(&faults);
}

#[test]
fn every_file_says_what_it_is_for_and_stays_readable() {
    let mut faults = Vec::new();
    for (name, text) in all_sources() {
        if !text.starts_with("//!") {
            faults.push(format!("{name}: does not begin with `//!`"));
        }
        let lines = text.lines().count();
        if lines > MAX_LINES {
            faults.push(format!("{name}: {lines} lines, at most {MAX_LINES}"));
        }
        for part in name.split(['/', '.']).filter(|part| BANNED_ROOMS.contains(part)) {
            faults.push(format!("{name}: a room is not called `{part}`"));
        }
    }
    assert_none(&faults);
}

#[test]
fn pure_rooms_are_pure() {
    let mut faults = Vec::new();
    for (name, text) in all_sources() {
        if PURE.iter().any(|room| name.starts_with(room)) {
            let code = product(&text);
            faults.extend(
                IMPURE.iter().filter(|word| code.contains(**word)).map(|word| format!("{name}: names `{word}`")),
            );
        }
    }
    assert_none(&faults);
}

/// It works for any server, so it takes nothing of the one that it is built with.
#[test]
fn the_command_line_knows_the_admin_service_alone() {
    let mut faults = Vec::new();
    for (name, text) in sources("server/src/ctl") {
        let code = product(&text);
        faults.extend(rooms_used(&code).iter().map(|room| format!("{name}: uses crate::{room}")));
        let of_node = rooms_used(&code.replace("crate::", "own::").replace("pixelfox_node::", "crate::"));
        let strange = of_node.iter().filter(|room| !matches!(room.as_str(), "config" | "tls"));
        faults.extend(strange.map(|room| format!("{name}: uses pixelfox_node::{room}")));
        let words = ["axum::", "sqlx::", "pixelfox_admin_web", "std::fs"];
        faults.extend(words.iter().filter(|word| code.contains(**word)).map(|word| format!("{name}: names {word}")));
    }
    assert_none(&faults);
}

/// Where a word may stand, besides tests: SQL in the store, pool files in `disk`, wire types at the edge.
#[test]
fn each_outside_thing_is_touched_in_one_room() {
    const RULES: &[(&str, &[&str])] = &[
        ("sqlx::", &["server/src/store/"]),
        // columns are named: a newer server may add some
        ("SELECT *", &[]),
        ("tokio::fs", &[]),
        (
            "std::fs",
            &[
                "node-agent/src/disk/",
                "node-agent/src/config/",
                "node-agent/src/state.rs",
                "server/src/dev/",
                "server/src/backup/",
                "server/src/store/open.rs",
            ],
        ),
        ("rustix::fs::", &["node-agent/src/disk/", "node-agent/src/config/", "server/src/backup/"]),
        (
            "v1::",
            &[
                "proto/",
                "node-agent/src/grpc/",
                "node-agent/src/send/wire.rs",
                "node-agent/src/session/wire",
                "node-agent/src/coordinator.rs",
                "server/src/grpc/",
                "server/src/ctl/",
                "admin-web/",
            ],
        ),
        ("std::env::var", &["node-agent/src/config/"]),
    ];
    let mut faults = Vec::new();
    for (name, text) in all_sources().into_iter().filter(|(name, _)| !is_test(name)) {
        let code = product(&text);
        for (word, rooms) in RULES {
            if code.contains(word) && !rooms.iter().any(|room| name.starts_with(room)) {
                faults.push(format!("{name}: `{word}` belongs into {rooms:?}"));
            }
        }
    }
    assert_none(&faults);
}

/// Every variable that `--help` has.
pub(crate) fn known_variables() -> BTreeSet<&'static str> {
    let nodes = pixelfox_node::config::VARIABLES.iter().chain(pixelfox_node::config::AGENT_VARIABLES);
    nodes.chain(pixelfox_server::config::VARIABLES).map(|(name, _, _)| *name).collect()
}

#[test]
fn every_variable_of_the_environment_is_known_and_explained() {
    let known = known_variables();
    let text = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    let (dev, readme) = (text(".env.dev"), text("README.md") + &text("docs/configuration.md"));
    let mut faults = Vec::new();
    for name in
        dev.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('=')).map(|(n, _)| n)
    {
        if !known.contains(name) {
            faults.push(format!(".env.dev sets {name}, which no program reads"));
        }
    }
    faults.extend(known.iter().filter(|name| !readme.contains(**name)).map(|name| format!("{name} is not explained")));
    assert_none(&faults);
}

#[test]
fn every_path_that_the_architecture_names_exists() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut faults = Vec::new();
    for quoted in text.split('`').skip(1).step_by(2) {
        let path = quoted.split("::").next().unwrap();
        let is_path = CRATES.iter().any(|dir| path.starts_with(&format!("{dir}/"))) || path.starts_with("docs/");
        if is_path && !path.contains(['*', '{', ' ']) && !root().join(path).try_exists().unwrap() {
            faults.push(format!("ARCHITECTURE.md names {path}, which is not there"));
        }
    }
    assert_none(&faults);
}

/// Whom a comment cites, it finds: `docs/http.md, "Errors"` is a file with a heading of that name.
#[test]
fn every_page_that_a_comment_cites_exists() {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let mut faults = Vec::new();
    let mut cited = 0;
    for (name, text) in all_sources() {
        let comments: Vec<&str> = text
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("//"))
            .map(|c| c.trim_start_matches(['/', '!']))
            .collect();
        let comments = comments.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
        for (at, ending) in [".md", ".proto"].iter().flat_map(|ending| comments.match_indices(ending)) {
            let (before, after) = comments.split_at(at + ending.len());
            let file = &before[before.rfind(|c| !is_part(c)).map_or(0, |i| i + 1)..];
            if after.starts_with(is_part) && !after.starts_with('.') || file.len() == ending.len() {
                continue;
            }
            cited += 1;
            let path = if ending == ".proto" && !file.contains('/') {
                format!("proto/pixelfox/v1/{file}")
            } else {
                file.to_owned()
            };
            let Ok(page) = fs::read_to_string(root().join(&path)) else {
                faults.push(format!("{name} cites {path}, which is not there"));
                continue;
            };
            let heading = after.strip_prefix(", \"").and_then(|rest| rest.split('"').next());
            if let Some(heading) = heading.filter(|_| ending == ".md")
                && !page.lines().any(|line| line.starts_with('#') && line.trim_start_matches(['#', ' ']) == heading)
            {
                faults.push(format!("{name} cites \"{heading}\" of {path}, which has no such heading"));
            }
        }
    }
    assert!(cited > 20, "only {cited} citations were found");
    assert_none(&faults);
}

/// `file.rs::a_test_name` in ARCHITECTURE.md names a test that is there.
#[test]
fn every_test_that_the_architecture_names_exists() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut named = 0;
    let mut faults = Vec::new();
    for (path, test) in text.split('`').skip(1).step_by(2).filter_map(|quoted| quoted.split_once(".rs::")) {
        named += 1;
        let code = fs::read_to_string(root().join(format!("{path}.rs"))).unwrap_or_default();
        if !code.contains(&format!("fn {test}(")) {
            faults.push(format!("{path}.rs has no test {test}"));
        }
    }
    assert!(named > 0, "ARCHITECTURE.md names no test");
    assert_none(&faults);
}
