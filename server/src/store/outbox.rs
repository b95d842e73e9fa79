//! What happened, written in the same transaction as the thing itself and published afterwards.

pub(super) use super::audit::note as audit;
use super::{
    Store, StoreError, Trouble,
    dialect::{checked, int, json, uint, word},
    statement::{self, Conn, Statement},
};
use crate::catalog::UnixMillis;

/// What a happening is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Jobs; subjects are job ids.
    Job,
    /// Pools; subjects are pool ids.
    Pool,
    /// Images; subjects are UUIDs.
    Image,
    /// Nodes; subjects are NODE_IDs.
    Node,
    /// Settings; no subjects.
    Settings,
}

impl Topic {
    const ALL: [Self; 5] = [Self::Job, Self::Pool, Self::Image, Self::Node, Self::Settings];

    /// The word in the database and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Pool => "pool",
            Self::Image => "image",
            Self::Node => "node",
            Self::Settings => "settings",
        }
    }
}

/// One transaction's news on one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// Rises with each.
    pub number: u64,
    /// When.
    pub at: UnixMillis,
    /// About what.
    pub topic: Topic,
    /// Which of them.
    pub subjects: Vec<String>,
}

impl Store {
    /// News after this number, oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn happenings_after(&self, number: u64, limit: u32) -> Result<Vec<Happening>, StoreError> {
        const SQL: &str = "SELECT number, at, topic, subjects FROM outbox WHERE number > $1 ORDER BY number LIMIT $2";
        self.read("read what happened", async |mut conn| {
            let rows: Vec<(i64, i64, String, String)> =
                statement::query_as(SQL).bind(int(number)).bind(i64::from(limit)).fetch_all(&mut conn).await?;
            rows.into_iter().map(happening).collect()
        })
        .await
    }

    /// News of other processes after this number, oldest first, and the number of the last that was looked at.
    ///
    /// # Errors
    /// The database fails.
    pub async fn news_of_others(&self, number: u64, limit: u32) -> Result<(u64, Vec<Happening>), StoreError> {
        const SQL: &str =
            "SELECT number, at, topic, subjects, process FROM outbox WHERE number > $1 ORDER BY number LIMIT $2";
        let own = self.shared.as_ref().map(|shared| shared.tag.clone()).unwrap_or_default();
        self.read("read what others did", async |mut conn| {
            let rows: Vec<(i64, i64, String, String, String)> =
                statement::query_as(SQL).bind(int(number)).bind(i64::from(limit)).fetch_all(&mut conn).await?;
            let last = rows.last().map_or(number, |row| uint(row.0));
            let others = rows.into_iter().filter(|(.., process)| *process != own);
            let news = others.map(|(number, at, topic, subjects, _)| happening((number, at, topic, subjects)));
            Ok((last, news.collect::<Result<_, _>>()?))
        })
        .await
    }

    /// Forgets news up to this number.
    ///
    /// # Errors
    /// The database fails.
    pub async fn forget_happenings(&self, up_to: u64) -> Result<(), StoreError> {
        self.write("forget what happened", move |conn| {
            Box::pin(async move {
                statement::query("DELETE FROM outbox WHERE number <= $1").bind(int(up_to)).execute(conn).await?;
                Ok(())
            })
        })
        .await
    }
}

fn happening((number, at, topic, subjects): (i64, i64, String, String)) -> Result<Happening, Trouble> {
    let known = Topic::ALL.into_iter().find(|known| known.as_str() == topic);
    Ok(Happening {
        number: uint(number),
        at: UnixMillis(at),
        topic: word(known, "outbox.topic", &topic)?,
        subjects: checked(serde_json::from_str(&subjects), "outbox.subjects")?,
    })
}

/// Where PostgreSQL calls out that there are news, with the name of the process that made them.
pub(super) const CHANNEL: &str = "pixelfox";
const PUT_POSTGRES: &str = "
WITH put AS (INSERT INTO outbox (at, topic, subjects, process)
    VALUES ($1, $2, $3, current_setting('pixelfox.process')) RETURNING number)
SELECT pg_notify('pixelfox', current_setting('pixelfox.process')) FROM put";

/// Notes news on one topic.
pub(super) async fn put(conn: &mut Conn, now: UnixMillis, topic: Topic, subjects: &[String]) -> Result<(), Trouble> {
    Ok(news(now, topic, subjects).execute(conn).await?)
}

/// What [`put`] runs, for an intent that has more to write.
pub(super) fn news(now: UnixMillis, topic: Topic, subjects: &[String]) -> Statement<()> {
    let put = statement::query("INSERT INTO outbox (at, topic, subjects) VALUES ($1, $2, $3)");
    put.on_postgres(PUT_POSTGRES).bind(now.0).bind(topic.as_str()).bind(json(&subjects))
}

/// Notes news of jobs, where there are some.
pub(super) async fn put_jobs(conn: &mut Conn, now: UnixMillis, jobs: &[i64]) -> Result<(), Trouble> {
    match news_of_jobs(now, jobs) {
        Some(put) => Ok(put.execute(conn).await?),
        None => Ok(()),
    }
}

/// What [`put_jobs`] runs.
pub(super) fn news_of_jobs(now: UnixMillis, jobs: &[i64]) -> Option<Statement<()>> {
    let subjects: Vec<String> = jobs.iter().map(ToString::to_string).collect();
    (!subjects.is_empty()).then(|| news(now, Topic::Job, &subjects))
}
