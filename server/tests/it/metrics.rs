//! `GET /metrics` of a whole cluster, and the page that explains it. An upload and a move are looked up in the metrics of
//! the processes that had to do with them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use pixelfox_node::metrics::{ALL, BUCKETS, Kind, Metric, On};

use crate::harness::{PATIENCE, TestCluster, http_client, png};

/// Each line of a scrape without comments: name, labels, value.
#[derive(Debug)]
struct Scrape(Vec<(String, BTreeMap<String, String>, f64)>);

impl Scrape {
    async fn of(address: &str) -> Self {
        let answer = http_client().get(format!("http://{address}/metrics")).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        let text = answer.text().await.unwrap();
        let sample = |line: &str| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.trim_end_matches('}').split("\",").filter(|label| !label.is_empty());
            let label = |label: &str| {
                let (name, value) = label.split_once("=\"").unwrap();
                (name.to_owned(), value.trim_end_matches('"').to_owned())
            };
            (name.to_owned(), labels.map(label).collect(), value.parse().unwrap())
        };
        Self(text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(sample).collect())
    }

    /// The sum of what has these labels; `None` where there is no such line.
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |own: &BTreeMap<String, String>| {
            labels.iter().all(|(name, value)| own.get(*name).is_some_and(|own| own == value))
        };
        let values: Vec<f64> = self.0.iter().filter(|(own, l, _)| own == name && fits(l)).map(|(.., v)| *v).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    fn names(&self) -> BTreeSet<&str> {
        let histograms: BTreeSet<&str> =
            ALL.iter().filter(|metric| metric.kind == Kind::Histogram).map(|metric| metric.name).collect();
        let base = |name: &'_ str| {
            let bare = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            bare.and_then(|bare| histograms.get(bare).copied())
        };
        self.0.iter().map(|(name, ..)| base(name).unwrap_or(name.as_str())).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_and_a_move_are_in_the_metrics_of_all_who_had_to_do_with_them() {
    let mut cluster = TestCluster::start().await;
    // Before anything happened every metric is there, and nothing that the table does not have.
    for (address, is_server) in [(cluster.app(), true), (cluster.storage_node("s01"), false)] {
        let scrape = Scrape::of(&address).await;
        let want: BTreeSet<&str> =
            ALL.iter().filter(|metric| is_server || metric.on == On::Every).map(|metric| metric.name).collect();
        assert_eq!(scrape.names(), want, "of {address}");
    }
    let size = png(7, 5_000).len();
    let upload = cluster.upload(2, png(7, 5_000)).await;
    let batch = cluster.move_images(&[upload["image_uuid"].as_str().unwrap()], 3).await;
    assert_eq!(cluster.wait_for_end(batch.job_id).await.state, "completed");
    assert!(cluster.cluster().stop_storage_node("s02").await);

    let s01 = Scrape::of(&cluster.storage_node("s01")).await;
    let moved = [("kind", "move_image"), ("state", "completed")];
    // Jobs are counted once a second at most.
    let counted = async {
        loop {
            let app = Scrape::of(&cluster.app()).await;
            if app.value("pixelfox_jobs", &moved) == Some(1.0) {
                break app;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let app = tokio::time::timeout(PATIENCE, counted).await.expect("the move is counted");
    #[expect(clippy::cast_precision_loss, reason = "a small file")]
    let size = size as f64;
    let out = [("direction", "out"), ("outcome", "stored")];
    for (scrape, name, labels, want) in [
        (&s01, "pixelfox_uploads_total", &[("door", "node"), ("outcome", "stored")][..], 1.0),
        (&s01, "pixelfox_http_requests_total", &[("route", "/api/internal/upload"), ("code", "200")], 1.0),
        (&s01, "pixelfox_replicated_files_total", &out, 1.0),
        (&s01, "pixelfox_replicated_bytes_total", &out, size),
        (&s01, "pixelfox_session_up", &[("node", "s01")], 1.0),
        (&s01, "pixelfox_session_attaches_total", &[("node", "s01")], 1.0),
        (&s01, "pixelfox_pool_healthy", &[("pool", "img1"), ("pool_id", "2")], 1.0),
        (
            &app,
            "pixelfox_grpc_requests_total",
            &[("method", "pixelfox.v1.Coordinator/CommitUpload"), ("code", "OK")],
            1.0,
        ),
        (&app, "pixelfox_node_attached", &[("node", "local")], 1.0),
        (&app, "pixelfox_node_attached", &[("node", "s02")], 0.0),
        (&app, "pixelfox_node_attaches_total", &[("node", "s02")], 1.0),
        (&app, "pixelfox_jobs", &[("kind", "move_images"), ("state", "completed")], 1.0),
        (&app, "pixelfox_jobs", &[("state", "failed")], 0.0),
        (&app, "pixelfox_pool_used_bytes", &[("pool", "img2"), ("pool_id", "3"), ("node", "s02")], size),
        (&app, "pixelfox_pool_trash_bytes", &[("pool", "img1")], size),
        (&app, "pixelfox_pool_images", &[("pool", "img2")], 1.0),
        (&app, "pixelfox_queue_paused", &[], 0.0),
        (&app, "pixelfox_jobs_oldest_waiting_seconds", &[], 0.0),
        (&app, "pixelfox_db_waiting_writers", &[], 0.0),
    ] {
        assert_eq!(scrape.value(name, labels), Some(want), "{name} {labels:?}");
    }
    for (name, labels) in [
        ("pixelfox_db_transaction_duration_seconds_count", &[][..]),
        ("pixelfox_db_connections", &[("state", "open")]),
        ("process_resident_memory_bytes", &[]),
        ("process_start_time_seconds", &[]),
    ] {
        assert!(app.value(name, labels).is_some_and(|value| value > 0.0), "{name}: {:?}", app.value(name, labels));
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_waits_has_an_age_and_a_paused_queue_says_so() {
    // Of a pool whose node is away nothing moves: its job waits from now on.
    let mut cluster = TestCluster::start().await;
    let upload = cluster.upload(2, png(8, 100)).await;
    assert!(cluster.cluster().stop_storage_node("s01").await);
    let before = pixelfox_node::clock::monotonic();
    cluster.move_images(&[upload["image_uuid"].as_str().unwrap()], 3).await;
    drop(cluster.admin().pause_queue(pixelfox_proto::v1::PauseQueueRequest {}).await.unwrap());
    let app = Scrape::of(&cluster.app()).await;
    let age = app.value("pixelfox_jobs_oldest_waiting_seconds", &[]).unwrap();
    assert!(age >= 0.0 && age <= before.elapsed().as_secs_f64() + 1.0, "{age}");
    assert_eq!(app.value("pixelfox_queue_paused", &[]), Some(1.0));
    assert_eq!(app.value("pixelfox_jobs_oldest_lease_seconds", &[]), Some(0.0));
    cluster.shutdown().await;
}

/// A row of docs/metrics.md.
fn row(metric: &Metric) -> String {
    let Metric { name, kind, unit, labels, help, .. } = metric;
    let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
    let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
    format!("| `{name}` | {} | {unit} | {labels} | {help} |", format!("{kind:?}").to_lowercase())
}

#[test]
fn the_page_explains_every_metric_and_no_other() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md")).unwrap();
    let (every, server) = page.split_once("## On the server besides").unwrap();
    let server = server.split("## Label values").next().unwrap();
    for (on, part) in [(On::Every, every), (On::Server, server)] {
        let rows: Vec<&str> = part.lines().filter(|line| line.starts_with("| `")).collect();
        let want: Vec<String> = ALL.iter().filter(|metric| metric.on == on).map(row).collect();
        assert_eq!(rows, want, "{on:?}");
    }
    let ends: Vec<String> = BUCKETS.iter().map(ToString::to_string).collect();
    assert!(page.contains(&format!("in seconds: {}.", ends.join(", "))), "{ends:?}");
}
