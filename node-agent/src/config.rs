//! The environment of a node, read once and checked whole: every problem is named, not only the first.
//! Source: CONTRACT.md, "Environment".

use std::{
    ffi::OsString,
    fmt,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use pixelfox_proto::NodeId;
use url::Url;

use crate::secret::{SecretPair, Secrets};

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
    ("TLS_CA_FILE", "the system's roots", "certificates to trust for https:// between nodes, PEM"),
    ("RUST_LOG", "info", "what is logged, for instance `info,pixelfox_node=debug`"),
    ("LOG_FORMAT", "text", "`json` for log collectors"),
];

/// The variables that only a node-agent reads.
pub const AGENT_VARIABLES: &[Variable] =
    &[("COORDINATOR_URL", "http://app:4000", "where the coordinator is; several, comma-separated, are tried in turn")];

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
    /// Certificates to trust instead of the system's.
    pub tls_ca_file: Option<PathBuf>,
    /// How it logs.
    pub log: LogConfig,
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

/// One thing that is wrong with the environment: the variable, and a sentence with the cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its name.
    pub variable: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.message)
    }
}

/// Everything that is wrong, one line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Problems(pub Vec<Problem>);

/// Reads variables by name and gathers what is wrong with them. A variable that is set but empty counts as absent,
/// as compose files leave it.
pub struct Env<'a> {
    lookup: Box<dyn Fn(&str) -> Option<OsString> + 'a>,
    problems: Vec<Problem>,
}

impl Env<'static> {
    /// Of this process.
    #[must_use]
    pub fn process() -> Self {
        Self::new(|name| std::env::var_os(name))
    }
}

impl<'a> Env<'a> {
    /// Of any source, for tests and for `dev`.
    pub fn new(lookup: impl Fn(&str) -> Option<OsString> + 'a) -> Self {
        Self { lookup: Box::new(lookup), problems: Vec::new() }
    }

    /// Notes that `variable` is wrong.
    pub fn problem(&mut self, variable: &str, message: impl Into<String>) {
        self.problems.push(Problem { variable: variable.into(), message: message.into() });
    }

    /// Its text, where it is set and not empty.
    pub fn text(&mut self, name: &str) -> Option<String> {
        match (self.lookup)(name)?.into_string() {
            Ok(text) if text.trim().is_empty() => None,
            Ok(text) => Some(text),
            Err(_) => {
                self.problem(name, "is not UTF-8");
                None
            }
        }
    }

    /// Its value, or `default` where it is absent or wrong (then noted, with `expected` as what it should be).
    pub fn parse<T: FromStr>(&mut self, name: &str, default: T, expected: &str) -> T {
        let Some(text) = self.text(name) else { return default };
        text.trim().parse().unwrap_or_else(|_| {
            self.problem(name, format!("`{text}` is not {expected}"));
            default
        })
    }

    /// `0` or `1` (also `false`, `true`, `no`, `yes`, `off`, `on`).
    pub fn flag(&mut self, name: &str, default: bool) -> bool {
        let Some(text) = self.text(name) else { return default };
        match text.trim().to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => true,
            "0" | "false" | "no" | "off" => false,
            _ => {
                self.problem(name, format!("`{text}` is neither 0 nor 1"));
                default
            }
        }
    }

    /// `http://` or `https://` with a host and perhaps a port, without a `/` at its end.
    pub fn base_url(&mut self, name: &str, default: &str) -> String {
        let text = self.text(name).unwrap_or_else(|| default.to_owned());
        match check_base_url(&text) {
            Ok(url) => url,
            Err(why) => {
                self.problem(name, why);
                default.to_owned()
            }
        }
    }

    /// A secret from the variable or from the file that `<name>_FILE` names; never quoted in a message.
    pub fn secret(&mut self, name: &str) -> Option<String> {
        let file_variable = format!("{name}_FILE");
        let (inline, file) = (self.text(name), self.text(&file_variable));
        match (inline, file) {
            (Some(_), Some(_)) => {
                self.problem(name, format!("is set, and so is {file_variable}: keep one of them"));
                None
            }
            (inline, None) => inline.map(|secret| secret.trim().to_owned()),
            (None, Some(file)) => match std::fs::read_to_string(&file) {
                Ok(secret) if secret.trim().is_empty() => {
                    self.problem(&file_variable, format!("the file {file} is empty"));
                    None
                }
                Ok(secret) => Some(secret.trim().to_owned()),
                Err(error) => {
                    self.problem(&file_variable, format!("could not read {file}: {error}"));
                    None
                }
            },
        }
    }

    /// A secret with the one before it.
    pub fn secret_pair(&mut self, name: &str) -> Option<SecretPair> {
        let previous = self.secret(&format!("{name}_PREVIOUS"));
        let current = self.secret(name);
        if current.is_none() && previous.is_some() {
            self.problem(name, format!("is missing, but {name}_PREVIOUS is set: set the new one too"));
        }
        Some(SecretPair::new(current?, previous))
    }

    /// `value` where nothing was wrong.
    ///
    /// # Errors
    /// All [`Problems`] noted so far.
    pub fn finish<T>(self, value: T) -> Result<T, Problems> {
        if self.problems.is_empty() { Ok(value) } else { Err(Problems(self.problems)) }
    }
}

/// A base URL without its last `/`, or why it is none.
///
/// # Errors
/// A sentence with the cure.
pub fn check_base_url(text: &str) -> Result<String, String> {
    let url =
        Url::parse(text.trim()).map_err(|error| format!("`{text}` is not a URL ({error}): write http://host:port"))?;
    let plain = matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty();
    if !plain || url.password().is_some() {
        return Err(format!("`{}` must be http://host:port or https://host:port", url.host_str().unwrap_or(text)));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("`{text}` must have neither `?` nor `#`"));
    }
    Ok(text.trim().trim_end_matches('/').to_owned())
}

impl NodeConfig {
    /// Reads the node's part of the environment; `default_node_id` for the server, which is a node too. What is wrong
    /// is noted in `env`, and the value returned then is not to be used.
    pub fn read(env: &mut Env<'_>, default_node_id: Option<NodeId>) -> Self {
        let port = env.parse("APP_PORT", 4000, "a port from 1 to 65535");
        let host = env.parse("APP_HOST", IpAddr::from([0, 0, 0, 0]), "an IP address");
        let workers = if env.flag("DISABLE_JOB_WORKERS", false) { Workers::Disabled } else { Workers::Enabled };
        Self {
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
            tls_ca_file: env.text("TLS_CA_FILE").map(PathBuf::from),
            log: Self::read_log(env),
        }
    }
}

impl NodeConfig {
    /// Only how to log.
    pub fn read_log(env: &mut Env<'_>) -> LogConfig {
        log(env)
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
    }
    LogConfig { filter, format }
}

/// What a node-agent needs beyond that: the coordinators to try in turn.
pub fn coordinator_urls(env: &mut Env<'_>) -> Vec<String> {
    let text = env.text("COORDINATOR_URL").unwrap_or_else(|| "http://app:4000".to_owned());
    let mut urls = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match check_base_url(part) {
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

/// Makes `dir` with its parents and proves that a file can be written there.
///
/// # Errors
/// A [`Problem`] that names `variable`, the directory and the cure.
pub fn require_writable(variable: &str, dir: &Path) -> Result<(), Problem> {
    let problem = |what: &str, error: &std::io::Error| Problem {
        variable: variable.to_owned(),
        message: format!("could not {what} {}: {error}. Choose a directory that this user may write to", dir.display()),
    };
    std::fs::create_dir_all(dir).map_err(|error| problem("make", &error))?;
    let probe = dir.join(format!(".probe-{}", std::process::id()));
    std::fs::write(&probe, b"x").map_err(|error| problem("write into", &error))?;
    std::fs::remove_file(&probe).map_err(|error| problem("remove a file from", &error))
}

/// The content of `TLS_CA_FILE`.
///
/// # Errors
/// A [`Problem`] that names the file.
pub fn read_certificates(file: &Path) -> Result<Vec<u8>, Problem> {
    std::fs::read(file).map_err(|error| Problem {
        variable: "TLS_CA_FILE".into(),
        message: format!("could not read {}: {error}", file.display()),
    })
}

/// `90s`, `10m`, `1h`, `1d`, `250ms`.
///
/// # Errors
/// `None` where it is no duration.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    let millis = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

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
    fn durations() {
        for (text, seconds) in
            [("90s", Some(90)), ("10m", Some(600)), ("1h", Some(3600)), ("10", None), ("m", None), ("1w", None)]
        {
            assert_eq!(parse_duration(text), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
