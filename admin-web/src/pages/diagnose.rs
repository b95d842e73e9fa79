//! `/admin/diagnose`: what commonly goes wrong, looked for now. First what is to be done, then tables of nodes and pools,
//! a matrix of who reaches whom, and every line.

use std::{collections::BTreeMap, time::Duration};

use askama::Template;
use axum::{
    extract::Query,
    response::{Html, IntoResponse as _, Response},
};
use pixelfox_proto::v1::{self, finding::Status};
use serde::Deserialize;
use tokio::time::Instant;

use crate::{trouble::Trouble, view::View, visit::Visit, words::fill};

const OF_NODES: [&str; 6] = ["attached", "node_id", "secret", "clock", "version", "environment"];
const OF_POOLS: [&str; 6] = ["node_id", "base_path", "same_directory", "write", "space", "public_base_url"];
/// A service that takes longer than every question together has stopped.
const WITHIN: Duration = Duration::from_secs(120);

/// What is to be checked, as the address says it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    pool: u64,
}

#[derive(Template)]
#[template(path = "diagnose.html")]
struct Diagnose<'a> {
    v: &'a View,
    only_one_pool: bool,
    took: String,
    cut_off: Option<String>,
    failed: u64,
    warnings: u64,
    to_do: Vec<Line>,
    all: Vec<Line>,
    tables: Vec<Table>,
    matrix: Option<Matrix>,
}

/// A finding.
#[derive(Clone)]
struct Line {
    /// Of its element in the list of all.
    id: String,
    class: &'static str,
    status: &'static str,
    subject: String,
    check: &'static str,
    message: String,
    advice: String,
    /// Where it can be changed.
    place: &'static str,
}

/// One row a node or pool, one column a check.
struct Table {
    id: &'static str,
    title: &'static str,
    columns: Vec<&'static str>,
    rows: Vec<(String, Vec<Cell>)>,
}

/// Who asked whom.
struct Matrix {
    columns: Vec<String>,
    /// `None`: a node does not ask itself, or nobody asked.
    rows: Vec<(String, Vec<Option<Cell>>)>,
}

/// The worst line about something.
#[derive(Clone)]
struct Cell {
    id: String,
    class: &'static str,
    status: &'static str,
    message: String,
}

pub(crate) async fn page(visit: Visit, Query(asked): Query<Asked>) -> Result<Response, Trouble> {
    let begin = Instant::now();
    let (findings, broken) = ask(&visit, asked.pool).await?;
    let view = &visit.view;
    let count = |status: Status| findings.iter().filter(|it| it.status() == status).count() as u64;
    let lines: Vec<(&v1::Finding, Line)> =
        findings.iter().enumerate().map(|(at, finding)| (finding, line(view, at, finding))).collect();
    let mut to_do: Vec<&(&v1::Finding, Line)> = lines.iter().filter(|(it, _)| it.status() != Status::Ok).collect();
    to_do.sort_by_key(|(it, _)| std::cmp::Reverse(it.status()));
    let w = &view.w.diagnose;
    let tables = [("nodes", w.nodes, "node ", &OF_NODES), ("pools", w.pools, "pool ", &OF_POOLS)];
    let tables = tables.map(|(id, title, kind, checks)| table(view, id, title, kind, checks, &lines));
    let page = Diagnose {
        v: view,
        only_one_pool: asked.pool != 0,
        took: fill(w.took, &[("time", &view.show.duration(begin.elapsed().as_secs_f64()))]),
        cut_off: broken.map(|why| fill(w.cut_off, &[("why", &why)])),
        failed: count(Status::Failed),
        warnings: count(Status::Warning),
        to_do: to_do.into_iter().map(|(_, line)| line.clone()).collect(),
        tables: tables.into_iter().filter(|table| !table.rows.is_empty()).collect(),
        matrix: matrix(&lines),
        all: lines.into_iter().map(|(_, line)| line).collect(),
    };
    Ok(Html(page.render()?).into_response())
}

/// All lines, and why there are no more where it broke off.
async fn ask(visit: &Visit, pool_id: u64) -> Result<(Vec<v1::Finding>, Option<String>), Trouble> {
    let mut stream = visit.admin().diagnose(v1::DiagnoseRequest { pool_id }).await?.into_inner();
    let mut findings = Vec::new();
    let all = async {
        loop {
            match stream.message().await {
                Ok(Some(finding)) => findings.push(finding),
                Ok(None) => return None,
                Err(status) => return Some(status.message().to_owned()),
            }
        }
    };
    let broken = tokio::time::timeout(WITHIN, all).await.unwrap_or_else(|_| Some("the server took too long".into()));
    Ok((findings, broken))
}

fn line(view: &View, at: usize, finding: &v1::Finding) -> Line {
    let (class, status) = stands(view, finding.status());
    let place = match finding.subject.split(' ').next() {
        Some("pool") => "/admin/storage",
        _ => "/admin/nodes",
    };
    Line {
        id: format!("line-{at}"),
        class,
        status,
        subject: finding.subject.replace("->", "\u{2192}"),
        check: name(view, &finding.check),
        message: finding.message.clone(),
        advice: finding.advice.clone(),
        place,
    }
}

fn stands(view: &View, status: Status) -> (&'static str, &'static str) {
    let w = &view.w.diagnose;
    match status {
        Status::Ok => ("good", w.ok),
        Status::Warning => ("warn", w.warning),
        Status::Failed => ("bad", w.failed),
        Status::Unspecified => ("idle", w.not_checked),
    }
}

/// As people call a check.
fn name(view: &View, check: &str) -> &'static str {
    let w = &view.w.diagnose;
    match check {
        "attached" => w.attached,
        "node_id" => w.node_id,
        "secret" => w.secret,
        "environment" => w.environment,
        "clock" => w.clock,
        "version" => w.version,
        "base_path" => w.base_path,
        "same_directory" => w.same_directory,
        "write" => w.write,
        "space" => w.space,
        "public_base_url" => w.public_base_url,
        "upload_api_url" => w.upload_api_url,
        _ => w.check,
    }
}

type Lines<'a> = [(&'a v1::Finding, Line)];

/// The worst of these lines.
fn worst<'a>(lines: impl Iterator<Item = &'a (&'a v1::Finding, Line)>) -> Option<Cell> {
    let (_, line) = lines.max_by_key(|(finding, _)| finding.status())?;
    let Line { id, class, status, message, .. } = line.clone();
    Some(Cell { id, class, status, message })
}

fn table(
    view: &View,
    id: &'static str,
    title: &'static str,
    kind: &str,
    checks: &[&'static str],
    lines: &Lines<'_>,
) -> Table {
    let mut subjects: Vec<&str> = Vec::new();
    for (finding, _) in lines {
        if let Some(subject) = finding.subject.strip_prefix(kind)
            && !subjects.contains(&subject)
        {
            subjects.push(subject);
        }
    }
    let nothing =
        || Cell { id: String::new(), class: "idle", status: view.w.diagnose.not_checked, message: String::new() };
    let cell = |subject: &str, check: &str| {
        let about =
            |(it, _): &&(&v1::Finding, Line)| it.check == check && it.subject.strip_prefix(kind) == Some(subject);
        worst(lines.iter().filter(about)).unwrap_or_else(nothing)
    };
    let shown = |check: &&&'static str| lines.iter().any(|(it, _)| it.check == **check && it.subject.starts_with(kind));
    let checks: Vec<&'static str> = checks.iter().filter(shown).copied().collect();
    let row = |subject: &str| (subject.to_owned(), checks.iter().map(|check| cell(subject, check)).collect());
    let rows = subjects.into_iter().map(row).collect();
    Table { id, title, columns: checks.iter().map(|check| name(view, check)).collect(), rows }
}

fn matrix(lines: &Lines<'_>) -> Option<Matrix> {
    let mut ways: BTreeMap<(&str, &str), Vec<&(&v1::Finding, Line)>> = BTreeMap::new();
    for line in lines {
        if let Some(way) = line.0.subject.split_once(" -> ") {
            ways.entry(way).or_default().push(line);
        }
    }
    let mut nodes: Vec<&str> = ways.keys().flat_map(|(from, to)| [*from, *to]).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let asks: Vec<&str> = nodes.iter().copied().filter(|node| ways.keys().any(|(from, _)| from == node)).collect();
    let asked: Vec<&str> = nodes.into_iter().filter(|node| ways.keys().any(|(_, to)| to == node)).collect();
    let mut rows = Vec::new();
    for from in asks {
        let cells = asked.iter().map(|to| worst(ways.get(&(from, *to))?.iter().copied()));
        rows.push((from.to_owned(), cells.collect()));
    }
    (!rows.is_empty()).then(|| Matrix { columns: asked.iter().map(ToString::to_string).collect(), rows })
}
