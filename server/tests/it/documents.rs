//! The documents say what there is: both how-tos have the same commands and the test in containers runs them, each
//! variable, route, method and error has its row and no row is left over, what a page names is there.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::PathBuf};

use pixelfox_proto::FaultKind;

use crate::{
    harness::files_below,
    house::{assert_none, known_variables},
};

const HOWTO: &str = "docs/HOWTO-multi-node.md";
const HOWTO_DE: &str = "docs/HOWTO-multi-node.de.md";
const MARK: &str = "<!-- from here to the end made by the test the_grpc_page_is_what_the_proto_says -->\n";

pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).with_file_name(name)
}

pub(crate) fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every document of the project.
fn documents() -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for dir in ["", "docs", "docs/alerts", "ops/systemd"] {
        for entry in fs::read_dir(path(dir)).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            if name.ends_with(".md") {
                names.push(if dir.is_empty() { name } else { format!("{dir}/{name}") });
            }
        }
    }
    names.sort();
    names
}

/// What stands between fences of this kind, each without its last line's end.
pub(crate) fn blocks(page: &str, kind: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(of) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if of == kind {
            found.push(block.join("\n"));
        }
    }
    found
}

/// A page without its fenced blocks.
fn prose(page: &str) -> String {
    let mut is_inside = false;
    let outside = page.lines().filter(|line| {
        let is_fence = line.starts_with("```");
        is_inside ^= is_fence;
        !is_fence && !is_inside
    });
    outside.collect::<Vec<_>>().join("\n")
}

/// What stands between single backticks.
pub(crate) fn quoted(page: &str) -> Vec<String> {
    let joined = prose(page).replace('\n', " ");
    joined.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn both_howtos_have_the_same_commands_values_and_lines() {
    let (english, german) = (text(HOWTO), text(HOWTO_DE));
    for kind in ["sh", "text"] {
        assert_eq!(blocks(&english, kind), blocks(&german, kind), "blocks `{kind}`");
    }
    assert!(blocks(&english, "sh").len() > 10);
    // the other language's page is named, not the own one
    let named =
        |page| -> BTreeSet<String> { quoted(page).into_iter().filter(|name| !name.contains("HOWTO")).collect() };
    assert_eq!(named(&english), named(&german), "what stands in backticks");
    let chapters = |page: &str| prose(page).lines().filter(|line| line.starts_with("## ")).count();
    assert_eq!(chapters(&english), chapters(&german), "chapters");
}

#[test]
fn the_compose_test_runs_every_command_of_the_howto() {
    let (page, script) = (text(HOWTO), text("scripts/test-compose"));
    let mut run = Vec::new();
    let mut lines = script.lines();
    while let Some(line) = lines.next() {
        let is_run = ["howto ", "follow "].iter().any(|name| line.trim_start().starts_with(name));
        if line.contains("<<'SH'") && is_run {
            run.push(lines.by_ref().take_while(|line| *line != "SH").collect::<Vec<_>>().join("\n"));
        }
    }
    let run: BTreeSet<String> = run.into_iter().collect();
    assert_eq!(run, blocks(&page, "sh").into_iter().collect(), "left: run, right: on the page");
    let commands: Vec<&str> = run.iter().flat_map(|block| block.lines()).collect();
    let programs = ["make ", "docker-compose ", "docker ", "curl ", "grpcurl "];
    let exempt = ["docker-compose up -d", "docker compose", "make test-compose", "docker logs pxlfox-app-s01"];
    for word in quoted(&page).iter().filter(|word| programs.iter().any(|program| word.starts_with(program))) {
        let is_run = commands.iter().any(|command| command.starts_with(word.as_str()));
        assert!(is_run || exempt.contains(&word.as_str()), "`{word}` is run by nobody");
    }
}

/// What stands in backticks in the first cells of a page's tables.
fn first_cells(page: &str) -> Vec<String> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| row.split(" | ").next()).map(|cell| format!("`{cell}"));
    cells.flat_map(|cell| quoted(&cell)).collect()
}

#[test]
fn the_configuration_page_has_every_variable_and_no_other() {
    let known = pixelfox_node::config::VARIABLES
        .iter()
        .chain(pixelfox_node::config::AGENT_VARIABLES)
        .chain(pixelfox_server::config::VARIABLES);
    let (page, mut faults) = (text("docs/configuration.md"), Vec::new());
    let mut names = BTreeSet::new();
    for (name, default, _) in known {
        names.insert((*name).to_owned());
        let is_value = ["none", "the ", "generated", "`"].iter().all(|words| !default.starts_with(words));
        let has_default = |line: &str| line.contains(&format!("`{name}`")) && line.contains(&format!("`{default}`"));
        if is_value && !page.lines().any(has_default) {
            faults.push(format!("the row of {name} does not have its default `{default}`"));
        }
    }
    assert_none(&faults);
    let rows = first_cells(&page).into_iter().filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
    assert_eq!(rows.collect::<BTreeSet<_>>(), names, "left: the page, right: what the programs read");
}

#[test]
fn the_configuration_page_has_every_setting_and_no_other() {
    let proto = text("proto/pixelfox/v1/admin.proto");
    let message = proto.split("message Settings {").nth(1).unwrap().split("\n}").next().unwrap();
    let fields = message.lines().filter_map(|line| line.trim().strip_prefix("optional ")?.split(' ').nth(1));
    let page = text("docs/configuration.md");
    let rows = first_cells(page.split("## Settings").nth(1).unwrap());
    assert_eq!(
        rows.into_iter().collect::<BTreeSet<_>>(),
        fields.map(str::to_owned).collect(),
        "left: the page, right: the proto"
    );
}

/// Variables are read by `Env`, by name: each name that the configuration's code asks for is in the tables of `--help`.
#[test]
fn every_variable_that_the_code_reads_is_in_the_tables() {
    let known = known_variables();
    let mut read = BTreeSet::new();
    for crate_of in ["server/src", "node-agent/src", "admin-web/src", "proto"] {
        for file in files_below(&path(crate_of)).into_iter().filter(|file| file.ends_with(".rs")) {
            let code = fs::read_to_string(path(crate_of).join(file)).unwrap();
            let code = code.split("#[cfg(test)]").next().unwrap();
            for (at, _) in code.match_indices("env.").chain(code.match_indices("env, ")) {
                let Some((call, rest)) = code[at + 4..].split_once('"') else { continue };
                let is_call = call.trim_start().chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == '(');
                let name = rest.split('"').next().unwrap();
                let is_name = name.len() > 3 && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
                read.extend((is_call && is_name).then(|| name.to_owned()));
            }
        }
    }
    // of builds for the crash tests alone
    assert!(read.remove("CRASH_POINT"));
    assert!(read.len() > 20, "{read:?}");
    let strange: Vec<String> = read.iter().filter(|name| !known.contains(name.as_str())).cloned().collect();
    assert_none(&strange);
}

/// The paths behind every `.route("` of these files, as the pages write them: `<uuid>`, `…` for the rest of a path.
fn routes(files: &[&str]) -> BTreeSet<String> {
    let code = files.iter().map(|file| text(file)).collect::<String>().split_whitespace().collect::<String>();
    let found = code.match_indices(".route(\"").map(|(at, call)| code[at + call.len()..].split('"').next().unwrap());
    found.map(|path| path.replace("{*path}", "…").replace('{', "<").replace('}', ">")).collect()
}

const FOR_PROGRAMS: [&str; 2] = ["node-agent/src/http/mod.rs", "server/src/http/mod.rs"];

/// The paths that the page's headings and first cells name: `GET /healthz`, "GET and HEAD /uploads/…".
fn paths_of(page: &str) -> BTreeSet<String> {
    let before_pages = page.split("### The operator's pages").next().unwrap();
    let headings = before_pages.lines().filter(|line| line.starts_with("###") || line.starts_with("Also `"));
    let cells = before_pages.lines().filter(|line| line.starts_with("| `")).map(|row| row.split(" | ").next().unwrap());
    let words = headings.chain(cells).flat_map(|text| text.split([' ', '`', ',']));
    let paths = words.filter(|word| word.starts_with('/')).map(|word| word.trim_end_matches('.'));
    paths.map(str::to_owned).collect()
}

#[test]
fn the_http_page_has_every_route_and_no_other() {
    assert_eq!(paths_of(&text("docs/http.md")), routes(&FOR_PROGRAMS), "left: the page, right: the routers");
}

#[test]
fn the_openapi_document_has_every_route_and_no_other() {
    let document: serde_json::Value = serde_json::from_str(&text("server/src/http/openapi.json")).unwrap();
    let paths = document["paths"].as_object().unwrap().keys();
    let paths = paths.map(|path| path.replace("{stored_path}", "…").replace('{', "<").replace('}', ">"));
    assert_eq!(paths.collect::<BTreeSet<_>>(), routes(&FOR_PROGRAMS), "left: the document, right: the routers");
}

#[test]
fn the_http_page_has_the_pages_of_the_operator() {
    let page = text("docs/http.md");
    let files = ["pages/mod.rs", "pages/lists.rs", "pages/settings/mod.rs", "pages/storage/mod.rs", "gate/mod.rs"];
    let files: Vec<String> = files.iter().map(|file| format!("admin-web/src/{file}")).collect();
    let all = routes(&files.iter().map(String::as_str).collect::<Vec<_>>());
    // what is below a page are its forms and its parts
    let top: Vec<&String> = all.iter().filter(|path| path.matches('/').count() < 3 && !path.contains('*')).collect();
    assert!(top.len() > 8, "{top:?}");
    let missing = top.iter().filter(|path| !page.contains(&format!("`{path}`"))).map(|path| (**path).clone());
    assert_none(&missing.collect::<Vec<_>>());
}

#[test]
fn the_http_page_has_every_error() {
    let page = text("docs/http.md");
    let missing = FaultKind::ALL.iter().map(|kind| {
        let (_, status, word) = kind.row();
        format!("| {status} | `{word}` |")
    });
    assert_none(&missing.filter(|row| !page.contains(row.as_str())).collect::<Vec<_>>());
}

/// A method of a service with the comment above it.
struct Method {
    service: String,
    name: String,
    request: String,
    answer: String,
    comment: String,
}

/// The services of a `.proto`, each with its comment, and their methods in order.
fn services(file: &str) -> (Vec<(String, String)>, Vec<Method>) {
    let (mut services, mut methods) = (Vec::new(), Vec::new());
    let (mut service, mut comment) = (String::new(), String::new());
    for line in text(file).lines().map(str::trim) {
        if let Some(more) = line.strip_prefix("//") {
            comment = format!("{comment} {}", more.trim()).trim().to_owned();
        } else if let Some(name) = line.strip_prefix("service ").and_then(|rest| rest.split(' ').next()) {
            name.clone_into(&mut service);
            services.push((service.clone(), std::mem::take(&mut comment)));
        } else if let Some((name, rest)) = line.strip_prefix("rpc ").and_then(|rest| rest.split_once('(')) {
            let (request, answer) = rest.split_once(") returns (").expect("a method is one line");
            let answer = answer.trim_end_matches(");").to_owned();
            let (service, name, request) = (service.clone(), name.to_owned(), request.to_owned());
            methods.push(Method { service, name, request, answer, comment: std::mem::take(&mut comment) });
        } else {
            comment.clear();
        }
    }
    (services, methods)
}

const PROTOS: [&str; 3] = ["admin", "coordinator", "replication"];

fn grpc_reference() -> String {
    let mut page = String::from("\n## Errors\n\n| code | HTTP status of the same | `error` there |\n|---|---|---|\n");
    for (code, status, word) in FaultKind::ALL.iter().map(|kind| kind.row()) {
        writeln!(page, "| `{code:?}` | {status} | `{word}` |").unwrap();
    }
    for proto in PROTOS {
        let file = format!("proto/pixelfox/v1/{proto}.proto");
        let (services, methods) = services(&file);
        for (service, comment) in services {
            writeln!(page, "\n## pixelfox.v1.{service}\n\n`{file}`. {comment}\n").unwrap();
            page += "| method | asked with | answers | what |\n|---|---|---|---|\n";
            for it in methods.iter().filter(|it| it.service == service) {
                let what = if it.comment.is_empty() { "–" } else { &it.comment };
                writeln!(page, "| `{}` | `{}` | `{}` | {} |", it.name, it.request, it.answer, what.replace('|', "\\|"))
                    .unwrap();
            }
        }
    }
    page
}

#[test]
fn the_grpc_page_is_what_the_proto_says() {
    let page = text("docs/grpc.md");
    let (before, there) = page.split_once(MARK).expect("the page has the mark where its reference begins");
    let made = grpc_reference();
    if there != made {
        let file = path("target").join("grpc.md");
        fs::write(&file, format!("{before}{MARK}{made}")).unwrap();
        panic!("docs/grpc.md is not what the .proto files say; the page as it should be is in {}", file.display());
    }
}

#[test]
fn every_method_has_an_example_by_hand() {
    // the session of a node and what it says in it: nothing to do by hand
    let of_nodes = ["Coordinator/Attach", "Coordinator/CommitUpload"];
    let page = text("docs/grpcurl.md");
    let commands = blocks(&page, "sh").join("\n");
    let methods = PROTOS.iter().flat_map(|proto| services(&format!("proto/pixelfox/v1/{proto}.proto")).1);
    let names: Vec<String> = methods.map(|it| format!("{}/{}", it.service, it.name)).collect();
    assert!(names.len() > 40, "{names:?}");
    let is_asked = |name: &str| commands.split_whitespace().any(|word| word == format!("pixelfox.v1.{name}"));
    let missing = names.into_iter().filter(|name| !of_nodes.contains(&name.as_str()) && !is_asked(name));
    assert_none(&missing.collect::<Vec<_>>());
}

/// Whether a word in backticks is meant as a path of the project.
fn is_path(word: &str) -> bool {
    const ROOMS: [&str; 8] = ["docs/", "scripts/", "ops/", "proto/", "server/", "node-agent/", "admin-web/", ".ci/"];
    ROOMS.iter().any(|room| word.starts_with(room)) && !word.contains(['*', '{', ' ', ':'])
}

#[test]
fn what_a_document_names_is_there() {
    let mut faults = Vec::new();
    let mut named = 0;
    for document in documents() {
        let page = text(&document);
        let dir = path(&document).parent().unwrap().to_owned();
        for word in quoted(&page).iter().filter(|word| is_path(word)) {
            named += 1;
            if !path(word).try_exists().unwrap() {
                faults.push(format!("{document} names {word}, which is not there"));
            }
        }
        let prose = prose(&page).replace('\n', " ");
        for (at, _) in prose.match_indices("](") {
            let link = prose[at + 2..].split(')').next().unwrap();
            if !link.contains("://") && !dir.join(link.split('#').next().unwrap()).try_exists().unwrap() {
                faults.push(format!("{document} leads to {link}, which is not there"));
            }
        }
        // `docs/http.md`, "Errors": a page and its heading
        for (at, between) in prose.match_indices(".md`, \"") {
            let file = prose[..at].rsplit('`').next().unwrap();
            let heading = prose[at + between.len()..].split('"').next().unwrap();
            let heads = text(&format!("{file}.md"));
            if !heads.lines().any(|line| line.starts_with('#') && line.trim_start_matches(['#', ' ']) == heading) {
                faults.push(format!("{document} cites \"{heading}\" of {file}.md, which has no such heading"));
            }
        }
    }
    assert!(named > 30, "only {named} paths were found");
    assert_none(&faults);
}

#[test]
fn the_architecture_has_a_place_for_every_room() {
    let page = text("ARCHITECTURE.md");
    let mut missing = Vec::new();
    for (dir, prefix) in [("proto", "proto/"), ("server/src", ""), ("node-agent/src", ""), ("admin-web/src", "")] {
        for entry in fs::read_dir(path(dir)).unwrap().map(|entry| entry.unwrap().path()) {
            let name = entry.file_name().unwrap().to_str().unwrap().to_owned();
            let is_room = (entry.is_dir() || name.ends_with(".rs")) && name != "lib.rs";
            let room =
                if prefix.is_empty() { name.trim_end_matches(".rs").to_owned() } else { format!("{prefix}{name}") };
            let is_no_code = ["proto/benches", "proto/pixelfox"].contains(&room.as_str());
            if is_room && !is_no_code && !page.contains(&format!("`{room}`")) {
                missing.push(format!("{dir}: {room}"));
            }
        }
    }
    assert_none(&missing);
}

#[test]
fn the_readme_leads_to_every_document() {
    let readme = text("README.md");
    let missing = documents().into_iter().filter(|name| {
        let is_part = name.starts_with("docs/alerts/") || name == "README.md";
        !is_part && !readme.contains(&format!("`{name}`"))
    });
    assert_none(&missing.collect::<Vec<_>>());
}
