//! Every metric by name, in one table: code, docs/metrics.md, dashboards and alerts have their names from here. Names
//! follow Prometheus: base units (`_seconds`, `_bytes`), `_total` for what only rises; labels have few values.

/// How a metric moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises, from 0 at the start of the process.
    Counter,
    /// Rises and falls.
    Gauge,
    /// How often which length was seen.
    Histogram,
}

/// Which programs have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// `server` and `node-agent`.
    Every,
    /// `server` alone.
    Server,
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name on `/metrics`.
    pub name: &'static str,
    /// How it moves.
    pub kind: Kind,
    /// What it counts, or the unit it is in.
    pub unit: &'static str,
    /// Its labels, besides `node`, which all have.
    pub labels: &'static [&'static str],
    /// Which programs have it.
    pub on: On,
    /// One line.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($id:ident: $kind:ident on $on:ident, $name:literal, $unit:literal, [$($label:literal),*], $help:literal;)+) => {
        $(
            #[doc = $help]
            pub const $id: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                unit: $unit,
                labels: &[$($label),*],
                on: On::$on,
                help: $help,
            };
        )+
        /// All of them, in the order of docs/metrics.md.
        pub const ALL: &[Metric] = &[$($id),+];
    };
}

metrics! {
    BUILD_INFO: Gauge on Every, "pixelfox_build_info", "always 1", ["version"],
        "The version that runs.";
    HTTP_REQUESTS: Counter on Every, "pixelfox_http_requests_total", "requests", ["route", "method", "code"],
        "HTTP requests by route template, method and status.";
    HTTP_SECONDS: Histogram on Every, "pixelfox_http_request_duration_seconds", "seconds", ["route", "method"],
        "From a request's head to the head of its answer; for uploads that is all of it.";
    GRPC_REQUESTS: Counter on Every, "pixelfox_grpc_requests_total", "calls", ["method", "code"],
        "gRPC calls by method and status; of a stream the status that it began with.";
    GRPC_SECONDS: Histogram on Every, "pixelfox_grpc_request_duration_seconds", "seconds", ["method"],
        "From a call's head to the head of its answer: all of a unary call, the beginning of a stream.";
    REPLICATED_FILES: Counter on Every, "pixelfox_replicated_files_total", "files", ["direction", "outcome"],
        "Files between nodes that have ended, as this node saw it.";
    REPLICATED_BYTES: Counter on Every, "pixelfox_replicated_bytes_total", "bytes", ["direction", "outcome"],
        "Sizes of those files.";
    UPLOADS: Counter on Every, "pixelfox_uploads_total", "uploads", ["door", "outcome"],
        "Uploads by the door they came in by and how they ended.";
    SESSION_UP: Gauge on Every, "pixelfox_session_up", "0 or 1", [],
        "Whether this node is attached to a coordinator.";
    SESSION_ATTACHES: Counter on Every, "pixelfox_session_attaches_total", "sessions", [],
        "How often this node has attached.";
    POOL_HEALTHY: Gauge on Every, "pixelfox_pool_healthy", "0 or 1", ["pool", "pool_id"],
        "Whether the pool on this node works.";
    POOL_DISK_FREE: Gauge on Every, "pixelfox_pool_disk_free_bytes", "bytes", ["pool", "pool_id"],
        "Free on the file system of the pool on this node.";
    POOL_DISK_SIZE: Gauge on Every, "pixelfox_pool_disk_size_bytes", "bytes", ["pool", "pool_id"],
        "Size of the file system of the pool on this node.";
    POOL_ROOM: Gauge on Every, "pixelfox_pool_room_bytes", "bytes", ["pool", "pool_id"],
        "What the pool on this node still takes in, by limit, disk and reserve.";
    PROCESS_CPU: Counter on Every, "process_cpu_seconds_total", "seconds", [],
        "Processor time of this process, in whole seconds.";
    PROCESS_MEMORY: Gauge on Every, "process_resident_memory_bytes", "bytes", [],
        "Memory of this process.";
    PROCESS_VIRTUAL: Gauge on Every, "process_virtual_memory_bytes", "bytes", [],
        "Address space of this process.";
    PROCESS_VIRTUAL_MOST: Gauge on Every, "process_virtual_memory_max_bytes", "bytes", [],
        "Address space that this process may have.";
    PROCESS_FILES: Gauge on Every, "process_open_fds", "descriptors", [],
        "Open files and connections of this process.";
    PROCESS_FILES_MOST: Gauge on Every, "process_max_fds", "descriptors", [],
        "Open files and connections that this process may have.";
    PROCESS_THREADS: Gauge on Every, "process_threads", "threads", [],
        "Threads of this process.";
    PROCESS_START: Gauge on Every, "process_start_time_seconds", "Unix seconds", [],
        "When this process started.";
    JOBS: Gauge on Server, "pixelfox_jobs", "jobs", ["kind", "state"],
        "Jobs on record by kind and state; large books are counted every few seconds.";
    JOB_WAITING: Gauge on Server, "pixelfox_jobs_oldest_waiting_seconds", "seconds", [],
        "Age of the oldest job that waits; 0 where none does.";
    JOB_LEASED: Gauge on Server, "pixelfox_jobs_oldest_lease_seconds", "seconds", [],
        "Age of the oldest lease of a job under way; 0 where none is.";
    QUEUE_PAUSED: Gauge on Server, "pixelfox_queue_paused", "0 or 1", [],
        "Whether the queue is paused.";
    POOL_USED: Gauge on Server, "pixelfox_pool_used_bytes", "bytes", ["pool", "pool_id"],
        "Live files of the pool, by the books.";
    POOL_TRASH: Gauge on Server, "pixelfox_pool_trash_bytes", "bytes", ["pool", "pool_id"],
        "Files in the pool's trash, by the books.";
    POOL_RESERVED: Gauge on Server, "pixelfox_pool_reserved_bytes", "bytes", ["pool", "pool_id"],
        "Set aside in the pool for files on their way, by the books.";
    POOL_LIMIT: Gauge on Server, "pixelfox_pool_limit_bytes", "bytes", ["pool", "pool_id"],
        "The pool's own limit; 0 where it has none.";
    POOL_FILES: Gauge on Server, "pixelfox_pool_files", "files", ["pool", "pool_id"],
        "Live files of the pool, by the books.";
    POOL_IMAGES: Gauge on Server, "pixelfox_pool_images", "images", ["pool", "pool_id"],
        "Images in the pool, by the books.";
    NODE_ATTACHED: Gauge on Server, "pixelfox_node_attached", "0 or 1", [],
        "Whether the node that `node` names is attached, here or to another server.";
    NODE_ATTACHES: Counter on Server, "pixelfox_node_attaches_total", "sessions", [],
        "How often the node that `node` names has attached to this server.";
    DB_CONNECTIONS: Gauge on Server, "pixelfox_db_connections", "connections", ["state"],
        "Connections of the database that read: open ones, and those of them that are idle.";
    DB_WAITING: Gauge on Server, "pixelfox_db_waiting_writers", "intents", [],
        "What waits to be written to the database.";
    DB_SECONDS: Histogram on Server, "pixelfox_db_transaction_duration_seconds", "seconds", [],
        "Transactions that write, each over all that waited, to the end of the commit.";
    WATCHERS: Gauge on Server, "pixelfox_event_watchers", "watchers", [],
        "Who watches what happens: open pages, `ctl watch`, rooms of this server.";
    WATCHERS_BEHIND: Counter on Server, "pixelfox_event_watchers_behind_total", "times", [],
        "How often a watcher fell so far behind that it had to read everything anew.";
    EVENT_LAG: Gauge on Server, "pixelfox_event_lag_seconds", "seconds", [],
        "For how long what happened has waited for the slowest watcher; 0 where all are up to date.";
}

/// Upper ends of the histograms' buckets, in seconds.
pub const BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_follow_the_rules_of_prometheus() {
        let names: BTreeSet<&str> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len(), "a name stands twice");
        for Metric { name, kind, unit, labels, help, .. } in ALL {
            assert!(name.starts_with("pixelfox_") || name.starts_with("process_"), "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            let base = name.trim_end_matches("_total");
            assert_eq!(base.ends_with("_bytes"), *unit == "bytes", "{name} is in {unit}");
            assert_eq!(base.ends_with("_seconds"), unit.to_lowercase().ends_with("seconds"), "{name} is in {unit}");
            assert!(*kind != Kind::Histogram || *unit == "seconds", "{name}: the buckets are seconds");
            assert!(!labels.contains(&"le") && !labels.contains(&"node"), "{name}: {labels:?}");
            assert!(help.ends_with('.') && !help.contains('\n'), "{name}: {help}");
        }
        assert!(BUCKETS.is_sorted());
    }
}
