//! A private PostgreSQL for this test process: made at the first use, on a socket only, gone with the process however
//! that ends. A test that wants one where none is installed fails and says what to install.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use sqlx::{ConnectOptions as _, Connection as _, Executor as _, postgres::PgConnectOptions};

/// Runs as the cluster's owner. Its standard input is held by the test process: when that ends, so does the cluster.
const KEEPER: &str = r#"
D=$(mktemp -d /tmp/pixelfox-pg.XXXXXX) && cd "$D" || exit 1
"$1/initdb" -D "$D/data" -U pixelfox -A trust -E UTF8 --locale=C -N >"$D/initdb.log" 2>&1 || { cat "$D/initdb.log" >&2; exit 1; }
start() {
    "$1/pg_ctl" -D "$D/data" -w -l "$D/log" -o "-k $D -c listen_addresses='' -c max_connections=300 $2" start >/dev/null
}
stop() { "$1/pg_ctl" -D "$D/data" -m immediate stop >/dev/null 2>&1; }
start "$1" "$2" || { cat "$D/log" >&2; exit 1; }
echo "$D"
while read -r order; do "$order" "$1" "$2"; echo "$order"; done
stop "$1"
cd / && rm -rf "$D"
"#;

/// Whether commits reach the disk. A cluster that is killed on purpose needs it; the others are faster without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fsync {
    On,
    Off,
}

/// A running PostgreSQL. Ends when it is dropped.
pub(crate) struct Cluster {
    dir: PathBuf,
    keeper: Child,
    /// Its end is the cluster's.
    leash: Option<ChildStdin>,
    said: BufReader<ChildStdout>,
}

impl Cluster {
    pub(crate) fn start(fsync: Fsync) -> Self {
        let options = if fsync == Fsync::Off { "-c fsync=off -c full_page_writes=off" } else { "" };
        let mut keeper = as_owner();
        keeper.args(["sh", "-c", KEEPER, "keeper"]).arg(binaries()).arg(options);
        keeper.stdin(Stdio::piped()).stdout(Stdio::piped()).current_dir("/");
        std::os::unix::process::CommandExt::process_group(&mut keeper, 0); // Ctrl-C is for the tests; they end this
        let mut keeper = keeper.spawn().expect("a shell can be started");
        let (leash, said) = (keeper.stdin.take(), keeper.stdout.take().expect("piped"));
        let (mut said, mut dir) = (BufReader::new(said), String::new());
        said.read_line(&mut dir).expect("readable");
        assert!(!dir.is_empty(), "PostgreSQL did not start, see above");
        Self { dir: dir.trim_end().into(), keeper, leash, said }
    }

    /// `stop` (at once, as by a crash) or `start`; comes back when it is done.
    pub(crate) fn order(&mut self, order: &str) {
        writeln!(self.leash.as_ref().expect("held until the end"), "{order}").expect("the keeper listens");
        let mut done = String::new();
        self.said.read_line(&mut done).expect("readable");
        assert_eq!(done.trim_end(), order);
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join(".s.PGSQL.5432")
    }

    /// The address of one of its databases.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://pixelfox@localhost/{database}?host={}", self.dir.display())
    }

    /// A new empty database.
    pub(crate) async fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("books_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let options: PgConnectOptions = self.url("postgres").parse().expect("ours");
        let mut conn = options.connect().await.expect("the cluster of the tests answers");
        conn.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.expect("a database can be made");
        conn.close().await.expect("closes");
        self.url(&name)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.leash.take());
        drop(self.keeper.wait());
    }
}

/// A new empty database in the cluster that all tests of this process share; where `TEST_POSTGRES` names one
/// (`postgres://user@host:port`, no path), in that, for instance behind a pooler.
pub(crate) async fn database() -> String {
    #[expect(clippy::disallowed_methods, reason = "a person who tries another server or a pooler")]
    if let Ok(server) = std::env::var("TEST_POSTGRES") {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("books_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let options: PgConnectOptions = format!("{server}/postgres").parse().expect("TEST_POSTGRES is an address");
        let mut conn = options.connect().await.expect("TEST_POSTGRES answers");
        conn.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.expect("a database can be made");
        conn.close().await.expect("closes");
        return format!("{server}/{name}");
    }
    static SHARED: OnceLock<Cluster> = OnceLock::new(); // a static is never dropped: its leash ends with the process
    SHARED.get_or_init(|| Cluster::start(Fsync::Off)).database().await
}

/// PostgreSQL does not run as root: then it is `postgres`, the owner that the package makes.
pub(crate) fn as_owner() -> Command {
    if rustix::process::getuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]);
        command
    } else {
        Command::new("env")
    }
}

/// Where the package has its programs: Debian's place, else beside `pg_config`.
fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    if let Ok(said) = Command::new("pg_config").arg("--bindir").output() {
        found.push(String::from_utf8_lossy(&said.stdout).trim().into());
    }
    found.retain(|bin| bin.join("initdb").is_file() && bin.join("postgres").is_file());
    found.sort();
    found
        .pop()
        .expect("PostgreSQL is needed for this test: scripts/install-test-tools, or apt-get install postgresql-15")
}
