//! The queue as a whole: paused or not, durably.

use super::{
    Store, StoreError, Topic, Trouble,
    audit::{self, Change},
    lease, outbox,
    statement::{self, Conn},
};
use crate::catalog::{ReturnedJob, UnixMillis};

impl Store {
    /// Whether nothing of the queue runs, because a person wants it so.
    ///
    /// # Errors
    /// The database fails.
    pub async fn queue_paused(&self) -> Result<bool, StoreError> {
        self.read("look whether the queue is paused", async |mut conn| is_paused(&mut conn).await).await
    }

    /// From now on nothing is leased. What was, before its commit, is pending again, not counted. Orders for the trash
    /// and what is past its commit go on.
    ///
    /// # Errors
    /// The database fails.
    pub async fn pause_queue(&self, now: UnixMillis) -> Result<Vec<ReturnedJob>, StoreError> {
        self.write("pause the queue", move |conn| {
            Box::pin(async move {
                if set(conn, true, now).await? { lease::return_every(conn, now).await } else { Ok(Vec::new()) }
            })
        })
        .await
    }

    /// The queue goes on.
    ///
    /// # Errors
    /// The database fails.
    pub async fn resume_queue(&self, now: UnixMillis) -> Result<(), StoreError> {
        self.write("resume the queue", move |conn| {
            Box::pin(async move {
                set(conn, false, now).await?;
                Ok(())
            })
        })
        .await
    }
}

pub(super) const PAUSED: &str = "SELECT EXISTS (SELECT 1 FROM settings WHERE name = 'queue_paused' AND value <> 0)";

pub(super) async fn is_paused(conn: &mut Conn) -> Result<bool, Trouble> {
    Ok(statement::query_scalar(PAUSED).fetch_one(conn).await?)
}

const SET: &str = "
INSERT INTO settings (name, value) VALUES ('queue_paused', $1)
ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/// Whether that is a change.
async fn set(conn: &mut Conn, paused: bool, now: UnixMillis) -> Result<bool, Trouble> {
    if is_paused(conn).await? == paused {
        return Ok(false);
    }
    statement::query(SET).bind(paused).execute(&mut *conn).await?;
    const RUNS: &str = r#"{"paused":false}"#;
    const PAUSED: &str = r#"{"paused":true}"#;
    let (action, was, became) = if paused { ("pause_queue", RUNS, PAUSED) } else { ("resume_queue", PAUSED, RUNS) };
    audit::change(conn, now, Change { action, subject: "queue", was, became, detail: "" }).await?;
    outbox::put(conn, now, Topic::Settings, &[]).await?;
    Ok(true)
}
