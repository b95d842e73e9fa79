//! `ctl watch`: what happens, a line each, until it is stopped.

use pixelfox_proto::v1::{self, event::What};

use super::{
    Ctl, Ended, Form, Trouble, json, progress,
    show::{self, clean},
};

#[derive(Debug, clap::Args)]
pub(super) struct WatchArgs {
    /// Only of these: job, node, pool, image, settings, audit.
    #[arg(value_name = "TOPIC")]
    topics: Vec<String>,
}

pub(super) async fn run(ctl: &mut Ctl, args: WatchArgs) -> Ended {
    let mut events = ctl.admin.watch(v1::WatchRequest { topics: args.topics }).await?.into_inner();
    while let Some(event) = events.message().await? {
        match ctl.form {
            Form::Json => ctl.out.line(&json::line(&event))?,
            Form::Table => ctl.out.line(&told(&event))?,
        }
        ctl.out.flush()?;
    }
    Err(Trouble::Unreachable("the server stops, and with it the watching".into()))
}

/// The line of the log where there is one, else the object as it is now.
fn told(event: &v1::Event) -> String {
    let what = if event.message.is_empty() { event.what.as_ref().map(object) } else { Some(clean(&event.message)) };
    let what = what.unwrap_or_else(|| "one is gone".into()).replace('\n', " ");
    format!("{}  {:<8}  {what}", show::time(event.at.as_ref()), clean(&event.topic))
}

fn object(what: &What) -> String {
    match what {
        What::Job(job) => clean(&progress::plain(job)),
        What::Node(node) => clean(&format!("{} is {}", node.node_id, if node.online { "online" } else { "offline" })),
        What::Pool(pool) => {
            let state = match (pool.online, pool.healthy) {
                (false, _) => "offline".to_owned(),
                (true, true) => "well".to_owned(),
                (true, false) => pool.problem.clone(),
            };
            let (images, used) = (show::counted(pool.images, "image"), show::bytes(pool.used_size));
            clean(&format!("{} ({}) is {state}, {images}, {used}", pool.name, pool.id))
        }
        What::Image(image) => clean(&format!("{} {}", image.uuid, image.original_name)),
        What::Settings(settings) => json::line(settings),
    }
}
