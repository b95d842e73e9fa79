//! The environment of a node, read once and checked whole: every problem is named, not only the first.
//! Source: docs/configuration.md.

mod checks;
mod env;
mod rules;

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use pixelfox_proto::NodeId;

pub use self::{
    checks::{
        could_write, denied, parse_duration, parse_size, read_certificates, require_writable, show_size, without_links,
    },
    env::{Env, Problem, Problems, check_base_url},
    rules::weak_secret,
};
use crate::{
    proxies::Proxies,
    secret::{SecretPair, Secrets},
};

/// One variable as `--help` shows it: name, default in words, meaning.
pub type Variable = (&'static str, &'static str, &'static str);

/// The variables that every node reads.
pub const VARIABLES: &[Variable] = &[
    ("NODE_ID", "`local` for server", "which pools and jobs are this process's"),
    ("APP_HOST", "0.0.0.0", "address to listen on"),
    ("APP_PORT", "4000", "port to listen on: HTTP/1.1, and HTTP/2 for gRPC"),
    ("PUBLIC_DOMAIN", "http://localhost:8080", "this process as browsers see it"),
    ("NODE_URL", "http://<host name>:<APP_PORT>", "this process as other nodes see it"),
    ("UPLOADS_DIR", "/app/uploads", "directory of this node's first pool"),
    ("STORAGE_ROOTS", "/app", "a pool must lie under one of these, `:`-separated"),
    ("STATE_DIR", "data", "instance id and other small state of this process"),
    ("DISABLE_JOB_WORKERS", "0", "1: serve and receive files, but take no jobs"),
    ("REPLICATION_SECRET", "none: no replication", "equal on all nodes; or REPLICATION_SECRET_FILE"),
    ("REPLICATION_SECRET_PREVIOUS", "none", "also accepted while the secret is changed"),
    ("UPLOAD_TOKEN_SECRET", "none: no direct uploads", "equal on all nodes; or UPLOAD_TOKEN_SECRET_FILE"),
    ("UPLOAD_TOKEN_SECRET_PREVIOUS", "none", "also accepted while the secret is changed"),
    ("METRICS_TOKEN", "none", "opens /metrics to others than this machine; or METRICS_TOKEN_FILE"),
    ("TRUSTED_PROXIES", "none", "networks whose X-Forwarded-For and X-Forwarded-Proto count (10.0.0.0/8, 192.168.1.7)"),
    ("TLS_CA_FILE", "the system's roots", "certificates to trust for https:// between nodes, PEM"),
    ("RUST_LOG", "info", "what is logged, for instance `info,pixelfox_node=debug`"),
    ("LOG_FORMAT", "text", "`json` for log collectors"),
];

/// The variables that only a node-agent reads.
pub const AGENT_VARIABLES: &[Variable] = &[
    ("COORDINATOR_URL", "http://app:4000", "where the coordinator is; several, comma-separated, are tried in turn"),
    ("ADMIN_TOKEN", "none", "the server's; where it is set it opens this node's /metrics too; or ADMIN_TOKEN_FILE"),
];

/// What a node needs to know before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// Which pools and jobs are this process's.
    pub node_id: NodeId,
    /// Where it listens.
    pub listen: SocketAddr,
    /// As browsers see it; no `/` at the end.
    pub public_domain: String,
    /// As other nodes see it; no `/` at the end.
    pub node_url: String,
    /// Directory of its first pool.
    pub uploads_dir: PathBuf,
    /// Pools lie under one of these.
    pub storage_roots: Vec<PathBuf>,
    /// Instance id, last Welcome.
    pub state_dir: PathBuf,
    /// Whether it takes jobs.
    pub workers: Workers,
    /// What the nodes share.
    pub secrets: Secrets,
    /// What opens `/metrics` to others than this machine: `METRICS_TOKEN`, `ADMIN_TOKEN`.
    pub metrics_tokens: Vec<SecretPair>,
    /// Who may say for whom it asks.
    pub proxies: Proxies,
    /// Certificates to trust instead of the system's.
    pub tls_ca_file: Option<PathBuf>,
    /// How it logs.
    pub log: LogConfig,
    /// What deserves a word at the start, though nothing is wrong.
    pub warnings: Vec<Problem>,
}

/// Whether a node takes jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// Takes jobs.
    Enabled,
    /// Serves and receives files, takes no jobs.
    Disabled,
}

/// How a process logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Directives as `RUST_LOG` has them.
    pub filter: String,
    /// Shape of a line.
    pub format: LogFormat,
}

/// Shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl NodeConfig {
    /// Reads the node's part of the environment; `default_node_id` for the server, which is a node too. What is wrong
    /// is noted in `env`, and the value returned then is not to be used.
    pub fn read(env: &mut Env<'_>, default_node_id: Option<NodeId>) -> Self {
        #[cfg(feature = "crash-points")]
        choose_crash_point(env);
        let port = env.parse("APP_PORT", 4000, "a port from 1 to 65535");
        let host = env.parse("APP_HOST", IpAddr::from([0, 0, 0, 0]), "an IP address");
        let workers = if env.flag("DISABLE_JOB_WORKERS", false) { Workers::Disabled } else { Workers::Enabled };
        let mut config = Self {
            node_id: node_id(env, default_node_id),
            listen: SocketAddr::new(host, port),
            public_domain: env.base_url("PUBLIC_DOMAIN", "http://localhost:8080"),
            node_url: env.base_url("NODE_URL", &format!("http://{}:{port}", host_name())),
            uploads_dir: path(env, "UPLOADS_DIR", "/app/uploads"),
            storage_roots: storage_roots(env),
            state_dir: path(env, "STATE_DIR", "data"),
            workers,
            secrets: Secrets {
                replication: env.secret_pair("REPLICATION_SECRET"),
                upload_token: env.secret_pair("UPLOAD_TOKEN_SECRET"),
            },
            metrics_tokens: env.secret("METRICS_TOKEN").map(|token| SecretPair::new(token, None)).into_iter().collect(),
            proxies: trusted_proxies(env),
            tls_ca_file: env.text("TLS_CA_FILE").map(PathBuf::from),
            log: Self::read_log(env),
            warnings: Vec::new(),
        };
        config.judge(env);
        config.warnings = env.take_warnings();
        config
    }

    /// Only how to log.
    pub fn read_log(env: &mut Env<'_>) -> LogConfig {
        log(env)
    }

    /// Notes what each value means for the others.
    fn judge(&self, env: &mut Env<'_>) {
        rules::uploads_dir(env, &self.uploads_dir, &self.storage_roots);
        rules::public_domain(env, &self.public_domain);
        if let Some(Err(problem)) = self.tls_ca_file.as_deref().map(read_certificates) {
            env.problem(&problem.variable, problem.message);
        }
        let closed = "replication is closed, and no node attaches to another without it";
        let Secrets { replication, upload_token } = &self.secrets;
        weak_secret(env, "REPLICATION_SECRET", replication.as_ref(), &self.public_domain, closed);
        let closed = "uploads with a token are closed";
        weak_secret(env, "UPLOAD_TOKEN_SECRET", upload_token.as_ref(), &self.public_domain, closed);
        if let token @ Some(_) = self.metrics_tokens.first() {
            weak_secret(env, "METRICS_TOKEN", token, &self.public_domain, "");
        }
    }

    /// Notes which directories a start could not use. Changes nothing on disk.
    pub fn look_at_disk(&self, env: &mut Env<'_>) {
        for (name, dir) in [("STATE_DIR", &self.state_dir), ("UPLOADS_DIR", &self.uploads_dir)] {
            if let Err(problem) = could_write(name, dir) {
                env.problem(&problem.variable, problem.message);
            }
        }
    }
}

/// `ADMIN_TOKEN`, for those who know it.
pub fn admin_token(env: &mut Env<'_>) -> Option<SecretPair> {
    env.secret("ADMIN_TOKEN").map(|token| SecretPair::new(token, None))
}

/// Where a test wants this process to end.
#[cfg(feature = "crash-points")]
fn choose_crash_point(env: &mut Env<'_>) {
    match env.text("CRASH_POINT").map(|text| text.parse()) {
        Some(Ok(chosen)) => crate::crash::arm(chosen),
        Some(Err(why)) => env.problem("CRASH_POINT", why),
        None => {}
    }
}

fn node_id(env: &mut Env<'_>, default: Option<NodeId>) -> NodeId {
    let unset = || "unset".parse().expect("a well-formed NODE_ID");
    match (env.text("NODE_ID"), default) {
        (None, Some(default)) => default,
        (None, None) => {
            env.problem("NODE_ID", "is missing: give this storage node a name of its own, for instance s01");
            unset()
        }
        (Some(text), _) => text.trim().parse().unwrap_or_else(|error| {
            env.problem("NODE_ID", format!("{error}"));
            unset()
        }),
    }
}

fn path(env: &mut Env<'_>, name: &str, default: &str) -> PathBuf {
    PathBuf::from(env.text(name).unwrap_or_else(|| default.to_owned()))
}

fn storage_roots(env: &mut Env<'_>) -> Vec<PathBuf> {
    let text = env.text("STORAGE_ROOTS").unwrap_or_else(|| "/app".to_owned());
    let roots: Vec<PathBuf> = text.split(':').filter(|root| !root.is_empty()).map(PathBuf::from).collect();
    if let Some(relative) = roots.iter().find(|root| !root.is_absolute()) {
        let message = format!(
            "`{}` is not absolute: a pool's path must not depend on where a process starts",
            relative.display()
        );
        env.problem("STORAGE_ROOTS", message);
    }
    roots
}

fn trusted_proxies(env: &mut Env<'_>) -> Proxies {
    Proxies::parse(&env.text("TRUSTED_PROXIES").unwrap_or_default()).unwrap_or_else(|word| {
        env.problem("TRUSTED_PROXIES", format!("`{word}` is neither an address nor a network: write 10.0.0.0/8"));
        Proxies::default()
    })
}

fn log(env: &mut Env<'_>) -> LogConfig {
    let format = match env.text("LOG_FORMAT").as_deref() {
        None | Some("text") => LogFormat::Text,
        Some("json") => LogFormat::Json,
        Some(other) => {
            env.problem("LOG_FORMAT", format!("`{other}` is neither text nor json"));
            LogFormat::Text
        }
    };
    let filter = env.text("RUST_LOG").unwrap_or_else(|| "info".to_owned());
    if let Err(error) = filter.parse::<tracing_subscriber::EnvFilter>() {
        env.problem("RUST_LOG", format!("`{filter}` is no filter ({error}): write for instance info"));
    } else {
        rules::log_filter(env, &filter);
    }
    LogConfig { filter, format }
}

/// What a node-agent needs beyond that: the coordinators to try in turn.
pub fn coordinator_urls(env: &mut Env<'_>) -> Vec<String> {
    let text = env.text("COORDINATOR_URL").unwrap_or_else(|| "http://app:4000".to_owned());
    let mut urls = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match check_base_url(part) {
            Ok(url) if url.splitn(4, '/').nth(3).is_some() => {
                env.problem("COORDINATOR_URL", format!("`{url}` must be host and port only: write http://app:4000"));
            }
            Ok(url) => urls.push(url),
            Err(why) => env.problem("COORDINATOR_URL", why),
        }
    }
    if urls.is_empty() {
        env.problem("COORDINATOR_URL", "names no coordinator: write for instance http://app:4000");
    }
    urls
}

/// This machine's name, as containers of one network find each other by it.
fn host_name() -> String {
    let uname = rustix::system::uname();
    let name = uname.nodename().to_string_lossy();
    if name.is_empty() { "localhost".to_owned() } else { name.into_owned() }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, ffi::OsString, time::Duration};

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<NodeConfig, Problems> {
        let variables: HashMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut env = Env::new(move |name| variables.get(name).map(OsString::from));
        let config = NodeConfig::read(&mut env, None);
        env.finish(config)
    }

    #[test]
    fn a_node_needs_only_its_name() {
        let config = read(&[("NODE_ID", "s01"), ("REPLICATION_SECRET", "")]).unwrap();
        assert_eq!(config.listen.to_string(), "0.0.0.0:4000");
        assert_eq!((config.secrets, config.workers), (Secrets::default(), Workers::Enabled));
        assert!(config.node_url.starts_with("http://") && config.node_url.ends_with(":4000"), "{}", config.node_url);
    }

    #[test]
    fn every_problem_is_named_at_once_and_no_secret_is_quoted() {
        let problems = read(&[
            ("NODE_ID", "s/01"),
            ("APP_PORT", "70000"),
            ("PUBLIC_DOMAIN", "http://user:hidden-word@host"),
            ("NODE_URL", "ftp://host"),
            ("STORAGE_ROOTS", "data"),
            ("DISABLE_JOB_WORKERS", "perhaps"),
            ("UPLOAD_TOKEN_SECRET_PREVIOUS", "hidden-word"),
            ("REPLICATION_SECRET", "hidden-word"),
            ("REPLICATION_SECRET_FILE", "/nonexistent"),
            ("TRUSTED_PROXIES", "proxy.local"),
            ("LOG_FORMAT", "xml"),
            ("RUST_LOG", "a=b=c"),
        ])
        .unwrap_err();
        let named: Vec<&str> = problems.0.iter().map(|problem| problem.variable.as_str()).collect();
        for variable in [
            "NODE_ID",
            "APP_PORT",
            "PUBLIC_DOMAIN",
            "NODE_URL",
            "STORAGE_ROOTS",
            "DISABLE_JOB_WORKERS",
            "UPLOAD_TOKEN_SECRET",
            "REPLICATION_SECRET",
            "TRUSTED_PROXIES",
            "LOG_FORMAT",
            "RUST_LOG",
        ] {
            assert!(named.contains(&variable), "{variable} is not among {named:?}");
        }
        assert!(!problems.to_string().contains("hidden-word"), "{problems}");
    }

    #[test]
    fn a_secret_may_come_from_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "from a file\n").unwrap();
        let path = file.path().to_str().unwrap();
        let config = read(&[("NODE_ID", "s01"), ("REPLICATION_SECRET_FILE", path)]).unwrap();
        assert!(config.secrets.replication.unwrap().matches("from a file"));
    }

    #[test]
    fn base_urls() {
        for (text, want) in [
            ("http://s01.local:8082", Some("http://s01.local:8082")),
            ("https://host/", Some("https://host")),
            (" http://host/below/ ", Some("http://host/below")),
            ("host:80", None),
            ("http://", None),
            ("http://host?x", None),
        ] {
            assert_eq!(check_base_url(text).ok().as_deref(), want, "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("512MiB", Some(512 << 20)),
            ("2GB", Some(2_000_000_000)),
            ("1 TiB", Some(1 << 40)),
            ("70", Some(70)),
            ("", None),
            ("MiB", None),
            ("1mb", None),
            ("99999999999TB", None),
        ] {
            assert_eq!(parse_size(text), bytes, "{text}");
        }
        for (bytes, text) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1024, "1.0 kB"),
            (2_650_000, "2.6 MB"),
            (512 << 20, "512 MiB"),
            (u64::MAX, "18446744.0 TB"),
        ] {
            assert_eq!(show_size(bytes), text);
        }
    }

    #[test]
    fn durations() {
        for (text, seconds) in
            [("90s", Some(90)), ("10m", Some(600)), ("1h", Some(3600)), ("10", None), ("m", None), ("1w", None)]
        {
            assert_eq!(parse_duration(text), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
