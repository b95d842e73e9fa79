//! Uploads by 32 clients against a bare loop that does what is needed and no more, in the same run: write, sync, rename,
//! sync the directory, one commit of the database per batch. Straight to a node, and through the app to another node;
//! nginx PUT, which neither hashes nor syncs, beside it. How memory depends on the size of a file, and how soon after its
//! last byte a picture has its link.
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
use uploads_parts::{bare, nginx};

const CLIENTS: usize = 32;
/// The link of a picture of 10 MB is there so soon after its last byte.
const LINK_GOAL: Duration = Duration::from_millis(200);

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
    /// To the node in the server's process, by a token.
    fn straight(cluster: &Cluster) -> Self {
        Self { url: format!("{}/api/internal/upload", cluster.url(0)), token: Some(cluster.token(1)) }
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

async fn rates(cluster: &Cluster, count: usize, size: usize, rounds: usize) {
    let bytes = (count * size) as u64;
    let pictures: Vec<Bytes> = (0..count as u64).map(|seed| picture::png(seed, size).into()).collect();
    let [mut bares, mut straight, mut through, mut nginxes] = [const { Vec::new() }; 4];
    for round in 0..rounds {
        rest(bytes).await;
        bares.push(bare::store(&pictures, &cluster.folder.join(format!("bare{size}-{round}"))).await);
        rest(bytes).await;
        straight.push(Way::straight(cluster).take(&pictures).await);
        rest(bytes).await;
        through.push(Way::through_the_app(cluster).take(&pictures).await);
        rest(bytes).await;
        nginxes.extend(nginx::put(&pictures, &cluster.folder.join(format!("nginx{size}-{round}")), CLIENTS).await);
    }
    let bare = median(bares);
    println!("{count} × {size} bytes by {CLIENTS} clients, medians of {rounds}; bare loop {bare:.2} s");
    let rate = |seconds: f64| bytes as f64 / seconds / 1e6;
    for (name, seconds, goal) in
        [("straight", straight, "(goal ≥ 0.7)"), ("through the app", through, ""), ("nginx PUT", nginxes, "")]
    {
        if seconds.is_empty() {
            println!("  {name}: not installed");
            continue;
        }
        let seconds = median(seconds);
        println!(
            "  {name}: {seconds:.2} s, {:.0} MB/s, {:.0} files/s, ratio {:.2} {goal}",
            rate(seconds),
            count as f64 / seconds,
            bare / seconds
        );
    }
}

/// Through the app, so that two processes have each byte in their hands.
async fn memory(cluster: &Cluster) {
    let way = Way::through_the_app(cluster);
    for seed in 0..20 {
        way.take(&[picture::png((1 << 45) + seed, 1 << 20).into()]).await;
    }
    let small = [0, 1].map(|index| cluster.peak(index));
    way.take(&[picture::png(1 << 40, 1 << 30).into()]).await;
    let large = [0, 1].map(|index| cluster.peak(index));
    let more = |index: usize| (large[index] - small[index]) as f64 / 1024.0;
    println!(
        "peak memory through the app, 1 MiB → 1 GiB: server {:.1} MiB more, node {:.1} MiB more (before: {} and {} KiB)",
        more(0),
        more(1),
        small[0],
        small[1]
    );
}

/// From the last byte of a picture of 10 MB to the answer with its link, the slowest of 20.
async fn link(cluster: &Cluster) {
    for (name, way) in [("straight", Way::straight(cluster)), ("through the app", Way::through_the_app(cluster))] {
        let mut worst = Duration::ZERO;
        for seed in 0..20 {
            let picture = picture::png((1 << 50) + seed, 10_000_000);
            worst = worst.max(after_last_byte(&way, &picture).await);
        }
        println!("link of a 10 MB picture {name}: {worst:.1?} after its last byte at most (goal ≤ {LINK_GOAL:?})");
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
