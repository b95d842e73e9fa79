//! What a process counts, and how it stands, for Prometheus. Each node has a recorder of its own, so that several nodes
//! in one process don't mix. It keeps and renders; what is counted is decided where it happens, and what is read at a
//! scrape by whoever registers with [`Meters::on_scrape`]. Source: docs/metrics.md.

mod counted;
mod table;

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use metrics_util::MetricKindMask;
use parking_lot::Mutex;
use pixelfox_proto::NodeId;

use self::counted::Answers;
pub use self::{
    counted::{Asked, Attaches, Code, Direction, Door, Ended, Replicated, Taken, Uploads},
    table::*,
};

/// What was seen of a histogram is put into its buckets this often, and at each scrape.
const KEEP_EVERY: Duration = Duration::from_secs(5);
/// A gauge that this scrape has not set (of a pool that is gone) is left out.
const GAUGE_ENDS: Duration = Duration::ZERO;

/// Sets gauges at a scrape. It is given the meters, so that it need not hold them, who hold it.
type Collector = dyn Fn(Meters) -> BoxFuture<'static, ()> + Send + Sync;

/// The metrics of one node. Cheap to clone.
#[derive(Clone)]
pub struct Meters {
    inner: Arc<Inner>,
}

struct Inner {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    process: metrics_process::Collector,
    answers: Answers,
    collectors: Mutex<Vec<Arc<Collector>>>,
    /// One scrape at a time: it sets gauges and then reads them.
    scrape: tokio::sync::Mutex<()>,
    version: &'static str,
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meters(…)")
    }
}

impl Meters {
    /// Of this node, with every metric that is counted where it happens at 0.
    #[must_use]
    pub fn new(node: &NodeId, version: &'static str) -> Self {
        let recorder = recorder(node).expect("the table has buckets");
        for metric in ALL {
            let (name, help) = (metric.name.into(), metric.help.into());
            match metric.kind {
                Kind::Counter => recorder.describe_counter(name, None, help),
                Kind::Gauge => recorder.describe_gauge(name, None, help),
                Kind::Histogram => recorder.describe_histogram(name, None, help),
            }
        }
        let (handle, process) = (recorder.handle(), metrics_process::Collector::default());
        let (answers, collectors, scrape) = (Answers::default(), Mutex::default(), tokio::sync::Mutex::default());
        let meters =
            Self { inner: Arc::new(Inner { recorder, handle, process, answers, collectors, scrape, version }) };
        Answers::touch(&meters);
        meters
    }

    /// A counter of the table. `labels` are those that it has there, in that order.
    pub fn counter(&self, metric: &Metric, labels: &[(&'static str, &str)]) -> Counter {
        self.inner.recorder.register_counter(&key(metric, Kind::Counter, labels), &METADATA)
    }

    /// A gauge of the table, to be set at each scrape.
    pub fn gauge(&self, metric: &Metric, labels: &[(&'static str, &str)]) -> Gauge {
        self.inner.recorder.register_gauge(&key(metric, Kind::Gauge, labels), &METADATA)
    }

    /// A histogram of the table.
    pub fn histogram(&self, metric: &Metric, labels: &[(&'static str, &str)]) -> Histogram {
        self.inner.recorder.register_histogram(&key(metric, Kind::Histogram, labels), &METADATA)
    }

    /// Counts files between nodes.
    #[must_use]
    pub fn replicated(&self) -> Replicated {
        Replicated::of(self)
    }

    /// Counts uploads.
    #[must_use]
    pub fn uploads(&self) -> Uploads {
        Uploads::of(self)
    }

    /// Counts this node's sessions.
    #[must_use]
    pub fn attaches(&self) -> Attaches {
        Attaches::of(self)
    }

    /// A request was answered; `word` is how the code is shown.
    pub fn answered(&self, asked: &Asked, code: Code, word: &str, took: Duration) {
        self.inner.answers.answered(self, asked, code, word, took);
    }

    /// `collect` is asked at each scrape, before anything is shown. It must not hold these meters.
    pub fn on_scrape(&self, collect: impl Fn(Self) -> BoxFuture<'static, ()> + Send + Sync + 'static) {
        self.inner.collectors.lock().push(Arc::new(collect));
    }

    /// All of it, as Prometheus reads it.
    pub async fn scrape(&self) -> String {
        let _one_at_a_time = self.inner.scrape.lock().await;
        let collectors = self.inner.collectors.lock().clone();
        for collect in collectors {
            collect(self.clone()).await;
        }
        metrics::with_local_recorder(&self.inner.recorder, || self.inner.process.collect());
        self.gauge(&BUILD_INFO, &[("version", self.inner.version)]).set(1.0);
        self.inner.handle.render()
    }

    /// Keeps what was seen from growing where nobody scrapes. Runs until it is dropped.
    pub async fn keep(self) {
        loop {
            tokio::time::sleep(KEEP_EVERY).await;
            self.inner.handle.run_upkeep();
        }
    }
}

/// A count as a gauge shows it: exact up to 2^53.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "Prometheus knows floating-point numbers alone")]
pub const fn shown(count: u64) -> f64 {
    count as f64
}

/// Not looked at by the recorder.
const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

fn key(metric: &Metric, kind: Kind, labels: &[(&'static str, &str)]) -> Key {
    debug_assert_eq!(metric.kind, kind, "{}", metric.name);
    // `node` may be another one's than this process's.
    let own = labels.iter().map(|(name, _)| *name).filter(|name| *name != "node");
    debug_assert!(own.eq(metric.labels.iter().copied()), "{}: {labels:?}", metric.name);
    let labels = labels.iter().map(|(name, value)| Label::new(*name, (*value).to_owned()));
    Key::from_parts(metric.name, labels.collect::<Vec<_>>())
}

fn recorder(node: &NodeId) -> Result<PrometheusRecorder, BuildError> {
    let mut builder = PrometheusBuilder::new()
        .add_global_label("node", node.to_string())
        .idle_timeout(MetricKindMask::GAUGE, Some(GAUGE_ENDS));
    for metric in ALL.iter().filter(|metric| metric.kind == Kind::Histogram) {
        builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), BUCKETS)?;
    }
    Ok(builder.build_recorder())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn meters() -> Meters {
        Meters::new(&"s01".parse().expect("a NODE_ID"), "1.2.3")
    }

    #[tokio::test]
    async fn what_every_node_counts_itself_is_there_before_its_first_event() {
        // What rooms set at a scrape is shown where the rooms are.
        let meters = meters();
        let (replicated, uploads, attaches) = (meters.replicated(), meters.uploads(), meters.attaches());
        let text = meters.scrape().await;
        for line in [
            r#"pixelfox_replicated_files_total{direction="out",outcome="failed",node="s01"} 0"#,
            r#"pixelfox_replicated_bytes_total{direction="in",outcome="stored",node="s01"} 0"#,
            r#"pixelfox_uploads_total{door="node",outcome="duplicate",node="s01"} 0"#,
            r#"pixelfox_session_attaches_total{node="s01"} 0"#,
            r#"pixelfox_http_request_duration_seconds_count{route="/healthz",method="GET",node="s01"} 0"#,
            r#"pixelfox_build_info{version="1.2.3",node="s01"} 1"#,
            "# TYPE pixelfox_http_request_duration_seconds histogram",
            "# HELP pixelfox_uploads_total Uploads by the door they came in by and how they ended.",
        ] {
            assert!(text.lines().any(|shown| same(shown, line)), "no {line} in\n{text}");
        }
        replicated.ended(Direction::Out, Ended::Stored, 700);
        uploads.ended(Door::App, Taken::Refused);
        attaches.attached();
        let asked = Asked::Http { route: "/uploads/{*path}".into(), method: "GET" };
        meters.answered(&asked, 206, "206", Duration::from_millis(3));
        meters.answered(&asked, 206, "206", Duration::from_millis(30));
        let text = meters.scrape().await;
        for line in [
            r#"pixelfox_replicated_files_total{direction="out",outcome="stored",node="s01"} 1"#,
            r#"pixelfox_replicated_bytes_total{direction="out",outcome="stored",node="s01"} 700"#,
            r#"pixelfox_uploads_total{door="app",outcome="refused",node="s01"} 1"#,
            r#"pixelfox_session_attaches_total{node="s01"} 1"#,
            r#"pixelfox_http_requests_total{route="/uploads/{*path}",method="GET",code="206",node="s01"} 2"#,
            r#"pixelfox_http_request_duration_seconds_bucket{route="/uploads/{*path}",method="GET",node="s01",le="0.005"} 1"#,
            r#"pixelfox_http_request_duration_seconds_bucket{route="/uploads/{*path}",method="GET",node="s01",le="0.05"} 2"#,
        ] {
            assert!(text.lines().any(|shown| same(shown, line)), "no {line} in\n{text}");
        }
    }

    /// Equal but for the order of the labels.
    fn same(shown: &str, want: &str) -> bool {
        let parts = |line: &str| {
            let (name, rest) = line.split_once('{').unwrap_or((line, ""));
            let (labels, value) = rest.rsplit_once('}').unwrap_or(("", rest));
            let mut labels: Vec<String> = labels.split(',').map(str::to_owned).collect();
            labels.sort();
            (name.to_owned(), labels, value.to_owned())
        };
        parts(shown) == parts(want)
    }

    #[tokio::test]
    async fn a_gauge_that_nobody_sets_any_more_is_left_out() {
        // A pool is there at the first scrape and gone at the second.
        let meters = meters();
        let turns = AtomicU64::new(0);
        meters.on_scrape(move |meters| {
            if turns.fetch_add(1, Ordering::Relaxed) == 0 {
                meters.gauge(&POOL_USED, &[("pool", "img1"), ("pool_id", "2")]).set(7.0);
            }
            Box::pin(async {})
        });
        assert!(meters.scrape().await.contains("pixelfox_pool_used_bytes{"));
        let text = meters.scrape().await;
        assert!(!text.contains("pixelfox_pool_used_bytes{"), "{text}");
        assert!(text.contains("pixelfox_build_info{"), "{text}");
    }

    #[tokio::test]
    async fn what_is_read_at_a_scrape_ends_with_the_meters() {
        // A collector holds rooms; where it held the meters too, a node that has ended would keep its pools open.
        let (meters, room) = (meters(), Arc::new(()));
        let held = Arc::clone(&room);
        meters.on_scrape(move |meters| {
            let held = Arc::clone(&held);
            Box::pin(async move { meters.gauge(&QUEUE_PAUSED, &[]).set(shown(Arc::strong_count(&held) as u64)) })
        });
        assert!(meters.scrape().await.contains("pixelfox_queue_paused"));
        drop(meters);
        assert_eq!(Arc::strong_count(&room), 1);
    }
}
