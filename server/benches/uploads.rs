//! Uploads by 32 clients against bare loops that do what is needed and no more, in the same run: write, sync, rename,
//! sync the directory, one commit of the database per batch. To the server's own pool, straight to a storage node, and
//! through the app to that node; nginx PUT, which neither hashes nor syncs, beside it. How memory depends on the size of a
//! file, and how soon after its last byte a picture has its link.
//! `cargo build --release --workspace --bins`, then `cargo bench -p pixelfox-server --bench uploads [-- PART…]` with the
//! parts `small` (2,000 × 100 KB), `large` (75 × 4 MB), `memory`, `link`; all of them without a word. `--rounds 3`.
#![expect(clippy::unwrap_used, reason = "a bench that can't go on ends where it stands")]

#[expect(dead_code, reason = "the bench of moves uses the rest")]
mod moves_parts;
mod uploads_parts;

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use moves_parts::{cluster::Cluster, median, now, picture, rest};
use pixelfox_proto::v1;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use uploads_parts::{
    bare::{self, Directory},
    forget_peak, nginx,
};

const CLIENTS: usize = 32;
/// The link of a picture of 10 MB is there so soon after its last byte.
const LINK_GOAL: Duration = Duration::from_millis(200);
/// Pictures of 10 MB each way.
const LINKS: u64 = 100;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let wants = |part: &str| {
        let parts = ["small", "large", "memory", "link"];
        words.iter().any(|word| word == part) || !words.iter().any(|word| parts.contains(&word.as_str()))
    };
    let rounds = words.iter().position(|word| word == "--rounds").and_then(|at| words.get(at + 1)?.parse().ok());
    let rounds: usize = rounds.unwrap_or(3);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let folder = tempfile::tempdir_in(std::env::current_dir().unwrap()).unwrap();
        let cluster = Cluster::start(folder.path()).await;
        no_limits(&cluster).await;
        if wants("small") {
            rates(&cluster, 2_000, 100_000, rounds).await;
        }
        if wants("large") {
            rates(&cluster, 75, 4_000_000, rounds).await;
        }
        if wants("memory") {
            memory(&cluster).await;
        }
        if wants("link") {
            link(&cluster).await;
        }
    });
}

async fn no_limits(cluster: &Cluster) {
    let settings = v1::Settings {
        upload_rate_limit_per_ip: Some(0),
        upload_rate_limit_per_user: Some(0),
        public_uploads: Some(true),
        upload_max_bytes: Some(2 << 30),
        ..v1::Settings::default()
    };
    cluster.admin().update_settings(v1::UpdateSettingsRequest { settings: Some(settings) }).await.unwrap();
}

/// A way for an upload: its address and, where it needs one, its token.
#[derive(Clone)]
struct Way {
    url: String,
    token: Option<String>,
}

impl Way {
    /// To the server's own pool by a token.
    fn to_the_server(cluster: &Cluster) -> Self {
        Self { url: format!("{}/api/internal/upload", cluster.url(0)), token: Some(cluster.token(1)) }
    }

    /// To s01 by a token, as a page with direct upload does.
    fn to_the_node(cluster: &Cluster) -> Self {
        Self { url: format!("{}/api/internal/upload", cluster.url(1)), token: Some(cluster.token(2)) }
    }

    /// Through the app to s01, whose pool is the best.
    fn through_the_app(cluster: &Cluster) -> Self {
        Self { url: format!("{}/upload", cluster.url(0)), token: None }
    }

    /// Seconds until the last answer.
    async fn take(&self, pictures: &[Bytes]) -> f64 {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let one = async |picture: Bytes| {
            let length = picture.len() as u64;
            let part = reqwest::multipart::Part::stream_with_length(picture, length).file_name("a.png");
            let request = client.post(&self.url).header("accept", "application/json");
            let request = self.token.iter().fold(request, |request, token| request.bearer_auth(token));
            let answer = request.multipart(reqwest::multipart::Form::new().part("file", part)).send().await.unwrap();
            let status = answer.status();
            let body = answer.text().await.unwrap();
            assert_eq!(status, 200, "{body}");
        };
        let start = now();
        stream::iter(pictures.iter().cloned()).map(one).buffer_unordered(CLIENTS).collect::<Vec<()>>().await;
        start.elapsed().as_secs_f64()
    }
}

/// The ways in, by name.
fn ways(cluster: &Cluster) -> [(&'static str, Way); 3] {
    [
        ("to the server", Way::to_the_server(cluster)),
        ("to the node", Way::to_the_node(cluster)),
        ("through the app to the node", Way::through_the_app(cluster)),
    ]
}

async fn rates(cluster: &Cluster, count: usize, size: usize, rounds: usize) {
    let bytes = (count * size) as u64;
    let pictures: Vec<Bytes> = (0..count as u64).map(|seed| picture::png(seed, size).into()).collect();
    let [mut one_by_one, mut by_batch, mut nginxes] = [const { Vec::new() }; 3];
    let mut ours = [const { Vec::new() }; 3];
    for round in 0..rounds {
        let fresh = |name: &str| cluster.folder.join(format!("{name}{size}-{round}"));
        rest(bytes).await;
        one_by_one.push(bare::store(&pictures, &fresh("each-file"), Directory::EachFile).await);
        rest(bytes).await;
        by_batch.push(bare::store(&pictures, &fresh("each-batch"), Directory::EachBatch).await);
        for ((_, way), seconds) in ways(cluster).iter().zip(&mut ours) {
            rest(bytes).await;
            seconds.push(way.take(&pictures).await);
        }
        rest(bytes).await;
        nginxes.extend(nginx::put(&pictures, &fresh("nginx"), CLIENTS).await);
    }
    println!("{count} × {size} bytes by {CLIENTS} clients, medians of {rounds}");
    let (one_by_one, by_batch) = (median(one_by_one), median(by_batch));
    let line = |name: &str, seconds: f64| {
        let (mb, files) = (bytes as f64 / seconds / 1e6, count as f64 / seconds);
        print!("  {name:<40} {seconds:>6.2} s {mb:>6.0} MB/s {files:>6.0} files/s");
        println!("   ratio to the loops {:.2} and {:.2}", one_by_one / seconds, by_batch / seconds);
    };
    line("bare loop, directory synced each file", one_by_one);
    line("bare loop, directory synced each batch", by_batch);
    for ((name, _), seconds) in ways(cluster).iter().zip(ours) {
        line(name, median(seconds.clone()));
        println!("    each {seconds:.2?}");
    }
    match nginxes.is_empty() {
        true => println!("  nginx PUT: not installed"),
        false => line("nginx PUT", median(nginxes)),
    }
    println!("  goal: ≥ 0.7 each way");
}

/// Each way: how far the resident memory of server and node rises above where it stood, by a file of 10 MB and by one
/// of a hundred times that.
async fn memory(cluster: &Cluster) {
    println!("resident memory before and at its peak while one file came, MiB: server, node");
    for (name, way) in ways(cluster) {
        for seed in 0..20 {
            way.take(&[picture::png((1 << 45) + seed, 1 << 20).into()]).await;
        }
        for size in [10_000_000, 1_000_000_000] {
            let picture: Bytes = picture::png(1 << 40, size).into();
            let before = [0, 1].map(|index| {
                forget_peak(cluster.id(index));
                cluster.peak(index)
            });
            way.take(std::slice::from_ref(&picture)).await;
            let peaks = [0, 1].map(|index| cluster.peak(index));
            let mib = |index: usize| (before[index] as f64 / 1024.0, peaks[index] as f64 / 1024.0);
            let ((server, server_peak), (node, node_peak)) = (mib(0), mib(1));
            print!(
                "  {name:<30} {:>5} MB: {server:.1} → {server_peak:.1}, {node:.1} → {node_peak:.1};",
                size / 1_000_000
            );
            println!(" rise {:.1}, {:.1}", server_peak - server, node_peak - node);
        }
    }
}

/// From the last byte of a picture of 10 MB to the answer with its link.
async fn link(cluster: &Cluster) {
    println!("the link of a 10 MB picture after its last byte, {LINKS} each way (goal ≤ {LINK_GOAL:?})");
    for (name, way) in ways(cluster) {
        let mut all = Vec::new();
        for seed in 0..LINKS {
            let picture = picture::png((1 << 50) + seed, 10_000_000);
            all.push(after_last_byte(&way, &picture).await);
        }
        all.sort();
        let late = all.iter().filter(|one| **one > LINK_GOAL).count();
        let at = |share: usize| all[(all.len() * share).div_ceil(100) - 1];
        print!("  {name:<30} p50 {:.1?}, p90 {:.1?}, p99 {:.1?},", at(50), at(90), at(99));
        println!(" at most {:.1?}; {late} later than the goal", at(100));
    }
}

async fn after_last_byte(way: &Way, picture: &[u8]) -> Duration {
    let (address, path) = way.url.trim_start_matches("http://").split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let form = [
        &b"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n"[..],
        picture,
        b"\r\n--B--\r\n",
    ]
    .concat();
    let bearer = way.token.iter().map(|token| format!("authorization: Bearer {token}\r\n")).collect::<String>();
    let head = format!(
        "POST /{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\naccept: application/json\r\n{bearer}\
         content-type: multipart/form-data; boundary=B\r\ncontent-length: {}\r\n\r\n",
        form.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&form).await.unwrap();
    let start = now();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("/i/"), "{answer}");
    start.elapsed()
}
