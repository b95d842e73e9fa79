//! `/admin/diagnose`: what commonly goes wrong, looked for now. First what is to be done, then tables of nodes and pools,
//! a matrix of who reaches whom, and every line.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};

use askama::Template;
use axum::response::{
    Html, IntoResponse as _, Response,
    sse::{Event, Sse},
};
use futures_util::{StreamExt as _, stream};
use pixelfox_proto::v1::{self, finding::Status};
use tokio::time::{Instant, timeout_at};
use tonic::{Code, Streaming};

use super::storage;
use crate::{
    assets, live, query,
    show::Exact,
    trouble::{Trouble, sentence},
    view::View,
    visit::Visit,
    words::fill,
};

const OF_NODES: [&str; 6] = ["attached", "node_id", "secret", "clock", "version", "environment"];
const OF_POOLS: [&str; 6] = ["node_id", "base_path", "same_directory", "write", "space", "public_base_url"];
const OF_WAYS: [&str; 2] = ["upload_api_url", "secret"];
/// A service that takes longer than every question together has stopped.
const WITHIN: Duration = Duration::from_secs(120);

/// What is to be checked, as the address says it.
#[derive(Clone, Debug)]
struct Asked {
    pool: u64,
    /// The button was pressed.
    start: String,
    /// By a script, which asks for the lines itself.
    live: String,
}

impl Asked {
    /// A pool that is no number is none of ours.
    fn of(visit: &Visit) -> Result<Self, Trouble> {
        let fields = query::fields(&visit.view.uri);
        let pool = match fields.text("pool") {
            "" => 0,
            pool => pool.parse().map_err(|_| Trouble::no_page())?,
        };
        Ok(Self { pool, start: fields.text("start").to_owned(), live: fields.text("live").to_owned() })
    }

    /// A diagnosis writes test files: it begins by a button, or by a link that names a pool.
    fn starts(&self) -> bool {
        self.pool != 0 || !self.start.is_empty()
    }
}

#[derive(Template)]
#[template(path = "diagnose_start.html")]
struct Start<'a> {
    v: &'a View,
}

#[derive(Template)]
#[template(path = "diagnose.html")]
struct Diagnose<'a> {
    v: &'a View,
    pool: u64,
    running: bool,
    took: String,
    cut_off: Option<String>,
    failed: u64,
    warnings: u64,
    to_do: Vec<Line>,
    well: Vec<Line>,
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
    /// By whom it was seen, and when.
    by: String,
    at: Option<Exact>,
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

pub(crate) async fn page(visit: Visit) -> Result<Response, Trouble> {
    let asked = Asked::of(&visit)?;
    if !asked.starts() {
        let page = Start { v: &visit.view };
        return Ok(Html(page.render()?).into_response());
    }
    if visit.wants_events() {
        return live(visit, asked).await;
    }
    let mut run = Run::new();
    if asked.live.is_empty() {
        let mut stream = visit.admin().diagnose(v1::DiagnoseRequest { pool_id: asked.pool }).await?.into_inner();
        while !run.is_over {
            run.gather(&mut stream, WITHIN, &visit).await;
        }
    }
    Ok(Html(run.page(&visit.view, &asked)?).into_response())
}

/// The lines as they come, for the script of the page; what a reader without one has waits for all of them.
async fn live(visit: Visit, asked: Asked) -> Result<Response, Trouble> {
    let (run, lines) = match visit.admin().diagnose(v1::DiagnoseRequest { pool_id: asked.pool }).await {
        Ok(lines) => (Run::new(), Some(lines.into_inner())),
        // Said on the page that is open: a stream that is refused would be taken for a lost connection.
        Err(status) if status.code() == Code::ResourceExhausted => (Run::refused(&status), None),
        Err(status) => return Err(status.into()),
    };
    let hello = Event::default().event("hello").data(assets::VERSION.as_str());
    let visit = Arc::new(visit);
    let patches = stream::unfold(Some((run, lines)), move |state| {
        let (visit, asked) = (Arc::clone(&visit), asked.clone());
        async move {
            let (mut run, mut lines) = state?;
            if run.is_told {
                return Some((Ok(Event::default().event("done").data("")), None));
            }
            if let Some(lines) = &mut lines {
                run.gather(lines, run.rest(), &visit).await;
            }
            run.is_told = run.is_over;
            let event = match run.page(&visit.view.again(), &asked) {
                Ok(html) => live::patch(&html),
                Err(trouble) => Event::default().event("trouble").data(trouble.status.as_str()),
            };
            Some((Ok(event), Some((run, lines))))
        }
    });
    let events = stream::once(async { Ok::<_, Infallible>(hello) }).chain(patches);
    Ok(Sse::new(events).into_response())
}

/// A diagnosis as far as it has come.
struct Run {
    begin: Instant,
    findings: Vec<v1::Finding>,
    /// Why it has not all lines.
    broken: Option<String>,
    is_over: bool,
    /// The reader has all of it.
    is_told: bool,
}

impl Run {
    fn new() -> Self {
        Self { begin: Instant::now(), findings: Vec::new(), broken: None, is_over: false, is_told: false }
    }

    /// One that did not begin.
    fn refused(status: &tonic::Status) -> Self {
        Self { broken: Some(sentence(status)), is_over: true, ..Self::new() }
    }

    /// Between two pictures of it: many lines are drawn less often.
    fn rest(&self) -> Duration {
        Duration::from_millis(300) + Duration::from_millis(self.findings.len() as u64)
    }

    /// What comes within `wait`; a service that takes longer than every question together has stopped.
    async fn gather(&mut self, lines: &mut Streaming<v1::Finding>, wait: Duration, visit: &Visit) {
        let (until, end) = (Instant::now() + wait, self.begin + WITHIN);
        loop {
            match timeout_at(until.min(end), lines.message()).await {
                Ok(Ok(Some(finding))) => self.findings.push(finding),
                Ok(Ok(None)) => {
                    self.is_over = true;
                    return storage::note_ways(visit, &self.findings).await;
                }
                Ok(Err(status)) => self.broken = Some(cut_off(visit, status.message())),
                Err(_) if Instant::now() >= end => self.broken = Some(cut_off(visit, visit.view.w.diagnose.too_long)),
                Err(_) => return,
            }
            if self.broken.is_some() {
                return self.is_over = true;
            }
        }
    }

    fn page(&self, view: &View, asked: &Asked) -> Result<String, Trouble> {
        let findings = &self.findings;
        let count = |status: Status| findings.iter().filter(|it| it.status() == status).count() as u64;
        let mut lines: Vec<(&v1::Finding, Line)> =
            findings.iter().enumerate().map(|(at, finding)| (finding, line(view, at, finding))).collect();
        lines.sort_by_key(|(finding, _)| place_of(finding));
        let mut to_do: Vec<&(&v1::Finding, Line)> = lines.iter().filter(|(it, _)| it.status() != Status::Ok).collect();
        to_do.sort_by_key(|(it, _)| std::cmp::Reverse(it.status()));
        let w = &view.w.diagnose;
        let tables = [("nodes", w.nodes, "node ", &OF_NODES), ("pools", w.pools, "pool ", &OF_POOLS)];
        let tables = tables.map(|(id, title, kind, checks)| table(view, id, title, kind, checks, &lines));
        let took = if self.is_over { w.took } else { w.running };
        let page = Diagnose {
            v: view,
            pool: asked.pool,
            running: !self.is_over,
            took: fill(took, &[("time", &view.show.duration(self.begin.elapsed().as_secs_f64()))]),
            cut_off: self.broken.clone(),
            failed: count(Status::Failed),
            warnings: count(Status::Warning),
            to_do: to_do.into_iter().map(|(_, line)| line.clone()).collect(),
            tables: tables.into_iter().filter(|table| !table.rows.is_empty()).collect(),
            matrix: matrix(&lines),
            well: lines.into_iter().filter(|(it, _)| it.status() == Status::Ok).map(|(_, line)| line).collect(),
        };
        Ok(page.render()?)
    }
}

fn cut_off(visit: &Visit, why: &str) -> String {
    fill(visit.view.w.diagnose.cut_off, &[("why", why)])
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
        subject: subject(view, &finding.subject),
        check: name(view, &finding.check),
        message: finding.message.clone(),
        advice: finding.advice.clone(),
        by: by(view, finding),
        at: view.show.at(finding.measured_at.as_ref()),
        place,
    }
}

/// `Knoten s01`, `Speicherpool img1`, `s01 → s02`.
fn subject(view: &View, name: &str) -> String {
    let w = &view.w.diagnose;
    match name.split_once(' ') {
        Some(("node", name)) => fill(w.by_node, &[("name", name)]),
        Some(("pool", name)) => fill(w.of_pool, &[("name", name)]),
        _ => name.replace("->", "\u{2192}"),
    }
}

/// Where a line stands: nodes, pools, ways; then by name, then as the tables have the checks. They come in no order.
fn place_of(finding: &v1::Finding) -> (usize, &str, usize) {
    let (kind, checks): (usize, &[&str]) = match finding.subject.split(' ').next() {
        Some("node") => (0, &OF_NODES),
        Some("pool") => (1, &OF_POOLS),
        _ => (2, &OF_WAYS),
    };
    let check = checks.iter().position(|check| *check == finding.check).unwrap_or(checks.len());
    (kind, &finding.subject, check)
}

/// `Knoten s01`; empty where the service does not say it.
fn by(view: &View, finding: &v1::Finding) -> String {
    let w = &view.w.diagnose;
    match finding.measured_by.split_once(' ') {
        Some(("node", name)) => fill(w.by_node, &[("name", name)]),
        Some(("server", name)) => fill(w.by_server, &[("name", name)]),
        _ => String::new(),
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
