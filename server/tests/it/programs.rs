//! The programs themselves, started by a test: on free ports, with an environment of their own, watched by what they
//! print. Killed when they are dropped.

use std::{
    collections::HashMap,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::{Child, Command},
    task::JoinHandle,
    time::timeout,
};

use crate::harness::PATIENCE;

pub(crate) const SECRET: &str = "a replication secret of the tests";
pub(crate) const TOKEN_SECRET: &str = "an upload token secret of the tests";
pub(crate) const ADMIN_TOKEN: &str = "an admin token of the tests";

/// A program beside this test's own executable, as `cargo build --workspace --bins` puts it there.
pub(crate) fn program(name: &str) -> PathBuf {
    let own = PathBuf::from(env!("CARGO_BIN_EXE_server"));
    let found = own.with_file_name(name);
    assert!(found.try_exists().unwrap(), "{} is missing: cargo build --workspace --bins", found.display());
    found
}

/// A running program and what it has printed so far. Killed when dropped.
pub(crate) struct Running {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

fn collect(stream: impl AsyncRead + Unpin + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let lines = Arc::clone(lines);
    #[expect(clippy::disallowed_methods, reason = "ends with the program's stream")]
    tokio::spawn(async move {
        let mut stream = BufReader::new(stream).lines();
        while let Ok(Some(line)) = stream.next_line().await {
            lines.lock().push(line);
        }
    })
}

impl Running {
    pub(crate) fn start(name: &str, arguments: &[&str], environment: &HashMap<&str, String>, dir: &Path) -> Self {
        Self::start_at(&program(name), arguments, environment, dir)
    }

    /// As `start`, with a program of any path.
    pub(crate) fn start_at(
        program: &Path,
        arguments: &[&str],
        environment: &HashMap<&str, String>,
        dir: &Path,
    ) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(environment).current_dir(dir).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = Arc::default();
        let readers =
            vec![collect(child.stdout.take().unwrap(), &lines), collect(child.stderr.take().unwrap(), &lines)];
        Self { child, lines, readers }
    }

    /// Returns when it has ended by itself.
    pub(crate) async fn ended(&mut self) -> std::process::ExitStatus {
        self.child.wait().await.unwrap()
    }

    /// What it printed to its end, once it has ended.
    pub(crate) async fn rest(&mut self) -> String {
        let ends = self.readers.drain(..).collect::<Vec<_>>();
        for reader in ends {
            reader.await.unwrap();
        }
        self.printed()
    }

    pub(crate) fn printed(&self) -> String {
        self.lines.lock().join("\n")
    }

    /// Waits for a line with all of `pieces`.
    pub(crate) async fn says(&self, pieces: &[&str]) -> String {
        let waiting = async {
            loop {
                let found =
                    self.lines.lock().iter().find(|line| pieces.iter().all(|piece| line.contains(piece))).cloned();
                match found {
                    Some(line) => return line,
                    None => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never said {pieces:?}, but\n{}", self.printed()))
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id().unwrap()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Ends it as an operator would, and expects a clean end.
    pub(crate) async fn stop(mut self) -> String {
        self.signal(rustix::process::Signal::TERM);
        let ended = timeout(PATIENCE, self.child.wait()).await.expect("does not end").unwrap();
        assert!(ended.success(), "{ended}:\n{}", self.printed());
        self.printed()
    }

    pub(crate) async fn stop_after_signal(mut self) -> String {
        let ended = timeout(PATIENCE, self.child.wait()).await.expect("does not end").unwrap();
        assert!(ended.success(), "{ended}:\n{}", self.printed());
        self.printed()
    }

    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// The environment of one process of a cluster in `folder`.
pub(crate) fn environment(node: &str, port: u16, app_port: u16, folder: &Path) -> HashMap<&'static str, String> {
    let dir = |kind: &str| folder.join(kind).join(node).display().to_string();
    HashMap::from([
        ("NODE_ID", node.to_owned()),
        ("APP_HOST", "127.0.0.1".into()),
        ("APP_PORT", port.to_string()),
        ("NODE_URL", format!("http://127.0.0.1:{port}")),
        ("PUBLIC_DOMAIN", format!("http://127.0.0.1:{port}")),
        ("UPLOADS_DIR", dir("uploads")),
        ("STORAGE_ROOTS", folder.display().to_string()),
        ("STATE_DIR", dir("state")),
        ("DATABASE_URL", format!("sqlite://{}", folder.join("books.db").display())),
        ("REPLICATION_SECRET", SECRET.into()),
        ("UPLOAD_TOKEN_SECRET", TOKEN_SECRET.into()),
        ("ADMIN_TOKEN", ADMIN_TOKEN.into()),
        ("COORDINATOR_URL", format!("http://127.0.0.1:{app_port}")),
    ])
}

/// Ports that are free now, and that no outgoing connection takes: a program is started again on the same.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 18_000;
    const COUNT: u16 = 12_000;
    let first = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap();
    [(); N].map(|()| {
        let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
        let ports = std::iter::repeat_with(|| FIRST + first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT);
        ports.take(usize::from(COUNT)).find(free).unwrap()
    })
}
