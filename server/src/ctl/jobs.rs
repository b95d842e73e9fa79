//! `ctl jobs`: list, show, watch, and what can be done to them.

use clap::Subcommand;
use pixelfox_proto::v1;

use super::{
    Ctl, Ended, Form, Trouble, fields,
    follow::{self, Follow},
    lists::{self, Columns, Limit, Page},
    places::{self, Pools},
    progress, show,
    table::{
        Head,
        Side::{Left, Right},
    },
};

const HEADS: &[Head] = &[
    ("ID", Right),
    ("KIND", Left),
    ("STATE", Left),
    ("FROM", Left),
    ("TO", Left),
    ("DONE", Right),
    ("RATE", Right),
    ("LEFT", Right),
    ("CREATED", Left),
    ("NOTE", Left),
];

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct JobsArgs {
    #[command(subcommand)]
    verb: Option<JobsVerb>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum JobsVerb {
    /// Those that fit, newest first; all of them where nothing is asked for.
    List(ListArgs),
    /// Everything about one.
    Show {
        /// Its number.
        id: u64,
    },
    /// Follow one to its end; exit code 1 where that is not a good one.
    Watch {
        /// Its number.
        id: u64,
    },
    /// Stop what is copied, within 2 s; no attempt is used up. Children follow their parent.
    Pause(Which),
    /// Let paused ones go on.
    Resume(Which),
    /// End them; each image is whole in one place afterwards.
    Cancel(Which),
    /// Begin failed and cancelled ones anew, with all their attempts.
    Retry(Which),
    /// Take moves back while the old copies are in the trash: nothing is copied.
    Undo {
        #[command(flatten)]
        which: Which,
        /// Follow it to its end.
        #[arg(long)]
        watch: bool,
    },
}

/// Which jobs: by their numbers, or by a filter.
#[derive(Debug, clap::Args)]
struct Which {
    /// Their numbers.
    #[arg(value_name = "ID", required_unless_present_any = ["state", "kind", "node", "parent", "image", "pool"])]
    ids: Vec<u64>,
    #[command(flatten)]
    filter: Filter,
    /// The same one again does nothing new and answers the same.
    #[arg(long, value_name = "ID", default_value = "")]
    request_id: String,
}

#[derive(Debug, clap::Args)]
struct Filter {
    /// pending, processing, paused, completed, failed or cancelled.
    #[arg(long)]
    state: Option<String>,
    /// move_pool, move_images, undo, delete_images, or of children move_image, delete_image.
    #[arg(long)]
    kind: Option<String>,
    /// Where they run.
    #[arg(long)]
    node: Option<String>,
    /// Children of this job.
    #[arg(long, value_name = "ID")]
    parent: Option<u64>,
    /// Of this image.
    #[arg(long)]
    image: Option<String>,
    /// From or to this pool.
    #[arg(long)]
    pool: Option<String>,
    /// Only those that no other job made.
    #[arg(long)]
    top: bool,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    limit: Limit,
}

pub(super) async fn run(ctl: &mut Ctl, args: JobsArgs) -> Ended {
    match args.verb.unwrap_or(JobsVerb::List(args.list)) {
        JobsVerb::List(args) => list(ctl, args).await,
        JobsVerb::Show { id } => {
            let job = ctl.admin.get_job(v1::GetJobRequest { id }).await?.into_inner();
            ctl.answer(&job, fields::print)
        }
        JobsVerb::Watch { id } => follow::job(ctl, id).await,
        JobsVerb::Pause(which) => {
            let ask = ask(ctl, which).await?;
            let answer = ctl.admin.pause_jobs(ask).await?.into_inner();
            changed(ctl, answer, "paused")
        }
        JobsVerb::Resume(which) => {
            let ask = ask(ctl, which).await?;
            let answer = ctl.admin.resume_jobs(ask).await?.into_inner();
            changed(ctl, answer, "resumed")
        }
        JobsVerb::Cancel(which) => {
            let ask = ask(ctl, which).await?;
            let answer = ctl.admin.cancel_jobs(ask).await?.into_inner();
            changed(ctl, answer, "cancelled")
        }
        JobsVerb::Retry(which) => {
            let ask = ask(ctl, which).await?;
            let answer = ctl.admin.retry_jobs(ask).await?.into_inner();
            changed(ctl, answer, "begun anew")
        }
        JobsVerb::Undo { which, watch } => {
            let ask = ask(ctl, which).await?;
            let batch = ctl.admin.undo_moves(ask).await?.into_inner();
            follow::batch(ctl, &batch, "taken back", &Follow::only(watch)).await
        }
    }
}

fn changed(ctl: &mut Ctl, answer: v1::ChangeJobsResponse, word: &str) -> Ended {
    ctl.answer(&answer, |out, answer| out.line(&format!("{} {word}.", show::counted(answer.changed, "job"))))
}

async fn ask(ctl: &mut Ctl, which: Which) -> Result<v1::ChangeJobsRequest, Trouble> {
    let filter = ask_filter(ctl, which.filter).await?;
    Ok(v1::ChangeJobsRequest {
        ids: which.ids,
        state: filter.state,
        kind: filter.kind,
        node_id: filter.node_id,
        parent_id: filter.parent_id,
        request_id: which.request_id,
        image_uuid: filter.image_uuid,
        pool_id: filter.pool_id,
        top_level: filter.top_level,
    })
}

async fn ask_filter(ctl: &mut Ctl, filter: Filter) -> Result<v1::ListJobsRequest, Trouble> {
    let image_uuid = match filter.image {
        Some(image) => places::image(ctl, &image).await?,
        None => String::new(),
    };
    Ok(v1::ListJobsRequest {
        state: filter.state.unwrap_or_default(),
        kind: filter.kind.unwrap_or_default(),
        node_id: filter.node.unwrap_or_default(),
        parent_id: filter.parent.unwrap_or_default(),
        image_uuid,
        pool_id: places::pool_if(ctl, filter.pool.as_deref()).await?,
        top_level: filter.top,
        ..v1::ListJobsRequest::default()
    })
}

async fn list(ctl: &mut Ctl, args: ListArgs) -> Ended {
    let filter = ask_filter(ctl, args.filter).await?;
    let pools = if ctl.form == Form::Table { Pools::ask(ctl).await? } else { Pools::default() };
    let row = |job: &v1::Job| row(job, &pools);
    lists::print(ctl, "jobs", args.limit, Columns { heads: HEADS, row }, async |ctl, page_size, page_token| {
        let ask = v1::ListJobsRequest { page_size, page_token, ..filter.clone() };
        let page = ctl.admin.list_jobs(ask).await?.into_inner();
        let total = Some((page.total, page.total_is_at_least));
        Ok(Page { items: page.jobs, next: page.next_page_token, total })
    })
    .await
}

fn row(job: &v1::Job, pools: &Pools) -> Vec<String> {
    let runs = job.state == "processing" && job.bytes_per_second > 0.0;
    let error = if job.state == "completed" { "" } else { job.last_error.as_str() };
    let taken = match job.taken_back_by {
        0 => String::new(),
        by if job.can_undo => format!("partly taken back by job {by}"),
        by => format!("taken back by job {by}"),
    };
    let note = [job.waiting_for.as_str(), error, job.note.as_str(), taken.as_str()];
    let note: Vec<&str> = note.into_iter().filter(|word| !word.is_empty()).collect();
    vec![
        job.id.to_string(),
        job.kind.clone(),
        job.state.clone(),
        if job.source_pool_id == 0 && job.target_pool_id > 0 {
            "several".into()
        } else {
            pools.name(job.source_pool_id)
        },
        pools.name(job.target_pool_id),
        progress::done(job),
        if runs { show::rate(job.bytes_per_second) } else { String::new() },
        if runs && job.eta_seconds > 0.0 { show::duration(job.eta_seconds) } else { String::new() },
        show::time(job.created.as_ref()),
        note.join("; "),
    ]
}
