//! The server's environment: the node's, and what only the coordinator needs. Source: CONTRACT.md, "Environment".

use std::path::PathBuf;

use pixelfox_node::{
    config::{Env, NodeConfig, Variable},
    secret::SecretPair,
};

/// The variables that only the server reads.
pub const VARIABLES: &[Variable] = &[
    ("ADMIN_TOKEN", "none: the Admin service is closed", "for grpcurl and scripts; or ADMIN_TOKEN_FILE"),
    ("DATABASE_URL", "sqlite://data/pixelfox.db", "where the coordinator keeps its books"),
    ("PUBLIC_UPLOADS", "0", "first value of the setting: uploads without a login or key"),
    ("AUTO_POOLS", "0", "1: a node that attaches and has never had a pool gets one"),
];

/// What the coordinator needs to know before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Of the embedded node.
    pub node: NodeConfig,
    /// Opens the Admin service.
    pub admin_token: Option<SecretPair>,
    /// The SQLite file of the books.
    pub database: PathBuf,
    /// First value of the setting `public_uploads`.
    pub public_uploads: bool,
    /// Whether a node without a pool gets one when it attaches.
    pub auto_pools: bool,
}

impl ServerConfig {
    /// Reads the environment. What is wrong is noted in `env`, and the value returned then is not to be used.
    pub fn read(env: &mut Env<'_>) -> Self {
        let local = "local".parse().expect("a well-formed NODE_ID");
        Self {
            node: NodeConfig::read(env, Some(local)),
            admin_token: env.secret("ADMIN_TOKEN").map(|token| SecretPair::new(token, None)),
            database: database(env),
            public_uploads: env.flag("PUBLIC_UPLOADS", false),
            auto_pools: env.flag("AUTO_POOLS", false),
        }
    }
}

fn database(env: &mut Env<'_>) -> PathBuf {
    let url = env.text("DATABASE_URL").unwrap_or_else(|| "sqlite://data/pixelfox.db".to_owned());
    match url.strip_prefix("sqlite:") {
        Some(rest) => {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            if path.is_empty() || path == ":memory:" || path.contains('?') {
                env.problem("DATABASE_URL", "must name a file, for instance sqlite://data/pixelfox.db");
            }
            PathBuf::from(path)
        }
        None => {
            // Never quoted: a database URL carries a password.
            let scheme = url.split(':').next().unwrap_or_default();
            let message = match scheme {
                "postgres" | "postgresql" => {
                    "PostgreSQL is not supported by this version: use sqlite://data/pixelfox.db"
                }
                _ => "is not a database this version knows: write sqlite://data/pixelfox.db",
            };
            env.problem("DATABASE_URL", message);
            PathBuf::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn where_the_books_are() {
        for (url, want) in [
            ("sqlite://data/pixelfox.db", Ok("data/pixelfox.db")),
            ("sqlite:///var/lib/pixelfox.db", Ok("/var/lib/pixelfox.db")),
            ("sqlite:books.db", Ok("books.db")),
            ("sqlite::memory:", Err("must name a file")),
            ("postgres://user:hidden-word@host/db", Err("not supported by this version")),
            ("mysql://x", Err("this version knows")),
        ] {
            let mut env = Env::new(|name| (name == "DATABASE_URL").then(|| OsString::from(url)));
            let path = database(&mut env);
            match (env.finish(path), want) {
                (Ok(path), Ok(want)) => assert_eq!(path, PathBuf::from(want), "{url}"),
                (Err(problems), Err(want)) => {
                    let text = problems.to_string();
                    assert!(text.contains(want) && !text.contains("hidden-word"), "{url}: {text}");
                }
                (got, want) => panic!("{url}: {got:?}, expected {want:?}"),
            }
        }
    }
}
