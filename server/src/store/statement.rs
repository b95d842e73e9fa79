//! One statement for both databases: text, bind values, rows. Connections of either kind are one type here, so that
//! the intents are written once. What differs in the text is in [`super::dialect`].

use std::borrow::Cow;
use std::marker::PhantomData;

use sqlx::{
    AssertSqlSafe, FromRow, Postgres, Sqlite,
    pool::PoolConnection,
    postgres::{PgArguments, PgConnection, PgRow},
    sqlite::{SqliteArguments, SqliteConnection, SqliteRow},
};

pub(super) use super::value::{Flag, Value};
use super::{
    dialect,
    gather::{self, Gathered},
};
use crate::catalog::Actor;

/// A connection to either database, and for whom it works.
pub(super) struct Conn {
    pub(super) link: Link,
    by: Actor,
}

/// Which connection it is.
pub(super) enum Link {
    /// SQLite's one writer.
    Sqlite(SqliteConnection),
    /// One of SQLite's readers.
    SqliteReader(PoolConnection<Sqlite>),
    /// The one connection of this process that writes to PostgreSQL.
    Postgres(PgConnection),
    /// One of PostgreSQL's readers.
    PostgresReader(PoolConnection<Postgres>),
}

pub(super) enum Inner<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl From<Link> for Conn {
    fn from(link: Link) -> Self {
        Self { link, by: Actor::Server }
    }
}

impl Conn {
    /// From here on its statements are this one's.
    pub(super) fn work_for(&mut self, actor: Actor) {
        self.by = actor;
    }

    /// For whom it works.
    pub(super) const fn by(&self) -> &Actor {
        &self.by
    }

    pub(super) fn inner(&mut self) -> Inner<'_> {
        match &mut self.link {
            Link::Sqlite(conn) => Inner::Sqlite(conn),
            Link::SqliteReader(conn) => Inner::Sqlite(conn),
            Link::Postgres(conn) => Inner::Postgres(conn),
            Link::PostgresReader(conn) => Inner::Postgres(conn),
        }
    }
}

/// A row of either database.
pub(super) trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// A statement whose rows are `T`.
pub(super) struct Statement<T> {
    text: Cow<'static, str>,
    /// The text for PostgreSQL, where it is another.
    postgres: Option<&'static str>,
    values: Vec<Value>,
    rows: PhantomData<fn() -> T>,
}

/// A statement whose rows nobody reads.
pub(super) fn query(text: &'static str) -> Statement<()> {
    query_as(text)
}

/// Several statements without values, in one round trip.
pub(super) async fn script(conn: &mut Conn, text: &'static str) -> Result<(), sqlx::Error> {
    match conn.inner() {
        Inner::Sqlite(conn) => sqlx::raw_sql(text).execute(conn).await.map(drop),
        Inner::Postgres(conn) => sqlx::raw_sql(text).execute(conn).await.map(drop),
    }
}

/// A statement with rows.
pub(super) fn query_as<T>(text: &'static str) -> Statement<T> {
    Statement { text: Cow::Borrowed(text), postgres: None, values: Vec::new(), rows: PhantomData }
}

/// A statement whose rows have one column.
pub(super) fn query_scalar<T>(text: &'static str) -> Scalar<T> {
    Scalar(query_as(text))
}

impl<T> Statement<T> {
    /// The next of the values that the text names `$1`, `$2` …
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// PostgreSQL gets this text instead.
    pub(super) fn on_postgres(mut self, text: &'static str) -> Self {
        self.postgres = Some(text);
        self
    }

    /// The text that PostgreSQL gets.
    fn for_postgres(&self) -> AssertSqlSafe<Cow<'static, str>> {
        let own = || Cow::Owned(dialect::postgres(&dialect::chosen(&self.text, dialect::Choice::Postgres)));
        AssertSqlSafe(self.postgres.map_or_else(own, Cow::Borrowed))
    }

    /// The text that SQLite gets, and the values.
    fn for_sqlite(self) -> (AssertSqlSafe<Cow<'static, str>>, SqliteArguments) {
        let text = match dialect::chosen(&self.text, dialect::Choice::Sqlite) {
            Cow::Borrowed(_) => self.text,
            Cow::Owned(text) => Cow::Owned(text),
        };
        (AssertSqlSafe(text), sqlite(self.values))
    }

    /// Puts its text between these.
    pub(super) fn wrap(&mut self, before: &str, after: &str) {
        let text = self.text.to_mut();
        text.insert_str(0, before);
        text.push_str(after);
    }

    /// The same, of which other rows are expected.
    pub(super) fn giving<Other>(self) -> Statement<Other> {
        let Self { text, postgres, values, .. } = self;
        Statement { text, postgres, values, rows: PhantomData }
    }

    /// Adds to the text what each database wants of it.
    pub(super) fn push_either(&mut self, sqlite: &'static str, postgres: &'static str) -> &mut Self {
        let text = self.text.to_mut();
        for part in ["\u{1}", sqlite, "\u{2}", postgres, "\u{3}"] {
            text.push_str(part);
        }
        self
    }

    /// Adds to the text.
    pub(super) fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.to_mut().push_str(text);
        self
    }

    /// Adds a value to text and values.
    pub(super) fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        let name = format!("${}", self.values.len());
        self.text.to_mut().push_str(&name);
        self
    }

    /// Runs it; the rows are thrown away.
    pub(super) async fn execute(self, conn: &mut Conn) -> Result<(), sqlx::Error> {
        match conn.inner() {
            Inner::Sqlite(conn) => {
                let (text, values) = self.for_sqlite();
                sqlx::query_with(text, values).execute(conn).await.map(drop)
            }
            Inner::Postgres(conn) => {
                sqlx::query_with(self.for_postgres(), postgres(self.values)).execute(conn).await.map(drop)
            }
        }
    }
}

#[cfg(test)]
impl<T> Statement<T> {
    /// The database's word on how it would run it.
    pub(super) fn explained<Step>(self, explain: &'static str) -> Statement<Step> {
        let text = Cow::Owned(format!("{explain} {}", self.text));
        Statement { text, postgres: None, values: self.values, rows: PhantomData }
    }
}

impl<T: Row> Statement<T> {
    /// All rows.
    pub(super) async fn fetch_all(self, conn: &mut Conn) -> Result<Vec<T>, sqlx::Error> {
        match conn.inner() {
            Inner::Sqlite(conn) => {
                let (text, values) = self.for_sqlite();
                sqlx::query_as_with(text, values).fetch_all(conn).await
            }
            Inner::Postgres(conn) => {
                sqlx::query_as_with(self.for_postgres(), postgres(self.values)).fetch_all(conn).await
            }
        }
    }

    /// The first row, where there is one.
    pub(super) async fn fetch_optional(self, conn: &mut Conn) -> Result<Option<T>, sqlx::Error> {
        match conn.inner() {
            Inner::Sqlite(conn) => {
                let (text, values) = self.for_sqlite();
                sqlx::query_as_with(text, values).fetch_optional(conn).await
            }
            Inner::Postgres(conn) => {
                sqlx::query_as_with(self.for_postgres(), postgres(self.values)).fetch_optional(conn).await
            }
        }
    }

    /// The first row.
    pub(super) async fn fetch_one(self, conn: &mut Conn) -> Result<T, sqlx::Error> {
        self.fetch_optional(conn).await?.ok_or(sqlx::Error::RowNotFound)
    }
}

/// Statements whose rows nobody reads, one after the other; the first that fails ends it. With SQLite all of them take
/// one way to the thread that has the database and back, which costs about as much as a small statement itself.
#[derive(Default)]
pub(super) struct Together(Vec<Statement<()>>);

impl Together {
    /// The next, where there is one.
    pub(super) fn add(&mut self, statement: impl Into<Option<Statement<()>>>) -> &mut Self {
        self.0.extend(statement.into());
        self
    }

    /// Runs them.
    pub(super) async fn execute(self, conn: &mut Conn) -> Result<(), sqlx::Error> {
        match conn.inner() {
            Inner::Sqlite(_) if self.0.is_empty() => Ok(()),
            Inner::Sqlite(_) => self.into_one().execute(conn).await,
            Inner::Postgres(_) => self.one_by_one(conn).await,
        }
    }

    /// Runs them, then `last`, whose rows are wanted.
    pub(super) async fn and_fetch<T: Row>(
        mut self,
        last: Statement<T>,
        conn: &mut Conn,
    ) -> Result<Vec<T>, sqlx::Error> {
        if let Inner::Postgres(_) = conn.inner() {
            self.one_by_one(conn).await?;
            return last.fetch_all(conn).await;
        }
        self.0.push(last.giving());
        self.into_one().giving().fetch_all(conn).await
    }

    /// The same, its rows as [`Statement::gather`] gives them.
    pub(super) async fn and_gather<T: Gathered>(
        mut self,
        last: Statement<T>,
        conn: &mut Conn,
    ) -> Result<Vec<T>, sqlx::Error> {
        match conn.inner() {
            Inner::Sqlite(_) => {
                self.0.push(last.gathered());
                gather::read(self.into_one().giving().fetch_one(conn).await?)
            }
            Inner::Postgres(_) => self.and_fetch(last, conn).await,
        }
    }

    /// SQLite takes several statements as one.
    fn into_one(self) -> Statement<()> {
        let (mut text, mut values) = (String::new(), Vec::new());
        for statement in self.0 {
            push_renumbered(&mut text, &statement.text, values.len());
            text.push(';');
            values.extend(statement.values);
        }
        Statement { text: Cow::Owned(text), postgres: None, values, rows: PhantomData }
    }

    async fn one_by_one(self, conn: &mut Conn) -> Result<(), sqlx::Error> {
        for statement in self.0 {
            statement.execute(conn).await?;
        }
        Ok(())
    }
}

/// Adds a statement whose values stand behind `before` others. (No text of ours has a `$` that names no value.)
fn push_renumbered(text: &mut String, statement: &str, before: usize) {
    let mut parts = statement.split('$');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: usize = part[..digits].parse().unwrap_or_default();
        text.push_str(&format!("${}{}", number + before, &part[digits..]));
    }
}

/// A statement whose rows have one column of `T`.
pub(super) struct Scalar<T>(Statement<(T,)>);

impl<T> Scalar<T>
where
    (T,): Row,
{
    /// The next value.
    pub(super) fn bind(self, value: impl Into<Value>) -> Self {
        Self(self.0.bind(value))
    }

    /// PostgreSQL gets this text instead.
    pub(super) fn on_postgres(self, text: &'static str) -> Self {
        Self(self.0.on_postgres(text))
    }

    /// All rows.
    pub(super) async fn fetch_all(self, conn: &mut Conn) -> Result<Vec<T>, sqlx::Error> {
        Ok(self.0.fetch_all(conn).await?.into_iter().map(|(value,)| value).collect())
    }

    /// The first row.
    pub(super) async fn fetch_one(self, conn: &mut Conn) -> Result<T, sqlx::Error> {
        self.0.fetch_one(conn).await.map(|(value,)| value)
    }
}

macro_rules! arguments {
    ($values:expr, $arguments:ty) => {{
        use sqlx::Arguments as _;
        let mut arguments = <$arguments>::default();
        for value in $values {
            let added = match value {
                Value::Int(value) => arguments.add(value),
                Value::Text(value) => arguments.add(value),
                Value::Bytes(value) => arguments.add(value),
            };
            added.expect("numbers, words and bytes can be bound");
        }
        arguments
    }};
}

fn sqlite(values: Vec<Value>) -> SqliteArguments {
    arguments!(values, SqliteArguments)
}

fn postgres(values: Vec<Value>) -> PgArguments {
    arguments!(values, PgArguments)
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_of_statements_that_go_together_are_numbered_through() {
        let mut text = String::new();
        super::push_renumbered(&mut text, "UPDATE a SET b = $1, c = $2 WHERE d = $1", 0);
        super::push_renumbered(&mut text, "; SELECT $1::jsonb, $12, 'no value'", 9);
        assert_eq!(text, "UPDATE a SET b = $1, c = $2 WHERE d = $1; SELECT $10::jsonb, $21, 'no value'");
    }
}
