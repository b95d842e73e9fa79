//! Whatever is asked of a list, its pages together are what fits, in order.

use pixelfox_proto::{ImageId, PoolId};

use super::{Store, dialect::json, statement, tests::postgres};
use crate::catalog::{
    Bounds, ImageFilter, ImageOrder, JobFilter, JobKind, JobState, Level, PageAsk, ReplicaState, Span, Total,
};

/// So few that every way through a list is taken.
const NARROW: Bounds = Bounds { gathered: 30, counted: 25, walked: 60, walked_beside: 50, walked_across: 40, step: 3 };
const IMAGES: u64 = 240;
const JOBS: u64 = 240;

/// An image of the books, as far as lists care.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    number: u64,
    name: String,
    size: i64,
    created: i64,
    pool: u64,
    deleting: bool,
    lost: bool,
}

fn samples() -> Vec<Sample> {
    let sample = |number: u64| Sample {
        number,
        // many share their size, their time, their name: the order goes on by the row
        name: format!("{} {}.jpg", ["ferien", "ben & jerry", "50%_"][(number % 3) as usize], number % 20),
        size: ((number * 7919) % 17 * 100) as i64,
        created: 1_000 + ((number * 31) % 40) as i64,
        pool: if number.is_multiple_of(12) { 3 } else { 1 + number % 2 },
        deleting: number.is_multiple_of(29),
        lost: number.is_multiple_of(11),
    };
    (1..=IMAGES).map(sample).collect()
}

pub(super) fn id(number: u64) -> ImageId {
    ImageId::from_bytes(u128::from(number).to_be_bytes())
}

pub(super) async fn insert(store: &Store, sql: &'static str, rows: String) {
    let digest = [7_u8; 32];
    let write = store.write("fill", move |conn| {
        Box::pin(async move {
            let query = statement::query(sql).bind(rows);
            let query = if sql.contains("$2") { query.bind(&digest[..]) } else { query };
            Ok(query.execute(conn).await?)
        })
    });
    write.await.expect("fills");
}

const POOLS: &str = "
INSERT INTO pools (name, node_id, base_path, identity, upload_api_url, public_base_url, max_size, is_active, is_default,
    priority, storage_type, storage_tier, description, legacy_pool_id, legacy_node, created, images)
SELECT a.value ->> 0, a.value ->> 1, a.value ->> 0, a.value ->> 0, '', '', 0, 1, 0, 10, 'local', 'hot', '', 0, 0, 0,
    CAST(a.value ->> 2 AS BIGINT) FROM json_each($1) AS a";
const SAMPLES: &str = "
INSERT INTO images (uuid, share_token, original_name, name_key, content_type, size, width, height, sha256, user_id,
    created, pool_id, entry, deleting)
SELECT a.value ->> 0, a.value ->> 1, a.value ->> 2, a.value ->> 2, 'image/jpeg', CAST(a.value ->> 3 AS BIGINT), 1, 1, $2,
    0, CAST(a.value ->> 4 AS BIGINT), CAST(a.value ->> 5 AS BIGINT), CAST(a.value ->> 6 AS BIGINT),
    CAST(a.value ->> 7 AS BIGINT)
FROM json_each($1) AS a";
const FILES: &str = "
INSERT INTO files (image_id, stored_path, kind, content_type, width, height, size, sha256, generation)
SELECT i.id, 'original/2026/11/24/' || i.uuid || '.jpg', 'original', 'image/jpeg', 1, 1, 1, $2, 1
FROM json_each($1) AS a CROSS JOIN images i ON i.uuid = a.value ->> 0";
const COPIES: &str = "
INSERT INTO replicas (file_id, pool_id, generation, state, since)
SELECT f.id, i.pool_id, 1, a.value ->> 1, 0
FROM json_each($1) AS a CROSS JOIN images i ON i.uuid = a.value ->> 0 CROSS JOIN files f ON f.image_id = i.id";
pub(super) const JOB_ROWS: &str = "
INSERT INTO jobs (kind, state, parent_id, node_id, image_id, source_pool_id, target_pool_id, made, created)
SELECT a.value ->> 0, a.value ->> 1, CAST(a.value ->> 2 AS BIGINT), a.value ->> 3, CAST(a.value ->> 4 AS BIGINT),
    CAST(a.value ->> 5 AS BIGINT), CAST(a.value ->> 6 AS BIGINT), CAST(a.value ->> 7 AS BIGINT), 0
FROM json_each($1) AS a";

/// Pools 1 and 2 of node `local`, 3 of `s01`, and the samples in them.
pub(super) async fn filled(store: &Store) -> Vec<Sample> {
    let samples = samples();
    let of = |pool: u64| samples.iter().filter(|it| it.pool == pool && !it.deleting).count();
    let pools = [("a", "local", of(1)), ("b", "local", of(2)), ("c", "s01", of(3))];
    insert(store, POOLS, json(&pools)).await;
    let row = |it: &Sample| {
        let (uuid, share) = (id(it.number).to_string(), format!("{:012}", it.number));
        (uuid, share, it.name.clone(), it.size, it.created, it.pool, it.number, i64::from(it.deleting))
    };
    insert(store, SAMPLES, json(&samples.iter().map(row).collect::<Vec<_>>())).await;
    insert(store, FILES, json(&samples.iter().map(|it| [id(it.number).to_string()]).collect::<Vec<_>>())).await;
    let copy = |it: &Sample| (id(it.number).to_string(), if it.lost { "lost" } else { "live" });
    insert(store, COPIES, json(&samples.iter().map(copy).collect::<Vec<_>>())).await;
    samples
}

/// What the books should answer.
fn expected(samples: &[Sample], filter: &ImageFilter) -> Vec<ImageId> {
    let within =
        |span: Span, value: i64| span.from.is_none_or(|from| value >= from) && span.to.is_none_or(|to| value <= to);
    let node = |pool: u64| if pool == 3 { "s01" } else { "local" };
    let fits = |it: &&Sample| {
        !it.deleting
            && filter.pool.is_none_or(|pool| pool.get() == it.pool)
            && filter.node.as_ref().is_none_or(|of| of.as_str() == node(it.pool))
            && within(filter.size, it.size)
            && within(filter.created, it.created)
            && (filter.state.is_none() || it.lost)
            && it.name.contains(&filter.query.to_lowercase())
    };
    let mut fitting: Vec<&Sample> = samples.iter().filter(fits).collect();
    match filter.order {
        ImageOrder::Newest => fitting.sort_by_key(|it| std::cmp::Reverse((it.created, it.number))),
        ImageOrder::Oldest => fitting.sort_by_key(|it| (it.created, it.number)),
        ImageOrder::Largest => fitting.sort_by_key(|it| std::cmp::Reverse((it.size, it.number))),
        ImageOrder::Smallest => fitting.sort_by_key(|it| (it.size, it.number)),
        ImageOrder::Name => fitting.sort_by_key(|it| (it.name.clone(), it.number)),
    }
    fitting.into_iter().map(|it| id(it.number)).collect()
}

pub(super) fn filters() -> Vec<ImageFilter> {
    let span = |from: Option<i64>, to: Option<i64>| Span { from, to };
    let mut filters = Vec::new();
    for order in ImageOrder::ALL.iter().copied() {
        for pool in [None, PoolId::try_from(1).ok(), PoolId::try_from(3).ok(), PoolId::try_from(9).ok()] {
            for query in ["", "FERIEN", "50%_ 1", "r 7.jpg", "nowhere"] {
                for (size, created) in [
                    (Span::default(), Span::default()),
                    (span(Some(300), Some(400)), Span::default()),
                    (Span::default(), span(None, Some(1_020))),
                    (span(Some(1_600), None), span(Some(1_005), Some(1_035))),
                ] {
                    filters.push(ImageFilter {
                        pool,
                        query: query.into(),
                        size,
                        created,
                        order,
                        ..ImageFilter::default()
                    });
                }
            }
        }
        for (node, state) in [("s01", None), ("local", None), ("local", Some(ReplicaState::Lost)), ("s02", None)] {
            let node = Some(node.parse().expect("a node"));
            filters.push(ImageFilter { node, state, order, ..ImageFilter::default() });
        }
    }
    filters
}

async fn pages_together_are_what_fits(store: Store) {
    let samples = filled(&store).await;
    for (number, filter) in filters().into_iter().enumerate() {
        let want = expected(&samples, &filter);
        for bounds in [NARROW, Bounds::PAGE] {
            let (mut seen, mut token, mut pages) = (Vec::new(), String::new(), 0);
            loop {
                let ask = PageAsk { size: 1 + u32::try_from(number % 50).unwrap_or(0), token };
                let page = store.list_images_within(bounds, filter.clone(), ask.clone()).await.expect("lists");
                assert!(page.items.len() <= ask.size as usize, "{filter:?}");
                match page.total {
                    Total::Exact(count) => assert_eq!(count, want.len() as u64, "{filter:?}"),
                    Total::AtLeast(count) => assert!(count <= want.len() as u64 && bounds == NARROW, "{filter:?}"),
                }
                seen.extend(page.items.iter().map(|image| image.id));
                token = page.next_page_token;
                pages += 1;
                assert!(pages < 400, "a list without an end: {filter:?}");
                if token.is_empty() {
                    break;
                }
            }
            assert_eq!(seen, want, "{filter:?} within {bounds:?}");
        }
    }
    for query in [
        id(5).to_string(),
        id(5).to_string().to_uppercase(),
        "000000000005".to_owned(),
        "https://img.example/i/000000000005".to_owned(),
        format!("http://s01.local:8080/uploads/original/2026/11/24/{}.jpg", id(5)),
        format!("original/2026/11/24/{}.jpg", id(5)),
    ] {
        let filter = ImageFilter { query: format!(" {query} "), ..ImageFilter::default() };
        let page = store.list_images(filter, PageAsk::default()).await.expect("lists");
        let found: Vec<ImageId> = page.items.iter().map(|image| image.id).collect();
        assert_eq!((found, page.total), (vec![id(5)], Total::Exact(1)), "{query}");
    }
    store.close().await;
}

#[tokio::test]
async fn pages_of_images_together_are_what_fits() {
    // Every order with pools, nodes, names, sizes, times and states, against a plain search; ways through the list with
    // bounds that a small table has, and with those of the pages.
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(&format!("sqlite://{}/lists.db", dir.path().display())).await.expect("opens");
    pages_together_are_what_fits(store).await;
}

#[tokio::test]
async fn pages_of_images_together_are_what_fits_in_postgresql() {
    pages_together_are_what_fits(Store::open(&postgres::database().await).await.expect("opens")).await;
}

/// Kind, state, parent, node, image, source, target, made.
pub(super) type JobSample = (&'static str, &'static str, Option<u64>, &'static str, Option<u64>, u64, u64, u64);

pub(super) fn job_samples() -> Vec<JobSample> {
    let sample = |number: u64| match number {
        1 => ("move_pool", "processing", None, "local", None, 1, 3, 178),
        2 => ("move_images", "completed", None, "", None, 0, 2, 57),
        _ if number.is_multiple_of(80) => ("verify", "failed", None, "s01", Some(number % 30 + 1), 3, 0, 0),
        _ => {
            let state = ["pending", "completed", "completed", "failed"][(number % 4) as usize];
            let node = if number.is_multiple_of(7) { "s01" } else { "local" };
            let parent = if number <= 182 { 1 } else { 2 };
            ("move_image", state, Some(parent), node, Some(number % 30 + 1), 1, 2 + number % 2, 0)
        }
    };
    (1..=JOBS).map(sample).collect()
}

pub(super) fn job_filters() -> Vec<JobFilter> {
    let mut filters = Vec::new();
    for state in [None, Some(JobState::Pending), Some(JobState::Failed), Some(JobState::Cancelled)] {
        for kind in [None, Some(JobKind::MoveImage), Some(JobKind::Verify), Some(JobKind::MovePool)] {
            for node in [None, Some("local"), Some("s01"), Some("s02")] {
                let node = node.map(|node| node.parse().expect("a node"));
                let of = JobFilter { state, kind, node, ..JobFilter::default() };
                filters.extend([
                    of.clone(),
                    JobFilter { level: Level::Top, ..of.clone() },
                    JobFilter { parent: 1.try_into().ok(), ..of.clone() },
                    JobFilter { parent: 2.try_into().ok(), pool: 3.try_into().ok(), ..of.clone() },
                    JobFilter { image: Some(id(7)), ..of.clone() },
                    JobFilter { image: Some(id(999)), ..of.clone() },
                    JobFilter { pool: 3.try_into().ok(), ..of },
                ]);
            }
        }
    }
    filters
}

async fn pages_of_jobs(store: Store) {
    filled(&store).await;
    let samples = job_samples();
    insert(&store, JOB_ROWS, json(&samples)).await;
    for (number, filter) in job_filters().into_iter().enumerate() {
        let fits = |(_, job): &(u64, &JobSample)| {
            filter.state.is_none_or(|state| state.as_str() == job.1)
                && filter.kind.is_none_or(|kind| kind.as_str() == job.0)
                && filter.node.as_ref().is_none_or(|node| node.as_str() == job.3)
                && filter.parent.is_none_or(|parent| Some(parent.get()) == job.2)
                && filter.image.is_none_or(|image| job.4.is_some_and(|row| image == id(row)))
                && filter.pool.is_none_or(|pool| pool.get() == job.5 || pool.get() == job.6)
                && (filter.level == Level::All || job.2.is_none())
        };
        let mut want: Vec<u64> = (1..).zip(&samples).filter(fits).map(|(id, _)| id).collect();
        want.reverse();
        for bounds in [NARROW, Bounds::PAGE] {
            let (mut seen, mut token) = (Vec::new(), String::new());
            for pages in 0.. {
                assert!(pages < 400, "a list without an end: {filter:?}");
                let ask = PageAsk { size: 1 + u32::try_from(number % 40).unwrap_or(0), token };
                let page = store.list_jobs_within(bounds, filter.clone(), ask).await.expect("lists");
                match page.total {
                    Total::Exact(count) => assert_eq!(count, want.len() as u64, "{filter:?}"),
                    Total::AtLeast(count) => assert!(count <= want.len() as u64 && bounds == NARROW, "{filter:?}"),
                }
                seen.extend(page.items.iter().map(|job| job.id.get()));
                token = page.next_page_token;
                if token.is_empty() {
                    break;
                }
            }
            assert_eq!(seen, want, "{filter:?} within {bounds:?}");
        }
    }
    store.close().await;
}

#[tokio::test]
async fn pages_of_jobs_together_are_what_fits() {
    // Every mix of state, kind, node, parent, image, pool and level, against a plain search.
    let dir = tempfile::tempdir().expect("a temporary directory");
    pages_of_jobs(Store::open(&format!("sqlite://{}/lists.db", dir.path().display())).await.expect("opens")).await;
}

#[tokio::test]
async fn pages_of_jobs_together_are_what_fits_in_postgresql() {
    pages_of_jobs(Store::open(&postgres::database().await).await.expect("opens")).await;
}
