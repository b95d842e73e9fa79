//! What was begun, and `--watch`: a job followed to its end. The job goes on whether or not anybody looks.

use std::time::Duration;

use pixelfox_proto::{text, v1};
use tokio::time::sleep;

use super::{Ctl, Ended, Ending, Form, Trouble, json, methods, progress, show, terminal::Out, trouble::Class};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// A line at least so often where nothing is drawn, in looks.
const LINE_EVERY: u32 = 20;
/// A server that is away for so many looks, one after the other, is not waited for any longer: two minutes.
const AWAY: u32 = 240;
/// Children under way that get a bar of their own.
const BARS: u32 = 5;
/// Failed children whose reason is told.
const REASONS: u32 = 5;
/// Images that are left out whose reason is told.
const NAMED: usize = 5;

/// Options of what begins a job.
#[derive(Debug, clap::Args)]
pub(super) struct Follow {
    /// Follow the job to its end; exit code 1 where that is not a good one. Ctrl-C leaves it running.
    #[arg(long)]
    watch: bool,
    /// The same one again does nothing new and answers the same: for scripts that try again.
    #[arg(long, value_name = "ID", default_value = "")]
    request_id: String,
}

impl Follow {
    pub(super) fn only(watch: bool) -> Self {
        Self { watch, request_id: String::new() }
    }

    pub(super) fn request_id(&self) -> String {
        self.request_id.clone()
    }
}

/// Prints what was planned, and follows it where that is wanted. `word`: what becomes of the images. Where nothing is
/// left to do that is what it ends with: there is no job then.
pub(super) async fn batch(ctl: &mut Ctl, batch: &v1::JobBatch, word: &str, follow: &Follow) -> Ended {
    match ctl.form {
        Form::Json if follow.watch => ctl.out.line(&json::line(batch))?,
        Form::Json => ctl.out.line(&json::document(batch))?,
        Form::Table => print(&mut ctl.out, batch, word)?,
    }
    ctl.out.flush()?;
    match batch.job_id {
        0 => nothing(ctl, batch, word),
        id if follow.watch => job(ctl, id).await,
        id => {
            if ctl.form == Form::Table {
                ctl.out
                    .line(&format!("Job {id} is begun. `jobs watch {id}` follows it, `jobs cancel {id}` ends it."))?;
                ctl.out.flush()?;
            }
            Ok(Ending::Done)
        }
    }
}

/// Of a dry run, which never ends with a refusal.
pub(super) fn preview(ctl: &mut Ctl, batch: &v1::JobBatch, word: &str) -> Ended {
    ctl.answer(batch, |out, batch| {
        print(out, batch, word)?;
        out.line("Nothing was written.")
    })
}

fn nothing(ctl: &mut Ctl, batch: &v1::JobBatch, word: &str) -> Ended {
    ctl.out.flush()?;
    // What is refused is said in the reader's language, by the word for what was wanted.
    let (de, all) = (in_german(word), show::count(batch.skipped_total));
    Err(Trouble::Nothing(match batch.skipped_total {
        0 => text!(de "nichts wird {de}: der Speicherpool ist leer", en "nothing is {word}: the pool is empty"),
        1 => text!(
            de "nichts wird {de}: das einzige Bild bleibt aus, der Grund steht oben",
            en "nothing is {word}: the only image is left out, for the reason above"
        ),
        _ => text!(
            de "nichts wird {de}: alle {all} Bilder bleiben aus, die Gründe stehen oben",
            en "nothing is {word}: all {all} images are left out, for the reasons above"
        ),
    }))
}

fn in_german(word: &str) -> &'static str {
    match word {
        "deleted" => "gelöscht",
        "taken back" => "zurückgeholt",
        _ => "verschoben",
    }
}

fn print(out: &mut Out, batch: &v1::JobBatch, word: &str) -> Result<(), Trouble> {
    let (images, files) = (show::counted(batch.images, "image"), show::counted(batch.files, "file"));
    out.line(&format!("{images}, {files}, {} to be {word}", show::bytes(batch.bytes)))?;
    if batch.seconds_expected > 0.0 {
        out.line(&format!("At the rates of late it takes {}", show::duration(batch.seconds_expected)))?;
    }
    match batch.target_room {
        Some(room) if room < batch.bytes => {
            out.line(&format!("The target has room for {} now: what does not fit waits for room", show::bytes(room)))?;
        }
        Some(room) => out.line(&format!("The target has room for {}", show::bytes(room)))?,
        None => {}
    }
    if !batch.too_large.is_empty() {
        out.line(&show::clean(&batch.too_large))?;
    }
    if !batch.waiting_for.is_empty() {
        out.line(&format!("It waits: {}", show::clean(&batch.waiting_for)))?;
    }
    if batch.skipped_total > 0 {
        out.line(&format!("{} skipped:", show::count(batch.skipped_total)))?;
        let named = batch.skipped.iter().take(NAMED);
        for why in named.clone() {
            out.line(&format!("  {}", show::clean(&methods::as_verbs(why))))?;
        }
        let unsaid = batch.skipped_total.saturating_sub(named.len() as u64);
        if unsaid > 0 {
            out.line(&format!("  and {} more", show::count(unsaid)))?;
        }
    }
    Ok(())
}

/// Follows a job to its end.
pub(super) async fn job(ctl: &mut Ctl, id: u64) -> Ended {
    let stopped = format!(
        "\nNot followed any longer; job {id} goes on. `server ctl jobs watch {id}` follows it again, \
         `server ctl jobs cancel {id}` ends it"
    );
    let mut told = Told::default();
    let last = tokio::select! {
        biased;
        heard = tokio::signal::ctrl_c() => {
            heard?;
            return Err(Trouble::Stopped(stopped));
        }
        last = to_the_end(ctl, id, &mut told) => last?,
    };
    ctl.out.keep();
    if progress::ended_well(&last) {
        return Ok(Ending::Done);
    }
    if ctl.form == Form::Table && last.children_failed > 0 {
        reasons(ctl, id).await?;
    }
    if ctl.form == Form::Table && last.files_missing > 0 {
        let files = show::counted(last.files_missing, "file");
        ctl.out.line(&format!(
            "{files} not found at the source and left there: `images --state lost` lists whose it was, \
             `images verify` looks once more after the disk was put right."
        ))?;
        ctl.out.flush()?;
    }
    Ok(Ending::NotWell)
}

async fn to_the_end(ctl: &mut Ctl, id: u64, told: &mut Told) -> Result<v1::Job, Trouble> {
    let mut away = 0;
    loop {
        match look(ctl, id, told).await {
            Ok(job) if progress::is_over(&job) => return Ok(job),
            Ok(_) => away = 0,
            // a server that is started again goes on with the job
            Err(trouble) if trouble.class() == Class::Unreachable && told.seen && away < AWAY => {
                if away == 0 {
                    ctl.out.keep();
                    eprintln!("the server does not answer; trying again");
                }
                away += 1;
            }
            Err(trouble) => return Err(trouble),
        }
        sleep(LOOK).await;
    }
}

async fn look(ctl: &mut Ctl, id: u64, told: &mut Told) -> Result<v1::Job, Trouble> {
    let job = ctl.admin.get_job(v1::GetJobRequest { id }).await?.into_inner();
    told.seen = true;
    match ctl.form {
        Form::Table if ctl.out.is_terminal() => {
            let children = children(ctl, &job).await?;
            let picture = progress::picture(&job, &children, ctl.out.width());
            ctl.out.draw(&picture)?;
        }
        form => {
            if told.is_news(&job) {
                ctl.out.line(&if form == Form::Json {
                    json::line(&job)
                } else {
                    show::clean(&progress::plain(&job))
                })?;
                ctl.out.flush()?;
            }
        }
    }
    Ok(job)
}

async fn children(ctl: &mut Ctl, job: &v1::Job) -> Result<Vec<v1::Job>, Trouble> {
    if !progress::is_parent(job) || job.state != "processing" {
        return Ok(Vec::new());
    }
    let ask = v1::ListJobsRequest {
        parent_id: job.id,
        state: "processing".into(),
        page_size: BARS,
        ..v1::ListJobsRequest::default()
    };
    Ok(ctl.admin.list_jobs(ask).await?.into_inner().jobs)
}

async fn reasons(ctl: &mut Ctl, id: u64) -> Result<(), Trouble> {
    let ask = v1::ListJobsRequest {
        parent_id: id,
        state: "failed".into(),
        page_size: REASONS,
        ..v1::ListJobsRequest::default()
    };
    for job in ctl.admin.list_jobs(ask).await?.into_inner().jobs {
        ctl.out.line(&show::clean(&format!("  image {}: {}", job.image_uuid, job.last_error)))?;
    }
    ctl.out.line(&format!("`jobs --parent {id} --state failed` lists them, `jobs retry {id}` begins them anew."))?;
    ctl.out.flush()
}

/// What was printed last, where lines are printed and not bars.
#[derive(Debug, Default)]
struct Told {
    seen: bool,
    last: Option<(String, String, String)>,
    looks: u32,
}

impl Told {
    /// Whether the job is another one than its last line says: in another state, further, waiting for something else, or
    /// that line is old.
    fn is_news(&mut self, job: &v1::Job) -> bool {
        // How long it is to the next try is another one at each look.
        let waits = job.waiting_for.trim_end_matches(|c: char| c.is_ascii_digit() || " s".contains(c)).to_owned();
        let now = (job.state.clone(), progress::done(job), waits);
        self.looks += 1;
        let news = self.last.as_ref() != Some(&now) || self.looks >= LINE_EVERY;
        if news {
            (self.last, self.looks) = (Some(now), 0);
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_printed_where_there_is_news_and_now_and_then() {
        let job = |state: &str, bytes_done| v1::Job {
            state: state.into(),
            bytes_done,
            bytes_total: 1000,
            kind: "move_image".into(),
            ..v1::Job::default()
        };
        let mut told = Told::default();
        assert!(told.is_news(&job("pending", 0)), "the first look");
        assert!(!told.is_news(&job("pending", 0)), "the same again");
        assert!(told.is_news(&job("processing", 0)), "another state");
        assert!(told.is_news(&job("processing", 20)), "two percent further");
        assert!(!told.is_news(&job("processing", 21)), "not a whole percent further");
        let waits = |why: &str| v1::Job { waiting_for: why.into(), ..job("processing", 21) };
        assert!(told.is_news(&waits("pool img1 is full")) && !told.is_news(&waits("pool img1 is full")));
        assert!(told.is_news(&waits("next try in 25 s")) && !told.is_news(&waits("next try in 24 s")));
        assert!(told.is_news(&job("processing", 21)), "it goes on");
        let quiet = (0..LINE_EVERY).filter(|_| told.is_news(&job("processing", 21))).count();
        assert_eq!(quiet, 1, "once in ten seconds all the same");
    }
}
