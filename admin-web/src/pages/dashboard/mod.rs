//! `/admin`: is everything fine, and if not, what to do.

mod attention;
mod picture;

use askama::Template;
use pixelfox_proto::v1;
use tokio::try_join;

use self::{
    attention::{Attention, Seen, attention},
    picture::{BAR, CARD, Picture, picture},
};
use super::image_shown;
use crate::{
    disks::{self, disks},
    show::{self, Exact},
    trouble::Trouble,
    view::View,
    visit::Visit,
    words::fill,
};

/// Images of the newest that are shown.
const NEWEST: u32 = 8;
/// Cards in a row of the wide picture.
const COLUMNS: usize = 4;
/// Minutes of the chart.
const MINUTES: usize = 60;
/// Height of the chart, in its own units.
const CHART: u64 = 100;

#[derive(Template)]
#[template(path = "dashboard.html")]
struct Dashboard<'a> {
    v: &'a View,
    overview: v1::Overview,
    attention: Vec<Attention>,
    well: String,
    /// On all disks, each counted once.
    free: Option<String>,
    pictures: Vec<Picture>,
    jobs: [JobCount; 4],
    under_way: u64,
    chart: Chart,
    newest: Vec<Thumbnail>,
    card_width: u32,
    bar_width: u64,
}

/// Jobs in one state.
struct JobCount {
    state: &'static str,
    word: &'static str,
    count: u64,
}

/// The last hour by minutes.
struct Chart {
    bars: Vec<Bar>,
    uploaded: u64,
    moved: u64,
    peak: String,
}

/// A minute: from the bottom what was uploaded, above it what was moved.
struct Bar {
    x: usize,
    uploaded: (u64, u64),
    moved: (u64, u64),
    title: String,
}

struct Thumbnail {
    uuid: String,
    name: String,
    picture: Result<String, &'static str>,
    kind: String,
    size: Exact,
    when: Option<Exact>,
}

pub(crate) async fn page(visit: Visit) -> Result<String, Trouble> {
    let (mut a, mut b, mut c, mut d) = (visit.admin(), visit.admin(), visit.admin(), visit.admin());
    let newest = v1::ListImagesRequest { page_size: NEWEST, ..v1::ListImagesRequest::default() };
    let (overview, pools, nodes, newest) = try_join!(
        a.get_overview(v1::GetOverviewRequest {}),
        b.list_pools(v1::ListPoolsRequest {}),
        c.list_nodes(v1::ListNodesRequest {}),
        d.list_images(newest),
    )?;
    let (v, overview) = (&visit.view, overview.into_inner());
    let (pools, nodes) = (pools.into_inner().pools, nodes.into_inner().nodes);
    let attention = attention(&Seen { overview: &overview, pools: &pools, nodes: &nodes }, v.w, v.show);
    let w = &v.w.dashboard;
    let jobs = [("pending", w.pending), ("processing", w.processing), ("paused", w.paused), ("failed", w.failed)];
    let draw = |class, columns| picture(class, columns, &nodes, &pools, &overview.flows, v.w, v.show);
    let well = if overview.nodes_online == 1 { w.one_well_more } else { w.all_well_more };
    let disks = disks(&pools);
    let free = v.show.bytes(disks::free(&disks)).short;
    let page = Dashboard {
        v,
        attention,
        free: (!disks.is_empty()).then(|| fill(w.free, &[("free", &free)])),
        well: fill(well, &[("nodes", &v.show.count(u64::from(overview.nodes_online)))]),
        pictures: vec![draw("wide", COLUMNS), draw("narrow", 1)],
        jobs: jobs.map(|(state, word)| {
            let count = overview.jobs_by_state.get(state).copied().unwrap_or(0);
            JobCount { state, word, count }
        }),
        under_way: overview.flows.iter().map(|flow| u64::from(flow.images)).sum(),
        chart: chart(v, &overview.last_hour),
        newest: newest.into_inner().images.into_iter().map(|image| thumbnail(v, image)).collect(),
        overview,
        card_width: CARD,
        bar_width: BAR,
    };
    Ok(page.render()?)
}

fn chart(v: &View, minutes: &[v1::Minute]) -> Chart {
    let w = &v.w.dashboard;
    let total = |minute: &v1::Minute| minute.bytes_uploaded + minute.bytes_moved;
    let peak = minutes.iter().map(total).max().unwrap_or(0);
    let height = |bytes: u64| show::permille(bytes, peak) * CHART / 1000;
    let bar = |(at, minute): (usize, &v1::Minute)| {
        let (up, moved) = (height(minute.bytes_uploaded), height(minute.bytes_moved));
        let (uploaded, went) = (v.show.bytes(minute.bytes_uploaded).short, v.show.bytes(minute.bytes_moved).short);
        let when = v.show.at(minute.begin.as_ref()).map_or_else(String::new, |when| when.short);
        Bar {
            x: MINUTES.saturating_sub(minutes.len()) + at,
            uploaded: (CHART - up, up),
            moved: (CHART - up - moved.min(CHART - up), moved.min(CHART - up)),
            title: format!("{when}: {} {uploaded}, {} {went}", w.uploaded, w.moved),
        }
    };
    let quiet = |bar: &Bar| bar.uploaded.1 == 0 && bar.moved.1 == 0;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let peak = fill(w.peak, &[("rate", &v.show.rate(peak as f64 / 60.0))]);
    Chart {
        bars: minutes.iter().enumerate().map(bar).filter(|bar| !quiet(bar)).collect(),
        uploaded: minutes.iter().map(|minute| minute.bytes_uploaded).sum(),
        moved: minutes.iter().map(|minute| minute.bytes_moved).sum(),
        peak,
    }
}

fn thumbnail(v: &View, image: v1::Image) -> Thumbnail {
    let kind = image.content_type.strip_prefix("image/").unwrap_or(&image.content_type).to_uppercase();
    Thumbnail {
        picture: image_shown::picture(&image, image.files.first().is_none_or(|file| file.state != "lost"), &v.w.images),
        kind,
        size: v.show.bytes(image.size),
        when: v.show.at(image.created.as_ref()),
        name: image.original_name,
        uuid: image.uuid,
    }
}
