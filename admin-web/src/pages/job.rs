//! `/admin/queues/<id>`: one job, live; of a parent its images, those that failed first.

use askama::Template;
use pixelfox_proto::v1;
use tokio::try_join;

use super::jobs_shown::{Shower, Shown, is_parent};
use crate::{query, trouble::Trouble, view::View, visit::Visit};

/// Children that are shown of each state.
const CHILDREN: u32 = 20;

#[derive(Template)]
#[template(path = "job.html")]
struct JobPage<'a> {
    v: &'a View,
    job: Shown,
    children: Option<Children>,
}

/// Of a parent.
struct Children {
    failed: Vec<Shown>,
    others: Vec<Shown>,
    /// All of them, as a list; those that ended in a way.
    all: String,
    counts: [Count; 4],
}

/// How many of them ended in a way.
struct Count {
    word: &'static str,
    count: u64,
    link: String,
}

pub(crate) async fn page(visit: Visit, id: u64) -> Result<String, Trouble> {
    let v = &visit.view;
    let (mut admin, mut pools) = (visit.admin(), visit.admin());
    let (job, pools) = try_join!(admin.get_job(v1::GetJobRequest { id }), pools.list_pools(v1::ListPoolsRequest {}))?;
    let (job, pools) = (job.into_inner(), pools.into_inner().pools);
    let shower = Shower { show: v.show, words: &v.w.jobs, pools: &pools };
    let children = if is_parent(&job) { Some(children(&visit, &job, &shower).await?) } else { None };
    Ok(JobPage { v, job: shower.job(job), children }.render()?)
}

async fn children(visit: &Visit, job: &v1::Job, shower: &Shower<'_>) -> Result<Children, Trouble> {
    let of = |state: &str| v1::ListJobsRequest {
        parent_id: job.id,
        state: state.to_owned(),
        page_size: CHILDREN,
        ..v1::ListJobsRequest::default()
    };
    let (mut one, mut two, mut three) = (visit.admin(), visit.admin(), visit.admin());
    let none = async || Ok(tonic::Response::new(v1::ListJobsResponse::default()));
    let (failed, running, newest) = try_join!(
        async { if job.children_failed > 0 { one.list_jobs(of("failed")).await } else { none().await } },
        two.list_jobs(of("processing")),
        three.list_jobs(of("")),
    )?;
    let shown = |jobs: Vec<v1::Job>| jobs.into_iter().map(|job| shower.job(job)).collect::<Vec<_>>();
    let mut others = shown(running.into_inner().jobs);
    let more = shown(newest.into_inner().jobs);
    let failed = shown(failed.into_inner().jobs);
    for job in more {
        let known = others.iter().chain(&failed).any(|known| known.id == job.id);
        if !known && others.len() < CHILDREN as usize {
            others.push(job);
        }
    }
    let (parent, w) = (job.id.to_string(), &visit.view.w.queues);
    let count = |word, count, state: &str| {
        let link = query::address("/admin/queues", [("parent", parent.as_str()), ("state", state)]);
        Count { word, count, link }
    };
    let ended = job.children_done + job.children_failed + job.children_cancelled;
    Ok(Children {
        failed,
        others,
        all: query::address("/admin/queues", [("parent", parent.as_str())]),
        counts: [
            count(w.done, job.children_done, "completed"),
            count(w.failed, job.children_failed, "failed"),
            count(w.cancelled, job.children_cancelled, "cancelled"),
            count(w.open, job.children_total.saturating_sub(ended), ""),
        ],
    })
}
