//! How fast a node serves files, beside nginx with sendfile in the same run: `cargo bench -p pixelfox-node --bench
//! serve`. Needs `wrk` and `nginx`. Rounds are interleaved and the medians count; both serve the same file of the same
//! directory over keep-alive connections, on the same cores as the client.

mod edge_node;

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use edge_node::Node;

const ROUNDS: usize = 5;
const SECONDS: u32 = 4;
const CONNECTIONS: u32 = 64;

struct Set {
    name: &'static str,
    bytes: usize,
    goal: Option<f64>,
}

const SETS: [Set; 2] =
    [Set { name: "100 KB", bytes: 100_000, goal: Some(0.7) }, Set { name: "4 MB", bytes: 4_000_000, goal: None }];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, dir, ..] = &arguments[..]
        && mode == "node"
    {
        return edge_node::serve(dir);
    }
    for program in ["wrk", "nginx"] {
        if Command::new(program).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            eprintln!("this bench needs {program}: apt-get install {program}");
            return;
        }
    }
    let ground = edge_node::ground();
    let node = Node::start(ground.path());
    let nginx = Nginx::start(ground.path());
    println!("| file | ours, requests/s | nginx, requests/s | ours, MB/s | ratio | goal |");
    println!("|---|---|---|---|---|---|");
    for set in SETS {
        let path = upload(&node, set.bytes);
        let (ours, theirs) = (node.url(&path), nginx.url(&path));
        let _warm = (wrk(&ours, 1), wrk(&theirs, 1));
        let rounds = (0..ROUNDS).map(|_| (wrk(&ours, SECONDS), wrk(&theirs, SECONDS)));
        let (ours, theirs): (Vec<f64>, Vec<f64>) = rounds.unzip();
        let (ours, theirs) = (median(ours), median(theirs));
        let goal = set.goal.map_or("reported".to_owned(), |goal| format!("≥ {goal}"));
        #[expect(clippy::cast_precision_loss, reason = "a file's size in MB")]
        let megabytes = ours * set.bytes as f64 / 1e6;
        println!("| {} | {ours:.0} | {theirs:.0} | {megabytes:.0} | {:.2} | {goal} |", set.name, ours / theirs);
    }
    println!("\nThe node's peak memory: {} MiB.", node.memory_kib("VmHWM") / 1024);
}

/// The stored file's path below the server.
fn upload(node: &Node, bytes: usize) -> String {
    let mut picture = edge_node::picture_head().to_vec();
    picture.resize_with(bytes, || fastrand::u8(..));
    let form = reqwest::multipart::Form::new().part("file", reqwest::multipart::Part::bytes(picture));
    let request = reqwest::Client::new().post(node.url("/api/internal/upload"));
    let request = request.bearer_auth(edge_node::token()).multipart(form);
    edge_node::runtime().block_on(async {
        let response = request.send().await.expect("the node answers");
        let answer: serde_json::Value = response.json().await.expect("JSON");
        answer["url"].as_str().unwrap_or_else(|| panic!("not taken: {answer}")).to_owned()
    })
}

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Requests a second, all of them answered with 200.
fn wrk(url: &str, seconds: u32) -> f64 {
    let connections = format!("-c{CONNECTIONS}");
    let output =
        Command::new("wrk").args(["-t2", &connections, &format!("-d{seconds}s"), "--timeout", "20s", url]).output();
    let text = String::from_utf8(output.expect("wrk runs").stdout).expect("text");
    assert!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "{text}");
    let line = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    line.and_then(|rate| rate.trim().parse().ok()).unwrap_or_else(|| panic!("no rate in {text}"))
}

struct Nginx {
    process: Child,
    port: u16,
}

impl Nginx {
    fn start(dir: &Path) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a free port").port();
        let (dir, pool) = (dir.display(), dir.join("pool"));
        let config = format!(
            "worker_processes 2; daemon off; pid {dir}/nginx.pid; error_log {dir}/nginx.log; user root;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000;\n\
             types {{ image/png png; }}\n\
             server {{ listen 127.0.0.1:{port}; location /uploads/ {{ alias {}/; }} }} }}\n",
            pool.display()
        );
        let file = format!("{dir}/nginx.conf");
        fs::write(&file, config).expect("the folder can be written");
        let process = Command::new("nginx").args(["-c", &file]).spawn().expect("nginx starts");
        let nginx = Self { process, port };
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return nginx;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("nginx does not answer at port {port}");
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with it on TERM, not on KILL.
        drop(Command::new("kill").arg(self.process.id().to_string()).status());
        drop(self.process.wait());
    }
}
