//! What can only be seen by looking: directories and files. And words for durations and sizes.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use super::Problem;

/// A refusal of the file system, with whose process this is and whose what it was refused.
#[must_use]
pub fn denied(path: &Path, cause: std::io::Error) -> std::io::Error {
    if cause.kind() != std::io::ErrorKind::PermissionDenied {
        return cause;
    }
    let cure = cure_of(path);
    if cure.is_empty() { cause } else { std::io::Error::new(cause.kind(), format!("{cause}. {cure}")) }
}

/// As whom to run a command that may not use `path`; empty where it runs as the owner.
fn cure_of(path: &Path) -> String {
    let own = rustix::process::geteuid().as_raw();
    let there = path.ancestors().find_map(|part| {
        let part = if part.as_os_str().is_empty() { Path::new(".") } else { part };
        part.metadata().ok().map(|about| (part, about.uid()))
    });
    match there {
        Some((part, owner)) if owner != own => format!(
            "This command runs as user {own}, {} is user {owner}'s: run it as that one (sudo -u '#{owner}' …, in a \
             container docker exec -u {owner} …)",
            part.display()
        ),
        _ => String::new(),
    }
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

/// Whether a start could make `dir` and write there. Changes nothing on disk.
///
/// # Errors
/// A [`Problem`] that names `variable`, what is in the way, and the cure.
pub fn could_write(variable: &str, dir: &Path) -> Result<(), Problem> {
    let there = dir.ancestors().find(|part| part.symlink_metadata().is_ok());
    let there = there.filter(|part| !part.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let problem = |what: &str| Problem {
        variable: variable.to_owned(),
        message: format!("{} {what}. Choose a directory that this user may write to", there.display()),
    };
    if !there.is_dir() {
        return Err(problem("is no directory"));
    }
    rustix::fs::access(there, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)
        .map_err(|error| problem(&format!("can't be written: {}", denied(there, error.into()))))
}

/// `path` without links; what is not there yet is added to its deepest parent that is.
#[must_use]
pub fn without_links(path: &Path) -> PathBuf {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(real), ..) => real,
        (Err(_), Some(parent), Some(name)) => without_links(parent).join(name),
        (Err(_), ..) => path.to_owned(),
    }
}

/// The content of `TLS_CA_FILE`.
///
/// # Errors
/// A [`Problem`] that names the file.
pub fn read_certificates(file: &Path) -> Result<Vec<u8>, Problem> {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    let problem = |message: String| Problem { variable: "TLS_CA_FILE".into(), message };
    let content =
        std::fs::read(file).map_err(|error| problem(format!("could not read {}: {error}", file.display())))?;
    if !content.windows(BEGIN.len()).any(|window| window == BEGIN) {
        return Err(problem(format!("{} has no certificate: it must be PEM, with BEGIN CERTIFICATE", file.display())));
    }
    Ok(content)
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

/// `512MiB`, `2GB`, `1000`: bytes, with a unit of 1000 or of 1024.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit: u64 = match text[digits..].trim_start() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// Bytes for a person, as the pages and `ctl` show them: `2.6 MB`; a limit that somebody chose in MiB as that.
#[must_use]
pub fn show_size(bytes: u64) -> String {
    const CHOSEN: [(&str, u64); 3] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20)];
    const UNITS: [(&str, u64); 4] =
        [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    if let Some((name, unit)) = CHOSEN.iter().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit)) {
        return format!("{} {name}", bytes / unit);
    }
    let unit = UNITS.iter().find(|(_, unit)| bytes >= *unit);
    unit.map_or_else(
        || format!("{bytes} bytes"),
        |(name, unit)| {
            let tenths = u128::from(bytes) * 10 / u128::from(*unit);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        },
    )
}
