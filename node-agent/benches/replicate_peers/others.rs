//! Other people's programs for the same work, started by a configuration of our own on a free port: rsync's daemon and
//! nginx with DAV, both with the defaults of their Debian packages. Neither hashes with SHA-256; `rsync -W` and nginx do
//! not sync either.

use std::{
    fs::{self, File},
    io::{BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::{Run, child, child::text, ground::Origin, now};

/// The peers, in the order of a set's goals.
pub(crate) const NAMES: [&str; 4] = ["raw", "rsync -W", "rsync -W --fsync", "nginx PUT"];

/// rsync's version, where it is installed.
pub(crate) fn rsync_version() -> Option<(u32, u32, u32)> {
    let output = Command::new("rsync").arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().nth(2)?.trim_start_matches('v');
    let mut parts = version.split('.').map_while(|part| part.parse().ok());
    Some((parts.next()?, parts.next()?, parts.next().unwrap_or(0)))
}

/// nginx, where it is installed with DAV.
pub(crate) fn nginx() -> Option<&'static str> {
    ["nginx", "/usr/sbin/nginx"].into_iter().find_map(|name| {
        let output = Command::new(name).arg("-V").output().ok()?;
        String::from_utf8_lossy(&output.stderr).contains("http_dav_module").then_some(name)
    })
}

/// A server of somebody else's. Ends when this is dropped.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // nginx's master ends its workers at SIGTERM, rsync's daemon has none left.
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
        }
        self.0.wait().ok();
    }
}

impl Daemon {
    fn start(command: &mut Command, address: SocketAddr) -> Self {
        let daemon = Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("it is installed"));
        let start = now();
        while TcpStream::connect(address).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "{command:?} does not listen");
            std::thread::yield_now();
        }
        daemon
    }
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("bound")
}

/// Copies a set into `fresh` by `rsync -W` and the `extra` options.
pub(crate) fn rsync(origin: &Origin, fresh: &Path, extra: &[&str]) -> Run {
    fs::create_dir_all(fresh.join("original")).expect("folders can be made");
    let config = fresh.join("rsyncd.conf");
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let as_us = if uid == 0 { format!("uid = {uid}\ngid = {gid}\n") } else { String::new() };
    let module = format!("[m]\npath = {}\nread only = no\nuse chroot = no\n{as_us}", fresh.display());
    fs::write(&config, module).expect("the configuration can be written");
    let address = free_address();
    let mut command = Command::new("rsync");
    command.args(["--daemon", "--no-detach", "--address", "127.0.0.1", "--config", text(&config)]);
    let daemon = Daemon::start(command.arg("--port").arg(address.port().to_string()), address);
    let from = format!("{}/original/", origin.dir.display());
    let to = format!("rsync://{address}/m/original/");
    let daemon_before = child::cpu_seconds(daemon.0.id());
    let ours_before = child::cpu_seconds(std::process::id());
    let start = now();
    let status = Command::new("rsync").args(["-a", "-W"]).args(extra).args([&from, &to]).status();
    assert!(status.expect("rsync runs").success(), "rsync failed");
    let seconds = start.elapsed().as_secs_f64();
    let client = child::cpu_seconds(std::process::id()) - ours_before;
    Run { seconds, cpu_seconds: client + child::cpu_seconds(daemon.0.id()) - daemon_before }
}

/// Copies a set into `fresh` by HTTP PUT over one connection that is kept.
pub(crate) fn nginx_put(program: &str, origin: &Origin, fresh: &Path) -> Run {
    fs::create_dir_all(fresh.join("temp")).expect("folders can be made");
    let address = free_address();
    let config = fresh.join("nginx.conf");
    fs::write(&config, nginx_config(fresh, address)).expect("the configuration can be written");
    let mut command = Command::new(program);
    command.args(["-p", text(fresh), "-c", text(&config), "-e", "stderr"]).stderr(Stdio::null());
    let _daemon = Daemon::start(&mut command, address);
    let start = now();
    let mut stream = TcpStream::connect(address).expect("nginx listens");
    stream.set_nodelay(true).expect("TCP");
    let mut answers = BufReader::new(stream.try_clone().expect("TCP"));
    let mut buffer = vec![0; 256 << 10];
    for item in &origin.items {
        let (path, size) = (&item.path, item.size);
        let head = format!("PUT /{path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {size}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("nginx lives");
        let mut file = File::open(origin.dir.join(path.as_str())).expect("the file is there");
        loop {
            let length = file.read(&mut buffer).expect("the file can be read");
            if length == 0 {
                break;
            }
            stream.write_all(&buffer[..length]).expect("nginx lives");
        }
        created(&mut answers);
    }
    Run { seconds: start.elapsed().as_secs_f64(), cpu_seconds: 0.0 }
}

fn nginx_config(fresh: &Path, address: SocketAddr) -> String {
    let user = if rustix::process::getuid().is_root() { "user root;" } else { "" };
    format!(
        "{user} worker_processes auto; daemon off; pid {0}/nginx.pid; events {{}}
http {{ access_log off; client_max_body_size 0; keepalive_requests 1000000;
  client_body_temp_path {0}/temp; proxy_temp_path {0}/temp; fastcgi_temp_path {0}/temp; uwsgi_temp_path {0}/temp;
  scgi_temp_path {0}/temp;
  server {{ listen {address}; root {0}; location / {{ dav_methods PUT; create_full_put_path on; }} }} }}",
        fresh.display()
    )
}

fn created(answers: &mut impl std::io::BufRead) {
    let mut line = String::new();
    answers.read_line(&mut line).expect("nginx answers");
    assert!(line.contains(" 201 "), "{line}");
    let mut length = 0;
    loop {
        line.clear();
        answers.read_line(&mut line).expect("nginx answers");
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        if lower.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    answers.read_exact(&mut body).expect("nginx answers");
}
