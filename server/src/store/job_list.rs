//! Lists of jobs, newest first, page by page. Of the columns that a filter names, the one with the fewest jobs is walked
//! along its index; the rest is looked at row by row, and a page is short where much of that does not fit.

use pixelfox_proto::ImageId;

use super::{
    Store, StoreError, Trouble,
    dialect::{int, uint},
    rows::{JobRow, job_columns},
    statement::{self, Conn, Statement, Value},
};
use crate::catalog::{Bounds, Job, JobFilter, Level, Listed, PageAsk, Place, SortKey, Total};

impl Store {
    /// A page of jobs, newest first.
    ///
    /// # Errors
    /// A page token of another list.
    pub async fn list_jobs(&self, filter: JobFilter, ask: PageAsk) -> Result<Listed<Job>, StoreError> {
        self.list_jobs_within(Bounds::PAGE, filter, ask).await
    }

    pub(super) async fn list_jobs_within(
        &self,
        bounds: Bounds,
        filter: JobFilter,
        ask: PageAsk,
    ) -> Result<Listed<Job>, StoreError> {
        let list = format!("jobs {filter:?}");
        let start = Place::of(&list, &ask.token)?;
        self.read("list jobs", async |mut conn| {
            let limit = usize::try_from(ask.limit()).unwrap_or(usize::MAX);
            let Some(along) = Along::narrowest(&mut conn, &filter, bounds).await? else {
                return Ok(Listed { items: Vec::new(), next_page_token: String::new(), total: Total::Exact(0) });
            };
            let below = start.as_ref().map_or(i64::MAX, |start| start.id);
            let (items, next) = along.walk(&mut conn, below, limit).await?;
            let total = match start {
                Some(start) => start.total,
                None => along.total(&mut conn, items.len(), limit, next).await?,
            };
            let token = |id| Place { key: SortKey::Number(id), id, total }.token(&list);
            Ok(Listed { items, next_page_token: next.map(token).unwrap_or_default(), total })
        })
        .await
    }
}

/// A column that jobs are found by, and what it must be.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Its name, and behind which no index is seen.
    plain: &'static str,
    hidden: &'static str,
    /// `None`: nothing, NULL.
    value: Option<Value>,
}

impl Column {
    fn of(plain: &'static str, hidden: &'static str, value: impl Into<Value>) -> Self {
        Self { plain, hidden, value: Some(value.into()) }
    }
}

/// Jobs along a column's index, with what else they must be.
pub(super) struct Along {
    /// `None`: all jobs by their ids.
    by: Option<Column>,
    others: Vec<Column>,
    pool: Option<i64>,
    /// Jobs of the column; more than are counted: so many or more.
    count: i64,
    bounds: Bounds,
}

impl Along {
    /// `None` where nothing can fit.
    pub(super) async fn narrowest(
        conn: &mut Conn,
        filter: &JobFilter,
        bounds: Bounds,
    ) -> Result<Option<Self>, Trouble> {
        let Some(mut columns) = columns(conn, filter).await? else { return Ok(None) };
        let alone = |by| Self { by, others: Vec::new(), pool: None, count: 0, bounds };
        let mut narrowest = (bounds.counted + 1, 0);
        for (at, column) in columns.iter().enumerate() {
            let (count,): (i64,) =
                alone(Some(column.clone())).counted(i64::MAX, None, narrowest.0).fetch_one(conn).await?;
            narrowest = narrowest.min((count, at));
        }
        let by = (!columns.is_empty()).then(|| columns.remove(narrowest.1));
        let count = match by {
            Some(_) => narrowest.0,
            None => alone(None)
                .counted(i64::MAX, None, bounds.counted + 1)
                .fetch_one(conn)
                .await
                .map(|(count,): (i64,)| count)?,
        };
        Ok(Some(Self { by, others: columns, pool: filter.pool.map(|pool| int(pool.get())), count, bounds }))
    }

    /// How many fit: counted where that are few, a parent's children as it counts them, by the first page, else as far as
    /// counting goes.
    async fn total(&self, conn: &mut Conn, met: usize, limit: usize, next: Option<i64>) -> Result<Total, Trouble> {
        let alone = self.others.is_empty() && self.pool.is_none();
        if alone && self.count <= self.bounds.counted {
            return Ok(Total::Exact(uint(self.count)));
        }
        if alone {
            let made = match &self.by {
                Some(Column { plain: "parent_id", value: Some(Value::Int(Some(parent))), .. }) => {
                    statement::query_as(MADE).bind(*parent).fetch_optional(conn).await?.map(|(made,): (i64,)| made)
                }
                _ => None,
            };
            let known = made.filter(|made| *made >= self.count);
            return Ok(known.map_or(Total::AtLeast(uint(self.bounds.counted)), |made| Total::Exact(uint(made))));
        }
        let first = u64::try_from(met).unwrap_or(u64::MAX);
        match next {
            None => return Ok(Total::Exact(first)),
            Some(_) if met < limit => return Ok(Total::AtLeast(first)),
            Some(_) => {}
        }
        let end = self.ahead(conn, i64::MAX, self.bounds.counted).await?;
        let (count,): (i64,) = self.counted(i64::MAX, end, i64::MAX).fetch_one(conn).await?;
        Ok(if end.is_some() { Total::AtLeast(uint(count)) } else { Total::Exact(uint(count)) })
    }

    /// A page from below this id on, and the last id that was looked at, where there may be more.
    async fn walk(&self, conn: &mut Conn, mut below: i64, limit: usize) -> Result<(Vec<Job>, Option<i64>), Trouble> {
        let (mut left, mut step, mut found) = (self.bounds.walked_across, self.bounds.step, Vec::new());
        let end = loop {
            let end = self.ahead(conn, below, step.min(left)).await?;
            let rows = self.page(below, end, limit - found.len()).fetch_all(&mut *conn).await?;
            found.extend(rows);
            left -= step.min(left);
            step *= 4;
            match end {
                Some(end) if found.len() <= limit && left > 0 => below = end,
                end => break end,
            }
        };
        let full = found.len() > limit;
        found.truncate(limit);
        let next = if full { found.last().map(|row| row.id) } else { end };
        Ok((found.into_iter().map(Job::try_from).collect::<Result<_, _>>()?, next))
    }

    /// What it goes along.
    #[cfg(test)]
    pub(super) fn index(&self) -> &'static str {
        match self.by.as_ref().map(|by| (by.plain, by.value.is_some())) {
            Some(("image_id", _)) => "jobs_of_image",
            Some(("parent_id", true)) => "jobs_by_parent",
            Some(("parent_id", false)) => "jobs_on_top",
            Some(("state", _)) => "jobs_by_state",
            Some(("node_id", _)) => "jobs_by_node",
            Some(_) => "jobs_by_kind",
            None => "INTEGER PRIMARY KEY",
        }
    }

    /// The last id of the next `step`; `None` where there are fewer.
    async fn ahead(&self, conn: &mut Conn, below: i64, step: i64) -> Result<Option<i64>, Trouble> {
        Ok(self.step(below, step).fetch_optional(conn).await?.map(|(id,)| id))
    }

    pub(super) fn step(&self, below: i64, step: i64) -> Statement<(i64,)> {
        let mut sql = statement::query_as("SELECT id FROM jobs WHERE ");
        self.push_range(&mut sql, below, None);
        self.push_sorted(&mut sql);
        sql.push(" LIMIT 1 OFFSET ").push_bind(step - 1);
        sql
    }

    pub(super) fn page(&self, below: i64, end: Option<i64>, limit: usize) -> Statement<JobRow> {
        let mut sql = statement::query_as(concat!("SELECT ", job_columns!(), " FROM jobs j WHERE "));
        self.push_range(&mut sql, below, end);
        self.push_others(&mut sql);
        self.push_sorted(&mut sql);
        sql.push(" LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1));
        sql
    }

    pub(super) fn counted(&self, below: i64, end: Option<i64>, most: i64) -> Statement<(i64,)> {
        let mut sql = statement::query_as("SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE ");
        self.push_range(&mut sql, below, end);
        self.push_others(&mut sql);
        self.push_sorted(&mut sql);
        sql.push(" LIMIT ").push_bind(most).push(") AS counted");
        sql
    }

    /// SQLite goes by a column's value and the id to their index. PostgreSQL might go by the id alone, past a million others:
    /// there column and id are compared as one.
    fn push_range<T>(&self, sql: &mut Statement<T>, below: i64, end: Option<i64>) {
        let end = end.unwrap_or(0);
        match &self.by {
            Some(Column { plain, value: Some(value), .. }) => {
                sql.push(plain).push(" IS NOT NULL");
                for (sqlite, postgres, id) in [(" AND id < ", ", id) < (", below), (" AND id >= ", ", id) >= (", end)] {
                    sql.push(" AND ").push_either("", "(").push(plain).push_either(" = ", postgres);
                    sql.push_bind(value.clone()).push_either(sqlite, ", ").push_bind(id).push_either("", ")");
                }
            }
            Some(Column { plain, value: None, .. }) => {
                sql.push(plain).push(" IS NULL AND id < ").push_bind(below).push(" AND id >= ").push_bind(end);
            }
            None => {
                sql.push("id < ").push_bind(below).push(" AND id >= ").push_bind(end);
            }
        }
    }

    fn push_others<T>(&self, sql: &mut Statement<T>) {
        for Column { hidden, value, .. } in &self.others {
            sql.push(" AND ").push(hidden);
            match value {
                Some(value) => sql.push(" = ").push_bind(value.clone()),
                None => sql.push(" IS NULL"),
            };
        }
        if let Some(pool) = self.pool {
            sql.push(" AND (source_pool_id = ").push_bind(pool).push(" OR target_pool_id = ").push_bind(pool).push(")");
        }
    }

    fn push_sorted<T>(&self, sql: &mut Statement<T>) {
        sql.push(" ORDER BY ");
        if let Some(Column { plain, value: Some(_), .. }) = &self.by {
            sql.push(plain).push(" DESC, ");
        }
        sql.push("id DESC");
    }
}

const MADE: &str = "SELECT made FROM jobs WHERE id = $1";

/// What a filter names, the likely narrowest first. `None` where its image is not there.
async fn columns(conn: &mut Conn, filter: &JobFilter) -> Result<Option<Vec<Column>>, Trouble> {
    let mut columns = Vec::new();
    if let Some(image) = filter.image {
        let Some(id) = image_row(conn, image).await? else { return Ok(None) };
        columns.push(Column::of("image_id", "+image_id", id));
    }
    if let Some(parent) = filter.parent {
        columns.push(Column::of("parent_id", "+parent_id", int(parent.get())));
    }
    if filter.level == Level::Top {
        columns.push(Column { plain: "parent_id", hidden: "+parent_id", value: None });
    }
    if let Some(state) = filter.state {
        columns.push(Column::of("state", "state || ''", state.as_str()));
    }
    if let Some(node) = &filter.node {
        columns.push(Column::of("node_id", "node_id || ''", node.to_string()));
    }
    if let Some(kind) = filter.kind {
        columns.push(Column::of("kind", "kind || ''", kind.as_str()));
    }
    Ok(Some(columns))
}

async fn image_row(conn: &mut Conn, image: ImageId) -> Result<Option<i64>, Trouble> {
    const SQL: &str = "SELECT id FROM images WHERE uuid = $1";
    let row: Option<(i64,)> = statement::query_as(SQL).bind(image.to_string()).fetch_optional(conn).await?;
    Ok(row.map(|(id,)| id))
}
