//! `/admin`: is everything fine, and if not, what to do.

use askama::Template;
use pixelfox_proto::v1;

use crate::{trouble::Trouble, view::View, visit::Visit};

#[derive(Template)]
#[template(path = "dashboard.html")]
struct Dashboard<'a> {
    v: &'a View,
    overview: v1::Overview,
}

pub(crate) async fn page(visit: Visit) -> Result<String, Trouble> {
    let overview = visit.admin().get_overview(v1::GetOverviewRequest {}).await?.into_inner();
    Ok(Dashboard { v: &visit.view, overview }.render()?)
}
