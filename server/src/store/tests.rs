//! The writer undoes exactly what it must, and the statements that meet a million rows read nothing else.

use super::{
    Store, StoreError, Trouble, commit, control, endings, held, images, jobs, lease, outbox, plan, queue, requests,
    rows, statement, trash, uploads,
};
use crate::catalog::{Refusal, UnixMillis};

#[tokio::test]
async fn no_hot_statement_reads_a_whole_table() {
    // SQLite's own word on each of them: rows are found by an index, or come from the batch that was given.
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(&format!("sqlite://{}/plans.db", dir.path().display())).await.expect("opens");
    let hot = [
        ("lease::RETRIES", lease::RETRIES),
        ("lease::FRESH", lease::FRESH),
        ("lease::OF_NODE", lease::OF_NODE),
        ("lease::EVERY", lease::EVERY),
        ("lease::OF_LEASES", lease::OF_LEASES),
        ("queue::PAUSED", queue::PAUSED),
        ("control::NAMED", control::NAMED),
        ("control::OPEN_CHILDREN", control::OPEN_CHILDREN),
        ("control::ENDED_CHILDREN", control::ENDED_CHILDREN),
        ("control::PAUSE", control::PAUSE),
        ("control::RESUME", control::RESUME),
        ("control::CANCELLABLE", control::CANCELLABLE),
        ("control::UNMADE", control::UNMADE),
        ("control::RETRIABLE", control::RETRIABLE),
        ("control::REOPEN", control::REOPEN),
        ("control::LOCK", control::LOCK),
        ("control::UNCOUNT", control::UNCOUNT),
        ("held::HELD", held::HELD),
        ("held::RELEASED", held::RELEASED),
        ("held::UNSETTLED", held::UNSETTLED),
        ("lease::LEASE", lease::LEASE),
        ("lease::GENERATION", lease::GENERATION),
        ("lease::WRITING", lease::WRITING),
        ("rows::MOVE_FILES", rows::MOVE_FILES),
        ("commit::HELD", commit::HELD),
        ("commit::LANDED", commit::LANDED),
        ("commit::CONDEMNED", commit::CONDEMNED),
        ("commit::LOST", commit::LOST),
        ("commit::DROPPED", commit::DROPPED),
        ("commit::PLACED", commit::PLACED),
        ("commit::COMMITTED", commit::COMMITTED),
        ("commit::PROGRESS", commit::PROGRESS),
        ("trash::DUE", trash::DUE),
        ("trash::NEXT", trash::NEXT),
        ("trash::SENT", trash::SENT),
        ("trash::CONDEMNED", trash::CONDEMNED),
        ("trash::TRASHED", trash::TRASHED),
        ("trash::OFF", trash::OFF),
        ("endings::END", endings::END),
        ("endings::UNLOCK", endings::UNLOCK),
        ("endings::COUNT", endings::COUNT),
        ("endings::END_PARENTS", endings::END_PARENTS),
        ("endings::DONE", endings::DONE),
        ("endings::WRITING", endings::WRITING),
        ("endings::CONDEMN", endings::CONDEMN),
        ("jobs::LANES", jobs::LANES),
        ("jobs::FAULTY", jobs::FAULTY),
        ("jobs::AGAIN", jobs::AGAIN),
        ("images::LOCATE", images::LOCATE),
        ("images::FILES", images::FILES),
        ("plan::COPIES", plan::COPIES),
        ("plan::MARK", plan::MARK),
        ("requests::EARLIER", requests::EARLIER),
        ("uploads::BY_PATH", uploads::BY_PATH),
        ("uploads::BY_UUID", uploads::BY_UUID),
        ("uploads::BY_BYTES", uploads::BY_BYTES),
    ];
    for (name, sql) in hot {
        for step in steps(&store, sql).await {
            let given = ["json_each", "VIRTUAL TABLE", "CONSTANT ROW", "hop", "(subquery"];
            let scans = step.starts_with("SCAN") && !given.iter().any(|part| step.contains(part));
            assert!(!scans || step.contains("jobs_ready"), "{name}: {step}");
        }
    }
    let lanes = steps(&store, jobs::LANES).await;
    assert!(!lanes.iter().any(|step| step.contains("TEMP B-TREE") || step.contains("jobs_by_state")), "{lanes:#?}");
    for sql in [lease::RETRIES, lease::FRESH] {
        let found = steps(&store, sql).await;
        assert!(found.iter().any(|step| step.contains("INDEX jobs_ready (node_id=? AND kind=?")), "{found:#?}");
        assert!(!found.iter().any(|step| step.contains("TEMP B-TREE")), "already in order: {found:#?}");
    }
    store.close().await;
}

async fn steps(store: &Store, sql: &'static str) -> Vec<String> {
    let explain = async |mut conn: Box<statement::Conn>| {
        let mut explain = statement::query_as("EXPLAIN QUERY PLAN ");
        explain.push(sql);
        let steps: Vec<(i64, i64, i64, String)> = explain.fetch_all(&mut conn).await?;
        Ok(steps.into_iter().map(|(.., detail)| detail).collect())
    };
    store.read("explain", explain).await.expect("explains")
}

/// What an intent does after it has written its row.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    Keeps,
    Refuses,
    Breaks,
}

/// Writes its row, then does as told.
async fn row(store: Store, name: &'static str, then: Then) -> Result<(), StoreError> {
    store
        .write("write a row", move |conn| {
            Box::pin(async move {
                outbox::audit(conn, UnixMillis(0), name, "", "").await?;
                match then {
                    Then::Keeps => Ok(()),
                    Then::Refuses => Err(Refusal::invalid("no").into()),
                    Then::Breaks => Err(Trouble::Sql(sqlx::Error::Protocol("broken".into()))),
                }
            })
        })
        .await
}

#[tokio::test]
async fn what_a_refused_or_broken_intent_wrote_is_undone() {
    // Six wait together for the writer: a refusal undoes its own row only; a failure of the database undoes what was in
    // the transaction until then, and says so to each; what waited behind it is done in the next one.
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(&format!("sqlite://{}/rows.db", dir.path().display())).await.expect("opens");
    let ask = |name, then| row(store.clone(), name, then);
    let (a, b) = tokio::join!(ask("a", Then::Keeps), ask("b", Then::Refuses));
    assert!(a.is_ok() && matches!(b, Err(StoreError::Refused(_))), "{a:?} {b:?}");
    let (c, d, e, f) =
        tokio::join!(ask("c", Then::Keeps), ask("d", Then::Breaks), ask("e", Then::Keeps), ask("f", Then::Keeps));
    assert!(matches!(c, Err(StoreError::Undone { .. })), "{c:?}");
    assert!(matches!(d, Err(StoreError::Database { .. })), "{d:?}");
    assert!(e.is_ok() && f.is_ok(), "{e:?} {f:?}");
    assert!(ask("g", Then::Refuses).await.is_err() && ask("h", Then::Breaks).await.is_err(), "alone as well");
    let kept: Vec<String> = store
        .read("look", async |mut conn| {
            Ok(statement::query_scalar("SELECT action FROM audit ORDER BY id").fetch_all(&mut *conn).await?)
        })
        .await
        .expect("reads");
    assert_eq!(kept, ["a", "e", "f"]);
    store.close().await;
}
