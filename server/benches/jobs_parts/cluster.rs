//! A private PostgreSQL with durable commits, on a socket only. It is gone with the bench, however that ends: a shell
//! holds it whose standard input ends with the process.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
};

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, postgres::PgConnectOptions};

const KEEPER: &str = r#"
D=$(mktemp -d /tmp/pixelfox-bench-pg.XXXXXX) && cd "$D" || exit 1
"$1/initdb" -D "$D/data" -U pixelfox -A trust -E UTF8 --locale=C >"$D/initdb.log" 2>&1 || { cat "$D/initdb.log" >&2; exit 1; }
"$1/pg_ctl" -D "$D/data" -w -l "$D/log" -o "-k $D -c listen_addresses=''" start >/dev/null || { cat "$D/log" >&2; exit 1; }
echo "$D"
while read -r _; do :; done
"$1/pg_ctl" -D "$D/data" -m immediate stop >/dev/null 2>&1
cd / && rm -rf "$D"
"#;

/// A running server with the settings of its package. Ends when it is dropped.
pub(crate) struct Postgres {
    dir: String,
    keeper: Child,
    leash: Option<ChildStdin>,
}

impl Postgres {
    /// `None` where no PostgreSQL is installed.
    pub(crate) fn start() -> Option<Self> {
        let mut keeper = as_owner();
        keeper.args(["sh", "-c", KEEPER, "keeper"]).arg(programs()?).current_dir("/");
        std::os::unix::process::CommandExt::process_group(&mut keeper, 0); // Ctrl-C is for the bench; it ends this
        let mut keeper = keeper.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (leash, mut dir) = (keeper.stdin.take(), String::new());
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut dir).unwrap();
        assert!(!dir.is_empty(), "PostgreSQL did not start, see above");
        Some(Self { dir: dir.trim_end().to_owned(), keeper, leash })
    }

    /// The address of one of its databases.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://pixelfox@localhost/{database}?host={}", self.dir)
    }

    /// Runs this beside all databases of the bench.
    pub(crate) async fn order(&self, sql: String) {
        let options: PgConnectOptions = self.url("postgres").parse().unwrap();
        let mut conn = options.connect().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    }

    /// What its own vacuum would do sooner or later, in the middle of a run.
    pub(crate) async fn tidy(&self, database: &str) {
        let options: PgConnectOptions = self.url(database).parse().unwrap();
        let mut conn = options.connect().await.unwrap();
        sqlx::raw_sql("VACUUM ANALYZE").execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.leash.take());
        drop(self.keeper.wait());
    }
}

/// PostgreSQL does not run as root: then it is `postgres`, the owner that the package makes.
fn as_owner() -> Command {
    if rustix::process::getuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]);
        command
    } else {
        Command::new("env")
    }
}

/// Where Debian's package has its programs: the newest.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    found.retain(|bin| bin.join("initdb").is_file() && bin.join("postgres").is_file());
    found.sort();
    found.pop()
}
