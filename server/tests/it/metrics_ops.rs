//! `ops/`: the rules, the board and the pages of the alerts fit each other and the metrics that there are; promtool, from
//! Prometheus, checks what only it can.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use pixelfox_node::metrics::{ALL, Kind};
use serde_json::Value;

use crate::{grpcurl::run_pages, programs::program};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Runs promtool in the repository. `make tools` puts it beside the tests' other programs.
fn promtool(arguments: &[&str]) {
    let mut command = Command::new("promtool");
    let output = command.args(arguments).current_dir(root()).output().unwrap_or_else(|cause| {
        panic!("promtool can't be run ({cause}): `make tools` fetches it, then PATH=target/tools:$PATH; or apt-get install prometheus")
    });
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
}

/// Words of a text that look like a metric of ours.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = |word: &&str| word.starts_with("pixelfox_") || word.starts_with("process_");
    words.filter(ours).map(str::to_owned).collect()
}

/// Those that no process shows.
fn unknown(names: &BTreeSet<String>) -> Vec<&String> {
    let shown = |name: &str| {
        ALL.iter().any(|metric| match metric.kind {
            Kind::Histogram => {
                let end = name.strip_prefix(metric.name);
                end.is_some_and(|end| ["_bucket", "_sum", "_count"].contains(&end))
            }
            Kind::Counter | Kind::Gauge => metric.name == name,
        })
    };
    names.iter().filter(|name| !shown(name)).collect()
}

/// What stands behind `key` in a file of rules.
fn values<'t>(rules: &'t str, key: &str) -> Vec<&'t str> {
    rules.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix(key)).map(str::trim).collect()
}

#[test]
fn the_rules_are_right_and_fire_when_they_should() {
    promtool(&["check", "config", "--syntax-only", "ops/prometheus/prometheus.yml"]);
    promtool(&["check", "rules", "ops/prometheus/alerts.yml"]);
    promtool(&["test", "rules", "ops/prometheus/alerts.test.yml"]);
}

#[test]
fn alerts_have_metrics_that_exist_a_page_and_a_test() {
    let (rules, tests) = (text("ops/prometheus/alerts.yml"), text("ops/prometheus/alerts.test.yml"));
    let used = names(&rules);
    assert!(used.len() > 8, "{used:?}");
    assert_eq!(unknown(&used), Vec::<&String>::new());
    let alerts: BTreeSet<&str> = values(&rules, "alert:").into_iter().collect();
    let tested: BTreeSet<&str> = values(&tests, "alertname:").into_iter().collect();
    assert_eq!(tested, alerts, "each alert is tested");
    let pages: Vec<String> = alerts.iter().map(|alert| format!("docs/alerts/{alert}.md")).collect();
    assert_eq!(
        values(&rules, "runbook_url:").into_iter().collect::<BTreeSet<_>>(),
        pages.iter().map(String::as_str).collect()
    );
    let there = fs::read_dir(root().join("docs/alerts")).unwrap();
    let there: BTreeSet<String> =
        there.map(|entry| format!("docs/alerts/{}", entry.unwrap().file_name().display())).collect();
    assert_eq!(there, pages.into_iter().collect(), "each alert has a page, each page an alert");
}

#[test]
fn the_board_shows_metrics_that_exist() {
    let board: Value = serde_json::from_str(&text("ops/grafana/dashboards/pixelfox.json")).unwrap();
    let source = text("ops/grafana/provisioning/datasources/prometheus.yml");
    let panels = board["panels"].as_array().unwrap();
    let (mut rules, mut used) = (String::from("groups:\n- name: board\n  rules:\n"), BTreeSet::new());
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel} has the number of another one");
        assert!(panel["gridPos"]["x"].as_u64().unwrap() + panel["gridPos"]["w"].as_u64().unwrap() <= 24, "{panel}");
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let uid = target["datasource"]["uid"].as_str().unwrap();
            assert!(source.contains(&format!("uid: {uid}\n")), "{uid} is no source of the provisioning");
            used.extend(names(expression));
            let expression = expression.replace("$__rate_interval", "1m");
            rules += &format!("  - record: panel:{}\n    expr: {}\n", rules.len(), Value::from(expression));
        }
    }
    assert!(panels.len() > 15 && used.len() > 15, "{used:?}");
    assert_eq!(unknown(&used), Vec::<&String>::new());
    let file = tempfile::NamedTempFile::with_suffix(".yml").unwrap();
    fs::write(&file, rules).unwrap();
    promtool(&["check", "rules", file.path().to_str().unwrap()]);
}

#[test]
fn the_containers_read_the_files_of_ops() {
    let compose = text("docker-compose.yml");
    for (file, place) in [
        ("./ops/prometheus", "/etc/prometheus"),
        ("./ops/grafana/provisioning", "/etc/grafana/provisioning"),
        ("./ops/grafana/dashboards", "/etc/grafana/dashboards"),
    ] {
        assert!(compose.contains(&format!("- {file}:{place}:ro\n")), "{file} is not mounted read-only at {place}");
        assert!(root().join(file).is_dir(), "{file} is not there");
    }
    assert!(text("ops/grafana/provisioning/dashboards/pixelfox.yml").contains("path: /etc/grafana/dashboards\n"));
    // Each program of the compose files is read, by the name and port that it has there: the app always, a node where its
    // name leads to one, so that an app alone raises no alarm.
    let scraped = text("ops/prometheus/prometheus.yml");
    for (service, how) in [
        ("app", "\n      - targets: [\"app:4000\"]\n"),
        ("app_s01", "\n      - names: [app_s01, app_s02]\n        type: A\n        port: 4000\n"),
        ("app_s02", "\n      - names: [app_s01, app_s02]\n"),
    ] {
        assert!(scraped.contains(how), "{service} is not read");
        let both = compose.clone() + &text("docker-compose.override.yml");
        assert!(both.contains(&format!("\n  {service}:\n")), "{service} is no service");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_alerts_pages_runs() {
    let mut path = program("server").parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    let pages = fs::read_dir(root().join("docs/alerts")).unwrap();
    let mut pages: Vec<String> =
        pages.map(|page| format!("docs/alerts/{}", page.unwrap().file_name().display())).collect();
    pages.sort();
    let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
    let token = ("METRICS_TOKEN", "a token of the reader".to_owned());
    run_pages(&pages, &[("PATH", path.into_string().unwrap()), ("LC_ALL", "C.UTF-8".into()), token]).await;
}
