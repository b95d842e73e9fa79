//! `/admin/queues` „Warteschlangen“: what runs, what waits and why, what failed; changed one by one or all of a filter.

use std::collections::BTreeSet;

use askama::Template;
use axum::response::{Html, IntoResponse as _, Response};
use pixelfox_proto::v1;
use tokio::try_join;
use tonic::Status;

use super::jobs_shown::{self, KINDS, STATES, Shower, Shown};
use crate::{
    form::{Choice, choices},
    query,
    show::Exact,
    trouble::{Trouble, sentence},
    view::View,
    visit::{Fields, Note, Outcome, Visit},
    words::fill,
};

/// Jobs of a page.
const PAGE: u32 = 50;

#[derive(Template)]
#[template(path = "queues.html")]
struct Queues<'a> {
    v: &'a View,
    paused: bool,
    verdict: Verdict,
    chips: Vec<Chip>,
    rate: String,
    counted: Option<Exact>,
    filter: Filter,
    kinds: Vec<Choice>,
    states: Vec<Choice>,
    pools: Vec<Choice>,
    nodes: Vec<Choice>,
    scopes: Vec<Choice>,
    jobs: Vec<Shown>,
    total: String,
    first: Option<String>,
    next: Option<String>,
    here: String,
}

/// Whether somebody has to do something.
struct Verdict {
    class: &'static str,
    icon: &'static str,
    text: String,
    /// Where to.
    link: &'static str,
}

/// How many jobs are in a state, and the way to them.
struct Chip {
    word: &'static str,
    class: &'static str,
    icon: &'static str,
    count: u64,
    link: String,
    is_here: bool,
}

#[derive(Template)]
#[template(path = "queues_sure.html")]
struct Sure<'a> {
    v: &'a View,
    text: String,
    is_cancel: bool,
    filter: Filter,
    back: &'a str,
}

/// What was asked, as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Filter {
    state: String,
    kind: String,
    node: String,
    pool: String,
    image: String,
    parent: String,
    scope: String,
    after: String,
}

impl Filter {
    fn of(fields: &Fields) -> Self {
        let text = |name| fields.text(name).to_owned();
        Self {
            state: text("state"),
            kind: text("kind"),
            node: text("node"),
            pool: text("pool"),
            image: text("image"),
            parent: text("parent"),
            scope: text("scope"),
            after: text("after"),
        }
    }

    fn pairs(&self) -> [(&'static str, &str); 7] {
        [
            ("state", &self.state),
            ("kind", &self.kind),
            ("node", &self.node),
            ("pool", &self.pool),
            ("image", &self.image),
            ("parent", &self.parent),
            ("scope", &self.scope),
        ]
    }

    fn address(&self, after: &str) -> String {
        query::address("/admin/queues", self.pairs().into_iter().chain([("after", after)]))
    }

    fn is_any(&self) -> bool {
        self.pairs()[..6].iter().any(|(_, value)| !value.is_empty())
    }

    /// Who asks for nothing special sees what people started; who looks for something sees every job.
    fn is_top(&self) -> bool {
        match self.scope.as_str() {
            "top" => true,
            "all" => false,
            _ => !self.is_any(),
        }
    }

    /// Whether there can be jobs among them that may begin anew.
    fn may_retry(&self) -> bool {
        matches!(self.state.as_str(), "" | "failed" | "cancelled")
    }

    /// Whether there can be open ones among them.
    fn may_cancel(&self) -> bool {
        matches!(self.state.as_str(), "" | "pending" | "processing" | "paused")
    }

    fn request(&self) -> v1::ListJobsRequest {
        v1::ListJobsRequest {
            state: self.state.clone(),
            kind: self.kind.clone(),
            node_id: self.node.clone(),
            parent_id: self.parent.parse().unwrap_or_default(),
            page_size: PAGE,
            page_token: self.after.clone(),
            image_uuid: self.image.clone(),
            pool_id: self.pool.parse().unwrap_or_default(),
            top_level: self.is_top(),
        }
    }

    fn change(&self) -> v1::ChangeJobsRequest {
        let list = self.request();
        v1::ChangeJobsRequest {
            state: list.state,
            kind: list.kind,
            node_id: list.node_id,
            parent_id: list.parent_id,
            image_uuid: list.image_uuid,
            pool_id: list.pool_id,
            top_level: list.top_level,
            ..v1::ChangeJobsRequest::default()
        }
    }
}

fn verdict(v: &View, queue: &v1::Queue) -> Verdict {
    let w = &v.w.queues;
    let of = |states: &[&str]| states.iter().filter_map(|state| queue.jobs_by_state.get(*state)).sum::<u64>();
    let (failed, open) = (of(&["failed"]), of(&["pending", "processing", "paused"]));
    let counted = |count, one, many| v.show.counted_in(count, one, many);
    match (failed, open) {
        (0, 0) => Verdict { class: "good", icon: "good", text: w.all_done.to_owned(), link: "" },
        (0, _) => Verdict { class: "", icon: "clock", text: counted(open, w.one_open, w.some_open), link: "" },
        _ => {
            let text = counted(failed, w.one_failed, w.some_failed);
            Verdict { class: "warn", icon: "warn", text, link: "/admin/queues?state=failed" }
        }
    }
}

pub(crate) async fn page(visit: Visit) -> Result<String, Trouble> {
    let v = &visit.view;
    let filter = Filter::of(&query::fields(&v.uri));
    let (mut admin, mut pools, mut queue) = (visit.admin(), visit.admin(), visit.admin());
    let (list, pools, queue) = try_join!(
        admin.list_jobs(filter.request()),
        pools.list_pools(v1::ListPoolsRequest {}),
        queue.get_queue(v1::GetQueueRequest {}),
    )?;
    let (list, pools, queue) = (list.into_inner(), pools.into_inner().pools, queue.into_inner());
    let words = &v.w.jobs;
    let shower = Shower { show: v.show, words, pools: &pools };
    let chip = |name: &&str| {
        let (word, class, icon) = jobs_shown::state(words, name);
        let is_here = filter.state == *name;
        let link = if is_here { String::new() } else { (*name).to_owned() };
        Chip {
            word,
            class,
            icon,
            count: queue.jobs_by_state.get(*name).copied().unwrap_or_default(),
            link: query::address("/admin/queues", [("state", link.as_str())]),
            is_here,
        }
    };
    let nodes: BTreeSet<&str> = pools.iter().map(|pool| pool.node_id.as_str()).collect();
    let scope = if filter.is_top() { "top" } else { "all" };
    let state_words = STATES.iter().map(|state| (*state, jobs_shown::state(words, state).0));
    let kind_words = KINDS.iter().map(|kind| (*kind, jobs_shown::kind(words, kind)));
    let page = Queues {
        v,
        paused: queue.paused,
        verdict: verdict(v, &queue),
        chips: STATES.iter().map(chip).collect(),
        rate: v.show.rate(queue.bytes_per_second),
        counted: v.show.at(queue.counted.as_ref()),
        kinds: choices(kind_words, &filter.kind),
        states: choices(state_words, &filter.state),
        pools: choices(pools.iter().map(|pool| (pool.id.to_string(), pool.name.as_str())), &filter.pool),
        nodes: choices(nodes.into_iter().map(|node| (node, node)), &filter.node),
        scopes: choices([("top", v.w.queues.scope_top), ("all", v.w.queues.scope_all)], scope),
        jobs: list.jobs.iter().cloned().map(|job| shower.job(job)).collect(),
        total: total(v, list.total, list.total_is_at_least),
        first: (!filter.after.is_empty()).then(|| filter.address("")),
        next: (!list.next_page_token.is_empty()).then(|| filter.address(&list.next_page_token)),
        here: filter.address(&filter.after),
        filter,
    };
    Ok(page.render()?)
}

fn total(v: &View, count: u64, at_least: bool) -> String {
    if at_least {
        return v.fill(v.w.queues.at_least, v.show.count(count));
    }
    v.show.counted_in(count, v.w.queues.one, v.w.queues.many)
}

/// `POST /admin/queues/pause` and `/resume`.
pub(crate) async fn pause(visit: Visit, _fields: Fields) -> Response {
    let done = visit.admin().pause_queue(v1::PauseQueueRequest {}).await;
    visit.back("/admin/queues", &queue_note(done.map(drop), visit.view.w.queues.did_pause))
}

pub(crate) async fn resume(visit: Visit, _fields: Fields) -> Response {
    let done = visit.admin().resume_queue(v1::ResumeQueueRequest {}).await;
    visit.back("/admin/queues", &queue_note(done.map(drop), visit.view.w.queues.did_resume))
}

fn queue_note(done: Result<(), Status>, text: &str) -> Note {
    match done {
        Ok(()) => Note::new("queue", Outcome::Done, text),
        Err(status) => Note::new("queue", Outcome::Refused, sentence(&status)),
    }
}

/// `POST /admin/queues/change`: one job (`id`), or all that fit the filter once that was said twice (`sure`).
pub(crate) async fn change(visit: Visit, fields: Fields) -> Result<Response, Trouble> {
    let v = &visit.view;
    let back = query::back(&fields, "/admin/queues");
    let what = fields.text("do");
    if let Some(field) = unreadable(&fields) {
        // Read as nothing it would mean every job.
        let values = [("field", field), ("value", &fields.text(field).chars().take(60).collect::<String>())];
        let note = Note::new("queue", Outcome::Refused, fill(v.w.queues.unreadable, &values));
        return Ok(visit.back("/admin/queues#queue", &note));
    }
    let id = fields.text("id").parse().unwrap_or(0_u64);
    let filter = Filter::of(&fields);
    if id == 0 && !fields.has("sure") && matches!(what, "cancel" | "retry") {
        let list = v1::ListJobsRequest { page_size: 1, page_token: String::new(), ..filter.request() };
        let list = visit.admin().list_jobs(list).await?.into_inner();
        if list.total == 0 {
            return Ok(visit.back(back, &Note::new("queue", Outcome::Look, v.w.queues.none_found)));
        }
        let text = if what == "cancel" { v.w.queues.sure_cancel } else { v.w.queues.sure_retry };
        let text = v.fill(text, total(v, list.total, list.total_is_at_least));
        return Ok(Html(Sure { v, text, is_cancel: what == "cancel", filter, back }.render()?).into_response());
    }
    let ask = if id > 0 { v1::ChangeJobsRequest { ids: vec![id], ..Default::default() } } else { filter.change() };
    let place = back.split(['?', '#']).next().unwrap_or(back);
    let is_list = place == "/admin/queues";
    let own = id == 0 || place == format!("/admin/queues/{id}");
    let mut note = done(&visit, what, ask, if is_list { "queue" } else { "job" }).await;
    // What was done says to which job.
    if !own && (note.outcome != Outcome::Done || what == "undo") {
        note.text = format!("{} {id}: {}", v.w.queues.job, note.text);
    }
    let row = if own { note.at.clone() } else { format!("job-{id}") };
    Ok(visit.back(&format!("{}#{row}", back.split('#').next().unwrap_or(back)), &note))
}

/// The first field that says nothing that can be done.
fn unreadable(fields: &Fields) -> Option<&'static str> {
    if !matches!(fields.text("do"), "pause" | "resume" | "cancel" | "undo" | "retry") {
        return Some("do");
    }
    let is_number = |text: &str| text.is_empty() || text.parse::<u64>().is_ok_and(|number| number > 0);
    ["id", "pool", "parent"].into_iter().find(|field| !is_number(fields.text(field)))
}

/// Does it, and says what became of it.
async fn done(visit: &Visit, what: &str, ask: v1::ChangeJobsRequest, at: &str) -> Note {
    let (v, mut admin) = (&visit.view, visit.admin());
    let w = &v.w.jobs;
    let one = Some(&ask.ids).filter(|ids| ids.len() == 1).map(|ids| ids[0].to_string());
    let (changed, text) = match what {
        "pause" => (admin.pause_jobs(ask).await, w.did_pause),
        "resume" => (admin.resume_jobs(ask).await, w.did_resume),
        "cancel" => (admin.cancel_jobs(ask).await, w.did_cancel),
        "undo" => return undone(visit, admin.undo_moves(ask).await.map(tonic::Response::into_inner), at),
        // what else it could be was refused before
        _ => (admin.retry_jobs(ask).await, w.did_retry),
    };
    match changed.map(|changed| changed.into_inner().changed) {
        Ok(0) => Note::new(at, Outcome::Look, w.nothing_changed),
        Ok(changed) => {
            let what = match &one {
                Some(id) if changed == 1 => fill(w.this_job, &[("id", id)]),
                Some(id) => fill(w.this_with_its_images, &[("id", id)]),
                None => v.show.counted_in(changed, w.one_job, w.jobs),
            };
            Note::new(at, Outcome::Done, v.fill(text, what))
        }
        Err(status) => Note::new(at, Outcome::Refused, sentence(&status)),
    }
}

fn undone(visit: &Visit, batch: Result<v1::JobBatch, Status>, at: &str) -> Note {
    let v = &visit.view;
    let w = &v.w.jobs;
    let batch = match batch {
        Ok(batch) => batch,
        Err(status) => return Note::new(at, Outcome::Refused, sentence(&status)),
    };
    let first = batch.skipped.first().map_or_else(|| w.no_trash.to_owned(), |why| v.show.said(why));
    if batch.images == 0 {
        return Note::new(at, Outcome::Look, fill(w.undone_none, &[("why", &first)]));
    }
    let images = v.show.counted_in(batch.images, w.one_image, w.images);
    let mut text = fill(w.did_undo, &[("id", &batch.job_id.to_string()), ("n", &images)]);
    if batch.skipped_total > 0 {
        let left = fill(w.skipped, &[("n", &v.show.count(batch.skipped_total)), ("why", &first)]);
        text = format!("{text} {left}");
    }
    Note::new(at, Outcome::Done, text)
}
