//! Move to Pool for a whole pool: where to and how many, the preview, the start, and every move out of this pool live.

use askama::Template;
use axum::{
    extract::Path,
    response::{Html, IntoResponse as _, Response},
};
use http::StatusCode;
use pixelfox_proto::v1;
use tokio::try_join;

use super::{
    super::{
        jobs_shown::{Shower, Shown},
        selection::{Preview, request_id},
    },
    id,
};
use crate::{
    form::{Choice, choices},
    live, query,
    trouble::{Trouble, sentence},
    view::View,
    visit::{Fields, Note, Outcome, Visit},
    words::fill,
};

/// Moves that are shown, the newest first.
const SHOWN: u32 = 10;

#[derive(Template)]
#[template(path = "pool_move.html")]
struct MovePage<'a> {
    v: &'a View,
    pool: v1::Pool,
    images: String,
    pools: Vec<Choice>,
    target: u64,
    /// As typed; empty: all.
    limit: String,
    target_wrong: String,
    limit_wrong: String,
    preview: Option<Preview>,
    request_id: String,
    moves: Vec<Move>,
    here: String,
}

/// A move out of this pool.
struct Move {
    job: Shown,
    ends: Vec<End>,
}

/// How many of its images ended in a way, and where they are listed.
struct End {
    word: &'static str,
    count: String,
    link: String,
}

/// What was asked for in the form.
struct Asked {
    target: u64,
    limit: Result<u64, ()>,
    typed: String,
}

impl Asked {
    fn of(fields: &Fields) -> Self {
        let typed = if fields.text("which") == "all" { "" } else { fields.text("limit") };
        let number = typed.replace(['.', ',', ' '], "");
        let limit = if typed.is_empty() { Ok(0) } else { number.parse().ok().filter(|n| *n > 0).ok_or(()) };
        let limit = if fields.text("which") == "first" && typed.is_empty() { Err(()) } else { limit };
        Self { target: fields.text("target").parse().unwrap_or(0), limit, typed: typed.to_owned() }
    }

    fn request(&self, source: u64, dry_run: bool, request_id: String) -> Option<v1::MovePoolRequest> {
        let limit = self.limit.ok()?;
        let (source_pool_id, target_pool_id) = (source, self.target);
        (self.target > 0).then_some(v1::MovePoolRequest { source_pool_id, target_pool_id, dry_run, limit, request_id })
    }
}

/// `GET /admin/storage/<id>/move`: what was asked for stands in the address, so that a preview can be looked at again.
pub(super) async fn show(visit: Visit, path: Path<String>) -> Result<Response, Trouble> {
    let id = id(path)?;
    live::page(visit, &["job", "pool"], move |visit| async move {
        let fields = query::fields(&visit.view.uri);
        page(&visit, id, &fields, String::new()).await
    })
    .await
}

/// `POST`: the move begins, and is seen below.
pub(super) async fn start(visit: Visit, path: Path<String>, fields: Fields) -> Result<Response, Trouble> {
    let id = id(path)?;
    let (v, w) = (&visit.view, &visit.view.w.storage);
    let Some(ask) = Asked::of(&fields).request(id, false, request_id(&fields)) else {
        return Ok((StatusCode::BAD_REQUEST, Html(page(&visit, id, &fields, String::new()).await?)).into_response());
    };
    match visit.admin().move_pool(ask).await {
        Err(status) => {
            let code = Trouble::from(status.clone()).status;
            Ok((code, Html(page(&visit, id, &fields, sentence(&status)).await?)).into_response())
        }
        Ok(batch) => {
            let batch = batch.into_inner();
            let images = v.show.counted_in(batch.images, v.w.jobs.one_image, v.w.jobs.images);
            let mut text = match batch.images {
                0 if batch.skipped_total == 0 => w.nothing_there.to_owned(),
                0 => w.nothing_went.to_owned(),
                _ => fill(w.started, &[("id", &batch.job_id.to_string()), ("n", &images)]),
            };
            if let Some(first) = batch.skipped.first() {
                let n = v.show.count(batch.skipped_total);
                text = format!("{text} {}", fill(w.left_out, &[("n", &n), ("why", &v.show.said(first))]));
            }
            let outcome = if batch.images == 0 { Outcome::Look } else { Outcome::Done };
            let path = format!("/admin/storage/{id}/move#moves");
            Ok(visit.back(&path, &Note::new("job", outcome, text)))
        }
    }
}

async fn page(visit: &Visit, id: u64, fields: &Fields, refused: String) -> Result<String, Trouble> {
    let (v, w) = (&visit.view, &visit.view.w.storage);
    let asked = Asked::of(fields);
    let (mut a, mut b) = (visit.admin(), visit.admin());
    let jobs = v1::ListJobsRequest {
        kind: "move_pool".into(),
        pool_id: id,
        top_level: true,
        page_size: SHOWN,
        ..v1::ListJobsRequest::default()
    };
    let (pools, jobs) = try_join!(a.list_pools(v1::ListPoolsRequest {}), b.list_jobs(jobs))?;
    let (pools, jobs) = (pools.into_inner().pools, jobs.into_inner().jobs);
    let Some(pool) = pools.iter().find(|pool| pool.id == id).cloned() else {
        // Asked for, so that the page says which one is gone.
        visit.admin().get_pool(v1::GetPoolRequest { id }).await?;
        return Err(Trouble::no_page());
    };
    let mut target_wrong = refused;
    if fields.has("target") && asked.target == 0 {
        w.choose_first.clone_into(&mut target_wrong);
    }
    let mut preview = None;
    if let Some(ask) = asked.request(id, true, String::new()).filter(|_| target_wrong.is_empty()) {
        match visit.admin().move_pool(ask).await {
            Ok(batch) => preview = Some(Preview::of(v, &batch.into_inner())),
            Err(status) => target_wrong = sentence(&status),
        }
    }
    let shower = Shower { show: v.show, words: &v.w.jobs, pools: &pools };
    let moves = jobs.into_iter().filter(|job| job.source_pool_id == id).map(|job| one(v, &shower, job)).collect();
    let label = |pool: &v1::Pool| {
        let more = match pool {
            pool if !pool.online => w.away.to_owned(),
            pool if !pool.healthy => v.w.selection.ill.to_owned(),
            pool => fill(w.free_of, &[("bytes", &v.show.bytes(pool.filesystem_free).short)]),
        };
        (pool.id.to_string(), format!("{} ({}, {more})", pool.name, pool.node_id))
    };
    let others = pools.iter().filter(|other| other.id != id && other.is_active).map(label);
    let page = MovePage {
        v,
        images: v.show.count(pool.images),
        pools: choices(others, &asked.target.to_string()),
        target: asked.target,
        limit_wrong: if asked.limit.is_err() { w.bad_limit.to_owned() } else { String::new() },
        limit: asked.typed,
        target_wrong,
        preview,
        request_id: request_id(fields),
        moves,
        here: format!("/admin/storage/{id}/move"),
        pool,
    };
    Ok(page.render()?)
}

fn one(v: &View, shower: &Shower<'_>, job: v1::Job) -> Move {
    let w = &v.w.storage;
    let ends = [
        (w.moved_list, job.children_done.saturating_sub(job.not_moved), "completed"),
        (w.failed_list, job.children_failed, "failed"),
        (w.cancelled_list, job.children_cancelled, "cancelled"),
    ];
    let parent = job.id.to_string();
    let end = |(word, count, state): (&'static str, u64, &str)| End {
        word,
        count: v.show.count(count),
        link: query::address("/admin/queues", [("parent", parent.as_str()), ("state", state)]),
    };
    Move { ends: ends.into_iter().filter(|(_, count, _)| *count > 0).map(end).collect(), job: shower.job(job) }
}
