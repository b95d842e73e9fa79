//! How a process logs. Must not know what is logged.

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::config::{LogConfig, LogFormat, Problem};

/// Starts logging to stderr, once a process; a second call (tests, several nodes in one process) changes nothing.
/// Colours only on a terminal; control characters of what clients sent are escaped by the formatter.
pub fn start(log: &LogConfig) {
    let filter = log.filter.parse::<EnvFilter>().unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let started = match log.format {
        LogFormat::Text => registry.with(fmt::layer().with_writer(std::io::stderr).with_ansi(ansi)).try_init(),
        LogFormat::Json => registry.with(fmt::layer().json().with_writer(std::io::stderr)).try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging had started before");
    }
}

/// Says what deserves a word about the environment: in the log, or beside it where the filter would swallow it.
pub fn warn_of(warnings: &[Problem]) {
    for warning in warnings {
        if tracing::enabled!(tracing::Level::WARN) {
            tracing::warn!("{warning}");
        } else {
            eprintln!("warning: {warning}");
        }
    }
}
