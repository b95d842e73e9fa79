//! Lists of images: searched, filtered, sorted, page by page. What a page may read is bounded whatever the filter: where
//! some part of it is narrow, its images are read and sorted; else the page walks along the order's index, and is short
//! where much does not fit. Names are looked through as they are: any part of one is found, no index of words is kept.

use std::collections::HashMap;

use pixelfox_proto::{ImageId, ShareToken, StoredPath};

use super::{
    Store, StoreError, Trouble,
    dialect::{int, json, uint},
    image_walk::{KeyRow, ends},
    images::{ImageRow, with_files},
    statement::{self, Conn},
};
use crate::catalog::{Bounds, Image, ImageFilter, ImageOrder, Listed, PageAsk, Place, SortKey, Span, Total};

impl Store {
    /// A page of images.
    ///
    /// # Errors
    /// A page token of another list.
    pub async fn list_images(&self, filter: ImageFilter, ask: PageAsk) -> Result<Listed<Image>, StoreError> {
        self.list_images_within(Bounds::PAGE, filter, ask).await
    }

    pub(super) async fn list_images_within(
        &self,
        bounds: Bounds,
        filter: ImageFilter,
        ask: PageAsk,
    ) -> Result<Listed<Image>, StoreError> {
        let list = format!("images {filter:?}");
        let start = Place::of(&list, &ask.token)?;
        self.read("list images", async |mut conn| {
            let search = Search::new(&mut conn, &filter, bounds).await?;
            let driver = search.driver(&mut conn).await?;
            let limit = usize::try_from(ask.limit()).unwrap_or(usize::MAX);
            let known = start.as_ref().map(|start| start.total);
            let (picked, total) = match (driver, known) {
                (Driver::Walk, Some(total)) => (search.walk(&mut conn, start, limit).await?, total),
                (Driver::Walk, None) => {
                    let picked = search.walk(&mut conn, None, limit).await?;
                    let total = search.total(&mut conn, &picked, limit).await?;
                    (picked, total)
                }
                (driver, known) => search.gather(&mut conn, &driver, start, limit, known).await?,
            };
            let next = picked.next.map(|(key, id)| Place { key, id, total }.token(&list));
            let items = shown(&mut conn, &picked.ids).await?;
            Ok(Listed { items, next_page_token: next.unwrap_or_default(), total })
        })
        .await
    }
}

/// Where a row stands in the order.
pub(super) type At = (SortKey, i64);

/// The images of a page, and where the next one starts.
struct Picked {
    ids: Vec<i64>,
    next: Option<At>,
}

impl Picked {
    /// Rows of an order, one more than fit where there are more.
    fn of(mut rows: Vec<At>, limit: usize) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).cloned();
        Self { ids: rows.into_iter().map(|(_, id)| id).collect(), next }
    }
}

/// What a page's images are found by.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Driver {
    /// One image's UUID.
    Uuid(String),
    /// One image's share token.
    Share(String),
    /// One file's path.
    Path(String),
    /// Copies in a state.
    State,
    /// The pools that are asked for.
    Pools,
    /// A short time.
    Created,
    /// A narrow range of sizes.
    Size,
    /// Along the order.
    Walk,
}

/// A list's filter, ready to be asked.
#[derive(Clone)]
pub(super) struct Search {
    /// `None`: any pool.
    pub(super) pools: Option<Vec<i64>>,
    one: Option<Driver>,
    /// Part of the name in lower case; empty: any.
    pub(super) name: String,
    pub(super) size: Span,
    pub(super) created: Span,
    pub(super) state: Option<&'static str>,
    pub(super) order: ImageOrder,
    pub(super) bounds: Bounds,
}

impl Search {
    pub(super) async fn new(conn: &mut Conn, filter: &ImageFilter, bounds: Bounds) -> Result<Self, Trouble> {
        const OF_NODE: &str = "SELECT id FROM pools WHERE node_id = $1";
        let mut pools = filter.pool.map(|pool| vec![int(pool.get())]);
        if let Some(node) = &filter.node {
            let of_node: Vec<i64> =
                statement::query_scalar(OF_NODE).bind(node.to_string()).fetch_all(&mut *conn).await?;
            let both = |pools: Vec<i64>| pools.into_iter().filter(|pool| of_node.contains(pool)).collect();
            pools = Some(pools.map_or_else(|| of_node.clone(), both));
        }
        let words = filter.query.trim();
        let one = one(conn, words).await?;
        let name = if one.is_some() { String::new() } else { words.to_lowercase() };
        let state = filter.state.map(crate::catalog::ReplicaState::as_str);
        Ok(Self { pools, one, name, size: filter.size, created: filter.created, state, order: filter.order, bounds })
    }

    /// The narrowest part of the filter; the walk where none is narrow.
    async fn driver(&self, conn: &mut Conn) -> Result<Driver, Trouble> {
        if let Some(one) = &self.one {
            return Ok(one.clone());
        }
        if self.state.is_some() {
            return Ok(Driver::State);
        }
        let mut narrowest = (self.bounds.gathered + 1, Driver::Walk);
        if let Some(pools) = self.pools.as_ref().filter(|_| self.pool_of_walk().is_none() || !self.name.is_empty()) {
            narrowest = narrower(narrowest, (images_in(conn, pools).await?, Driver::Pools));
        }
        for (span, within, driver) in
            [(self.created, CREATED_WITHIN, Driver::Created), (self.size, SIZE_WITHIN, Driver::Size)]
        {
            if !span.is_all() {
                let (from, to) = ends(span);
                let count = statement::query_scalar(within).bind(from).bind(to).bind(narrowest.0);
                narrowest = narrower(narrowest, (count.fetch_one(&mut *conn).await?, driver));
            }
        }
        Ok(narrowest.1)
    }

    /// How many a walk meets: from counters, by its first page, else as far as counting goes.
    async fn total(&self, conn: &mut Conn, first: &Picked, limit: usize) -> Result<Total, Trouble> {
        let ranges = u8::from(!self.created.is_all()) + u8::from(!self.size.is_all());
        match (self.name.is_empty(), ranges, &self.pools) {
            (true, 0, None) => {
                let all: i64 = statement::query_scalar(ALL_IMAGES).fetch_one(conn).await?;
                return Ok(Total::Exact(uint(all)));
            }
            (true, 0, Some(pools)) => return Ok(Total::Exact(uint(images_in(conn, pools).await?))),
            _ => {}
        }
        let met = u64::try_from(first.ids.len()).unwrap_or(u64::MAX);
        match first.next {
            None => return Ok(Total::Exact(met)),
            Some(_) if first.ids.len() < limit => return Ok(Total::AtLeast(met)),
            // it was too many to be gathered
            Some(_) if self.name.is_empty() && ranges == 1 && self.pools.is_none() => {
                return Ok(Total::AtLeast(uint(self.bounds.gathered)));
            }
            Some(_) => {}
        }
        // the order does not matter for the count, and the newest lie together
        let newest = Self { order: ImageOrder::Newest, ..self.clone() };
        let start = newest.start();
        let end = newest.ahead(conn, &start, newest.walked()).await?;
        let mut sql = newest.along("SELECT COUNT(*) FROM (SELECT 1", &start, end.as_ref());
        sql.push(" LIMIT ").push_bind(self.bounds.gathered + 1).push(") AS counted");
        let (count,): (i64,) = sql.fetch_one(conn).await?;
        Ok(match count {
            count if count > self.bounds.gathered => Total::AtLeast(uint(self.bounds.gathered)),
            count if end.is_some() => Total::AtLeast(uint(count)),
            count => Total::Exact(uint(count)),
        })
    }

    /// The narrow part read and sorted; for the first page counted as well.
    async fn gather(
        &self,
        conn: &mut Conn,
        driver: &Driver,
        start: Option<Place>,
        limit: usize,
        known: Option<Total>,
    ) -> Result<(Picked, Total), Trouble> {
        let columns = if known.is_some() { self.order.columns() } else { self.order.counting() };
        let mut sql = self.gathered(columns, driver);
        if let Some(start) = start {
            self.push_after(&mut sql, self.order.hidden(), &(start.key, start.id));
        }
        self.push_order(&mut sql, self.order.hidden(), limit);
        let rows: Vec<KeyRow> = sql.fetch_all(conn).await?;
        let count = rows.first().map_or(0, |row| row.3);
        // more copies in a state than are looked through: that many were
        let all = *driver != Driver::State || count < self.bounds.gathered;
        let total = known.unwrap_or(if all { Total::Exact(uint(count)) } else { Total::AtLeast(uint(count)) });
        Ok((Picked::of(rows.into_iter().map(|row| self.order.at(row)).collect(), limit), total))
    }

    /// Along the order, step by step, until the page is full, the list ends or enough rows were looked at.
    async fn walk(&self, conn: &mut Conn, start: Option<Place>, limit: usize) -> Result<Picked, Trouble> {
        let mut at = start.map_or_else(|| self.start(), |start| (start.key, start.id));
        let (mut left, mut step, mut found) = (self.walked(), self.bounds.step, Vec::new());
        loop {
            let end = self.ahead(conn, &at, step.min(left)).await?;
            let mut sql = self.along(self.order.columns(), &at, end.as_ref());
            self.push_order(&mut sql, self.order.plain(), limit - found.len());
            let rows: Vec<KeyRow> = sql.fetch_all(&mut *conn).await?;
            found.extend(rows.into_iter().map(|row| self.order.at(row)));
            left -= step.min(left);
            step *= 4;
            match end {
                Some(end) if found.len() <= limit && left > 0 => at = end,
                end => {
                    let full = found.len() > limit;
                    let picked = Picked::of(found, limit);
                    return Ok(if full { picked } else { Picked { next: end, ..picked } });
                }
            }
        }
    }
}

fn narrower(one: (i64, Driver), other: (i64, Driver)) -> (i64, Driver) {
    if other.0 < one.0 { other } else { one }
}

/// The image that the words name by themselves: a UUID, a share token or link, a file's path or URL.
async fn one(conn: &mut Conn, words: &str) -> Result<Option<Driver>, Trouble> {
    let path = words.rsplit_once("/uploads/").map_or(words, |(_, path)| path);
    if let Ok(path) = path.parse::<StoredPath>() {
        return Ok(Some(Driver::Path(path.to_string())));
    }
    let last = words.rsplit('/').next().unwrap_or(words);
    if let Ok(id) = last.to_lowercase().parse::<ImageId>() {
        return Ok(Some(Driver::Uuid(id.to_string())));
    }
    let Ok(share) = last.parse::<ShareToken>() else { return Ok(None) };
    // twelve letters may be a part of a name as well
    let known: bool = statement::query_scalar(IS_SHARED).bind(share.as_str()).fetch_one(conn).await?;
    Ok(known.then(|| Driver::Share(share.to_string())))
}

pub(super) const IS_SHARED: &str = "SELECT EXISTS (SELECT 1 FROM images WHERE share_token = $1)";
const ALL_IMAGES: &str = "SELECT CAST(COALESCE(SUM(images), 0) AS BIGINT) FROM pools";
pub(super) const IMAGES_IN: &str = "
SELECT CAST(COALESCE(SUM(p.images), 0) AS BIGINT) FROM json_each($1) AS a
    CROSS JOIN pools p ON p.id = CAST(a.value AS BIGINT)";

async fn images_in(conn: &mut Conn, pools: &[i64]) -> Result<i64, Trouble> {
    Ok(statement::query_scalar(IMAGES_IN).bind(json(&pools)).fetch_one(conn).await?)
}

pub(super) const CREATED_WITHIN: &str =
    "SELECT COUNT(*) FROM (SELECT 1 FROM images WHERE created >= $1 AND created <= $2 LIMIT $3) AS counted";
pub(super) const SIZE_WITHIN: &str =
    "SELECT COUNT(*) FROM (SELECT 1 FROM images WHERE size >= $1 AND size <= $2 LIMIT $3) AS counted";

pub(super) const SHOWN: &str = "
SELECT i.id, i.uuid, i.share_token, i.original_name, i.content_type, i.size, i.width, i.height, i.sha256, i.user_id,
    i.created, i.pool_id, p.public_base_url
FROM json_each($1) AS a
    CROSS JOIN images i ON i.id = CAST(a.value AS BIGINT)
    JOIN pools p ON p.id = i.pool_id";

/// These images, in this order.
async fn shown(conn: &mut Conn, ids: &[i64]) -> Result<Vec<Image>, Trouble> {
    let rows: Vec<ImageRow> = statement::query_as(SHOWN).bind(json(&ids)).fetch_all(&mut *conn).await?;
    let mut rows: HashMap<i64, ImageRow> = rows.into_iter().map(|row| (row.id, row)).collect();
    let rows = ids.iter().filter_map(|id| rows.remove(id)).collect();
    with_files(conn, rows).await
}
