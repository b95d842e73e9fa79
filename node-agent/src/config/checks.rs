//! What can only be seen by trying: directories, files, durations in words.

use std::{path::Path, time::Duration};

use super::Problem;

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
