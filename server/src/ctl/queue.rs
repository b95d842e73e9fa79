//! `ctl queue`: all jobs at once.

use std::collections::HashMap;

use clap::Subcommand;
use pixelfox_proto::v1;

use super::{Ctl, Ended, show, table, terminal::Out, trouble::Trouble};

#[derive(Debug, clap::Args)]
pub(super) struct QueueArgs {
    #[command(subcommand)]
    verb: Option<QueueVerb>,
}

#[derive(Debug, Subcommand)]
enum QueueVerb {
    /// Whether it is paused, what is in it and how fast it goes.
    Show,
    /// Hand out nothing until `queue resume`; what is copied stops, what is past its commit goes on.
    Pause,
    /// Hand out jobs again.
    Resume,
}

pub(super) async fn run(ctl: &mut Ctl, args: &QueueArgs) -> Ended {
    match args.verb {
        None | Some(QueueVerb::Show) => {
            let queue = ctl.admin.get_queue(v1::GetQueueRequest {}).await?.into_inner();
            ctl.answer(&queue, |out, queue| {
                let pairs = [
                    ("Queue", word(queue.paused).into()),
                    ("By state", counts(&queue.jobs_by_state)),
                    ("By kind", counts(&queue.jobs_by_kind)),
                    ("Counted", show::time(queue.counted.as_ref())),
                    ("Moving", show::rate(queue.bytes_per_second)),
                ];
                table::pairs(out, &pairs)
            })
        }
        Some(QueueVerb::Pause) => {
            let state = ctl.admin.pause_queue(v1::PauseQueueRequest {}).await?.into_inner();
            ctl.answer(&state, print)
        }
        Some(QueueVerb::Resume) => {
            let state = ctl.admin.resume_queue(v1::ResumeQueueRequest {}).await?.into_inner();
            ctl.answer(&state, print)
        }
    }
}

fn print(out: &mut Out, state: &v1::QueueState) -> Result<(), Trouble> {
    out.line(&format!("The queue is {}.", word(state.paused)))
}

fn word(paused: bool) -> &'static str {
    if paused { "paused" } else { "running" }
}

fn counts(counts: &HashMap<String, u64>) -> String {
    let mut all: Vec<_> = counts.iter().filter(|(_, number)| **number > 0).collect();
    all.sort();
    let all: Vec<String> = all.iter().map(|(name, number)| format!("{} {name}", show::count(**number))).collect();
    if all.is_empty() { "none".into() } else { all.join(", ") }
}
