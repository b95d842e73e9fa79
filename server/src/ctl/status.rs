//! `ctl status`: the cluster at a glance.

use pixelfox_proto::v1;

use super::{
    Ctl, Ended, Form,
    places::Pools,
    show::{bytes, count, counted, rate},
    table,
};

pub(super) async fn run(ctl: &mut Ctl) -> Ended {
    let overview = ctl.admin.get_overview(v1::GetOverviewRequest {}).await?.into_inner();
    let pools = if ctl.form == Form::Table { Pools::ask(ctl).await? } else { Pools::default() };
    ctl.answer(&overview, |out, overview| {
        table::pairs(out, &pairs(overview))?;
        for flow in &overview.flows {
            let way = format!("{} -> {}", pools.name(flow.source_pool_id), pools.name(flow.target_pool_id));
            let images = counted(flow.images.into(), "image");
            table::pairs(out, &[("  on its way", format!("{way}  {}, {images}", rate(flow.bytes_per_second)))])?;
        }
        Ok(())
    })
}

fn pairs(overview: &v1::Overview) -> Vec<(&'static str, String)> {
    let (images, files) = (counted(overview.images, "image"), counted(overview.files, "file"));
    let uploaded: u64 = overview.last_hour.iter().map(|minute| minute.images_uploaded).sum();
    let sum = |of: fn(&v1::Minute) -> u64| overview.last_hour.iter().map(of).sum::<u64>();
    let (came, moved) = (bytes(sum(|minute| minute.bytes_uploaded)), bytes(sum(|minute| minute.bytes_moved)));
    let mut jobs: Vec<_> = overview.jobs_by_state.iter().filter(|(_, number)| **number > 0).collect();
    jobs.sort();
    let jobs: Vec<String> = jobs.iter().map(|(state, number)| format!("{} {state}", count(**number))).collect();
    let mut pairs = vec![
        ("Version", overview.version.clone()),
        ("Stored", format!("{images}, {files}, {}", bytes(overview.bytes))),
        ("Nodes", format!("{} of {} online", overview.nodes_online, overview.nodes_known)),
        ("Queue", if overview.queue_paused { "paused: `queue resume` lets it go on".into() } else { "running".into() }),
        ("Jobs", if jobs.is_empty() { "none".into() } else { jobs.join(", ") }),
        ("Moving", rate(overview.bytes_per_second)),
        ("Last hour", format!("{} uploaded ({came}), {moved} moved", counted(uploaded, "image"))),
    ];
    if overview.files_lost + overview.files_suspect > 0 {
        let (lost, suspect) = (count(overview.files_lost), count(overview.files_suspect));
        pairs.push(("In doubt", format!("{lost} lost, {suspect} suspect: `images --state lost`, `--state suspect`")));
    }
    pairs
}
