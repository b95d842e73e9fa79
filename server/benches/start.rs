//! How long a cluster takes to be ready, and how long a node with a million files takes to serve one of them.
//! `cargo bench -p pixelfox-server --bench start`; `-- --quick` with a thousandth of the files.

use std::{
    ffi::OsString,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use pixelfox_node::{config::Env, plane::Plane};
use pixelfox_server::dev::{Cluster, Spec};

const RUNS: usize = 5;
const DIRECTORIES: usize = 1_000;

fn main() {
    let per_directory = if std::env::args().any(|argument| argument == "--quick") { 1 } else { 1_000 };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    println!("| start, median of {RUNS} | seconds |\n|---|---|");
    let folder = tempfile::tempdir().expect("a temp folder");
    let first = runtime.block_on(start_times(folder.path(), Fresh::Yes));
    println!("| `server dev` in an empty folder, until its table could be printed | {first:.2} |");
    let again = runtime.block_on(start_times(folder.path(), Fresh::No));
    println!("| the same again, with its data | {again:.2} |");
    let files = fill(folder.path(), per_directory);
    let seconds = runtime.block_on(first_answer(folder.path()));
    println!("| start with {files} files in s01's pool, until one of them is served | {seconds:.2} |");
}

#[derive(Clone, Copy, PartialEq)]
enum Fresh {
    Yes,
    No,
}

async fn start_times(folder: &Path, fresh: Fresh) -> f64 {
    let mut times = Vec::new();
    for run in 0..RUNS {
        let data_dir = if fresh == Fresh::Yes { folder.join(run.to_string()) } else { folder.join("0") };
        let (cluster, plane, time) = timed_start(&data_dir).await;
        times.push(time.as_secs_f64());
        cluster.shutdown().await;
        plane.stop().await;
    }
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}

async fn timed_start(data_dir: &Path) -> (Cluster, Plane, Duration) {
    let begin = now();
    let plane = Plane::one_per_core().expect("threads");
    let spec = Spec { data_dir: data_dir.to_owned(), ports: [0; 3] };
    let cluster = Cluster::start(&spec, &mut Env::new(no_environment), plane.clone()).await.expect("a cluster");
    (cluster, plane, begin.elapsed())
}

/// Files of one byte in the directories of a thousand days.
fn fill(folder: &Path, per_directory: usize) -> usize {
    let pool = folder.join("0/uploads_s01/original");
    for directory in 0..DIRECTORIES {
        let day = pool.join(format!("{:04}/{:02}", 2000 + directory / 100, directory % 100));
        fs::create_dir_all(&day).expect("a directory");
        for file in 0..per_directory {
            fs::write(day.join(format!("{file}.jpg")), b"x").expect("a file");
        }
    }
    DIRECTORIES * per_directory
}

async fn first_answer(folder: &Path) -> f64 {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let begin = now();
        let (cluster, plane, _) = timed_start(&folder.join("0")).await;
        let (_, address, _) = cluster.storage_nodes().next().expect("s01");
        let answer = reqwest::get(format!("http://{address}/uploads/original/2005/50/0.jpg")).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        times.push(begin.elapsed().as_secs_f64());
        cluster.shutdown().await;
        plane.stop().await;
    }
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}

fn no_environment(_: &str) -> Option<OsString> {
    None
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn now() -> Instant {
    Instant::now()
}
