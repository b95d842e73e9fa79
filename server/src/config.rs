//! The server's environment: the node's, and what only the coordinator needs. Source: docs/configuration.md.

use std::{path::Path, time::Duration};

use pixelfox_node::{
    config::{self, Env, NodeConfig, Problem, Variable},
    secret::SecretPair,
};

use crate::catalog::{AccountName, Refusal};

/// Below where the process starts.
const DEFAULT_DATABASE: &str = "sqlite://data/pixelfox.db";

/// The variables that only the server reads.
pub const VARIABLES: &[Variable] = &[
    ("ADMIN_USER", "admin", "name of the first account of the pages"),
    ("ADMIN_PASSWORD", "generated, printed once", "its password, at the first start only; or ADMIN_PASSWORD_FILE"),
    ("ADMIN_TOKEN", "none: the Admin service is closed", "for grpcurl and scripts; or ADMIN_TOKEN_FILE"),
    ("ADMIN_URL", "http://127.0.0.1:8080", "for `server ctl` alone: where the server is"),
    (
        "DATABASE_URL",
        "sqlite://data/pixelfox.db",
        "where the coordinator keeps its books; or postgres://user:password@host/database",
    ),
    ("PUBLIC_UPLOADS", "0", "first value of the setting: uploads without a login or key"),
    ("AUTO_POOLS", "0", "1: a node that attaches and has never had a pool gets one"),
    ("JOB_STUCK_AFTER", "10m", "without progress for so long a job is taken back and tried again (90s, 10m, 1h)"),
    ("JOB_SWEEP_INTERVAL", "1m", "how often that is looked at while jobs are under way"),
];

/// When a job is stuck, and how often that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepTimes {
    /// `JOB_STUCK_AFTER`: without progress for so long.
    pub stuck_after: Duration,
    /// `JOB_SWEEP_INTERVAL`.
    pub every: Duration,
}

impl Default for SweepTimes {
    /// The seed's: ten minutes, every minute.
    fn default() -> Self {
        Self { stuck_after: Duration::from_secs(600), every: Duration::from_secs(60) }
    }
}

/// Bytes of a password at most.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// The account that there is when nobody has made one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstAccount {
    /// `ADMIN_USER`.
    pub name: AccountName,
    /// `ADMIN_PASSWORD`; `None`: one is generated.
    pub password: Option<SecretPair>,
    /// What becomes of an account of that name that is there already.
    pub later: LaterStarts,
}

/// What a start does with the first account's password where the account is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaterStarts {
    /// Nothing: it may have been changed.
    LeaveIt,
    /// It is set again, as `dev` does with what it says in its table.
    SetAgain,
}

/// What the coordinator needs to know before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Of the embedded node.
    pub node: NodeConfig,
    /// Opens the Admin service.
    pub admin_token: Option<SecretPair>,
    /// `ADMIN_USER`, `ADMIN_PASSWORD`.
    pub first_account: FirstAccount,
    /// `DATABASE_URL`: where the books are. It may carry a password.
    pub database_url: String,
    /// First value of the setting `public_uploads`.
    pub public_uploads: bool,
    /// Whether a node without a pool gets one when it attaches.
    pub auto_pools: bool,
    /// When a job is stuck, and how often that is looked at.
    pub sweep: SweepTimes,
}

impl ServerConfig {
    /// Reads the environment. What is wrong is noted in `env`, and the value returned then is not to be used.
    pub fn read(env: &mut Env<'_>) -> Self {
        let local = "local".parse().expect("a well-formed NODE_ID");
        let mut config = Self {
            node: NodeConfig::read(env, Some(local)),
            admin_token: config::admin_token(env),
            first_account: first_account(env),
            database_url: database_url(env),
            public_uploads: env.flag("PUBLIC_UPLOADS", false),
            auto_pools: env.flag("AUTO_POOLS", false),
            sweep: sweep(env),
        };
        let closed = "the Admin service is closed to grpcurl and scripts";
        config::weak_secret(env, "ADMIN_TOKEN", config.admin_token.as_ref(), &config.node.public_domain, closed);
        if let password @ Some(_) = config.first_account.password.as_ref() {
            config::weak_secret(env, "ADMIN_PASSWORD", password, &config.node.public_domain, "");
        }
        config.node.metrics_tokens.extend(config.admin_token.clone());
        let names = [config::VARIABLES, config::AGENT_VARIABLES, VARIABLES].concat();
        env.warn_of_misspelt(&names.iter().map(|(name, _, _)| *name).collect::<Vec<_>>());
        config.node.warnings.extend(env.take_warnings());
        config
    }

    /// Notes which directories a start could not use. Changes nothing on disk.
    pub fn look_at_disk(&self, env: &mut Env<'_>) {
        self.node.look_at_disk(env);
        let Some(dir) = self.database_directory() else { return };
        if let Err(problem) = self.check_database_dir().and_then(|()| config::could_write("DATABASE_URL", dir)) {
            env.problem(&problem.variable, problem.message);
        }
    }

    /// A directory that is not there is not made, but for the one of the default: behind a misspelt path stands an
    /// empty database, which looks as if every image were lost.
    ///
    /// # Errors
    /// A [`Problem`] that names it.
    pub fn check_database_dir(&self) -> Result<(), Problem> {
        let Some(dir) = self.database_directory().filter(|_| self.database_url != DEFAULT_DATABASE) else {
            return Ok(());
        };
        let message = match dir.metadata() {
            Ok(there) if there.is_dir() => return Ok(()),
            Err(cause) if cause.kind() == std::io::ErrorKind::PermissionDenied => {
                format!("the directory {} can't be looked at: {}", dir.display(), config::denied(dir, cause))
            }
            _ => format!("the directory {} does not exist: correct the path, or make it first", dir.display()),
        };
        Err(Problem { variable: "DATABASE_URL".into(), message })
    }

    /// The directory of the books, where they are a file in one.
    #[must_use]
    pub fn database_directory(&self) -> Option<&Path> {
        Path::new(sqlite_path(&self.database_url)?).parent().filter(|dir| !dir.as_os_str().is_empty())
    }

    /// What a sentence may call the books: the file, never a URL with a password.
    #[must_use]
    pub fn database_place(&self) -> &str {
        sqlite_path(&self.database_url).unwrap_or("of DATABASE_URL")
    }
}

fn sweep(env: &mut Env<'_>) -> SweepTimes {
    let SweepTimes { stuck_after, every } = SweepTimes::default();
    SweepTimes {
        stuck_after: env.duration("JOB_STUCK_AFTER", stuck_after),
        every: env.duration("JOB_SWEEP_INTERVAL", every),
    }
}

fn first_account(env: &mut Env<'_>) -> FirstAccount {
    let password = env.secret("ADMIN_PASSWORD");
    if password.as_ref().is_some_and(|password| password.len() > MAX_PASSWORD_BYTES) {
        env.problem("ADMIN_PASSWORD", format!("has more than {MAX_PASSWORD_BYTES} bytes"));
    }
    let password = password.map(|password| SecretPair::new(password, None));
    FirstAccount { name: admin_user(env), password, later: LaterStarts::LeaveIt }
}

/// `ADMIN_USER`: whose password it is where no name is given.
pub fn admin_user(env: &mut Env<'_>) -> AccountName {
    let name = env.text("ADMIN_USER").unwrap_or_else(|| "admin".to_owned());
    name.parse().unwrap_or_else(|refusal: Refusal| {
        env.problem("ADMIN_USER", refusal.to_string());
        "admin".parse().expect("a well-formed name")
    })
}

/// `DATABASE_URL`, checked as far as it can be without opening it. Never quoted: it may carry a password.
pub fn database_url(env: &mut Env<'_>) -> String {
    let url = env.text("DATABASE_URL").unwrap_or_else(|| DEFAULT_DATABASE.to_owned());
    match url.split_once(':').map_or("", |(scheme, _)| scheme) {
        "sqlite" => {
            let path = sqlite_path(&url).unwrap_or_default();
            if path.is_empty() || path == ":memory:" || path.contains('?') {
                env.problem("DATABASE_URL", "must name a file, for instance sqlite://data/pixelfox.db");
            }
        }
        "postgres" | "postgresql" => {
            if !url.contains("://") || url::Url::parse(&url).is_err() {
                env.problem("DATABASE_URL", "is not understood; write postgres://user:password@host:5432/database");
            }
        }
        _ => env.problem(
            "DATABASE_URL",
            "is not a database this version knows: write sqlite://data/pixelfox.db or postgres://user@host/database",
        ),
    }
    url
}

/// The file of a `sqlite:` URL.
fn sqlite_path(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("sqlite:")?;
    Some(rest.strip_prefix("//").unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn when_a_job_is_stuck() {
        // Both forms of both variables; what is none is named with the cure.
        let read = |after: &'static str, every: &'static str| {
            let value = move |name: &str| match name {
                "JOB_STUCK_AFTER" => Some(OsString::from(after)),
                "JOB_SWEEP_INTERVAL" => Some(OsString::from(every)),
                _ => None,
            };
            let mut env = Env::new(value);
            let times = sweep(&mut env);
            env.finish((times.stuck_after.as_secs(), times.every.as_secs())).map_err(|problems| problems.to_string())
        };
        assert_eq!(read("", ""), Ok((600, 60)));
        assert_eq!(read("90s", "5m"), Ok((90, 300)));
        let wrong = read("0s", "often").unwrap_err();
        assert!(wrong.contains("JOB_STUCK_AFTER") && wrong.contains("JOB_SWEEP_INTERVAL: `often`"), "{wrong}");
    }

    #[test]
    fn where_the_books_are() {
        for (url, want) in [
            ("sqlite://data/pixelfox.db", Ok(Some("data"))),
            ("sqlite:///var/lib/pixelfox.db", Ok(Some("/var/lib"))),
            ("sqlite:books.db", Ok(None)),
            ("postgres://user:hidden-word@host/db", Ok(None)),
            ("postgresql://user@localhost/db?host=/run/postgresql", Ok(None)),
            ("postgres:hidden-word@host:db", Err("not understood")),
            ("sqlite::memory:", Err("must name a file")),
            ("mysql://x", Err("this version knows")),
        ] {
            let mut env = Env::new(|name| (name == "DATABASE_URL").then(|| OsString::from(url)));
            let config = ServerConfig::read(&mut env);
            let said = env.finish(()).err().map(|problems| problems.to_string()).unwrap_or_default();
            match (said.contains("DATABASE_URL"), want) {
                (false, Ok(want)) => assert_eq!(config.database_directory(), want.map(Path::new), "{url}"),
                (true, Err(want)) => assert!(said.contains(want) && !said.contains("hidden-word"), "{url}: {said}"),
                (got, want) => panic!("{url}: {got:?}, expected {want:?}"),
            }
        }
    }
}
