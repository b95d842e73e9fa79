//! What the values of the environment mean together: what a start would refuse, and what deserves a warning.

use std::path::{Path, PathBuf};

use url::{Host, Url};

use super::{Env, checks::without_links};
use crate::secret::SecretPair;

/// Secrets that stand in this project's public files.
const PUBLIC_SECRETS: [&str; 5] = [
    "dev_replication_secret_change_me",
    "dev_upload_token_secret_change_me",
    "dev_admin_token_change_me",
    "dev_metrics_token_change_me",
    "dev_admin_password_change_me",
];
/// Whose log lines are ours.
const CRATES: [&str; 3] = ["pixelfox_node", "pixelfox_server", "pixelfox_proto"];

/// `UPLOADS_DIR` becomes a pool's base_path, which must be absolute and lie under one of the roots.
pub(super) fn uploads_dir(env: &mut Env<'_>, dir: &Path, roots: &[PathBuf]) {
    if !dir.is_absolute() {
        let message =
            format!("`{}` is not absolute: a pool's path must not depend on where a process starts", dir.display());
        return env.problem("UPLOADS_DIR", message);
    }
    let real = without_links(dir);
    if roots.iter().all(|root| root.is_absolute()) && !roots.iter().any(|root| real.starts_with(without_links(root))) {
        let roots: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
        let message = format!(
            "{} does not lie under STORAGE_ROOTS ({}): set both, pools are only opened there",
            real.display(),
            roots.join(":")
        );
        env.problem("UPLOADS_DIR", message);
    }
}

/// `PUBLIC_DOMAIN` becomes a pool's public_base_url, to which links add `/uploads/…`.
pub(super) fn public_domain(env: &mut Env<'_>, url: &str) {
    let path = Url::parse(url).map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    if last == "uploads" || last.starts_with("uploads_") {
        let message = format!("must be host and port only: leave out {path}, links get /uploads by themselves");
        env.problem("PUBLIC_DOMAIN", message);
    } else if !path.is_empty() {
        env.warning("PUBLIC_DOMAIN", format!("should be host and port only: nodes serve nothing under {path}"));
    }
}

/// Short secrets can be guessed, those of `.env.dev` are known to everybody, and without one something is closed:
/// `without` says what.
pub fn weak_secret(env: &mut Env<'_>, name: &str, secret: Option<&SecretPair>, public_domain: &str, without: &str) {
    let Some(secret) = secret else { return env.warning(name, format!("is not set: {without}")) };
    if secret.is_short() {
        env.warning(name, "has fewer than 16 characters and can be guessed: set a longer one on all nodes");
    }
    if !is_own_machine(public_domain) && PUBLIC_SECRETS.iter().any(|public| secret.matches(public)) {
        env.warning(name, "is the one of .env.dev, which everybody knows: set one of your own on all nodes");
    }
}

/// Loopback, `localhost` or `*.local`.
fn is_own_machine(url: &str) -> bool {
    match Url::parse(url).ok().as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".local"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A word that is no level is taken for a module's name: then the log stays empty.
pub(super) fn log_filter(env: &mut Env<'_>, filter: &str) {
    if !filter.split(',').any(shows_ours) {
        let message = format!("`{filter}` shows no line of ours: write info, or info,pixelfox_node=debug");
        env.warning("RUST_LOG", message);
    }
}

fn shows_ours(directive: &str) -> bool {
    let directive = directive.trim();
    let target = directive.split(['=', '[']).next().unwrap_or_default().trim();
    let is_level = directive.parse::<tracing::metadata::LevelFilter>().is_ok();
    !directive.is_empty() && (is_level || target.is_empty() || CRATES.iter().any(|name| near(name, target)))
}

/// Filters go by the beginning of a name.
fn near(name: &str, target: &str) -> bool {
    name.starts_with(target) || target.starts_with(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_filters_show_something() {
        for (filter, want) in [
            ("info", true),
            ("INFO", true),
            ("off", true),
            ("verbose", false),
            ("pixelfox_node=debug", true),
            ("pixelfox_node::pools=debug", true),
            ("pixelfox=debug", true),
            ("node_agent=debug", false),
            ("h2=trace,warn", true),
            ("h2=trace", false),
        ] {
            assert_eq!(filter.split(',').any(shows_ours), want, "{filter}");
        }
    }

    #[test]
    fn whose_machine_it_is() {
        for (url, want) in [
            ("http://localhost:8080", true),
            ("http://app.local:8080", true),
            ("http://127.0.0.1", true),
            ("http://[::1]:8080", true),
            ("https://img.example.org", false),
            ("http://10.0.0.1", false),
            ("http://[2001:db8::1]", false),
        ] {
            assert_eq!(is_own_machine(url), want, "{url}");
        }
    }
}
