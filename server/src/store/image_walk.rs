//! The statements of a list of images: along an order, or out of what is narrow. A column behind a `+` (or an empty word)
//! is met by no index: which one a statement takes is said here, not guessed from what the table looked like once.

use super::{
    Trouble,
    dialect::json,
    image_list::{At, Driver, Search},
    images,
    statement::{self, Conn, Statement},
};
use crate::catalog::{ImageOrder, SortKey, Span};

/// A row's id, what it is sorted by (a number or a name), and how many there are, where that is counted.
pub(super) type KeyRow = (i64, i64, String, i64);

impl ImageOrder {
    pub(super) const fn columns(self) -> &'static str {
        match self {
            Self::Newest | Self::Oldest => "SELECT i.id, i.created, '', CAST(0 AS BIGINT)",
            Self::Largest | Self::Smallest => "SELECT i.id, i.size, '', CAST(0 AS BIGINT)",
            Self::Name => "SELECT i.id, CAST(0 AS BIGINT), i.name_key, CAST(0 AS BIGINT)",
        }
    }

    /// The same, each with the count of all.
    pub(super) const fn counting(self) -> &'static str {
        match self {
            Self::Newest | Self::Oldest => "SELECT i.id, i.created, '', COUNT(*) OVER ()",
            Self::Largest | Self::Smallest => "SELECT i.id, i.size, '', COUNT(*) OVER ()",
            Self::Name => "SELECT i.id, CAST(0 AS BIGINT), i.name_key, COUNT(*) OVER ()",
        }
    }

    pub(super) const fn plain(self) -> &'static str {
        match self {
            Self::Newest | Self::Oldest => "i.created",
            Self::Largest | Self::Smallest => "i.size",
            Self::Name => "i.name_key",
        }
    }

    pub(super) const fn hidden(self) -> &'static str {
        match self {
            Self::Newest | Self::Oldest => "+i.created",
            Self::Largest | Self::Smallest => "+i.size",
            Self::Name => "i.name_key || ''",
        }
    }

    const fn rises(self) -> bool {
        matches!(self, Self::Oldest | Self::Smallest | Self::Name)
    }

    const fn is_by_time(self) -> bool {
        matches!(self, Self::Newest | Self::Oldest)
    }

    pub(super) fn at(self, (id, number, name, _): KeyRow) -> At {
        match self {
            Self::Name => (SortKey::Name(name), id),
            _ => (SortKey::Number(number), id),
        }
    }
}

/// The first and the last that are in it.
pub(super) fn ends(span: Span) -> (i64, i64) {
    (span.from.unwrap_or(i64::MIN), span.to.unwrap_or(i64::MAX))
}

impl Search {
    /// The one pool along whose own index a walk by time goes.
    pub(super) fn pool_of_walk(&self) -> Option<i64> {
        match self.pools.as_deref() {
            Some([pool]) if self.order.is_by_time() => Some(*pool),
            _ => None,
        }
    }

    /// Rows that one page walks along at most.
    pub(super) fn walked(&self) -> i64 {
        let by_index = self.pools.is_none() && self.size.is_all();
        match (self.order.is_by_time(), self.pool_of_walk()) {
            (true, None) if by_index => self.bounds.walked,
            (true, None) => self.bounds.walked_beside,
            _ => self.bounds.walked_across,
        }
    }

    /// What the order runs over.
    fn span(&self) -> (i64, i64) {
        match self.order {
            ImageOrder::Newest | ImageOrder::Oldest => ends(self.created),
            ImageOrder::Largest | ImageOrder::Smallest => ends(self.size),
            ImageOrder::Name => (i64::MIN, i64::MAX),
        }
    }

    /// Before the first row.
    pub(super) fn start(&self) -> At {
        match (self.order, self.span()) {
            (ImageOrder::Name, _) => (SortKey::Name(String::new()), 0),
            (order, (from, _)) if order.rises() => (SortKey::Number(from), 0),
            (_, (_, to)) => (SortKey::Number(to), i64::MAX),
        }
    }

    /// The last row of the next `step`; `None` where there are fewer.
    pub(super) async fn ahead(&self, conn: &mut Conn, at: &At, step: i64) -> Result<Option<At>, Trouble> {
        let sql = self.step(at, step);
        Ok(sql.fetch_optional(conn).await?.map(|row: KeyRow| self.order.at(row)))
    }

    pub(super) fn step(&self, at: &At, step: i64) -> Statement<KeyRow> {
        let mut sql = statement::query_as(self.order.columns());
        sql.push(" FROM images i WHERE true");
        self.push_pool_of_walk(&mut sql);
        self.push_after(&mut sql, self.order.plain(), at);
        self.push_last(&mut sql);
        self.push_sorted(&mut sql, self.order.plain());
        sql.push(" LIMIT 1 OFFSET ").push_bind(step - 1);
        sql
    }

    /// What fits between two places of the order.
    pub(super) fn along<T>(&self, columns: &'static str, at: &At, end: Option<&At>) -> Statement<T> {
        let mut sql = statement::query_as(columns);
        sql.push(" FROM images i WHERE i.deleting = 0");
        self.push_pool_of_walk(&mut sql);
        self.push_after(&mut sql, self.order.plain(), at);
        match end {
            Some((key, id)) => {
                sql.push(" AND (").push(self.order.plain()).push(", i.id) ");
                sql.push(if self.order.rises() { "<= (" } else { ">= (" });
                push_key(&mut sql, key);
                sql.push(", ").push_bind(*id).push(")");
            }
            None => self.push_last(&mut sql),
        }
        self.push_conditions(&mut sql);
        sql
    }

    /// What fits of the narrow part.
    pub(super) fn gathered<T>(&self, columns: &'static str, driver: &Driver) -> Statement<T> {
        let mut sql = statement::query_as(columns);
        match driver {
            Driver::Uuid(id) => {
                sql.push(" FROM images i WHERE i.uuid = ").push_bind(id);
            }
            Driver::Share(token) => {
                sql.push(" FROM images i WHERE i.share_token = ").push_bind(token);
            }
            Driver::Path(path) => {
                sql.push(" FROM files f CROSS JOIN images i ON i.id = f.image_id WHERE f.stored_path = ");
                sql.push_bind(path);
            }
            Driver::State => self.push_in_state(&mut sql),
            Driver::Pools => {
                let pools = json(&self.pools.as_deref().unwrap_or_default());
                sql.push(" FROM json_each(").push_bind(pools).push(") AS a");
                sql.push(" CROSS JOIN images i ON i.pool_id = CAST(a.value AS BIGINT) WHERE true");
            }
            Driver::Created | Driver::Walk => push_between(&mut sql, " FROM images i WHERE i.created", self.created),
            Driver::Size => push_between(&mut sql, " FROM images i WHERE i.size", self.size),
        }
        sql.push(" AND i.deleting = 0");
        self.push_conditions(&mut sql);
        sql
    }

    /// Images whose own pool has such a copy of them.
    fn push_in_state<T>(&self, sql: &mut Statement<T>) {
        sql.push(" FROM (SELECT DISTINCT f.image_id, r.pool_id FROM pools p");
        sql.push(" CROSS JOIN replicas r ON r.pool_id = p.id AND r.state <> 'live' AND r.state = ");
        sql.push_bind(self.state.unwrap_or_default());
        sql.push(" AND NOT ").push(images::healed!());
        sql.push(" CROSS JOIN files f ON f.id = r.file_id LIMIT ").push_bind(self.bounds.gathered);
        sql.push(") AS s CROSS JOIN images i ON i.id = s.image_id WHERE i.pool_id = s.pool_id");
    }

    fn push_pool_of_walk<T>(&self, sql: &mut Statement<T>) {
        if let Some(pool) = self.pool_of_walk() {
            sql.push(" AND i.pool_id = ").push_bind(pool);
        }
    }

    /// The whole filter, but what names one image by itself.
    fn push_conditions<T>(&self, sql: &mut Statement<T>) {
        if let Some(pools) = &self.pools {
            sql.push(" AND +i.pool_id IN (SELECT CAST(value AS BIGINT) FROM json_each(");
            sql.push_bind(json(&pools)).push("))");
        }
        if !self.name.is_empty() {
            sql.push(" AND instr(i.name_key, ").push_bind(&self.name).push(") > 0");
        }
        for (span, column) in [(self.size, "+i.size"), (self.created, "+i.created")] {
            if let Some(from) = span.from {
                sql.push(" AND ").push(column).push(" >= ").push_bind(from);
            }
            if let Some(to) = span.to {
                sql.push(" AND ").push(column).push(" <= ").push_bind(to);
            }
        }
    }

    /// Behind this place of the order.
    pub(super) fn push_after<T>(&self, sql: &mut Statement<T>, column: &'static str, (key, id): &At) {
        sql.push(" AND (").push(column).push(", i.id) ").push(if self.order.rises() { "> (" } else { "< (" });
        push_key(sql, key);
        sql.push(", ").push_bind(*id).push(")");
    }

    /// Not behind the order's end.
    fn push_last<T>(&self, sql: &mut Statement<T>) {
        let (from, to) = self.span();
        match self.order {
            ImageOrder::Name => {}
            order if order.rises() => {
                sql.push(" AND ").push(order.plain()).push(" <= ").push_bind(to);
            }
            order => {
                sql.push(" AND ").push(order.plain()).push(" >= ").push_bind(from);
            }
        }
    }

    /// In order, one more than fit.
    pub(super) fn push_order<T>(&self, sql: &mut Statement<T>, column: &'static str, limit: usize) {
        self.push_sorted(sql, column);
        sql.push(" LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1));
    }

    fn push_sorted<T>(&self, sql: &mut Statement<T>, column: &'static str) {
        let (one, two) = if self.order.rises() { ("", ", i.id") } else { (" DESC", ", i.id DESC") };
        sql.push(" ORDER BY ").push(column).push(one).push(two);
    }
}

fn push_key<T>(sql: &mut Statement<T>, key: &SortKey) {
    match key {
        SortKey::Number(number) => sql.push_bind(*number),
        SortKey::Name(name) => sql.push_bind(name),
    };
}

fn push_between<T>(sql: &mut Statement<T>, column: &'static str, span: Span) {
    let (from, to) = ends(span);
    sql.push(column).push(" >= ").push_bind(from).push(" AND ");
    sql.push(column.rsplit(' ').next().unwrap_or(column)).push(" <= ").push_bind(to);
}
