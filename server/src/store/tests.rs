//! The writer undoes exactly what it must, and the statements that meet a million rows read nothing else.

use sqlx::{AssertSqlSafe, Row as _};

use super::{Store, StoreError, Trouble, dialect, jobs, line, outbox, plan_pool, slices, statement};
use crate::catalog::{Refusal, UnixMillis};

#[expect(dead_code, reason = "the tests of the whole server use more of it")]
#[path = "../../tests/it/postgres.rs"]
pub(super) mod postgres;

/// Statements that run for every upload, lease, commit or look of the dispatcher.
mod hot {
    use super::super::{
        accounts, checks, commit, control, deletes, endings, held, images, jobs, keys, lease, line, newcomers, plan,
        plan_pool, purge, queue, requests, rows, slices, split, trash, undo, uploaders, uploads, which,
    };

    pub(super) const STATEMENTS: &[(&str, &str)] = &[
        ("accounts::SESSION", accounts::SESSION),
        ("accounts::END", accounts::END),
        ("accounts::OVER", accounts::OVER),
        ("accounts::SURPLUS", accounts::SURPLUS),
        ("lease::MAY", lease::MAY),
        ("line::CANDIDATES", line::CANDIDATES),
        ("line::SMALLER", line::SMALLER),
        ("line::UNDOS", line::UNDOS),
        ("lease::OF_NODE", lease::OF_NODE),
        ("lease::EVERY", lease::EVERY),
        ("lease::OF_LEASES", lease::OF_LEASES),
        ("queue::PAUSED", queue::PAUSED),
        ("images::TROUBLED", images::TROUBLED),
        ("which::NAMED", which::NAMED),
        ("which::OPEN_CHILDREN", which::OPEN_CHILDREN),
        ("which::ENDED_CHILDREN", which::ENDED_CHILDREN),
        ("control::PAUSE", control::PAUSE),
        ("control::RESUME", control::RESUME),
        ("control::CANCELLABLE", control::CANCELLABLE),
        ("control::UNMADE", control::UNMADE),
        ("control::RETRIABLE", control::RETRIABLE),
        ("control::REOPEN", control::REOPEN),
        ("control::LOCK", control::LOCK),
        ("control::UNCOUNT", control::UNCOUNT),
        ("held::WAITING_CHILDREN", held::WAITING_CHILDREN),
        ("held::LEFT", held::LEFT),
        ("held::HELD", held::HELD),
        ("held::RELEASED", held::RELEASED),
        ("held::AT_TARGET", held::AT_TARGET),
        ("lease::LAST_LEASE", lease::LAST_LEASE),
        ("lease::LEASE", lease::LEASE),
        ("lease::GENERATION", lease::GENERATION),
        ("lease::WRITING", lease::WRITING),
        ("rows::MOVE_FILES", rows::MOVE_FILES),
        ("commit::HELD", commit::HELD),
        ("commit::LANDED", commit::LANDED),
        ("commit::CONDEMNED", commit::CONDEMNED),
        ("commit::LOST", commit::LOST),
        ("commit::DROPPED", commit::DROPPED),
        ("commit::ENTERED", commit::ENTERED),
        ("commit::PLACED", commit::PLACED),
        ("commit::COMMITTED", commit::COMMITTED),
        ("commit::PROGRESS", commit::PROGRESS),
        ("trash::DUE", trash::DUE),
        ("trash::NEXT", trash::NEXT),
        ("trash::SENT", trash::SENT),
        ("trash::CONDEMNED", trash::CONDEMNED),
        ("trash::TRASHED", trash::TRASHED),
        ("trash::OFF", trash::OFF),
        ("trash::DUE_NOW", trash::DUE_NOW),
        ("purge::OLDEST", purge::OLDEST),
        ("purge::PURGE", purge::PURGE),
        ("purge::SOUND", purge::SOUND),
        ("purge::GIVEN_UP", purge::GIVEN_UP),
        ("purge::FROM_TRASH", purge::FROM_TRASH),
        ("checks::ASKED", checks::ASKED),
        ("checks::DOUBTED", checks::DOUBTED),
        ("checks::MISSING", checks::MISSING),
        ("checks::ASK", checks::ASK),
        ("checks::NEXT", checks::NEXT),
        ("checks::DUE", checks::DUE),
        ("checks::READ", checks::READ),
        ("checks::SETTLED", checks::SETTLED),
        ("checks::AGAIN", checks::AGAIN),
        ("checks::FORGET", checks::FORGET),
        ("deletes::FOUND", deletes::FOUND),
        ("deletes::GONE", deletes::GONE),
        ("deletes::OPEN", deletes::OPEN),
        ("deletes::COPIES", deletes::COPIES),
        ("deletes::CONDEMN", deletes::CONDEMN),
        ("deletes::HIDE", deletes::HIDE),
        ("deletes::MARK", deletes::MARK),
        ("deletes::OF_FILES", deletes::OF_FILES),
        ("deletes::TO_PURGE", deletes::TO_PURGE),
        ("deletes::LEFT", deletes::LEFT),
        ("deletes::AWAITED", deletes::AWAITED),
        ("deletes::DROP_FILES", deletes::DROP_FILES),
        ("deletes::DROP_IMAGES", deletes::DROP_IMAGES),
        ("deletes::DONE", deletes::DONE),
        ("deletes::PARENT_DONE", deletes::PARENT_DONE),
        ("endings::END", endings::END),
        ("endings::UNLOCK", endings::UNLOCK),
        ("endings::COUNT", endings::COUNT),
        ("endings::END_PARENTS", endings::END_PARENTS),
        ("endings::SETTLED", endings::SETTLED),
        ("endings::END_SETTLED", endings::END_SETTLED),
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
        ("plan_pool::TOTALS", plan_pool::TOTALS),
        ("plan_pool::REASONS", plan_pool::REASONS),
        ("plan_pool::RANGES", plan_pool::RANGES),
        ("slices::DUE", slices::DUE),
        ("slices::IMAGES", slices::IMAGES),
        ("slices::RANGE", slices::RANGE),
        ("slices::PAST", slices::PAST),
        ("slices::ADVANCE", slices::ADVANCE),
        ("slices::FORGET", slices::FORGET),
        ("slices::FORGET_RANGES", slices::FORGET_RANGES),
        ("undo::COPIES", undo::COPIES),
        ("split::GIVE_UP", split::GIVE_UP),
        ("newcomers::UNHEARD_OF", newcomers::UNHEARD_OF),
        ("newcomers::ENTER", newcomers::ENTER),
        ("newcomers::IMAGES", newcomers::IMAGES),
        ("newcomers::FILES", newcomers::FILES),
        ("newcomers::COPIES", newcomers::COPIES),
        ("uploads::BY_PATH", uploads::BY_PATH),
        ("uploads::BY_UUID", uploads::BY_UUID),
        ("uploads::BY_BYTES", uploads::BY_BYTES),
        ("uploads::BY_VISIT", uploads::BY_VISIT),
        ("keys::BY_DIGEST", keys::BY_DIGEST),
        ("keys::USED", keys::USED),
        ("uploaders::OF_ACCOUNT", uploaders::OF_ACCOUNT),
    ];
}

#[tokio::test]
async fn no_hot_statement_reads_a_whole_table() {
    // SQLite's own word on each of them: rows are found by an index, or come from the batch that was given.
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(&format!("sqlite://{}/plans.db", dir.path().display())).await.expect("opens");
    for (name, sql) in hot::STATEMENTS.iter().copied() {
        for step in steps(&store, sql).await {
            let given = [
                "json_each",
                "VIRTUAL TABLE",
                "CONSTANT ROW",
                "hop",
                "(subquery",
                "SCAN blocked",
                "SCAN waiting",
                "SCAN turn",
                "SCAN every_pool",
                "SCAN few",
                "SCAN failed",
                "SCAN cancelled",
                "SCAN again",
                "SCAN fresh",
                "SCAN line",
            ];
            let scans = step.starts_with("SCAN") && !given.iter().any(|part| step.contains(part));
            assert!(!scans || step.contains("jobs_ready") || step.contains("jobs_sliced"), "{name}: {step}");
        }
    }
    let waiting = steps(&store, super::nodes::WAITING).await;
    let by_node = "COVERING INDEX jobs_ready (node_id=?)";
    assert!(waiting.iter().any(|step| step.contains(by_node)), "{waiting:#?}");
    let lanes = steps(&store, jobs::LANES).await;
    assert!(!lanes.iter().any(|step| step.contains("TEMP B-TREE") || step.contains("jobs_by_state")), "{lanes:#?}");
    let again = steps(&store, super::nodes::DUE_AGAIN).await;
    let by_lane = "jobs_ready (node_id=? AND kind=? AND source_pool_id=? AND target_pool_id=? AND not_before>?)";
    assert!(again.iter().any(|step| step.contains(by_lane)), "{again:#?}");
    let found = steps(&store, line::CANDIDATES).await;
    for many in ["not_before>? AND not_before<?)", "not_before=?)"] {
        assert!(
            found.iter().any(|step| step.contains("INDEX jobs_ready (node_id=? AND kind=?") && step.ends_with(many)),
            "{found:#?}"
        );
    }
    assert!(!found.iter().any(|step| step.contains("TEMP B-TREE")), "already in order: {found:#?}");
    for sql in [line::UNDOS, jobs::LANES] {
        let undone = steps(&store, sql).await;
        let by_lane = "INDEX jobs_undo (node_id=? AND source_pool_id=? AND target_pool_id=? AND not_before<?)";
        let by_lane = undone.iter().any(|step| step.contains(by_lane));
        assert!(by_lane && !undone.iter().any(|step| step.contains("TEMP B-TREE")), "{undone:#?}");
    }
    let smaller = steps(&store, line::SMALLER).await;
    let by_lane = by_lane.replace("not_before>?", "not_before<?");
    assert!(smaller.iter().any(|step| step.contains(&by_lane)), "{smaller:#?}");
    store.close().await;
}

#[tokio::test]
async fn a_plan_for_a_pool_reads_what_can_not_go_and_a_slice_its_own_images() {
    // Whatever the pool's size: the plan's totals come from small indexes, a slice from its part of the entries.
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(&format!("sqlite://{}/plans.db", dir.path().display())).await.expect("opens");
    for (sql, index) in [
        (plan_pool::TOTALS, "INDEX images_busy (pool_id=?"),
        (plan_pool::TOTALS, "INDEX replicas_unsettled (pool_id=? AND state=?"),
        (plan_pool::REASONS, "INDEX images_busy (pool_id=?"),
        (slices::DUE, "INDEX jobs_sliced"),
        (slices::IMAGES, "INDEX images_by_entry (pool_id=? AND entry>? AND entry<?"),
    ] {
        let found = steps(&store, sql).await;
        assert!(found.iter().any(|step| step.contains(index)), "{index}: {found:#?}");
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
                    Then::Refuses => Err(Refusal::invalid(pixelfox_proto::Text::verbatim("no")).into()),
                    Then::Breaks => Err(Trouble::Sql(sqlx::Error::Protocol("broken".into()))),
                }
            })
        })
        .await
}

/// A cluster of four pools with 20,000 images, half of them in the first pool, of which every tenth is on its way.
pub(super) const FILLED: &[&str] = &[
    "INSERT INTO pools (name, node_id, base_path, identity, upload_api_url, public_base_url, max_size, is_active, is_default,
        priority, storage_type, storage_tier, description, legacy_pool_id, legacy_node, created)
     SELECT 'img' || n, 's0' || n, '/p' || n, 'identity ' || n, '', '', 0, 1, 0, 10, 'local', 'hot', '', 0, 0, 0
     FROM generate_series(1, 4) AS n",
    "INSERT INTO images (uuid, share_token, original_name, name_key, content_type, size, width, height, sha256, user_id,
        created, pool_id, entry, job_id)
     SELECT 'uuid ' || n, 'share ' || n, 'a.jpg', 'a.jpg', 'image/jpeg', 1000, 1, 1, decode(md5(n::text), 'hex'), n % 100,
        0, CASE WHEN n % 2 = 0 THEN 1 ELSE 2 + n % 3 END, n, CASE WHEN n % 20 = 0 THEN n / 20 END
     FROM generate_series(1, 20000) AS n",
    "INSERT INTO files (image_id, stored_path, kind, content_type, width, height, size, sha256, generation)
     SELECT id, 'original/' || uuid, 'original', content_type, 1, 1, size, sha256, 1 FROM images",
    "INSERT INTO replicas (file_id, pool_id, generation, state, since)
     SELECT f.id, i.pool_id, 1, 'live', 0 FROM files f JOIN images i ON i.id = f.image_id",
    "INSERT INTO replicas (file_id, pool_id, generation, state, since, job_id)
     SELECT f.id, 5 - i.pool_id, 2, 'trashed', 0, i.id FROM files f JOIN images i ON i.id = f.image_id WHERE i.id % 10 = 1",
    "INSERT INTO jobs (kind, state, parent_id, node_id, image_id, source_pool_id, target_pool_id, lease, created)
     SELECT 'move_image', CASE WHEN n <= 1000 THEN 'pending' WHEN n <= 1032 THEN 'processing' ELSE 'completed' END,
        n / 1000, 's01', n, 1, 2, n, 0
     FROM generate_series(1, 20000) AS n",
    "INSERT INTO deleted_images (uuid, at) SELECT 'gone ' || n, 0 FROM generate_series(1, 20000) AS n",
    "ANALYZE",
];

#[tokio::test]
async fn no_hot_statement_reads_a_whole_table_in_postgresql() {
    // The plan that PostgreSQL keeps for each of them, whatever the values: the tables that grow are met by an index.
    let store = Store::open(&postgres::database().await).await.expect("opens");
    for sql in FILLED.iter().copied() {
        store
            .write("fill", move |conn| Box::pin(async move { Ok(statement::query(sql).execute(conn).await?) }))
            .await
            .expect("fills");
    }
    for (name, sql) in hot::STATEMENTS.iter().copied() {
        let own = || dialect::postgres(&dialect::chosen(sql, dialect::Choice::Postgres));
        let sql = if sql == jobs::LANES { jobs::LANES_POSTGRES.to_owned() } else { own() };
        let mut plans = vec![plan_of_writer(&store, &sql).await];
        if !sql.contains("UPDATE") && !sql.contains("INSERT") {
            plans.push(plan_of_reader(&store, &sql).await);
        }
        for plan in plans {
            for table in ["images", "files", "replicas", "jobs", "outbox", "audit", "deleted_images"] {
                assert!(!plan.contains(&format!("Seq Scan on {table}")), "{name}:\n{plan}");
            }
        }
    }
    store.close().await;
}

async fn plan_of_writer(store: &Store, sql: &str) -> String {
    let sql = sql.to_owned();
    let plan = store.write("explain", move |conn| {
        let statement::Link::Postgres(conn) = &mut conn.link else { panic!("the writer to PostgreSQL") };
        Box::pin(async move { Ok(kept_plan(conn, &sql).await?) })
    });
    plan.await.expect("explains")
}

async fn plan_of_reader(store: &Store, sql: &str) -> String {
    let explain = async |mut conn: Box<statement::Conn>| {
        let statement::Link::PostgresReader(conn) = &mut conn.link else { panic!("a reader of PostgreSQL") };
        Ok(kept_plan(conn, sql).await?)
    };
    store.read("explain", explain).await.expect("explains")
}

async fn kept_plan(conn: &mut sqlx::PgConnection, sql: &str) -> Result<String, sqlx::Error> {
    let values = (1..20).rev().find(|number| sql.contains(&format!("${number}"))).unwrap_or(0);
    let nulls = if values == 0 { String::new() } else { format!("({})", vec!["NULL"; values].join(", ")) };
    let prepare = format!("SET plan_cache_mode = force_generic_plan; PREPARE hot AS {sql}");
    sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *conn).await?;
    let rows = sqlx::raw_sql(AssertSqlSafe(format!("EXPLAIN EXECUTE hot{nulls}"))).fetch_all(&mut *conn).await?;
    sqlx::raw_sql("DEALLOCATE hot").execute(&mut *conn).await?;
    let lines: Result<Vec<String>, _> = rows.into_iter().map(|row| row.try_get(0)).collect();
    Ok(lines?.join("\n"))
}

#[tokio::test]
async fn what_a_refused_or_broken_intent_wrote_is_undone() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    undoes_what_it_must(&format!("sqlite://{}/rows.db", dir.path().display())).await;
}

#[tokio::test]
async fn what_a_refused_or_broken_intent_wrote_is_undone_in_postgresql() {
    undoes_what_it_must(&postgres::database().await).await;
}

async fn undoes_what_it_must(url: &str) {
    // Six wait together for the writer: a refusal undoes its own row only; a failure of the database undoes what was in
    // the transaction until then, and says so to each; what waited behind it is done in the next one.
    let store = Store::open(url).await.expect("opens");
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
            Ok(statement::query_scalar("SELECT action FROM audit ORDER BY id").fetch_all(&mut conn).await?)
        })
        .await
        .expect("reads");
    assert_eq!(kept, ["a", "e", "f"]);
    store.close().await;
}

#[tokio::test]
async fn a_full_disk_is_told_and_goes_by() {
    // The file may not grow any more, as on a full disk: who writes is told, what is there stays and is read, and when
    // there is room again the same writer goes on.
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(&format!("sqlite://{}/full.db", dir.path().display())).await.expect("opens");
    let pragma = async |text: &'static str| {
        let set = store.write("set a limit", move |conn| Box::pin(async { Ok(statement::script(conn, text).await?) }));
        set.await.expect("a limit can be set");
    };
    let fill = async |name| {
        let long = "x".repeat(100_000);
        let write = store.write("fill", move |conn| {
            Box::pin(async move { outbox::audit(conn, UnixMillis(0), name, &long, "").await })
        });
        write.await
    };
    fill("before").await.expect("there is room");
    pragma("PRAGMA max_page_count = 1").await; // the present size: it can't be less
    let told = fill("full").await.expect_err("no room");
    assert!(matches!(&told, StoreError::Unreachable { why, .. } if why.contains("full")), "{told:?}");
    assert_eq!(told.to_string(), format!("the database can't be used now: {}", why(&told)));
    pragma("PRAGMA max_page_count = 1000000").await;
    fill("after").await.expect("there is room again");
    let kept: Vec<String> = store
        .read("look", async |mut conn| {
            Ok(statement::query_scalar("SELECT action FROM audit ORDER BY id").fetch_all(&mut conn).await?)
        })
        .await
        .expect("reads");
    assert_eq!(kept, ["before", "after"]);
    store.close().await;
}

fn why(told: &StoreError) -> &str {
    if let StoreError::Unreachable { why, .. } = told { why } else { "" }
}
