//! `/admin/images` „Bilder“: searched, filtered, sorted; as pictures or as a table; some selected.

use std::collections::BTreeSet;

use askama::Template;
use jiff::{civil::Date, tz::TimeZone};
use pixelfox_proto::v1;
use tokio::try_join;

use super::{
    image_shown::{Shower, Thumbnail},
    storage::may_be_thousands,
};
use crate::{
    form::{Choice, choices},
    query,
    trouble::Trouble,
    view::View,
    visit::{Fields, Visit},
};

/// Images of a page.
const PAGE: u32 = 60;
const MEGABYTE: f64 = 1e6;

#[derive(Template)]
#[template(path = "images.html")]
struct Images<'a> {
    v: &'a View,
    filter: Filter,
    pools: Vec<Choice>,
    nodes: Vec<Choice>,
    states: Vec<Choice>,
    orders: Vec<Choice>,
    items: Vec<Thumbnail>,
    total: String,
    is_table: bool,
    /// The same list as pictures and as a table.
    as_grid: String,
    as_table: String,
    /// Where the list begins, and where it goes on.
    first: Option<String>,
    next: Option<String>,
    here: String,
}

/// What was asked, as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Filter {
    query: String,
    pool: String,
    node: String,
    size_from: String,
    size_to: String,
    day_from: String,
    day_to: String,
    state: String,
    order: String,
    view: String,
    after: String,
    /// Fields that can't be read.
    wrong: Vec<&'static str>,
}

impl Filter {
    fn of(fields: &Fields) -> Self {
        let text = |name| fields.text(name).to_owned();
        Self {
            query: text("q"),
            pool: text("pool"),
            node: text("node"),
            size_from: text("size_from"),
            size_to: text("size_to"),
            day_from: text("day_from"),
            day_to: text("day_to"),
            state: text("state"),
            order: text("order"),
            view: text("view"),
            after: text("after"),
            wrong: Vec::new(),
        }
    }

    fn pairs(&self) -> [(&str, &str); 10] {
        [
            ("q", &self.query),
            ("pool", &self.pool),
            ("node", &self.node),
            ("size_from", &self.size_from),
            ("size_to", &self.size_to),
            ("day_from", &self.day_from),
            ("day_to", &self.day_to),
            ("state", &self.state),
            ("order", &self.order),
            ("view", &self.view),
        ]
    }

    /// The page of this list that begins after a token.
    fn address(&self, view: &str, after: &str) -> String {
        let pairs = self.pairs().into_iter().filter(|(name, _)| *name != "view");
        query::address("/admin/images", pairs.chain([("view", view), ("after", after)]))
    }

    /// Whether anything beyond the words is asked.
    fn is_narrow(&self) -> bool {
        self.pairs()[1..8].iter().any(|(_, value)| !value.is_empty())
    }

    fn is_any(&self) -> bool {
        !self.query.is_empty() || self.is_narrow()
    }

    fn is_wrong(&self, field: &str) -> bool {
        self.wrong.contains(&field)
    }

    /// As the service is asked; fields that can't be read are noted.
    fn request(&mut self) -> v1::ListImagesRequest {
        let mut wrong = Vec::new();
        let mut read = |field, value: Option<Option<u64>>| {
            value.unwrap_or_else(|| {
                wrong.push(field);
                None
            })
        };
        let size_from = read("size_from", bytes(&self.size_from)).unwrap_or_default();
        let size_to = read("size_to", bytes(&self.size_to)).unwrap_or_default();
        let pool_id = read("pool", number(&self.pool)).unwrap_or_default();
        let (from, to) = (day(&self.day_from), day(&self.day_to));
        if from.is_none() {
            wrong.push("day_from");
        }
        if to.is_none() {
            wrong.push("day_to");
        }
        self.wrong = wrong;
        let midnight = |day: Option<Option<Date>>| {
            let at = day??.to_zoned(TimeZone::UTC).ok()?.timestamp();
            Some(prost_types::Timestamp { seconds: at.as_second(), nanos: 0 })
        };
        v1::ListImagesRequest {
            pool_id,
            query: self.query.clone(),
            page_size: PAGE,
            page_token: self.after.clone(),
            node_id: self.node.clone(),
            size_from,
            size_to,
            created_from: midnight(from),
            created_before: midnight(to.map(|day| day.and_then(|day| day.tomorrow().ok()))),
            state: self.state.clone(),
            order: self.order.clone(),
        }
    }
}

/// `1,5` megabytes; `None` where it is no such number, or may be thousands: `1.500`.
fn bytes(typed: &str) -> Option<Option<u64>> {
    if typed.is_empty() {
        return Some(None);
    }
    if may_be_thousands(typed) {
        return None;
    }
    let megabytes: f64 = typed.replace(',', ".").parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within what a u64 holds")]
    (0.0..1e12).contains(&megabytes).then(|| Some((megabytes * MEGABYTE).round() as u64))
}

fn number(typed: &str) -> Option<Option<u64>> {
    if typed.is_empty() { Some(None) } else { typed.parse().ok().map(Some) }
}

fn day(typed: &str) -> Option<Option<Date>> {
    if typed.is_empty() { Some(None) } else { typed.parse().ok().map(Some) }
}

pub(crate) async fn page(visit: Visit) -> Result<String, Trouble> {
    let v = &visit.view;
    let mut filter = Filter::of(&query::fields(&v.uri));
    let request = filter.request();
    let (mut admin, mut other) = (visit.admin(), visit.admin());
    let list = async {
        if filter.wrong.is_empty() {
            admin.list_images(request).await.map(|it| it.into_inner())
        } else {
            Ok(v1::ListImagesResponse::default())
        }
    };
    let (pools, list) = try_join!(other.list_pools(v1::ListPoolsRequest {}), list)?;
    let pools = pools.into_inner().pools;
    let shower = Shower { show: v.show, words: &v.w.images, pools: &pools };
    let w = &v.w.images;
    let total = match (list.total, list.total_is_at_least) {
        _ if !filter.wrong.is_empty() => String::new(),
        (count, true) => v.fill(w.at_least, v.show.count(count)),
        (1, false) => w.one.to_owned(),
        (count, false) => v.fill(w.many, v.show.count(count)),
    };
    let nodes: BTreeSet<&str> = pools.iter().map(|pool| pool.node_id.as_str()).collect();
    let orders =
        [("", w.newest), ("oldest", w.oldest), ("largest", w.largest), ("smallest", w.smallest), ("name", w.by_name)];
    let is_table = filter.view == "table";
    let page = Images {
        v,
        items: list.images.iter().map(|image| shower.thumbnail(image)).collect(),
        total,
        is_table,
        as_grid: filter.address("", &filter.after),
        as_table: filter.address("table", &filter.after),
        first: (!filter.after.is_empty()).then(|| filter.address(&filter.view, "")),
        next: (!list.next_page_token.is_empty()).then(|| filter.address(&filter.view, &list.next_page_token)),
        here: filter.address(&filter.view, &filter.after),
        pools: choices(pools.iter().map(|pool| (pool.id.to_string(), pool.name.as_str())), &filter.pool),
        nodes: choices(nodes.into_iter().map(|node| (node, node)), &filter.node),
        states: choices([("lost", w.lost), ("suspect", w.suspect)], &filter.state),
        orders: choices(orders, &filter.order),
        filter,
    };
    Ok(page.render()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_asked_or_its_field_is_marked() {
        let typed = |pairs: &[(&str, &str)]| {
            let fields = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Filter::of(&Fields(fields))
        };
        let mut filter =
            typed(&[("q", " a "), ("size_from", "1,5"), ("day_from", "2026-11-24"), ("day_to", "2026-11-24")]);
        let request = filter.request();
        assert_eq!((filter.wrong.as_slice(), request.query.as_str(), request.size_from), (&[][..], "a", 1_500_000));
        let (from, before) = (request.created_from.unwrap().seconds, request.created_before.unwrap().seconds);
        assert_eq!(before - from, 86_400, "a day ends with the next one");
        for (field, value) in [
            ("size_from", "-1"),
            ("size_to", "much"),
            ("size_to", "1e99"),
            ("day_from", "24.11.2026"),
            ("day_to", "2026-02-30"),
            ("pool", "x"),
        ] {
            let mut filter = typed(&[(field, value)]);
            filter.request();
            assert_eq!(filter.wrong, [field], "{value}");
        }
    }
}
