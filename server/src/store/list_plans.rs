//! No page of a list reads a whole table: the databases' own words on each statement.

use super::{
    Store, Trouble,
    dialect::json,
    image_list::{Driver, Search},
    job_list::Along,
    list_tests::{JOB_ROWS, filled, filters, insert, job_filters, job_samples},
    statement::{self, Conn, Statement},
    tests::{FILLED, postgres},
};
use crate::catalog::{Bounds, ImageOrder};

/// Every statement of both lists, with the index that must serve it.
async fn statements(conn: &mut Conn) -> Result<Vec<(String, Statement<()>, &'static str)>, Trouble> {
    let mut all = Vec::new();
    for filter in filters().into_iter().filter(|filter| filter.query.is_empty() || filter.query == "FERIEN") {
        let search = Search::new(conn, &filter, Bounds::PAGE).await?;
        let index = match filter.order {
            ImageOrder::Newest | ImageOrder::Oldest if search.pool_of_walk().is_some() => "images_of_pool",
            ImageOrder::Newest | ImageOrder::Oldest => "images_by_created",
            ImageOrder::Largest | ImageOrder::Smallest => "images_by_size",
            ImageOrder::Name => "images_by_name",
        };
        let (start, columns) = (search.start(), filter.order.columns());
        all.push((format!("a step of {filter:?}"), search.step(&start, 100).explained(""), index));
        let mut along = search.along::<()>(columns, &start, Some(&start));
        search.push_order(&mut along, filter.order.plain(), 50);
        all.push((format!("along {filter:?}"), along.explained(""), index));
        let narrow = [
            (Driver::Pools, filter.pool.is_some(), "images_"),
            (Driver::State, filter.state.is_some(), "replicas_unsettled"),
            (Driver::Created, filter.created.from.is_some() && filter.created.to.is_some(), "images_by_created"),
            (Driver::Size, filter.size.from.is_some() && filter.size.to.is_some(), "images_by_size"),
        ];
        for (driver, _, index) in narrow.into_iter().filter(|(_, given, _)| *given) {
            let mut gathered = search.gathered::<()>(columns, &driver);
            search.push_order(&mut gathered, filter.order.hidden(), 50);
            all.push((format!("{driver:?} of {filter:?}"), gathered.explained(""), index));
        }
    }
    for filter in job_filters() {
        let Some(along) = Along::narrowest(conn, &filter, Bounds::PAGE).await? else { continue };
        let index = along.index();
        all.push((format!("a step of {filter:?}"), along.step(500, 100).explained(""), index));
        all.push((format!("a page of {filter:?}"), along.page(500, Some(3), 50).explained(""), index));
        all.push((format!("a count of {filter:?}"), along.counted(500, None, 100).explained(""), index));
    }
    Ok(all)
}

#[tokio::test]
async fn no_page_of_a_list_reads_a_whole_table() {
    // Each statement takes the index that it was written for, and where that has the order sorts nothing.
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(&format!("sqlite://{}/plans.db", dir.path().display())).await.expect("opens");
    filled(&store).await;
    insert(&store, JOB_ROWS, json(&job_samples())).await;
    let explain = async |mut conn: Box<Conn>| {
        let mut plans = Vec::new();
        for (name, sql, index) in statements(&mut conn).await? {
            let steps = sql.explained("EXPLAIN QUERY PLAN").fetch_all(&mut conn).await?;
            let steps: Vec<String> = steps.into_iter().map(|(.., step): (i64, i64, i64, String)| step).collect();
            plans.push((name, steps, index));
        }
        Ok(plans)
    };
    let plans = store.read("explain", explain).await.expect("explains");
    assert!(plans.len() > 500, "{}", plans.len());
    for (name, steps, index) in plans {
        assert!(steps.iter().any(|step| step.contains(index)), "{name}: {steps:#?}");
        let given = |step: &String| {
            step.contains("json_each")
                || step.contains("VIRTUAL")
                || ["SCAN s", "SCAN counted"].contains(&step.as_str())
        };
        let scan = |step: &&String| {
            step.starts_with("SCAN") && !given(step) && !step.contains("USING") && !step.contains("SCAN p")
        };
        assert_eq!(steps.iter().find(scan), None, "{name}: {steps:#?}");
        let sorts = steps.iter().any(|step| step.contains("TEMP B-TREE FOR ORDER"));
        assert!(!sorts || name.contains(" of ImageFilter"), "{name}: {steps:#?}");
    }
    store.close().await;
}

#[tokio::test]
async fn no_page_of_a_list_reads_a_whole_table_in_postgresql() {
    // The same for what walks along an order; what is narrow is PostgreSQL's to find.
    let store = Store::open(&postgres::database().await).await.expect("opens");
    for sql in FILLED.iter().copied() {
        let fill =
            store.write("fill", move |conn| Box::pin(async move { Ok(statement::query(sql).execute(conn).await?) }));
        fill.await.expect("fills");
    }
    let explain = async |mut conn: Box<Conn>| {
        let mut plans = Vec::new();
        for (name, sql, _) in statements(&mut conn).await? {
            let plan = sql.explained("EXPLAIN").fetch_all(&mut conn).await?;
            plans.push((name, plan.into_iter().map(|(line,): (String,)| line).collect::<Vec<_>>().join("\n")));
        }
        Ok(plans)
    };
    for (name, plan) in store.read("explain", explain).await.expect("explains") {
        if !name.starts_with("Pools") {
            for table in ["images", "jobs", "replicas", "files"] {
                assert!(!plan.contains(&format!("Seq Scan on {table}")), "{name}:\n{plan}");
            }
        }
    }
    store.close().await;
}
